/** Which batches of a log belong to aborted transactions, for one forward walk over one partition. */
import type { Batch } from './batches.ts';

export interface AbortedTransaction { readonly producerId: bigint; readonly firstOffset: bigint }

/**
 * A broker lists with each fetch the aborted transactions that overlap it, in the order in which they ended. They are
 * needed by where they began (two may interleave), they may end in a later fetch, and one producer may abort repeatedly:
 * so ranges are kept across fetches, opened by offset, and closed by nothing but that producer's abort marker.
 * Both client libraries get one of these wrong (facts of the ten cases are in the tests).
 */
export class AbortedTransactions {
  /** Not begun at the batch last seen; latest first, so that the next to begin is popped. */
  #ahead: AbortedTransaction[] = [];
  /** Begun and not closed: producer id → first offset. */
  readonly #open = new Map<bigint, bigint>();

  /** The list that came with a fetch. What is known already (it overlapped the fetch before, too) is left as it is. */
  add(listed: readonly AbortedTransaction[]): void {
    const fresh = listed.filter((one) => this.#open.get(one.producerId) !== one.firstOffset && !this.#ahead.some((known) => known.producerId === one.producerId && known.firstOffset === one.firstOffset));
    if (fresh.length === 0) return;
    this.#ahead = [...this.#ahead, ...fresh].sort((a, b) => (a.firstOffset < b.firstOffset ? 1 : a.firstOffset > b.firstOffset ? -1 : 0));
  }

  /** Whether a data batch belongs to an aborted transaction. Call for every batch, in log order. */
  hides(batch: Batch): boolean {
    this.#reach(batch.lastOffset);
    return batch.transactional && this.#open.has(batch.producerId);
  }

  /** An abort marker of this producer stands at `offset`. */
  close(producerId: bigint, offset: bigint): void {
    this.#reach(offset);
    this.#open.delete(producerId);
  }

  /** After a jump the markers in between were not seen; the next fetch lists all that still matters. */
  reset(): void {
    this.#ahead = [];
    this.#open.clear();
  }

  #reach(offset: bigint): void {
    for (let next = this.#ahead.at(-1); next !== undefined && next.firstOffset <= offset; next = this.#ahead.at(-1)) {
      this.#open.set(next.producerId, next.firstOffset);
      this.#ahead.pop();
    }
  }
}
