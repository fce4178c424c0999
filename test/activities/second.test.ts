/** Second sets: placed, looked at, switched to, taken away; and who processed what. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { cutSets, type CutSet } from '../../src/domain/cutsets.ts';
import type { Inventory, Migration } from '../../src/domain/migration.ts';
import { application, migration, shapedFor } from '../fakes/migrations.ts';
import { context, FakeWorld, looking } from './fake-ports.ts';

const m: Migration = shapedFor('blueGreen', migration('m', [application('shop', { writes: ['orders'] }), application('billing', { reads: { billing: ['orders'] } })]));
const set = cutSets(m)[0] as CutSet;
const all = ['shop', 'billing'];
const groups = ['billing'];
/** The first set at work, ten records on both sides. */
const world = (): FakeWorld => {
  const w = new FakeWorld();
  for (const c of [w.source, w.target]) { c.topic('orders', 2); c.write('orders', 0, ...Array.from({ length: 10 }, (_, i) => `r${i}`)); }
  for (const name of all) w.fleets.set(name, { source: 1, target: 0 });
  w.source.place('billing', 'orders', 0, 10n);
  w.source.place('billing', 'orders', 1, 0n);
  w.source.join('billing', 'billing-app');
  w.hooks.set('traffic', { state: 'source' });
  w.hooks.set('live', { state: 'muted' });
  w.hooks.set('validate', { state: 'fine' });
  return w;
};
const place = async (w: FakeWorld) => {
  const work = w.work();
  const before = await work.capturePositions({ m, c: context('place'), groups, to: 'target' });
  await work.placeSecond({ m, c: context('place'), groups, before });
  return before;
};

test('placed where the logs of the target end, whoever is in the group on the source, and once', async () => {
  const w = world();
  await place(w);
  assert.deepEqual(w.target.placed('billing'), { 'orders/0': 10, 'orders/1': 0 });
  w.target.write('orders', 0, 'later');
  await place(w);
  assert.deepEqual(w.target.placed('billing'), { 'orders/0': 10, 'orders/1': 0 }, 'what stands there is left');
});

test('taken away again, with what it had read', async () => {
  const w = world();
  const before = await place(w);
  w.target.write('orders', 0, 'a', 'b', 'c');
  w.target.place('billing', 'orders', 0, 13n);
  const { say } = await w.work().unplaceSecond({ m, c: context('place', { mode: 'undo' }), groups, before });
  assert.match(say, /the first set processed everything on old; the second set had read on new, all without effect: billing orders\/0 10 to 13, 3 offsets/);
  assert.deepEqual(w.target.placed('billing'), {});
});

test('the two sets are started, asked and stopped apart', async () => {
  const w = world();
  const work = w.work();
  await work.startFleet({ m, c: context('start'), applications: all, on: 'target' });
  assert.deepEqual([w.fleets.get('billing'), w.fleets.get('billing green')], [{ source: 1, target: 0 }, { source: 0, target: 1 }]);
  await work.stopFleet({ m, c: context('stop'), applications: all, on: 'source' });
  w.source.leave('billing');
  assert.deepEqual([w.fleets.get('billing'), w.fleets.get('billing green')], [{ source: 0, target: 0 }, { source: 0, target: 1 }]);
  assert.equal((await work.lookQuiet({ m, c: looking('quiet', { untilMs: Date.now() + 1_500, mode: 'outage' }), applications: all, on: 'source' })).done, true, 'gone from the source, whatever runs on the target');
});

test('at work means fleet and brokers: no process, no member, too far behind are told', async () => {
  const w = world();
  await place(w);
  const look = async () => w.work().lookSecond({ m, c: looking('ready'), applications: all });
  assert.match((await look()).say, /second set of shop does not run.*second set of billing does not run.*group billing is .* with 0 members on new/);
  await w.work().startFleet({ m, c: context('start'), applications: all, on: 'target' });
  w.target.join('billing', 'green-billing');
  const fine = await look();
  assert.equal(fine.done, true, fine.say);
  assert.match(fine.say, /second sets of billing, shop run on new|second sets of shop, billing run on new/);
  assert.match(fine.say, /whether shop could write is unknown until traffic comes/);
  w.target.write('orders', 1, ...Array.from({ length: 1_001 + m.limits.lagRecords }, (_, i) => `s${i}`));
  assert.match((await look()).say, /more than [\d,]+ records behind: billing orders\/1/);
});

test('a hook is set once, asked again, and not believed when it says something else', async () => {
  const w = world();
  const work = w.work();
  const to = (state: string) => work.setHook({ m, c: context('open'), hook: 'traffic', state });
  assert.match((await to('target')).say, /traffic went from source to target, asked again/);
  assert.match((await to('target')).say, /traffic says target already/);
  w.hooks.set('traffic', { state: 'source', deaf: true });
  await assert.rejects(to('target'), { type: 'Drift', message: /was set to target, answered well, and says source/ });
  await assert.rejects(work.setHook({ m, c: context('open', { untilMs: Date.now() - 1, mode: 'outage' }), hook: 'live', state: 'live' }), { type: 'BudgetExceeded' });
});

test('the check decides when it is fine; without one nothing is claimed of it', async () => {
  const w = world();
  w.hooks.set('validate', { state: 'comparing' });
  const look = await w.work().lookFine({ m, c: looking('fine') });
  assert.deepEqual([look.done, look.say], [false, 'validate says comparing.']);
  w.hooks.set('validate', { state: 'fine' });
  assert.equal((await w.work().lookFine({ m, c: looking('fine') })).done, true);
  const { blueGreen, ...rest } = m;
  assert.equal((await w.work().lookFine({ m: { ...rest, ...(blueGreen ? { blueGreen: { ...blueGreen, validate: null } } : {}) }, c: looking('fine') })).say, 'no check of the second set is declared.');
});

test('after a cut back each group is told what either set processed, and the ledger keeps it', async () => {
  const w = world();
  const work = w.work();
  const c = context('cut');
  const shares = () => work.lookShares({ m, c: looking('shares'), set });
  assert.match((await shares()).say, /the second set was never live/);
  await work.markCut({ m, c, set, to: 'target', before: await work.captureCut({ m, c, set, to: 'target' }) });
  w.target.write('orders', 0, 'x', 'y');
  w.target.place('billing', 'orders', 0, 12n);
  const { say } = await shares();
  assert.match(say, /billing: the first set up to cut 1 on old \(orders\/0 0 to 10, 10 offsets\), the second set from there on new \(orders\/0 10 to 12, 2 offsets\)/);
  assert.ok([...w.source.entries].some(([key, value]) => key.endsWith('/shares/1/billing') && /"green":\{"orders\/0":"10 to 12"/.test(value)), [...w.source.entries.keys()].join('\n'));
});

test('the hold before the switch claims what brokers, hooks and fleets show', async () => {
  const w = world();
  await place(w);
  const inventory: Inventory = { clusterIds: { source: 'old', target: 'new' }, topics: [], groups, authorizer: { source: 'none', target: 'none' } };
  const evidence = async () => w.work().evidence({ m, c: context('hold'), inventory, about: { kind: 'cut', set, applications: all, copies: false, budgetMs: 20_000, undoReserveMs: 5_000, second: true } });
  const of = (claims: readonly { readonly text: string; readonly holds: boolean }[]) => claims.filter((x) => /second sets|Hook/.test(x.text)).map((x) => x.holds);
  assert.deepEqual(of((await evidence()).claims), [false, true]);
  await w.work().startFleet({ m, c: context('start'), applications: all, on: 'target' });
  w.target.join('billing', 'green-billing');
  assert.deepEqual(of((await evidence()).claims), [true, true]);
  w.hooks.set('live', { state: 'live' });
  assert.deepEqual(of((await evidence()).claims), [true, false], 'a second set that is live already is no second set');
});
