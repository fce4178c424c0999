/** The ledger on real brokers: prepared, written, read back, read by prefix. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { openCluster } from '../../../src/adapters/kafka/cluster.ts';
import type { KafkaCluster } from '../../../src/adapters/kafka/cluster.ts';
import { createLedger, ledgerTopic } from '../../../src/adapters/ledger/ledger.ts';
import { Failure } from '../../../src/domain/failures.ts';
import { startStack } from '../../../stack/stack.ts';
import type { Stack } from '../../../stack/stack.ts';
import { noLimit, untilIn } from '../kafka/until.ts';

let stack: Stack;
before(async () => { stack = await startStack({ temporal: 'none', connects: 'none' }); });
after(async () => { await stack.stop(); });

for (const { release, side } of [{ release: '3.9', side: 'source' }, { release: '4.3', side: 'target' }] as const) describe(`ledger on Kafka ${release}`, () => {
  let cluster: KafkaCluster;
  const open = (): ReturnType<typeof createLedger> => createLedger(() => cluster);
  before(() => { cluster = openCluster('here', { bootstrap: stack[side].bootstrap }); });
  after(async () => { await cluster.close(); });

  test('before it is prepared it is empty, and a write is refused', async () => {
    assert.deepEqual([...(await open().read('here', ''))], []);
    await assert.rejects(open().write('here', [{ key: 'a', value: 'b' }], untilIn(1_500)), /UNKNOWN_TOPIC_OR_PARTITION|budget/);
  });

  test('it is prepared once, as a compacted topic of one partition', async () => {
    const ledger = open();
    assert.deepEqual(await ledger.prepare('here', noLimit), []);
    assert.deepEqual(await ledger.prepare('here', noLimit), []);
    const [topic] = await cluster.topics([ledgerTopic]);
    assert.deepEqual([topic?.partitions, topic?.replicationFactor, topic?.configs['cleanup.policy']?.value, topic?.configs['min.insync.replicas']?.value], [1, 1, 'compact', '1']);
  });

  test('the newest value per key is read, by prefix, by this process and by another', async () => {
    const ledger = open();
    await ledger.write('here', [{ key: 'run1/journal', value: 'one' }, { key: 'run1/cut/1', value: 'ends é' }, { key: 'run2/journal', value: 'other' }], noLimit);
    assert.deepEqual([...(await ledger.read('here', 'run1/'))], [['run1/cut/1', 'ends é'], ['run1/journal', 'one']]);
    await ledger.write('here', [{ key: 'run1/journal', value: 'two' }], noLimit);
    const wanted = [['run1/cut/1', 'ends é'], ['run1/journal', 'two']];
    assert.deepEqual([...(await ledger.read('here', 'run1/'))], wanted);
    assert.deepEqual([...(await open().read('here', 'run1/'))], wanted);
    const [first, second] = await Promise.all([ledger.read('here', 'run1/'), ledger.read('here', 'run2/')]);
    assert.deepEqual([[...first], [...second]], [wanted, [['run2/journal', 'other']]]);
  });

  test('large values are split over batches; one that no batch can hold is refused before anything is written', async () => {
    const ledger = open();
    const large = 'x'.repeat(600_000);
    await ledger.write('here', [{ key: 'big/1', value: large }, { key: 'big/2', value: large }, { key: 'big/3', value: 'small' }], noLimit);
    assert.deepEqual([...(await ledger.read('here', 'big/'))].map(([key, value]) => [key, value.length]), [['big/1', 600_000], ['big/2', 600_000], ['big/3', 5]]);
    await ledger.write('here', [{ key: 'big/limit', value: 'x'.repeat(900 * 1024 - 9) }], noLimit);
    await assert.rejects(ledger.write('here', [{ key: 'too/small', value: 'x' }, { key: 'too/big', value: 'x'.repeat(950_000) }], noLimit), (error) => error instanceof Failure && error.type === 'Unsupported' && /too\/big has 950007/.test(error.message));
    assert.equal((await ledger.read('here', 'too/')).size, 0);
  });

  test('the budget has passed: nothing is written', async () => {
    const ledger = open();
    await assert.rejects(ledger.write('here', [{ key: 'late', value: 'x' }], untilIn(-1)), (error) => error instanceof Failure && error.type === 'BudgetExceeded');
    assert.equal((await ledger.read('here', 'late')).size, 0);
  });

  test('a write with its read-back takes a few ms, figures printed', async (t) => {
    const ledger = open();
    const times: number[] = [];
    for (let i = 0; i < 50; i++) {
      const from = performance.now();
      await ledger.write('here', [{ key: 'timed/journal', value: 'x'.repeat(20_000) }], noLimit);
      times.push(performance.now() - from);
    }
    times.sort((a, b) => a - b);
    t.diagnostic(`write and read back 20 kB: median ${times[25]?.toFixed(1)} ms, worst ${times[49]?.toFixed(1)} ms`);
  });

  test('a ledger that was made by hand in another shape is reported in sentences', async () => {
    await cluster.deleteTopics([ledgerTopic], noLimit);
    await cluster.createTopics([{ name: ledgerTopic, partitions: 2, replicationFactor: 1, configs: { 'cleanup.policy': 'delete' } }], noLimit);
    const faults = await open().prepare('here', noLimit);
    assert.equal(faults.length, 2);
    assert.match(faults.join('\n'), /has 2 partitions; wanted 1\.\n.*cleanup\.policy=delete; wanted compact/);
  });

  test('a ledger that was deleted and made again does not answer from memory', async () => {
    const ledger = open();
    await cluster.deleteTopics([ledgerTopic], noLimit);
    await ledger.prepare('here', noLimit);
    await ledger.write('here', [{ key: 'a', value: '1' }], noLimit);
    assert.equal((await ledger.read('here', '')).get('a'), '1');
    await cluster.deleteTopics([ledgerTopic], noLimit);
    await ledger.prepare('here', noLimit);
    assert.equal((await ledger.read('here', '')).size, 0);
    await ledger.write('here', [{ key: 'b', value: '2' }], noLimit);
    assert.deepEqual([...(await ledger.read('here', ''))], [['b', '2']]);
  });
});
