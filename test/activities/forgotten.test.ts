/** Positions that brokers have forgotten, of groups that were empty for a week: they are never taken for those of a group that never committed. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { placesOf } from '../../src/activities/deadtarget/account.ts';
import type { PositionsBefore, Work } from '../../src/activities/work.ts';
import { cutSets } from '../../src/domain/cutsets.ts';
import { application, migration } from '../fakes/migrations.ts';
import { context, FakeWorld, run } from './fake-ports.ts';

const m = migration('m', [application('shop', { writes: ['orders'] }), application('billing', { reads: { billing: ['orders'] } })], { connectBack: 'connect-back' });
const [set] = cutSets(m);
assert.ok(set);
const ask = { m, c: context('positions'), groups: ['billing'], to: 'target' as const, how: 'translated' as const };
const forget = (c: FakeWorld['source']): void => { c.positions.delete('billing'); c.groups.delete('billing'); };

/** Ten records on both sides; billing was at 8 on the source and is set there on the target. */
async function moved(): Promise<{ readonly w: FakeWorld; readonly work: Work; readonly before: PositionsBefore }> {
  const w = new FakeWorld();
  for (const c of [w.source, w.target]) c.topic('orders', 1);
  const work = w.work();
  const x = { m, c: context('mirror'), set: set!, toward: 'target' as const };
  await work.createMirror({ ...x, before: await work.captureMirror(x) });
  for (let i = 0; i < 10; i++) w.source.write('orders', 0, `r${i}`);
  w.copy();
  w.source.place('billing', 'orders', 0, 8n);
  const before = await work.capturePositions(ask);
  await work.setPositions({ ...ask, before });
  assert.deepEqual(w.target.placed('billing'), { 'orders/0': 8 });
  return { w, work, before };
}

test('a group that moved and has read nothing comes back: where it left the source, which has forgotten it', async () => {
  const { w, work, before } = await moved();
  forget(w.source);
  assert.equal((await work.returnPositions({ ...ask, before })).say, 'billing had not read on the target; billing set again where it left the source, which had forgotten that; the target is as before.');
  assert.deepEqual([w.source.placed('billing'), w.target.placed('billing')], [{ 'orders/0': 8 }, {}]);
});
test('one that the target has forgotten is not called one that has not read there; set by hand, it comes back', async () => {
  const { w, work, before } = await moved();
  w.target.place('billing', 'orders', 0, 10n);
  forget(w.target);
  await assert.rejects(work.returnPositions({ ...ask, before }), { type: 'NotExact', message: /Cluster new has forgotten the positions of billing \(set to orders\/0 8\).* nobody can say whether it has read there since\. Nothing was written\. Set it there by hand to where it had got, then retry/ });
  assert.deepEqual(w.source.placed('billing'), { 'orders/0': 8 });
  w.target.place('billing', 'orders', 0, 10n);
  assert.match((await work.returnPositions({ ...ask, before })).say, /back on the source; the target is as before/);
  assert.deepEqual(w.source.placed('billing'), { 'orders/0': 10 });
});
test('a return that is tried again after it has taken the positions away is not one of a forgotten group', async () => {
  const { w, work, before } = await moved();
  await work.returnPositions({ ...ask, before });
  assert.match((await work.returnPositions({ ...ask, before })).say, /the target is as before/);
  assert.deepEqual(w.target.placed('billing'), {});
});
for (const to of ['target', 'source'] as const) test(`set on the ${to} again, after the other side has forgotten the group: not from the log start`, async () => {
  const { w, work } = await moved();
  if (to === 'target') { w.source.place('billing', 'orders', 0, 10n); forget(w.source); } else w.target.place('billing', 'orders', 0, 10n);
  const there = w[to].placed('billing');
  forget(to === 'target' ? w.source : w.target);
  await assert.rejects(work.setPositions({ ...ask, to, c: context('again'), before: { billing: {} } }), /group billing at orders\/0 position none: no committed position, though the group had one, at 8 or behind it/);
  assert.deepEqual(w[to].placed('billing'), there);
});
test('entries of an earlier release, which do not say on which side they are: the same, without the place', async () => {
  const { w, work } = await moved();
  for (const c of [w.source, w.target]) for (const [key, text] of c.entries) if (key.endsWith('/set/billing')) c.entries.set(key, text.replaceAll(/"on":"\w+",/g, ''));
  forget(w.source);
  await assert.rejects(work.setPositions({ ...ask, c: context('again'), before: { billing: {} } }), /though the group had one: brokers forget/);
});
test('a group that never committed anything still begins at the log start', async () => {
  const w = new FakeWorld();
  for (const c of [w.source, w.target]) c.topic('orders', 1);
  const work = w.work();
  const x = { m, c: context('mirror'), set: set!, toward: 'target' as const };
  await work.createMirror({ ...x, before: await work.captureMirror(x) });
  w.source.write('orders', 0, 'a');
  w.copy();
  for (const key of ['first', 'second']) {
    const one = { ...ask, c: context(key) };
    const before = await work.capturePositions(one);
    assert.match((await work.setPositions({ ...one, before })).say, /billing never committed: from the log start/);
    await work.returnPositions({ ...one, before });
  }
});
test('the target is dead, and the source has forgotten who left it: the ledger knows where that was', async () => {
  const { w } = await moved();
  forget(w.source);
  w.target.before = () => { throw new Error('connection refused'); };
  assert.deepEqual((await placesOf(w.ports(), { m, c: { ...context('hold'), run } }, ['billing'])).map((p) => [p.offset, p.by]), [[8n, 'left']]);
});
