/** Silencing where it is hard: two Connect workers in one group, leaders and coordinators on three brokers, and what happens in between. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { Producer } from 'kafkajs';
import { damages } from '../../../src/activities/damage.ts';
import { openPorts } from '../../../src/worker/ports.ts';
import { tpKey, type LogEnds, type MirrorSpec } from '../../../src/domain/ports.ts';
import { application, migration } from '../../fakes/migrations.ts';
import { eventually, noLimit, untilIn } from '../kafka/until.ts';
import { allOf, flow, openField, specOf, type Field } from './field.ts';

const partitions = 50; // four tasks
const spec: MirrorSpec = specOf('cutover-load-fwd-00000001', ['load']);
let f: Field;
let producer: Producer;
let load: ReturnType<typeof flow>;
const took: string[] = [];

before(async () => {
  // A fenced task often ends only when Connect loses patience, 10 s in this stack otherwise.
  f = await openField({ target: { brokers: 3 }, forwardWorkers: 2, connectSettings: { 'task.shutdown.graceful.timeout.ms': '3000' } });
  producer = f.kafka(f.stack.source).producer({ idempotent: true, maxInFlightRequests: 1 });
  await producer.connect();
  await f.topics({ load: partitions, clock: 1 });
  await f.mirrors.create(spec, noLimit);
  load = flow(producer, 'load', partitions, 100);
});
after(async () => {
  await load?.stop();
  await producer?.disconnect();
  await f?.close();
});

const ends = (): Promise<readonly LogEnds[]> => f.target.ends(['load']);
const total = async (): Promise<bigint> => (await ends()).reduce((n, e) => n + e.hw, 0n);
const copying = async (): Promise<void> => {
  const from = await total();
  await eventually('the mirror is copying', async () => (await total()) > from + 200n || undefined, 60_000);
};
const put = async (path: string, method = 'PUT'): Promise<number> => (await fetch(`${f.stack.connect.forward.url}/connectors/${spec.name}/${path}`, { method })).status;
/** Nothing open, and nothing that becomes visible later. */
async function silent(what: string, writers?: Awaited<ReturnType<Field['mirrors']['writers']>>): Promise<readonly LogEnds[]> {
  const timed = await f.mirrors.silence(spec, writers ?? await f.mirrors.writers(spec), untilIn(20_000));
  took.push(`${what} ${timed.toMs - timed.fromMs} ms`);
  const at = await ends();
  assert.deepEqual(at.map((e) => e.lso), at.map((e) => e.hw), 'a transaction is still open');
  return at;
}
async function resumed(what: string): Promise<void> {
  const fromMs = performance.now();
  await f.mirrors.resume(spec, noLimit);
  took.push(`resumed ${what} in ${Math.round(performance.now() - fromMs)} ms`);
  await copying();
}
const unmoved = async (at: readonly LogEnds[]): Promise<void> => assert.deepEqual(await ends(), at);

test('the tasks are spread over both workers, the partitions over three brokers', async () => {
  const status = await (await fetch(`${f.stack.connect.forward.url}/connectors/${spec.name}/status`)).json() as { tasks: { worker_id: string }[] };
  assert.equal(new Set(status.tasks.map((t) => t.worker_id)).size, 2);
  assert.equal((await f.mirrors.writers(spec)).length, 4);
  assert.equal((await f.target.facts()).brokers.length, 3);
});

test('silenced under load on both workers: final; resumed, it copies on', async () => {
  await copying();
  const at = await silent('two workers');
  await f.mirrors.awaitStopped(spec, noLimit);
  await unmoved(at);
  await resumed('after two workers');
});

test('tasks restarted between the remembering and the silence', async () => {
  const writers = await f.mirrors.writers(spec);
  assert.equal(await put('restart?includeTasks=true', 'POST'), 202);
  const at = await silent('restarted tasks', writers);
  await f.mirrors.awaitStopped(spec, noLimit);
  await unmoved(at);
  await resumed('after restarted tasks');
});

test('resumed where only the fence had come, and where nothing had: the tasks live again', async () => {
  for (const w of await f.mirrors.writers(spec)) await f.target.fenceTransactionalId(w.transactionalId, noLimit);
  await resumed('after a bare fence');
  await resumed('while it ran');
});

test('offset syncs that come late speak of committed records only', async () => {
  const looked = (await ends()).slice(0, 5);
  // Tasks that were fenced young may never have said a word; these must have something to be late with.
  await eventually('every partition has a sync', async () => {
    const said = await f.mirrors.anchors(spec);
    return looked.every((e) => (said.get(tpKey(e))?.length ?? 0) > 0) || undefined;
  }, 60_000);
  const at = await silent('for its syncs');
  await f.mirrors.awaitStopped(spec, noLimit);
  const anchors = await f.mirrors.anchors(spec);
  for (const e of at.slice(0, looked.length)) {
    const copies = new Map((await allOf(f.target, 'load', e.partition)).map((r) => [r.offset, r.fingerprint]));
    const originals = new Map((await allOf(f.source, 'load', e.partition)).map((r) => [r.offset, r.fingerprint]));
    const all = anchors.get(tpKey(e)) ?? assert.fail('no sync');
    for (const a of all) assert.equal(copies.get(a.to), originals.get(a.from) ?? 'missing', `${tpKey(e)} ${a.from} to ${a.to}`);
  }
  await unmoved(at);
});

test('a worker restarted, and partitions added, after the silence: nothing comes back to life', async () => {
  const at = await ends();
  await f.stack.connect.more[0]?.restart('killed');
  for (const cluster of [f.stack.source, f.stack.target]) {
    const admin = f.kafka(cluster).admin();
    await admin.connect();
    await admin.createPartitions({ topicPartitions: [{ topic: 'load', count: partitions + 1 }] });
    await admin.disconnect();
  }
  await f.mirrors.awaitStopped(spec, noLimit);
  assert.equal((await f.mirrors.health(spec)).connector, 'STOPPED');
  assert.deepEqual((await ends()).slice(0, at.length), at);
  await resumed('after a worker was killed');
});

test('a worker killed between the remembering and the silence: its tasks are fenced like the others', async () => {
  await copying();
  const writers = await f.mirrors.writers(spec);
  await f.stack.connect.more[0]?.kill();
  const at = await silent('a worker dead', writers);
  await f.mirrors.awaitStopped(spec, noLimit);
  await unmoved(at);
});

test('everything arrived once and in order', async () => {
  const sent = await load.stop();
  await f.mirrors.resume(spec, noLimit);
  await eventually('all copied', async () => {
    const all = await Promise.all((await ends()).map((e) => allOf(f.target, 'load', e.partition)));
    return all.flat().length >= sent || undefined;
  }, 60_000);
  for (let p = 0; p < partitions; p += 1) {
    const [mine, copies] = [await allOf(f.source, 'load', p), await allOf(f.target, 'load', p)];
    assert.deepEqual(copies.map((r) => r.fingerprint), mine.map((r) => r.fingerprint), `partition ${p}`);
  }
  console.log(`    ${sent} records, 0 lost, 0 duplicated; ${took.join(', ')}`);
});

test('a timestamp the target refuses is named as what it is', async () => {
  await f.source.setTopicConfigs([{ topic: 'clock', set: { 'message.timestamp.after.max.ms': '9223372036854775807' }, unset: [] }], noLimit);
  await producer.send({ topic: 'clock', messages: [{ partition: 0, value: 'from the day after tomorrow', timestamp: String(Date.now() + 2 * 86_400_000) }] });
  const clock = specOf('cutover-clock-fwd-00000001', ['clock']);
  await f.mirrors.create(clock, noLimit).catch(() => undefined); // the task may fail before every partition was seen with it
  const health = await eventually('the task failed', async () => {
    const h = await f.mirrors.health(clock);
    return h.traces.length > 0 ? h : undefined;
  }, 30_000);
  const ports = openPorts(f.catalog);
  const m = migration('m', [application('shop', { writes: ['clock'] })]);
  const found = await damages(ports, { m, set: { name: 'clock', topics: ['clock'], writers: ['shop'] }, toward: 'target' }, { spec: clock, health, at: [], born: null });
  await ports.close();
  assert.match(found.present.join(), /cluster new refuses timestamps of records/);
});
