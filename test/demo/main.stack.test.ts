/** The whole demo as a user runs it, timed: real stack, live traffic, a migration, and the count of every record. Runs alone (`test/run.ts`). */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { result } from './play.ts';

for (const scheme of ['stopRestartRepeat', 'producerFirst'] as const) {
  test(`demo: ${scheme} moves everything under live traffic, 0 lost, 0 twice, 0 out of order`, async () => {
    const r = await result('--scheme', scheme);
    assert.deepEqual([r.scheme, r.outcome], [scheme, 'completed']);
    assert.ok((r.records['produced'] ?? 0) >= 20_000, JSON.stringify(r.records));
    assert.deepEqual([r.records['lost'], r.records['duplicated'], r.records['reordered']], [0, 0, 0]);
    assert.ok((r.outage['addedWriteMs'] ?? Infinity) < 3_000, JSON.stringify(r.outage));
    assert.ok((r.outage['writeMs'] ?? 0) >= (r.outage['addedWriteMs'] ?? 0), JSON.stringify(r.outage));
    assert.deepEqual(Object.keys(r), ['scheme', 'outcome', 'records', 'outage', 'temporal']);
    assert.equal(r.temporal['workflowId'], 'cutover/old/new/demo');
  });
}
