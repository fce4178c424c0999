/** From a batch to the records of the port, with their fingerprints. */
import { hash } from 'node:crypto';
import type { SeenRecord } from '../../../domain/ports.ts';
import type { Batch } from './batches.ts';
import { RecordWalker } from './records.ts';

export interface Bounds { readonly from: bigint; readonly to: bigint }
export interface FullRecord extends SeenRecord { readonly key: Buffer | null; readonly value: Buffer | null }

/**
 * `<timestamp>.<sha1 over key, value and headers as stored>`. The stored form carries every length, so null and empty,
 * order and repetition of headers, and header names of any bytes are told apart. A comparison without timestamps cuts the
 * text before the dot.
 */
export const fingerprintOf = (walker: RecordWalker): string => `${walker.timestampMs}.${hash('sha1', walker.content(), 'base64url')}`;

/** `most`: longest that the batch may inflate to, bytes. */
export function* seenIn(batch: Batch, { from, to }: Bounds, most?: number): Generator<SeenRecord, void, undefined> {
  const { topic, partition } = batch.place;
  const walker = new RecordWalker(batch, most);
  while (walker.next()) {
    const offset = walker.offset;
    if (offset < from) continue;
    if (offset >= to) return;
    yield { topic, partition, offset, timestampMs: walker.timestampMs, fingerprint: fingerprintOf(walker) };
  }
}

/** Key and value are copies: a view would keep the whole fetched block alive. */
export function* fullIn(batch: Batch, { from, to }: Bounds): Generator<FullRecord, void, undefined> {
  const { topic, partition } = batch.place;
  const walker = new RecordWalker(batch);
  while (walker.next()) {
    const offset = walker.offset;
    if (offset < from) continue;
    if (offset >= to) return;
    const [key, value] = [walker.key(), walker.value()];
    yield {
      topic, partition, offset, timestampMs: walker.timestampMs, fingerprint: fingerprintOf(walker),
      key: key === null ? null : Buffer.from(key), value: value === null ? null : Buffer.from(value),
    };
  }
}
