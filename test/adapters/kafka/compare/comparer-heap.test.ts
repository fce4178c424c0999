/** What is compared fits into the heap that a thread of the comparison is given, however much of it there is. */
import assert from 'node:assert/strict';
import { on } from 'node:events';
import { test } from 'node:test';
import { Worker } from 'node:worker_threads';
import { heapMb } from '../../../../src/adapters/kafka/compare/comparer.ts';
import { keyLimits } from '../../../../src/domain/diff/compacted.ts';
import { noCounts, type Counts } from '../../../../src/domain/diff/difference.ts';
import type { HeapAnswer, HeapJob } from './heap-thread.ts';

/** One after the other in one thread, as its partitions are. */
async function fit(jobs: readonly (HeapJob & { readonly wanted: Partial<Counts> })[]): Promise<void> {
  const worker = new Worker(new URL('heap-thread.ts', import.meta.url), { workerData: jobs, resourceLimits: heapMb });
  const answers = on(worker, 'message');
  try {
    for (const { what, n, wanted } of jobs) {
      const next = await answers.next().catch((error: unknown) => { throw new Error(`${what}, ${n}`, { cause: error }); });
      const [{ counts, most }] = next.value as [HeapAnswer];
      assert.deepEqual([what, n, counts], [what, n, { ...noCounts, ...wanted }]);
      assert.ok(most <= 5_000, `${most} differences at once`);
    }
  } finally {
    await worker.terminate();
  }
}
const same = (n: number) => ({ what: 'same keys', n, wanted: { keys: n } }) as const;
const changed = (n: number) => ({ what: 'changed keys', n, wanted: { keys: n, stale: n } }) as const;
const { perPass } = keyLimits;
/** `npm run check` has a minute. */
const quick = process.env['CUTOVER_QUICK'] === '1';

test('as many keys as one pass and as two just take', { timeout: 120_000 }, () =>
  // Over several passes keys are not dealt out evenly.
  fit(quick ? [changed(perPass)] : [same(34_000), changed(perPass), same(1.95 * perPass)]));
test('hundreds of thousands of differences: keys, a hole, records copied again', { timeout: 120_000 }, () =>
  fit([
    { what: 'hole', n: 300_000, wanted: { matched: 10_000, missing: 300_000 } },
    ...(quick ? [] : [{ what: 'missing keys', n: 45_000, wanted: { keys: 45_000, missing: 45_000 } }, { what: 'replay', n: 300_000, wanted: { matched: 310_000, repeated: 300_000 } }] as const),
  ]));
