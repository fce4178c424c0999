/** Applications of a benchmark: on the target a real consumer or a real producer each, on the source only their positions and records. */
import { Kafka, Partitioners, logLevel, type Consumer, type Producer } from 'kafkajs';
import type { Close, Runs, SimulatedApplication } from './simulated-fleets.ts';

export class IdleApplications implements AsyncDisposable {
  readonly #kafka: Kafka;
  #producer: Promise<Producer> | null = null;
  constructor(target: readonly string[]) { this.#kafka = new Kafka({ brokers: [...target], logLevel: logLevel.NOTHING }); }

  readonly run: Runs = async (a, side) => {
    if (side === 'source') return async () => undefined;
    const closing: Close[] = [];
    for (const r of a.reads) {
      const consumer: Consumer = this.#kafka.consumer({ groupId: r.group, allowAutoTopicCreation: false, maxWaitTimeInMs: 5_000, sessionTimeout: 60_000, heartbeatInterval: 10_000 });
      await consumer.connect();
      await consumer.subscribe({ topics: [...r.topics], fromBeginning: true });
      await consumer.run({ autoCommitInterval: 1_000, eachMessage: async () => undefined });
      closing.push(() => consumer.disconnect());
    }
    if (a.writes.length > 0) closing.push(await this.#write(a));
    return async () => { await Promise.all(closing.map((close) => close())); };
  };

  /** A little to a few of its topics, so that there is a way back to carry it. */
  async #write(a: SimulatedApplication): Promise<Close> {
    const producer = await (this.#producer ??= connected(this.#kafka));
    const timer = setInterval(() => { void producer.sendBatch({ acks: -1, topicMessages: a.writes.slice(0, 3).map((topic) => ({ topic, messages: [{ key: a.name, value: 'at work' }] })) }).catch(() => undefined); }, 500);
    return async () => { clearInterval(timer); };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#producer !== null) await (await this.#producer).disconnect();
  }
}

/** The small data of the source: so many records in each partition. */
export async function writeRecords(bootstrap: readonly string[], topics: readonly { readonly name: string; readonly partitions: number }[], records: number): Promise<void> {
  const producer = await connected(new Kafka({ brokers: [...bootstrap], logLevel: logLevel.NOTHING }));
  try {
    for (let i = 0; i < topics.length; i += 50)
      await producer.sendBatch({ acks: -1, topicMessages: topics.slice(i, i + 50).map((t) => ({ topic: t.name, messages: Array.from({ length: t.partitions * records }, (_, n) => ({ partition: n % t.partitions, key: `${n}`, value: `record ${n}` })) })) });
  } finally {
    await producer.disconnect();
  }
}

async function connected(kafka: Kafka): Promise<Producer> {
  const producer = kafka.producer({ idempotent: true, createPartitioner: Partitioners.DefaultPartitioner });
  await producer.connect();
  return producer;
}
