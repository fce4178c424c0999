/** What the mirror tests stand on: the SASL stack with its Connect workers, topics with records in them, and ground truth. */
import { Kafka, logLevel } from 'kafkajs';
import type { Producer } from 'kafkajs';
import { parse } from 'yaml';
import { readFileSync } from 'node:fs';
import { openCluster } from '../../../src/adapters/kafka/cluster.ts';
import type { KafkaCluster } from '../../../src/adapters/kafka/cluster.ts';
import { createMirrors } from '../../../src/adapters/mirror/mirrormaker2.ts';
import { resolveSecret } from '../../../src/adapters/secrets/secrets.ts';
import type { Catalog } from '../../../src/domain/catalog.ts';
import type { Mirrors, MirrorSpec, SeenRecord } from '../../../src/domain/ports.ts';
import type { Stack, StackCluster, StackOptions } from '../../../stack/stack.ts';
import { startStack } from '../../../stack/stack.ts';
import { noLimit } from '../kafka/until.ts';

export interface Field {
  readonly stack: Stack;
  readonly catalog: Catalog;
  readonly source: KafkaCluster;
  readonly target: KafkaCluster;
  readonly mirrors: Mirrors;
  /** The same ports with another catalog, for mistakes in it. */
  mirrorsWith(catalog: Catalog): Mirrors;
  kafka(of: StackCluster): Kafka;
  /** Topics of that many partitions on both sides. */
  topics(partitionsOf: Readonly<Record<string, number>>, configs?: Readonly<Record<string, string>>): Promise<void>;
  close(): Promise<void>;
}

export async function openField(more: Pick<StackOptions, 'connects' | 'connectSettings' | 'forwardWorkers' | 'source' | 'target'> = {}): Promise<Field> {
  const stack = await startStack({ variant: 'sasl', temporal: 'none', connects: 'forward', ...more });
  const catalog = parse(readFileSync(stack.catalogFile, 'utf8')) as Catalog;
  const open = (name: string): KafkaCluster => openCluster(name, catalog.clusters[name] ?? { bootstrap: [] });
  const [source, target] = [open('old'), open('new')];
  const mirrorsWith = (c: Catalog): Mirrors => createMirrors({ catalog: c, cluster: (name) => (name === 'old' ? source : target), secret: resolveSecret });
  const producers: Producer[] = [];
  return {
    stack, catalog, source, target, mirrorsWith, mirrors: mirrorsWith(catalog),
    kafka: (of) => {
      const login = of.login('admin');
      if (!login) throw new Error('the stack has no logins');
      return new Kafka({ brokers: [...of.bootstrap], logLevel: logLevel.NOTHING, sasl: { mechanism: 'scram-sha-512', username: login.username, password: login.password } });
    },
    topics: async (partitionsOf, configs = {}) => {
      const wanted = Object.entries(partitionsOf).map(([name, partitions]) => ({ name, partitions, replicationFactor: 1, configs }));
      await Promise.all([source.createTopics(wanted, noLimit), target.createTopics(wanted, noLimit)]);
    },
    close: async () => {
      await Promise.all(producers.map((p) => p.disconnect()));
      await Promise.all([source.close(), target.close()]);
      await stack.stop();
    },
  };
}

export const specOf = (name: string, topics: readonly string[], seed: MirrorSpec['seed'] = []): MirrorSpec => ({ connect: 'forward', name, from: 'old', to: 'new', topics, seed });

/** All visible records of a partition. */
export async function allOf(cluster: KafkaCluster, topic: string, partition: number): Promise<readonly SeenRecord[]> {
  const [end] = await cluster.ends([{ topic, partition }]);
  const out: SeenRecord[] = [];
  if (end) for await (const r of cluster.records.range({ topic, partition, from: end.logStart, to: end.lso })) out.push(r);
  return out;
}

/** Values `<from>..`, spread over the partitions by number; unique, so that a fingerprint is an identity. */
export async function fill(producer: Producer, topic: string, of: { readonly partitions: number; readonly from: number; readonly count: number }): Promise<void> {
  for (let at = of.from; at < of.from + of.count; at += 1000) {
    const messages = Array.from({ length: Math.min(1000, of.from + of.count - at) }, (_x, i) => ({
      partition: (at + i) % of.partitions, key: `k${(at + i) % 97}`, value: `record ${at + i} ${'.'.repeat(80)}`, headers: { n: Buffer.from([i & 255]) },
    }));
    await producer.send({ topic, messages, acks: -1 });
  }
}

/** Sends about 5,000 records a second (or a part of that) until told to stop; says how many the cluster has acknowledged. */
export function flow(producer: Producer, topic: string, partitions: number, count = 200): { stop(): Promise<number> } {
  let going = true;
  let sent = 0;
  const run = (async () => {
    while (going) {
      await fill(producer, topic, { partitions, from: sent, count });
      sent += count;
      await new Promise((r) => setTimeout(r, 40)); // the pace, not a wait for anything
    }
    return sent;
  })();
  return { stop: () => ((going = false), run) };
}
