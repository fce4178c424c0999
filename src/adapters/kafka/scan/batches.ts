/** Walks the record batches (magic 2) in the bytes of a fetch response: one object per batch, none per record. */
import { Failure } from '../../../domain/failures.ts';
import { crc32c } from './crc.ts';
import { corrupt, placeText } from './place.ts';
import type { Place } from './place.ts';

export interface Batch {
  readonly place: Place;
  readonly baseOffset: bigint;
  /** Records below are not there for a reader: deleted at the head of the log, in the middle of the batch, which stays whole. */
  readonly visibleFrom: bigint;
  /** Last offset the batch covers; compaction may have taken that very record away. */
  readonly lastOffset: bigint;
  /** What timestamp deltas count from; after compaction this may be a delete horizon (KIP-534), deltas are then negative. */
  readonly baseTimestampMs: bigint;
  readonly maxTimestampMs: bigint;
  /** -1n: written without an id. */
  readonly producerId: bigint;
  readonly count: number;
  /** 0 none, 1 gzip, 2 snappy, 3 lz4, 4 zstd; the broker rejects others, a damaged log may hold them. */
  readonly codec: number;
  readonly logAppendTime: boolean;
  readonly transactional: boolean;
  /** Holds transaction markers, not data. */
  readonly control: boolean;
  readonly hasDeleteHorizon: boolean;
  /** The records as stored, compressed or not. */
  readonly body: Buffer;
}

// Layout of a batch, Kafka protocol guide, "Record Batch".
const lengthAt = 8;
const magicAt = 16;
const crcAt = 17;
const attributesAt = 21;
const lastDeltaAt = 23;
const baseTimestampAt = 27;
const maxTimestampAt = 35;
const producerIdAt = 43;
const countAt = 57;
const headerBytes = 61;
const lengthCountsFrom = 12;

/** Complete batches in order. A broker may cut the last one short: it is left for the next fetch. */
export function* batchesIn(bytes: Buffer, place: Place): Generator<Batch, void, undefined> {
  for (let at = 0; at < bytes.length; ) {
    const end = endOfBatch(bytes, at, place);
    if (end === null) return;
    yield batchAt(bytes, at, end, place);
    at = end;
  }
}

/** The offset after the last complete batch, from headers alone; `null`: not one complete batch. */
export function offsetAfter(bytes: Buffer, place: Place): bigint | null {
  let last: number | null = null;
  for (let at = 0; at < bytes.length; ) {
    const end = endOfBatch(bytes, at, place);
    if (end === null) break;
    last = at;
    at = end;
  }
  return last === null ? null : bytes.readBigInt64BE(last) + BigInt(bytes.readInt32BE(last + lastDeltaAt)) + 1n;
}

/** `null`: cut short. Old formats keep magic at the same place, so they are told apart before anything else is believed. */
function endOfBatch(bytes: Buffer, at: number, place: Place): number | null {
  if (bytes.length - at <= magicAt) return null;
  const magic = bytes.readInt8(at + magicAt);
  const baseOffset = bytes.readBigInt64BE(at);
  if (magic !== 2) {
    throw new Failure('Unsupported', `${placeText(place)} holds records in message format v${magic} at offset ${baseOffset}; Cutover reads v2 (Kafka 0.11 and newer).`, `Rewrite topic ${place.topic} (read and produce it again with a current client), wait until retention has removed the old records, or leave the topic out.`);
  }
  const length = bytes.readInt32BE(at + lengthAt);
  if (length < headerBytes - lengthCountsFrom) throw corrupt(place, baseOffset, `its length says ${length} bytes, a batch has at least ${headerBytes - lengthCountsFrom}`);
  const end = at + lengthCountsFrom + length;
  return end > bytes.length ? null : end;
}

function batchAt(bytes: Buffer, at: number, end: number, place: Place): Batch {
  const baseOffset = bytes.readBigInt64BE(at);
  const wanted = bytes.readUInt32BE(at + crcAt);
  const seen = crc32c(bytes.subarray(at + attributesAt, end));
  if (seen !== wanted) throw corrupt(place, baseOffset, `its CRC32C is ${hex(seen)}, ${hex(wanted)} was stored`);
  const attributes = bytes.readInt16BE(at + attributesAt);
  return {
    place,
    baseOffset,
    visibleFrom: baseOffset,
    lastOffset: baseOffset + BigInt(bytes.readInt32BE(at + lastDeltaAt)),
    baseTimestampMs: bytes.readBigInt64BE(at + baseTimestampAt),
    maxTimestampMs: bytes.readBigInt64BE(at + maxTimestampAt),
    producerId: bytes.readBigInt64BE(at + producerIdAt),
    count: bytes.readInt32BE(at + countAt),
    codec: attributes & 0x07,
    logAppendTime: (attributes & 0x08) !== 0,
    transactional: (attributes & 0x10) !== 0,
    control: (attributes & 0x20) !== 0,
    hasDeleteHorizon: (attributes & 0x40) !== 0,
    body: bytes.subarray(at + headerBytes, end),
  };
}

const hex = (value: number): string => value.toString(16).padStart(8, '0');
