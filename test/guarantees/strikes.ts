/** One strike at a time at what is shared: whoever comes to one of its steps first chooses the fault, the others have a moment to come to one of theirs. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { FaultName, Strike } from './faults.ts';
import { longestHoldMs } from './gate.ts';

/** Whoever waits at its gate longest is still held then. */
const gatherMs = longestHoldMs * 0.7;
const lookEveryMs = 5;

/** `leadMs`: into the step, or `null`: before it begins. `go` lets a step begin. */
export interface Chosen { readonly fault: FaultName; readonly leadMs: number | null; readonly strike: Strike }
export interface Joint {
  readonly leadMs: number | null;
  readonly strike: Strike;
  /** It was hit. */
  readonly struck: Promise<void>;
  readonly mended: Promise<void>;
}

interface Gathered extends Joint { readonly fault: FaultName; readonly gone: (() => void)[]; gathering: boolean }

export class Strikes {
  #now: Gathered | null = null;
  #count = 0;
  readonly #awaiting = new Set<object>();

  /** Of the strike under way, until it is mended. */
  get fault(): FaultName | null { return this.#now?.fault ?? null; }
  /** Strikes so far. */
  get count(): number { return this.#count; }
  /** Waits at its gate: a strike waits for it a moment. */
  expect(who: object): void { this.#awaiting.add(who); }
  forget(who: object): void { this.#awaiting.delete(who); }

  /** The strike that begins here, or the one that is being gathered; `null`: it is too late for it, or it is another fault. */
  join(choose: Chosen, go: () => void): Joint | null {
    if (this.#now === null) return this.#begin(choose, go);
    if (!this.#now.gathering || this.#now.fault !== choose.fault) return null;
    this.#now.gone.push(go);
    return this.#now;
  }

  /** Until nothing is under way. */
  async calm(): Promise<void> {
    await this.#now?.mended;
  }

  #begin({ fault, leadMs, strike }: Chosen, go: () => void): Joint {
    this.#count++;
    const gone = [go];
    const struck = this.#hit(gone, leadMs, strike);
    const mended = struck.then(() => strike.mend()).finally(() => { this.#now = null; });
    // Whoever joined hears of it; nobody else does.
    mended.catch(() => undefined);
    this.#now = { fault, leadMs, strike, gone, struck, mended, gathering: true };
    return this.#now;
  }

  async #hit(gone: readonly (() => void)[], leadMs: number | null, strike: Strike): Promise<void> {
    const end = Date.now() + gatherMs;
    do await sleep(lookEveryMs); while (this.#awaiting.size > 0 && Date.now() < end);
    if (this.#now) this.#now.gathering = false;
    if (leadMs === null) await strike.hit();
    for (const go of gone) go();
    if (leadMs !== null) {
      await sleep(leadMs);
      await strike.hit();
    }
  }
}
