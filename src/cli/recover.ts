/** `cutover recover`: goes on from the ledger after a migration's workflow was terminated, timed out or was reset. */
import type { Command } from 'commander';
import { print, type ExitCode, type Io } from './io.ts';
import { workflowIdFor } from './migration-file.ts';
import { profileOf, withTemporalFlags, type TemporalFlags } from './options.ts';
import type { Run } from './program.ts';
import { earlierRun } from './runs.ts';
import { watch } from './status.ts';
import { asking, uiLink, withTemporal } from './temporal.ts';

interface RecoverOptions extends TemporalFlags { readonly watch?: boolean; readonly run?: string }

export function recoverCommand(program: Command, run: Run): void {
  withTemporalFlags(program.command('recover').description('go on from the ledger after the workflow was terminated: an outage is undone, a rollback finished, the rest asked')
    .argument('<id>', 'workflow id, or the migration file')
    .option('--run <id>', 'the first run id of the one that is meant (without it: the newest)')
    .option('-w, --watch', 'follow it until it ends'))
    .action((id: string, options: RecoverOptions) => run((io) => recover(io, id, options)));
}

async function recover(io: Io, id: string, options: RecoverOptions): Promise<ExitCode> {
  const workflowId = await workflowIdFor(id);
  return withTemporal(profileOf(options), async (t) => {
    const before = await earlierRun(t, { workflowId, verb: 'recover', taskQueue: options.taskQueue, run: options.run });
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
