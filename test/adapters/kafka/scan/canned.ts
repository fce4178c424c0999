/**
 * A Kafka cluster in memory that answers Metadata, ListOffsets and Fetch as brokers do: whole batches cut at the asked
 * size, aborted transactions in the order in which they ended, committed readers held at the last stable offset.
 */
import { Reader } from '@platformatic/kafka';
import type { Connection } from '@platformatic/kafka';
import type { LogEnds } from '../../../../src/domain/ports.ts';
import { tpKey } from '../../../../src/domain/ports.ts';
import type { ScanWire } from '../../../../src/adapters/kafka/scan/rounds.ts';
import { batchBytes, unsignedVarint } from './handmade.ts';
import type { HandmadeBatch } from './handmade.ts';

export interface CannedLog {
  batches: readonly HandmadeBatch[];
  leader: number;
  logStart?: bigint;
  /** What lies before is in tiered storage, which does not answer. */
  localStart?: bigint;
  /** Default: no open transaction, all replicated. */
  lso?: bigint;
  hw?: bigint;
  /** In the order of the transaction index. Default: derived from the markers. */
  aborted?: readonly { readonly producerId: bigint; readonly firstOffset: bigint; readonly lastOffset: bigint }[];
  /** Error codes given before anything else, one per fetch. */
  refusals?: number[];
}
export interface CannedRequest { readonly broker: number; readonly maxBytes: number; readonly parts: readonly { readonly topic: string; readonly partition: number; readonly from: bigint; readonly maxBytes: number }[] }
export interface CannedCluster {
  readonly wire: ScanWire;
  readonly logs: Map<string, CannedLog>;
  readonly requests: CannedRequest[];
  listOffsets: number;
  metadata: number;
  /** Errors thrown by the connection, one per request. */
  readonly breaks: Error[];
  ends(topic: string, partition?: number): LogEnds;
}
export interface CannedOptions {
  /** The broker cuts every answer at this many bytes per partition whatever was asked; still at least one batch for the first. */
  readonly cutAt?: number;
}

/** Building and summing a batch costs more than reading it. */
const built = new WeakMap<HandmadeBatch, Buffer>();
const stored = (batch: HandmadeBatch): Buffer => {
  const bytes = built.get(batch) ?? batchBytes(batch);
  built.set(batch, bytes);
  return bytes;
};

export const nextOf = (batch: HandmadeBatch): bigint => batch.baseOffset + BigInt(batch.lastOffsetDelta ?? batch.records.at(-1)?.offsetDelta ?? Math.max(0, batch.records.length - 1)) + 1n;
const endOf = (log: CannedLog): bigint => log.batches.reduce((end, batch) => (nextOf(batch) > end ? nextOf(batch) : end), log.logStart ?? 0n);

export function cannedCluster(logs: Readonly<Record<string, CannedLog>>, options: CannedOptions = {}): CannedCluster {
  const cluster: CannedCluster = {
    logs: new Map(Object.entries(logs)), requests: [], listOffsets: 0, metadata: 0, breaks: [],
    ends: (topic, partition = 0) => {
      const log = cluster.logs.get(tpKey({ topic, partition }));
      if (log === undefined) throw new Error(`no log ${topic}/${partition}`);
      const hw = log.hw ?? endOf(log);
      return { topic, partition, logStart: log.logStart ?? 0n, hw, lso: log.lso ?? hw };
    },
    wire: {
      name: 'canned',
      connection: async (nodeId) => ({ send: sender(cluster, nodeId, options) }) as unknown as Connection,
      version: async (_nodeId, _api, ours) => ours[1],
      leaders: async (topics) => {
        cluster.metadata += 1;
        return new Map(topics.map((topic) => [topic, { topicId: topic, partitions: [...cluster.logs].flatMap(([key, { leader }]) => (key.startsWith(`${topic}/`) ? [{ partition: Number(key.slice(topic.length + 1)), leader }] : [])) }] as const));
      },
      close: async () => undefined,
    },
  };
  return cluster;
}

type Send = Connection['send'];

function sender(cluster: CannedCluster, broker: number, options: CannedOptions): Send {
  const answer = async (apiKey: number, createPayload: Parameters<Send>[2]): Promise<Reader> => {
    const broken = cluster.breaks.shift();
    if (broken !== undefined) throw broken;
    const payload = (await createPayload()).buffer;
    return Reader.from(apiKey === 1 ? fetched(cluster, broker, payload, options) : listed(cluster, payload));
  };
  return (apiKey, apiVersion, createPayload, parser, _request, _response, callback) => {
    const respond = async (): Promise<void> => {
      try {
        callback(null, await parser(1, apiKey, apiVersion, await answer(apiKey, createPayload)));
      } catch (error) {
        callback(error as Error);
      }
    };
    void respond();
  };
}

const int = (value: number, bytes: 1 | 2 | 4): Buffer => {
  const out = Buffer.alloc(bytes);
  out.writeIntBE(value, 0, bytes);
  return out;
};
const long = (value: bigint): Buffer => {
  const out = Buffer.alloc(8);
  out.writeBigInt64BE(value);
  return out;
};
const compact = (length: number): Buffer => unsignedVarint(BigInt(length + 1));
const text = (value: string): Buffer => Buffer.concat([compact(Buffer.byteLength(value)), Buffer.from(value)]);
const none = Buffer.from([0]);

function fetched(cluster: CannedCluster, broker: number, payload: Buffer, options: CannedOptions): Buffer {
  const request = Reader.from(payload);
  request.skip(12);
  const maxBytes = request.readInt32();
  const committed = request.readInt8() === 1;
  request.skip(8);
  const topics = request.readArray((r) => ({
    topic: r.readString(),
    partitions: r.readArray((p) => {
      const partition = p.readInt32();
      p.skip(4);
      const from = p.readInt64();
      p.skip(12);
      return { partition, from, maxBytes: p.readInt32() };
    }),
  }));
  cluster.requests.push({ broker, maxBytes, parts: topics.flatMap(({ topic, partitions }) => partitions.map((p) => ({ topic, ...p }))) });
  const room = { bytes: maxBytes, first: true };
  const answers = topics.map(({ topic, partitions }) => Buffer.concat([
    text(topic), compact(partitions.length),
    ...partitions.map((p) => partAnswer(cluster.logs.get(tpKey({ topic, partition: p.partition })), { ...p, broker, committed, maxBytes: Math.min(p.maxBytes, options.cutAt ?? Infinity) }, room)),
    none,
  ]));
  return Buffer.concat([int(0, 4), int(0, 2), int(0, 4), compact(answers.length), ...answers, none]);
}

interface PartAsk { readonly partition: number; readonly from: bigint; readonly maxBytes: number; readonly broker: number; readonly committed: boolean }

function partAnswer(log: CannedLog | undefined, ask: PartAsk, room: { bytes: number; first: boolean }): Buffer {
  const refused = (code: number): Buffer => Buffer.concat([int(ask.partition, 4), int(code, 2), long(-1n), long(-1n), long(-1n), none, int(-1, 4), compact(0), none]);
  if (log === undefined) return refused(3);
  const refusal = log.refusals?.shift();
  if (refusal !== undefined) return refused(refusal);
  if (log.leader !== ask.broker) return refused(6);
  const hw = log.hw ?? endOf(log);
  const lso = log.lso ?? hw;
  const start = log.logStart ?? 0n;
  if (ask.from < start || ask.from > endOf(log)) return refused(1);
  const limit = ask.committed ? lso : hw;
  const remote = ask.from < (log.localStart ?? 0n);
  const whole = Buffer.concat(log.batches.filter((batch) => !remote && nextOf(batch) > ask.from && batch.baseOffset < limit).map(stored));
  const records = cut(whole, Math.min(ask.maxBytes, room.bytes), room.first);
  if (records.length > 0) room.first = false;
  room.bytes -= records.length;
  const aborted = ask.committed ? (log.aborted ?? abortedOf(log)).filter((one) => one.lastOffset >= ask.from && one.firstOffset < limit) : [];
  return Buffer.concat([
    int(ask.partition, 4), int(0, 2), long(hw), long(ask.committed ? lso : -1n), long(start),
    compact(aborted.length), ...aborted.map((one) => Buffer.concat([long(one.producerId), long(one.firstOffset), none])),
    int(-1, 4), compact(records.length), records, none,
  ]);
}

/** At the size, in the middle of a batch if need be; a first batch is never cut, any other first one is left out (fetch 3 and newer). */
function cut(bytes: Buffer, room: number, first: boolean): Buffer {
  if (bytes.length === 0) return bytes;
  const whole = bytes.readInt32BE(8) + 12;
  if (whole > room) return first ? bytes.subarray(0, whole) : bytes.subarray(0, 0);
  return bytes.subarray(0, room);
}

function abortedOf(log: CannedLog): { producerId: bigint; firstOffset: bigint; lastOffset: bigint }[] {
  const open = new Map<bigint, bigint>();
  const found: { producerId: bigint; firstOffset: bigint; lastOffset: bigint }[] = [];
  for (const batch of log.batches) {
    const id = batch.producerId ?? -1n;
    if (batch.control !== true) {
      if (batch.transactional === true && !open.has(id)) open.set(id, batch.baseOffset);
      continue;
    }
    const key = batch.records[0]?.key;
    const firstOffset = open.get(id);
    const kind = Buffer.isBuffer(key) ? key.readInt16BE(2) : -1;
    if (firstOffset !== undefined && kind === 0) found.push({ producerId: id, firstOffset, lastOffset: batch.baseOffset });
    if (kind === 0 || kind === 1) open.delete(id);
  }
  return found;
}

function listed(cluster: CannedCluster, payload: Buffer): Buffer {
  cluster.listOffsets += 1;
  const request = Reader.from(payload);
  request.skip(5);
  const topics = request.readArray((r) => ({ name: r.readString(), partitions: r.readArray((p) => ({ partition: p.readInt32(), epoch: p.readInt32(), timestamp: p.readInt64() })) }));
  const answers = topics.map(({ name, partitions }) => Buffer.concat([
    text(name), compact(partitions.length),
    ...partitions.map(({ partition, timestamp }) => Buffer.concat([int(partition, 4), int(0, 2), long(-1n), long(startOf(cluster.logs.get(tpKey({ topic: name, partition })), timestamp)), int(-1, 4), none])),
    none,
  ]));
  return Buffer.concat([int(0, 4), compact(answers.length), ...answers, none]);
}

const startOf = (log: CannedLog | undefined, timestamp: bigint): bigint => (timestamp === -4n ? log?.localStart : undefined) ?? log?.logStart ?? 0n;
