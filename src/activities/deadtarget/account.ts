/**
 * The account of a target that is dead, made from the source alone: what of each partition is known to have come back, where
 * each group goes on and how old that knowledge is. What nobody can know is said as unknown.
 */
import { writersOf, type CutSet } from '../../domain/cutsets.ts';
import { groupsOf, type Migration } from '../../domain/migration.ts';
import { notKept } from '../../domain/scheme.ts';
import { groupsWith } from '../../domain/companies.ts';
import { tpKey, type GroupFacts, type LogEnds, type Ports, type Position } from '../../domain/ports.ts';
import type { At } from '../boundary.ts';
import { findMirrors } from '../connect.ts';
import { standingMark, standingMarks, type Mark } from '../cut.ts';
import { askAll } from '../fleets.ts';
import type { LedgerBook } from '../ledger.ts';
import { isEmpty, membersOf } from '../moved.ts';
import { applicationsOf, byKey, clusterOf, setsOf, topicsOf, unique } from '../outside.ts';
import { missingOf as forgottenOf, rememberedOf } from '../remembered.ts';
import { holdsFor, knownSinceMs, openedCuts, sweptOf, type Book, type Cuts } from '../sweep.ts';
import type { Ask } from '../work.ts';
import { answered } from './answered.ts';

/** The ledger of the source: a dead target is never asked, and never waited for. */
export const sourceBook = (ports: Ports): LedgerBook => {
  const book: LedgerBook = {
    read: (m, prefix) => ports.ledger.read(m.source, prefix),
    write: async (m, entries, _need, at) => { await ports.ledger.write(m.source, entries, at.until); return []; },
    capture: async (x, at, look) => {
      const kept = (await book.read(x.m, x.c.key)).get(x.c.key);
      if (kept !== undefined) return JSON.parse(kept) as Awaited<ReturnType<typeof look>>;
      if (x.c.recall) return notKept as Awaited<ReturnType<typeof look>>;
      const before = await look();
      await book.write(x.m, [{ key: x.c.key, value: JSON.stringify(before) }], 'one', at);
      return before;
    },
  };
  return book;
};

export interface PartitionAccount {
  readonly key: string;
  /** Next offset of the target that the mirror back would have brought: everything below it is on the source. */
  readonly brought: bigint | 'unknown';
  /** Where the log ended on the target when it was last swept; `unknown`: it never was. */
  readonly end: bigint | 'unknown';
}
/** Offsets of the target known to be missing on the source, markers included; nothing says what was written after the last sweep. */
export const missingOf = (p: PartitionAccount): bigint | 'unknown' => (p.brought === 'unknown' || p.end === 'unknown' ? 'unknown' : p.end > p.brought ? p.end - p.brought : 0n);

export interface PlaceAccount {
  readonly group: string;
  readonly end: LogEnds;
  readonly offset: bigint;
  /** `swept`: translated from the target. `left`: where the group was on the source when it left it. `log-start`: nothing is known. */
  readonly by: 'swept' | 'left' | 'log-start';
  /** When that was so; `null`: when the group left the source, or never. */
  readonly sinceMs: number | null;
  readonly metadata: string;
}
/** What lies behind the place: no more than that can be read again. */
export const againOf = (p: PlaceAccount): bigint => (p.end.lso > p.offset ? p.end.lso - p.offset : 0n);

/** Cut sets whose authority the source's ledger shows on the target, each with its cut. */
export async function openedSets(ports: Ports, x: Ask, sets: readonly CutSet[]): Promise<readonly { readonly set: CutSet; readonly mark: Mark }[]> {
  const book = sourceBook(ports);
  const all = await Promise.all(sets.map(async (set) => ({ set, mark: await standingMark(book, { ...x, set }) })));
  return all.flatMap(({ set, mark }) => (mark?.to === 'target' ? [{ set, mark }] : []));
}

/** By opening: a wave that went back without its target may be begun again. */
const broughtKey = (x: Ask, set: CutSet, opened: Mark): string => `${x.c.run}/without-target/brought/${set.name}/${opened.epoch}`;
type KeptBrought = Readonly<Record<string, string>>;
export const broughtEntry = (x: Ask, o: { readonly set: CutSet; readonly opened: Mark }, next: ReadonlyMap<string, bigint>): { key: string; value: string } =>
  ({ key: broughtKey(x, o.set, o.opened), value: JSON.stringify(Object.fromEntries([...next].map(([key, n]) => [key, String(n)])) satisfies KeptBrought) });

/** What was read when the mirror back was silenced; `null`: nobody wrote that down. */
export async function keptBrought(ports: Ports, x: Ask, o: { readonly set: CutSet; readonly opened: Mark }): Promise<KeptBrought | null> {
  const key = broughtKey(x, o.set, o.opened);
  const kept = (await ports.ledger.read(x.m.source, key)).get(key);
  return kept === undefined ? null : (JSON.parse(kept) as KeptBrought);
}
/** Next offset of the target that would have been brought; where the cut was when the mirror had brought nothing yet. */
export const broughtAt = (kept: KeptBrought, mark: Mark, key: string): bigint | 'unknown' => { const next = kept[key] ?? mark.ends.target[key]?.hw; return next === undefined ? 'unknown' : BigInt(next); };

/** From the mirror's own stored offsets, which its Connect worker keeps on the source; once it was silenced, what was read then. */
async function broughtOf(ports: Ports, x: Ask, o: { readonly set: CutSet; readonly mark: Mark }): Promise<(key: string) => bigint | 'unknown'> {
  const kept = await keptBrought(ports, x, { set: o.set, opened: o.mark });
  if (kept) return (key) => broughtAt(kept, o.mark, key);
  const [spec] = await findMirrors(ports, { ...x, set: o.set, toward: 'source' });
  if (!spec) return (key) => broughtAt({}, o.mark, key); // the mirror was never made: nothing came back
  const next = await ports.mirrors.progress(spec);
  return (key) => next.get(key) ?? broughtAt({}, o.mark, key);
}

export async function partitionsOf(ports: Ports, x: Ask, opened: Awaited<ReturnType<typeof openedSets>>): Promise<readonly PartitionAccount[]> {
  const [book, ...sets] = await Promise.all([sweptOf(ports, x), ...opened.map(async (o) => ({ ...o, brought: await broughtOf(ports, x, o).catch(() => (): 'unknown' => 'unknown') }))]);
  return sets.flatMap(({ mark, brought }) => Object.keys(mark.ends.target).sort().map((key): PartitionAccount => ({ key, brought: brought(key), end: book.ends.get(key)?.[1] ?? 'unknown' })));
}

export interface Placing {
  /** Whose positions are to be set. */
  readonly groups: readonly string[];
  /** Those of them that still have members on the source. */
  readonly full: readonly GroupFacts[];
  /** Groups of first sets that are at work on the source: they stay where they are. */
  readonly atWork: readonly { readonly group: string; readonly say: string }[];
}
/** A fleet may be deaf. */
const fleetMs = 8_000;
type OfTwice = { readonly m: Migration; readonly applications: readonly string[]; readonly twice?: readonly string[] };
/** Read from brokers and fleets now: a first set may have left since, or come back. Members in a group whose fleet runs nobody there are not its first set. */
export async function placing(ports: Ports, x: OfTwice, at: At): Promise<Placing> {
  const all = groupsWith(x.m, x.applications);
  const twice = groupsWith(x.m, x.twice ?? []);
  const found = all.length === 0 ? [] : (await clusterOf(ports, x.m, 'source').groups(all)).filter((g) => !isEmpty(g));
  const looked = await Promise.all(found.filter((g) => twice.includes(g.group)).map(async (g) => ({ group: g.group, say: await firstSetOf(ports, x, { group: g, at }) })));
  const atWork = looked.flatMap(({ group, say }) => (say === null ? [] : [{ group, say }]));
  const stays = new Set(atWork.map((w) => w.group));
  return { groups: all.filter((g) => !stays.has(g)), full: found.filter((g) => !stays.has(g.group)), atWork };
}
/** What is said of the first set of a group with members on the source; `null`: its fleets say that nobody of them runs there. */
async function firstSetOf(ports: Ports, x: OfTwice, { group, at }: { readonly group: GroupFacts; readonly at: At }): Promise<string | null> {
  const names = applicationsOf(x.m, x.twice ?? []).filter((a) => groupsOf(a).includes(group.group)).map((a) => a.name);
  let here: readonly (number | 'unknown')[] = ['unknown'];
  await answered(async () => { here = (await askAll(ports, x.m, names, at)).map((f) => f.state.source); }, fleetMs);
  if (here.some((n) => n !== 'unknown' && n > 0)) return `${group.group}: its first set is at work on ${x.m.source} and goes on there`;
  return here.includes('unknown') ? `${group.group}: ${membersOf(group)} on ${x.m.source} taken for its first set, of which its fleet cannot say whether it runs, and left to go on there` : null;
}

/**
 * Both what was swept and what the group left behind say how far it had read at least: the further one counts. Always inside the
 * log. Not so of groups read by two sets, `twice`: up to the cut it was the first that read the source, whatever the second had read.
 */
export async function placesOf(ports: Ports, x: Ask, groups: readonly string[], twice: readonly string[] = []): Promise<readonly PlaceAccount[]> {
  if (groups.length === 0) return [];
  const source = clusterOf(ports, x.m, 'source');
  const topics = unique(groups.flatMap((g) => topicsOf(x.m, g)));
  const [book, committed, ends, firstReads, cuts, remembered] = await Promise.all([sweptOf(ports, x), source.committed(groups), source.ends(topics), firstSetReads(ports, x, twice), openedCuts(ports, x, topics), rememberedOf(sourceBook(ports), x, { groups, on: 'source' })]);
  const logs = byKey(ends);
  return groups.flatMap((group) => {
    const own = committed.get(group) ?? [];
    // Forgotten since it left: where it was then is in the ledger.
    const left = new Map([...own, ...forgottenOf(remembered.get(group) ?? new Map(), own)].map((p) => [tpKey(p), p]));
    return [...logs.values()].filter((e) => topicsOf(x.m, group).includes(e.topic)).map((end) => placeOf(group, { end, left: left.get(tpKey(end)), book, cuts, own: twice.includes(group) ? firstReads(tpKey(end)) : 0n }));
  });
}
/** Not cut: all of it is the first set's. */
const unlimited = 2n ** 63n;
/** Up to where a partition of the source is read by the first of two sets: behind its last record before it was cut. That cut may be behind us already. */
async function firstSetReads(ports: Ports, x: Ask, twice: readonly string[]): Promise<(key: string) => bigint> {
  const book = sourceBook(ports);
  const sets = twice.length === 0 ? [] : setsOf(x.m, unique(twice.flatMap((g) => topicsOf(x.m, g))));
  const cuts = (await Promise.all(sets.map((set) => standingMarks(book, { ...x, set })))).flatMap((all) => all.find((mark) => mark.to === 'target') ?? []);
  return (key) => {
    const end = cuts.flatMap((mark) => mark.ends.source[key] ?? [])[0];
    if (!end) return unlimited;
    // A position may stay before what is no record, such as the end of a transaction.
    return end.last ? BigInt(end.last.offset) + 1n : 0n;
  };
}

/** `own`: up to there only what the group itself committed on the source counts. */
function placeOf(group: string, o: { readonly end: LogEnds; readonly left: Position | undefined; readonly book: Book; readonly cuts: Cuts; readonly own: bigint }): PlaceAccount {
  const { end, left, book, own } = o;
  const key = tpKey(end);
  const kept = book.groups.get(group);
  const swept = kept && holdsFor(kept, o.cuts, end.topic) ? kept.at[key] : undefined;
  const inside = (offset: bigint): bigint => (offset < end.logStart ? end.logStart : offset > end.lso ? end.lso : offset);
  const metadata = left?.metadata ?? '';
  if (swept && book.head && kept && (left?.offset ?? 0n) >= own && (!left || BigInt(swept[1]) >= left.offset)) return { group, end, offset: inside(BigInt(swept[1])), by: 'swept', sinceMs: knownSinceMs(book.head, kept, key), metadata };
  if (left) return { group, end, offset: inside(left.offset), by: 'left', sinceMs: null, metadata };
  return { group, end, offset: end.logStart, by: 'log-start', sinceMs: null, metadata };
}

/** Sets that these applications write, or whose topics they read. */
export const setsAround = (m: Migration, applications: readonly string[]): readonly CutSet[] =>
  setsOf(m, unique(applicationsOf(m, applications).flatMap((a) => [...a.writes, ...a.reads.flatMap((r) => r.topics)])));
export const writersIn = (m: Migration, sets: readonly CutSet[]): readonly string[] => unique(sets.flatMap((set) => writersOf(m, set).map((a) => a.name)));
