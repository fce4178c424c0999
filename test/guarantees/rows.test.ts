/** Which rows there are, what a seed repeats, and what counts against a row. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { faultNames } from './faults.ts';
import { awaited, momentNames } from './moments.ts';
import { allRows, chanceOf, chosen, rowName, sample, ways } from './rows.ts';
import { faultsOf } from './table.ts';

const row = { scheme: 'stopRestartRepeat', way: 'back', moment: 'mark the cut', fault: 'kill worker' } as const;
const tally = { acknowledged: 10, lost: 0, duplicated: 0, reordered: 0, duties: [], writeOutageMs: 1_000 };
const well = { tally, outcome: 'completed', why: '', misplaced: [] } as const;

test('every fault strikes at every step that a scheme has, once', () => {
  assert.equal(new Set(allRows.map(rowName)).size, allRows.length);
  for (const way of ways) assert.equal(chosen({ scheme: 'stopRestartRepeat', way }).length, (momentNames.length - 1) * faultNames.length);
  assert.deepEqual(chosen({ scheme: 'producerFirst', way: 'forward', step: 'silence the mirror' }), []);
});

test('a seed draws the same rows and the same chance again, whichever rows run beside them', () => {
  assert.deepEqual(sample(allRows, 5, 7), sample(allRows, 5, 7));
  assert.notDeepEqual(sample(allRows, 5, 7), sample(allRows, 5, 8));
  const [a, b] = [chanceOf(row, 7), chanceOf(row, 7)];
  assert.deepEqual([a.set, a.leadMs, a.draw()], [b.set, b.leadMs, b.draw()]);
  assert.equal(chanceOf(row, 7, 'orders').set, 'orders');
  assert.equal(chanceOf({ ...row, moment: 'set positions' }, 7, 'orders').set, 'enriched', 'only its outage sets positions');
});

test('a step is known by the ledger key of its call, the opening by the journal that is recorded there', () => {
  assert.deepEqual(awaited('mark the cut', 'forward', 'orders-r1'), { activity: 'markCut', includes: 'cut orders-r1/outage/' });
  assert.deepEqual(awaited('record the opening', 'back', 'orders-r1'), { activity: 'remember', includes: '"opening":"back orders-r1/outage"' });
});

test('repeats count against a row only above what the fault does alone; losses, order and places always do', () => {
  assert.deepEqual(faultsOf(well, []), []);
  assert.deepEqual(faultsOf({ ...well, tally: { ...tally, duplicated: 3 } }, [{ ...tally, duplicated: 2 }, { ...tally, duplicated: 3 }]), []);
  assert.deepEqual(faultsOf({ ...well, tally: { ...tally, duplicated: 3 } }, [{ ...tally, duplicated: 2 }]), ['3 repeated, 2 by the fault alone']);
  assert.deepEqual(faultsOf({ ...well, tally: { ...tally, lost: 1, reordered: 2 }, misplaced: ['shop runs on source'] }, [{ ...tally, lost: 5 }]), ['1 lost', '2 out of order', 'shop runs on source']);
});
