/** The other side of the worker's gate: says which calls are awaited, sees the first of them begin, and lets it go. */
import { mkdirSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Awaited } from './places.ts';

/** Below the heartbeat timeout of an outage, so that a hold alone fails nothing. */
export const longestHoldMs = 1_000;
/** As it is written for the worker; `id`: one strike, at whichever of these calls comes first. */
export interface Told { readonly calls: readonly Awaited[]; readonly id: number }

export class Gate {
  readonly folder: string;
  #id = 0;
  constructor(folder: string) {
    this.folder = folder;
    mkdirSync(folder, { recursive: true });
  }
  await(calls: readonly Awaited[]): void {
    this.#id++;
    const file = join(this.folder, 'awaited');
    writeFileSync(`${file}.new`, JSON.stringify({ calls, id: this.#id } satisfies Told));
    renameSync(`${file}.new`, file);
  }
  /** Which of the calls; `null`: `over` said so first. */
  async met(over: () => boolean): Promise<number | null> {
    const prefix = `met-${this.#id}-`;
    for (;;) {
      const file = readdirSync(this.folder).find((name) => name.startsWith(prefix));
      if (file !== undefined) return Number(file.slice(prefix.length));
      if (over()) return null;
      await new Promise((r) => setTimeout(r, 2));
    }
  }
  go(): void {
    writeFileSync(join(this.folder, `go-${this.#id}`), '');
  }
  /** Nothing is awaited any more. */
  open(): void {
    rmSync(join(this.folder, 'awaited'), { force: true });
  }
}
