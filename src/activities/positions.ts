/** Positions of groups: computed with proof, written by simple commit while the group is empty, read back, and returned. */
import { otherSide, type Side } from '../domain/authority.ts';
import { Failure } from '../domain/failures.ts';
import { tpKey, type Cluster, type Ports, type Position, type TopicPartition } from '../domain/ports.ts';
import type { At } from './boundary.ts';
import { entry, valueOf, type LedgerBook } from './ledger.ts';
import { keepPlaces } from './known.ts';
import { isEmpty, membersOf } from './moved.ts';
import { kept, whole } from './preimage.ts';
import { byKey, clusterOf, count, list, topicsOf, unique, type Said } from './outside.ts';
import { behindAll } from './behind.ts';
import { lookByTimestamp } from './timestamping.ts';
import { describe, lookAt, provenPlaces, repeatsOf, settled, translateGroups, type Look, type Placed, type Places } from './translating.ts';
import { earliest, latest } from './beginning.ts';
import type { Ask, Consent, LossConsent, PositionForecast, PositionHow, PositionsBefore } from './work.ts';

interface OfGroups extends Ask { readonly groups: readonly string[]; readonly to: Side }
/** What was set, as the ledger has it: `topic/partition` → where it came from, where it went, and why that is the same place. */
type Kept = Readonly<Record<string, { readonly from: string | null; readonly to: string; readonly by: string; readonly matched: number; readonly repeats?: number; readonly lost?: number }>>;

const setKey = (x: Ask, group: string): string => `${x.c.key}/set/${group}`;
/** A group that read on the target what is only there: its place is kept for the next way forward. */
const advancedKey = (x: OfGroups, group: string): string => `${x.c.run}/advanced/${x.to}/${group}`;

export const positions = (ports: Ports, record: LedgerBook) => ({
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
    await Promise.all([
      writeThrough(there, places, { at, range: 'checked', present }),
      record.write(x.m, [...places].map(([group, of]) => entry(setKey(x, group), keep(of))), 'one', at),
    ]);
    await requireEmpty(there, x.groups);
    return { say: `${describePlaces(places)} on the ${x.to}, read back.`, figures: { positions: [...places.values()].flat().length, groups: places.size } };
  },

  async returnPositions(asked: OfGroups & { readonly how: PositionHow; readonly before: PositionsBefore }, at: At): Promise<Said> {
    const x = { ...asked, before: await whole(record, asked) };
    const [here, back] = [clusterOf(ports, x.m, x.to), clusterOf(ports, x.m, otherSide(x.to))];
    // Where nothing was set there is nothing to take back, and whoever is in the group does not matter.
    const set = [...await here.committed(x.groups)].filter(([group, of]) => of.some((p) => topicsOf(x.m, group).includes(p.topic))).map(([group]) => group);
    await requireEmpty(here, set);
    const now = await here.committed(x.groups);
    const moved: string[] = [];
    for (const group of x.groups) if (await movedOn(record, x, { group, now: now.get(group) ?? [] })) moved.push(group);
    if (x.how === 'behind') {
      await restore(here, x, { groups: x.groups, now, at });
      return { say: `positions of ${list(x.groups)} on the ${x.to} are as before; those on the ${otherSide(x.to)} were never touched.` };
    }
    if (x.how === 'cut' || x.how === 'log-start') return leaveAdvanced(record, x, { here, now, moved, at });
    await requireEmpty(back, moved);
    const places = moved.length === 0 ? new Map<string, readonly Placed[]>() : await translateGroups(ports, record, { ...x, groups: moved, from: x.to }, at);
    await writeThrough(back, places, { at, range: 'checked' });
    await restore(here, x, { groups: x.groups, now, at });
    const still = x.groups.filter((g) => !moved.includes(g));
    return { say: `${moved.length > 0 ? `${describePlaces(places)} back on the ${otherSide(x.to)}; ` : ''}${still.length > 0 ? `${list(still)} had not read on the ${x.to}; ` : ''}the ${x.to} is as before.` };
  },

  async forecastPositions(x: OfGroups & { readonly how?: 'translated' | 'timestamp' }): Promise<readonly PositionForecast[]> {
    const wanted = { ...x, from: otherSide(x.to) };
    const committed = clusterOf(ports, x.m, wanted.from).committed(x.groups);
    const look = x.how === 'timestamp' ? await lookByTimestamp(ports, wanted, committed) : await lookAt(ports, record, wanted, committed);
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
  if (x.how === 'timestamp') return settled(ports, wanted, at, (committed) => lookByTimestamp(ports, wanted, committed));
  return x.how === 'cut' ? atCuts(ports, record, x, at) : translateGroups(ports, record, wanted, at);
}

/** Where the other log was cut last, for groups that have read all that was never copied; one that has been there before goes on where it was. */
async function atCuts(ports: Ports, record: LedgerBook, x: OfGroups, at: At): Promise<Places> {
  const been = new Set<string>();
  for (const group of x.groups) if ((await record.read(x.m, advancedKey(x, group))).has(advancedKey(x, group))) been.add(group);
  const fresh = x.groups.filter((g) => !been.has(g));
  const [kept, placed] = await Promise.all([
    been.size === 0 ? new Map<string, readonly Placed[]>() : logStarts(ports, record, { ...x, groups: [...been] }),
    fresh.length === 0 ? new Map<string, readonly Placed[]>() : translateGroups(ports, record, { ...x, groups: fresh, from: otherSide(x.to) }, at),
  ]);
  return new Map([...kept, ...placed]);
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
  const [ends, committed] = await Promise.all([cluster.ends(unique(x.groups.flatMap((g) => topicsOf(x.m, g)))), cluster.committed(x.groups)]);
  return new Map(await Promise.all(x.groups.map(async (group) => {
    const advanced = (await record.read(x.m, advancedKey(x, group))).has(advancedKey(x, group));
    const known = new Map((committed.get(group) ?? []).map((p) => [tpKey(p), p]));
    const reads = topicsOf(x.m, group);
    return [group, ends.filter((e) => reads.includes(e.topic)).map((e): Placed => {
      const kept = advanced ? known.get(tpKey(e)) : undefined;
      return { topic: e.topic, partition: e.partition, offset: kept?.offset ?? e.logStart, metadata: kept?.metadata ?? '', from: null, by: 'log-start', matched: 0 };
    })] as const;
  })));
}

const keep = (of: readonly Placed[]): Kept => Object.fromEntries(of.map((p) => [tpKey(p), { from: p.from === null ? null : String(p.from), to: String(p.offset), by: p.by, matched: p.matched, ...(p.repeats !== undefined && { repeats: p.repeats }), ...(p.lost !== undefined && { lost: p.lost }) }]));

/** Whether the group read on `to` after we set it there. What we did not write down counts as moved: translating back is always right. */
async function movedOn(record: LedgerBook, x: OfGroups, of: { readonly group: string; readonly now: readonly Position[] }): Promise<boolean> {
  const reads = topicsOf(x.m, of.group);
  const now = of.now.filter((p) => reads.includes(p.topic));
  if (now.length === 0) return false; // nothing was set, or all of it has been taken back
  const set = valueOf<Kept>(await record.read(x.m, setKey(x, of.group)), setKey(x, of.group));
  // Without an entry the positions were never set to the end, so nobody was started on them: what stands there is older.
  return set !== null && now.some((p) => set[tpKey(p)]?.to !== String(p.offset));
}

/** What a group read on the target alone has no place on the source: it keeps its position there for the next way forward. */
async function leaveAdvanced(record: LedgerBook, x: OfGroups & { readonly before: PositionsBefore }, o: { readonly here: Cluster; readonly now: ReadonlyMap<string, readonly Position[]>; readonly moved: readonly string[]; readonly at: At }): Promise<Said> {
  if (o.moved.length > 0) await record.write(x.m, o.moved.map((group) => entry(advancedKey(x, group), { atMs: o.at.now() })), 'one', o.at);
  const rest = x.groups.filter((g) => !o.moved.includes(g));
  await restore(o.here, x, { groups: rest, now: o.now, at: o.at });
  const kept = o.moved.length === 0 ? '' : `${list(o.moved)} already read records that are on the ${x.to} only: their positions there are kept, and continue when they come again; `;
  return { say: `${kept}positions of ${list(rest) || 'no group'} on the ${x.to} are as before; those on the ${otherSide(x.to)} were never touched.` };
}

/** `before` again, on the topics of the migration: set what was there, take away what was not. */
async function restore(cluster: Cluster, x: OfGroups & { readonly before: PositionsBefore }, o: { readonly groups: readonly string[]; readonly now: ReadonlyMap<string, readonly Position[]>; readonly at: At }): Promise<void> {
  const ours = o.groups.map((group) => ({ group, before: x.before[group] ?? {}, now: (o.now.get(group) ?? []).filter((p) => topicsOf(x.m, group).includes(p.topic)) }));
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
