/**
 * A fleet behind a small HTTP contract (docs/fleets.md): `POST stop`, `POST start`, `GET ask`. Requests are retried with one
 * idempotency key while the time lasts, and carry that time, so that a late server refuses to act.
 */
import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import axios, { type AxiosResponse } from 'axios';
import type { FleetConfig, SecretRef } from '../../domain/catalog.ts';
import type { Side } from '../../domain/authority.ts';
import { Failure } from '../../domain/failures.ts';
import type { Fleet, FleetState, Until } from '../../domain/ports.ts';
import { isGone, parseState, quote } from './state.ts';

type WebhookConfig = FleetConfig & { readonly kind: 'webhook' };
interface Deps { secret(ref: SecretRef): string | Promise<string> }
interface Call { readonly verb: 'stop' | 'start' | 'ask'; readonly application: string; readonly on: Side | null; readonly beside: boolean; readonly key: string; readonly endMs: number }
interface Answer { readonly status: number; readonly text: string }

const firstBackoffMs = 50;
const longestBackoffMs = 2_000;
/** Between two looks at a stop that was answered with 202. */
const pollMs = 50;
const largestBody = 64 * 1024;

export function webhookFleet(name: string, config: WebhookConfig, deps: Deps): Fleet {
  const where = `Webhook fleet ${name} (${safeUrl(config.url)})`;
  const call = (verb: Call['verb'], application: string, on: Side | null, beside = false): Call => ({ verb, application, on, beside, key: randomUUID(), endMs: Date.now() + config.timeoutMs });
  const say = (c: Call): string => `${where}, ${c.verb} ${c.application}`;

  async function once(c: Call, until: Until): Promise<Answer | Error> {
    const token = config.token === undefined ? null : await deps.secret(config.token);
    until.check();
    const leftMs = c.endMs - Date.now();
    const timeoutMs = until.timeoutMs(Math.max(1, leftMs));
    try {
      const response: AxiosResponse<string> = await axios.request({
        method: c.verb === 'ask' ? 'GET' : 'POST',
        url: `${config.url.replace(/\/+$/, '')}/${c.verb}`,
        ...(c.verb === 'ask' ? { params: { application: c.application } } : { data: { application: c.application, ...(c.on === null ? {} : { on: c.on }), ...(c.beside ? { beside: true } : {}), untilMs: Math.min(until.untilMs ?? c.endMs, c.endMs) } }),
        headers: { accept: 'application/json', 'Idempotency-Key': c.key, ...(token === null ? {} : { authorization: `Bearer ${token}` }) },
        // axios' own timeout does not cover a hanging connect: the signal does.
        signal: AbortSignal.any([until.signal, AbortSignal.timeout(timeoutMs)]),
        responseType: 'text', transformResponse: (x: string) => x,
        maxContentLength: largestBody, maxRedirects: 0, proxy: false, validateStatus: () => true,
      });
      const text = quoteSafe(response.data, token);
      return { status: response.status, text };
    } catch (e) {
      // The AxiosError itself carries the request with its token: only its words go on.
      return new Error(quote(e instanceof Error ? e.message : String(e), token === null ? [] : [token]));
    }
  }

  /** Until an answer below 500 arrives, or the time is up. */
  async function request(c: Call, until: Until): Promise<Answer> {
    for (let backoffMs = firstBackoffMs; ; backoffMs = Math.min(backoffMs * 2, longestBackoffMs)) {
      until.check();
      const answer = await once(c, until);
      if (!(answer instanceof Error) && answer.status < 500 && answer.status !== 429) return accepted(c, answer);
      until.check();
      const seen = answer instanceof Error ? answer.message : `HTTP ${answer.status} "${quote(answer.text)}"`;
      if (Date.now() + backoffMs >= c.endMs)
        throw new Failure('Unreachable', `${say(c)}: no answer below 500 within ${config.timeoutMs} ms; last seen: ${seen}.`);
      await pause(backoffMs, until);
    }
  }

  function accepted(c: Call, answer: Answer): Answer {
    if (answer.status === 200 || answer.status === 202 || answer.status === 204) return answer;
    const said = `HTTP ${answer.status}, "${quote(errorText(answer.text))}"`;
    if (answer.status === 401 || answer.status === 403)
      throw new Failure('Unauthorized', `${say(c)}: ${said}.`, config.token === undefined ? 'The catalog names no token for this fleet: add one, then retry.' : `Check the token (${config.token}), then retry.`);
    throw new Failure('ClientNotMoved', `${say(c)}: ${said}; wanted 200, 202 or 204.`);
  }

  async function ask(c: Call, until: Until): Promise<FleetState> {
    const answer = await request(c, until);
    const state = parseState(answer.text, say(c));
    if (state === null) throw new Failure('ClientNotMoved', `${say(c)}: HTTP ${answer.status} without a body; wanted {"source":n,"target":n,"say"?}.`);
    return state;
  }

  function requireBeside(): void {
    if (config.beside !== true) throw new Failure('BadCatalog', `${where} is not said to know two sets of processes ("beside").`);
  }

  /** 200 with a state that shows processes, or 202: not gone yet, so it is asked until it is. */
  async function stop(application: string, until: Until, only?: Side): Promise<void> {
    if (only !== undefined) requireBeside();
    const c = call('stop', application, only ?? null);
    const answer = await request(c, until);
    let state = answer.status === 202 ? null : parseState(answer.text, say(c));
    if (state === null && answer.status !== 202) return;
    while (state === null || !isGone(state, only)) {
      const seen: FleetState | null = state;
      const left = (more = ''): Failure => new Failure('ClientNotMoved', `${say(c)}: processes are left after ${config.timeoutMs} ms (${seen?.say ?? 'never asked'}${more}); wanted none.`);
      if (Date.now() + pollMs >= c.endMs) throw left();
      await pause(pollMs, until);
      state = await ask({ ...c, verb: 'ask', on: null }, until).catch((e: unknown) => {
        // What it said before is worth more than that the last question came too late to be answered.
        throw seen !== null && e instanceof Failure && e.type === 'Unreachable' ? left('; asked again it did not answer in time') : e;
      });
    }
  }

  return {
    kind: 'webhook',
    beside: config.beside === true,
    stop,
    start: async (application, on, until, how) => {
      if (how === 'beside') requireBeside();
      await request(call('start', application, on, how === 'beside'), until);
    },
    ask: (application, until) => ask(call('ask', application, null), until),
  };
}

/** Ends early, with the reason, when the call is cancelled. */
async function pause(ms: number, until: Until): Promise<void> {
  await sleep(ms, undefined, { signal: until.signal }).catch(() => {
    until.check();
    throw until.signal.reason;
  });
}

/** `{"error":"…"}` where the server follows the contract, else its text. */
function errorText(body: string): string {
  try {
    const value: unknown = JSON.parse(body);
    if (value !== null && typeof value === 'object' && 'error' in value && typeof value.error === 'string') return value.error;
  } catch {
    return body;
  }
  return body;
}
/** A server may echo its request: our own token never leaves this file. */
const quoteSafe = (text: unknown, token: string | null): string => {
  const plain = typeof text === 'string' ? text : '';
  return token === null ? plain : plain.replaceAll(token, '***');
};
/** Without user, password and query. */
const safeUrl = (url: string): string => {
  const u = new URL(url);
  return `${u.origin}${u.pathname === '/' ? '' : u.pathname}`;
};
