/**
 * What the stack runs, built once per machine into a folder outside the clone and found again by the hash of its lock file.
 *
 * A build goes to a folder of its own and is renamed when complete, so a half-built artefact is never seen and two builds of
 * the same one do no harm; the lock only spares the work.
 */
import { createHash, randomBytes } from 'node:crypto';
import { mkdirSync, readFileSync, readdirSync, renameSync, rmSync, existsSync, statSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { identify, isAlive, pause } from './processes.ts';
import type { ProcessId } from './processes.ts';
import type { Progress, Task } from './progress.ts';

/** `$CUTOVER_CACHE`, `$XDG_CACHE_HOME/cutover`, or `~/.cache/cutover`. */
export const cacheFolder = (env: Readonly<Record<string, string | undefined>> = process.env): string => {
  if (env['CUTOVER_CACHE']) return resolve(env['CUTOVER_CACHE']);
  return env['XDG_CACHE_HOME'] ? join(env['XDG_CACHE_HOME'], 'cutover') : join(homedir(), '.cache', 'cutover');
};

/** SHA-256 over names and contents, in the order of the names: the same locks give the same key on any machine. */
export const keyOf = (parts: Readonly<Record<string, string | Buffer>>): string => {
  const hash = createHash('sha256');
  for (const name of Object.keys(parts).sort()) {
    const content = Buffer.from(parts[name] ?? '');
    hash.update(`${name}\0${content.length}\0`).update(content);
  }
  return hash.digest('hex').slice(0, 16);
};

export const keyOfFiles = (files: readonly string[], more: Readonly<Record<string, string>> = {}): string =>
  keyOf({ ...more, ...Object.fromEntries(files.map((file) => [file.slice(dirname(file).length + 1), readFileSync(file)])) });

export interface Artefact {
  /** Also the first part of the folder's name. */
  readonly name: string;
  readonly key: string;
  /** Only one build of a lane runs at a time on this machine: Maven's local repository is not made for two writers. */
  readonly lane: string;
  /** Fills the empty folder. Throws when it cannot. */
  readonly build: (folder: string, task: Task) => Promise<void>;
}

export const folderOf = (artefact: Pick<Artefact, 'name' | 'key'>, cache = cacheFolder()): string => join(cache, `${artefact.name}-${artefact.key}`);
export const isCached = (artefact: Pick<Artefact, 'name' | 'key'>, cache = cacheFolder()): boolean => existsSync(folderOf(artefact, cache));

/** The folder with the artefact, built now if it is missing. */
export const ensureArtefact = async (artefact: Artefact, progress: Progress, cache = cacheFolder()): Promise<string> => {
  const folder = folderOf(artefact, cache);
  if (existsSync(folder)) return folder;
  mkdirSync(cache, { recursive: true });
  clearAbandoned(cache);
  const task = progress.begin(artefact.name);
  try {
    const release = await lock(join(cache, `${artefact.lane}.lock`), task);
    try {
      if (!existsSync(folder)) await buildInto(artefact, folder, task);
    } finally {
      release();
    }
    task.end('ready');
    return folder;
  } catch (error) {
    task.end('failed');
    throw error;
  }
};

const buildInto = async (artefact: Artefact, folder: string, task: Task): Promise<void> => {
  const building = `${folder}.building-${process.pid}-${randomBytes(4).toString('hex')}`;
  mkdirSync(building);
  try {
    await artefact.build(building, task);
    renameSync(building, folder);
  } catch (error) {
    rmSync(building, { recursive: true, force: true });
    // Another process finished the same artefact first: theirs is as good.
    if (existsSync(folder)) return;
    throw error;
  }
};

/** Folders of builds whose process was killed. */
const clearAbandoned = (cache: string): void => {
  for (const name of readdirSync(cache)) {
    const pid = /\.building-(\d+)-/.exec(name)?.[1];
    if (pid !== undefined && identify(Number(pid)) === null) rmSync(join(cache, name), { recursive: true, force: true });
  }
};

const lock = async (file: string, task: Task): Promise<() => void> => {
  for (;;) {
    try {
      writeFileSync(file, JSON.stringify(identify(process.pid)), { flag: 'wx' });
      return () => rmSync(file, { force: true });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    }
    const owner = readOwner(file);
    if (owner === 'gone') rmSync(file, { force: true });
    else if (owner !== 'unreadable') task.say(owner.pid === process.pid ? 'waits for its turn' : `waits for process ${owner.pid}, which is building`);
    await pause(250);
  }
};

const readOwner = (file: string): ProcessId | 'gone' | 'unreadable' => {
  let text: string;
  let ageMs: number;
  try {
    text = readFileSync(file, 'utf8');
    ageMs = Date.now() - statSync(file).mtimeMs;
  } catch {
    return 'unreadable';
  }
  // Empty: its owner is between creating and writing it. That takes microseconds, unless it was killed right there.
  if (text === '') return ageMs > 5_000 ? 'gone' : 'unreadable';
  const owner = JSON.parse(text) as ProcessId | null;
  return owner !== null && isAlive(owner) ? owner : 'gone';
};
