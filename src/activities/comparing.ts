/** Comparing partitions in turns: what is settled is in the ledger, so the next turn, on whatever worker, goes on from there. */
import type { Beginning } from '../domain/diff/begin.ts';
import { differing, noCounts, type Counts, type Difference, type DiffState } from '../domain/diff/difference.ts';
import type { Comparer, PartitionAsk, PartitionEnd, PartitionReport, Rate } from '../domain/diff/port.ts';
import { Failure } from '../domain/failures.ts';
import { tpKey, type Anchor, type Cluster, type LogEnds, type TopicFacts, type TopicPartition } from '../domain/ports.ts';
import type { At } from './boundary.ts';
import { entry, type Entry, type LedgerBook } from './ledger.ts';
import { byKey, count, list, refuse, type Clusters, type Fault } from './outside.ts';

type Two<T> = { readonly origin: T; readonly copy: T };
/** One partition to compare. Offsets as text: it is kept in the ledger. */
export interface Planned extends TopicPartition {
  readonly starts: Two<string>;
  readonly ends: Two<string>;
  readonly order: PartitionAsk['order'];
  /** Topic ids: what was compared of an older topic of the same name says nothing. */
  readonly ids: Two<string>;
}
/** What the ledger holds of one partition. Stored data: change its shape only by adding. */
export interface Kept {
  readonly ids: Two<string>;
  readonly state: DiffState | null;
  readonly differences: readonly Difference[];
  readonly beginning: Pick<Beginning, 'how' | 'skipped'> | null;
  /** The ends up to which nothing is left to compare; `null`: not there yet. */
  readonly settled: Two<string> | null;
  readonly hash: string | null;
  /**
   * How it ended at `settled`; `undecided`: in records that do not correspond, so that neither is it the same nor can it be told
   * what differs. Missing: not settled, or by a release that took both for the same.
   */
  readonly decided?: 'all' | 'undecided' | null;
  /** What it was settled for: behind an open one, what the copy lacks at its end is not missing. */
  readonly horizon?: PartitionAsk['horizon'];
  /** When it was last taken up, epoch ms. */
  readonly takenMs?: number;
  /** How long it has been compared since it last got on, over all turns, ms. */
  readonly silentMs?: number;
}
export const nothingKept = (p: Planned): Kept => ({ ids: p.ids, state: null, differences: [], beginning: null, settled: null, hash: null });
export const keptKey = (run: string, tp: TopicPartition): string => `${run}/verify/${tpKey(tp)}`;
export const countsOf = (k: Kept | undefined): Counts => k?.state?.counts ?? noCounts;

/** The copy's ends are read first: what arrives in between is then not copied yet, never extra. */
export async function planOf(origin: Cluster, copy: Cluster, topics: readonly string[]): Promise<readonly Planned[]> {
  const [here, there] = await Promise.all([origin.topics(topics), copy.topics(topics)]);
  refuse(`Comparing ${origin.name} with ${copy.name}`, shapeFaults(topics, { origin: here, copy: there, names: { origin: origin.name, copy: copy.name } }), 'Bring both clusters in line, or leave the topic out; then try again.');
  const copyEnds = byKey(await copy.ends(topics));
  const originEnds = await origin.ends(topics);
  const facts = (all: readonly TopicFacts[]): ReadonlyMap<string, TopicFacts> => new Map(all.map((t) => [t.name, t]));
  const [a, b] = [facts(here), facts(there)];
  const compacted = (t: TopicFacts | undefined): boolean => (t?.configs['cleanup.policy']?.value ?? '').split(',').includes('compact');
  return [...originEnds].sort((x, y) => (x.topic === y.topic ? x.partition - y.partition : x.topic < y.topic ? -1 : 1)).map((end): Planned => {
    const other = copyEnds.get(tpKey(end));
    if (other === undefined) throw new Failure('Drift', `Cluster ${copy.name} has no partition ${tpKey(end)}.`);
    const [x, y] = [a.get(end.topic), b.get(end.topic)];
    return { topic: end.topic, partition: end.partition, starts: places(end, other, 'logStart'), ends: places(end, other, 'lso'), ids: { origin: x?.id ?? '', copy: y?.id ?? '' }, order: compacted(x) || compacted(y) ? 'by-key' : 'every-record' };
  });
}
const places = (origin: LogEnds, copy: LogEnds, which: 'logStart' | 'lso'): Two<string> => ({ origin: String(origin[which]), copy: String(copy[which]) });

function shapeFaults(topics: readonly string[], of: Two<readonly TopicFacts[]> & { readonly names: Two<string> }): readonly Fault[] {
  return topics.flatMap((topic): readonly Fault[] => {
    const [a, b] = [of.origin.find((t) => t.name === topic), of.copy.find((t) => t.name === topic)];
    if (!a || !b) return [{ type: 'Drift', text: `topic ${topic} does not exist on cluster ${a ? of.names.copy : of.names.origin}` }];
    return a.partitions === b.partitions ? [] : [{ type: 'Drift', text: `topic ${topic} has ${a.partitions} partitions on ${of.names.origin} and ${b.partitions} on ${of.names.copy}` }];
  });
}

/** Newest of the two ledgers: the one that is further. */
const further = (a: string, b: string): string => (Number(atOf(b)) > Number(atOf(a)) ? b : a);
const atOf = (value: string): string => (JSON.parse(value) as Partial<Kept>).state?.at.origin ?? '-1';

export async function keptOf(record: LedgerBook, m: Clusters, of: { readonly run: string; readonly plan: readonly Planned[] }): Promise<Map<string, Kept>> {
  const entries = await record.read(m, `${of.run}/verify/`, further);
  return new Map(of.plan.map((p) => {
    const found = entries.get(keptKey(of.run, p));
    const kept = found === undefined ? null : (JSON.parse(found) as Kept);
    return [tpKey(p), kept !== null && kept.ids.origin === p.ids.origin && kept.ids.copy === p.ids.copy ? kept : nothingKept(p)] as const;
  }));
}

const same = (a: Two<string> | null, b: Two<string>): boolean => a !== null && a.origin === b.origin && a.copy === b.copy;
/** Nothing more can be told of it at these ends: not that it is the same. */
export const isSettled = (p: Planned, k: Kept | undefined, horizon: PartitionAsk['horizon']): boolean =>
  same(k?.settled ?? null, p.ends) && (k?.decided ?? null) !== null && (k?.horizon === 'closed' || horizon === 'open');

export interface Turn {
  readonly m: Clusters;
  readonly run: string;
  /** Clusters by what they are to the comparison. */
  readonly clusters: Two<string>;
  readonly plan: readonly Planned[];
  readonly horizon: PartitionAsk['horizon'];
  readonly rate: Rate;
  readonly cap: number;
  /** How long is compared, if all that is at work by then has got on. */
  readonly turnMs: number;
  /** No turn lasts longer, whatever has not got on. */
  readonly longestMs: number;
  /** Asked only for partitions whose heads are gone. */
  anchors(of: readonly Planned[]): Promise<ReadonlyMap<string, readonly Anchor[]>>;
}
/** What has not got on by then is left for a turn of twice the length: whoever asks wants to hear of the rest. */
export const firstLongestMs = 8 * 60_000;
export function longestOf(plan: readonly Planned[], kept: ReadonlyMap<string, Kept>, mostMs: number): number {
  const silentMs = plan.map((p) => kept.get(tpKey(p))).reduce((most, k) => Math.max(most, k?.silentMs ?? 0), 0);
  return Math.min(mostMs, Math.max(firstLongestMs, 2 * silentMs));
}
/** How often what is settled is written to the ledger: so much work a crash can cost. */
const saveMs = 2_000;

/**
 * Compares until all is settled or the turn is over; `kept` is brought up to date, here and in the ledger. Whoever was taken up
 * longest ago comes first, so that partitions that take all the threads for a turn do not do so in the next one.
 */
export async function takeTurn(comparer: Comparer, record: LedgerBook, x: Turn & { readonly kept: Map<string, Kept> }, at: At): Promise<{ readonly moved: boolean }> {
  const takenMs = (p: Planned): number => x.kept.get(tpKey(p))?.takenMs ?? 0;
  const open = x.plan.filter((p) => !isSettled(p, x.kept.get(tpKey(p)), x.horizon)).sort((a, b) => takenMs(a) - takenMs(b));
  if (open.length === 0) return { moved: false };
  const headless = open.filter((p) => p.order === 'every-record' && (x.kept.get(tpKey(p))?.state ?? null) === null && (p.starts.origin !== '0' || p.starts.copy !== '0'));
  const anchors = headless.length > 0 ? await x.anchors(headless) : new Map<string, readonly Anchor[]>();
  const bell = new Bell(x);
  const book = new Book(x, open, { bell, now: () => at.now() });
  const save = async (): Promise<void> => {
    const { total, done } = figuresOf(x.plan, x.kept, x.horizon);
    at.seen(`${done} of ${total} offsets compared.`);
    const now = book.news();
    if (now.length > 0) await record.write(x.m, now, 'one', at);
  };
  try {
    const partitions = open.map((p) => askOf(p, x, anchors, Math.max(0, x.cap - book.listed)));
    const call = comparer.compare({ clusters: x.clusters, rate: x.rate, partitions, begun: book.begun, ended: book.ended }, book.told, AbortSignal.any([bell.rung, at.until.signal]));
    const saving = (async () => { for (;;) { if (await Promise.race([call.then(() => true, () => true), at.pause(saveMs).then(() => false)])) return; await save(); } })();
    saving.catch(() => undefined); // a cancel while waiting; what the comparison says counts
    const ends = await call.catch(async (error: unknown) => {
      await save();
      throw error;
    });
    await saving;
    for (const end of ends) book.ended(end);
    book.close();
    await save();
    return { moved: book.moved };
  } finally {
    bell.close();
  }
}

function askOf(p: Planned, x: Turn & { readonly kept: ReadonlyMap<string, Kept> }, anchors: ReadonlyMap<string, readonly Anchor[]>, left: number): PartitionAsk {
  const big = (two: Two<string>): Two<bigint> => ({ origin: BigInt(two.origin), copy: BigInt(two.copy) });
  return { topic: p.topic, partition: p.partition, starts: big(p.starts), ends: big(p.ends), horizon: x.horizon, order: p.order, state: x.kept.get(tpKey(p))?.state ?? null, anchors: anchors.get(tpKey(p)) ?? [], list: left };
}

/**
 * Rings when a turn is over: its time has passed, and all that was at work by then have got on. For the search for a beginning,
 * the keys of a compacted log, a batch that the rate lets through slowly tell nothing until they are done: aborted by the
 * clock they would start over with every turn, for ever.
 */
class Bell {
  readonly #rung = new AbortController();
  readonly #awaited = new Set<string>();
  readonly #timers: readonly NodeJS.Timeout[];
  #late = false;
  #gotOn = false;

  constructor(x: Pick<Turn, 'turnMs' | 'longestMs'>) {
    this.#timers = [
      setTimeout(() => { this.#late = true; this.#look(); }, x.turnMs),
      setTimeout(() => { this.#rung.abort(); }, Math.max(0, Math.min(x.longestMs, 2 ** 31 - 1))),
    ];
  }
  get rung(): AbortSignal { return this.#rung.signal; }
  begun(key: string): void { if (!this.#late) this.#awaited.add(key); }
  gotOn(key: string): void {
    this.#gotOn = true;
    this.#awaited.delete(key);
    this.#look();
  }
  close(): void { for (const timer of this.#timers) clearTimeout(timer); }

  #look(): void { if (this.#late && this.#gotOn && this.#awaited.size === 0) this.#rung.abort(); }
}

/** Books into `kept` what is heard during a turn. */
class Book {
  readonly #x: Turn & { readonly kept: Map<string, Kept> };
  readonly #open: ReadonlyMap<string, Planned>;
  readonly #by: { readonly bell: Bell; now(): number };
  readonly #silentSinceMs = new Map<string, number>();
  readonly #ended = new Set<string>();
  readonly #dirty = new Map<string, Planned>();
  /** Differences listed, of all partitions. */
  listed: number;
  /** Something was compared, or settled. */
  moved = false;

  constructor(x: Turn & { readonly kept: Map<string, Kept> }, open: readonly Planned[], by: { readonly bell: Bell; now(): number }) {
    [this.#x, this.#by, this.#open] = [x, by, new Map(open.map((p) => [tpKey(p), p]))];
    this.listed = [...x.kept.values()].reduce((n, k) => n + k.differences.length, 0);
  }

  readonly begun = (key: string): void => {
    this.#by.bell.begun(key);
    this.#silentSinceMs.set(key, this.#by.now());
    this.#keep(key, () => ({ takenMs: this.#by.now() }));
  };

  readonly told = (report: PartitionReport): void => {
    this.#keep(report.key, (before, p) => {
      // A beginning takes the place of all that was said before.
      const earlier = report.beginning === null ? before.differences : [];
      this.listed -= before.differences.length - earlier.length;
      const fresh = report.fresh.slice(0, Math.max(0, this.#x.cap - this.listed));
      this.listed += fresh.length;
      const on = before.state === null || (report.beginning === null && !same(before.state.at, report.state.at));
      // A compacted partition has got on only when it is done: where something differs in it, all is compared anew.
      const gotOn = on && p.order === 'every-record';
      if (gotOn) this.#gotOn(report.key);
      this.moved ||= on;
      const begins = report.beginning === null ? {} : { beginning: { how: report.beginning.how, skipped: report.beginning.skipped } };
      // What was undecided stays so until its records have been passed, or all has been compared anew.
      const decided = before.decided === 'undecided' && (p.order === 'by-key' || !on) ? 'undecided' : null;
      return { state: report.state, hash: null, settled: null, decided, differences: [...earlier, ...fresh], ...begins, ...(gotOn ? { silentMs: 0 } : {}) };
    });
  };

  readonly ended = (end: PartitionEnd): void => {
    const { key, decided, state, hash } = end;
    if (decided === 'stopped' || this.#ended.has(key)) return;
    this.#ended.add(key);
    this.#keep(key, (before, p) => {
      this.#gotOn(key);
      this.moved = true;
      // Where both have come to their ends the copy lacks nothing: an outage need not look at it again.
      const horizon = decided === 'all' && same(state?.at ?? null, p.ends) ? 'closed' : this.#x.horizon;
      return { state: state ?? before.state, settled: p.ends, hash: decided === 'all' ? hash : null, decided, horizon, silentMs: 0 };
    });
  };

  /** Whoever has not got on has been at work for all that time. */
  close(): void {
    for (const [key, sinceMs] of this.#silentSinceMs) this.#keep(key, (before) => ({ silentMs: (before.silentMs ?? 0) + this.#by.now() - sinceMs }));
  }
  /** What has not been written yet, written now. */
  news(): readonly Entry[] {
    const now = [...this.#dirty.values()].map((p) => entry(keptKey(this.#x.run, p), this.#x.kept.get(tpKey(p))));
    this.#dirty.clear();
    return now;
  }

  #gotOn(key: string): void {
    this.#silentSinceMs.delete(key);
    this.#by.bell.gotOn(key);
  }
  #keep(key: string, next: (before: Kept, p: Planned) => Partial<Kept>): void {
    const [p, before] = [this.#open.get(key), this.#x.kept.get(key)];
    if (p === undefined || before === undefined) return;
    this.#x.kept.set(key, { ...before, ...next(before, p) });
    this.#dirty.set(key, p);
  }
}

/** Offsets of the origin, exact; of an undecided partition those that were. */
export function figuresOf(plan: readonly Planned[], kept: ReadonlyMap<string, Kept>, horizon: PartitionAsk['horizon']): { readonly total: number; readonly done: number; readonly partitionsDone: number } {
  let [total, done, partitionsDone] = [0, 0, 0];
  for (const p of plan) {
    const k = kept.get(tpKey(p));
    const from = Number(k?.state?.from.origin ?? p.starts.origin);
    const end = Number(p.ends.origin);
    const finished = isSettled(p, k, horizon) && k?.decided !== 'undecided';
    total += Math.max(0, end - from);
    done += finished ? Math.max(0, end - from) : Math.max(0, Math.min(end, Number(k?.state?.at.origin ?? from)) - from);
    if (finished) partitionsDone += 1;
  }
  return { total, done, partitionsDone };
}
export const worst = (plan: readonly Planned[], kept: ReadonlyMap<string, Kept>): readonly Planned[] => plan.filter((p) => differing(countsOf(kept.get(tpKey(p)))) > 0);
export const undecidedIn = (plan: readonly Planned[], kept: ReadonlyMap<string, Kept>): readonly Planned[] => plan.filter((p) => kept.get(tpKey(p))?.decided === 'undecided');
/** `1 partition ends in records that do not correspond: orders/0 from 25 on old and 26 on new`; empty: none does. */
export function undecidedText(plan: readonly Planned[], kept: ReadonlyMap<string, Kept>, names: Two<string>): string {
  const all = undecidedIn(plan, kept);
  const places = all.map((p) => {
    const at = kept.get(tpKey(p))?.state?.at ?? p.starts;
    return `${tpKey(p)} from ${at.origin} on ${names.origin} and ${at.copy} on ${names.copy}`;
  });
  return all.length === 0 ? '' : `${count(all.length, 'partition')} ${all.length === 1 ? 'ends' : 'end'} in records that do not correspond: ${list(places, 5)}`;
}
