/** The record on both clusters. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { demo } from '../fakes/migrations.ts';
import type { At } from '../../src/activities/boundary.ts';
import { fence } from '../../src/activities/fence.ts';
import { groupFence } from '../../src/activities/groupfence.ts';
import { createRecord } from '../../src/activities/ledger.ts';
import { cutSets } from '../../src/domain/cutsets.ts';
import { Failure } from '../../src/domain/failures.ts';
import { noLimit } from '../adapters/kafka/until.ts';
import { context, FakeWorld, run } from './fake-ports.ts';

const entries = (sequence: number) => [{ key: `${run}/journal`, value: JSON.stringify({ sequence }) }];
const ask = { m: demo, c: context('journal') };

test('both have it, the topic was made where it was missing, and nothing needs to be said', async () => {
  const w = new FakeWorld();
  const done = await w.work().remember({ ...ask, entries: entries(1), need: 'both' });
  assert.equal(done.say, '');
  assert.deepEqual([w.source.entries.size, w.target.entries.size, w.source.topics.has('__cutover.ledger')], [1, 1, true]);
});

test('one cluster is gone: enough where one is needed, and said; not enough where both are', async () => {
  const w = new FakeWorld();
  w.target.before = (call) => { if (call.startsWith('ledger')) throw new Failure('Unreachable', 'Cluster new does not answer.'); };
  const done = await w.work().remember({ ...ask, entries: entries(1), need: 'one' });
  assert.match(done.say, /missing on cluster new: Cluster new does not answer/);
  await assert.rejects(w.work().remember({ ...ask, entries: entries(2), need: 'both' }), { type: 'Unreachable', nonRetryable: false });
  assert.match(await w.work().recall({ ...ask, run }) ?? '', /"sequence":2/);
  w.source.before = w.target.before;
  await assert.rejects(w.work().remember({ ...ask, entries: entries(3), need: 'one' }), /has 2 faults/);
});

test('the newest journal of both is recalled; none where there is none', async () => {
  const w = new FakeWorld();
  assert.equal(await w.work().recall({ ...ask, run }), null);
  await w.work().remember({ ...ask, entries: entries(4), need: 'both' });
  w.target.entries.set(`${run}/journal`, JSON.stringify({ sequence: 9 }));
  assert.equal(await w.work().recall({ ...ask, run }), '{"sequence":9}');
});

test('a cluster that does not answer keeps nobody long who lowers a fence: applications may stand still meanwhile', async () => {
  const w = new FakeWorld();
  for (const c of [w.source, w.target]) c.topic('orders', 1);
  w.target.before = (call) => (call === 'ledger.write' ? new Promise<void>(() => undefined) : undefined);
  const waited: number[] = [];
  const at = { until: noLimit, now: () => Date.now(), seen: () => undefined, pause: async (ms: number) => { waited.push(ms); } } as unknown as At;
  const [set] = cutSets(demo);
  assert.ok(set);
  const ports = w.ports();
  await ports.ledger.prepare('old', noLimit);
  await ports.ledger.prepare('new', noLimit);
  await fence(ports, createRecord(ports)).lowerFence({ ...ask, set, on: 'source', before: { rules: [], able: 'yes' } }, at);
  await groupFence(ports, createRecord(ports)).lowerGroupFence({ ...ask, groups: ['billing'], on: 'source', before: { rules: [], able: 'yes' } }, at);
  assert.deepEqual(waited, [2_000, 2_000]);
  // What a later step depends on is waited for.
  await createRecord(ports).write(demo, entries(1), 'one', at);
  assert.deepEqual(waited, [2_000, 2_000, 5_000]);
});

test('a pre-image that is only recalled: what was kept, and otherwise that nothing was, without a look and without a write', async () => {
  const w = new FakeWorld();
  w.target.before = () => { throw new Failure('Unreachable', 'Cluster new does not answer.'); };
  const x = { m: demo, c: context('positions'), groups: ['billing'], to: 'source' as const };
  const recalled = () => w.work().capturePositions({ ...x, c: { ...x.c, recall: true } });
  assert.deepEqual(await recalled(), { notKept: true });
  assert.deepEqual([w.source.entries.size, w.source.calls.includes('committed')], [0, false]);
  w.source.place('billing', 'orders', 0, 3n);
  const before = await w.work().capturePositions(x);
  w.source.place('billing', 'orders', 0, 9n);
  assert.deepEqual(await recalled(), before);
});
