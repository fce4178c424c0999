/** `cutover estate`: an estate file as waves, with their blast radius and a picture; and the workflow that moves them. */
import { writeFile } from 'node:fs/promises';
import type { Command } from 'commander';
import type { Estate, Observed } from '../domain/estate.ts';
import { countOf } from '../domain/estate.ts';
import { mermaid, svg } from '../domain/estate-picture.ts';
import { blastOf, blastText, boundText, tableText, type Blast } from '../domain/estate-table.ts';
import { planWaves, type WavePlan } from '../domain/estate-waves.ts';
import { parseEstate, parseObserved, resolved } from '../domain/parse-estate.ts';
import { copies, copiesWith } from '../workflows/schemes/schemes.ts';
import { estateRunCommands } from './estate-run.ts';
import { print, type ExitCode, type Io } from './io.ts';
import { readDocument } from './migration-file.ts';
import type { Run } from './program.ts';

interface PlanOptions { readonly json?: boolean; readonly svg?: string; readonly mermaid?: string; readonly observed?: string }

export function estateCommand(program: Command, run: Run): void {
  const estate = program.command('estate').description('move many applications in waves');
  estate.command('plan').description('propose the waves of an estate; asks no cluster')
    .argument('<file>', 'estate, JSON or YAML')
    .option('--observed <file>', 'what is on the source: {"topics":[{"name","partitions"}],"groups":[{"group","topics"}]}')
    .option('--svg <file>', 'write the picture as SVG to this file')
    .option('--mermaid <file>', 'write the picture as Mermaid to this file')
    .option('--json', 'one JSON document')
    .action((file: string, options: PlanOptions) => run((io) => plan(io, file, options)));
  estateRunCommands(estate, run);
  for (const command of estate.commands) command.exitOverride();
}

export interface EstatePlan { readonly estate: Estate; readonly plan: WavePlan; readonly blasts: readonly Blast[] }
export function planEstate(input: unknown, observed: Observed | null): EstatePlan {
  const estate = resolved(parseEstate(input, copies), observed);
  const made = planWaves(estate, copiesWith(estate.connect));
  return { estate, plan: made, blasts: blastOf(estate, made, observed) };
}

async function plan(io: Io, file: string, options: PlanOptions): Promise<ExitCode> {
  const observed = options.observed === undefined ? null : parseObserved(await readDocument(options.observed));
  const made = planEstate(await readDocument(file), observed);
  if (options.svg !== undefined) await writeFile(options.svg, svg(made.plan));
  if (options.mermaid !== undefined) await writeFile(options.mermaid, mermaid(made.plan));
  const { estate } = made;
  const strangers = made.blasts.flatMap((b) => b.strangers);
  print(io, options.json === true, {
    json: { name: estate.name, environment: estate.environment, source: estate.source, target: estate.target, waves: made.blasts, sets: made.plan.sets, dependencies: made.plan.dependencies, feeds: made.plan.feeds, notes: made.plan.notes },
    text: [
      `${estate.name} (${estate.environment}): ${estate.source} to ${estate.target}, ${countOf(estate.applications.length, 'application')} in ${countOf(made.plan.waves.length, 'wave')}`, '',
      tableText(made.blasts), '', ...made.blasts.map((b) => `${blastText(b)}\n`),
      ...(boundText(made.plan) === '' ? [] : ['Cannot be parted', boundText(made.plan), '']),
      ...made.plan.notes.map((n) => `Note: ${n}`),
      ...(observed === null ? ['Partitions are unknown without --observed; the estate asks the source when it starts.'] : []),
      ...(options.svg === undefined ? [] : [`picture  ${options.svg}`]), ...(options.mermaid === undefined ? [] : [`picture  ${options.mermaid}`]),
    ].join('\n'),
  });
  if (strangers.length > 0) io.err(`Not declared, and seen at topics of this estate: ${[...new Set(strangers)].join(', ')}. Declare them in "reads" of an application, or under "groups".\n`);
  return strangers.length > 0 ? 1 : 0;
}
