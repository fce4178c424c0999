/** Retention on the target is held for as long as a migration waits, whoever else manages these topics. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Claim } from '../../src/domain/scheme.ts';
import { context } from './fake-ports.ts';
import { m, mirrored, set } from './scene.ts';

const x = { m, c: context('retention') };
type Scene = ReturnType<typeof mirrored>;
const named = /its retention is held as it was set/;
/** The claim at the hold before groups move, and what is told beside it. */
async function shown(s: Scene): Promise<{ readonly claim: Claim | undefined; readonly figures: readonly string[] }> {
  const topic = s.w.source.topics.get('orders') ?? assert.fail('no topic');
  const inventory = { clusterIds: { source: 'id-old', target: 'id-new' }, topics: [{ name: 'orders', id: topic.id, partitions: topic.logs.length }], groups: ['billing'], authorizer: { source: 'none', target: 'none' } } as const;
  const e = await s.work.evidence({ m, c: context('evidence'), inventory, about: { kind: 'move', applications: ['billing'], sets: [set], copies: true } });
  return { claim: e.claims.find((c) => named.test(c.text)), figures: e.figures };
}
const setting = (s: Scene, value: string): unknown => s.w.target.topics.get('orders')?.configs.set('retention.ms', { value, source: 'topic' });

test('set back by somebody else, it blocks the hold, with what it is and what it was held at; held again, it does not', async () => {
  const s = mirrored();
  const before = await s.work.captureRetention(x);
  assert.equal((await shown(s)).claim, undefined, 'nothing is claimed of what was never held');
  await s.work.holdRetention({ ...x, before });
  assert.equal((await shown(s)).claim?.holds, true);
  setting(s, '604800000');
  const lost = await shown(s);
  assert.equal(lost.claim?.holds, false);
  assert.ok(lost.figures.includes('orders: retention.ms is 604800000, was held at -1: set it so again'), lost.figures.join('\n'));
  // A step that is tried again takes what is there for as it should be, and knows all of it all the same.
  setting(s, '-1');
  await s.work.holdRetention({ ...x, before });
  assert.equal((await shown(s)).claim?.holds, true);
  setting(s, '1');
  assert.equal((await shown(s)).claim?.holds, false);
});
for (const how of ['restoreRetention', 'releaseRetention'] as const) test(`after ${how} nothing is claimed any more`, async () => {
  const s = mirrored();
  const before = await s.work.captureRetention(x);
  await s.work.holdRetention({ ...x, before });
  await s.work[how]({ ...x, before });
  assert.equal((await shown(s)).claim, undefined);
});
