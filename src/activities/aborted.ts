/**
 * Readers with `read_uncommitted` (the Java default) also see what a mirror wrote in transactions that were aborted, when it
 * crashed: copies of records that it wrote again afterwards. Behind a group's new position each is a repeat.
 */
import { otherSide, type Side } from '../domain/authority.ts';
import { epochsOf } from '../domain/epochs.ts';
import type { Answer } from '../domain/positions.ts';
import { tpKey, type AbortedBatch, type Cluster, type LogEnds } from '../domain/ports.ts';
import type { Known } from './known.ts';
import { grouped } from './outside.ts';
import type { Spot, Wanted } from './translating.ts';

/** `group topic` of all that see them. */
const seers = (x: Wanted): ReadonlySet<string> =>
  new Set(x.m.applications.flatMap((a) => a.reads.flatMap((r) => (r.isolation === 'read_uncommitted' && x.groups.includes(r.group) ? r.topics.map((topic) => `${r.group} ${topic}`) : []))));

interface Ground { readonly known: ReadonlyMap<string, Known>; readonly answers: ReadonlyMap<Spot, Answer>; /** Of the side the groups go to. */ readonly ends: readonly LogEnds[]; readonly cluster: Cluster }
/** Offsets of a log, half-open. */
interface Stretch { readonly from: bigint; readonly until: bigint }
/** `copied`: what mirrors wrote of it behind the answer, the lowest first. */
interface Place { readonly spot: Spot; readonly answer: Exclude<Answer, { kind: 'refused' }>; readonly end: LogEnds; readonly copied: readonly Stretch[] }

/** The answers with these repeats counted in: behind each, in all that mirrors wrote there in any epoch. One call, however many groups ask. */
export async function withAbortedCopies(x: Wanted, g: Ground): Promise<ReadonlyMap<Spot, Answer>> {
  const places = placesOf(x, g);
  if (places.length === 0) return g.answers;
  const counted = await abortedIn(g.cluster, places.map((p) => ({ ...p, stretches: p.copied })));
  const out = new Map(g.answers);
  for (const [{ spot, answer }, copies] of counted) {
    if (copies === 0) continue;
    const why = `behind it ${copies === 1 ? 'lies 1 aborted copy' : `lie ${grouped(copies)} aborted copies`} of the mirror, which a reader with read_uncommitted sees`;
    out.set(spot, answer.kind === 'exact' ? { kind: 'conservative', offset: answer.offset, repeats: copies, why } : { ...answer, repeats: answer.repeats === 'unknown' ? 'unknown' : answer.repeats + copies, why: `${answer.why}; ${why}` });
  }
  return out;
}

function placesOf(x: Wanted, g: Ground): readonly Place[] {
  const sees = seers(x);
  if (sees.size === 0) return [];
  const to = otherSide(x.from);
  const ends = new Map(g.ends.map((e) => [tpKey(e), e]));
  const written = new Map<string, readonly Stretch[]>();
  return [...g.answers].flatMap(([spot, answer]): readonly Place[] => {
    if (answer.kind === 'refused' || !sees.has(`${spot.group} ${spot.end.topic}`)) return [];
    const key = tpKey(spot.end);
    const [end, known] = [ends.get(key), g.known.get(spot.end.topic)];
    if (!end || !known) return [];
    const all = written.get(key) ?? copiedIn(known, end, to);
    written.set(key, all);
    const copied = all.map((s) => ({ ...s, from: higher(s.from, answer.offset) })).filter((s) => s.from < s.until);
    return copied.length === 0 ? [] : [{ spot, answer, end, copied }];
  });
}

/** What mirrors wrote of this log. Where it had the authority applications wrote, and what they aborted repeats nothing. */
const copiedIn = (known: Known, end: LogEnds, to: Side): readonly Stretch[] =>
  epochsOf({ turns: known.turns(tpKey(end)), copied: known.copied }).filter((e) => e.copied && e.authority !== to)
    .map((e) => ({ from: e.from[to], until: lower(e.until?.[to] ?? end.lso, end.lso) }));

/** Aborted records in these stretches of logs. Each partition is asked about once, over all that is wanted of it; of a batch across the beginning of a stretch the rest counts. */
export async function abortedIn<T extends { readonly end: LogEnds; readonly stretches: readonly Stretch[] }>(cluster: Cluster, places: readonly T[]): Promise<readonly (readonly [T, number])[]> {
  const asked = [...Map.groupBy(places, (p) => tpKey(p.end)).values()].flatMap((same) => same.slice(0, 1).map(({ end: { topic, partition } }) => {
    const all = same.flatMap((p) => p.stretches);
    return { topic, partition, from: all.map((s) => s.from).reduce(lower), to: all.map((s) => s.until).reduce(higher) };
  }));
  const aborted = await cluster.records.aborted(asked);
  return places.map((p) => [p, (aborted.get(tpKey(p.end)) ?? []).reduce((n, b) => n + p.stretches.reduce((m, s) => m + recordsWithin(b, s), 0), 0)] as const);
}
const recordsWithin = (b: AbortedBatch, s: Stretch): number =>
  Math.max(0, Number(lower(b.firstOffset + BigInt(b.records), s.until) - higher(b.firstOffset, s.from)));
const lower = (a: bigint, b: bigint): bigint => (a < b ? a : b);
const higher = (a: bigint, b: bigint): bigint => (a > b ? a : b);
