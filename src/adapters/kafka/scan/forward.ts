/** The state of one forward read over `[from, to)` of a partition: where it is, what it hides, when it is over. */
import type { TopicPartition } from '../../../domain/ports.ts';
import { AbortedTransactions } from './aborted.ts';
import { batchesIn, offsetAfter } from './batches.ts';
import type { Batch } from './batches.ts';
import type { FetchedPart, Isolation } from './fetch.ts';
import type { Place } from './place.ts';
import { isAbortMarker } from './records.ts';

export class Forward implements TopicPartition {
  readonly place: Place;
  readonly to: bigint;
  readonly isolation: Isolation;
  /** Moves up when the head of the log was deleted. */
  from: bigint;
  /** The next offset to look at. */
  position: bigint;
  /** How much to ask for; grows when a batch does not fit beside those of other partitions. */
  maxBytes: number;
  /** Since when nothing has come, epoch ms; `null`: all is well. */
  troubleSinceMs: number | null = null;
  /** Rounds without a complete batch: such a partition goes first in the next request, where size is no limit. */
  starved = 0;
  /** The last answer had nothing at `position`, yet the log can be read up to here: a gap, or a batch that did not fit. */
  hollowTo: bigint | null = null;
  /** The last answer showed an end of the log below `to`. */
  endSeen: bigint | null = null;
  #over: boolean;
  readonly #aborted = new AbortedTransactions();

  constructor(place: Place, bounds: { readonly from: bigint; readonly to: bigint }, how: { readonly isolation: Isolation; readonly maxBytes: number }) {
    this.place = place;
    this.from = bounds.from < 0n ? 0n : bounds.from;
    this.to = bounds.to;
    this.position = this.from;
    this.isolation = how.isolation;
    this.maxBytes = how.maxBytes;
    this.#over = this.from >= this.to;
  }

  get topic(): string {
    return this.place.topic;
  }
  get partition(): number {
    return this.place.partition;
  }
  /** Everything that is visible in `[from, to)` has been handed out. */
  get over(): boolean {
    return this.#over || this.position >= this.to;
  }
  finish(): void {
    this.#over = true;
  }

  /** The log begins at `start` by now: what was before it is gone, for every reader. */
  jump(start: bigint): void {
    this.from = start;
    this.position = start;
    this.#aborted.reset();
  }

  /** It is a gap: compaction took away all there was, up to the end of what can be read. */
  passGap(): void {
    if (this.hollowTo === null) return;
    this.position = this.hollowTo < this.to ? this.hollowTo : this.to;
    this.starved = 0;
    this.troubleSinceMs = null;
  }

  /** Only moves on, by batch headers: for fetching ahead while another `Forward` walks the answers. */
  skim(answer: FetchedPart): void {
    const before = this.position;
    const next = offsetAfter(answer.records, this.place);
    if (next !== null && next > this.position) this.position = next;
    this.#settle(answer, before);
  }

  /**
   * The visible data batches of an answer, in order. Position, hidden ranges and end are kept as they are walked; an
   * answer that is not walked to its end must not be followed by another.
   */
  visible(answer: FetchedPart, markers: 'without markers' | 'with markers' = 'without markers'): Generator<Batch, void, undefined> {
    return this.#walk(answer, (hidden) => this.isolation === 'read_uncommitted' || !hidden, markers === 'with markers');
  }
  /** Those of aborted transactions, which only a committed reader is told of. */
  aborted(answer: FetchedPart): Generator<Batch, void, undefined> {
    return this.#walk(answer, (hidden) => hidden);
  }

  *#walk(answer: FetchedPart, wanted: (hidden: boolean) => boolean, markers = false): Generator<Batch, void, undefined> {
    const before = this.position;
    this.#aborted.add(answer.aborted);
    for (const batch of batchesIn(answer.records, this.place)) {
      if (batch.lastOffset < this.position) continue; // a broker may begin before the asked offset
      if (batch.baseOffset >= this.to) {
        this.position = this.to;
        break;
      }
      const hidden = this.#aborted.hides(batch);
      if (batch.control) {
        if (isAbortMarker(batch)) this.#aborted.close(batch.producerId, batch.lastOffset);
        if (markers) yield batch;
      } else if (batch.count > 0 && wanted(hidden)) yield batch.baseOffset < this.from ? { ...batch, visibleFrom: this.from } : batch;
      this.position = batch.lastOffset + 1n;
    }
    this.#settle(answer, before);
  }

  /**
   * Below an open transaction a committed reader ends: nothing behind it is visible now. A log that ends below `to`
   * altogether is not an end: its leader is behind, or it was cut off; a short answer would pass for "nothing there".
   */
  #settle(answer: FetchedPart, before: bigint): void {
    if (this.position > before) {
      this.starved = 0;
      this.troubleSinceMs = null;
    }
    this.endSeen = null;
    this.hollowTo = null;
    if (this.over) return;
    const limit = this.isolation === 'read_committed' ? answer.lso : answer.hw;
    if (this.position < limit) {
      if (this.position > before) return;
      this.starved += 1;
      if (answer.records.length === 0) this.hollowTo = limit;
      return;
    }
    if (answer.hw >= this.to) this.#over = true;
    else this.endSeen = answer.hw;
  }
}
