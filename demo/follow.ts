/** Follows a running migration in the terminal: a line that renews itself, what is asked, and how to answer it. */
import { createInterface } from 'node:readline';
import type { WorkflowHandle } from '@temporalio/client';
import { WorkflowUpdateFailedError } from '@temporalio/client';
import type { Answer, Progress, Question } from '../src/domain/progress.ts';

const everyMs = 500;
/** A line at least this often where there is no terminal, so that a log shows life. */
const plainEveryMs = 10_000;
/** `--yes` tries a failed step again this often, visibly, and then rolls back: a demo must not go in circles. */
const mostRetries = 2;

export interface Follow {
  readonly handle: WorkflowHandle;
  readonly out: NodeJS.WriteStream;
  readonly approve: 'by itself' | 'a person';
  /** How to answer from elsewhere. */
  readonly temporal: { readonly binary: string; readonly address: string; readonly link: string };
  /** Said beside the progress; called at every turn. */
  readonly traffic: () => Promise<string>;
  /** What `--yes` answers to a hold, an approval once its claims all stand; `null`: not yet. */
  readonly toHold: (q: Question) => 'approve' | 'rollback' | null;
}

/** Returns when the workflow is closed; how it ended is the caller's to read. */
export async function follow(f: Follow): Promise<void> {
  const screen = new Screen(f.out);
  const person = f.approve === 'a person' && process.stdin.isTTY ? new Person() : null;
  const self = new Approver(f, screen);
  let shown = '';
  let refused: string | null = null;
  try {
    while (await isOpen(f.handle)) {
      const p = await progress(f.handle);
      const traffic = await f.traffic();
      if (p !== null) {
        screen.progress(p, traffic);
        // A signal is not answered: whoever sent it looks here for what became of it.
        if (p.refused !== null && p.refused !== refused) screen.line(`  not taken · ${p.refused}`);
        refused = p.refused;
        const q = p.question;
        const id = q === null ? '' : `${q.name} ${q.sinceMs} ${q.hash}`;
        if (q !== null && id !== shown) { screen.block(asked(p, q, f)); person?.forget(); }
        shown = id;
        if (q !== null && f.approve === 'by itself') await self.answer(q);
        if (q !== null && person !== null) await person.answer(q, (kind) => self.send(kind, q));
      }
      await new Promise((r) => setTimeout(r, everyMs));
    }
  } finally {
    person?.close();
    screen.end();
  }
}

const isOpen = async (handle: WorkflowHandle): Promise<boolean> => ['RUNNING', 'PAUSED', 'CONTINUED_AS_NEW'].includes((await handle.describe()).status.name);

/** `null`: no worker answers at the moment, or the run is just being continued; the next look will tell. */
async function progress(handle: WorkflowHandle): Promise<Progress | null> {
  try {
    return await handle.query<Progress>('progress');
  } catch {
    return null;
  }
}

class Approver {
  readonly #f: Follow;
  readonly #screen: Screen;
  readonly #retries = new Map<string, number>();
  constructor(f: Follow, screen: Screen) {
    this.#f = f;
    this.#screen = screen;
  }

  async answer(q: Question): Promise<void> {
    if (q.kind === 'hold') {
      const said = this.#f.toHold(q);
      if (said === 'rollback' || (said === 'approve' && q.claims.every((c) => c.holds))) await this.send(said, q);
      return;
    }
    const tried = this.#retries.get(q.name) ?? 0;
    this.#retries.set(q.name, tried + 1);
    await this.send(tried < mostRetries && q.answers.includes('retry') ? 'retry' : q.answers.includes('rollback') ? 'rollback' : 'retry', q);
  }

  /** The verdict is shown; a refusal is no failure: the question stays open and is looked at again. */
  async send(kind: Answer, q: Question): Promise<void> {
    const payload = { kind, by: 'demo', hold: q.name, ...(q.hash === null ? {} : { hash: q.hash }), ...(kind === 'approve' ? {} : { reason: 'asked for in the demo' }) };
    try {
      this.#screen.line(`  ${kind}: ${await this.#f.handle.executeUpdate<string, [unknown]>('decide', { args: [payload] })}`);
    } catch (e) {
      const why = e instanceof WorkflowUpdateFailedError && e.cause ? e.cause.message : e instanceof Error ? e.message : String(e);
      this.#screen.line(`  ${kind} not taken: ${why}`);
    }
  }
}

/** Enter gives the first answer; a word gives that one. */
class Person {
  readonly #lines: string[] = [];
  readonly #reader = createInterface({ input: process.stdin });
  constructor() {
    this.#reader.on('line', (line) => this.#lines.push(line.trim()));
    this.#reader.on('SIGINT', () => process.kill(process.pid, 'SIGINT'));
  }
  /** What was typed before a question was shown is no answer to it. */
  forget(): void {
    this.#lines.length = 0;
  }
  async answer(q: Question, send: (kind: Answer) => Promise<void>): Promise<void> {
    const line = this.#lines.shift();
    if (line === undefined) return;
    const kind = line === '' ? q.answers[0] : q.answers.find((a) => a === line);
    if (kind !== undefined) await send(kind);
  }
  close(): void {
    this.#reader.close();
  }
}

/** The question with its evidence, and every way to answer it. */
function asked(p: Progress, q: Question, f: Follow): readonly string[] {
  const [first = 'retry'] = q.answers;
  const hash = q.hash === null ? {} : { hash: q.hash };
  const run = (verb: string, name: string, input: object): string =>
    `    ${f.temporal.binary} workflow ${verb} --address ${f.temporal.address} --workflow-id '${p.workflowId}' --name ${name} --input '${JSON.stringify(input)}'`;
  return [
    '', `  ${q.kind === 'hold' ? 'HOLD' : 'HELP NEEDED'} · ${q.name}`, `  ${q.text}`,
    ...q.claims.map((c) => `    ${c.holds ? '✔' : '✘'} ${c.text}`),
    ...q.figures.map((x) => `    · ${x}`),
    `  ${howToAnswer(q, f, first)}`,
    run('update execute', 'decide', { kind: first, by: 'you', hold: q.name, ...hash }),
    run('signal', first, { by: 'you', ...hash }),
    `    ${f.temporal.link}`, '',
  ];
}

/** Only what works here: without a terminal nothing can be typed. */
function howToAnswer(q: Question, f: Follow, first: Answer): string {
  const others = q.answers.slice(1).join(' or ');
  if (f.approve === 'by itself') return '--yes: the demo answers by itself. By hand it would be one of these:';
  if (process.stdin.isTTY) return `Press Enter to ${first}${others === '' ? '' : `, type ${others} and Enter`}, or from another shell or the UI:`;
  return `To ${first}${others === '' ? '' : ` (or, with a reason, ${others})`}, one of these from another shell, or the UI:`;
}

/** Without a terminal a line is a line of a log. */
const longestSaid = 160;
const short = (text: string): string => (text.length <= longestSaid ? text : `${text.slice(0, longestSaid)}…`);

class Screen {
  readonly #out: NodeJS.WriteStream;
  #last = '';
  #lastMs = 0;
  constructor(out: NodeJS.WriteStream) {
    this.#out = out;
  }
  progress(p: Progress, traffic: string): void {
    const bar = `${'█'.repeat(Math.round((20 * p.done) / Math.max(1, p.total)))}`.padEnd(20, '░');
    const where = `${p.state} ${p.done}/${p.total} ${p.unit}`.trimEnd();
    if (this.#out.isTTY) {
      const line = `  ${bar} ${where} · ${p.say} · ${traffic}`;
      this.#out.write(`\r\u001b[K${line.slice(0, (this.#out.columns || 120) - 1)}`);
    } else if (where !== this.#last || Date.now() - this.#lastMs > plainEveryMs) {
      this.#out.write(`  ${where}${p.say === '' ? '' : ` · ${short(p.say)}`} · ${traffic}\n`);
      this.#lastMs = Date.now();
    }
    this.#last = where;
  }
  line(text: string): void {
    this.#out.write(`${this.#out.isTTY ? '\r\u001b[K' : ''}${text}\n`);
  }
  block(lines: readonly string[]): void {
    this.line(lines.join('\n'));
  }
  end(): void {
    if (this.#out.isTTY) this.#out.write('\r\u001b[K');
  }
}
