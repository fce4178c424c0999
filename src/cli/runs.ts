/** The runs that Temporal has of one migration: what the one that is meant was started with, and the way without Temporal's help. */
import { defaultPayloadConverter, fromPayloadsAtIndex } from '@temporalio/common';
import { WorkflowNotFoundError, type WorkflowHandle } from '@temporalio/client';
import { isSchemeName, type SchemeName } from '../workflows/schemes/schemes.ts';
import { Stop } from './io.ts';
import { asking, type Temporal } from './temporal.ts';

export interface LastRun { readonly scheme: SchemeName; readonly taskQueue: string; readonly input: unknown; readonly run: string; readonly ended: string }

/** What is to be done with a run of this migration. */
export interface Meant { readonly workflowId: string; readonly verb: 'recover' | 'reconcile'; readonly taskQueue: string }

/** The newest execution of this id: what it was started with, and under which run the ledgers know it. */
export async function lastRun(t: Temporal, x: Meant): Promise<LastRun> {
  const { workflowId } = x;
  const handle: WorkflowHandle = t.client.workflow.getHandle(workflowId);
  const { status, type, taskQueue } = await asking(t, () => handle.describe()).catch((error: unknown) => { throw forgotten(error, x); });
  if (status.name === 'RUNNING' || status.name === 'PAUSED') throw new Stop(1, `${workflowId} is still running: steer it with cutover decide. Only if it was reset, terminate it first, then recover it.`);
  if (status.name === 'COMPLETED') throw new Stop(1, `${workflowId} is completed; there is nothing to recover.`);
  if (!isSchemeName(type)) throw new Stop(1, `${workflowId} is a workflow of type ${type}, which is no scheme of this version.`);
  const history = await asking(t, () => handle.fetchHistory()).catch((error: unknown) => { throw forgotten(error, x); });
  const started = history.events?.[0]?.workflowExecutionStartedEventAttributes;
  if (!started) throw new Stop(1, forgottenText({ ...x, taskQueue, scheme: type }));
  const given = (i: number): unknown => fromPayloadsAtIndex(defaultPayloadConverter, i, started.input?.payloads);
  return { scheme: type, taskQueue, input: given(0), run: runOf(given(1)) ?? started.firstExecutionRunId ?? '', ended: status.name };
}

/** A run that was continued, or was itself recovered, carries the name under which the ledgers know it. */
function runOf(carried: unknown): string | null {
  if (carried === null || typeof carried !== 'object') return null;
  const known = 'recover' in carried ? carried.recover : 'run' in carried ? carried.run : null;
  return typeof known === 'string' ? known : null;
}

const forgotten = (error: unknown, x: Meant): unknown => (error instanceof WorkflowNotFoundError ? new Stop(1, forgottenText(x)) : error);

interface ByHand extends Meant { readonly scheme?: string; readonly run?: string }
const forgottenText = (x: ByHand): string => [
  `Temporal has no history of ${x.workflowId}: it keeps one for the retention of the namespace after its end, no longer. What was done is in the ledger (topic __cutover.ledger on each cluster; its keys begin with the first run id):`,
  ...byHand(x).map((line) => `  ${line}`),
].join('\n');

/** What `temporal` needs for the same. It takes either --input or --input-file, so that both arguments come from files. */
export function byHand(x: ByHand): readonly string[] {
  const { scheme = '<scheme>', run = '<first run id>' } = x;
  const start = (type: string, workflowId: string, second: string): string =>
    `temporal workflow start --type ${type} --task-queue ${x.taskQueue} --workflow-id ${workflowId} --input-file migration.json --input-file ${second} --id-conflict-policy Fail --id-reuse-policy AllowDuplicateFailedOnly --fail-existing`;
  return x.verb === 'recover'
    ? [`printf '{"recover":"${run}"}' > recover.json`, start(scheme, x.workflowId, 'recover.json')]
    : [`printf '{"run":"${run}","scheme":"${scheme}"}' > run.json`, start('reconcile', reconcileId(x.workflowId, 'by-hand'), 'run.json')];
}
export const reconcileId = (workflowId: string, n: string): string => `${workflowId.replace(/^cutover\//, 'cutover-reconcile/')}/${n}`;
