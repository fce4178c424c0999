/** `cutover status`: where a migration stands; with `--watch` until it ends; without an id, which migrations there are. */
import { setTimeout as wait } from 'node:timers/promises';
import type { WorkflowExecutionDescription, WorkflowExecutionStatusName } from '@temporalio/client';
import { defaultPayloadConverter, fromPayloadsAtIndex } from '@temporalio/common';
import type { Command } from 'commander';
import type { Progress } from '../domain/progress.ts';
import * as messages from '../workflows/messages.ts';
import { print, type ExitCode, type Io } from './io.ts';
import { schemeNames, workflowIdFor } from './migration-file.ts';
import { profileOf, withTemporalFlags, type TemporalFlags } from './options.ts';
import type { Run } from './program.ts';
import { isWrong, lineOf, linesOf } from './render-status.ts';
import { asking, explain, withTemporal, type Temporal } from './temporal.ts';

/** What is known now. `progress: null` goes with the reason in `unknown`. */
export interface Standing {
  readonly workflowId: string;
  readonly scheme: string;
  readonly status: WorkflowExecutionStatusName;
  readonly progress: Progress | null;
  readonly unknown: string | null;
  /** What the sweep of positions said last, seconds ago; `null`: none is under way. */
  readonly swept: string | null;
  /** What keeps failing at this moment and is tried again by itself, a sentence each. */
  readonly trying: readonly string[];
  /** Why it ended, when it ended other than completed. */
  readonly failure: string | null;
}
interface StatusOptions extends TemporalFlags { readonly watch?: boolean }
const pollMs = 1_000;
/** A watch outlives restarts of worker and server; this many unanswered polls in a row end it. */
const patience = 120;

export function statusCommand(program: Command, run: Run): void {
  withTemporalFlags(program.command('status').description('show where a migration stands, or list all of them (exit code 1 where something is wrong)')
    .argument('[id]', 'workflow id, or the migration file')
    .option('-w, --watch', 'follow it until it ends (exit code 0 only if it completed)'))
    .action((id: string | undefined, options: StatusOptions) => run((io) => show(io, id, options)));
}

async function show(io: Io, id: string | undefined, options: StatusOptions): Promise<ExitCode> {
  const workflowId = id === undefined ? null : await workflowIdFor(id);
  const json = options.json === true;
  return withTemporal<ExitCode>(profileOf(options), async (t) => {
    if (workflowId === null) return list(io, t, options);
    if (options.watch === true) return watch(io, t, { workflowId, json });
    const s = await standing(t, workflowId);
    print(io, json, { json: s, text: io.columns === null ? lineOf(s) : linesOf(s, io.columns, Date.now()).join('\n') });
    return isWrong(s) ? 1 : 0;
  });
}

export async function standing(t: Temporal, workflowId: string): Promise<Standing> {
  const handle = t.client.workflow.getHandle(workflowId);
  const described = await asking(t, () => handle.describe()).catch((error: unknown) => { throw new Error(explain(error, workflowId), { cause: error }); });
  const status = described.status.name;
  const [asked, failure] = await Promise.all([
    asking(t, () => handle.query(messages.progress)).then((progress) => ({ progress, unknown: null }), (error: unknown) => ({ progress: null, unknown: explain(error, workflowId) })),
    status === 'RUNNING' || status === 'COMPLETED' ? null : asking(t, () => handle.result()).then(() => null, (error: unknown) => explain(error, workflowId)),
  ]);
  return { workflowId, scheme: described.type, status, ...asked, swept: sweptIn(described), trying: tryingIn(described), failure };
}

/** From the heartbeat of the pending activity: the workflow itself hears of it only when its state changes. */
function sweptIn(d: WorkflowExecutionDescription): string | null {
  const said = d.raw.pendingActivities?.find((a) => a.activityType?.name === 'lookSwept')?.heartbeatDetails?.payloads;
  const text: unknown = said ? fromPayloadsAtIndex(defaultPayloadConverter, 0, said) : null;
  return typeof text === 'string' && text !== '' ? text : null;
}

/** A workflow hears of a failure only when nobody tries again: until then what failed last is known to the server alone. */
const tryingIn = (d: WorkflowExecutionDescription): readonly string[] => (d.raw.pendingActivities ?? []).flatMap(({ activityType, attempt, lastFailure }) => {
  if (!lastFailure?.message) return [];
  const type = lastFailure.applicationFailureInfo?.type ?? '';
  return [`${activityType?.name}, attempt ${attempt}, because of ${type === '' ? '' : `${type}: `}${lastFailure.message}`];
});

/** Prints what changes until the workflow ends; Ctrl-C ends only the watching. */
export async function watch(io: Io, t: Temporal, o: { readonly workflowId: string; readonly json: boolean }): Promise<ExitCode> {
  const screen = o.json ? jsonScreen(io) : io.columns === null ? lineScreen(io) : redrawn(io);
  const interrupted = io.interrupted();
  let unanswered = 0;
  for (;;) {
    interrupted.throwIfAborted();
    try {
      const s = await standing(t, o.workflowId);
      unanswered = 0;
      screen(s);
      if (s.status !== 'RUNNING') return s.status === 'COMPLETED' ? 0 : 1;
    } catch (error) {
      unanswered += 1;
      if (unanswered >= patience || isGone(error)) throw error;
      if (unanswered === 1) io.err(`${explain(error, o.workflowId)}\n`);
    }
    await wait(pollMs, undefined, { signal: interrupted }).catch(() => { interrupted.throwIfAborted(); });
  }
}
const isGone = (error: unknown): boolean => error instanceof Error && error.cause instanceof Error && error.cause.name === 'WorkflowNotFoundError';

/** A JSON document a line, whenever something changed; that a sweep went well again is no change. */
function jsonScreen(io: Io): (s: Standing) => void {
  let last = '';
  return (s) => {
    const news = JSON.stringify({ ...s, swept: null });
    if (news !== last) io.out(`${JSON.stringify(s)}\n`);
    last = news;
  };
}
function lineScreen(io: Io): (s: Standing) => void {
  let last = '';
  return (s) => {
    const line = lineOf(s);
    if (line !== last) io.out(`${new Date().toISOString()} ${line}\n`);
    last = line;
  };
}
/** Draws over the last picture. */
function redrawn(io: Io): (s: Standing) => void {
  let height = 0;
  return (s) => {
    const lines = linesOf(s, io.columns ?? 80, Date.now());
    const back = height > 0 ? `\u001b[${height}A\u001b[0J` : ''; // cursor up, erase what is below
    io.out(`${back}${lines.join('\n')}\n`);
    height = lines.length;
  };
}

async function list(io: Io, t: Temporal, options: StatusOptions): Promise<ExitCode> {
  const found: { readonly workflowId: string; readonly scheme: string; readonly status: string; readonly startedAt: string }[] = [];
  const query = `WorkflowType IN (${schemeNames.map((s) => `'${s}'`).join(', ')})`;
  await asking(t, async () => {
    for await (const w of t.client.workflow.list({ query })) {
      found.push({ workflowId: w.workflowId, scheme: w.type, status: w.status.name, startedAt: w.startTime.toISOString() });
      if (found.length >= 200) break;
    }
  });
  const running = found.filter((f) => f.status === 'RUNNING');
  const shown = [...running, ...found.filter((f) => f.status !== 'RUNNING' && f.status !== 'CONTINUED_AS_NEW')];
  print(io, options.json === true, { json: shown, text: shown.length === 0 ? 'There are no migrations.' : shown.map((f) => `${f.status.toLowerCase().padEnd(10)} ${f.workflowId}  ${f.scheme}  ${f.startedAt}`).join('\n') });
  return 0;
}
