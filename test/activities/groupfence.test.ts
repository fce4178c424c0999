/** Read fences behind moved groups, and what no fence can stop. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { application, migration } from '../fakes/migrations.ts';
import { cutSets, type CutSet } from '../../src/domain/cutsets.ts';
import { context, FakeWorld } from './fake-ports.ts';

const m = migration('m', [application('shop', { writes: ['orders'] }), { ...application('billing', { reads: { billing: ['orders'] } }), principals: ['User:billing'] }]);
const set = cutSets(m)[0] as CutSet;
const world = (): FakeWorld => {
  const w = new FakeWorld();
  for (const c of [w.source, w.target]) { c.topic('orders', 1); c.authorizer = 'present'; }
  return w;
};
const x = { m, c: context('fence'), groups: ['billing'], on: 'source' as const };

test('raised behind an empty group, kept as ours over a second attempt, lifted at the end; rules of others stay', async () => {
  const w = world();
  const work = w.work();
  const theirs = { principal: 'User:other', group: 'billing' };
  w.source.groupRules = [theirs];
  const before = await work.captureGroupFence(x);
  assert.deepEqual(before, { rules: [], able: 'yes' });
  assert.match((await work.raiseGroupFence({ ...x, before })).say, /cluster old lets User:billing read with billing no more, shown by 1 broker/);
  assert.deepEqual(w.source.groupRules, [theirs, { principal: 'User:billing', group: 'billing' }]);
  await work.lowerGroupFence({ ...x, before });
  assert.deepEqual(w.source.groupRules, [theirs]);
  const left = { ...x, c: context('left') };
  await work.raiseGroupFence({ ...left, before: await work.captureGroupFence(left) });
  const again = { ...x, c: context('second') };
  // Its undo was skipped: what stands there is ours, not what was there before us.
  const met = await work.captureGroupFence(again);
  assert.deepEqual(met, { rules: [], able: 'yes' });
  await work.raiseGroupFence({ ...again, before: met });
  await work.lowerGroupFence({ ...again, before: met });
  assert.deepEqual(w.source.groupRules, [theirs]);
  const third = { ...x, c: context('third') };
  await work.raiseGroupFence({ ...third, before: await work.captureGroupFence(third) });
  await work.lowerGroupFences(third);
  assert.deepEqual(w.source.groupRules, [theirs]);
});

test('a reader that is still there is named, not cut off', async () => {
  const w = world();
  w.source.join('billing', 'billing-app');
  const before = await w.work().captureGroupFence(x);
  await assert.rejects(w.work().raiseGroupFence({ ...x, before }), (e: Error & { type?: string }) => e.type === 'GroupActive' && /billing is Stable: billing-app \/127\.0\.0\.1 \(member billing-app-1\)/.test(e.message));
  assert.deepEqual(w.source.groupRules, []);
});

test('no authorizer, no principal, a rule for everybody, our own login: said, nothing fails', async () => {
  const w = world();
  w.source.authorizer = 'none';
  const none = await w.work().captureGroupFence(x);
  assert.equal(none.able, 'no-authorizer');
  assert.match((await w.work().raiseGroupFence({ ...x, before: none })).say, /no read fence: cluster old shows no authorizer; a forgotten reader is watched for/);
  w.source.authorizer = 'present';
  const as = (principals: readonly string[]) => ({ ...x, m: { ...m, applications: m.applications.map((a) => ({ ...a, principals })) }, c: context(principals.join()) });
  for (const principals of [[], ['User:*'], ['User:cutover']]) {
    w.source.principal = 'User:cutover';
    assert.equal((await w.work().captureGroupFence(as(principals))).able, 'no-principals', principals.join());
  }
});

test('a write fence on the target: raised, shown, lifted; and what it cannot stop is said', async () => {
  const w = world();
  const work = w.work();
  const y = { m, c: context('write fence'), set, on: 'target' as const };
  const before = await work.captureFence(y);
  assert.match((await work.raiseFence({ ...y, before })).say, /cluster new refuses writes of User:shop to orders, shown by 1 broker; except: super users, if there are any/);
  assert.deepEqual([w.target.rules, w.source.rules], [[{ principal: 'User:shop', topic: 'orders' }], []]);
  await work.lowerFence({ ...y, before });
  assert.deepEqual(w.target.rules, []);
  w.target.superUsers = ['User:shop'];
  w.target.principal = 'User:shop';
  assert.match((await work.raiseFence({ ...y, before })).say, /except: User:shop is a super user, whom no rule stops; User:shop is also who Cutover logs in as\./);
});

test('as many looks into the ledgers for a hundred groups as for one', async () => {
  const groups = Array.from({ length: 100 }, (_, i) => `g${i}`);
  const many = migration('m', [application('shop', { writes: ['orders'] }), { ...application('billing', { reads: Object.fromEntries(groups.map((g) => [g, ['orders']])) }), principals: ['User:billing'] }]);
  const w = world();
  const work = w.work();
  const of = { m: many, groups, on: 'source' as const };
  const before = await work.captureGroupFence({ ...of, c: context('fence') });
  await work.raiseGroupFence({ ...of, c: context('fence'), before });
  assert.equal(w.source.groupRules.length, 100);
  for (const c of [w.source, w.target]) c.calls.length = 0;
  await work.lowerGroupFences({ ...of, c: context('lift') });
  assert.deepEqual(w.source.groupRules, []);
  assert.deepEqual([w.source, w.target].map((c) => c.calls.filter((call) => call === 'ledger.read').length), [1, 1]);
});

test('a write fence whose undo was skipped comes down with the undo of the next attempt; the rule of somebody else stays', async () => {
  const w = world();
  const work = w.work();
  const fenced = { ...m, applications: m.applications.map((a) => (a.name === 'shop' ? { ...a, principals: ['User:shop', 'User:shop-2'] } : a)) };
  const theirs = { principal: 'User:shop-2', topic: 'orders' };
  w.source.rules = [theirs];
  const first = { m: fenced, set, on: 'source' as const, c: context('first') };
  await work.raiseFence({ ...first, before: await work.captureFence(first) });
  const second = { ...first, c: context('second') };
  const before = await work.captureFence(second);
  await work.raiseFence({ ...second, before });
  assert.match((await work.lowerFence({ ...second, before })).say, /is down: 1 rule taken away/);
  assert.deepEqual(w.source.rules, [theirs]);
});

for (const how of ['undo', 'finish'] as const) test(`rules that somebody else sets once ours are down stay, behind the next ${how} too`, async () => {
  const w = world();
  const work = w.work();
  const write = { m, set, on: 'source' as const };
  const [one, two, read] = [context('one'), context('two'), { one: context('read one'), two: context('read two') }];
  const before = { write: await work.captureFence({ ...write, c: one }), read: await work.captureGroupFence({ ...x, c: read.one }) };
  await work.raiseFence({ ...write, c: one, before: before.write });
  await work.raiseGroupFence({ ...x, c: read.one, before: before.read });
  await work.lowerFence({ ...write, c: one, before: before.write });
  await work.lowerGroupFence({ ...x, c: read.one, before: before.read });
  [w.source.rules, w.source.groupRules] = [[{ principal: 'User:shop', topic: 'orders' }], [{ principal: 'User:billing', group: 'billing' }]];
  const met = { write: await work.captureFence({ ...write, c: two }), read: await work.captureGroupFence({ ...x, c: read.two }) };
  await work.raiseFence({ ...write, c: two, before: met.write });
  await work.raiseGroupFence({ ...x, c: read.two, before: met.read });
  if (how === 'undo') { await work.lowerFence({ ...write, c: two, before: met.write }); await work.lowerGroupFence({ ...x, c: read.two, before: met.read }); }
  else { await work.lowerFences({ m, c: two, sets: [set], on: 'source' }); await work.lowerGroupFences({ ...x, c: read.two }); }
  assert.deepEqual([w.source.rules, w.source.groupRules], [[{ principal: 'User:shop', topic: 'orders' }], [{ principal: 'User:billing', group: 'billing' }]]);
});
