/** Our own reader of Kafka logs: no consumer group, the records a consumer would see, and proof that they are whole. */
import type { ReadOptions, RecordReader, SeenRecord, TopicPartition } from '../../../domain/ports.ts';
import { abortedBatches, firstRecords, lastRecords } from './ends.ts';
import { originals } from './originals.ts';
import type { ScanWire } from './rounds.ts';
import { fullIn, seenIn } from './seen.ts';
import type { Bounds, FullRecord } from './seen.ts';
import { isolationOf, visibleBatches } from './stream.ts';
import { writersOf } from './writers.ts';

/**
 * Reads end at the last stable offset (committed) where an open transaction stands below `to`. A log that does not reach
 * `to` at all fails with `MirrorDamaged` after 15 s: a short answer would pass for "nothing there".
 */
export function createRecordReader(wire: ScanWire): RecordReader {
  async function* range(of: TopicPartition & Bounds, options?: ReadOptions): AsyncGenerator<SeenRecord, void, undefined> {
    const isolation = isolationOf(options);
    for await (const batch of visibleBatches(wire, of, { isolation, signal: options?.signal })) {
      for (const record of seenIn(batch, of)) yield record;
    }
  }
  async function* contents(of: TopicPartition & Bounds, options?: ReadOptions): AsyncGenerator<FullRecord, void, undefined> {
    const isolation = isolationOf(options);
    for await (const batch of visibleBatches(wire, of, { isolation, signal: options?.signal })) {
      for (const record of fullIn(batch, of)) yield record;
    }
  }
  return {
    range,
    contents,
    tails: (ends, count, options) => lastRecords(wire, ends, count, options),
    firsts: (of, options) => firstRecords(wire, of, options),
    originals: (of, options) => originals(wire, of, options),
    aborted: (of, options) => abortedBatches(wire, of, options),
    writers: (of, options) => writersOf(wire, of, options),
  };
}
