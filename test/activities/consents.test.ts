/** Consents to repeats: nothing to consent to where nothing repeats, and what a migration declares holds for the undo of a move as well. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readingsOf, type Migration } from '../../src/domain/migration.ts';
import type { Change, Context } from '../../src/domain/scheme.ts';
import { groups as resource } from '../../src/workflows/resources/groups.ts';
import { context } from './fake-ports.ts';
import { ask, at, groups, m, mirror, place, provable, scene, write, type Scene } from './scene.ts';

const allowing = (repeats: number): Migration => ({ ...m, applications: m.applications.map((a) => ({ ...a, reads: a.reads.map((r) => ({ ...r, mayRepeat: repeats })) })) });
const refused = (e: Error & { type?: string }): boolean => e.type === 'NotExact';
const log = (s: Scene, side: 'source' | 'target') => s.w[side].log({ topic: 'orders', partition: 0 });
/** Compaction on that side takes the record with this index away. */
const compacted = (s: Scene, side: 'source' | 'target', index: number): void => { log(s, side).records.splice(index, 1); };

function copied(policy: string): Scene {
  const s = scene();
  for (const c of [s.w.source, s.w.target]) c.topic('orders', 2, { 'cleanup.policy': policy });
  const made = mirror(s.w, 'target', 1);
  write(s.w, 'source', 12);
  s.w.copy();
  // Of the later records no offset sync is known.
  made.anchors.set('orders/0', (made.anchors.get('orders/0') ?? []).slice(0, 5));
  return s;
}

test('the next record is compacted away on the other side only, and nothing would be repeated: the hold and the step both take it without a consent', async () => {
  const s = copied('compact');
  place(s.w, 'source', 7);
  const following = log(s, 'source').records[8]?.fingerprint;
  compacted(s, 'target', 7);
  const [said] = await s.work.forecastPositions({ m, c: context('forecast'), groups, to: 'target' });
  assert.deepEqual([said?.kind, said?.repeats], ['conservative', 0]);
  assert.deepEqual((await provable(s, {})).map((c) => c.holds), [true]);
  await s.work.setPositions(ask('target', 1));
  assert.equal(at(s.w, 'target', 'billing'), following, 'it goes on at the first record there that it has not read');
  const kept = [...s.w.source.entries].find(([key]) => key.endsWith('/set/billing'))?.[1] ?? '';
  assert.match(kept, /"by":"no-repeats"/, 'the ledger speaks of no consent, as nobody gave one');
});

test('a single record that would be read again needs its consent still', async () => {
  const s = copied('delete');
  // Record 6 is missing on the target: a group behind it can only be placed before it.
  log(s, 'target').records.splice(6, 1);
  place(s.w, 'source', 7);
  const [said] = await s.work.forecastPositions({ m, c: context('forecast'), groups, to: 'target' });
  assert.deepEqual([said?.kind, said?.repeats], ['conservative', 1]);
  await assert.rejects(s.work.setPositions(ask('target', 1)), refused);
  await s.work.setPositions({ ...ask('target', 2), c: { ...context('positions-2'), mayRepeat: { billing: 1 } } });
});

/** The step as a scheme has it, applied; then what would come back of it needs two records read again. */
async function movedAndDoubtful(of: Migration, step: (use: ReturnType<typeof resource>) => Change): Promise<{ readonly s: Scene; readonly undo: () => Promise<unknown>; readonly next: string }> {
  const s = copied('compact');
  const change = step(resource({ m: of, work: s.work, inventory: null, owner: 'test', has: () => true }));
  const c: Context = context('move');
  place(s.w, 'source', 3);
  const before = await change.capture(c);
  await change.apply(before, c);
  // It goes on at record 8 there. Both clusters compact, each by itself: the source no longer has record 8, the target neither of the two before.
  s.w.target.place('billing', 'orders', 0, log(s, 'target').records[8]?.offset ?? 0n);
  const next = log(s, 'source').records[6]?.fingerprint ?? '';
  compacted(s, 'source', 8);
  for (const index of [7, 6]) compacted(s, 'target', index);
  return { s, next, undo: () => (typeof change.undo === 'string' ? assert.fail() : change.undo(before, { ...c, mode: 'undo' })) };
}

for (const [name, step] of [
  ['move', (of: Migration) => (use: ReturnType<typeof resource>) => use.move(of.applications.filter((a) => a.reads.length > 0), 'target', 'translated')],
  ['begin', (of: Migration) => (use: ReturnType<typeof resource>) => use.begin(readingsOf(of.applications), 'target', 'translated')],
] as const)
  test(`${name}: its undo reads again at most what the migration allows`, async () => {
    for (const strict of [m, allowing(1)]) await assert.rejects((await movedAndDoubtful(strict, step(strict))).undo(), refused);
    const { s, undo, next } = await movedAndDoubtful(allowing(2), step(allowing(2)));
    await undo();
    assert.equal(at(s.w, 'source', 'billing'), next);
    assert.deepEqual(s.w.target.placed('billing'), {});
  });
