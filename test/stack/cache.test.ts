/** The cache outside the clone: keys, one build at a time, nothing half-built ever seen. */
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { cacheFolder, ensureArtefact, folderOf, isCached, keyOf, keyOfFiles } from '../../stack/cache.ts';
import type { Artefact } from '../../stack/cache.ts';
import { Progress } from '../../stack/progress.ts';

const scratch = mkdtempSync(join(tmpdir(), 'cutover-cache-test-'));
after(() => rmSync(scratch, { recursive: true, force: true }));
const newCache = (): string => mkdtempSync(join(scratch, 'cache-'));
const silent = (): Progress => new Progress({ write: () => undefined });

describe('where the cache is', () => {
  const cases: readonly [string, Record<string, string>, string][] = [
    ['CUTOVER_CACHE wins', { CUTOVER_CACHE: '/a/b', XDG_CACHE_HOME: '/c' }, '/a/b'],
    ['then the folder of XDG', { XDG_CACHE_HOME: '/c' }, '/c/cutover'],
    ['else below the home folder', {}, join(homedir(), '.cache', 'cutover')],
  ];
  for (const [situation, env, folder] of cases) it(situation, () => assert.equal(cacheFolder(env), folder));
});

describe('keys', () => {
  it('the same lock files give the same key in another clone', () => {
    const [one, other] = [join(scratch, 'one'), join(scratch, 'other')];
    for (const clone of [one, other]) {
      mkdirSync(clone);
      writeFileSync(join(clone, 'go.sum'), 'sums');
      writeFileSync(join(clone, 'go.mod'), 'module');
    }
    assert.equal(keyOfFiles([join(one, 'go.mod'), join(one, 'go.sum')]), keyOfFiles([join(other, 'go.sum'), join(other, 'go.mod')]));
  });
  it('another content, platform or name gives another key', () => {
    const keys = [keyOf({ 'pom.xml': 'a' }), keyOf({ 'pom.xml': 'b' }), keyOf({ 'other.xml': 'a' }), keyOf({ 'pom.xml': 'a', platform: 'linux-x64' }), keyOf({ 'pom.xml': 'a', platform: 'linux-arm64' })];
    assert.equal(new Set(keys).size, keys.length);
  });
  it('content cannot move from one file to the next unnoticed', () => assert.notEqual(keyOf({ a: 'xy', b: '' }), keyOf({ a: 'x', b: 'y' })));
});

describe('building', () => {
  const artefact = (build: Artefact['build'], lane = 'lane'): Artefact => ({ name: 'thing', key: 'k1', lane, build });
  const writes = (builds: { count: number }): Artefact['build'] => async (folder) => {
    builds.count++;
    await new Promise((resolve) => setTimeout(resolve, 30));
    writeFileSync(join(folder, 'file'), 'content');
  };

  it('what is missing is built once, and found afterwards', async () => {
    const [cache, builds] = [newCache(), { count: 0 }];
    assert.equal(isCached(artefact(writes(builds)), cache), false);
    const folder = await ensureArtefact(artefact(writes(builds)), silent(), cache);
    assert.equal(await ensureArtefact(artefact(writes(builds)), silent(), cache), folder);
    assert.equal(builds.count, 1);
    assert.ok(existsSync(join(folder, 'file')));
  });

  it('two that want the same at once build it once', async () => {
    const [cache, builds] = [newCache(), { count: 0 }];
    await Promise.all([1, 2, 3].map(() => ensureArtefact(artefact(writes(builds)), silent(), cache)));
    assert.equal(builds.count, 1);
  });

  it('a build that fails leaves nothing behind and is tried again', async () => {
    const [cache, builds] = [newCache(), { count: 0 }];
    const fails = artefact((folder) => { writeFileSync(join(folder, 'half'), ''); return Promise.reject(new Error('no network')); });
    await assert.rejects(ensureArtefact(fails, silent(), cache), /no network/);
    assert.deepEqual(readdirSync(cache), []);
    await ensureArtefact(artefact(writes(builds)), silent(), cache);
    assert.equal(builds.count, 1);
  });

  it('the folder and the lock of a builder that was killed do not stand in the way', async () => {
    const [cache, builds] = [newCache(), { count: 0 }];
    mkdirSync(join(cache, 'thing-k1.building-999999999-ab'));
    writeFileSync(join(cache, 'lane.lock'), JSON.stringify({ pid: 999_999_999, started: '1' }));
    await ensureArtefact(artefact(writes(builds)), silent(), cache);
    assert.deepEqual(readdirSync(cache), ['thing-k1']);
  });

  it('somebody else finishing it first is as good', async () => {
    const cache = newCache();
    const target = folderOf({ name: 'thing', key: 'k1' }, cache);
    const overtaken = artefact(() => { mkdirSync(target); writeFileSync(join(target, 'theirs'), ''); return Promise.resolve(); });
    assert.equal(await ensureArtefact(overtaken, silent(), cache), target);
    assert.deepEqual(readdirSync(target), ['theirs']);
  });
});

describe('what one sees meanwhile', () => {
  it('not a terminal: a line when it begins and one when it ends', async () => {
    const lines: string[] = [];
    const progress = new Progress({ write: (text) => lines.push(text) });
    const build = { name: 'thing', key: 'k1', lane: 'lane', build: () => Promise.resolve() };
    await ensureArtefact(build, progress, newCache());
    assert.deepEqual(lines, ['set-up · thing: begins\n', 'set-up · thing: ready\n']);
  });
  it('a terminal: one line that renews itself, cleared before the last word', (t) => {
    t.mock.timers.enable({ apis: ['setInterval', 'Date'] });
    const written: string[] = [];
    const progress = new Progress({ isTTY: true, columns: 40, write: (text) => written.push(text) });
    const [one, other] = [progress.begin('temporal'), progress.begin('connect')];
    one.say('312 of up to 1480 packages compiled');
    t.mock.timers.tick(2_000);
    assert.equal(written.at(-1), '\r\u001b[Kset-up · temporal: 312 of up to 1480 pa');
    one.end('ready');
    other.end('ready');
    assert.deepEqual(written.slice(-3), ['set-up · temporal: ready (2 s)\n', '\r\u001b[K', 'set-up · connect: ready (2 s)\n']);
  });
});
