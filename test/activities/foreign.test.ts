/** Writes of others on a side without authority: found by producer, named, and, where they came too late, carried over once. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { application, migration } from '../fakes/migrations.ts';
import { cutSets, type CutSet } from '../../src/domain/cutsets.ts';
import type { Work } from '../../src/activities/work.ts';
import { context, FakeWorld, looking, run } from './fake-ports.ts';

const m = { ...migration('m', [application('shop', { writes: ['orders'] })]), connectBack: 'connect-back' };
const set = cutSets(m)[0] as CutSet;
const mirror = { m, c: context('mirror'), set, toward: 'target' as const };
async function mirrored(): Promise<{ w: FakeWorld; work: Work }> {
  const w = new FakeWorld();
  for (const c of [w.source, w.target]) c.topic('orders', 2);
  w.source.write('orders', 0, 'a', 'b');
  const work = w.work();
  await work.createMirror({ ...mirror, before: await work.captureMirror(mirror) });
  w.copy();
  return { w, work };
}
async function cut(): Promise<{ w: FakeWorld; work: Work }> {
  const all = await mirrored();
  await all.work.markCut({ m, c: context('cut'), set, to: 'target', before: { epoch: 1 } });
  all.w.connectors.clear();
  return all;
}
const look = (on: 'source' | 'target', since: 'cut' | 'start') => ({ m, c: looking('foreign'), sets: [set], on, since });
const named = (pattern: RegExp) => (e: Error & { type?: string }): boolean => { assert.equal(e.type, 'ForgottenWriter'); assert.match(e.message, pattern); return true; };

test('only the mirror wrote: none, and the next look reads only what came since', async () => {
  const { w, work } = await mirrored();
  assert.match((await work.lookForeign(look('target', 'start'))).say, /none: no batch of others in orders on the target, 3 new offsets looked through/);
  w.source.write('orders', 0, 'c');
  w.copy();
  w.target.calls.length = 0;
  assert.match((await work.lookForeign(look('target', 'start'))).say, /2 new offsets/);
  assert.deepEqual(w.target.calls.filter((c) => c.startsWith('writers')), ['writers orders/0 3 5']);
});

test('a stranger on the copy is named with all that Kafka tells, again and again', async () => {
  const { w, work } = await mirrored();
  w.target.writeAs(4_711n, 'orders', 1, 'x', 'y');
  w.target.transactions.set('stray-app', { producerId: 4_711n, epoch: 3, startedMs: null, open: null });
  w.target.writeAs(-1n, 'orders', 0, 'z');
  for (let i = 0; i < 2; i++)
    await assert.rejects(work.lookForeign(look('target', 'start')), named(/orders on new, .*a producer without id: 1 record on orders\/0 offsets 3 to 3.*producer id 4711 \(no longer active\), transactional id stray-app: 2 records on orders\/1 offsets 0 to 1; by their timestamps first 1970-.*rate unknown; principal unknown/));
});

test("the mirror's producer id changed while nobody looked: its own syncs vouch for the old one, and that is kept", async () => {
  const { w, work } = await mirrored();
  const [connector] = [...w.connectors.values()];
  assert.ok(connector);
  connector.producerId = 10n;
  w.source.write('orders', 1, 'c');
  w.copy();
  assert.equal((await work.lookForeign(look('target', 'start'))).done, true);
  assert.ok([...w.source.entries.keys()].includes(`${run}/mirror-writer/target/orders/9`));
  connector.anchors.clear();
  assert.equal((await work.lookForeign({ ...look('target', 'start') })).done, true);
});

test('found once, a stranger is told again without reading its part of the log again', async () => {
  const { w, work } = await mirrored();
  w.target.writeAs(4_711n, 'orders', 1, 'x');
  await assert.rejects(work.lookForeign(look('target', 'start')), named(/1 record on orders\/1/));
  w.target.writeAs(4_711n, 'orders', 1, 'y');
  w.target.calls.length = 0;
  await assert.rejects(work.lookForeign(look('target', 'start')), named(/producer id 4711 .*2 records on orders\/1 offsets 0 to 1/));
  assert.deepEqual(w.target.calls.filter((c) => c.startsWith('writers')), ['writers orders/1 1 2']);
});

test("what looked like a stranger turns out to be the mirror's: it is no longer told", async () => {
  const { w, work } = await mirrored();
  const [connector] = [...w.connectors.values()];
  assert.ok(connector);
  w.target.writeAs(10n, 'orders', 1, 'copied, its sync is on the way');
  await assert.rejects(work.lookForeign(look('target', 'start')), named(/producer id 10 /));
  connector.anchors.set('orders/1', [{ from: 0n, to: 0n }]);
  assert.equal((await work.lookForeign(look('target', 'start'))).done, true);
});

test('after the cut the same is asked of the source; the side with authority is not asked at all', async () => {
  const { w, work } = await cut();
  assert.equal((await work.lookForeign(look('source', 'cut'))).done, true);
  await assert.rejects(work.lookForeign(look('target', 'cut')), /orders has its authority on the target since cut 1/);
  w.source.write('orders', 0, 'late');
  await assert.rejects(work.lookForeign(look('source', 'cut')), named(/producer id 77 \(epoch 0\): 1 record on orders\/0 offsets 2 to 2/));
});

test('without a cut in the ledger nothing can be called late', async () => {
  const { work } = await mirrored();
  await assert.rejects(work.lookForeign(look('source', 'cut')), /No cut of orders is in the ledger/);
});

test('stragglers are counted, carried once, and not carried again by a second try', async () => {
  const { w, work } = await cut();
  const x = { m, c: context('carry'), set };
  assert.equal((await work.findStragglers(x)).records, 0);
  w.target.write('orders', 0, 'native');
  w.source.write('orders', 0, 'late 1', 'late 2');
  w.source.write('orders', 1, 'late 3');
  const found = await work.findStragglers(x);
  assert.deepEqual([found.records, found.partitions], [3, [{ partition: 'orders/0', records: 2, first: '2', last: '3', producerIds: ['77'] }, { partition: 'orders/1', records: 1, first: '0', last: '0', producerIds: ['77'] }]]);
  assert.match(found.say, /^3 records of others on old behind cut 1 of orders: orders\/0 2 \(offsets 2 to 3\), orders\/1 1 \(offsets 0 to 0\)\. Written by producer id 77 \(epoch 0\): /);
  assert.match((await work.carryStragglers(x)).say, /carried 3 records of others from old to new, each once.*order among later records is not kept/);
  assert.match((await work.carryStragglers(x)).say, /no record of others was left to carry/);
  assert.deepEqual(w.target.log({ topic: 'orders', partition: 0 }).records.map((r) => r.fingerprint), ['a', 'b', 'native', 'late 1', 'late 2']);
  w.source.write('orders', 1, 'late 4');
  assert.match((await work.carryStragglers(x)).say, /carried 1 record/);
  const after = await work.findStragglers(x);
  assert.deepEqual([after.records, after.carried], [0, 4]);
  assert.deepEqual([...w.target.positions.keys()].filter((g) => (w.target.positions.get(g)?.size ?? 0) > 0), [], 'the group that counted is gone again');
});

test('the worker dies between the copy and its record: the copy itself says how far it got', async () => {
  const { w, work } = await cut();
  const x = { m, c: context('carry'), set };
  w.source.write('orders', 0, 'late');
  w.target.before = (call) => { if (call === 'uncommit' || call === 'ledger.write') throw new Error('killed'); };
  await assert.rejects(work.carryStragglers(x));
  w.target.before = () => undefined;
  assert.match((await w.work().carryStragglers(x)).say, /no record of others was left/);
  assert.deepEqual(w.target.log({ topic: 'orders', partition: 0 }).records.map((r) => r.fingerprint), ['a', 'b', 'late']);
  assert.equal((await w.work().findStragglers(x)).carried, 1);
});

test('a straggler in an open transaction waits until it is decided', async () => {
  const { w, work } = await cut();
  w.source.begin('pay-1', 55n, { topic: 'orders', partition: 0 }, 0);
  assert.equal((await work.findStragglers({ m, c: context('carry'), set })).records, 0);
  await assert.rejects(work.lookForeign(look('source', 'cut')), named(/producer id 55 \(epoch 3\), transactional id pay-1/));
});

test('the copy was made anew after a way back: a stranger is found below where the log before it was cut', async () => {
  const { w, work } = await cut();
  for (const p of [0, 1]) w.target.write('orders', p, 'n1', 'n2', 'n3');
  await work.markCut({ m, c: context('back'), set, to: 'source', before: { epoch: 2 } });
  await work.lookForeign(look('target', 'start'));
  w.target.topic('orders', 2);
  assert.match((await work.lookForeign(look('target', 'start'))).say, /0 new offsets/);
  w.target.writeAs(4_711n, 'orders', 1, 'x');
  await assert.rejects(work.lookForeign(look('target', 'start')), named(/producer id 4711 .*1 record on orders\/1 offsets 0 to 0/));
});
