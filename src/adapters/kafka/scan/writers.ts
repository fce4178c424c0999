/** Who wrote a stretch of a log, from batch headers: how foreign writes are found. */
import type { LogWriter, ReadOptions, TopicPartition } from '../../../domain/ports.ts';
import type { Batch } from './batches.ts';
import type { ScanWire } from './rounds.ts';
import type { Bounds } from './seen.ts';
import { visibleBatches } from './stream.ts';

type Writer = LogWriter;
/** Runs kept per partition: a mirror alone makes one per restart, so a log with more has many writers at once. */
const mostRuns = 1_000;

/**
 * Whoever wrote data counts, also in transactions that are open or were aborted: so the log is read uncommitted unless
 * `read_committed` is asked for by name. Sorted by producer id.
 */
export async function writersOf(wire: ScanWire, of: TopicPartition & Bounds, options?: ReadOptions): Promise<readonly Writer[]> {
  const writers = new Map<bigint, Writer>();
  let last: bigint | null = null;
  let runs = 0;
  for await (const batch of visibleBatches(wire, of, { isolation: options?.isolation ?? 'read_uncommitted', signal: options?.signal })) {
    const part = within(batch, of);
    if (part === null) continue;
    const known = writers.get(batch.producerId);
    const goesOn = known !== undefined && last === batch.producerId;
    if (!goesOn) runs += 1;
    writers.set(batch.producerId, known === undefined ? { ...part, runs: runs <= mostRuns ? part.runs : [] } : joined(known, part, goesOn ? 'goes on' : runs <= mostRuns ? 'apart' : 'uncounted'));
    last = batch.producerId;
  }
  return [...writers.values()].sort((a, b) => (a.producerId < b.producerId ? -1 : 1));
}

/** Of a batch that reaches over the bounds only the offsets within count; which of its records those are, the header does not say. */
function within(batch: Batch, { from, to }: Bounds): Writer | null {
  const firstOffset = batch.baseOffset > from ? batch.baseOffset : from;
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
    runs: [{ firstOffset, lastOffset }],
  };
}

const joined = (a: Writer, b: Writer, how: 'goes on' | 'apart' | 'uncounted'): Writer => ({
  producerId: a.producerId,
  records: a.records + b.records,
  firstOffset: a.firstOffset < b.firstOffset ? a.firstOffset : b.firstOffset,
  lastOffset: a.lastOffset > b.lastOffset ? a.lastOffset : b.lastOffset,
  firstTimestampMs: a.firstTimestampMs < b.firstTimestampMs ? a.firstTimestampMs : b.firstTimestampMs,
  lastTimestampMs: a.lastTimestampMs > b.lastTimestampMs ? a.lastTimestampMs : b.lastTimestampMs,
  runs: how === 'apart' ? [...a.runs, ...b.runs] : how === 'goes on' ? [...a.runs.slice(0, -1), ...a.runs.slice(-1).map((run) => ({ ...run, lastOffset: b.lastOffset }))] : a.runs,
});
