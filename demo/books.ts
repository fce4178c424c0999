/**
 * The demo's own bookkeeping: counts lost, duplicated and reordered records and measures outages, from the journals of the
 * applications alone. Nothing that Cutover says enters here.
 */
import { open } from 'node:fs/promises';
import type { Side } from '../src/domain/authority.ts';
import { journalFiles, parseLine, parseRun, type Line, type Run } from './journal.ts';

/** What a group must read. */
export interface Duty { readonly group: string; readonly topic: string }
/** Every record of `from` must lead to exactly one of `to` with the same key and number. */
export interface Derived { readonly from: string; readonly to: string }

export interface DutyCount extends Duty {
  /** Acknowledged records it had to read. */
  readonly expected: number;
  readonly lost: number;
  /** Repeats: a record read three times counts two. */
  readonly duplicated: number;
  /** First readings below a number already read of that key. A repeat counts as a repeat only. */
  readonly reordered: number;
}
/** The longest pause between two runs of one instance (writers) or one group (readers), ms; `null`: it was never switched. */
export interface Pause { readonly name: string; readonly ms: number | null; readonly from: Side | null; readonly to: Side | null }
export interface Count {
  /** Acknowledged records per topic. */
  readonly produced: Readonly<Record<string, number>>;
  /** Sent, and neither acknowledged nor known to have failed: in the log 0 or 1 times, counted nowhere else. */
  readonly uncertain: number;
  readonly duties: readonly DutyCount[];
  /** Records of a derived topic that are missing, and those written more than once. */
  readonly derived: readonly (Derived & { readonly missing: number; readonly repeated: number })[];
  readonly writeOutages: readonly Pause[];
  readonly readOutages: readonly Pause[];
}

type Acked = Line & { readonly is: 'acked' };
type Consumed = Line & { readonly is: 'consumed' };
interface Entry { readonly file: string; run: Run | null; position: number; rest: string; readonly acked: Acked[]; readonly consumed: Consumed[]; sent: number }

export class Books {
  readonly #folder: string;
  readonly #entries = new Map<string, Entry>();
  constructor(folder: string) {
    this.#folder = folder;
  }

  /** Reads what the journals gained since the last time. */
  async refresh(): Promise<void> {
    for (const file of await journalFiles(this.#folder)) {
      const entry = this.#entries.get(file) ?? { file, run: null, position: 0, rest: '', acked: [], consumed: [], sent: 0 };
      this.#entries.set(file, entry);
      await readOn(entry);
    }
  }

  /** Acknowledged so far, of one topic or of all. */
  acknowledged(topic?: string): number {
    return [...this.#entries.values()].reduce((n, e) => n + (topic === undefined ? e.acked.length : e.acked.filter((l) => l.topic === topic).length), 0);
  }

  /** Acknowledged and not yet read, per duty: 0 everywhere means drained. */
  outstanding(duties: readonly Duty[]): readonly (Duty & { readonly records: number })[] {
    return duties.map((d) => ({ ...d, records: countDuty(d, this.#acked(d.topic), this.#consumed(d)).lost }));
  }

  count(duties: readonly Duty[], derived: readonly Derived[]): Count {
    const entries = [...this.#entries.values()];
    const topics = [...new Set(entries.flatMap((e) => e.acked.map((l) => l.topic)))].sort();
    return {
      produced: Object.fromEntries(topics.map((t) => [t, this.acknowledged(t)])),
      uncertain: entries.reduce((n, e) => n + e.sent - e.acked.length, 0),
      duties: duties.map((d) => countDuty(d, this.#acked(d.topic), this.#consumed(d))),
      derived: derived.map((d) => ({ ...d, ...countDerived(this.#acked(d.from), this.#acked(d.to)) })),
      writeOutages: pauses(entries, (e) => e.run && `${e.run.application} ${e.run.instance}`, (e) => e.acked),
      readOutages: pauses(entries, (e) => e.consumed[0]?.group ?? null, (e) => e.consumed),
    };
  }

  #acked(topic: string): readonly Acked[] {
    return [...this.#entries.values()].flatMap((e) => e.acked.filter((l) => l.topic === topic));
  }

  /** In the order in which the group read: two processes at once are merged by their clock, which is one and the same. */
  #consumed(d: Duty): readonly Consumed[] {
    return [...this.#entries.values()].sort((a, b) => (a.run?.atMs ?? 0) - (b.run?.atMs ?? 0))
      .flatMap((e) => e.consumed.filter((l) => l.group === d.group && l.topic === d.topic))
      .sort((a, b) => a.atMs - b.atMs);
  }
}

const without = (all: ReadonlySet<string>, taken: ReadonlySet<string>): number => [...all].filter((id) => !taken.has(id)).length;
const idOf = (l: { readonly key: string; readonly seq: number }): string => `${l.key}#${l.seq}`;

export function countDuty(duty: Duty, acked: readonly { readonly key: string; readonly seq: number }[], consumed: readonly { readonly key: string; readonly seq: number }[]): DutyCount {
  const seen = new Set<string>();
  const highest = new Map<string, number>();
  let [duplicated, reordered] = [0, 0];
  for (const l of consumed) {
    const id = idOf(l);
    if (seen.has(id)) { duplicated++; continue; }
    seen.add(id);
    const top = highest.get(l.key) ?? -1;
    if (l.seq < top) reordered++;
    else highest.set(l.key, l.seq);
  }
  const expected = new Set(acked.map(idOf));
  return { ...duty, expected: expected.size, lost: without(expected, seen), duplicated, reordered };
}

function countDerived(from: readonly Acked[], to: readonly Acked[]): { missing: number; repeated: number } {
  const made = new Set(to.map(idOf));
  return { missing: without(new Set(from.map(idOf)), made), repeated: to.length - made.size };
}

/** Between the last fact of one run and the first of the next, per name; only runs that did something count. */
function pauses(entries: readonly Entry[], nameOf: (e: Entry) => string | null, facts: (e: Entry) => readonly { readonly atMs: number }[]): readonly Pause[] {
  const named = entries.filter((e) => nameOf(e) !== null && facts(e).length > 0).sort((a, b) => (a.run?.atMs ?? 0) - (b.run?.atMs ?? 0));
  return [...Map.groupBy(named, (e) => nameOf(e) ?? '')].sort(([a], [b]) => (a < b ? -1 : 1)).map(([name, runs]) => {
    const gaps = runs.slice(1).map((run, i) => {
      const before = runs[i];
      // Two runs at once leave no pause between them.
      return { name, ms: Math.max(0, (facts(run)[0]?.atMs ?? 0) - (before ? facts(before).at(-1)?.atMs ?? 0 : 0)), from: before?.run?.side ?? null, to: run.run?.side ?? null };
    });
    return gaps.sort((a, b) => b.ms - a.ms)[0] ?? { name, ms: null, from: null, to: null };
  });
}

async function readOn(entry: Entry): Promise<void> {
  await using file = await open(entry.file);
  const { size } = await file.stat();
  if (size === entry.position) return;
  const bytes = Buffer.alloc(size - entry.position);
  const { bytesRead } = await file.read(bytes, 0, bytes.length, entry.position);
  entry.position += bytesRead;
  const lines = (entry.rest + bytes.subarray(0, bytesRead).toString('latin1')).split('\n');
  entry.rest = lines.pop() ?? '';
  for (const text of lines) {
    if (entry.run === null) { entry.run = parseRun(text); continue; }
    const line = parseLine(text);
    if (line.is === 'acked') entry.acked.push(line);
    else if (line.is === 'consumed') entry.consumed.push(line);
    else if (line.is === 'sent') entry.sent++;
  }
}
