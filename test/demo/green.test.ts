/** The demo's switch as a hook of the catalog sees it. */
import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'node:test';
import { apps } from '../../demo/applications.ts';
import { secondSet } from '../../demo/green.ts';
import { openHook } from '../../src/adapters/hooks/hook.ts';
import { untilIn } from '../adapters/fleet/until.ts';

test('demo switch: traffic and muting are set, asked again and noted for the books; nonsense and strangers are refused', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'cutover-switch-'));
  t.after(() => rm(folder, { recursive: true }));
  await using resources = new AsyncDisposableStack();
  const keepToken = (name: string, token: string): string => { writeFileSync(join(folder, name), token); return join(folder, name); };
  const green = await secondSet({ apps: apps({ ratePerSecond: 10 }, () => ({})), bootstrap: { source: [], target: [] }, journalFolder: join(folder, 'journal'), logFolder: join(folder, 'log') }, { resources, keepToken });
  const open = (name: 'traffic' | 'live' | 'check', token?: string) => {
    const config = green.hooks[name] ?? assert.fail(name);
    return openHook(name, config, { secret: async (ref) => token ?? readFile(ref.slice('file:'.length), 'utf8') });
  };
  const until = untilIn(10_000);
  assert.deepEqual([(await open('traffic').ask(until)).state, (await open('live').ask(until)).state, (await open('check').ask(until)).state], ['source', 'muted', 'fine']);
  await open('live').set('live', until);
  await open('traffic').set('target', until);
  assert.deepEqual([(await open('traffic').ask(until)).state, (await open('live').ask(until)).state], ['target', 'live']);
  assert.deepEqual(green.both.events.map((e) => [e.application, e.what, e.side]), [['shop', 'told to start', 'target'], ['enricher', 'told to start', 'target']]);
  await assert.rejects(open('traffic').set('nowhere', until), { name: 'ClientNotMoved', message: /traffic is source or target/ });
  await assert.rejects(open('traffic', 'wrong').ask(until), { name: 'Unauthorized' });
});
