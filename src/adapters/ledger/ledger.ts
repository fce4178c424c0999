/** The record of everything: a compacted topic `__cutover.ledger` on each cluster, written with all replicas and read back. */
import type { Cluster, Ledger, TopicFacts, TopicPartition, Until } from '../../domain/ports.ts';
import { Failure } from '../../domain/failures.ts';

export const ledgerTopic = '__cutover.ledger';
const partition0 = { topic: ledgerTopic, partition: 0 } as const;

/** What the ledger asks of a cluster; appending and the end of one partition lie beyond the `Cluster` port. */
export interface LedgerCluster extends Pick<Cluster, 'name' | 'facts' | 'topics' | 'createTopics' | 'ends' | 'records'> {
  /** Appends one batch acknowledged by all in-sync replicas, answers its first offset. */
  append(to: TopicPartition, records: readonly Entry[], until: Until): Promise<bigint>;
  /** Which topic bears the name now, and its last stable offset; `null`: there is none. */
  stableEnd(of: TopicPartition): Promise<{ readonly topicId: string; readonly lso: bigint } | null>;
}
interface Entry { readonly key: string; readonly value: string }

/** Key and value together. Brokers take 1 MiB by default, per batch and with framing; larger things belong into several entries. */
const largestEntryBytes = 900 * 1024;
const largestBatchBytes = 950 * 1024;
/** The segment that is written is never compacted, and a worker that starts reads all of it; by default that is up to 1 GiB. */
const segmentBytes = 32 * 1024 * 1024;
/** Values kept between reads, per cluster; above it a read starts over. */
const largestMemoryBytes = 128 * 1024 * 1024;

interface Memory { topicId: string; next: bigint; bytes: number; readonly values: Map<string, string> }

export function createLedger(clusterOf: (name: string) => LedgerCluster): Ledger {
  const memories = new Map<string, Promise<Memory | null>>();

  async function prepare(name: string, until: Until): Promise<readonly string[]> {
    const cluster = clusterOf(name);
    const wanted = wantedLayout((await cluster.facts()).brokers.length);
    const [existing] = await cluster.topics([ledgerTopic]);
    if (existing !== undefined) return faultsOf(existing, wanted, name);
    until.check();
    await cluster.createTopics([{ name: ledgerTopic, partitions: 1, replicationFactor: wanted.replicas, configs: { 'cleanup.policy': 'compact', 'min.insync.replicas': String(wanted.insync), 'segment.bytes': String(segmentBytes) } }], until);
    return [];
  }

  async function write(name: string, entries: readonly Entry[], until: Until): Promise<void> {
    until.check();
    const large = entries.filter((entry) => sizeOf(entry) > largestEntryBytes);
    if (large.length > 0) throw new Failure('Unsupported', `The ledger takes up to ${largestEntryBytes} bytes per entry; ${large.map((entry) => `${entry.key} has ${sizeOf(entry)}`).join(', ')}.`, 'Split the entry over several keys.');
    for (const batch of batches(entries)) {
      const cluster = clusterOf(name);
      const first = await cluster.append(partition0, batch, until);
      await readBack(cluster, first, { batch, until });
    }
  }

  async function read(name: string, prefix: string): Promise<ReadonlyMap<string, string>> {
    // One reader at a time per cluster: two would apply the same records in turns.
    const before = memories.get(name)?.catch(() => null) ?? Promise.resolve(null);
    const now = before.then((memory) => catchUp(clusterOf(name), memory));
    memories.set(name, now);
    const memory = await now;
    return new Map([...(memory?.values ?? [])].filter(([key]) => key.startsWith(prefix)).sort(([a], [b]) => (a < b ? -1 : 1)));
  }

  return { prepare, write, read };
}

const sizeOf = (entry: Entry): number => Buffer.byteLength(entry.key) + Buffer.byteLength(entry.value);

/** In order, each within what one batch may hold. */
function batches(entries: readonly Entry[]): readonly (readonly Entry[])[] {
  const all: Entry[][] = [];
  let bytes = Infinity;
  for (const entry of entries) {
    const size = sizeOf(entry) + 64; // record framing
    if (bytes + size > largestBatchBytes) {
      all.push([]);
      bytes = 0;
    }
    all.at(-1)?.push(entry);
    bytes += size;
  }
  return all;
}

/** The acknowledged offsets hold exactly these entries, as a reader sees them. */
async function readBack(cluster: LedgerCluster, first: bigint, { batch, until }: { batch: readonly Entry[]; until: Until }): Promise<void> {
  const seen = new Map<bigint, string>();
  const range = { ...partition0, from: first, to: first + BigInt(batch.length) };
  for await (const record of cluster.records.contents(range, { signal: until.signal })) seen.set(record.offset, spelled(String(record.key), String(record.value)));
  const wrong = batch.findIndex((entry, i) => seen.get(first + BigInt(i)) !== spelled(entry.key, entry.value));
  if (wrong === -1) return;
  const offset = first + BigInt(wrong);
  throw new Failure('Unreachable', `The ledger of cluster ${cluster.name} acknowledged ${batch[wrong]?.key} at offset ${offset}, but ${seen.has(offset) ? 'another record' : 'no record'} is there.`, 'It is written again.');
}
const spelled = (key: string, value: string): string => `${key}\0${value}`;

interface Layout { readonly replicas: number; readonly insync: number }
/** Three copies of which two must acknowledge, where there are that many brokers. */
const wantedLayout = (brokers: number): Layout => ({ replicas: Math.min(3, brokers), insync: brokers >= 3 ? 2 : 1 });

function faultsOf(topic: TopicFacts, wanted: Layout, cluster: string): readonly string[] {
  const value = (name: string): string => topic.configs[name]?.value ?? '(unknown)';
  const faults: string[] = [];
  const say = (seen: string, want: string): number => faults.push(`Topic ${ledgerTopic} on cluster ${cluster} has ${seen}; wanted ${want}.`);
  if (topic.partitions !== 1) say(`${topic.partitions} partitions`, '1');
  if (!value('cleanup.policy').split(',').includes('compact') || value('cleanup.policy').includes('delete')) say(`cleanup.policy=${value('cleanup.policy')}`, 'compact');
  if (topic.replicationFactor < wanted.replicas) say(`replication factor ${topic.replicationFactor}`, `${wanted.replicas}`);
  if (!(Number(value('min.insync.replicas')) >= wanted.insync)) say(`min.insync.replicas=${value('min.insync.replicas')}`, `${wanted.insync}`);
  if (Number(value('min.insync.replicas')) > topic.replicationFactor) say(`min.insync.replicas=${value('min.insync.replicas')} above its replication factor`, `at most ${topic.replicationFactor}`);
  return faults;
}

/** What is replaced is not counted any more: an estate writes its journals hundreds of times each. */
function keep(memory: Memory, key: string, value: string | null): void {
  const before = memory.values.get(key);
  if (before !== undefined) memory.bytes -= key.length + before.length;
  if (value === null) memory.values.delete(key);
  else memory.values.set(key, value);
  if (value !== null) memory.bytes += key.length + value.length;
}

/** Reads on from where the last read ended; starts over when the topic was re-created or truncated. A missing topic is an empty ledger. */
async function catchUp(cluster: LedgerCluster, before: Memory | null): Promise<Memory | null> {
  const now = await cluster.stableEnd(partition0);
  if (now === null) return null;
  const usable = before !== null && before.topicId === now.topicId && before.next <= now.lso && before.bytes < largestMemoryBytes;
  const memory: Memory = usable ? before : { topicId: now.topicId, next: await startOf(cluster), bytes: 0, values: new Map() };
  if (memory.next >= now.lso) return memory;
  for await (const record of cluster.records.contents({ ...partition0, from: memory.next, to: now.lso })) {
    keep(memory, String(record.key ?? ''), record.value === null ? null : String(record.value));
    memory.next = record.offset + 1n;
  }
  memory.next = now.lso;
  return memory;
}

async function startOf(cluster: LedgerCluster): Promise<bigint> {
  const [end] = await cluster.ends([partition0]);
  if (end === undefined) throw new Failure('Unreachable', `Cluster ${cluster.name} gave no ends for ${ledgerTopic}.`);
  return end.logStart;
}
