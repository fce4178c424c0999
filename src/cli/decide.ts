/** `cutover decide`: says something to a running migration and prints its answer. */
import { randomUUID } from 'node:crypto';
import { userInfo } from 'node:os';
import { setTimeout as wait } from 'node:timers/promises';
import { Option, type Command } from 'commander';
import { kinds, parseDecision, type Kind } from '../domain/decisions.ts';
import type { Progress, Question } from '../domain/progress.ts';
import * as messages from '../workflows/messages.ts';
import { Stop, print, type ExitCode, type Io } from './io.ts';
import { workflowIdFor } from './migration-file.ts';
import { profileOf, withTemporalFlags, type TemporalFlags } from './options.ts';
import type { Run } from './program.ts';
import { questionLines } from './render-status.ts';
import { asking, explain, grpc, grpcCode, isUnanswered, withTemporal, type Temporal } from './temporal.ts';

interface DecideOptions extends TemporalFlags {
  readonly by: string;
  readonly yes?: boolean;
  readonly hash?: string;
  readonly hold?: string;
  readonly reason?: string;
  readonly to?: string;
  readonly withoutTarget?: boolean;
  readonly limit: readonly string[];
  readonly mayRepeat: readonly string[];
}
const answerMs = 30_000;
const againMs = 250;

export function decideCommand(program: Command, run: Run): void {
  withTemporalFlags(program.command('decide').description('approve, reject, retry, skip, roll back, pause, resume or tune; prints the verdict')
    .argument('<id>', 'workflow id, or the migration file')
    .argument('<kind>', kinds.join(', '))
    .option('--by <name>', 'who decides', userInfo().username)
    .option('-y, --yes', 'approve what is asked now without being shown it first')
    .option('--hash <hash>', 'approve only what has this hash (shown by status and in the UI)')
    .option('--hold <name>', 'only if this is what is asked')
    .option('--reason <text>', 'why (needed for reject and skip)')
    .option('--to <phase>', 'rollback: go back only to the end of this phase')
    .option('--without-target', 'rollback: the target is dead; what is only there is given up, after a hold')
    .addOption(new Option('--limit <name=value>', 'tune: a limit and its new value; may be repeated').default([]).argParser((v: string, all: readonly string[]) => [...all, v])))
    .addOption(new Option('--may-repeat <group=records>', 'approve, retry: consent that this group reads up to so many records again; may be repeated').default([]).argParser((v: string, all: readonly string[]) => [...all, v]))
    .action((id: string, kind: string, options: DecideOptions) => run((io) => decide(io, id, { kind, options })));
}

/** The decision people look for under its own name. */
export function rollbackCommand(program: Command, run: Run): void {
  withTemporalFlags(program.command('rollback').description('roll back; the same as decide rollback')
    .argument('<id>', 'workflow id, or the migration file')
    .option('--by <name>', 'who decides', userInfo().username)
    .option('--reason <text>', 'why')
    .option('--to <phase>', 'go back only to the end of this phase')
    .option('--without-target', 'the target is dead: shows at a hold what is given up, asks, and goes on from the source alone'))
    .action((id: string, options: Omit<DecideOptions, 'limit' | 'mayRepeat'>) => run((io) => decide(io, id, { kind: 'rollback', options: { ...options, limit: [], mayRepeat: [] } })));
}

async function decide(io: Io, id: string, x: { readonly kind: string; readonly options: DecideOptions }): Promise<ExitCode> {
  const { options } = x;
  const kind = kinds.find((k) => k === x.kind);
  if (kind === undefined) throw new Stop(2, `There is no decision "${x.kind}"; there are ${kinds.join(', ')}.`);
  const workflowId = await workflowIdFor(id);
  // The hash of an approval is asked for below; everything else is known before anybody is asked.
  const fault = parseDecision(null, { ...(kind === 'approve' ? { hash: '' } : {}), ...sayOf(kind, options) });
  if (typeof fault === 'string') throw new Stop(2, `The decision cannot be sent: ${fault}`);
  return withTemporal<ExitCode>(profileOf(options), async (t) => {
    const said = { ...sayOf(kind, options), ...(kind === 'approve' ? await approval(io, t, { workflowId, options }) : {}) };
    const verdict = await send(t, workflowId, said).catch((error: unknown) => { throw error instanceof Unanswered ? new Stop(1, keptInstead(error, { workflowId, said, options })) : error; });
    print(io, options.json === true, { json: { workflowId, decision: said, verdict }, text: verdict });
    return 0;
  });
}

type Said = Readonly<Record<string, unknown>>;
const sayOf = (kind: Kind, o: DecideOptions): Said => ({
  kind, by: o.by,
  ...(o.hold === undefined ? {} : { hold: o.hold }), ...(o.hash === undefined ? {} : { hash: o.hash }),
  ...(o.reason === undefined ? {} : { reason: o.reason }), ...(o.to === undefined ? {} : { to: o.to }), ...(o.withoutTarget === true ? { withoutTarget: true } : {}),
  ...(o.limit.length === 0 ? {} : { limits: Object.fromEntries(o.limit.map(limitOf)) }),
  ...(o.mayRepeat.length === 0 ? {} : { mayRepeat: Object.fromEntries(o.mayRepeat.map(repeatOf)) }),
});
function repeatOf(text: string): readonly [string, number] {
  const [, group, value] = /^(.+)=(\d+)$/.exec(text) ?? [];
  if (group === undefined || value === undefined) throw new Stop(2, `--may-repeat takes group=records, such as billing=12; it was "${text}".`);
  return [group, Number(value)];
}
function limitOf(text: string): readonly [string, number] {
  const [, name, value] = /^([A-Za-z]+)=(\d+)$/.exec(text) ?? [];
  if (name === undefined || value === undefined) throw new Stop(2, `--limit takes name=number, such as lagRecords=100; it was "${text}".`);
  return [name, Number(value)];
}

/** An approval is of something that was seen: its hash is given, or the person is shown it now, or says `--yes`. */
async function approval(io: Io, t: Temporal, x: { readonly workflowId: string; readonly options: DecideOptions }): Promise<Said> {
  const { options, workflowId } = x;
  if (options.hash !== undefined) return {};
  const progress = await asking(t, () => t.client.workflow.getHandle(workflowId).query(messages.progress)).catch((error: unknown) => { throw new Stop(1, explain(error, workflowId)); });
  const question = approvable(progress);
  if (options.hold !== undefined && options.hold !== question.name) throw new Stop(1, `What is asked now is "${question.name}", not "${options.hold}". Nothing was sent.`);
  if (options.yes !== true) await confirm(io, question);
  return { hold: question.name, hash: question.hash };
}
function approvable(p: Progress): Question {
  const q = p.question;
  if (q === null) throw new Stop(1, `Nothing is asked now: the migration is ${p.state} at "${p.unit}". Nothing was sent.`);
  if (q.hash === null || !q.answers.includes('approve')) throw new Stop(1, `"${q.text}" is not answered by approve, but by ${q.answers.join(', ')}. Nothing was sent.`);
  return q;
}
async function confirm(io: Io, q: Question): Promise<void> {
  io.err(`${questionLines(q).join('\n')}\nhash        ${q.hash ?? ''}\n`);
  if (io.ask === null) throw new Stop(2, 'There is no terminal to confirm this on. Give --hash with the hash above, or --yes.');
  const answer = (await io.ask('Approve? Type yes: ')).trim().toLowerCase();
  if (answer !== 'yes' && answer !== 'y') throw new Stop(1, 'Not approved. Nothing was sent.');
}

/** Nobody took it in time; it may have been sent. */
export class Unanswered extends Stop {}
const quoted = (text: string): string => `'${text.replaceAll("'", `'\\''`)}'`;
/** Temporal keeps an update in the server's memory until a worker takes it; a signal stands in the history. */
function keptInstead(error: Unanswered, x: { readonly workflowId: string; readonly said: Said; readonly options: DecideOptions }): string {
  const { kind, ...rest } = x.said;
  const profile = x.options.profile === undefined ? '' : ` --profile ${quoted(x.options.profile)}`;
  return [
    `${error.message} The decision may still take effect when a worker starts, or be lost. A signal is kept for the worker; where both arrive, the second changes nothing:`,
    `  temporal workflow signal --workflow-id ${quoted(x.workflowId)} --name ${String(kind)} --input ${quoted(JSON.stringify(rest))}${profile}`,
  ].join('\n');
}

/**
 * Around a continue-as-new the server refuses updates without having applied them, and so does a workflow that does not know
 * its plan yet: the same update is sent again under its id.
 */
export async function send(t: Temporal, workflowId: string, said: Said): Promise<string> {
  const updateId = randomUUID();
  const untilMs = Date.now() + answerMs;
  for (;;) {
    try {
      return await asking(t, () => t.client.workflow.getHandle(workflowId).executeUpdate(messages.decide, { args: [said], updateId }), untilMs - Date.now());
    } catch (error) {
      if (isUnanswered(error)) throw new Unanswered(1, explain(error, workflowId));
      if (!isForAMoment(error) || Date.now() + againMs >= untilMs) throw new Stop(1, explain(error, workflowId));
    }
    await wait(againMs);
  }
}
const isForAMoment = (error: unknown): boolean => {
  if (grpcCode(error) === grpc.failedPrecondition) return true;
  for (let e: unknown = error; e instanceof Error; e = e.cause) if (/aborted by closing workflow|workflow is closing|say it again in a moment/i.test(e.message)) return true;
  return false;
};
