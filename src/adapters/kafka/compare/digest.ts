/**
 * A hash over the records of a log that can be taken up again after a crash: SHA-256 in groups of 512 records, each group
 * hashed behind the hash of the one before. Whoever packs the same records the same way gets the same hash.
 */
import { createHash, type Hash } from 'node:crypto';
import type { DiffState } from '../../../domain/diff/difference.ts';
import type { Packed } from './packed.ts';

const groupRecords = 512;

export class Digest {
  #value: string;
  #from: bigint;
  #group: Hash;
  #count = 0;
  /** Everything below is in. */
  at: bigint;

  constructor(kept: DiffState['hash']) {
    [this.#value, this.#from, this.at] = [kept.value, BigInt(kept.from), BigInt(kept.from)];
    this.#group = opened(this.#value);
  }

  /** The first `count` records of a block. */
  add(block: Packed, count: number): void {
    for (let done = 0; done < count; ) {
      const upTo = Math.min(count, done + groupRecords - this.#count);
      this.#group.update(block.bytes.subarray(block.starts[done], block.starts[upTo]));
      this.#count += upTo - done;
      done = upTo;
      this.at = BigInt(block.offsets[upTo - 1] ?? 0) + 1n;
      if (this.#count === groupRecords) this.#close();
    }
  }
  get kept(): DiffState['hash'] {
    return { value: this.#value, from: String(this.#from) };
  }
  /** Of everything so far. */
  get sealed(): string {
    return this.#count === 0 ? this.#value : this.#group.copy().digest('hex');
  }
  #close(): void {
    this.#value = this.#group.digest('hex');
    this.#from = this.at;
    this.#group = opened(this.#value);
    this.#count = 0;
  }
}
const opened = (before: string): Hash => createHash('sha256').update(Buffer.from(before, 'hex'));
