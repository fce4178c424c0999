/**
 * Ends a stack whose owner died: `node reaper.ts <mark> <folder to remove, or ->`, with a pipe from the owner as stdin.
 *
 * The pipe closes when the owner ends, however it ends (also by SIGKILL). Unless the owner said `done` before, everything
 * that carries the stack's mark is killed and the folder removed. Java and Go processes cannot be asked to watch a pipe
 * themselves, and PR_SET_PDEATHSIG cannot be reached from Node.
 */
import { rmSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { isAlive, markedProcesses, pause, signalProcess } from './processes.ts';
import type { ProcessId } from './processes.ts';

const [mark, folder] = process.argv.slice(2);
if (mark === undefined || folder === undefined) throw new Error('usage: reaper.ts <mark> <folder or ->');

const known = new Map<number, ProcessId>();
let released = false;

const hear = (line: string): void => {
  const [word, pid, started] = line.split(' ', 3);
  if (word === 'done') released = true;
  else if (word === 'started' && pid !== undefined && started !== undefined) known.set(Number(pid), { pid: Number(pid), started });
  else if (word === 'ended') known.delete(Number(pid));
};

/** A process may start another one while we look; so look until nothing is left. */
const killAll = async (): Promise<void> => {
  for (let round = 0; round < 50; round++) {
    const left = [...known.values(), ...markedProcesses(mark)].filter(isAlive);
    if (left.length === 0) return;
    for (const id of left) signalProcess(id, 'SIGKILL');
    await pause(50);
  }
};

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => undefined);
for await (const line of createInterface({ input: process.stdin })) hear(line);
if (!released) {
  await killAll();
  if (folder !== '-') rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
}
