/**
 * The last record of many keys on both sides, in flat arrays: some 90 bytes a key outside the heap of the thread, where a map of
 * texts takes four times as much inside. Keys and fingerprints are hashes already, and are held as 128 bits.
 */
import type { Half } from '../positions.ts';

/** Offsets are whole numbers that a double holds. */
export interface Last { readonly offset: number; readonly gone: boolean }
export interface Entry extends Readonly<Record<Half, Last | undefined>> {
  readonly slot: number;
  /** Both sides have it, with one fingerprint. */
  readonly same: boolean;
}
interface Put { readonly key: string; readonly offset: bigint; readonly fingerprint: string; readonly gone: boolean }

/** Of all slots in use; beyond, looking for one takes long. */
const fullest = 0.77;
const words = 4;
const keyBytes = words * 4;
const sideBytes = 8 + words * 4 + 1;
class Side {
  /** Plus one; 0: this side has no such key. */
  readonly offsets: Float64Array;
  readonly marks: Uint32Array;
  readonly gone: Uint8Array;
  constructor(memory: ArrayBuffer, at: number, slots: number) {
    this.offsets = new Float64Array(memory, at, slots);
    this.marks = new Uint32Array(memory, at + slots * 8, slots * words);
    this.gone = new Uint8Array(memory, at + slots * (8 + words * 4), slots);
  }
}

export class KeyTable {
  readonly #most: number;
  readonly #slots: number;
  readonly #memory: ArrayBuffer;
  readonly #keys: Uint32Array;
  readonly #sides: Readonly<Record<Half, Side>>;
  readonly #hashed = new Uint32Array(words);
  #size = 0;

  /** `most`: so many keys have room. */
  constructor(most: number) {
    this.#most = most;
    const slots = Math.max(8, 2 ** Math.ceil(Math.log2(most / fullest)));
    this.#slots = slots;
    this.#memory = new ArrayBuffer(slots * (keyBytes + 2 * sideBytes));
    this.#keys = new Uint32Array(this.#memory, 0, slots * words);
    this.#sides = { origin: new Side(this.#memory, slots * keyBytes, slots), copy: new Side(this.#memory, slots * (keyBytes + sideBytes), slots) };
  }
  /** Gives the memory back at once: of several tables in a row none would be garbage soon enough. */
  discard(): void {
    this.#memory.transfer(0);
  }
  get slots(): number {
    return this.#slots;
  }
  clear(): void {
    this.#size = 0;
    this.#sides.origin.offsets.fill(0);
    this.#sides.copy.offsets.fill(0);
  }

  /** Keeps the record as the last of its key on that side. `full`: that would be one key too many. */
  put(half: Half, { key, offset, fingerprint, gone }: Put): 'new' | 'known' | 'full' {
    const slot = this.#slotOf(key);
    const known = this.#used(slot);
    if (!known && this.#size === this.#most) return 'full';
    if (!known) {
      this.#size += 1;
      this.#keys.set(this.#hashed, slot * words);
    }
    const side = this.#sides[half];
    side.offsets[slot] = Number(offset) + 1;
    side.gone[slot] = gone ? 1 : 0;
    side.marks.set(hash128(fingerprint, this.#hashed), slot * words);
    return known ? 'known' : 'new';
  }
  /** The slot of a key; -1: it is not here. */
  find(key: string): number {
    const slot = this.#slotOf(key);
    return this.#used(slot) ? slot : -1;
  }
  *entries(): Generator<Entry, void, undefined> {
    for (let slot = 0; slot < this.#slots; slot += 1)
      if (this.#used(slot)) yield { slot, origin: this.#last('origin', slot), copy: this.#last('copy', slot), same: this.#same(slot) };
  }

  /** Where the key is, or would be; leaves its hash in `#hashed`. */
  #slotOf(key: string): number {
    const hashed = hash128(key, this.#hashed);
    const mask = this.#slots - 1;
    for (let slot = (hashed[0] ?? 0) & mask; ; slot = (slot + 1) & mask)
      if (!this.#used(slot) || alike(this.#keys, hashed, slot * words, 0)) return slot;
  }
  #used(slot: number): boolean {
    return this.#sides.origin.offsets[slot] !== 0 || this.#sides.copy.offsets[slot] !== 0;
  }
  #last(half: Half, slot: number): Last | undefined {
    const { offsets, gone } = this.#sides[half];
    const offset = offsets[slot] ?? 0;
    return offset === 0 ? undefined : { offset: offset - 1, gone: gone[slot] === 1 };
  }
  #same(slot: number): boolean {
    const { origin, copy } = this.#sides;
    return origin.offsets[slot] !== 0 && copy.offsets[slot] !== 0 && alike(origin.marks, copy.marks, slot * words, slot * words);
  }
}

function alike(a: Uint32Array, b: Uint32Array, i: number, j: number): boolean {
  return a[i] === b[j] && a[i + 1] === b[j + 1] && a[i + 2] === b[j + 2] && a[i + 3] === b[j + 3];
}

/** FNV-1a in four lanes, each with a start and an odd factor of its own: not for strangers' texts, but what comes here is a hash already. */
function hash128(text: string, into: Uint32Array): Uint32Array {
  let [a, b, c, d] = [2_166_136_261, 40_503, 695_872_825, 3_432_918_353];
  for (let i = 0; i < text.length; i += 1) {
    const code = text.charCodeAt(i);
    a = Math.imul(a ^ code, 16_777_619);
    b = Math.imul(b ^ code, 2_654_435_761);
    c = Math.imul(c ^ code, 2_246_822_519);
    d = Math.imul(d ^ code, 3_266_489_917);
  }
  // The lower bits of a product know little of the higher ones, and slots are taken from them.
  [into[0], into[1], into[2], into[3]] = [folded(a), folded(b), folded(c), folded(d)];
  return into;
}
const folded = (x: number): number => x ^ (x >>> 16);
