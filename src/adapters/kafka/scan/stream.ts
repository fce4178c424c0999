/** One partition from end to end, lazily: the visible batches of `[from, to)`, with one fetch ahead of the reader. */
import type { ReadOptions, TopicPartition } from '../../../domain/ports.ts';
import type { Batch } from './batches.ts';
import { discard } from './discard.ts';
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

/** Larger than what a socket hands over at a time, so put together from such pieces for this one answer. */
const pieceBytes = 64 * 1024;
/** What surrounds the records of the only partition in an answer: a header with topic name and aborted transactions, and tags. */
const mostBeforeBytes = 1_024;
const mostAfterBytes = 16;

/**
 * Gives the bytes of an answer back at once: left to the garbage collector, tens of MiB of read answers pile up. Whoever
 * takes a batch is done with its bytes when the next one is asked for.
 */
function release({ records }: FetchedPart): void {
  const { buffer, byteOffset, length } = records;
  const alone = buffer.byteLength > pieceBytes && byteOffset <= mostBeforeBytes && buffer.byteLength - byteOffset - length <= mostAfterBytes;
  if (alone) discard(buffer);
}

export const isolationOf = (options?: ReadOptions): Isolation => options?.isolation ?? 'read_committed';

/** Batches may reach over `from` and `to`: whoever takes records out of them keeps to the bounds. */
export async function* visibleBatches(wire: ScanWire, of: TopicPartition & Bounds, how: { readonly isolation: Isolation; readonly signal?: AbortSignal | undefined; /** Default 2 MiB; smaller ones hold less. */ readonly fetchBytes?: number; /** Control batches too. */ readonly markers?: true }): AsyncGenerator<Batch, void, undefined> {
  const place = { topic: of.topic, partition: of.partition, cluster: wire.name };
  const scout = new Forward(place, of, { isolation: how.isolation, maxBytes: firstFetchBytes });
  const reader = new Forward(place, of, { isolation: how.isolation, maxBytes: firstFetchBytes });
  const stopped = new AbortController();
  const signal = how.signal === undefined ? stopped.signal : AbortSignal.any([how.signal, stopped.signal]);
  const rounds = createRounds(wire);
  const largest = how.fetchBytes ?? largestFetchBytes;

  async function fetchNext(): Promise<{ readonly answer: FetchedPart; readonly from: bigint } | null> {
    while (!scout.over) {
      const answers: FetchedPart[] = [];
      await rounds.round([scout], { isolation: how.isolation, budgetBytes: largest, signal }, (_read, answer) => {
        scout.skim(answer);
        scout.maxBytes = Math.min(scout.maxBytes * 4, largest);
        answers.push(answer);
      });
      const answer = answers.find(({ records }) => records.length > 0);
      if (answer !== undefined) return { answer, from: scout.from };
    }
    return null;
  }

  try {
    for (let next = await fetchNext(); next !== null; ) {
      // A batch larger than a fetch was let through: two of that size are not held at once.
      const ahead = next.answer.records.length > largest ? null : fetchNext();
      ahead?.catch(() => undefined); // heard below, unless the reader leaves first
      if (next.from > reader.from) reader.jump(next.from);
      for (const batch of reader.visible(next.answer, how.markers ? 'with markers' : 'without markers')) yield batch;
      release(next.answer);
      how.signal?.throwIfAborted();
      next = await (ahead ?? fetchNext());
    }
  } finally {
    stopped.abort();
  }
}
