/**
 * Visible records packed one behind the other, as every faithful copy packs them, however its batches are cut: timestamp
 * (8 bytes), length (4), then key, value and headers as stored. Two logs are compared as bytes, a block at a time.
 */
import { Failure } from '../../../domain/failures.ts';
import type { Batch } from '../scan/batches.ts';
import { inflated } from '../scan/codecs.ts';
import { discard } from '../scan/discard.ts';
import { corrupt, placeText } from '../scan/place.ts';

/** A block holds at most so many records, and ends with the record that fills it. */
export const blockRecords = 512;
const blockBytes = 256 * 1024;
const frameBytes = 12;
/** What both sides may hold at once for a thread to stay within 64 MiB, of which Node and the client library take 29. */
export const largest = { batchBytes: 3 * 1024 * 1024, inflatedBytes: 3 * 1024 * 1024 };

export class Packed {
  bytes: Buffer = Buffer.allocUnsafeSlow(blockBytes * 2);
  count = 0;
  /** Where each record begins; `starts[count]` is the end. */
  readonly starts = new Uint32Array(blockRecords + 1);
  readonly offsets = new Float64Array(blockRecords);

  get used(): number {
    return this.starts[this.count] ?? 0;
  }
  get full(): boolean {
    return this.count >= blockRecords || this.used >= blockBytes;
  }
  clear(): void {
    this.count = 0;
    if (this.bytes.length > blockBytes * 2) this.bytes = Buffer.allocUnsafeSlow(blockBytes * 2);
  }
  /** Grows for a record that is larger than a block. */
  room(bytes: number): void {
    if (this.bytes.length >= this.used + bytes) return;
    const larger = Buffer.allocUnsafeSlow(this.used + bytes);
    this.bytes.copy(larger, 0, 0, this.used);
    this.bytes = larger;
  }
  /** The first record that is not the same in both; -1: those that both have are the same. */
  firstDifference(other: Packed): number {
    const count = Math.min(this.count, other.count);
    const [end, otherEnd] = [this.starts[count] ?? 0, other.starts[count] ?? 0];
    if (end === otherEnd && this.bytes.compare(other.bytes, 0, end, 0, end) === 0) return -1;
    for (let i = 0; i < count; i += 1)
      if (this.bytes.compare(other.bytes, other.starts[i], other.starts[i + 1], this.starts[i], this.starts[i + 1]) !== 0) return i;
    return -1;
  }
}

/** Takes the records of visible batches, in order and within bounds, into blocks. */
export class Lane {
  readonly #batches: AsyncIterator<Batch>;
  #from: number;
  readonly #to: number;
  readonly #weigh: (bytes: number) => void;
  #batch: Batch | null = null;
  #bytes: Buffer = Buffer.alloc(0);
  #at = 0;
  #left = 0;
  /** Nothing is left below the end. */
  over = false;
  /** The offset after the last record taken. */
  next: bigint;

  /** `weigh` is told of memory used beside the stored bytes. */
  constructor(batches: AsyncIterable<Batch>, bounds: { readonly from: bigint; readonly to: bigint }, weigh: (bytes: number) => void = () => undefined) {
    this.#batches = batches[Symbol.asyncIterator]();
    this.#weigh = weigh;
    [this.#from, this.#to, this.next] = [Number(bounds.from), Number(bounds.to), bounds.from];
  }

  /** Fills the block up to `records`, or until it is full, or the log is over. */
  async fill(block: Packed, records: number): Promise<void> {
    while (!this.over && block.count < records && !block.full) {
      if (this.#left === 0 && !(await this.#nextBatch())) break;
      this.#take(block, records);
    }
    const last = block.offsets[block.count - 1];
    if (block.count > 0 && last !== undefined) this.next = BigInt(last) + 1n;
  }
  async close(): Promise<void> {
    await this.#batches.return?.();
  }

  async #nextBatch(): Promise<boolean> {
    const next = await this.#batches.next();
    if (next.done === true) {
      this.over = true;
      return false;
    }
    const batch = next.value;
    [this.#batch, this.#bytes, this.#at, this.#left] = [batch, inflated(batch, largest.inflatedBytes), 0, batch.count];
    this.#from = Math.max(this.#from, Number(batch.visibleFrom));
    if (batch.codec !== 0) this.#weigh(this.#bytes.length * 2); // it was put together from pieces
    if (this.#bytes.length > largest.inflatedBytes) throw tooLarge(batch, { noun: 'a batch, inflated,', bytes: this.#bytes.length, most: largest.inflatedBytes });
    return true;
  }

  #take(block: Packed, records: number): void {
    const batch = this.#batch;
    if (batch === null) return;
    const bytes = this.#bytes;
    const base = Number(batch.baseOffset);
    const append = batch.logAppendTime;
    const first = append ? batch.maxTimestampMs : batch.baseTimestampMs;
    const exact = first >= -safe && first <= safe;
    const baseTimestamp = Number(first);
    let { count, used } = block;
    let at = this.#at;
    while (this.#left > 0 && count < records && used < blockBytes) {
      // Length, attributes, timestamp delta, offset delta: varints, nearly always of one to three bytes.
      let byte = bytes[at++] ?? 0;
      let raw = byte & 0x7f;
      for (let shift = 7; byte >= 0x80 && shift < 35; shift += 7) raw |= ((byte = bytes[at++] ?? 0) & 0x7f) << shift;
      const end = at + ((raw >>> 1) ^ -(raw & 1));
      if (byte >= 0x80 || end <= at || end > bytes.length) throw corrupt(batch.place, batch.baseOffset, 'a record is longer than the batch');
      at += 1;
      const deltaAt = at;
      byte = bytes[at++] ?? 0;
      let low = byte & 0x7f;
      for (let shift = 7; byte >= 0x80 && shift < 28; shift += 7) low |= ((byte = bytes[at++] ?? 0) & 0x7f) << shift;
      const wide = byte >= 0x80;
      while (byte >= 0x80 && at < end) byte = bytes[at++] ?? 0;
      byte = bytes[at++] ?? 0;
      raw = byte & 0x7f;
      for (let shift = 7; byte >= 0x80 && shift < 35; shift += 7) raw |= ((byte = bytes[at++] ?? 0) & 0x7f) << shift;
      if (byte >= 0x80 || at > end) throw corrupt(batch.place, batch.baseOffset, 'the lengths inside a record do not add up');
      const offset = base + ((raw >>> 1) ^ -(raw & 1));
      this.#left -= 1;
      const length = end - at;
      if (offset < this.#from) { at = end; continue; }
      if (offset >= this.#to) { this.#left = 0; this.over = true; break; }
      if (used + frameBytes + length > block.bytes.length) block.room(frameBytes + length);
      const into = block.bytes;
      if (append) stamp(into, used, exact ? baseTimestamp : null, first);
      else if (!wide) stamp(into, used, exact ? baseTimestamp + ((low >>> 1) ^ -(low & 1)) : null, first + BigInt((low >>> 1) ^ -(low & 1)));
      else stamp(into, used, null, first + wideDelta(bytes, deltaAt));
      into[used + 8] = length >>> 24;
      into[used + 9] = length >>> 16;
      into[used + 10] = length >>> 8;
      into[used + 11] = length;
      bytes.copy(into, used + frameBytes, at, end);
      used += frameBytes + length;
      block.offsets[count] = offset;
      count += 1;
      block.starts[count] = used;
      block.count = count;
      at = end;
    }
    this.#at = at;
    if (this.#left === 0) {
      if (!this.over && at !== bytes.length) throw corrupt(batch.place, batch.baseOffset, `${bytes.length - at} bytes follow its last record`);
      if (batch.codec !== 0 && bytes.length > pieceBytes && bytes.length === bytes.buffer.byteLength) discard(bytes.buffer);
      [this.#batch, this.#bytes] = [null, nothing];
    }
  }
}
const nothing = Buffer.alloc(0);
/** Smaller buffers may share their memory with others. */
const pieceBytes = 64 * 1024;
const safe = 2n ** 52n;

/** A signed 64-bit number; `small` where a double holds it exactly. */
function stamp(into: Buffer, at: number, small: number | null, exact: bigint): void {
  if (small === null) {
    into.writeBigInt64BE(BigInt.asIntN(64, exact), at);
    return;
  }
  const high = Math.floor(small / 4_294_967_296);
  const low = small - high * 4_294_967_296;
  into[at] = high >>> 24;
  into[at + 1] = high >>> 16;
  into[at + 2] = high >>> 8;
  into[at + 3] = high;
  into[at + 4] = low >>> 24;
  into[at + 5] = low >>> 16;
  into[at + 6] = low >>> 8;
  into[at + 7] = low;
}

function wideDelta(bytes: Buffer, from: number): bigint {
  let value = 0n;
  for (let at = from, shift = 0n; shift < 70n; at += 1, shift += 7n) {
    const byte = bytes[at] ?? 0;
    value |= BigInt(byte & 0x7f) << shift;
    if (byte < 0x80) break;
  }
  return (value >> 1n) ^ -(value & 1n);
}

/** Also where a partition is compared by keys, or looked through for where it corresponds. */
export function requireBounded(batch: Batch): void {
  if (batch.body.length > largest.batchBytes) throw tooLarge(batch, { noun: 'a batch', bytes: batch.body.length, most: largest.batchBytes });
}
const tooLarge = (batch: Batch, x: { readonly noun: string; readonly bytes: number; readonly most: number }): Failure =>
  new Failure('Unsupported', `${placeText(batch.place)} holds ${x.noun} of ${x.bytes} bytes in the batch at offset ${batch.baseOffset}; the comparison takes up to ${x.most}, so that its memory stays bounded.`, `Leave topic ${batch.place.topic} out of the comparison.`);
