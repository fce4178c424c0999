/**
 * The journal of one demo process: what it sent, what was acknowledged, what it processed. Append-only text, one line per
 * fact, one file per process. The demo counts from these files alone, never from anything Cutover says.
 */
import { closeSync, openSync, writeSync } from 'node:fs';
import { mkdir, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Side } from '../src/domain/authority.ts';

export interface Run { readonly application: string; readonly instance: string; readonly side: Side; readonly pid: number; readonly atMs: number }
export type Line =
  /** The process is connected and may work. */
  | { readonly is: 'ready'; readonly atMs: number }
  /** About to be sent; without a matching `acked` its fate is uncertain: 0 or 1 times in the log. */
  | { readonly is: 'sent'; readonly topic: string; readonly key: string; readonly seq: number }
  | { readonly is: 'acked'; readonly topic: string; readonly partition: number; readonly offset: string; readonly key: string; readonly seq: number; readonly atMs: number }
  | { readonly is: 'consumed'; readonly group: string; readonly topic: string; readonly partition: number; readonly offset: string; readonly key: string; readonly seq: number; readonly atMs: number }
  /** The next sequence number of a key: where the next process of this instance goes on. */
  | { readonly is: 'next'; readonly key: string; readonly seq: number }
  /** A graceful end: everything in flight is settled. */
  | { readonly is: 'end'; readonly atMs: number };

const spell = (l: Line): string => {
  switch (l.is) {
    case 'ready': case 'end': return `${l.is} ${l.atMs}`;
    case 'sent': return `sent ${l.topic} ${l.key} ${l.seq}`;
    case 'acked': return `acked ${l.topic} ${l.partition} ${l.offset} ${l.key} ${l.seq} ${l.atMs}`;
    case 'consumed': return `consumed ${l.group} ${l.topic} ${l.partition} ${l.offset} ${l.key} ${l.seq} ${l.atMs}`;
    case 'next': return `next ${l.key} ${l.seq}`;
  }
};

/** One finished line of a journal; throws on anything else, because a count over a misread journal is worth nothing. */
export function parseLine(text: string): Line {
  const [is, ...f] = text.split(' ');
  const word = (i: number): string => f[i] ?? broken(text);
  const number = (i: number): number => (/^\d+$/.test(word(i)) ? Number(word(i)) : broken(text));
  const wanted = { ready: 1, end: 1, sent: 3, acked: 6, consumed: 7, next: 2 }[is ?? ''];
  if (wanted !== f.length) broken(text);
  switch (is) {
    case 'ready': case 'end': return { is, atMs: number(0) };
    case 'sent': return { is, topic: word(0), key: word(1), seq: number(2) };
    case 'acked': return { is, topic: word(0), partition: number(1), offset: word(2), key: word(3), seq: number(4), atMs: number(5) };
    case 'consumed': return { is, group: word(0), topic: word(1), partition: number(2), offset: word(3), key: word(4), seq: number(5), atMs: number(6) };
    case 'next': return { is, key: word(0), seq: number(1) };
    default: return broken(text);
  }
}
const broken = (text: string): never => { throw new Error(`Not a line of a demo journal: "${text.slice(0, 200)}".`); };

const spellRun = (r: Run): string => `run ${r.application} ${r.instance} ${r.side} ${r.pid} ${r.atMs}`;
export function parseRun(text: string): Run {
  const [is, application, instance, side, pid, atMs, ...rest] = text.split(' ');
  if (is !== 'run' || !application || !instance || (side !== 'source' && side !== 'target') || rest.length > 0) return broken(text);
  return { application, instance, side, pid: Number(pid), atMs: Number(atMs) };
}

/** Writes are synchronous: what is written here precedes the commit or the send that it stands for. */
export class Journal {
  readonly #fd: number;
  constructor(folder: string, run: Run) {
    // The time in the name sorts the runs of one instance; the first line says the rest.
    this.#fd = openSync(join(folder, `${run.application}.${run.instance}.${String(run.atMs).padStart(15, '0')}.${run.pid}.log`), 'ax');
    writeSync(this.#fd, `${spellRun(run)}\n`);
  }
  write(lines: readonly Line[]): void {
    if (lines.length > 0) writeSync(this.#fd, `${lines.map(spell).join('\n')}\n`);
  }
  close(): void {
    closeSync(this.#fd);
  }
}

/** Journal files of a folder, oldest first per instance; optionally of one instance only. */
export async function journalFiles(folder: string, of?: { readonly application: string; readonly instance: string }): Promise<readonly string[]> {
  await mkdir(folder, { recursive: true });
  const prefix = of === undefined ? '' : `${of.application}.${of.instance}.`;
  return (await readdir(folder)).filter((f) => f.endsWith('.log') && f.startsWith(prefix)).sort().map((f) => join(folder, f));
}

/** All finished lines of a file; a line cut off by a kill is left out. */
export async function readJournal(file: string): Promise<{ readonly run: Run | null; readonly lines: readonly Line[] }> {
  const finished = (await readFile(file, 'utf8')).split('\n').slice(0, -1);
  const [first, ...rest] = finished;
  return { run: first === undefined ? null : parseRun(first), lines: rest.map(parseLine) };
}

/**
 * Next sequence number per key of an instance. Each run begins by writing them all, so the newest file with any tells; of each
 * side, because a set on the other one may have begun earlier and sent later. What was sent and never acknowledged counts as used.
 */
export async function nextSequences(folder: string, instance: { readonly application: string; readonly instance: string }): Promise<Map<string, number>> {
  const next = new Map<string, number>();
  const told = new Set<string>();
  for (const file of [...(await journalFiles(folder, instance))].reverse()) {
    const { run, lines } = await readJournal(file);
    const side = run?.side ?? '';
    if (told.has(side)) continue;
    for (const l of lines) {
      if (l.is === 'next') next.set(l.key, Math.max(l.seq, next.get(l.key) ?? 0));
      if (l.is === 'sent') next.set(l.key, Math.max(l.seq + 1, next.get(l.key) ?? 0));
    }
    if (lines.some((l) => l.is === 'next' || l.is === 'sent')) told.add(side);
    if (told.size === 2) break;
  }
  return next;
}
