/** Cutover's worker and Temporal's server die at random moments of a migration under live traffic. */
import { test } from 'node:test';
import type { WorkflowHandle } from '@temporalio/client';
import type { Stage } from '../../demo/stage.ts';
import type { Progress } from '../../src/domain/progress.ts';
import { random } from '../guarantees/draw.ts';
import { assertMoved, ended, onward, operate, setScene, silences, startMigration } from './scene.ts';
import { progressOf } from './seen.ts';

/** `CUTOVER_SEED` repeats the choices of a run. */
const kills = 5;
/** After the step before it was seen to be done, ms. */
const longestPauseMs = 1_000;

async function once(stage: Stage, handle: WorkflowHandle, moment: (p: Progress) => boolean): Promise<Progress> {
  for (const end = Date.now() + 120_000; Date.now() < end; await new Promise((r) => setTimeout(r, 50))) {
    const p = await progressOf(stage, handle).catch(() => null);
    if (p !== null && p.total > 0 && moment(p)) return p;
  }
  throw new Error('The moment of a kill did not come within 120 s.');
}

test('the worker is killed five times and the Temporal server once: the migration completes, 0 lost, 0 twice, 0 out of order', async () => {
  await using resources = new AsyncDisposableStack();
  const stage = await setScene(resources);
  const seed = Number(process.env['CUTOVER_SEED'] ?? Date.now() % 1_000_000);
  console.log(`  seed ${seed}`);
  const next = random(seed);
  const handle = await startMigration(stage, { budgetMs: 10_000, undoReserveMs: 3_300 });
  const [server, ...shares] = [Math.floor(next() * kills), ...Array.from({ length: kills }, next).sort((a, b) => a - b)];
  let killing = true;
  const kill = async (): Promise<void> => {
    const last = (await once(stage, handle, () => true)).units.findIndex((u) => u.name.startsWith('finish/'));
    for (const [i, share] of shares.entries()) {
      const from = Math.floor(share * last);
      await once(stage, handle, (p) => p.done >= from);
      await new Promise((r) => setTimeout(r, next() * longestPauseMs));
      const p = await progressOf(stage, handle).catch(() => null);
      console.log(`  kill ${i + 1} of the worker${i === server ? ' and of the Temporal server' : ''}, at ${p === null ? 'an unknown step' : `${p.unit} (${p.state})`}`);
      await Promise.all([stage.worker.restart('killed'), ...(i === server ? [stage.stack.temporal.restart('killed')] : [])]);
    }
    killing = false;
  };
  await Promise.all([
    kill(),
    // The last hold waits for the last kill, so that every kill falls into the migration.
    operate(stage, handle, (q) => (q.name.startsWith('finish/') && killing ? null : onward(q)), 300_000),
  ]);
  await ended(handle, 'completed');
  for (const s of silences(stage.supervisor.events)) console.log(`  ${s.application}: ${s.ms} ms from stop confirmed to start on the ${s.backOn}`);
  await assertMoved(stage, 'target');
});
