/** Logins, rights and fences on brokers with SASL/SCRAM and ACLs. */
import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import kafkajs, { Kafka, logLevel } from 'kafkajs';
import { openCluster } from '../../../src/adapters/kafka/cluster.ts';
import type { KafkaCluster } from '../../../src/adapters/kafka/cluster.ts';
import { createLedger } from '../../../src/adapters/ledger/ledger.ts';
import { redact } from '../../../src/adapters/secrets/secrets.ts';
import { Failure } from '../../../src/domain/failures.ts';
import type { FailureType } from '../../../src/domain/failures.ts';
import type { OriginalRecord } from '../../../src/domain/ports.ts';
import { startStack } from '../../../stack/stack.ts';
import type { Stack, StackCluster } from '../../../stack/stack.ts';
import { eventually, noLimit, untilIn } from './until.ts';

let stack: Stack;
/** Three brokers on one side: each has a copy of the rules of its own. */
before(async () => { stack = await startStack({ variant: 'sasl', temporal: 'none', connects: 'none', target: { brokers: 3 } }); });
after(async () => { await stack.stop(); });

const refusal = (type: FailureType, says: RegExp) => (error: unknown): boolean => {
  assert.ok(error instanceof Failure, String(error));
  assert.equal(error.type, type, error.message);
  assert.match(error.message, says);
  return true;
};

for (const { release, of } of [{ release: '3.9', of: () => stack.source }, { release: '4.3', of: () => stack.target }] as readonly { release: string; of: () => StackCluster }[]) describe(`Kafka ${release} with logins and ACLs`, () => {
  const open: KafkaCluster[] = [];
  const as = (user: 'cutover' | 'shop' | 'billing' | 'audit' | 'enricher', { passwordFile, at }: { passwordFile?: string; at?: readonly string[] } = {}): KafkaCluster => {
    const login = of().login(user);
    assert.ok(login);
    const cluster = openCluster('here', { bootstrap: at ?? of().bootstrap, sasl: { mechanism: login.mechanism, username: login.username, password: `file:${passwordFile ?? login.passwordFile}` } });
    open.push(cluster);
    return cluster;
  };
  let cutover: KafkaCluster;
  before(async () => {
    cutover = as('cutover');
    await cutover.createTopics(['orders', 'payments'].map((name) => ({ name, partitions: 2, replicationFactor: 1, configs: {} })), noLimit);
  });
  after(async () => { await Promise.all(open.map((cluster) => cluster.close())); });

  test('the authorizer is seen, or said to be unknown to a user who may not read ACLs', async () => {
    const facts = await cutover.facts();
    assert.equal(facts.authorizer, 'present');
    assert.equal(facts.release, release);
    assert.equal((await as('shop').facts()).authorizer, 'unknown');
  });

  test('a ledger that a user may not see is not an empty one', async () => {
    assert.deepEqual(await createLedger(() => cutover).prepare('here', noLimit), []);
    assert.equal((await createLedger(() => cutover).read('here', '')).size, 0);
    const login = of().login('admin');
    assert.ok(login);
    const admin = new Kafka({ brokers: [...of().bootstrap], logLevel: logLevel.NOTHING, sasl: { mechanism: 'scram-sha-512', username: login.username, password: login.password } }).admin();
    const { AclOperationTypes, AclPermissionTypes, AclResourceTypes, ResourcePatternTypes } = kafkajs;
    await admin.connect();
    await admin.createAcls({ acl: [{ resourceType: AclResourceTypes.TOPIC, resourceName: '__cutover.ledger', resourcePatternType: ResourcePatternTypes.LITERAL, principal: 'User:shop', host: '*', operation: AclOperationTypes.DESCRIBE, permissionType: AclPermissionTypes.DENY }] });
    await admin.disconnect();
    // Each broker learns of the rule by itself, after it was acknowledged: until the one asked has, its neighbour that leads the partition may refuse first.
    for (const address of of().bootstrap) {
      const shop = as('shop', { at: [address] });
      await eventually(`a refusal by ${address}`, async () => {
        const refused = await createLedger(() => shop).read('here', '').then(() => undefined, (error: unknown) => ({ error }));
        if (refused === undefined) return false;
        refusal('Unauthorized', /User:shop .*Grant DESCRIBE on topic __cutover\.ledger/)(refused.error);
        return /describe topic __cutover\.ledger/.test(String(refused.error));
      });
    }
  });

  test('a wrong password is refused naming user and cluster, and appears nowhere', async () => {
    const file = join(stack.folder, `wrong-${release}`);
    await writeFile(file, 'not-the-password-7');
    await assert.rejects(as('cutover', { passwordFile: file }).facts(), (error) => {
      assert.ok(error instanceof Failure);
      assert.equal(error.type, 'Unauthorized');
      assert.match(error.message, /Cluster here at 127\.0\.0\.1:\d+ refused the login of User:cutover/);
      assert.doesNotMatch(`${error.message} ${error.stack} ${JSON.stringify(error)}`, /not-the-password/);
      return true;
    });
    assert.equal(redact('not-the-password-7'), '[secret]');
  });

  test('a missing right is named with the user and the resource', async () => {
    const [shop, billing] = [as('shop'), as('billing')];
    await assert.rejects(shop.createTopics([{ name: 'stray', partitions: 1, replicationFactor: 1, configs: {} }], noLimit), refusal('Unauthorized', /User:shop.*Grant CREATE on topic stray/));
    await assert.rejects(shop.deleteTopics(['orders'], noLimit), refusal('Unauthorized', /User:shop.*Grant DELETE on topic orders/));
    await assert.rejects(shop.setTopicConfigs([{ topic: 'orders', set: { 'retention.ms': '5' }, unset: [] }], noLimit), refusal('Unauthorized', /ALTER_CONFIGS on topic orders/));
    await assert.rejects(shop.groups(['billing']), refusal('Unauthorized', /group billing/), 'hidden is not absent');
    await assert.rejects(shop.committed(['billing']), refusal('Unauthorized', /group billing.*User:shop|User:shop.*group billing/));
    await assert.rejects(billing.commit(new Map([['warehouse', [{ topic: 'orders', partition: 0, offset: 0n, metadata: '' }]]]), noLimit), refusal('Unauthorized', /READ on group warehouse/));
    await assert.rejects(billing.uncommit(new Map([['warehouse', [{ topic: 'orders', partition: 0 }]]]), noLimit), refusal('Unauthorized', /warehouse/));
    await assert.rejects(billing.fenceTransactionalId('pay', noLimit), refusal('Unauthorized', /transactional id pay/));
    await assert.rejects(shop.producers([{ topic: 'orders', partition: 0 }]), refusal('Unauthorized', /READ on topic orders/));
    await assert.rejects(billing.deny([{ principal: 'User:shop', topic: 'orders' }], noLimit), refusal('Unauthorized', /on the cluster/));
    await assert.rejects(billing.append({ topic: 'orders', partition: 0 }, [{ key: 'k', value: 'v' }], noLimit), refusal('Unauthorized', /WRITE on topic orders/));
  });

  test('a fence stops a live producer on that topic only, is found again, and is taken away', async () => {
    const login = of().login('shop');
    assert.ok(login);
    const kafka = new Kafka({ brokers: [...of().bootstrap], logLevel: logLevel.NOTHING, retry: { retries: 0 }, sasl: { mechanism: 'scram-sha-512', username: login.username, password: login.password } });
    const producer = kafka.producer();
    await producer.connect();
    const send = (topic: string): Promise<unknown> => producer.send({ topic, messages: [{ partition: 0, value: 'x' }] });
    const rules = [{ principal: 'User:shop', topic: 'orders' }, { principal: 'User:enricher', topic: 'orders' }];
    try {
      await send('orders');
      assert.deepEqual(await cutover.denyRules(['orders', 'payments']), []);
      await cutover.deny(rules, noLimit);
      await cutover.deny(rules, noLimit);
      await assert.rejects(send('orders'), /authorized/i);
      await send('payments');
      assert.deepEqual(await cutover.denyRules(['orders', 'payments']), [rules[1], rules[0]]);
      assert.deepEqual(await cutover.denyRules(['payments']), []);

      await assert.rejects(cutover.allow(rules, untilIn(-1)), refusal('BudgetExceeded', /budget/));
      await assert.rejects(send('orders'), /authorized/i);

      await cutover.allow([{ principal: 'User:shop', topic: 'orders' }, { principal: 'User:never-set', topic: 'orders' }], noLimit);
      await send('orders');
      assert.deepEqual(await cutover.denyRules(['orders']), [rules[1]]);
      await cutover.allow(rules, noLimit);
      assert.deepEqual(await cutover.denyRules(['orders']), []);
    } finally {
      await producer.disconnect();
    }
  });

  test('a read fence on a group stops commits and joins of that principal only, is found again, and is taken away', async () => {
    const [billing, audit] = [as('billing'), as('audit')];
    const at = (group: string) => new Map([[group, [{ topic: 'orders', partition: 0, offset: 0n, metadata: '' }]]]);
    const rule = { principal: 'User:billing', group: 'billing-moved' };
    await billing.commit(at('billing-moved'), noLimit);
    await cutover.deny([rule, { principal: 'User:shop', topic: 'payments' }], noLimit);
    await assert.rejects(billing.commit(at('billing-moved'), noLimit), refusal('Unauthorized', /READ on group billing-moved/));
    await billing.commit(at('billing-other'), noLimit);
    await audit.commit(at('audit-moved'), noLimit);
    assert.deepEqual([await cutover.groupDenyRules(['billing-moved', 'billing-other']), await cutover.denyRules(['payments'])], [[rule], [{ principal: 'User:shop', topic: 'payments' }]]);
    assert.equal((await cutover.committed(['billing-moved'])).get('billing-moved')?.length, 1, 'we still see where it stands');
    await cutover.allow([rule, { principal: 'User:shop', topic: 'payments' }], noLimit);
    await billing.commit(at('billing-moved'), noLimit);
    assert.deepEqual(await cutover.groupDenyRules(['billing-moved']), []);
  });

  test('a fence that was answered holds on the leader of every partition', async (t) => {
    const partitions = 6;
    await cutover.createTopics([{ name: 'spread', partitions, replicationFactor: 1, configs: {} }], noLimit);
    const shop = as('shop');
    const write = (partition: number): Promise<bigint> => shop.append({ topic: 'spread', partition }, [{ key: 'k', value: 'v' }], noLimit);
    for (let partition = 0; partition < partitions; partition += 1) await write(partition);
    const rules = [{ principal: 'User:shop', topic: 'spread' }];
    for (let round = 0; round < 5; round += 1) {
      const fromMs = performance.now();
      await cutover.deny(rules, noLimit);
      const deniedMs = performance.now() - fromMs;
      const answers = await Promise.allSettled(Array.from({ length: partitions }, (_, partition) => write(partition)));
      assert.deepEqual(answers.map((a) => a.status), Array.from({ length: partitions }, () => 'rejected'));
      await cutover.allow(rules, noLimit);
      await Promise.all(Array.from({ length: partitions }, (_, partition) => write(partition)));
      t.diagnostic(`round ${round + 1}: fence on ${(await cutover.facts()).brokers.length} brokers up after ${Math.round(deniedMs)} ms`);
    }
  });

  test('who we are is known; who the super users are this broker does not tell', async () => {
    const facts = await cutover.facts();
    assert.equal(facts.principal, 'User:cutover');
    assert.equal(facts.superUsers, undefined);
  });

  test('records are carried from the other cluster byte for byte and once: positions and copies are one transaction', async (t) => {
    const other = of() === stack.source ? stack.target : stack.source;
    const topic = `carried-${release.replace('.', '-')}`;
    const login = other.login('enricher');
    const mine = as('enricher');
    assert.ok(login);
    const origin = openCluster('there', { bootstrap: other.bootstrap, sasl: { mechanism: login.mechanism, username: login.username, password: `file:${login.passwordFile}` } });
    open.push(origin);
    const there = other.login('cutover');
    assert.ok(there);
    const creator = openCluster('there', { bootstrap: other.bootstrap, sasl: { mechanism: there.mechanism, username: there.username, password: `file:${there.passwordFile}` } });
    open.push(creator);
    for (const cluster of [creator, cutover]) await cluster.createTopics([{ name: topic, partitions: 2, replicationFactor: 1, configs: {} }], noLimit);
    const producer = new Kafka({ brokers: [...other.bootstrap], logLevel: logLevel.NOTHING, sasl: { mechanism: 'scram-sha-512', username: login.username, password: login.password } }).producer();
    await producer.connect();
    try {
      await producer.send({ topic, compression: 1, messages: [
        { partition: 0, key: null, value: null, timestamp: '1000' }, { partition: 0, key: '', value: 'x', headers: { h: ['1', '2'], empty: '' }, timestamp: '999' },
        { partition: 0, key: 'k', value: 'y'.repeat(2_000), timestamp: String(Date.now()) }, { partition: 1, key: 'k', value: 'z', timestamp: '1700000000000' },
      ] });
    } finally {
      await producer.disconnect();
    }
    const read = async (cluster: KafkaCluster, partition: number): Promise<readonly string[]> => {
      const found: string[] = [];
      const end = (await cluster.ends([{ topic, partition }]))[0];
      for await (const r of cluster.records.range({ topic, partition, from: 0n, to: end?.hw ?? 0n })) found.push(r.fingerprint);
      return found;
    };
    const records: OriginalRecord[] = [];
    for (const partition of [0, 1]) for await (const r of origin.records.originals({ topic, partition, from: 0n, to: partition === 0 ? 3n : 1n })) records.push(r);
    const what = { transactionalId: 'enricher-carry', group: 'enricher-carry', records, upTo: [{ topic, partition: 0, offset: 3n, metadata: '3' }, { topic, partition: 1, offset: 1n, metadata: '1' }] };
    await assert.rejects(cutover.writeOnce(what, noLimit), refusal('Unauthorized', /WRITE on these topics/), 'who may not write is told which right is missing');
    assert.deepEqual([await read(mine, 0), (await mine.committed(['enricher-carry'])).get('enricher-carry')], [[], []], 'and nothing is left behind');
    const fromMs = performance.now();
    await mine.writeOnce(what, noLimit);
    t.diagnostic(`4 records on 2 partitions in one transaction: ${Math.round(performance.now() - fromMs)} ms`);
    for (const partition of [0, 1]) assert.deepEqual(await read(mine, partition), await read(origin, partition));
    assert.deepEqual((await mine.committed(['enricher-carry'])).get('enricher-carry'), what.upTo);
    assert.deepEqual((await mine.ends([topic])).map((e) => e.hw === e.lso), [true, true]);
  });
});
