/** Inflates the records of a batch. */
import { gunzipSync, zstdDecompressSync } from 'node:zlib';
import { compressionsAlgorithms } from '@platformatic/kafka';
import { Failure } from '../../../domain/failures.ts';
import type { Batch } from './batches.ts';
import { lz4Length, snappyLength } from './lengths.ts';
import { corrupt, placeText } from './place.ts';

/** One batch may not inflate beyond this: a batch is read whole, and a few kilobytes can inflate to gigabytes. */
const largestBatchBytes = 512 * 1024 * 1024;

/** The library's snappy understands both raw blocks and the Java client's framing (xerial). */
const codecs: Readonly<Record<number, { readonly name: string; readonly inflate: (bytes: Buffer, most: number) => Buffer }>> = {
  1: { name: 'gzip', inflate: (bytes, most) => gunzipSync(bytes, { maxOutputLength: most }) },
  2: { name: 'snappy', inflate: (bytes, most) => compressionsAlgorithms.snappy.decompressSync(within(bytes, snappyLength(bytes), most)) },
  3: { name: 'lz4', inflate: (bytes, most) => compressionsAlgorithms.lz4.decompressSync(within(bytes, lz4Length(bytes, most), most)) },
  4: { name: 'zstd', inflate: (bytes, most) => zstdDecompressSync(bytes, { maxOutputLength: most }) },
};

/** Decoders that take no limit are not begun above it. */
function within(bytes: Buffer, length: number, most: number): Buffer {
  if (length > most) throw new RangeError(`it inflates to ${length} bytes`);
  return bytes;
}

/** `most`: longest result, bytes. */
export function inflated(batch: Batch, most: number = largestBatchBytes): Buffer {
  if (batch.codec === 0 || batch.count === 0) return batch.body;
  const codec = codecs[batch.codec];
  if (codec === undefined) throw new Failure('Unsupported', `${placeText(batch.place)} holds a batch at offset ${batch.baseOffset} compressed with codec ${batch.codec}; known are none, gzip, snappy, lz4 and zstd.`, `Leave topic ${batch.place.topic} out, or use a newer Cutover.`);
  try {
    return codec.inflate(batch.body, most);
  } catch (error) {
    if (error instanceof RangeError || (error instanceof Error && 'code' in error && error.code === 'ERR_BUFFER_TOO_LARGE')) {
      throw new Failure('Unsupported', `${placeText(batch.place)} holds a batch at offset ${batch.baseOffset} that inflates beyond ${most / 1024 / 1024} MiB.`, `Leave topic ${batch.place.topic} out.`);
    }
    throw corrupt(batch.place, batch.baseOffset, `its ${codec.name} data cannot be inflated (${error instanceof Error ? error.message : String(error)})`);
  }
}
