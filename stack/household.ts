/** Everything a stack started, so that nothing of it outlives its owner: a mark on every process, and a reaper that sees the owner die. */
import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { Socket } from 'node:net';
import { join } from 'node:path';
import type { Watch } from './part.ts';
import { endProcesses, identify, markName, markedProcesses } from './processes.ts';

export interface Household extends Watch {
  /** In the environment of every process, as `CUTOVER_STACK`. */
  readonly mark: string;
  /** Ends processes that carry the mark and that no part has stopped, e.g. what a fleet command of the worker started. */
  endAll(): Promise<void>;
  /** Lets the reaper go: everything was stopped, or shall live on without us. */
  close(): void;
}

export const openHousehold = (of: { readonly folder: string; readonly removeFolder: boolean }): Household => {
  const mark = randomUUID();
  const env = { ...process.env };
  delete env[markName];
  const reaper = spawn(process.execPath, [join(import.meta.dirname, 'reaper.ts'), mark, of.removeFolder ? of.folder : '-'], {
    detached: true, stdio: ['pipe', 'ignore', 'ignore'], env,
  });
  reaper.unref();
  // Neither process nor pipe shall keep us alive; a pipe that closed under us is no reason to crash while cleaning up.
  if (reaper.stdin instanceof Socket) reaper.stdin.unref();
  reaper.stdin.on('error', () => undefined);
  const tell = (line: string): void => { reaper.stdin.write(`${line}\n`); };
  return {
    mark,
    env: { [markName]: mark },
    started: ({ pid, started }) => tell(`started ${pid} ${started}`),
    ended: ({ pid }) => tell(`ended ${pid}`),
    endAll: async () => {
      const reaperId = reaper.pid === undefined ? null : identify(reaper.pid);
      await endProcesses(markedProcesses(mark).filter(({ pid }) => pid !== reaperId?.pid), 3_000);
    },
    close: () => { reaper.stdin.end('done\n'); },
  };
};
