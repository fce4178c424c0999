/** Every row of the table: a scheme, a way, a step, a fault; and per scheme and way one without a fault. */
import { schemes, type SchemeName } from '../../src/workflows/schemes/schemes.ts';
import { random } from './draw.ts';
import { faultNames, type FaultName } from './faults.ts';
import { allPlaces, demoMigration, journeyOf, type Way } from './places.ts';

export const schemeNames = Object.keys(schemes) as readonly SchemeName[];
export const ways: readonly Way[] = ['forward', 'back'];
export const noFault = 'none';
/** The row of a way on which nothing strikes. */
export const noStep = 'whichever';
export interface Row { readonly scheme: SchemeName; readonly way: Way; readonly step: string; readonly fault: FaultName | typeof noFault }
/** What else is drawn of a strike. */
export interface Chance {
  /** Into the step, ms; `null`: just before it, so that the step begins with the fault. */
  readonly leadMs: number | null;
  readonly draw: () => number;
}
export interface Wanted { readonly scheme?: string; readonly way?: string; readonly step?: string; /** Any of them. */ readonly faults?: readonly string[] }

const longestLeadMs = 150;

/** The steps of a scheme that way, in the order of its plan. */
const stepNames = new Map(schemeNames.map((scheme) => {
  const places = allPlaces(journeyOf(scheme, demoMigration(scheme)));
  return [scheme, { forward: distinct(places, 'forward'), back: distinct(places, 'back') }] as const;
}));
function distinct(places: ReturnType<typeof allPlaces>, way: Way): readonly string[] {
  return [...new Set(places.filter((p) => p.way === way).map((p) => p.step))];
}
export const stepsOf = (scheme: SchemeName, way: Way): readonly string[] => stepNames.get(scheme)?.[way] ?? [];

export const allRows: readonly Row[] = schemeNames.flatMap((scheme) => ways.flatMap((way): readonly Row[] => [
  { scheme, way, step: noStep, fault: noFault },
  ...stepsOf(scheme, way).flatMap((step) => faultNames.map((fault) => ({ scheme, way, step, fault }))),
]));
export const rowName = (r: Row): string => `${r.scheme} ${r.way}, ${r.step}, ${r.fault}`;

export const chosen = (w: Wanted): readonly Row[] => allRows.filter((r) =>
  (w.scheme ?? r.scheme) === r.scheme && (w.way ?? r.way) === r.way && (w.step ?? r.step) === r.step && (w.faults ?? [r.fault]).includes(r.fault));

/** `n` of them, each at most once, in the order in which they were drawn. */
export function sample(rows: readonly Row[], n: number, seed: number): readonly Row[] {
  const next = random(seed);
  return rows.map((row) => ({ row, at: next() })).sort((a, b) => a.at - b.at).slice(0, n).map(({ row }) => row);
}

/** All of them, in an order of which every beginning is spread: each fault once on each way of each scheme, at a step that chance draws, before any comes again. */
export function spread(rows: readonly Row[], seed: number): readonly Row[] {
  const before = new Map<string, number>();
  return sample(rows, rows.length, seed).map((row) => {
    const pair = `${row.scheme} ${row.way} ${row.fault}`;
    const round = before.get(pair) ?? 0;
    before.set(pair, round + 1);
    return { row, round };
  }).sort((a, b) => a.round - b.round).map(({ row }) => row);
}

/** FNV-1a: names the row's own chance, whichever other rows run beside it. */
const numberOf = (text: string): number => Buffer.from(text).reduce((h, byte) => Math.imul(h ^ byte, 0x01000193), 0x811c9dc5) >>> 0;

/** A killed reader reads again what it had not committed, so it is struck by itself: where readers move, and at every second step that chance draws. */
export function isOfReaders(row: Row, seed: number): boolean {
  const { draw } = chanceOf(row, seed);
  // The first draw says who of them it is.
  draw();
  return row.fault === 'kill application' && (row.step.startsWith('readers: ') || draw() < 0.5);
}

export function chanceOf(row: Row, seed: number): Chance {
  const draw = random(numberOf(`${seed} ${rowName(row)}`));
  return { leadMs: draw() < 0.5 ? null : Math.floor(draw() * longestLeadMs), draw };
}
