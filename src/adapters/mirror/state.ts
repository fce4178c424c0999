/** What a connector is doing, and waiting until it does what it was told. RUNNING alone proves nothing: partitions do. */
import type { MirrorHealth, Until } from '../../domain/ports.ts';
import { Failure } from '../../domain/failures.ts';
import { firstLine, type Patience } from '../connect/http.ts';
import type { ConnectorStatus } from '../connect/rest.ts';
import type { Place } from './place.ts';
import { absent, patience, poll } from './place.ts';

/** Connect's own limit for ending tasks is 10 s; a hanging one takes as long. */
const stopCapMs = 60_000;
/** On a loaded worker a start takes several times its usual 2 s. */
const startCapMs = 90_000;

export async function health(p: Place, how: Patience): Promise<MirrorHealth> {
  const [status, tasks] = await Promise.all([p.rest.status(p.spec.name, how), p.rest.tasks(p.spec.name, how)]);
  if (!status || !tasks) return { connector: 'absent', assigned: [], tasks: 0, traces: [] };
  const running = new Set(status.tasks.filter((t) => t.state === 'RUNNING').map((t) => t.id));
  return {
    connector: status.connector.state,
    assigned: tasks.filter((t) => running.has(t.id)).flatMap((t) => partitionsIn(t.config['task.assigned.partitions'] ?? '')).sort(),
    tasks: status.tasks.length,
    traces: tracesOf(status),
  };
}

/** One line for each part that has failed. */
export const tracesOf = (status: ConnectorStatus): readonly string[] =>
  [status.connector, ...status.tasks].filter((x) => x.state === 'FAILED').map((x) => traceOf(x.trace ?? 'no trace'));

/** What failed and, where Java wraps it, what caused that. */
const traceOf = (trace: string): string => {
  const cause = trace.split('\n').findLast((line) => line.startsWith('Caused by: '));
  return cause === undefined ? firstLine(trace) : `${firstLine(trace)}; ${firstLine(cause.slice('Caused by: '.length))}`;
};

/** `orders-0,orders-1` as MirrorMaker writes it. */
const partitionsIn = (list: string): readonly string[] =>
  list.split(',').filter((x) => x !== '').map((x) => x.replace(/-(\d+)$/, '/$1'));

/** The status; waits for one where a connector was just created. */
export function statusNow(p: Place, until: Until): Promise<ConnectorStatus> {
  return poll({ p, until, capMs: 15_000, wanted: 'known' }, async () => {
    const status = await p.rest.status(p.spec.name, patience(until));
    return status ? { done: status } : { seen: 'it has no status yet' };
  });
}

export async function told(p: Place, what: 'stop' | 'resume', until: Until): Promise<void> {
  if ((await p.rest[what](p.spec.name, patience(until))) === 'absent') throw absent(p);
}

/** STOPPED, no task in the status and none configured. */
export function awaitStopped(p: Place, until: Until): Promise<void> {
  return poll({ p, until, capMs: stopCapMs, wanted: 'stopped' }, async () => {
    const [status, tasks] = await Promise.all([p.rest.status(p.spec.name, patience(until)), p.rest.tasks(p.spec.name, patience(until))]);
    if (!status || !tasks) throw absent(p);
    const left = Math.max(status.tasks.length, tasks.length);
    return status.connector.state === 'STOPPED' && left === 0 ? { done: undefined } : { seen: `it is ${status.connector.state} with ${left} tasks` };
  });
}

export interface Running {
  readonly capMs?: number;
  /** One thing more that must be so; what it says is what is missing. */
  readonly also?: () => Promise<string | null>;
}
/** RUNNING, and every partition held by a running task. A failed task does not come back by itself. */
export function awaitRunning(p: Place, partitions: readonly string[], until: Until, more: Running = {}): Promise<void> {
  const sinceMs = Date.now();
  return poll({ p, until, capMs: more.capMs ?? startCapMs, wanted: 'running with every partition assigned' }, async () => {
    const now = await health(p, patience(until));
    if (now.connector === 'absent') throw absent(p);
    // Just after a resume the status may still be that of an earlier life.
    if (now.traces.length > 0 && Date.now() - sinceMs > 5_000)
      throw new Failure('MirrorStuck', `Connector ${p.spec.name} on Connect at ${p.rest.url} has failed: ${now.traces.join('; ')}`);
    const assigned = new Set(now.assigned);
    const missing = partitions.filter((x) => !assigned.has(x));
    if (now.connector === 'RUNNING' && missing.length === 0) {
      const open = (await more.also?.()) ?? null;
      return open === null ? { done: undefined } : { seen: open };
    }
    return { seen: `it is ${now.connector} with ${now.tasks} tasks, and ${missing.length} of ${partitions.length} partitions are not assigned (${missing.slice(0, 5).join(', ')})` };
  });
}

export const awaitGone = (p: Place, until: Until): Promise<void> =>
  poll({ p, until, capMs: 15_000, wanted: 'deleted' }, async () =>
    (await p.rest.config(p.spec.name, patience(until))) === null ? { done: undefined } : { seen: 'it is still listed' });
