/** When a turn of the comparison ends: not before what is at work has got on, and never for want of one partition. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { keptOf, longestOf, planOf, takeTurn, type Kept, type Planned, type Turn } from '../../src/activities/comparing.ts';
import type { At } from '../../src/activities/boundary.ts';
import { createRecord } from '../../src/activities/ledger.ts';
import { createVerify, sameness } from '../../src/activities/verify.ts';
import { begun, noCounts, type DiffState } from '../../src/domain/diff/difference.ts';
import type { Comparer, PartitionAsk } from '../../src/domain/diff/port.ts';
import { tpKey } from '../../src/domain/ports.ts';
import { parseVerification } from '../../src/domain/verification.ts';
import { played, type Play } from './fake-comparer.ts';
import { FakeWorld, looking, run } from './fake-ports.ts';

const m = { source: 'old', target: 'new' };
const rows = (n: number): readonly string[] => Array.from({ length: n }, (_, i) => `1.r${i}`);
function worldOf(partitions: number, configs: Readonly<Record<string, string>> = {}): FakeWorld {
  const world = new FakeWorld();
  for (const cluster of [world.source, world.target]) {
    cluster.topic('orders', partitions, configs);
    for (let p = 0; p < partitions; p += 1) cluster.write('orders', p, ...rows(40));
  }
  return world;
}
const stateAt = (n: number): DiffState => ({ ...begun({ origin: 0n, copy: 0n }), at: { origin: String(n), copy: String(n) }, counts: { ...noCounts, matched: n } });
const done = (p: PartitionAsk) => ({ decided: 'all', state: stateAt(Number(p.ends.origin)), hash: 'h' }) as const;
const forever = (): Promise<never> => new Promise(() => undefined);

interface Ran { readonly moved: boolean; readonly kept: ReadonlyMap<string, Kept>; readonly plan: readonly Planned[] }
async function turn(world: FakeWorld, comparer: Comparer, more: Partial<Turn> & { readonly signal?: AbortSignal } = {}): Promise<Ran> {
  const record = createRecord(world.ports());
  const signal = more.signal ?? new AbortController().signal;
  const at: At = { until: { untilMs: null, signal, check: () => { signal.throwIfAborted(); }, timeoutMs: (ms) => ms }, now: () => Date.now(), pause: async (ms) => { await pause(ms, undefined, { signal, ref: false }).catch(() => undefined); signal.throwIfAborted(); }, seen: () => undefined, words: String };
  const plan = await planOf(world.ports().cluster('old'), world.ports().cluster('new'), ['orders']);
  const kept = await keptOf(record, m, { run, plan });
  const { moved } = await takeTurn(comparer, record, { m, run, clusters: { origin: 'old', copy: 'new' }, plan, kept, horizon: 'closed', rate: { bytesPerSecond: null, recordsPerSecond: null }, cap: 10, turnMs: 5, longestMs: 60_000, anchors: async () => new Map(), ...more }, at);
  return { moved, plan, kept: await keptOf(record, m, { run, plan }) };
}
const settled = (ran: Ran): readonly number[] => ran.plan.filter((p) => ran.kept.get(tpKey(p))?.settled !== null).map((p) => p.partition);

test('a partition that tells nothing until it is done has the time it needs, and the others go on meanwhile', async () => {
  const others = Promise.withResolvers<void>();
  const comparer = played(async ({ p, told }) => {
    if (p.partition === 5) others.resolve();
    if (p.partition !== 0) return done(p);
    await others.promise;
    await pause(20);
    told({ state: stateAt(10) });
    return forever();
  }, 2);
  const ran = await turn(worldOf(6), comparer);
  assert.deepEqual(settled(ran), [1, 2, 3, 4, 5]);
  assert.equal(ran.kept.get('orders/0')?.state?.at.origin, '10', 'and is kept as far as it came');
});

test('a turn ends with its time where all have got on, however much there is left', async () => {
  const ran = await turn(worldOf(2), played(async ({ told }) => {
    told({ state: stateAt(7) });
    return forever();
  }));
  assert.deepEqual([...ran.kept.values()].map((k) => k.state?.at.origin), ['7', '7']);
  assert.equal(ran.moved, true);
});

test('saying again where it stands is not getting on', async () => {
  const world = worldOf(1);
  await turn(world, played(async ({ told }) => { told({ state: stateAt(7) }); return forever(); }));
  const ran = await turn(world, played(async ({ p, told }) => {
    told({ state: stateAt(7) });
    await pause(40);
    return done(p);
  }));
  assert.deepEqual(settled(ran), [0]);
});

test('a compacted partition has got on only when it is done: where something differs in it, all would be compared anew', async () => {
  const ran = await turn(worldOf(1, { 'cleanup.policy': 'compact' }), played(async ({ p, told }) => {
    told({ state: stateAt(3), beginning: { at: { origin: 0n, copy: 0n }, how: 'log-starts', skipped: { origin: 0, copy: 0 } } });
    told({ state: stateAt(9) });
    await pause(40);
    return done(p);
  }));
  assert.deepEqual(settled(ran), [0]);
});

test('what does not get on at all ends a turn in the end; the next one begins with the others, and may last twice as long', async () => {
  const world = worldOf(4);
  const stuck = new Set([0, 1]);
  const play: Play = async ({ p }) => (stuck.has(p.partition) ? forever() : done(p));
  const first = await turn(world, played(play, 2), { longestMs: 30 });
  assert.deepEqual([first.moved, settled(first)], [false, []]);
  const comparer = played(play, 2);
  const second = await turn(world, comparer, { longestMs: 30 });
  assert.deepEqual(comparer.calls[0]?.partitions.map((p) => p.partition), [2, 3, 0, 1]);
  assert.deepEqual([second.moved, settled(second)], [true, [2, 3]]);
  const silentMs = 6 * 60_000;
  const kept = new Map([...second.kept].map(([key, k]) => [key, { ...k, silentMs: (k.silentMs ?? 0) > 0 ? silentMs : 0 }]));
  assert.deepEqual([5, 10, 60].map((minutes) => longestOf(second.plan, kept, minutes * 60_000) / 60_000), [5, 10, 12]);
  assert.equal(longestOf(first.plan, new Map(), 60 * 60_000), 8 * 60_000);
});

test('a cancel ends it at once, whatever has not got on', async () => {
  const cancel = new AbortController();
  const running = turn(worldOf(1), played(async () => { cancel.abort(new Error('cancelled')); return forever(); }), { signal: cancel.signal });
  await assert.rejects(running, /cancelled/);
});

const verifying = (world: FakeWorld, comparer: Comparer) => createVerify(world.ports(), { comparer, surroundings: () => ({ heartbeat: () => undefined, signal: world.cancel.signal, now: () => Date.now() }) });

test('a comparison to which nothing comes of two turns of the longest kind is refused by name', async () => {
  const world = worldOf(1);
  const x = { v: parseVerification({ ...m, topics: ['orders'] }), run, ends: 'planned', turnMs: 1, longestMs: 20 } as const;
  const first = await verifying(world, played(forever)).verifyTurn(x);
  assert.deepEqual([first.settled, first.moved], [false, false]);
  for (const cluster of [world.source, world.target]) {
    const kept = JSON.parse(cluster.entries.get(`${run}/verify/orders/0`) ?? '{}') as Kept;
    assert.ok((kept.silentMs ?? 0) > 0);
    cluster.entries.set(`${run}/verify/orders/0`, JSON.stringify({ ...kept, silentMs: 16 * 60_000 }));
  }
  await assert.rejects(verifying(world, played(forever)).verifyTurn(x), (e: Error) => (e as { type?: string }).type === 'Unsupported' && /Comparing orders\/0 came to nothing within 16 min/.test(e.message));
});

const ask = { m: { ...m, connect: null } as never, c: looking('same'), sets: [{ name: 'orders', topics: ['orders'], writers: [] }], upTo: 'now' as const };

test('lookSame: where nothing comes of the time of two whole calls, it is a failure that names them', async () => {
  const world = worldOf(1);
  const clock = { ms: 1 };
  const at: At = { until: { untilMs: null, signal: new AbortController().signal, check: () => undefined, timeoutMs: (ms) => ms }, now: () => clock.ms, pause: () => forever(), seen: () => undefined, words: String };
  const glance = sameness(world.ports(), createRecord(world.ports()), played(forever)).lookSame({ ...ask, c: { ...ask.c, before: '{}' } }, at);
  clock.ms += 18 * 60_000 - 10; // so much of the call is over
  const [one, other] = [await glance(), await glance()];
  assert.deepEqual([one.done, one.progress, one.patience?.ms], [false, other.progress, 36 * 60_000]);
  assert.match(one.patience?.failure().message ?? '', /came to nothing within 2160000 ms: 0 of 40 offsets compared, 1 partition of 1 to go\./);
});

test('lookSame inside an outage: its deadline is what it was, whatever has not got on', async () => {
  const work = worldOf(1).work({ comparer: played(forever) });
  await assert.rejects(work.lookSame({ ...ask, c: { ...ask.c, mode: 'outage', untilMs: Date.now() + 60 } }), { type: 'BudgetExceeded' });
});

describe('what takes seconds', { concurrency: true }, () => {
  test('what is settled is in the ledger while another partition is still at work', async () => {
    const world = worldOf(2);
    const ran = await turn(world, played(async ({ p }) => {
      if (p.partition === 1) return done(p);
      for (const end = Date.now() + 20_000; !(world.source.entries.get(`${run}/verify/orders/1`) ?? '').includes('"decided":"all"'); await pause(20)) assert.ok(Date.now() < end, 'not in the ledger');
      return done(p);
    }));
    assert.deepEqual(settled(ran), [0, 1]);
  });

  test('lookSame: the first picture is there soon, whatever tells nothing until it is done', async () => {
    const work = worldOf(2).work({ comparer: played(async ({ p }) => (p.partition === 0 ? done(p) : forever())) });
    const first = await work.lookSame(ask);
    assert.deepEqual([first.done, first.say], [false, '40 of 80 offsets compared, 1 partition of 2 to go.']);
  });

  test('lookSame: the looks after it wait for what tells nothing until it is done', async () => {
    const work = worldOf(1).work({ comparer: played(async ({ p }) => { await pause(2_500); return done(p); }) });
    assert.equal((await work.lookSame({ ...ask, c: { ...ask.c, before: '{}' } })).done, true);
  });
});
