/** Applications stopped and started; and what fleet and brokers must agree on. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { application, migration, sharedGroup } from '../fakes/migrations.ts';
import { cutSets, type CutSet } from '../../src/domain/cutsets.ts';
import { Failure } from '../../src/domain/failures.ts';
import { context, FakeWorld, looking } from './fake-ports.ts';

const m = migration('m', [application('shop', { writes: ['orders'] }), application('billing', { reads: { billing: ['orders'] } })]);
const set = cutSets(m)[0] as CutSet;
const world = (): FakeWorld => {
  const w = new FakeWorld();
  for (const c of [w.source, w.target]) c.topic('orders', 1);
  w.fleets.set('shop', { source: 2, target: 0 });
  w.fleets.set('billing', { source: 1, target: 0 });
  w.source.place('billing', 'orders', 0, 0n);
  w.source.join('billing', 'billing-app');
  return w;
};
const all = ['billing', 'shop'];
const quiet = (more: Parameters<typeof looking>[1] = {}) => ({ m, c: looking('quiet', more), applications: all, on: 'source' as const });
const outage = (ms = 1_500) => ({ untilMs: Date.now() + ms, mode: 'outage' as const });

test('where each runs is read, then all are stopped and started side by side', async () => {
  const w = world();
  const work = w.work();
  assert.deepEqual(await work.captureFleet({ m, c: context('stop'), applications: all }), { billing: 'source', shop: 'source' });
  await work.stopFleet({ m, c: context('stop', outage()), applications: all });
  await work.startFleet({ m, c: context('start'), applications: ['shop'], on: 'target' });
  assert.deepEqual([w.fleets.get('billing'), w.fleets.get('shop')], [{ source: 0, target: 0 }, { source: 0, target: 1 }]);
});

test('two applications that will not stop: both are told', async () => {
  const w = world();
  w.fleetCall = (call) => { if (call.startsWith('stop')) throw new Failure('ClientNotMoved', `cannot ${call}.`); };
  await assert.rejects(w.work().stopFleet({ m, c: context('stop'), applications: all }), /2 faults[\s\S]*cannot stop billing[\s\S]*cannot stop shop/);
});

test('gone means both: no process, and brokers that show none', async () => {
  const w = world();
  const work = w.work();
  assert.match((await work.lookQuiet(quiet())).say, /billing still runs.*group billing is Stable with 1 member: billing-app/);
  await work.stopFleet({ m, c: context('stop'), applications: all });
  const first = await work.lookQuiet(quiet());
  assert.deepEqual([first.done, /group billing is Stable/.test(first.say)], [false, true]);
  w.source.leave('billing');
  const before = w.source.calls.length;
  const l = await work.lookQuiet(quiet(outage()));
  assert.equal(l.done, true);
  assert.match(l.say, /billing, shop are gone; groups billing are empty.*orders stands still/);
  assert.equal(w.source.calls.slice(before).filter((call) => call === 'ends').length, 2, 'one glance is enough: it reads twice, a moment apart');
});

test('a static member that nobody sees again: the budget ends the wait and names it', async () => {
  const w = world();
  const work = w.work();
  await work.stopFleet({ m, c: context('stop'), applications: all });
  w.source.leave('billing');
  w.source.join('billing', 'billing-app', 'rack-1');
  await assert.rejects(work.lookQuiet(quiet(outage(120))), (e: Error & { type?: string }) => e.type === 'BudgetExceeded' && /static member rack-1/.test(e.message));
});

test('outside an outage the wait for a stop has its limit', async () => {
  const w = world();
  const limits = { ...context('x').limits, stopMs: 20 };
  const first = await w.work().lookQuiet(quiet({ limits }));
  await assert.rejects(w.work().lookQuiet({ ...quiet({ limits }), c: { ...looking('quiet', { limits }), before: first.picture ?? null } }), { type: 'ClientNotMoved' });
});

test('everybody is gone and the log still grows: the forgotten writer is named by its producer id', async () => {
  const w = world();
  const work = w.work();
  await work.stopFleet({ m, c: context('stop'), applications: all });
  w.source.leave('billing');
  const forgotten = setInterval(() => { w.source.write('orders', 0, 'late'); }, 10);
  try {
    await assert.rejects(work.lookQuiet(quiet(outage(8_000))), (e: Error & { type?: string }) => e.type === 'ForgottenWriter' && /orders\/0 on cluster old still grows.*producer id 77 \(epoch 0\)/.test(e.message));
  } finally {
    clearInterval(forgotten);
  }
});

test('a group that others share cannot be empty, and is said to be skipped', async () => {
  const w = new FakeWorld();
  w.source.topic('events', 1);
  w.source.place('workers', 'events', 0, 0n);
  w.source.join('workers', 'right');
  const l = await w.work().lookQuiet({ m: sharedGroup, c: looking('quiet'), applications: ['left'], on: 'source' });
  assert.equal(l.done, true);
  assert.match(l.say, /skipped: groups workers, which others share/);
});

test('at work: members seen, a writer that is silent is unknown (idle) and does not block', async () => {
  const w = world();
  const work = w.work();
  const look = (before: string | null) => ({ m, c: { ...looking('running'), before }, applications: all, on: 'target' as const });
  w.fleets.set('shop', { source: 0, target: 1 });
  w.fleets.set('billing', { source: 0, target: 1 });
  w.target.join('billing', 'billing-app');
  const first = await work.lookRunning(look(null));
  assert.match(first.say, /waiting for a first write of shop/);
  setTimeout(() => { w.target.write('orders', 0, 'native'); }, 20);
  const second = await work.lookRunning(look(first.picture ?? null));
  assert.deepEqual([second.done, second.say], [true, 'billing, shop at work on the target; members in billing; writes seen to orders.']);
  const idle = await work.lookRunning(look(second.picture ?? null));
  assert.equal(idle.done, false);
  const last = await work.lookRunning(look(idle.picture ?? null));
  assert.match(last.say, /unknown \(idle\): shop/);
});

test('not at work: the fleet says so, or nobody joined', async () => {
  const w = world();
  const limits = { ...context('x').limits, startMs: 20 };
  w.fleets.set('billing', { source: 0, target: 1 });
  const look = { m, c: looking('running', { limits }), applications: ['billing'], on: 'target' as const };
  const first = await w.work().lookRunning(look);
  assert.match(first.say, /group billing is Dead with 0 members/);
  await assert.rejects(w.work().lookRunning({ ...look, c: { ...look.c, before: first.picture ?? null } }), { type: 'ClientNotMoved' });
});

test('a fence where the cluster can: raised, shown, lowered to what was there before, ours lifted at the finish', async () => {
  const w = world();
  w.source.authorizer = 'present';
  const theirs = { principal: 'User:other', topic: 'orders' };
  w.source.rules = [theirs];
  const work = w.work();
  const x = { m, c: context('fence'), set, on: 'source' as const };
  const before = await work.captureFence(x);
  assert.deepEqual(before, { rules: [], able: 'yes' });
  await work.raiseFence({ ...x, before });
  assert.deepEqual(w.source.rules, [theirs, { principal: 'User:shop', topic: 'orders' }]);
  await work.lowerFence({ ...x, before });
  assert.deepEqual(w.source.rules, [theirs]);
  const again = { ...x, c: context('again') };
  await work.raiseFence({ ...again, before: await work.captureFence(again) });
  await work.lowerFences({ m, c: context('finish'), sets: [set], on: 'source' });
  assert.deepEqual(w.source.rules, [theirs]);
});

test('no fence: the reason is said, nothing fails', async () => {
  const w = world();
  const x = { m, c: context('fence'), set, on: 'source' as const };
  const before = await w.work().captureFence(x);
  assert.equal(before.able, 'no-authorizer');
  assert.match((await w.work().raiseFence({ ...x, before })).say, /no fence: cluster old shows no authorizer/);
  const bare = { ...m, applications: m.applications.map((a) => ({ ...a, principals: [] })) };
  assert.equal((await w.work().captureFence({ ...x, m: bare, c: context('other') })).able, 'no-principals');
});
