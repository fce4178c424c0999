/** Fetch, version 12 (by topic name, without a session): the request is the client library's, the answer is parsed here. */
import { createAPI, fetchV12 } from '@platformatic/kafka';
import type { Connection, Reader } from '@platformatic/kafka';
import type { TopicPartition } from '../../../domain/ports.ts';
import type { AbortedTransaction } from './aborted.ts';

export const fetchKey = 1;
/** Served by every broker from 2.7 to beyond 4.3 (which begins at 4). */
export const fetchVersion = 12;

export type Isolation = 'read_committed' | 'read_uncommitted';

export interface FetchPart extends TopicPartition { readonly from: bigint; readonly maxBytes: number }
export interface FetchedPart extends TopicPartition {
  readonly code: number;
  readonly hw: bigint;
  /** -1n when the broker was asked for uncommitted records. */
  readonly lso: bigint;
  readonly aborted: readonly AbortedTransaction[];
  readonly records: Buffer;
}
interface Fetched { readonly code: number; readonly parts: readonly FetchedPart[] }

type RequestArgs = Parameters<typeof fetchV12.createRequest>;
const api = createAPI<RequestArgs, Fetched>(fetchKey, fetchVersion, fetchV12.createRequest, parseFetched);

/**
 * Parts in the order given: only the first that has data may exceed its size, so that a record larger than any limit can
 * be read at all. Never waits at the broker: the connection is shared, and others stand in line behind a waiting fetch.
 */
export async function fetchParts(connection: Connection, parts: readonly FetchPart[], isolation: Isolation, maxBytes: number): Promise<Fetched> {
  const topics: Parameters<typeof fetchV12.createRequest>[6] = [];
  for (const part of parts) {
    const partition = { partition: part.partition, currentLeaderEpoch: -1, fetchOffset: part.from, lastFetchedEpoch: -1, partitionMaxBytes: part.maxBytes };
    const last = topics.at(-1);
    if (last?.topicId === part.topic) last.partitions.push(partition);
    else topics.push({ topicId: part.topic, partitions: [partition] });
  }
  return await api.async(connection, 0, 1, maxBytes, isolation === 'read_committed' ? 1 : 0, 0, -1, topics, [], '');
}

function parseFetched(_correlationId: number, _apiKey: number, _apiVersion: number, reader: Reader): Fetched {
  return parseFetchBody(reader.buffer.subarray(reader.position).buffer);
}

/** The body after the response header. Record bytes are views into `bytes`. */
export function parseFetchBody(bytes: Buffer): Fetched {
  const cursor = new Cursor(bytes);
  cursor.skip(4); // throttle time: the broker enforces it itself
  const code = cursor.int16();
  cursor.skip(4); // session id
  const parts: FetchedPart[] = [];
  for (let topics = cursor.length(); topics > 0; topics -= 1) {
    const topic = cursor.text(cursor.length());
    for (let partitions = cursor.length(); partitions > 0; partitions -= 1) parts.push(partAt(cursor, topic));
    cursor.tags();
  }
  return { code, parts };
}

function partAt(cursor: Cursor, topic: string): FetchedPart {
  const partition = cursor.int32();
  const code = cursor.int16();
  const hw = cursor.int64();
  const lso = cursor.int64();
  cursor.skip(8); // log start
  const aborted: AbortedTransaction[] = [];
  for (let entries = cursor.length(); entries > 0; entries -= 1) {
    aborted.push({ producerId: cursor.int64(), firstOffset: cursor.int64() });
    cursor.tags();
  }
  cursor.skip(4); // preferred replica: we name no rack, so it is the leader
  const records = cursor.bytes(cursor.length());
  cursor.tags();
  return { topic, partition, code, hw, lso, aborted, records };
}

class Cursor {
  readonly #bytes: Buffer;
  #at = 0;
  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }
  skip(count: number): void {
    this.#at += count;
    if (this.#at > this.#bytes.length) throw new RangeError(`A fetch response ends at byte ${this.#bytes.length}; ${this.#at} were announced.`);
  }
  int16(): number {
    this.skip(2);
    return this.#bytes.readInt16BE(this.#at - 2);
  }
  int32(): number {
    this.skip(4);
    return this.#bytes.readInt32BE(this.#at - 4);
  }
  int64(): bigint {
    this.skip(8);
    return this.#bytes.readBigInt64BE(this.#at - 8);
  }
  /** Compact length: one more than the number, zero for null. Null counts as empty here. */
  length(): number {
    return Math.max(0, this.#unsigned() - 1);
  }
  text(length: number): string {
    return this.bytes(length).toString('utf8');
  }
  bytes(length: number): Buffer {
    this.skip(length);
    return this.#bytes.subarray(this.#at - length, this.#at);
  }
  /** Tagged fields: epochs of diverging replicas and the like, of no use to a reader of committed data. */
  tags(): void {
    for (let fields = this.#unsigned(); fields > 0; fields -= 1) {
      this.#unsigned();
      this.skip(this.#unsigned());
    }
  }
  #unsigned(): number {
    let value = 0;
    for (let shift = 0; shift <= 28; shift += 7) {
      this.skip(1);
      const byte = this.#bytes.readUInt8(this.#at - 1);
      value |= (byte & 0x7f) << shift;
      if (byte < 0x80) return value >>> 0;
    }
    throw new RangeError('A number in a fetch response is too long.');
  }
}
