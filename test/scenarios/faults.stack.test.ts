/**
 * One shop under live traffic while things go wrong, one after the other: each migration but the last ends where it began, so that
 * the next one finds everybody on the source again.
 */
import { test } from 'node:test';
import { killed } from './kill-worker.ts';
import { outageFails } from './outage.ts';
import { assertKept, assertMoved, setScene } from './scene.ts';
import { terminatedTwice, thereAndBack } from './there-and-back.ts';

const turns = [
  ['an activity hangs past its time in an outage and writes late, then the worker is killed there: producers return to the source', outageFails],
  ['forward, back, forward, back in one run', thereAndBack],
  ['terminated inside an outage, then on its way back, and recovered each time from the ledger', terminatedTwice],
  ['the worker is killed five times and the Temporal server once: the migration completes', killed],
] as const;

test('under live traffic, whatever goes wrong: 0 lost, 0 twice, 0 out of order', async (t) => {
  await using resources = new AsyncDisposableStack();
  const stage = await setScene(resources);
  for (const [name, play] of turns) await t.test(name, async () => {
    await play(stage);
    await assertKept(stage);
  });
  await assertMoved(stage, 'target');
});
