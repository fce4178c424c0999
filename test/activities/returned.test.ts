/** The undo of a move, tried again after an answer was lost anywhere: what was there before is never taken for where the group is. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Work } from '../../src/activities/work.ts';
import { cutSets } from '../../src/domain/cutsets.ts';
import type { Cluster, Ports } from '../../src/domain/ports.ts';
import { application, migration } from '../fakes/migrations.ts';
import { context, FakeWorld, run } from './fake-ports.ts';

const m = migration('m', [application('shop', { writes: ['orders'] }), application('billing', { reads: { billing: ['orders'] } })]);
type How = 'translated' | 'cut';
const asked = (how: How, key = 'positions') => ({ m, c: context(key), groups: ['billing'], to: 'target' as const, how });
const undoing = (how: How, key = 'positions') => ({ ...asked(how, key), c: context(key, { mode: 'undo' }) });

/** Partition 0 with ten records, on the target one offset further on; 1 with two. Billing has read six and one of them on the source. */
async function world(pre: number | null): Promise<{ readonly w: FakeWorld; readonly work: Work }> {
  const w = new FakeWorld();
  for (const c of [w.source, w.target]) c.topic('orders', 2);
  const work = w.work();
  for (const set of cutSets(m)) { const x = { m, c: context('mirror'), set, toward: 'target' as const }; await work.createMirror({ ...x, before: await work.captureMirror(x) }); }
  w.target.marker('orders', 0);
  for (let i = 0; i < 10; i++) w.source.write('orders', 0, `r${i}`);
  w.source.write('orders', 1, 'x', 'y');
  w.copy();
  w.source.place('billing', 'orders', 0, 6n);
  w.source.place('billing', 'orders', 1, 1n);
  if (pre !== null) w.target.place('billing', 'orders', 0, BigInt(pre));
  return { w, work };
}

type Lost = 'before it takes effect' | 'after it took effect';
interface Loss { readonly at: number; readonly lost: Lost; /** Names of the calls that count; otherwise all. */ readonly of?: readonly string[] }
/** The same ports, of which one call is lost: the `at`-th of those that count, from 1; `n` says how many were made. */
function losing(ports: Ports, { at, lost, of: counted }: Loss): { readonly ports: Ports; readonly n: () => number } {
  let n = 0;
  const on = <T extends object>(of: T): T => new Proxy(of, {
    get: (target, name, self) => {
      const value: unknown = Reflect.get(target, name, self);
      if (typeof value === 'object' && value !== null) return on(value);
      if (typeof value !== 'function') return value;
      return (...args: readonly unknown[]): unknown => {
        if (name === 'cluster') return on(Reflect.apply(value, target, args) as Cluster);
        if (name === 'range' || name === 'originals' || counted?.includes(String(name)) === false) return Reflect.apply(value, target, args);
        n += 1;
        if (n !== at) return Reflect.apply(value, target, args);
        return (async () => {
          if (lost === 'after it took effect') await Reflect.apply(value, target, args);
          throw new Error('connection lost');
        })();
      };
    },
  });
  return { ports: on(ports), n: () => n };
}
/** One try of which a call is lost; answers whether there was such a call. */
async function attempt(w: FakeWorld, how: How, loss: Loss): Promise<boolean> {
  const { ports, n } = losing(w.ports(), loss);
  const other = new FakeWorld();
  other.ports = () => ports;
  await other.work().returnPositions({ ...undoing(how), before: await beforeOf(w, how) }).catch((e: Error) => { assert.match(e.message, /connection lost/); });
  return n() >= loss.at;
}
/** As the workflow remembers it: what the capture wrote is given again. */
const beforeOf = (w: FakeWorld, how: How) => w.work().capturePositions(asked(how));
const advanced = (w: FakeWorld): readonly string[] => [...w.source.entries.keys()].filter((key) => key.includes('/advanced/'));
const standing = (w: FakeWorld) => ({ source: w.source.placed('billing'), target: w.target.placed('billing'), advanced: advanced(w) });

interface Case { readonly how: How; readonly pre: number | null; readonly read: number | null }
/** Set on the target, and read there up to `read`. */
async function moved({ how, pre, read }: Case): Promise<FakeWorld> {
  const { w, work } = await world(pre);
  const before = await work.capturePositions(asked(how));
  await work.setPositions({ ...asked(how), how: how === 'cut' ? 'log-start' : 'translated', before });
  if (read !== null) w.target.place('billing', 'orders', 0, BigInt(read));
  return w;
}
const cases: readonly (Case & { readonly name: string; readonly ends: ReturnType<typeof standing> })[] = (['translated', 'cut'] as const).flatMap((how) =>
  // Before it was nowhere, behind where it was set, just there, and ahead; it reads nothing, some, and to just where it was before.
  ([[null, null], [null, 9], [2, null], [2, 9], [7, null], [10, null], [10, 9], [10, 10]] as const).map(([pre, read]) => {
    const was = { source: { 'orders/0': 6, 'orders/1': 1 }, target: pre === null ? {} : { 'orders/0': pre }, advanced: [] };
    const ends = read === null ? was
      : how === 'translated' ? { ...was, source: { 'orders/0': read - 1, 'orders/1': 1 } }
        : { ...was, target: { 'orders/0': read, 'orders/1': 0 }, advanced: [`${run}/advanced/target/billing`] };
    return { how, pre, read, ends, name: `${how}, before at ${pre ?? 'nothing'}, ${read === null ? 'nothing read' : `read up to ${read}`}` };
  }));

for (const c of cases) test(`tried twice, and a third time when it is done: ${c.name}; whichever answer is lost, before or after its effect`, async () => {
  for (const lost of ['before it takes effect', 'after it took effect'] as const) for (let at = 1, there = true; there; at++) {
    const w = await moved(c);
    there = await attempt(w, c.how, { at, lost });
    const before = await beforeOf(w, c.how);
    for (const which of ['second', 'third']) {
      await w.work().returnPositions({ ...undoing(c.how), before });
      assert.deepEqual(standing(w), c.ends, `the ${which} try, call ${at} of the first lost ${lost}`);
    }
  }
});

/** What is written, and what is decided by. */
const deciding = ['committed', 'commit', 'uncommit', 'read', 'write'];
for (const [pre, read] of [[2, null], [10, null], [10, 9]] as const) test(`an answer of the first try is lost and another one of the second: before at ${pre}, ${read === null ? 'nothing read' : `read up to ${read}`}`, async () => {
  const c: Case = { how: 'translated', pre, read };
  const ends = { source: { 'orders/0': read === null ? 6 : read - 1, 'orders/1': 1 }, target: { 'orders/0': pre }, advanced: [] };
  for (let first = 1, more = true; more; first++) for (let second = 1, there = true; there; second++) {
    const w = await moved(c);
    more = await attempt(w, c.how, { at: first, lost: 'after it took effect', of: deciding });
    there = await attempt(w, c.how, { at: second, lost: 'after it took effect', of: deciding });
    await w.work().returnPositions({ ...undoing(c.how), before: await beforeOf(w, c.how) });
    assert.deepEqual(standing(w), ends, `calls ${first} and ${second} were lost`);
  }
});

test('what was settled is in one ledger only, and that one does not answer: nothing is taken for missing', async () => {
  const w = await moved({ how: 'translated', pre: 10, read: null });
  const undo = { ...undoing('translated'), before: await beforeOf(w, 'translated') };
  let failing = '';
  w.target.before = (call) => {
    if (call === 'ledger.write') throw new Error('no in-sync replicas');
    if (call === 'commit') failing = 'committed';
    if (call === failing) throw new Error('connection lost');
  };
  await assert.rejects(w.work().returnPositions(undo), /connection lost/);
  assert.deepEqual(w.target.placed('billing'), { 'orders/0': 10, 'orders/1': 1 }, 'partly as before');
  failing = '';
  w.source.before = (call) => { if (call === 'ledger.read') throw new Error('the ledger does not answer'); };
  await assert.rejects(w.work().returnPositions(undo), /the ledger does not answer/);
  w.source.before = () => undefined;
  await w.work().returnPositions(undo);
  assert.deepEqual(standing(w), { source: { 'orders/0': 6, 'orders/1': 1 }, target: { 'orders/0': 10 }, advanced: [] });
});

for (const pre of [2, 10]) for (const lost of ['commit', 'committed'] as const) test(`the set itself was lost at ${lost}, before at ${pre}: the group had not moved`, async () => {
  const { w, work } = await world(pre);
  const before = await work.capturePositions(asked('translated'));
  let committing = false;
  w.target.before = (call) => { committing ||= call === 'commit'; if (committing && call === lost) throw new Error('connection lost'); };
  await assert.rejects(work.setPositions({ ...asked('translated'), before }), /connection lost/);
  w.target.before = () => undefined;
  const done = await work.returnPositions({ ...undoing('translated'), before });
  assert.match(done.say, /billing had not read on the target/);
  assert.deepEqual(standing(w), { source: { 'orders/0': 6, 'orders/1': 1 }, target: { 'orders/0': pre }, advanced: [] });
});

test('somebody comes too early, reads, and is stopped: what he read is not forgotten by the undo', async () => {
  const { w, work } = await world(2);
  const before = await work.capturePositions(asked('translated'));
  let asks = 0;
  w.target.before = (call) => { if (call === 'groups' && ++asks === 2) w.target.join('billing', 'early-bird'); };
  await assert.rejects(work.setPositions({ ...asked('translated'), before }), { type: 'GroupActive' });
  w.target.place('billing', 'orders', 0, 9n);
  w.target.leave('billing');
  await work.returnPositions({ ...undoing('translated'), before });
  assert.deepEqual(standing(w), { source: { 'orders/0': 8, 'orders/1': 1 }, target: { 'orders/0': 2 }, advanced: [] });
});

test('an undo that a worker of an earlier release began and left no word of: what was there before is not where the group is', async () => {
  const w = await moved({ how: 'translated', pre: 2, read: null });
  const before = await beforeOf(w, 'translated');
  w.target.positions.get('billing')?.delete('orders/1');
  w.target.place('billing', 'orders', 0, 2n);
  await w.work().returnPositions({ ...undoing('translated'), before });
  assert.deepEqual(standing(w), { source: { 'orders/0': 6, 'orders/1': 1 }, target: { 'orders/0': 2 }, advanced: [] });
});

test('moved again and undone again: the undo of before says nothing about this one', async () => {
  const w = await moved({ how: 'translated', pre: 2, read: 8 });
  const work = w.work();
  await work.returnPositions({ ...undoing('translated'), before: await beforeOf(w, 'translated') });
  assert.deepEqual(standing(w), { source: { 'orders/0': 7, 'orders/1': 1 }, target: { 'orders/0': 2 }, advanced: [] });
  const before = await work.capturePositions(asked('translated', 'again'));
  await work.setPositions({ ...asked('translated', 'again'), before });
  w.target.place('billing', 'orders', 0, 10n);
  const undo = { ...undoing('translated', 'again'), before };
  await work.returnPositions(undo);
  const done = await work.returnPositions(undo);
  assert.match(done.say, /^billing set back on the source by an earlier try; the target is as before\.$/);
  assert.deepEqual(standing(w), { source: { 'orders/0': 9, 'orders/1': 1 }, target: { 'orders/0': 2 }, advanced: [] });
});

test('somebody reads there between two tries: refused with where, and goes on when the group stands where it stood', async () => {
  const w = await moved({ how: 'translated', pre: 2, read: 9 });
  const undo = { ...undoing('translated'), before: await beforeOf(w, 'translated') };
  w.target.before = (call) => { if (call === 'commit') throw new Error('connection lost'); };
  await assert.rejects(w.work().returnPositions(undo), /connection lost/);
  w.target.before = () => undefined;
  w.target.place('billing', 'orders', 0, 11n);
  await assert.rejects(w.work().returnPositions(undo), { type: 'Drift', message: /somebody has read on cluster new: billing orders\/0 at 11, wanted 9 \(where it stood\) or 2 \(as before\)/ });
  assert.deepEqual([w.source.placed('billing')['orders/0'], w.target.placed('billing')['orders/0']], [8, 11]);
  w.target.place('billing', 'orders', 0, 9n);
  await w.work().returnPositions(undo);
  assert.deepEqual(standing(w), { source: { 'orders/0': 8, 'orders/1': 1 }, target: { 'orders/0': 2 }, advanced: [] });
});
