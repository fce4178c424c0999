/** Positions where nothing was copied and producers are at work behind the cut already: nothing they wrote is a reason to refuse. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Side } from '../../src/domain/authority.ts';
import type { Migration } from '../../src/domain/migration.ts';
import { application, migration } from '../fakes/migrations.ts';
import { context } from './fake-ports.ts';
import { ask, at, copyless, cut, mirror, place, retire, scene, write, type Scene } from './scene.ts';

const forGood: Migration = { ...copyless, connectBack: null };
const atCut = (n: number, m = forGood) => ({ ...ask('target', n), m, how: 'cut' as const });
const refusal = (why: RegExp) => (e: Error & { type?: string }): boolean => e.type === 'NotExact' && why.test(e.message);
const fingerprints = ({ w }: Scene, side: Side): readonly string[] => w[side].log({ topic: 'orders', partition: 0 }).records.map((r) => r.fingerprint);

/** Twelve records on the source, a cut for good, and so many on the target since. */
async function opened(count: number): Promise<Scene> {
  const s = scene();
  write(s.w, 'source', 12);
  await cut(s, 'target', { epoch: 1, mirrored: false, of: forGood });
  write(s.w, 'target', count);
  return s;
}

test('an opening for good, and producers at work on the target: a drained group goes on at the cut and reads all they wrote; one that is not drained is refused', async () => {
  const s = await opened(6);
  place(s.w, 'source', 9);
  await assert.rejects(s.work.setPositions(atCut(1)), refusal(/exist on the source only/));
  place(s.w, 'source', 12);
  await s.work.setPositions(atCut(2));
  assert.deepEqual(s.w.target.placed('billing'), { 'orders/0': 0, 'orders/1': 0 });
  assert.equal(at(s.w, 'target', 'billing'), fingerprints(s, 'target')[0]);
});

test('one that has read there, is brought back and goes again, begins where it had got to', async () => {
  const s = await opened(6);
  place(s.w, 'source', 12);
  const x = atCut(1);
  const before = await s.work.capturePositions(x);
  await s.work.setPositions({ ...x, before });
  const next = place(s.w, 'target', 4);
  await s.work.returnPositions({ ...x, before, c: context('positions-1', { mode: 'undo' }) });
  write(s.w, 'target', 3);
  await s.work.setPositions(atCut(2));
  assert.equal(at(s.w, 'target', 'billing'), next);
});

test('a second cut set whose application reads what is opened already: one topic at its cut, the other where its log begins', async () => {
  const two = migration('two', [application('shop', { writes: ['orders'] }), application('enricher', { writes: ['enriched'], reads: { enricher: ['orders', 'prices'] } }), application('pricing', { writes: ['prices'] })], { connect: null });
  const s = await opened(6);
  for (const c of [s.w.source, s.w.target]) c.topic('prices', 1);
  s.w.source.write('prices', 0, 'p1', 'p2');
  s.w.source.place('enricher', 'prices', 0, 2n);
  s.w.source.place('enricher', 'orders', 0, s.w.source.log({ topic: 'orders', partition: 0 }).next);
  s.w.source.place('enricher', 'orders', 1, 0n);
  const x = { ...atCut(1, two), groups: ['enricher'] };
  await s.work.setPositions(x);
  assert.deepEqual(s.w.target.placed('enricher'), { 'orders/0': 0, 'orders/1': 0, 'prices/0': 0 });
  // Of the topic that is still to be cut nobody may have written there.
  s.w.target.write('prices', 0, 'by a stranger');
  await assert.rejects(s.work.setPositions({ ...x, c: context('positions-2') }), refusal(/Record 0 of the target was written there before a cut gave it authority/));
});

test('a stranger wrote to the side that has lost the authority: a group that goes there is refused', async () => {
  const s = await opened(6);
  place(s.w, 'target', 6);
  const x = { ...ask('source', 1), m: forGood };
  await s.work.setPositions(x);
  s.w.source.write('orders', 0, 'by a stranger');
  await assert.rejects(s.work.setPositions({ ...x, c: context('positions-2') }), refusal(/nothing was copied/));
});

test('the log of the target begins behind the cut: what was written in between is gone, which is said and not passed over', async () => {
  const s = await opened(6);
  place(s.w, 'source', 12);
  s.w.target.trim('orders', 0, 2n);
  await assert.rejects(s.work.setPositions(atCut(1)), refusal(/begins at 2, and cut 1 is at 0: what was written there in between is gone/));
  s.w.target.trim('orders', 0, s.w.target.log({ topic: 'orders', partition: 0 }).next);
  await assert.rejects(s.work.setPositions(atCut(2)), refusal(/is gone, and the group has not read it/), 'also when nothing is left');
});

test('forward, carried back, and forward again with nothing copied: a drained group goes on at the last cut, whatever each epoch left', async () => {
  const s = scene();
  write(s.w, 'source', 12);
  await cut(s, 'target', { epoch: 1, mirrored: false, of: copyless });
  mirror(s.w, 'source', 1).next.set('orders/0', 0n);
  write(s.w, 'target', 6);
  await cut(s, 'source', { epoch: 2, mirrored: true, of: copyless });
  await retire(s, 'source');
  write(s.w, 'source', 5);
  // Before the third cut: who has read everything on the target comes back behind what it read there.
  place(s.w, 'target', 6);
  await s.work.setPositions({ ...ask('source', 1), m: copyless });
  assert.equal(at(s.w, 'source', 'billing'), fingerprints(s, 'source')[18]);
  await cut(s, 'target', { epoch: 3, mirrored: false, of: copyless });
  write(s.w, 'target', 7);
  for (const unread of [11, 5, 1]) {
    place(s.w, 'source', -unread);
    s.w.target.positions.delete('billing');
    await assert.rejects(s.work.setPositions(atCut(10 + unread, copyless)), refusal(/exist on the source only/), `${unread} unread`);
  }
  place(s.w, 'source', 23);
  await s.work.setPositions(atCut(2, copyless));
  assert.equal(at(s.w, 'target', 'billing'), fingerprints(s, 'target')[6]);
});
