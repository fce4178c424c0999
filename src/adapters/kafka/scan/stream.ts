/** One partition from end to end, lazily: the visible batches of `[from, to)`, with one fetch ahead of the reader. */
import type { ReadOptions, TopicPartition } from '../../../domain/ports.ts';
import type { Batch } from './batches.ts';
import type { FetchedPart, Isolation } from './fetch.ts';
import { Forward } from './forward.ts';
import { createRounds } from './rounds.ts';
import type { ScanWire } from './rounds.ts';
import type { Bounds } from './seen.ts';

/**
 * Most ranges are short; long ones soon reach the size from which on reading gets no faster. Two answers are held at once,
 * each while it arrives up to twice this: 8 MiB, plus one inflated batch.
 */
const firstFetchBytes = 256 * 1024;
const largestFetchBytes = 2 * 1024 * 1024;

export const isolationOf = (options?: ReadOptions): Isolation => options?.isolation ?? 'read_committed';

/** Batches may reach over `from` and `to`: whoever takes records out of them keeps to the bounds. */
export async function* visibleBatches(wire: ScanWire, of: TopicPartition & Bounds, how: { readonly isolation: Isolation; readonly signal?: AbortSignal | undefined }): AsyncGenerator<Batch, void, undefined> {
  const place = { topic: of.topic, partition: of.partition, cluster: wire.name };
  const scout = new Forward(place, of, { isolation: how.isolation, maxBytes: firstFetchBytes });
  const reader = new Forward(place, of, { isolation: how.isolation, maxBytes: firstFetchBytes });
  const stopped = new AbortController();
  const signal = how.signal === undefined ? stopped.signal : AbortSignal.any([how.signal, stopped.signal]);
  const rounds = createRounds(wire);

  async function fetchNext(): Promise<{ readonly answer: FetchedPart; readonly from: bigint } | null> {
    while (!scout.over) {
      const answers: FetchedPart[] = [];
      await rounds.round([scout], { isolation: how.isolation, budgetBytes: largestFetchBytes, signal }, (_read, answer) => {
        scout.skim(answer);
        scout.maxBytes = Math.min(scout.maxBytes * 4, largestFetchBytes);
        answers.push(answer);
      });
      const answer = answers.find(({ records }) => records.length > 0);
      if (answer !== undefined) return { answer, from: scout.from };
    }
    return null;
  }

  try {
    for (let next = await fetchNext(); next !== null; ) {
      const ahead = fetchNext();
      ahead.catch(() => undefined); // heard below, unless the reader leaves first
      if (next.from > reader.from) reader.jump(next.from);
      for (const batch of reader.visible(next.answer)) yield batch;
      how.signal?.throwIfAborted();
      next = await ahead;
    }
  } finally {
    stopped.abort();
  }
}
