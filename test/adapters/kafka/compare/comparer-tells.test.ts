/** Whoever waits for a comparison is told which partitions are at work, and of each end at once. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createComparer } from '../../../../src/adapters/kafka/compare/comparer.ts';
import type { PartitionAsk, PartitionEnd } from '../../../../src/domain/diff/port.ts';

const nobody = { bootstrap: ['127.0.0.1:1'] };
const ask = (partition: number): PartitionAsk => ({ topic: 'orders', partition, starts: { origin: 0n, copy: 0n }, ends: { origin: 1n, copy: 1n }, horizon: 'closed', order: 'every-record', state: null, anchors: [], list: 1 });

test('only what a thread has taken up has begun; of the rest there is an end all the same', { timeout: 30_000 }, async () => {
  const comparer = createComparer({ clusters: { old: nobody, new: nobody } }, { threads: 1 });
  try {
    const stop = new AbortController();
    const begun: string[] = [];
    const ended: PartitionEnd[] = [];
    const answered = await comparer.compare({
      clusters: { origin: 'old', copy: 'new' }, rate: { bytesPerSecond: null, recordsPerSecond: null }, partitions: [2, 0, 1].map(ask),
      begun: (key) => { begun.push(key); stop.abort(); }, ended: (end) => { ended.push(end); },
    }, () => undefined, stop.signal);
    assert.deepEqual(begun, ['orders/2']);
    assert.deepEqual(answered.map((e) => [e.key, e.decided]), ['orders/2', 'orders/0', 'orders/1'].map((key) => [key, 'stopped']));
    assert.deepEqual(new Set(ended), new Set(answered));
  } finally {
    await comparer.close();
  }
});
