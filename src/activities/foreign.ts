/**
 * Writes of others, found from batch headers, never from growth: any data batch on a side without authority whose producer
 * is not the mirror. What was looked through is kept, so that the next look reads only what came since.
 */
import { otherSide, type Side } from '../domain/authority.ts';
import type { CutSet } from '../domain/cutsets.ts';
import { Failure } from '../domain/failures.ts';
import { tpKey, type Cluster, type LogEnds, type LogWriter, type Ports, type ProducerFacts, type TopicPartition, type TransactionFacts } from '../domain/ports.ts';
import type { At } from './boundary.ts';
import { standingMark, type Mark } from './cut.ts';
import { entry, valueOf, type LedgerBook } from './ledger.ts';
import type { Glance } from './looking.ts';
import { mirrorWriters, type MirrorWriters } from './mirrorwriters.ts';
import { clusterOf, count, grouped, list, nameOf } from './outside.ts';
import type { Ask, LookAsk } from './work.ts';

/** Offsets of one partition looked through between two looks at the clock. */
const stride = 50_000n;
/** How long one look may go on before it says how far it got, ms. */
const turnMs = 20_000;
const partitionsAtOnce = 4;

export interface OfForeign extends Ask { readonly set: CutSet; readonly on: Side; /** `start`: the log start where no cut stands yet, else the cut. */ readonly since: 'cut' | 'start' }

/** One writer nobody declared to write there, with all that Kafka tells of it. */
export interface ForeignWriter {
  readonly producerId: bigint;
  /** `null`: it is no longer active on any partition it wrote. */
  readonly epoch: number | null;
  /** `null`: none is known for this id. */
  readonly transactionalId: string | null;
  readonly records: number;
  readonly firstMs: bigint;
  readonly lastMs: bigint;
  readonly partitions: readonly { readonly key: string; readonly records: number; readonly first: bigint; readonly last: bigint }[];
}
export interface Foreign {
  readonly writers: readonly ForeignWriter[];
  /** Offsets looked through so far, of all there are to look through. */
  readonly looked: bigint;
  readonly of: bigint;
}

/** Key per cut: what a side wrote with authority is nobody's business later. */
const lookedKey = (x: OfForeign, mark: Mark | null): string => `${x.c.run}/looked/${x.on}/${x.set.name}/${mark?.epoch ?? 0}`;

export async function scanForeign(ports: Ports, record: LedgerBook, x: OfForeign, at: At): Promise<Foreign> {
  const mark = await standingMark(record, x);
  if (!mark && x.since === 'cut') throw new Failure('Drift', `No cut of ${x.set.name} is in the ledger, so nothing can be called written after it.`, 'Look at both ledgers, then retry.');
  if (mark?.to === x.on) throw new Failure('Drift', `${x.set.name} has its authority on the ${x.on} since cut ${mark.epoch}: whoever writes there is no stranger.`, 'Look at the other side.');
  const cluster = clusterOf(ports, x.m, x.on);
  const mine = await mirrorWriters(ports, record, { ...x, toward: x.on }, at);
  const [ends, anew] = await Promise.all([cluster.ends(x.set.topics), anewSince(ports, x, mark)]);
  const key = lookedKey(x, mark);
  const kept = await record.read(x.m, key);
  const looked = valueOf<Readonly<Record<string, Looked>>>(kept, key) ?? {};
  // Of a log that was removed neither its cut nor what was looked through counts for the one that took its name.
  const noteOf = (end: LogEnds): string => `${tpKey(end)}${anew.has(end.topic) ? `@${anew.get(end.topic) ?? ''}` : ''}`;
  const stretches = ends.map((end) => new Stretch(end, mark === null || anew.has(end.topic) ? null : BigInt(mark.ends[x.on][tpKey(end)]?.hw ?? end.logStart), { note: noteOf(end), before: looked[noteOf(end)] }));
  const deadlineMs = at.now() + turnMs;
  const open = [...stretches];
  const lane = async (): Promise<void> => {
    for (let s = open.shift(); s; s = open.shift()) {
      await s.judgeAgain(mine);
      while (!s.over && at.now() < deadlineMs) await s.advance(cluster, mine, at);
    }
  };
  await Promise.all(Array.from({ length: partitionsAtOnce }, lane));
  const now = entry(key, Object.fromEntries(stretches.map((s) => [s.note, s.looked])));
  if (now.value !== kept.get(key)) await record.write(x.m, [now], 'one', at);
  const sum = (of: (s: Stretch) => bigint): bigint => stretches.reduce((n, s) => n + of(s), 0n);
  return { writers: await known(cluster, stretches), looked: sum((s) => s.at - s.from), of: sum((s) => s.to - s.from) };
}

/** Under which ids others wrote this stretch: all of them, however many are remembered by name. Behind a look through all of it. */
export async function strangersIn(cluster: Cluster, mine: MirrorWriters, of: TopicPartition & { readonly from: bigint; readonly to: bigint }, at: At): Promise<ReadonlySet<bigint>> {
  const strangers = new Set<bigint>();
  for (const w of await cluster.records.writers(of, { signal: at.until.signal })) if (!(await mine.wrote(tpKey(of), w))) strangers.add(w.producerId);
  return strangers;
}

/** Topics of the copy that were removed and made again since the cut, with their ids. */
async function anewSince(ports: Ports, x: OfForeign, mark: Mark | null): Promise<ReadonlyMap<string, string>> {
  if (mark === null || x.on === 'source') return new Map();
  const facts = await clusterOf(ports, x.m, x.on).topics(x.set.topics);
  return new Map(facts.filter((f) => (mark.ids[x.on][f.name] ?? '') !== '' && mark.ids[x.on][f.name] !== f.id).map((f) => [f.name, f.id]));
}

/** What earlier looks found in one partition; numbers of a log as text. Stored data. */
interface Looked { readonly to: string; readonly strangers: readonly Kept[] }
interface Kept { readonly id: string; readonly records: number; readonly offsets: readonly [first: string, last: string]; readonly ms: readonly [first: string, last: string]; readonly runs: readonly (readonly [string, string])[] }
/** Strangers remembered per partition, and the places each is tried by again: the mirror's own word may come later than its records. */
const mostStrangers = 50;
const mostRuns = 5;

const kept = (w: LogWriter): Kept => ({
  id: String(w.producerId), records: w.records, offsets: [String(w.firstOffset), String(w.lastOffset)], ms: [String(w.firstTimestampMs), String(w.lastTimestampMs)],
  runs: w.runs.slice(0, mostRuns).map((r) => [String(r.firstOffset), String(r.lastOffset)]),
});
const unkept = (k: Kept): LogWriter => ({
  producerId: BigInt(k.id), records: k.records, firstOffset: BigInt(k.offsets[0]), lastOffset: BigInt(k.offsets[1]), firstTimestampMs: BigInt(k.ms[0]), lastTimestampMs: BigInt(k.ms[1]),
  runs: k.runs.map(([first, last]) => ({ firstOffset: BigInt(first), lastOffset: BigInt(last) })),
});

/** One partition on its way from the cut, or the log start, to its end. */
class Stretch {
  readonly key: string;
  /** Under which it is kept what was looked through. */
  readonly note: string;
  readonly end: LogEnds;
  readonly from: bigint;
  readonly to: bigint;
  /** By producer id. */
  readonly strangers = new Map<bigint, LogWriter>();
  /** Looked through up to here. */
  at: bigint;
  constructor(end: LogEnds, cutAt: bigint | null, { note, before }: { readonly note: string; readonly before: Looked | undefined }) {
    this.key = tpKey(end);
    this.note = note;
    this.end = end;
    const lowest = cutAt === null || cutAt < end.logStart ? end.logStart : cutAt;
    this.to = end.hw > lowest ? end.hw : lowest;
    const looked = before === undefined ? null : BigInt(before.to);
    // A log that ends below what was looked through is another log: begun again.
    const goesOn = looked !== null && looked >= lowest && looked <= this.to;
    this.from = goesOn ? looked : lowest;
    this.at = this.from;
    if (goesOn) for (const w of before?.strangers.map(unkept) ?? []) this.strangers.set(w.producerId, w);
  }
  get over(): boolean { return this.at >= this.to; }
  get looked(): Looked { return { to: String(this.at), strangers: [...this.strangers.values()].map(kept) }; }
  async judgeAgain(mine: MirrorWriters): Promise<void> {
    for (const w of [...this.strangers.values()]) if (await mine.wrote(this.key, w)) this.strangers.delete(w.producerId);
  }
  async advance(cluster: Cluster, mine: MirrorWriters, at: At): Promise<void> {
    const to = this.at + stride < this.to ? this.at + stride : this.to;
    for (const writer of await cluster.records.writers({ topic: this.end.topic, partition: this.end.partition, from: this.at, to }, { signal: at.until.signal }))
      if (!(await mine.wrote(this.key, writer))) this.#add(writer);
    this.at = to;
  }
  /** With very many strangers the later ones are counted to the last one named. */
  #add(w: LogWriter): void {
    const id = this.strangers.has(w.producerId) || this.strangers.size < mostStrangers ? w.producerId : ([...this.strangers.keys()].at(-1) ?? w.producerId);
    const before = this.strangers.get(id);
    this.strangers.set(id, before === undefined ? w : {
      ...before, records: before.records + w.records, lastOffset: w.lastOffset > before.lastOffset ? w.lastOffset : before.lastOffset, firstOffset: w.firstOffset < before.firstOffset ? w.firstOffset : before.firstOffset,
      firstTimestampMs: w.firstTimestampMs < before.firstTimestampMs ? w.firstTimestampMs : before.firstTimestampMs, lastTimestampMs: w.lastTimestampMs > before.lastTimestampMs ? w.lastTimestampMs : before.lastTimestampMs,
      runs: id === w.producerId ? [...before.runs, ...w.runs].slice(0, mostRuns) : before.runs,
    });
  }
}

/** Everything Kafka tells about them: who is active, who owns the id. The principal is only in the brokers' own logs. */
async function known(cluster: Cluster, stretches: readonly Stretch[]): Promise<readonly ForeignWriter[]> {
  const all = stretches.flatMap((s) => [...s.strangers.values()].map((w) => ({ key: s.key, end: s.end, w })));
  if (all.length === 0) return [];
  const ids = [...new Set(all.map(({ w }) => w.producerId))];
  const active = await cluster.producers([...new Map(all.map(({ key, end }) => [key, { topic: end.topic, partition: end.partition }])).values()]);
  const owners = await cluster.transactionsOf(ids.filter((id) => id >= 0n));
  return ids.map((id) => together(id, all.filter(({ w }) => w.producerId === id), { active, owners })).sort((a, b) => (a.producerId < b.producerId ? -1 : 1));
}
function together(producerId: bigint, parts: readonly { readonly key: string; readonly w: LogWriter }[], o: { readonly active: readonly ProducerFacts[]; readonly owners: readonly TransactionFacts[] }): ForeignWriter {
  const partitions = [...Map.groupBy(parts, (p) => p.key)].map(([key, of]) => ({
    key, records: of.reduce((n, p) => n + p.w.records, 0),
    first: of.reduce((low, p) => (p.w.firstOffset < low ? p.w.firstOffset : low), of[0]?.w.firstOffset ?? 0n), last: of.reduce((high, p) => (p.w.lastOffset > high ? p.w.lastOffset : high), 0n),
  }));
  return {
    producerId, partitions, records: partitions.reduce((n, p) => n + p.records, 0),
    epoch: o.active.find((p) => p.producerId === producerId)?.epoch ?? null,
    transactionalId: o.owners.find((t) => t.producerId === producerId)?.transactionalId ?? null,
    firstMs: parts.reduce((low, p) => (p.w.firstTimestampMs < low ? p.w.firstTimestampMs : low), parts[0]?.w.firstTimestampMs ?? 0n),
    lastMs: parts.reduce((high, p) => (p.w.lastTimestampMs > high ? p.w.lastTimestampMs : high), parts[0]?.w.lastTimestampMs ?? 0n),
  };
}

/** Those of whom a committed reader sees a record, or may see one once an open transaction ends; the others aborted all they wrote. */
export async function visibleOf(ports: Ports, record: LedgerBook, x: OfForeign & { readonly writers: readonly ForeignWriter[] }, at: At): Promise<readonly ForeignWriter[]> {
  const cluster = clusterOf(ports, x.m, x.on);
  const open = new Set((x.writers.length === 0 ? [] : await cluster.ends(x.set.topics)).filter((e) => e.hw !== e.lso).map(tpKey));
  const named = Map.groupBy(x.writers.flatMap(({ producerId, partitions }) => partitions.map(({ key }) => ({ key, producerId }))), ({ key }) => key);
  let mine: Promise<MirrorWriters> | null = null;
  const seen = await Promise.all(x.writers.map(async (w) => {
    for (const { key, first, last } of w.partitions) {
      if (open.has(key)) return true;
      const i = key.lastIndexOf('/');
      const stretch = { topic: key.slice(0, i), partition: Number(key.slice(i + 1)), from: first, to: last + 1n };
      const committed = await cluster.records.writers(stretch, { isolation: 'read_committed', signal: at.until.signal });
      if (committed.some((c) => c.producerId === w.producerId)) return true;
      const here = named.get(key) ?? [];
      if (here.length < mostStrangers) continue;
      // Later ones are counted to the last one named, and any of them may be seen.
      const judge = await (mine ??= mirrorWriters(ports, record, { ...x, toward: x.on }, at));
      for (const c of committed) if (!here.some((n) => n.producerId === c.producerId) && !(await judge.wrote(key, c))) return true;
    }
    return false;
  }));
  return x.writers.filter((_w, i) => seen[i]);
}

/** For people, without a full stop. */
export function spellWriter(w: ForeignWriter): string {
  const seconds = Number(w.lastMs - w.firstMs) / 1000;
  const rate = seconds > 0 ? `${grouped(Math.round((w.records / seconds) * 10) / 10)} records/s` : 'rate unknown';
  const who = w.producerId < 0n ? 'a producer without id' : `producer id ${w.producerId}${w.epoch === null ? ' (no longer active)' : ` (epoch ${w.epoch})`}${w.transactionalId === null ? '' : `, transactional id ${w.transactionalId}`}`;
  const where = list(w.partitions.map((p) => `${p.key} offsets ${grouped(p.first)} to ${grouped(p.last)}`), 5);
  return `${who}: ${count(w.records, 'record')} on ${where}; by their timestamps first ${when(w.firstMs)}, last ${when(w.lastMs)}, ${rate}; principal unknown (only the brokers' own logs have it)`;
}
const when = (ms: bigint): string => {
  const date = new Date(Number(ms));
  return Number.isNaN(date.getTime()) ? `${ms} ms` : date.toISOString();
};
const placeOf = (x: OfForeign): string => `${x.set.name} on ${nameOf(x.m, x.on)}`;
export const forgotten = (x: OfForeign, f: Foreign): Failure =>
  new Failure('ForgottenWriter', `Somebody other than the mirror wrote to ${placeOf(x)}, which has its authority on the ${otherSide(x.on)}: ${list(f.writers.map(spellWriter), 5)}.`);

export const foreign = (ports: Ports, record: LedgerBook) => ({
  lookForeign(x: LookAsk & { readonly sets: readonly CutSet[]; readonly on: Side; readonly since: 'cut' | 'start' }, at: At): () => Promise<Glance> {
    return async () => {
      const all: { readonly of: OfForeign; readonly found: Foreign }[] = [];
      for (const set of x.sets) all.push({ of: { ...x, set }, found: await scanForeign(ports, record, { ...x, set }, at) });
      for (const { of, found } of all) if (found.writers.length > 0) throw forgotten(of, found);
      const [looked, total] = [all.reduce((n, { found }) => n + found.looked, 0n), all.reduce((n, { found }) => n + found.of, 0n)];
      const names = list(x.sets.map((s) => s.name));
      return looked < total
        ? { done: false, state: 'looking', progress: String(looked), say: `looked through ${grouped(looked)} of ${grouped(total)} offsets of ${names} on the ${x.on}; none of others so far.`, figures: { lookedOffsets: Number(looked), offsets: Number(total) } }
        : { done: true, state: 'none', say: `none: no batch of others in ${names} on the ${x.on}, ${grouped(total)} new offsets looked through.` };
    };
  },
});
