/** What the threads of the comparison and their owner say to each other. */
import type { ClusterConfig } from '../../../domain/catalog.ts';
import type { PartitionAsk, PartitionEnd, PartitionReport, Rate } from '../../../domain/diff/port.ts';
import type { FailureType } from '../../../domain/failures.ts';
import type { Half } from '../../../domain/positions.ts';

export type Endpoint = ClusterConfig & { readonly name: string };
export interface Task {
  readonly id: number;
  readonly clusters: Readonly<Record<Half, Endpoint>>;
  readonly ask: PartitionAsk;
  readonly rate: Rate;
  /** Bytes and records spent by all threads of this call (`BigInt64Array`), against the clock. */
  readonly spent: SharedArrayBuffer;
  readonly sinceMs: number;
}
export type ToThread = { readonly do: 'compare'; readonly task: Task } | { readonly do: 'stop'; readonly id: number } | { readonly do: 'close' };
export type FromThread =
  | { readonly say: 'report'; readonly id: number; readonly report: PartitionReport; readonly peakBytes: number }
  | { readonly say: 'end'; readonly id: number; readonly end: PartitionEnd; readonly peakBytes: number }
  | { readonly say: 'failed'; readonly id: number; readonly type: FailureType | null; readonly message: string };
