/** A second set of consumers: beside the first, seen to listen before anything is written there, and set behind all there is. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Work } from '../../src/activities/work.ts';
import { cutSets, type CutSet } from '../../src/domain/cutsets.ts';
import { application, migration } from '../fakes/migrations.ts';
import { context, FakeWorld, looking } from './fake-ports.ts';

const m = migration('m', [application('shop', { writes: ['orders'] }), application('billing', { reads: { billing: ['orders'] } })]);
const set = cutSets(m)[0] as CutSet;
const both = [0, 1].map((partition) => ({ topic: 'orders', partition }));

function world(): { readonly w: FakeWorld; readonly work: Work } {
  const w = new FakeWorld();
  for (const c of [w.source, w.target]) c.topic('orders', 2);
  w.fleets.set('shop', { source: 1, target: 0 });
  w.fleets.set('billing', { source: 1, target: 0 });
  w.source.join('billing', 'first');
  return { w, work: w.work() };
}
const assigned = (w: FakeWorld, reads: readonly { topic: string; partition: number }[]): void => {
  w.target.groups.set('billing', { type: 'classic', members: [{ memberId: 'second-1', clientId: 'second', host: '/127.0.0.1', instanceId: null, reads }] });
};
const ask = (wanted: 'assigned' | 'reading') => ({ m, c: looking('listen'), applications: ['billing'], on: 'target' as const, topics: ['orders'], wanted });
const until = async (look: (before: string | null) => Promise<{ readonly done: boolean; readonly say: string; readonly picture?: string }>): Promise<string> => {
  for (let before: string | null = null, n = 0; n < 20; n++) {
    const seen = await look(before);
    if (seen.done) return seen.say;
    before = seen.picture ?? null;
  }
  return assert.fail('not done in 20 turns');
};

test('a second set starts beside the first, and one of the two stops alone', async () => {
  const { w, work } = world();
  await work.startFleet({ m, c: context('start'), applications: ['billing'], on: 'target', beside: true });
  assert.deepEqual(w.fleets.get('billing'), { source: 1, target: 1 });
  assert.deepEqual(await work.captureFleet({ m, c: context('where'), applications: ['billing'] }), { billing: 'both' });
  assert.match((await work.stopFleet({ m, c: context('stop'), applications: ['billing'], only: 'source' })).say, /stopped billing on the source/);
  assert.deepEqual(w.fleets.get('billing'), { source: 0, target: 1 });
  w.source.leave('billing');
  const quiet = await work.lookQuiet({ m, c: looking('quiet'), applications: ['billing'], on: 'source', only: true });
  assert.deepEqual([quiet.done, /group.* billing.* empty on the source/.test(quiet.say)], [true, true], quiet.say);
});

test('a fleet that knows one set only is refused: at the start of a second one, and by the preflight', async () => {
  const { w } = world();
  w.beside = false;
  const work = w.work();
  await assert.rejects(work.startFleet({ m, c: context('start'), applications: ['billing'], on: 'target', beside: true }), { type: 'BadCatalog', message: /fleet billing of billing cannot run a second set/ });
  const lone = { ...m, connect: null };
  await assert.rejects(work.lookReady({ m: lone, c: looking('ready'), scheme: 'dualConsume' }), /cannot run a second set of processes/);
  assert.equal((await work.lookReady({ m: lone, c: looking('ready'), scheme: 'producerFirst' })).done, true);
});

test('it listens when every partition is assigned and its members stay', async () => {
  const { w, work } = world();
  w.fleets.set('billing', { source: 1, target: 1 });
  assert.match((await work.lookListening(ask('assigned'))).say, /group billing is \w+ with 0 members on the target/);
  assigned(w, both.slice(0, 1));
  assert.match((await work.lookListening(ask('assigned'))).say, /nobody in billing is assigned orders\/1/);
  assigned(w, both);
  assert.match(await until((before) => work.lookListening({ ...ask('assigned'), c: { ...looking('listen'), before } })), /1 member of billing hold every partition of orders on the target, the same ones after 1000 ms/);
});

test('members that do not show what they read are no proof', async () => {
  const { w, work } = world();
  w.fleets.set('billing', { source: 1, target: 1 });
  w.target.join('billing', 'second');
  assert.match((await work.lookListening(ask('assigned'))).say, /unknown what the members of billing are assigned/);
});

test('the hold before the cut shows whether the second set listens', async () => {
  const { w, work } = world();
  w.fleets.set('billing', { source: 1, target: 1 });
  const { inventory } = await work.assess({ m, scheme: 'dualConsume' });
  const about = { kind: 'cut' as const, set, applications: ['shop'], copies: false, beside: ['billing'], budgetMs: 10_000, undoReserveMs: 2_000 };
  const claimed = async () => (await work.evidence({ m, c: context('hold'), inventory, about })).claims.find((c) => c.text.includes('is assigned to a member of billing'));
  assert.equal((await claimed())?.holds, false);
  assigned(w, both);
  assert.equal((await claimed())?.holds, true);
});

test('the hold of the cut back asks by group for the consent to repeats where the first set has not drained; with it nobody waits', async () => {
  const { w, work } = world();
  w.source.write('orders', 0, 'a', 'b', 'c');
  w.source.place('billing', 'orders', 0, 1n);
  await cut(work, 'target');
  w.target.write('orders', 0, 'x', 'y');
  const { inventory } = await work.assess({ m, scheme: 'dualConsume' });
  const about = { kind: 'reverse' as const, set, applications: ['shop'], beside: ['billing'], budgetMs: 10_000, undoReserveMs: 2_000 };
  const shown = await work.evidence({ m, c: context('hold'), inventory, about });
  const asked = shown.claims.find((c) => c.text.startsWith('billing read everything that was written to orders on the source'));
  assert.deepEqual([asked?.holds, asked?.unless], [false, { billing: 2_000 }]);
  assert.match(shown.figures.join('\n'), /billing may keep its place on the source where nobody wants to wait for it: it then reads again what is carried back behind it, at most 2 records as of now/);
  const drained = (mayRepeat: Readonly<Record<string, number>>, unlessRepeats: boolean) => work.lookGroupsDrained({ m, c: { ...looking('drain'), mayRepeat }, groups: ['billing'], topics: ['orders'], on: 'source', ...(unlessRepeats ? { unlessRepeats: true as const } : {}) });
  assert.equal((await drained({}, true)).done, false);
  assert.equal((await drained({ billing: 2_000 }, false)).done, false, 'elsewhere a consent excuses nobody');
  const excused = await drained({ billing: 2_000 }, true);
  assert.equal(excused.done, true);
  assert.match(excused.say, /^billing keeps its place with at most 2 records unread, and reads again what is carried behind them, as was consented to\.$/);
});

const behind = (to: 'source' | 'target') => ({ m, c: context('behind'), groups: ['billing'], to, how: 'behind' as const, topics: ['orders'], before: {} });
const cut = async (work: Work, to: 'source' | 'target', time = 1): Promise<void> => {
  const x = { m, c: context(`cut to ${to} ${time}`), set, to };
  await work.markCut({ ...x, before: await work.captureCut(x) });
};

test('on an empty target every partition gets a position, while the first set reads on', async () => {
  const { w, work } = world();
  await work.setPositions(behind('target'));
  assert.deepEqual(w.target.placed('billing'), { 'orders/0': 0, 'orders/1': 0 });
  await work.returnPositions({ ...behind('target'), before: { billing: {} } });
  assert.deepEqual(w.target.placed('billing'), {});
});

test('a target that holds records before any cut is refused', async () => {
  const { w, work } = world();
  w.target.write('orders', 0, 'stranger');
  await assert.rejects(work.setPositions(behind('target')), { type: 'NotExact', message: /new holds records in orders\/0 before anything was cut to it/ });
});

test('behind copies: refused until the first set has drained what was never copied, then at the end of the log', async () => {
  const { w, work } = world();
  w.source.write('orders', 0, 'a', 'b', 'c');
  w.source.place('billing', 'orders', 0, 1n);
  await cut(work, 'target');
  w.source.write('orders', 0, 'copied back');
  w.source.leave('billing');
  await assert.rejects(work.setPositions(behind('source')), { type: 'NotExact', message: /billing has at most 2 unread in orders\/0 on cluster old.*never be read/ });
  w.source.place('billing', 'orders', 0, 3n);
  await work.setPositions(behind('source'));
  assert.deepEqual(w.source.placed('billing'), { 'orders/0': 4, 'orders/1': 0 });
});

test('with a consent a set that has not drained keeps its place, and what was carried behind it is counted; too many are refused', async () => {
  const { w, work } = world();
  w.source.write('orders', 0, 'a', 'b', 'c');
  w.source.write('orders', 1, 'd');
  w.source.place('billing', 'orders', 0, 1n);
  w.source.place('billing', 'orders', 1, 1n);
  await cut(work, 'target');
  w.target.write('orders', 0, 'x', 'y');
  w.target.write('orders', 1, 'z');
  w.source.write('orders', 0, 'x', 'y');
  w.source.write('orders', 1, 'z');
  await cut(work, 'source');
  w.source.write('orders', 0, 'new');
  w.source.leave('billing');
  w.target.place('billing', 'orders', 0, 2n);
  w.target.place('billing', 'orders', 1, 1n);
  const consenting = (most: number) => ({ ...behind('source'), c: { ...behind('source').c, mayRepeat: { billing: most } } });
  await assert.rejects(work.setPositions(behind('source')), { type: 'NotExact', message: /billing has at most 2 unread in orders\/0 on cluster old, and they are nowhere else/ });
  await assert.rejects(work.setPositions(consenting(1)), { type: 'NotExact', message: /would read more than the 1 record again that were consented to/ });
  assert.deepEqual(w.source.placed('billing'), { 'orders/0': 1, 'orders/1': 1 }, 'nothing was written');
  const { say } = await work.setPositions(consenting(2));
  assert.match(say, /with consent 2 records will be read again/);
  // The drained partition goes on behind what was carried; the other one reads b and c first, then x and y again.
  assert.deepEqual(w.source.placed('billing'), { 'orders/0': 1, 'orders/1': 2 });
});

for (const [isolation, n] of [['read_committed', 2], ['read_uncommitted', 5]] as const)
  test(`a set that keeps its place and reads with ${isolation} reads ${n} records again, of two ways back: what a mirror that crashed wrote in vain counts for whoever sees it`, async () => {
    const { w, work } = world();
    w.source.write('orders', 0, 'a', 'b');
    w.source.place('billing', 'orders', 0, 1n);
    w.source.place('billing', 'orders', 1, 0n);
    await cut(work, 'target');
    w.target.write('orders', 0, 'x');
    w.source.write('orders', 0, 'aborted x', 'x');
    await cut(work, 'source');
    await cut(work, 'target', 2);
    w.target.write('orders', 0, 'y');
    w.source.write('orders', 0, 'aborted y', 'aborted y', 'y');
    await cut(work, 'source', 2);
    w.source.leave('billing');
    w.target.place('billing', 'orders', 0, 2n);
    const asked = behind('source');
    const consenting = (most: number) => ({
      ...asked, c: { ...asked.c, mayRepeat: { billing: most } },
      m: { ...asked.m, applications: asked.m.applications.map((a) => ({ ...a, reads: a.reads.map((r) => ({ ...r, isolation })) })) },
    });
    await assert.rejects(work.setPositions(consenting(n - 1)), { type: 'NotExact', message: /would read more than the \d records? again that were consented to/ });
    assert.match((await work.setPositions(consenting(n))).say, new RegExp(`with consent ${n} records will be read again`));
  });

test('where the authority came back to, it is the cut: what was written since is unread', async () => {
  const { w, work } = world();
  await cut(work, 'target');
  w.target.write('orders', 0, 'x', 'y');
  w.source.write('orders', 0, 'x', 'y');
  await cut(work, 'source');
  w.source.write('orders', 0, 'new');
  w.source.leave('billing');
  await assert.rejects(work.setPositions(behind('source')), { type: 'NotExact' });
  w.target.place('billing', 'orders', 0, 2n);
  await work.setPositions(behind('source'));
  assert.deepEqual(w.source.placed('billing'), { 'orders/0': 2, 'orders/1': 0 });
});
