/** Batches composed for copies read back as what they were made of. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { batchesIn } from '../../../../src/adapters/kafka/scan/batches.ts';
import { batchOf } from '../../../../src/adapters/kafka/scan/compose.ts';
import { RecordWalker, spelled } from '../../../../src/adapters/kafka/scan/records.ts';
import type { OriginalRecord } from '../../../../src/domain/ports.ts';

const field = (text: string | null): readonly Buffer[] => (text === null ? [spelled(-1)] : [spelled(Buffer.byteLength(text)), Buffer.from(text)]);
const record = (timestampMs: bigint, key: string | null, value: string | null, headers: readonly (readonly [string, string | null])[] = []): OriginalRecord => ({
  topic: 'orders', partition: 0, offset: 7n, timestampMs, fingerprint: '', producerId: 5n,
  content: Buffer.concat([...field(key), ...field(value), spelled(headers.length), ...headers.flatMap(([k, v]) => [...field(k), ...field(v)])]),
});

test('null and empty, repeated headers, timestamps that go back and lie far apart: all as they were', () => {
  const records = [
    record(1_000n, null, null), record(999n, '', 'x', [['h', '1'], ['h', null], ['', '']]), record(9_007_199_254_740_993n, 'k', 'y'.repeat(3_000)), record(-1n, 'k', ''),
  ];
  const bytes = batchOf(records, { producerId: 4_711n, epoch: 3, sequence: 0 });
  const [batch, ...others] = [...batchesIn(bytes, { topic: 'orders', partition: 0, cluster: 'new' })];
  assert.ok(batch);
  assert.deepEqual([others.length, batch.producerId, batch.count, batch.transactional, batch.control, batch.lastOffset, batch.maxTimestampMs], [0, 4_711n, 4, true, false, 3n, 9_007_199_254_740_993n]);
  const walker = new RecordWalker(batch);
  for (const [i, wanted] of records.entries()) {
    assert.equal(walker.next(), true);
    assert.deepEqual([walker.offset, walker.timestampMs, walker.content().toString('hex')], [BigInt(i), wanted.timestampMs, wanted.content.toString('hex')]);
  }
  assert.equal(walker.next(), false);
});

test('one record that is larger than its length takes one byte to spell', () => {
  const [batch] = [...batchesIn(batchOf([record(0n, null, 'z'.repeat(200_000))], { producerId: 0n, epoch: 0, sequence: 0 }), { topic: 'orders', partition: 0, cluster: 'new' })];
  assert.ok(batch);
  const walker = new RecordWalker(batch);
  assert.deepEqual([walker.next(), walker.valueLength, walker.next()], [true, 200_000, false]);
});
