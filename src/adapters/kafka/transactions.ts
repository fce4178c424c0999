/** Producers and transactions: who writes a partition, who owns a transactional id, and fencing that owner. */
import { describeProducersV0, describeTransactionsV0, initProducerIdV4, listTransactionsV0 } from '@platformatic/kafka';
import type { Cluster, ProducerFacts, TopicPartition, TransactionFacts, Until } from '../../domain/ports.ts';
import { tpKey } from '../../domain/ports.ts';
import { Failure } from '../../domain/failures.ts';
import { codeFailure, codeName, coordinatorCodes, leaderCodes } from './faults.ts';
import { byTopic, groupBy, read, sleep } from './read.ts';
import { pause, within, write } from './write.ts';
import type { ClusterWire } from './wire.ts';

const settleMs = 5_000;
/** Outside an outage a fence is tried this long; an owner's open transaction is aborted in tens of ms. */
const fenceCapMs = 30_000;
const concurrentTransactions = 51;
const transactionalIdNotFound = 105;
const openStates: ReadonlySet<string> = new Set(['Ongoing', 'PrepareCommit', 'PrepareAbort']);
/** Only lives until the next owner says its own; brokers refuse more than `transaction.max.timeout.ms` (15 min by default). */
const transactionTimeoutMs = 60_000;

export async function readProducers(wire: ClusterWire, of: readonly TopicPartition[]): Promise<readonly ProducerFacts[]> {
  let open = of;
  const found = new Map<string, readonly ProducerFacts[]>();
  const deadline = Date.now() + settleMs;
  for (let waitMs = 20; open.length > 0; waitMs = Math.min(waitMs * 2, 400)) {
    const leaders = await wire.leaders([...new Set(open.map((tp) => tp.topic))], found.size === 0 ? undefined : true);
    const leaderOf = (tp: TopicPartition): number => leaders.get(tp.topic)?.partitions.find((p) => p.partition === tp.partition)?.leader ?? -1;
    const parts = await Promise.all([...groupBy(open, leaderOf)].map(([node, tps]) => (node < 0 ? leaderless(tps) : producersOn(wire, node, tps))));
    const answers = parts.flat();
    for (const one of answers) if (one.code === 0) found.set(tpKey(one.tp), one.producers);
    const moved = answers.filter((one) => one.code !== 0);
    open = moved.map((one) => one.tp);
    const first = moved[0];
    if (first === undefined) break;
    if (!leaderCodes.has(first.code) || Date.now() > deadline) throw codeFailure(first.code, { cluster: wire.name, principal: wire.principal, what: `describe the producers of ${tpKey(first.tp)}`, right: `READ on topic ${first.tp.topic}` });
    await sleep(waitMs);
    await wire.leaders([...new Set(open.map((tp) => tp.topic))], true);
  }
  return of.flatMap((tp) => found.get(tpKey(tp)) ?? []);
}

const leaderless = async (tps: readonly TopicPartition[]): Promise<readonly { tp: TopicPartition; code: number; producers: readonly ProducerFacts[] }[]> => tps.map((tp) => ({ tp, code: 5, producers: [] }));

async function producersOn(wire: ClusterWire, node: number, tps: readonly TopicPartition[]): Promise<readonly { tp: TopicPartition; code: number; producers: readonly ProducerFacts[] }[]> {
  await wire.version(node, 61, [0, 0]);
  const topics = byTopic(tps).map(({ name, of }) => ({ name, partitionIndexes: of.map((tp) => tp.partition) }));
  const answer = await read(wire, node, { what: 'describe producers' }, (to) => describeProducersV0.api.async(to, topics));
  return answer.topics.flatMap((topic) => topic.partitions.map((p) => {
    const tp = { topic: topic.name, partition: p.partitionIndex };
    const producers = p.activeProducers.map((one): ProducerFacts => ({
      ...tp, producerId: one.producerId, epoch: one.producerEpoch, lastSequence: one.lastSequence,
      lastTimestampMs: Number(one.lastTimestamp), openFrom: one.currentTxnStartOffset < 0n ? null : one.currentTxnStartOffset,
    }));
    return { tp, code: p.errorCode, producers };
  }));
}

async function coordinatorOf(wire: ClusterWire, transactionalId: string, fresh?: 'fresh'): Promise<number> {
  const node = [...(await wire.coordinators('transaction', [transactionalId], fresh)).keys()][0];
  if (node === undefined) throw new Failure('Unreachable', `Cluster ${wire.name} names no coordinator for transactional id ${transactionalId}.`, 'The call is retried.');
  return node;
}

export async function describeTransaction(wire: ClusterWire, transactionalId: string): ReturnType<Cluster['transaction']> {
  const facts = await transactionFacts(wire, transactionalId);
  return facts === null ? null : { producerId: facts.producerId, epoch: facts.epoch, state: facts.state };
}

async function transactionFacts(wire: ClusterWire, transactionalId: string): Promise<TransactionFacts | null> {
  const deadline = Date.now() + settleMs;
  let fresh: 'fresh' | undefined;
  for (let waitMs = 20; ; waitMs = Math.min(waitMs * 2, 400)) {
    const node = await coordinatorOf(wire, transactionalId, fresh);
    await wire.version(node, 65, [0, 0]);
    const answer = await read(wire, node, { what: `describe transactional id ${transactionalId}` }, (to) => describeTransactionsV0.api.async(to, [transactionalId]));
    const state = answer.transactionStates[0];
    if (state === undefined || state.errorCode === transactionalIdNotFound) return null;
    if (state.errorCode === 0) {
      // Coordinators keep the beginning of a transaction also after its end.
      const startedMs = openStates.has(state.transactionState) && state.transactionStartTimeMs >= 0n ? Number(state.transactionStartTimeMs) : null;
      return { transactionalId, producerId: state.producerId, epoch: state.producerEpoch, state: state.transactionState, startedMs, timeoutMs: state.transactionTimeoutMs };
    }
    if (!coordinatorCodes.has(state.errorCode) || Date.now() > deadline) throw codeFailure(state.errorCode, { cluster: wire.name, principal: wire.principal, what: `describe transactional id ${transactionalId}`, right: `DESCRIBE on transactional id ${transactionalId}` });
    fresh = 'fresh';
    await sleep(waitMs);
  }
}

/** Each broker lists the transactional ids it coordinates, those we may see; so an id that is missing here may still exist. */
export async function transactionsOf(wire: ClusterWire, producerIds: readonly bigint[]): Promise<readonly TransactionFacts[]> {
  if (producerIds.length === 0) return [];
  const { brokers } = await wire.metadata([]);
  const lists = await Promise.all(brokers.map(async ({ nodeId }) => {
    await wire.version(nodeId, 66, [0, 0]);
    const answer = await read(wire, nodeId, { what: 'list transactions' }, (to) => listTransactionsV0.api.async(to, [], [...producerIds], -1n, null));
    // A coordinator that is loading lists nothing yet; the ids it will know are then unknown for this once.
    if (answer.errorCode !== 0 && !coordinatorCodes.has(answer.errorCode)) throw codeFailure(answer.errorCode, { cluster: wire.name, principal: wire.principal, what: 'list transactions', right: 'DESCRIBE on the transactional ids' });
    return answer.transactionStates.map((one) => one.transactionalId);
  }));
  const facts = await Promise.all([...new Set(lists.flat())].sort().map((id) => transactionFacts(wire, id)));
  return facts.filter((one) => one !== null);
}

/** 51: the owner's open transaction is being aborted; 14-16: the coordinator moves. Both pass; asking again is harmless, it only raises the epoch. */
export async function fenceTransactionalId(wire: ClusterWire, transactionalId: string, until: Until): Promise<{ readonly producerId: bigint; readonly epoch: number }> {
  until.check();
  const doing = { cluster: wire.name, principal: wire.principal, what: `fence transactional id ${transactionalId}`, right: `WRITE on transactional id ${transactionalId}` };
  const deadline = Date.now() + fenceCapMs;
  let fresh: 'fresh' | undefined;
  for (let waitMs = 5; ; waitMs = Math.min(waitMs * 2, 250)) {
    const node = await within(until, doing, coordinatorOf(wire, transactionalId, fresh));
    await within(until, doing, wire.version(node, 22, [4, 4]));
    const answer = await write(wire, node, doing, until, (to) => initProducerIdV4.api.async(to, transactionalId, transactionTimeoutMs, -1n, -1));
    if (answer.errorCode === 0) return { producerId: answer.producerId, epoch: answer.producerEpoch };
    if (answer.errorCode !== concurrentTransactions && !coordinatorCodes.has(answer.errorCode)) throw codeFailure(answer.errorCode, doing);
    if (Date.now() > deadline) throw new Failure('Unreachable', `Transactional id ${transactionalId} on cluster ${wire.name} could not be fenced within ${fenceCapMs} ms (${codeName(answer.errorCode)}).`, 'The call is retried.');
    fresh = coordinatorCodes.has(answer.errorCode) ? 'fresh' : undefined;
    await pause(waitMs, until, doing);
  }
}
