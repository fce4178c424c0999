/** Topics on the target: created as they are on the source, compared where they exist, removed only when we made them. */
import { Failure } from '../domain/failures.ts';
import type { Migration } from '../domain/migration.ts';
import type { NewTopic, Ports, TopicFacts } from '../domain/ports.ts';
import type { At } from './boundary.ts';
import { ledgerTopic, type LedgerBook } from './ledger.ts';
import { clusterOf, count, list, nameOf, refuse, unique, type Fault, type Said } from './outside.ts';
import type { Ask, TopicsBefore } from './work.ts';

/** Broker ids and tiers of one cluster mean nothing on another. */
const ofOneClusterOnly = new Set(['leader.replication.throttled.replicas', 'follower.replication.throttled.replicas']);

export const topics = (ports: Ports, record: LedgerBook) => ({
  captureTopics: (x: Ask, at: At): Promise<TopicsBefore> => record.capture(x, at, async () => {
    const there = new Set((await clusterOf(ports, x.m, 'target').topics(x.m.topics)).map((t) => t.name));
    return { missing: x.m.topics.filter((t) => !there.has(t)) };
  }),

  async createTopics({ m, before }: Ask & { readonly before: TopicsBefore }, at: At): Promise<Said> {
    const target = clusterOf(ports, m, 'target');
    const [wanted, existing, facts, known] = await Promise.all([sourceTopics(ports, m), target.topics(m.topics), target.facts(), knownConfigs(ports, m)]);
    refuseGone(m, before, existing);
    const brokers = facts.brokers.length;
    const plans = wanted.filter((t) => !existing.some((e) => e.name === t.name)).map((t) => planned(t, { brokers, known }));
    at.until.check();
    await target.createTopics(plans.map((p) => p.topic), at.until);
    const after = await target.topics(m.topics);
    const compared = compare(wanted, after, nameOf(m, 'target'));
    refuse(`The topics on cluster ${nameOf(m, 'target')}`, compared.faults, 'Bring both sides in line by hand, or change the migration; then retry.');
    const lines = [
      `created ${count(plans.length, 'topic')}${plans.length === 0 ? '' : ` with ${count(plans.reduce((n, p) => n + p.topic.partitions, 0), 'partition')}`}`,
      ...(existing.length > 0 ? [`${existing.length} were there`] : []),
      ...said('fewer replicas than on the source', plans.flatMap((p) => p.fewer)),
      ...said('settings the target does not know and that were left out', plans.flatMap((p) => p.dropped)),
      ...said('differs from the source and was left as it is', compared.drift),
    ];
    return { say: `${lines.join('; ')}.` };
  },

  async removeTopics({ m, before }: Ask & { readonly before: TopicsBefore }, at: At): Promise<Said> {
    const target = clusterOf(ports, m, 'target');
    const there = (await target.topics(before.missing)).map((t) => t.name);
    at.until.check();
    if (there.length > 0) await target.deleteTopics(there, at.until);
    const left = await untilNone(async () => (await target.topics(before.missing)).map((t) => t.name), at);
    if (left.length > 0) throw new Failure('Unreachable', `Cluster ${nameOf(m, 'target')} still shows ${list(left)} after they were deleted; wanted none.`, 'The call is retried.');
    return { say: there.length === 0 ? 'no topic of ours is on the target.' : `removed ${list(there)} from ${nameOf(m, 'target')}.` };
  },
});

const said = (what: string, of: readonly string[]): readonly string[] => (of.length === 0 ? [] : [`${what}: ${list(of)}`]);

/** Metadata of a deleted topic may linger on a broker for a moment. */
async function untilNone(look: () => Promise<readonly string[]>, at: At): Promise<readonly string[]> {
  for (const deadline = at.now() + 10_000; ; await at.pause(50)) {
    const left = await look();
    if (left.length === 0 || at.now() > deadline) return left;
  }
}

export async function sourceTopics(ports: Ports, m: Migration): Promise<readonly TopicFacts[]> {
  const found = await clusterOf(ports, m, 'source').topics(m.topics);
  const gone = m.topics.filter((t) => !found.some((f) => f.name === t));
  if (gone.length > 0) throw new Failure('Drift', `Cluster ${m.source} no longer has ${list(gone)}, which this migration moves.`);
  return found;
}

/** Names of the topic settings the target has; `null`: it has no topic yet to read them from. */
export async function knownConfigs(ports: Ports, m: Migration): Promise<ReadonlySet<string> | null> {
  const [ours] = await clusterOf(ports, m, 'target').topics([ledgerTopic]);
  return ours ? new Set(Object.keys(ours.configs)) : null;
}

function refuseGone(m: Migration, before: TopicsBefore, existing: readonly TopicFacts[]): void {
  const gone = m.topics.filter((t) => !before.missing.includes(t) && !existing.some((e) => e.name === t));
  if (gone.length > 0) throw new Failure('Drift', `${list(gone)} existed on cluster ${m.target} when this step began and is gone now.`);
}

const overrides = (t: TopicFacts): readonly (readonly [string, string])[] =>
  Object.entries(t.configs).filter(([, c]) => c.source === 'topic').map(([name, c]) => [name, c.value] as const);

function planned(t: TopicFacts, on: { readonly brokers: number; readonly known: ReadonlySet<string> | null }): { readonly topic: NewTopic; readonly fewer: readonly string[]; readonly dropped: readonly string[] } {
  const replicationFactor = Math.max(1, Math.min(t.replicationFactor, on.brokers));
  const foreign = (name: string): boolean => ofOneClusterOnly.has(name) || (on.known !== null && !on.known.has(name));
  return {
    topic: { name: t.name, partitions: t.partitions, replicationFactor, configs: Object.fromEntries(overrides(t).filter(([name]) => !foreign(name))) },
    fewer: replicationFactor < t.replicationFactor ? [`${t.name} ${replicationFactor} in place of ${t.replicationFactor}`] : [],
    dropped: overrides(t).filter(([name]) => foreign(name)).map(([name]) => `${name} of ${t.name}`),
  };
}

/** Partitions must be equal; other settings may differ, and are said. */
export function compare(source: readonly TopicFacts[], target: readonly TopicFacts[], targetName: string): { readonly faults: readonly Fault[]; readonly drift: readonly string[] } {
  const there = new Map(target.map((t) => [t.name, t]));
  const pairs = source.flatMap((s) => { const t = there.get(s.name); return t ? [{ s, t }] : []; });
  const faults = pairs.filter(({ s, t }) => s.partitions !== t.partitions).map(({ s, t }): Fault => ({
    type: 'Drift', text: `Topic ${s.name} has ${count(t.partitions, 'partition')} on cluster ${targetName}; wanted ${s.partitions} as on the source, or keys would change their partition.`,
  }));
  const drift = pairs.flatMap(({ s, t }) => unique([...overrides(s), ...overrides(t)].map(([name]) => name))
    .filter((name) => t.configs[name] !== undefined && s.configs[name] !== undefined && t.configs[name].value !== s.configs[name].value && !ofOneClusterOnly.has(name))
    .map((name) => `${s.name} ${name}=${t.configs[name]?.value} (source ${s.configs[name]?.value})`));
  return { faults, drift };
}
