/** Strikes at what several migrations share. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { FaultName } from './faults.ts';
import { Strikes, type Chosen } from './strikes.ts';

function rehearsed() {
  const heard: string[] = [];
  let mend = (): void => undefined;
  const mended = new Promise<void>((resolve) => { mend = resolve; });
  const chosen = (fault: FaultName, leadMs: number | null): Chosen => ({ fault, leadMs, strike: { hit: async () => { heard.push(`hit: ${fault}`); }, mend: () => mended, who: () => 'worker' } });
  return { heard, mend, chosen };
}

test('whoever comes to a step while others are awaited is struck too, once; whoever comes later or for another fault is not', async () => {
  const { heard, mend, chosen } = rehearsed();
  const strikes = new Strikes();
  const other = {};
  strikes.expect(other);
  const first = strikes.join(chosen('kill worker', null), () => { heard.push('first goes'); });
  assert.equal(strikes.fault, 'kill worker');
  assert.equal(strikes.join(chosen('pause worker', null), () => { heard.push('wrong'); }), null);
  strikes.forget(other);
  const second = strikes.join(chosen('kill worker', 20), () => { heard.push('second goes'); });
  assert.equal(first, second);
  await first?.struck;
  assert.deepEqual(heard, ['hit: kill worker', 'first goes', 'second goes'], 'before the step of either, as the first one drew it');
  assert.equal(strikes.join(chosen('kill worker', null), () => { heard.push('late'); }), null);
  mend();
  await strikes.calm();
  assert.deepEqual([strikes.fault, strikes.count], [null, 1]);
});

test('a strike into a step lets it begin first; what could not be mended is heard by all, and the next strike is free', async () => {
  const heard: string[] = [];
  const strikes = new Strikes();
  const broken: Chosen = { fault: 'kill Temporal', leadMs: 5, strike: { hit: async () => { heard.push('hit'); }, mend: () => Promise.reject(new Error('it does not start')), who: () => 'Temporal' } };
  const joint = strikes.join(broken, () => { heard.push('goes'); });
  await assert.rejects(joint?.mended ?? Promise.resolve(), /does not start/);
  assert.deepEqual(heard, ['goes', 'hit']);
  assert.equal(strikes.fault, null);
});
