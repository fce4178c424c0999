/**
 * Copies of a few records, written exactly once: records and the positions that say how far we got are one transaction, so
 * that whoever tries again sees either both or neither.
 */
import { Writer, addOffsetsToTxnV3, addPartitionsToTxnV3, createAPI, endTxnV3, produceV9, txnOffsetCommitV3 } from '@platformatic/kafka';
import type { OnceOnly, OriginalRecord, TopicPartition, Until } from '../../domain/ports.ts';
import { tpKey } from '../../domain/ports.ts';
import { codeFailure, coordinatorCodes, leaderCodes } from './faults.ts';
import { byTopic, groupBy } from './read.ts';
import { batchOf } from './scan/compose.ts';
import { describeTransaction, fenceTransactionalId } from './transactions.ts';
import { pause, settle, within, write } from './write.ts';
import type { ClusterWire } from './wire.ts';

interface Owner { readonly producerId: bigint; readonly epoch: number }
interface Ask extends Sending { readonly what: OnceOnly; readonly owner: Owner }
/** Whoever writes a batch: where, until when, and in which words it is told. */
export interface Sending { readonly wire: ClusterWire; readonly until: Until; readonly doing: { readonly cluster: string; readonly principal: string | undefined; readonly what: string; readonly right: string } }

const brokerTimeoutMs = 9_000;
const settleMs = 10_000;
/** The transaction before it is still being completed. */
const concurrentTransactions = 51;
/** Generation and member of a commit that belongs to no member. */
const noGeneration = -1;

export async function writeOnce(wire: ClusterWire, what: OnceOnly, until: Until): Promise<void> {
  until.check();
  const topics = [...new Set(what.records.map((r) => r.topic))].sort();
  const doing = { cluster: wire.name, principal: wire.principal, what: `write ${what.records.length} records to ${topics.join(', ')} as ${what.transactionalId}`, right: `WRITE on these topics and on transactional id ${what.transactionalId}, and READ on group ${what.group}` };
  const owner = await fenceTransactionalId(wire, what.transactionalId, until);
  await what.ours?.();
  const ask: Ask = { wire, what, owner, until, doing };
  try {
    await join(ask);
    await Promise.all([...groupBy(what.records, tpKey)].map(([, records]) => produce(ask, records)));
    await commitPositions(ask);
  } catch (error) {
    // Left open it would hold up every committed reader until its timeout; the fault itself matters more than this one.
    await end(ask, 'abort').catch(() => undefined);
    throw error;
  }
  await end(ask, 'commit');
  await visible(ask);
}

/** Sends until the answer is none of the passing kinds. */
async function settled(ask: Sending, node: (fresh?: 'fresh') => Promise<number>, send: (node: number) => Promise<number>): Promise<void> {
  const deadline = Date.now() + settleMs;
  let fresh: 'fresh' | undefined;
  for (let waitMs = 5; ; waitMs = Math.min(waitMs * 2, 250)) {
    const code = await send(await within(ask.until, ask.doing, node(fresh)));
    if (code === 0) return;
    const passing = code === concurrentTransactions || coordinatorCodes.has(code) || leaderCodes.has(code);
    if (!passing || Date.now() > deadline) throw codeFailure(code, ask.doing);
    fresh = 'fresh';
    await pause(waitMs, ask.until, ask.doing);
  }
}
const coordinator = (ask: Ask, kind: 'group' | 'transaction', key: string) => async (fresh?: 'fresh'): Promise<number> => [...(await ask.wire.coordinators(kind, [key], fresh)).keys()][0] ?? -1;

async function join(ask: Ask): Promise<void> {
  const { wire, what, owner, until, doing } = ask;
  const topics = byTopic(unique(what.records)).map(({ name, of }) => ({ name, partitions: of.map((tp) => tp.partition) }));
  const at = coordinator(ask, 'transaction', what.transactionalId);
  await settled(ask, at, async (node) => {
    await wire.version(node, 24, [3, 3]);
    const answer = await write(wire, node, doing, until, (to) => addPartitionsToTxnV3.api.async(to, [{ transactionalId: what.transactionalId, producerId: owner.producerId, producerEpoch: owner.epoch, verifyOnly: false, topics }]));
    const codes = answer.resultsByTransaction.flatMap((t) => t.topicResults.flatMap((topic) => topic.resultsByPartition.map((p) => p.partitionErrorCode)));
    return codes.find((code) => code !== 0) ?? 0;
  });
  await settled(ask, at, async (node) => {
    await wire.version(node, 25, [3, 3]);
    return (await write(wire, node, doing, until, (to) => addOffsetsToTxnV3.api.async(to, what.transactionalId, owner.producerId, owner.epoch, what.group))).errorCode;
  });
}
const unique = (of: readonly TopicPartition[]): readonly TopicPartition[] => [...new Map(of.map((tp) => [tpKey(tp), tp])).values()];

type ProduceArgs = [transactionalId: string | null, to: TopicPartition, batch: Buffer];
/** The library composes batches from messages with whole keys and values; ours stand composed already, byte for byte. */
const produceAs = createAPI<ProduceArgs, produceV9.ProduceResponse>(0, 9, (transactionalId, to, batch) =>
  Writer.create().appendString(transactionalId).appendInt16(-1).appendInt32(brokerTimeoutMs)
    .appendArray([to.topic], (topics, topic) => {
      topics.appendString(topic).appendArray([to.partition], (partitions, partition) => {
        partitions.appendInt32(partition).appendUnsignedVarInt(batch.length + 1).append(batch);
      });
    })
    .appendTaggedFields(), produceV9.parseResponse);

async function produce(ask: Ask, records: readonly OriginalRecord[]): Promise<void> {
  const [to] = records;
  // One batch, one sequence: a repeated request is the same batch to the broker.
  if (to !== undefined) await sendBatch(ask, { to, batch: batchOf(records, { ...ask.owner, sequence: 0 }), transactionalId: ask.what.transactionalId });
}

/** To the leader, until it is taken or refused for good. */
export async function sendBatch(ask: Sending, x: { readonly to: TopicPartition; readonly batch: Buffer; readonly transactionalId: string | null }): Promise<void> {
  const { wire, until, doing } = ask;
  const { to, batch, transactionalId } = x;
  const leader = async (fresh?: 'fresh'): Promise<number> => (await wire.leaders([to.topic], fresh === 'fresh')).get(to.topic)?.partitions.find((p) => p.partition === to.partition)?.leader ?? -1;
  await settled(ask, leader, async (node) => {
    if (node < 0) return 5;
    await wire.version(node, 0, [9, 9]);
    const answer = await write(wire, node, doing, until, (connection) => produceAs.async(connection, transactionalId, to, batch));
    return answer.responses[0]?.partitionResponses[0]?.errorCode ?? 13;
  });
}

async function commitPositions(ask: Ask): Promise<void> {
  const { wire, what, owner, until, doing } = ask;
  const topics = byTopic(what.upTo).map(({ name, of }) => ({ name, partitions: of.map((p) => ({ partitionIndex: p.partition, committedOffset: p.offset, committedLeaderEpoch: -1, committedMetadata: p.metadata })) }));
  await settled(ask, coordinator(ask, 'group', what.group), async (node) => {
    await wire.version(node, 28, [3, 3]);
    const answer = await write(wire, node, doing, until, (to) => txnOffsetCommitV3.api.async(to, what.transactionalId, what.group, owner.producerId, owner.epoch, noGeneration, '', null, topics));
    return answer.topics.flatMap((t) => t.partitions.map((p) => p.errorCode)).find((code) => code !== 0) ?? 0;
  });
}

/** A commit is acknowledged when it is decided; committed readers see the records when its markers have been written. */
async function visible({ wire, what, until, doing }: Ask): Promise<void> {
  await settle(until, doing, settleMs, async () => {
    const state = (await describeTransaction(wire, what.transactionalId))?.state ?? 'nothing';
    return { done: state === 'CompleteCommit', seen: `transaction ${what.transactionalId} in state ${state}` };
  });
}

async function end(ask: Ask, how: 'commit' | 'abort'): Promise<void> {
  const { wire, what, owner, until, doing } = ask;
  await settled(ask, coordinator(ask, 'transaction', what.transactionalId), async (node) => {
    await wire.version(node, 26, [3, 3]);
    return (await write(wire, node, doing, until, (to) => endTxnV3.api.async(to, what.transactionalId, owner.producerId, owner.epoch, how === 'commit'))).errorCode;
  });
}
