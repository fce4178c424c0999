/** Groups at several depths of real logs, of each protocol; and the proof that the same records follow wherever they go. */
import assert from 'node:assert/strict';
import { Consumer, stringDeserializers } from '@platformatic/kafka';
import type { Kafka } from 'kafkajs';
import type { KafkaCluster } from '../../src/adapters/kafka/cluster.ts';
import type { Position } from '../../src/domain/ports.ts';
import type { StackCluster } from '../../stack/stack.ts';
import { allOf } from '../adapters/mirror/field.ts';
import { eventually, noLimit } from '../adapters/kafka/until.ts';

/** Group → how much of every partition it has read. They only commit. */
export const depths: Readonly<Record<string, number>> = { far: 0.02, deep: 0.3, middle: 0.62, near: 0.98, done: 1 };
export const simple = Object.keys(depths);

interface Of { readonly topic: string; readonly partitions: number }

export async function stand(cluster: KafkaCluster, of: Of): Promise<void> {
  const ends = await cluster.ends([of.topic]);
  const places = await Promise.all(ends.map(async (end) => ({ end, records: await allOf(cluster, of.topic, end.partition) })));
  await cluster.commit(new Map(simple.map((group) => [group, places.map(({ end, records }): Position =>
    ({ topic: of.topic, partition: end.partition, offset: records[Math.floor(records.length * (depths[group] ?? 0))]?.offset ?? end.lso, metadata: `of ${group}` }))] as const)), noLimit);
}

/** Answers how many positions were compared. */
export async function follows(from: KafkaCluster, to: KafkaCluster, of: Of & { readonly groups: readonly string[]; readonly metadata?: true }): Promise<number> {
  const [here, there] = [await from.committed(of.groups), await to.committed(of.groups)];
  const logs = await Promise.all(Array.from({ length: of.partitions }, async (_x, p) => ({ here: await allOf(from, of.topic, p), there: await allOf(to, of.topic, p) })));
  let compared = 0;
  for (const group of of.groups) for (const mine of (here.get(group) ?? []).filter((p) => p.topic === of.topic)) {
    const its = there.get(group)?.find((p) => p.topic === of.topic && p.partition === mine.partition) ?? assert.fail(`${group} has no position on partition ${mine.partition}`);
    const log = logs[mine.partition];
    const rest = (all: NonNullable<typeof log>['here'], at: bigint): string => all.filter((r) => r.offset >= at).map((r) => r.fingerprint).join();
    assert.ok(log && rest(log.there, its.offset) === rest(log.here, mine.offset), `${group} at ${mine.partition}/${mine.offset} goes on at ${its.offset}`);
    if (of.metadata) assert.equal(its.metadata, `of ${group}`);
    compared += 1;
  }
  return compared;
}

interface Reader { readonly group: string; readonly topic: string; readonly partitions: number; readonly cluster: KafkaCluster }
/** A member of the classic protocol reads a little of every partition, commits and leaves. */
export async function readClassic(kafka: Kafka, o: Reader): Promise<void> {
  const consumer = kafka.consumer({ groupId: o.group, maxBytesPerPartition: 16_384 });
  await consumer.connect();
  await consumer.subscribe({ topic: o.topic, fromBeginning: true });
  const seen = new Set<number>();
  await consumer.run({ eachMessage: async ({ partition }) => { seen.add(partition); } });
  await eventually(`${o.group} reads`, async () => seen.size === o.partitions);
  await consumer.disconnect();
  await gone(o.cluster, o.group, 'classic');
}
/** The same with the protocol of KIP-848. */
export async function readModern(of: StackCluster, o: Reader): Promise<void> {
  const login = of.login('admin');
  const consumer = new Consumer({ clientId: 'modern', groupId: o.group, bootstrapBrokers: [...of.bootstrap], groupProtocol: 'consumer', deserializers: stringDeserializers, ...(login && { sasl: { mechanism: 'SCRAM-SHA-512' as const, username: login.username, password: login.password } }) });
  try {
    const stream = await consumer.consume({ topics: [o.topic], mode: 'committed', fallbackMode: 'earliest', autocommit: false, maxBytes: 65_536 });
    const seen = new Set<number>();
    stream.on('data', (message: { readonly partition: number; commit(): unknown }) => { seen.add(message.partition); void message.commit(); });
    await eventually(`${o.group} reads`, async () => seen.size === o.partitions);
    assert.equal((await o.cluster.groups([o.group]))[0]?.type, 'consumer');
  } finally {
    await consumer.close(true);
  }
  await gone(o.cluster, o.group, 'consumer');
}
const gone = (cluster: KafkaCluster, group: string, type: string): Promise<boolean> =>
  eventually(`${group} is empty`, async () => { const [g] = await cluster.groups([group]); return g?.members.length === 0 && g.type === type; });

/** Records that each group reads again before the unread ones begin; fails where one of those is skipped. */
export async function readAgain(from: KafkaCluster, to: KafkaCluster, of: Of & { readonly groups: readonly string[] }): Promise<Readonly<Record<string, number>>> {
  const [here, there] = [await from.committed(of.groups), await to.committed(of.groups)];
  const logs = await Promise.all(Array.from({ length: of.partitions }, async (_x, p) => ({ here: await allOf(from, of.topic, p), there: await allOf(to, of.topic, p) })));
  return Object.fromEntries(of.groups.map((group) => [group, (here.get(group) ?? []).reduce((n, mine) => {
    const its = there.get(group)?.find((p) => p.partition === mine.partition) ?? assert.fail(`${group} has no position on partition ${mine.partition}`);
    const rest = logs[mine.partition]?.there.filter((r) => r.offset >= its.offset).map((r) => r.fingerprint) ?? [];
    const unread = logs[mine.partition]?.here.filter((r) => r.offset >= mine.offset).map((r) => r.fingerprint) ?? [];
    assert.equal(rest.slice(rest.length - unread.length).join(), unread.join(), `${group} skips on partition ${mine.partition}`);
    return n + rest.length - unread.length;
  }, 0)]));
}
