/**
 * Groups that do not go on where they were: from the beginning of the target's log, with repeats, or behind it, with loss.
 * Both are counted record by record when everybody has stopped, and held against what was consented to.
 */
import { otherSide, type Side } from '../domain/authority.ts';
import { Failure } from '../domain/failures.ts';
import type { Migration } from '../domain/migration.ts';
import { tpKey, type Cluster, type LogEnds, type Ports, type Position } from '../domain/ports.ts';
import type { At } from './boundary.ts';
import { clusterOf, count, list, nameOf, topicsOf, unique } from './outside.ts';
import type { Places } from './translating.ts';
import type { Ask, Consent, LossConsent } from './work.ts';

interface OfGroups extends Ask { readonly groups: readonly string[]; readonly to: Side }
export interface Span { readonly group: string; readonly end: LogEnds; readonly position: bigint | null; readonly from: bigint; readonly to: bigint }
/** Partitions counted at once. */
const atOnce = 4;

/** Visible records in each of these spans; of a group that passes `most` over all its partitions the counting ends there. */
export async function countAll(cluster: Cluster, spans: readonly Span[], mostOf: (group: string) => number): Promise<ReadonlyMap<Span, number>> {
  const out = new Map<Span, number>();
  const sums = new Map<string, number>();
  const rest = [...spans];
  const lane = async (): Promise<void> => {
    for (let span = rest.shift(); span; span = rest.shift()) {
      let n = 0;
      if (span.from < span.to) for await (const _ of cluster.records.range({ topic: span.end.topic, partition: span.end.partition, from: span.from, to: span.to })) {
        n += 1;
        sums.set(span.group, (sums.get(span.group) ?? 0) + 1);
        if ((sums.get(span.group) ?? 0) > mostOf(span.group)) break;
      }
      out.set(span, n);
    }
  };
  await Promise.all(Array.from({ length: atOnce }, lane));
  return out;
}

/** What each group has not read on that side; never committed counts from the log start. */
async function unreadSpans(cluster: Cluster, m: Migration, groups: readonly string[]): Promise<readonly Span[]> {
  const committed = await cluster.committed(groups);
  const ends = await cluster.ends(unique(groups.flatMap((g) => topicsOf(m, g))));
  return groups.flatMap((group) => {
    const positions = new Map((committed.get(group) ?? []).map((p: Position) => [tpKey(p), p.offset]));
    const reads = topicsOf(m, group);
    return ends.filter((e) => reads.includes(e.topic)).map((end): Span => {
      const position = positions.get(tpKey(end)) ?? null;
      return { group, end, position, from: position === null || position < end.logStart ? end.logStart : position, to: end.lso };
    });
  });
}

/** By group: visible records that it would never read if it began at the latest now. Counted up to one more than `most`. */
export async function lossNow(ports: Ports, x: Pick<Ask, 'm'> & { readonly groups: readonly string[]; readonly on: Side }, mostOf: (group: string) => number): Promise<ReadonlyMap<string, number>> {
  const cluster = clusterOf(ports, x.m, x.on);
  return summed(x.groups, await countAll(cluster, await unreadSpans(cluster, x.m, x.groups), mostOf));
}
/** By group: visible records below where it is now; as many as it would read again if it began at the earliest. */
export async function repeatsNow(ports: Ports, x: Pick<Ask, 'm'> & { readonly groups: readonly string[]; readonly on: Side }, mostOf: (group: string) => number): Promise<ReadonlyMap<string, number>> {
  const cluster = clusterOf(ports, x.m, x.on);
  const spans = (await unreadSpans(cluster, x.m, x.groups)).map((s) => ({ ...s, from: s.end.logStart, to: s.from }));
  return summed(x.groups, await countAll(cluster, spans, mostOf));
}
export function summed(groups: readonly string[], counted: ReadonlyMap<Span, number>): ReadonlyMap<string, number> {
  const sums = new Map(groups.map((g) => [g, 0]));
  for (const [span, n] of counted) sums.set(span.group, (sums.get(span.group) ?? 0) + n);
  return sums;
}

/** Behind everything that is on `to`: what is unread on the other side is never read, at most as many as the migration allows. */
export async function latest(ports: Ports, x: OfGroups & { readonly losses?: readonly LossConsent[] }): Promise<Places> {
  const [here, there] = [clusterOf(ports, x.m, otherSide(x.to)), clusterOf(ports, x.m, x.to)];
  const mostOf = (group: string): number => x.losses?.find((l) => l.group === group)?.records ?? 0;
  const spans = await unreadSpans(here, x.m, x.groups);
  const open = spans.filter((s) => s.end.hw !== s.end.lso);
  if (open.length > 0) throw new Failure('NotExact', `On cluster ${here.name} a transaction is open on ${list(unique(open.map((s) => tpKey(s.end))), 3)}: what is lost cannot be counted; nothing was written.`);
  const counted = await countAll(here, spans, mostOf);
  const over = [...summed(x.groups, counted)].filter(([group, n]) => n > mostOf(group));
  if (over.length > 0) throw new Failure('NotExact', `${over.map(([group]) => `Group ${group} would lose more than the ${count(mostOf(group), 'record')} that the migration allows`).join('; ')}; nothing was written on cluster ${nameOf(x.m, x.to)}.`, 'Wait until they have read more, or raise "mayLose"; then retry.');
  const ends = new Map((await there.ends(unique(x.groups.flatMap((g) => topicsOf(x.m, g))))).map((e) => [tpKey(e), e]));
  return placed(x, spans, (span) => {
    const end = ends.get(tpKey(span.end));
    if (!end || end.hw !== end.lso) throw new Failure('NotExact', `${tpKey(span.end)} on cluster ${nameOf(x.m, x.to)} ${end ? 'has a transaction open' : 'does not exist'}.`);
    return { offset: end.lso, by: 'latest', lost: counted.get(span) ?? 0 };
  });
}

/** From where the log of `to` begins: all below where the group continues is read again, at most as often as was consented to. */
export async function earliest(ports: Ports, x: OfGroups & { readonly consents?: readonly Consent[] }, o: { readonly at: At; readonly translated: () => Promise<Places> }): Promise<Places> {
  const there = clusterOf(ports, x.m, x.to);
  const mostOf = (group: string): number => Math.max(x.c.mayRepeat?.[group] ?? -1, ...(x.consents ?? []).filter((c) => c.group === group).map((c) => c.repeats), 0);
  const places = await o.translated();
  const ends = new Map((await there.ends(unique(x.groups.flatMap((g) => topicsOf(x.m, g))))).map((e) => [tpKey(e), e]));
  const spans = [...places].flatMap(([group, of]) => of.flatMap((p): readonly Span[] => {
    const end = ends.get(tpKey(p));
    return end ? [{ group, end, position: p.from, from: end.logStart, to: p.offset }] : [];
  }));
  // A position that could only be placed too low, by consent, stands for so many more.
  const low = new Map([...places].flatMap(([group, of]) => of.map((p) => [`${group} ${tpKey(p)}`, p.repeats ?? 0] as const)));
  const counted = new Map([...await countAll(there, spans, mostOf)].map(([span, n]) => [span, n + (low.get(`${span.group} ${tpKey(span.end)}`) ?? 0)]));
  const over = [...summed(x.groups, counted)].filter(([group, n]) => n > mostOf(group));
  if (over.length > 0) throw new Failure('NotExact', `${over.map(([group]) => `Group ${group} would read more than the ${count(mostOf(group), 'record')} again that the migration allows`).join('; ')}; nothing was written on cluster ${nameOf(x.m, x.to)}.`, 'Begin it where it was ("translated"), or raise "mayRepeat"; then retry.');
  return placed(x, spans, (span) => ({ offset: span.end.logStart, by: 'earliest', repeats: counted.get(span) ?? 0 }));
}

type Where = Pick<Places extends ReadonlyMap<string, readonly (infer P)[]> ? P : never, 'offset' | 'by' | 'repeats' | 'lost'>;
const placed = (x: OfGroups, spans: readonly Span[], where: (span: Span) => Where): Places => new Map(x.groups.map((group) => [group, spans.filter((s) => s.group === group).map((s) => ({
  topic: s.end.topic, partition: s.end.partition, metadata: '', from: s.position, matched: 0, ...where(s),
}))]));
