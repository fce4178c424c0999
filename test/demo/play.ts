/** The demo as a process of its own, as a user runs it, and the summary it ends with. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { markName } from '../../stack/processes.ts';

const root = join(import.meta.dirname, '..', '..');
const longestMs = 300_000;

export function demo(...args: readonly string[]) {
  const env = { ...process.env };
  delete env[markName];
  const child = spawn(process.execPath, ['demo/main.ts', ...args], { cwd: root, env, stdio: ['ignore', 'pipe', 'pipe'] });
  const [said, shown, ended] = [text(child.stdout), text(child.stderr), once(child, 'exit') as Promise<[number | null]>];
  return { child, said, shown, ended };
}

export interface Summary { readonly scheme: string; readonly outcome: string; readonly records: Record<string, number>; readonly outage: Record<string, number>; readonly temporal: Record<string, string> }
export async function result(...args: readonly string[]): Promise<Summary> {
  const { child, said, shown, ended } = demo('--yes', '--json', ...args);
  const late = setTimeout(() => child.kill('SIGTERM'), longestMs);
  const [code] = await ended;
  clearTimeout(late);
  const [lines, log] = [(await said).trimEnd().split('\n'), await shown];
  assert.equal(code, 0, log.slice(-6_000));
  return JSON.parse(lines.at(-1) ?? '') as Summary;
}
