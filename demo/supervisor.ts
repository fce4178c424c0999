/**
 * Owns the processes of the demo applications and lets Cutover stop and start them: a small HTTP server on loopback that
 * speaks the webhook contract of docs/fleets.md. It keeps its own clock of what it was told and when that was done.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { closeSync, mkdirSync, openSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import type { Side } from '../src/domain/authority.ts';

export interface AppSpec {
  readonly application: string;
  /** File below `demo/apps`. */
  readonly script: string;
  readonly instances: number;
  readonly args: readonly string[];
  /** What differs by side. */
  readonly argsOn?: (side: Side) => readonly string[];
  /** Credentials and the like for that side. */
  readonly env?: (side: Side) => Readonly<Record<string, string>>;
}
export interface SupervisorChoices {
  readonly apps: readonly AppSpec[];
  readonly bootstrap: Readonly<Record<Side, readonly string[]>>;
  readonly journalFolder: string;
  readonly logFolder: string;
  /** What a process that starts now must be told beside its place (see `demo/green.ts`). */
  readonly orders?: () => readonly string[];
  /** For every process; lets a stack end what is left. */
  readonly env?: Readonly<Record<string, string>>;
  /** Called when a fleet asked for a stop, after the processes are gone and before the answer. */
  readonly stopped?: (application: string) => Promise<void>;
}
/** Epoch ms by the supervisor's clock. `stopped`: the last process is gone. `killed`: it had to be, so its work is uncertain. */
export interface FleetEvent { readonly application: string; readonly what: 'told to start' | 'told to stop' | 'stopped' | 'killed' | 'died'; readonly side: Side; readonly atMs: number }
interface Running { readonly child: ChildProcess; readonly side: Side; readonly ready: Promise<void>; readonly gone: Promise<void>; /** We asked it to end. */ told: boolean }

/** Longer than a broker may be silent and come back: who is killed while it waits for an answer has not committed what it processed. */
const stopWithinMs = 13_000;
const restartAfterMs = 300;
const lookEveryMs = 50;
/** A refusal that an operator sees; `status` as docs/fleets.md says. */
class Refused extends Error {
  readonly status: number;
  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

export class Supervisor implements AsyncDisposable {
  readonly events: FleetEvent[] = [];
  readonly token: string = randomUUID();
  readonly #choices: SupervisorChoices;
  readonly #running = new Map<string, Running[]>();
  /** One call at a time per application: a repeated call must see what the first one did. */
  readonly #turns = new Map<string, Promise<unknown>>();
  /** Where each application is meant to run; empty: nowhere. */
  readonly #wanted = new Map<string, ReadonlySet<Side>>();
  #server: Server | null = null;

  constructor(choices: SupervisorChoices) {
    this.#choices = choices;
    mkdirSync(choices.journalFolder, { recursive: true });
    mkdirSync(choices.logFolder, { recursive: true });
  }

  /** Base URL of the webhook contract. */
  async listen(): Promise<string> {
    const server = createServer((q, s) => void this.#serve(q, s));
    this.#server = server;
    await new Promise<void>((resolve, reject) => server.once('error', reject).listen(0, '127.0.0.1', resolve));
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  }

  /** Processes that are alive, per side. */
  count(application: string): { source: number; target: number } {
    this.#spec(application);
    const all = this.#running.get(application) ?? [];
    return { source: all.filter((r) => r.side === 'source').length, target: all.filter((r) => r.side === 'target').length };
  }

  /** Processes that are alive, for those who strike at them. */
  pids(application: string): readonly number[] {
    this.#spec(application);
    return (this.#running.get(application) ?? []).flatMap((r) => r.child.pid ?? []);
  }

  /** Starts what is missing on that side; returns once the processes exist. `beside`: a set on the other side goes on. */
  start(application: string, side: Side, untilMs: number | null = null, how: 'alone' | 'beside' = 'alone'): Promise<void> {
    return this.#inTurn(application, async () => {
      refuseLate(untilMs);
      const spec = this.#spec(application);
      const now = this.count(application);
      if (how === 'alone' && now[side === 'source' ? 'target' : 'source'] > 0) throw new Refused(409, `${application} still runs on the other side; stop it first.`);
      if (now[side] === spec.instances) return;
      this.#note(application, 'told to start', side);
      this.#wanted.set(application, new Set([...(this.#wanted.get(application) ?? []), side]));
      const missing = Array.from({ length: spec.instances }, (_, i) => i).filter((i) => !this.#has(application, i, side));
      await Promise.all(missing.map((i) => this.#spawn(spec, i, side)));
    });
  }

  /** SIGTERM to all, or to those on one side, and waits until they are gone. */
  stop(application: string, untilMs: number | null = null, only: Side | null = null): Promise<void> {
    return this.#inTurn(application, async () => {
      refuseLate(untilMs);
      this.#spec(application);
      for (const side of only === null ? (['source', 'target'] as const) : [only]) await this.#stop(application, side);
    });
  }

  async #stop(application: string, side: Side): Promise<void> {
    this.#wanted.set(application, new Set([...(this.#wanted.get(application) ?? [])].filter((s) => s !== side)));
    const all = (this.#running.get(application) ?? []).filter((r) => r.side === side);
    if (all.length === 0) return;
    this.#note(application, 'told to stop', side);
    const late = setTimeout(() => {
      this.#note(application, 'killed', side);
      for (const r of all) r.child.kill('SIGKILL');
    }, stopWithinMs);
    for (const r of all) {
      r.told = true;
      r.child.kill('SIGTERM');
    }
    await Promise.all(all.map((r) => r.gone));
    clearTimeout(late);
    this.#note(application, 'stopped', side);
  }

  /** Tells every process something, and waits until each has said that it heeds it, or is gone. */
  async tell(message: Readonly<Record<string, string>>): Promise<void> {
    const id = randomUUID();
    await Promise.all([...this.#running.values()].flat().map((r) => {
      const heeded = new Promise<void>((resolve) => {
        const hear = (m: unknown): void => { if (m === id) { r.child.off('message', hear); resolve(); } };
        r.child.on('message', hear);
      });
      // What ends meanwhile cannot be told; its end is on its way, and is what is waited for. Without the callback the failure would be an event that nobody hears.
      r.child.send({ id, ...message }, () => undefined);
      return Promise.race([heeded, r.gone]);
    }));
  }

  /** What the books of outages should know and no fleet call says. */
  note(application: string, what: FleetEvent['what'], side: Side): void { this.#note(application, what, side); }

  /** Until every process of the application that is meant to run is connected and at work, those among them that were killed and are started again. */
  async ready(application: string, withinMs = 30_000): Promise<void> {
    const spec = this.#spec(application);
    const late = AbortSignal.timeout(withinMs);
    const overdue = new Promise<never>((_, reject) => late.addEventListener('abort', () => reject(new Error(`${application} was not at work within ${withinMs} ms; its log is in ${this.#choices.logFolder}.`)), { once: true }));
    const atWork = async (): Promise<void> => {
      while (!late.aborted && this.#isShort(spec)) await new Promise((r) => setTimeout(r, lookEveryMs));
      await Promise.all((this.#running.get(application) ?? []).map((r) => r.ready));
    };
    await Promise.race([atWork(), overdue]);
  }

  #isShort({ application, instances }: AppSpec): boolean {
    const now = this.count(application);
    return [...(this.#wanted.get(application) ?? [])].some((side) => now[side] < instances);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server?.closeAllConnections();
    this.#server?.close();
    await Promise.all(this.#choices.apps.map((a) => this.stop(a.application)));
  }

  #spec(application: string): AppSpec {
    const spec = this.#choices.apps.find((a) => a.application === application);
    if (!spec) throw new Refused(404, `No application is called "${application}"; there are ${this.#choices.apps.map((a) => a.application).join(', ')}.`);
    return spec;
  }

  #inTurn<T>(application: string, work: () => Promise<T>): Promise<T> {
    const turn = (this.#turns.get(application) ?? Promise.resolve()).then(work);
    this.#turns.set(application, turn.catch(() => undefined));
    return turn;
  }

  #note(application: string, what: FleetEvent['what'], side: Side): void {
    this.events.push({ application, what, side, atMs: Date.now() });
  }

  readonly #instanceOf = new WeakMap<ChildProcess, number>();
  #has(application: string, instance: number, side: Side): boolean {
    return (this.#running.get(application) ?? []).some((r) => r.side === side && this.#instanceOf.get(r.child) === instance);
  }

  async #spawn(spec: AppSpec, instance: number, side: Side): Promise<void> {
    const { bootstrap, journalFolder, logFolder, env } = this.#choices;
    const log = openSync(join(logFolder, `${spec.application}-${instance}.log`), 'a');
    const child = spawn(process.execPath, [
      '--disable-warning=TimeoutNegativeWarning', join(import.meta.dirname, 'apps', spec.script),
      '--application', spec.application, '--instance', `${instance}/${spec.instances}`, '--side', side,
      '--bootstrap', bootstrap[side].join(','), '--journal', journalFolder, ...spec.args, ...(spec.argsOn?.(side) ?? []), ...(this.#choices.orders?.() ?? []),
    ], {
      // A session of its own: Ctrl-C reaches only us, and we stop them in order. Should we die, they see the channel close.
      detached: true, stdio: ['ignore', log, log, 'ipc'],
      env: { ...process.env, NODE_COMPILE_CACHE: join(logFolder, 'compiled'), KAFKAJS_NO_PARTITIONER_WARNING: '1', ...env, ...spec.env?.(side) },
    });
    closeSync(log);
    this.#instanceOf.set(child, instance);
    const gone = new Promise<void>((resolve) => { child.once('exit', () => resolve()); child.once('error', () => resolve()); });
    const ready = new Promise<void>((resolve, reject) => {
      child.once('message', () => resolve());
      void gone.then(() => reject(new Error(`${spec.application} ended before it was at work; its log is in ${logFolder}.`)));
    });
    ready.catch(() => undefined); // told to whoever waits for it
    const running: Running = { child, side, ready, gone, told: false };
    this.#running.set(spec.application, [...(this.#running.get(spec.application) ?? []), running]);
    void gone.then(() => {
      this.#running.set(spec.application, (this.#running.get(spec.application) ?? []).filter((r) => r !== running));
      if (!endedWell(running)) this.#note(spec.application, 'died', side);
      if (this.#wanted.get(spec.application)?.has(side)) setTimeout(() => void this.#again(spec, instance, side), restartAfterMs);
    });
    await new Promise<void>((resolve, reject) => { child.once('spawn', resolve); child.once('error', reject); });
  }

  /** As a service manager would: what ended by itself is started again, unless it was stopped meanwhile. */
  async #again(spec: AppSpec, instance: number, side: Side): Promise<void> {
    await this.#inTurn(spec.application, async () => {
      if (this.#wanted.get(spec.application)?.has(side) && !this.#has(spec.application, instance, side)) await this.#spawn(spec, instance, side);
    });
  }

  async #serve(q: IncomingMessage, s: ServerResponse): Promise<void> {
    const answer = (status: number, body: object): void => { s.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body)); };
    try {
      const url = new URL(q.url ?? '/', 'http://loopback');
      if (q.headers.authorization !== `Bearer ${this.token}`) throw new Refused(401, 'The token is not the one of this demo.');
      if (q.method === 'GET' && url.pathname === '/ask') { answer(200, this.#state(url.searchParams.get('application') ?? '')); return; }
      if (q.method !== 'POST') throw new Refused(404, `No such call: ${q.method} ${url.pathname}.`);
      answer(200, await this.#act(url.pathname, parseBody(await text(q))));
    } catch (e) {
      answer(e instanceof Refused ? e.status : 500, { error: e instanceof Error ? e.message : String(e) });
    }
  }

  async #act(path: string, x: { readonly application: string; readonly on: string | null; readonly beside: boolean; readonly untilMs: number | null }): Promise<object> {
    if (path === '/stop') {
      if (x.on !== null && x.on !== 'source' && x.on !== 'target') throw new Refused(400, `"on" is ${x.on}; wanted source, target, or nothing for both.`);
      await this.stop(x.application, x.untilMs, x.on);
      await this.#choices.stopped?.(x.application);
    } else if (path === '/start') {
      if (x.on !== 'source' && x.on !== 'target') throw new Refused(400, `"on" is ${x.on ?? 'missing'}; wanted source or target.`);
      await this.start(x.application, x.on, x.untilMs, x.beside ? 'beside' : 'alone');
    } else throw new Refused(404, `No such call: POST ${path}.`);
    return this.#state(x.application);
  }

  #state(application: string): object {
    const { source, target } = this.count(application);
    return { source, target, say: `${source === 1 ? '1 process' : `${source} processes`} on source, ${target} on target` };
  }
}

/** By itself with 0; or by the signal that asked it to, which ends a process at once while it still loads its code: it had not begun to work. */
const endedWell = ({ child, told }: Running): boolean => child.exitCode === 0 || (told && child.signalCode === 'SIGTERM');

function refuseLate(untilMs: number | null): void {
  if (untilMs !== null && Date.now() >= untilMs) throw new Refused(409, `Too late by ${Date.now() - untilMs} ms: the time of this call has passed.`);
}

function parseBody(body: string): { readonly application: string; readonly on: string | null; readonly beside: boolean; readonly untilMs: number | null } {
  let x: unknown;
  try {
    x = JSON.parse(body);
  } catch {
    throw new Refused(400, 'The body is not JSON.');
  }
  const { application, on, beside, untilMs } = (x ?? {}) as Readonly<Record<string, unknown>>;
  if (typeof application !== 'string') throw new Refused(400, '"application" is missing.');
  return { application, on: typeof on === 'string' ? on : null, beside: beside === true, untilMs: typeof untilMs === 'number' ? untilMs : null };
}
