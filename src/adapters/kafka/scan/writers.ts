/** Who wrote a stretch of a log, from batch headers: how foreign writes are found. */
import type { LogWriter, ReadOptions, TopicPartition } from '../../../domain/ports.ts';
import type { Batch } from './batches.ts';
import type { ScanWire } from './rounds.ts';
import type { Bounds } from './seen.ts';
import { visibleBatches } from './stream.ts';

type Writer = LogWriter;
type Run = LogWriter['runs'][number];
type Part = Omit<LogWriter, 'runs'>;
interface Last { readonly writer: bigint | null; readonly offset: bigint; /** Whether its run is. */ readonly kept: boolean }
/** Runs kept per partition. Behind so many a writer is counted, and where it wrote is told no more: never that it wrote where others did. */
const mostRuns = 10_000;

/**
 * Whoever wrote data counts, also in transactions that are open or were aborted: so the log is read uncommitted unless
 * `read_committed` is asked for by name. A run ends where somebody else wrote, and where offsets are missing: what a cleaner
 * took from there may have been somebody else's. Markers do not end it. Sorted by producer id.
 */
export async function writersOf(wire: ScanWire, of: TopicPartition & Bounds, options?: ReadOptions): Promise<readonly Writer[]> {
  const writers = new Map<bigint, Writer & { readonly runs: Run[] }>();
  let last: Last = { writer: null, offset: -1n, kept: false };
  let runs = 0;
  for await (const batch of visibleBatches(wire, of, { isolation: options?.isolation ?? 'read_uncommitted', signal: options?.signal, markers: true })) {
    if (batch.control) {
      if (last.offset + 1n === batch.baseOffset) last = { ...last, offset: batch.lastOffset };
      continue;
    }
    const part = within(batch, of);
    if (part === null) continue;
    const goesOn = last.writer === part.producerId && last.offset + 1n === part.firstOffset;
    if (!goesOn) runs += 1;
    const kept = goesOn ? last.kept : runs <= mostRuns;
    const before = writers.get(part.producerId);
    const all = before?.runs ?? [];
    if (kept) all.push(goesOn ? { firstOffset: all.pop()?.firstOffset ?? part.firstOffset, lastOffset: part.lastOffset } : { firstOffset: part.firstOffset, lastOffset: part.lastOffset });
    writers.set(part.producerId, { ...(before === undefined ? part : joined(before, part)), runs: all });
    last = { writer: part.producerId, offset: part.lastOffset, kept };
  }
  return [...writers.values()].sort((a, b) => (a.producerId < b.producerId ? -1 : 1));
}

/** Of a batch that reaches over the bounds only the offsets within count; which of its records those are, the header does not say. */
function within(batch: Batch, { from, to }: Bounds): Part | null {
  const firstOffset = batch.visibleFrom > from ? batch.visibleFrom : from;
  const lastOffset = batch.lastOffset < to ? batch.lastOffset : to - 1n;
  if (firstOffset > lastOffset) return null;
  return {
    producerId: batch.producerId,
    records: Math.min(batch.count, Number(lastOffset - firstOffset) + 1),
    firstOffset,
    lastOffset,
    // With log-append time, and with a delete horizon in its place, the base says nothing about when it was written.
    firstTimestampMs: batch.logAppendTime || batch.hasDeleteHorizon ? batch.maxTimestampMs : batch.baseTimestampMs,
    lastTimestampMs: batch.maxTimestampMs,
  };
}

const joined = (a: Part, b: Part): Part => ({
  producerId: a.producerId,
  records: a.records + b.records,
  firstOffset: a.firstOffset < b.firstOffset ? a.firstOffset : b.firstOffset,
  lastOffset: a.lastOffset > b.lastOffset ? a.lastOffset : b.lastOffset,
  firstTimestampMs: a.firstTimestampMs < b.firstTimestampMs ? a.firstTimestampMs : b.firstTimestampMs,
  lastTimestampMs: a.lastTimestampMs > b.lastTimestampMs ? a.lastTimestampMs : b.lastTimestampMs,
});
