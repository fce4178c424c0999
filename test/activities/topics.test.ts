/** Topics and their retention on the target. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { application, migration } from '../fakes/migrations.ts';
import { context, FakeWorld } from './fake-ports.ts';

const m = migration('m', [application('shop', { writes: ['orders', 'facts'] })]);
const ask = { m, c: context('topics') };
const world = (): FakeWorld => {
  const w = new FakeWorld();
  w.source.topic('orders', 2, { 'retention.ms': '1000', 'message.format.version': '2.8', 'compression.type': 'lz4' });
  w.source.topic('facts', 1, { 'cleanup.policy': 'compact' });
  w.target.topic('__cutover.ledger', 1);
  return w;
};
const value = (w: FakeWorld, topic: string, name: string): string | undefined => w.target.topics.get(topic)?.configs.get(name)?.value;

test('created with the source\'s partitions and overrides; what the target does not know is left out and said', async () => {
  const w = world();
  const work = w.work();
  const before = await work.captureTopics(ask);
  assert.deepEqual(before, { missing: ['facts', 'orders'] });
  const done = await work.createTopics({ ...ask, before });
  assert.equal(w.target.topics.get('orders')?.logs.length, 2);
  assert.equal(value(w, 'orders', 'compression.type'), 'lz4');
  assert.equal(value(w, 'orders', 'message.format.version'), undefined);
  assert.match(done.say, /created 2 topics with 3 partitions; .*message\.format\.version of orders/);
  assert.match((await work.createTopics({ ...ask, before })).say, /created 0 topics; 2 were there/);
});

test('a topic that existed is never removed', async () => {
  const w = world();
  w.target.topic('facts', 1);
  const work = w.work();
  const before = await work.captureTopics(ask);
  await work.createTopics({ ...ask, before });
  await work.removeTopics({ ...ask, before });
  assert.deepEqual([w.target.topics.has('facts'), w.target.topics.has('orders')], [true, false]);
  assert.match((await work.removeTopics({ ...ask, before })).say, /no topic of ours/);
});

test('a retried capture gives the first pre-image again, though the world has changed', async () => {
  const w = world();
  const before = await w.work().captureTopics(ask);
  w.target.topic('orders', 2);
  assert.deepEqual(await w.work().captureTopics(ask), before);
  assert.deepEqual(await w.work().captureTopics({ m, c: { ...ask.c, key: `${ask.c.run}/topics/2` } }), { missing: ['facts'] });
});

test('partitions that differ are drift; settings that differ are said and left', async () => {
  const w = world();
  w.target.topic('orders', 2, { 'compression.type': 'zstd' });
  const work = w.work();
  const done = await work.createTopics({ ...ask, before: { missing: ['facts'] } });
  assert.match(done.say, /differs from the source and was left as it is: .*compression\.type=zstd \(source lz4\)/);
  assert.equal(value(w, 'orders', 'compression.type'), 'zstd');
  w.target.topic('orders', 5);
  await assert.rejects(work.createTopics({ ...ask, before: { missing: ['facts'] } }), { type: 'Drift' });
});

test('retention is held, given back as it was, and released as on the source', async () => {
  const w = world();
  const work = w.work();
  await work.createTopics({ ...ask, before: { missing: ['facts', 'orders'] } });
  const before = await work.captureRetention(ask);
  assert.deepEqual(before, { orders: { 'retention.ms': '1000' } });
  await work.holdRetention({ ...ask, before });
  assert.deepEqual(['retention.ms', 'message.timestamp.after.max.ms', 'min.compaction.lag.ms'].map((n) => value(w, 'orders', n)), ['-1', '9223372036854775807', '0']);
  assert.equal(value(w, 'facts', 'min.compaction.lag.ms'), '9223372036854775807');
  assert.match((await work.holdRetention({ ...ask, before })).say, /0 topics changed/);
  await work.restoreRetention({ ...ask, before });
  assert.deepEqual(['retention.ms', 'message.timestamp.after.max.ms'].map((n) => value(w, 'orders', n)), ['1000', '3600000']);
  await work.holdRetention({ ...ask, before });
  w.source.topics.get('orders')?.configs.set('retention.ms', { value: '2000', source: 'topic' });
  await work.releaseRetention({ ...ask, before });
  assert.deepEqual([value(w, 'orders', 'retention.ms'), w.target.topics.get('facts')?.configs.get('retention.ms')?.source], ['2000', 'default']);
});
