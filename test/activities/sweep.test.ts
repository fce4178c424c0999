/** What the source's ledger knows of groups on the target, kept for the day the target dies. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sweptOf } from '../../src/activities/sweep.ts';
import type { Look } from '../../src/domain/scheme.ts';
import { cutSets } from '../../src/domain/cutsets.ts';
import { application, migration } from '../fakes/migrations.ts';
import { context, FakeMirror, FakeWorld, looking, run } from './fake-ports.ts';

const m = migration('m', [application('shop', { writes: ['orders'] }), application('billing', { reads: { billing: ['orders'] } })], { connectBack: 'connect-back' });
const [set] = cutSets(m);
assert.ok(set);
const write = (w: FakeWorld, n: number, from: number): void => { for (let i = 0; i < n; i++) { w.target.write('orders', 0, `r${from + i}`); if (i % 3 === 2) w.target.marker('orders', 0); } };

/** Opened on the target, with a mirror back that has copied nothing yet. Source ends at 8, target at 5. */
async function opened(): Promise<{ readonly w: FakeWorld; readonly mirror: FakeMirror }> {
  const w = new FakeWorld();
  for (const c of [w.source, w.target]) c.topic('orders', 2);
  for (let i = 0; i < 8; i++) w.source.write('orders', 0, `old${i}`);
  for (let i = 0; i < 5; i++) w.target.write('orders', 0, `old${i + 3}`);
  const c = context('cut');
  const work = w.work();
  const x = { m, c, set: set!, to: 'target' as const };
  await work.markCut({ ...x, before: await work.captureCut(x) });
  const mirror = new FakeMirror({ connect: 'connect-back', name: `cutover-orders-back-${run.slice(-8)}-1`, from: 'new', to: 'old', topics: ['orders'], seed: [{ topic: 'orders', partition: 0, offset: 5n, metadata: '' }] });
  w.connectors.set(mirror.spec.name, mirror);
  w.source.entries.set(`mirrors/${mirror.spec.name}`, '{}');
  w.target.place('billing', 'orders', 0, 5n);
  w.target.place('billing', 'orders', 1, 0n);
  return { w, mirror };
}
const sweep = (w: FakeWorld, before: string | null = null): Promise<Look> => w.work().lookSwept({ m, c: { ...looking('sweep'), before }, groups: ['billing'], topics: ['orders'] });
const ask = { m, c: context('sweep') };

test('a group that reads what has come back: its place on the source, and where the target ended', async () => {
  const { w } = await opened();
  write(w, 6, 0);
  w.copy();
  w.target.place('billing', 'orders', 0, 9n);
  const look = await sweep(w);
  assert.match(look.say, /as of .*Z the ledger of old has 2 positions of billing\./);
  const book = await sweptOf(w.ports(), ask);
  const at = book.groups.get('billing')?.at['orders/0'];
  assert.equal(at?.[0], '9');
  // Offset 8 is a marker: r3 comes next, which is the fourth behind the cut.
  assert.equal(w.source.log({ topic: 'orders', partition: 0 }).records.find((r) => r.offset >= BigInt(at?.[1] ?? -1))?.fingerprint, 'r3');
  assert.deepEqual(book.ends.get('orders/0'), [13n, 13n]);
});

test('a group that has read what is not back yet goes on behind everything that is: never ahead of it, and nothing again that it need not', async () => {
  const { w } = await opened();
  write(w, 3, 0);
  w.copy();
  write(w, 3, 3);
  const source = w.source.log({ topic: 'orders', partition: 0 }).next;
  w.target.place('billing', 'orders', 0, 11n);
  await sweep(w);
  assert.deepEqual((await sweptOf(w.ports(), ask)).groups.get('billing')?.at['orders/0'], ['11', String(source), 'unknown']);
});

test('the target dies: the sweep says so and since when, is no failure, and tells when it is back', async () => {
  const { w } = await opened();
  const first = await sweep(w);
  w.target.before = () => { throw new Error('connection refused'); };
  const dead = await sweep(w, first.picture ?? null);
  assert.match(dead.say, /of positions on new is as of .*Z: connection refused/);
  assert.equal((dead.figures as { failing?: boolean }).failing, true);
  assert.ok((await sweptOf(w.ports(), ask)).head);
  w.target.before = () => undefined;
  assert.match((await sweep(w, dead.picture ?? null)).say, /has 2 positions of billing/);
});

test('a source that cannot be written is told in the same way', async () => {
  const { w } = await opened();
  w.source.before = (call) => { if (call === 'ledger.write') throw new Error('no in-sync replicas'); };
  const look = await sweep(w);
  assert.match(look.say, /is nothing: no sweep has succeeded: no in-sync replicas/);
});

test('nothing moved: the next sweep asks for positions and ends, translates nothing, and only renews the time', async () => {
  const { w } = await opened();
  const work = w.work({ looking: { pollMs: 1, turnMs: 40 } });
  const first = await work.lookSwept({ m, c: looking('sweep'), groups: ['billing'], topics: ['orders'] });
  w.target.calls.length = 0;
  await work.lookSwept({ m, c: { ...looking('sweep'), before: first.picture ?? null }, groups: ['billing'], topics: ['orders'] });
  assert.deepEqual([...new Set(w.target.calls)].sort(), ['committed', 'ends']);
});

test('every half day the positions of groups without members are committed again on both sides, the same ones', async () => {
  const { w } = await opened();
  w.source.place('billing', 'orders', 0, 7n, 'kept');
  await sweep(w);
  for (const c of [w.source, w.target]) c.calls.length = 0;
  await sweep(w);
  assert.ok(!w.source.calls.includes('commit') && !w.target.calls.includes('commit'), 'not yet');
  const key = `${run}/sweep/head`;
  const head = JSON.parse(w.source.entries.get(key) ?? '') as { readonly keptMs: number };
  w.source.entries.set(key, JSON.stringify({ ...head, keptMs: head.keptMs - 13 * 3_600_000 }));
  w.target.join('billing', 'alive');
  await sweep(w);
  assert.ok(w.source.calls.includes('commit'), 'the source has nobody in the group');
  assert.ok(!w.target.calls.includes('commit'), 'the target has');
  assert.deepEqual(w.source.placed('billing'), { 'orders/0': 7 });
  assert.equal(w.source.positions.get('billing')?.get('orders/0')?.metadata, 'kept');
});

test('a sweep asks the clusters as often for forty groups as for one', async () => {
  const asked = async (n: number): Promise<Readonly<Record<string, number>>> => {
    const { w } = await opened();
    const names = Array.from({ length: n }, (_, i) => `g${i}`);
    const many = { ...m, applications: [...m.applications, ...names.map((g) => application(`app-${g}`, { reads: { [g]: ['orders'] } }))] };
    write(w, 6, 0);
    w.copy();
    for (const g of names) { w.target.place(g, 'orders', 0, 9n); w.target.place(g, 'orders', 1, 0n); }
    for (const c of [w.source, w.target]) c.calls.length = 0;
    await w.work().lookSwept({ m: many, c: looking('sweep'), groups: names, topics: ['orders'] });
    return Object.fromEntries([w.source, w.target].flatMap((c) => [...Map.groupBy(c.calls, (call) => call)].map(([call, all]) => [`${c.name} ${call}`, all.length])));
  };
  assert.deepEqual(await asked(40), await asked(1));
});

test('topics that were removed and filled anew: the same offset is another place, also where nobody has moved', async () => {
  const w = new FakeWorld();
  for (const c of [w.source, w.target]) c.topic('orders', 1);
  const work = w.work();
  const opening = async (n: number, seed: bigint): Promise<void> => {
    await cut('target', n);
    const made = new FakeMirror({ connect: 'connect-back', name: `cutover-orders-back-${run.slice(-8)}-${n}`, from: 'new', to: 'old', topics: ['orders'], seed: [{ topic: 'orders', partition: 0, offset: seed, metadata: '' }] });
    w.connectors.set(made.spec.name, made);
    w.source.entries.set(`mirrors/${made.spec.name}`, '{}');
  };
  const cut = async (to: 'source' | 'target', n: number): Promise<void> => {
    const name = `cutover-orders-${to === 'target' ? 'fwd' : 'back'}-${run.slice(-8)}-${n}`;
    w.source.entries.set(`${run}/silenced/orders/${to}/${name}`, JSON.stringify({ name }));
    const x = { m, c: context(`cut-${n}`), set: set!, to };
    await work.markCut({ ...x, before: await work.captureCut(x) });
  };
  const nextFor = async (): Promise<string | undefined> => {
    await sweep(w);
    const to = BigInt((await sweptOf(w.ports(), ask)).groups.get('billing')?.at['orders/0']?.[1] ?? -1);
    return w.source.log({ topic: 'orders', partition: 0 }).records.find((r) => r.offset >= to)?.fingerprint;
  };
  const six = ['a', 'b', 'c', 'd', 'e', 'f'];
  w.source.write('orders', 0, ...six);
  w.target.write('orders', 0, ...six); // one transaction of the mirror
  w.target.marker('orders', 0);
  await opening(1, 7n);
  w.target.place('billing', 'orders', 0, 4n);
  assert.equal(await nextFor(), 'e');
  w.connectors.clear();
  await cut('source', 2);
  w.target.topic('orders', 1);
  for (const r of six) { w.target.write('orders', 0, r); w.target.marker('orders', 0); } // a transaction each
  await opening(3, 12n);
  w.source.place('billing', 'orders', 0, 1n);
  assert.equal(await nextFor(), 'c');
});
