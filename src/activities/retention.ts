/**
 * Settings of the target's topics that would take records away, or refuse them, while the migration runs: copied records
 * are old already, and a group may read them days later. Held back from creation until finish.
 */
import { Failure } from '../domain/failures.ts';
import type { Migration } from '../domain/migration.ts';
import type { Ports, TopicFacts } from '../domain/ports.ts';
import type { At } from './boundary.ts';
import { entry, valueOf, type LedgerBook } from './ledger.ts';
import { clusterOf, count, list } from './outside.ts';
import { bring, overrideOf, type Wanted } from './settings.ts';
import { sourceTopics } from './topics.ts';
import type { Ask, RetentionBefore } from './work.ts';
import type { Said } from './outside.ts';

const forever = '9223372036854775807';
type Configs = TopicFacts['configs'];

/** What each setting is held at; `null`: nothing to hold on this topic. */
const held: Readonly<Record<string, (c: Configs, copies: boolean) => string | null>> = {
  'retention.ms': () => '-1',
  'retention.bytes': () => '-1',
  // A broker refuses copies of records that are older (or lie further in the future) than these allow.
  'message.timestamp.before.max.ms': () => forever,
  'message.timestamp.after.max.ms': () => forever,
  'message.timestamp.difference.max.ms': () => forever,
  // Append time would give every copy another timestamp, and no fingerprint would match.
  'message.timestamp.type': (c, copies) => (copies && c['message.timestamp.type']?.value === 'LogAppendTime' ? 'CreateTime' : null),
  // Compacted on both sides independently, records of an old position could be gone on one side only.
  'min.compaction.lag.ms': (c) => (c['cleanup.policy']?.value.includes('compact') ? forever : null),
};
export const heldSettings = Object.keys(held);

/** What is held of a topic, as long as it is: for whoever asks later whether it still is. */
const heldKey = (x: Ask, topic: string): string => `${x.c.run}/retention-held/${topic}`;
type Held = Readonly<Record<string, string>>;
/** Settings that somebody has set otherwise since they were held; `null`: nothing is held that is known of. */
export async function lostHolds(ports: Ports, record: LedgerBook, x: Ask): Promise<readonly string[] | null> {
  const entries = await record.read(x.m, heldKey(x, ''));
  const wanted = x.m.topics.map((topic) => [topic, valueOf<Held>(entries, heldKey(x, topic)) ?? {}] as const).filter(([, of]) => Object.keys(of).length > 0);
  if (wanted.length === 0) return null;
  const now = new Map((await clusterOf(ports, x.m, 'target').topics(wanted.map(([topic]) => topic))).map((t) => [t.name, t.configs]));
  return wanted.flatMap(([topic, of]) => Object.entries(of).flatMap(([name, value]) => { const seen = now.get(topic)?.[name]?.value; return seen === value ? [] : [`${topic}: ${name} is ${seen ?? 'unknown'}, was held at ${value}: set it so again`]; }));
}

export const retention = (ports: Ports, record: LedgerBook) => {
  const onTarget = (m: Migration): Promise<readonly TopicFacts[]> => clusterOf(ports, m, 'target').topics(m.topics);

  const bringThere = (m: Migration, wanted: Wanted, at: At): Promise<number> => bring(clusterOf(ports, m, 'target'), { wanted, what: 'the retention settings' }, at);

  /** From here on nothing is held any more. */
  const letGo = (x: Ask, at: At): Promise<unknown> => record.write(x.m, x.m.topics.map((topic) => entry(heldKey(x, topic), {})), 'one', at);

  return {
    /** Only what is overridden is written down; a setting that is missing was not. Keeps the pre-image of many topics small. */
    captureRetention: (x: Ask, at: At): Promise<RetentionBefore> => record.capture(x, at, async () => {
      const found = (await onTarget(x.m)).map((t) => [t.name, Object.fromEntries(heldSettings.flatMap((name) => { const v = overrideOf(t, name); return v === null ? [] : [[name, v]]; }))] as const);
      return Object.fromEntries(found.filter(([, settings]) => Object.keys(settings).length > 0));
    }),

    async holdRetention({ m, c }: Ask & { readonly before: RetentionBefore }, at: At): Promise<Said> {
      const topics = await onTarget(m);
      const missing = m.topics.filter((t) => !topics.some((f) => f.name === t));
      if (missing.length > 0) throw new Failure('Drift', `Cluster ${m.target} has no topic ${list(missing)}; its retention cannot be held.`);
      const copies = m.connect !== null;
      const all = topics.map((t) => [t.name, Object.fromEntries(Object.entries(held).flatMap(([name, at_]) => {
        const value = at_(t.configs, copies);
        return value === null || t.configs[name] === undefined ? [] : [[name, value]];
      })) as Held] as const);
      const wanted = new Map(topics.map((t, i) => [t.name, Object.fromEntries(Object.entries(all[i]?.[1] ?? {}).filter(([name, value]) => t.configs[name]?.value !== value))] as const));
      const changed = await bringThere(m, wanted, at);
      await record.write(m, all.map(([topic, of]) => entry(heldKey({ m, c }, topic), of)), 'one', at);
      return { say: `nothing is deleted or compacted on ${m.target} until the finish: ${count(changed, 'topic')} changed; watch its disks.` };
    },

    async restoreRetention({ m, c, before }: Ask & { readonly before: RetentionBefore }, at: At): Promise<Said> {
      await letGo({ m, c }, at);
      const changed = await bringThere(m, asIn(await onTarget(m), (t, name) => before[t]?.[name] ?? null), at);
      return { say: `retention on ${m.target} is as it was: ${count(changed, 'topic')} changed.` };
    },

    async releaseRetention({ m, c }: Ask & { readonly before: RetentionBefore }, at: At): Promise<Said> {
      await letGo({ m, c }, at);
      const source = new Map((await sourceTopics(ports, m)).map((t) => [t.name, t]));
      const changed = await bringThere(m, asIn(await onTarget(m), (t, name) => overrideOf(source.get(t), name)), at);
      return { say: `retention on ${m.target} is as on ${m.source}: ${count(changed, 'topic')} changed.` };
    },
  };
};

const asIn = (topics: readonly TopicFacts[], of: (topic: string, name: string) => string | null): Wanted =>
  new Map(topics.map((t) => [t.name, Object.fromEntries(heldSettings.filter((name) => t.configs[name] !== undefined).map((name) => [name, of(t.name, name)]))]));
