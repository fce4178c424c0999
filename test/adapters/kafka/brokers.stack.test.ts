/** Three brokers, of which one goes away and comes back: leaders and coordinators move, and calls go on. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { openCluster } from '../../../src/adapters/kafka/cluster.ts';
import type { KafkaCluster } from '../../../src/adapters/kafka/cluster.ts';
import { createLedger, ledgerTopic } from '../../../src/adapters/ledger/ledger.ts';
import { startStack } from '../../../stack/stack.ts';
import type { Stack } from '../../../stack/stack.ts';
import { eventually, noLimit } from './until.ts';

let stack: Stack;
let cluster: KafkaCluster;
before(async () => {
  stack = await startStack({ temporal: 'none', connects: 'none', source: 'none', target: { brokers: 3 } });
  cluster = openCluster('here', { bootstrap: stack.target.bootstrap });
});
after(async () => {
  await cluster?.close();
  await stack?.stop();
});

const groups = Array.from({ length: 12 }, (_, i) => `billing-${i}`);
const ids = Array.from({ length: 6 }, (_, i) => `pay-${i}`);
const positions = (offset: bigint): ReadonlyMap<string, readonly { topic: string; partition: number; offset: bigint; metadata: string }[]> =>
  new Map(groups.map((group) => [group, [{ topic: 'orders', partition: 1, offset, metadata: 'm' }]]));

test('partitions, groups and transactional ids spread over three brokers are all found', async () => {
  const facts = await eventually('three brokers', async () => { const seen = await cluster.facts(); return seen.brokers.length === 3 && seen; });
  assert.deepEqual(facts.brokers.map((b) => b.id), [1, 2, 3]);
  await cluster.createTopics([{ name: 'orders', partitions: 12, replicationFactor: 3, configs: { 'min.insync.replicas': '2' } }], noLimit);
  assert.equal((await cluster.ends(['orders'])).length, 12);
  await cluster.commit(positions(1n), noLimit);
  assert.deepEqual(await cluster.committed(groups), positions(1n));
  assert.equal((await cluster.groups('all')).length, 12);
  await Promise.all(ids.map((id) => cluster.fenceTransactionalId(id, noLimit)));
  for (const id of ids) assert.equal((await cluster.transaction(id))?.state, 'Empty');
});

test('the ledger keeps three copies, two of which must acknowledge', async () => {
  const ledger = createLedger(() => cluster);
  assert.deepEqual(await ledger.prepare('here', noLimit), []);
  const [topic] = await cluster.topics([ledgerTopic]);
  assert.deepEqual([topic?.replicationFactor, topic?.configs['min.insync.replicas']?.value], [3, '2']);
  await ledger.write('here', [{ key: 'a', value: '1' }], noLimit);
});

test('one broker stops: the next calls find the new leaders and coordinators', async (t) => {
  const [, second] = stack.target.brokers;
  await second?.stop();
  const from = performance.now();
  const ledger = createLedger(() => cluster);
  const go = async (): Promise<true> => {
    assert.equal((await cluster.ends(['orders'])).length, 12);
    await cluster.commit(positions(2n), noLimit);
    assert.deepEqual(await cluster.committed(groups), positions(2n));
    await Promise.all(ids.map((id) => cluster.fenceTransactionalId(id, noLimit)));
    assert.equal((await cluster.groups(groups)).filter((one) => one.state === 'Empty').length, 12);
    await ledger.write('here', [{ key: 'b', value: '2' }], noLimit);
    return true;
  };
  // Retryable refusals while the cluster elects are what the activity's retry is for; anything else is a fault here.
  await eventually('everything goes on with two brokers', async () => {
    try {
      return await go();
    } catch (error) {
      assert.equal(error instanceof Error && error.name, 'Unreachable', String(error));
      t.diagnostic(`retried after ${Math.round(performance.now() - from)} ms: ${String(error).slice(0, 200)}`);
      return false;
    }
  }, 60_000);
  t.diagnostic(`all calls through ${Math.round(performance.now() - from)} ms after the stop`);
  assert.equal((await cluster.facts()).brokers.length, 2);
  assert.equal((await ledger.read('here', '')).get('b'), '2');
});
