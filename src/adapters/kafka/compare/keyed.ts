/** Records with a hash of their key, for compacted topics. */
import { hash } from 'node:crypto';
import type { Keyed } from '../../../domain/diff/compacted.ts';
import type { TopicPartition } from '../../../domain/ports.ts';
import { RecordWalker } from '../scan/records.ts';
import type { ScanWire } from '../scan/rounds.ts';
import { fingerprintOf, type Bounds } from '../scan/seen.ts';
import { pacedBatches, type Pace } from './pair.ts';

export async function* keyedRecords(wire: ScanWire, of: TopicPartition & Bounds, pace: Pace): AsyncGenerator<Keyed, void, undefined> {
  for await (const batch of pacedBatches(wire, of, pace)) {
    const walker = new RecordWalker(batch);
    while (walker.next()) {
      const offset = walker.offset;
      if (offset < of.from) continue;
      if (offset >= of.to) break;
      const key = walker.key();
      yield { offset, fingerprint: fingerprintOf(walker), key: key === null ? '' : hash('sha1', key, 'base64url').slice(0, 20), gone: walker.valueLength < 0 };
    }
  }
}
