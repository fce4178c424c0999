/** Schemes whose forward way is part of their way back: there and back in one run of the demo. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { result } from './play.ts';

/** There and back in one run, which is as long as two thirds of two. */
test('demo: stopWaitRestart moves everything at once and is rolled back after the opening, 0 lost, 0 twice, 0 out of order', async () => {
  const r = await result('--scheme', 'stopWaitRestart', '--rollback', 'after-opening', '--records', '5000');
  assert.deepEqual([r.scheme, r.outcome], ['stopWaitRestart', 'rolled-back']);
  assert.deepEqual([r.records['lost'], r.records['duplicated'], r.records['reordered']], [0, 0, 0]);
});

/** Without a copy: the demo fails unless what its books miss is what was counted at the stop. */
test('demo: restartAllAtOnce without data loses what was counted and consented to, and is rolled back after the opening', async () => {
  const r = await result('--scheme', 'restartAllAtOnce', '--without-data', '--rollback', 'after-opening', '--records', '5000');
  assert.deepEqual([r.scheme, r.outcome], ['restartAllAtOnce', 'rolled-back']);
  assert.ok((r.records['lost'] ?? 0) > 0, JSON.stringify(r.records));
  assert.deepEqual([r.records['duplicated'], r.records['reordered']], [0, 0]);
});
for (const scheme of ['consumerFirst', 'dualConsume'] as const)
  test(`demo: ${scheme} moves everything and is rolled back after the opening, 0 lost, 0 twice`, async () => {
    const r = await result('--scheme', scheme, '--rollback', 'after-opening', '--records', '5000');
    assert.deepEqual([r.scheme, r.outcome], [scheme, 'rolled-back']);
    assert.deepEqual([r.records['lost'], r.records['duplicated']], [0, 0]);
    // Two sets that read at once do not promise the order; it is counted and told.
    if (scheme === 'consumerFirst') assert.equal(r.records['reordered'], 0);
    else assert.ok(Number.isInteger(r.records['reordered']), JSON.stringify(r.records));
  });
