/** The workflow behind `cutover verify`: compares two clusters record by record, once or until stopped, in turns that survive anything. */
import {
  ActivityCancellationType, ApplicationFailure, allHandlersFinished, condition, isCancellation, makeContinueAsNewFunc, patched,
  proxyActivities, setCurrentDetails, setHandler, workflowInfo,
} from '@temporalio/workflow';
import type { VerifyTurn, VerifyWork } from '../activities/verify-work.ts';
import { countsText, differing, noCounts } from '../domain/diff/difference.ts';
import { Failure } from '../domain/failures.ts';
import { parseVerification, type VerifyProgress, type VerifyResult } from '../domain/verification.ts';
import { describeError } from './errors.ts';
import { stopVerify, verifyProgress } from './verify-messages.ts';

const options = {
  heartbeatTimeout: '5s', cancellationType: ActivityCancellationType.TRY_CANCEL,
  retry: { initialInterval: '500ms', backoffCoefficient: 2, maximumInterval: '15s', maximumAttempts: 30 },
} as const;
const short = proxyActivities<VerifyWork>({ ...options, startToCloseTimeout: '5 minutes' });
const turns = proxyActivities<VerifyWork>({ ...options, startToCloseTimeout: '1 hour' });

/** Short at first, so that the first figures are there soon. */
const firstTurnMs = 2_000;
const turnMs = 10_000;
/** A turn that is not the first ends later while something of it can only be kept whole; below what a call may take. */
const longestMs = 50 * 60_000;
/** How long a comparison rests when it has caught up with the mirror, or nothing came of a turn. */
const restMs = 2_000;
/** Runs begun before rest only where they have caught up. */
const restsIdle = '2026-11-23-verify-rests';

/** What a run hands to the next: nothing that the ledger does not have, but for the picture people see. */
interface Carried { readonly progress: VerifyProgress; readonly stopping: boolean; readonly tookMs: number }
const nothing: VerifyProgress = { state: 'comparing', total: 'unknown', done: 0, perSecond: 'unknown', etaMs: 'unknown', partitions: 0, partitionsDone: 0, counts: noCounts, passes: 0, say: 'Looking at both clusters.' };

export async function verify(input: unknown, carried?: unknown): Promise<VerifyResult> {
  try {
    return await run(input, carried);
  } catch (error) {
    if (isCancellation(error) || (error instanceof Error && error.name === 'ContinueAsNew')) throw error;
    if (error instanceof Failure) throw ApplicationFailure.nonRetryable(error.message, error.type);
    const type = innermostType(error);
    throw ApplicationFailure.nonRetryable(describeError(error), type);
  }
}
function innermostType(error: unknown): string {
  for (let e: unknown = error; e instanceof Error; e = e.cause) if (e instanceof ApplicationFailure && typeof e.type === 'string') return e.type;
  return 'Error';
}

async function run(input: unknown, carried: unknown): Promise<VerifyResult> {
  const v = parseVerification(input);
  const info = workflowInfo();
  const x = { v, run: info.firstExecutionRunId };
  const before = (carried ?? null) as Carried | null;
  let progress = before?.progress ?? nothing;
  let stopping = before?.stopping ?? false;
  let tookMs = before?.tookMs ?? 0;
  setHandler(verifyProgress, () => ({ ...progress, state: stopping && progress.state !== 'completed' ? 'stopping' : progress.state }), { description: 'How far the comparison is, exactly, and what differs so far' });
  setHandler(stopVerify, () => { stopping = true; }, { description: 'End a live comparison; the result says how far it came: {"by":"you"}' });
  const live = v.live === 'until-stopped';
  const rests = patched(restsIdle);
  if (before === null) progress = { ...progress, partitions: (await short.verifyPlan(x)).partitions };
  for (;;) {
    if (stopping) break;
    const startedDone = progress.done;
    const length = progress.total === 'unknown' ? { turnMs: firstTurnMs, longestMs: firstTurnMs } : { turnMs, longestMs };
    const turn = await turns.verifyTurn({ ...x, ends: live ? 'now' : 'planned', ...length });
    tookMs += turn.tookMs;
    progress = told(turn, { passes: progress.passes + (turn.settled ? 1 : 0), tookMs, fresh: turn.done - startedDone, live });
    setCurrentDetails(page(progress, v, turn.undecided));
    if (turn.settled && !live) break;
    if (turn.settled || (rests && turn.moved === false)) await condition(() => stopping, restMs);
    if (workflowInfo().historyLength > v.limits.historyEvents || workflowInfo().continueAsNewSuggested) {
      await condition(allHandlersFinished);
      await makeContinueAsNewFunc<typeof verify>()(input, { progress, stopping, tookMs } satisfies Carried);
    }
  }
  const result = await short.verifyResult(x);
  progress = { ...progress, state: 'completed', counts: result.counts, say: result.say };
  // Of what was not compared to its end, or could not be told, it is not said that nothing differs.
  setCurrentDetails(page(progress, v, result.same ? 0 : 1));
  await condition(allHandlersFinished);
  return result;
}

function told(turn: VerifyTurn, x: { readonly passes: number; readonly tookMs: number; readonly fresh: number; readonly live: boolean }): VerifyProgress {
  // Of this turn while there is more to come; over everything once it has caught up.
  const perSecond = turn.tookMs >= 100 && x.fresh > 0 ? Math.round(x.fresh / turn.tookMs * 1_000) : x.tookMs > 0 ? Math.round(turn.done / x.tookMs * 1_000) : 0;
  return {
    state: x.live && turn.settled ? 'waiting' : 'comparing', total: turn.total, done: turn.done, perSecond: perSecond === 0 ? 'unknown' : perSecond,
    etaMs: turn.settled ? 0 : perSecond === 0 ? 'unknown' : Math.round((turn.total - turn.done) / perSecond * 1_000),
    partitions: turn.partitions, partitionsDone: turn.partitionsDone, counts: turn.counts, passes: x.passes, say: turn.say,
  };
}

function page(p: VerifyProgress, v: { readonly source: string; readonly target: string; readonly live: string }, undecided = 0): string {
  const eta = p.etaMs === 'unknown' ? 'unknown' : `${Math.ceil(p.etaMs / 1_000)} s`;
  return [
    `**${p.state}**: ${v.source} against ${v.target}`, '', p.say, '',
    `- ${p.done} of ${p.total} offsets, ${p.perSecond} per second, ETA ${eta}`,
    `- ${p.partitionsDone} of ${p.partitions} partitions settled`,
    ...(undecided === 0 || differing(p.counts) > 0 ? [`- ${differing(p.counts) === 0 ? 'nothing differs so far' : countsText(p.counts)}`] : []),
    ...(v.live === 'until-stopped' ? ['', 'Runs until it is sent the signal `stop`.'] : []),
  ].join('\n');
}
