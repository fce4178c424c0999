/** What makes a copy unfaithful for good: found while mirroring, named, and never healed silently. */
import { otherSide, type Side } from '../domain/authority.ts';
import type { LogEnds, MirrorHealth, MirrorSpec, Ports, TopicFacts } from '../domain/ports.ts';
import type { Migration } from '../domain/migration.ts';
import { groupsOf } from '../domain/migration.ts';
import { tpKey } from '../domain/ports.ts';
import type { OfSet } from './connect.ts';
import { entry, valueOf, type LedgerBook } from './ledger.ts';
import type { At } from './boundary.ts';
import { clusterOf, list, nameOf, topicsOf, unique } from './outside.ts';
import { markerOffsets, type Standing } from './unseen.ts';

/** The topics a mirror was made for, as they were then, and the cut it was made behind; 0: before any. */
export interface Born { readonly epoch: number; readonly topics: Readonly<Record<string, { readonly ids: Readonly<Record<Side, string>>; readonly partitions: number }>> }
const bornKey = (x: OfSet, name: string): string => `${x.c.run}/born/${name}`;

const sides = ['source', 'target'] as const;
const factsOf = async (ports: Ports, m: Migration, topics: readonly string[]): Promise<Readonly<Record<Side, readonly TopicFacts[]>>> => {
  const [source, target] = await Promise.all(sides.map((side) => clusterOf(ports, m, side).topics(topics)));
  return { source: source ?? [], target: target ?? [] };
};

/** Written once per mirror, before it runs: a retry must not take what came since for what was there. */
export async function rememberBorn(ports: Ports, record: LedgerBook, o: { readonly x: OfSet; readonly name: string; readonly epoch: number; readonly at: At }): Promise<void> {
  if (await bornOf(record, o.x, o.name)) return;
  const facts = await factsOf(ports, o.x.m, o.x.set.topics);
  const idOf = (side: Side, topic: string): string => facts[side].find((f) => f.name === topic)?.id ?? '';
  const born: Born = { epoch: o.epoch, topics: Object.fromEntries(o.x.set.topics.map((t) => [t, { ids: { source: idOf('source', t), target: idOf('target', t) }, partitions: facts[otherSide(o.x.toward)].find((f) => f.name === t)?.partitions ?? 0 }])) };
  await record.write(o.x.m, [entry(bornKey(o.x, o.name), born)], 'one', o.at);
}
export const bornOf = async (record: LedgerBook, x: OfSet, name: string): Promise<Born | null> => valueOf<Born>(await record.read(x.m, bornKey(x, name)), bornKey(x, name));

export interface Looked {
  readonly spec: MirrorSpec;
  readonly health: MirrorHealth;
  readonly at: readonly Standing[];
  /** `null`: not known how the topics were when it was made. */
  readonly born: Born | null;
}

/** One sentence per damage, without its full stop. */
export interface Damage {
  /** Later looks may not show it any more, as when the mirror went on behind a gap: it stays damage all the same. */
  readonly lasting: readonly string[];
  /** Mended when it is no longer seen. */
  readonly present: readonly string[];
}
export async function damages(ports: Ports, x: Pick<OfSet, 'm' | 'set' | 'toward'>, seen: Looked): Promise<Damage> {
  const facts = await factsOf(ports, x.m, x.set.topics);
  const lasting = [
    ...seen.at.flatMap((s) => (s.next > s.end.hw ? [`${s.key} ends at ${s.end.hw} on ${seen.spec.from}, and the mirror already copied up to ${s.next}: the log was truncated`] : [])),
    ...(await deletedUncopied(ports, x, { seen, facts: facts[otherSide(x.toward)] })),
  ];
  const present = [
    ...sides.flatMap((side) => createdAgain(x, { side, facts: facts[side], born: seen.born })),
    ...partitionsAdded(x, facts, seen.born),
    ...(seen.health.traces.some((t) => /InvalidTimestampException/.test(t)) ? [`cluster ${seen.spec.to} refuses timestamps of records (its message.timestamp.before.max.ms or message.timestamp.after.max.ms is narrower than on ${seen.spec.from})`] : []),
  ];
  return { lasting, present };
}

const keptKey = (x: OfSet, name: string): string => `${x.c.run}/damaged/${name}`;
/** What is found now with what was found of this mirror before. With `at` new findings are kept. */
export async function damageOf(ports: Ports, x: OfSet, o: { readonly seen: Looked; readonly record: LedgerBook | null; readonly at: At | null }): Promise<readonly string[]> {
  const key = keptKey(x, o.seen.spec.name);
  const now = await damages(ports, x, o.seen);
  const before = (o.record && valueOf<readonly string[]>(await o.record.read(x.m, key), key)) ?? [];
  const lasting = [...before, ...now.lasting.filter((d) => !before.includes(d))];
  if (o.record && o.at && before.length === 0 && lasting.length > 0) await o.record.write(x.m, [entry(key, lasting)], 'one', o.at);
  return [...lasting, ...now.present];
}

function createdAgain(x: Pick<OfSet, 'm' | 'set'>, o: { readonly side: Side; readonly facts: readonly TopicFacts[]; readonly born: Born | null }): readonly string[] {
  return x.set.topics.flatMap((topic) => {
    const [was, now] = [o.born?.topics[topic]?.ids[o.side], o.facts.find((f) => f.name === topic)];
    if (!now) return [`topic ${topic} is gone from ${nameOf(x.m, o.side)}`];
    return was !== undefined && was !== '' && was !== now.id ? [`topic ${topic} was deleted and created again on ${nameOf(x.m, o.side)} (id ${now.id}, it was ${was})`] : [];
  });
}

/** The mirror never looks for new partitions, and keys have changed their partition. */
function partitionsAdded(x: Pick<OfSet, 'm' | 'set' | 'toward'>, facts: Readonly<Record<Side, readonly TopicFacts[]>>, born: Born | null): readonly string[] {
  const origin = otherSide(x.toward);
  const countOf = (side: Side, topic: string): number | undefined => facts[side].find((f) => f.name === topic)?.partitions;
  return x.set.topics.flatMap((topic) => {
    const [now, was] = [countOf(origin, topic), born?.topics[topic]?.partitions ?? countOf(x.toward, topic)];
    return now !== undefined && was !== undefined && now !== was ? [`topic ${topic} has ${now} partitions on ${nameOf(x.m, origin)}, it had ${was} when it was mirrored`] : [];
  });
}

interface OfDeleted { readonly seen: Looked; readonly facts: readonly TopicFacts[] }
/** Below the log start lies what the mirror has not read, and nobody saw to be no record while it was there. */
async function deletedUncopied(ports: Ports, x: Pick<OfSet, 'm' | 'toward'>, o: OfDeleted): Promise<readonly string[]> {
  const passed = o.seen.at.filter((s) => s.clear + (s.clear > s.next ? 0n : markerOffsets) < s.end.logStart);
  if (passed.length === 0) return [];
  const read = await readByAll(ports, x, passed.map((s) => s.end));
  return passed.filter((s) => !read.has(s.key) || mayExpire(o.facts.find((f) => f.name === s.end.topic)))
    .map((s) => `${s.key} begins at ${s.end.logStart} on ${o.seen.spec.from}, and the mirror stands at ${s.next}: what lay ${s.clear > s.next ? `from ${s.clear} on` : 'between'} was deleted before it was copied`);
}

/** Where retention is off, only a DeleteRecords can have moved the log start: a Streams application does so with its repartition topics. */
const mayExpire = (topic: TopicFacts | undefined): boolean => {
  const value = (name: string): string | undefined => topic?.configs[name]?.value;
  return !topic || ((value('cleanup.policy') ?? 'delete').includes('delete') && (value('retention.ms') !== '-1' || value('retention.bytes') !== '-1'));
};

/** Partitions whose deleted records every group had read: each group of the migration that reads the topic, and any other that committed there. */
async function readByAll(ports: Ports, x: Pick<OfSet, 'm' | 'toward'>, ends: readonly LogEnds[]): Promise<ReadonlySet<string>> {
  const moving = unique(x.m.applications.flatMap(groupsOf));
  const others = unique(Object.entries(x.m.groups).filter(([, policy]) => policy === 'leave').map(([group]) => group));
  const committed = await clusterOf(ports, x.m, otherSide(x.toward)).committed([...moving, ...others]);
  const positionOf = (group: string, end: LogEnds): bigint | undefined => committed.get(group)?.find((p) => tpKey(p) === tpKey(end))?.offset;
  return new Set(ends.filter((end) => {
    const readers = [...moving.filter((g) => topicsOf(x.m, g).includes(end.topic)), ...others.filter((g) => positionOf(g, end) !== undefined)];
    return readers.length > 0 && readers.every((g) => (positionOf(g, end) ?? -1n) >= end.logStart);
  }).map(tpKey));
}

export const spoken = (name: string, damage: readonly string[]): string => `Mirror ${name} no longer copies faithfully: ${list(damage, 5)}.`;
