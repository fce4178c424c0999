/** `cutover plan`: prints what a scheme would do with a migration, with no cluster and no Temporal at hand. */
import type { Command } from 'commander';
import { checkPlan, explainBreaches } from '../domain/authority-check.ts';
import { workflowIdOf, type Migration } from '../domain/migration.ts';
import { covering, expand, isPattern } from '../domain/topic-names.ts';
import { idleStarts } from '../domain/parse-starts.ts';
import { describePlan, type PlanView } from '../domain/plan.ts';
import { refusals } from '../domain/refusals.ts';
import type { Plan } from '../domain/scheme.ts';
import { besidesLoops } from '../domain/stopping.ts';
import { bind, unbound } from '../workflows/resources/use.ts';
import { schemes, type SchemeName } from '../workflows/schemes/schemes.ts';
import { print, type ExitCode, type Io } from './io.ts';
import { readMigration, schemeNamed, schemeNames } from './migration-file.ts';
import type { Run } from './program.ts';
import { planText } from './render-plan.ts';

export interface PlanOptions { readonly scheme: string; readonly json?: boolean }

export function planCommand(program: Command, run: Run): void {
  program.command('plan').description('print the plan of a migration; asks no cluster')
    .argument('<file>', 'migration, JSON or YAML')
    .requiredOption('-s, --scheme <name>', `one of ${schemeNames.join(', ')}`)
    .option('--json', 'one JSON document')
    .action((file: string, options: PlanOptions) => run((io) => plan(io, file, options)));
}

async function plan(io: Io, file: string, options: PlanOptions): Promise<ExitCode> {
  const scheme = schemeNamed(options.scheme);
  const made = planOffline(await readMigration(file, scheme), scheme);
  const { migration, view, faults } = made;
  print(io, options.json === true, { json: { migration, plan: view, planHash: null, faults }, text: planText({ migration, plan: view, planHash: null }) });
  if (faults.length > 0) io.err(`${refusalOf(made)}\n`);
  return faults.length > 0 ? 1 : 0;
}

export interface OfflinePlan { readonly migration: Migration; readonly view: PlanView; readonly faults: readonly string[] }
/** Patterns mean, as long as no cluster is asked, the names that the migration itself says. */
export function planOffline(given: Migration, scheme: SchemeName): OfflinePlan {
  const migration = withNamesSaid(given);
  const made = schemes[scheme](migration, () => true, bind({ work: unbound, m: migration, inventory: null, owner: workflowIdOf(migration), has: () => true }));
  return { migration, view: describePlan(made), faults: [...idleStarts(migration, scheme), ...refusals(migration, scheme), ...breaches(migration, made)] };
}

const refusalOf = ({ faults }: OfflinePlan): string => `This plan would be refused.\n${faults.join('\n')}`;
/** What no cluster could put right; `null`: nothing. A pattern that means none of the names said may mean topics that exist. */
export function refusedOffline(x: OfflinePlan): string | null {
  const { topics, applications } = x.migration;
  const open = [...topics, ...applications.flatMap((a) => [...a.writes, ...a.reads.flatMap((r) => r.topics)])].some(isPattern);
  return x.faults.length === 0 || open ? null : refusalOf(x);
}

function withNamesSaid(m: Migration): Migration {
  const uses = m.applications.flatMap((a) => [...a.writes, ...a.reads.flatMap((r) => r.topics)]);
  const resolve = saidOf(new Set([...m.topics, ...uses].filter((t) => !isPattern(t))), uses);
  return {
    ...m, topics: resolve(m.topics),
    applications: m.applications.map((a) => ({ ...a, writes: resolve(a.writes), reads: a.reads.map((r) => ({ ...r, topics: resolve(r.topics) })) })),
  };
}
/** The names that a pattern covers; where there are none, the narrowest patterns that applications say under it, or itself. */
function saidOf(names: ReadonlySet<string>, uses: readonly string[]): (patterns: readonly string[]) => readonly string[] {
  const nameless = expand([...new Set(uses)], names).unmatched;
  const under = (p: string, among: readonly string[]): readonly string[] => among.filter((u) => u !== p && covering([p])(u));
  const narrowest = nameless.filter((u) => under(u, nameless).length === 0);
  return (patterns) => {
    const { names: found, unmatched } = expand(patterns, names);
    const rest = unmatched.flatMap((p) => { const inner = under(p, narrowest); return inner.length === 0 ? [p] : inner; });
    return [...new Set([...found, ...rest])].sort();
  };
}

function breaches(m: Migration, made: Plan): readonly string[] {
  const found = besidesLoops(m, made.scheme, checkPlan(m, made));
  return found.length === 0 ? [] : [explainBreaches(found)];
}
