/** Blue/green under live traffic: switched, brought back, and switched again; both sets of every application counted. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { migration } from '../../demo/applications.ts';
import { workflowIdOf } from '../../src/domain/migration.ts';
import { assertMoved, ended, onward, operate, setScene } from './scene.ts';
import { progressOf } from './seen.ts';

const outage = { budgetMs: 30_000, undoReserveMs: 10_000 };
const last = 'finish/approve the finish';
/** Traffic has run on the target: some six hundred orders. */
const onTargetMs = 2_000;

test('to green and all the way back, told who processed what; then to green for good: 0 lost, 0 twice, 0 out of order', async () => {
  await using resources = new AsyncDisposableStack();
  const stage = await setScene(resources, { second: true });
  const input = { ...migration({ copies: true, principals: false, budgetMs: outage.budgetMs, second: true }), outage };
  const start = () => stage.client.workflow.start('blueGreen', { workflowId: workflowIdOf(input), taskQueue: stage.taskQueue, args: [input] });
  const there = await start();
  await operate(stage, there, (q) => (q.name !== last ? onward(q) : Date.now() - q.sinceMs < onTargetMs ? null : 'rollback'), 240_000);
  await ended(there, 'rolled-back');
  for (const name of ['shop', 'billing', 'audit', 'enricher'] as const) {
    const n = stage.supervisor.count(name);
    assert.ok(n.source > 0 && n.target === 0, `${name} runs ${JSON.stringify(n)}, wanted the first set alone`);
  }
  const { audit } = (await there.result().catch((e: { cause?: { details?: { audit: string[] }[] } }) => e.cause?.details?.[0])) as { audit: string[] };
  const told = audit.filter((line) => /audit: the first set up to cut 1 on old \(orders\/.*offsets\), the second set from there on new \(orders\/.*offsets\)/.test(line));
  assert.ok(told.length > 0, audit.slice(-40).join('\n'));
  const again = await start();
  await operate(stage, again, (q) => (q.name !== last ? onward(q) : Date.now() - q.sinceMs < onTargetMs ? null : 'approve'), 240_000);
  await ended(again, 'completed');
  assert.equal((await progressOf(stage, again).catch(() => null))?.outages.at(-1)?.outcome ?? 'opened', 'opened');
  await assertMoved(stage, 'target');
});
