/**
 * Compares two logs record by record: fast while they run alike, with a wider and wider view where they part. Memory does
 * not grow with the logs, nor with their differences; from any reported state the comparison goes on to the same result.
 */
import type { Between, Half, Mark } from '../positions.ts';
import { align } from './align.ts';
import { begin, type Extent } from './begin.ts';
import { classify, nothingEarlier, type Earlier } from './classify.ts';
import { added, places, text, type Counts, type Difference, type DiffState, type Places, type Unfinished } from './difference.ts';
import { Lookahead } from './lookahead.ts';
import { findRun, probesOf, type Found } from './runs.ts';

/** What two logs offer to be compared by. */
export interface Pair {
  /** Goes on from these places as long as the next records of both are the same. `pause`: it is time to report. */
  alike(at: Places, ends: Places): Promise<{ readonly at: Places; readonly matched: number; readonly why: 'differ' | 'end' | 'pause' }>;
  readonly between: Between;
  /** Where each log begins by now. */
  starts(): Promise<Places>;
  /** How far the hash over the origin's visible records has come. */
  hashed(): DiffState['hash'];
  /** The hash over all of the origin's visible records from the beginning up to `upTo`. */
  sealed(upTo: bigint): Promise<string>;
}

/** How far the comparison looks, in records. */
export interface Reach {
  /** Equal records in a row that count as together again. */
  readonly run: number;
  /** Windows held in memory and the records that may stay unpaired in each; tried one after the other. */
  readonly windows: readonly { readonly records: number; readonly edits: number }[];
  /** Where in a window a whole run is looked for, when both logs must be searched. */
  readonly probes: readonly number[];
  /** Offsets before the place where the logs part: originals of repeated records lie there. */
  readonly earlierOffsets: bigint;
  /** The same for whole runs that a mirror copied again. */
  readonly replayOffsets: bigint;
  /** Records searched ahead for the place where the logs meet again. */
  readonly ahead: number;
  /** Equal records after which comparing is fast again. */
  readonly calm: number;
  /** Differences of a long stretch are reported whenever there are so many: millions at once have no room. */
  readonly piece: number;
}
export const reach: Reach = {
  run: 16, windows: [{ records: 128, edits: 48 }, { records: 4_096, edits: 1_024 }], probes: [0, 64, 256, 1_024],
  earlierOffsets: 8_192n, replayOffsets: 2_000_000n, ahead: 1_000_000, calm: 1_000, piece: 1_000,
};

export interface Comparing {
  readonly state: DiffState;
  /** Nothing at or above is compared. */
  readonly ends: Places;
  /** `open`: the copy is still being filled; what it lacks at its end is not missing, and what cannot be told yet waits. */
  readonly horizon: 'closed' | 'open';
  readonly reach?: Reach;
  /** Told after every step: what is settled, and the differences found since the last time. Awaited. */
  report(state: DiffState, fresh: readonly Difference[]): Promise<void> | void;
}
/** `undecided`: behind an open horizon the logs part so near the end that the next records must tell how. */
export interface Compared { readonly state: DiffState; readonly decided: Decided; /** Over the origin's records up to `state.at`. */ readonly hash: string }
export type Decided = 'all' | 'undecided';

export const compare = (pair: Pair, ask: Comparing): Promise<Compared> => new Comparison(pair, ask).run();

class Comparison {
  readonly #pair: Pair;
  readonly #ask: Comparing;
  readonly #reach: Reach;
  readonly #from: Places;
  #at: Places;
  #counts: Counts;
  #lost: string | null;
  #fresh: Difference[] = [];

  constructor(pair: Pair, ask: Comparing) {
    [this.#pair, this.#ask, this.#reach] = [pair, ask, ask.reach ?? reach];
    [this.#from, this.#at, this.#counts, this.#lost] = [places(ask.state.from), places(ask.state.at), ask.state.counts, ask.state.lost];
  }

  async run(): Promise<Compared> {
    if (this.#ask.state.unfinished !== undefined) await this.#goOn(this.#ask.state.unfinished);
    let { calm } = this.#reach;
    for (;;) {
      const alike = await this.#pair.alike(this.#at, this.#ask.ends);
      this.#at = alike.at;
      this.#count({ matched: alike.matched });
      await this.#report();
      if (alike.why === 'pause') continue;
      if (alike.why === 'end') return this.#end('all');
      // Records that only the patient comparison finds equal (lengths spelled differently) would send us to and fro.
      calm = alike.matched === 0 ? Math.min(calm * 2, 1_000_000) : this.#reach.calm;
      const end = await this.#patiently(calm);
      if (end !== 'together') return this.#end(end);
    }
  }

  async #end(decided: Decided): Promise<Compared> {
    const hash = await this.#pair.sealed(this.#at.origin);
    return { state: this.#state(), decided, hash };
  }

  /** Record by record, until they ran alike for a while. */
  async #patiently(calm: number): Promise<'together' | Decided> {
    const [a, b] = [this.#ahead('origin'), this.#ahead('copy')];
    try {
      for (let quiet = 0; quiet < calm; ) {
        if (a.held === 0) await a.hold(1);
        if (b.held === 0) await b.hold(1);
        if (b.over && this.#ask.horizon === 'open') return 'all';
        if (a.over && b.over) return this.#finish();
        if (a.next !== undefined && a.next.fingerprint === b.next?.fingerprint) {
          this.#drop(a, b, { origin: 1, copy: 1 });
          this.#count({ matched: 1 });
          quiet += 1;
          continue;
        }
        quiet = 0;
        if (await this.#headGone(a, b)) return 'together';
        if (!(await this.#settle(a, b))) return 'undecided';
        await this.#report();
      }
      return 'together';
    } finally {
      await Promise.all([a.close(), b.close()]);
    }
  }

  async #finish(): Promise<'all'> {
    this.#at = this.#ask.ends;
    await this.#report();
    return 'all';
  }

  /** `false`: more of the copy must come first. */
  async #settle(a: Lookahead, b: Lookahead): Promise<boolean> {
    for (const window of this.#reach.windows) {
      await a.hold(window.records + 1);
      await b.hold(window.records + 1);
      const [origin, copy] = [a.view(window.records), b.view(window.records)];
      const whole = a.held <= window.records && b.held <= window.records;
      const stretch = align(origin, copy, { run: this.#reach.run, edits: window.edits, ended: whole && this.#ask.horizon === 'closed' });
      if (stretch === null) continue;
      await this.#named(a, b, stretch);
      return true;
    }
    if (this.#ask.horizon === 'open' && b.drained && b.held <= (this.#reach.windows.at(-1)?.records ?? 0)) return false;
    if (await this.#far(a, b)) return true;
    const most = this.#reach.windows.at(-1)?.edits ?? 1;
    await this.#named(a, b, { origin: Math.min(most, a.held), copy: Math.min(most, b.held), pairs: [] });
    return true;
  }

  /** Names all records of a stretch that lies in both windows. */
  async #named(a: Lookahead, b: Lookahead, stretch: { readonly origin: number; readonly copy: number; readonly pairs: readonly (readonly [number, number])[] }): Promise<void> {
    const parted = { origin: a.view(stretch.origin), copy: b.view(stretch.copy), pairs: stretch.pairs };
    let found = classify(parted, nothingEarlier);
    // What the copy has and nothing here explains: only then is it worth reading what came before.
    if (found.some((d) => d.origin === null || d.kind === 'changed')) found = classify(parted, await this.#earlier());
    this.#fresh.push(...found);
    this.#count({ matched: stretch.pairs.length });
    for (const d of found) this.#count({ [d.kind]: 1 });
    this.#drop(a, b, stretch);
  }

  async #earlier(): Promise<Earlier> {
    const known = new Set<string>();
    for await (const mark of this.#before(this.#reach.earlierOffsets)) known.add(mark.fingerprint);
    return (fingerprint) => known.has(fingerprint);
  }
  #before(offsets: bigint): AsyncIterable<Mark> {
    const from = this.#at.origin - offsets;
    return this.#pair.between('origin', from > this.#from.origin ? from : this.#from.origin, this.#at.origin);
  }

  /** Long stretches, without holding them: a run that was copied again, or many records that one side lacks. */
  async #far(a: Lookahead, b: Lookahead): Promise<boolean> {
    const { run, probes, ahead } = this.#reach;
    if (this.#lost !== null && this.#at.origin < BigInt(this.#lost)) return false;
    const [origin, copy] = [a.view(a.held), b.view(b.held)];
    const replay = await findRun(this.#before(this.#reach.replayOffsets), probesOf(copy, run, [0]));
    if (replay !== null) {
      await this.#replayed(b, replay.mark.offset);
      return true;
    }
    const inCopy = await findRun(this.#pair.between('copy', this.#at.copy, this.#ask.ends.copy), probesOf(origin, run, probes), ahead);
    const inOrigin = await findRun(this.#pair.between('origin', this.#at.origin, this.#ask.ends.origin), probesOf(copy, run, probes), inCopy === null ? ahead : Math.max(1, inCopy.ahead));
    if (inOrigin !== null) await this.#lacking({ origin: a, copy: b }, { few: 'copy', meets: { origin: String(inOrigin.mark.offset), copy: firstOf(inOrigin) }, met: [] });
    else if (inCopy !== null) await this.#lacking({ origin: a, copy: b }, { few: 'origin', meets: { origin: firstOf(inCopy), copy: String(inCopy.mark.offset) }, met: [] });
    else this.#lost = String(this.#at.origin + BigInt(ahead));
    return inOrigin !== null || inCopy !== null;
  }

  /** A stretch in the middle of which the state was kept. */
  async #goOn(x: Unfinished): Promise<void> {
    const [a, b] = [this.#ahead('origin'), this.#ahead('copy')];
    try {
      if (x.kind === 'replay') await this.#replayed(b, BigInt(x.next));
      else await this.#lacking({ origin: a, copy: b }, x);
      await this.#report();
    } finally {
      await Promise.all([a.close(), b.close()]);
    }
  }

  async #replayed(b: Lookahead, from: bigint): Promise<void> {
    for await (const original of this.#pair.between('origin', from, this.#at.origin)) {
      await b.hold(1);
      if (b.next?.fingerprint !== original.fingerprint) break;
      this.#one({ kind: 'repeated', origin: null, copy: String(b.next.offset) });
      this.#dropOne('copy', b);
      if (this.#fresh.length >= this.#reach.piece) await this.#report({ kind: 'replay', next: String(original.offset + 1n) });
    }
  }

  /** The side with few records meets the other one again behind perhaps very many of its records. */
  async #lacking(sides: Readonly<Record<Half, Lookahead>>, x: Lacking): Promise<void> {
    const [few, many]: readonly [Half, Half] = x.few === 'origin' ? ['origin', 'copy'] : ['copy', 'origin'];
    const meets = places(x.meets);
    const short = await below(sides[few], meets[few]);
    const waiting = new Map(short.map((mark) => [mark.fingerprint, mark]));
    const met = new Set(x.met);
    for (;;) {
      await sides[many].hold(1);
      const mark = sides[many].next;
      if (mark === undefined || mark.offset >= meets[many]) break;
      const twin = waiting.get(mark.fingerprint);
      if (twin !== undefined && !met.has(String(twin.offset))) {
        met.add(String(twin.offset));
        const [o, c] = few === 'origin' ? [twin, mark] : [mark, twin];
        this.#one({ kind: 'reordered', origin: String(o.offset), copy: String(c.offset) });
      } else this.#one(lone(many, mark));
      this.#dropOne(many, sides[many]);
      if (this.#fresh.length >= this.#reach.piece) await this.#report({ kind: 'lacking', ...x, met: [...met] });
    }
    for (const mark of short) {
      if (!met.has(String(mark.offset))) this.#one(lone(few, mark));
      this.#dropOne(few, sides[few]);
    }
  }

  /** Retention overtook us: what is gone on one side cannot be compared on the other. */
  async #headGone(a: Lookahead, b: Lookahead): Promise<boolean> {
    const jumped = (half: Half, side: Lookahead): boolean => side.next === undefined || side.next.offset > this.#at[half];
    if (!jumped('origin', a) && !jumped('copy', b)) return false;
    const now = await this.#pair.starts();
    const start = (half: Half): bigint => (now[half] < this.#ask.ends[half] ? now[half] : this.#ask.ends[half]);
    if (start('origin') <= this.#at.origin && start('copy') <= this.#at.copy) return false;
    const logs = (half: Half): Extent => ({ logStart: start(half) > this.#at[half] ? start(half) : this.#at[half], end: this.#ask.ends[half], seen: this.#at[half] });
    const again = await begin({ origin: logs('origin'), copy: logs('copy') }, [], this.#pair.between);
    this.#at = again.at;
    this.#count({ unread: again.skipped.origin + again.skipped.copy });
    await this.#report();
    return true;
  }

  #ahead(half: Half): Lookahead {
    return new Lookahead(this.#pair.between(half, this.#at[half], this.#ask.ends[half]));
  }
  #drop(a: Lookahead, b: Lookahead, by: { readonly origin: number; readonly copy: number }): void {
    const after = (side: Lookahead, n: number, at: bigint): bigint => (n === 0 ? at : (side.view(n).at(-1)?.offset ?? at - 1n) + 1n);
    this.#at = { origin: after(a, by.origin, this.#at.origin), copy: after(b, by.copy, this.#at.copy) };
    a.drop(by.origin);
    b.drop(by.copy);
  }
  #dropOne(half: Half, side: Lookahead): void {
    if (side.next !== undefined) this.#at = { ...this.#at, [half]: side.next.offset + 1n };
    side.drop(1);
  }
  #count(more: Partial<Counts>): void {
    this.#counts = added(this.#counts, more);
  }
  #one(d: Difference): void {
    this.#fresh.push(d);
    this.#count({ [d.kind]: 1 });
  }
  #state(): DiffState {
    return { from: text(this.#from), at: text(this.#at), counts: this.#counts, hash: this.#pair.hashed(), lost: this.#lost };
  }
  async #report(unfinished?: Unfinished): Promise<void> {
    const fresh = this.#fresh;
    this.#fresh = [];
    await this.#ask.report(unfinished === undefined ? this.#state() : { ...this.#state(), unfinished }, fresh);
  }
}

type Lacking = Omit<Extract<Unfinished, { kind: 'lacking' }>, 'kind'>;
const firstOf = (found: Found): string => String(found.probe.run[0]?.offset);
const lone = (half: Half, mark: Mark): Difference =>
  half === 'origin' ? { kind: 'missing', origin: String(mark.offset), copy: null } : { kind: 'extra', origin: null, copy: String(mark.offset) };
/** What a side has next, up to a place not far away. */
async function below(side: Lookahead, place: bigint): Promise<readonly Mark[]> {
  for (let count = 0; ; count += 1) {
    await side.hold(count + 1);
    const mark = side.at(count);
    if (mark === undefined || mark.offset >= place) return side.view(count);
  }
}
