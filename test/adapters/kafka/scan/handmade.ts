/** Record batches made by hand, byte for byte as the protocol guide says: what brokers would store. Independent of the reader's own encoding. */
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { compressionsAlgorithms, jsCRC32C } from '@platformatic/kafka';

export type Field = Buffer | string | null;
export interface HandmadeRecord {
  readonly key?: Field;
  readonly value?: Field;
  readonly headers?: readonly (readonly [name: Buffer | string, value: Field])[];
  /** Added to the batch's base timestamp. */
  readonly timestampDelta?: number | bigint;
  /** Default: its index. Gaps are what compaction leaves. */
  readonly offsetDelta?: number;
}
export interface HandmadeBatch {
  readonly baseOffset: bigint;
  readonly records: readonly HandmadeRecord[];
  readonly codec?: 'none' | 'gzip' | 'snappy' | 'xerial' | 'lz4' | 'zstd';
  readonly producerId?: bigint;
  readonly transactional?: boolean;
  readonly control?: boolean;
  readonly logAppendTime?: boolean;
  readonly baseTimestamp?: bigint;
  readonly maxTimestamp?: bigint;
  /** Default: that of the last record. */
  readonly lastOffsetDelta?: number;
  readonly attributes?: number;
  /** Lengths one byte longer than needed, as a careless client may write them. */
  readonly paddedLengths?: boolean;
}

export const baseTimestamp = 1_700_000_000_000n;

export function unsignedVarint(value: bigint): Buffer {
  const bytes: number[] = [];
  let rest = value;
  for (; rest >= 0x80n; rest >>= 7n) bytes.push(Number(rest & 0x7fn) | 0x80);
  bytes.push(Number(rest));
  return Buffer.from(bytes);
}
export const varint = (value: number | bigint): Buffer => {
  const big = BigInt(value);
  return unsignedVarint(BigInt.asUintN(64, (big << 1n) ^ (big >> 63n)));
};
const padded = (bytes: Buffer): Buffer => Buffer.concat([bytes.subarray(0, -1), Buffer.from([(bytes.at(-1) ?? 0) | 0x80, 0])]);

const bytesOf = (field: Field): Buffer | null => (typeof field === 'string' ? Buffer.from(field) : field);
const sized = (field: Field, length: (value: number) => Buffer): Buffer => {
  const bytes = bytesOf(field);
  return bytes === null ? length(-1) : Buffer.concat([length(bytes.length), bytes]);
};

/** Key, value and headers: what a fingerprint is taken over. */
export function contentOf(record: HandmadeRecord, length: (value: number) => Buffer = varint): Buffer {
  const headers = record.headers ?? [];
  return Buffer.concat([
    sized(record.key ?? null, length), sized(record.value ?? null, length), length(headers.length),
    ...headers.flatMap(([name, value]) => [sized(name, length), sized(value, length)]),
  ]);
}

function recordBytes(record: HandmadeRecord, index: number, batch: HandmadeBatch): Buffer {
  const length = batch.paddedLengths === true ? (value: number): Buffer => padded(varint(value)) : varint;
  const body = Buffer.concat([Buffer.from([0]), varint(record.timestampDelta ?? index), varint(record.offsetDelta ?? index), contentOf(record, length)]);
  return Buffer.concat([varint(body.length), body]);
}

const codecs: Readonly<Record<NonNullable<HandmadeBatch['codec']>, readonly [id: number, deflate: (bytes: Buffer) => Buffer]>> = {
  none: [0, (bytes) => bytes],
  gzip: [1, (bytes) => gzipSync(bytes)],
  snappy: [2, (bytes) => compressionsAlgorithms.snappy.compressSync(bytes)],
  xerial: [2, xerial],
  lz4: [3, (bytes) => compressionsAlgorithms.lz4.compressSync(bytes)],
  zstd: [4, (bytes) => zstdCompressSync(bytes)],
};

/** The framing of the Java client: a header, then blocks of 32 KiB with their lengths. */
function xerial(bytes: Buffer): Buffer {
  const parts: Buffer[] = [Buffer.from([0x82, 0x53, 0x4e, 0x41, 0x50, 0x50, 0x59, 0x00, 0, 0, 0, 1, 0, 0, 0, 1])];
  for (let at = 0; at < bytes.length; at += 32 * 1024) {
    const block = compressionsAlgorithms.snappy.compressSync(bytes.subarray(at, at + 32 * 1024));
    const length = Buffer.alloc(4);
    length.writeInt32BE(block.length);
    parts.push(length, block);
  }
  return Buffer.concat(parts);
}

export function batchBytes(batch: HandmadeBatch): Buffer {
  const [codec, deflate] = codecs[batch.codec ?? 'none'];
  const body = batch.records.length === 0 ? Buffer.alloc(0) : deflate(Buffer.concat(batch.records.map((record, index) => recordBytes(record, index, batch))));
  const head = Buffer.alloc(61);
  const base = batch.baseTimestamp ?? baseTimestamp;
  const last = batch.lastOffsetDelta ?? batch.records.at(-1)?.offsetDelta ?? Math.max(0, batch.records.length - 1);
  head.writeBigInt64BE(batch.baseOffset, 0);
  head.writeInt32BE(61 - 12 + body.length, 8);
  head.writeInt32BE(0, 12);
  head.writeInt8(2, 16);
  head.writeInt16BE(batch.attributes ?? (codec | (batch.logAppendTime === true ? 8 : 0) | (batch.transactional === true ? 16 : 0) | (batch.control === true ? 32 : 0)), 21);
  head.writeInt32BE(last, 23);
  head.writeBigInt64BE(base, 27);
  head.writeBigInt64BE(batch.maxTimestamp ?? base + BigInt(Math.max(0, batch.records.length - 1)), 35);
  head.writeBigInt64BE(batch.producerId ?? -1n, 43);
  head.writeInt16BE(batch.producerId === undefined ? -1 : 0, 51);
  head.writeInt32BE(-1, 53);
  head.writeInt32BE(batch.records.length, 57);
  const bytes = Buffer.concat([head, body]);
  bytes.writeUInt32BE(jsCRC32C(bytes.subarray(21)), 17);
  return bytes;
}

/** Type 0: abort, 1: commit. */
export const marker = (baseOffset: bigint, producerId: bigint, kind: 'abort' | 'commit'): HandmadeBatch => ({
  baseOffset, producerId, transactional: true, control: true,
  records: [{ key: Buffer.from([0, 0, 0, kind === 'abort' ? 0 : 1]), value: Buffer.from([0, 0, 0, 0, 0, 0]) }],
});
