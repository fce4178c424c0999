/** Positions of groups: computed with proof, written by simple commit while the group is empty, read back, and returned. */
import { otherSide, type Side } from '../domain/authority.ts';
import { Failure } from '../domain/failures.ts';
import { tpKey, type Cluster, type Ports, type Position, type TopicPartition } from '../domain/ports.ts';
import type { At } from './boundary.ts';
import { entry, readFromBoth, valueOf, type LedgerBook } from './ledger.ts';
import { createPlacedLately, type PlacedLately } from './explicit.ts';
import { keepPlaces } from './known.ts';
import { isEmpty, membersOf } from './moved.ts';
import { kept, whole } from './preimage.ts';
import { byKey, clusterOf, count, list, nameOf, topicsOf, unique, type Said } from './outside.ts';
import { behindAll } from './behind.ts';
import { lookByTimestamp, lookFor, translateGroups } from './timestamping.ts';
import { describe, lookAt, provenPlaces, repeatsOf, settled, type Look, type Placed, type Places } from './translating.ts';
import { earliest, latest } from './beginning.ts';
import { missingOf } from './remembered.ts';
import type { Ask, Consent, LossConsent, PositionForecast, PositionHow, PositionsBefore } from './work.ts';

interface OfGroups extends Ask { readonly groups: readonly string[]; readonly to: Side }
/** What was set, as the ledger has it: `topic/partition` → where it came from, where it went, on which side, and why that is the same place. */
type Kept = Readonly<Record<string, { readonly from: string | null; readonly to: string; readonly on?: Side; readonly by: string; readonly matched: number; readonly repeats?: number; readonly lost?: number }>>;

const setKey = (x: Ask, group: string): string => `${x.c.key}/set/${group}`;
/** A group that read on the target what is only there: its place is kept for the next way forward. */
const advancedKey = (x: OfGroups, group: string): string => `${x.c.run}/advanced/${x.to}/${group}`;

/** By partition, as in `Kept`. */
type Offsets = Readonly<Record<string, string>>;
/**
 * Where a group stood on `to` when it was settled where it goes on, and where it was set back to on the other side (nothing
 * where it had not `moved`). There once its place on the other side is right, and before anything is written over the one on
 * `to`: with this entry what stands on `to` says nothing of the group any more, without it what stands there is the group's own.
 */
interface Returned { readonly moved: boolean; readonly stood: Offsets; readonly back: Offsets }
const returnedKey = (x: Ask, group: string): string => `${x.c.key}/returned/${group}`;

export const positions = (ports: Ports, record: LedgerBook, placed: PlacedLately = createPlacedLately()) => ({
  /** A partition that is missing had no position: keeps the pre-image small. */
  capturePositions: (x: OfGroups, at: At): Promise<PositionsBefore> => record.capture(x, at, async () => {
    const committed = await clusterOf(ports, x.m, x.to).committed(x.groups);
    const before = Object.fromEntries(x.groups.map((group) => {
      const reads = new Set(topicsOf(x.m, group));
      return [group, Object.fromEntries((committed.get(group) ?? []).filter((p) => reads.has(p.topic)).map((p) => [tpKey(p), Number(p.offset)]))];
    }));
    return kept(record, x, { before, at });
  }),

  async setPositions(x: OfGroups & { readonly how: PositionHow; readonly before: PositionsBefore; readonly topics?: readonly string[]; readonly consents?: readonly Consent[]; readonly losses?: readonly LossConsent[] }, at: At): Promise<Said> {
    const [here, there] = [clusterOf(ports, x.m, otherSide(x.to)), clusterOf(ports, x.m, x.to)];
    // Behind all there is, it does not matter how far somebody has got elsewhere.
    await Promise.all([x.how === 'behind' ? null : requireEmpty(here, x.groups), requireEmpty(there, x.groups)]);
    // Asked before the places are known: the group is empty, so what stands there does not change meanwhile.
    const present = there.committed(x.groups);
    present.catch(() => undefined); // heard where it is used
    const places = await placesFor(ports, record, x, at);
    await writeThrough(there, places, { at, range: 'checked', present });
    // Not before they are read back: by this entry the undo knows that what stands there was ours, and not what was there before.
    const kept = record.write(x.m, [...places].map(([group, of]) => entry(setKey(x, group), keep(of, x.to))), 'one', at);
    const empty = requireEmpty(there, x.groups);
    await Promise.allSettled([kept, empty]); // whoever came too early has read from these places: written down all the same
    await Promise.all([kept, empty]);
    placed.mark(x.groups, x.to, at.now());
    return { say: `${describePlaces(places)} on the ${x.to}, read back.`, figures: { positions: [...places.values()].flat().length, groups: places.size } };
  },

  async returnPositions(asked: OfGroups & { readonly how: PositionHow; readonly before: PositionsBefore; readonly consents?: readonly Consent[] }, at: At): Promise<Said> {
    const x = { ...asked, before: await whole(record, asked) };
    const [here, back] = [clusterOf(ports, x.m, x.to), clusterOf(ports, x.m, otherSide(x.to))];
    // Where nothing was set there is nothing to take back, and whoever is in the group does not matter.
    const set = [...await standing(here, x)].filter(([, of]) => of.length > 0).map(([group]) => group);
    await requireEmpty(here, set);
    const now = await standing(here, x);
    if (x.how === 'behind') {
      await restore(here, x, { groups: x.groups, now, at });
      return { say: `positions of ${list(x.groups)} on the ${x.to} are as before; those on the ${otherSide(x.to)} were never touched.` };
    }
    const { moved, settled, sets } = await whoMoved(ports, x, now);
    if (x.how === 'cut' || x.how === 'log-start') return leaveAdvanced(record, x, { here, now, moved, settled, at });
    await requireEmpty(back, moved);
    const renewed = await putBack(back, { groups: x.groups.filter((g) => !settled.has(g) && !moved.includes(g)), sets, at });
    const places = moved.length === 0 ? new Map<string, readonly Placed[]>() : await translateGroups(ports, record, { ...x, groups: moved, from: x.to }, at);
    await writeThrough(back, places, { at, range: 'checked' });
    await settle(record, x, { groups: x.groups.filter((g) => !settled.has(g)), now, places, at });
    await restore(here, x, { groups: x.groups, now, at });
    placed.mark(x.groups, otherSide(x.to), at.now());
    return { say: sayReturned(x, { moved, settled, places, renewed }) };
  },

  async forecastPositions(x: OfGroups & { readonly how?: 'translated' | 'timestamp' }): Promise<readonly PositionForecast[]> {
    const wanted = { ...x, from: otherSide(x.to) };
    const committed = clusterOf(ports, x.m, wanted.from).committed(x.groups);
    const look = x.how === 'timestamp' ? await lookByTimestamp(ports, record, wanted, committed) : await lookFor(ports, record, wanted, committed);
    return [...x.groups].sort().map((group) => forecast(look, group));
  },

  async preparePositions(x: OfGroups, at: At): Promise<Said> {
    const from = otherSide(x.to);
    const look = await lookAt(ports, record, { ...x, from }, clusterOf(ports, x.m, from).committed(x.groups));
    const proven = provenPlaces(look, from);
    at.until.check();
    await keepPlaces(record, x, { known: look.known, groups: proven, at });
    const places = [...proven.values()].reduce((n, of) => n + of.size, 0);
    return { say: `${count(look.spots.length, 'position')} of ${count(x.groups.length, 'group')} looked at, ${places} of them kept to count on from.`, figures: { positions: look.spots.length, kept: places } };
  },
});

function forecast(look: Look, group: string): PositionForecast {
  const spots = look.spots.filter((p) => p.group === group);
  const open = spots.filter((p) => look.answers.get(p)?.kind !== 'exact');
  const worst = open.find((p) => { const a = look.answers.get(p); return a?.kind === 'refused' && a.cause !== 'behind' && a.cause !== 'open-transaction'; }) ?? open.find((p) => look.answers.get(p)?.kind === 'refused') ?? open[0];
  const answer = worst && look.answers.get(worst);
  const kind = !answer || answer.kind === 'exact' ? 'exact' : answer.kind === 'conservative' ? 'conservative' : answer.cause === 'behind' || answer.cause === 'open-transaction' ? 'behind' : 'refused';
  return { group, kind, repeats: repeatsOf(spots, look.answers) ?? 'unknown', partitions: spots.length, why: worst ? describe(worst, look.answers) : '' };
}

function placesFor(ports: Ports, record: LedgerBook, x: OfGroups & { readonly how: PositionHow; readonly topics?: readonly string[]; readonly consents?: readonly Consent[]; readonly losses?: readonly LossConsent[] }, at: At): Promise<Places> {
  if (x.how === 'earliest') return earliest(ports, x, { at, translated: () => translateGroups(ports, record, { ...x, from: otherSide(x.to) }, at) });
  if (x.how === 'latest') return latest(ports, x);
  if (x.how === 'behind') return behindAll(ports, record, x);
  if (x.how === 'log-start') return logStarts(ports, record, x);
  const wanted = { ...x, from: otherSide(x.to) };
  if (x.how === 'timestamp') return settled(ports, wanted, at, (committed) => lookByTimestamp(ports, record, wanted, committed));
  return x.how === 'cut' ? atCuts(ports, record, x, at) : translateGroups(ports, record, wanted, at);
}

/** Where the other log was cut last, for groups that have read all that was never copied; one that has been there before goes on where it was. */
async function atCuts(ports: Ports, record: LedgerBook, x: OfGroups, at: At): Promise<Places> {
  const been = await advancedOf(record, x);
  const fresh = x.groups.filter((g) => !been.has(g));
  const [kept, placed] = await Promise.all([
    been.size === 0 ? new Map<string, readonly Placed[]>() : logStarts(ports, record, { ...x, groups: [...been] }),
    fresh.length === 0 ? new Map<string, readonly Placed[]>() : translateGroups(ports, record, { ...x, groups: fresh, from: otherSide(x.to) }, at),
  ]);
  return new Map([...kept, ...placed]);
}
/** Those of the groups that read on `to` before what is only there. */
async function advancedOf(record: LedgerBook, x: OfGroups): Promise<ReadonlySet<string>> {
  const entries = await record.read(x.m, advancedKey(x, ''));
  return new Set(x.groups.filter((group) => entries.has(advancedKey(x, group))));
}

/** Read what is there, write only what differs, read back. */
export async function writeThrough(cluster: Cluster, places: Places, { at, range, present }: { readonly at: At; readonly range: 'checked' | 'as it was'; readonly present?: ReturnType<Cluster['committed']> }): Promise<void> {
  const groups = [...places.keys()];
  if (groups.length === 0) return;
  const differing = async (asked = cluster.committed(groups)): Promise<ReadonlyMap<string, readonly Position[]>> => {
    const now = await asked;
    return new Map([...places].map(([group, of]) => {
      const known = new Map((now.get(group) ?? []).map((p) => [tpKey(p), p]));
      return [group, of.filter((p) => known.get(tpKey(p))?.offset !== p.offset || known.get(tpKey(p))?.metadata !== p.metadata)
        .map(({ topic, partition, offset, metadata }) => ({ topic, partition, offset, metadata }))] as const;
    }).filter(([, of]) => of.length > 0));
  };
  const [wanted] = await Promise.all([differing(present), range === 'checked' ? requireInRange(cluster, places) : null]);
  at.until.check();
  if (wanted.size > 0) await cluster.commit(wanted, at.until);
  const left = wanted.size === 0 ? wanted : await differing();
  if (left.size > 0) throw new Failure('Drift', `Cluster ${cluster.name} acknowledged positions and shows others: ${list([...left].flatMap(([group, of]) => of.map((p) => `${group} ${tpKey(p)}, wanted ${p.offset}`)), 5)}.`, 'Look for another writer of these positions, such as MirrorCheckpointConnector; then retry.');
}

async function requireEmpty(cluster: Cluster, groups: readonly string[]): Promise<void> {
  if (groups.length === 0) return;
  const facts = await cluster.groups(groups);
  const foreign = facts.filter((g) => g.type === 'share' || g.type === 'streams');
  if (foreign.length > 0) throw new Failure('Unsupported', `${list(foreign.map((g) => `Group ${g.group} is a ${g.type} group`))} on cluster ${cluster.name}; only consumer groups have positions that can be moved.`, 'Leave these groups out of the migration.');
  const full = facts.filter((g) => !isEmpty(g));
  if (full.length > 0) throw new Failure('GroupActive', `${full.map((g) => `Group ${g.group} is ${g.state} with ${count(g.members.length, 'member')}${g.members.length > 0 ? ` (${membersOf(g)})` : ''} on cluster ${cluster.name}`).join('; ')}; setting its position needs 0 members.`);
}

/** OffsetCommit takes any number: whether it lies in the log is ours to look at. */
async function requireInRange(cluster: Cluster, places: Places): Promise<void> {
  const all = [...places].flatMap(([group, of]) => of.map((p) => ({ group, p })));
  const parts = new Map<string, TopicPartition>(all.map(({ p }) => [tpKey(p), { topic: p.topic, partition: p.partition }]));
  if (parts.size === 0) return;
  const ends = byKey(await cluster.ends([...parts.values()]));
  const off = all.filter(({ p }) => { const e = ends.get(tpKey(p)); return !e || p.offset < e.logStart || p.offset > e.hw; });
  if (off.length > 0) throw new Failure('NotExact', `Outside the log of cluster ${cluster.name}: ${list(off.map(({ group, p }) => `${group} ${tpKey(p)} at ${p.offset} (log ${ends.get(tpKey(p))?.logStart ?? '?'} to ${ends.get(tpKey(p))?.hw ?? '?'})`), 5)}; nothing was written.`);
}

/** Nothing was copied, so the log of `to` begins with what comes after the cut: its start, or where the group already is. */
async function logStarts(ports: Ports, record: LedgerBook, x: OfGroups): Promise<Places> {
  const cluster = clusterOf(ports, x.m, x.to);
  const [ends, committed, advanced] = await Promise.all([cluster.ends(unique(x.groups.flatMap((g) => topicsOf(x.m, g)))), cluster.committed(x.groups), advancedOf(record, x)]);
  return new Map(x.groups.map((group) => {
    const known = new Map((committed.get(group) ?? []).map((p) => [tpKey(p), p]));
    const reads = topicsOf(x.m, group);
    return [group, ends.filter((e) => reads.includes(e.topic)).map((e): Placed => {
      const kept = advanced.has(group) ? known.get(tpKey(e)) : undefined;
      return { topic: e.topic, partition: e.partition, offset: kept?.offset ?? e.logStart, metadata: kept?.metadata ?? '', from: null, by: 'log-start', matched: 0 };
    })] as const;
  }));
}

const keep = (of: readonly Placed[], on: Side): Kept => Object.fromEntries(of.map((p) => [tpKey(p), { from: p.from === null ? null : String(p.from), to: String(p.offset), on, by: p.by, matched: p.matched, ...(p.repeats !== undefined && { repeats: p.repeats }), ...(p.lost !== undefined && { lost: p.lost }) }]));

type Returning = OfGroups & { readonly before: PositionsBefore };
/** Group → where it stands on the topics it reads. */
type Standing = ReadonlyMap<string, readonly Position[]>;
async function standing(cluster: Cluster, x: OfGroups): Promise<Standing> {
  const committed = await cluster.committed(x.groups);
  return new Map(x.groups.map((group) => {
    const reads = topicsOf(x.m, group);
    return [group, (committed.get(group) ?? []).filter((p) => reads.includes(p.topic))] as const;
  }));
}

/**
 * Who read on `to` since it was set there, and whose place an earlier try of this undo has settled. Of those what was there
 * before may stand there again: translated, it would be taken for where the group is. An entry that only one ledger has may
 * be in the one that does not answer, so both are asked.
 */
async function whoMoved(ports: Ports, x: Returning, now: Standing): Promise<{ readonly moved: readonly string[]; readonly settled: ReadonlyMap<string, Returned>; readonly sets: ReadonlyMap<string, Kept> }> {
  const entries = await readFromBoth(ports, x.m, `${x.c.key}/`);
  const settled = new Map(x.groups.flatMap((group) => { const of = valueOf<Returned>(entries, returnedKey(x, group)); return of === null ? [] : [[group, of] as const]; }));
  requireUntouched(x, { now, settled });
  const sets = new Map(x.groups.flatMap((group) => { const set = valueOf<Kept>(entries, setKey(x, group)); return set === null ? [] : [[group, set] as const]; }));
  requireRemembered(x, { now, sets, groups: x.groups.filter((group) => !settled.has(group)) });
  const moved = x.groups.filter((group) => !settled.has(group) && movedOn({ now: now.get(group) ?? [], before: x.before[group] ?? {}, set: sets.get(group) ?? null }));
  return { moved, settled, sets };
}

/** Of a group that was set there, and has no position there at all, nobody can say what it has read. */
function requireRemembered(x: Returning, o: { readonly now: Standing; readonly sets: ReadonlyMap<string, Kept>; readonly groups: readonly string[] }): void {
  const lost = o.groups.filter((group) => Object.keys(o.sets.get(group) ?? {}).length > 0 && (o.now.get(group) ?? []).length === 0);
  if (lost.length === 0) return;
  const told = lost.map((group) => `${group} (set to ${list(Object.entries(o.sets.get(group) ?? {}).map(([key, { to }]) => `${key} ${to}`), 3)})`);
  throw new Failure('NotExact', `Cluster ${nameOf(x.m, x.to)} has forgotten the positions of ${list(told, 3)}, as brokers do with groups that have been empty for a week: nobody can say whether ${lost.length === 1 ? 'it has' : 'they have'} read there since. Nothing was written.`,
    `Set ${lost.length === 1 ? 'it' : 'them'} there by hand to where ${lost.length === 1 ? 'it' : 'they'} had got, then retry. To skip leaves positions as they are.`);
}

/** Groups that have not read on `to` go on where they left the other side, which may have forgotten them since. Answers those. */
async function putBack(back: Cluster, o: { readonly groups: readonly string[]; readonly sets: ReadonlyMap<string, Kept>; readonly at: At }): Promise<readonly string[]> {
  const committed = await back.committed(o.groups);
  const places = new Map(o.groups.flatMap((group) => {
    const left = new Map(Object.entries(o.sets.get(group) ?? {}).map(([key, { from }]) => [key, from === null ? null : BigInt(from)]));
    const missing = missingOf(left, committed.get(group) ?? []);
    return missing.length === 0 ? [] : [[group, missing.map((p): Placed => ({ ...p, from: null, by: 'log-start', matched: 0 }))] as const];
  }));
  await requireEmpty(back, [...places.keys()]);
  await writeThrough(back, places, { at: o.at, range: 'checked' });
  return [...places.keys()];
}

/** Whether the group read on `to` after we set it there. What we did not write down counts as moved: translating back is always right. */
function movedOn({ now, before, set }: { readonly now: readonly Position[]; readonly before: PositionsBefore[string]; readonly set: Kept | null }): boolean {
  // Without an entry the positions were never set to the end, so nobody was started on them: what stands there is older.
  if (set === null) return false;
  return now.some((p) => {
    const [was, to] = [before[tpKey(p)], set[tpKey(p)]?.to];
    // Nobody reads backwards to just where it was. A worker of an earlier release wrote its entry while it set the places, and none when it took them back.
    const asBefore = typeof was === 'number' && BigInt(was) === p.offset && to !== undefined && p.offset < BigInt(to);
    return String(p.offset) !== to && !asBefore;
  });
}

/** Between two tries of one undo a group is where it stood, or where it was before; elsewhere nobody can say what it has read. */
function requireUntouched(x: Returning, o: { readonly now: Standing; readonly settled: ReadonlyMap<string, Returned> }): void {
  const off = [...o.settled].flatMap(([group, { stood }]) => (o.now.get(group) ?? []).filter((p) => String(p.offset) !== stood[tpKey(p)] && Number(p.offset) !== x.before[group]?.[tpKey(p)])
    .map((p) => `${group} ${tpKey(p)} at ${p.offset}, wanted ${stood[tpKey(p)] ?? 'none'} (where it stood) or ${x.before[group]?.[tpKey(p)] ?? 'none'} (as before)`));
  if (off.length > 0) throw new Failure('Drift', `Since an earlier try of this undo somebody has read on cluster ${nameOf(x.m, x.to)}: ${list(off, 5)}. Where the group goes on on cluster ${nameOf(x.m, otherSide(x.to))} was settled before; nothing was written.`,
    'Stop whoever reads there and set the group back to where it stood, then retry: it reads again what was read since. To skip leaves its positions as they are.');
}

/** Which of these groups would find other positions on `to` than it has. */
const overwritten = (x: Returning, groups: readonly string[], now: Standing): readonly string[] => groups.filter((group) => {
  const [of, before] = [now.get(group) ?? [], Object.entries(x.before[group] ?? {}).filter(([, offset]) => offset !== null)];
  return of.length !== before.length || of.some((p) => x.before[group]?.[tpKey(p)] !== Number(p.offset));
});

/**
 * After their places on the other side are read back, before the old ones are restored. A try that is lost before this is
 * written has overwritten nothing on `to`: the next one finds the group where it was, and comes to the same places again. One
 * that is lost later finds this. Groups of which nothing will be overwritten need no entry: they are judged the same every time.
 */
async function settle(record: LedgerBook, x: Returning, o: { readonly groups: readonly string[]; readonly now: Standing; readonly places: Places; readonly at: At }): Promise<void> {
  const entries = overwritten(x, o.groups, o.now).map((group) => entry(returnedKey(x, group), {
    moved: o.places.has(group), stood: offsetsOf(o.now.get(group) ?? []), back: offsetsOf(o.places.get(group) ?? []),
  } satisfies Returned));
  if (entries.length > 0) await record.write(x.m, entries, 'one', o.at);
}
const offsetsOf = (of: readonly Position[]): Offsets => Object.fromEntries(of.map((p) => [tpKey(p), String(p.offset)]));

function sayReturned(x: Returning, o: { readonly moved: readonly string[]; readonly settled: ReadonlyMap<string, Returned>; readonly places: Places; readonly renewed: readonly string[] }): string {
  const earlier = [...o.settled].filter(([, of]) => of.moved).map(([group]) => group);
  const still = x.groups.filter((g) => !o.moved.includes(g) && !earlier.includes(g));
  return [
    ...(o.moved.length > 0 ? [`${describePlaces(o.places)} back on the ${otherSide(x.to)}`] : []),
    ...(earlier.length > 0 ? [`${list(earlier)} set back on the ${otherSide(x.to)} by an earlier try`] : []),
    ...(still.length > 0 ? [`${list(still)} had not read on the ${x.to}`] : []),
    ...(o.renewed.length > 0 ? [`${list(o.renewed)} set again where ${o.renewed.length === 1 ? 'it' : 'they'} left the ${otherSide(x.to)}, which had forgotten that`] : []),
    `the ${x.to} is as before.`,
  ].join('; ');
}

/** What a group read on the target alone has no place on the source: it keeps its position there for the next way forward. */
async function leaveAdvanced(record: LedgerBook, x: Returning, o: { readonly here: Cluster; readonly now: Standing; readonly moved: readonly string[]; readonly settled: ReadonlyMap<string, Returned>; readonly at: At }): Promise<Said> {
  if (o.moved.length > 0) await record.write(x.m, o.moved.map((group) => entry(advancedKey(x, group), { atMs: o.at.now() })), 'one', o.at);
  const rest = x.groups.filter((g) => !o.moved.includes(g));
  await settle(record, x, { groups: rest.filter((g) => !o.settled.has(g)), now: o.now, places: new Map(), at: o.at });
  await restore(o.here, x, { groups: rest, now: o.now, at: o.at });
  const kept = o.moved.length === 0 ? '' : `${list(o.moved)} already read records that are on the ${x.to} only: their positions there are kept, and continue when they come again; `;
  return { say: `${kept}positions of ${list(rest) || 'no group'} on the ${x.to} are as before; those on the ${otherSide(x.to)} were never touched.` };
}

/** `before` again, on the topics of the migration: set what was there, take away what was not. */
async function restore(cluster: Cluster, x: Returning, o: { readonly groups: readonly string[]; readonly now: Standing; readonly at: At }): Promise<void> {
  const ours = o.groups.map((group) => ({ group, before: x.before[group] ?? {}, now: o.now.get(group) ?? [] }));
  const away = new Map(ours.map(({ group, before, now }) => [group, now.filter((p) => (before[tpKey(p)] ?? null) === null).map(({ topic, partition }) => ({ topic, partition }))] as const).filter(([, of]) => of.length > 0));
  const again = new Map(ours.map(({ group, before }) => [group, Object.entries(before).flatMap(([key, offset]): Placed[] =>
    offset === null ? [] : [{ ...partitionOf(key), offset: BigInt(offset), metadata: '', from: null, by: 'log-start', matched: 0 }])] as const).filter(([, of]) => of.length > 0));
  await writeThrough(cluster, again, { at: o.at, range: 'as it was' });
  o.at.until.check();
  if (away.size === 0) return;
  await cluster.uncommit(away, o.at.until);
  const left = [...await cluster.committed([...away.keys()])].flatMap(([group, of]) => of.filter((p) => away.get(group)?.some((w) => tpKey(w) === tpKey(p))).map((p) => `${group} ${tpKey(p)}`));
  if (left.length > 0) throw new Failure('Drift', `Cluster ${cluster.name} still has positions of ${list(left, 5)} after they were taken away.`);
}

const partitionOf = (key: string): TopicPartition => ({ topic: key.slice(0, key.lastIndexOf('/')), partition: Number(key.slice(key.lastIndexOf('/') + 1)) });

/** By group: what is given up, or read again from the beginning. */
function given(what: 'lost' | 'repeats', places: Places, by: Placed['by'] = 'latest'): string {
  const of = [...places].filter(([, all]) => all.some((p) => p.by === by)).map(([group, all]) => `${group} ${count(all.reduce((n, p) => n + (p[what] ?? 0), 0), 'record')}`);
  return of.length === 0 ? '' : `; ${what === 'lost' ? 'given up unread' : 'from the beginning again'}: ${of.join(', ')}`;
}

function describePlaces(places: Places): string {
  const all = [...places.values()].flat();
  const matched = all.reduce((n, p) => n + p.matched, 0);
  const repeats = all.reduce((n, p) => n + (p.by === 'earliest' ? 0 : (p.repeats ?? 0)), 0);
  const never = unique([...places].filter(([, of]) => of.some((p) => p.by === 'never-committed')).map(([group]) => group));
  return `${count(all.length, 'position')} of ${list([...places.keys()])} set${matched > 0 ? `, ${count(matched, 'record')} matched one by one` : ''}${never.length > 0 ? ` (${list(never)} never committed: from the log start)` : ''}${repeats > 0 ? `; with consent ${count(repeats, 'record')} will be read again` : ''}${given('lost', places)}${given('repeats', places, 'earliest')}`;
}
