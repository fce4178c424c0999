/** Reads a stream of records as far ahead as is asked for, and lets go of what has been dealt with. */
import type { Mark } from '../positions.ts';

export class Lookahead {
  readonly #source: AsyncIterator<Mark>;
  #held: Mark[] = [];
  #first = 0;
  #drained = false;

  constructor(source: AsyncIterable<Mark>) {
    this.#source = source[Symbol.asyncIterator]();
  }
  get held(): number {
    return this.#held.length - this.#first;
  }
  /** All there is has been read. */
  get drained(): boolean {
    return this.#drained;
  }
  get over(): boolean {
    return this.#drained && this.held === 0;
  }
  get next(): Mark | undefined {
    return this.#held[this.#first];
  }
  /** Of those held; 0 is the next. */
  at(index: number): Mark | undefined {
    return this.#held[this.#first + index];
  }
  /** Holds `count` records afterwards, or all that are left. */
  async hold(count: number): Promise<void> {
    while (this.held < count && !this.#drained) {
      const next = await this.#source.next();
      if (next.done === true) this.#drained = true;
      else this.#held.push(next.value);
    }
  }
  view(count: number): readonly Mark[] {
    return this.#held.slice(this.#first, this.#first + count);
  }
  drop(count: number): void {
    this.#first += count;
    if (this.#first < 1_024) return;
    this.#held = this.#held.slice(this.#first);
    this.#first = 0;
  }
  async close(): Promise<void> {
    await this.#source.return?.();
  }
}
