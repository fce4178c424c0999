/** `cutover recover`: goes on from the ledger after a migration's workflow was terminated, timed out or was reset. */
import { defaultPayloadConverter, fromPayloadsAtIndex } from '@temporalio/common';
import type { WorkflowHandle } from '@temporalio/client';
import type { Command } from 'commander';
import { isSchemeName, type SchemeName } from '../workflows/schemes/schemes.ts';
import { Stop, print, type ExitCode, type Io } from './io.ts';
import { workflowIdFor } from './migration-file.ts';
import { profileOf, withTemporalFlags, type TemporalFlags } from './options.ts';
import type { Run } from './program.ts';
import { watch } from './status.ts';
import { asking, uiLink, withTemporal, type Temporal } from './temporal.ts';

interface RecoverOptions extends TemporalFlags { readonly watch?: boolean }

export function recoverCommand(program: Command, run: Run): void {
  withTemporalFlags(program.command('recover').description('go on from the ledger after the workflow was terminated: an outage is undone, a rollback finished, the rest asked')
    .argument('<id>', 'workflow id, or the migration file')
    .option('-w, --watch', 'follow it until it ends'))
    .action((id: string, options: RecoverOptions) => run((io) => recover(io, id, options)));
}

async function recover(io: Io, id: string, options: RecoverOptions): Promise<ExitCode> {
  const workflowId = await workflowIdFor(id);
  return withTemporal(profileOf(options), async (t) => {
    const before = await lastRun(t, workflowId);
    const handle = await asking(t, () => t.client.workflow.start(before.scheme, {
      workflowId, taskQueue: before.taskQueue, args: [before.input, { recover: before.run }],
      workflowIdConflictPolicy: 'FAIL', workflowIdReusePolicy: 'ALLOW_DUPLICATE_FAILED_ONLY', staticSummary: `Recovered: ${workflowId}`,
    }));
    const ui = uiLink(t, workflowId);
    print(io, options.json === true, {
      json: { workflowId, runId: handle.firstExecutionRunId, recovers: before.run, ui },
      text: [`recovering  ${workflowId}, which ended as ${before.ended}, from what run ${before.run} wrote to the ledgers`, `follow      cutover status ${workflowId} --watch`].join('\n'),
    });
    return options.watch === true ? watch(io, t, { workflowId, json: options.json === true }) : 0;
  });
}

interface LastRun { readonly scheme: SchemeName; readonly taskQueue: string; readonly input: unknown; readonly run: string; readonly ended: string }

/** The newest execution of this id: what it was started with, and under which run the ledgers know it. */
export async function lastRun(t: Temporal, workflowId: string): Promise<LastRun> {
  const handle: WorkflowHandle = t.client.workflow.getHandle(workflowId);
  const { status, type, taskQueue } = await asking(t, () => handle.describe());
  if (status.name === 'RUNNING' || status.name === 'PAUSED') throw new Stop(1, `${workflowId} is still running: steer it with cutover decide. Only if it was reset, terminate it first, then recover it.`);
  if (status.name === 'COMPLETED') throw new Stop(1, `${workflowId} is completed; there is nothing to recover.`);
  if (!isSchemeName(type)) throw new Stop(1, `${workflowId} is a workflow of type ${type}, which is no scheme of this version.`);
  const history = await asking(t, () => handle.fetchHistory());
  const started = history.events?.[0]?.workflowExecutionStartedEventAttributes;
  if (!started) throw new Stop(1, `Temporal no longer has the history of ${workflowId}. Start it by hand: temporal workflow start --type ${type} --workflow-id ${workflowId} --input @migration.json --input '{"recover":"<first run id>"}'; the run id is the first part of the keys in the ledger topic.`);
  const given = (i: number): unknown => fromPayloadsAtIndex(defaultPayloadConverter, i, started.input?.payloads);
  return { scheme: type, taskQueue, input: given(0), run: runOf(given(1)) ?? started.firstExecutionRunId ?? '', ended: status.name };
}

/** A run that was continued, or was itself recovered, carries the name under which the ledgers know it. */
function runOf(carried: unknown): string | null {
  if (carried === null || typeof carried !== 'object') return null;
  const known = 'recover' in carried ? carried.recover : 'run' in carried ? carried.run : null;
  return typeof known === 'string' ? known : null;
}
