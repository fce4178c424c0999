/**
 * What is known of how both logs correspond: the cuts of this run, the offset syncs of all its mirrors (of removed ones what
 * the ledger kept), and positions proven earlier. Counting begins at the nearest of them.
 */
import { otherSide, type Side } from '../domain/authority.ts';
import type { CutSet } from '../domain/cutsets.ts';
import type { Place, Turn } from '../domain/epochs.ts';
import { Failure } from '../domain/failures.ts';
import type { Anchor, MirrorSpec, Ports, TopicFacts } from '../domain/ports.ts';
import type { At } from './boundary.ts';
import { isOwn, nameKey, numberOf, specOf, stemOf } from './connect.ts';
import { marks, type Mark } from './cut.ts';
import { entry, type Entry, type LedgerBook } from './ledger.ts';
import { both, clusterOf, nameOf, setsOf } from './outside.ts';
import type { Ask } from './work.ts';

/** Kept per partition of a removed mirror: between two of them lies at most a hundredth of what it copied. */
const keptSyncs = 100;
const partitionsPerEntry = 100;

/** One topic; anchors and places by `topic/partition`. */
export interface Known {
  readonly topic: string;
  readonly authority: Side;
  readonly facts: Readonly<Record<Side, TopicFacts | null>>;
  readonly turns: (key: string) => readonly Turn[];
  readonly copied: readonly boolean[];
  readonly anchors: Readonly<Record<Side, ReadonlyMap<string, readonly Anchor[]>>>;
  readonly places: ReadonlyMap<string, readonly Place[]>;
}

/** Topic ids on both sides: what was kept of a log that was created anew since then is worth nothing. */
type Ids = Readonly<Record<Side, string>>;
interface KeptSyncs { readonly ids: Ids; readonly at: Readonly<Record<string, readonly (readonly [string, string])[]>> }
interface KeptPlaces { readonly ids: Readonly<Record<string, Ids>>; readonly at: Readonly<Record<string, readonly [string, string]>> }

const syncsKey = (x: Ask, name: string): string => `${x.c.run}/syncs/${name}/`;
const placesKey = (x: Ask, group: string): string => `${x.c.run}/places/${group}`;

/** Everything known about these topics, from one look at the ledgers, the clusters and Connect. */
export async function knownOf(ports: Ports, record: LedgerBook, x: Ask, topics: readonly string[]): Promise<ReadonlyMap<string, Known>> {
  const sets = setsOf(x.m, topics);
  const [{ entries, used, live }, source, target] = await Promise.all([
    fromLedger(ports, record, x, sets), clusterOf(ports, x.m, 'source').topics(topics), clusterOf(ports, x.m, 'target').topics(topics),
  ]);
  const book: LedgerBook = { ...record, read: async (_m, prefix) => new Map([...entries].filter(([key]) => key.startsWith(prefix))) };
  const kept = [...entries].filter(([key]) => key.startsWith(placesKey(x, ''))).map(([, text]) => JSON.parse(text) as KeptPlaces);
  const out = new Map<string, Known>();
  for (const set of sets) {
    const standing = (await marks(book, { ...x, set })).filter((mark) => !mark.withdrawn).sort((a, b) => a.epoch - b.epoch);
    for (const topic of set.topics.filter((t) => topics.includes(t))) {
      const facts = { source: source.find((t) => t.name === topic) ?? null, target: target.find((t) => t.name === topic) ?? null };
      const valid = sameLogs(x, { topic, facts }, standing);
      const authority = valid.at(-1)?.to ?? 'source';
      out.set(topic, {
        topic, authority, facts, turns: (key) => valid.flatMap((mark) => turnOf(mark, key)),
        copied: copiedOf(x, set, { marks: valid, names: used }),
        anchors: anchorsOf(x, { topic, set, facts, entries, live }), places: placesOf(kept, { topic, facts }),
      });
    }
  }
  return out;
}

const turnOf = (mark: Mark, key: string): readonly Turn[] => {
  const [source, target] = [mark.ends.source[key], mark.ends.target[key]];
  return source && target ? [{ source: BigInt(source.hw), target: BigInt(target.hw), to: mark.to }] : [];
};

/** Cuts of the logs that are there now. A copy may have been removed and made again after a rollback; the source may not. */
function sameLogs(x: Ask, of: { readonly topic: string; readonly facts: Known['facts'] }, standing: readonly Mark[]): readonly Mark[] {
  const same = (mark: Mark, side: Side): boolean => { const [then, now] = [mark.ids[side][of.topic] ?? '', of.facts[side]?.id ?? '']; return then === '' || now === '' || then === now; };
  const broken = standing.find((mark) => !same(mark, 'source'));
  if (broken) throw new Failure('MirrorDamaged', `Topic ${of.topic} on cluster ${nameOf(x.m, 'source')} was created anew after cut ${broken.epoch}: its id is ${of.facts.source?.id}, was ${broken.ids.source[of.topic]}.`, 'Positions of before mean nothing there; set them by hand or start again.');
  return standing.slice(standing.findLastIndex((mark) => !same(mark, 'target')) + 1);
}

/** An epoch was copied when a mirror away from its authority ended it, or is there to end it. */
function copiedOf(x: Ask, set: CutSet, o: { readonly marks: readonly Mark[]; readonly names: readonly string[] }): readonly boolean[] {
  const first: Side = o.marks[0] ? otherSide(o.marks[0].to) : 'source';
  const closed = o.marks.map((mark, i) => {
    const origin = o.marks[i - 1]?.to ?? first;
    return numberOf(mark.mirror ?? '', { set, toward: otherSide(origin), run: x.c.run }) > 0 && !o.marks.slice(0, i).some((m) => m.mirror === mark.mirror);
  });
  const family = { set, toward: otherSide(o.marks.at(-1)?.to ?? first), run: x.c.run };
  const ended = Math.max(0, ...o.marks.map((mark) => numberOf(mark.mirror ?? '', family)));
  return [...closed, o.names.some((name) => numberOf(name, family) > ended)];
}

interface Live { readonly toward: Side; readonly spec: MirrorSpec; readonly anchors: ReadonlyMap<string, readonly Anchor[]> }
interface FromLedger { readonly entries: ReadonlyMap<string, string>; /** Names of all mirrors that this run ever had. */ readonly used: readonly string[]; readonly live: readonly Live[] }
/** Connect is not asked: inside an outage its worker may be slow or dead, and the syncs are on the cluster. */
async function fromLedger(ports: Ports, record: LedgerBook, x: Ask, sets: readonly CutSet[]): Promise<FromLedger> {
  const [entries, names] = await Promise.all([record.read(x.m, `${x.c.run}/`), record.read(x.m, nameKey(''))]);
  const used = [...names].filter(([, kept]) => isOwn(kept, x.c.run)).map(([key]) => key.slice(nameKey('').length));
  const kept = new Set([...entries.keys()].filter((key) => key.startsWith(syncsKey(x, '').slice(0, -1))).map((key) => key.slice(syncsKey(x, '').length - 1).split('/')[0]));
  const specs = sets.flatMap((set) => both.flatMap((toward) => {
    const family = { set, toward, run: x.c.run };
    const own = used.filter((name) => numberOf(name, family) > 0 && !kept.has(name)).sort((a, b) => numberOf(a, family) - numberOf(b, family));
    return own.map((name) => ({ toward, spec: specOf(x.m, { set, toward, name }) }));
  }));
  return { entries, used, live: await Promise.all(specs.map(async (one) => ({ ...one, anchors: await ports.mirrors.anchors(one.spec) }))) };
}

interface OfTopic { readonly topic: string; readonly facts: Known['facts']; readonly entries: ReadonlyMap<string, string> }
const alive = (ids: Ids | undefined, facts: Known['facts']): boolean => ids !== undefined && both.every((side) => ids[side] === (facts[side]?.id ?? ''));

/** Earlier mirrors first, as in one log: what begins again lower is a new run. */
function anchorsOf(x: Ask, o: OfTopic & { readonly set: CutSet; readonly live: readonly Live[] }): Known['anchors'] {
  const of = (toward: Side): ReadonlyMap<string, readonly Anchor[]> => {
    const family = { set: o.set, toward, run: x.c.run };
    const live = o.live.filter((m) => m.toward === toward && m.spec.topics.includes(o.topic));
    const kept = [...o.entries].flatMap(([key, text]) => {
      const [name = '', topic = ''] = key.startsWith(syncsKey(x, stemOf(family)).slice(0, -1)) ? key.slice(`${x.c.run}/syncs/`.length).split('/') : [];
      return topic === o.topic && !live.some((m) => m.spec.name === name) ? [{ number: numberOf(name, family), kept: JSON.parse(text) as KeptSyncs }] : [];
    }).filter((k) => k.number > 0 && alive(k.kept.ids, o.facts)).sort((a, b) => a.number - b.number);
    const maps = [...kept.map((k) => new Map(Object.entries(k.kept.at).map(([partition, all]) => [`${o.topic}/${partition}`, all.map(([from, to]): Anchor => ({ from: BigInt(from), to: BigInt(to) }))]))), ...live.map((m) => m.anchors)];
    const keys = new Set(maps.flatMap((m) => [...m.keys()]));
    // A list that stands alone stays the same value: positions remember what they worked out for one.
    return new Map([...keys].map((key) => { const lists = maps.flatMap((m) => m.get(key) ?? []); const only = maps.filter((m) => m.has(key)); return [key, only.length === 1 ? (only[0]?.get(key) ?? []) : lists] as const; }));
  };
  return { source: of('source'), target: of('target') };
}

function placesOf(all: readonly KeptPlaces[], o: Omit<OfTopic, 'entries'>): ReadonlyMap<string, readonly Place[]> {
  const out = new Map<string, Place[]>();
  for (const kept of all) {
    if (!alive(kept.ids[o.topic], o.facts)) continue;
    for (const [tp, [source, target]] of Object.entries(kept.at)) if (tp.slice(0, tp.lastIndexOf('/')) === o.topic) (out.get(tp) ?? out.set(tp, []).get(tp))?.push({ source: BigInt(source), target: BigInt(target) });
  }
  return out;
}

const idsOf = (facts: Known['facts']): Ids => ({ source: facts.source?.id ?? '', target: facts.target?.id ?? '' });

/** Positions that were proven: later ones of the same group count on from there. */
export async function keepPlaces(record: LedgerBook, x: Ask, o: { readonly known: ReadonlyMap<string, Known>; readonly groups: ReadonlyMap<string, ReadonlyMap<string, Place>>; readonly at: At }): Promise<void> {
  const entries = [...o.groups].map(([group, places]): Entry => {
    const topics = new Set([...places.keys()].map((key) => key.slice(0, key.lastIndexOf('/'))));
    const kept: KeptPlaces = {
      ids: Object.fromEntries([...topics].flatMap((topic) => { const known = o.known.get(topic); return known ? [[topic, idsOf(known.facts)]] : []; })),
      at: Object.fromEntries([...places].map(([key, p]) => [key, [String(p.source), String(p.target)]])),
    };
    return entry(placesKey(x, group), kept);
  });
  if (entries.length > 0) await record.write(x.m, entries, 'one', o.at);
}

/** Before a mirror is removed, and its offset syncs with it: groups that lag far behind are still counted from these. */
export async function keepSyncs(ports: Ports, record: LedgerBook, x: Ask & { readonly spec: MirrorSpec }, at: At): Promise<void> {
  const [anchors, source, target] = await Promise.all([ports.mirrors.anchors(x.spec), clusterOf(ports, x.m, 'source').topics(x.spec.topics), clusterOf(ports, x.m, 'target').topics(x.spec.topics)]);
  const entries = x.spec.topics.flatMap((topic): readonly Entry[] => {
    const facts = { source: source.find((t) => t.name === topic) ?? null, target: target.find((t) => t.name === topic) ?? null };
    if (!facts.source || !facts.target) return []; // removed before its mirror: there is nothing left to count on
    const own = [...anchors].filter(([key]) => key.slice(0, key.lastIndexOf('/')) === topic);
    const partitions = own.map(([key, all]) => [key.slice(key.lastIndexOf('/') + 1), spread(all).map((a) => [String(a.from), String(a.to)] as const)] as const);
    // The ledger takes less than a megabyte per entry.
    return Array.from({ length: Math.ceil(partitions.length / partitionsPerEntry) }, (_, i) => entry(`${syncsKey(x, x.spec.name)}${topic}/${i}`, { ids: idsOf(facts), at: Object.fromEntries(partitions.slice(i * partitionsPerEntry, (i + 1) * partitionsPerEntry)) } satisfies KeptSyncs));
  });
  await record.write(x.m, entries, 'one', at);
}

/** Evenly over what was copied, the first and the last among them. */
export function spread(all: readonly Anchor[], most = keptSyncs): readonly Anchor[] {
  const [low, high] = [all[0], all.at(-1)];
  if (all.length <= most || !low || !high) return all;
  const step = (high.from - low.from) / BigInt(most - 1);
  const kept: Anchor[] = [];
  for (const a of all) { const last = kept.at(-1); if (!last || a === high || a.from - last.from >= step || a.from < last.from) kept.push(a); }
  return kept.slice(-2 * most);
}
