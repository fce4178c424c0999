/**
 * Where groups on the target have got to, translated into the source's ledger over and over while the way back is open:
 * should the target die, this is all that is known of them. Reads both clusters, writes to the source's ledger only.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Side } from '../domain/authority.ts';
import { Failure } from '../domain/failures.ts';
import { tpKey, type LogEnds, type Ports, type Position } from '../domain/ports.ts';
import type { At } from './boundary.ts';
import { openedEpoch } from './cut.ts';
import { entry, valueOf, type Entry, type LedgerBook } from './ledger.ts';
import type { Glance } from './looking.ts';
import { isEmpty } from './moved.ts';
import { both, byKey, byName, clusterOf, count, list, setsOf, topicsOf, unique } from './outside.ts';
import { describe, lookAt, type Look, type Spot } from './translating.ts';
import type { Ask, LookAsk } from './work.ts';

/** A sweep that takes longer counts as failed, so that it is told; it is waited for all the same. */
const patienceMs = 10_000;
/** Rest after a sweep, at least so many times as long as it took: a large migration is swept less often, not all the time. */
const restFactor = 2;
/** Brokers forget the positions of a group that stays empty, after seven days unless told otherwise: at least daily, so twice a day. */
const keepEveryMs = 12 * 3_600_000;

/** `from`: its place on the target; null: never committed there. `to`: the next record on the source. Stored data: change it only by adding. */
type KeptPlace = readonly [from: string | null, to: string, repeats: number | 'unknown'];
/** `older`: partitions that could not be translated since, with the time of what is kept of them. `cuts`: by topic, the cut that had opened it. */
export interface KeptGroup { readonly atMs: number; readonly at: Readonly<Record<string, KeptPlace>>; readonly older: Readonly<Record<string, number>>; readonly cuts?: Readonly<Record<string, number>> }
/** Where the log of a topic ended on the target, by partition. */
export interface KeptEnds { readonly ends: Readonly<Record<string, readonly [lso: string, hw: string]>> }
/** Everything under it was right at that time, unless it says otherwise. */
export interface KeptHead { readonly atMs: number; /** When the positions of empty groups were committed again. */ readonly keptMs?: number; readonly groups: readonly string[]; readonly topics: readonly string[] }

type OfSweep = LookAsk & { readonly groups: readonly string[]; readonly topics: readonly string[] };
/** Waves of one estate share the run, and each sweeps for itself. */
const prefixOf = (x: Ask): string => `${x.c.run}/sweep/${x.m.estate === undefined ? '' : `${x.m.estate.wave}/`}`;
const headKey = (x: Ask): string => `${prefixOf(x)}head`;
const groupKey = (x: Ask, group: string): string => `${prefixOf(x)}group/${group}`;
const topicKey = (x: Ask, topic: string): string => `${prefixOf(x)}topic/${topic}`;

/** What the source's ledger has, whatever became of the target. `head` null: nothing was ever swept. */
export interface Book { readonly head: KeptHead | null; readonly groups: ReadonlyMap<string, KeptGroup>; readonly ends: ReadonlyMap<string, readonly [lso: bigint, hw: bigint]> }
export async function sweptOf(ports: Ports, x: Ask): Promise<Book> {
  const entries = await ports.ledger.read(x.m.source, prefixOf(x));
  const head = valueOf<KeptHead>(entries, headKey(x));
  return {
    head,
    groups: new Map((head?.groups ?? []).flatMap((group) => { const kept = valueOf<KeptGroup>(entries, groupKey(x, group)); return kept ? [[group, kept] as const] : []; })),
    ends: new Map((head?.topics ?? []).flatMap((topic) => Object.entries(valueOf<KeptEnds>(entries, topicKey(x, topic))?.ends ?? {}).map(([partition, [lso, hw]]) => [`${topic}/${partition}`, [BigInt(lso), BigInt(hw)]] as const))),
  };
}
/** When what is kept of a partition was true. */
export const knownSinceMs = (head: KeptHead, kept: KeptGroup, key: string): number => kept.older[key] ?? head.atMs;

interface Sweep { readonly atMs: number; readonly positions: number; /** Why some of it is older; empty: all is as of `atMs`. */ readonly open: readonly string[] }

export const sweep = (ports: Ports, record: LedgerBook, redact: (text: string) => string = (text) => text) => ({
  lookSwept(x: OfSweep, at: At): () => Promise<Glance> {
    const notes = new Map<string, string>();
    let under: Promise<Sweep | Error> | null = null;
    let sweptMs: number | null = null;
    return async () => {
      const startedMs = at.now();
      under ??= once(ports, record, x, { at, notes }).catch((error: unknown) => (error instanceof Error ? error : new Error(String(error)))).finally(() => { under = null; });
      const done = await within(under);
      at.until.check();
      const told = done === 'late' ? new Error(`no answer within ${patienceMs / 1_000} s`) : done;
      if (!(told instanceof Error)) sweptMs = told.atMs;
      sweptMs ??= (await sweptOf(ports, x).catch(() => null))?.head?.atMs ?? null;
      await at.pause(restFactor * (at.now() - startedMs));
      return told instanceof Error ? failing(x, { sweptMs, why: redact(told.message) }) : swept(x, told);
    };
  },
});

async function within<T>(work: Promise<T>): Promise<T | 'late'> {
  const done = new AbortController();
  const late = sleep(patienceMs, 'late' as const, { signal: done.signal });
  late.catch(() => undefined); // ended early
  try { return await Promise.race([work, late]); } finally { done.abort(); }
}

const iso = (ms: number): string => new Date(ms).toISOString();
function swept(x: OfSweep, s: Sweep): Glance {
  const older = s.open.length === 0 ? '' : `; ${s.open.length} of them as they were before: ${list(s.open, 3)}`;
  return {
    done: false, state: s.open.length === 0 ? 'swept' : `swept but for ${s.open.length}`, progress: String(s.atMs),
    say: `as of ${iso(s.atMs)} the ledger of ${x.m.source} has ${count(s.positions, 'position')} of ${list(x.groups) || 'no group'}${older}.`,
    figures: { sweptMs: s.atMs, positions: s.positions, older: s.open.length },
  };
}
function failing(x: OfSweep, f: { readonly sweptMs: number | null; readonly why: string }): Glance {
  return {
    done: false, state: `failing since ${f.sweptMs ?? 'the beginning'}`, progress: f.why,
    say: `what the ledger of ${x.m.source} has of positions on ${x.m.target} is ${f.sweptMs === null ? 'nothing: no sweep has succeeded' : `as of ${iso(f.sweptMs)}`}: ${f.why}`,
    figures: { sweptMs: f.sweptMs, failing: true },
  };
}

interface Notes { readonly at: At; /** What this call has written, by key. */ readonly notes: Map<string, string> }
async function once(ports: Ports, record: LedgerBook, x: OfSweep, { at, notes }: Notes): Promise<Sweep> {
  const [source, target] = [clusterOf(ports, x.m, 'source'), clusterOf(ports, x.m, 'target')];
  const atMs = at.now();
  const topics = unique(x.groups.flatMap((group) => topicsOf(x.m, group)));
  // First of all: whoever is found to be ahead of what was copied has read at least this much of the source.
  const before = byKey(topics.length === 0 ? [] : await source.ends(topics));
  const [ends, committed, book, cuts] = await Promise.all([x.topics.length === 0 ? [] : target.ends(x.topics), target.committed(x.groups), sweptOf(ports, x), openedCuts(ports, x, topics)]);
  const moved = x.groups.filter((group) => isMoved(book.groups.get(group), ofGroup(x, group, committed), pick(cuts, topicsOf(x.m, group))));
  const look = moved.length === 0 ? null : await lookAt(ports, record, { ...x, groups: moved, from: 'target' }, Promise.resolve(committed));
  const kept = new Map(x.groups.map((group) => [group, (look && moved.includes(group) ? keptOf(look, { group, before, atMs, book, cuts: pick(cuts, topicsOf(x.m, group)) }) : book.groups.get(group)) ?? { atMs, at: {}, older: {} }] as const));
  const due = atMs - (book.head?.keptMs ?? atMs) >= keepEveryMs;
  if (due) for (const side of both) await keepAlive(ports, x, { side, at });
  const head: KeptHead = { atMs, keptMs: due ? atMs : book.head?.keptMs ?? atMs, groups: [...x.groups].sort(byName), topics: [...x.topics].sort(byName) };
  const entries = [
    ...[...kept].map(([group, of]) => entry(groupKey(x, group), of)),
    ...x.topics.map((topic) => entry(topicKey(x, topic), { ends: endsOf(ends.filter((e) => e.topic === topic)) } satisfies KeptEnds)),
  ].filter((e) => notes.get(e.key) !== e.value);
  at.until.check();
  // The head last: what it vouches for is there.
  await ports.ledger.write(x.m.source, [...entries, entry(headKey(x), head)], at.until);
  for (const e of entries as readonly Entry[]) notes.set(e.key, e.value);
  const spots = look?.spots ?? [];
  return {
    atMs, positions: [...kept.values()].reduce((n, of) => n + Object.keys(of.at).length, 0),
    open: [...kept].flatMap(([group, of]) => Object.keys(of.older).map((key) => describe(spots.find((p) => p.group === group && tpKey(p.end) === key), look?.answers ?? new Map()))),
  };
}

/** On the target whoever was stopped for long, on the source all that moved: the same positions again, so that no reset ever decides. */
async function keepAlive(ports: Ports, x: OfSweep, { side, at }: { readonly side: Side; readonly at: At }): Promise<void> {
  const cluster = clusterOf(ports, x.m, side);
  const empty = (await cluster.groups(x.groups)).filter((g) => g.type !== 'none' && isEmpty(g)).map((g) => g.group);
  const committed = await cluster.committed(empty);
  for (const group of empty) {
    const positions = ofGroup(x, group, committed);
    if (positions.length === 0) continue;
    try {
      at.until.check();
      await cluster.commit(new Map([[group, positions]]), at.until);
    } catch (error) {
      // Somebody joined it meanwhile: its positions do not expire.
      if (!(error instanceof Failure) || error.type !== 'GroupActive') throw error;
    }
  }
}

const ofGroup = (x: Ask, group: string, committed: ReadonlyMap<string, readonly Position[]>): readonly Position[] => { const reads = topicsOf(x.m, group); return (committed.get(group) ?? []).filter((p) => reads.includes(p.topic)); };
/** A place that was ahead of what had been copied has one that is nearer by now. */
const isMoved = (kept: KeptGroup | undefined, now: readonly Position[], cuts: Cuts): boolean =>
  !kept || Object.keys(cuts).some((topic) => kept.cuts?.[topic] !== cuts[topic]) || Object.keys(kept.older).length > 0 || Object.values(kept.at).some(([, , repeats]) => repeats !== 0) || now.some((p) => kept.at[tpKey(p)]?.[0] !== String(p.offset));

/** By topic, the cut that opened it. A rollback may have removed it from the target, and a later opening filled it anew: the same offset is another place then. */
export async function openedCuts(ports: Ports, x: Ask, topics: readonly string[]): Promise<Cuts> {
  const entries = await ports.ledger.read(x.m.source, `${x.c.run}/cut/`);
  return Object.fromEntries(setsOf(x.m, topics).flatMap((set) => { const epoch = openedEpoch(entries, { ...x, set }); return set.topics.map((topic) => [topic, epoch] as const); }));
}
export type Cuts = Readonly<Record<string, number>>;
const pick = (cuts: Cuts, topics: readonly string[]): Cuts => Object.fromEntries(topics.map((topic) => [topic, cuts[topic] ?? 0]));
/** Of an earlier opening nothing holds; what an earlier release wrote does not say of which it is. */
export const holdsFor = (kept: KeptGroup, cuts: Cuts, topic: string): boolean => kept.cuts === undefined || kept.cuts[topic] === (cuts[topic] ?? 0);

const endsOf = (ends: readonly LogEnds[]): KeptEnds['ends'] => Object.fromEntries(ends.map((e) => [e.partition, [String(e.lso), String(e.hw)] as const]));

function keptOf(look: Look, o: { readonly group: string; readonly before: ReadonlyMap<string, LogEnds>; readonly atMs: number; readonly book: Book; readonly cuts: Cuts }): KeptGroup {
  const earlier = o.book.groups.get(o.group);
  const at: Record<string, KeptPlace> = {};
  const older: Record<string, number> = {};
  for (const spot of look.spots.filter((p) => p.group === o.group)) {
    const key = tpKey(spot.end);
    const place = placeOf(look, spot, o.before.get(key));
    const known = earlier && holdsFor(earlier, o.cuts, spot.end.topic) ? earlier.at[key] : undefined;
    if (place) at[key] = place;
    else {
      if (known) at[key] = known;
      older[key] = (known && (earlier?.older[key] ?? o.book.head?.atMs)) ?? 0;
    }
  }
  return { atMs: o.atMs, at, older, cuts: o.cuts };
}

/** Never ahead of the group. One that has read what is not back yet has read all that is: it goes on behind that. */
function placeOf(look: Look, spot: Spot, before: LogEnds | undefined): KeptPlace | null {
  const answer = look.answers.get(spot);
  const from = spot.position === null ? null : String(spot.position);
  if (answer?.kind === 'exact') return [from, String(answer.offset), 0];
  if (answer?.kind === 'conservative') return [from, String(answer.offset), answer.repeats];
  const ahead = answer?.cause === 'behind' && from !== null && look.known.get(spot.end.topic)?.authority === 'target';
  return ahead && before ? [from, String(before.lso), 'unknown'] : null;
}
