/** The connection to Temporal, found as the `temporal` CLI finds it (environment, profiles), and its errors in words. */
import { setTimeout as wait } from 'node:timers/promises';
import { Client, Connection, QueryNotRegisteredError, ServiceError, WorkflowFailedError, WorkflowNotFoundError, WorkflowUpdateFailedError, WorkflowUpdateRPCTimeoutOrCancelledError, isGrpcServiceError } from '@temporalio/client';
import { ApplicationFailure, CancelledFailure, TerminatedFailure } from '@temporalio/common';
import { loadClientConnectConfig } from '@temporalio/envconfig';
import { Failure, isFailureType, type FailureType } from '../domain/failures.ts';
import { Stop } from './io.ts';

export interface Temporal {
  readonly client: Client;
  readonly connection: Connection;
  readonly address: string;
  readonly namespace: string;
}
export interface TemporalOptions { readonly profile?: string }

/** gRPC status codes (the numbers of the protocol). */
export const grpc = { deadlineExceeded: 4, notFound: 5, permissionDenied: 7, failedPrecondition: 9, unimplemented: 12, unavailable: 14, unauthenticated: 16 } as const;
export const grpcCode = (error: unknown): number | null => {
  for (let e: unknown = error; e instanceof Error; e = e.cause) if (isGrpcServiceError(e)) return e.code;
  return null;
};

const connectMs = 5_000;
const requestMs = 10_000;
/** How to be found: the same words wherever Temporal does not answer. */
const whereFrom = 'The address comes from TEMPORAL_ADDRESS or a profile (temporal config, --profile).';

export async function withTemporal<T>(options: TemporalOptions, use: (temporal: Temporal) => Promise<T>): Promise<T> {
  const temporal = await connect(options);
  try {
    return await use(temporal);
  } finally {
    await temporal.connection.close();
  }
}

/** One question to Temporal: answered within seconds, or it fails with what to look at. */
export const asking = <T>(t: Temporal, question: () => Promise<T>, limitMs: number = requestMs): Promise<T> => t.connection.withDeadline(Date.now() + limitMs, question);

async function connect(options: TemporalOptions): Promise<Temporal> {
  const { connectionOptions, namespace = 'default' } = configOf(options);
  const address = connectionOptions.address ?? 'localhost:7233';
  try {
    const connection = await Connection.connect({ ...connectionOptions, connectTimeout: connectMs });
    return { connection, client: new Client({ connection, namespace }), address, namespace };
  } catch (error) {
    throw new Stop(1, `Temporal at ${address} cannot be reached: ${reasonOf(error)}. ${whereFrom}`);
  }
}

function configOf(options: TemporalOptions): ReturnType<typeof loadClientConnectConfig> {
  try {
    return loadClientConnectConfig({ ...(options.profile === undefined ? {} : { profile: options.profile }) });
  } catch (error) {
    throw new Stop(2, `Temporal's configuration cannot be used: ${error instanceof Error ? error.message : String(error)}.`);
  }
}

const innermost = (error: unknown): unknown => (error instanceof Error && error.cause instanceof Error ? innermost(error.cause) : error);
/** gRPC puts its code before the text: `14 UNAVAILABLE: No connection established. …`. */
const reasonOf = (error: unknown): string => {
  const inner = innermost(error);
  return (inner instanceof Error ? inner.message : String(inner)).replace(/^\d+ /, '').replace(/\.$/, '');
};

/** The type of ours that a failure from a workflow or activity carries; `null`: none of ours. */
export function failureType(error: unknown): FailureType | null {
  for (let e: unknown = error; e instanceof Error; e = e.cause) {
    if (e instanceof Failure) return e.type;
    if (e instanceof ApplicationFailure && typeof e.type === 'string' && isFailureType(e.type)) return e.type;
  }
  return null;
}

/** One message an operator can act on, whatever was thrown. `about`: the workflow id in question. */
export function explain(error: unknown, about: string | null): string {
  const it = about ?? 'the workflow';
  if (error instanceof Stop || error instanceof Failure) return error.message;
  if (error instanceof WorkflowNotFoundError) return `There is no migration ${it} on this Temporal, or it has ended. See cutover status without an id for those there are.`;
  if (error instanceof WorkflowUpdateFailedError || error instanceof WorkflowFailedError) return explainEnd(error.cause);
  if (error instanceof QueryNotRegisteredError) return `${it} does not answer: ${error.message}`;
  if (isUnanswered(error)) return noAnswer(it);
  const code = grpcCode(error);
  if (code === grpc.unavailable) return `Temporal does not answer: ${reasonOf(error)}. ${whereFrom}`;
  if (code === grpc.unauthenticated || code === grpc.permissionDenied) return `Temporal refuses: ${reasonOf(error)}. Check the API key or certificate of the profile.`;
  if (code !== null || error instanceof ServiceError) return `Temporal answered: ${reasonOf(error)}.`;
  return error instanceof Error ? error.message : String(error);
}

/** Temporal is there; whoever it asked did not answer in time. */
export const isUnanswered = (error: unknown): boolean => error instanceof WorkflowUpdateRPCTimeoutOrCancelledError || grpcCode(error) === grpc.deadlineExceeded;
const noAnswer = (it: string): string => `No answer for ${it} in time: most likely no worker is running. Start one (cutover worker --catalog …) and try again; cutover doctor tells more.`;

function explainEnd(cause: unknown): string {
  const inner = innermost(cause);
  if (inner instanceof CancelledFailure) return `Cancelled: ${inner.message}`;
  if (inner instanceof TerminatedFailure) return 'Terminated: nothing was undone.';
  return inner instanceof Error ? inner.message : 'It failed without saying why.';
}

/** The page of a workflow in Temporal's UI; `null` when its address is not known (CUTOVER_UI says it). */
export function uiLink(t: Temporal, workflowId: string): string | null {
  const host = t.address.split(':')[0] ?? '';
  const dev = ['localhost', '127.0.0.1'].includes(host) && t.address.endsWith(':7233') ? 'http://localhost:8233' : null;
  const base = process.env['CUTOVER_UI'] ?? (host.endsWith('.tmprl.cloud') ? 'https://cloud.temporal.io' : dev);
  return base === null ? null : `${base.replace(/\/$/, '')}/namespaces/${t.namespace}/workflows/${encodeURIComponent(workflowId)}`;
}

export interface Pollers { readonly workflows: readonly string[]; readonly activities: readonly string[] }
/** Identities of the workers that polled this queue in the last minutes. */
async function pollers(t: Temporal, taskQueue: string): Promise<Pollers> {
  const of = async (taskQueueType: 1 | 2): Promise<readonly string[]> => {
    const answer = await asking(t, () => t.connection.workflowService.describeTaskQueue({ namespace: t.namespace, taskQueue: { name: taskQueue }, taskQueueType }));
    return [...new Set((answer.pollers ?? []).map((p) => p.identity ?? 'unknown'))].sort();
  };
  const [workflows, activities] = await Promise.all([of(1), of(2)]);
  return { workflows, activities };
}

/** A worker is listed only after its first poll has been noted: one that has just started is given this long. */
const workerWithinMs = 3_000;
/** As `pollers`, but waits a little for a worker that polls both kinds of task; answers what there is in the end. */
export async function awaitPollers(t: Temporal, taskQueue: string): Promise<Pollers> {
  for (const untilMs = Date.now() + workerWithinMs; ; await wait(200)) {
    const found = await pollers(t, taskQueue);
    if (found.workflows.some((w) => found.activities.includes(w)) || Date.now() >= untilMs) return found;
  }
}

export const noWorker = (taskQueue: string): string => `No worker polls the task queue "${taskQueue}". Start one (cutover worker --catalog …), or name another queue (--task-queue).`;
