/** What makes a copy unfaithful is found while mirroring, and named; what only looks like it is none. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { application, migration } from '../fakes/migrations.ts';
import { cutSets, type CutSet } from '../../src/domain/cutsets.ts';
import type { Failure } from '../../src/domain/failures.ts';
import { viewMirror, isHealthy } from '../../src/activities/caughtup.ts';
import { context, FakeWorld, looking, type FakeMirror } from './fake-ports.ts';

const m = migration('m', [application('shop', { writes: ['orders'] }), application('billing', { reads: { billing: ['orders'] } })], { groups: { probe: 'leave', ghost: 'abandon' } });
const set = cutSets(m)[0] as CutSet;

/** Ten records on partition 0, of which six are copied. */
async function mirrored(configs: Readonly<Record<string, string>> = {}): Promise<{ readonly w: FakeWorld; readonly connector: FakeMirror; readonly look: () => Promise<unknown> }> {
  const w = new FakeWorld();
  w.source.topic('orders', 2, configs);
  w.target.topic('orders', 2, configs);
  const work = w.work();
  const x = { m, c: context('mirror'), set, toward: 'target' as const };
  const before = await work.captureMirror(x);
  await work.createMirror({ ...x, before });
  w.source.write('orders', 0, ...Array.from({ length: 10 }, (_, i) => `r${i}`));
  w.copy(6);
  const connector = w.connectors.get(before.name) ?? assert.fail();
  return { w, connector, look: () => work.lookCaughtUp({ m, c: looking('wait'), sets: [set], toward: 'target' }) };
}
const damaged = (says: RegExp) => (e: Failure): boolean => {
  assert.equal(e.type, 'MirrorDamaged', e.message);
  assert.match(e.message, says);
  return true;
};

test('a topic that was deleted and created again, on either side, even while the log stands as before', async () => {
  for (const side of ['source', 'target'] as const) {
    const { w, look } = await mirrored();
    const topic = w[side].topics.get('orders') ?? assert.fail();
    topic.id = 'another';
    await assert.rejects(look(), damaged(new RegExp(`topic orders was deleted and created again on ${w[side].name} \\(id another, it was topic-`)));
    w[side].topics.delete('orders');
    await assert.rejects(look(), damaged(new RegExp(`topic orders is gone from ${w[side].name}`)));
  }
});

test('a log that ends below what was copied', async () => {
  const { w, look } = await mirrored();
  const log = w.source.log({ topic: 'orders', partition: 0 });
  log.next = 4n;
  log.records.splice(4);
  await assert.rejects(look(), damaged(/orders\/0 ends at 4 on old, and the mirror already copied up to 6: the log was truncated/));
});

test('retention that overtook the copy is damage whatever the groups have read', async () => {
  const { w, look } = await mirrored();
  w.source.place('billing', 'orders', 0, 10n);
  w.source.trim('orders', 0, 8n);
  await assert.rejects(look(), damaged(/orders\/0 begins at 8 on old, and the mirror stands at 6: what lay between was deleted before it was copied/));
});

test('a purge of what every group has read is none, where retention is off; of what one has not, it is', async () => {
  for (const [billing, probe, harmless] of [[8n, null, true], [10n, 8n, true], [7n, null, false], [8n, 5n, false], [null, null, false]] as const) {
    const { w, look } = await mirrored({ 'retention.ms': '-1' });
    if (billing !== null) w.source.place('billing', 'orders', 0, billing);
    if (probe !== null) w.source.place('probe', 'orders', 0, probe);
    w.source.place('ghost', 'orders', 0, 1n);
    w.source.trim('orders', 0, 8n);
    if (!harmless) await assert.rejects(look(), damaged(/deleted before it was copied/), `${billing} ${probe}`);
    else assert.equal(((await look()) as { figures: { lagRecords: number } }).figures.lagRecords, 2, 'what was purged is not to be copied any more');
  }
});

test('a gap stays damage when the mirror went on behind it', async () => {
  const { w, connector, look } = await mirrored();
  w.source.trim('orders', 0, 8n);
  await assert.rejects(look(), damaged(/begins at 8/));
  connector.next.set('orders/0', 8n);
  w.copy();
  await assert.rejects(look(), damaged(/begins at 8 on old, and the mirror stands at 6/));
});

test('one offset below the log start may be a marker', async () => {
  const { w, connector, look } = await mirrored();
  w.source.trim('orders', 0, 7n);
  connector.next.set('orders/0', 6n);
  await look();
});

test('partitions that were added: the mirror never looks for them', async () => {
  const { w, look } = await mirrored();
  w.source.topics.get('orders')?.logs.push({ logStart: 0n, next: 0n, open: null, records: [], by: new Map() });
  await assert.rejects(look(), damaged(/topic orders has 3 partitions on old, it had 2 when it was mirrored/));
  w.target.topics.get('orders')?.logs.push({ logStart: 0n, next: 0n, open: null, records: [], by: new Map() });
  await assert.rejects(look(), damaged(/it had 2/), 'also when both sides have it by now');
});

test('timestamps the target refuses: said as such from the trace of the failed task; another failure is not', async () => {
  const { connector, look } = await mirrored();
  connector.state = 'FAILED';
  await look();
  connector.trace = 'org.apache.kafka.connect.errors.ConnectException: Unrecoverable exception from producer send callback; org.apache.kafka.common.errors.InvalidTimestampException: Timestamp 1 of message';
  await assert.rejects(look(), damaged(/cluster new refuses timestamps of records/));
});

test('a damaged mirror is not healthy: no evidence calls it so', async () => {
  const { w } = await mirrored();
  const x = { m, c: looking('hold'), set, toward: 'target' as const };
  assert.equal(isHealthy(await viewMirror(w.ports(), x)), true);
  w.source.trim('orders', 0, 8n);
  const view = await viewMirror(w.ports(), x);
  assert.equal(isHealthy(view), false);
  assert.match(view.damage.join(), /begins at 8/);
});
