/** What became of every record of a stretch of time, from the journals of the applications alone. */
import { open, stat } from 'node:fs/promises';
import type { Duty } from '../../demo/books.ts';
import { journalFiles, parseLine, parseRun, type Line, type Run } from '../../demo/journal.ts';
import { idOf, Readings } from './readings.ts';
import { Times } from './times.ts';

/** A topic's readers, and the topic by whose acknowledgements they are measured. */
export interface Owed extends Duty { readonly measuredBy: string }
/**
 * Where one stretch ends and the next begins, epoch ms: what was written before `writtenMs` is its, and what was read before `readMs`,
 * which is later: whoever lags or was killed reads again what it had read long before.
 */
export interface Moment { readonly writtenMs: number; readonly readMs: number }
export const momentOf = (ms: number): Moment => ({ writtenMs: ms, readMs: ms });
/** Of a stretch of time: acknowledged in it and not read at its end; read again in it; first read in it after a later one of that key. */
export interface Counts { readonly lost: number; readonly duplicated: number; readonly reordered: number }
export interface Tally extends Counts {
  readonly acknowledged: number;
  /** Where not 0. */
  readonly duties: readonly (Counts & Duty)[];
  /** The longest time in which one writer got nothing acknowledged, and in which one group read nothing, ms. */
  readonly writeOutageMs: number;
  readonly readOutageMs: number;
  /** Some of the records that are counted, in words. */
  readonly examples: readonly string[];
}
/** A journal as far as it was read; `hasEnded`: its process wrote so, and writes no more. */
interface Entry { readonly file: string; run: Run | null; position: number; rest: string; hasEnded: boolean }
interface Noted { readonly run: Run; readonly line: Line }
/** Of a duty. `unread`: acknowledged and not read yet, with the time of the acknowledgement. */
interface Account { readonly owed: Owed; readonly unread: Map<string, number>; readonly seen: Set<string>; readonly readings: Readings }
const mostExamples = 6;

/** What was counted once is not counted again: each look costs as much as there is new. */
export class Accounts {
  readonly #folder: string;
  readonly #entries = new Map<string, Entry>();
  readonly #duties: readonly Account[];
  /** When anything was acknowledged, per topic; and per writer, and anything read, per group. */
  readonly #acked = new Map<string, Times>();
  readonly #writers = new Map<string, Times>();
  readonly #groups = new Map<string, Times>();
  constructor(folder: string, owed: readonly Owed[]) {
    this.#folder = folder;
    this.#duties = owed.map((o) => ({ owed: o, unread: new Map(), seen: new Set(), readings: new Readings() }));
  }

  /** Reads what the journals gained since the last time. */
  async refresh(): Promise<void> {
    for (const file of await journalFiles(this.#folder)) {
      const entry = this.#entries.get(file) ?? { file, run: null, position: 0, rest: '', hasEnded: false };
      this.#entries.set(file, entry);
      if (!entry.hasEnded) for (const noted of await readOn(entry)) this.#note(noted);
    }
  }

  /** Orders acknowledged after that moment. */
  acknowledgedAfter(topic: string, ms: number): number { return this.#acked.get(topic)?.count(ms + 1, Infinity) ?? 0; }
  /** Acknowledged up to that moment and not read by somebody who must. */
  unread(untilMs: number): number {
    return this.#duties.reduce((n, { unread }) => n + [...unread.values()].filter((atMs) => atMs <= untilMs).length, 0);
  }

  /** From one moment to the next; what was written in it and not read by its end counts as lost. */
  between(from: Moment, to: Moment): Tally {
    const counted = this.#duties.map((d) => countsOf(d, from, to));
    const sum = (of: (c: Counts) => number): number => counted.reduce((n, c) => n + of(c), 0);
    const orders = this.#duties[0]?.owed.measuredBy ?? '';
    return {
      acknowledged: this.#acked.get(orders)?.count(from.writtenMs, to.writtenMs) ?? 0,
      lost: sum((c) => c.lost), duplicated: sum((c) => c.duplicated), reordered: sum((c) => c.reordered),
      duties: counted.filter((c) => c.lost + c.duplicated + c.reordered > 0).map(({ group, topic, lost, duplicated, reordered }) => ({ group, topic, lost, duplicated, reordered })),
      ...this.silences(from, to),
      examples: counted.flatMap((c) => c.examples).slice(0, mostExamples),
    };
  }
  silences({ writtenMs: fromMs }: Moment, { writtenMs: toMs }: Moment): Pick<Tally, 'writeOutageMs' | 'readOutageMs'> {
    const longest = (of: ReadonlyMap<string, Times>): number => Math.max(0, ...[...of.values()].map((t) => t.longestGap(fromMs, toMs)));
    return { writeOutageMs: longest(this.#writers), readOutageMs: longest(this.#groups) };
  }

  #note({ run, line }: Noted): void {
    if (line.is === 'acked') {
      timesOf(this.#acked, line.topic).add(line.atMs);
      timesOf(this.#writers, `${run.application} ${run.instance}`).add(line.atMs);
      for (const { owed, unread, seen } of this.#duties) if (line.topic === owed.measuredBy && !seen.has(idOf(line))) unread.set(idOf(line), line.atMs);
    }
    if (line.is !== 'consumed') return;
    timesOf(this.#groups, line.group).add(line.atMs);
    for (const { owed, unread, seen, readings } of this.#duties) if (line.topic === owed.topic && line.group === owed.group) {
      seen.add(idOf(line));
      unread.delete(idOf(line));
      readings.add({ run, line });
    }
  }
}

function timesOf(all: Map<string, Times>, whose: string): Times {
  const times = all.get(whose) ?? new Times();
  all.set(whose, times);
  return times;
}

function countsOf({ owed: { group, topic }, unread, readings }: Account, from: Moment, to: Moment): Counts & Duty & { readonly examples: readonly string[] } {
  const lost = [...unread].filter(([, atMs]) => atMs >= from.writtenMs && atMs < to.writtenMs);
  const odd = readings.odd().filter(({ atMs }) => atMs >= from.readMs && atMs < to.readMs);
  const duplicated = odd.filter((o) => o.what === 'again').length;
  return {
    group, topic, lost: lost.length, duplicated, reordered: odd.length - duplicated,
    examples: [...lost.slice(0, 3).map(([id]) => `${group} did not read ${id} of ${topic}`), ...odd.slice(0, mostExamples).map((o) => o.said())],
  };
}

async function readOn(entry: Entry): Promise<readonly Noted[]> {
  if ((await stat(entry.file)).size === entry.position) return [];
  await using file = await open(entry.file);
  const { size } = await file.stat();
  const bytes = Buffer.alloc(size - entry.position);
  const { bytesRead } = await file.read(bytes, 0, bytes.length, entry.position);
  entry.position += bytesRead;
  const texts = (entry.rest + bytes.subarray(0, bytesRead).toString('latin1')).split('\n');
  entry.rest = texts.pop() ?? '';
  if (entry.run === null && texts.length > 0) entry.run = parseRun(texts.shift() ?? '');
  const { run } = entry;
  if (run === null) return [];
  const lines = texts.map(parseLine);
  entry.hasEnded = lines.some((l) => l.is === 'end');
  return lines.map((line) => ({ run, line }));
}
