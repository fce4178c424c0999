/** Groups that begin elsewhere than where they were: what that loses or repeats is counted exactly, and refused beyond the consent. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Work } from '../../src/activities/work.ts';
import type { EvidenceAbout } from '../../src/activities/work.ts';
import { cutSets } from '../../src/domain/cutsets.ts';
import type { Inventory } from '../../src/domain/migration.ts';
import { application, migration } from '../fakes/migrations.ts';
import { context, FakeWorld } from './fake-ports.ts';

const m = migration('m', [application('shop', { writes: ['orders'] }), application('billing', { reads: { billing: ['orders'] } })]);
const groups = ['billing'];
const ask = { m, c: context('begin'), groups, to: 'target' as const, before: { billing: {} } };

/** Ten records with gaps on partition 0, two on 1, none on 2; the group has read three, all of it, nothing. */
async function world(copied: boolean): Promise<{ w: FakeWorld; work: Work }> {
  const w = new FakeWorld();
  for (const c of [w.source, w.target]) c.topic('orders', 3);
  const work = w.work();
  if (copied) for (const set of cutSets(m)) {
    const x = { m, c: context('mirror'), set, toward: 'target' as const };
    await work.createMirror({ ...x, before: await work.captureMirror(x) });
  }
  for (let i = 0; i < 10; i++) {
    w.source.write('orders', 0, `r${i}`);
    if (i % 4 === 0) w.source.marker('orders', 0);
  }
  w.source.write('orders', 1, 'x', 'y');
  if (copied) w.copy();
  const third = w.source.log({ topic: 'orders', partition: 0 }).records[3]?.offset ?? 0n;
  w.source.place('billing', 'orders', 0, third);
  w.source.place('billing', 'orders', 1, w.source.log({ topic: 'orders', partition: 1 }).next);
  return { w, work };
}
const ends = (w: FakeWorld): readonly number[] => [0, 1, 2].map((p) => Number(w.target.log({ topic: 'orders', partition: p }).next));

describe('at the latest', () => {
  for (const copied of [true, false]) test(`${copied ? 'with a copy' : 'nothing copied'}: behind everything, what is unread is given up by number`, async () => {
    const { w, work } = await world(copied);
    const done = await work.setPositions({ ...ask, how: 'latest', losses: [{ group: 'billing', records: 7 }] });
    assert.deepEqual(Object.values(w.target.placed('billing')), ends(w));
    assert.match(done.say, /given up unread: billing 7 records on the target, read back/);
  });
  test('one record more than consented to: refused, nothing is written', async () => {
    const { w, work } = await world(true);
    await assert.rejects(work.setPositions({ ...ask, how: 'latest', losses: [{ group: 'billing', records: 6 }] }), /Group billing would lose more than the 6 records that the migration allows/);
    assert.deepEqual(w.target.placed('billing'), {});
  });
  test('without consent nothing may be lost, and nothing is when everything was read', async () => {
    const { w, work } = await world(true);
    await assert.rejects(work.setPositions({ ...ask, how: 'latest' }), /would lose more than the 0 records/);
    w.source.place('billing', 'orders', 0, w.source.log({ topic: 'orders', partition: 0 }).next);
    assert.match((await work.setPositions({ ...ask, c: context('again'), how: 'latest' })).say, /given up unread: billing 0 records/);
  });
  test('undone: the target is as before, the source was never touched', async () => {
    const { w, work } = await world(true);
    const before = w.source.placed('billing');
    await work.setPositions({ ...ask, how: 'latest', losses: [{ group: 'billing', records: 7 }] });
    await work.returnPositions({ ...ask, how: 'cut' });
    assert.deepEqual([w.target.placed('billing'), w.source.placed('billing')], [{}, before]);
  });
});

describe('at the earliest', () => {
  test('from where the log begins, what was read before is counted', async () => {
    const { w, work } = await world(true);
    const done = await work.setPositions({ ...ask, how: 'earliest', consents: [{ group: 'billing', repeats: 5 }] });
    assert.deepEqual(w.target.placed('billing'), { 'orders/0': 0, 'orders/1': 0, 'orders/2': 0 });
    assert.match(done.say, /from the beginning again: billing 5 records/);
  });
  test('one record more than consented to: refused, nothing is written', async () => {
    const { w, work } = await world(true);
    await assert.rejects(work.setPositions({ ...ask, how: 'earliest', consents: [{ group: 'billing', repeats: 4 }] }), /would read more than the 4 records again/);
    assert.deepEqual(w.target.placed('billing'), {});
  });
  test('a consent given with the approval counts', async () => {
    const { work } = await world(true);
    await work.setPositions({ ...ask, c: { ...context('begin'), mayRepeat: { billing: 5 } }, how: 'earliest' });
  });
});

test('the hold shows both numbers, and a claim fails beyond what is allowed', async () => {
  const { work } = await world(true);
  const set = cutSets(m)[0] ?? assert.fail();
  const inventory: Inventory = { clusterIds: { source: 'id-old', target: 'id-new' }, topics: [{ name: 'orders', id: 'x', partitions: 3 }], groups, authorizer: { source: 'none', target: 'none' } };
  const told = async (how: 'earliest' | 'latest', most: number): Promise<string> => {
    const about: EvidenceAbout = { kind: 'cut', set, applications: ['shop', 'billing'], copies: true, budgetMs: 20_000, undoReserveMs: 5_000, begins: [{ group: 'billing', how, most }] };
    const { claims, figures } = await work.evidence({ m, c: context('hold'), inventory, about });
    return [...claims.filter((c) => c.text.includes('as the migration allows')).map((c) => `${c.holds ? 'yes' : 'no'}: ${c.text}`), ...figures.filter((f) => /unread now|read so far/.test(f))].join('\n');
  };
  assert.equal(await told('latest', 7), 'yes: Group billing loses at most 7 records, as the migration allows.\nbilling: 7 records unread now; what is unread at the stop is never read');
  assert.match(await told('latest', 6), /^no: /);
  assert.equal(await told('earliest', 5), 'yes: Group billing reads at most 5 records again, as the migration allows.\nbilling: 5 records read so far; they are read again');
  assert.match(await told('earliest', 4), /^no: /);
});
