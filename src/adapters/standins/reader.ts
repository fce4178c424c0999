/** A stand-in that reads: one member of a shadow group, which processes a record when it is as old as it was for the real group. */
import { setTimeout as sleep } from 'node:timers/promises';
import { Kafka, logLevel, type Consumer, type EachBatchPayload, type KafkaConfig } from 'kafkajs';
import { readFile } from 'node:fs/promises';
import type { ClusterConfig, SecretRef } from '../../domain/catalog.ts';
import { tpKey, type Position } from '../../domain/ports.ts';

export interface Reading {
  readonly kafka: Kafka;
  readonly group: string;
  readonly topics: readonly string[];
  readonly isolation: 'read_committed' | 'read_uncommitted';
  readonly behindMs: number;
  failed(error: unknown): void;
}
export interface Reader {
  /** What was processed and not committed yet; who takes it commits it. */
  take(): readonly Position[];
  commit(positions: readonly Position[]): Promise<void>;
  /** Processes nothing more; what was processed stays to be taken. */
  rest(): Promise<void>;
  /** Leaves the group. */
  leave(): Promise<void>;
}

const joinedWithinMs = 30_000;
const sliceMs = 25;

/** kafkajs 2.2.4 sets one timer into the past per process, and Node 24 warns of it: nothing that an operator could act on. */
let hushed = false;
function hushOneWarning(): void {
  if (hushed) return;
  hushed = true;
  const listeners = process.listeners('warning');
  process.removeAllListeners('warning');
  process.on('warning', (w) => { if (w.name !== 'TimeoutNegativeWarning') for (const tell of listeners) tell(w); });
}

const mechanisms = { PLAIN: 'plain', 'SCRAM-SHA-256': 'scram-sha-256', 'SCRAM-SHA-512': 'scram-sha-512' } as const;
export async function kafkaOf(clientId: string, config: ClusterConfig, secret: (ref: SecretRef) => Promise<string>): Promise<Kafka> {
  hushOneWarning();
  const { sasl, tls } = config;
  const login = sasl === undefined ? {} : { sasl: { mechanism: mechanisms[sasl.mechanism], username: sasl.username, password: await secret(sasl.password) } as KafkaConfig['sasl'] & {} };
  const ssl = tls === undefined || tls === false ? {} : { ssl: tls === true ? true : { ca: [await readFile(tls.caFile, 'utf8')] } };
  return new Kafka({ clientId, brokers: [...config.bootstrap], logLevel: logLevel.NOTHING, ...login, ...ssl });
}

export async function openReader(x: Reading): Promise<Reader> {
  const processed = new Map<string, Position>();
  const resting = new AbortController();
  let working: Promise<void> = Promise.resolve();
  const consumer: Consumer = x.kafka.consumer({
    groupId: x.group, readUncommitted: x.isolation === 'read_uncommitted', allowAutoTopicCreation: false,
    // A stop waits for the fetch in flight: it must be short.
    maxWaitTimeInMs: 100, sessionTimeout: 30_000, heartbeatInterval: 2_000,
  });
  consumer.on(consumer.events.CRASH, ({ payload }) => { x.failed(payload.error); });
  const joined = new Promise<void>((resolve) => consumer.on(consumer.events.GROUP_JOIN, () => { resolve(); }));
  const batch = async (b: EachBatchPayload): Promise<void> => {
    let seen = 0;
    for (const m of b.batch.messages) {
      if (resting.signal.aborted || !b.isRunning() || b.isStale() || Date.now() - Number(m.timestamp) < x.behindMs) break;
      seen++;
      b.resolveOffset(m.offset);
      const position = { topic: b.batch.topic, partition: b.batch.partition, offset: BigInt(m.offset) + 1n, metadata: '' };
      processed.set(tpKey(position), position);
    }
    if (seen === 0) await sleep(sliceMs, undefined, { signal: resting.signal }).catch(() => undefined); // all too young: look again soon
    await b.heartbeat();
  };
  try {
    await consumer.connect();
    await consumer.subscribe({ topics: [...x.topics], fromBeginning: true });
    await consumer.run({ autoCommit: false, eachBatchAutoResolve: false, eachBatch: (b) => (working = batch(b)) });
    await Promise.race([joined, sleep(joinedWithinMs, undefined, { ref: false }).then(() => { throw new Error(`The stand-in of group ${x.group} did not join within ${joinedWithinMs} ms.`); })]);
  } catch (error) {
    await consumer.disconnect();
    throw error;
  }
  return {
    take: () => { const all = [...processed.values()]; processed.clear(); return all; },
    commit: async (positions) => { if (positions.length > 0) await consumer.commitOffsets(positions.map((p) => ({ topic: p.topic, partition: p.partition, offset: String(p.offset) }))); },
    rest: async () => { resting.abort(); await working.catch(() => undefined); }, // kafkajs has told the crash
    leave: () => consumer.disconnect(),
  };
}
