/** `cutover estate start`, `status` and `decide`: the workflow of an estate, from a shell. */
import { existsSync } from 'node:fs';
import { userInfo } from 'node:os';
import { WorkflowExecutionAlreadyStartedError } from '@temporalio/client';
import type { Command } from 'commander';
import { countOf, estateIdOf } from '../domain/estate.ts';
import { estateKinds, parseEstateDecision } from '../domain/estate-decisions.ts';
import type { EstateQuestion } from '../domain/estate-journal.ts';
import { estateExample, type EstateProgress } from '../domain/estate-progress.ts';
import { parseEstate } from '../domain/parse-estate.ts';
import { estateProgress } from '../workflows/estate-messages.ts';
import { copies } from '../workflows/schemes/schemes.ts';
import { send } from './decide.ts';
import { Stop, print, type ExitCode, type Io } from './io.ts';
import { readDocument } from './migration-file.ts';
import { profileOf, withTemporalFlags, type TemporalFlags } from './options.ts';
import type { Run } from './program.ts';
import { asking, awaitPollers, explain, noWorker, uiLink, withTemporal, type Temporal } from './temporal.ts';

interface DecideOptions extends TemporalFlags { readonly by: string; readonly wave?: string; readonly hash?: string; readonly reason?: string; readonly yes?: boolean }

export function estateRunCommands(estate: Command, run: Run): void {
  withTemporalFlags(estate.command('start').description('start an estate; it asks before anything moves').argument('<file>', 'estate, JSON or YAML'))
    .action((file: string, options: TemporalFlags) => run((io) => start(io, file, options)));
  withTemporalFlags(estate.command('status').description('where an estate stands, and what it asks').argument('<id>', 'workflow id, or the estate file'))
    .action((id: string, options: TemporalFlags) => run((io) => status(io, id, options)));
  withTemporalFlags(estate.command('decide').description('approve, reject, retry, postpone, skip, rollback, finish, pause or resume; prints the verdict')
    .argument('<id>', 'workflow id, or the estate file').argument('<kind>', estateKinds.join(', '))
    .option('--by <name>', 'who decides', userInfo().username)
    .option('--wave <name>', 'the wave meant; a rollback without one takes everything back')
    .option('--hash <hash>', 'approve only what has this hash (shown by status and in the UI)')
    .option('-y, --yes', 'approve what is asked now without being shown it first')
    .option('--reason <text>', 'why'))
    .action((id: string, kind: string, options: DecideOptions) => run((io) => decide(io, id, { kind, options })));
}

async function start(io: Io, file: string, options: TemporalFlags): Promise<ExitCode> {
  const document = await readDocument(file);
  const estate = parseEstate(document, copies);
  const workflowId = estateIdOf(estate);
  return withTemporal<ExitCode>(profileOf(options), async (t) => {
    const runId = await startWorkflow(t, { workflowId, document, taskQueue: options.taskQueue, summary: `${estate.name} (${estate.environment}): ${estate.source} → ${estate.target}, ${countOf(estate.applications.length, 'application')}` });
    const ui = uiLink(t, workflowId);
    print(io, options.json === true, {
      json: { workflowId, runId, taskQueue: options.taskQueue, ui },
      text: [`started  ${workflowId}`, ...(ui === null ? [] : [`UI       ${ui}`]), `follow   cutover estate status ${workflowId}`, `approve  cutover estate decide ${workflowId} approve`].join('\n'),
    });
    if ((await awaitPollers(t, options.taskQueue)).workflows.length === 0) io.err(`${noWorker(options.taskQueue)} Until then nothing happens.\n`);
    return 0;
  });
}

async function startWorkflow(t: Temporal, x: { readonly workflowId: string; readonly document: unknown; readonly taskQueue: string; readonly summary: string }): Promise<string> {
  try {
    const handle = await asking(t, () => t.client.workflow.start('estate', {
      workflowId: x.workflowId, taskQueue: x.taskQueue, args: [x.document], workflowIdReusePolicy: 'ALLOW_DUPLICATE_FAILED_ONLY', staticSummary: x.summary.slice(0, 190),
    }));
    return handle.firstExecutionRunId;
  } catch (error) {
    if (error instanceof WorkflowExecutionAlreadyStartedError) throw new Stop(1, `${x.workflowId} is there already, running or completed: cutover estate status ${x.workflowId} shows it.`);
    throw error;
  }
}

const idForm = /^cutover-estate\/[^/]+\/[^/]+\/[^/]+$/;
async function idFor(idOrFile: string): Promise<string> {
  if (idForm.test(idOrFile) && !existsSync(idOrFile)) return idOrFile;
  if (!existsSync(idOrFile)) throw new Stop(2, `"${idOrFile}" is neither a workflow id (cutover-estate/<source>/<target>/<name>) nor an estate file.`);
  return estateIdOf(parseEstate(await readDocument(idOrFile), copies));
}

const progressOf = (t: Temporal, workflowId: string): Promise<EstateProgress> =>
  asking(t, () => t.client.workflow.getHandle(workflowId).query(estateProgress)).catch((error: unknown) => { throw new Stop(1, explain(error, workflowId)); });

async function status(io: Io, idOrFile: string, options: TemporalFlags): Promise<ExitCode> {
  const workflowId = await idFor(idOrFile);
  return withTemporal<ExitCode>(profileOf(options), async (t) => {
    const p = await progressOf(t, workflowId);
    print(io, options.json === true, { json: p, text: statusText(p) });
    return 0;
  });
}

export function statusText(p: EstateProgress): string {
  const width = Math.max(9, ...p.waves.map((w) => w.name.length));
  return [
    `${p.workflowId}  ${p.state}  (${p.environment})`, '',
    `  ${'groundwork'.padEnd(width)}  ${p.groundwork.state}`,
    ...p.waves.map((w) => `  ${w.name.padEnd(width)}  ${w.state.padEnd(10)}  ${w.scheme}, ${countOf(w.applications, 'application')}, ${countOf(w.topics, 'topic')}${w.asks === null || w.state === 'settled' ? '' : `; asks: ${w.asks.text}`}`), '',
    ...(p.question === null ? [] : questionLines(p.question)),
    ...(p.refused === null ? [] : [`refused     ${p.refused}`]),
  ].join('\n');
}
const questionLines = (q: EstateQuestion): readonly string[] => [
  `asks        ${q.text}`, ...q.claims.map((c) => `  ${c.holds ? '✔' : '✘'} ${c.text}`), ...q.figures.map((f) => `    ${f}`),
  ...q.answers.map((a) => `answer      ${a} ${estateExample(q, a)}`),
];

async function decide(io: Io, idOrFile: string, x: { readonly kind: string; readonly options: DecideOptions }): Promise<ExitCode> {
  const { options } = x;
  const kind = estateKinds.find((k) => k === x.kind);
  if (kind === undefined) throw new Stop(2, `There is no decision "${x.kind}"; there are ${estateKinds.join(', ')}.`);
  const workflowId = await idFor(idOrFile);
  return withTemporal<ExitCode>(profileOf(options), async (t) => {
    const hash = kind === 'approve' ? await approvedHash(io, t, { workflowId, options }) : undefined;
    const said = { kind, by: options.by, ...(options.wave === undefined ? {} : { wave: options.wave }), ...(options.reason === undefined ? {} : { reason: options.reason }), ...(hash === undefined ? {} : { hash }) };
    const fault = parseEstateDecision(null, said);
    if (typeof fault === 'string') throw new Stop(2, `The decision cannot be sent: ${fault}`);
    const verdict = await send(t, workflowId, said);
    print(io, options.json === true, { json: { workflowId, decision: said, verdict }, text: verdict });
    return 0;
  });
}

/** An approval is of something that was seen: its hash is given, or the person is shown it now, or says `--yes`. */
async function approvedHash(io: Io, t: Temporal, x: { readonly workflowId: string; readonly options: DecideOptions }): Promise<string> {
  if (x.options.hash !== undefined) return x.options.hash;
  const { question: q } = await progressOf(t, x.workflowId);
  if (q === null || q.hash === null) throw new Stop(1, `Nothing is to be approved now${q === null ? '' : `: "${q.text}" is answered by ${q.answers.join(', ')}`}. Nothing was sent.`);
  if (x.options.yes === true) return q.hash;
  io.err(`${questionLines(q).join('\n')}\nhash        ${q.hash}\n`);
  if (io.ask === null) throw new Stop(2, 'There is no terminal to confirm this on. Give --hash with the hash above, or --yes.');
  const answer = (await io.ask('Approve? Type yes: ')).trim().toLowerCase();
  if (answer !== 'yes' && answer !== 'y') throw new Stop(1, 'Not approved. Nothing was sent.');
  return q.hash;
}
