/** Appends a few records to one partition and says where they landed; for our own small topics such as the ledger. */
import { produceV9 } from '@platformatic/kafka';
import type { TopicPartition, Until } from '../../domain/ports.ts';
import { tpKey } from '../../domain/ports.ts';
import { codeFailure, leaderCodes } from './faults.ts';
import { pause, within, write } from './write.ts';
import type { ClusterWire } from './wire.ts';

export interface AppendRecord { readonly key: string; readonly value: string }
/** One batch, acknowledged by all in-sync replicas; answers the offset of the first record. A repeated call may append twice. */
export interface Appender {
  append(to: TopicPartition, records: readonly AppendRecord[], until: Until): Promise<bigint>;
}

const allReplicas = -1;
const brokerTimeoutMs = 9_000;
const settleMs = 5_000;

export async function append(wire: ClusterWire, to: TopicPartition, records: readonly AppendRecord[], until: Until): Promise<bigint> {
  until.check();
  const doing = { cluster: wire.name, principal: wire.principal, what: `write to ${tpKey(to)}`, right: `WRITE on topic ${to.topic}` };
  const deadline = Date.now() + settleMs;
  let refresh = false;
  for (let waitMs = 10; ; waitMs = Math.min(waitMs * 2, 250)) {
    const leaders = await within(until, doing, wire.leaders([to.topic], refresh));
    const node = leaders.get(to.topic)?.partitions.find((p) => p.partition === to.partition)?.leader ?? -1;
    const code = node < 0 ? { errorCode: leaders.has(to.topic) ? 5 : 3, errorMessage: null, baseOffset: -1n } : await produce(wire, node, { to, records, until, doing });
    if (code.errorCode === 0) return code.baseOffset;
    if (!leaderCodes.has(code.errorCode) || Date.now() > deadline) throw codeFailure(code.errorCode, doing, code.errorMessage);
    refresh = true;
    await pause(waitMs, until, doing);
  }
}

async function produce(wire: ClusterWire, node: number, ask: { to: TopicPartition; records: readonly AppendRecord[]; until: Until; doing: { what: string; right: string } }): Promise<{ errorCode: number; errorMessage: string | null; baseOffset: bigint }> {
  await within(ask.until, { cluster: wire.name, ...ask.doing }, wire.version(node, 0, [9, 9]));
  const timestamp = BigInt(Date.now());
  const messages = ask.records.map((one) => ({ topic: ask.to.topic, partition: ask.to.partition, key: Buffer.from(one.key), value: Buffer.from(one.value), timestamp }));
  const answer = await write(wire, node, ask.doing, ask.until, (to) => produceV9.api.async(to, allReplicas, ask.until.timeoutMs(brokerTimeoutMs), messages));
  const result = typeof answer === 'boolean' ? undefined : answer.responses[0]?.partitionResponses[0]; // boolean: only with acks 0
  return { errorCode: result?.errorCode ?? 13, errorMessage: result?.errorMessage ?? null, baseOffset: result?.baseOffset ?? -1n };
}
