/** Logs of any shape, fetched in pieces of any size: the reader sees exactly what the transactions made visible. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { createRecordReader } from '../../../../src/adapters/kafka/scan/reader.ts';
import { cannedCluster, nextOf } from './canned.ts';
import type { CannedLog } from './canned.ts';
import { marker } from './handmade.ts';
import type { HandmadeBatch } from './handmade.ts';

type Event =
  | { readonly kind: 'data'; readonly producer: bigint | null; readonly offsets: readonly boolean[]; readonly codec: NonNullable<HandmadeBatch['codec']> }
  | { readonly kind: 'end'; readonly producer: bigint; readonly how: 'abort' | 'commit' }
  | { readonly kind: 'gap'; readonly length: number };

const producer = fc.constantFrom(1n, 2n, 3n);
const event: fc.Arbitrary<Event> = fc.oneof(
  { weight: 5, arbitrary: fc.record({ kind: fc.constant('data' as const), producer: fc.option(producer), offsets: fc.array(fc.boolean(), { minLength: 1, maxLength: 6 }), codec: fc.constantFrom('none' as const, 'none' as const, 'gzip' as const, 'lz4' as const) }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('end' as const), producer, how: fc.constantFrom('abort' as const, 'commit' as const) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('gap' as const), length: fc.integer({ min: 1, max: 40 }) }) },
);

interface Truth { readonly log: CannedLog; readonly committed: readonly bigint[]; readonly stored: readonly bigint[] }

/** Compaction leaves only the offsets marked `true`; a batch may be left empty. */
function logOf(events: readonly Event[], leader: number): Truth {
  const batches: HandmadeBatch[] = [];
  const open = new Map<bigint, { first: bigint; offsets: bigint[] }>();
  const committed: bigint[] = [];
  const stored: bigint[] = [];
  let at = 0n;
  for (const one of events) {
    if (one.kind === 'gap') at += BigInt(one.length);
    else if (one.kind === 'end') {
      const transaction = open.get(one.producer);
      if (transaction === undefined) continue;
      if (one.how === 'commit') committed.push(...transaction.offsets);
      open.delete(one.producer);
      batches.push(marker(at, one.producer, one.how));
      at += 1n;
    } else {
      const deltas = one.offsets.flatMap((kept, i) => (kept ? [i] : []));
      const offsets = deltas.map((delta) => at + BigInt(delta));
      batches.push({ baseOffset: at, codec: one.codec, records: deltas.map((offsetDelta) => ({ offsetDelta, value: `v${at}/${offsetDelta}`.repeat(5) })), lastOffsetDelta: one.offsets.length - 1, ...(one.producer === null ? {} : { producerId: one.producer, transactional: true }) });
      stored.push(...offsets);
      if (one.producer === null) committed.push(...offsets);
      else {
        const transaction = open.get(one.producer) ?? { first: at, offsets: [] };
        transaction.offsets.push(...offsets);
        open.set(one.producer, transaction);
      }
      at += BigInt(one.offsets.length);
    }
  }
  const end = batches.reduce((last, batch) => (nextOf(batch) > last ? nextOf(batch) : last), 0n);
  const lso = [...open.values()].reduce((least, { first }) => (first < least ? first : least), end);
  const ascending = (a: bigint, b: bigint): number => (a < b ? -1 : 1);
  return { log: { batches, leader, lso, hw: end }, committed: committed.filter((offset) => offset < lso).sort(ascending), stored };
}

async function offsets(records: AsyncIterable<{ readonly offset: bigint }>): Promise<bigint[]> {
  const found: bigint[] = [];
  for await (const { offset } of records) found.push(offset);
  return found;
}

test('ranges, tails and firsts agree with the truth on generated logs', { timeout: 60_000 }, async () => {
  const logs = fc.array(fc.array(event, { maxLength: 40 }), { minLength: 1, maxLength: 4 });
  await fc.assert(fc.asyncProperty(logs, fc.constantFrom(1, 150, 600, Infinity), fc.nat(), fc.nat(), fc.integer({ min: 1, max: 12 }), async (generated, cutAt, a, b, count) => {
    const truths = generated.map((events, i) => logOf(events, i % 2));
    const cluster = cannedCluster(Object.fromEntries(truths.map(({ log }, i) => [`orders/${i}`, log])), { cutAt });
    const reader = createRecordReader(cluster.wire);
    const ends = truths.map((_, i) => cluster.ends('orders', i));
    const bounds = ends.map((end) => ({ topic: 'orders', partition: end.partition, from: BigInt(a) % (end.lso + 1n), to: BigInt(b) % (end.hw + 1n) }));
    const tails = await reader.tails(ends, count);
    const firsts = await reader.firsts(bounds);
    for (const [i, { committed, stored }] of truths.entries()) {
      const bound = bounds[i];
      assert.ok(bound);
      const within = (offset: bigint): boolean => offset >= bound.from && offset < bound.to;
      assert.deepEqual(await offsets(reader.range(bound)), committed.filter(within), 'committed');
      assert.deepEqual(await offsets(reader.range(bound, { isolation: 'read_uncommitted' })), stored.filter(within), 'uncommitted');
      assert.deepEqual(tails.get(`orders/${i}`)?.map(({ offset }) => offset), committed.slice(-count), 'tail');
      assert.equal(firsts.get(`orders/${i}`)?.offset, committed.find(within), 'first');
    }
  }), { numRuns: 150 });
});
