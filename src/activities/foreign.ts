/**
 * Writes of others, found from batch headers, never from growth: any data batch on a side without authority whose producer
 * is not the mirror. What was looked through is kept, so that the next look reads only what came since.
 */
import { otherSide, type Side } from '../domain/authority.ts';
import type { CutSet } from '../domain/cutsets.ts';
import { Failure } from '../domain/failures.ts';
import { tpKey, type Cluster, type LogEnds, type LogWriter, type Ports, type ProducerFacts, type TransactionFacts } from '../domain/ports.ts';
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
  const ends = await cluster.ends(x.set.topics);
  const key = lookedKey(x, mark);
  const looked = new Map(Object.entries(valueOf<Readonly<Record<string, string>>>(await record.read(x.m, key), key) ?? {}).map(([tp, offset]) => [tp, BigInt(offset)] as const));
  const strides = ends.map((end) => new Stretch(end, mark === null ? null : BigInt(mark.ends[x.on][tpKey(end)]?.hw ?? end.logStart), looked.get(tpKey(end))));
  const deadlineMs = at.now() + turnMs;
  const open = [...strides];
  const lane = async (): Promise<void> => {
    for (let s = open.shift(); s; s = open.shift()) while (!s.over && at.now() < deadlineMs) await s.advance(cluster, mine, at);
  };
  await Promise.all(Array.from({ length: partitionsAtOnce }, lane));
  const clean = Object.fromEntries(strides.map((s) => [s.key, String(s.clean)]));
  if (strides.some((s) => s.clean !== looked.get(s.key))) await record.write(x.m, [entry(key, clean)], 'one', at);
  const sum = (of: (s: Stretch) => bigint): bigint => strides.reduce((n, s) => n + of(s), 0n);
  return { writers: await known(cluster, strides), looked: sum((s) => s.at - s.from), of: sum((s) => s.to - s.from) };
}

/** One partition on its way from the cut, or the log start, to its end. */
class Stretch {
  readonly key: string;
  readonly end: LogEnds;
  readonly from: bigint;
  readonly to: bigint;
  readonly strangers: LogWriter[] = [];
  /** Looked through up to here. */
  at: bigint;
  constructor(end: LogEnds, cutAt: bigint | null, looked: bigint | undefined) {
    this.key = tpKey(end);
    this.end = end;
    const lowest = cutAt === null || cutAt < end.logStart ? end.logStart : cutAt;
    this.to = end.hw > lowest ? end.hw : lowest;
    this.from = looked !== undefined && looked >= lowest && looked <= this.to ? looked : lowest;
    this.at = this.from;
  }
  get over(): boolean { return this.at >= this.to; }
  /** Below it there is nothing of a stranger: the next look begins here. */
  get clean(): bigint { return this.strangers.reduce((low, w) => (w.firstOffset < low ? w.firstOffset : low), this.at); }
  async advance(cluster: Cluster, mine: MirrorWriters, at: At): Promise<void> {
    const to = this.at + stride < this.to ? this.at + stride : this.to;
    for (const writer of await cluster.records.writers({ topic: this.end.topic, partition: this.end.partition, from: this.at, to }, { signal: at.until.signal }))
      if (!(await mine.wrote(this.key, writer))) this.strangers.push(writer);
    this.at = to;
  }
}

/** Everything Kafka tells about them: who is active, who owns the id. The principal is only in the brokers' own logs. */
async function known(cluster: Cluster, strides: readonly Stretch[]): Promise<readonly ForeignWriter[]> {
  const all = strides.flatMap((s) => s.strangers.map((w) => ({ key: s.key, end: s.end, w })));
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
