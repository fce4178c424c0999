/** The runs that Temporal has of one migration: which one is meant, what it was started with, whether anything of it is left undone. */
import { defaultPayloadConverter, fromPayloadsAtIndex } from '@temporalio/common';
import { WorkflowNotFoundError, type WorkflowHandle } from '@temporalio/client';
import { isSchemeName, type SchemeName } from '../workflows/schemes/schemes.ts';
import { Stop } from './io.ts';
import { asking, awaitPollers, type Temporal } from './temporal.ts';

export interface EarlierRun { readonly scheme: SchemeName; readonly taskQueue: string; readonly input: unknown; readonly run: string; readonly ended: string }

/** What is to be done with a run of this migration; `run`: the id of any of its runs, without it the newest is meant. */
export interface Meant { readonly workflowId: string; readonly verb: 'recover' | 'reconcile'; readonly taskQueue: string; readonly run: string | undefined }

/** What the run that is meant was started with, and under which run the ledgers know it; there is a worker to go on with it. */
export async function earlierRun(t: Temporal, x: Meant): Promise<EarlierRun> {
  const gone = (error: unknown): unknown => (error instanceof WorkflowNotFoundError ? new Stop(1, forgottenText(x)) : error);
  const newest = await asking(t, () => t.client.workflow.getHandle(x.workflowId).describe()).catch((error: unknown) => { throw gone(error); });
  const handle: WorkflowHandle = t.client.workflow.getHandle(x.workflowId, x.run);
  const meant = x.run === undefined ? newest : await asking(t, () => handle.describe()).catch((error: unknown) => { throw gone(error); });
  // Of one that was started again under its name since, an earlier run can be reconciled all the same.
  const current = x.verb === 'recover' || firstOf(meant) === firstOf(newest) ? newest : meant;
  const refusal = refusedFor(x, current.status.name);
  if (refusal !== null) throw new Stop(1, refusal);
  const { type, taskQueue } = meant;
  if (!isSchemeName(type)) throw new Stop(1, `${x.workflowId} is a workflow of type ${type}, which is no scheme of this version.`);
  const { input, carried, firstRun } = await startOf(t, handle).catch((error: unknown) => { throw gone(error); });
  if (firstRun === null) throw new Stop(1, forgottenText({ ...x, taskQueue, scheme: type }));
  if ((await awaitPollers(t, taskQueue)).workflows.length === 0) throw new Stop(1, `No worker polls the task queue "${taskQueue}", on which ${x.workflowId} ran. Nothing was started. Start a worker (cutover worker --catalog …), then say it again.`);
  return { scheme: type, taskQueue, input, run: runOf(carried) ?? firstRun, ended: meant.status.name };
}

type Described = Awaited<ReturnType<WorkflowHandle['describe']>>;
/** A migration that continued as new is one chain of runs. */
const firstOf = (d: Described): string => d.raw.workflowExecutionInfo?.firstRunId ?? d.runId;

function refusedFor({ workflowId, verb }: Meant, status: string): string | null {
  const running = status === 'RUNNING' || status === 'PAUSED';
  if (!running && status !== 'COMPLETED') return null;
  if (verb === 'reconcile') return `${workflowId} is ${running ? 'still running' : 'completed'}; reconcile is for one that has ended as rolled back without the target. Of an earlier run of this name: --run <first run id>.`;
  return running
    ? `${workflowId} is still running: steer it with cutover decide. Only if it was reset, terminate it first, then recover it.`
    : `${workflowId} is completed; there is nothing to recover.`;
}

interface Began { readonly input: unknown; readonly carried: unknown; readonly firstRun: string | null; readonly remembered: boolean; readonly failure: string | null }
async function startOf(t: Temporal, handle: WorkflowHandle): Promise<Began> {
  const events = (await asking(t, () => handle.fetchHistory())).events ?? [];
  const started = events[0]?.workflowExecutionStartedEventAttributes;
  const given = (i: number): unknown => fromPayloadsAtIndex(defaultPayloadConverter, i, started?.input?.payloads);
  return {
    input: given(0), carried: given(1), firstRun: started ? started.firstExecutionRunId ?? '' : null,
    remembered: events.some((e) => e.activityTaskScheduledEventAttributes?.activityType?.name === 'remember'),
    failure: events.at(-1)?.workflowExecutionFailedEventAttributes?.failure?.applicationFailureInfo?.type ?? null,
  };
}

/** A run that was continued, or was itself recovered, carries the name under which the ledgers know it. */
function runOf(carried: unknown): string | null {
  if (carried === null || typeof carried !== 'object') return null;
  const known = 'recover' in carried ? carried.recover : 'run' in carried ? carried.run : null;
  return typeof known === 'string' ? known : null;
}

/**
 * Why no new run may begin: an earlier one ended without undoing what it had done. `null`: everything was undone, or nothing done.
 * A run that was refused wrote nothing, and says nothing of those before it.
 */
export async function leftUndone(t: Temporal, workflowId: string): Promise<string | null> {
  const newest = await known(asking(t, () => t.client.workflow.getHandle(workflowId).describe()));
  if (newest === null) return null;
  const older = await asking(t, async () => {
    const found: string[] = [];
    for await (const { runId } of t.client.workflow.list({ query: `WorkflowId = '${workflowId}'` })) if (runId !== newest.runId) found.push(runId);
    return found;
  });
  for (const [n, runId] of [newest.runId, ...older].entries()) {
    const handle: WorkflowHandle = t.client.workflow.getHandle(workflowId, runId);
    const status = (await known(asking(t, () => handle.describe())))?.status.name; // what lists say is behind by a moment
    if (status === undefined || status === 'CONTINUED_AS_NEW') continue; // gone; or followed by one that is looked at
    if (status !== 'TERMINATED' && status !== 'TIMED_OUT' && status !== 'FAILED') return null;
    const how = await known(startOf(t, handle));
    if (how === null) continue;
    if (how.failure === 'RolledBack') return null;
    const run = runOf(how.carried) ?? how.firstRun ?? runId;
    const goesOn = how.carried !== null && how.carried !== undefined && (status !== 'FAILED' || !('recover' in Object(how.carried)));
    if (goesOn || how.remembered) return `${workflowId} ended as ${status}: nothing was undone. cutover recover ${workflowId}${n === 0 ? '' : ` --run ${run}`} goes on from what is in the ledger; a new start would stand on what was left.`;
  }
  return null;
}

/** `null`: Temporal no longer has it. */
const known = <T>(asked: Promise<T>): Promise<T | null> => asked.catch((error: unknown) => { if (error instanceof WorkflowNotFoundError) return null; throw error; });

interface ByHand extends Omit<Meant, 'run'> { readonly scheme?: string; readonly run?: string | undefined }
const forgottenText = (x: ByHand): string => [
  `Temporal has no history of ${x.workflowId}${x.run === undefined ? '' : `, run ${x.run}`}: it keeps one for the retention of the namespace after its end, no longer. What was done is in the ledger (topic __cutover.ledger on each cluster; its keys begin with the first run id):`,
  ...byHand(x).map((line) => `  ${line}`),
].join('\n');

/** What `temporal` needs for the same. It takes either --input or --input-file, so that both arguments come from files. */
function byHand(x: ByHand): readonly string[] {
  const { scheme = '<scheme>', run = '<first run id>' } = x;
  const start = (type: string, workflowId: string, second: string): string =>
    `temporal workflow start --type ${type} --task-queue ${x.taskQueue} --workflow-id ${workflowId} --input-file migration.json --input-file ${second} --id-conflict-policy Fail --id-reuse-policy AllowDuplicateFailedOnly --fail-existing`;
  return x.verb === 'recover'
    ? [`printf '{"recover":"${run}"}' > recover.json`, start(scheme, x.workflowId, 'recover.json')]
    : [`printf '{"run":"${run}","scheme":"${scheme}"}' > run.json`, start('reconcile', reconcileId(x.workflowId, 'by-hand'), 'run.json')];
}
export const reconcileId = (workflowId: string, n: string): string => `${workflowId.replace(/^cutover\//, 'cutover-reconcile/')}/${n}`;
