/** Mirrors on a real Connect worker between two real clusters with logins and ACLs. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { Producer } from 'kafkajs';
import { drained } from '../../../src/domain/drained.ts';
import { Failure } from '../../../src/domain/failures.ts';
import type { FailureType } from '../../../src/domain/failures.ts';
import type { LogEnds, MirrorSpec } from '../../../src/domain/ports.ts';
import { tpKey } from '../../../src/domain/ports.ts';
import type { Half } from '../../../src/domain/positions.ts';
import { translate } from '../../../src/domain/positions.ts';
import { eventually, noLimit, untilIn } from '../kafka/until.ts';
import type { Field } from './field.ts';
import { checkpoint, remembered } from './checkpoint.ts';
import { useUp } from './epochs.ts';
import { allOf, fill, flow, openField, specOf } from './field.ts';

let f: Field;
let producer: Producer;
before(async () => {
  f = await openField();
  producer = f.kafka(f.stack.source).producer({ idempotent: true, maxInFlightRequests: 1 });
  await producer.connect();
});
after(async () => {
  await producer?.disconnect();
  await f?.close();
});

const refusal = (type: FailureType, says: RegExp) => (error: unknown): boolean => {
  assert.ok(error instanceof Failure, String(error));
  assert.equal(error.type, type, error.message);
  assert.match(error.message, says);
  for (const user of ['mm2', 'cutover', 'admin'] as const) assert.ok(!error.message.includes(f.stack.target.login(user)?.password ?? '-'), 'a password in a message');
  return true;
};
const copied = (topic: string, partitions: number, count: number): Promise<true> => eventually(`${count} records of ${topic} on the target`, async () => {
  const all = await Promise.all(Array.from({ length: partitions }, (_x, p) => allOf(f.target, topic, p)));
  return all.reduce((n, x) => n + x.length, 0) >= count || undefined;
}, 60_000).then(() => true);
const counts = async (topic: string, partitions: number): Promise<{ source: number; target: number; same: boolean }> => {
  const [s, t] = await Promise.all([f.source, f.target].map((c) => Promise.all(Array.from({ length: partitions }, (_x, p) => allOf(c, topic, p)))));
  const prints = (of: typeof s): string => JSON.stringify(of?.map((p) => p.map((r) => r.fingerprint)));
  return { source: s?.flat().length ?? -1, target: t?.flat().length ?? -1, same: prints(s) === prints(t) };
};

describe('a mirror of 20,000 records', () => {
  const spec = specOf('cutover-orders-fwd-00000001', ['orders.v1', 'quiet']);
  before(async () => {
    await f.topics({ 'orders.v1': 4, 'quiet': 2 });
    await fill(producer, 'orders.v1', { partitions: 4, from: 0, count: 19_000 });
    const writer = f.kafka(f.stack.source).producer({ transactionalId: 'shop-1', idempotent: true, maxInFlightRequests: 1 });
    await writer.connect();
    for (const [i, end] of (['commit', 'abort', 'commit'] as const).entries()) {
      const transaction = await writer.transaction();
      await transaction.send({ topic: 'orders.v1', messages: Array.from({ length: 500 }, (_x, n) => ({ partition: n % 4, value: `txn ${i} ${n}` })) });
      await transaction[end]();
    }
    await writer.disconnect();
  });

  test('check: no faults for a sound mirror; a topic that would be renamed, and a catalog that names the wrong cluster, are said', async () => {
    assert.deepEqual(await f.mirrors.check(spec), []);
    assert.match((await f.mirrors.check({ ...spec, topics: ['app-heartbeats'] })).join(), /renames/);
    const wrong = f.mirrorsWith({ ...f.catalog, connects: { forward: { ...f.catalog.connects.forward!, cluster: 'old' } } });
    assert.match((await wrong.check({ ...spec, from: 'new', to: 'old' })).join(), /works on Kafka cluster/);
    assert.match((await f.mirrors.check({ ...spec, from: 'new', to: 'old' })).join(), /writes to cluster new/);
    await assert.rejects(f.mirrors.create({ ...spec, from: 'new', to: 'old' }, noLimit), refusal('BadCatalog', /writes to cluster new/));
    const nowhere = f.mirrorsWith({ ...f.catalog, connects: { forward: { ...f.catalog.connects.forward!, url: 'http://127.0.0.1:1' } } });
    assert.match((await nowhere.check(spec)).join(), /could not ask who it is/);
    await assert.rejects(nowhere.health(spec), refusal('Unreachable', /could not read/));
  });

  test('create: refused for unfit topics and unequal partitions; then running with every partition, and creating again changes nothing', async () => {
    await assert.rejects(f.mirrors.create({ ...spec, topics: ['app-heartbeats'] }, noLimit), refusal('Unsupported', /renames/));
    await assert.rejects(f.mirrors.create({ ...spec, topics: ['nothing-there'] }, noLimit), refusal('Drift', /nothing-there has 0/));
    assert.equal((await f.mirrors.health(spec)).connector, 'absent');
    await f.mirrors.create(spec, noLimit);
    const health = await f.mirrors.health(spec);
    assert.equal(health.connector, 'RUNNING');
    assert.deepEqual(health.assigned, ['orders.v1/0', 'orders.v1/1', 'orders.v1/2', 'orders.v1/3', 'quiet/0', 'quiet/1']);
    await f.mirrors.create(spec, noLimit);
    assert.deepEqual(await f.mirrors.list('forward', 'cutover-orders-'), [spec.name]);
    await assert.rejects(f.mirrors.create({ ...spec, topics: ['orders.v1'] }, noLimit), refusal('Drift', /other settings than wanted: topics\./));
    await copied('orders.v1', 4, 20_000);
    assert.deepEqual(await counts('orders.v1', 4), { source: 20_000, target: 20_000, same: true });
  });

  test('progress is exact: past the last record, short of the trailing transaction marker; nothing for an empty partition', async () => {
    const progress = await eventually('all partitions stored', async () => {
      const p = await f.mirrors.progress(spec);
      const last = await Promise.all([0, 1, 2, 3].map(async (n) => (await allOf(f.source, 'orders.v1', n)).at(-1)?.offset ?? 0n));
      return last.every((at, n) => p.get(`orders.v1/${n}`) === at + 1n) ? p : undefined;
    });
    assert.equal(progress.size, 4);
    const ends = await f.source.ends(['orders.v1']);
    assert.ok(ends.some((e) => (progress.get(tpKey(e)) ?? 0n) < e.lso), 'no trailing marker seen');
  });

  test('positions: exact in both directions at every lag, at the log start and on an empty partition, against ground truth', async () => {
    const anchors = await f.mirrors.anchors(spec);
    const [copyEnds, originEnds] = [await f.target.ends(['orders.v1', 'quiet']), await f.source.ends(['orders.v1', 'quiet'])];
    const endOf = (of: readonly LogEnds[], key: string): LogEnds => of.find((e) => tpKey(e) === key) ?? assert.fail(key);
    let [scanned, tookMs] = [0, 0];
    const ask = async (on: Half, topic: string, partition: number, position: bigint): Promise<bigint> => {
      const key = tpKey({ topic, partition });
      const fromMs = performance.now();
      const answer = await translate({ on, position, copy: endOf(copyEnds, key), origin: endOf(originEnds, key), anchors: anchors.get(key) ?? [] },
        async function* (half, from, to) {
          for await (const r of (half === 'origin' ? f.source : f.target).records.range({ topic, partition, from, to })) { scanned += 1; yield r; }
        });
      tookMs += performance.now() - fromMs;
      assert.equal(answer.kind, 'exact', `${key} ${on} ${position}: ${answer.kind === 'exact' ? '' : answer.why}`);
      return answer.kind === 'exact' ? answer.offset : -1n;
    };
    for (const partition of [0, 1, 2, 3])
      for (const [on, here, there] of [['origin', f.source, f.target], ['copy', f.target, f.source]] as const) {
        const [mine, theirs] = [await allOf(here, 'orders.v1', partition), await allOf(there, 'orders.v1', partition)];
        for (const lag of [0, 1, 2, 10, 100, 375, 376, 1000, 4000, mine.length]) {
          const next = mine[mine.length - lag];
          const position = lag === 0 ? endOf(on === 'origin' ? originEnds : copyEnds, `orders.v1/${partition}`).lso : (next?.offset ?? -1n);
          const to = await ask(on, 'orders.v1', partition, position);
          assert.equal(theirs.find((r) => r.offset >= to)?.fingerprint, next?.fingerprint, `lag ${lag} on partition ${partition} from the ${on}`);
          assert.equal(theirs.filter((r) => r.offset >= to).length, lag);
        }
      }
    assert.equal(await ask('origin', 'quiet', 0, 0n), 0n);
    console.log(`    81 positions, ${scanned} records read, ${Math.round(tookMs)} ms`);
    const logs = await Promise.all([0, 1, 2, 3].map(async (partition) => ({ mine: await allOf(f.source, 'orders.v1', partition), theirs: await allOf(f.target, 'orders.v1', partition) })));
    const beside: string[] = [];
    for (const lag of [0, 1, 10, 100, 1000, 4000]) {
      const again = logs.map(({ mine, theirs }, partition) => {
        const position = lag === 0 ? endOf(originEnds, `orders.v1/${partition}`).lso : (mine[mine.length - lag]?.offset ?? -1n);
        const said = checkpoint(remembered(anchors.get(`orders.v1/${partition}`) ?? []), position);
        return said === null ? 'all' : theirs.filter((r) => r.offset >= said).length - lag;
      });
      beside.push(`lag ${lag}: 0 against ${again.join(', ')}`);
      assert.ok(again.every((n) => n === 'all' || n >= 0), 'the checkpoint connector would be ahead');
    }
    console.log(`    records read again, ours against the checkpoint connector's answer from the same offset syncs, per partition: ${beside.join('; ')}`);
  });

  test('drained: shown on records of both sides, not by numbers', async () => {
    const [originEnds, copyEnds] = [await f.source.ends(['orders.v1', 'quiet']), await f.target.ends(['orders.v1', 'quiet'])];
    const [originTails, copyTails] = await Promise.all([f.source.records.tails(originEnds, 16), f.target.records.tails(copyEnds, 16)]);
    for (const origin of originEnds) {
      const copy = copyEnds.find((e) => tpKey(e) === tpKey(origin)) ?? assert.fail();
      const look = drained({ origin, copy, originTail: originTails.get(tpKey(origin)) ?? [], copyTail: copyTails.get(tpKey(origin)) ?? [], asked: 16 });
      assert.ok(look.drained, look.why);
    }
  });

  test('a second mirror of the same topics is refused while this one runs', async () => {
    const second = specOf('cutover-orders-fwd-00000002', ['orders.v1']);
    await assert.rejects(f.mirrors.create(second, noLimit), refusal('Drift', /also copies topics of it/));
    assert.equal((await f.mirrors.health(second)).connector, 'STOPPED');
    await f.mirrors.remove(second, noLimit);
  });

  test('remove: connector, stored offsets and syncs topic are gone, and removing again is no fault', async () => {
    await f.mirrors.remove(spec, noLimit);
    assert.equal((await f.mirrors.health(spec)).connector, 'absent');
    assert.deepEqual(await f.target.topics([`mm2-offset-syncs.${spec.name}.internal`]), []);
    await f.mirrors.remove(spec, noLimit);
    await assert.rejects(f.mirrors.progress(spec), refusal('MirrorStuck', /does not exist/));
  });

  test('a seeded mirror copies nothing old, and everything new once', async () => {
    const ends = await f.source.ends(['orders.v1', 'quiet']);
    const seeded = specOf('cutover-orders-fwd-00000003', ['orders.v1', 'quiet'], ends.map((e) => ({ topic: e.topic, partition: e.partition, offset: e.lso, metadata: '' })));
    await f.mirrors.create(seeded, noLimit);
    await fill(producer, 'orders.v1', { partitions: 4, from: 50_000, count: 400 });
    await copied('orders.v1', 4, 20_400);
    await f.mirrors.silence(seeded, await f.mirrors.writers(seeded), noLimit);
    assert.deepEqual(await counts('orders.v1', 4), { source: 20_400, target: 20_400, same: true });
  });

  test('stopped after it copied, its offset syncs lost, and created again with the same seeds: it goes on where it was', async () => {
    const seeded = specOf('cutover-orders-fwd-00000003', ['orders.v1', 'quiet'], (await f.source.ends(['orders.v1', 'quiet'])).map((e) => ({ topic: e.topic, partition: e.partition, offset: e.lso - (e.topic === 'quiet' ? 0n : 100n), metadata: '' })));
    await f.mirrors.awaitStopped(seeded, noLimit);
    await f.target.deleteTopics([`mm2-offset-syncs.${seeded.name}.internal`], noLimit);
    await f.mirrors.create(seeded, noLimit);
    await fill(producer, 'orders.v1', { partitions: 4, from: 60_000, count: 40 });
    await copied('orders.v1', 4, 20_440);
    await f.mirrors.remove(seeded, noLimit);
    assert.deepEqual(await counts('orders.v1', 4), { source: 20_440, target: 20_440, same: true });
  });
});

describe('a mirror whose name was used before', () => {
  const spec = specOf('cutover-again-fwd-00000001', ['again']);
  test('starts where it is told, not where its predecessor stood; a syncs topic that was left behind is refused', async () => {
    await f.topics({ again: 1 });
    await fill(producer, 'again', { partitions: 1, from: 0, count: 100 });
    await f.mirrors.create(spec, noLimit);
    await copied('again', 1, 100);
    await f.mirrors.silence(spec, await f.mirrors.writers(spec), noLimit);
    await f.mirrors.awaitStopped(spec, noLimit);
    const deleted = await fetch(`${f.stack.connect.forward.url}/connectors/${spec.name}`, { method: 'DELETE' });
    assert.equal(deleted.status, 204);
    await eventually('the connector is gone', async () => (await f.mirrors.health(spec)).connector === 'absent');
    await assert.rejects(f.mirrors.create(spec, noLimit), refusal('Drift', /holds offset syncs of an earlier mirror/));
    await f.target.deleteTopics([`mm2-offset-syncs.${spec.name}.internal`], noLimit);
    await f.mirrors.create({ ...spec, seed: [{ topic: 'again', partition: 0, offset: 40n, metadata: '' }] }, noLimit);
    await copied('again', 1, 160);
    await f.mirrors.silence(spec, await f.mirrors.writers(spec), noLimit);
    assert.equal((await counts('again', 1)).target, 160);
    await f.mirrors.remove(spec, noLimit);
  });
});

test('the producer id changed by a full epoch since it was remembered: the task is fenced like the others', async () => {
  const spec = specOf('cutover-epochs-fwd-00000001', ['epochs']);
  await f.topics({ epochs: 20 }); // two tasks
  await f.mirrors.create(spec, noLimit);
  const load = flow(producer, 'epochs', 20, 20);
  await eventually('the mirror is copying', async () => (await f.target.ends(['epochs'])).reduce((n, e) => n + e.hw, 0n) > 200n || undefined, 60_000);
  const old = await f.mirrors.writers(spec);
  await f.mirrors.silence(spec, old, noLimit);
  const fromMs = performance.now();
  const raised = await useUp(f, old[0] ?? assert.fail('no task'));
  const tookMs = Math.round(performance.now() - fromMs);
  const silent = await f.target.ends(['epochs']);
  await f.mirrors.resume(spec, noLimit);
  await eventually('the mirror copies on', async () => (await f.target.ends(['epochs'])).some((e, i) => e.hw > (silent[i]?.hw ?? 0n) + 5n) || undefined, 60_000);
  await f.mirrors.silence(spec, old, noLimit);
  const at = await f.target.ends(['epochs']);
  assert.deepEqual(at.map((e) => e.lso), at.map((e) => e.hw), 'a transaction is still open');
  await f.mirrors.awaitStopped(spec, noLimit);
  assert.deepEqual(await f.target.ends(['epochs']), at);
  const sent = await load.stop();
  await f.mirrors.resume(spec, noLimit);
  await copied('epochs', 20, sent);
  assert.deepEqual(await counts('epochs', 20), { source: sent, target: sent, same: true });
  console.log(`    a full epoch after ${raised} more owners in ${tookMs} ms; ${sent} records, 0 lost, 0 duplicated`);
  await f.mirrors.remove(spec, noLimit);
});

describe('silencing a mirror', () => {
  const spec: MirrorSpec = specOf('cutover-load-fwd-00000001', ['load']);
  const partitions = 20; // two tasks
  const ends = (): Promise<readonly LogEnds[]> => f.target.ends(['load']);
  before(async () => {
    await f.topics({ load: partitions });
    await f.mirrors.create(spec, noLimit);
  });

  test('the writers are its tasks, with the producer ids the cluster knows', async () => {
    const writers = await f.mirrors.writers(spec);
    assert.deepEqual(writers.map((w) => w.transactionalId), [0, 1].map((task) => `${f.stack.connect.forward.groupId}-${spec.name}-${task}`));
    assert.ok(writers.every((w) => w.producerId !== null));
  });

  test('a transactional id that is mistyped, or of a worker group that the catalog names wrongly, is not fenced in vain', async () => {
    const writers = await f.mirrors.writers(spec);
    const typo = writers.map((w) => ({ ...w, transactionalId: w.transactionalId.replace('load', 'laod') }));
    await assert.rejects(f.mirrors.silence(spec, typo, noLimit), refusal('MirrorStuck', /Nothing was fenced/));
    assert.equal((await f.mirrors.health(spec)).connector, 'RUNNING');
    const wrong = f.mirrorsWith({ ...f.catalog, connects: { forward: { ...f.catalog.connects.forward!, groupId: 'another' } } });
    assert.deepEqual(await wrong.writers(spec), [0, 1].map((task) => ({ transactionalId: `another-${spec.name}-${task}`, producerId: null })));
    await assert.rejects(wrong.silence(spec, await wrong.writers(spec), noLimit), refusal('MirrorStuck', /does not know the transactional ids/));
    await f.mirrors.resume(spec, noLimit);
  });

  test('a clock that has run out writes nothing', async () => {
    await assert.rejects(f.mirrors.silence(spec, await f.mirrors.writers(spec), untilIn(-1)), refusal('BudgetExceeded', /passed/));
    assert.equal((await f.mirrors.health(spec)).connector, 'RUNNING');
  });

  test('under load: nothing becomes visible afterwards; resumed, everything arrives once and in order; three times', async () => {
    const load = flow(producer, 'load', partitions);
    const took: number[] = [];
    for (let round = 0; round < 3; round += 1) {
      const before = (await ends()).reduce((n, e) => n + e.hw, 0n);
      await eventually('the mirror is copying', async () => (await ends()).reduce((n, e) => n + e.hw, 0n) > before + 500n || undefined, 60_000);
      const timed = await f.mirrors.silence(spec, await f.mirrors.writers(spec), untilIn(10_000));
      took.push(timed.toMs - timed.fromMs);
      const at = await ends();
      assert.deepEqual(at.map((e) => e.lso), at.map((e) => e.hw), 'a transaction is still open');
      await f.mirrors.awaitStopped(spec, noLimit);
      assert.deepEqual(await ends(), at);
      const progress = await f.mirrors.progress(spec);
      for (const p of Array.from({ length: partitions }, (_x, i) => i)) {
        const [mine, copies] = [await allOf(f.source, 'load', p), await allOf(f.target, 'load', p)];
        assert.equal(progress.get(`load/${p}`), (mine[copies.length - 1]?.offset ?? 0n) + 1n, 'stored position is not the last copied record');
      }
      assert.deepEqual(await ends(), at);
      await f.mirrors.resume(spec, noLimit);
    }
    const sent = await load.stop();
    await copied('load', partitions, sent);
    assert.deepEqual(await counts('load', partitions), { source: sent, target: sent, same: true });
    console.log(`    silenced in ${took.join(', ')} ms under load; ${sent} records, 0 lost, 0 duplicated`);
  });

  test('a task that failed is revived once it is asked for, one that was stopped is not', async () => {
    assert.deepEqual(await f.mirrors.revive(spec, noLimit), { found: [], renewed: [], failed: null });
    const [task] = await f.mirrors.writers(spec);
    const load = flow(producer, 'load', partitions);
    await f.target.fenceTransactionalId(task?.transactionalId ?? assert.fail('no task'), noLimit);
    await eventually('the fenced task failed', async () => (await f.mirrors.health(spec)).traces.length > 0 || undefined, 60_000);
    assert.deepEqual((await f.mirrors.states(spec.connect)).find((s) => s.name === spec.name)?.traces, (await f.mirrors.health(spec)).traces);
    assert.match((await f.mirrors.revive(spec, noLimit)).found.join(), /Exception/);
    await eventually('it runs again', async () => (await f.mirrors.health(spec)).assigned.length === partitions || undefined, 60_000);
    const sent = await load.stop();
    await eventually('what was written is copied', async () => (await counts('load', partitions)).same || undefined, 60_000);
    assert.ok(sent > 0);
    await f.mirrors.silence(spec, await f.mirrors.writers(spec), noLimit);
    await f.mirrors.awaitStopped(spec, noLimit);
    assert.deepEqual(await f.mirrors.revive(spec, noLimit), { found: [], renewed: [], failed: null });
    assert.equal((await f.mirrors.health(spec)).connector, 'STOPPED');
  });

  test('silencing twice is no fault, and removing a silenced mirror leaves nothing', async () => {
    const writers = await f.mirrors.writers(spec);
    await f.mirrors.silence(spec, writers, noLimit);
    await f.mirrors.silence(spec, writers, noLimit);
    await f.mirrors.remove(spec, noLimit);
    assert.equal((await f.mirrors.health(spec)).connector, 'absent');
  });
});
