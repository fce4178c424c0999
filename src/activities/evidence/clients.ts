/** Applications and groups at a hold: where they run, what they have read, who is where they should not be. */
import { otherSide } from '../../domain/authority.ts';
import { groupsOf, readsOf } from '../../domain/migration.ts';
import { tpKey } from '../../domain/ports.ts';
import { differences, strangersOnTarget, unknownReaders } from '../clusters.ts';
import { standingMark } from '../cut.ts';
import { cutEnds, unreadOf } from '../drained.ts';
import { askAll, placeOf } from '../fleets.ts';
import { earsOf } from '../listening.ts';
import { forecastLeftovers } from '../leftovers.ts';
import { isEmpty, membersOf } from '../moved.ts';
import { applicationsOf, clusterOf, count, grouped, list, nameOf, setsOf, topicsOf, unique } from '../outside.ts';
import { repeatsIfKept } from '../remainder.ts';
import { claim, shown, told, type EvidenceAsk, type OfApplications, type Reach, type Shown } from './shown.ts';

/** Between two reads of positions that nobody may move any more, ms. */
const stillMs = 50;

export function inventoryShown({ ports }: Reach, x: EvidenceAsk): Promise<Shown> {
  const text = `Topics, partitions, authorizers and groups are as when the migration started: ${count(x.inventory.topics.length, 'topic')}, every group on them declared.`;
  return shown(text, async () => {
    const [found, unknown] = await Promise.all([differences(ports, x.m, x.inventory), unknownReaders(ports, x.m)]);
    return claim(text, found.length === 0, ...found.map((f) => `differs: ${f}`), ...(unknown.length > 0 ? [`groups with members that do not show what they read, and never committed: ${list(unknown)}`] : []));
  });
}

export function fleetsShown({ ports, at }: Reach, x: EvidenceAsk, o: OfApplications): Promise<Shown> {
  const text = `No fleet shows ${list(o.applications)} on the ${otherSide(o.on)}.`;
  return shown(text, async () => {
    const asked = await askAll(ports, x.m, o.applications, at);
    const elsewhere = asked.filter((a) => { const n = a.state[otherSide(o.on)]; return n !== 'unknown' && n > 0; });
    return claim(text, elsewhere.length === 0, ...asked.map((a) => `${a.application.name}: ${placeOf(a.state) === 'unknown' ? 'unknown: ' : ''}${a.state.say}`));
  });
}

/** A partition nobody committed for is no question where it is empty; where it is not, the position cannot be proven later. */
export function positionsShown({ ports }: Reach, x: EvidenceAsk, o: OfApplications): Promise<Shown> {
  const groups = unique(applicationsOf(x.m, o.applications).flatMap(groupsOf));
  const where = o.on === 'source' ? '' : ` on the ${o.on}`;
  const text = groups.length === 1 ? `Group ${list(groups)} has a position${where} on every partition it reads that holds records.` : `Groups ${list(groups)} have a position${where} on every partition they read that holds records.`;
  return shown(text, async () => {
    const unread = await unreadOf(ports, { m: x.m, groups, topics: unique(groups.flatMap((g) => topicsOf(x.m, g))), on: o.on });
    const started = new Set(unread.filter((u) => u.position !== null).map((u) => u.group));
    const missing = unread.filter((u) => u.position === null && u.atMost > 0n && started.has(u.group));
    return claim(text, missing.length === 0, ...(missing.length > 0 ? [`without a position: ${list(missing.map((u) => `${u.group} ${u.key}`), 5)}`] : []),
      ...groups.map((g) => `${g}: at most ${count(unread.filter((u) => u.group === g).reduce((n, u) => n + u.atMost, 0n), 'record')} unread on the ${o.on}${started.has(g) ? '' : ', never committed: will begin at the log start'}`));
  });
}

export function emptyShown({ ports }: Reach, x: EvidenceAsk, o: OfApplications): Promise<Shown> {
  const groups = unique(applicationsOf(x.m, o.applications).flatMap(groupsOf));
  const text = groups.length === 0 ? `No group of ${list(o.applications)} can have members on the ${o.on}.` : groups.length === 1 ? `Group ${list(groups)} has no member on the ${o.on}.` : `Groups ${list(groups)} have no member on the ${o.on}.`;
  return shown(text, async () => {
    const full = groups.length === 0 ? [] : (await clusterOf(ports, x.m, o.on).groups(groups)).filter((g) => !isEmpty(g));
    return claim(text, full.length === 0, ...full.map((g) => `group ${g.group} is ${g.state} on the ${o.on}: ${membersOf(g)}`));
  });
}

/** A reader without membership shows only by its commits: they move, or stand behind a cut that this group cannot have passed. */
export function commitsShown({ ports, record, at }: Reach, x: EvidenceAsk): Promise<Shown> {
  const groups = unique(x.m.applications.flatMap(groupsOf));
  const text = groups.length === 0 ? 'No group moved that could still commit on the source.' : `Nobody commits with ${list(groups)} on the source any more.`;
  return shown(text, async () => {
    if (groups.length === 0) return claim(text, true);
    const source = clusterOf(ports, x.m, 'source');
    const marks = await Promise.all(setsOf(x.m, unique(x.m.applications.flatMap(readsOf))).map((set) => standingMark(record, { ...x, set })));
    // What a mirror carries back is read there, rightly, behind the cut.
    const cutAt = new Map(marks.flatMap((mark) => (mark?.to === 'target' && x.m.connectBack === null ? Object.entries(mark.ends.source) : [])).map(([key, end]) => [key, BigInt(end.hw)] as const));
    const first = await source.committed(groups);
    await at.pause(stillMs);
    const second = await source.committed(groups);
    const late = [...second].flatMap(([group, of]) => of.flatMap((p) => {
      const [was, cut] = [first.get(group)?.find((f) => tpKey(f) === tpKey(p))?.offset, cutAt.get(tpKey(p))];
      return was !== p.offset ? [`${group} ${tpKey(p)} moves: ${was ?? 'nothing'}, then ${p.offset}`] : cut !== undefined && p.offset > cut ? [`${group} ${tpKey(p)} stands at ${grouped(p.offset)}, the cut is at ${grouped(cut)}`] : [];
    }));
    return claim(text, late.length === 0, ...(late.length > 0 ? [`committed on the source: ${list(late, 5)}`] : []));
  });
}

export const strangersTold = ({ ports }: Reach, x: EvidenceAsk): Promise<Shown> => told('groups on the target that nobody declared', () => strangersOnTarget(ports, x.m));
export const leftoversTold = ({ ports, at }: Reach, x: EvidenceAsk, o: OfApplications): Promise<Shown> =>
  told('what stopped processes leave behind', async () => {
    const found = await forecastLeftovers(ports, { m: x.m, ...o }, at);
    return found.length === 0 ? [`left behind by a stop: no static member, no transaction open at the moment on the ${o.on}`] : found;
  });

/** Figures only: a group may lag on the target as it did on the source. */
export function lagsShown({ ports }: Reach, x: EvidenceAsk): Promise<Shown> {
  const groups = unique(x.m.applications.flatMap(groupsOf));
  const text = `Positions of ${list(groups) || 'no group'} on ${nameOf(x.m, 'target')} can be read.`;
  return shown(text, async () => {
    const unread = groups.length === 0 ? [] : await unreadOf(ports, { m: x.m, groups, topics: unique(x.m.applications.flatMap(readsOf)), on: 'target' });
    return claim(text, true, ...groups.map((g) => `${g}: at most ${count(unread.filter((u) => u.group === g).reduce((n, u) => n + u.atMost, 0n), 'record')} unread on the target`));
  });
}

/** The second set of consumers, before producers move. That a member polls shows in its staying: its group puts it out when it does not. */
export function earsShown({ ports, at }: Reach, x: EvidenceAsk, o: OfApplications & { readonly topics: readonly string[] }): Promise<Shown> {
  const text = `Every partition of ${list(o.topics)} is assigned to a member of ${list(o.applications)} on the ${o.on}, and its group is stable.`;
  return shown(text, async () => {
    const ears = await earsOf(ports, { m: x.m, ...o }, at);
    return claim(text, ears.faults.length === 0, ...ears.faults, ...(ears.faults.length === 0 ? [ears.say, 'a member that stops polling is put out of its group after its max.poll.interval.ms'] : []));
  });
}

/** What the first set has not read of the source when all goes back. */
export function remainderShown({ ports, record }: Reach, x: EvidenceAsk, o: { readonly applications: readonly string[]; readonly topics: readonly string[] }): Promise<Shown> {
  const groups = unique(applicationsOf(x.m, o.applications).flatMap(groupsOf));
  const text = `${list(groups)} read everything that was written to ${list(o.topics)} on the source before the cut.`;
  return shown(text, async () => {
    const unread = groups.length === 0 ? [] : await unreadOf(ports, { m: x.m, groups, topics: o.topics, on: 'source', until: await cutEnds(record, { ...x, topics: o.topics, on: 'source' }) });
    const left = unread.filter((u) => u.atMost > 0n);
    if (left.length === 0) return claim(text, true);
    const kept = await repeatsIfKept(ports, record, { ...x, groups, topics: o.topics, on: 'source' }, left);
    const asks = claim(text, false, ...left.map((u) => `${u.group} ${u.key}: at most ${count(u.atMost, 'record')} unread`), ...kept.figures);
    return { ...asks, claims: asks.claims.map((c) => ({ ...c, unless: kept.unless, least: kept.least })) };
  });
}
