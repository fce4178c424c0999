/** The way back where something was interrupted, given up or shared: removals of mirrors, cuts that were withdrawn, waves of one estate. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createReconcile } from '../../src/activities/create.ts';
import { standingMark } from '../../src/activities/cut.ts';
import { openedSets, partitionsOf, placesOf, sourceBook } from '../../src/activities/deadtarget/account.ts';
import { sweptOf } from '../../src/activities/sweep.ts';
import type { Context } from '../../src/domain/scheme.ts';
import type { Migration } from '../../src/domain/migration.ts';
import type { Reconciliation } from '../../src/domain/reconciliation.ts';
import { cutSets, type CutSet } from '../../src/domain/cutsets.ts';
import { application, migration } from '../fakes/migrations.ts';
import { context, FakeMirror, FakeWorld, looking, run } from './fake-ports.ts';

const m = migration('m', [application('shop', { writes: ['orders'] }), application('billing', { reads: { billing: ['orders'] } })], { connectBack: 'connect-back' });
const setOf = (of: Migration): CutSet => cutSets(of)[0] as CutSet;
const set = setOf(m);
const x = (key: string): { readonly m: Migration; readonly c: Context } => ({ m, c: context(key) });
const texts = (w: FakeWorld, side: 'source' | 'target'): readonly string[] => w[side].log({ topic: 'orders', partition: 0 }).records.map((r) => r.fingerprint);
function world(...topics: readonly string[]): FakeWorld {
  const w = new FakeWorld();
  for (const c of [w.source, w.target]) for (const topic of topics) c.topic(topic, 1);
  return w;
}
const cutTo = async (w: FakeWorld, of: Migration, key = 'cut'): Promise<void> => {
  const cut = { m: of, c: context(key), set: setOf(of), to: 'target' as const };
  await w.work().markCut({ ...cut, before: await w.work().captureCut(cut) });
};
const reconciling = (w: FakeWorld, of: { readonly m: Migration; readonly c: Context }): Promise<Reconciliation> =>
  createReconcile(w.ports(), { surroundings: () => ({ heartbeat: () => undefined, signal: new AbortController().signal, now: () => Date.now() }) }).reconcileTarget(of);

type OfMirror = ReturnType<typeof x> & { readonly set: CutSet; readonly toward: 'source' | 'target' };
/** A mirror that has copied is removed, in that way; the next one goes on where it was, so that everything is there once. */
async function removedAndMadeAgain(toward: OfMirror['toward'], removed: (o: { readonly w: FakeWorld; readonly mirror: FakeMirror; readonly remove: () => Promise<unknown> }) => Promise<unknown>): Promise<void> {
  const w = world('orders');
  const work = w.work();
  w.source.write('orders', 0, 'a', 'b');
  if (toward === 'source') { w.target.write('orders', 0, 'a', 'b'); await cutTo(w, m); w.target.write('orders', 0, 'c', 'd'); }
  const ask = (key: string): OfMirror => ({ ...x(key), set, toward });
  const before = await work.captureMirror(ask('first'));
  await w.whileCopying(toward, () => work.createMirror({ ...ask('first'), before }));
  w.copy();
  await removed({ w, mirror: w.connectors.get(before.name) ?? assert.fail('no mirror'), remove: () => work.removeMirror({ ...ask('first'), before }) });
  const again = await work.captureMirror(ask('second'));
  assert.notEqual(again.name, before.name);
  await w.whileCopying(toward, () => work.createMirror({ ...ask('second'), before: again }));
  w.copy();
  assert.deepEqual(texts(w, toward), toward === 'target' ? ['a', 'b'] : ['a', 'b', 'c', 'd']);
}
for (const toward of ['target', 'source'] as const) {
  test(`a mirror to the ${toward} whose removal was lost after its offsets were reset: the next one goes on where it was`, () => removedAndMadeAgain(toward, async ({ w, remove }) => {
    w.removalInterrupted = true;
    await assert.rejects(remove());
    w.removalInterrupted = false;
    await remove();
  }));
  for (const state of ['RUNNING', 'STOPPED', 'FAILED', 'PAUSED', 'UNASSIGNED'] as const)
    test(`a mirror to the ${toward}, ${state}, whose ids the cluster has forgotten: removed, and the next one goes on where it was`, () => removedAndMadeAgain(toward, ({ mirror, remove }) => {
      Object.assign(mirror, { state, forgotten: true });
      return remove();
    }));
}
test('a mirror that has copied, and whose stored offsets somebody has reset: the next one does not copy everything again', async () => {
  for (const partly of [false, true]) {
    const w = world('orders', 'clicks');
    const two = migration('m', [application('shop', { writes: ['orders', 'clicks'] }), application('billing', { reads: { billing: ['orders', 'clicks'] } })], { connectBack: 'connect-back', cuts: 'together' });
    const work = w.work();
    for (const topic of ['orders', 'clicks']) w.source.write(topic, 0, 'a', 'b');
    const ask = (key: string) => ({ m: two, c: context(key), set: setOf(two), toward: 'target' as const });
    const before = await work.captureMirror(ask('first'));
    await w.whileCopying('target', () => work.createMirror({ ...ask('first'), before }));
    w.copy();
    const first = w.connectors.get(before.name);
    assert.ok(first);
    Object.assign(first, { state: 'STOPPED', forgotten: true });
    if (partly) first.next.delete('orders/0'); else first.next.clear();
    await work.removeMirror({ ...ask('first'), before });
    const again = await work.captureMirror(ask('second'));
    await assert.rejects(work.createMirror({ ...ask('second'), before: again }), partly ? /Nobody knows how far the earlier mirror of .* had copied orders\/0/ : /already hold records/);
    assert.deepEqual(texts(w, 'target'), ['a', 'b']);
  }
});
test('a wave that went back without its target is begun again: what came back the first time says nothing of the second', async () => {
  const w = new FakeWorld();
  for (const c of [w.source, w.target]) c.topic('orders', 1, { 'cleanup.policy': 'compact' });
  const wave = migration('estate-one', [application('shop', { writes: ['orders'] })], { connectBack: 'connect-back', estate: { id: 'cutover/old/new/estate', run, wave: 'one', feeds: [], elsewhere: [] } });
  const of = (key: string) => ({ m: wave, c: context(key) });
  const made = (n: number): FakeMirror => {
    const mirror = new FakeMirror({ connect: 'connect-back', name: `cutover-orders-back-${run.slice(-8)}-${n}`, from: 'new', to: 'old', topics: ['orders'], seed: [{ topic: 'orders', partition: 0, offset: 0n, metadata: '' }] });
    w.connectors.set(mirror.spec.name, mirror);
    w.source.entries.set(`mirrors/${mirror.spec.name}`, '{}');
    return mirror;
  };
  const leave = async (n: number): Promise<void> => {
    await w.work().silenceWithoutTarget({ ...of(`silence-${n}`), sets: [setOf(wave)] });
    await w.work().markWithoutTarget({ ...of(`mark-${n}`), set: setOf(wave) });
  };
  await cutTo(w, wave, 'cut-1');
  made(1);
  for (let i = 0; i < 30; i++) w.target.write('orders', 0, `first${i}`);
  w.copy();
  await leave(1);
  w.connectors.clear();
  w.target.topic('orders', 1, { 'cleanup.policy': 'compact' });
  await cutTo(w, wave, 'cut-2');
  made(2).forgotten = true;
  for (let i = 0; i < 5; i++) w.target.write('orders', 0, `second${i}`);
  w.target.before = () => { throw new Error('connection refused'); };
  const [account] = await partitionsOf(w.ports(), of('hold'), await openedSets(w.ports(), of('hold'), [setOf(wave)]));
  assert.equal(account?.brought, 0n);
  await leave(2);
  w.target.before = () => undefined;
  w.source.entries.set(`${run}/final`, JSON.stringify({ migration: wave, sequence: 1 }));
  assert.equal((await reconciling(w, of('reconcile'))).records, 5);
});
test('the target dies before the first sweep behind a second opening: a place swept behind the first does not count', async () => {
  const w = world('orders');
  const work = w.work();
  for (const c of [w.source, w.target]) c.write('orders', 0, ...Array.from({ length: 8 }, (_, i) => `r${i}`));
  await cutTo(w, m);
  w.target.place('billing', 'orders', 0, 8n);
  w.source.place('billing', 'orders', 0, 0n);
  await work.lookSwept({ m, c: looking('sweep'), groups: ['billing'], topics: ['orders'] });
  const place = async (): Promise<unknown> => (await placesOf(w.ports(), x('hold'), ['billing'])).map((p) => [p.by, p.offset]);
  assert.deepEqual(await place(), [['swept', 8n]]);
  // Back, and its readers go back on the source, to process it again; then it is opened again.
  const home = { ...x('cut-back'), set, to: 'source' as const };
  await work.markCut({ ...home, before: await work.captureCut(home) });
  assert.deepEqual(await place(), [['swept', 8n]]);
  w.source.place('billing', 'orders', 0, 2n);
  await cutTo(w, m, 'cut-again');
  assert.deepEqual(await place(), [['left', 2n]]);
});

test('a mirror whose ids the cluster has forgotten begins anew before the outage, is fenced in it, and that is told', async () => {
  const w = world('orders');
  const work = w.work();
  w.source.write('orders', 0, 'a');
  const ask = (key: string) => ({ ...x(key), set, toward: 'target' as const });
  const before = await work.captureMirror(ask('mirror'));
  await work.createMirror({ ...ask('mirror'), before });
  w.copy();
  const mirror = w.connectors.get(before.name);
  assert.ok(mirror);
  mirror.forgotten = true;
  const silence = await work.captureSilence(ask('silence'));
  assert.match((await work.silenceMirror({ ...ask('silence'), before: silence })).say, new RegExp(`silent for good after 12 ms; before that connect-${before.name}-0 began anew, for new had forgotten that id, unused for so long; `));
  // One that is known is left alone.
  await work.resumeMirror({ ...ask('silence'), before: silence });
  assert.doesNotMatch((await work.silenceMirror({ ...ask('silence-2'), before: await work.captureSilence(ask('silence-2')) })).say, /anew/);
});

test('the target dies as the cut back is marked: the cut without it has a number of its own, stands, and can be reconciled', async () => {
  const w = world('orders');
  const work = w.work();
  await cutTo(w, m);
  w.target.write('orders', 0, 'n1', 'n2');
  const back = { ...x('cut-back'), set, to: 'source' as const };
  const before = await work.captureCut(back);
  w.target.before = () => { throw new Error('connection refused'); };
  await assert.rejects(work.markCut({ ...back, before }), /connection refused/);
  await work.unmarkCut({ ...back, c: context('cut-back', { mode: 'undo' }), before });
  await work.markWithoutTarget({ ...x('mark'), set });
  const mark = await standingMark(sourceBook(w.ports()), { ...x('look'), set });
  assert.deepEqual([mark?.epoch, mark?.to], [3, 'source']);
  w.source.entries.set(`${run}/final`, JSON.stringify({ migration: m, sequence: 1 }));
  w.target.before = () => undefined;
  assert.equal((await reconciling(w, x('reconcile'))).records, 2);
});

test('a mirror that is there, stopped, and has another producer id by now is not called a stranger', async () => {
  const w = world('orders');
  const work = w.work();
  await cutTo(w, m);
  w.target.write('orders', 0, 'n1', 'n2');
  const ask = (key: string) => ({ ...x(key), set, toward: 'source' as const });
  const before = await work.captureMirror(ask('first'));
  await w.whileCopying('source', () => work.createMirror({ ...ask('first'), before }));
  const mirror = w.connectors.get(before.name);
  assert.ok(mirror);
  mirror.producerId = 10n;
  w.target.write('orders', 0, 'n3');
  w.copy();
  assert.match((await work.lookForeign({ m, c: looking('foreign'), sets: [set], on: 'source', since: 'cut' })).say, /no batch of others/);
  mirror.state = 'STOPPED';
  const again = await work.captureMirror(ask('second'));
  await work.createMirror({ ...ask('second'), before: again });
  assert.deepEqual(texts(w, 'source'), ['n1', 'n2', 'n3']);
});

const wave = (name: string): Migration['estate'] => ({ id: 'cutover/old/new/estate', run, wave: name, feeds: [], elsewhere: [] }) as unknown as Migration['estate'];
const one: Migration = { ...m, name: 'estate-one', ...{ estate: wave('one') } } as Migration;
const two: Migration = { ...migration('estate-two', [application('web', { writes: ['clicks'] }), application('stats', { reads: { stats: ['clicks'] } })], { connectBack: 'connect-back' }), estate: wave('two') } as Migration;
const waves = [[one, 'orders', 'billing'], [two, 'clicks', 'stats']] as const;

test('waves of one estate sweep for themselves: what one knows stays when another has swept, and each keeps its groups alive', async () => {
  const w = world('orders', 'clicks');
  let now = Date.now();
  const work = w.work({ surroundings: () => ({ heartbeat: () => undefined, signal: new AbortController().signal, now: () => now }) });
  for (const [of, topic, group] of waves) {
    w.source.write(topic, 0, 'a', 'b', 'c');
    w.target.write(topic, 0, 'a', 'b', 'c');
    w.source.place(group, topic, 0, 1n);
    await cutTo(w, of, `cut-${topic}`);
    const mirror = new FakeMirror({ connect: 'connect-back', name: `cutover-${topic}-back-${run.slice(-8)}-1`, from: 'new', to: 'old', topics: [topic], seed: [{ topic, partition: 0, offset: 3n, metadata: '' }] });
    w.connectors.set(mirror.spec.name, mirror);
    w.source.entries.set(`mirrors/${mirror.spec.name}`, '{}');
    w.target.write(topic, 0, 'n1', 'n2');
    w.copy();
    w.target.place(group, topic, 0, 5n);
  }
  const sweep = async (): Promise<void> => { for (const [of, topic, group] of waves) await work.lookSwept({ m: of, c: looking(`sweep-${topic}`), groups: [group], topics: [topic] }); };
  await sweep();
  for (const [of, topic, group] of waves) {
    const hold = { m: of, c: context('hold') };
    assert.deepEqual([...(await sweptOf(w.ports(), hold)).ends.keys()], [`${topic}/0`]);
    assert.deepEqual((await placesOf(w.ports(), hold, [group])).map((p) => p.by), ['swept']);
  }
  const kept = new Set<string>();
  const place = w.source.place.bind(w.source);
  w.source.place = (group, ...rest) => { kept.add(group); place(group, ...rest); };
  for (let i = 0; i < 3; i += 1) { now += 13 * 3_600_000; await sweep(); }
  assert.deepEqual([...kept].sort(), ['billing', 'stats']);
});

test('a wave that was rolled back without the target is reconciled: its cuts are under the run of its estate', async () => {
  const w = world('orders');
  const work = w.work();
  await cutTo(w, one);
  w.target.write('orders', 0, 'n1', 'n2');
  await work.markWithoutTarget({ m: one, c: context('mark'), set: setOf(one) });
  const own = '0198bbbb-0000-7000-8000-000000000002';
  w.source.entries.set(`${own}/final`, JSON.stringify({ migration: one, sequence: 1 }));
  assert.equal((await reconciling(w, { m: one, c: { ...context('reconcile'), run: own, key: `${own}/reconcile` } })).records, 2);
});
