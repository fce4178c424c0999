/** The shop: an idempotent producer that writes numbered, keyed orders. Each key belongs to one instance, for ever. */
import { Partitioners, type Kafka, type Producer } from 'kafkajs';
import { nextSequences } from '../journal.ts';
import { kafka, openJournal, Orders, Stopping, tellReady, told, type Told } from './process.ts';

interface Draft { readonly key: string; readonly seq: number; readonly partition: number }
const sendTimeoutMs = 5_000;

const t = told();
const stopping = new Stopping();
const orders = new Orders(t);
const topic = t.option('topic');
const ratePerMs = Number(t.option('rate')) / 1_000;
/** One request per tick, one at a time: order per key holds even when the broker makes us wait. It carries some thirty orders. */
const tickMs = Math.min(2 * Number(t.option('rest-ms')), Math.max(50, Math.round(30 / ratePerMs)));

/** Known when the first order is taken: until then another set may take them. */
let next: Map<string, number> | null = null;
const journal = openJournal(t);
const keys = ownKeys(t, Number(t.option('keys')));
if (orders.busy) next = await sequences();

const client = kafka(t);
// Side by side: a start is inside the outage.
const [partitionOf, first] = await stopping.before(Promise.all([partitions(client), connected(client)]));
let producer = first;
tellReady(journal);
let turn = 0;
let owed = 1;
let lastMs = performance.now();
while (!stopping.asked) {
  if (!orders.busy) {
    [owed, lastMs] = [1, performance.now()];
    await stopping.pause(tickMs);
    continue;
  }
  next ??= await sequences();
  const nowMs = performance.now();
  // What could not be sent while the broker was away is not made up for: a shop that waits takes fewer orders.
  owed = Math.min(owed + (nowMs - lastMs) * ratePerMs, Math.max(2, ratePerMs * tickMs * 5));
  lastMs = nowMs;
  const drafts = Array.from({ length: Math.floor(owed) }, draft);
  owed -= drafts.length;
  if (drafts.length > 0 && !(await send(producer, drafts))) producer = await fresh(client, producer);
  await stopping.pause(tickMs);
}
await producer.disconnect();
journal.write([{ is: 'end', atMs: Date.now() }]);
journal.close();
process.exit(0);

function ownKeys(x: Told, count: number): readonly string[] {
  const [index, of] = x.instance.split('/').map(Number);
  if (index === undefined || of === undefined || !(index < of)) throw new Error(`--instance is ${x.instance}; wanted i/n with i below n.`);
  return Array.from({ length: count }, (_, i) => i).filter((i) => i % of === index).map((i) => `k${String(i).padStart(4, '0')}`);
}

/** Where the last process of this instance ended. */
async function sequences(): Promise<Map<string, number>> {
  const found = await nextSequences(t.folder, { application: t.application, instance: t.instance.replace('/', '-') });
  journal.write(keys.map((key) => ({ is: 'next', key, seq: found.get(key) ?? 0 })));
  return found;
}

function draft(): Draft {
  const key = keys[turn++ % keys.length] ?? '';
  const seq = next?.get(key) ?? 0;
  next?.set(key, seq + 1);
  return { key, seq, partition: partitionOf(key) };
}

/** `false`: the fate of these records is uncertain. They are never sent again under the same number. */
async function send(by: Producer, drafts: readonly Draft[]): Promise<boolean> {
  journal.write(drafts.map(({ key, seq }) => ({ is: 'sent', topic, key, seq })));
  try {
    const answers = await by.send({
      topic, acks: -1, timeout: sendTimeoutMs,
      messages: drafts.map((d) => ({ key: d.key, partition: d.partition, value: JSON.stringify({ seq: d.seq, by: t.application, note: 'x'.repeat(100) }) })),
    });
    const atMs = Date.now();
    const ends = new Map(answers.map((a) => [a.partition, BigInt(a.baseOffset ?? '-1')]));
    journal.write(drafts.map((d) => {
      const offset = ends.get(d.partition) ?? -1n;
      ends.set(d.partition, offset + 1n);
      return { is: 'acked', topic, partition: d.partition, offset: String(offset), key: d.key, seq: d.seq, atMs };
    }));
    return true;
  } catch (e) {
    console.error(`${t.application} ${t.instance}: ${drafts.length} records are uncertain: ${e instanceof Error ? e.message : String(e)}`);
    return false;
  }
}

/** The partition is chosen here, by the client library's own rule, so that each acknowledgement can be told its offset. */
async function partitions(by: Kafka): Promise<(key: string) => number> {
  const admin = by.admin();
  await admin.connect();
  const found = await admin.fetchTopicMetadata({ topics: [topic] });
  await admin.disconnect();
  const partitionMetadata = found.topics[0]?.partitions ?? [];
  if (partitionMetadata.length === 0) throw new Error(`Topic ${topic} has no partitions on ${t.side}.`);
  const partitioner = Partitioners.DefaultPartitioner();
  const chosen = new Map(keys.map((key) => [key, partitioner({ topic, partitionMetadata, message: { key, value: null } })]));
  return (key) => chosen.get(key) ?? 0;
}

async function connected(by: Kafka): Promise<Producer> {
  const made = by.producer({ idempotent: true, maxInFlightRequests: 1, allowAutoTopicCreation: false, createPartitioner: Partitioners.DefaultPartitioner });
  await made.connect();
  return made;
}

/** After an uncertain send the sequence of the idempotent producer is unknown: only a new producer id is clean. */
async function fresh(by: Kafka, old: Producer): Promise<Producer> {
  await old.disconnect();
  await stopping.pause(100);
  return connected(by);
}
