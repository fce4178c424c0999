/** The other side of the worker's gate: says which call is awaited, sees it begin, and lets it go. */
import { existsSync, mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Awaited } from './places.ts';

/** Below the heartbeat timeout of an outage, so that a hold alone fails nothing. */
export const longestHoldMs = 1_000;
/** As it is written for the worker; `id`: one strike. */
export type Told = Awaited & { readonly id: number };

export class Gate {
  readonly folder: string;
  #id = 0;
  constructor(folder: string) {
    this.folder = folder;
    mkdirSync(folder, { recursive: true });
  }
  await(call: Awaited): void {
    this.#id++;
    const file = join(this.folder, 'awaited');
    writeFileSync(`${file}.new`, JSON.stringify({ ...call, id: this.#id } satisfies Told));
    renameSync(`${file}.new`, file);
  }
  /** `false`: `over` said so first. */
  async met(over: () => boolean): Promise<boolean> {
    while (!existsSync(join(this.folder, `met-${this.#id}`))) {
      if (over()) return false;
      await new Promise((r) => setTimeout(r, 2));
    }
    return true;
  }
  go(): void {
    writeFileSync(join(this.folder, `go-${this.#id}`), '');
  }
  /** Nothing is awaited any more. */
  open(): void {
    rmSync(join(this.folder, 'awaited'), { force: true });
  }
}
