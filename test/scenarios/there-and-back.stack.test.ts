/** After the openings: back, forward, back again in one run; and a workflow that is terminated, once inside an outage and once on its way back. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { test } from 'node:test';
import { promisify } from 'node:util';
import type { WorkflowHandle } from '@temporalio/client';
import type { Stage } from '../../demo/stage.ts';
import { random } from '../guarantees/draw.ts';
import { assertMoved, assertRunning, ended, isWriter, onward, operate, setScene, silences, startMigration } from './scene.ts';
import { progressOf } from './seen.ts';

const outage = { budgetMs: 10_000, undoReserveMs: 3_300 };
const last = 'finish/approve the finish';
/** Traffic has run on the target: some six hundred orders. */
const onTargetMs = 2_000;
const atLastHold = (handle: WorkflowHandle, stage: Stage): Promise<boolean> =>
  progressOf(stage, handle).then((p) => p.question?.name === last && Date.now() - p.question.sinceMs > onTargetMs, () => false);

/** `CUTOVER_TURNS` rollbacks after an opening in one run, at moments drawn with `CUTOVER_SEED`. */
const rollbacks = Number(process.env['CUTOVER_TURNS'] ?? 2);
/** After the first writer was told to start on the target. */
const longestAfterOpeningMs = 12_000;
/** Where a rollback stops before the last one, which leads to the start; drawn as well. */
const turningPoints = ['prepare', 'move audit'] as const;

test('the way back under live traffic: 0 lost, 0 twice, 0 out of order', async (t) => {
  await using resources = new AsyncDisposableStack();
  const stage = await setScene(resources);
  await t.test('forward, back, forward, back in one run', () => thereAndBack(stage));
  await t.test('terminated inside an outage, then on its way back, and recovered each time from the ledger', () => terminatedTwice(stage));
  await assertMoved(stage, 'source');
});

async function thereAndBack(stage: Stage): Promise<void> {
  const seed = Number(process.env['CUTOVER_SEED'] ?? Date.now() % 1_000_000);
  console.log(`  ${rollbacks} rollbacks, seed ${seed}`);
  const next = random(seed);
  const handle = await startMigration(stage, outage);
  for (let turn = 1; turn <= rollbacks; turn++) {
    const waitMs = Math.floor(next() * longestAfterOpeningMs);
    const to = turn === rollbacks ? null : (turningPoints[Math.floor(next() * turningPoints.length)] ?? null);
    const before = stage.supervisor.events.length;
    const openedMs = (): number | undefined => stage.supervisor.events.slice(before).find((e) => e.what === 'told to start' && e.side === 'target' && isWriter(e.application))?.atMs;
    await operate(stage, handle, (q) => (q.name === last ? null : onward(q)), 200_000, async () => { const at = openedMs(); return at !== undefined && Date.now() - at >= waitMs; });
    const at = await progressOf(stage, handle).catch(() => null);
    await handle.signal('rollback', { by: 'scenario', reason: 'there and back', ...(to === null ? {} : { to }) });
    console.log(`  rollback ${turn} ${waitMs} ms after the first opening, at ${at === null ? 'an unknown step' : `${at.unit} (${at.state})`}, ${to === null ? 'to the start' : `to ${to}`}`);
    if (to !== null) await operate(stage, handle, (q) => (q.kind === 'parked' ? null : onward(q)), 200_000, async () => (await progressOf(stage, handle)).question?.kind === 'parked');
  }
  await operate(stage, handle, onward, 300_000);
  await ended(handle, 'rolled-back');
  for (const s of silences(stage.supervisor.events)) console.log(`  ${s.application}: ${s.ms} ms from stop confirmed to start on the ${s.backOn}`);
  assertRunning(stage, 'source');
}

async function terminatedTwice(stage: Stage): Promise<void> {
  let handle = await startMigration(stage, outage);
  const { workflowId } = handle;
  const terminateWhen = async (moment: (state: string, unit: string) => boolean): Promise<void> => {
    let done = false;
    await operate(stage, handle, onward, 200_000, async () => {
      const p = await progressOf(stage, handle).catch(() => null);
      if (p === null || !moment(p.state, p.unit)) return false;
      await handle.terminate('the scenario');
      console.log(`  terminated at ${p.unit} (${p.state})`);
      done = true;
      return true;
    });
    assert.ok(done, 'the moment to terminate did not come');
    const env = { ...process.env, TEMPORAL_ADDRESS: stage.stack.temporal.address, TEMPORAL_NAMESPACE: stage.stack.temporal.namespace };
    const { stdout } = await promisify(execFile)(process.execPath, ['src/cli/main.ts', 'recover', workflowId, '--task-queue', stage.taskQueue], { env });
    console.log(stdout.trim().replace(/^/gm, '  '));
    handle = stage.client.workflow.getHandle(workflowId);
  };
  await terminateWhen((state, unit) => state === 'outage' && unit === 'cut enriched/outage');
  await operate(stage, handle, (q) => (q.name === last ? null : onward(q)), 200_000, () => atLastHold(handle, stage));
  await handle.signal('rollback', { by: 'scenario', reason: 'all the way back' });
  await terminateWhen((_state, unit) => unit.startsWith('back enriched/') || unit === '');
  await operate(stage, handle, (q) => (q.kind === 'parked' && q.answers.includes('rollback') ? 'rollback' : onward(q)), 200_000);
  await ended(handle, 'rolled-back');
  assertRunning(stage, 'source');
}
