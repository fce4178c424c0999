/** The pace that all threads share, and what the comparer does without any cluster. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { createComparer } from '../../../../src/adapters/kafka/compare/comparer.ts';
import { paceOf } from '../../../../src/adapters/kafka/compare/task.ts';
import type { CompareAsk } from '../../../../src/domain/diff/port.ts';
import { Failure } from '../../../../src/domain/failures.ts';

test('what one thread spends, another has to wait for; an abort ends the wait', async () => {
  const stop = new AbortController();
  const account = { spent: new BigInt64Array(new SharedArrayBuffer(16)), sinceMs: Date.now() - 10_000 };
  const rate = { bytesPerSecond: 1_000, recordsPerSecond: null };
  const [one, other] = [paceOf(rate, account, stop.signal, () => undefined), paceOf(rate, account, stop.signal, () => undefined)];
  assert.equal(one.spend(9_000, 1), null, 'nine of ten seconds are paid for');
  const wait = other.spend(900_000, 1);
  assert.ok(wait instanceof Promise, 'both together have spent more than the clock paid');
  setTimeout(() => { stop.abort(new Error('stopped')); }, 5);
  await assert.rejects(wait, /stopped/);
  assert.equal(paceOf({ bytesPerSecond: null, recordsPerSecond: null }, account, stop.signal, () => undefined).spend(1e9, 1e9), null);
});

test('memory is looked at after some MiB, at once after a large batch', () => {
  const looks: string[] = [];
  const pace = paceOf({ bytesPerSecond: null, recordsPerSecond: null }, { spent: new BigInt64Array(new SharedArrayBuffer(16)), sinceMs: 0 }, new AbortController().signal, (batch) => { looks.push(batch); });
  for (let i = 0; i < 130; i += 1) void pace.spend(16 * 1024, 100);
  assert.deepEqual(looks, ['usual']);
  pace.weigh(3 * 1024 * 1024);
  assert.deepEqual(looks, ['usual', 'large']);
});

const ask: CompareAsk = {
  clusters: { origin: 'old', copy: 'new' }, rate: { bytesPerSecond: null, recordsPerSecond: null },
  partitions: [{ topic: 'orders', partition: 0, starts: { origin: 0n, copy: 0n }, ends: { origin: 1n, copy: 1n }, horizon: 'closed', order: 'every-record', state: null, anchors: [], list: 1 }],
};
test('a cluster that the catalog lacks is refused by name; a call that was aborted before it began has stopped', async () => {
  const comparer = createComparer({ clusters: { old: { bootstrap: ['127.0.0.1:1'] } } });
  await assert.rejects(comparer.compare(ask, () => undefined, new AbortController().signal), (e) => e instanceof Failure && e.type === 'BadMigration' && /no cluster called "new"; it has old/.test(e.message));
  await comparer.close();
  const both = createComparer({ clusters: { old: { bootstrap: ['127.0.0.1:1'] }, new: { bootstrap: ['127.0.0.1:1'] } } });
  assert.deepEqual(await both.compare(ask, () => undefined, AbortSignal.abort()), [{ key: 'orders/0', decided: 'stopped', state: null, hash: null }]);
  await both.close();
  await assert.rejects(both.compare(ask, () => undefined, new AbortController().signal), /has been closed/);
});
test('aborted while it runs: the thread stops and can be used again', { timeout: 30_000 }, async () => {
  const comparer = createComparer({ clusters: { old: { bootstrap: ['127.0.0.1:1'] }, new: { bootstrap: ['127.0.0.1:1'] } } }, { threads: 1 });
  try {
    for (let i = 0; i < 2; i += 1) {
      const [end] = await comparer.compare(ask, () => undefined, AbortSignal.timeout(1_000));
      assert.equal(end?.decided, 'stopped');
    }
  } finally {
    await comparer.close();
  }
});

test('a thread that nobody needs any more is ended, and a later comparison starts another', { timeout: 30_000 }, async () => {
  const comparer = createComparer({ clusters: { old: { bootstrap: ['127.0.0.1:1'] }, new: { bootstrap: ['127.0.0.1:1'] } } }, { threads: 1, idleMs: 50 });
  try {
    for (let i = 0; i < 2; i += 1) {
      assert.equal((await comparer.compare(ask, () => undefined, AbortSignal.timeout(1_000)))[0]?.decided, 'stopped');
      assert.equal(comparer.threads(), 1);
      for (const end = Date.now() + 10_000; comparer.threads() > 0 && Date.now() < end;) await pause(20);
      assert.equal(comparer.threads(), 0);
    }
  } finally {
    await comparer.close();
  }
});
