/** A stack's folder, and what a stack that was left running wrote down about itself, so that another process can ask it and stop it. */
import { existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { endProcesses, identify, isAlive, markedProcesses } from './processes.ts';
import type { ProcessId } from './processes.ts';

export interface StatePart extends ProcessId {
  readonly name: string;
  readonly logFile: string;
  /** Stopped in the order of these words: what depends on others first. */
  readonly kind: 'process' | 'connect' | 'server';
}
export interface StackState {
  readonly version: 1;
  readonly variant: 'plain' | 'sasl';
  readonly mark: string;
  readonly folder: string;
  readonly keepFolder: boolean;
  readonly catalogFile: string;
  readonly temporal: { readonly address: string; readonly uiUrl: string | null; readonly namespace: string; readonly httpPort: number } | null;
  readonly clusters: Readonly<Record<string, readonly string[]>>;
  readonly connects: Readonly<Record<string, string>>;
  readonly parts: readonly StatePart[];
  readonly portFiles: readonly string[];
}

const markerName = '.cutover-stack';
const stateFile = (folder: string): string => join(folder, 'stack.json');

export const readState = (folder: string): StackState | null =>
  existsSync(stateFile(folder)) ? (JSON.parse(readFileSync(stateFile(folder), 'utf8')) as StackState) : null;

export const writeState = (state: StackState): string => {
  const file = stateFile(state.folder);
  writeFileSync(`${file}.new`, `${JSON.stringify(state, null, 2)}\n`, { mode: 0o600 });
  renameSync(`${file}.new`, file);
  return file;
};

/** A folder of its own for a new stack. What an earlier stack left in it is cleared; anything else in it is a refusal. */
export const claimFolder = (wanted: string | undefined): string => {
  if (wanted === undefined) {
    const folder = mkdtempSync(join(tmpdir(), 'cutover-stack-'));
    mark(folder);
    return folder;
  }
  const folder = resolve(wanted);
  mkdirSync(folder, { recursive: true });
  const inside = readdirSync(folder);
  if (inside.length > 0 && !inside.includes(markerName)) throw new Error(`Folder ${folder} is not empty and no stack made it. Name a new or an empty folder.`);
  const user = userOf(folder);
  if (user !== null) throw new Error(`Folder ${folder} belongs to a stack that is running (${user}). Stop it with "npm run stack -- down --folder ${folder}", or name another folder.`);
  for (const name of inside) rmSync(join(folder, name), { recursive: true, force: true });
  mark(folder);
  return folder;
};

const mark = (folder: string): void => writeFileSync(join(folder, markerName), JSON.stringify(identify(process.pid)));

const userOf = (folder: string): string | null => {
  const part = readState(folder)?.parts.find(isAlive);
  if (part !== undefined) return `${part.name}, pid ${part.pid}`;
  const marker = join(folder, markerName);
  if (!existsSync(marker)) return null;
  const owner = JSON.parse(readFileSync(marker, 'utf8')) as ProcessId | null;
  return owner !== null && owner.pid !== process.pid && isAlive(owner) ? `owner pid ${owner.pid}` : null;
};

/** Stops what the state names, and only that: a pid that now belongs to another process is left alone. */
export const stopFromState = async (state: StackState): Promise<{ readonly stopped: readonly StatePart[]; readonly gone: readonly StatePart[] }> => {
  const stopped = state.parts.filter(isAlive);
  for (const kind of ['process', 'connect', 'server'] as const) await endProcesses(stopped.filter((part) => part.kind === kind), 20_000);
  await endProcesses(markedProcesses(state.mark), 3_000);
  for (const file of state.portFiles) rmSync(file, { force: true });
  if (state.keepFolder) rmSync(stateFile(state.folder), { force: true });
  else rmSync(state.folder, { recursive: true, force: true, maxRetries: 5 });
  return { stopped, gone: state.parts.filter((part) => !stopped.includes(part)) };
};
