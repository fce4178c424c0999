/**
 * From one hold to the next: faults that strike at steps in between, each mended before the next one strikes, and what the books
 * say of it afterwards. What all of them together did not do none of them did; where they did something, nobody can say which.
 */
import type { OutageRecord, Progress } from '../../src/domain/progress.ts';
import type { Cast } from './cast.ts';
import { strikeOf, type FaultName, type Strike } from './faults.ts';
import { faultsOf, promisedBy } from './judge.ts';
import type { Place, Way } from './places.ts';
import { chanceOf, noFault, noStep, rowName, type Row } from './rows.ts';
import type { Played } from './series.ts';
import type { Tally } from './tally.ts';

type Faulty = Row & { readonly fault: FaultName };
interface Hit { readonly row: Faulty; readonly place: Place; readonly strike: Strike; readonly leadMs: number | null; readonly metMs: number }
export interface Told { readonly row: Row; readonly played: Played }
export interface StretchChoices {
  readonly opensAt: string;
  readonly way: Way;
  readonly places: readonly Place[];
  /** Rows that may be played here, in the order of wish; empty: nothing is looked for, and nothing told. */
  readonly rows: readonly Row[];
  /** So many strikes at most. */
  readonly most: number;
  readonly seed: number;
  readonly fromMs: number;
  readonly outages: readonly OutageRecord[];
  readonly say: (line: string) => void;
}

/** What an application loses or repeats by its own death cannot be told from what others did: it is struck by itself. */
const isByItself = (row: Row): boolean => row.fault.endsWith('application');
/** The first row wanted here, with those that may strike beside it. */
export function rowsTogether(left: readonly Row[], single: ReadonlySet<string>, fits: (row: Row) => boolean): readonly Row[] {
  const [first, ...others] = left.filter(fits);
  if (first === undefined) return [];
  const apart = (row: Row): boolean => row.fault === noFault || isByItself(row) || single.has(rowName(row));
  return apart(first) ? [first] : [first, ...others.filter((r) => !apart(r))];
}

export class Stretch {
  readonly x: StretchChoices;
  readonly striking: Promise<void>;
  readonly retried: { readonly atMs: number; readonly said: string }[] = [];
  error: Error | null = null;
  /** When something was last mended, epoch ms: patience begins anew. */
  mendedMs = 0;
  readonly #cast: Cast;
  readonly #hits: Hit[] = [];
  #over = false;
  constructor(cast: Cast, x: StretchChoices) {
    this.#cast = cast;
    this.x = x;
    this.striking = this.#strikeAll().catch((e: Error) => { this.error = e; });
  }
  /** Struck so far, somebody or nobody. */
  get rows(): readonly Row[] { return this.#hits.map((h) => h.row); }
  get isPlain(): boolean { return this.x.rows[0]?.fault === noFault; }

  /** The next hold is there, or never will be. */
  async end(): Promise<void> {
    this.#over = true;
    await this.striking;
    // A killed worker may have been at the gate: its step comes again, or is behind us by now.
    this.#cast.gate.open();
  }
  /** Whoever still waits for a step waits no longer, or the process would never end. */
  abandon(): void { this.#over = true; }

  #open(): readonly { readonly row: Faulty; readonly place: Place }[] {
    const rows = this.x.rows.filter((r): r is Faulty => r.fault !== noFault && !this.#hits.some((h) => h.row === r));
    const [only] = rows;
    // Alone, one of its places is drawn; beside others, whichever is reached first.
    if (this.x.rows.length === 1 && only) {
      const fitting = this.x.places.filter((p) => p.step === only.step);
      const place = fitting[Math.floor(chanceOf(only, this.x.seed).draw() * fitting.length)];
      return place ? [{ row: only, place }] : [];
    }
    return this.x.places.flatMap((place) => { const row = rows.find((r) => r.step === place.step); return row ? [{ row, place }] : []; });
  }

  async #strikeAll(): Promise<void> {
    const { gate } = this.#cast;
    while (this.#hits.length < this.x.most) {
      const open = this.#open();
      if (open.length === 0) return;
      gate.await(open.map((o) => o.place.awaited));
      const met = open[await gate.met(() => this.#over) ?? -1];
      if (met === undefined) return;
      await this.#strike(met.row, met.place);
    }
  }

  async #strike(row: Faulty, place: Place): Promise<void> {
    const chance = chanceOf(row, this.x.seed);
    // The place was drawn with the first number.
    chance.draw();
    const strike = strikeOf(row.fault, this.#cast, chance.draw);
    this.x.say(`  ${rowName(row)} at ${place.unit} …`);
    const metMs = Date.now();
    if (chance.leadMs === null) await strike.hit();
    this.#cast.gate.go();
    if (chance.leadMs !== null) {
      await new Promise((r) => setTimeout(r, chance.leadMs ?? 0));
      await strike.hit();
    }
    this.#hits.push({ row, place, strike, leadMs: chance.leadMs, metMs });
    await strike.mend();
    this.mendedMs = Date.now();
  }

  /**
   * What is known of each row that was struck; or what was lost, repeated or reordered, where it may have been any of them.
   * `toMs`: all that was written before is read by then.
   */
  told(p: Pick<Progress, 'outages'>, toMs: number, misplaced: readonly string[], plain: (text: string) => string, plainTally: (t: Tally) => Tally): { readonly rows: readonly Told[] } | { readonly unclear: readonly string[] } {
    const { accounts, supervisor } = this.#cast;
    const { fromMs } = this.x;
    const whole = plainTally(accounts.between(fromMs, toMs));
    const within = (from: number, to: number) => ({
      outages: p.outages.slice(this.x.outages.length).filter((o) => o.endedMs >= from && o.endedMs < to).map(({ name, outcome, addedMs, why }) => ({ name: plain(name), outcome, addedMs, why })),
      retried: this.retried.filter((r) => r.atMs >= from && r.atMs < to).map((r) => r.said),
      forced: supervisor.events.filter((e) => e.what === 'killed' && e.atMs >= from && e.atMs < to).map((e) => plain(e.application)), misplaced, tookMs: to - from,
    });
    const [plainRow] = this.x.rows;
    if (plainRow && this.isPlain) return { rows: [{ row: plainRow, played: { struck: noFault, unit: noStep, leadMs: null, together: 1, tally: whole, ...within(fromMs, Date.now()) } }] };
    const hits = this.#hits.filter((h) => h.strike.who() !== 'nobody');
    const [first, ...others] = hits;
    const seen = first && others.length > 0 ? faultsOf({ tally: whole, misplaced }, null, promisedBy(first.row.scheme)) : [];
    if (seen.length > 0) return { unclear: [...seen, ...whole.examples] };
    return { rows: hits.map(({ row, place, strike, leadMs, metMs }, i) => {
      const [from, to] = [i === 0 ? fromMs : metMs, hits[i + 1]?.metMs ?? Date.now()];
      const { writeOutageMs, readOutageMs } = hits.length === 1 ? whole : accounts.between(from, Math.min(to, toMs));
      return { row, played: { struck: strike.who(), unit: plain(place.unit), leadMs, together: hits.length, tally: { ...whole, writeOutageMs, readOutageMs }, ...within(from, to) } };
    }) };
  }
}
