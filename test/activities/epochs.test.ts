/** Positions after cuts: lagging groups, the way back and forth again, schemes that copy nothing, consents, and what is kept of removed mirrors. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { spread } from '../../src/activities/known.ts';
import { application, migration } from '../fakes/migrations.ts';
import { context, FakeMirror, FakeWorld, run } from './fake-ports.ts';
import { ask, at, copyless, cut, groups, m, mirror, mirrored, place, provable, retire, scene, set, write } from './scene.ts';

test('forward, back and forward again: wherever a group stands, it goes on at the same record on the other side', async () => {
  const s = scene();
  mirror(s.w, 'target', 1);
  write(s.w, 'source', 30);
  await cut(s, 'target', { epoch: 1, mirrored: true });
  await retire(s, 'target');
  mirror(s.w, 'source', 1);
  write(s.w, 'target', 20);
  await cut(s, 'source', { epoch: 2, mirrored: true });
  await retire(s, 'source');
  mirror(s.w, 'target', 2);
  write(s.w, 'source', 10);
  s.w.copy();
  let n = 0;
  for (const [from, to] of [['source', 'target'], ['target', 'source']] as const)
    for (const index of [0, 5, 29, 30, 31, 49, 50, 55, 59, 60]) {
      const next = place(s.w, from, index);
      s.w[to].positions.delete('billing');
      await s.work.setPositions(ask(to, ++n));
      assert.equal(at(s.w, to, 'billing'), next, `${from} ${index}`);
    }
});

test('behind a cut nothing was written: nothing is read past the end of the log, wherever a group stands', async () => {
  const s = scene();
  mirror(s.w, 'target', 1);
  write(s.w, 'source', 4_000);
  await cut(s, 'target', { epoch: 1, mirrored: true });
  await retire(s, 'target');
  let n = 0;
  // Both ways over the cut: the nearest known pair above each is the cut itself, which is also the end.
  for (const index of [0, 1_500, 3_950, 3_999, 4_000]) {
    const next = place(s.w, 'target', index);
    s.w.source.positions.delete('billing');
    await s.work.setPositions(ask('source', ++n));
    assert.equal(at(s.w, 'source', 'billing'), next, `${index} there`);
    s.w.target.positions.delete('billing');
    await s.work.setPositions(ask('target', ++n));
    assert.equal(at(s.w, 'target', 'billing'), next, `${index} and back`);
  }
});

test('what a removed mirror knew is in the ledger: a group far behind the cut is still counted from near by', async () => {
  const s = scene();
  mirror(s.w, 'target', 1);
  write(s.w, 'source', 4_000);
  await cut(s, 'target', { epoch: 1, mirrored: true });
  await retire(s, 'target');
  assert.equal(s.w.connectors.size, 0);
  const next = place(s.w, 'target', 1_234);
  await s.work.setPositions(ask('source', 1));
  assert.equal(at(s.w, 'source', 'billing'), next);
  const kept = [...s.w.source.entries].find(([key]) => key.endsWith('/set/billing'))?.[1] ?? '';
  const { matched } = (JSON.parse(kept) as Record<string, { matched: number }>)['orders/0'] ?? assert.fail();
  assert.ok(matched <= 60, `${matched} records were counted`);
});

test('prepared before the outage: inside it only what moved is counted', async () => {
  const s = scene();
  const fwd = mirror(s.w, 'target', 1);
  write(s.w, 'source', 3_000);
  s.w.copy();
  fwd.anchors.set('orders/0', (fwd.anchors.get('orders/0') ?? []).filter((_a, i) => i % 2_999 === 0));
  place(s.w, 'source', 1_000);
  const done = await s.work.preparePositions({ m, c: context('prepare'), groups, to: 'target' });
  assert.match(done.say, /2 positions of 1 group looked at, 1 of them kept/);
  const next = place(s.w, 'source', 1_010);
  await s.work.setPositions(ask('target', 1));
  assert.equal(at(s.w, 'target', 'billing'), next);
  const kept = [...s.w.source.entries].find(([key]) => key.endsWith('/set/billing'))?.[1] ?? '';
  assert.match(kept, /"by":"place","matched":10/);
});

test('calls grow with the places of one partition, not with groups and partitions', async () => {
  const calls = async (count: number, partitions: number): Promise<number> => {
    const w = new FakeWorld();
    const names = Array.from({ length: count }, (_x, i) => `g${i}`);
    const many = migration('m', [application('shop', { writes: ['orders'] }), ...names.map((group) => application(`of-${group}`, { reads: { [group]: ['orders'] } }))]);
    for (const c of [w.source, w.target]) c.topic('orders', partitions);
    const made = new FakeMirror({ connect: 'connect-new', name: `cutover-orders-fwd-${run.slice(-8)}-1`, from: 'old', to: 'new', topics: ['orders'], seed: [] });
    w.connectors.set(made.spec.name, made);
    w.source.entries.set(`mirrors/${made.spec.name}`, '{}');
    for (let p = 0; p < partitions; p++) {
      for (let i = 0; i < 600; i++) { w.source.write('orders', p, `${p}-${i}`); w.target.write('orders', p, `${p}-${i}`); if (i % 50 === 49) w.target.marker('orders', p); }
      made.anchors.set(`orders/${p}`, Array.from({ length: 12 }, (_x, i) => ({ from: BigInt(i * 50), to: BigInt(i * 51) })));
      names.forEach((group, g) => { w.source.place(group, 'orders', p, BigInt((g * 29 + p) % 600)); });
    }
    const set = w.work().setPositions({ m: many, c: context('positions'), groups: names, to: 'target', how: 'translated', before: {} });
    await set;
    for (const [g, group] of names.entries()) for (let p = 0; p < partitions; p++) {
      const n = (g * 29 + p) % 600;
      assert.equal(w.target.placed(group)[`orders/${p}`], n + Math.floor(n / 50), `${group} ${p}`);
    }
    return [...w.source.calls, ...w.target.calls].length;
  };
  const [few, most] = [await calls(2, 2), await calls(20, 20)];
  assert.ok(most <= few + 4, `${few} calls for 4 positions, ${most} for 400`);
});

test('nothing is copied: a drained group goes on at the cut, also with the records carried back behind it; one that is not drained is refused', async () => {
  const s = scene();
  write(s.w, 'source', 12);
  s.w.target.topics.get('orders')?.logs.forEach((log) => { log.next = 3n; log.logStart = 3n; });
  await cut(s, 'target', { epoch: 1, mirrored: false, of: copyless });
  const x = { ...ask('target', 1), m: copyless, how: 'cut' as const };
  place(s.w, 'source', 9);
  await assert.rejects(s.work.setPositions(x), (e: Error & { type?: string }) => e.type === 'NotExact' && /exist on the source only/.test(e.message));
  place(s.w, 'source', 12);
  await s.work.setPositions(x);
  assert.deepEqual(s.w.target.placed('billing'), { 'orders/0': 3, 'orders/1': 3 });
  mirror(s.w, 'source', 1);
  s.w.connectors.get(`cutover-orders-back-${run.slice(-8)}-1`)?.next.set('orders/0', 3n);
  write(s.w, 'target', 6);
  s.w.copy();
  s.w.target.positions.delete('billing');
  const next = place(s.w, 'source', 14);
  await s.work.setPositions({ ...x, how: 'translated', c: context('positions-2') });
  assert.equal(at(s.w, 'target', 'billing'), next);
  place(s.w, 'target', 4);
  await s.work.setPositions({ ...ask('source', 3), m: copyless });
  assert.equal(at(s.w, 'source', 'billing'), at(s.w, 'target', 'billing'));
});

test('nothing is copied and nothing was cut: the log start, only for a group that has read everything', async () => {
  const s = scene();
  write(s.w, 'source', 5);
  const x = { ...ask('target', 1), m: copyless, how: 'cut' as const };
  await assert.rejects(s.work.setPositions(x), /exist on the source only/);
  place(s.w, 'source', 5);
  await s.work.setPositions(x);
  assert.deepEqual(s.w.target.placed('billing'), { 'orders/0': 0, 'orders/1': 0 });
});

test('a withdrawn cut counts for nothing', async () => {
  const s = scene();
  mirror(s.w, 'target', 1);
  write(s.w, 'source', 8);
  s.w.copy();
  const y = { m, c: context('cut-1'), set, to: 'target' as const };
  const before = await s.work.captureCut(y);
  await s.work.markCut({ ...y, before });
  await s.work.unmarkCut({ ...y, before });
  write(s.w, 'source', 8);
  s.w.copy();
  const next = place(s.w, 'source', 12);
  await s.work.setPositions(ask('target', 1));
  assert.equal(at(s.w, 'target', 'billing'), next);
});

test('the target was removed and copied anew after a cut: the cut says nothing of it any more; a source created anew is damage', async () => {
  const s = scene();
  mirror(s.w, 'target', 1);
  write(s.w, 'source', 10);
  await cut(s, 'target', { epoch: 1, mirrored: true });
  await cut(s, 'source', { epoch: 2, mirrored: false });
  s.w.connectors.clear();
  s.w.target.topic('orders', 2);
  mirror(s.w, 'target', 2);
  write(s.w, 'source', 5);
  s.w.copy();
  const next = place(s.w, 'source', 3);
  await s.work.setPositions(ask('target', 1));
  assert.equal(at(s.w, 'target', 'billing'), next);
  s.w.source.topics.set('orders', { ...s.w.source.topics.get('orders')!, id: 'another' });
  await assert.rejects(s.work.setPositions(ask('target', 2)), { type: 'MirrorDamaged' });
});

test('a copy that repeats records: refused, unless the operator accepted as many repeats by name', async () => {
  const s = scene();
  const fwd = mirror(s.w, 'target', 1);
  write(s.w, 'source', 10);
  s.w.copy();
  // Record 5 is missing on the target: behind record 4 nothing is exact.
  s.w.target.log({ topic: 'orders', partition: 0 }).records.splice(5, 1);
  fwd.anchors.set('orders/0', (fwd.anchors.get('orders/0') ?? []).slice(0, 2));
  place(s.w, 'source', 8);
  const [said] = await s.work.forecastPositions({ m, c: context('forecast'), groups, to: 'target' });
  assert.equal(said?.kind, 'conservative');
  const n = Number(said?.repeats);
  assert.ok(n > 0 && /orders\/0/.test(said?.why ?? ''), JSON.stringify(said));
  await assert.rejects(s.work.setPositions(ask('target', 1)), { type: 'NotExact' });
  await assert.rejects(s.work.setPositions({ ...ask('target', 2), consents: [{ group: 'billing', repeats: n - 1 }, { group: 'other', repeats: 99 }] }), { type: 'NotExact' });
  assert.deepEqual(s.w.target.placed('billing'), {});
  assert.deepEqual((await provable(s, {})).map((c) => [c.holds, c.unless]), [[false, { billing: n }]], 'the hold asks for the consent, by name and number');
  assert.deepEqual((await provable(s, { billing: n - 1 })).map((c) => [c.holds, c.unless]), [[false, { billing: n }]], 'one record too few');
  assert.deepEqual((await provable(s, { billing: n })).map((c) => [c.text, c.holds]), [[`Group billing reads at most ${n} record${n === 1 ? '' : 's'} again on the target, as was consented to.`, true]]);
  await assert.rejects(s.work.setPositions({ ...ask('target', 2), c: { ...context('positions-2b'), mayRepeat: { billing: n - 1 } } }), { type: 'NotExact' });
  assert.deepEqual(s.w.target.placed('billing'), {});
  await s.work.setPositions({ ...ask('target', 4), c: { ...context('positions-4'), mayRepeat: { billing: n } } });
  const done = await s.work.setPositions({ ...ask('target', 3), consents: [{ group: 'billing', repeats: n }] });
  assert.match(done.say, new RegExp(`with consent ${n} records will be read again`));
  const position = BigInt(s.w.target.placed('billing')['orders/0'] ?? -1);
  const rest = s.w.target.log({ topic: 'orders', partition: 0 }).records.filter((r) => r.offset >= position);
  assert.equal(rest.length, 2 + n);
});

test('a forecast tells what is exact, what heals by waiting and what is refused', async () => {
  const s = mirrored();
  place(s.w, 'source', 4);
  const x = { m, c: context('forecast'), groups, to: 'target' as const };
  assert.deepEqual(await s.work.forecastPositions(x), [{ group: 'billing', kind: 'exact', repeats: 0, partitions: 2, why: '' }]);
  write(s.w, 'source', 3);
  place(s.w, 'source', 11);
  assert.equal((await s.work.forecastPositions(x))[0]?.kind, 'behind');
  place(s.w, 'source', 1);
  s.w.source.trim('orders', 0, 5n);
  const [refused] = await s.work.forecastPositions(x);
  assert.deepEqual([refused?.kind, refused?.repeats], ['refused', 'unknown']);
  assert.match(refused?.why ?? '', /the log begins at 5/);
});

test('the timestamp method: the unread records by their smallest timestamp, repeats counted, consent needed', async () => {
  const s = scene();
  mirror(s.w, 'target', 1);
  write(s.w, 'source', 10);
  const { records } = s.w.source.log({ topic: 'orders', partition: 0 });
  const stamp = (of: typeof records, times: readonly number[]): void => { times.forEach((t, i) => { const r = of[i]; if (r) of[i] = { ...r, timestampMs: BigInt(t) }; }); };
  const times = [10, 20, 30, 40, 50, 60, 35, 70, 80, 90];
  s.w.copy();
  stamp(records, times);
  stamp(s.w.target.log({ topic: 'orders', partition: 0 }).records, times);
  place(s.w, 'source', 5);
  const x = { ...ask('target', 1), how: 'timestamp' as const };
  // Unread from 60 on, with 35 among them: the target is read from 40 on, and 40 and 50 again.
  const [said] = await s.work.forecastPositions({ m, c: context('forecast'), groups, to: 'target', how: 'timestamp' });
  assert.deepEqual([said?.kind, said?.repeats], ['conservative', 2]);
  await assert.rejects(s.work.setPositions(x), { type: 'NotExact' });
  await s.work.setPositions({ ...x, consents: [{ group: 'billing', repeats: 2 }] });
  assert.equal(at(s.w, 'target', 'billing'), records[3]?.fingerprint);
  place(s.w, 'source', 7);
  await s.work.setPositions({ ...x, c: context('positions-2') });
  assert.equal(at(s.w, 'target', 'billing'), records[7]?.fingerprint, 'nothing is repeated: exact');
  s.w.target.topics.get('orders')?.configs.set('message.timestamp.type', { value: 'LogAppendTime', source: 'topic' });
  await assert.rejects(s.work.setPositions({ ...x, c: context('positions-3') }), /message\.timestamp\.type=LogAppendTime/);
});

test('of many offset syncs a hundred are kept, the first and the last among them', () => {
  const all = Array.from({ length: 5_000 }, (_x, i) => ({ from: BigInt(i * 3), to: BigInt(i * 4) }));
  const kept = spread(all);
  assert.ok(kept.length >= 99 && kept.length <= 101, String(kept.length));
  assert.deepEqual([kept[0], kept.at(-1)], [all[0], all.at(-1)]);
  assert.deepEqual(spread(all.slice(0, 7)), all.slice(0, 7));
});
