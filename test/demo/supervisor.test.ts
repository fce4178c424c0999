/** The demo's supervisor as a fleet sees it, and the demo's migration as the schemes see it. */
import assert from 'node:assert/strict';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { apps, migration } from '../../demo/applications.ts';
import { Supervisor } from '../../demo/supervisor.ts';
import { cutsOf } from '../../src/domain/migration.ts';
import { copies, copiesEither, schemes, type SchemeName } from '../../src/workflows/schemes/schemes.ts';
import { parseMigration } from '../../src/domain/parse-migration.ts';
import { eventually } from '../adapters/fleet/until.ts';

test('demo supervisor: refuses what comes too late, with a wrong token, or for an application it does not know', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'cutover-supervisor-'));
  t.after(() => rm(folder, { recursive: true }));
  await using supervisor = new Supervisor({ apps: apps({ ratePerSecond: 10 }, () => ({})), bootstrap: { source: [], target: [] }, journalFolder: folder, logFolder: folder });
  const url = await supervisor.listen();
  const call = async (path: string, body: object | null, token = supervisor.token): Promise<number> =>
    (await fetch(`${url}${path}`, { method: body === null ? 'GET' : 'POST', headers: { authorization: `Bearer ${token}` }, ...(body === null ? {} : { body: JSON.stringify(body) }) })).status;
  assert.equal(await call('/start', { application: 'shop', on: 'source', untilMs: Date.now() - 1 }), 409);
  assert.equal(await call('/stop', { application: 'shop' }, 'another'), 401);
  assert.equal(await call('/stop', { application: 'nobody' }), 404);
  assert.equal(await call('/start', { application: 'shop', on: 'both' }), 400);
  assert.equal(await call('/restart', { application: 'shop' }), 404);
  assert.equal(await call('/ask?application=shop', null), 200);
  assert.deepEqual(supervisor.count('shop'), { source: 0, target: 0 });
});

test('demo supervisor: an application that dies is started again where it was, one that was stopped is not', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'cutover-supervisor-'));
  t.after(() => rm(folder, { recursive: true }));
  // A process that refuses its arguments ends at once, again and again.
  const [spec] = apps({ ratePerSecond: 10 }, () => ({}));
  await using supervisor = new Supervisor({ apps: [{ ...spec ?? assert.fail(), instances: 1, args: ['--no-such-option'] }], bootstrap: { source: ['127.0.0.1:1'], target: ['127.0.0.1:1'] }, journalFolder: folder, logFolder: folder });
  const deaths = () => supervisor.events.filter((e) => e.what === 'died').length;
  await supervisor.start('shop', 'target');
  await eventually('it died three times', () => deaths() >= 3, 20_000);
  await supervisor.stop('shop');
  const seen = deaths();
  await new Promise((r) => setTimeout(r, 800)); // longer than the pause before a restart
  assert.ok(deaths() <= seen + 1);
  assert.deepEqual(supervisor.count('shop'), { source: 0, target: 0 });
});

test('demo supervisor: a process that is stopped while it still loads its code was stopped, it did not die', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'cutover-supervisor-'));
  t.after(() => rm(folder, { recursive: true }));
  await using supervisor = new Supervisor({ apps: apps({ ratePerSecond: 10 }, () => ({})), bootstrap: { source: ['127.0.0.1:1'], target: ['127.0.0.1:1'] }, journalFolder: folder, logFolder: folder });
  // As an undo does that comes right after the start: nobody waited until they are at work.
  await supervisor.start('shop', 'target');
  await supervisor.stop('shop');
  assert.deepEqual(supervisor.events.map((e) => e.what), ['told to start', 'told to stop', 'stopped']);
});

test('demo supervisor: a process that is stopped while it looks for brokers that are away has nothing to finish', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'cutover-supervisor-'));
  t.after(() => rm(folder, { recursive: true }));
  await using supervisor = new Supervisor({ apps: apps({ ratePerSecond: 10 }, () => ({})), bootstrap: { source: ['127.0.0.1:1'], target: ['127.0.0.1:1'] }, journalFolder: folder, logFolder: folder });
  await supervisor.start('billing', 'target');
  const logs = async (): Promise<string> => (await Promise.all((await readdir(folder)).filter((file) => file.endsWith('.log')).map((file) => readFile(join(folder, file), 'utf8')))).join();
  await eventually('it looks for them', async () => (await logs()).includes('127.0.0.1:1'), 30_000);
  await supervisor.stop('billing');
  assert.deepEqual([...new Set(supervisor.events.map((e) => e.what))], ['told to start', 'told to stop', 'stopped']);
});

test('demo supervisor: whoever ends while it is told something has nothing to heed any more', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'cutover-supervisor-'));
  t.after(() => rm(folder, { recursive: true }));
  const [spec] = apps({ ratePerSecond: 10 }, () => ({}));
  await using supervisor = new Supervisor({ apps: [{ ...spec ?? assert.fail(), instances: 2, args: ['--no-such-option'] }], bootstrap: { source: ['127.0.0.1:1'], target: ['127.0.0.1:1'] }, journalFolder: folder, logFolder: folder });
  await supervisor.start('shop', 'target');
  // Gone, and the supervisor has not heard of it yet; then at any moment of deaths and restarts.
  for (const pid of supervisor.pids('shop')) process.kill(pid, 'SIGKILL');
  for (const endMs = Date.now() + 1_500; Date.now() < endMs; await new Promise((r) => setTimeout(r, 1))) {
    const waitMs = Date.now() + 5;
    while (Date.now() < waitMs); // nothing is heard meanwhile
    await Promise.all([supervisor.tell({ traffic: 'source' }), supervisor.tell({ live: 'muted' })]);
  }
  assert.ok(supervisor.events.some((e) => e.what === 'died'));
});

for (const scheme of Object.keys(schemes) as SchemeName[])
  test(`demo migration: is accepted by ${scheme} as it is`, () => {
    const m = migration({ copies: copies[scheme] || copiesEither.includes(scheme), principals: true, budgetMs: 10_000, second: scheme === 'blueGreen' });
    const { limits: _defaults, ...parsed } = parseMigration(JSON.parse(JSON.stringify(m)), scheme);
    assert.deepEqual(parsed, { ...m, ...cutsOf(scheme) });
  });
test('demo migration: restartAllAtOnce without data consents to a loss', () => {
  const m = migration({ copies: false, principals: true, budgetMs: 30_000, mayLose: 20_000 });
  assert.equal(parseMigration(m, 'restartAllAtOnce').connect, null);
});
