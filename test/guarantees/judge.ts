/** What counts against a row. */
import { aloneName } from './alone.ts';
import { noFault, type Row } from './rows.ts';
import type { Played } from './series.ts';
import type { Counts } from './tally.ts';

/** How often the fault alone is tried before repeats count as the migration's: how many there are is chance. */
export const enoughControls = 4;
/** The most that the fault alone did, over so many runs. */
export interface Control extends Counts { readonly runs: number; readonly writeOutageMs: number }
/** `open`: it repeated something, and the fault alone was not tried often enough to tell. `unknown`: it could not be played to its end. */
export type Verdict = 'passed' | 'failed' | 'open' | 'unknown';

export const controlOf = (row: Pick<Row, 'fault'>, played: Pick<Played, 'struck'>): string | null =>
  (row.fault === noFault || played.struck === noFault ? null : aloneName(row.fault, played.struck));

export function faultsOf({ tally, misplaced }: Pick<Played, 'tally' | 'misplaced'>, control: Control | null): readonly string[] {
  const most = control?.duplicated ?? 0;
  return [
    ...(tally.lost > 0 ? [`${tally.lost} lost`] : []),
    ...(tally.reordered > 0 ? [`${tally.reordered} out of order`] : []),
    ...(tally.duplicated > most ? [`${tally.duplicated} read again, ${most} by the fault alone`] : []),
    ...misplaced,
  ];
}

export function verdictOf(row: Row, played: Played | null, control: Control | null): Verdict {
  if (played === null) return 'unknown';
  const faults = faultsOf(played, control);
  if (faults.length === 0) return 'passed';
  const onlyRepeats = faultsOf({ ...played, tally: { ...played.tally, duplicated: 0 } }, control).length === 0;
  return onlyRepeats && controlOf(row, played) !== null && (control?.runs ?? 0) < enoughControls ? 'open' : 'failed';
}
