/** The other side of the worker's gate: says which call is awaited, sees it begin, and lets it go. */
import { existsSync, mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Awaited } from './moments.ts';

/** Below the heartbeat timeout of an outage, so that a hold alone fails nothing. */
export const longestHoldMs = 1_000;

export class Gate {
  readonly folder: string;
  constructor(folder: string) {
    this.folder = folder;
    mkdirSync(folder, { recursive: true });
  }
  await(call: Awaited): void {
    const file = join(this.folder, 'awaited');
    writeFileSync(`${file}.new`, JSON.stringify(call));
    renameSync(`${file}.new`, file);
  }
  /** `false`: `over` said so first. */
  async met(over: () => boolean): Promise<boolean> {
    while (!existsSync(join(this.folder, 'met'))) {
      if (over()) return false;
      await new Promise((r) => setTimeout(r, 2));
    }
    return true;
  }
  go(): void {
    writeFileSync(join(this.folder, 'go'), '');
  }
  /** Nothing is awaited any more. */
  open(): void {
    rmSync(join(this.folder, 'awaited'), { force: true });
  }
}
