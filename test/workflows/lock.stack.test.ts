/** Locks on a real Temporal: who holds topics keeps them, also from a later run of its own id, until it gives them back. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Client, Connection } from '@temporalio/client';
import { createLocks, type Locks } from '../../src/adapters/temporal/locks.ts';
import { scripted } from './scripted.ts';
import { startServer, taskQueue, type Server } from './server.ts';

let server: Server;
let connection: Connection;
let locks: Locks;
before(async () => {
  server = await startServer(scripted().work);
  connection = await Connection.connect({ address: server.stack.temporal.address });
  locks = createLocks(new Client({ connection }), taskQueue);
});
after(async () => {
  await connection?.close();
  await server?.[Symbol.asyncDispose]();
});

const topics = { 'id-east': ['orders', 'quiet'], 'id-west': ['orders', 'quiet'] };
const clusters = Object.keys(topics);
const shop = { owner: 'cutover/east/west/shop', run: 'run-1' };
const other = { owner: 'cutover/east/west/other', run: 'run-2' };

test('held by one, refused to another by name, and free once given back', { timeout: 60_000 }, async () => {
  await locks.acquire(shop, topics);
  await locks.acquire(shop, topics);
  await assert.rejects(locks.acquire(other, { 'id-west': ['orders'] }), { type: 'Drift', message: /at work on cluster id-west: orders held by cutover\/east\/west\/shop\. / });
  await locks.acquire(other, { 'id-west': ['mails'] });
  await locks.release(other, ['id-west']);
  await locks.release(shop, clusters);
  await locks.acquire(other, topics);
  await locks.release(other, clusters);
});

test('a run that was terminated keeps them from the one that is started in its place, which takes nothing away; recovered it gives them back', { timeout: 60_000 }, async () => {
  await locks.acquire(shop, topics);
  const started = { ...shop, run: 'run-3' };
  await assert.rejects(locks.acquire(started, topics), { type: 'Drift', message: /orders, quiet held by cutover\/east\/west\/shop, by its run run-1, which ended and gave nothing back\. .*recover the run that is named/ });
  await locks.release(started, clusters);
  await assert.rejects(locks.acquire(other, topics), { type: 'Drift' });
  await locks.acquire(shop, topics);
  await locks.release(shop, clusters);
  await locks.acquire(started, topics);
  await locks.release(started, clusters);
});
