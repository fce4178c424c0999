/** Turns what the client library and the brokers say into failures an operator can act on; total, and retryable where unsure. */
import { GenericError, ResponseError, protocolErrorsCodesById } from '@platformatic/kafka';
import { Failure } from '../../domain/failures.ts';
import { redact } from '../secrets/secrets.ts';

/** What was being done, for the message. */
export interface Doing {
  /** Catalog name of the cluster. */
  readonly cluster: string;
  /** `User:name` of this worker's login, when it logs in. */
  readonly principal?: string | undefined;
  /** Completes "could not …": `create topics orders, payments`. */
  readonly what: string;
  /** `host:port`, when one broker was asked. */
  readonly at?: string | undefined;
  /** The right that an authorization error means, e.g. `CREATE on topic orders`. */
  readonly right?: string | undefined;
}

/** Codes that pass by themselves or after asking again who leads: worth a retry within the same call. */
export const coordinatorCodes: ReadonlySet<number> = new Set([14, 15, 16]);
export const leaderCodes: ReadonlySet<number> = new Set([3, 5, 6, 9, 13, 56, 74, 75, 78, 100]);
/** Members are there: unknown member, illegal generation, rebalance, non-empty group, subscribed, stale epochs. */
export const groupActiveCodes: ReadonlySet<number> = new Set([22, 25, 27, 68, 86, 110, 113]);
/** The request itself is refused for what it says; the same request will be refused again. */
const refusedCodes: ReadonlySet<number> = new Set([10, 12, 17, 35, 37, 39, 40, 42, 44, 76]);
const unauthorized: Readonly<Record<number, string>> = { 29: 'a right on the topic', 30: 'READ and DESCRIBE on the group', 31: 'a right on the cluster', 53: 'WRITE and DESCRIBE on the transactional id', 65: 'a right on delegation tokens' };

export const codeName = (code: number): string => {
  const names: Readonly<Record<number, string>> = protocolErrorsCodesById;
  return names[code] ?? `error ${code}`;
};

/** The failure for one broker error code; `said` is the broker's own sentence, if it gave one. */
export function codeFailure(code: number, doing: Doing, said?: string | null): Failure {
  const answer = `${codeName(code)}${said ? `: ${redact(said)}` : ''}`;
  const missing = unauthorized[code];
  if (missing !== undefined) {
    const who = doing.principal ?? "this worker's principal";
    return new Failure('Unauthorized', `Cluster ${doing.cluster} does not let ${who} ${doing.what} (${answer}).`, `Grant ${doing.right ?? missing} to ${who} on cluster ${doing.cluster}, then retry.`);
  }
  if (groupActiveCodes.has(code)) return new Failure('GroupActive', `Cluster ${doing.cluster} refused to ${doing.what}: ${answer}.`);
  if (refusedCodes.has(code)) return new Failure('Unsupported', `Cluster ${doing.cluster} refused to ${doing.what}: ${answer}.`, 'Change what the message names, then retry.');
  return new Failure('Unreachable', `Could not ${doing.what} on cluster ${doing.cluster}${place(doing)}: ${answer}.`, 'The call is retried.');
}

/** Any thrown thing. Failures and abort reasons pass unchanged. */
export function toFailure(error: unknown, doing: Doing): Error {
  if (error instanceof Failure) return error;
  if (error instanceof Error && error.name === 'AbortError') return error;
  const causes = chain(error);
  const login = causes.find((cause) => cause.code === 'PLT_KFK_AUTHENTICATION' || cause.apiId === 'SASL_AUTHENTICATION_FAILED' || cause.apiId === 'UNSUPPORTED_SASL_MECHANISM');
  if (login !== undefined) return loginFailure(causes, doing);
  const answered = causes.find((cause) => typeof cause.apiCode === 'number');
  if (answered !== undefined) return codeFailure(Number(answered.apiCode), doing, answered.serverErrorMessage);
  const said = [...new Set(causes.map((cause) => cause.said))].join(' ');
  return new Failure('Unreachable', `Could not ${doing.what} on cluster ${doing.cluster}${place(doing)}: ${redact(said).slice(0, 1_000)}`);
}

function loginFailure(causes: readonly Cause[], doing: Doing): Failure {
  const who = doing.principal ?? 'the configured user';
  const said = causes.map((cause) => cause.serverErrorMessage).find((text) => typeof text === 'string' && text !== '') ?? causes.at(-1)?.said ?? '';
  return new Failure('Unauthorized', `Cluster ${doing.cluster}${place(doing)} refused the login of ${who}: ${redact(said)}.`, 'Correct user, password or mechanism in the catalog or the secret it names, then retry.');
}

const place = (doing: Doing): string => (doing.at === undefined ? '' : ` at ${doing.at}`);

interface Cause { readonly said: string; readonly code: unknown; readonly apiId: unknown; readonly apiCode: unknown; readonly serverErrorMessage: string | null }

/** The error and everything beneath it, outermost first; at most ten. */
function chain(error: unknown): Cause[] {
  const found: Cause[] = [];
  const queue: unknown[] = [error];
  while (queue.length > 0 && found.length < 10) {
    const next = queue.shift();
    if (!(next instanceof Error)) {
      if (typeof next === 'string') found.push({ said: next, code: undefined, apiId: undefined, apiCode: undefined, serverErrorMessage: null });
      continue;
    }
    const fields: Readonly<Record<string, unknown>> = Object.fromEntries(Object.entries(next));
    const code = 'code' in next && typeof next.code === 'string' ? next.code : undefined;
    const message = fields['serverErrorMessage'];
    found.push({ said: next.message || (code ?? next.name), code, apiId: fields['apiId'], apiCode: fields['apiCode'], serverErrorMessage: typeof message === 'string' ? message : null });
    if (next.cause !== undefined) queue.push(next.cause);
    if (next instanceof AggregateError) queue.push(...next.errors);
  }
  return found;
}

/**
 * The library throws as soon as one item of an answer carries an error code, and hangs the parsed answer on the error.
 * This hands back the answer, so that each item is judged by itself.
 */
export async function itemized<T>(request: Promise<T>): Promise<T> {
  try {
    return await request;
  } catch (error) {
    if (error instanceof ResponseError && GenericError.isGenericError(error)) {
      const answer: unknown = error['response'];
      if (answer !== undefined && answer !== null) return answer as T;
    }
    throw error;
  }
}
