/** However many partitions lag, what is read around their positions and held at once is bounded, and every question is asked once. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { inSurroundings, type Question } from '../../src/activities/surroundings.ts';
import type { Cluster, LogEnds, SeenRecord } from '../../src/domain/ports.ts';

const ends = { logStart: 0n, lso: 10_000n, hw: 10_000n };
const question = (partition: number): Question<number> => ({
  key: partition, of: { topic: 'orders', partition }, tails: { source: [], target: [] },
  across: { on: 'source', position: 6_000n, ends: { source: ends, target: ends }, turns: [], copied: [true], anchors: { source: [], target: [{ from: 5_000n, to: 5_000n }, { from: 8_000n, to: 8_000n }] } },
});

test('a thousand lagging partitions are read in waves of some ten thousand records, and each is asked once', async () => {
  let [held, most, requests] = [0, 0, 0];
  const tails = async (of: readonly LogEnds[]): Promise<ReadonlyMap<string, readonly SeenRecord[]>> => {
    const records = of.reduce((n, e) => n + Number(e.lso - e.logStart), 0);
    requests++;
    held += records;
    most = Math.max(most, held);
    await new Promise((r) => setTimeout(r, 1));
    held -= records;
    return new Map();
  };
  const cluster = { records: { tails } } as unknown as Cluster;
  const asked: number[] = [];
  await inSurroundings({ source: cluster, target: cluster }, Array.from({ length: 1_000 }, (_, i) => question(i)), async (some) => { asked.push(...some.map((x) => x.question.key)); });
  assert.deepEqual(asked.toSorted((a, b) => a - b), Array.from({ length: 1_000 }, (_, i) => i));
  assert.ok(most > 0 && most <= 3 * 30_000, `${most} records at once`);
  assert.ok(requests > 100 && requests < 1_000, `${requests} bulk reads`);
});
