/** `cutover rehearse`: the same scheme on shadows of topics, groups and applications; what each outage took, and go or no-go. */
import type { Command } from 'commander';
import { partsText, rehearsedOf, type Rehearsed } from '../domain/rehearsed.ts';
import { Stop, print, type ExitCode, type Io } from './io.ts';
import { readMigration, schemeNamed, schemeNames } from './migration-file.ts';
import { profileOf, withTemporalFlags, type TemporalFlags } from './options.ts';
import type { Run } from './program.ts';
import { endEarlier, perform, takeBack, type Performance } from './rehearse-run.ts';
import { plain } from './render-plan.ts';
import { awaitPollers, noWorker, withTemporal } from './temporal.ts';

interface RehearseOptions extends TemporalFlags {
  readonly scheme: string;
  readonly catalog?: string;
  readonly fleet: string;
  readonly listen?: string;
  readonly records: string;
  readonly within: string;
  readonly clean?: boolean;
}

export function rehearseCommand(program: Command, run: Run): void {
  withTemporalFlags(program.command('rehearse').description('run a migration on shadow topics with stand-in applications: measures each outage, touches nothing real')
    .argument('<file>', 'migration, JSON or YAML')
    .requiredOption('-s, --scheme <name>', `one of ${schemeNames.join(', ')}`)
    .option('-c, --catalog <file>', 'catalog, YAML (CUTOVER_CATALOG), the same as the workers have', process.env['CUTOVER_CATALOG'])
    .option('--fleet <name>', 'fleet of the catalog, a webhook that points to this process', 'stand-ins')
    .option('--listen <host:port>', "where to listen, if not at the fleet's own address")
    .option('--records <n>', 'copy at most so many of the last records of each partition before it starts', '1000')
    .option('--within <minutes>', 'roll back when it has not ended by then', '30')
    .option('--clean', 'only take away what an earlier rehearsal left'))
    .action((file: string, options: RehearseOptions) => run((io) => rehearse(io, file, options)));
}

const numberFrom = (name: string, text: string): number => {
  const n = Number(text);
  if (!Number.isInteger(n) || n < 1 || n > 1_000_000) throw new Stop(2, `--${name} takes a whole number from 1 to 1,000,000; it was "${text}".`);
  return n;
};

async function rehearse(io: Io, file: string, options: RehearseOptions): Promise<ExitCode> {
  const { catalog, fleet } = options;
  if (catalog === undefined) throw new Stop(2, 'No catalog given: name it with --catalog or CUTOVER_CATALOG, the same as the workers have.');
  const scheme = schemeNamed(options.scheme);
  const [lastRecords, withinMs] = [numberFrom('records', options.records), numberFrom('within', options.within) * 60_000];
  const migration = await readMigration(file, scheme);
  return withTemporal<ExitCode>(profileOf(options), async (t) => {
    if ((await awaitPollers(t, options.taskQueue)).workflows.length === 0) throw new Stop(1, noWorker(options.taskQueue));
    // Only this command and the worker need the adapters.
    const { openRehearsal } = await import('../worker/rehearsal.ts');
    await using stage = await openRehearsal({ catalogFile: catalog, migration, scheme, fleet, lastRecords, ...(options.listen === undefined ? {} : { listen: options.listen }) });
    const p: Performance = { io, t, stage, scheme, taskQueue: options.taskQueue, endMs: Date.now() + withinMs, interrupted: io.interrupted() };
    io.err(`stand-ins  listening on ${await stage.serve()}\n`);
    await endEarlier(p);
    const before = await stage.remove();
    if (before.length > 0) throw new Stop(1, leftText(before, file, options));
    if (options.clean === true) {
      print(io, options.json === true, { json: { left: [] }, text: 'Nothing of a rehearsal of this migration is left.' });
      return 0;
    }
    return await played(p, { file, options }); // the stage stands until it is over
  });
}

/** Whatever happens: what was made is taken away, and what is left is told. */
async function played(p: Performance, x: { readonly file: string; readonly options: RehearseOptions }): Promise<ExitCode> {
  const left: string[] = [];
  let result: Rehearsed | null = null;
  try {
    result = await measured(p);
  } finally {
    left.push(...await takeBack(p), ...await p.stage.remove());
    if (left.length > 0) p.io.err(`${leftText(left, x.file, x.options)}\n`);
  }
  const unkept = p.interrupted.aborted ? [] : await p.stage.keep(result);
  if (unkept.length > 0) p.io.err(`Not kept everywhere, so a hold may not show it: ${unkept.join('; ')}\n`);
  print(p.io, x.options.json === true, { json: { ...result, left }, text: resultText(result) });
  return result.verdict === 'go' && left.length === 0 ? 0 : 1;
}

async function measured(p: Performance): Promise<Rehearsed> {
  const { stage, io } = p;
  const prepared = await stage.prepare();
  io.err(`shadows    ${Object.keys(stage.rehearsal.topics).length} topics with the last ${plain(prepared.copied)} records, ${stage.rehearsal.standIns.length} stand-ins at work on ${stage.rehearsal.real.source}\n`);
  const end = await perform(p);
  const silent = stage.written() === 0 ? ['nothing was written to the real topics meanwhile: measured without traffic.'] : [];
  return rehearsedOf(stage.rehearsal, { ...end, silentMs: stage.silences(), notes: [...prepared.notes, ...silent, ...end.notes, ...stage.troubles()], atMs: Date.now() });
}

const leftText = (left: readonly string[], file: string, o: RehearseOptions): string =>
  `Left of the rehearsal: ${left.join('; ')}\nTake it away with: cutover rehearse ${file} --scheme ${o.scheme} --clean`;

function resultText(r: Rehearsed): string {
  return [
    `${r.verdict === 'go' ? '✔ go' : '✘ no-go'}  ${r.scheme}, rehearsed at ${new Date(r.atMs).toISOString()}`,
    ...r.reasons.map((x) => `  ✘ ${x}`),
    ...r.cuts.flatMap((c) => [
      `  ${c.name} (${c.topics.join(', ')}): ${c.outcome}, ${plain(c.wholeMs)} ms of ${plain(c.allowedMs)} ms${c.silentMs === null ? '' : `; ${plain(c.silentMs)} ms between the last record on the source and the first on the target`}`,
      `    ${partsText(c)}`,
      ...(c.outcome === 'opened' && c.wholeMs <= c.allowedMs ? [`    the stand-ins stopped in ${plain(c.stopMs)} ms; the real applications may take up to ${plain(c.allowedMs - c.wholeMs + c.stopMs)} ms`] : []),
    ]),
    ...r.notes.map((n) => `  note: ${n}`), '',
  ].join('\n');
}
