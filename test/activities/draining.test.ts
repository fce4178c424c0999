/** How long groups need to read to the end: told at the rate at which they read, stage after stage; unknown is said. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { drainingOf } from '../../src/activities/evidence/draining.ts';
import { forecast } from '../../src/activities/evidence/forecast.ts';

const stage = (groups: readonly string[], quietMs = 0) => ({ groups, topics: ['t'], quietMs });
const seen = (group: string, unread: number, perSecond: number) => ({ group, unread, perSecond });

test('groups of a stage drain side by side, stages one after the other', () => {
  const d = drainingOf([stage(['a']), stage(['b', 'c'])], [seen('a', 500, 1_000), seen('b', 100, 1_000), seen('c', 3_000, 1_500)]);
  assert.equal(d.ms, 500 + 2_000);
  assert.equal(d.figures[2], 'c: at most 3,000 records unread, reads 1,500 a second: 2,000 ms after the last write');
});
test('silence that a loop needs is part of it', () => { assert.equal(drainingOf([stage(['a'], 700)], [seen('a', 0, 0)]).ms, 700); });
test('a group that is behind and was not seen reading: unknown', () => {
  const d = drainingOf([stage(['a'])], [seen('a', 10, 0)]);
  assert.equal(d.ms, null);
  assert.match(d.figures.join(), /unknown/);
});
test('the forecast of the outage has a part for it, and for each stop as long as that one took', () => {
  const o = { copies: false, lagRecords: 0, partitions: 1, positions: 1, fences: 0, leftovers: false, transactionalIds: 0, stopsMs: [100] };
  const [one, three] = [forecast(o), forecast({ ...o, stopsMs: [100, 300, 9_000], waitMs: 2_000 })];
  assert.ok(three.ms > one.ms + 2_000 + 9_200 && three.ms < 3 * 9_000, `${one.ms} ${three.ms}`);
  assert.deepEqual(three.parts.find(([name]) => name === 'groups reading to the end'), ['groups reading to the end', 2_000]);
  const stops = (stopsMs: readonly (number | null)[]) => forecast({ ...o, stopsMs }).parts[0];
  assert.deepEqual([stops([100]), stops([100, 300, 9_000])], [['stop (as it took before)', 100], ['3 stops one after the other (as it took before)', 9_400]]);
  assert.deepEqual([stops([null]), stops([null, 900])], [['stop (not measured yet)', 300], ['2 stops one after the other (1 of them not measured yet)', 1_200]]);
});
