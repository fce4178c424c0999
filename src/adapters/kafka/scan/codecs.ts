/** Inflates the records of a batch. */
import { gunzipSync, zstdDecompressSync } from 'node:zlib';
import { compressionsAlgorithms } from '@platformatic/kafka';
import { Failure } from '../../../domain/failures.ts';
import type { Batch } from './batches.ts';
import { corrupt, placeText } from './place.ts';

/** One batch may not inflate beyond this: a batch is read whole, and a few kilobytes can inflate to gigabytes. */
const largestBatchBytes = 512 * 1024 * 1024;

/** The library's snappy understands both raw blocks and the Java client's framing (xerial). */
const codecs: Readonly<Record<number, { readonly name: string; readonly inflate: (bytes: Buffer) => Buffer }>> = {
  1: { name: 'gzip', inflate: (bytes) => gunzipSync(bytes, { maxOutputLength: largestBatchBytes }) },
  2: { name: 'snappy', inflate: (bytes) => compressionsAlgorithms.snappy.decompressSync(bytes) },
  3: { name: 'lz4', inflate: (bytes) => compressionsAlgorithms.lz4.decompressSync(bytes) },
  4: { name: 'zstd', inflate: (bytes) => zstdDecompressSync(bytes, { maxOutputLength: largestBatchBytes }) },
};

export function inflated(batch: Batch): Buffer {
  if (batch.codec === 0 || batch.count === 0) return batch.body;
  const codec = codecs[batch.codec];
  if (codec === undefined) throw new Failure('Unsupported', `${placeText(batch.place)} holds a batch at offset ${batch.baseOffset} compressed with codec ${batch.codec}; known are none, gzip, snappy, lz4 and zstd.`, `Leave topic ${batch.place.topic} out, or use a newer Cutover.`);
  try {
    return codec.inflate(batch.body);
  } catch (error) {
    if (error instanceof RangeError || (error instanceof Error && 'code' in error && error.code === 'ERR_BUFFER_TOO_LARGE')) {
      throw new Failure('Unsupported', `${placeText(batch.place)} holds a batch at offset ${batch.baseOffset} that inflates beyond ${largestBatchBytes / 1024 / 1024} MiB.`, `Leave topic ${batch.place.topic} out.`);
    }
    throw corrupt(batch.place, batch.baseOffset, `its ${codec.name} data cannot be inflated (${error instanceof Error ? error.message : String(error)})`);
  }
}
