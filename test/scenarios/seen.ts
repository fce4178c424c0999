/** What can be seen of a stage and the migration on it: for scenarios, for the guarantees, and for whoever reads a failure. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { Connection, type WorkflowHandle } from '@temporalio/client';
import { ending } from '../../demo/ending.ts';
import type { Stage } from '../../demo/stage.ts';
import type { Progress, Question } from '../../src/domain/progress.ts';
import { isTemporalHealthy } from '../../stack/temporal.ts';

/** A query to a worker that was killed while it answered is never answered: every call gets a deadline. */
const callMs = 2_000;
const freshWithinMs = 5_000;
export const soon = <T>({ client }: Stage, call: () => Promise<T>): Promise<T> => client.withDeadline(Date.now() + callMs, call);
export const progressOf = (stage: Stage, handle: WorkflowHandle): Promise<Progress> => soon(stage, () => handle.query<Progress>('progress'));

/** What does not hold, and the figures that say why. */
export const notHeld = ({ claims, figures }: Question): string => {
  const open = claims.filter((c) => !c.holds);
  return open.length === 0 ? '' : [...open.map((c) => ` ✘ ${c.text}`), ...figures.map((f) => ` · ${f}`)].join('');
};

/** How it ended, and why; `null`: it runs. */
export async function endOf(stage: Stage, handle: WorkflowHandle): Promise<string | null> {
  const { status } = await soon(stage, () => handle.describe());
  if (status.name === 'RUNNING') return null;
  const { outcome, why } = await soon(stage, () => ending(handle));
  return `${outcome}: ${why}`;
}

/** For whoever reads the failure and has no machine to look at: what is pending, and which processes did not end well. */
export async function surroundings(stage: Stage, handle: WorkflowHandle): Promise<readonly string[]> {
  const ends = stage.supervisor.events.filter((e) => e.what === 'died' || e.what === 'killed').map((e) => `${new Date(e.atMs).toISOString()} ${e.application} ${e.what} on the ${e.side}`);
  const pending = await soon(stage, () => handle.describe()).then(({ raw }) => [
    ...(raw.pendingActivities ?? []).map((a) => `pending ${a.activityType?.name}, attempt ${a.attempt}${a.lastFailure?.message ? `, last failure: ${a.lastFailure.message}` : ''}`),
    ...(raw.pendingWorkflowTask ? [`a workflow task is pending, attempt ${raw.pendingWorkflowTask.attempt}`] : []),
  ], (e: unknown) => [`what is pending is unknown: ${reasonOf(e)}`]);
  return [...pending, ...(pending.length === 0 ? ['nothing is pending'] : []), await freshConnection(stage), ...(ends.length === 0 ? ['no process died or was killed'] : ends), ...worriesOf(stage)];
}

/** Whether it is the server that does not answer, or only whoever asked it so far. */
async function freshConnection({ stack: { temporal } }: Stage): Promise<string> {
  const told = 'a new connection to the Temporal server';
  try {
    const connection = await Connection.connect({ address: temporal.address, connectTimeout: freshWithinMs });
    try {
      await connection.withDeadline(Date.now() + freshWithinMs, () => connection.workflowService.describeNamespace({ namespace: temporal.namespace }));
      return `${told} is answered`;
    } finally {
      await connection.close();
    }
  } catch (e) {
    const http = await isTemporalHealthy({ http: temporal.httpPort, ui: null }, temporal.namespace).then((ok) => (ok ? 'serves the namespace' : 'does not serve the namespace'), (err: unknown) => `says ${reasonOf(err)}`);
    return `${told}: ${reasonOf(e)}; its process is ${temporal.state}, its HTTP API ${http}`;
  }
}

/** An error and what it came from: what a call of the Temporal client failed of stands in its cause only. */
export function reasonOf(e: unknown): string {
  if (!(e instanceof Error)) return String(e);
  return e.cause === undefined ? e.message : `${e.message}: ${reasonOf(e.cause)}`;
}

/** What the Connect workers and the Temporal server complained of last, and what the applications said last: their logs go away with the stack. */
function worriesOf({ stack, folder }: Stage): readonly string[] {
  const last = (log: string, n: number, wanted: RegExp): readonly string[] =>
    (existsSync(log) ? readFileSync(log, 'utf8') : '').split('\n').filter((line) => wanted.test(line)).slice(-n).map((line) => `${basename(log, '.log')}: ${line.slice(0, 400)}`);
  const applications = join(folder, 'applications');
  return [
    ...['connect-fwd', 'connect-back', 'temporal'].flatMap((name) => last(join(stack.folder, 'logs', `${name}.log`), 5, /\b(WARN|ERROR|FATAL|panic)\b/)),
    ...(existsSync(applications) ? readdirSync(applications) : []).filter((file) => file.endsWith('.log')).sort().flatMap((file) => last(join(applications, file), 3, /./)),
  ];
}
