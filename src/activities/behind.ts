/** Positions behind all that a log holds: for a set of consumers that begins, or comes back, beside another that reads the rest. */
import { otherSide, type Side } from '../domain/authority.ts';
import { Failure } from '../domain/failures.ts';
import { tpKey, type LogEnds, type Ports } from '../domain/ports.ts';
import type { Mark } from './cut.ts';
import { unreadOf } from './drained.ts';
import type { LedgerBook } from './ledger.ts';
import { historyOf, keptPlaces } from './remainder.ts';
import { clusterOf, list, nameOf, setsOf, topicsOf, unique } from './outside.ts';
import type { Placed, Places } from './translating.ts';
import type { Ask } from './work.ts';

interface OfGroups extends Ask { readonly groups: readonly string[]; readonly to: Side; readonly topics?: readonly string[] }

/**
 * Where the log has the authority it is where it was cut last: what is behind that nobody has read yet. Elsewhere it is the
 * end: nobody writes there but a mirror, whose originals the group reads. What is in one log only must have been read; with a
 * consent a group that has not keeps its place there.
 */
export async function behindAll(ports: Ports, record: LedgerBook, x: OfGroups): Promise<Places> {
  const all = unique(x.groups.flatMap((g) => topicsOf(x.m, g))).filter((t) => x.topics?.includes(t) ?? true);
  const ends = await clusterOf(ports, x.m, x.to).ends(all);
  const history = await historyOf(record, { ...x, topics: all });
  const markOf = (topic: string): Mark | null => history.get(topic)?.at(-1) ?? null;
  await requireRead(ports, x, { sets: setsOf(x.m, all).map((set) => ({ topics: set.topics.filter((t) => all.includes(t)), mark: markOf(set.topics[0] ?? '') })), ends });
  const kept = await keptPlaces(ports, { ...x, topics: all }, { ends, history });
  return new Map(x.groups.map((group) => [group, ends.filter((e) => topicsOf(x.m, group).includes(e.topic)).map((e): Placed => {
    const place = kept.get(group)?.find((p) => tpKey(p) === tpKey(e));
    if (place !== undefined) return place;
    const mark = markOf(e.topic);
    const cut = mark?.to === x.to ? mark.ends[x.to][tpKey(e)]?.hw : undefined;
    return { topic: e.topic, partition: e.partition, offset: cut === undefined ? e.hw : BigInt(cut), metadata: '', from: null, by: 'behind', matched: 0 };
  })] as const));
}

interface OfSet { readonly topics: readonly string[]; readonly mark: Mark | null }
/** Of sets that were never cut the target must be empty; what is before the last cut to `to` must have been read on the other side. */
async function requireRead(ports: Ports, x: OfGroups, { sets, ends }: { readonly sets: readonly OfSet[]; readonly ends: readonly LogEnds[] }): Promise<void> {
  const uncut = sets.filter((s) => s.mark === null).flatMap((s) => s.topics);
  const filled = ends.filter((e) => uncut.includes(e.topic) && e.hw > e.logStart);
  if (x.to === 'target' && filled.length > 0) throw new Failure('NotExact', `Cluster ${nameOf(x.m, x.to)} holds records in ${list(filled.map(tpKey), 5)} before anything was cut to it: nobody can say whether ${list(x.groups)} must read them. Nothing was written.`);
  // What is only on this side is asked with the places that are kept.
  const cuts = sets.flatMap(({ topics, mark }) => (mark?.to === x.to ? [{ topics, mark }] : []));
  if (cuts.length === 0) return;
  const side = otherSide(x.to);
  const topics = cuts.flatMap((c) => c.topics);
  const groups = x.groups.filter((g) => topicsOf(x.m, g).some((t) => topics.includes(t)));
  const until = new Map(cuts.flatMap(({ mark }) => Object.entries(mark.ends[side]).map(([key, end]) => [key, BigInt(end.lso)] as const)));
  const all = (await unreadOf(ports, { m: x.m, groups, topics, on: side, until })).filter((u) => u.atMost > 0n);
  for (const cut of cuts) {
    const left = all.filter((u) => cut.topics.includes(u.key.slice(0, u.key.lastIndexOf('/'))));
    if (left.length > 0) throw new Failure('NotExact', `Before cut ${cut.mark.epoch} ${list(left.map((u) => `${u.group} has at most ${u.atMost} unread in ${u.key}`), 5)} on cluster ${nameOf(x.m, side)}; behind all of it they would never be read. Nothing was written.`, 'Let the set that reads there drain it, then retry.');
  }
}
