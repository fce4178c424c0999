/** The cluster port against real brokers of both supported ends: Kafka 3.9 and 4.3, the same situations on each. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { Consumer, joinGroupV9, stringDeserializers, updateFeaturesV1 } from '@platformatic/kafka';
import { Kafka, logLevel } from 'kafkajs';
import { openCluster } from '../../../src/adapters/kafka/cluster.ts';
import type { KafkaCluster } from '../../../src/adapters/kafka/cluster.ts';
import { openWire } from '../../../src/adapters/kafka/wire.ts';
import { Failure } from '../../../src/domain/failures.ts';
import type { FailureType } from '../../../src/domain/failures.ts';
import { tpKey } from '../../../src/domain/ports.ts';
import type { Position } from '../../../src/domain/ports.ts';
import { startStack } from '../../../stack/stack.ts';
import type { Stack, StackCluster } from '../../../stack/stack.ts';
import { eventually, noLimit, untilIn } from './until.ts';

let stack: Stack;
before(async () => { stack = await startStack({ temporal: 'none', connects: 'none' }); });
after(async () => { await stack.stop(); });

const refusal = (type: FailureType, says: RegExp) => (error: unknown): boolean => {
  assert.ok(error instanceof Failure, String(error));
  assert.equal(error.type, type, error.message);
  assert.match(error.message, says);
  return true;
};

/** A 4.x cluster formatted by its own tool has `group.version` 1; one that skipped the tool, as test stacks may, has none. */
async function enableConsumerGroups(bootstrap: readonly string[]): Promise<void> {
  const wire = openWire({ name: 'features', bootstrap });
  try {
    const node = await wire.anyNode();
    const has = (await wire.apis(node)).finalizedFeatures?.some((feature) => feature.name === 'group.version' && feature.maxVersionLevel >= 1);
    if (has) return;
    await updateFeaturesV1.api.async(await wire.connection(node), 10_000, [{ feature: 'group.version', maxVersionLevel: 1, upgradeType: 1 }], false);
  } finally {
    await wire.close();
  }
}

interface Side { readonly of: () => StackCluster; readonly release: string; readonly consumerGroups: boolean }
const sides: readonly Side[] = [
  { of: () => stack.source, release: '3.9', consumerGroups: false },
  { of: () => stack.target, release: '4.3', consumerGroups: true },
];

for (const side of sides) describe(`Kafka ${side.release}`, () => {
  let cluster: KafkaCluster;
  let kafka: Kafka;
  let serial = 0;
  const fresh = (what: string): string => `${what}-${++serial}`;
  const topic = async (partitions = 2): Promise<string> => {
    const name = fresh('orders');
    await cluster.createTopics([{ name, partitions, replicationFactor: 1, configs: {} }], noLimit);
    return name;
  };
  const at = (name: string, partition: number, offset: bigint, metadata = ''): Position => ({ topic: name, partition, offset, metadata });

  before(async () => {
    if (side.consumerGroups) await enableConsumerGroups(side.of().bootstrap);
    cluster = openCluster('here', { bootstrap: side.of().bootstrap });
    kafka = new Kafka({ brokers: [...side.of().bootstrap], logLevel: logLevel.NOTHING });
  });
  after(async () => { await cluster.close(); });

  test('facts: cluster id, brokers, release and no authorizer', async () => {
    const facts = await cluster.facts();
    assert.equal(facts.clusterId, side.of().clusterId);
    assert.deepEqual(facts.brokers.map((b) => `${b.host}:${b.port}`), side.of().bootstrap);
    assert.equal(facts.release, side.release);
    assert.equal(facts.authorizer, 'none');
  });

  test('topics are created once, read back, changed setting by setting and deleted once', async () => {
    const wanted = { name: fresh('plain'), partitions: 3, replicationFactor: 1, configs: { 'retention.ms': '123456', 'cleanup.policy': 'compact' } };
    await cluster.createTopics([wanted], noLimit);
    await cluster.createTopics([wanted], noLimit);
    const [seen, ...others] = await cluster.topics([wanted.name, 'no-such-topic']);
    assert.deepEqual(others, []);
    assert.ok(seen);
    assert.deepEqual([seen.partitions, seen.replicationFactor, seen.internal], [3, 1, false]);
    assert.deepEqual(seen.configs['retention.ms'], { value: '123456', source: 'topic' });
    assert.equal(seen.configs['segment.bytes']?.source, 'default');
    assert.match(seen.id, /^[0-9a-f-]{36}$/);

    await cluster.setTopicConfigs([{ topic: wanted.name, set: { 'max.message.bytes': '2000000' }, unset: ['retention.ms'] }], noLimit);
    const changed = (await cluster.topics([wanted.name]))[0]?.configs;
    assert.deepEqual(changed?.['max.message.bytes'], { value: '2000000', source: 'topic' });
    assert.notEqual(changed?.['retention.ms']?.source, 'topic');
    assert.deepEqual(changed?.['cleanup.policy'], { value: 'compact', source: 'topic' }, 'what was not named stays');

    await cluster.deleteTopics([wanted.name, 'no-such-topic'], noLimit);
    assert.deepEqual(await cluster.topics([wanted.name]), []);
    await cluster.deleteTopics([wanted.name], noLimit);
  });

  test('a topic that exists with other partitions or settings is drift, and nothing beside it is created', async () => {
    const name = await topic(2);
    const beside = fresh('beside');
    const wanted = [{ name, partitions: 3, replicationFactor: 1, configs: { 'retention.ms': '77' } }, { name: beside, partitions: 1, replicationFactor: 1, configs: {} }];
    await assert.rejects(cluster.createTopics(wanted, noLimit), refusal('Drift', /2 partitions, wanted 3.*retention\.ms=\d+, wanted 77/));
    assert.deepEqual(await cluster.topics([beside]), []);
  });

  test('a setting the broker refuses is named with its own words', async () => {
    await assert.rejects(cluster.createTopics([{ name: fresh('bad'), partitions: 1, replicationFactor: 1, configs: { 'retention.ms': 'soon' } }], noLimit), refusal('Unsupported', /Invalid value soon/));
  });

  test('ends: the last stable offset stays below the high watermark while a transaction is open, until its owner is fenced', async () => {
    const name = await topic(2);
    const producer = kafka.producer({ transactionalId: fresh('pay'), maxInFlightRequests: 1, idempotent: true, transactionTimeout: 60_000 });
    await producer.connect();
    const transactionalId = `pay-${serial}`;
    assert.equal(await cluster.transaction(`${transactionalId}-unknown`), null);
    try {
      const done = await producer.transaction();
      await done.send({ topic: name, messages: [{ partition: 0, value: 'committed' }] });
      await done.commit();
      const open = await producer.transaction();
      await open.send({ topic: name, messages: [{ partition: 0, value: 'open' }, { partition: 0, value: 'open too' }] });

      const [first, second] = await cluster.ends([name]);
      assert.deepEqual(first, { topic: name, partition: 0, logStart: 0n, lso: 2n, hw: 4n });
      assert.deepEqual(second, { topic: name, partition: 1, logStart: 0n, lso: 0n, hw: 0n });
      const owner = await cluster.transaction(transactionalId);
      assert.equal(owner?.state, 'Ongoing');
      const [live, ...more] = await cluster.producers([{ topic: name, partition: 0 }, { topic: name, partition: 1 }]);
      assert.deepEqual([live?.producerId, live?.openFrom, more.length], [owner?.producerId, 2n, 0]);

      const fenced = await cluster.fenceTransactionalId(transactionalId, noLimit);
      assert.equal(fenced.producerId, owner?.producerId);
      assert.ok(fenced.epoch > (owner?.epoch ?? Infinity));
      const [settled] = await cluster.ends([{ topic: name, partition: 0 }]);
      assert.equal(settled?.lso, settled?.hw, 'nothing is open any more');
      assert.equal(settled?.hw, 5n);
      await assert.rejects(open.commit(), 'the fenced owner cannot commit');
    } finally {
      await producer.disconnect();
    }
  });

  test('ends of a topic that does not exist are refused, not empty', async () => {
    await assert.rejects(cluster.ends(['no-such-topic']), refusal('Unreachable', /no-such-topic: UNKNOWN_TOPIC_OR_PARTITION/));
  });

  test('positions are committed with their metadata, read for many groups at once, and taken away', async () => {
    const name = await topic(3);
    const groups = Array.from({ length: 20 }, () => fresh('billing'));
    const wanted = new Map(groups.map((group, i) => [group, [at(name, 0, BigInt(i), 'proof é'), at(name, 2, 7n)]]));
    await cluster.commit(wanted, noLimit);
    await cluster.commit(wanted, noLimit);
    const unknown = fresh('unknown');
    const seen = await cluster.committed([...groups, unknown]);
    for (const group of groups) assert.deepEqual(seen.get(group), wanted.get(group));
    assert.deepEqual(seen.get(unknown), []);

    const [one = '', two = ''] = groups;
    await cluster.uncommit(new Map([[one, [{ topic: name, partition: 0 }]], [unknown, [{ topic: name, partition: 0 }]]]), noLimit);
    const left = await cluster.committed([one, two]);
    assert.deepEqual(left.get(one), [at(name, 2, 7n)]);
    assert.equal(left.get(two)?.length, 2);
  });

  test('groups: a simple group is classic and empty, an unknown one is none, all are listed', async () => {
    const [name, simple, unknown] = [await topic(), fresh('simple'), fresh('unknown')];
    await cluster.commit(new Map([[simple, [at(name, 0, 0n)]]]), noLimit);
    assert.deepEqual(await cluster.groups([unknown, simple]), [
      { group: unknown, type: 'none', state: 'Dead', members: [] },
      { group: simple, type: 'classic', state: 'Empty', protocolType: '', members: [] },
    ]);
    const all = await cluster.groups('all');
    assert.ok(all.some((one) => one.group === simple && one.state === 'Empty'));
    assert.ok(!all.some((one) => one.group === unknown));
  });

  test('a live classic group refuses positions, and its members are named', async () => {
    const [name, group] = [await topic(), fresh('live')];
    await cluster.commit(new Map([[group, [at(name, 0, 0n)]]]), noLimit);
    const consumer = new Kafka({ clientId: 'shop-7', brokers: [...side.of().bootstrap], logLevel: logLevel.NOTHING }).consumer({ groupId: group, maxWaitTimeInMs: 100 });
    await consumer.connect();
    try {
      await consumer.subscribe({ topic: name });
      await consumer.run({ eachMessage: async () => {} });
      const seen = await eventually('the group is stable', async () => (await cluster.groups([group])).find((one) => one.state === 'Stable'));
      assert.equal(seen.type, 'classic');
      assert.deepEqual(seen.members.map((m) => m.clientId), ['shop-7']);
      const idle = fresh('idle');
      await assert.rejects(cluster.commit(new Map([[group, [at(name, 0, 5n)]], [idle, [at(name, 0, 5n)]]]), noLimit), refusal('GroupActive', new RegExp(`Group ${group} has 1 active member \\(shop-7 .*needs 0`)));
      await assert.rejects(cluster.uncommit(new Map([[group, [{ topic: name, partition: 0 }]]]), noLimit), refusal('GroupActive', new RegExp(group)));
      const positions = await cluster.committed([group, idle]);
      assert.notEqual(positions.get(group)?.[0]?.offset, 5n);
      assert.equal(positions.get(idle)?.[0]?.offset, 5n, 'the other group is not held up');
    } finally {
      await consumer.disconnect();
    }
    await eventually('the group is empty', async () => (await cluster.groups([group]))[0]?.state === 'Empty');
    await cluster.commit(new Map([[group, [at(name, 0, 5n)]]]), noLimit);
  });

  test('a live KIP-848 group is seen as it is and refuses positions', { skip: !side.consumerGroups && 'this release has no such groups by default' }, async () => {
    const [name, group] = [await topic(), fresh('next-generation')];
    const consumer = new Consumer({ clientId: 'shop-8', groupId: group, bootstrapBrokers: [...side.of().bootstrap], groupProtocol: 'consumer', deserializers: stringDeserializers });
    try {
      const stream = await consumer.consume({ topics: [name], mode: 'latest' });
      stream.on('data', () => {});
      const seen = await eventually('the group is stable', async () => (await cluster.groups([group])).find((one) => one.state === 'Stable' && one.members.length > 0));
      assert.equal(seen.type, 'consumer');
      assert.deepEqual(seen.members.map((m) => m.clientId), ['shop-8']);
      assert.ok((await cluster.groups('all')).some((one) => one.group === group && one.type === 'consumer'));
      await assert.rejects(cluster.commit(new Map([[group, [at(name, 0, 5n)]]]), noLimit), refusal('GroupActive', /shop-8/));
    } finally {
      await consumer.close(true);
    }
  });

  test('a Connect worker group shows its protocol; a static member nobody speaks for any more is put out', async () => {
    const [workers, readers] = [fresh('connect'), fresh('static')];
    const wire = openWire({ name: 'joining', bootstrap: side.of().bootstrap });
    try {
      for (const [group, protocol] of [[workers, 'connect'], [readers, 'consumer']] as const) {
        const node = [...(await wire.coordinators('group', [group])).keys()][0] ?? -1;
        await joinGroupV9.api.async(await wire.connection(node), group, 45_000, 45_000, '', `${group}-rack-1`, protocol, [{ name: 'range', metadata: Buffer.alloc(0) }]);
      }
      assert.deepEqual((await cluster.groups([workers, readers])).map((g) => [g.protocolType, g.members.map((m) => [m.instanceId, m.reads])]), [['connect', [[`${workers}-rack-1`, undefined]]], ['consumer', [[`${readers}-rack-1`, []]]]]);
      const [, facts] = await cluster.groups([workers, readers]);
      await cluster.removeMembers(readers, facts?.members ?? [], noLimit);
      await cluster.removeMembers(readers, facts?.members ?? [], noLimit);
      assert.deepEqual((await cluster.groups([readers]))[0]?.members, []);
      await assert.rejects(cluster.removeMembers(workers, [{ memberId: '', instanceId: `${workers}-rack-1` }], untilIn(-1)), refusal('BudgetExceeded', /budget/));
      assert.equal((await cluster.groups([workers]))[0]?.members.length, 1);
    } finally {
      await wire.close();
    }
  });

  test('what members are assigned is seen, and a KIP-848 member can be put out too', { skip: !side.consumerGroups && 'this release has no such groups by default' }, async () => {
    const name = await topic();
    for (const protocol of ['classic', 'consumer'] as const) {
      const group = fresh(`seen-${protocol}`);
      const consumer = new Consumer({ clientId: 'shop-9', groupId: group, bootstrapBrokers: [...side.of().bootstrap], groupProtocol: protocol, groupInstanceId: `${group}-rack-1`, deserializers: stringDeserializers });
      try {
        const stream = await consumer.consume({ topics: [name], mode: 'latest' });
        stream.on('data', () => {});
        const seen = await eventually('the member has its partitions', async () => (await cluster.groups([group])).find((one) => one.members[0]?.reads?.length === 2));
        assert.deepEqual([seen.type, seen.protocolType, seen.members[0]?.instanceId, seen.members[0]?.reads?.map(tpKey).sort()], [protocol, 'consumer', `${group}-rack-1`, [`${name}/0`, `${name}/1`]]);
        await cluster.removeMembers(group, seen.members, noLimit);
        const left = (await cluster.groups([group]))[0]?.members.map((m) => m.memberId);
        assert.ok(!left?.includes(seen.members[0]?.memberId ?? ''), `${String(left)}`);
      } finally {
        await consumer.close(true).catch(() => undefined); // it was put out: its own goodbye may be refused
      }
    }
  });

  test('an open transaction is traced to its id and its beginning, and its writer is seen in the log before it ends', async () => {
    const [name, id] = [await topic(1), fresh('pay')];
    const producer = kafka.producer({ transactionalId: id, idempotent: true, maxInFlightRequests: 1 });
    await producer.connect();
    try {
      const transaction = await producer.transaction();
      await transaction.send({ topic: name, messages: [{ value: 'a' }, { value: 'b' }] });
      const [open] = (await cluster.producers([{ topic: name, partition: 0 }])).filter((p) => p.openFrom !== null);
      assert.ok(open);
      const [owner] = await cluster.transactionsOf([open.producerId]);
      assert.ok(owner);
      assert.deepEqual([owner.transactionalId, owner.state, owner.epoch], [id, 'Ongoing', open.epoch]);
      assert.ok(owner.startedMs !== null && Math.abs(Date.now() - owner.startedMs) < 60_000);
      assert.deepEqual(await cluster.transactionsOf([open.producerId + 1_000_000n]), []);
      const [writer, ...others] = await cluster.records.writers({ topic: name, partition: 0, from: 0n, to: 2n });
      assert.deepEqual([writer?.producerId, writer?.records, writer?.runs, others], [open.producerId, 2, [{ firstOffset: 0n, lastOffset: 1n }], []]);
      await cluster.fenceTransactionalId(id, noLimit);
      await eventually('its end', async () => (await cluster.transactionsOf([open.producerId])).every((t) => t.startedMs === null));
    } finally {
      await producer.disconnect();
    }
  });

  test('a commit to a partition that does not exist names group and partition', async () => {
    const [name, group] = [await topic(1), fresh('lost')];
    await assert.rejects(cluster.commit(new Map([[group, [at(name, 9, 0n)]]]), noLimit), refusal('Unreachable', new RegExp(`${group} at ${name}/9.*UNKNOWN_TOPIC_OR_PARTITION`)));
  });

  test('the budget has passed: every write is refused and nothing is written', async () => {
    const [name, group, id] = [await topic(1), fresh('late'), fresh('late-id')];
    const over = untilIn(-1);
    const late = fresh('late-topic');
    const writes = [
      () => cluster.createTopics([{ name: late, partitions: 1, replicationFactor: 1, configs: {} }], over),
      () => cluster.deleteTopics([name], over),
      () => cluster.setTopicConfigs([{ topic: name, set: { 'retention.ms': '5' }, unset: [] }], over),
      () => cluster.commit(new Map([[group, [at(name, 0, 1n)]]]), over),
      () => cluster.uncommit(new Map([[group, [{ topic: name, partition: 0 }]]]), over),
      () => cluster.fenceTransactionalId(id, over),
      () => cluster.deny([{ principal: 'User:x', topic: name }], over),
      () => cluster.allow([{ principal: 'User:x', topic: name }], over),
      () => cluster.append({ topic: name, partition: 0 }, [{ key: 'k', value: 'v' }], over),
    ];
    for (const write of writes) await assert.rejects(write(), refusal('BudgetExceeded', /budget/));
    const [seen] = await cluster.topics([name, late]);
    assert.deepEqual([seen?.name, seen?.configs['retention.ms']?.source], [name, 'default']);
    assert.deepEqual((await cluster.committed([group])).get(group), []);
    assert.equal(await cluster.transaction(id), null);
    assert.equal((await cluster.ends([name]))[0]?.hw, 0n);
  });

  test('an abort while groups are being committed ends the call with its reason', async () => {
    const name = await topic(1);
    const until = untilIn(60_000);
    const groups = new Map(Array.from({ length: 50 }, () => [fresh('aborted'), [at(name, 0, 3n)]] as const));
    const call = cluster.commit(groups, until);
    until.stop(new Error('the worker shuts down'));
    await assert.rejects(call, /the worker shuts down/);
    await assert.rejects(cluster.commit(groups, until), /the worker shuts down/);
  });

  test('a producer without transactions is seen with its id', async () => {
    const name = await topic(1);
    const producer = kafka.producer({ idempotent: true, maxInFlightRequests: 1 });
    await producer.connect();
    try {
      await producer.send({ topic: name, messages: [{ value: 'a' }, { value: 'b' }] });
    } finally {
      await producer.disconnect();
    }
    const [one] = await cluster.producers([{ topic: name, partition: 0 }]);
    assert.ok(one);
    assert.deepEqual([one.epoch, one.lastSequence, one.openFrom, tpKey(one)], [0, 1, null, `${name}/0`]);
    assert.ok(Date.now() - one.lastTimestampMs < 60_000);
  });

  test('1,000 partitions and 100 groups: a handful of requests, figures printed', async (t) => {
    const names = Array.from({ length: 20 }, () => fresh('wide'));
    const groups = new Map(Array.from({ length: 100 }, (_, i) => [fresh('many'), Array.from({ length: 8 }, (_, p) => at(names[i % 20] ?? '', p, BigInt(i)))] as const));
    const timed = async <T>(what: string, work: () => Promise<T>): Promise<T> => {
      const from = performance.now();
      const answer = await work();
      t.diagnostic(`${what}: ${Math.round(performance.now() - from)} ms`);
      return answer;
    };
    await timed('1,000 partitions created and usable', () => cluster.createTopics(names.map((name) => ({ name, partitions: 50, replicationFactor: 1, configs: {} })), noLimit));
    for (const round of ['first', 'second']) {
      assert.equal((await timed(`${round}: ends of 1,000 partitions`, () => cluster.ends(names))).length, 1_000);
      await timed(`${round}: commit of 100 groups x 8`, () => cluster.commit(groups, noLimit));
      assert.deepEqual([...(await timed(`${round}: committed of 100 groups x 8`, () => cluster.committed([...groups.keys()])))], [...groups]);
      assert.equal((await timed(`${round}: 100 groups described`, () => cluster.groups([...groups.keys()]))).length, 100);
      assert.equal((await timed(`${round}: 20 topics described`, () => cluster.topics(names))).length, 20);
    }
    await cluster.deleteTopics(names, noLimit);
  });
});
