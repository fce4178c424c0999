/** A batch (format v2, uncompressed) composed of records whose content stands as it was read. */
import type { OriginalRecord } from '../../../domain/ports.ts';
import { crc32c } from './crc.ts';
import { spelled } from './records.ts';

/** Layout of a batch, Kafka protocol guide, "Record Batch". */
const headerBytes = 61;
const lengthCountsFrom = 12;
const crcAt = 17;
const attributesAt = 21;
const transactional = 0x10;

/** Transactional unless it is `plain`. */
export interface Writing { readonly producerId: bigint; readonly epoch: number; readonly sequence: number; readonly kind?: 'plain' }

export function batchOf(records: readonly OriginalRecord[], { producerId, epoch, sequence, kind }: Writing): Buffer {
  const base = records[0]?.timestampMs ?? 0n;
  const body = Buffer.concat(records.map((r, i) => {
    // Attributes, timestamp delta, offset delta, then key, value and headers.
    const record = Buffer.concat([Buffer.from([0]), spelledLong(r.timestampMs - base), spelled(i), r.content]);
    return Buffer.concat([spelled(record.length), record]);
  }));
  const header = Buffer.alloc(headerBytes);
  header.writeBigInt64BE(0n, 0);
  header.writeInt32BE(headerBytes - lengthCountsFrom + body.length, 8);
  header.writeInt32BE(-1, 12);
  header.writeInt8(2, 16);
  header.writeInt16BE(kind === 'plain' ? 0 : transactional, attributesAt);
  header.writeInt32BE(records.length - 1, 23);
  header.writeBigInt64BE(base, 27);
  header.writeBigInt64BE(records.reduce((max, r) => (r.timestampMs > max ? r.timestampMs : max), base), 35);
  header.writeBigInt64BE(producerId, 43);
  header.writeInt16BE(epoch, 51);
  header.writeInt32BE(sequence, 53);
  header.writeInt32BE(records.length, 57);
  const batch = Buffer.concat([header, body]);
  batch.writeUInt32BE(crc32c(batch.subarray(attributesAt)), crcAt);
  return batch;
}

/** As `spelled`, over 64 bits. */
function spelledLong(value: bigint): Buffer {
  let rest = BigInt.asUintN(64, (value << 1n) ^ (value >> 63n));
  const bytes: number[] = [];
  for (; rest >= 0x80n; rest >>= 7n) bytes.push(Number(rest & 0x7fn) | 0x80);
  bytes.push(Number(rest));
  return Buffer.from(bytes);
}
