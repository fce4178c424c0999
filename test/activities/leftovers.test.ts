/** What stopped processes leave behind: members put out, transactions aborted, ids fenced; never behind a process that may live. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { application, migration, sharedGroup } from '../fakes/migrations.ts';
import { context, FakeWorld } from './fake-ports.ts';

const m = migration('m', [{ ...application('shop', { writes: ['orders'] }), transactionalIds: ['shop-1', 'shop-2'] }, application('billing', { reads: { billing: ['orders'] } })]);
const world = (): FakeWorld => {
  const w = new FakeWorld();
  for (const c of [w.source, w.target]) c.topic('orders', 2);
  w.fleets.set('shop', { source: 0, target: 0 });
  w.fleets.set('billing', { source: 0, target: 0 });
  return w;
};
const x = { m, c: context('left'), applications: ['billing', 'shop'], on: 'source' as const };
const tp = { topic: 'orders', partition: 1 };

test('nothing left behind: nothing is written', async () => {
  const w = world();
  w.source.calls.length = 0;
  assert.equal((await w.work().clearLeftovers(x)).say, 'nothing was left behind on the source.');
  assert.deepEqual(w.source.calls.filter((c) => ['removeMembers', 'fenceTransactionalId'].includes(c)), []);
});

test('a static member and an open transaction of processes that are gone are cleared away, and told', async () => {
  const w = world();
  w.source.join('billing', 'billing-app', 'rack-1');
  w.source.begin('unknown-id', 55n, tp, 0);
  assert.match((await w.work().clearLeftovers(x)).say, /put out of their groups: billing-app .*static member rack-1.*aborted: unknown-id on orders\/1/);
  assert.deepEqual([w.source.groups.get('billing')?.members.length, w.source.log(tp).open], [0, null]);
});

test('an application that still runs, or of which nobody knows, is left in peace', async () => {
  const w = world();
  w.fleets.set('billing', { source: 'unknown', target: 0 });
  w.source.join('billing', 'billing-app');
  assert.match((await w.work().clearLeftovers(x)).say, /skipped: billing, of whom no fleet says that their processes are gone/);
  assert.equal(w.source.groups.get('billing')?.members.length, 1);
});

test('a group that others share is not emptied', async () => {
  const w = new FakeWorld();
  w.source.topic('events', 1);
  w.source.join('workers', 'right');
  await w.work().clearLeftovers({ ...x, m: sharedGroup, applications: ['left'] });
  assert.equal(w.source.groups.get('workers')?.members.length, 1);
});

test('a member that does not go is told by name', async () => {
  const w = world();
  w.source.join('billing', 'billing-app', 'rack-1');
  w.source.stubborn = true;
  await assert.rejects(w.work().clearLeftovers(x), (e: Error & { type?: string }) => e.type === 'GroupActive' && /still shows billing-app.*rack-1/.test(e.message));
});

test('declared ids are fenced, an id never used there is not created, and what they write is closed', async () => {
  const w = world();
  w.source.begin('shop-1', 55n, tp, 0);
  assert.equal((await w.work().fenceTransactions(x)).say, 'fenced shop-1 on old; not known there (never used, or not for a week): shop-2; no transaction is open on orders.');
  assert.deepEqual([w.source.transactions.get('shop-1')?.epoch, w.source.transactions.has('shop-2'), w.source.log(tp).open], [4, false, null]);
  assert.equal((await w.work().fenceTransactions({ ...x, applications: ['billing'] })).say, 'no transactional id is declared: nothing to fence.');
});

test("somebody else's transaction holds the log: within an outage the budget ends the wait and says where", async () => {
  const w = world();
  w.source.begin('stray', 66n, tp, 0);
  await assert.rejects(w.work().fenceTransactions({ ...x, c: context('left', { untilMs: Date.now() + 100, mode: 'outage' }) }), (e: Error & { type?: string }) => e.type === 'BudgetExceeded' && /a transaction is open on orders\/1/.test(e.message));
});

test('who else writes to a topic may be at work there, in a transaction of its own', async () => {
  const shared = migration('m', [{ ...application('shop', { writes: ['orders', 'audit'] }), transactionalIds: ['shop-1'] }, { ...application('desk', { writes: ['audit'] }), transactionalIds: ['desk-1'] }]);
  const w = world();
  for (const c of [w.source, w.target]) c.topic('audit', 1);
  w.source.begin('desk-1', 55n, { topic: 'audit', partition: 0 }, 0);
  w.source.begin('shop-1', 56n, tp, 0);
  assert.match((await w.work().fenceTransactions({ m: shared, c: context('fence'), applications: ['shop'], on: 'source' })).say, /fenced shop-1 on old; no transaction is open on orders\./);
  assert.deepEqual([w.source.transactions.get('desk-1')?.epoch, w.source.log(tp).open], [3, null]);
});

test('one of two sets of processes is stopped: what the other has open with the same id is left alone', async () => {
  const two = migration('m', [application('shop', { writes: ['orders'] }), { ...application('billing', { reads: { billing: ['orders'] } }), transactionalIds: ['billing-1'] }]);
  const w = world();
  w.fleets.set('billing', { source: 1, target: 1 });
  w.source.begin('billing-1', 55n, tp, 0);
  assert.equal((await w.work().stopFleet({ m: two, c: context('second'), applications: ['billing'], only: 'target' })).say, 'stopped billing on the target.');
  assert.equal(w.source.transactions.get('billing-1')?.epoch, 3);
  w.target.begin('billing-1', 57n, tp, 0);
  assert.match((await w.work().stopFleet({ m: two, c: context('again'), applications: ['billing'], only: 'target' })).say, /aborted what billing-1 on new left open/);
});
