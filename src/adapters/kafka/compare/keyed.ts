/** Records with a hash of their key, for compacted topics. */
import { hash } from 'node:crypto';
import type { Keyed, Wanted } from '../../../domain/diff/compacted.ts';
import type { TopicPartition } from '../../../domain/ports.ts';
import { RecordWalker } from '../scan/records.ts';
import type { ScanWire } from '../scan/rounds.ts';
import { fingerprintOf, type Bounds } from '../scan/seen.ts';
import { largest } from './packed.ts';
import { pacedBatches, type Pace } from './pair.ts';

export async function* keyedRecords(wire: ScanWire, of: TopicPartition & Bounds, pace: Pace, wanted?: Wanted): AsyncGenerator<Keyed, void, undefined> {
  for await (const batch of pacedBatches(wire, of, pace)) {
    const walker = new RecordWalker(batch, largest.inflatedBytes);
    while (walker.next()) {
      const offset = walker.offset;
      if (offset < of.from) continue;
      if (offset >= of.to) break;
      const bytes = walker.key();
      const key = bytes === null ? '' : hash('sha1', bytes, 'base64url');
      if (wanted?.(key) === false) continue;
      yield { offset, fingerprint: fingerprintOf(walker), key, gone: walker.valueLength < 0 };
    }
  }
}

/** How many there are. */
export async function recordsIn(wire: ScanWire, of: TopicPartition & Bounds, pace: Pace): Promise<number> {
  let count = 0;
  for await (const batch of pacedBatches(wire, of, pace)) {
    const walker = new RecordWalker(batch, largest.inflatedBytes);
    while (walker.next()) if (walker.offset >= of.from && walker.offset < of.to) count += 1;
  }
  return count;
}
