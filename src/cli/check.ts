/** `cutover check`: asks the clusters, writes nothing, and prints what a migration would find and do. */
import { randomUUID } from 'node:crypto';
import type { Command } from 'commander';
import type { Inventory } from '../domain/migration.ts';
import type { assess, Assessed } from '../workflows/assess.ts';
import { Stop, print, type ExitCode, type Io } from './io.ts';
import { readMigration, schemeNamed, schemeNames } from './migration-file.ts';
import { profileOf, withTemporalFlags, type TemporalFlags } from './options.ts';
import { planOffline } from './plan.ts';
import type { Run } from './program.ts';
import { plain, planText } from './render-plan.ts';
import { asking, awaitPollers, noWorker, withTemporal } from './temporal.ts';

interface CheckOptions extends TemporalFlags { readonly scheme: string }
/** Reads only, so a limit does no harm. */
const longestMs = 15 * 60_000;

export function checkCommand(program: Command, run: Run): void {
  withTemporalFlags(program.command('check').description('ask both clusters whether a migration can run, and print its plan and hash; writes nothing')
    .argument('<file>', 'migration, JSON or YAML')
    .requiredOption('-s, --scheme <name>', `one of ${schemeNames.join(', ')}`))
    .action((file: string, options: CheckOptions) => run((io) => check(io, file, options)));
}

async function check(io: Io, file: string, options: CheckOptions): Promise<ExitCode> {
  const scheme = schemeNamed(options.scheme);
  const migration = await readMigration(file, scheme);
  const { source, target, name } = migration;
  return withTemporal<ExitCode>(profileOf(options), async (t) => {
    if ((await awaitPollers(t, options.taskQueue)).workflows.length === 0) throw new Stop(1, noWorker(options.taskQueue));
    const assessed = await asking(t, () => t.client.workflow.execute<typeof assess>('assess', {
      workflowId: `cutover-check/${source}/${target}/${name}/${randomUUID().slice(0, 8)}`, taskQueue: options.taskQueue, args: [scheme, migration],
      workflowExecutionTimeout: longestMs, staticSummary: `check ${name}: ${source} → ${target}`,
    }), longestMs);
    const resolved = { ...planOffline(migration, scheme).migration, topics: assessed.inventory.topics.map((x) => x.name) };
    print(io, options.json === true, { json: assessed, text: `${foundText(assessed)}\n${planText({ migration: resolved, plan: assessed.plan, planHash: assessed.planHash })}` });
    return 0;
  });
}

const fence = (side: string, presence: Inventory['authorizer']['source']): string =>
  `${side}: ${presence === 'present' ? 'yes' : presence === 'none' ? 'no authorizer, so no fence' : 'unknown whether there is an authorizer'}`;
function foundText({ inventory: i, checked }: Assessed): string {
  const partitions = i.topics.reduce((n, x) => n + x.partitions, 0);
  return [
    'Found',
    `  source         cluster id ${i.clusterIds.source}`,
    `  target         cluster id ${i.clusterIds.target}`,
    `  topics         ${plain(i.topics.length)} with ${plain(partitions)} ${partitions === 1 ? 'partition' : 'partitions'}`,
    `  groups         ${i.groups.length === 0 ? 'none' : i.groups.join(', ')}`,
    `  fences         ${fence('source', i.authorizer.source)}; ${fence('target', i.authorizer.target)}`,
    `  checked        ${checked}`, '',
  ].join('\n');
}
