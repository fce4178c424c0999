/** The mirror of a set from its creation to its retirement, and the cut between. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { application, migration } from '../fakes/migrations.ts';
import { cutSets, type CutSet } from '../../src/domain/cutsets.ts';
import type { Work } from '../../src/activities/work.ts';
import { context, FakeWorld, looking, run } from './fake-ports.ts';

const m = migration('m', [application('shop', { writes: ['orders'] })]);
const set = cutSets(m)[0] as CutSet;
const ask = (key: string) => ({ m, c: context(key), set, toward: 'target' as const });
const look = (key: string, more: Parameters<typeof looking>[1] = {}) => ({ m, c: looking(key, more), set, toward: 'target' as const });
const soon = (ms = 2_000) => ({ untilMs: Date.now() + ms, mode: 'outage' as const });

async function mirrored(): Promise<{ w: FakeWorld; work: Work; name: string }> {
  const w = new FakeWorld();
  w.source.topic('orders', 2);
  w.target.topic('orders', 2);
  w.source.write('orders', 0, 'a', 'b', 'c');
  w.source.marker('orders', 0);
  w.fleets.set('shop', { source: 1, target: 0 });
  const work = w.work();
  const before = await work.captureMirror(ask('mirror'));
  await work.createMirror({ ...ask('mirror'), before });
  return { w, work, name: before.name };
}
/** To the moment before the mark. */
async function silenced(): Promise<{ w: FakeWorld; work: Work; name: string }> {
  const x = await mirrored();
  x.w.copy();
  const before = await x.work.captureSilence(ask('silence'));
  await x.work.silenceMirror({ ...ask('silence'), before });
  return x;
}

test('named after set, direction, run and attempt; a name is never used again, not even of a connector that is gone', async () => {
  const { w, work, name } = await mirrored();
  assert.equal(name, `cutover-orders-fwd-${run.slice(-8)}-1`);
  await work.removeMirror({ ...ask('mirror'), before: { name } });
  assert.equal(w.connectors.size, 0);
  const c = { ...context('mirror'), key: `${run}/mirror/2` };
  assert.equal((await work.captureMirror({ ...ask('mirror'), c })).name, `cutover-orders-fwd-${run.slice(-8)}-2`);
});

/** As Temporal names runs: the first digits are the time, and change once a minute. */
const minuteAlike = { run: `${run.slice(0, 14)}7fff-9123-456789abcdef` };
test('two migrations that begin within the same minute, each with one set of everything: neither sees, silences nor removes the mirror of the other', async () => {
  const w = new FakeWorld();
  for (const topic of ['orders', 'clicks']) for (const c of [w.source, w.target]) c.topic(topic, 1);
  const one = { m: { ...m, cuts: 'together' as const }, c: context('mirror'), set: { name: 'everything', topics: ['orders'], writers: ['shop'] }, toward: 'target' as const };
  const other = { m: { ...migration('n', [application('web', { writes: ['clicks'] })]), cuts: 'together' as const }, c: { ...context('mirror'), ...minuteAlike, key: `${minuteAlike.run}/mirror/1` }, set: { name: 'everything', topics: ['clicks'], writers: ['web'] }, toward: 'target' as const };
  const work = w.work();
  const [a, b] = await Promise.all([one, other].map(async (x) => { const before = await work.captureMirror(x); await work.createMirror({ ...x, before }); return before.name; }));
  assert.ok(a !== undefined && b !== undefined && a !== b, `${a} and ${b}`);
  assert.deepEqual([a, b].map((name) => w.connectors.get(name)?.spec.topics), [['orders'], ['clicks']]);
  await work.removeMirror({ ...other, before: { name: b } });
  assert.deepEqual([...w.connectors.keys()], [a]);
});

test('a run of an earlier version goes on with its mirrors, which bear the first digits of its id, and with none of another run', async () => {
  const { w, work, name } = await mirrored();
  const earlier = (number: number): string => `cutover-orders-fwd-${run.slice(0, 8)}-${number}`;
  // As if it had been made by that version; and beside it one of a run of the same minute.
  const made = w.connectors.get(name);
  assert.ok(made);
  w.connectors.clear();
  for (const [number, of] of [[1, run], [2, minuteAlike.run]] as const) {
    w.connectors.set(earlier(number), Object.assign(Object.create(made) as typeof made, { spec: { ...made.spec, name: earlier(number) } }));
    w.source.entries.set(`mirrors/${earlier(number)}`, JSON.stringify({ run: of, set: 'orders' }));
  }
  assert.match((await work.removeMirror({ ...ask('mirror'), before: { name: earlier(1) } })).say, /-1 is removed/);
  assert.deepEqual([...w.connectors.keys()], [earlier(2)]);
  const c = { ...context('mirror'), key: `${run}/mirror/2` };
  assert.equal((await work.captureMirror({ ...ask('mirror'), c })).name, `cutover-orders-fwd-${run.slice(-8)}-3`, 'no number is used again');
});

test('a topic with a very long name still gives a legal, unique connector', async () => {
  const w = new FakeWorld();
  const names = await Promise.all(['x', 'y'].map((end) => w.work().captureMirror({ ...ask('m'), c: context(`m-${end}`), set: { name: `${'t'.repeat(200)}${end}`, topics: [], writers: [] } })));
  assert.notEqual(names[0]?.name, names[1]?.name);
  assert.ok(names.every((n) => n.name.length < 130));
});

test('a later mirror of the run goes on where the first one ended; without that record a filled target is refused', async () => {
  const { w, work, name } = await mirrored();
  w.copy();
  await work.removeMirror({ ...ask('mirror'), before: { name } });
  const before = { name: `${name.slice(0, -1)}2` };
  await work.createMirror({ ...ask('mirror'), before });
  assert.deepEqual(w.connectors.get(before.name)?.spec.seed.map((p) => [p.partition, p.offset]), [[0, 3n]]);
  w.connectors.clear();
  for (const c of [w.source, w.target]) c.entries.clear();
  await assert.rejects(work.createMirror({ ...ask('mirror'), before }), { type: 'Drift' });
});

test('caught up: lag is counted in visible records, a trailing marker is none', async () => {
  const { w, work } = await mirrored();
  const strict = { ...context('wait').limits, lagRecords: 0 };
  const at = (before: string | null) => ({ m, c: { ...looking('wait'), limits: strict, before }, sets: [set], toward: 'target' as const });
  const first = await work.lookCaughtUp(at(null));
  assert.deepEqual([first.done, (first.figures as { lagRecords: number }).lagRecords], [false, 4]);
  w.copy();
  const second = await work.lookCaughtUp(at(first.picture ?? null));
  assert.deepEqual([second.done, (second.figures as { lagRecords: number }).lagRecords], [true, 0]);
});

test('a mirror that is RUNNING and does not move is stuck; one that failed is said with its trace', async () => {
  const { w, work, name } = await mirrored();
  const limits = { ...context('wait').limits, lagRecords: 0, stuckMs: 30 };
  const at = (before: string | null) => ({ m, c: { ...looking('wait'), limits, before }, sets: [set], toward: 'target' as const });
  const first = await work.lookCaughtUp(at(null));
  await assert.rejects(work.lookCaughtUp(at(first.picture ?? null)), { type: 'MirrorStuck' });
  const connector = w.connectors.get(name);
  if (connector) connector.state = 'FAILED';
  const failed = await work.lookCaughtUp(at(first.picture ?? null));
  assert.match(failed.say, /FAILED.*boom/);
});

test('retention on the source overtook the mirror: damaged', async () => {
  const { w, work, name } = await mirrored();
  w.copy(1);
  w.source.trim('orders', 0, 3n);
  w.connectors.get(name)?.next.set('orders/0', 1n);
  await assert.rejects(work.lookCaughtUp({ m, c: looking('wait'), sets: [set], toward: 'target' }), { type: 'MirrorDamaged' });
});

test('drained: waits through the outage until every record is on the other side', async () => {
  const { w, work } = await mirrored();
  setTimeout(() => { w.copy(); }, 40);
  const l = await work.lookMirrorDrained(look('drain', soon()));
  assert.equal(l.done, true);
  assert.match(l.say, /all 2 partitions drained, 3 records compared/);
});

test('one record short of identical ones: the number decides, and it is not drained', async () => {
  const w = new FakeWorld();
  w.source.topic('orders', 1);
  w.target.topic('orders', 1);
  const work = w.work();
  const before = await work.captureMirror(ask('mirror'));
  await work.createMirror({ ...ask('mirror'), before });
  w.source.write('orders', 0, ...Array.from({ length: 40 }, () => 'same'));
  w.copy(39);
  await assert.rejects(work.lookMirrorDrained(look('drain', soon(150))), (e: Error & { type?: string }) => e.type === 'BudgetExceeded' && /not drained/.test(e.message));
  w.copy();
  assert.equal((await work.lookMirrorDrained(look('drain', soon()))).done, true);
});

test('drained proof on 32 partitions, in memory, is quick', async () => {
  const w = new FakeWorld();
  w.source.topic('orders', 32);
  w.target.topic('orders', 32);
  const work = w.work();
  const before = await work.captureMirror(ask('mirror'));
  await work.createMirror({ ...ask('mirror'), before });
  for (let p = 0; p < 32; p++) w.source.write('orders', p, ...Array.from({ length: 50 }, (_, i) => `${p}-${i}`));
  w.copy();
  w.target.calls.length = 0;
  const l = await work.lookMirrorDrained(look('drain', soon()));
  assert.equal(l.done, true);
  assert.deepEqual(w.target.calls, ['ends', 'tails', 'ends'], 'three requests per side, whatever the partitions');
});

test('silenced while records are missing: refused, so that the outage undoes itself', async () => {
  const { work } = await mirrored();
  const before = await work.captureSilence(ask('silence'));
  assert.deepEqual(before.writers.map((x) => x.producerId), ['9']);
  await assert.rejects(work.silenceMirror({ ...ask('silence'), before }), { type: 'MirrorStuck' });
});

test('the cut: marked in both ledgers, confirmed, and everything after it moves neither log', async () => {
  const { w, work } = await silenced();
  const x = { m, set, to: 'target' as const };
  const before = await work.captureCut({ ...x, c: context('cut') });
  assert.deepEqual(before, { epoch: 1 });
  await work.markCut({ ...x, c: context('cut', soon()), before });
  assert.deepEqual([...w.source.entries].filter(([k]) => k.includes('/cut/orders/')), [...w.target.entries].filter(([k]) => k.includes('/cut/orders/')));
  const confirmed = await work.lookCut({ ...x, c: looking('confirm', soon()) });
  assert.match(confirmed.say, /cut 1 of orders stands/);
  w.source.write('orders', 1, 'late');
  await assert.rejects(work.lookCut({ ...x, c: looking('confirm', soon()) }), { type: 'ForgottenWriter' });
});

test('a cut that is in one ledger only is none', async () => {
  const { w, work } = await silenced();
  const x = { m, set, to: 'target' as const };
  await work.markCut({ ...x, c: context('cut'), before: { epoch: 1 } });
  w.target.entries.clear();
  await assert.rejects(work.lookCut({ ...x, c: looking('confirm', soon()) }), { type: 'Drift' });
});

test('an open transaction at the mark is refused', async () => {
  const { w, work } = await silenced();
  const log = w.source.log({ topic: 'orders', partition: 0 });
  log.open = log.next++;
  await assert.rejects(work.markCut({ m, set, to: 'target', c: context('cut'), before: { epoch: 1 } }), { type: 'ForgottenWriter' });
});

test('a mirror never runs again while the cut stands; once withdrawn it does, and the next cut has the next number', async () => {
  const { w, work, name } = await silenced();
  const x = { m, set, to: 'target' as const };
  await work.markCut({ ...x, c: context('cut'), before: { epoch: 1 } });
  const silence = { name, writers: [] };
  await assert.rejects(work.resumeMirror({ ...ask('silence'), before: silence }), { type: 'Unsupported' });
  await work.unmarkCut({ ...x, c: context('cut'), before: { epoch: 1 } });
  await work.resumeMirror({ ...ask('silence'), before: silence });
  assert.equal(w.connectors.get(name)?.state, 'RUNNING');
  assert.deepEqual(await work.captureCut({ ...x, c: { ...context('cut'), key: `${run}/cut/2` } }), { epoch: 2 });
  assert.match((await work.unmarkCut({ ...x, c: context('cut'), before: { epoch: 7 } })).say, /was not marked/);
});

test('a mark that is written late, after its withdrawal, does not count, and its number is not used again', async () => {
  const { w, work, name } = await silenced();
  const x = { m, set, to: 'target' as const };
  await work.unmarkCut({ ...x, c: context('cut'), before: { epoch: 1 } });
  await work.markCut({ ...x, c: context('cut'), before: { epoch: 1 } });
  await work.resumeMirror({ ...ask('silence'), before: { name, writers: [] } });
  assert.equal(w.connectors.get(name)?.state, 'RUNNING');
  assert.deepEqual(await work.captureCut({ ...x, c: { ...context('cut'), key: `${run}/cut/2` } }), { epoch: 2 });
  await assert.rejects(work.lookCut({ ...x, c: looking('confirm', soon()) }), { type: 'Drift' });
});

test('retired only when what it stored ends exactly at the cut', async () => {
  const { w, work, name } = await silenced();
  await work.markCut({ m, set, to: 'target', c: context('cut'), before: { epoch: 1 } });
  w.connectors.get(name)?.next.set('orders/0', 2n);
  await assert.rejects(work.retireMirrors({ m, c: context('retire'), sets: [set], toward: 'target' }), { type: 'MirrorDamaged' });
  assert.equal(w.connectors.size, 1);
  w.connectors.get(name)?.next.set('orders/0', 3n);
  await work.retireMirrors({ m, c: context('retire'), sets: [set], toward: 'target' });
  assert.equal(w.connectors.size, 0);
  assert.match((await work.retireMirrors({ m, c: context('retire'), sets: [set], toward: 'target' })).say, /no mirror was left/);
});

test('a retirement that was interrupted after what was stored had gone, and before the connector had, goes on; without its proof nothing does', async () => {
  const { w, work, name } = await silenced();
  await work.markCut({ m, set, to: 'target', c: context('cut'), before: { epoch: 1 } });
  const stored = w.connectors.get(name)?.next ?? assert.fail('no mirror');
  const places = [...stored];
  stored.clear();
  await assert.rejects(work.retireMirrors({ m, c: context('retire'), sets: [set], toward: 'target' }), { type: 'MirrorDamaged' }, 'nothing was ever proven of it');
  for (const [key, next] of places) stored.set(key, next);
  w.removalInterrupted = true;
  await assert.rejects(work.retireMirrors({ m, c: context('retire'), sets: [set], toward: 'target' }));
  assert.deepEqual([w.connectors.size, stored.size], [1, 0]);
  w.removalInterrupted = false;
  await work.retireMirrors({ m, c: context('retire'), sets: [set], toward: 'target' });
  assert.equal(w.connectors.size, 0);
});
