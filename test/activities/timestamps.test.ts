/** The fallback by timestamp: chosen by a migration, taken only where no proof is found, never ahead, and counted like everything else. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Migration } from '../../src/domain/migration.ts';
import { context } from './fake-ports.ts';
import { ask, at, cut, groups, m, mirror, place, retire, scene, write, type Scene } from './scene.ts';

const reading = (more: Partial<Migration['applications'][number]['reads'][number]>): Migration => ({ ...m, applications: m.applications.map((a) => ({ ...a, reads: a.reads.map((r) => ({ ...r, ...more })) })) });
const log = (s: Scene, side: 'source' | 'target') => s.w[side].log({ topic: 'orders', partition: 0 });
/** A log whose records bear one timestamp after the other, and its copy. */
function copied(): Scene {
  const s = scene();
  const made = mirror(s.w, 'target', 1);
  write(s.w, 'source', 12);
  s.w.copy();
  for (const side of ['source', 'target'] as const) log(s, side).records.forEach((r, i, all) => { all[i] = { ...r, timestampMs: BigInt(1_000 + i) }; });
  made.anchors.set('orders/0', (made.anchors.get('orders/0') ?? []).slice(0, 5));
  return s;
}

test('a group that may be placed by timestamp is, where no proof is found; another one is refused, and who can be proven is proven', async () => {
  const s = copied();
  // Counted off, a group behind record 6 can only be placed before it: it is missing on the target.
  log(s, 'target').records.splice(6, 1);
  const next = place(s.w, 'source', 7);
  await assert.rejects(s.work.setPositions(ask('target', 1)), { type: 'NotExact' });
  const of = reading({ start: 'timestamp' });
  const [said] = await s.work.forecastPositions({ m: of, c: context('forecast'), groups, to: 'target' });
  assert.deepEqual([said?.kind, said?.repeats], ['exact', 0]);
  await s.work.setPositions({ ...ask('target', 2), m: of });
  assert.equal(at(s.w, 'target', 'billing'), next);
  assert.match([...s.w.source.entries].find(([key]) => key.endsWith('/set/billing'))?.[1] ?? '', /"by":"timestamp"/);
  place(s.w, 'source', 3);
  await s.work.setPositions({ ...ask('target', 3), m: of });
  assert.match([...s.w.source.entries].filter(([key]) => key.endsWith('/set/billing')).at(-1)?.[1] ?? '', /"orders\/0":\{[^}]*"by":"(?!timestamp)/);
});

test('what it repeats is counted, and needs a consent; the copies that a crashed mirror left in vain as well', async () => {
  for (const [isolation, repeats] of [['read_committed', 1], ['read_uncommitted', 3]] as const) {
    const s = copied();
    log(s, 'target').records.splice(6, 1);
    // A later record bears an earlier timestamp: from there on one is read again.
    for (const side of ['source', 'target'] as const) { const { records } = log(s, side); const i = records.findIndex((r) => r.timestampMs === 1_009n); records[i] = { ...records[i]!, timestampMs: 1_005n }; }
    s.w.target.write('orders', 0, 'aborted 1', 'aborted 2');
    place(s.w, 'source', 7);
    const of = reading({ start: 'timestamp', isolation });
    const [said] = await s.work.forecastPositions({ m: of, c: context('forecast'), groups, to: 'target' });
    assert.deepEqual([said?.kind, said?.repeats], ['conservative', repeats], said?.why);
    await assert.rejects(s.work.setPositions({ ...ask('target', 1), m: of, consents: [{ group: 'billing', repeats: repeats - 1 }] }), { type: 'NotExact' });
    await s.work.setPositions({ ...ask('target', 2), m: of, consents: [{ group: 'billing', repeats }] });
  }
});

test('toward the side that is written nobody is placed by timestamp: what has not been copied would be skipped', async () => {
  const s = copied();
  s.w.target.place('billing', 'orders', 0, log(s, 'target').next);
  s.w.target.place('billing', 'orders', 1, 0n);
  write(s.w, 'source', 2);
  await assert.rejects(s.work.setPositions({ ...ask('source', 1), how: 'timestamp' }), { type: 'NotExact', message: /orders is written on cluster old, and what has not been copied from there yet has no timestamp here/ });
  assert.deepEqual(s.w.source.placed('billing'), {});
  // Behind a cut it is the other way round.
  s.w.copy();
  await cut(s, 'target', { epoch: 1, mirrored: true });
  await retire(s, 'target');
  write(s.w, 'target', 2);
  s.w.source.place('billing', 'orders', 0, log(s, 'source').next);
  s.w.source.place('billing', 'orders', 1, 0n);
  await assert.rejects(s.work.setPositions({ ...ask('target', 2), how: 'timestamp' }), { type: 'NotExact', message: /orders is written on cluster new/ });
});

test('unread records that bear no timestamp are refused by name: asked for, their -1 means the end of the log', async () => {
  const s = copied();
  log(s, 'target').records.splice(6, 1);
  const { records } = log(s, 'source');
  const i = records.findIndex((r) => r.timestampMs === 1_009n);
  records[i] = { ...records[i]!, timestampMs: -1n };
  place(s.w, 'source', 7);
  const of = reading({ start: 'timestamp' });
  const [said] = await s.work.forecastPositions({ m: of, c: context('forecast'), groups, to: 'target' });
  assert.equal(said?.kind, 'conservative', 'as without the fallback');
  await assert.rejects(s.work.setPositions({ ...ask('target', 1), m: of }), { type: 'NotExact' });
  assert.deepEqual(s.w.target.placed('billing'), {});
});
