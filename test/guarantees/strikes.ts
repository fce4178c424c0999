/** Strikes at what several migrations share, one at a time: whoever comes to its step first waits a moment for the others to come to theirs. */
import { setTimeout as sleep } from 'node:timers/promises';
import { isOfApplication, type FaultName, type Strike } from './faults.ts';
import { longestHoldMs } from './gate.ts';
import { volleyOf, type Reach } from './volley.ts';

/** Whoever waits at its gate longest is still held then. */
const shareOfHold = 0.7;
const lookEveryMs = 5;

/** `leadMs`: into the step, or `null`: before it begins. */
export interface Chosen { readonly leadMs: number | null; readonly strike: Strike }
export interface Joint extends Chosen {
  /** It was hit. */
  readonly struck: Promise<void>;
  readonly mended: Promise<void>;
}
/** `reach`: what could be played by it from where it stands. `leads`: nobody is struck without it. `isLast`: it is struck once more at most. */
export interface Member { readonly reach: () => readonly Reach[]; readonly leads: boolean; readonly isLast: () => boolean }
/** What struck, at which count, and how long it was there, epoch ms. `whose`: it concerns that one alone. */
export interface Past { readonly fault: FaultName; readonly strike: Strike; readonly whose: number | null; readonly count: number; readonly hitMs: number; readonly mendedMs: number }
/** What is hit at once: what all share, or of each what is its own. */
interface Part { readonly whose: number | null; readonly strike: Strike }
interface Gathered extends Pick<Joint, 'leadMs' | 'struck' | 'mended'> { readonly parts: Part[]; readonly gone: (() => void)[]; gathering: boolean; untilMs: number }

export class Strikes {
  readonly #size: number;
  readonly #here = new Map<number, Member>();
  #aims: ReadonlyMap<number, Reach> = new Map();
  /** Whoever has an aim and is not there yet. */
  readonly #awaited = new Set<number>();
  readonly #mustered = new Map<number, () => void>();
  #now: Gathered | null = null;
  readonly #past: Past[] = [];
  #count = 0;
  /** `size`: of the company that is struck at once. */
  constructor(size: number) { this.#size = size; }

  /** Strikes so far. */
  get count(): number { return this.#count; }
  /** Of those that were mended, but the first so many, what concerned that one. */
  past(but: number, member: number): readonly Past[] { return this.#past.filter((p) => p.count > but && (p.whose ?? member) === member); }
  /** The step at which that one is to be hit next; `null`: none, for now. */
  aimOf(member: number): Reach | null { return this.#aims.get(member) ?? null; }

  /** The first volley is planned when all are here. */
  enter(member: number, as: Member): void {
    this.#here.set(member, as);
    if (this.#here.size === this.#size) this.plan();
  }
  leave(member: number): void {
    this.#here.delete(member);
    this.#awaited.delete(member);
    this.#aims = new Map([...this.#aims].filter(([of]) => of !== member));
  }

  /** The next volley, unless one is under way, or planned already. */
  plan(): void {
    if (this.#now !== null || this.#aims.size > 0) return;
    const [leader = null] = [...this.#here].flatMap(([member, { leads }]) => (leads ? [member] : []));
    this.#aims = volleyOf(new Map([...this.#here].map(([member, { reach }]) => [member, reach()])), { leader, isLast: [...this.#here.values()].some((m) => m.isLast()) });
    this.#awaited.clear();
    this.#mustered.clear();
    for (const member of this.#aims.keys()) this.#awaited.add(member);
  }
  /** Nobody stands where it stood when that was planned. */
  forget(): void {
    this.#aims = new Map();
    this.#awaited.clear();
  }

  /** At its aim; `go` lets the step begin. `null`: it is too late for it. */
  arrive(member: number, aim: Reach, choose: () => Chosen, go: () => void): Joint | null {
    if (this.aimOf(member) !== aim) return null;
    this.#awaited.delete(member);
    this.#muster(member);
    const { fault } = aim.row;
    const chosen = choose();
    this.#now ??= this.#begin(fault, chosen.leadMs);
    const now = this.#now;
    if (!now.gathering) return null;
    const isOwn = isOfApplication(fault);
    const part = (isOwn ? undefined : now.parts[0]) ?? { whose: isOwn ? member : null, strike: chosen.strike };
    if (!now.parts.includes(part)) now.parts.push(part);
    now.gone.push(go);
    now.untilMs = Math.min(now.untilMs, Date.now() + longestHoldMs[aim.place.awaited.mode] * shareOfHold);
    const { leadMs, struck, mended } = now;
    return { leadMs, strike: part.strike, struck, mended };
  }

  /** On its way to its aim: until all that have one are, or for as long as it may be held. */
  muster(member: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, longestHoldMs.plain * shareOfHold);
      this.#mustered.set(member, () => { clearTimeout(timer); resolve(); });
      this.#goOn();
    });
  }
  #muster(member: number): void {
    this.#mustered.set(member, () => undefined);
    this.#goOn();
  }
  #goOn(): void {
    if ([...this.#aims.keys()].every((member) => this.#mustered.has(member))) for (const go of this.#mustered.values()) go();
  }

  /** Until nothing is under way. */
  async calm(): Promise<void> {
    await this.#now?.mended;
  }

  #begin(fault: FaultName, leadMs: number | null): Gathered {
    const count = ++this.#count;
    const [gone, parts]: [(() => void)[], Part[]] = [[], []];
    const hit = this.#hit({ gone, parts, leadMs });
    const mended = hit.then(async (hitMs) => {
      await Promise.all(parts.map(({ strike }) => strike.mend()));
      for (const part of parts) this.#past.push({ ...part, fault, count, hitMs, mendedMs: Date.now() });
    }).finally(() => {
      this.#now = null;
      this.plan();
    });
    // Whoever joined hears of it; nobody else does.
    mended.catch(() => undefined);
    return { leadMs, parts, gone, struck: hit.then(() => undefined), mended, gathering: true, untilMs: Infinity };
  }

  /** When it was hit, epoch ms. */
  async #hit({ gone, parts, leadMs }: Pick<Gathered, 'gone' | 'parts' | 'leadMs'>): Promise<number> {
    do await sleep(lookEveryMs); while (this.#awaited.size > 0 && Date.now() < (this.#now?.untilMs ?? 0));
    if (this.#now) this.#now.gathering = false;
    this.forget();
    const strike = async (): Promise<void> => { await Promise.all(parts.map((p) => p.strike.hit())); };
    if (leadMs === null) await strike();
    for (const go of gone) go();
    if (leadMs !== null) {
      await sleep(leadMs);
      await strike();
    }
    return Date.now();
  }
}
