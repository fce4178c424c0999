/**
 * A consumer group that commits exactly what it processed. With `--behind-ms` it processes a record only when it is that old,
 * and so always lags.
 */
import type { Consumer, EachBatchPayload, TopicPartitionOffsetAndMetadata } from 'kafkajs';
import type { Line } from '../journal.ts';
import { kafka, openJournal, Orders, seqOf, Stopping, tellReady, told } from './process.ts';

/** All of a batch is too young: looked at again when its first record is old enough, but what was fetched is fetched again each time. */
const sliceMs = { least: 100, most: 500 } as const;

const t = told();
const stopping = new Stopping();
const orders = new Orders(t);
const journal = openJournal(t);
const group = t.option('group');
const topics = t.option('topics').split(',');
const behindMs = Number(t.option('behind-ms'));
const restMs = Number(t.option('rest-ms'));
/** A commit per batch would be hundreds a second; a graceful stop commits the exact position anyway. */
const commitEveryMs = 2 * restMs;
/** Processed and not yet committed: the next offset per partition. */
const positions = new Map<string, TopicPartitionOffsetAndMetadata>();
let committedMs = Date.now();
let working: Promise<void> | undefined;
let committing: Promise<void> | undefined;

const consumer: Consumer = kafka(t).consumer({
  groupId: group, readUncommitted: false, allowAutoTopicCreation: false,
  // A stop waits for the fetch in flight: it must be short.
  maxWaitTimeInMs: restMs, minBytes: 64 * 1024, sessionTimeout: 30_000, heartbeatInterval: 2_000,
});
consumer.on(consumer.events.CRASH, ({ payload }) => {
  console.error(`${t.application}: ${payload.error.message}${payload.restart ? ', starting again' : ''}`);
  if (!payload.restart) process.exit(1);
});
const joined = new Promise<void>((resolve) => consumer.on(consumer.events.GROUP_JOIN, () => resolve()));
await stopping.before(consumer.connect());
await consumer.subscribe({ topics, fromBeginning: true });
await consumer.run({ autoCommit: false, eachBatchAutoResolve: false, eachBatch: process_ });
await Promise.race([joined, stopping.wish]);
if (!stopping.asked) tellReady(journal);
// Without traffic no batch comes by to commit what was processed last.
const ticker = setInterval(() => { if (Date.now() - committedMs >= commitEveryMs) committing = commit().catch((e: unknown) => { console.error(`${t.application}: commit failed, next tick again: ${String(e)}`); }); }, commitEveryMs);
await stopping.wish;
clearInterval(ticker);
await committing;
await idle();
await commit(); // no batch is at work any more, and none begins
await consumer.disconnect();
journal.write([{ is: 'end', atMs: Date.now() }]);
journal.close();
process.exit(0);

async function idle(): Promise<void> {
  await working?.catch(() => undefined); // its error is kafkajs' to handle; what it processed is in `positions`
}
function process_(x: EachBatchPayload): Promise<void> {
  working = batch(x);
  return working;
}

async function batch(x: EachBatchPayload): Promise<void> {
  const b = x.batch;
  const done: Line[] = [];
  let seen = 0;
  for (const message of b.messages) {
    if (stopping.asked || !x.isRunning() || x.isStale() || Date.now() - Number(message.timestamp) < behindMs) break;
    seen++;
    if (!orders.muted) done.push({ is: 'consumed', group, topic: b.topic, partition: b.partition, offset: message.offset, key: message.key?.toString() ?? '', seq: seqOf(message.value), atMs: Date.now() });
    x.resolveOffset(message.offset);
    positions.set(`${b.topic}/${b.partition}`, { topic: b.topic, partition: b.partition, offset: String(BigInt(message.offset) + 1n) });
  }
  journal.write(done);
  if (seen === 0) await stopping.pause(Math.min(sliceMs.most, Math.max(sliceMs.least, Number(b.messages[0]?.timestamp ?? 0) + behindMs - Date.now())));
  if (Date.now() - committedMs >= commitEveryMs) await commit();
  await x.heartbeat();
}

async function commit(): Promise<void> {
  committedMs = Date.now();
  const all = [...positions.values()];
  if (all.length === 0) return;
  await consumer.commitOffsets(all);
  for (const p of all) if (positions.get(`${p.topic}/${p.partition}`) === p) positions.delete(`${p.topic}/${p.partition}`);
}
