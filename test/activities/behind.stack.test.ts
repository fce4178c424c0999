/** What a source takes away in front of a mirror that is behind: aborted records that nobody reads, and tombstones that it still has to. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { Producer } from 'kafkajs';
import { findMirrors } from '../../src/activities/connect.ts';
import { createWork } from '../../src/activities/create.ts';
import type { Work } from '../../src/activities/work.ts';
import { cutSets } from '../../src/domain/cutsets.ts';
import { openPorts } from '../../src/worker/ports.ts';
import { allOf, openField, type Field } from '../adapters/mirror/field.ts';
import { eventually, noLimit } from '../adapters/kafka/until.ts';
import { application, migration } from '../fakes/migrations.ts';
import { context, looking } from './fake-ports.ts';

let f: Field;
let work: Work;
let ports: ReturnType<typeof openPorts>;
let producer: Producer;

before(async () => {
  f = await openField();
  ports = openPorts(f.catalog);
  work = createWork(ports, {
    registeredSearchAttributes: async () => [], locks: { acquire: async () => undefined, release: async () => undefined },
    surroundings: () => ({ heartbeat: () => undefined, signal: new AbortController().signal, now: () => Date.now() }), looking: { pollMs: 200 },
  });
  producer = f.kafka(f.stack.source).producer();
  await producer.connect();
});
after(async () => {
  await producer?.disconnect();
  await ports?.close();
  await f?.close();
});

/** `count` records in one transaction that is aborted. */
async function abort(topic: string, count: number): Promise<void> {
  const writer = f.kafka(f.stack.source).producer({ transactionalId: 'aborter', idempotent: true, maxInFlightRequests: 1 });
  await writer.connect();
  const transaction = await writer.transaction();
  await transaction.send({ topic, messages: Array.from({ length: count }, (_x, n) => ({ partition: 0, value: `aborted ${n}` })) });
  await transaction.abort();
  await writer.disconnect();
}
/** As retention does it, up to the end. */
async function expire(topic: string): Promise<void> {
  const [end] = await f.source.ends([topic]);
  const admin = f.kafka(f.stack.source).admin();
  await admin.connect();
  await admin.fetchTopicOffsets(topic); // it learns of the topic by it
  await admin.deleteTopicRecords({ topic, partitions: [{ partition: 0, offset: String(end?.lso) }] });
  await admin.disconnect();
}

test('more than a thousand aborted records at an end are no lag, and may expire; a record that nobody copied may not', { timeout: 180_000 }, async () => {
  const m = migration('aborted', [application('shop', { writes: ['quiet'] }), application('reader', { reads: { reader: ['quiet'] } })], { connect: 'forward' });
  const [set] = cutSets(m);
  assert.ok(set);
  const x = { m, c: context('mirror'), set, toward: 'target' as const };
  await f.topics({ quiet: 1 });
  await producer.send({ topic: 'quiet', messages: ['a', 'b', 'c'].map((value) => ({ partition: 0, value })) });
  await work.createMirror({ ...x, before: await work.captureMirror(x) });
  await eventually('all is copied', async () => (await allOf(f.target, 'quiet', 0)).length === 3 || undefined, 60_000);
  await abort('quiet', 1_500);
  const limits = { ...context('wait').limits, lagRecords: 0 };
  // A turn may end with news before its mirror has rested long enough.
  const look = async (): Promise<string> => eventually('the mirror caught up', async () => {
    const seen = await work.lookCaughtUp({ m, c: { ...looking('wait', { untilMs: Date.now() + 60_000 }), limits }, sets: [set], toward: 'target' });
    return seen.done ? seen.say : undefined;
  }, 60_000);
  assert.equal(await look(), '0 records to copy, at most 0 on one partition (wanted 0).');
  await expire('quiet');
  assert.equal(await look(), '0 records to copy, at most 0 on one partition (wanted 0).');
  const [mirror] = await findMirrors(ports, x);
  assert.ok(mirror);
  await ports.mirrors.halt(mirror, noLimit);
  await ports.mirrors.awaitStopped(mirror, noLimit);
  await producer.send({ topic: 'quiet', messages: [{ partition: 0, value: 'd' }] });
  await expire('quiet');
  await assert.rejects(work.lookCaughtUp({ m, c: looking('wait'), sets: [set], toward: 'target' }), { type: 'MirrorDamaged', message: /quiet\/0 begins at 1505 on old, and the mirror stands at 3: what lay from 1504 on was deleted before it was copied/ });
});

test('a tombstone outlives its cleaning while a migration runs, and the settings come back with the undo', { timeout: 180_000 }, async () => {
  const cleaning = { 'cleanup.policy': 'compact', 'segment.ms': '300', 'min.cleanable.dirty.ratio': '0.01', 'max.compaction.lag.ms': '500', 'delete.retention.ms': '0' };
  await f.topics({ kept: 1, short: 1 }, cleaning);
  const m = migration('tombstones', [application('shop', { writes: ['kept'] })], { connect: 'forward' });
  const x = { m, c: context('tombstones') };
  const before = await work.captureTombstones(x);
  assert.match((await work.keepTombstones({ ...x, before })).say, /1 topic changed/);
  const stored = async (topic: string): Promise<readonly string[]> => {
    const [end] = await f.source.ends([topic]);
    const out: string[] = [];
    if (end) for await (const r of f.source.records.contents({ topic, partition: 0, from: end.logStart, to: end.lso })) if (String(r.key) === 'k') out.push(r.value === null ? 'tombstone' : 'value');
    return out;
  };
  for (const topic of ['kept', 'short']) await producer.send({ topic, messages: [{ partition: 0, key: 'k', value: 'v' }, { partition: 0, key: 'k', value: null }] });
  // Segments are rolled by what is written behind them, and only what is rolled is cleaned.
  await eventually('both were cleaned', async () => {
    for (const topic of ['kept', 'short']) await producer.send({ topic, messages: [{ partition: 0, key: 'roll', value: String(Date.now()) }] });
    return ((await stored('short')).length === 0 && !(await stored('kept')).includes('value')) || undefined;
  }, 120_000);
  assert.deepEqual([await stored('kept'), await stored('short')], [['tombstone'], []]);
  await work.restoreTombstones({ ...x, before });
  assert.equal((await f.source.topics(['kept']))[0]?.configs['delete.retention.ms']?.value, '0');
});
