/** Fills two topics with the same records in batches cut otherwise: 16 KiB as Java producers do, and larger ones as a mirror does. */
import { createAPI, crc32c, Writer } from '@platformatic/kafka';
import type { Reader } from '@platformatic/kafka';
import { randomBytes } from 'node:crypto';
import type { ClusterWire } from '../src/adapters/kafka/wire.ts';

/** Different records; then they come again. Their timestamps too, which is of no concern to a comparison. */
const cycle = 10_240;
const inFlight = 64;

const varint = (value: number): Buffer => {
  const bytes: number[] = [];
  let rest = value * 2;
  for (; rest >= 0x80; rest = Math.floor(rest / 128)) bytes.push(rest % 128 + 128);
  bytes.push(rest);
  return Buffer.from(bytes);
};

/** Key of 8 bytes, the rest value: `size` in all. */
export const recordsOf = (size: number): readonly Buffer[] =>
  Array.from({ length: cycle }, (_, i) => Buffer.concat([varint(8), Buffer.from(String(i).padStart(8, '0')), varint(size - 8), randomBytes(size - 8), varint(0)]));

function batchOf(records: readonly Buffer[], first: number, baseMs: number): Buffer {
  const body = Buffer.concat(records.flatMap((content, i) => {
    const inside = Buffer.concat([Buffer.from([0]), varint(i), varint(i), content]);
    return [varint(inside.length), inside];
  }));
  const head = Buffer.alloc(61);
  head.writeInt32BE(49 + body.length, 8);
  head.writeInt8(2, 16);
  head.writeInt32BE(records.length - 1, 23);
  head.writeBigInt64BE(BigInt(baseMs + first), 27);
  head.writeBigInt64BE(BigInt(baseMs + first + records.length - 1), 35);
  head.writeBigInt64BE(-1n, 43);
  head.writeInt16BE(-1, 51);
  head.writeInt32BE(-1, 53);
  head.writeInt32BE(records.length, 57);
  const bytes = Buffer.concat([head, body]);
  bytes.writeUInt32BE(crc32c(bytes.subarray(21)), 17);
  return bytes;
}

type RawArgs = [topic: string, partition: number, records: Buffer];
const produce = createAPI<RawArgs, number>(0, 7, (topic: string, partition: number, records: Buffer) => Writer.create()
  .appendString(null, false).appendInt16(1).appendInt32(10_000)
  .appendInt32(1).appendString(topic, false).appendInt32(1).appendInt32(partition).appendInt32(records.length).append(records),
(_correlation: number, _key: number, _version: number, reader: Reader) => {
  reader.skip(4);
  reader.readString(false);
  reader.skip(8);
  return reader.readInt16();
}, false, false);

export interface Fill { readonly topic: string; readonly partitions: number; /** Per partition; a multiple of the cycle is written. */ readonly count: number; readonly perBatch: number; readonly baseMs: number }
/** Answers how many records each partition has. `perBatch` divides 10,240. */
export async function fill(wire: ClusterWire, records: readonly Buffer[], x: Fill): Promise<number> {
  const batches = Array.from({ length: cycle / x.perBatch }, (_, i) => batchOf(records.slice(i * x.perBatch, (i + 1) * x.perBatch), i * x.perBatch, x.baseMs));
  const rounds = Math.ceil(x.count / cycle);
  const leaders = (await wire.leaders([x.topic], true)).get(x.topic)?.partitions ?? [];
  for (const { partition, leader } of leaders) {
    const connection = await wire.connection(leader);
    let open: Promise<void>[] = [];
    for (let round = 0; round < rounds; round += 1) {
      for (const batch of batches) {
        open.push(produce.async(connection, x.topic, partition, batch).then((code) => { if (code !== 0) throw new Error(`produce to ${x.topic} answered code ${code}`); }));
        if (open.length < inFlight) continue;
        await Promise.all(open);
        open = [];
      }
    }
    await Promise.all(open);
  }
  return rounds * cycle;
}
