/** Aborted copies that a crashed mirror left, for readers with `read_uncommitted`: in whatever stretch of the log they lie, before and after later cuts. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Side } from '../../src/domain/authority.ts';
import type { Migration } from '../../src/domain/migration.ts';
import { application, migration } from '../fakes/migrations.ts';
import { context, FakeMirror, FakeWorld, run } from './fake-ports.ts';
import { ask, at, cut, groups, m, mirror, mirrored, place, retire, scene, write, type Scene } from './scene.ts';

const uncommitted = (of: Migration): Migration => ({ ...of, applications: of.applications.map((a) => ({ ...a, reads: a.reads.map((r) => ({ ...r, isolation: 'read_uncommitted' as const })) })) });
const careless = uncommitted(m);
const refusal = (why: RegExp) => (e: Error & { type?: string }): boolean => e.type === 'NotExact' && why.test(e.message);
/** A transaction that was aborted. */
const aborted = ({ w }: Scene, side: Side, count: number): void => {
  w[side].write('orders', 0, ...Array.from({ length: count }, (_, i) => `aborted ${i}`));
  w[side].marker('orders', 0);
};
/** What is said of the group on the side it is on. */
async function told(s: Scene, to: Side, of: Migration = careless): Promise<readonly unknown[]> {
  const [said] = await s.work.forecastPositions({ m: of, c: context('forecast'), groups, to });
  return [said?.kind, said?.repeats];
}
const toldAt = (s: Scene, to: Side, index: number, of: Migration = careless): Promise<readonly unknown[]> => {
  place(s.w, to === 'target' ? 'source' : 'target', index);
  return told(s, to, of);
};

test('a mirror crashed and left aborted copies: a reader with read_uncommitted reads them again, which is counted and needs consent; one with read_committed never sees them', async () => {
  const s = mirrored();
  aborted(s, 'target', 3);
  write(s.w, 'source', 10);
  s.w.copy();
  assert.deepEqual(await toldAt(s, 'target', 4, m), ['exact', 0]);
  assert.deepEqual(await toldAt(s, 'target', 4), ['conservative', 3]);
  assert.deepEqual(await toldAt(s, 'target', 15), ['exact', 0], 'they lie before its position');
  const next = place(s.w, 'source', 4);
  await assert.rejects(s.work.setPositions({ ...ask('target', 1), m: careless }), refusal(/3 aborted copies of the mirror/));
  await s.work.setPositions({ ...ask('target', 2), m: careless, consents: [{ group: 'billing', repeats: 3 }] });
  assert.equal(at(s.w, 'target', 'billing'), next);
});

test('the mirror back crashed, and the cut back came before the reader: what it left is counted as before that cut, and the undo of the move asks', async () => {
  const s = mirrored();
  place(s.w, 'source', 10);
  const x = { ...ask('target', 1), m: careless };
  const before = await s.work.capturePositions(x);
  await s.work.setPositions({ ...x, before });
  await cut(s, 'target', { epoch: 1, mirrored: true });
  await retire(s, 'target');
  mirror(s.w, 'source', 1);
  write(s.w, 'target', 5);
  s.w.copy();
  const next = place(s.w, 'target', 12);
  aborted(s, 'source', 3);
  write(s.w, 'target', 5);
  s.w.copy();
  assert.deepEqual(await told(s, 'source'), ['conservative', 3]);
  await cut(s, 'source', { epoch: 2, mirrored: true });
  await retire(s, 'source');
  write(s.w, 'source', 4);
  assert.deepEqual(await told(s, 'source'), ['conservative', 3], 'behind the cut back as before it');
  assert.deepEqual(await told(s, 'source', m), ['exact', 0]);
  const undo = { ...x, before, c: context('positions-1', { mode: 'undo' }) };
  await assert.rejects(s.work.returnPositions(undo), refusal(/3 aborted copies of the mirror/));
  assert.notEqual(at(s.w, 'source', 'billing'), next, 'nothing was written');
  await s.work.returnPositions({ ...undo, c: { ...undo.c, mayRepeat: { billing: 3 } } });
  assert.equal(at(s.w, 'source', 'billing'), next);
});

test('several cuts: counted in every stretch that a mirror wrote behind the position, and what applications aborted themselves in none', async () => {
  const s = scene();
  const end = (side: Side): bigint => s.w[side].log({ topic: 'orders', partition: 0 }).next;
  const first = mirror(s.w, 'target', 1);
  write(s.w, 'source', 10);
  s.w.copy();
  aborted(s, 'target', 2);
  aborted(s, 'source', 30); // of the application, never copied
  first.next.set('orders/0', end('source'));
  write(s.w, 'source', 10);
  await cut(s, 'target', { epoch: 1, mirrored: true });
  await retire(s, 'target');
  const back = mirror(s.w, 'source', 1);
  write(s.w, 'target', 6);
  s.w.copy();
  aborted(s, 'source', 4);
  aborted(s, 'target', 30);
  back.next.set('orders/0', end('target'));
  write(s.w, 'target', 4);
  await cut(s, 'source', { epoch: 2, mirrored: true });
  await retire(s, 'source');
  mirror(s.w, 'target', 2);
  write(s.w, 'source', 6);
  s.w.copy();
  aborted(s, 'target', 3);
  write(s.w, 'source', 4);
  s.w.copy();
  const records = (side: Side) => s.w[side].log({ topic: 'orders', partition: 0 }).records;
  const nth = (side: Side, n: number): number => { const seen = records(side).map((r, i) => ({ r, i })).filter(({ r }) => !r.fingerprint.startsWith('aborted ')); return seen[n]?.i ?? records(side).length; };
  // Records 0 to 19 are of the first epoch, to 29 of the second, to 39 of the third; in each the crash came after the tenth, sixth, sixth.
  const repeats = async (to: Side, n: number): Promise<unknown> => (await toldAt(s, to, nth(to === 'target' ? 'source' : 'target', n)))[1];
  for (const [n, copies] of [[0, 5], [12, 3], [22, 3], [32, 3], [37, 0], [40, 0]] as const) assert.equal(await repeats('target', n), copies, `record ${n} to the target`);
  for (const [n, copies] of [[0, 4], [22, 4], [27, 0], [32, 0], [40, 0]] as const) assert.equal(await repeats('source', n), copies, `record ${n} to the source`);
  place(s.w, 'source', nth('source', 3));
  await s.work.setPositions({ ...ask('target', 1), m: careless, consents: [{ group: 'billing', repeats: 5 }] });
  assert.equal(at(s.w, 'target', 'billing'), records('source')[nth('source', 3)]?.fingerprint);
});

test('the headers are asked for once, however many groups and partitions there are', async () => {
  const asked = async (count: number, partitions: number): Promise<readonly string[]> => {
    const w = new FakeWorld();
    const names = Array.from({ length: count }, (_x, i) => `g${i}`);
    const many = uncommitted(migration('m', [application('shop', { writes: ['orders'] }), ...names.map((group) => application(`of-${group}`, { reads: { [group]: ['orders'] } }))]));
    for (const c of [w.source, w.target]) c.topic('orders', partitions);
    const made = new FakeMirror({ connect: 'connect-new', name: `cutover-orders-fwd-${run.slice(-8)}-1`, from: 'old', to: 'new', topics: ['orders'], seed: [] });
    w.connectors.set(made.spec.name, made);
    w.source.entries.set(`mirrors/${made.spec.name}`, '{}');
    for (let p = 0; p < partitions; p++) {
      w.source.write('orders', p, ...Array.from({ length: 40 }, (_, i) => `${p}-${i}`));
      names.forEach((group, g) => { w.source.place(group, 'orders', p, BigInt(g)); });
    }
    w.copy();
    for (let p = 0; p < partitions; p++) w.target.write('orders', p, 'aborted 1', 'aborted 2');
    const said = await w.work().forecastPositions({ m: many, c: context('forecast'), groups: names, to: 'target' });
    assert.deepEqual(said.map((f) => f.repeats), names.map(() => 2 * partitions));
    return w.target.calls.filter((call) => call === 'aborted');
  };
  assert.deepEqual([(await asked(1, 1)).length, (await asked(20, 8)).length], [1, 1]);
});
