/** What counts against a row. */
import { offerOf, type Offer } from '../../src/domain/offers.ts';
import { aloneName } from './alone.ts';
import { demoMigration } from './places.ts';
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
  (row.fault === noFault || played.struck === noFault || played.struck === 'nobody' ? null : aloneName(row.fault, played.struck));

/** What a scheme does not promise is measured, and counts against no row. */
export type Promised = Pick<Offer, 'loss' | 'repeats' | 'order'>;
export const promisedBy = (scheme: Row['scheme']): Promised => offerOf(scheme, demoMigration(scheme)) ?? { loss: 'none', repeats: 'none', order: 'kept' };

export function faultsOf({ tally, misplaced }: Pick<Played, 'tally' | 'misplaced'>, control: Control | null, promised: Promised): readonly string[] {
  const most = control?.duplicated ?? 0;
  return [
    ...(tally.lost > 0 && promised.loss === 'none' ? [`${tally.lost} lost`] : []),
    ...(tally.reordered > 0 && promised.order === 'kept' ? [`${tally.reordered} out of order`] : []),
    ...(tally.duplicated > most && promised.repeats === 'none' ? [`${tally.duplicated} read again, ${most} by the fault alone`] : []),
    ...misplaced,
  ];
}

export function verdictOf(row: Row, played: Played | null, control: Control | null): Verdict {
  if (played === null) return 'unknown';
  const promised = promisedBy(row.scheme);
  if (faultsOf(played, control, promised).length === 0) return 'passed';
  const onlyRepeats = faultsOf({ ...played, tally: { ...played.tally, duplicated: 0 } }, control, promised).length === 0;
  return onlyRepeats && controlOf(row, played) !== null && (control?.runs ?? 0) < enoughControls ? 'open' : 'failed';
}
