/**
 * A fleet driven by the operator's own programs: one to stop, one to start on each side, one to ask. They are run without a
 * shell, in a process group of their own that is killed as a whole when the time is up: what hangs cannot write later.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import type { Beside, Command, FleetConfig } from '../../domain/catalog.ts';
import type { Side } from '../../domain/authority.ts';
import { Failure } from '../../domain/failures.ts';
import type { Fleet, FleetState, Until } from '../../domain/ports.ts';
import { isGone, parseState, quote } from './state.ts';

type CommandConfig = FleetConfig & { readonly kind: 'command' };
type Verb = 'stop' | 'start' | 'ask';
interface Call { readonly fleet: string; readonly application: string; readonly verb: Verb; readonly on: Side | ''; readonly command: Command; readonly capMs: number }
/** One program with its arguments, what to call it in errors, and what it finds in its environment beside the worker's. */
export interface Program { readonly what: string; readonly whose: string; readonly command: Command; readonly capMs: number; readonly env: Readonly<Record<string, string>> }

/** Output kept per stream, characters: enough for an answer and for the last line of a failure. */
const keptOutput = 64_000;
/** A started application may inherit our pipe and keep it open: after the command's exit we wait no longer than this. */
const pipeGraceMs = 100;

export function commandFleet(name: string, config: CommandConfig): Fleet {
  const call = (application: string, verb: Verb, on: Side | '', command: Command): Call => ({ fleet: name, application, verb, on, command, capMs: config.timeoutMs });
  return {
    kind: 'command',
    beside: config.beside !== undefined,
    async stop(application, until, only) {
      const asked = only === undefined ? call(application, 'stop', '', config.stop) : call(application, 'stop', only, requireBeside(name, config).stop[only]);
      const state = parseState(await run(programOf(asked), until), sayCall(asked));
      if (state !== null && !isGone(state, only))
        throw new Failure('ClientNotMoved', `Application ${application}: ${sayCall(asked)} ended well, yet says that processes are left (${state.say}); wanted none.`);
    },
    async start(application, on, until, how) {
      await run(programOf(call(application, 'start', on, (how === 'beside' ? requireBeside(name, config) : config).start[on])), until);
    },
    async ask(application, until): Promise<FleetState> {
      const asked = call(application, 'ask', '', config.ask);
      const state = parseState(await run(programOf(asked), until), sayCall(asked));
      if (state === null) throw new Failure('ClientNotMoved', `Application ${application}: ${sayCall(asked)} printed nothing; wanted JSON {"source":n,"target":n,"say"?}.`);
      return state;
    },
  };
}

function requireBeside(name: string, config: CommandConfig): Beside {
  if (config.beside === undefined) throw new Failure('BadCatalog', `Fleet ${name} has no commands for a set of processes beside another ("beside").`);
  return config.beside;
}
const programOf = (c: Call): Program => ({ what: `Application ${c.application}: ${sayCall(c)}`, whose: `Fleet ${c.fleet}`, command: c.command, capMs: c.capMs, env: { CUTOVER_APPLICATION: c.application, CUTOVER_SIDE: c.on } });

/** The whole run of one command; its standard output when it ended with 0. */
export async function run(call: Program, until: Until): Promise<string> {
  until.check();
  const timeoutMs = until.timeoutMs(call.capMs);
  const [program, ...args] = call.command;
  const child = spawn(program, args, {
    detached: true, // its own process group, so that children of the command are killed with it
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, ...call.env, CUTOVER_UNTIL_MS: until.untilMs === null ? '' : String(until.untilMs) },
  });
  const out = keep(child.stdout);
  const err = keep(child.stderr);
  const ended = await ending(child, until.signal, timeoutMs);
  if (ended.why === 'aborted') {
    until.check();
    throw until.signal.reason instanceof Error ? until.signal.reason : new Failure('ClientNotMoved', `${call.what} was cancelled.`);
  }
  if (ended.why === 'missing')
    throw new Failure('BadCatalog', `${call.whose}: "${program}" cannot be run (${quote(ended.text)}).`, 'Correct the command in the catalog of the worker, or install the program on its machine.');
  if (ended.why === 'late') {
    until.check(); // the budget's own failure where that was the shorter limit
    throw new Failure('ClientNotMoved', `${call.what} did not end within ${timeoutMs} ms and was killed.`);
  }
  if (ended.code !== 0)
    throw new Failure('ClientNotMoved', `${call.what} ended with ${ended.text}; it said "${quote(lastLine(err()), environmentSecrets())}".`);
  return out();
}

interface Ended { readonly why: 'exited' | 'missing' | 'late' | 'aborted'; readonly code: number | null; readonly text: string }

/** Resolves once, after the process is gone: by itself, or with its whole group killed. */
function ending(child: ChildProcess, signal: AbortSignal, timeoutMs: number): Promise<Ended> {
  return new Promise((resolve) => {
    let killed: 'late' | 'aborted' | null = null;
    const kill = (why: 'late' | 'aborted'): void => {
      killed ??= why;
      killGroup(child);
    };
    const timer = setTimeout(() => kill('late'), timeoutMs);
    const onAbort = (): void => kill('aborted');
    const finish = (ended: Ended): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', onAbort);
      child.stdout?.destroy();
      child.stderr?.destroy();
      resolve(ended);
    };
    child.once('error', (e) => { if (child.pid === undefined) finish({ why: 'missing', code: null, text: e.message }); });
    child.once('exit', (code, by) => {
      // Killed after its leader had ended: whatever the group left behind goes as well.
      if (killed !== null) killGroup(child);
      const done = (): void => finish({ why: killed ?? 'exited', code, text: code === null ? `signal ${by}` : `code ${code}` });
      const grace = setTimeout(done, pipeGraceMs);
      child.once('close', () => { clearTimeout(grace); done(); });
    });
    if (signal.aborted) onAbort();
    else signal.addEventListener('abort', onAbort, { once: true });
  });
}

/** SIGKILL at once: the time to be polite has passed, and a graceful end could still write. */
function killGroup(child: ChildProcess): void {
  if (child.pid === undefined) return;
  try {
    process.kill(-child.pid, 'SIGKILL');
  } catch (e) {
    if ((e as NodeJS.ErrnoException).code !== 'ESRCH') throw e;
  }
}

/** Keeps the last characters of a stream. */
function keep(stream: NodeJS.ReadableStream | null): () => string {
  let text = '';
  stream?.setEncoding('utf8');
  stream?.on('data', (chunk: string) => { text = (text + chunk).slice(-keptOutput); });
  return () => text;
}

const lastLine = (text: string): string => text.split('\n').map((l) => l.trim()).filter((l) => l !== '').at(-1) ?? 'nothing';
/** `env:` references live in the environment that the command inherits, so a careless command may print them. */
const environmentSecrets = (): readonly string[] =>
  Object.entries(process.env).filter(([name, value]) => value !== undefined && value.length >= 4 && /PASS|SECRET|TOKEN|KEY|CREDENTIAL/i.test(name)).map(([, value]) => value ?? '');
/** The program and not its arguments: those may carry what nobody should read. */
const sayCall = (c: Call): string => `the ${c.verb}${c.on === '' ? '' : `-on-${c.on}`} command of fleet ${c.fleet} (${quote(c.command[0])})`;
