/** The other side of the worker's gate, for one migration: says which of its calls are awaited, sees the first of them begin, and lets it go. */
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Awaited } from './places.ts';

/** How long a call is held at most. An outage has little time of its own; everything else has as much as it needs. */
export const longestHoldMs: Readonly<Record<Awaited['mode'], number>> = { outage: 1_000, plain: 8_000 };
/** As it is written for the worker, in a file that bears the id of the wish. `run`: which migration's, by its first run. */
export interface Told { readonly run: string; readonly calls: readonly Awaited[] }
/** What of a call tells which step it is. `openings`: those that the journals it records name. */
export interface Call { readonly activity: string; readonly key: string; readonly mode: string; readonly openings: string }
/** A call as it began, epoch ms: a line of the worker's record. */
export interface Begun extends Call { readonly atMs: number }
/** Beside the folders of the gates: what every migration's calls write as they begin. */
export const recordOf = (root: string): string => `${root}.begun`;
export const isStep = (a: Awaited, call: Call): boolean =>
  (a.activity === 'remember' ? call.activity === 'remember' && call.openings.includes(a.includes) : call.mode === a.mode && call.key.includes(a.includes));
const lookEveryMs = 10;

export class Gate {
  readonly folder: string;
  #run = '';
  #id = 0;
  constructor(folder: string) {
    this.folder = folder;
    mkdirSync(folder, { recursive: true });
  }
  /** Whose calls these are; before it was said none is held. */
  of(run: string): void { this.#run = run; }

  await(calls: readonly Awaited[]): void {
    this.open();
    this.#id++;
    const file = join(this.folder, `awaited-${this.#id}`);
    writeFileSync(`${file}.new`, JSON.stringify({ run: this.#run, calls } satisfies Told));
    renameSync(`${file}.new`, file);
  }
  /** Which of the calls; `null`: `over` said so first. */
  async met(over: () => boolean): Promise<number | null> {
    const prefix = `met-${this.#id}-`;
    for (;;) {
      const file = readdirSync(this.folder).find((name) => name.startsWith(prefix));
      if (file !== undefined) return Number(file.slice(prefix.length));
      if (over()) return null;
      await new Promise((r) => setTimeout(r, lookEveryMs));
    }
  }
  go(): void {
    writeFileSync(join(this.folder, `go-${this.#id}`), '');
  }
  /** Calls of this migration that began in that time, epoch ms. */
  begun(fromMs: number, toMs: number): readonly Begun[] {
    const record = recordOf(dirname(this.folder));
    if (!existsSync(record)) return [];
    return readFileSync(record, 'utf8').split('\n').flatMap(parsed).filter((b) => b.key.startsWith(`${this.#run}/`) && b.atMs >= fromMs && b.atMs < toMs);
  }

  /** Nothing is awaited any more, and nobody held. */
  open(): void {
    rmSync(join(this.folder, `awaited-${this.#id}`), { force: true });
    this.go();
  }
}

/** A worker that was killed while it wrote leaves half a line. */
function parsed(text: string): readonly Begun[] {
  try {
    return [JSON.parse(text) as Begun];
  } catch (e) {
    if (e instanceof SyntaxError) return [];
    throw e;
  }
}
