/** Brokers that are not there, or take the connection and never answer. */
import assert from 'node:assert/strict';
import { createServer } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';
import { test } from 'node:test';
import { openCluster } from '../../../src/adapters/kafka/cluster.ts';
import { codeFailure, toFailure } from '../../../src/adapters/kafka/faults.ts';
import { releaseOf } from '../../../src/adapters/kafka/release.ts';
import { Failure, failures } from '../../../src/domain/failures.ts';
import { remember } from '../../../src/adapters/secrets/secrets.ts';
import { untilIn } from './until.ts';

/** A port on which connections are accepted and nothing is ever said. */
async function silentBroker(): Promise<{ readonly address: string; stop(): Promise<void> }> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => { sockets.add(socket); socket.on('error', () => {}); });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    address: `127.0.0.1:${port}`,
    stop: async () => {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

test('a closed port is unreachable, naming cluster and address', async () => {
  const broker = await silentBroker();
  await broker.stop();
  const cluster = openCluster('old', { bootstrap: [broker.address] });
  await assert.rejects(cluster.facts(), (error) => error instanceof Failure && error.type === 'Unreachable' && error.message.includes(`cluster old at ${broker.address}`) && /ECONNREFUSED/.test(error.message));
  await cluster.close();
});

test('a broker that never answers holds a write no longer than the budget', { timeout: 20_000 }, async () => {
  const broker = await silentBroker();
  const cluster = openCluster('old', { bootstrap: [broker.address] });
  const position = { topic: 'orders', partition: 0, offset: 1n, metadata: '' };
  const writes = [cluster.commit(new Map([['billing', [position]]]), untilIn(300)), cluster.fenceTransactionalId('pay', untilIn(300)), cluster.deny([{ principal: 'User:shop', topic: 'orders' }], untilIn(300)), cluster.createTopics([{ name: 'x', partitions: 1, replicationFactor: 1, configs: {} }], untilIn(300))];
  const ends = await Promise.allSettled(writes);
  for (const end of ends) assert.ok(end.status === 'rejected' && end.reason instanceof Failure && end.reason.type === 'BudgetExceeded', String(end.status === 'rejected' ? end.reason : 'done'));
  await broker.stop();
  await cluster.close();
});

test('an abort ends a write that waits for a silent broker at once, with the reason', async () => {
  const broker = await silentBroker();
  const cluster = openCluster('old', { bootstrap: [broker.address] });
  const until = untilIn(60_000);
  const write = cluster.deleteTopics(['orders'], until);
  setTimeout(() => until.stop(new Error('cancelled by the operator')), 50);
  await assert.rejects(write, /cancelled by the operator/);
  await broker.stop();
  await cluster.close();
});

test('every broker code becomes a failure of the closed list, and the unknown ones are retried', () => {
  for (let code = -1; code < 140; code++) {
    const failure = codeFailure(code, { cluster: 'old', what: 'do it' });
    assert.ok(failure.type in failures);
    assert.match(failure.message, /old/);
  }
  assert.equal(codeFailure(999, { cluster: 'old', what: 'do it' }).type, 'Unreachable');
  assert.equal(toFailure('nonsense', { cluster: 'old', what: 'do it' }).name, 'Unreachable');
  assert.equal(toFailure(undefined, { cluster: 'old', what: 'do it' }).name, 'Unreachable');
});

test('what a broker says is stripped of secrets before it is thrown', () => {
  remember('Tr0ub4dor');
  const said = codeFailure(40, { cluster: 'old', what: 'create topic x' }, 'Invalid value password="Tr0ub4dor"').message;
  assert.match(said, /password="\[secret\]"/);
  const chained = toFailure(new Error('outer', { cause: new Error('inner Tr0ub4dor') }), { cluster: 'old', what: 'do it' }).message;
  assert.match(chained, /outer inner \[secret\]/);
});

test('releases: by the finalized metadata.version, else by API versions, else unknown', () => {
  const by = (level: number): string => releaseOf({ apiKeys: [], finalizedFeatures: [{ name: 'metadata.version', maxVersionLevel: level, minVersionLevel: 1 }] });
  assert.deepEqual([1, 7, 14, 19, 20, 21, 25, 27, 29, 30, 31, 99].map(by), ['3.0', '3.3', '3.6', '3.7', '3.8', '3.9', '4.0', '4.1', '4.2', '4.3', '4.4', 'unknown']);
  const zookeeper = (fetchMax: number, coordinatorMax: number): string => releaseOf({ finalizedFeatures: [], apiKeys: [{ apiKey: 1, name: 'Fetch', minVersion: 0, maxVersion: fetchMax }, { apiKey: 10, name: 'FindCoordinator', minVersion: 0, maxVersion: coordinatorMax }] });
  assert.deepEqual([zookeeper(17, 6), zookeeper(16, 5), zookeeper(16, 4), zookeeper(11, 3)], ['3.9', '3.8', '3.7', 'unknown']);
});
