/** One partition on two clusters, as `domain/diff` compares it: bytes against bytes while they run alike, records where they do not. */
import type { DiffState, Places } from '../../../domain/diff/difference.ts';
import type { Pair } from '../../../domain/diff/compare.ts';
import { Failure } from '../../../domain/failures.ts';
import { tpKey, type LogEnds, type TopicPartition } from '../../../domain/ports.ts';
import type { Half } from '../../../domain/positions.ts';
import { readEnds } from '../ends.ts';
import type { Batch } from '../scan/batches.ts';
import type { ScanWire } from '../scan/rounds.ts';
import { seenIn, type Bounds } from '../scan/seen.ts';
import { visibleBatches } from '../scan/stream.ts';
import type { ClusterWire } from '../wire.ts';
import { Digest } from './digest.ts';
import { Lane, Packed, blockRecords, largest, requireBounded } from './packed.ts';

/** What is asked of a cluster: its records, and where a log begins and ends by now. */
export interface Side {
  readonly wire: ScanWire;
  start(of: TopicPartition): Promise<bigint>;
  /** The last stable offset. */
  end(of: TopicPartition): Promise<bigint>;
}
export type Sides = Readonly<Record<Half, Side>>;
export function sideOf(wire: ClusterWire): Side {
  const ends = async (tp: TopicPartition): Promise<LogEnds> => {
    const [end] = await readEnds(wire, [{ topic: tp.topic, partition: tp.partition }]);
    if (end === undefined) throw new Failure('Unreachable', `Where ${tpKey(tp)} begins and ends on cluster ${wire.name} cannot be read.`);
    return end;
  };
  return { wire, start: async (tp) => (await ends(tp)).logStart, end: async (tp) => (await ends(tp)).lso };
}
export interface Pace {
  readonly signal: AbortSignal;
  /** Told what was read, as stored; answers how long to wait, if at all. */
  spend(bytes: number, records: number): Promise<void> | null;
  /** Told of memory used beside. */
  weigh(bytes: number): void;
}
/** Reading gets hardly faster with more. */
const fetchBytes = 1024 * 1024;

/** Visible batches, as fast as the pace allows. */
export async function* pacedBatches(wire: ScanWire, of: TopicPartition & Bounds, pace: Pace): AsyncGenerator<Batch, void, undefined> {
  for await (const batch of visibleBatches(wire, of, { isolation: 'read_committed', signal: pace.signal, fetchBytes })) {
    requireBounded(batch);
    const wait = pace.spend(batch.body.length, batch.count);
    if (wait !== null) await wait;
    yield batch;
  }
}
/** A comparison looks up from its bytes this often, to say how far it is. */
const pauseMs = 250;

export function openPair(sides: Sides, tp: TopicPartition, kept: DiffState['hash'], pace: Pace): Pair & { close(): Promise<void> } {
  const digest = new Digest(kept);
  const blocks = { origin: new Packed(), copy: new Packed() };
  let open: { readonly origin: Lane; readonly copy: Lane; readonly ends: Places } | null = null;

  const lane = (half: Half, from: bigint, to: bigint): Lane => new Lane(pacedBatches(sides[half].wire, { ...tp, from, to }, pace), { from, to }, (bytes) => { pace.weigh(bytes); });
  async function lanes(at: Places, ends: Places): Promise<NonNullable<typeof open>> {
    const same = open !== null && open.origin.next === at.origin && open.copy.next === at.copy && open.ends.origin === ends.origin && open.ends.copy === ends.copy;
    if (open !== null && same) return open;
    await close();
    open = { origin: lane('origin', at.origin, ends.origin), copy: lane('copy', at.copy, ends.copy), ends };
    return open;
  }
  async function close(): Promise<void> {
    const was = open;
    open = null;
    if (was !== null) await Promise.all([was.origin.close(), was.copy.close()]);
  }

  /** What was passed without being compared as bytes is read again for the hash. */
  async function digestTo(upTo: bigint): Promise<void> {
    if (digest.at >= upTo) return;
    const rest = lane('origin', digest.at, upTo);
    try {
      while (!rest.over) {
        blocks.origin.clear();
        await rest.fill(blocks.origin, blockRecords);
        digest.add(blocks.origin, blocks.origin.count);
      }
    } finally {
      blocks.origin.clear();
      await rest.close();
    }
  }

  const alike: Pair['alike'] = async (from, ends) => {
    await digestTo(from.origin);
    const { origin, copy } = await lanes(from, ends);
    const { origin: a, copy: b } = blocks;
    const untilMs = performance.now() + pauseMs;
    let at = from;
    for (let matched = 0; ; ) {
      pace.signal.throwIfAborted();
      a.clear();
      b.clear();
      await origin.fill(a, blockRecords);
      await copy.fill(b, a.count === 0 ? 1 : a.count);
      const different = a.firstDifference(b);
      const same = different === -1 ? Math.min(a.count, b.count) : different;
      digest.add(a, same);
      matched += same;
      if (same > 0) at = { origin: after(a, same), copy: after(b, same) };
      if (same < a.count || same < b.count) {
        await close();
        return { at, matched, why: 'differ' };
      }
      if (a.count === 0) {
        await close();
        return { at: ends, matched, why: 'end' };
      }
      if (performance.now() >= untilMs) return { at, matched, why: 'pause' };
    }
  };

  return {
    alike, close,
    async *between(half, from, to) {
      for await (const batch of pacedBatches(sides[half].wire, { ...tp, from, to }, pace)) yield* seenIn(batch, { from, to }, largest.inflatedBytes);
    },
    starts: async () => {
      const [origin, copy] = await Promise.all([sides.origin.start(tp), sides.copy.start(tp)]);
      return { origin, copy };
    },
    hashed: () => digest.kept,
    sealed: async (upTo) => {
      await digestTo(upTo);
      return digest.sealed;
    },
  };
}

const after = (block: Packed, count: number): bigint => BigInt(block.offsets[count - 1] ?? 0) + 1n;
