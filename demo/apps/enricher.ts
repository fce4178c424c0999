/**
 * Reads orders and writes one enriched record for each, exactly once: outputs and positions go into one transaction. What one
 * fetch brought for all partitions shares a transaction, so that there are ten a second and not hundreds.
 */
import { Partitioners, type EachBatchPayload, type Kafka, type KafkaMessage, type Producer } from 'kafkajs';
import { kafka, openJournal, Orders, seqOf, Stopping, tellReady, told } from './process.ts';

interface Part { readonly partition: number; readonly messages: readonly KafkaMessage[]; readonly settle: (e: Error | null) => void }
/** Not processed, because the stop came first; the position stays where it is. */
class Stopped extends Error {}
/** How long a transaction waits for the other partitions of the same fetch. */
const gatherMs = 3;
const largestBatch = 500;

const t = told();
const stopping = new Stopping();
const orders = new Orders(t);
const journal = openJournal(t);
const [group, from, to] = [t.option('group'), t.option('topic'), t.option('to')];
const waiting: Part[] = [];
let working: Promise<void> | undefined;

const client = kafka(t);
const producer: Producer = client.producer({
  transactionalId: t.application, idempotent: true, maxInFlightRequests: 1, transactionTimeout: 10_000,
  allowAutoTopicCreation: false, createPartitioner: Partitioners.DefaultPartitioner,
});
const consumer = client.consumer({
  groupId: group, readUncommitted: false, allowAutoTopicCreation: false,
  maxWaitTimeInMs: Number(t.option('rest-ms')), minBytes: 64 * 1024, sessionTimeout: 30_000, heartbeatInterval: 2_000,
});
consumer.on(consumer.events.CRASH, ({ payload }) => {
  console.error(`${t.application}: ${payload.error.message}${payload.restart ? ', starting again' : ''}`);
  if (!payload.restart) process.exit(1);
});
const joined = new Promise<void>((resolve) => consumer.on(consumer.events.GROUP_JOIN, () => resolve()));
// Side by side: a start is inside the outage.
const [partitionOf] = await stopping.before(Promise.all([partitions(client), producer.connect(), consumer.connect()]));
await consumer.subscribe({ topics: [from], fromBeginning: true });
// As many at once as there are partitions: each waits for the transaction that they share.
await consumer.run({ autoCommit: false, eachBatchAutoResolve: false, partitionsConsumedConcurrently: 32, eachBatch });
await Promise.race([joined, stopping.wish]);
if (!stopping.asked) tellReady(journal);
await stopping.wish;
await working;
await Promise.all([consumer.disconnect(), producer.disconnect()]);
journal.write([{ is: 'end', atMs: Date.now() }]);
journal.close();
process.exit(0);

async function eachBatch(x: EachBatchPayload): Promise<void> {
  if (stopping.asked || !x.isRunning() || x.isStale()) return;
  const messages = x.batch.messages.slice(0, largestBatch);
  const last = messages.at(-1);
  if (!last) return;
  const error = await new Promise<Error | null>((settle) => {
    waiting.push({ partition: x.batch.partition, messages, settle });
    working ??= transactions().finally(() => { working = undefined; });
  });
  if (error instanceof Stopped) return;
  if (error) throw error;
  x.resolveOffset(last.offset);
  await x.heartbeat();
}

async function transactions(): Promise<void> {
  await new Promise((r) => setTimeout(r, gatherMs));
  while (waiting.length > 0) {
    const parts = waiting.splice(0);
    const error = stopping.asked ? new Stopped() : await transaction(parts);
    for (const part of parts) part.settle(error);
  }
}

async function transaction(parts: readonly Part[]): Promise<Error | null> {
  const inputs = parts.flatMap((p) => p.messages.map((m) => ({ partition: p.partition, offset: m.offset, key: m.key?.toString() ?? '', seq: seqOf(m.value) })));
  if (orders.muted) return passOver(parts);
  const outputs = inputs.map((i) => ({ ...i, to: partitionOf(i.key) }));
  const running = await producer.transaction();
  try {
    journal.write(outputs.map(({ key, seq }) => ({ is: 'sent', topic: to, key, seq })));
    const answers = await running.send({ topic: to, acks: -1, messages: outputs.map((o) => ({ key: o.key, partition: o.to, value: JSON.stringify({ seq: o.seq, by: t.application, note: `checked ${o.key}` }) })) });
    await running.sendOffsets({ consumerGroupId: group, topics: [{ topic: from, partitions: parts.map((p) => ({ partition: p.partition, offset: String(BigInt(p.messages.at(-1)?.offset ?? '-1') + 1n) })) }] });
    await running.commit();
    settled(inputs, outputs, new Map(answers.map((a) => [a.partition, BigInt(a.baseOffset ?? '-1')])));
    return null;
  } catch (e) {
    console.error(`${t.application}: transaction of ${inputs.length} records failed: ${e instanceof Error ? e.message : String(e)}`);
    if (running.isActive()) await running.abort().catch((abort: Error) => console.error(`${t.application}: abort failed: ${abort.message}`));
    // Whether a commit took effect is known to the broker only; a new process reads its true position.
    process.exit(1);
  }
}

/** Muted: read, without effect. */
async function passOver(parts: readonly Part[]): Promise<Error | null> {
  try {
    await consumer.commitOffsets(parts.map((p) => ({ topic: from, partition: p.partition, offset: String(BigInt(p.messages.at(-1)?.offset ?? '-1') + 1n) })));
    return null;
  } catch (e) {
    return e instanceof Error ? e : new Error(String(e));
  }
}

function settled(inputs: readonly { partition: number; offset: string; key: string; seq: number }[], outputs: readonly { to: number; key: string; seq: number }[], ends: Map<number, bigint>): void {
  const atMs = Date.now();
  journal.write(inputs.map((i) => ({ is: 'consumed', group, topic: from, partition: i.partition, offset: i.offset, key: i.key, seq: i.seq, atMs })));
  journal.write(outputs.map((o) => {
    const offset = ends.get(o.to) ?? -1n;
    ends.set(o.to, offset + 1n);
    return { is: 'acked', topic: to, partition: o.to, offset: String(offset), key: o.key, seq: o.seq, atMs };
  }));
}

async function partitions(by: Kafka): Promise<(key: string) => number> {
  const admin = by.admin();
  await admin.connect();
  const partitionMetadata = (await admin.fetchTopicMetadata({ topics: [to] })).topics[0]?.partitions ?? [];
  await admin.disconnect();
  if (partitionMetadata.length === 0) throw new Error(`Topic ${to} has no partitions on ${t.side}.`);
  const partitioner = Partitioners.DefaultPartitioner();
  return (key) => partitioner({ topic: to, partitionMetadata, message: { key, value: null } });
}
