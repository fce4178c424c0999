/** Comparing on two clusters in memory: the step of a scheme, the turns of the workflow, and what the ledger keeps between them. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createVerify } from '../../src/activities/verify.ts';
import { differing } from '../../src/domain/diff/difference.ts';
import type { Comparer } from '../../src/domain/diff/port.ts';
import { Failure } from '../../src/domain/failures.ts';
import { parseVerification } from '../../src/domain/verification.ts';
import { comparerOf } from './fake-comparer.ts';
import { FakeWorld, looking, run } from './fake-ports.ts';

const set = { name: 'orders', topics: ['orders'], writers: [] };
const v = parseVerification({ source: 'old', target: 'new', topics: ['orders'] });

function worldOf(copied: readonly string[], partitions = 1): FakeWorld {
  const world = new FakeWorld();
  for (const cluster of [world.source, world.target]) cluster.topic('orders', partitions);
  for (let p = 0; p < partitions; p += 1) {
    world.source.write('orders', p, ...Array.from({ length: 40 }, (_, i) => `1.r${i}`));
    world.target.marker('orders', p);
    world.target.write('orders', p, ...copied);
  }
  return world;
}
const records = (...without: readonly number[]): readonly string[] => Array.from({ length: 40 }, (_, i) => `1.r${i}`).filter((_, i) => !without.includes(i));
const m = { source: 'old', target: 'new', connect: null } as never;

test('lookSame: what is copied is the same; what comes later is compared from there on', async () => {
  const world = worldOf(records().slice(0, 30));
  const comparer = comparerOf(world);
  const work = world.work({ comparer });
  const ask = { m, c: looking('same'), sets: [set], upTo: 'now' as const };
  const first = await work.lookSame(ask);
  assert.deepEqual([first.done, first.say], [true, '30 records on 1 partition are the same on both clusters, as far as they are copied.']);
  world.target.write('orders', 0, ...records().slice(30));
  const second = await work.lookSame(ask);
  assert.equal(second.say, '40 records on 1 partition are the same on both clusters, as far as they are copied.');
  assert.deepEqual(comparer.calls.map((c) => c.partitions[0]?.state?.at.origin ?? null), [null, '30']);
});

test('lookSame: a record that is not the same blocks, with its place on both clusters', async () => {
  const world = worldOf(records().map((r, i) => (i === 7 ? '1.other' : r)));
  await assert.rejects(world.work({ comparer: comparerOf(world) }).lookSame({ m, c: looking('same'), sets: [set], upTo: 'now' }), (e: Error) => {
    assert.match(e.message, /The copy of 1 partition \(orders\/0\) differs: 1 changed\./);
    assert.match(e.message, /orders\/0: changed \(content\), 7 on old, 8 on new/);
    return (e as { type?: string }).type === 'MirrorDamaged';
  });
});

test('lookSame up to a cut that nobody marked, or without threads, is refused by name', async () => {
  const world = worldOf(records());
  await assert.rejects(world.work({ comparer: comparerOf(world) }).lookSame({ m, c: looking('same'), sets: [set], upTo: 'cut' }), /no standing cut of orders/);
  await assert.rejects(world.work().lookSame({ m, c: looking('same'), sets: [set], upTo: 'now' }), /no threads for the comparison/);
});

const verifying = (world: FakeWorld, comparer: Comparer) => createVerify(world.ports(), { comparer, surroundings: () => ({ heartbeat: () => undefined, signal: world.cancel.signal, now: () => Date.now() }) });

test('the turns of a workflow: ends are frozen by the plan, another worker goes on from the ledger, the result counts everything once', async () => {
  const world = worldOf(records(5), 3);
  const x = { v, run };
  const plan = await verifying(world, comparerOf(world)).verifyPlan(x);
  assert.deepEqual(plan, { topics: ['orders'], partitions: 3 });
  world.source.write('orders', 0, '1.later');
  const first = await verifying(world, comparerOf(world, 1)).verifyTurn({ ...x, ends: 'planned', turnMs: 1_000 });
  assert.deepEqual([first.settled, first.total, first.done, first.partitionsDone], [false, 120, 40, 1]);
  const comparer = comparerOf(world);
  const second = await verifying(world, comparer).verifyTurn({ ...x, ends: 'planned', turnMs: 1_000 });
  assert.deepEqual([second.settled, second.done, second.counts.missing], [true, 120, 3]);
  assert.deepEqual(comparer.calls[0]?.partitions.map((p) => p.partition), [1, 2]);
  const result = await verifying(world, comparerOf(world)).verifyResult(x);
  assert.deepEqual([result.same, result.counts.matched, result.differences.length, result.listed], [false, 117, 3, 'all']);
  assert.deepEqual(result.differences[1], { partition: 'orders/1', kind: 'missing', origin: '5', copy: null });
  assert.ok(world.source.entries.has(`${run}/verify/orders/2`) && world.target.entries.has(`${run}/verify-final`));
});

test('more differences than are listed: the list ends at the cap, the count does not', async () => {
  const world = worldOf(records(1, 3, 5, 20, 30));
  const x = { v: { ...v, cap: 2 }, run };
  await verifying(world, comparerOf(world)).verifyTurn({ ...x, ends: 'planned', turnMs: 1_000 });
  const result = await verifying(world, comparerOf(world)).verifyResult(x);
  assert.deepEqual([differing(result.counts), result.differences.length, result.listed], [5, 2, 'up-to-cap']);
});

test('a topic created anew is compared anew', async () => {
  const world = worldOf(records());
  const work = world.work({ comparer: comparerOf(world) });
  const ask = { m, c: looking('same'), sets: [set], upTo: 'now' as const };
  await work.lookSame(ask);
  world.target.topic('orders', 1);
  world.target.write('orders', 0, ...records().slice(0, 4));
  assert.match((await work.lookSame(ask)).say, /^4 records/);
});

test('topics that are not on both clusters are all named at once', async () => {
  const world = worldOf(records());
  world.source.topic('lonely', 1);
  world.source.topic('uneven', 3);
  world.target.topic('uneven', 2);
  const x = { v: { ...v, topics: ['lonely', 'uneven'] }, run };
  await assert.rejects(verifying(world, comparerOf(world)).verifyPlan(x), /topic lonely does not exist on cluster new\n- topic uneven has 3 partitions on old and 2 on new/);
});

test('every fault of an input in one message; a whole migration is taken as it is', () => {
  assert.throws(() => parseVerification({ source: 'old', target: 'old', topics: ['a b', 'x', 'x'], rate: { bytesPerSecond: 0, per: 1 }, cap: 'many', live: 3 }), (e) => {
    assert.ok(e instanceof Failure && e.type === 'BadMigration');
    for (const word of ['topics\\[0\\]', 'topics\\[2\\]', 'rate\\.per', 'rate\\.bytesPerSecond', 'cap', 'live', 'target']) assert.match(e.message, new RegExp(`- ${word}: `));
    return true;
  });
  const parsed = parseVerification({ name: 'shop', source: 'old', target: 'new', topics: ['shop.*'], applications: [], limits: { lagRecords: 5 }, live: true });
  assert.deepEqual(parsed, { source: 'old', target: 'new', topics: ['shop.*'], rate: { bytesPerSecond: null, recordsPerSecond: null }, cap: 1_000, live: 'until-stopped', limits: { historyEvents: 2_000 } });
  assert.deepEqual(parseVerification(JSON.parse(JSON.stringify(parsed))), parsed);
});
