/** A hook of the catalog: a switch or a check of the operator's own, behind HTTP or a program (docs/schemes.md). */
import axios, { type AxiosResponse } from 'axios';
import type { HookConfig, SecretRef } from '../../domain/catalog.ts';
import { Failure } from '../../domain/failures.ts';
import type { Hook, HookState, Until } from '../../domain/ports.ts';
import { run, type Program } from '../fleet/command.ts';
import { quote } from '../fleet/state.ts';

interface Deps { secret(ref: SecretRef): string | Promise<string> }
type Webhook = HookConfig & { readonly kind: 'webhook' };
type CommandHook = HookConfig & { readonly kind: 'command' };
const largestBody = 64 * 1024;

export const openHook = (name: string, config: HookConfig, deps: Deps): Hook => (config.kind === 'webhook' ? webhookHook(name, config, deps) : commandHook(name, config));

/** `GET {url}` answers `{"state", "say"?}`; `PUT {url}` with `{"state", "untilMs"}` sets it. */
function webhookHook(name: string, config: Webhook, deps: Deps): Hook {
  const where = `Hook ${name} (${new URL(config.url).origin}${new URL(config.url).pathname})`;
  async function call(method: 'GET' | 'PUT', state: string | null, until: Until): Promise<string> {
    const token = config.token === undefined ? null : await deps.secret(config.token);
    until.check();
    const timeoutMs = until.timeoutMs(config.timeoutMs);
    const hide = (text: string): string => quote(token === null ? text : text.replaceAll(token, '***'));
    let response: AxiosResponse<string>;
    try {
      response = await axios.request({
        method, url: config.url,
        ...(state === null ? {} : { data: { state, untilMs: until.untilMs ?? Date.now() + timeoutMs } }),
        headers: { accept: 'application/json', ...(token === null ? {} : { authorization: `Bearer ${token}` }) },
        signal: AbortSignal.any([until.signal, AbortSignal.timeout(timeoutMs)]),
        responseType: 'text', transformResponse: (x: string) => x,
        maxContentLength: largestBody, maxRedirects: 0, proxy: false, validateStatus: () => true,
      });
    } catch (e) {
      until.check();
      // The AxiosError itself carries the request with its token: only its words go on.
      throw new Failure('Unreachable', `${where}: ${hide(e instanceof Error ? e.message : String(e))}.`);
    }
    const { status } = response;
    const text = typeof response.data === 'string' ? response.data : '';
    if (status === 200 || status === 204) return text;
    if (status === 401 || status === 403) throw new Failure('Unauthorized', `${where}: HTTP ${status}, "${hide(text)}".`, config.token === undefined ? 'The catalog names no token for this hook: add one, then retry.' : `Check the token (${config.token}), then retry.`);
    throw new Failure(status >= 500 || status === 429 ? 'Unreachable' : 'ClientNotMoved', `${where}: HTTP ${status}, "${hide(text)}"; wanted 200 or 204.`);
  }
  return {
    ask: async (until) => parseHook(await call('GET', null, until), where),
    set: async (state, until) => { await call('PUT', state, until); },
  };
}

/** `ask` prints `{"state", "say"?}`; `set` finds the wanted state in CUTOVER_STATE. */
function commandHook(name: string, config: CommandHook): Hook {
  const program = (verb: 'ask' | 'set', command: Program['command'], state: string): Program =>
    ({ what: `The ${verb} command of hook ${name} (${quote(command[0])})`, whose: `Hook ${name}`, command, capMs: config.timeoutMs, env: { CUTOVER_STATE: state } });
  return {
    ask: async (until) => parseHook(await run(program('ask', config.ask, ''), until), `Hook ${name}`),
    set: async (state, until) => {
      if (config.set === undefined) throw new Failure('BadCatalog', `Hook ${name} has no command "set" and is to be set to ${state}.`, 'Add it in the catalog of the worker and restart the worker; then retry.');
      await run(program('set', config.set, state), until);
    },
  };
}

function parseHook(text: string, where: string): HookState {
  let x: unknown;
  try {
    x = JSON.parse(text);
  } catch {
    x = null;
  }
  const { state, say } = (x !== null && typeof x === 'object' ? x : {}) as Readonly<Record<string, unknown>>;
  if (typeof state !== 'string' || state === '') throw new Failure('ClientNotMoved', `${where} answered "${quote(text)}"; wanted {"state": "…", "say"?: "…"}.`);
  return { state: state.slice(0, 100), say: typeof say === 'string' ? quote(say) : '' };
}
