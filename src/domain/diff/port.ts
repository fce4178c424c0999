/** The port of the comparison: many partitions of two clusters at once, each from where it stood. */
import type { Anchor, TopicPartition } from '../ports.ts';
import type { Half } from '../positions.ts';
import type { Beginning } from './begin.ts';
import type { Compared, Comparing } from './compare.ts';
import type { Difference, DiffState, Places } from './difference.ts';

export interface PartitionAsk extends TopicPartition {
  readonly starts: Places;
  /** Nothing at or above is compared; at most the last stable offset of each log. */
  readonly ends: Places;
  readonly horizon: Comparing['horizon'];
  /** `null`: not begun; where the logs correspond is looked for first. */
  readonly state: DiffState | null;
  /** Pairs of records known to correspond, for logs whose heads are gone. */
  readonly anchors: readonly Anchor[];
  /** `by-key` for compacted topics: last values below the tail, record by record above. */
  readonly order: 'every-record' | 'by-key';
  /** Most differences to hand over from here on; all are counted. */
  readonly list: number;
}
/** What is settled so far, and what was found since the report before. */
export interface PartitionReport {
  readonly key: string;
  readonly state: DiffState;
  readonly fresh: readonly Difference[];
  /** Where it began, with the first report of a partition; what was reported of it before no longer counts then. */
  readonly beginning: Beginning | null;
}
/** `stopped`: the call was aborted or its time was over; the last report says how far it came. */
export interface PartitionEnd { readonly key: string; readonly decided: Compared['decided'] | 'stopped'; readonly state: DiffState | null; readonly hash: string | null }

/** Both sides together, shared by all threads. `null`: as fast as it goes. */
export interface Rate { readonly bytesPerSecond: number | null; readonly recordsPerSecond: number | null }
export interface CompareAsk {
  /** Catalog names. */
  readonly clusters: Readonly<Record<Half, string>>;
  readonly partitions: readonly PartitionAsk[];
  readonly rate: Rate;
  /** Told when a thread takes a partition up, in the order of `partitions`. */
  begun?(key: string): void;
  /** Told of each end at once; all of them are the answer as well. */
  ended?(end: PartitionEnd): void;
}
export interface Comparer {
  /**
   * As many partitions at once as there are threads. `told` hears each partition at least once, then several times a second;
   * a report is whole: state and differences belong together. Aborting ends all with `stopped`. A partition that fails fails the call.
   */
  compare(ask: CompareAsk, told: (report: PartitionReport) => void, signal: AbortSignal): Promise<readonly PartitionEnd[]>;
  /** Peak memory of a thread so far, bytes: its heap and its buffers. */
  peakBytes(): number;
}
