/**
 * One shop under live traffic and its migrations, one after the other: each is rolled back, from inside its first outage or after
 * its openings, so that the next one finds everybody on the source again. The forward way is part of each way back. The last one
 * has none, and stays. Consumers first have a scenario of their own (`apart`), blue/green too.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { WorkflowHandle } from '@temporalio/client';
import { cutsOf } from '../../src/domain/migration.ts';
import { assertKept, assertMoved, assertRunning, ended, isWriter, onward, operate, setScene, startMigration } from './scene.ts';

const last = 'finish/approve the finish';
/** Traffic has run on the target: some six hundred orders. */
const onTargetMs = 2_000;
const outageOf = (scheme: string) => (cutsOf(scheme).cuts === undefined ? { budgetMs: 10_000, undoReserveMs: 3_300 } : { budgetMs: 30_000, undoReserveMs: 10_000 });
const turns = [
  ['stopRestartRepeat', 'from inside its first outage'], ['producerFirst', 'from inside its first outage'],
  ['producerFirst', 'after its openings'], ['stopWaitRestart', 'after its openings'], ['dualConsume', 'after its openings'],
] as const;

test('each scheme is rolled back under live traffic, from inside its first outage or after its openings, and the last one stays: 0 lost, 0 twice', async (t) => {
  await using resources = new AsyncDisposableStack();
  const struck: { next: WorkflowHandle | null } = { next: null };
  // Inside the outage and before the stop is confirmed: the rollback arrives before anything could open.
  const stopped = async (application: string): Promise<void> => {
    const handle = isWriter(application) ? struck.next : null;
    if (handle === null) return;
    struck.next = null;
    await handle.signal('rollback', { by: 'scenario', reason: `while ${application} was stopped` });
  };
  const stage = await setScene(resources, { stopped });
  for (const [scheme, from] of turns) await t.test(`${scheme}, ${from}`, async () => {
    const openings = (): number => stage.supervisor.events.filter((e) => e.what === 'told to start' && e.side === 'target' && isWriter(e.application)).length;
    const before = openings();
    const handle = await startMigration(stage, outageOf(scheme), scheme);
    if (from === 'from inside its first outage') struck.next = handle;
    await operate(stage, handle, (q) => (q.name !== last ? onward(q) : Date.now() - q.sinceMs < onTargetMs ? null : 'rollback'), 240_000);
    await ended(handle, 'rolled-back');
    assertRunning(stage, 'source');
    assert.equal(openings() > before, from === 'after its openings', 'whether writers were started on the target');
    await assertKept(stage, scheme === 'dualConsume' ? 'measured' : 'kept');
  });
  await t.test('producerFirst without a way back, to its end', async () => {
    const handle = await startMigration(stage, outageOf('producerFirst'), 'producerFirst', { connectBack: null });
    await operate(stage, handle, (q) => {
      // Nothing fails here: what consumers find is what was written behind the cut.
      assert.equal(q.kind, 'hold', q.text);
      return 'approve';
    }, 240_000);
    await ended(handle, 'completed');
    assert.match((await handle.query<{ readonly wayBack: string }>('progress')).wayBack, /^closed by /);
  });
  // Two sets that read at once do not promise the order; until then it was kept.
  await assertMoved(stage, 'target', 'measured');
});
