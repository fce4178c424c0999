/** Goes on from the journal in the ledger after the workflow that wrote it has ended without undoing anything. */
import { stepsOf, type Context, type Unit } from '../domain/scheme.ts';
import type { Answer } from '../domain/progress.ts';
import { ask } from './asking.ts';
import type { Run } from './engine.ts';
import { describeError } from './errors.ts';
import { asksFirst, awake, firm, ledgerRun } from './journal.ts';

/** Asked where what has no way back may have begun: until then a rollback was offered there. */
const closesAgain = '2026-11-23-closes-again';

/** Not while it is asked whether to try again, nor under another plan than the approved one: somebody has to say so first. */
export function mayTakeUp(run: Run): boolean {
  const { question, wantBack } = run.j;
  if (question?.kind !== 'plan-changed' || !run.runtime.patched(asksFirst)) return question?.kind !== 'failed';
  if (wantBack === null) return false;
  run.j.question = null; // a rollback answers it, and begins with what was under way
  return true;
}

/**
 * The journal was written before the unit at which it stands: whatever of it was begun is given an undo entry now, from the
 * pre-images in the ledger. An outage that had not opened undoes itself at once; a way back goes on; the rest is asked.
 */
export async function takeUp(run: Run): Promise<void> {
  const { j } = run;
  // An opening that failed, and that somebody was on the way back from, says nothing of the outage back.
  const opening = j.has[awake] === true && j.reverse !== null ? j.opening === run.at : j.opening !== null;
  const begun = opening || run.at === null ? null : run.unit();
  // What a first try recorded before it failed belongs to it as well.
  const known = j.has[awake] === true ? j.undos.findIndex((u) => u.unit === begun?.name) : -1;
  const mark = known === -1 ? j.undos.length : known;
  let figures: readonly string[] = [];
  try {
    if (begun && (j.direction === 'forward' || j.reverse)) for (const step of stepsOf(begun)) {
      if (step.kind !== 'change') continue;
      // What has no pre-image was not begun, and a cluster that is gone by now is not asked for one.
      await run.capture(begun, step, j.has[firm] === true ? 'recall' : undefined);
      run.record(begun, step);
    }
    const closed = mayHaveClosed(run, begun);
    if (closed && j.closedBy !== begun?.name) run.closeTheWay(String(begun?.name));
    const inOutage = begun?.step.kind === 'outage' && j.undos.length > mark;
    // Nobody can write: what stands where is told when they can again.
    if (!inOutage) figures = await whereabouts(run);
    j.recovering = false;
    run.log('recovered from the ledger');
    if (inOutage) { j.unwind = { to: mark, why: 'the workflow before this one ended inside it' }; return; }
    if (closed && !run.wantsBack) { park(run, `Recovered from the ledger at ${begun?.name}, which has no way back and may have begun. Retry goes on with it.`, ['retry'], figures); return; }
  } catch (error) {
    ask(run, { name: run.at ?? 'end', kind: 'failed', text: `What was under way could not be looked after: ${describeError(error)} Retry once that is mended; a rollback waits for it.`, answers: ['retry'], claims: [], figures: [], hash: null });
    return;
  }
  if (j.direction === 'back' || j.opening !== null || run.at === null || run.wantsBack) return;
  park(run, `Recovered from the ledger at ${run.at}. Retry goes forward from there; rollback undoes what was done.`, ['retry', 'rollback'], figures);
}

/** The journal is written once more when the way closes. In earlier runs it stands before that, and only who acted on it knows how far it came. */
function mayHaveClosed(run: Run, begun: Unit | null): boolean {
  const { j } = run;
  if (begun?.step.kind !== 'irreversible' || j.direction !== 'forward' || j.reverse !== null) return false;
  return j.has[firm] === true ? j.closedBy === begun.name : run.runtime.patched(closesAgain);
}
const park = (run: Run, text: string, answers: readonly Answer[], figures: readonly string[]): void => { ask(run, { name: run.at ?? 'end', kind: 'parked', text, answers, claims: [], figures, hash: null }); };

function whereabouts(run: Run): Promise<readonly string[]> {
  const { j } = run;
  const c: Context = { untilMs: null, limits: j.limits, run: ledgerRun(j), mode: 'plain', key: `${j.run}/recover/${j.runs}` };
  return run.work.whereabouts({ m: j.migration, c });
}
