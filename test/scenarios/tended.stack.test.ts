/**
 * Nobody waits for a mirror between the move of its readers and its cut, nor between an opening and the finish. One that fails
 * there runs again by itself: readers that have moved go on reading, and the way back stays fed.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { WorkflowHandle } from '@temporalio/client';
import { duties } from '../../demo/applications.ts';
import { until } from '../../demo/ending.ts';
import type { Stage } from '../../demo/stage.ts';
import { createConnectRest } from '../../src/adapters/connect/rest.ts';
import { openCluster } from '../../src/adapters/kafka/cluster.ts';
import { noLimit } from '../adapters/kafka/until.ts';
import { assertMoved, ended, onward, operate, setScene, startMigration } from './scene.ts';
import { progressOf } from './seen.ts';

const outage = { budgetMs: 10_000, undoReserveMs: 3_300 };
const atHold = (stage: Stage, handle: WorkflowHandle, hold: string): Promise<void> =>
  operate(stage, handle, (q) => (q.name === hold ? null : onward(q)), 200_000, () => progressOf(stage, handle).then((p) => p.question?.name === hold, () => false));

/** As a producer with its transactional id would that begins elsewhere: the task fails with its next transaction. */
async function fail(stage: Stage, way: 'forward' | 'back', prefix: string): Promise<string> {
  const connect = stage.stack.connect[way];
  const found = (await createConnectRest(connect.url).list({ timeoutMs: 5_000 })).find((c) => c.name.startsWith(prefix) && c.state === 'RUNNING');
  assert.ok(found, `no ${prefix}… runs`);
  const cluster = openCluster('to', { bootstrap: [...(way === 'forward' ? stage.stack.target : stage.stack.source).bootstrap] });
  try {
    await cluster.fenceTransactionalId(`${connect.groupId}-${found.name}-0`, noLimit);
  } finally {
    await cluster.close();
  }
  return found.name;
}

async function runsAgain(stage: Stage, handle: WorkflowHandle, mirror: string): Promise<void> {
  let said = '';
  await until(`${mirror} was restarted`, 60_000, async () => {
    const p = await progressOf(stage, handle);
    said = p.mirrors?.say ?? '';
    return p.mirrors?.state === 'restarted' && said.includes(mirror);
  });
  console.log(`  ${said}`);
  assert.match(said, /has failed on Connect \S+ \(.*\) and was told to restart: what \S+ lacks of \S+ comes once it runs\./);
}

/** What is written from now on reaches its readers, while the hold waits. */
async function readOn(stage: Stage, handle: WorkflowHandle, hold: string): Promise<void> {
  await stage.books.refresh();
  const written = stage.books.acknowledged('orders');
  await until('readers of the copies read on', 30_000, async () => {
    await stage.books.refresh();
    return stage.books.count(duties.filter((d) => d.topic === 'orders'), []).duties.every((d) => stage.books.acknowledged('orders') - d.lost > written);
  });
  assert.equal((await progressOf(stage, handle)).question?.name, hold);
}

test('a mirror that fails while nobody waits for it is restarted, forward and back', async () => {
  await using resources = new AsyncDisposableStack();
  const stage = await setScene(resources);
  const handle = await startMigration(stage, outage);
  await atHold(stage, handle, 'cut enriched/approve the cut');
  await runsAgain(stage, handle, await fail(stage, 'forward', 'cutover-orders-fwd-'));
  await readOn(stage, handle, 'cut enriched/approve the cut');
  await atHold(stage, handle, 'finish/approve the finish');
  await runsAgain(stage, handle, await fail(stage, 'back', 'cutover-orders-back-'));
  await operate(stage, handle, onward, 120_000);
  await ended(handle, 'completed');
  const audit = await handle.query<readonly string[]>('audit');
  assert.equal(audit.filter((line) => line.includes(' a mirror was restarted: ')).length, 2, audit.join('\n'));
  await assertMoved(stage, 'target');
});

test('also where nothing is copied forward: readers that have not moved read what is carried back', async () => {
  await using resources = new AsyncDisposableStack();
  const stage = await setScene(resources);
  const handle = await startMigration(stage, outage, 'producerFirst');
  const hold = 'approve/approve the move';
  await atHold(stage, handle, hold);
  await runsAgain(stage, handle, await fail(stage, 'back', 'cutover-orders-back-'));
  await readOn(stage, handle, hold);
  await operate(stage, handle, onward, 120_000);
  await ended(handle, 'completed');
  await assertMoved(stage, 'target');
});
