/** What became of every record of a stretch of time, from the journals of the applications alone. */
import { open } from 'node:fs/promises';
import type { Duty } from '../../demo/books.ts';
import { journalFiles, parseLine, parseRun, type Line, type Run } from '../../demo/journal.ts';

type Acked = Line & { readonly is: 'acked' };
type Consumed = Line & { readonly is: 'consumed' };
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
interface Entry { readonly file: string; run: Run | null; position: number; rest: string; readonly lines: Line[] }
const mostExamples = 6;
const idOf = (l: { readonly key: string; readonly seq: number }): string => `${l.key}#${l.seq}`;

export class Accounts {
  readonly #folder: string;
  readonly #owed: readonly Owed[];
  readonly #entries = new Map<string, Entry>();
  /** Per duty: acknowledged and not read yet, with the time of the acknowledgement; and what was read. */
  readonly #unread: readonly Map<string, number>[];
  readonly #seen: readonly Set<string>[];
  constructor(folder: string, owed: readonly Owed[]) {
    this.#folder = folder;
    this.#owed = owed;
    this.#unread = owed.map(() => new Map());
    this.#seen = owed.map(() => new Set());
  }

  /** Reads what the journals gained since the last time. */
  async refresh(): Promise<void> {
    for (const file of await journalFiles(this.#folder)) {
      const entry = this.#entries.get(file) ?? { file, run: null, position: 0, rest: '', lines: [] };
      this.#entries.set(file, entry);
      for (const line of await readOn(entry)) this.#note(line);
    }
  }

  /** Orders acknowledged after that moment. */
  acknowledgedAfter(topic: string, ms: number): number {
    return this.#lines().filter(({ line }) => line.is === 'acked' && line.topic === topic && line.atMs > ms).length;
  }
  /** Acknowledged up to that moment and not read by somebody who must. */
  unread(untilMs: number): number {
    return this.#unread.reduce((n, of) => n + [...of.values()].filter((atMs) => atMs <= untilMs).length, 0);
  }

  /** From one moment to the next; what was written in it and not read by its end counts as lost. */
  between(from: Moment, to: Moment): Tally {
    const written = ({ atMs }: { readonly atMs: number }): boolean => atMs >= from.writtenMs && atMs < to.writtenMs;
    const read = ({ atMs }: { readonly atMs: number }): boolean => atMs >= from.readMs && atMs < to.readMs;
    const [fromMs, toMs] = [from.writtenMs, to.writtenMs];
    const counted = this.#owed.map((d, i) => this.#duty(d, this.#unread[i] ?? new Map(), { written, read }));
    const sum = (of: (c: Counts) => number): number => counted.reduce((n, c) => n + of(c), 0);
    const orders = this.#owed[0]?.measuredBy;
    return {
      acknowledged: this.#lines().filter(({ line }) => line.is === 'acked' && line.topic === orders && written(line)).length,
      lost: sum((c) => c.lost), duplicated: sum((c) => c.duplicated), reordered: sum((c) => c.reordered),
      duties: counted.filter((c) => c.lost + c.duplicated + c.reordered > 0).map(({ group, topic, lost, duplicated, reordered }) => ({ group, topic, lost, duplicated, reordered })),
      writeOutageMs: this.#silence({ fromMs, toMs, is: 'acked' }), readOutageMs: this.#silence({ fromMs, toMs, is: 'consumed' }),
      examples: counted.flatMap((c) => c.examples).slice(0, mostExamples),
    };
  }

  #note(line: Line): void {
    this.#owed.forEach((d, i) => {
      const [unread, seen] = [this.#unread[i], this.#seen[i]];
      if (line.is === 'acked' && line.topic === d.measuredBy && !seen?.has(idOf(line))) unread?.set(idOf(line), line.atMs);
      if (line.is !== 'consumed' || line.topic !== d.topic || line.group !== d.group) return;
      seen?.add(idOf(line));
      unread?.delete(idOf(line));
    });
  }

  #lines(): readonly { readonly run: Run | null; readonly line: Line }[] {
    return [...this.#entries.values()].flatMap(({ run, lines }) => lines.map((line) => ({ run, line })));
  }

  #duty(d: Owed, unread: ReadonlyMap<string, number>, within: Readonly<Record<'written' | 'read', (l: { readonly atMs: number }) => boolean>>): Counts & Duty & { readonly examples: readonly string[] } {
    // In the order in which the group read: two processes at once are merged by their clock, which is one and the same.
    const read = this.#lines().filter((x): x is { run: Run; line: Consumed } => x.line.is === 'consumed' && x.line.group === d.group && x.line.topic === d.topic)
      .sort((a, b) => a.line.atMs - b.line.atMs || a.run.atMs - b.run.atMs);
    const first = new Map<string, string>();
    const highest = new Map<string, number>();
    let [duplicated, reordered] = [0, 0];
    const examples: string[] = [];
    for (const { run, line } of read) {
      const [id, at] = [idOf(line), `${new Date(line.atMs).toISOString().slice(11, 23)} at ${line.partition}/${line.offset} on the ${run.side} by process ${run.pid}`];
      const before = first.get(id);
      const top = highest.get(line.key) ?? -1;
      if (before === undefined) { first.set(id, at); highest.set(line.key, Math.max(top, line.seq)); }
      const what = before !== undefined ? 'again' : line.seq < top ? `behind ${top}` : null;
      if (what === null || !within.read(line)) continue;
      if (before === undefined) reordered++;
      else duplicated++;
      if (examples.length < mostExamples) examples.push(`${d.group} read ${id} of ${d.topic} ${what}: ${before === undefined ? '' : `${before}, then `}${at}`);
    }
    const lost = [...unread].filter(([, atMs]) => within.written({ atMs }));
    return { group: d.group, topic: d.topic, lost: lost.length, duplicated, reordered, examples: [...lost.slice(0, 3).map(([id]) => `${d.group} did not read ${id} of ${d.topic}`), ...examples] };
  }

  #silence(x: { readonly fromMs: number; readonly toMs: number; readonly is: 'acked' | 'consumed' }): number {
    const facts = this.#lines().flatMap(({ run, line }) => (line.is === x.is && run ? [{ who: x.is === 'acked' ? `${run.application} ${run.instance}` : (line as Consumed).group, atMs: (line as Acked | Consumed).atMs }] : []));
    return [...Map.groupBy(facts, (f) => f.who).values()].reduce((most, of) => {
      const times = of.map((f) => f.atMs).sort((a, b) => a - b);
      return times.slice(1).reduce((m, at, i) => (at < x.fromMs || (times[i] ?? at) >= x.toMs ? m : Math.max(m, at - (times[i] ?? at))), most);
    }, 0);
  }
}

async function readOn(entry: Entry): Promise<readonly Line[]> {
  await using file = await open(entry.file);
  const { size } = await file.stat();
  if (size === entry.position) return [];
  const bytes = Buffer.alloc(size - entry.position);
  const { bytesRead } = await file.read(bytes, 0, bytes.length, entry.position);
  entry.position += bytesRead;
  const texts = (entry.rest + bytes.subarray(0, bytesRead).toString('latin1')).split('\n');
  entry.rest = texts.pop() ?? '';
  if (entry.run === null && texts.length > 0) entry.run = parseRun(texts.shift() ?? '');
  const lines = texts.map(parseLine).filter((l) => l.is === 'acked' || l.is === 'consumed');
  entry.lines.push(...lines);
  return lines;
}
