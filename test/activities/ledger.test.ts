/** The record on both clusters. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { demo } from '../fakes/migrations.ts';
import { Failure } from '../../src/domain/failures.ts';
import { context, FakeWorld, run } from './fake-ports.ts';

const entries = (sequence: number) => [{ key: `${run}/journal`, value: JSON.stringify({ sequence }) }];
const ask = { m: demo, c: context('journal') };

test('both have it, the topic was made where it was missing, and nothing needs to be said', async () => {
  const w = new FakeWorld();
  const done = await w.work().remember({ ...ask, entries: entries(1), need: 'both' });
  assert.equal(done.say, '');
  assert.deepEqual([w.source.entries.size, w.target.entries.size, w.source.topics.has('__cutover.ledger')], [1, 1, true]);
});

test('one cluster is gone: enough where one is needed, and said; not enough where both are', async () => {
  const w = new FakeWorld();
  w.target.before = (call) => { if (call.startsWith('ledger')) throw new Failure('Unreachable', 'Cluster new does not answer.'); };
  const done = await w.work().remember({ ...ask, entries: entries(1), need: 'one' });
  assert.match(done.say, /missing on cluster new: Cluster new does not answer/);
  await assert.rejects(w.work().remember({ ...ask, entries: entries(2), need: 'both' }), { type: 'Unreachable', nonRetryable: false });
  assert.match(await w.work().recall({ ...ask, run }) ?? '', /"sequence":2/);
  w.source.before = w.target.before;
  await assert.rejects(w.work().remember({ ...ask, entries: entries(3), need: 'one' }), /has 2 faults/);
});

test('the newest journal of both is recalled; none where there is none', async () => {
  const w = new FakeWorld();
  assert.equal(await w.work().recall({ ...ask, run }), null);
  await w.work().remember({ ...ask, entries: entries(4), need: 'both' });
  w.target.entries.set(`${run}/journal`, JSON.stringify({ sequence: 9 }));
  assert.equal(await w.work().recall({ ...ask, run }), '{"sequence":9}');
});
