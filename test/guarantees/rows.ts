/** Every row of the table: a scheme, a way, a step, a fault. What is left to chance in a row follows from its name and the seed. */
import type { SchemeName } from '../../src/workflows/schemes/schemes.ts';
import { random } from './draw.ts';
import { faultNames, type FaultName } from './faults.ts';
import { momentNames, setsAt, type MomentName, type SetName, type Way } from './moments.ts';

export const schemeNames = ['stopRestartRepeat', 'producerFirst'] as const satisfies readonly SchemeName[];
export const ways: readonly Way[] = ['forward', 'back'];
export interface Row { readonly scheme: SchemeName; readonly way: Way; readonly moment: MomentName; readonly fault: FaultName }
/** Whose outage is struck, when, and what else is drawn. */
export interface Chance {
  readonly set: SetName;
  /** Into the step, ms; `null`: just before it, so that the step begins with the fault. */
  readonly leadMs: number | null;
  readonly draw: () => number;
}
export interface Wanted { readonly scheme?: string; readonly way?: string; readonly step?: string; readonly fault?: string }

const longestLeadMs = 150;

export const allRows: readonly Row[] = schemeNames.flatMap((scheme) => ways.flatMap((way) => momentNames
  .filter((moment) => setsAt(moment, scheme, way).length > 0)
  .flatMap((moment) => faultNames.map((fault) => ({ scheme, way, moment, fault })))));
export const rowName = (r: Row): string => `${r.scheme} ${r.way}, ${r.moment}, ${r.fault}`;

export const chosen = (w: Wanted): readonly Row[] => allRows.filter((r) =>
  (w.scheme ?? r.scheme) === r.scheme && (w.way ?? r.way) === r.way && (w.step ?? r.moment) === r.moment && (w.fault ?? r.fault) === r.fault);

/** `n` of them, each at most once. */
export function sample(rows: readonly Row[], n: number, seed: number): readonly Row[] {
  const next = random(seed);
  return rows.map((row) => ({ row, at: next() })).sort((a, b) => a.at - b.at).slice(0, n).map(({ row }) => row);
}

/** FNV-1a: names the row's own chance, whichever other rows run beside it. */
const numberOf = (text: string): number => Buffer.from(text).reduce((h, byte) => Math.imul(h ^ byte, 0x01000193), 0x811c9dc5) >>> 0;

export function chanceOf(row: Row, seed: number, set?: SetName): Chance {
  const draw = random(numberOf(`${seed} ${rowName(row)}`));
  const sets = setsAt(row.moment, row.scheme, row.way);
  const drawn = sets[Math.floor(draw() * sets.length)] ?? 'orders';
  const leadMs = draw() < 0.5 ? null : Math.floor(draw() * longestLeadMs);
  return { set: set !== undefined && sets.includes(set) ? set : drawn, leadMs, draw };
}
