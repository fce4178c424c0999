/**
 * Readers with `read_uncommitted` (the Java default) also see what a mirror wrote in transactions that were aborted, when it
 * crashed: copies of records that it wrote again afterwards. Behind a group's new position each is a repeat.
 */
import { otherSide } from '../domain/authority.ts';
import type { Answer } from '../domain/positions.ts';
import { tpKey, type AbortedBatch, type Cluster, type LogEnds } from '../domain/ports.ts';
import type { Known } from './known.ts';
import { grouped } from './outside.ts';
import type { Spot, Wanted } from './translating.ts';

/** `group topic` of all that see them. */
const seers = (x: Wanted): ReadonlySet<string> =>
  new Set(x.m.applications.flatMap((a) => a.reads.flatMap((r) => (r.isolation === 'read_uncommitted' && x.groups.includes(r.group) ? r.topics.map((topic) => `${r.group} ${topic}`) : []))));

interface Ground { readonly known: ReadonlyMap<string, Known>; readonly answers: ReadonlyMap<Spot, Answer>; /** Of the side the groups go to. */ readonly ends: readonly LogEnds[]; readonly cluster: Cluster }
interface Place { readonly spot: Spot; readonly answer: Exclude<Answer, { kind: 'refused' }>; readonly from: bigint; readonly end: LogEnds }

/** The answers with these repeats counted in. Only where the groups go to a side that a mirror writes, and only behind its last cut. */
export async function withAbortedCopies(x: Wanted, g: Ground): Promise<ReadonlyMap<Spot, Answer>> {
  const places = placesOf(x, g);
  if (places.length === 0) return g.answers;
  const asked = [...Map.groupBy(places, (p) => tpKey(p.end)).values()].flatMap((same) => (same[0] ? [{ topic: same[0].end.topic, partition: same[0].end.partition, from: same.map((p) => p.from).reduce((a, b) => (a < b ? a : b)), to: same[0].end.lso }] : []));
  const aborted = await g.cluster.records.aborted(asked);
  const out = new Map(g.answers);
  for (const { spot, answer, from, end } of places) {
    const copies = recordsFrom(aborted.get(tpKey(end)) ?? [], from);
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
  return [...g.answers].flatMap(([spot, answer]): readonly Place[] => {
    if (answer.kind === 'refused' || !sees.has(`${spot.group} ${spot.end.topic}`)) return [];
    const [end, known] = [ends.get(tpKey(spot.end)), g.known.get(spot.end.topic)];
    if (!end || !known || known.authority === to) return [];
    const cut = known.turns(tpKey(end)).at(-1)?.[to] ?? 0n;
    const from = answer.offset > cut ? answer.offset : cut;
    return from < end.lso ? [{ spot, answer, from, end }] : [];
  });
}

const recordsFrom = (batches: readonly AbortedBatch[], from: bigint): number =>
  batches.reduce((n, b) => (b.firstOffset >= from ? n + b.records : n), 0);
