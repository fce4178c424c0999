/**
 * Consumers first, with an application whose reading and writing addresses can be switched apart: declared as two applications,
 * it reads on the target with its batch while it still writes on the source, and its writing moves with the cut. There and back.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Kafka, logLevel } from 'kafkajs';
import { migration } from '../../demo/applications.ts';
import { until } from '../../demo/ending.ts';
import { tokenFile } from '../../demo/stage.ts';
import { workflowIdOf } from '../../src/domain/migration.ts';
import { createTopics } from '../../stack/access.ts';
import type { StackCluster } from '../../stack/stack.ts';
import { Forwarder } from './forwarder.ts';
import { lend } from './lent.ts';
import { assertMoved, ended, isWriter, onward, operate, setScene } from './scene.ts';

const last = 'finish/approve the finish';
const onTargetMs = 2_000;
const partitions = 8;

function withForwarder() {
  const demo = migration({ copies: true, principals: false, budgetMs: 10_000 });
  const half = (name: string, of: { readonly writes: readonly string[]; readonly reads: (typeof demo.applications)[number]['reads'] }) => ({ name, fleet: name, transactionalIds: [], principals: [], ...of });
  return {
    ...demo, topics: [...demo.topics, 'notes'], batches: [['forwarder-reads', 'billing'], ['audit']], outage: { budgetMs: 10_000, undoReserveMs: 3_300 },
    applications: [...demo.applications,
      half('forwarder-reads', { writes: [], reads: [{ group: 'forwarder', topics: ['orders'], isolation: 'read_committed' }] }),
      half('forwarder-writes', { writes: ['notes'], reads: [] })],
  };
}

/** What is in a topic, by key, in the order of its partition. */
async function byKey(cluster: StackCluster, topic: string): Promise<ReadonlyMap<string, readonly string[]>> {
  const kafka = new Kafka({ clientId: 'count', brokers: [...cluster.bootstrap], logLevel: logLevel.NOTHING });
  const admin = kafka.admin();
  await admin.connect();
  const ends = new Map((await admin.fetchTopicOffsets(topic)).map((p) => [p.partition, BigInt(p.high)]));
  await admin.disconnect();
  const seen = new Map<string, string[]>();
  const open = new Set([...ends].filter(([, end]) => end > 0n).map(([partition]) => partition));
  const consumer = kafka.consumer({ groupId: `count-${topic}-${Date.now()}`, readUncommitted: false });
  await consumer.connect();
  await consumer.subscribe({ topics: [topic], fromBeginning: true });
  await consumer.run({ autoCommit: false, eachBatch: async ({ batch }) => {
    for (const m of batch.messages) seen.set(String(m.key), [...seen.get(String(m.key)) ?? [], String(m.value)]);
    // A marker of a mirror's transaction may be the last of a log: no batch ends there.
    if (BigInt(batch.lastOffset()) + 2n >= (ends.get(batch.partition) ?? 0n)) open.delete(batch.partition);
  } });
  await until(`${topic} is read to its end`, 60_000, async () => open.size === 0);
  await consumer.disconnect();
  return seen;
}

test('consumerFirst: an application whose addresses can be switched apart reads on the target while it writes on the source; there and back, 0 lost, 0 twice', async () => {
  await using resources = new AsyncDisposableStack();
  const { stack, folder } = await lend('plain');
  const forwarder = resources.use(new Forwarder({ bootstrap: { source: stack.source.bootstrap, target: stack.target.bootstrap }, from: 'orders', to: 'notes', group: 'forwarder' }));
  const stage = await setScene(resources, { fleets: await forwarder.listen(tokenFile(folder, 'forwarder', forwarder.token)) });
  await createTopics({ bootstrap: stage.stack.source.bootstrap, login: null }, [{ name: 'notes', partitions }]);
  for (const half of ['forwarder-writes', 'forwarder-reads']) await forwarder.start(half, 'source');
  const input = withForwarder();
  const handle = await stage.client.workflow.start('consumerFirst', { workflowId: workflowIdOf(input), taskQueue: stage.taskQueue, args: [input] });
  const between: string[] = [];
  await operate(stage, handle, (q) => {
    if (q.name.startsWith('cut notes/')) between.push(`reads on ${forwarder.reads}, writes on ${forwarder.writes}`);
    if (q.name !== last) return onward(q);
    return Date.now() - q.sinceMs < onTargetMs ? null : 'rollback';
  }, 240_000);
  await ended(handle, 'rolled-back');
  assert.equal(between[0], 'reads on target, writes on source');
  assert.deepEqual(forwarder.told.filter((t) => !t.endsWith('stopped')), [
    'forwarder-writes on source', 'forwarder-reads on source', 'forwarder-reads on target', 'forwarder-writes on target', 'forwarder-writes on source', 'forwarder-reads on source'], (await handle.query<readonly string[]>('audit')).join('\n'));
  assert.ok(stage.supervisor.events.some((e) => e.what === 'told to start' && e.side === 'target' && isWriter(e.application)), 'writers were started on the target');
  await assertMoved(stage, 'source');
  await until('the forwarder has read everything', 30_000, async () => forwarder.quietMs > 3_000);
  const orders = await byKey(stack.source, 'orders');
  const notes = await byKey(stack.source, 'notes');
  const count = (all: ReadonlyMap<string, readonly string[]>): number => [...all.values()].reduce((n, of) => n + of.length, 0);
  console.log(`  ${count(orders)} orders, ${count(notes)} notes made of them`);
  assert.ok(count(orders) > 0);
  const differing = [...orders].flatMap(([key, of]) => {
    const made = notes.get(key) ?? [];
    const i = of.findIndex((value, n) => value !== made[n]);
    return i < 0 && made.length === of.length ? [] : [`${key}: ${of.length} orders, ${made.length} notes, the first that differs is ${i}: ${of[i]?.slice(0, 20)} became ${made[i]?.slice(0, 20)}`];
  });
  assert.deepEqual(differing, [], 'by key: each order once, in order');
});
