/** Where logs stand: three ListOffsets sweeps per leader, pipelined on one connection, however many partitions there are. */
import { listOffsetsV7 } from '@platformatic/kafka';
import type { LogEnds, TopicPartition } from '../../domain/ports.ts';
import { tpKey } from '../../domain/ports.ts';
import { Failure } from '../../domain/failures.ts';
import { codeFailure, codeName, leaderCodes } from './faults.ts';
import { byTopic, groupBy, listing, read, sleep } from './read.ts';
import type { ClusterWire } from './wire.ts';

/** v7 is spoken by every broker from 3.0 to 4.x. */
const listOffsets = listOffsetsV7.api;
const earliest = -2n;
const latest = -1n;
const readUncommitted = 0;
const readCommitted = 1;
const unknownTopic = 3;
/** A moving leader is waited for this long. */
const settleMs = 5_000;

export async function readEnds(wire: ClusterWire, of: readonly string[] | readonly TopicPartition[]): Promise<readonly LogEnds[]> {
  let open = await partitionsOf(wire, of);
  const found = new Map<string, LogEnds>();
  const order = open.map(tpKey);
  const deadline = Date.now() + settleMs;
  for (let waitMs = 20; open.length > 0; waitMs = Math.min(waitMs * 2, 400)) {
    const { ends, moved } = await sweep(wire, open);
    for (const end of ends) found.set(tpKey(end), end);
    open = moved.map((m) => m.tp);
    if (open.length === 0) break;
    if (Date.now() > deadline) throw unreadable(wire, moved);
    await sleep(waitMs);
    await wire.leaders([...new Set(open.map((tp) => tp.topic))], true);
  }
  return order.flatMap((key) => found.get(key) ?? []);
}

const isNames = (of: readonly string[] | readonly TopicPartition[]): of is readonly string[] => typeof of[0] === 'string';

/** Topic names are looked up afresh, so that an added partition is seen. A topic that does not exist is an error: no ends is not "empty". */
async function partitionsOf(wire: ClusterWire, of: readonly string[] | readonly TopicPartition[]): Promise<readonly TopicPartition[]> {
  if (of.length === 0) return [];
  if (!isNames(of)) return of;
  const leaders = await wire.leaders(of, true);
  const missing = of.filter((topic) => !leaders.has(topic));
  if (missing.length > 0) await refuseMissing(wire, missing);
  return of.flatMap((topic) => (leaders.get(topic)?.partitions ?? []).map((p) => ({ topic, partition: p.partition })));
}

/** Says whether a topic is absent or only hidden from us. */
async function refuseMissing(wire: ClusterWire, missing: readonly string[]): Promise<never> {
  const seen = (await wire.metadata(missing)).topics.filter((topic) => topic.errorCode !== 0);
  const hidden = seen.find((topic) => topic.errorCode === 29);
  if (hidden !== undefined) throw codeFailure(29, { cluster: wire.name, principal: wire.principal, what: `read the ends of topic ${hidden.name}`, right: `DESCRIBE on topic ${hidden.name}` });
  const why = seen[0] === undefined ? 'just appeared' : codeName(seen[0].errorCode);
  throw new Failure('Unreachable', `Cluster ${wire.name} has no ends for topic ${listing(missing)}: ${why}.`, 'Check that the topic exists; the call is retried.');
}

interface Moved { readonly tp: TopicPartition; readonly code: number }
interface Sweep { readonly ends: readonly LogEnds[]; readonly moved: readonly Moved[] }

async function sweep(wire: ClusterWire, of: readonly TopicPartition[]): Promise<Sweep> {
  const leaders = await wire.leaders([...new Set(of.map((tp) => tp.topic))]);
  const leaderOf = (tp: TopicPartition): number => leaders.get(tp.topic)?.partitions.find((p) => p.partition === tp.partition)?.leader ?? -1;
  const parts = await Promise.all([...groupBy(of, leaderOf)].map(([node, tps]) => (node < 0 ? leaderless(tps) : sweepNode(wire, node, tps))));
  return { ends: parts.flatMap((part) => part.ends), moved: parts.flatMap((part) => part.moved) };
}

const leaderless = async (tps: readonly TopicPartition[]): Promise<Sweep> => ({ ends: [], moved: tps.map((tp) => ({ tp, code: 5 })) });

/** The first offset of each partition with this timestamp or a later one, aborted records included: never after a visible one. */
export const readOffsetsFrom = (wire: ClusterWire, of: readonly Stamped[]): Promise<ReadonlyMap<string, bigint | null>> => readOffsets(wire, of, { isolation: readUncommitted, what: 'find a timestamp in' });

export interface StableEnd { readonly topicId: string; readonly lso: bigint }
/** Which topic bears the name now, and how far it can be read: two small requests, for who looks often. `null`: there is no such topic. */
export async function readStableEnd(wire: ClusterWire, of: TopicPartition): Promise<StableEnd | null> {
  const [seen] = (await wire.metadata([of.topic])).topics;
  if (seen === undefined || seen.errorCode === unknownTopic) return null;
  // One that is hidden from us is not one that is not there.
  if (seen.errorCode !== 0 && !leaderCodes.has(seen.errorCode)) throw codeFailure(seen.errorCode, { cluster: wire.name, principal: wire.principal, what: `describe topic ${of.topic}`, right: `DESCRIBE on topic ${of.topic}` });
  const ends = await readOffsets(wire, [{ ...of, timestampMs: latest }], { isolation: readCommitted, what: 'read the end of' });
  const lso = ends.get(tpKey(of));
  if (typeof lso !== 'bigint') throw new Failure('Unreachable', `Cluster ${wire.name} gave no end for ${tpKey(of)}.`, 'The call is retried.');
  return { topicId: seen.topicId, lso };
}

async function readOffsets(wire: ClusterWire, of: readonly Stamped[], how: { readonly isolation: number; readonly what: string }): Promise<ReadonlyMap<string, bigint | null>> {
  let open = of;
  const found = new Map<string, bigint | null>();
  const deadline = Date.now() + settleMs;
  for (let waitMs = 20; open.length > 0; waitMs = Math.min(waitMs * 2, 400)) {
    const leaders = await wire.leaders([...new Set(open.map((tp) => tp.topic))], waitMs > 20);
    const leaderOf = (tp: TopicPartition): number => leaders.get(tp.topic)?.partitions.find((p) => p.partition === tp.partition)?.leader ?? -1;
    const parts = await Promise.all([...groupBy(open, leaderOf)].map(async ([node, tps]) => {
      if (node < 0) return tps.map((tp) => ({ tp, offset: -1n, code: 5 }));
      await wire.version(node, 2, [7, 7]);
      const answer = await offsets(wire, node, { tps, timestamp: (tp) => tp.timestampMs, isolation: how.isolation });
      return tps.map((tp) => ({ tp, ...(answer.get(tpKey(tp)) ?? { offset: -1n, code: 3 }) }));
    }));
    for (const { tp, offset, code } of parts.flat()) if (code === 0) found.set(tpKey(tp), offset < 0n ? null : offset);
    const moved = parts.flat().filter((p) => p.code !== 0);
    const fatal = moved.find((m) => !leaderCodes.has(m.code));
    if (fatal !== undefined) throw codeFailure(fatal.code, { cluster: wire.name, principal: wire.principal, what: `${how.what} ${tpKey(fatal.tp)}`, right: `DESCRIBE on topic ${fatal.tp.topic}` });
    open = moved.map((m) => m.tp);
    if (open.length > 0 && Date.now() > deadline) throw unreadable(wire, moved);
    if (open.length > 0) await sleep(waitMs);
  }
  return found;
}
/** Or one of the special timestamps, which ask for an end. */
type Stamped = TopicPartition & { readonly timestampMs: bigint };

/** In this order on one connection, so that log start <= lso <= hw holds in the answer. */
async function sweepNode(wire: ClusterWire, node: number, tps: readonly TopicPartition[]): Promise<Sweep> {
  await wire.version(node, 2, [7, 7]);
  const [start, lso, hw] = await Promise.all([
    offsets(wire, node, { tps, timestamp: () => earliest, isolation: readUncommitted }),
    offsets(wire, node, { tps, timestamp: () => latest, isolation: readCommitted }),
    offsets(wire, node, { tps, timestamp: () => latest, isolation: readUncommitted }),
  ]);
  const ends: LogEnds[] = [];
  const moved: Moved[] = [];
  for (const tp of tps) {
    const three = [start, lso, hw].map((part) => part.get(tpKey(tp)));
    const code = three.map((one) => one?.code ?? 3).find((c) => c !== 0);
    const [a, b, c] = three;
    if (code !== undefined || a === undefined || b === undefined || c === undefined) moved.push({ tp, code: code ?? 3 });
    else ends.push({ topic: tp.topic, partition: tp.partition, logStart: a.offset, lso: b.offset, hw: c.offset });
  }
  const fatal = moved.find((m) => !leaderCodes.has(m.code));
  if (fatal !== undefined) throw codeFailure(fatal.code, { cluster: wire.name, principal: wire.principal, what: `read the ends of ${tpKey(fatal.tp)}`, right: `DESCRIBE on topic ${fatal.tp.topic}` });
  return { ends, moved };
}

async function offsets<T extends TopicPartition>(wire: ClusterWire, node: number, ask: { tps: readonly T[]; timestamp: (tp: T) => bigint; isolation: number }): Promise<ReadonlyMap<string, { offset: bigint; code: number }>> {
  const topics = byTopic(ask.tps).map(({ name, of }) => ({ name, partitions: of.map((tp) => ({ partitionIndex: tp.partition, currentLeaderEpoch: -1, timestamp: ask.timestamp(tp) })) }));
  const answer = await read(wire, node, { what: 'read log ends' }, (to) => listOffsets.async(to, -1, ask.isolation, topics));
  return new Map(answer.topics.flatMap((topic) => topic.partitions.map((p) => [tpKey({ topic: topic.name, partition: p.partitionIndex }), { offset: p.offset, code: p.errorCode }] as const)));
}

function unreadable(wire: ClusterWire, moved: readonly Moved[]): Failure {
  const codes = [...new Set(moved.map((m) => codeName(m.code)))].join(', ');
  return new Failure('Unreachable', `Cluster ${wire.name} has no readable leader for ${listing(moved.map((m) => tpKey(m.tp)))} (${codes}) after ${settleMs} ms.`, 'Check that the partitions are online; the call is retried.');
}
