/** Moments, epoch ms, in their order, whatever order they were told in. */
export class Times {
  readonly #all: number[] = [];
  #inOrder = true;

  add(ms: number): void {
    if (ms < (this.#all.at(-1) ?? ms)) this.#inOrder = false;
    this.#all.push(ms);
  }
  /** From one moment on, up to and without another. */
  count(fromMs: number, toMs: number): number { return Math.max(0, this.#before(toMs) - this.#before(fromMs)); }

  /** The longest time between two that follow each other, of those that reach into a stretch; 0 where there are none. */
  longestGap(fromMs: number, toMs: number): number {
    const all = this.#sorted();
    let most = 0;
    for (let i = Math.max(1, this.#before(fromMs)); i < all.length && (all[i - 1] ?? 0) < toMs; i++) most = Math.max(most, (all[i] ?? 0) - (all[i - 1] ?? 0));
    return most;
  }

  /** How many there are before a moment. */
  #before(ms: number): number {
    const all = this.#sorted();
    let [low, high] = [0, all.length];
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((all[middle] ?? 0) < ms) low = middle + 1;
      else high = middle;
    }
    return low;
  }
  #sorted(): readonly number[] {
    if (!this.#inOrder) this.#all.sort((a, b) => a - b);
    this.#inOrder = true;
    return this.#all;
  }
}
