/** Goes on from the journal in the ledger after the workflow that wrote it has ended without undoing anything. */
import { stepsOf, type Context } from '../domain/scheme.ts';
import { ask } from './asking.ts';
import type { Run } from './engine.ts';
import { describeError } from './errors.ts';
import { ledgerRun } from './journal.ts';

/**
 * The journal was written before the unit at which it stands: whatever of it was begun is given an undo entry now, from the
 * pre-images in the ledger. An outage that had not opened undoes itself at once; a way back goes on; the rest is asked.
 */
export async function takeUp(run: Run): Promise<void> {
  const { j } = run;
  const begun = j.opening !== null || run.at === null ? null : run.unit();
  const mark = j.undos.length;
  let figures: readonly string[] = [];
  try {
    if (begun && (j.direction === 'forward' || j.reverse)) for (const step of stepsOf(begun)) {
      if (step.kind !== 'change') continue;
      await run.capture(begun, step);
      run.record(begun, step);
    }
    const inOutage = begun?.step.kind === 'outage' && j.undos.length > mark;
    // Nobody can write: what stands where is told when they can again.
    if (!inOutage) figures = await whereabouts(run);
    j.recovering = false;
    run.log('recovered from the ledger');
    if (inOutage) { j.unwind = { to: mark, why: 'the workflow before this one ended inside it' }; return; }
  } catch (error) {
    ask(run, { name: run.at ?? 'end', kind: 'failed', text: `What was under way could not be looked after: ${describeError(error)}`, answers: ['retry'], claims: [], figures: [], hash: null });
    return;
  }
  if (j.direction === 'back' || j.opening !== null || run.at === null) return;
  ask(run, { name: run.at, kind: 'parked', text: `Recovered from the ledger at ${run.at}. Retry goes forward from there; rollback undoes what was done.`, answers: ['retry', 'rollback'], claims: [], figures, hash: null });
}

function whereabouts(run: Run): Promise<readonly string[]> {
  const { j } = run;
  const c: Context = { untilMs: null, limits: j.limits, run: ledgerRun(j), mode: 'plain', key: `${j.run}/recover/${j.runs}` };
  return run.work.whereabouts({ m: j.migration, c });
}
