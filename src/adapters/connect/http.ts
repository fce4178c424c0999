/**
 * One call to Kafka Connect: repeated while it cannot be answered for the moment, and an absence is believed only of a worker
 * that knows its connectors. Measured on 4.3.1: a worker that starts answers 404 to everything for 0.6-0.8 s, without the JSON
 * that Connect's own 404 has; then it answers before it has joined its group, and may list nothing for a moment.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import axios from 'axios';
import { z } from 'zod';
import { Failure } from '../../domain/failures.ts';
import { redact } from '../secrets/secrets.ts';

/** How long a call may take altogether, retries included, and what ends it early. `before` runs right before each request. */
export interface Patience { readonly timeoutMs: number; readonly signal?: AbortSignal | undefined; readonly before?: (() => void) | undefined }

export interface Request {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  readonly path: string;
  readonly body?: unknown;
  /** Completes "could not …" */
  readonly what: string;
  /** The body carries a configuration: Connect's answer may repeat its values and is not quoted. */
  readonly quiet?: true;
  /** Workers of older releases do not know the call: their 405 is an answer. */
  readonly recent?: true;
}
export interface Answer { readonly status: number; readonly body: unknown }

const longestRequestMs = 90_000;
const firstRetryMs = 100;
const longestRetryMs = 1_000;
/**
 * Every request can be repeated. `brokenForMs`: Connect answers 500 for what passes (offsets while a stopped task still closes)
 * and for what does not, and 404 while it starts: so for a while. `twiceMs`: where a worker cannot be asked whether it is ready,
 * an absence must be said twice, so far apart.
 */
export interface Habits { readonly brokenForMs: number; readonly twiceMs: number }
export const habits: Habits = { brokenForMs: 15_000, twiceMs: 2_000 };
/** While a worker starts its health endpoint keeps the caller waiting: no answer within this is one. */
const healthMs = 1_000;

const isConnects = (answer: Answer): boolean => z.object({ error_code: z.number() }).safeParse(answer.body).success;
/** Says of a connector, or of all of them, that it is not there. */
const isAbsence = (r: Request, answer: Answer): boolean => r.path.startsWith('/connectors')
  && (answer.status === 404 || (r.method === 'GET' && r.path.startsWith('/connectors?') && Object.keys(answer.body ?? {}).length === 0));

/** As `settled`; an absence counts when it was said by a worker that was ready before it was asked. */
export async function believed(base: string, r: Request, p: Patience, h: Habits): Promise<Answer> {
  const endMs = Date.now() + p.timeoutMs;
  const first = await settled(base, r, p, h);
  if (!isAbsence(r, first)) return first;
  for (let waitMs = firstRetryMs; ; waitMs = Math.min(waitMs * 2, longestRetryMs)) {
    p.before?.();
    const readiness = await askReadiness(base, { ...p, timeoutMs: Math.max(1, Math.min(healthMs, endMs - Date.now())) });
    const restMs = endMs - Date.now();
    if (readiness === 'unknown') await pause(Math.max(0, Math.min(h.twiceMs, restMs / 2)), p.signal);
    if (readiness !== 'starting') return settled(base, r, { ...p, timeoutMs: Math.max(1, endMs - Date.now()) }, h);
    if (restMs <= waitMs) throw new Failure('Unreachable', `Connect at ${base} could not ${r.what}: it is starting and does not know its connectors yet.`);
    await pause(waitMs, p.signal);
  }
}

type Readiness = 'ready' | 'starting' | 'unknown';
const healthShape = z.object({ status: z.string() });
/** `unknown`: a worker without a health endpoint (before 3.9), or behind something that does not let it through. */
async function askReadiness(base: string, p: Patience): Promise<Readiness> {
  const health: Request = { method: 'GET', path: '/health', what: 'say whether it is ready' };
  try {
    const answer = await once(base, health, p);
    if (answer.status < 400) return 'ready';
    // An error that is not Connect's own says nothing of it.
    return answer.status >= 500 && (healthShape.safeParse(answer.body).success || isConnects(answer)) ? 'starting' : 'unknown';
  } catch (e) {
    if (e instanceof Failure && e.type === 'Unreachable') return 'starting';
    throw e;
  }
}

/**
 * Repeats a request that met a rebalance, a missing leader or a stale configuration, as long as the patience lasts. What was
 * answered last is what is told, also where the time runs out in the middle of asking again: that no answer came within the
 * few milliseconds left says nothing of the worker.
 */
async function settled(base: string, r: Request, p: Patience, h: Habits): Promise<Answer> {
  const sinceMs = Date.now();
  const endMs = sinceMs + p.timeoutMs;
  const givenUp = (answer: Answer): Failure =>
    (answer.status === 404 ? notYet(base, r, { forMs: Date.now() - sinceMs, longMs: h.brokenForMs - longestRetryMs }) : refused(base, r, answer));
  let last: Answer | undefined;
  for (let waitMs = firstRetryMs; ; waitMs = Math.min(waitMs * 2, longestRetryMs)) {
    p.before?.();
    const restMs = Math.max(1, endMs - Date.now());
    const limit = AbortSignal.timeout(Math.min(longestRequestMs, restMs));
    const answer = await once(base, r, { ...p, timeoutMs: Math.min(longestRequestMs, restMs) }, limit).catch((e: unknown) => {
      throw last && limit.aborted && !p.signal?.aborted && restMs < longestRequestMs ? givenUp(last) : e;
    });
    const absent = answer.status === 404 && isConnects(answer);
    if (answer.status < 400 || absent || (answer.status === 409 && nameTaken(answer)) || (answer.status === 405 && r.recent)) return answer;
    const lastMs = answer.status === 500 || answer.status === 404 ? Math.min(endMs, sinceMs + h.brokenForMs) : endMs;
    if (!passing(answer) || Date.now() + waitMs >= lastMs) throw givenUp(answer);
    last = answer;
    await pause(waitMs, p.signal);
  }
}

async function once(base: string, r: Request, p: Patience, limit = AbortSignal.timeout(p.timeoutMs)): Promise<Answer> {
  try {
    const response = await axios.request<string>({
      method: r.method, url: `${base}${r.path}`, ...(r.body !== undefined && { data: r.body }),
      // axios' own timeout does not cover a hanging connect: the signal does.
      signal: AbortSignal.any([limit, ...(p.signal ? [p.signal] : [])]),
      headers: { accept: 'application/json', 'content-type': 'application/json' },
      responseType: 'text', transformResponse: (x: string) => x, maxRedirects: 5, proxy: false, validateStatus: () => true,
    });
    return { status: response.status, body: json(response.data) };
  } catch (e) {
    if (p.signal?.aborted) throw p.signal.reason;
    // The AxiosError carries the request with its configuration: only its words go on.
    const said = limit.aborted ? `no answer within ${p.timeoutMs} ms` : redact(e instanceof Error ? e.message : 'unknown error');
    throw new Failure('Unreachable', `Connect at ${base} could not ${r.what}: ${said}.`);
  }
}

const json = (text: string): unknown => {
  try {
    return text === '' ? null : (JSON.parse(text) as unknown);
  } catch {
    return null;
  }
};
const messageOf = (answer: Answer): string => {
  const m = z.object({ message: z.string() }).safeParse(answer.body);
  return m.success ? m.data.message : '';
};
const nameTaken = (answer: Answer): boolean => /already exists/i.test(messageOf(answer));
/** 404 that is not Connect's own: starting, or no Connect. 409: rebalance, no leader, stale configuration. 500: see above. 503: starting. 400 with these words: tasks of a stopped connector still end. */
const passing = (answer: Answer): boolean =>
  [404, 409, 500, 503].includes(answer.status) || (answer.status === 400 && /must be in the STOPPED state|no tasks|still running/i.test(messageOf(answer)));

function refused(base: string, r: Request, answer: Answer): Failure {
  const said = r.quiet ? '' : `, "${firstLine(messageOf(answer))}"`;
  const text = `Connect at ${base} could not ${r.what}: HTTP ${answer.status}${said}.`;
  if (answer.status === 401 || answer.status === 403) return new Failure('Unauthorized', text);
  if (answer.status === 409 || answer.status >= 500) return new Failure('Unreachable', text, 'Read the log of the Connect worker; the call is retried.');
  return new Failure('Unsupported', text, 'Read the log of the Connect worker, which names the setting; then retry.');
}

export const notConnect = (base: string, r: Request): Failure =>
  new Failure('BadCatalog', `${base} answered 404 when asked to ${r.what}: it is not a Kafka Connect worker, or lacks the plugin.`);
/** What is not Connect's own 404 is the catalog's fault only when it has been said for longer than any start takes. */
function notYet(base: string, r: Request, { forMs, longMs }: { readonly forMs: number; readonly longMs: number }): Failure {
  const text = `${base} could not ${r.what}: it answered 404, not in the words of Kafka Connect`;
  return forMs < longMs ? new Failure('Unreachable', `${text}; it is starting, or it is something else.`)
    : new Failure('BadCatalog', `${text}, for ${Math.round(forMs / 1_000)} s: it is not a Kafka Connect worker, or one that does not come up.`);
}

/** First line of a message from Connect, secrets and login configurations taken out, at most 300 characters. */
export const firstLine = (text: string): string =>
  redact(text.split('\n')[0] ?? '').replace(/(password|secret|token)(\s*[=:]\s*)("[^"]*"|\S+)/gi, '$1$2[secret]').slice(0, 300);

export async function pause(ms: number, signal?: AbortSignal): Promise<void> {
  try {
    await sleep(ms, undefined, signal ? { signal } : {});
  } catch (e) {
    throw signal?.aborted ? signal.reason : e;
  }
}
