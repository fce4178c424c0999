/** The records at the ends of many logs at once: the last ones below an end, the first ones from a position on. */
import type { AbortedBatch, LogEnds, ReadOptions, SeenRecord, TopicPartition } from '../../../domain/ports.ts';
import { tpKey } from '../../../domain/ports.ts';
import type { FetchedPart, Isolation } from './fetch.ts';
import { Forward } from './forward.ts';
import { createRounds } from './rounds.ts';
import type { ScanWire } from './rounds.ts';
import { seenIn } from './seen.ts';
import type { Bounds } from './seen.ts';
import { isolationOf } from './stream.ts';

/** What the brokers together may answer in one round. */
const budgetBytes = 16 * 1024 * 1024;
const smallestShareBytes = 8 * 1024;
const largestShareBytes = 1024 * 1024;
/** Offsets to look at first: a transaction per record costs two, and some markers usually trail. */
const widthFor = (count: number): bigint => BigInt(count) * 2n + 8n;
/** Each window that did not suffice is followed by one so many times as wide. */
const widening = 8n;

/** A fair share of a round for each partition. */
const shareBytes = (partitions: number): number => Math.min(largestShareBytes, Math.max(smallestShareBytes, Math.floor(budgetBytes / Math.max(1, partitions))));

/** The same partition cannot stand twice in one request, and has one entry in the answer. */
function distinct<T extends TopicPartition>(of: readonly T[]): readonly T[] {
  const seen = new Set<string>();
  for (const tp of of) {
    const key = tpKey(tp);
    if (seen.has(key)) throw new RangeError(`${key} is asked for twice in one call.`);
    seen.add(key);
  }
  return of;
}

export async function firstRecords(wire: ScanWire, of: readonly (TopicPartition & Bounds)[], options?: ReadOptions): Promise<ReadonlyMap<string, SeenRecord | null>> {
  const isolation = isolationOf(options);
  let reads = distinct(of).map((one) => new Forward({ topic: one.topic, partition: one.partition, cluster: wire.name }, one, { isolation, maxBytes: smallestShareBytes }));
  const found = new Map<string, SeenRecord | null>(of.map((one) => [tpKey(one), null]));
  const rounds = createRounds(wire);
  for (reads = stillOpen(reads); reads.length > 0; reads = stillOpen(reads)) {
    await rounds.round(reads, { isolation, budgetBytes, signal: options?.signal }, (read, answer) => {
      const first = firstIn(read, answer);
      if (first !== null) found.set(tpKey(read), first);
    });
  }
  return found;
}

/** By batch headers: nothing is decompressed. Of a batch that reaches over the bounds the offsets within count. */
export async function abortedBatches(wire: ScanWire, of: readonly (TopicPartition & Bounds)[], options?: Pick<ReadOptions, 'signal'>): Promise<ReadonlyMap<string, readonly AbortedBatch[]>> {
  const isolation = 'read_committed';
  let reads = distinct(of).map((one) => new Forward({ topic: one.topic, partition: one.partition, cluster: wire.name }, one, { isolation, maxBytes: smallestShareBytes }));
  const found = new Map<string, AbortedBatch[]>(of.map((one) => [tpKey(one), []]));
  const rounds = createRounds(wire);
  for (reads = stillOpen(reads); reads.length > 0; reads = stillOpen(reads)) {
    await rounds.round(reads, { isolation, budgetBytes, signal: options?.signal }, (read, answer) => {
      for (const batch of read.aborted(answer)) {
        const [first, last] = [batch.baseOffset > read.from ? batch.baseOffset : read.from, batch.lastOffset < read.to ? batch.lastOffset : read.to - 1n];
        if (first <= last) found.get(tpKey(read))?.push({ firstOffset: first, records: Math.min(batch.count, Number(last - first) + 1) });
      }
    });
  }
  return found;
}

/** Each gets a larger share the fewer are left. */
function stillOpen(reads: readonly Forward[]): Forward[] {
  const open = reads.filter((read) => !read.over);
  for (const read of open) read.maxBytes = Math.max(read.maxBytes, shareBytes(open.length));
  return open;
}

function firstIn(read: Forward, answer: FetchedPart): SeenRecord | null {
  for (const batch of read.visible(answer)) {
    for (const record of seenIn(batch, read)) {
      read.finish();
      return record;
    }
  }
  return null;
}

/** The last records of one partition, found window by window from the end back to the log start. */
class Tail {
  readonly #ends: LogEnds;
  readonly #how: { readonly isolation: Isolation; readonly maxBytes: number; readonly cluster: string | undefined; readonly count: number };
  #found: readonly SeenRecord[] = [];
  #bottom: bigint;
  #width: bigint;
  #window: SeenRecord[] = [];
  /** The forward read over the present window; `null`: all is found. */
  read: Forward | null;

  constructor(ends: LogEnds, how: { readonly isolation: Isolation; readonly maxBytes: number; readonly cluster: string | undefined; readonly count: number }) {
    this.#ends = ends;
    this.#how = how;
    this.#width = widthFor(how.count);
    const top = how.isolation === 'read_committed' ? ends.lso : ends.hw;
    this.#bottom = top;
    this.read = how.count > 0 ? this.#below(top) : null;
  }

  get found(): readonly SeenRecord[] {
    return this.#found;
  }

  take(answer: FetchedPart): void {
    if (this.read === null) return;
    for (const batch of this.read.visible(answer)) {
      for (const record of seenIn(batch, this.read)) this.#window.push(record);
      if (this.#window.length > this.#how.count * 2) this.#window = this.#window.slice(-this.#how.count);
    }
  }

  /** After a round: on to the window before, when this one is read and did not have enough. */
  advance(): void {
    if (this.read === null || !this.read.over) return;
    const atLogStart = this.read.from > this.#bottom; // the head was deleted up into this window
    this.#found = [...this.#window, ...this.#found].slice(-this.#how.count);
    this.#window = [];
    this.read = this.#found.length >= this.#how.count || atLogStart ? null : this.#below(this.#bottom);
  }

  #below(top: bigint): Forward | null {
    if (top <= this.#ends.logStart) return null;
    const start = top - this.#width;
    this.#bottom = start > this.#ends.logStart ? start : this.#ends.logStart;
    this.#width *= widening;
    const { topic, partition } = this.#ends;
    return new Forward({ topic, partition, cluster: this.#how.cluster }, { from: this.#bottom, to: top }, this.#how);
  }
}

export async function lastRecords(wire: ScanWire, ends: readonly LogEnds[], count: number, options?: ReadOptions): Promise<ReadonlyMap<string, readonly SeenRecord[]>> {
  const isolation = isolationOf(options);
  const how = { isolation, count, maxBytes: smallestShareBytes, cluster: wire.name };
  const tails = new Map(distinct(ends).map((end) => [tpKey(end), new Tail(end, how)]));
  const rounds = createRounds(wire);
  for (;;) {
    const reads = stillOpen([...tails.values()].flatMap(({ read }) => (read === null ? [] : [read])));
    if (reads.length === 0) break;
    await rounds.round(reads, { isolation, budgetBytes, signal: options?.signal }, (read, answer) => tails.get(tpKey(read))?.take(answer));
    for (const tail of tails.values()) tail.advance();
  }
  return new Map([...tails].map(([key, tail]) => [key, tail.found]));
}
