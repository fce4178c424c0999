/**
 * Small applications with live traffic in the process of the test: many of them cost little. Each writer numbers what it
 * writes per partition, each group keeps what it processed, so that lost, repeated and reordered records are counted exactly.
 */
import { setTimeout as pause } from 'node:timers/promises';
import { Kafka, Partitioners, logLevel, type EachBatchPayload } from 'kafkajs';
import type { Close, SimulatedApplication } from '../../bench/simulated-fleets.ts';
import type { Side } from '../../src/domain/authority.ts';

export interface Counted { readonly group: string; readonly topic: string; readonly acknowledged: number; readonly lost: number; readonly repeated: number; readonly reordered: number }
interface Choices { readonly bootstrap: Readonly<Record<Side, readonly string[]>>; readonly partitions: number; /** Between two records of a writer to one topic, ms. */ readonly everyMs: number }

const brief = { sessionTimeout: 10_000, heartbeatInterval: 1_000, maxWaitTimeInMs: 100, allowAutoTopicCreation: false } as const;

export class LiveApplications {
  readonly #choices: Choices;
  readonly #kafka: Readonly<Record<Side, Kafka>>;
  /** Highest number that was acknowledged, by partition: numbers have no gaps. */
  readonly #acknowledged = new Map<string, number>();
  /** Numbers in the order of processing, by group and partition. */
  readonly #processed = new Map<string, number[]>();
  readonly #failures: string[] = [];

  constructor(choices: Choices) {
    this.#choices = choices;
    const on = (side: Side): Kafka => new Kafka({ brokers: [...choices.bootstrap[side]], logLevel: logLevel.NOTHING });
    this.#kafka = { source: on('source'), target: on('target') };
  }

  /** Answers once every group has its partitions; the answer of a stop comes when all that was sent is acknowledged and all that was processed committed. */
  readonly run = async (a: SimulatedApplication, side: Side): Promise<Close> => {
    const writer = a.writes.length === 0 ? null : await this.#writer(side);
    const closeReaders = await Promise.all(a.reads.map((r) => this.#reader(r, { side, derive: async () => { if (writer !== null) await writer.send(a.writes); } })));
    const rhythm = writer === null || a.reads.length > 0 ? null : beat(() => writer.send(a.writes), this.#choices.everyMs, (e) => this.#failures.push(`${a.name}: ${String(e)}`));
    return async () => {
      await rhythm?.();
      await Promise.all(closeReaders.map((close) => close()));
      await writer?.close();
    };
  };

  async #writer(side: Side): Promise<{ send(topics: readonly string[]): Promise<void>; close(): Promise<void> }> {
    const producer = this.#kafka[side].producer({ idempotent: true, createPartitioner: Partitioners.DefaultPartitioner });
    await producer.connect();
    let turn = 0;
    let last: Promise<void> = Promise.resolve();
    const once = async (topics: readonly string[]): Promise<void> => {
      const partition = turn++ % this.#choices.partitions;
      const next = topics.map((topic) => ({ key: `${topic}/${partition}`, topic, n: (this.#acknowledged.get(`${topic}/${partition}`) ?? -1) + 1 }));
      await producer.sendBatch({ acks: -1, topicMessages: next.map(({ topic, n }) => ({ topic, messages: [{ partition, value: String(n) }] })) });
      for (const { key, n } of next) this.#acknowledged.set(key, n);
    };
    // One after the other: a number is given when the one before it was acknowledged.
    return { send: (topics) => (last = last.then(() => once(topics))), close: () => producer.disconnect() };
  }

  async #reader(r: SimulatedApplication['reads'][number], o: { readonly side: Side; readonly derive: () => Promise<void> }): Promise<Close> {
    const consumer = this.#kafka[o.side].consumer({ groupId: r.group, readUncommitted: false, ...brief });
    await consumer.connect();
    await consumer.subscribe({ topics: [...r.topics], fromBeginning: true });
    const joined = new Promise<void>((resolve) => { consumer.on(consumer.events.GROUP_JOIN, () => { resolve(); }); });
    let stopping = false;
    let working: Promise<void> = Promise.resolve();
    const each = async (x: EachBatchPayload): Promise<void> => {
      for (const m of x.batch.messages) {
        if (stopping || !x.isRunning() || x.isStale()) return;
        await o.derive();
        const key = `${r.group} ${x.batch.topic}/${x.batch.partition}`;
        (this.#processed.get(key) ?? this.#processed.set(key, []).get(key))?.push(Number(m.value?.toString()));
        x.resolveOffset(m.offset);
        await consumer.commitOffsets([{ topic: x.batch.topic, partition: x.batch.partition, offset: String(BigInt(m.offset) + 1n) }]);
      }
    };
    await consumer.run({ autoCommit: false, eachBatchAutoResolve: false, eachBatch: (x) => (working = each(x)) });
    await joined;
    return async () => {
      stopping = true;
      // A consumer that was told to stop commits nothing more: the record at hand must be through before.
      await working.catch((e: unknown) => this.#failures.push(`${r.group}: ${String(e)}`));
      await consumer.disconnect();
    };
  }

  /** Until every group has what was acknowledged on all it reads, or the time is up: what is missing then is lost. */
  async count(applications: readonly SimulatedApplication[], withinMs: number): Promise<readonly Counted[]> {
    const duties = applications.flatMap((a) => a.reads.flatMap((r) => r.topics.map((topic) => ({ group: r.group, topic }))));
    const now = (): readonly Counted[] => duties.map((d) => this.#counted(d));
    for (const end = Date.now() + withinMs; now().some((c) => c.lost > 0) && Date.now() < end;) await pause(100);
    if (this.#failures.length > 0) throw new Error(`Applications failed: ${this.#failures.slice(0, 3).join('; ')}`);
    return now();
  }

  #counted(d: { readonly group: string; readonly topic: string }): Counted {
    const parts = Array.from({ length: this.#choices.partitions }, (_, p) => {
      const seen = this.#processed.get(`${d.group} ${d.topic}/${p}`) ?? [];
      const [distinct, written] = [new Set(seen), (this.#acknowledged.get(`${d.topic}/${p}`) ?? -1) + 1];
      return { written, lost: written - distinct.size, repeated: seen.length - distinct.size, reordered: seen.filter((n, i) => i > 0 && n < (seen[i - 1] ?? 0)).length };
    });
    const sum = (of: (p: (typeof parts)[number]) => number): number => parts.reduce((n, p) => n + of(p), 0);
    return { ...d, acknowledged: sum((p) => p.written), lost: sum((p) => p.lost), repeated: sum((p) => p.repeated), reordered: sum((p) => p.reordered) };
  }
}

/** One at a time; the answer of the stop comes when the last one is through. */
function beat(once: () => Promise<void>, everyMs: number, failed: (e: unknown) => void): Close {
  const stop = new AbortController();
  const over = (async () => {
    while (!stop.signal.aborted) {
      await once().catch(failed);
      await pause(everyMs, undefined, { signal: stop.signal }).catch(() => undefined);
    }
  })();
  return async () => { stop.abort(); await over; };
}
