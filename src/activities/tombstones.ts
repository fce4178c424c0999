/**
 * Tombstones on the source are kept until a mirror that is far behind has read them. It may have copied the value; a tombstone
 * that the log cleaner takes away before it is read (`delete.retention.ms`, a day by default) would leave its key alive on the
 * target. The target's logs are not compacted meanwhile, see `retention.ts`.
 */
import { Failure, failures } from '../domain/failures.ts';
import type { Ports, TopicFacts } from '../domain/ports.ts';
import type { At } from './boundary.ts';
import { entry, type LedgerBook } from './ledger.ts';
import { clusterOf, count, list, type Said } from './outside.ts';
import { bring, overrideOf } from './settings.ts';
import { sourceTopics } from './topics.ts';
import type { Ask, TombstonesBefore } from './work.ts';

const setting = 'delete.retention.ms';
/**
 * Thirty days. Not for ever: Kafka (since 2.8) stamps a tombstone with its end when it is first cleaned, so that those cleaned
 * meanwhile stay for so long, whatever the setting is by then.
 */
const keptMs = 30 * 24 * 3_600_000;
const what = 'the settings for tombstones';

const isShort = (t: TopicFacts): boolean => (t.configs['cleanup.policy']?.value ?? '').split(',').includes('compact') && Number(t.configs[setting]?.value ?? 0) < keptMs;
const isKept = (t: TopicFacts): boolean => overrideOf(t, setting) === String(keptMs);

/** Only on the source: there it is needed, also when the target is dead. */
const heldKey = (x: Ask, topic: string): string => `${x.c.run}/tombstones/${topic}`;

export const tombstones = (ports: Ports, record: LedgerBook) => {
  const source = (x: Ask) => clusterOf(ports, x.m, 'source');

  /** What was there before we set it, of what has not been given back. */
  async function heldOf(x: Ask): Promise<TombstonesBefore> {
    const entries = await ports.ledger.read(x.m.source, heldKey(x, ''));
    return Object.fromEntries(x.m.topics.flatMap((topic) => {
      const kept = JSON.parse(entries.get(heldKey(x, topic)) ?? 'null') as { readonly was: string | null } | null;
      return kept === null ? [] : [[topic, kept.was] as const];
    }));
  }

  /** What somebody else has set since is his, and stays. */
  async function giveBack(x: Ask, before: TombstonesBefore, at: At): Promise<Said> {
    if (Object.keys(before).length === 0) return { say: `tombstones on ${x.m.source} were not kept longer.` };
    const there = await source(x).topics(Object.keys(before));
    const wanted = new Map(there.filter(isKept).map((t) => [t.name, { [setting]: before[t.name] ?? null }] as const));
    const others = there.filter((t) => !isKept(t) && overrideOf(t, setting) !== (before[t.name] ?? null));
    const changed = await bring(source(x), { wanted, what }, at);
    await ports.ledger.write(x.m.source, Object.keys(before).map((topic) => entry(heldKey(x, topic), null)), at.until);
    return { say: [
      `tombstones on ${x.m.source} are kept for as long as before: ${count(changed, 'topic')} changed`,
      ...(changed > 0 ? ['those that were cleaned meanwhile stay for up to thirty days'] : []),
      ...(others.length > 0 ? [`somebody else has set ${setting} since, and it was left so: ${list(others.map((t) => t.name))}`] : []),
    ].join('; ') + '.' };
  }

  return {
    /** What an earlier attempt has set and not given back (its undo was skipped) is not what was there before. */
    captureTombstones: (x: Ask, at: At): Promise<TombstonesBefore> => record.capture(x, at, async () => {
      const [topics, held] = await Promise.all([sourceTopics(ports, x.m), heldOf(x)]);
      return { ...Object.fromEntries(topics.filter(isShort).map((t) => [t.name, overrideOf(t, setting)])), ...Object.fromEntries(topics.filter(isKept).flatMap((t) => (held[t.name] === undefined ? [] : [[t.name, held[t.name] ?? null]]))) };
    }),

    /** Without the right to do so the migration goes on: what it is for is seldom, and found by comparing. */
    async keepTombstones(x: Ask & { readonly before: TombstonesBefore }, at: At): Promise<Said> {
      const topics = Object.keys(x.before);
      if (topics.length === 0) return { say: `nothing to keep: no topic on ${x.m.source} is compacted and keeps its tombstones for less than thirty days.` };
      await ports.ledger.prepare(x.m.source, at.until);
      await ports.ledger.write(x.m.source, topics.map((topic) => entry(heldKey(x, topic), { was: x.before[topic] ?? null })), at.until);
      try {
        const changed = await bring(source(x), { wanted: new Map(topics.map((topic) => [topic, { [setting]: String(keptMs) }])), what }, at);
        return { say: `tombstones on ${x.m.source} are kept for thirty days until the finish: ${count(changed, 'topic')} changed.` };
      } catch (error) {
        if (!(error instanceof Failure) || failures[error.type].retry !== 'ask' || error.type === 'BudgetExceeded') throw error;
        const short = (await source(x).topics(topics)).filter((t) => !isKept(t)).map((t) => t.name);
        if (short.length === 0) return { say: `tombstones on ${x.m.source} are kept for thirty days until the finish.` };
        return { say: `on ${x.m.source} tombstones are kept no longer than before for ${list(short)}, and it goes on without: ${at.words(error.fact)} Where the mirror falls further behind than ${setting}, a deleted key may live on at ${x.m.target}; a comparison names it. Set it there by hand if that may be.` };
      }
    },
    restoreTombstones: (x: Ask & { readonly before: TombstonesBefore }, at: At): Promise<Said> => giveBack(x, x.before, at),

    /** Where the pre-image of an earlier step is not at hand: from the source's ledger. */
    async releaseTombstones(x: Ask, at: At): Promise<Said> {
      return giveBack(x, await heldOf(x), at);
    },
  };
};
