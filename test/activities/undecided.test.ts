/** A copy that ends in records that do not correspond: never the same, waited for, told by name, and in the end a failure. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { At } from '../../src/activities/boundary.ts';
import { createRecord } from '../../src/activities/ledger.ts';
import { createVerify, sameness } from '../../src/activities/verify.ts';
import { begun } from '../../src/domain/diff/difference.ts';
import type { Comparer } from '../../src/domain/diff/port.ts';
import { parseVerification } from '../../src/domain/verification.ts';
import { comparerOf, played } from './fake-comparer.ts';
import { FakeWorld, looking, run } from './fake-ports.ts';

const set = { name: 'orders', topics: ['orders'], writers: [] };
const m = { source: 'old', target: 'new', connect: null } as never;
const limits = { ...looking('same').limits, stuckMs: 1 };
const ask = { m, c: looking('same', { limits }), sets: [set], upTo: 'now' as const };
const rows = (from: number, to: number): readonly string[] => Array.from({ length: to - from }, (_, i) => `1.r${from + i}`);
const mangled = (from: number, to: number): readonly string[] => Array.from({ length: to - from }, (_, i) => `1.mangled${from + i}`);

function worldOf(copies: readonly (readonly string[])[], configs: Readonly<Record<string, string>> = {}): FakeWorld {
  const world = new FakeWorld();
  for (const cluster of [world.source, world.target]) cluster.topic('orders', copies.length, configs);
  for (const [p, copy] of copies.entries()) {
    world.source.write('orders', p, ...rows(0, 40));
    world.target.marker('orders', p);
    world.target.write('orders', p, ...copy);
  }
  return world;
}
const idleFor = (picture: string | undefined, ms: number): string => JSON.stringify({ ...JSON.parse(picture ?? '{}') as object, idleMs: ms });

const cases: readonly { readonly name: string; readonly copy: readonly string[]; readonly place: RegExp }[] = [
  { name: 'a converter mangles every record', copy: mangled(0, 40), place: /orders\/0 from 0 on old and [01] on new/ },
  { name: 'only the last fifteen records are wrong', copy: [...rows(0, 25), ...mangled(25, 40)], place: /orders\/0 from 25 on old and 26 on new/ },
  { name: 'the copy has more than was ever written', copy: [...rows(0, 40), ...mangled(40, 42)], place: /orders\/0 from 40 on old and 41 on new/ },
];
for (const { name, copy, place } of cases) {
  test(`lookSame: ${name}, and nothing comes after: not done, told by name, then damage`, async () => {
    const world = worldOf([copy, rows(0, 30)]);
    const work = world.work({ comparer: comparerOf(world) });
    const first = await work.lookSame(ask);
    assert.equal(first.done, false);
    assert.match(first.say, /offsets compared, 1 partition of 2 to go; 1 partition ends in records that do not correspond: /);
    assert.match(first.say, place);
    await assert.rejects(work.lookSame({ ...ask, c: { ...ask.c, before: idleFor(first.picture, 10) } }), (e: Error) => {
      assert.match(e.message, place);
      return (e as { type?: string }).type === 'MirrorDamaged';
    });
  });

  test(`verify --live: ${name}: the user who ends it is not told that both are the same`, async () => {
    const world = worldOf([copy]);
    const x = { v: parseVerification({ source: 'old', target: 'new', topics: ['orders'], live: true }), run };
    const verifying = createVerify(world.ports(), { comparer: comparerOf(world), surroundings: () => ({ heartbeat: () => undefined, signal: world.cancel.signal, now: () => Date.now() }) });
    await verifying.verifyPlan(x);
    const turn = await verifying.verifyTurn({ ...x, ends: 'now', turnMs: 1_000 });
    assert.deepEqual([turn.settled, turn.undecided, turn.partitionsDone], [true, 1, 0]);
    assert.match(turn.say, place);
    assert.doesNotMatch(turn.say, /nothing differs/);
    const again = await verifying.verifyTurn({ ...x, ends: 'now', turnMs: 1_000 });
    assert.deepEqual([again.moved, again.undecided], [false, 1]);
    const result = await verifying.verifyResult(x);
    assert.deepEqual([result.same, result.partitions[0]?.hash], [false, null]);
    assert.match(result.say, /1 partition ends in records that do not correspond/);
    assert.match(result.say, place);
    assert.doesNotMatch(result.say, /nothing differs/);
  });
}

test('verify --live: what was undecided is told once enough has come after it', async () => {
  const world = worldOf([[...rows(0, 25), ...mangled(25, 40)]]);
  const x = { v: parseVerification({ source: 'old', target: 'new', topics: ['orders'], live: true }), run };
  const verifying = createVerify(world.ports(), { comparer: comparerOf(world), surroundings: () => ({ heartbeat: () => undefined, signal: world.cancel.signal, now: () => Date.now() }) });
  await verifying.verifyTurn({ ...x, ends: 'now', turnMs: 1_000 });
  for (const cluster of [world.source, world.target]) cluster.write('orders', 0, ...rows(40, 70));
  const turn = await verifying.verifyTurn({ ...x, ends: 'now', turnMs: 1_000 });
  assert.deepEqual([turn.undecided, turn.counts.changed, turn.partitionsDone], [0, 15, 1]);
  const result = await verifying.verifyResult(x);
  assert.deepEqual([result.same, result.counts.changed, result.differences.length], [false, 15, 15]);
  assert.doesNotMatch(result.say, /do not correspond/);
});

/** Glances one after the other, by a clock that a test moves. */
function glances(world: FakeWorld, comparer: Comparer) {
  const clock = { ms: 1_000_000 };
  const signal = new AbortController().signal;
  const at: At = { until: { untilMs: null, signal, check: () => undefined, timeoutMs: (ms) => ms }, now: () => clock.ms, pause: () => new Promise(() => undefined), seen: () => undefined, words: String };
  const ports = world.ports();
  const glance = sameness(ports, createRecord(ports), comparer).lookSame(ask, at);
  return { glance, rested: () => { clock.ms += 10_000; return glance(); } };
}

test('lookSame: an undecided partition is looked at again as its log moves, while all else stays as it was when the look began', async () => {
  const world = worldOf([[...rows(0, 25), ...mangled(25, 40)], rows(0, 40)]);
  const comparer = comparerOf(world);
  const { glance, rested } = glances(world, comparer);
  assert.equal((await glance()).done, false);
  assert.equal((await rested()).done, false);
  assert.equal(comparer.calls.length, 1, 'nothing has moved');
  for (const p of [0, 1]) for (const cluster of [world.source, world.target]) cluster.write('orders', p, ...rows(40, 70));
  await rested();
  await assert.rejects(rested(), /orders\/0\) differs: 15 changed/);
  assert.deepEqual(comparer.calls.at(-1)?.partitions.map((p) => p.partition), [0]);
});

test('lookSame: whether patience runs out depends on what is undecided, not on what else is compared meanwhile', async () => {
  const world = worldOf([[...rows(0, 25), ...mangled(25, 40)], rows(0, 10)]);
  const work = world.work({ comparer: comparerOf(world) });
  const first = await work.lookSame(ask);
  world.target.write('orders', 1, ...rows(10, 40));
  await assert.rejects(work.lookSame({ ...ask, c: { ...ask.c, before: idleFor(first.picture, 10) } }), { type: 'MirrorDamaged' });
});

test('lookSame: a compacted partition that cannot be told is waited for as long as its log moves; where it stands still it is damage', async () => {
  const world = worldOf([rows(0, 30)], { 'cleanup.policy': 'compact' });
  const comparer = played(async ({ p }) => ({ decided: p.ends.copy > 60n ? 'all' : 'undecided', state: p.ends.copy > 60n ? begun(p.ends) : null, hash: '' }));
  const { glance, rested } = glances(world, comparer);
  const seen = [await glance()];
  for (let from = 40; from < 60; from += 10) {
    for (const cluster of [world.source, world.target]) cluster.write('orders', 0, ...rows(from, from + 10));
    seen.push(await rested());
  }
  assert.deepEqual(seen.map((g) => g.done), [false, false, false]);
  assert.equal(new Set(seen.map((g) => g.progress)).size, 3, 'every look at a log that moved is progress');
  assert.match(seen[2]?.say ?? '', /1 partition ends in records that do not correspond: orders\/0/);
  const still = [await rested(), await rested()];
  assert.equal(still[0]?.progress, still[1]?.progress);
  assert.match(still[1]?.patience?.failure().message ?? '', /The copy is not the same.*orders\/0/);
  for (const cluster of [world.source, world.target]) cluster.write('orders', 0, ...rows(60, 80));
  await rested();
  assert.equal((await rested()).done, true);
});

test('lookSame: a compacted partition of a busy log gives no time to one that is certainly damaged', async () => {
  const world = worldOf([rows(0, 30)], { 'cleanup.policy': 'compact' });
  for (const cluster of [world.source, world.target]) cluster.topic('plain', 1);
  const comparer = played(async () => ({ decided: 'undecided', state: null, hash: null }));
  const signal = new AbortController().signal;
  const clock = { ms: 1 };
  const at: At = { until: { untilMs: null, signal, check: () => undefined, timeoutMs: (ms) => ms }, now: () => (clock.ms += 10_000), pause: () => new Promise(() => undefined), seen: () => undefined, words: String };
  const glance = sameness(world.ports(), createRecord(world.ports()), comparer).lookSame({ ...ask, sets: [{ ...set, topics: ['orders', 'plain'] }] }, at);
  const first = await glance();
  for (const cluster of [world.source, world.target]) cluster.write('orders', 0, ...rows(40, 50));
  const second = await glance();
  assert.deepEqual([first.state, first.progress], ['undecided plain/0', second.progress]);
});

test('what the copy lacks at its end is no difference as far as it is copied, and one up to the same ends afterwards', async () => {
  const world = worldOf([rows(0, 30)]);
  const x = { v: parseVerification({ source: 'old', target: 'new', topics: ['orders'] }), run, turnMs: 1_000 };
  const verifying = createVerify(world.ports(), { comparer: comparerOf(world), surroundings: () => ({ heartbeat: () => undefined, signal: world.cancel.signal, now: () => Date.now() }) });
  const live = await verifying.verifyTurn({ ...x, ends: 'now' });
  assert.deepEqual([live.settled, live.counts.missing], [true, 0]);
  const whole = await verifying.verifyTurn({ ...x, ends: 'planned' });
  assert.deepEqual([whole.settled, whole.counts.missing], [true, 10]);
});
test('where both have come to their ends nothing is looked at again for a cut at the same place', async () => {
  const world = worldOf([rows(0, 40)]);
  const comparer = comparerOf(world);
  const x = { v: parseVerification({ source: 'old', target: 'new', topics: ['orders'] }), run, turnMs: 1_000 };
  const verifying = createVerify(world.ports(), { comparer, surroundings: () => ({ heartbeat: () => undefined, signal: world.cancel.signal, now: () => Date.now() }) });
  await verifying.verifyTurn({ ...x, ends: 'now' });
  assert.equal((await verifying.verifyTurn({ ...x, ends: 'planned' })).settled, true);
  assert.equal(comparer.calls.length, 1);
});

test('what an earlier release settled without saying how is asked again', async () => {
  const world = worldOf([mangled(0, 40)]);
  const comparer = comparerOf(world);
  const work = world.work({ comparer });
  await work.lookSame(ask);
  for (const cluster of [world.source, world.target]) {
    const kept = JSON.parse(cluster.entries.get(`${run}/verify/orders/0`) ?? '{}') as Record<string, unknown>;
    assert.equal(kept['decided'], 'undecided');
    delete kept['decided'];
    cluster.entries.set(`${run}/verify/orders/0`, JSON.stringify(kept));
  }
  assert.equal((await work.lookSame(ask)).done, false);
  assert.equal(comparer.calls.length, 2);
});
