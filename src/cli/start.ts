/** `cutover start`: starts the workflow of a scheme for a migration file. */
import { WorkflowExecutionAlreadyStartedError } from '@temporalio/client';
import type { Command } from 'commander';
import { workflowIdOf, type Migration } from '../domain/migration.ts';
import type { SchemeName } from '../workflows/schemes/schemes.ts';
import { Stop, print, type ExitCode, type Io } from './io.ts';
import { readMigration, schemeNamed, schemeNames } from './migration-file.ts';
import { profileOf, withTemporalFlags, type TemporalFlags } from './options.ts';
import { planOffline, refusedOffline } from './plan.ts';
import type { Run } from './program.ts';
import { planMarkdown } from './render-plan.ts';
import { leftUndone } from './runs.ts';
import { watch } from './status.ts';
import { asking, awaitPollers, noWorker, uiLink, withTemporal, type Temporal } from './temporal.ts';

interface StartOptions extends TemporalFlags { readonly scheme: string; readonly watch?: boolean }

export function startCommand(program: Command, run: Run): void {
  withTemporalFlags(program.command('start').description('start a migration; it stops at its first hold and waits for you')
    .argument('<file>', 'migration, JSON or YAML')
    .requiredOption('-s, --scheme <name>', `one of ${schemeNames.join(', ')}`)
    .option('-w, --watch', 'follow it until it ends'))
    .action((file: string, options: StartOptions) => run((io) => start(io, file, options)));
}

async function start(io: Io, file: string, options: StartOptions): Promise<ExitCode> {
  const scheme = schemeNamed(options.scheme);
  const migration = await readMigration(file, scheme);
  const workflowId = workflowIdOf(migration);
  const refused = refusedOffline(planOffline(migration, scheme));
  if (refused !== null) throw new Stop(1, refused);
  return withTemporal(profileOf(options), async (t) => {
    const runId = await startWorkflow(t, { migration, scheme, taskQueue: options.taskQueue });
    const ui = uiLink(t, workflowId);
    print(io, options.json === true, { json: { workflowId, runId, taskQueue: options.taskQueue, namespace: t.namespace, address: t.address, ui }, text: startedText({ workflowId, ui }) });
    if ((await awaitPollers(t, options.taskQueue)).workflows.length === 0) io.err(`${noWorker(options.taskQueue)} Until then nothing happens.\n`);
    return options.watch === true ? watch(io, t, { workflowId, json: options.json === true }) : 0;
  });
}

const startedText = (x: { readonly workflowId: string; readonly ui: string | null }): string => [
  `started  ${x.workflowId}`,
  ...(x.ui === null ? [] : [`UI       ${x.ui}`]),
  `follow   cutover status ${x.workflowId} --watch`,
  `approve  cutover decide ${x.workflowId} approve`,
].join('\n');

/** 200 bytes are shown in lists. */
const longestSummary = 190;
const summaryOf = (m: Migration): string => `${m.name}: ${m.source} → ${m.target} (${m.applications.map((a) => a.name).join(', ')})`.slice(0, longestSummary);

async function startWorkflow(t: Temporal, x: { readonly migration: Migration; readonly scheme: SchemeName; readonly taskQueue: string }): Promise<string> {
  const { migration, view } = planOffline(x.migration, x.scheme);
  const workflowId = workflowIdOf(migration);
  const left = await leftUndone(t, workflowId);
  if (left !== null) throw new Stop(1, left);
  try {
    const handle = await asking(t, () => t.client.workflow.start(x.scheme, {
      workflowId, taskQueue: x.taskQueue, args: [x.migration],
      // A migration runs once; one that was rolled back (FAILED or CANCELED) may be started again. No timeouts: they would end it without undoing anything.
      workflowIdConflictPolicy: 'FAIL', workflowIdReusePolicy: 'ALLOW_DUPLICATE_FAILED_ONLY',
      staticSummary: summaryOf(migration), staticDetails: planMarkdown({ migration, plan: view, planHash: null }),
    }));
    return handle.firstExecutionRunId;
  } catch (error) {
    if (!(error instanceof WorkflowExecutionAlreadyStartedError)) throw error;
    const { status } = await asking(t, () => t.client.workflow.getHandle(workflowId).describe());
    throw new Stop(1, status.name === 'RUNNING'
      ? `${workflowId} is running already; a migration runs once. See cutover status ${workflowId}.`
      : `${workflowId} has run already and ended as ${status.name}; only one that was rolled back can be started again under its name. Give the migration a new "name".`);
  }
}
