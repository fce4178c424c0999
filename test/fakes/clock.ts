/** Virtual time: nothing waits for real, everything happens in one order, and a world in which nothing will happen any more is an error. */

interface Due { readonly atMs: number; readonly order: number; readonly wake: () => void }

/** Lets every promise that can go on now go on. */
const drained = (): Promise<void> => new Promise((resolve) => { setImmediate(resolve); });

/** A loop that never lets time pass would hang the test. */
const mostTurns = 2_000;

export class Clock {
  nowMs = Date.UTC(2026, 0, 1);
  /** Called with every new time before those who wait for it go on. */
  onTime: (nowMs: number) => void = () => {};
  #due: Due[] = [];
  #order = 0;

  sleep(ms: number): Promise<void> {
    return new Promise((resolve) => { this.#due.push({ atMs: this.nowMs + Math.max(0, ms), order: this.#order++, wake: resolve }); });
  }

  /** Drives time until `over` holds; asks `idle` before it gives up because nobody waits for anything. */
  async run(over: () => boolean, idle: () => boolean = () => false): Promise<void> {
    for (let still = 0; ; still++) {
      await drained();
      if (over()) return;
      if (still > mostTurns) throw new Error(`${mostTurns} turns without any time passing`);
      if (idle()) continue;
      still = 0;
      const next = this.#due.reduce<Due | null>((first, d) => (first === null || d.atMs < first.atMs || (d.atMs === first.atMs && d.order < first.order) ? d : first), null);
      if (next === null) throw new Error('nothing will ever happen again');
      this.#due = this.#due.filter((d) => d !== next);
      this.nowMs = Math.max(this.nowMs, next.atMs);
      this.onTime(this.nowMs);
      next.wake();
    }
  }
}

/** Small seeded generator (mulberry32): the same seed gives the same world. */
export function seeded(seed: number): (below: number) => number {
  let a = seed >>> 0;
  return (below) => {
    a = (a + 0x6d2b79f5) >>> 0;
    let t = Math.imul(a ^ (a >>> 15), 1 | a);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) % below;
  };
}
