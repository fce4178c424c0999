/** Whoever waits for copies sees to it that they can come: what has failed, has no task, or an old login, begins anew. */
import assert from 'node:assert/strict';
import { setImmediate as soon } from 'node:timers/promises';
import { test } from 'node:test';
import type { At } from '../../src/activities/boundary.ts';
import { reviving } from '../../src/activities/reviving.ts';
import { noLimit } from '../adapters/kafka/until.ts';
import { context, FakeMirror, FakeWorld } from './fake-ports.ts';
import { m, set } from './scene.ts';

const name = 'cutover-orders-fwd-00000001-1';
interface Waiting { readonly w: FakeWorld; readonly mirror: FakeMirror; /** What it says once it has looked, so many ms later, with copies having come that far. */ readonly after: (ms: number, moved?: string) => Promise<string> }
function waiting(): Waiting {
  const w = new FakeWorld();
  for (const c of [w.source, w.target]) c.topic('orders', 1);
  const mirror = new FakeMirror({ connect: 'connect-new', name, from: 'old', to: 'new', topics: ['orders'], seed: [] });
  w.connectors.set(name, mirror);
  let nowMs = 1_000_000;
  const at: At = { until: noLimit, now: () => nowMs, pause: async () => undefined, seen: () => undefined, words: (e) => (e instanceof Error ? e.message : String(e)) };
  const revived = reviving(w.ports(), { m, c: context('wait') }, { sets: [set], toward: 'target' }, at);
  const after = async (ms: number, moved = ''): Promise<string> => {
    nowMs += ms;
    revived(moved);
    for (let i = 0; i < 20; i++) await soon(); // Connect is asked beside the wait
    return revived(moved);
  };
  return { w, mirror, after };
}

test('nothing is asked within the first second, and nothing done about a mirror that copies', async () => {
  const { mirror, after } = waiting();
  Object.assign(mirror, { state: 'FAILED', heals: true });
  assert.deepEqual([await after(999), mirror.state], ['', 'FAILED']);
  assert.deepEqual([await after(1), mirror.state], [`mirror ${name} had failed on connect-new (task 0: boom) and was told to restart`, 'RUNNING']);
  const healthy = waiting();
  assert.equal(await healthy.after(60_000), '');
});

test('without a task it is begun anew, and again half a minute later while its source is away', async () => {
  const { mirror, after } = waiting();
  mirror.idle = true;
  assert.match(await after(1_000), /had failed on connect-new \(it runs without a task\) and was told to restart$/);
  mirror.heals = true;
  await after(29_000);
  assert.equal(mirror.idle, true, 'a start takes its time');
  await after(1_000);
  assert.equal(mirror.idle, false);
});

test('a login that differs from the catalog is renewed when copies do not come within three seconds, and with whatever is restarted', async () => {
  const late = waiting();
  late.mirror.outdated.push('source.cluster.sasl.jaas.config');
  assert.equal(await late.after(2_000), '');
  assert.equal(await late.after(1_000), `mirror ${name} begins anew on connect-new, with source.cluster.sasl.jaas.config as the catalog has it now`);
  const failed = waiting();
  failed.mirror.outdated.push('target.cluster.bootstrap.servers');
  Object.assign(failed.mirror, { state: 'FAILED', heals: true });
  assert.match(await failed.after(1_000), /and was told to restart, with target\.cluster\.bootstrap\.servers as the catalog has it now$/);
});

test('one that copies is not begun anew for a login, nor is one that somebody paused', async () => {
  const { mirror, after } = waiting();
  mirror.outdated.push('source.cluster.bootstrap.servers');
  for (let i = 0; i < 10; i++) assert.equal(await after(1_000, `${i} copied`), '');
  mirror.state = 'PAUSED';
  assert.equal(await after(60_000, '9 copied'), '');
  mirror.state = 'RUNNING';
  assert.match(await after(30_000, '9 copied'), /begins anew/);
});

test('a renewal that could not be asked for is asked for again', async () => {
  const { w, mirror, after } = waiting();
  mirror.outdated.push('source.cluster.sasl.jaas.config');
  w.rebalances = 1;
  assert.match(await after(3_000), /whether a mirror has failed is unknown: .*rebalance/);
  assert.match(await after(1_000), /begins anew/);
});
