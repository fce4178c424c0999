/** One process of a stack: started, asked whether it is ready, stopped, killed, paused and started again on the same ports and data. */
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { closeSync, existsSync, openSync, readFileSync, statSync } from 'node:fs';
import { awaitGone, endProcesses, freeze, identify, pause, signalProcess } from './processes.ts';
import type { ProcessId } from './processes.ts';

/** What can be done to one process, or to all processes of a cluster at once. */
export interface Part {
  readonly name: string;
  /** `undefined`: not running. Of a cluster: its first broker. */
  readonly pid: number | undefined;
  readonly logFile: string;
  readonly state: 'running' | 'paused' | 'stopped';
  /** SIGTERM; SIGKILL when it does not end in time. */
  stop(): Promise<void>;
  /** SIGKILL; returns when the process is gone. */
  kill(): Promise<void>;
  /** Starts it if it is stopped, and waits until it is ready. */
  start(): Promise<void>;
  restart(how?: 'stopped' | 'killed'): Promise<void>;
  /** SIGSTOP: the process is there, its connections stay open, and from then on it does nothing. */
  pause(): Promise<void>;
  resume(): void;
}

export interface PartSpec {
  readonly name: string;
  readonly command: string;
  readonly args: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  readonly logFile: string;
  /** Asks the service itself. Called again until it says true; what it throws is shown when time is up. `log` is what it printed since this start. */
  readonly isReady: (seen: { readonly log: () => string }) => Promise<boolean>;
  readonly readyWithinMs?: number;
  readonly stopWithinMs?: number;
}

/** Told of every start and end, so that nothing outlives its owner. */
export interface Watch {
  readonly env: Readonly<Record<string, string>>;
  started(id: ProcessId): void;
  ended(id: ProcessId): void;
}

const lastLines = (file: string, count: number): string =>
  existsSync(file) ? readFileSync(file, 'utf8').trimEnd().split('\n').slice(-count).join('\n') : '(no log)';

export class RunningPart implements Part {
  readonly name: string;
  readonly logFile: string;
  readonly #spec: PartSpec;
  readonly #watch: Watch;
  #child: ChildProcess | null = null;
  #id: ProcessId | null = null;
  #paused = false;
  #readFrom = 0;

  constructor(spec: PartSpec, watch: Watch) {
    this.name = spec.name;
    this.logFile = spec.logFile;
    this.#spec = spec;
    this.#watch = watch;
  }

  get pid(): number | undefined { return this.id?.pid; }
  get id(): ProcessId | null { return this.#ended() ? null : this.#id; }
  get state(): Part['state'] { return this.id === null ? 'stopped' : this.#paused ? 'paused' : 'running'; }

  async start(): Promise<void> {
    if (this.id !== null) return;
    this.#spawn();
    await this.#awaitReady();
  }

  async stop(): Promise<void> {
    const { id } = this;
    if (id === null) return;
    await endProcesses([id], this.#spec.stopWithinMs ?? 15_000);
    this.#forget(id);
  }

  async kill(): Promise<void> {
    const { id } = this;
    if (id === null) return;
    signalProcess(id, 'SIGKILL');
    if (!(await awaitGone(id, 10_000))) throw new Error(`${this.name} (pid ${id.pid}) is still there 10 s after SIGKILL.`);
    this.#forget(id);
  }

  async restart(how: 'stopped' | 'killed' = 'stopped'): Promise<void> {
    await (how === 'killed' ? this.kill() : this.stop());
    await this.start();
  }

  async pause(): Promise<void> {
    if (this.id !== null && await freeze(this.id)) this.#paused = true;
  }

  resume(): void {
    if (this.id !== null && signalProcess(this.id, 'SIGCONT')) this.#paused = false;
  }

  #ended(): boolean {
    return this.#child === null || this.#child.exitCode !== null || this.#child.signalCode !== null;
  }

  #forget(id: ProcessId): void {
    this.#watch.ended(id);
    this.#child = null;
    this.#id = null;
    this.#paused = false;
  }

  #spawn(): void {
    const { command, args, env, cwd, logFile } = this.#spec;
    this.#readFrom = existsSync(logFile) ? statSync(logFile).size : 0;
    const log = openSync(logFile, 'a');
    try {
      // A session of its own: Ctrl-C in a terminal reaches only the owner, who stops the parts in order.
      this.#child = spawn(command, args, {
        detached: true,
        stdio: ['ignore', log, log],
        env: { ...process.env, ...env, ...this.#watch.env },
        ...(cwd === undefined ? {} : { cwd }),
      });
    } finally {
      closeSync(log);
    }
    this.#child.unref();
    this.#child.on('error', (error) => { this.#spawnError = error; });
    this.#id = this.#child.pid === undefined ? null : identify(this.#child.pid);
    if (this.#id !== null) this.#watch.started(this.#id);
  }
  #spawnError: Error | null = null;

  async #awaitReady(): Promise<void> {
    const withinMs = this.#spec.readyWithinMs ?? 120_000;
    const deadline = Date.now() + withinMs;
    const log = (): string => readFileSync(this.logFile).subarray(this.#readFrom).toString('utf8');
    let seen: unknown = null;
    while (Date.now() < deadline) {
      if (this.#ended()) throw this.#failure(`ended before it was ready (${this.#howItEnded()})`);
      try {
        if (await this.#spec.isReady({ log })) return;
      } catch (error) {
        seen = error;
      }
      await pause(50);
    }
    throw this.#failure(`was not ready within ${withinMs / 1000} s${seen instanceof Error ? ` (${seen.message})` : ''}`);
  }

  #howItEnded(): string {
    if (this.#spawnError !== null) return this.#spawnError.message;
    return this.#child?.signalCode ? `signal ${this.#child.signalCode}` : `exit code ${this.#child?.exitCode ?? 'unknown'}`;
  }

  #failure(what: string): Error {
    return new Error(`${this.name} ${what}. Its log is ${this.logFile} and ends with:\n${lastLines(this.logFile, 20)}`);
  }
}

/** Several processes handled as one. */
export const together = (name: string, parts: readonly [RunningPart, ...RunningPart[]]): Part => {
  const all = async (act: (part: RunningPart) => Promise<void>): Promise<void> => { await Promise.all(parts.map(act)); };
  return {
    name,
    get pid() { return parts[0].pid; },
    logFile: parts[0].logFile,
    get state() { return parts.some((p) => p.state === 'stopped') ? 'stopped' : parts.some((p) => p.state === 'paused') ? 'paused' : 'running'; },
    stop: () => all((p) => p.stop()),
    kill: () => all((p) => p.kill()),
    start: () => all((p) => p.start()),
    restart: async (how = 'stopped') => {
      await all((p) => (how === 'killed' ? p.kill() : p.stop()));
      await all((p) => p.start());
    },
    pause: () => all((p) => p.pause()),
    resume: () => { for (const p of parts) p.resume(); },
  };
};
