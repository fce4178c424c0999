/** Computes where groups continue on the other side: bulk reads first, then the proof of `domain/epochs.ts` per place. */
import { otherSide, type Side } from '../domain/authority.ts';
import { across, type Across, type Place } from '../domain/epochs.ts';
import { Failure } from '../domain/failures.ts';
import type { Answer, Proof } from '../domain/positions.ts';
import { tpKey, type LogEnds, type Ports, type Position, type SeenRecord, type TopicPartition } from '../domain/ports.ts';
import { translateMany, windowOfTail, type Window } from '../domain/windows.ts';
import { withAbortedCopies } from './aborted.ts';
import type { At } from './boundary.ts';
import { judgeAll, readBoth, type Both } from './drained.ts';
import { knownOf, type Known } from './known.ts';
import type { LedgerBook } from './ledger.ts';
import { both as bothSides, clusterOf, count, list, nameOf, setsOf, topicsOf, unique } from './outside.ts';
import { reviving } from './reviving.ts';
import { inSurroundings, type Question } from './surroundings.ts';
import { withForgotten } from './remembered.ts';
import type { Ask, Consent } from './work.ts';

/** Records of each partition read at once: serves every group near the end from memory. */
const windowRecords = 100;
/** Of all partitions of one side: with very many of them each gets less. */
const [tailRecords, leastWindow] = [50_000, 20];
const windowFor = (partitions: number): number => Math.min(windowRecords, Math.max(leastWindow, Math.floor(tailRecords / Math.max(1, partitions))));
const pollMs = { outage: 10, plain: 250 };
/** Offset syncs trail the records they speak of; longer than this they will not come. */
const anchorsMs = 5_000;

export interface Placed extends Position { readonly from: bigint | null; readonly by: Proof['by'] | 'log-start' | 'behind' | 'never-committed' | 'consent' | 'no-repeats' | 'timestamp' | 'earliest' | 'latest'; readonly matched: number; readonly repeats?: number; /** Never read by the group. */ readonly lost?: number }
export type Committed = ReadonlyMap<string, readonly Position[]>;
/** Group → its places on the other side. */
export type Places = ReadonlyMap<string, readonly Placed[]>;

/** A group on a partition it reads, with where it is there. */
export interface Spot { readonly group: string; readonly end: LogEnds; readonly position: bigint | null; readonly metadata: string; readonly started: boolean }
export interface Wanted extends Ask { readonly groups: readonly string[]; /** Side the groups are on now. */ readonly from: Side; readonly consents?: readonly Consent[] }

/** Every partition of every topic each group reads, with its committed position there. */
export function spotsOf(x: Wanted, committed: Committed, ends: Iterable<LogEnds>): readonly Spot[] {
  const all = [...ends];
  return x.groups.flatMap((group) => {
    const positions = new Map((committed.get(group) ?? []).map((p) => [tpKey(p), p]));
    const reads = new Set(topicsOf(x.m, group));
    const own = all.filter((e) => reads.has(e.topic));
    const started = own.some((e) => positions.has(keyOf(e)));
    return own.map((end) => {
      const p = positions.get(keyOf(end));
      return { group, end, position: p?.offset ?? null, metadata: p?.metadata ?? '', started };
    });
  });
}

/** Both logs of all these topics; of each topic the side that is fed is read before the one that feeds. */
interface Ground { readonly known: ReadonlyMap<string, Known>; readonly window: number; readonly by: Readonly<Record<Side, Both | null>> }
async function groundOf(ports: Ports, x: Ask, known: ReadonlyMap<string, Known>): Promise<Ground> {
  const window = windowFor([...known.values()].reduce((n, k) => n + (k.facts[k.authority]?.partitions ?? 0), 0));
  const [source, target] = await Promise.all(bothSides.map(async (authority) => {
    const topics = [...known.values()].filter((k) => k.authority === authority).map((k) => k.topic);
    return topics.length === 0 ? null : readBoth(clusterOf(ports, x.m, authority), clusterOf(ports, x.m, otherSide(authority)), { topics, window });
  }));
  return { known, window, by: { source: source ?? null, target: target ?? null } };
}
const endsOn = (g: Ground, side: Side): readonly LogEnds[] => bothSides.flatMap((authority) => [...(g.by[authority]?.[authority === side ? 'origin' : 'copy'].values() ?? [])]);

/** One look at everything: what is on which spot, and the answer for each. */
export interface Look { readonly spots: readonly Spot[]; readonly answers: ReadonlyMap<Spot, Answer>; readonly known: ReadonlyMap<string, Known> }
export async function lookAt(ports: Ports, record: LedgerBook, x: Wanted, committed: Promise<Committed>): Promise<Look> {
  const [known, positions] = await Promise.all([knownOf(ports, record, x, unique(x.groups.flatMap((g) => topicsOf(x.m, g)))), committed]);
  const ground = await groundOf(ports, x, known);
  const spots = spotsOf(x, positions, endsOn(ground, x.from));
  const there = otherSide(x.from);
  const answers = await withForgotten(record, x, { spots, answers: await withAbortedCopies(x, { known, answers: await answer(ports, x, { spots, ground }), ends: endsOn(ground, there), cluster: clusterOf(ports, x.m, there) }) });
  return { spots, answers, known };
}

/** The committed places on one side, looked at until every one has an exact answer or one with consent; `NotExact` with all that have none. */
export async function settled(ports: Ports, x: Wanted, at: At, look: (committed: Promise<Committed>) => Promise<Look>): Promise<Places> {
  // The groups are empty: what they committed does not change while the rest is looked at again.
  const committed = clusterOf(ports, x.m, x.from).committed(x.groups);
  const startedMs = at.now();
  const sets = setsOf(x.m, unique(x.groups.flatMap((g) => topicsOf(x.m, g))));
  const revived = reviving(ports, x, { sets, toward: otherSide(x.from) }, at);
  for (;;) {
    const { spots, answers } = await look(committed);
    const open = spots.filter((p) => answers.get(p)?.kind !== 'exact');
    const refused = withoutConsent(x, open, answers);
    if (refused.length === 0) return collect(spots, answers);
    const waitMs = waitFor(refused.map((p) => answers.get(p)), x);
    if (at.now() - startedMs >= waitMs) throw notExact(x, refused, answers);
    const healed = revived(`${refused.length} ${describe(refused[0], answers)}`);
    at.seen(`${count(refused.length, 'position')} not yet exact: ${describe(refused[0], answers)}${healed === '' ? '' : `; ${healed}`}`);
    await at.pause(x.c.untilMs === null ? pollMs.plain : pollMs.outage);
  }
}

/** How often a group would read again over all its partitions; `null`: not countable, or not safe at all. */
export function repeatsOf(spots: readonly Spot[], answers: ReadonlyMap<Spot, Answer>): number | null {
  let sum = 0;
  for (const spot of spots) {
    const a = answers.get(spot);
    if (a?.kind === 'exact') continue;
    if (a?.kind !== 'conservative' || a.repeats === 'unknown') return null;
    sum += a.repeats;
  }
  return sum;
}

/** A consent covers a group as long as what was computed now is no more than what was consented to; where nothing is repeated there is nothing to consent to. */
function withoutConsent(x: Wanted, open: readonly Spot[], answers: ReadonlyMap<Spot, Answer>): readonly Spot[] {
  return [...Map.groupBy(open, (p) => p.group)].flatMap(([group, spots]) => {
    const consented = Math.max(0, x.c.mayRepeat?.[group] ?? 0, ...(x.consents ?? []).filter((c) => c.group === group).map((c) => c.repeats));
    const repeats = repeatsOf(spots, answers);
    return repeats !== null && repeats <= consented ? [] : spots;
  });
}

/** What heals by itself is waited for: the mirror moving on, a transaction closing, offset syncs arriving. */
function waitFor(answers: readonly (Answer | undefined)[], x: Ask): number {
  const causes = answers.map((a) => (a?.kind === 'refused' ? a.cause : 'mismatch'));
  if (causes.some((c) => c !== 'behind' && c !== 'open-transaction' && c !== 'no-anchor')) return 0;
  if (causes.includes('no-anchor')) return anchorsMs;
  return x.c.limits.stuckMs;
}

async function answer(ports: Ports, x: Wanted, g: { readonly spots: readonly Spot[]; readonly ground: Ground }): Promise<ReadonlyMap<Spot, Answer>> {
  const out = new Map<Spot, Answer>();
  const of = { source: partitionsOf(g.ground, 'source'), target: partitionsOf(g.ground, 'target') };
  // Most groups stand at the same places, at the end of each partition: one question for all who do.
  const asked = new Map<string, Question<Spot[]>>();
  for (const spot of g.spots) {
    const key = keyOf(spot.end);
    const known = g.ground.known.get(spot.end.topic);
    const seen = known && of[known.authority].get(key);
    if (!known || !seen) throw new Failure('Drift', `Nothing is known of ${key}, which group ${spot.group} reads.`);
    const position = nextOf(spot, { there: seen.ends[otherSide(x.from)], tail: seen.tails[x.from], moving: seen.moving, uncopied: known.copied.includes(false) && x.from === 'source' });
    if (typeof position !== 'bigint') { out.set(spot, position); continue; }
    const place = `${key} ${position}`;
    const same = asked.get(place);
    if (same) same.key.push(spot);
    else asked.set(place, { key: [spot], of: spot.end, across: questionOf(x.from, position, { key, known, seen }), tails: seen.windows });
  }
  const clusters = { source: clusterOf(ports, x.m, 'source'), target: clusterOf(ports, x.m, 'target') };
  await inSurroundings(clusters, [...asked.values()], async (some) => {
    const answers = await translateMany(some.map(({ question, read }) => ({ key: question.key, place: `${keyOf(question.of)} ${question.across.position}`, ask: () => across(question.across, read) })));
    for (const [spots, a] of answers) for (const spot of spots) out.set(spot, a);
  });
  return out;
}
/** A hundred groups share the ends of each partition, and so its name. */
const names = new WeakMap<object, string>();
function keyOf(end: TopicPartition): string {
  const known = names.get(end) ?? tpKey(end);
  names.set(end, known);
  return known;
}

interface Seen { readonly ends: Readonly<Record<Side, LogEnds>>; readonly tails: Readonly<Record<Side, readonly SeenRecord[]>>; readonly windows: Readonly<Record<Side, readonly Window[]>>; readonly moving: boolean; readonly drained: boolean }
/** What was read of the partitions of which this side is the authority. */
function partitionsOf(g: Ground, authority: Side): ReadonlyMap<string, Seen> {
  const read = g.by[authority];
  if (!read) return new Map();
  const proofs = judgeAll(read, g.window, null);
  const moving = new Set(read.moving);
  const window = (log: LogEnds, tail: readonly SeenRecord[], moved: boolean): readonly Window[] => {
    if (!moved) return [windowOfTail(log, tail, g.window)];
    const [low, high] = [tail[0], tail.at(-1)]; // read before the log moved: complete between its own records
    return low && high && low.offset >= log.logStart ? [{ from: low.offset, to: high.offset + 1n, records: tail }] : [];
  };
  return new Map([...read.origin].flatMap(([key, origin]) => {
    const copy = read.copy.get(key);
    if (!copy) return []; // readBoth refused partitions of one side only
    const moved = moving.has(key);
    const [a, b] = [read.originTails.get(key) ?? [], read.copyTails.get(key) ?? []];
    const sided = <T>(mine: T, other: T): Readonly<Record<Side, T>> => (authority === 'source' ? { source: mine, target: other } : { source: other, target: mine });
    return [[key, { ends: sided(origin, copy), tails: sided(a, b), windows: sided(window(origin, a, moved), window(copy, b, moved)), moving: moved, drained: !moved && proofs.get(key)?.drained === true }] as const];
  }));
}

function questionOf(on: Side, position: bigint, o: { readonly key: string; readonly known: Known; readonly seen: Seen }): Across {
  const { known, seen, key } = o;
  const compacted = bothSides.some((side) => known.facts[side]?.configs['cleanup.policy']?.value.includes('compact') === true);
  return {
    on, position, ends: seen.ends, turns: known.turns(key), copied: known.copied, places: known.places.get(key) ?? [],
    anchors: { source: known.anchors.source.get(key) ?? none, target: known.anchors.target.get(key) ?? none },
    more: { state: seen.drained ? 'drained' : 'flowing', compacted },
  };
}
const none: readonly never[] = [];

/**
 * The offset the group would read next, or the answer where that is no question of counting. Without a committed position
 * (or with one that retention has overtaken) only an empty log, or a group that never committed anything, decides.
 */
function nextOf(p: Spot, o: { readonly there: LogEnds; readonly tail: readonly SeenRecord[]; readonly moving: boolean; readonly uncopied: boolean }): bigint | Answer {
  if (p.position !== null && p.position >= p.end.logStart) return p.position;
  // Nothing to read: wherever its reset would put it, it continues at the end. A record that just came must not be skipped.
  if (o.tail.length === 0) return o.moving ? { kind: 'refused', cause: 'behind', why: 'the partition is empty and something is being written to it' } : p.end.lso;
  if (p.position !== null) return { kind: 'refused', cause: 'mismatch', why: `the log begins at ${p.end.logStart}: what the group would read next is gone, and auto.offset.reset would decide` };
  if (p.started) return { kind: 'refused', cause: 'mismatch', why: 'no committed position, though records are there and the group committed on other partitions: auto.offset.reset would decide' };
  // Where not everything was copied the other log begins later: what is on this side only must have been read first.
  if (o.uncopied) return p.end.logStart;
  return { kind: 'exact', offset: o.there.logStart, proof: { by: 'nothing-to-read', anchor: null, matched: 0, next: 'log start' } };
}

function collect(spots: readonly Spot[], answers: ReadonlyMap<Spot, Answer>): Places {
  const out = new Map<string, Placed[]>();
  for (const p of spots) {
    const a = answers.get(p);
    if (!a || a.kind === 'refused') continue;
    const never = a.kind === 'exact' && p.position === null && !p.started && a.proof.next === 'log start';
    const of = out.get(p.group) ?? out.set(p.group, []).get(p.group);
    of?.push({
      topic: p.end.topic, partition: p.end.partition, offset: a.offset, metadata: p.metadata, from: p.position,
      by: never ? 'never-committed' : a.kind === 'exact' ? a.proof.by : a.repeats === 0 ? 'no-repeats' : 'consent', matched: a.kind === 'exact' ? a.proof.matched : 0,
      ...(a.kind === 'conservative' && a.repeats !== 'unknown' && { repeats: a.repeats }),
    });
  }
  return out;
}

/** Nearer than this to a known pair a position is counted off in no time. */
const worthKeeping = 200;
/** Behind what is read of every partition anyway. */
const isFar = (spot: Spot, matched: number): boolean => matched >= worthKeeping || (spot.position !== null && spot.end.lso - spot.position > BigInt(windowRecords));
/** Exact answers as pairs of places, to count on from; where a group has not moved since, nothing is left to count. */
export function provenPlaces(look: Look, from: Side): ReadonlyMap<string, ReadonlyMap<string, Place>> {
  const out = new Map<string, Map<string, Place>>();
  for (const spot of look.spots) {
    const a = look.answers.get(spot);
    if (a?.kind !== 'exact' || spot.position === null || !isFar(spot, a.proof.matched)) continue;
    const of = out.get(spot.group) ?? out.set(spot.group, new Map()).get(spot.group);
    of?.set(tpKey(spot.end), from === 'source' ? { source: spot.position, target: a.offset } : { source: a.offset, target: spot.position });
  }
  return out;
}

export const describe = (p: Spot | undefined, answers: ReadonlyMap<Spot, Answer>): string => {
  const a = p && answers.get(p);
  if (!p || !a || a.kind === 'exact') return 'no answer';
  const repeats = a.kind === 'conservative' ? ` (safe is ${a.offset}, with ${a.repeats} repeats)` : '';
  return `group ${p.group} at ${tpKey(p.end)} position ${p.position ?? 'none'}: ${a.why}${repeats}`;
};
function notExact(x: Wanted, open: readonly Spot[], answers: ReadonlyMap<Spot, Answer>): Failure {
  const shown = open.slice(0, 10).map((p) => `- ${describe(p, answers)}`);
  const rest = open.length > shown.length ? [`- and ${open.length - shown.length} more`] : [];
  return new Failure('NotExact', `${count(open.length, 'position')} of ${list(unique(open.map((p) => p.group)))} cannot be proven on cluster ${nameOf(x.m, otherSide(x.from))}; nothing was written:\n${[...shown, ...rest].join('\n')}\n`);
}
