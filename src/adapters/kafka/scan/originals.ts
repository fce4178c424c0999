/** Records as they are stored, for a copy that differs in nothing but its place. */
import type { OriginalRecord, ReadOptions, TopicPartition } from '../../../domain/ports.ts';
import { RecordWalker } from './records.ts';
import type { ScanWire } from './rounds.ts';
import { fingerprintOf } from './seen.ts';
import type { Bounds } from './seen.ts';
import { isolationOf, visibleBatches } from './stream.ts';

export async function* originals(wire: ScanWire, of: TopicPartition & Bounds, options?: ReadOptions): AsyncGenerator<OriginalRecord, void, undefined> {
  const { topic, partition } = of;
  for await (const batch of visibleBatches(wire, of, { isolation: isolationOf(options), signal: options?.signal })) {
    const walker = new RecordWalker(batch);
    while (walker.next()) {
      const offset = walker.offset;
      if (offset < of.from) continue;
      if (offset >= of.to) return;
      yield { topic, partition, offset, timestampMs: walker.timestampMs, fingerprint: fingerprintOf(walker), producerId: batch.producerId, content: Buffer.from(walker.content()) };
    }
  }
}
