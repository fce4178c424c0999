/** `cutover reconcile`: names the records that a rollback without the target left there; exit code 1 when there are any. */
import { randomUUID } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import type { Command } from 'commander';
import type { Reconciliation } from '../domain/reconciliation.ts';
import type { reconcile } from '../workflows/reconcile.ts';
import { print, type ExitCode, type Io } from './io.ts';
import { workflowIdFor } from './migration-file.ts';
import { profileOf, withTemporalFlags, type TemporalFlags } from './options.ts';
import type { Run } from './program.ts';
import { earlierRun, reconcileId } from './runs.ts';
import { asking, withTemporal } from './temporal.ts';

interface ReconcileOptions extends TemporalFlags { readonly out?: string; readonly run?: string }
/** Lines on a terminal; a file takes all that are listed. */
const mostPrinted = 50;

export function reconcileCommand(program: Command, run: Run): void {
  withTemporalFlags(program.command('reconcile').description('after a rollback without the target, when it is back: name the records that never came back; merges nothing (exit code 0 only if there are none)')
    .argument('<id>', 'workflow id, or the migration file')
    .option('--run <id>', 'the first run id of the one that is meant (without it: the newest)')
    .option('-o, --out <file>', 'write partitions, offsets and counts to this file, JSON, one run of records a line'))
    .action((id: string, options: ReconcileOptions) => run((io) => show(io, id, options)));
}

async function show(io: Io, id: string, options: ReconcileOptions): Promise<ExitCode> {
  const workflowId = await workflowIdFor(id);
  return withTemporal<ExitCode>(profileOf(options), async (t) => {
    const before = await earlierRun(t, { workflowId, verb: 'reconcile', taskQueue: options.taskQueue, run: options.run });
    const handle = await asking(t, () => t.client.workflow.start<typeof reconcile>('reconcile', {
      workflowId: reconcileId(workflowId, randomUUID().slice(0, 8)), taskQueue: before.taskQueue,
      args: [before.input, { run: before.run, scheme: before.scheme }], staticSummary: `what ${workflowId} left on its target`,
    }));
    io.err(`reconciling  ${handle.workflowId}\n`);
    const answer = await handle.result();
    if (options.out !== undefined) await writeFile(options.out, linesOf(answer).map((line) => `${JSON.stringify(line)}\n`).join(''));
    print(io, options.json === true, { json: answer, text: textOf(answer, options.out) });
    return answer.records === 0 && answer.partitions.every((p) => p.undecided === 0) ? 0 : 1;
  });
}

const linesOf = (r: Reconciliation): readonly object[] => r.partitions.flatMap(({ partition, runs }) => runs.map((run) => ({ cluster: r.target, partition, ...run })));
function textOf(r: Reconciliation, out: string | undefined): string {
  const lines = r.partitions.flatMap((p) => p.runs.map((run) => `  ${p.partition}  offsets ${run.from} to ${run.to}  ${run.records} ${run.records === 1 ? 'record' : 'records'}`));
  return [
    r.say, ...lines.slice(0, mostPrinted), ...(lines.length > mostPrinted ? [`  and ${lines.length - mostPrinted} more runs of records`] : []),
    ...(r.listed === 'all' ? [] : ['  more runs than are listed; the counts are exact']), ...(out === undefined ? [] : [`written to ${out}`]), '',
  ].join('\n');
}
