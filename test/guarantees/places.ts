/**
 * Where a fault can strike, read off the plan of a scheme: the steps of its outages and of the moves of its readers, forward,
 * and those of the cuts back. A new scheme needs nothing here.
 */
import { migration } from '../../demo/applications.ts';
import { cutsOf, limitBounds, type Limits, type Migration } from '../../src/domain/migration.ts';
import { backOf, stepId, units, type Unit } from '../../src/domain/scheme.ts';
import { bind, unbound } from '../../src/workflows/resources/use.ts';
import { copies, copiesEither, schemes, type SchemeName } from '../../src/workflows/schemes/schemes.ts';

/** The step after which writers write on the other side. */
export const opens = 'open';
export type Way = 'forward' | 'back';
/** What a call must look like to be the step: written for the worker, which only compares. `remember`: the journal that records the opening. */
export interface Awaited { readonly includes: string; readonly mode: 'outage' | 'plain'; readonly activity: 'remember' | null }
export interface Place {
  readonly way: Way;
  /** The step without the names of what it is about: a row of the table. */
  readonly step: string;
  /** As the plan names it. */
  readonly unit: string;
  readonly awaited: Awaited;
}

const limits = Object.fromEntries(Object.entries(limitBounds).map(([name, b]) => [name, b.default])) as unknown as Limits;
/** Longest write outage of one cut set, ms; of all of them together, with everybody reading to the end first. */
const budgetMs = { each: 10_000, together: 30_000 } as const;
/** The undo is measured in the scenarios; what is left is for the outage. */
const undoReserveMs = 3_300;
/** The demo's migration as a scheme gets it: with a copy wherever that is possible. */
export function demoMigration(scheme: SchemeName): Omit<Migration, 'limits'> {
  const outage = { budgetMs: cutsOf(scheme).cuts === undefined ? budgetMs.each : budgetMs.together, undoReserveMs };
  return { ...migration({ copies: copies[scheme] || copiesEither.includes(scheme), principals: true, budgetMs: outage.budgetMs, second: scheme === 'blueGreen' }), outage };
}

/** The way there and the way back, each as one row of units. Openings are undone last one first. */
export interface Journey { readonly forward: readonly Unit[]; readonly back: readonly Unit[] }
export function journeyOf(scheme: SchemeName, m: Omit<Migration, 'limits'>): Journey {
  const full: Migration = { ...m, ...cutsOf(scheme), limits };
  const forward = units(schemes[scheme](full, () => true, bind({ work: unbound, m: full, inventory: null, owner: 'guarantees', has: () => true })).forward);
  return { forward, back: forward.toReversed().flatMap((u) => units(backOf(u))) };
}

const isOutage = (u: Unit | undefined): boolean => u?.step.kind === 'outage';
/** Phases that stop a fleet outside an outage: readers that move while producers stay. */
const moving = (all: readonly Unit[]): ReadonlySet<string> => new Set(all.filter((u) => u.step.kind === 'change' && u.step.name.startsWith('stop ')).map((u) => u.phase));

const words = new Set(['shop', 'enricher', 'billing', 'audit', 'orders', 'enriched']);
/** What switches traffic and the second set: steps are named after them. */
export const switches = ['traffic', 'live', 'check'] as const;
/** `set positions of enricher-r1 on the target` → `set positions`. */
export const plainStep = (name: string): string => name.replace(/ on the (source|target)\b/g, '').split(/[ ,]+/).map((w) => w.replace(/-r\d+$/, '')).filter((w) => !words.has(w)).join(' ').replace(/( of| for|:)$/, '');

function placesAt(all: readonly Unit[], i: number, way: Way): readonly Place[] {
  const u = all[i];
  if (!u || u.step.kind === 'hold') return [];
  const place = (step: string, awaited: Awaited): Place => ({ way, step, unit: u.name, awaited });
  if (u.step.kind === 'outage') return [
    ...u.step.until.map((s) => place(plainStep(s.name), { includes: `/${stepId(u, s)}/`, mode: 'outage', activity: null })),
    place('record the opening', { includes: `"opening":${JSON.stringify(u.name)}`, mode: 'outage', activity: 'remember' }),
    place(opens, { includes: `/${stepId(u, u.step.open)}/`, mode: 'plain', activity: null }),
  ];
  if (isOutage(all[i + 1]) || isOutage(all[i - 1])) return [place(plainStep(u.step.name), { includes: `/${u.name}/`, mode: 'plain', activity: null })];
  const beforeHold = all.slice(i).some((v) => v.phase === u.phase && v.step.kind === 'hold');
  return way === 'forward' && !beforeHold && moving(all).has(u.phase) ? [place(`readers: ${plainStep(u.step.name)}`, { includes: `/${u.name}/`, mode: 'plain', activity: null })] : [];
}

/** From that unit on, up to the next hold: what runs before anybody is asked again. */
export function placesUpToHold(journey: Journey, way: Way, from: number): readonly Place[] {
  const all = journey[way];
  const hold = all.findIndex((u, i) => i >= from && u.step.kind === 'hold');
  return Array.from({ length: (hold === -1 ? all.length : hold) - from }, (_, i) => placesAt(all, from + i, way)).flat();
}
export const allPlaces = (journey: Journey): readonly Place[] => (['forward', 'back'] as const).flatMap((way) => journey[way].flatMap((_u, i) => placesAt(journey[way], i, way)));

/** The phase to roll back to, so that everything wanted comes again: the one before the first reader moves, or before the first outage. */
export function turningPoint(journey: Journey, withReaders: boolean): string | null {
  const { forward } = journey;
  const move = moving(forward);
  const first = forward.find((u) => isOutage(u) || (withReaders && move.has(u.phase)));
  const phases = [...new Set(forward.map((u) => u.phase))];
  return phases[phases.indexOf(first?.phase ?? '') - 1] ?? null;
}
