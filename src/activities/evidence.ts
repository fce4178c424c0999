/** What a hold shows: claims a person approves, the same text as long as nothing that matters changed, and figures beside them. */
import { otherSide, type Side } from '../domain/authority.ts';
import type { CutSet } from '../domain/cutsets.ts';
import { Failure } from '../domain/failures.ts';
import { groupsOf, readsOf, type Inventory } from '../domain/migration.ts';
import { tpKey, type Ports } from '../domain/ports.ts';
import type { Claim, Evidence } from '../domain/scheme.ts';
import type { At } from './boundary.ts';
import { differences, unknownReaders } from './clusters.ts';
import { isHealthy, viewMirror, type MirrorView } from './caughtup.ts';
import { findMirror } from './connect.ts';
import { standingMark } from './cut.ts';
import { unreadOf } from './drained.ts';
import { rulesOf } from './fence.ts';
import { askAll, placeOf } from './fleets.ts';
import type { LedgerBook } from './ledger.ts';
import { isEmpty, membersOf } from './moved.ts';
import { applicationsOf, clusterOf, count, list, nameOf, topicsOf, unique } from './outside.ts';
import type { Ask, EvidenceAbout } from './work.ts';

/** One thing that was looked at. A look that fails makes its claim fail, and the figure says why. */
interface Shown { readonly claims: readonly Claim[]; readonly figures: readonly string[] }
type EvidenceAsk = Ask & { readonly inventory: Inventory; readonly about: EvidenceAbout };
type About<K extends EvidenceAbout['kind']> = EvidenceAsk & { readonly about: EvidenceAbout & { readonly kind: K } };

const claim = (text: string, holds: boolean, ...figures: readonly string[]): Shown => ({ claims: [{ text, holds }], figures });
async function shown(text: string, look: () => Promise<Shown>): Promise<Shown> {
  try {
    return await look();
  } catch (error) {
    if (error instanceof Failure) return claim(text, false, `could not be looked at: ${error.message}`);
    throw error;
  }
}

export const evidence = (ports: Ports, record: LedgerBook) => ({
  async evidence(x: EvidenceAsk, at: At): Promise<Evidence> {
    const common = [inventoryShown(ports, x)];
    const { about } = x;
    const own = about.kind === 'move' ? move(ports, { ...x, about }, at) : about.kind === 'cut' ? cutEvidence(ports, { ...x, about }, at) : finish(ports, record, { ...x, about });
    const all = await Promise.all([...common, ...own]);
    return { claims: all.flatMap((s) => s.claims), figures: all.flatMap((s) => s.figures) };
  },
});

function inventoryShown(ports: Ports, x: EvidenceAsk): Promise<Shown> {
  const text = `Topics, partitions, authorizers and groups are as when the migration started: ${x.inventory.topics.length} topics, every group on them declared.`;
  return shown(text, async () => {
    const [found, unknown] = await Promise.all([differences(ports, x.m, x.inventory), unknownReaders(ports, x.m)]);
    return claim(text, found.length === 0, ...found.map((f) => `differs: ${f}`), ...(unknown.length > 0 ? [`groups with members that never committed, so that nobody can say what they read: ${list(unknown)}`] : []));
  });
}

function move(ports: Ports, x: About<'move'>, at: At): readonly Promise<Shown>[] {
  const { about } = x;
  return [
    ...(about.copies ? [mirrorsShown(ports, x, about.sets)] : []),
    fleetsShown(ports, x, { applications: about.applications, on: 'source', at }),
    positionsShown(ports, x, about.applications),
    emptyShown(ports, x, { applications: about.applications, on: 'target' }),
  ];
}

function cutEvidence(ports: Ports, x: About<'cut'>, at: At): readonly Promise<Shown>[] {
  const { about } = x;
  const reading = applicationsOf(x.m, about.applications).filter((a) => a.reads.length > 0).map((a) => a.name);
  return [
    about.copies ? mirrorsShown(ports, x, [about.set]) : targetEmpty(ports, x, about.set),
    fleetsShown(ports, x, { applications: about.applications, on: 'source', at }),
    ...(reading.length > 0 ? [positionsShown(ports, x, reading), emptyShown(ports, x, { applications: reading, on: 'target' })] : []),
    forecastShown(ports, x),
    fenceShown(x),
  ];
}

function finish(ports: Ports, record: LedgerBook, x: About<'finish'>): readonly Promise<Shown>[] {
  const { about } = x;
  const moved = unique(x.m.applications.map((a) => a.name));
  return [
    ...about.sets.map((set) => cutStands(ports, record, { x, set })),
    ...(about.copies ? [mirrorsGone(ports, x, about.sets)] : []),
    emptyShown(ports, x, { applications: moved, on: 'source' }),
    lagsShown(ports, x),
  ];
}

function mirrorsShown(ports: Ports, x: EvidenceAsk, sets: readonly CutSet[]): Promise<Shown> {
  const names = list(sets.map((s) => s.name));
  const healthy = `Every partition of ${names} is held by a running task of its mirror.`;
  const near = `No partition of ${names} lags more than ${x.c.limits.lagRecords} records.`;
  return shown(`${healthy} ${near}`, async () => {
    const views = await Promise.all(sets.map((set) => viewMirror(ports, { ...x, set, toward: 'target' })));
    const worst = views.flatMap((v) => v.at).reduce((w, s) => (s.lag > w ? s.lag : w), 0n);
    return { claims: [{ text: healthy, holds: views.every(isHealthy) }, { text: near, holds: worst <= BigInt(x.c.limits.lagRecords) }], figures: views.map(lagOf) };
  });
}
const lagOf = (v: MirrorView): string => `${v.spec.name}: ${v.health.connector}, ${count(v.at.reduce((n, s) => n + s.lag, 0n), 'record')} to copy over ${count(v.at.length, 'partition')}${v.unassigned.length > 0 ? `, ${v.unassigned.length} not held` : ''}${v.health.traces.length > 0 ? `, ${v.health.traces[0]}` : ''}`;

function fleetsShown(ports: Ports, x: EvidenceAsk, o: { readonly applications: readonly string[]; readonly on: Side; readonly at: At }): Promise<Shown> {
  const text = `No fleet shows ${list(o.applications)} on the ${otherSide(o.on)}.`;
  return shown(text, async () => {
    const asked = await askAll(ports, x.m, o.applications, o.at);
    const elsewhere = asked.filter((a) => { const n = a.state[otherSide(o.on)]; return n !== 'unknown' && n > 0; });
    return claim(text, elsewhere.length === 0, ...asked.map((a) => `${a.application.name}: ${placeOf(a.state) === 'unknown' ? 'unknown: ' : ''}${a.state.say}`));
  });
}

/** A partition nobody committed for is no question where it is empty; where it is not, the position cannot be proven later. */
function positionsShown(ports: Ports, x: EvidenceAsk, applications: readonly string[]): Promise<Shown> {
  const groups = unique(applicationsOf(x.m, applications).flatMap(groupsOf));
  const text = groups.length === 1 ? `Group ${list(groups)} has a position on every partition it reads that holds records.` : `Groups ${list(groups)} have a position on every partition they read that holds records.`;
  return shown(text, async () => {
    const unread = await unreadOf(ports, { m: x.m, groups, topics: unique(groups.flatMap((g) => topicsOf(x.m, g))), on: 'source' });
    const started = new Set(unread.filter((u) => u.position !== null).map((u) => u.group));
    const missing = unread.filter((u) => u.position === null && u.atMost > 0n && started.has(u.group));
    return claim(text, missing.length === 0, ...(missing.length > 0 ? [`without a position: ${list(missing.map((u) => `${u.group} ${u.key}`), 5)}`] : []),
      ...groups.map((g) => `${g}: at most ${count(unread.filter((u) => u.group === g).reduce((n, u) => n + u.atMost, 0n), 'record')} unread on the source${started.has(g) ? '' : ', never committed: will begin at the log start'}`));
  });
}

function emptyShown(ports: Ports, x: EvidenceAsk, o: { readonly applications: readonly string[]; readonly on: Side }): Promise<Shown> {
  const groups = unique(applicationsOf(x.m, o.applications).flatMap(groupsOf));
  const text = groups.length === 0 ? `No group of ${list(o.applications)} can have members on the ${o.on}.` : groups.length === 1 ? `Group ${list(groups)} has no member on the ${o.on}.` : `Groups ${list(groups)} have no member on the ${o.on}.`;
  return shown(text, async () => {
    const full = groups.length === 0 ? [] : (await clusterOf(ports, x.m, o.on).groups(groups)).filter((g) => !isEmpty(g));
    return claim(text, full.length === 0, ...full.map((g) => `group ${g.group} is ${g.state} on the ${o.on}: ${membersOf(g)}`));
  });
}

function targetEmpty(ports: Ports, x: EvidenceAsk, set: CutSet): Promise<Shown> {
  const text = `Topics ${list(set.topics)} hold no record on the target.`;
  return shown(text, async () => {
    const filled = (await clusterOf(ports, x.m, 'target').ends(set.topics)).filter((e) => e.hw > e.logStart);
    return claim(text, filled.length === 0, ...filled.map((e) => `${tpKey(e)} holds ${e.hw - e.logStart} offsets on the target`));
  });
}

/** Rough costs of the parts, ms, from measurements on small clusters; a rehearsal knows better. */
const estimate = { stop: 1_500, quiet: 150, drain: 150, silence: 150, mark: 100, perPosition: 0.5, perActivity: 50, copiedPerSecond: 10_000 };
export function forecastMs(o: { readonly copies: boolean; readonly lagRecords: number; readonly positions: number }): number {
  const activities = o.copies ? 7 : 6;
  const copying = o.copies ? estimate.drain + estimate.silence + Math.ceil((o.lagRecords / estimate.copiedPerSecond) * 1000) : estimate.drain;
  return estimate.stop + estimate.quiet + copying + estimate.mark + Math.ceil(o.positions * estimate.perPosition) + (o.positions > 0 ? 200 : 0) + activities * estimate.perActivity;
}

function forecastShown(ports: Ports, x: About<'cut'>): Promise<Shown> {
  const { about } = x;
  const allowed = about.budgetMs - about.undoReserveMs;
  const text = `The forecast of the outage fits the budget of ${about.budgetMs} ms less ${about.undoReserveMs} ms kept for the undo.`;
  return shown(text, async () => {
    const lag = about.copies ? (await viewMirror(ports, { ...x, set: about.set, toward: 'target' })).at.reduce((n, s) => n + s.lag, 0n) : 0n;
    const readings = applicationsOf(x.m, about.applications).flatMap((a) => a.reads.flatMap((r) => r.topics));
    const partitions = new Map(x.inventory.topics.map((t) => [t.name, t.partitions]));
    const positions = readings.reduce((n, t) => n + (partitions.get(t) ?? 0), 0);
    const ms = forecastMs({ copies: about.copies, lagRecords: Number(lag), positions });
    return claim(text, ms <= allowed, `forecast ${ms} ms of ${allowed} ms (an estimate from ${count(lag, 'record')} to copy and ${count(positions, 'position')} to set; how long the applications take to stop is not known)`);
  });
}

async function fenceShown(x: About<'cut'>): Promise<Shown> {
  const rules = rulesOf(x.m, x.about.set);
  const writers = list(x.about.set.writers) || 'nobody';
  if (rules.length === 0) return { claims: [], figures: [`no fence: no principals are declared for ${writers}`] };
  const there = x.inventory.authorizer.source;
  return { claims: [], figures: [there === 'present' ? `fence: ${list(unique(rules.map((r) => r.principal)))} on ${list(x.about.set.topics)}` : `no fence: authorizer of ${x.m.source} is ${there}`] };
}

function cutStands(ports: Ports, record: LedgerBook, { x, set }: { readonly x: EvidenceAsk; readonly set: CutSet }): Promise<Shown> {
  const recorded = `The cut of ${set.name} to the target is in the ledger.`;
  const closed = `Nothing was written to ${list(set.topics)} on the source after the cut.`;
  return shown(`${recorded} ${closed}`, async () => {
    const mark = await standingMark(record, { ...x, set });
    if (!mark) return { claims: [{ text: recorded, holds: false }, { text: closed, holds: false }], figures: [] };
    const [source, target] = await Promise.all((['source', 'target'] as const).map((side) => clusterOf(ports, x.m, side).ends(set.topics)));
    const late = (source ?? []).filter((e) => String(e.hw) !== mark.ends.source[tpKey(e)]?.hw);
    const since = (target ?? []).reduce((n, e) => n + e.hw - BigInt(mark.ends.target[tpKey(e)]?.hw ?? '0'), 0n);
    return { claims: [{ text: recorded, holds: mark.to === 'target' }, { text: closed, holds: late.length === 0 }], figures: [...late.map((e) => `${tpKey(e)} on the source grew from ${mark.ends.source[tpKey(e)]?.hw ?? '?'} to ${e.hw}`), `${set.name}: cut ${mark.epoch}, ${since} offsets written on the target since`] };
  });
}

function mirrorsGone(ports: Ports, x: EvidenceAsk, sets: readonly CutSet[]): Promise<Shown> {
  const text = `Connect holds no mirror of ${list(sets.map((s) => s.name))} any more.`;
  return shown(text, async () => {
    const left = (await Promise.all(sets.map((set) => findMirror(ports, { ...x, set, toward: 'target' })))).flatMap((s) => (s ? [s.name] : []));
    return claim(text, left.length === 0, ...left.map((name) => `${name} is still there`));
  });
}

/** Figures only: a group may lag on the target as it did on the source. */
function lagsShown(ports: Ports, x: EvidenceAsk): Promise<Shown> {
  const groups = unique(x.m.applications.flatMap(groupsOf));
  const topics = unique(x.m.applications.flatMap(readsOf));
  const text = `Positions of ${list(groups) || 'no group'} on ${nameOf(x.m, 'target')} can be read.`;
  return shown(text, async () => {
    const unread = groups.length === 0 ? [] : await unreadOf(ports, { m: x.m, groups, topics, on: 'target' });
    return claim(text, true, ...groups.map((g) => `${g}: at most ${count(unread.filter((u) => u.group === g).reduce((n, u) => n + u.atMost, 0n), 'record')} unread on the target`));
  });
}
