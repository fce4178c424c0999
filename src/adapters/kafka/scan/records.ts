/** Walks the records of one batch in place: positions and numbers, no object per record. */
import type { Batch } from './batches.ts';
import { inflated } from './codecs.ts';
import { corrupt } from './place.ts';

/** Layout of a record (all numbers varints): length, attributes, timestamp delta, offset delta, key, value, headers. */
export class RecordWalker {
  readonly #batch: Batch;
  /** Inflated; `start`, `end` and the key and value positions are indexes into it. */
  readonly bytes: Buffer;
  readonly #firstDelta: number;
  #left: number;
  #at = 0;
  #plain = true;

  /** Of the record `next` stopped at: */
  offsetDelta = 0;
  timestampMs = 0n;
  /** Key, value and headers with their lengths: the part that does not depend on batching. */
  start = 0;
  end = 0;
  keyAt = 0;
  /** -1: null. */
  keyLength = -1;
  valueAt = 0;
  /** -1: null. */
  valueLength = -1;
  headersAt = 0;

  /** `most`: longest that it may inflate to, bytes. */
  constructor(batch: Batch, most?: number) {
    this.#batch = batch;
    this.bytes = inflated(batch, most);
    this.#left = batch.count;
    this.#firstDelta = Number(batch.visibleFrom - batch.baseOffset);
  }

  get offset(): bigint {
    return this.#batch.baseOffset + BigInt(this.offsetDelta);
  }
  /** Whether every length stands in its shortest spelling, as a copy by another client will have it. */
  get shortestLengths(): boolean {
    return this.#plain;
  }

  /** `false`: that was the last one. */
  next(): boolean {
    while (this.#next()) if (this.offsetDelta >= this.#firstDelta) return true;
    return false;
  }
  #next(): boolean {
    if (this.#left === 0) {
      if (this.#at !== this.bytes.length) throw this.#damaged(`${this.bytes.length - this.#at} bytes follow its last record`);
      return false;
    }
    this.#left -= 1;
    const length = this.#varint();
    const end = this.#at + length;
    if (length < 0 || end > this.bytes.length) throw this.#damaged('a record is longer than the batch');
    this.#at += 1; // attributes: unused in this format
    const timestampDelta = this.#varlong();
    this.offsetDelta = this.#varint();
    this.timestampMs = this.#batch.logAppendTime ? this.#batch.maxTimestampMs : BigInt.asIntN(64, this.#batch.baseTimestampMs + BigInt(timestampDelta));
    this.#content(end);
    return true;
  }

  #content(end: number): void {
    this.#plain = true;
    this.start = this.#at;
    this.keyLength = this.#field();
    this.keyAt = this.#at;
    if (this.keyLength > 0) this.#at += this.keyLength;
    this.valueLength = this.#field();
    this.valueAt = this.#at;
    if (this.valueLength > 0) this.#at += this.valueLength;
    this.headersAt = this.#at;
    const headers = this.#varint();
    if (headers < 0) throw this.#damaged('a record has a negative number of headers');
    for (let i = 0; i < headers; i += 1) {
      const name = this.#field();
      if (name < 0) throw this.#damaged('a record has a header without a name');
      this.#at += name;
      const value = this.#field();
      if (value > 0) this.#at += value;
    }
    if (this.#at !== end) throw this.#damaged('the lengths inside a record do not add up');
    this.end = end;
  }

  /** The record's bytes in the one spelling every faithful copy has. Almost always they stand there already. */
  content(): Buffer {
    return this.#plain ? this.bytes.subarray(this.start, this.end) : this.#respelled();
  }
  key(): Buffer | null {
    return this.keyLength < 0 ? null : this.bytes.subarray(this.keyAt, this.keyAt + this.keyLength);
  }
  value(): Buffer | null {
    return this.valueLength < 0 ? null : this.bytes.subarray(this.valueAt, this.valueAt + this.valueLength);
  }

  #respelled(): Buffer {
    const after = this.#at;
    const parts: Buffer[] = [];
    const put = (field: Buffer | null): void => {
      parts.push(spelled(field === null ? -1 : field.length));
      if (field !== null) parts.push(field);
    };
    put(this.key());
    put(this.value());
    this.#at = this.headersAt;
    const headers = this.#varint();
    parts.push(spelled(headers));
    for (let i = 0; i < headers * 2; i += 1) {
      const length = this.#field();
      put(length < 0 ? null : this.bytes.subarray(this.#at, this.#at + length));
      if (length > 0) this.#at += length;
    }
    this.#at = after;
    return Buffer.concat(parts);
  }

  /** A length: brokers and clients take every negative one for null, and write -1. */
  #field(): number {
    const length = this.#varint();
    if (length >= -1) return length;
    this.#plain = false;
    return -1;
  }

  #varint(): number {
    let byte = this.#byte();
    let value = byte & 0x7f;
    for (let shift = 7; byte >= 0x80; shift += 7) {
      if (shift > 28) throw this.#damaged('a number in a record is too long');
      byte = this.#byte();
      if (byte === 0) this.#plain = false;
      value |= (byte & 0x7f) << shift;
    }
    return (value >>> 1) ^ -(value & 1);
  }

  /** Timestamps may be far apart, and some producers count nanoseconds: beyond 28 bits exactness needs bigint. */
  #varlong(): number | bigint {
    let byte = this.#byte();
    let low = byte & 0x7f;
    for (let shift = 7; byte >= 0x80 && shift < 28; shift += 7) {
      byte = this.#byte();
      low |= (byte & 0x7f) << shift;
    }
    if (byte < 0x80) return (low >>> 1) ^ -(low & 1);
    let value = BigInt(low);
    for (let shift = 28n; byte >= 0x80; shift += 7n) {
      if (shift > 63n) throw this.#damaged('a timestamp in a record is too long');
      byte = this.#byte();
      value |= BigInt(byte & 0x7f) << shift;
    }
    return (value >> 1n) ^ -(value & 1n);
  }

  #byte(): number {
    const byte = this.bytes[this.#at];
    if (byte === undefined) throw this.#damaged('its records end too early');
    this.#at += 1;
    return byte;
  }
  #damaged(seen: string): Error {
    return corrupt(this.#batch.place, this.#batch.baseOffset, seen);
  }
}

/** A number as the shortest zigzag varint. */
export function spelled(value: number): Buffer {
  let rest = ((value << 1) ^ (value >> 31)) >>> 0;
  const bytes: number[] = [];
  for (; rest >= 0x80; rest >>>= 7) bytes.push((rest & 0x7f) | 0x80);
  bytes.push(rest);
  return Buffer.from(bytes);
}

/** `true`: an abort marker; other control records (commit, and kinds yet to come) end nothing that we hide. */
export function isAbortMarker(batch: Batch): boolean {
  const walker = new RecordWalker(batch);
  while (walker.next()) {
    const key = walker.key();
    if (key !== null && key.length >= 4 && key.readInt16BE(2) === 0) return true;
  }
  return false;
}
