/** Real producers and a second decoder for the reader's tests: kafkajs, and Produce requests that carry batches made by hand. */
import { createAPI, Writer } from '@platformatic/kafka';
import type { Reader } from '@platformatic/kafka';
import { Kafka, logLevel } from 'kafkajs';
import type { Producer, Transaction } from 'kafkajs';
import type { Wire } from '../../../../src/adapters/kafka/wire.ts';
import { batchBytes } from './handmade.ts';
import type { HandmadeBatch } from './handmade.ts';

export interface Bench extends AsyncDisposable {
  readonly kafka: Kafka;
  topic(name: string, choices?: { readonly partitions?: number; readonly configs?: Readonly<Record<string, string>> }): Promise<string>;
  producer(): Promise<Producer>;
  transactional(id: string): Promise<Producer>;
  /** What kafkajs, as a committed reader, makes of the first `count` records of a topic. */
  consumed(topic: string, count: number): Promise<readonly Consumed[]>;
}
export interface Consumed { readonly partition: number; readonly offset: number; readonly timestamp: bigint; readonly key: string | null; readonly value: string | null }

export function openBench(brokers: readonly string[]): Bench {
  const kafka = new Kafka({ clientId: 'reader-test', brokers: [...brokers], logLevel: logLevel.NOTHING });
  const closing: (() => Promise<unknown>)[] = [];
  const opened = async (producer: Producer): Promise<Producer> => {
    await producer.connect();
    closing.push(() => producer.disconnect());
    return producer;
  };
  return {
    kafka,
    topic: async (name, { partitions = 1, configs = {} } = {}) => {
      const admin = kafka.admin();
      await admin.connect();
      await admin.createTopics({ waitForLeaders: true, topics: [{ topic: name, numPartitions: partitions, configEntries: Object.entries(configs).map(([key, value]) => ({ name: key, value })) }] });
      await admin.disconnect();
      return name;
    },
    producer: () => opened(kafka.producer()),
    transactional: (id) => opened(kafka.producer({ transactionalId: id, idempotent: true, maxInFlightRequests: 1 })),
    consumed: (topic, count) => consumed(kafka, topic, count),
    [Symbol.asyncDispose]: async () => {
      for (const close of closing) await close();
    },
  };
}

async function consumed(kafka: Kafka, topic: string, count: number): Promise<readonly Consumed[]> {
  const consumer = kafka.consumer({ groupId: `check-${topic}`, readUncommitted: false });
  const found: Consumed[] = [];
  const all = Promise.withResolvers<void>();
  const late = setTimeout(() => all.reject(new Error(`kafkajs saw ${found.length} of ${count} records of ${topic} within 30 s`)), 30_000);
  try {
    await consumer.connect();
    await consumer.subscribe({ topic, fromBeginning: true });
    await consumer.run({
      eachMessage: async ({ partition, message }) => {
        found.push({ partition, offset: Number(message.offset), timestamp: BigInt(message.timestamp), key: message.key?.toString() ?? null, value: message.value?.toString() ?? null });
        if (found.length >= count) all.resolve();
      },
    });
    await all.promise;
  } finally {
    clearTimeout(late);
    await consumer.disconnect();
  }
  return found.sort((a, b) => a.partition - b.partition || a.offset - b.offset);
}

export async function collected<T>(records: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = [];
  for await (const record of records) found.push(record);
  return found;
}

/** One transaction that sends each value on its own and then ends as told. */
export async function transact(producer: Producer, topic: string, values: readonly string[], how: 'commit' | 'abort'): Promise<void> {
  const transaction: Transaction = await producer.transaction();
  for (const value of values) await transaction.send({ topic, messages: [{ value, partition: 0 }] });
  await transaction[how]();
}

type RawArgs = [topic: string, partition: number, records: Buffer];
const rawProduce = createAPI<RawArgs, number>(0, 7, (topic: string, partition: number, records: Buffer) => Writer.create()
  .appendString(null, false).appendInt16(-1).appendInt32(10_000)
  .appendInt32(1).appendString(topic, false).appendInt32(1).appendInt32(partition).appendInt32(records.length).append(records),
(_correlation: number, _key: number, _version: number, reader: Reader) => {
  reader.skip(4);
  reader.readString(false);
  reader.skip(8);
  return reader.readInt16();
}, false, false);

/** Produce v7 with a batch as it stands: what no client library would write. */
export async function produceRaw(wire: Wire, topic: string, batch: HandmadeBatch): Promise<void> {
  const leader = (await wire.leaders([topic], true)).get(topic)?.partitions[0]?.leader ?? -1;
  const code = await rawProduce.async(await wire.connection(leader), topic, 0, batchBytes(batch));
  if (code !== 0) throw new Error(`produce to ${topic} answered code ${code}`);
}
