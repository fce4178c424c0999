/** The shadows on the clusters: made with the real partitions, settings, last records and lags; and taken away again. */
import { Failure } from '../../domain/failures.ts';
import { groupsOf } from '../../domain/migration.ts';
import { tpKey, type Cluster, type LogEnds, type OriginalRecord, type Ports, type Position, type TopicFacts, type TopicPartition, type Until } from '../../domain/ports.ts';
import { listeningOf, type Rehearsal } from '../../domain/rehearsal.ts';
import { shadowPrefix } from '../../domain/topic-names.ts';
import type { Marks } from './writer.ts';

/** Settings of the real topic that would not let a shadow be what it is for: the readers of stand-ins know gzip only; throttles name replicas. */
const left = ['compression.type', 'leader.replication.throttled.replicas', 'follower.replication.throttled.replicas'];
/** A stand-in does not lag longer than this, ms: a rehearsal is not to wait for hours until it has read to the end. */
const longestBehindMs = 30_000;
const atOnce = 8;
const batch = { records: 500, bytes: 900_000 } as const;

export interface Prepared {
  /** Where the copying of the stand-ins begins. */
  readonly marks: Marks;
  readonly behindMs: ReadonlyMap<string, number>;
  readonly copied: number;
  readonly notes: readonly string[];
}
/** The last records of one partition in its shadow, by the real offset: the n-th is at offset n there. */
interface Tail { readonly from: bigint; readonly offsets: bigint[]; readonly timestamps: number[] }
export interface Making {
  readonly source: Cluster;
  readonly copy: (records: readonly OriginalRecord[], until: Until) => Promise<void>;
  readonly rehearsal: Rehearsal;
  /** Of each partition, at most so many of the last offsets. */
  readonly lastRecords: number;
  readonly nowMs: number;
  readonly until: Until;
}

/** Reads the real source, writes shadows only. */
export async function makeShadows(x: Making): Promise<Prepared> {
  const { source, rehearsal: r, until } = x;
  const topics = await source.topics(r.real.topics);
  await source.createTopics(topics.map((t) => ({ name: r.topics[t.name] ?? '', partitions: t.partitions, replicationFactor: t.replicationFactor, configs: settings(t) })), until);
  const groups = listeningOf(r.standIns).map((l) => l.group);
  const [ends, committed] = await Promise.all([source.ends(r.real.topics), source.committed(groups)]);
  const tails = new Map<string, Tail>();
  const waiting = [...ends];
  const lane = async (): Promise<void> => { for (let e = waiting.shift(); e; e = waiting.shift()) tails.set(tpKey(e), await copyTail(x, e)); };
  await Promise.all(Array.from({ length: atOnce }, lane));
  const placed = placing(x, { committed, tails, ends });
  await source.commit(new Map([...placed.positions].filter(([, of]) => of.length > 0)), until);
  return { marks: new Map(ends.map((e) => [tpKey(e), e.lso])), behindMs: placed.behindMs, copied: [...tails.values()].reduce((n, t) => n + t.offsets.length, 0), notes: placed.notes };
}

const settings = (t: TopicFacts): Readonly<Record<string, string>> =>
  Object.fromEntries(Object.entries(t.configs).filter(([name, c]) => c.source === 'topic' && !left.includes(name)).map(([name, c]) => [name, c.value]));

async function copyTail(x: Making, e: LogEnds): Promise<Tail> {
  const wanted = e.lso - BigInt(x.lastRecords);
  const tail: Tail = { from: wanted > e.logStart ? wanted : e.logStart, offsets: [], timestamps: [] };
  const topic = x.rehearsal.topics[e.topic] ?? '';
  let [load, bytes]: [OriginalRecord[], number] = [[], 0];
  const unload = async (): Promise<void> => { if (load.length > 0) await x.copy(load, x.until); [load, bytes] = [[], 0]; };
  if (tail.from >= e.lso) return tail;
  for await (const r of x.source.records.originals({ topic: e.topic, partition: e.partition, from: tail.from, to: e.lso }, { signal: x.until.signal })) {
    tail.offsets.push(r.offset);
    tail.timestamps.push(Number(r.timestampMs));
    load.push({ ...r, topic });
    bytes += r.content.length;
    if (load.length >= batch.records || bytes >= batch.bytes) await unload();
  }
  await unload();
  return tail;
}

interface Found { readonly committed: ReadonlyMap<string, readonly Position[]>; readonly tails: ReadonlyMap<string, Tail>; readonly ends: readonly LogEnds[] }

/** Each group as many records behind the end as the real one is, and from then on as long behind as its oldest unread record was old. */
function placing(x: Making, f: Found): { readonly positions: ReadonlyMap<string, readonly Position[]>; readonly behindMs: ReadonlyMap<string, number>; readonly notes: readonly string[] } {
  const positions = new Map<string, readonly Position[]>();
  const behindMs = new Map<string, number>();
  const notes: string[] = [];
  for (const read of listeningOf(x.rehearsal.standIns)) {
    const at: Position[] = [];
    let [oldest, shortened] = [x.nowMs, 0n];
    for (const p of f.committed.get(read.group) ?? []) {
      const [tail, topic] = [f.tails.get(tpKey(p)), x.rehearsal.topics[p.topic]];
      if (tail === undefined || topic === undefined || !read.topics.includes(topic)) continue;
      const index = tail.offsets.findIndex((o) => o >= p.offset);
      at.push({ topic, partition: p.partition, offset: BigInt(index === -1 ? tail.offsets.length : index), metadata: '' });
      if (index !== -1) oldest = Math.min(oldest, tail.timestamps[index] ?? oldest);
      if (p.offset < tail.from) shortened += tail.from - p.offset;
    }
    const ageMs = Math.max(0, x.nowMs - oldest);
    positions.set(read.shadow, at);
    behindMs.set(read.shadow, Math.min(ageMs, longestBehindMs));
    if (shortened > 0n) notes.push(`group ${read.group} lags by up to ${shortened.toLocaleString('en-US')} records more than its stand-in: the last ${x.lastRecords.toLocaleString('en-US')} of each partition were copied (--records).`);
    if (ageMs > longestBehindMs) notes.push(`group ${read.group} is ${Math.round(ageMs / 1_000).toLocaleString('en-US')} s behind; its stand-in ${longestBehindMs / 1_000} s.`);
  }
  return { positions, behindMs, notes };
}

/** Everything of this rehearsal on both clusters, whether this process made it or an earlier one; answers what is left. */
export async function removeShadows(ports: Pick<Ports, 'cluster'>, r: Rehearsal, until: Until): Promise<readonly string[]> {
  const each = await Promise.all([r.migration.source, r.migration.target].map(async (name) => {
    try {
      return await removeFrom(ports.cluster(name), r, until);
    } catch (error) {
      if (error instanceof Failure) return [`${name}: ${error.message}`];
      throw error;
    }
  }));
  return each.flat();
}

async function removeFrom(cluster: Cluster, r: Rehearsal, until: Until): Promise<readonly string[]> {
  const names = Object.values(r.topics);
  // A name that is not a shadow's is never deleted, whatever was handed in.
  const strange = names.filter((n) => !n.startsWith(shadowPrefix));
  if (strange.length > 0) throw new Failure('BadMigration', `${strange.join(', ')} is no shadow topic and was not removed.`);
  const groups = [...new Set(r.migration.applications.flatMap(groupsOf))];
  if ((await cluster.facts()).authorizer === 'present') await liftRules(cluster, { names, groups }, until);
  // Of a process that was killed; the stand-ins of this one have left.
  for (const g of await cluster.groups(groups)) if (g.members.length > 0) await cluster.removeMembers(g.group, g.members, until);
  const placed = [...await cluster.committed(groups)].filter(([, of]) => of.length > 0);
  if (placed.length > 0) await cluster.uncommit(new Map(placed.map(([group, of]) => [group, of.map(({ topic, partition }): TopicPartition => ({ topic, partition }))])), until);
  const there = (await cluster.topics(names)).map((t) => t.name);
  if (there.length > 0) await cluster.deleteTopics(there, until);
  const still = await cluster.topics(names);
  return still.map((t) => `topic ${t.name} on ${cluster.name}`);
}

async function liftRules(cluster: Cluster, of: { readonly names: readonly string[]; readonly groups: readonly string[] }, until: Until): Promise<void> {
  const rules = [...await cluster.denyRules(of.names), ...await cluster.groupDenyRules(of.groups)];
  if (rules.length > 0) await cluster.allow(rules, until);
}
