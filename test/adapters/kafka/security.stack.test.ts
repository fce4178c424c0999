/** Logins, rights and fences on brokers with SASL/SCRAM and ACLs. */
import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { Kafka, logLevel } from 'kafkajs';
import { openCluster } from '../../../src/adapters/kafka/cluster.ts';
import type { KafkaCluster } from '../../../src/adapters/kafka/cluster.ts';
import { redact } from '../../../src/adapters/secrets/secrets.ts';
import { Failure } from '../../../src/domain/failures.ts';
import type { FailureType } from '../../../src/domain/failures.ts';
import { startStack } from '../../../stack/stack.ts';
import type { Stack, StackCluster } from '../../../stack/stack.ts';
import { noLimit, untilIn } from './until.ts';

let stack: Stack;
before(async () => { stack = await startStack({ variant: 'sasl', temporal: 'none', connects: 'none' }); });
after(async () => { await stack.stop(); });

const refusal = (type: FailureType, says: RegExp) => (error: unknown): boolean => {
  assert.ok(error instanceof Failure, String(error));
  assert.equal(error.type, type, error.message);
  assert.match(error.message, says);
  return true;
};

for (const { release, of } of [{ release: '3.9', of: () => stack.source }, { release: '4.3', of: () => stack.target }] as readonly { release: string; of: () => StackCluster }[]) describe(`Kafka ${release} with logins and ACLs`, () => {
  const open: KafkaCluster[] = [];
  const as = (user: 'cutover' | 'shop' | 'billing', passwordFile?: string): KafkaCluster => {
    const login = of().login(user);
    assert.ok(login);
    const cluster = openCluster('here', { bootstrap: of().bootstrap, sasl: { mechanism: login.mechanism, username: login.username, password: `file:${passwordFile ?? login.passwordFile}` } });
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

  test('a wrong password is refused naming user and cluster, and appears nowhere', async () => {
    const file = join(stack.folder, `wrong-${release}`);
    await writeFile(file, 'not-the-password-7');
    await assert.rejects(as('cutover', file).facts(), (error) => {
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
});
