/** Knowing a process again: a pid alone may be somebody else's by now, a pid with its start time is not. */
import { execFileSync } from 'node:child_process';
import { readFileSync, readdirSync } from 'node:fs';

export interface ProcessId { readonly pid: number; readonly started: string }

/** Start time as the kernel tells it; `null`: no such process, or a zombie that only waits to be collected. */
export const startTimeOf = (pid: number): string | null => {
  if (process.platform !== 'linux') return startTimeFromPs(pid);
  let stat: string;
  try {
    stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  } catch {
    return null;
  }
  // The command name may hold spaces and parentheses; the fields are counted behind the last one. State is field 3, start time field 22.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return fields[0] === 'Z' || fields[0] === 'X' ? null : (fields[19] ?? null);
};

const startTimeFromPs = (pid: number): string | null => {
  try {
    const [state, ...started] = execFileSync('ps', ['-o', 'state=,lstart=', '-p', String(pid)], { encoding: 'utf8' }).trim().split(/\s+/);
    return state === undefined || state.startsWith('Z') ? null : started.join(' ');
  } catch {
    return null;
  }
};

export const identify = (pid: number): ProcessId | null => {
  const started = startTimeOf(pid);
  return started === null ? null : { pid, started };
};

export const isAlive = (id: ProcessId): boolean => startTimeOf(id.pid) === id.started;

/** Sends the signal only if the pid still is the process that was recorded. False: it is gone. */
export const signalProcess = (id: ProcessId, signal: NodeJS.Signals): boolean => {
  if (!isAlive(id)) return false;
  try {
    process.kill(id.pid, signal);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return false;
    throw error;
  }
};

export const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** Polls until the process is gone. False: still there after `withinMs`. */
/**
 * SIGSTOP, and until it stands still: a thread that waits for a processor heeds the signal only once it has one. False: it is gone.
 * Throws if it still runs after `withinMs`.
 */
export const freeze = async (id: ProcessId, withinMs = 5_000): Promise<boolean> => {
  if (!signalProcess(id, 'SIGSTOP')) return false;
  for (const deadline = Date.now() + withinMs; !standsStill(id.pid); await pause(5)) {
    if (!isAlive(id)) return false;
    if (Date.now() > deadline) throw new Error(`Process ${id.pid} still runs ${withinMs} ms after its SIGSTOP.`);
  }
  return isAlive(id);
};

/** All of its threads. False as well where one ended in between: the next look tells. */
const standsStill = (pid: number): boolean => {
  const folder = `/proc/${pid}/task`;
  try {
    if (process.platform !== 'linux') return /^T/.test(execFileSync('ps', ['-o', 'state=', '-p', String(pid)], { encoding: 'utf8' }).trim());
    return readdirSync(folder).every((thread) => {
      const stat = readFileSync(`${folder}/${thread}/stat`, 'utf8');
      return 'TtZX'.includes(stat.charAt(stat.lastIndexOf(')') + 2));
    });
  } catch {
    return false;
  }
};

export const awaitGone = async (id: ProcessId, withinMs: number): Promise<boolean> => {
  const deadline = Date.now() + withinMs;
  while (isAlive(id)) {
    if (Date.now() > deadline) return false;
    await pause(25);
  }
  return true;
};

/** SIGTERM, then SIGKILL for those still there after `withinMs`. Returns those that had to be killed. */
export const endProcesses = async (ids: readonly ProcessId[], withinMs: number): Promise<readonly ProcessId[]> => {
  for (const id of ids) {
    // A paused process does not see SIGTERM before it continues.
    if (signalProcess(id, 'SIGTERM')) signalProcess(id, 'SIGCONT');
  }
  const deadline = Date.now() + withinMs;
  const stubborn: ProcessId[] = [];
  for (const id of ids) {
    if (await awaitGone(id, Math.max(0, deadline - Date.now()))) continue;
    stubborn.push(id);
    signalProcess(id, 'SIGKILL');
    await awaitGone(id, 5_000);
  }
  return stubborn;
};

/** The environment variable every process of a stack carries, also those its own processes start. */
export const markName = 'CUTOVER_STACK';

/** Processes that carry the mark of this stack, found in /proc; elsewhere than on Linux none are found. */
export const markedProcesses = (mark: string): readonly ProcessId[] => {
  if (process.platform !== 'linux') return [];
  const wanted = `\0${markName}=${mark}\0`;
  const found: ProcessId[] = [];
  for (const entry of readdirSync('/proc')) {
    const pid = Number(entry);
    if (!Number.isInteger(pid) || pid === process.pid) continue;
    try {
      if (!`\0${readFileSync(`/proc/${pid}/environ`, 'latin1')}\0`.includes(wanted)) continue;
    } catch {
      continue; // gone meanwhile, or not ours to read
    }
    const id = identify(pid);
    if (id !== null) found.push(id);
  }
  return found;
};
