/**
 * From one hold to the next, for one migration: faults that strike at steps in between, each mended before the next one strikes,
 * and what the books say of it afterwards. What all of them together did not do none of them did; where they did something, nobody
 * can say which.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { OutageRecord, Progress } from '../../src/domain/progress.ts';
import type { Cast } from './cast.ts';
import { strikeOf, type FaultName, type Strike } from './faults.ts';
import { faultsOf, promisedBy } from './judge.ts';
import type { Place, Way } from './places.ts';
import { chanceOf, noFault, noStep, rowName, type Row } from './rows.ts';
import type { Played } from './series.ts';
import type { Chosen, Joint, Strikes } from './strikes.ts';
import { momentOf, type Moment, type Tally } from './tally.ts';

type Faulty = Row & { readonly fault: FaultName };
interface Open { readonly row: Faulty; readonly place: Place }
interface Hit { readonly row: Faulty; readonly place: Place; readonly strike: Strike; readonly leadMs: number | null; readonly metMs: number }
/** Then it is told that nobody runs there. */
const enoughMisses = 3;
/** Somebody else's strike begins no sooner. */
const passEveryMs = 10;
export interface Told { readonly row: Row; readonly played: Played }
export interface StretchChoices {
  readonly scheme: Row['scheme'];
  readonly opensAt: string;
  readonly way: Way;
  readonly places: readonly Place[];
  /** Rows that may be played here, in the order of wish; empty: nothing is looked for, and nothing told. */
  readonly rows: readonly Row[];
  /** So many strikes at most. */
  readonly most: number;
  /** What is struck is struck for all that share it. */
  readonly strikes: Strikes;
  /** Only where somebody else's strike is gathered, with its fault. */
  readonly follows: boolean;
  /** How often the strike of that row found nobody so far. */
  readonly missed: (row: Row) => number;
  readonly seed: number;
  readonly from: Moment;
  readonly outages: readonly OutageRecord[];
  readonly say: (line: string) => void;
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
  readonly #before: number;
  #over = false;
  constructor(cast: Cast, x: StretchChoices) {
    this.#cast = cast;
    this.x = x;
    this.#before = x.strikes.count;
    this.striking = this.#strikeAll().catch((e: Error) => { this.error = e; });
  }
  /** Struck so far, somebody or nobody. */
  get rows(): readonly Row[] { return this.#hits.map((h) => h.row); }
  get isPlain(): boolean { return this.x.rows[0]?.fault === noFault; }
  /** Struck at when there was nobody. */
  get missed(): readonly Row[] { return this.#hits.filter((h) => h.strike.who() === 'nobody').map((h) => h.row); }
  /** Strikes at anything that this migration lives by, at one of its steps or not. */
  get struck(): number { return this.x.strikes.count - this.#before; }

  /** The next hold is there, or never will be: whoever still waits for a step waits no longer. */
  over(): void { this.#over = true; }
  async end(): Promise<void> {
    this.over();
    await this.striking;
    // A killed worker may have been at the gate: its step comes again, or is behind us by now.
    this.#cast.gate.open();
  }

  /** `fault`: the one that is being gathered, or none yet. */
  #open(fault: FaultName | null): readonly Open[] {
    const rows = this.x.rows.filter((r): r is Faulty => r.fault !== noFault && (fault ?? r.fault) === r.fault && !this.#hits.some((h) => h.row === r));
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
    const { strikes, most, follows } = this.x;
    try {
      while (this.#hits.length < most && !this.#over) {
        if (this.#open(null).length === 0) return;
        const fault = strikes.fault;
        const open = fault === null && follows ? [] : this.#open(fault);
        if (open.length > 0) await this.#awaitOne(open, fault);
        else await this.#pass(fault);
      }
    } finally {
      strikes.forget(this);
    }
  }

  /** Nothing to strike at here and now: until what is under way is mended, or something begins. */
  async #pass(fault: FaultName | null): Promise<void> {
    const { strikes } = this.x;
    strikes.forget(this);
    if (fault !== null) return strikes.calm();
    while (strikes.fault === null && !this.#over) await sleep(passEveryMs);
  }

  async #awaitOne(open: readonly Open[], fault: FaultName | null): Promise<void> {
    const { gate } = this.#cast;
    const { strikes } = this.x;
    gate.await(open.map((o) => o.place.awaited));
    strikes.expect(this);
    const met = open[await gate.met(() => this.#over || strikes.fault !== fault) ?? -1];
    strikes.forget(this);
    const metMs = Date.now();
    const joint = met === undefined ? null : strikes.join(this.#choose(met), () => { gate.go(); });
    // Not here, or not now: whoever was held goes on.
    if (joint === null) gate.open();
    else if (met !== undefined) await this.#struck(met, metMs, joint);
  }

  #choose({ row }: Open): Chosen {
    const chance = chanceOf(row, this.x.seed + this.x.missed(row));
    // The place was drawn with the first number.
    chance.draw();
    return { fault: row.fault, leadMs: chance.leadMs, strike: strikeOf(row.fault, this.#cast, chance.draw) };
  }

  async #struck({ row, place }: Open, metMs: number, { strike, leadMs, struck, mended }: Joint): Promise<void> {
    this.x.say(`  ${rowName(row)} at ${place.unit} …`);
    await struck;
    this.#hits.push({ row, place, strike, leadMs, metMs });
    await mended;
    this.mendedMs = Date.now();
  }

  /**
   * What is known of each row that was struck; or what was lost, repeated or reordered, where it may have been any of them.
   * `to`: all that was written before it is read by then.
   */
  told(p: Pick<Progress, 'outages'>, to: Moment, misplaced: readonly string[], plain: (text: string) => string, plainTally: (t: Tally) => Tally): { readonly rows: readonly Told[] } | { readonly unclear: readonly string[] } {
    const { accounts, supervisor } = this.#cast;
    const fromMs = this.x.from.writtenMs;
    const whole = plainTally(accounts.between(this.x.from, to));
    const within = (from: number, to: number) => ({
      outages: p.outages.slice(this.x.outages.length).filter((o) => o.endedMs >= from && o.endedMs < to).map(({ name, outcome, addedMs, why }) => ({ name: plain(name), outcome, addedMs, why })),
      retried: this.retried.filter((r) => r.atMs >= from && r.atMs < to).map((r) => r.said),
      forced: supervisor.events.filter((e) => e.what === 'killed' && e.atMs >= from && e.atMs < to).map((e) => plain(e.application)), misplaced, tookMs: to - from,
    });
    const [plainRow] = this.x.rows;
    if (plainRow && this.isPlain) return { rows: [{ row: plainRow, played: { struck: noFault, unit: noStep, leadMs: null, together: 1, tally: whole, ...within(fromMs, Date.now()) } }] };
    const hits = this.#hits.filter((h) => h.strike.who() !== 'nobody' || this.x.missed(h.row) + 1 >= enoughMisses);
    const seen = hits.length === 1 && this.struck === 1 ? [] : faultsOf({ tally: whole, misplaced }, null, promisedBy(this.x.scheme));
    if (seen.length > 0) return { unclear: [...seen, ...whole.examples] };
    return { rows: hits.map(({ row, place, strike, leadMs, metMs }, i) => {
      const [beganMs, endedMs] = [i === 0 ? fromMs : metMs, hits[i + 1]?.metMs ?? Date.now()];
      const { writeOutageMs, readOutageMs } = this.struck === 1 ? whole : accounts.between(momentOf(beganMs), momentOf(Math.min(endedMs, to.writtenMs)));
      return { row, played: { struck: strike.who(), unit: plain(place.unit), leadMs, together: this.struck, tally: { ...whole, writeOutageMs, readOutageMs }, ...within(beganMs, endedMs) } };
    }) };
  }
}
