/** What was measured so far, in docs/guarantees.json: rows, and the faults alone, with when, on what code and under what load. */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { globSync, readFileSync } from 'node:fs';
import { cpus, loadavg, totalmem } from 'node:os';
import { join } from 'node:path';
import type { Alone } from './alone.ts';
import { ratePerSecond } from './cast.ts';
import type { Control } from './judge.ts';
import { allRows, rowName, type Row } from './rows.ts';
import type { Ended, Played } from './series.ts';

export interface Circumstances {
  readonly ranAt: string;
  readonly commit: string;
  /** Hash over all of `src`: rows of the same one are not run again. */
  readonly code: string;
  readonly seed: number;
  readonly ordersPerSecond: number;
  /** Of the last minute, all cores together. */
  readonly machineLoad: number;
  readonly machine: string;
}
export interface KeptRow extends Row, Circumstances { readonly played: Played | null; readonly why: string }
export interface KeptAlone extends Circumstances { readonly name: string; readonly tally: Alone['tally'] }
export interface Data { readonly rows: readonly KeptRow[]; readonly alone: readonly KeptAlone[] }

export const docs = join(import.meta.dirname, '..', '..', 'docs');
const file = join(docs, 'guarantees.json');
const root = join(docs, '..');

export function codeHash(): string {
  const hash = createHash('sha256');
  for (const name of globSync('src/**/*.ts', { cwd: root }).sort()) hash.update(name).update(readFileSync(join(root, name)));
  return hash.digest('hex').slice(0, 12);
}

export function circumstances(seed: number): () => Circumstances {
  const [code, commit] = [codeHash(), execFileSync('git', ['describe', '--always', '--dirty'], { cwd: root, encoding: 'utf8' }).trim()];
  const machine = `${cpus().length} cores, ${Math.round(totalmem() / 2 ** 30)} GiB, ${process.platform} ${process.arch}, Node ${process.versions.node}`;
  return () => ({ ranAt: new Date().toISOString(), commit, code, seed, ordersPerSecond: ratePerSecond, machineLoad: Math.round((loadavg()[0] ?? 0) * 10) / 10, machine });
}

export async function read(): Promise<Data> {
  try {
    return JSON.parse(await readFile(file, 'utf8')) as Data;
  } catch (e) {
    if ((e as NodeJS.ErrnoException).code === 'ENOENT') return { rows: [], alone: [] };
    throw e;
  }
}

/** What is said of a program names it with its folder, which is of one machine only. */
const folders = /(?<=^|[\s("'])\/(?:[\w.@-]+\/)+/g;
const withoutFolders = <T>(x: T): T => JSON.parse(JSON.stringify(x, (_key, v: unknown) => (typeof v === 'string' ? v.replace(folders, '') : v))) as T;

/** A row that ran again takes the place of what was known of it, unless nothing came of it this time. */
export function withRow(data: Data, { row, played, why }: Ended, about: Circumstances): Data {
  const name = rowName(row);
  const before = data.rows.find((k) => rowName(k) === name);
  if (played === null && before?.played) return data;
  const order = new Map(allRows.map((r, i) => [rowName(r), i]));
  const rows = [...data.rows.filter((k) => k !== before), withoutFolders({ ...row, ...about, played, why })].filter((k) => order.has(rowName(k)));
  return { ...data, rows: rows.sort((a, b) => (order.get(rowName(a)) ?? 0) - (order.get(rowName(b)) ?? 0)) };
}
export const withAlone = (data: Data, { name, tally }: Alone, about: Circumstances): Data =>
  ({ ...data, alone: [...data.alone, { name, tally, ...about }].sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0)) });

/** One row a line, so that a change of one is a change of one. */
export async function write(data: Data): Promise<void> {
  const lines = (all: readonly object[]): string => all.map((x) => `  ${JSON.stringify(x)}`).join(',\n');
  await writeFile(file, `{\n "rows": [\n${lines(data.rows)}\n ],\n "alone": [\n${lines(data.alone)}\n ]\n}\n`);
}

/** The most that a fault did alone, as it would have done it to that many orders a second: what is read again is what came since the last commit. Of less traffic nothing is made more. */
export function controlFrom(data: Pick<Data, 'alone'>, name: string | null, ordersPerSecond: number): Control | null {
  const runs = data.alone.filter((a) => a.name === name);
  const most = (of: (t: Alone['tally']) => number): number => Math.max(0, ...runs.map((r) => Math.ceil(of(r.tally) * Math.min(1, ordersPerSecond / r.ordersPerSecond))));
  return runs.length === 0 ? null : { runs: runs.length, lost: most((t) => t.lost), duplicated: most((t) => t.duplicated), reordered: most((t) => t.reordered), writeOutageMs: Math.max(0, ...runs.map((r) => r.tally.writeOutageMs)) };
}
