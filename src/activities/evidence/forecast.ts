/** How long an outage will take, from measured parts: an honest guess, because an outage that does not make it undoes itself. */
import type { Side } from '../../domain/authority.ts';
import type { CutSet } from '../../domain/cutsets.ts';
import { readingsOf, type Application } from '../../domain/migration.ts';
import { parseRehearsed, rehearsedFigures } from '../../domain/rehearsed.ts';
import { rehearsalKey } from '../../domain/rehearsal.ts';
import type { At } from '../boundary.ts';
import { viewMirror } from '../caughtup.ts';
import { fenceable, gaps, rulesOf } from '../fence.ts';
import { unguarded } from '../groupfence.ts';
import { applicationsOf, clusterOf, count, grouped, list, nameOf, unique } from '../outside.ts';
import type { EvidenceAbout } from '../work.ts';
import { stoppingOrder as stagesOf } from '../../domain/stopping.ts';
import { watchDraining } from './draining.ts';
import type { Pace } from '../pace.ts';
import { claim, shown, told, type EvidenceAsk, type Reach, type Shown } from './shown.ts';

/** ms, from runs on two clusters of one broker each; `perStep` is Temporal's share of one activity. Positions go many to a request. */
const measured = {
  stop: 300, perStep: 30, quiet: 50, drain: 60, silence: 100, mark: 60, confirm: 20, fence: 45, transactions: 30, leftovers: 50,
  positions: 40, perPosition: 0.5, perPositionOfMany: 0.2, many: 1_000, perPartition: 0.3, copiedPerSecond: 10_000,
} as const;

export interface Outlook {
  readonly copies: boolean;
  readonly lagRecords: number;
  readonly partitions: number;
  readonly positions: number;
  /** Fences that change inside the outage. */
  readonly fences: number;
  /** Members and open transactions are looked for. */
  readonly leftovers: boolean;
  readonly transactionalIds: number;
  /** Of those that stop together, one after the other, as it took before (`pace.ts`), ms; `null`: not all of them were seen. */
  readonly stopsMs: readonly (number | null)[];
  /** How long groups read to the end before those behind them may stop, ms. */
  readonly waitMs?: number;
}
export interface Forecast { readonly ms: number; readonly parts: readonly (readonly [name: string, ms: number])[] }

export function forecast(o: Outlook): Forecast {
  const stages = o.stopsMs.length;
  const unseen = o.stopsMs.filter((ms) => ms === null).length;
  const steps = 6 + (stages - 1) * 4 + (o.copies ? 1 : 0) + o.fences + (o.leftovers ? 1 : 0) + (o.positions > 0 ? 1 : 0) + (o.transactionalIds > 0 ? 1 : 0);
  const parts = ([
    [`${stages > 1 ? `${stages} stops one after the other` : 'stop'} (${unseen === 0 ? 'as it took before' : unseen === stages ? 'not measured yet' : `${unseen} of them not measured yet`})`, o.stopsMs.reduce<number>((n, ms) => n + (ms ?? measured.stop), 0)],
    ['groups reading to the end', o.waitMs ?? 0],
    [`Temporal for ${steps} steps`, steps * measured.perStep],
    ['quiet', stages * measured.quiet], ['leftovers', o.leftovers ? stages * measured.leftovers : 0],
    [count(o.fences, 'fence'), o.fences * measured.fence],
    ['transactional ids', o.transactionalIds > 0 ? measured.transactions : 0],
    ['drain', measured.drain + (o.lagRecords / measured.copiedPerSecond) * 1000],
    ['silence', o.copies ? measured.silence : 0],
    ['positions', o.positions > 0 ? measured.positions + Math.min(o.positions, measured.many) * measured.perPosition + Math.max(0, o.positions - measured.many) * measured.perPositionOfMany : 0],
    ['mark and confirm', measured.mark + measured.confirm],
    [`${count(o.partitions, 'partition')}`, o.partitions * measured.perPartition],
  ] as const).map(([name, ms]) => [name, Math.ceil(ms)] as const).filter(([, ms]) => ms > 0);
  return { ms: parts.reduce((n, [, ms]) => n + ms, 0), parts };
}

/** Of applications that stop together, ms; `null`: of one of them it is not known. */
function slowest(pace: Pace, applications: readonly string[], at: At): number | null {
  const stops = applications.map((a) => pace.stopMs(a, at.now()));
  return stops.some((s) => s === null) ? null : Math.max(0, ...stops.map(Number));
}

type OfOutage = EvidenceAsk & { readonly about: Extract<EvidenceAbout, { readonly kind: 'cut' | 'reverse' }> };

export function forecastShown({ ports, record, pace, at }: Reach, x: OfOutage): Promise<Shown> {
  const { about } = x;
  const [copies, toward] = about.kind === 'cut' ? [about.copies, 'target' as const] : [true, 'source' as const];
  const allowed = about.budgetMs - about.undoReserveMs;
  const text = `The forecast of the outage fits the budget of ${grouped(about.budgetMs)} ms less ${grouped(about.undoReserveMs)} ms kept for the undo.`;
  return shown(text, async () => {
    // Beside a set that still reads there the mirror is made, and catches up, after the hold.
    const lag = copies && !(about.kind === 'reverse' && about.beside) ? (await viewMirror(ports, { ...x, set: about.set, toward }, { record })).at.reduce((n, s) => n + s.lag, 0n) : 0n;
    const applications = applicationsOf(x.m, about.applications);
    const partitions = new Map(x.inventory.topics.map((t) => [t.name, t.partitions]));
    const total = (topics: readonly string[]): number => topics.reduce((n, t) => n + (partitions.get(t) ?? 0), 0);
    const positions = total(readingsOf(applications).flatMap((r) => r.topics));
    const waits = about.kind === 'cut' ? (about.waits ?? []) : [];
    const stages = waits.length === 0 ? [applications] : stagesOf(x.m).map((s) => s.applications);
    const draining = waits.length === 0 ? null : await watchDraining(ports, x, waits, at);
    const { ms, parts } = forecast({
      copies, lagRecords: Number(lag), partitions: total(about.set.topics), positions, fences: fencesOf(x, applications),
      leftovers: applications.some((a) => a.reads.length > 0 || a.transactionalIds.length > 0),
      transactionalIds: applications.flatMap((a) => a.transactionalIds).length, waitMs: draining?.ms ?? 0,
      stopsMs: stages.map((together) => slowest(pace, together.map((a) => a.name), at)),
    });
    return claim(text, ms <= allowed && draining?.ms !== null, ...(draining?.figures ?? []), `forecast ${grouped(ms)} ms of ${grouped(allowed)} ms, an estimate: ${parts.map(([name, part]) => `${name} ${grouped(part)}`).join(', ')}; from ${count(lag, 'record')} to copy and ${count(positions, 'position')} to set`);
  });
}

/** The last rehearsal of this migration, beside the forecast: it lets nothing through. */
export const rehearsedShown = ({ record, pace, at }: Reach, x: EvidenceAsk & { readonly about: Extract<EvidenceAbout, { readonly kind: 'cut' }> }): Promise<Shown> =>
  told('the rehearsal', async () => {
    const { set, applications, budgetMs, undoReserveMs } = x.about;
    const key = rehearsalKey(x.m);
    const kept = (await record.read(x.m, key, newer)).get(key);
    return rehearsedFigures(kept === undefined ? null : parseRehearsed(kept), {
      m: x.m, set, allowedMs: budgetMs - undoReserveMs, stopMs: slowest(pace, applications, at), nowMs: at.now(),
    });
  });
const newer = (a: string, b: string): string => ((parseRehearsed(b)?.atMs ?? 0) > (parseRehearsed(a)?.atMs ?? 0) ? b : a);

/** One up on the side that closes and one down on the side that opens, and one behind the groups that move along. */
function fencesOf(x: OfOutage, applications: readonly Application[]): number {
  const able = (side: Side): number => (x.inventory.authorizer[side] === 'present' ? 1 : 0);
  const reading = applications.some((a) => a.reads.length > 0 && fenceable(a.principals).length > 0);
  return (rulesOf(x.m, x.about.set).length > 0 ? able('source') + able('target') : 0) + (reading ? able('source') : 0);
}

/** Which fence goes up in the outage, and what it cannot stop. */
export const fenceTold = ({ ports }: Reach, x: EvidenceAsk, o: { readonly set: CutSet; readonly on: Side }): Promise<Shown> =>
  told(`the fence on the ${o.on}`, async () => {
    const rules = rulesOf(x.m, o.set);
    const facts = await clusterOf(ports, x.m, o.on).facts();
    const holes = gaps(x.m, o.set, facts);
    if (facts.authorizer !== 'present') return [`no fence: the authorizer of ${nameOf(x.m, o.on)} is ${facts.authorizer}; a forgotten writer is watched for, not refused`];
    if (rules.length === 0) return [`no fence: ${holes.join('; ') || `nobody writes ${o.set.name}`}`];
    return [`fence on ${nameOf(x.m, o.on)}: ${list(unique(rules.map((r) => r.principal)))} on ${list(o.set.topics)}`, ...holes.map((h) => `the fence does not stop everybody: ${h}`),
      ...(facts.superUsers === undefined ? [`who the super users of ${nameOf(x.m, o.on)} are is unknown: no rule stops them`] : [])];
  });
export const readFenceTold = ({ ports }: Reach, x: EvidenceAsk, o: { readonly groups: readonly string[]; readonly on: Side }): Promise<Shown> =>
  told(`the read fence on the ${o.on}`, async () => {
    const holes = unguarded(x.m, o.groups, await clusterOf(ports, x.m, o.on).facts());
    const principals = fenceable(x.m.applications.filter((a) => a.reads.some((r) => o.groups.includes(r.group))).flatMap((a) => a.principals));
    return [...(principals.length > 0 && !holes.some((h) => h.startsWith('no read fence: ')) ? [`a read fence is possible on ${nameOf(x.m, o.on)} for ${list(principals)}`] : []), ...holes];
  });
