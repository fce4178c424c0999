/** A head deleted in the middle of a batch: the batch stays whole in the log, and its first records are gone for every reader. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { keyedRecords, recordsIn } from '../../../../src/adapters/kafka/compare/keyed.ts';
import { Lane, Packed } from '../../../../src/adapters/kafka/compare/packed.ts';
import { pacedBatches, type Pace } from '../../../../src/adapters/kafka/compare/pair.ts';
import { createRecordReader } from '../../../../src/adapters/kafka/scan/reader.ts';
import type { RecordReader } from '../../../../src/domain/ports.ts';
import { cannedCluster } from './canned.ts';

const log = { batches: [{ baseOffset: 0n, records: Array.from({ length: 10 }, (_, i) => ({ value: `v${i}` })) }], leader: 1, logStart: 6n };
const of = { topic: 'orders', partition: 0, from: 0n, to: 10n };
const left = [6, 7, 8, 9];
const wire = (): ReturnType<typeof cannedCluster>['wire'] => cannedCluster({ 'orders/0': log }).wire;
const reader = (): RecordReader => createRecordReader(wire());
const pace: Pace = { signal: new AbortController().signal, spend: () => null, weigh: () => undefined };
async function offsets(records: AsyncIterable<{ readonly offset: bigint }>): Promise<readonly number[]> {
  const out: number[] = [];
  for await (const { offset } of records) out.push(Number(offset));
  return out;
}

test('what was deleted at the head is read by nobody who asked for it', async () => {
  assert.deepEqual(await offsets(reader().range(of)), left);
  assert.deepEqual(await offsets(reader().range({ ...of, to: 8n })), [6, 7]);
  assert.deepEqual(await offsets(reader().range({ ...of, to: 5n })), []);
  assert.deepEqual(await offsets(reader().contents(of)), left);
  assert.deepEqual(await offsets(reader().originals(of)), left);
  assert.deepEqual(await offsets(keyedRecords(wire(), of, pace)), left);
  assert.equal(await recordsIn(wire(), of, pace), left.length);
});

test('nor is it at an end of the log, counted as written, or compared', async () => {
  assert.deepEqual((await reader().tails([{ topic: 'orders', partition: 0, logStart: 0n, lso: 10n, hw: 10n }], 20)).get('orders/0')?.map((r) => Number(r.offset)), left);
  assert.equal((await reader().firsts([of])).get('orders/0')?.offset, 6n);
  const [writer] = await reader().writers(of);
  assert.deepEqual([writer?.records, writer?.runs], [4, [{ firstOffset: 6n, lastOffset: 9n }]]);
  const block = new Packed();
  await new Lane(pacedBatches(wire(), of, pace), of).fill(block, 20);
  assert.deepEqual([...block.offsets.slice(0, block.count)], left);
});
