/**
 * A set of consumers whose log was never copied, and that has not read it to its end when the way back is taken: with a
 * consent it keeps its place there, and reads again what was carried back behind it. Nothing of its own is ever passed over.
 */
import { otherSide, type Side } from '../domain/authority.ts';
import { Failure } from '../domain/failures.ts';
import { readingsOf, type Migration } from '../domain/migration.ts';
import type { Repeats } from '../domain/scheme.ts';
import { tpKey, type Cluster, type LogEnds, type Ports, type Position } from '../domain/ports.ts';
import { abortedIn } from './aborted.ts';
import { countAll, summed, type Span } from './beginning.ts';
import { standingMarks, type Mark } from './cut.ts';
import { unreadOf, type Unread } from './drained.ts';
import { bookOf, type LedgerBook } from './ledger.ts';
import { clusterOf, count, grouped, list, nameOf, setsOf, topicsOf, unique } from './outside.ts';
import type { Placed } from './translating.ts';
import type { Ask } from './work.ts';

interface OfGroups extends Ask { readonly groups: readonly string[]; readonly topics: readonly string[]; readonly on: Side }
/** Between these offsets of a partition stands what was carried there from the other side; `to` null: up to its end. */
interface Carried { readonly from: bigint; readonly to: bigint | null }

/** By topic: the cuts that stand, the oldest first. */
export type History = ReadonlyMap<string, readonly Mark[]>;
export async function historyOf(record: LedgerBook, x: Ask & { readonly topics: readonly string[] }): Promise<History> {
  const sets = setsOf(x.m, x.topics);
  const book = await bookOf(record, x.m, `${x.c.run}/cut/`);
  const marks = await Promise.all(sets.map((set) => standingMarks(book, { ...x, set })));
  return new Map(sets.flatMap((set, i) => set.topics.map((topic) => [topic, (marks[i] ?? []).toSorted((a, b) => a.epoch - b.epoch)] as const)));
}
const leaves = (mark: Mark, on: Side): boolean => mark.to !== on && mark.mirror === null;
const hwAt = (mark: Mark, on: Side, key: string): bigint | null => { const end = mark.ends[on][key]; return end === undefined ? null : BigInt(end.hw); };

/** What these groups have not read of what is on that side only, by partition; a log that was never left counts for nothing. */
async function remainderOf(ports: Ports, x: OfGroups, history: History): Promise<readonly Unread[]> {
  const until = new Map([...history.values()].flatMap((marks) => { const last = marks.findLast((m) => leaves(m, x.on)); return last === undefined ? [] : Object.entries(last.ends[x.on]).map(([key, end]) => [key, BigInt(end.lso)] as const); }));
  const left = await unreadOf(ports, { m: x.m, groups: x.groups, topics: x.topics, on: x.on, until });
  return left.filter((u) => u.atMost > 0n && until.has(u.key));
}

function carried(marks: readonly Mark[], on: Side, key: string): readonly Carried[] {
  return marks.flatMap((mark, i) => {
    const [from, next] = [leaves(mark, on) ? hwAt(mark, on, key) : null, marks[i + 1]];
    return from === null ? [] : [{ from, to: next === undefined ? null : hwAt(next, on, key) }];
  });
}

const byHand = 'Do not start a set there by hand: it would read on into what was carried behind its place.';
/**
 * Places of the partitions that are not drained: where the group is. Throws `NotExact` for a group without a consent, and for
 * one that would read more records again than it has; they are counted one by one.
 */
export async function keptPlaces(ports: Ports, x: Ask & { readonly groups: readonly string[]; readonly topics: readonly string[]; readonly to: Side }, { ends, history }: { readonly ends: readonly LogEnds[]; readonly history: History }): Promise<ReadonlyMap<string, readonly Placed[]>> {
  const on = x.to;
  const left = await remainderOf(ports, { ...x, on }, history);
  if (left.length === 0) return new Map();
  const mostOf = (group: string): number => x.c.mayRepeat?.[group] ?? -1;
  const none = left.filter((u) => mostOf(u.group) < 0);
  if (none.length > 0) throw new Failure('NotExact', `${list(none.map((u) => `${u.group} has at most ${grouped(u.atMost)} unread in ${u.key}`), 5)} on cluster ${nameOf(x.m, on)}, and they are nowhere else; behind all of it they would never be read. Nothing was written.`,
    `Accept that it reads again what was carried behind: "mayRepeat" with retry. ${byHand}`);
  const cluster = clusterOf(ports, x.m, on);
  const spans = left.flatMap((u) => {
    const end = ends.find((e) => tpKey(e) === u.key);
    const at = u.position ?? 0n;
    return end === undefined ? [] : carried(history.get(end.topic) ?? [], on, u.key).map((c): Span => ({ group: u.group, end, position: u.position, from: c.from > at ? c.from : at, to: c.to ?? end.lso }));
  });
  const counted = await withAborted(cluster, x.m, spans, await countAll(cluster, spans, mostOf));
  const sums = summed(unique(left.map((u) => u.group)), counted);
  const over = [...sums].filter(([group, n]) => n > mostOf(group)).map(([group]) => group);
  if (over.length > 0) throw new Failure('NotExact', `${over.map((group) => `Group ${group} keeps its place on cluster ${cluster.name} and would read more than the ${count(mostOf(group), 'record')} again that were consented to`).join('; ')}; nothing was written.`, `Retry with a higher "mayRepeat". ${byHand}`);
  const committed = await cluster.committed(unique(left.map((u) => u.group)));
  return new Map([...sums.keys()].map((group) => [group, left.filter((u) => u.group === group).flatMap((u): readonly Placed[] => {
    const end = ends.find((e) => tpKey(e) === u.key);
    if (end === undefined) return [];
    const known = (committed.get(group) ?? []).find((p: Position) => tpKey(p) === u.key);
    const offset = u.position === null || u.position < end.logStart ? end.logStart : u.position;
    const repeats = spans.filter((s) => s.group === group && s.end === end).reduce((n, s) => n + (counted.get(s) ?? 0), 0);
    return [{ topic: end.topic, partition: end.partition, offset, metadata: known?.metadata ?? '', from: u.position, by: 'consent', matched: 0, repeats }];
  })] as const));
}

/** Who reads uncommitted also sees what a mirror that crashed wrote in vain. */
async function withAborted(cluster: Cluster, m: Migration, spans: readonly Span[], counted: ReadonlyMap<Span, number>): Promise<ReadonlyMap<Span, number>> {
  const seers = new Set(readingsOf(m.applications).filter((r) => r.isolation === 'read_uncommitted').map((r) => r.group));
  const seen = spans.filter((s) => seers.has(s.group) && s.from < s.to);
  if (seen.length === 0) return counted;
  const aborted = new Map((await abortedIn(cluster, seen.map((span) => ({ span, end: span.end, stretches: [{ from: span.from, until: span.to }] })))).map(([{ span }, n]) => [span, n] as const));
  return new Map([...counted].map(([s, n]) => [s, n + (aborted.get(s) ?? 0)]));
}

/** A consent is given before the last of them is written: so much more than what is there. */
const roomFor = (n: bigint): number => Math.ceil((Number(n) * 2 + 1_000) / 1_000) * 1_000;
/** By group: what it would read again if it kept its place now (`least`), from the ends of the logs alone; and a consent with room for what is still being written (`unless`). */
export async function repeatsIfKept(ports: Ports, record: LedgerBook, x: OfGroups, left: readonly Unread[]): Promise<{ readonly unless: Repeats; readonly least: Repeats; readonly figures: readonly string[] }> {
  const away = otherSide(x.on);
  const [history, ends, far] = await Promise.all([historyOf(record, x), clusterOf(ports, x.m, x.on).ends(x.topics), clusterOf(ports, x.m, away).ends(x.topics)]);
  const lengthOf = (u: Unread): bigint => {
    const topic = u.key.slice(0, u.key.lastIndexOf('/'));
    const [marks, end, other] = [history.get(topic) ?? [], ends.find((e) => tpKey(e) === u.key), far.find((e) => tpKey(e) === u.key)];
    const stretches = carried(marks, x.on, u.key);
    const before = stretches.reduce((n, c) => n + (c.to === null ? 0n : c.to - c.from), 0n);
    const here = stretches.reduce((n, c) => n + (c.to === null && end !== undefined ? end.lso - c.from : 0n), 0n);
    const last = marks.at(-1);
    // What is carried already is part of what is to be carried.
    const there = last !== undefined && leaves(last, x.on) && other !== undefined ? other.lso - (hwAt(last, away, u.key) ?? other.logStart) : 0n;
    return before + (here > there ? here : there);
  };
  const groups = unique(left.map((u) => u.group)).filter((g) => topicsOf(x.m, g).length > 0);
  const sums = groups.map((group) => [group, left.filter((u) => u.group === group).reduce((n, u) => n + lengthOf(u), 0n)] as const);
  return {
    unless: Object.fromEntries(sums.map(([group, n]) => [group, roomFor(n)])), least: Object.fromEntries(sums.map(([group, n]) => [group, Number(n)])),
    figures: sums.map(([group, n]) => `${group} may keep its place on the ${x.on} where nobody wants to wait for it: it then reads again what is carried back behind it, at most ${grouped(n)} records as of now, and more while they are being written`),
  };
}
