/** Some rows of the guarantees, drawn anew each time and struck on one stack: `CUTOVER_SEED` repeats the draw. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { lend } from '../scenarios/lent.ts';
import { openHouse, rateOf } from './cast.ts';
import { line } from './report.ts';
import { chosen, noFault, sample, type Row } from './rows.ts';
import { series, type Ended } from './series.ts';

const rowsStruck = 4;
/** No further strike from then on; what is under way ends. */
const strikesForMs = 60_000;
/** Between a commit and a kill an application has read more than it committed: how much comes again is the fault's, and the full table compares it. */
const repeatsByItself = (row: Row, struck: string): boolean => row.fault.endsWith('broker') || (row.fault.endsWith('application') && struck !== noFault);

test('faults drawn at random strike steps drawn at random: nothing is lost, nothing out of order, and nothing read again but by the fault itself', async () => {
  const seed = Number(process.env['CUTOVER_SEED'] ?? Date.now() % 1_000_000);
  console.log(`  seed ${seed}`);
  const all = chosen({ scheme: 'stopRestartRepeat' }).filter((r) => r.fault !== noFault);
  const rows = sample(all, all.length, seed);
  const { stack } = await lend('sasl');
  const house = await openHouse({ lent: stack });
  try {
    const told: Ended[] = [];
    await series(house, {
      schemes: ['stopRestartRepeat'], rows, repeating: new Set(), quiet: () => [], alone: () => null, seed, untilMs: Date.now() + strikesForMs, least: 1, most: rowsStruck, strikes: 1, single: new Set(), say: () => undefined, closing: () => 'leave',
      ended: async (e) => { told.push(e); },
    });
    assert.ok(told.length > 0, 'no row was played to its end');
    for (const e of told) {
      const said = line(e, { alone: [] }, rateOf(1));
      console.log(said.replace(/^/gm, '  '));
      assert.ok(e.played, said);
      const { tally, struck, misplaced } = e.played;
      assert.deepEqual([tally.lost, tally.reordered, misplaced], [0, 0, []], `seed ${seed}: ${said}`);
      if (!repeatsByItself(e.row, struck)) assert.equal(tally.duplicated, 0, `seed ${seed}: ${said}`);
    }
  } finally {
    await house.close();
  }
});
