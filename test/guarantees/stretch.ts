/**
 * From one hold to the next, for one migration: faults that strike at steps in between, each mended before the next one strikes,
 * and what the books say of it afterwards. What all of them together did not do none of them did; where they did something, nobody
 * can say which.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { OutageRecord, Progress } from '../../src/domain/progress.ts';
import type { Application, Cast } from './cast.ts';
import { strikeOf, type FaultName, type Strike, type Struck } from './faults.ts';
import { isStep } from './gate.ts';
import { faultsOf, promisedBy, type Control } from './judge.ts';
import type { Place, Way } from './places.ts';
import { chanceOf, noFault, noStep, rowName, type Row } from './rows.ts';
import type { Played } from './series.ts';
import type { Chosen, Joint, Strikes } from './strikes.ts';
import { momentOf, type Moment, type Tally } from './tally.ts';
import type { Faulty, Reach } from './volley.ts';

/** `sinceMs`: it was struck so long before the step began. */
interface Hit extends Reach { readonly strike: Strike; readonly leadMs: number | null; readonly metMs: number; readonly sinceMs?: number }
const isSpared = ({ strike }: Hit): boolean => strike.isSpared?.() ?? false;
/** Without the names that this migration gives. */
export interface Plainly { readonly plain: (text: string) => string; readonly plainTally: (t: Tally) => Tally }
/** Then it is told that nobody runs there. */
const enoughMisses = 3;
/** How long those are down nobody sees to the moment, and without worker and Temporal no step begins. */
const soonBack: ReadonlySet<FaultName> = new Set(['kill application', 'kill worker', 'kill Temporal']);
/** What is being started may already work before that is known. */
const surelyDownMs = 500;
/** A new aim is seen so soon. */
const lookEveryMs = 10;
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
  /** Among those that share the strikes. */
  readonly member: number;
  /** Nobody is struck but with it. */
  readonly leads: boolean;
  /** Whom a fault of an application may strike. */
  readonly of: (fault: FaultName) => readonly Application[];
  /** How long an outage may go on before it is undone. */
  readonly outageMs: number;
  /** Rows of this stretch that were hit, by it or by others that share the strikes: they are hit once. */
  readonly hit: Set<Row>;
  /** The most that a fault did alone. */
  readonly alone: (fault: FaultName, struck: Struck) => Control | null;
  /** Rows of that way that are still wanted, and for which nobody was struck in this stretch. */
  readonly wanted: () => readonly Row[];
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
  readonly #cast: Cast;
  readonly #hits: Hit[] = [];
  readonly #before: number;
  /** The last place at which it was hit; and since when the outage was being hit that was under way there, epoch ms. */
  #stands: { readonly at: number; readonly insideMs: number | null } = { at: -1, insideMs: null };
  #isOnItsWay = false;
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
  get missed(): readonly Row[] { return this.#hits.filter((h) => h.strike.who() === 'nobody' && !isSpared(h)).map((h) => h.row); }
  /** There was somebody who must be struck by himself. */
  get spared(): readonly Row[] { return this.#hits.filter(isSpared).map((h) => h.row); }
  /** Strikes at anything that this migration lives by, at one of its steps or not. */
  get struck(): number { return this.x.strikes.count - this.#before; }

  /** When something was last mended, whoever it was struck for, epoch ms: patience begins anew. */
  get mendedMs(): number { return this.x.strikes.past(0, this.x.member).at(-1)?.mendedMs ?? 0; }

  /** The next hold is there, or never will be: whoever still waits for a step waits no longer. */
  over(): void { this.#over = true; }
  async end(): Promise<void> {
    this.over();
    await this.striking;
    // A killed worker may have been at the gate: its step comes again, or is behind us by now.
    this.#cast.gate.open();
  }

  /** The outage of that name was undone, and begins anew. */
  again(unit: string): void {
    const first = this.x.places.findIndex((p) => p.unit === unit);
    if (first !== -1) this.#stands = { at: first - 1, insideMs: null };
  }

  /** Rows that could be played from where it stands, in the order of wish. */
  #reach(): readonly Reach[] {
    const { rows, places, hit, most, outageMs } = this.x;
    const { at: last, insideMs } = this.#stands;
    // An outage that was hit for longer than it may last is undone, and nobody knows when it begins anew.
    if (this.#hits.length >= most || (insideMs !== null && Date.now() - insideMs > outageMs)) return [];
    // Inside one the next step begins before anybody could wait for it.
    const from = insideMs === null ? last + 1 : last + 2;
    return rows.filter((r): r is Faulty => r.fault !== noFault && !hit.has(r)).flatMap((row) =>
      places.flatMap((place, at) => (place.step === row.step && at >= from ? [{ row, place, at }] : [])));
  }

  async #strikeAll(): Promise<void> {
    const { strikes, member, leads } = this.x;
    strikes.enter(member, { reach: () => this.#reach(), leads, isLast: () => this.#hits.length + 1 >= this.x.most });
    try {
      while (!this.#over) {
        const aim = strikes.aimOf(member);
        if (aim === null) await sleep(lookEveryMs);
        else await this.#awaitAt(aim);
      }
    } finally {
      strikes.leave(member);
    }
  }

  async #awaitAt(aim: Reach): Promise<void> {
    const { gate } = this.#cast;
    const { strikes, member, places } = this.x;
    const [first] = places;
    if (aim.at > 0 && first?.awaited.mode === 'plain' && !this.#isOnItsWay) await this.#musterAt(first, aim);
    this.#isOnItsWay = true;
    gate.await([aim.place.awaited]);
    const met = await gate.met(() => this.#over || strikes.aimOf(member) !== aim);
    const metMs = Date.now();
    const joint = met === null ? null : strikes.arrive(member, aim, () => this.#choose(aim), () => { gate.go(); });
    // Not here, or not now: whoever was held goes on.
    if (joint === null) gate.open();
    else await this.#struck(aim, metMs, joint);
  }

  /** Approvals take effect one after the other: at the first step all wait for all. */
  async #musterAt({ awaited }: Place, aim: Reach): Promise<void> {
    const { gate } = this.#cast;
    const { strikes, member } = this.x;
    gate.await([awaited]);
    if (await gate.met(() => this.#over || strikes.aimOf(member) !== aim) !== null) await strikes.muster(member);
    gate.open();
  }

  #choose({ row }: Reach): Chosen {
    const { leadMs, draw } = chanceOf(row, this.x.seed + this.x.missed(row));
    return { leadMs, strike: strikeOf(row.fault, this.#cast, draw, this.x.of(row.fault)) };
  }

  async #struck(aim: Reach, metMs: number, { strike, leadMs, struck, mended }: Joint): Promise<void> {
    const { row, place, at } = aim;
    this.x.hit.add(row);
    this.x.say(`  ${rowName(row)} at ${place.unit} …`);
    // Behind the record of the opening nothing is undone: what comes next comes.
    const isInside = place.awaited.mode === 'outage' && place.awaited.activity === null;
    this.#stands = { at, insideMs: isInside ? this.#stands.insideMs ?? metMs : null };
    await struck;
    this.#hits.push({ ...aim, strike, leadMs, metMs });
    await mended;
  }

  /**
   * What is known of each row that was struck; or what was lost, repeated or reordered, where it may have been any of them.
   * `to`: all that was written before it is read by then.
   */
  told(p: Pick<Progress, 'outages'>, to: Moment, misplaced: readonly string[], plainly: Plainly): { readonly rows: readonly Told[] } | { readonly unclear: readonly string[] } {
    const { accounts } = this.#cast;
    const fromMs = this.x.from.writtenMs;
    const whole = plainly.plainTally(accounts.between(this.x.from, to));
    const within = this.#within(p, misplaced, plainly);
    const [plainRow] = this.x.rows;
    if (plainRow && this.isPlain) return { rows: [{ row: plainRow, played: { struck: noFault, unit: noStep, leadMs: null, together: 1, tally: whole, ...within(fromMs, Date.now()) } }] };
    const seen = this.struck === 1 ? [] : faultsOf({ tally: whole, misplaced }, this.#mildest(), promisedBy(this.x.scheme));
    if (seen.length > 0) return { unclear: [...seen, ...whole.examples] };
    const hits = this.#hits.filter((h) => h.strike.who() !== 'nobody' || (!isSpared(h) && this.x.missed(h.row) + 1 >= enoughMisses));
    const beginnings = hits.map((h) => h.metMs);
    return { rows: [...hits, ...this.#met()].map(({ row, place, strike, leadMs, metMs, sinceMs }) => {
      const [beganMs, endedMs] = [metMs === beginnings[0] ? fromMs : metMs, beginnings.find((ms) => ms > metMs) ?? Date.now()];
      const { writeOutageMs, readOutageMs } = this.struck === 1 ? whole : accounts.silences(momentOf(beganMs), momentOf(Math.min(endedMs, to.writtenMs)));
      return { row, played: { struck: strike.who(), unit: plainly.plain(place.unit), leadMs, ...(sinceMs === undefined ? {} : { sinceMs }), together: this.struck, tally: { ...whole, writeOutageMs, readOutageMs }, ...within(beganMs, endedMs) } };
    }) };
  }

  /** Of all that struck, for whomever, what repeats least by itself. */
  #mildest(): Control | null {
    const alone = this.x.strikes.past(this.#before, this.x.member).map(({ fault, strike }) => this.x.alone(fault, strike.who()));
    return alone.sort((a, b) => (a?.duplicated ?? 0) - (b?.duplicated ?? 0))[0] ?? null;
  }

  /** What happened in some time, epoch ms. */
  #within(p: Pick<Progress, 'outages'>, misplaced: readonly string[], { plain }: Plainly): (from: number, to: number) => Pick<Played, 'outages' | 'retried' | 'forced' | 'misplaced' | 'tookMs'> {
    const outages = p.outages.slice(this.x.outages.length);
    return (from, to) => {
      const isIn = (ms: number): boolean => ms >= from && ms < to;
      return {
        outages: outages.filter((o) => isIn(o.endedMs)).map(({ name, outcome, addedMs, why }) => ({ name: plain(name), outcome, addedMs, why })),
        retried: this.retried.filter((r) => isIn(r.atMs)).map((r) => r.said),
        forced: this.#cast.supervisor.events.filter((e) => e.what === 'killed' && isIn(e.atMs)).map((e) => plain(e.application)), misplaced, tookMs: to - from,
      };
    };
  }

  /** Steps that began while something was still down that had been struck at a step before them, whoever it was struck for. */
  #met(): readonly Hit[] {
    const { strikes, member, places } = this.x;
    const wanted = this.x.wanted();
    const past = strikes.past(this.#before, member).filter(({ fault, strike }) => !soonBack.has(fault) && strike.who() !== 'nobody' && (strike.lasted?.() ?? true));
    const begun = this.#cast.gate.begun(past[0]?.hitMs ?? Date.now(), Date.now());
    const met = new Map<Row, Hit>();
    for (const { fault, strike, hitMs, mendedMs } of past) places.forEach((place, at) => {
      const row = wanted.find((r) => r.fault === fault && r.step === place.step);
      const call = begun.find((b) => b.atMs >= hitMs && b.atMs < mendedMs - surelyDownMs && isStep(place.awaited, b));
      if (row && call && !met.has(row)) met.set(row, { row: { ...row, fault }, place, at, strike, leadMs: null, metMs: call.atMs, sinceMs: call.atMs - hitMs });
    });
    return [...met.values()];
  }
}
