/** Late records of others in number: however many writers, however long the look, and however many tries at once, each is carried once. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { application, migration } from '../fakes/migrations.ts';
import { cutSets, type CutSet } from '../../src/domain/cutsets.ts';
import type { Work } from '../../src/activities/work.ts';
import { context, FakeWorld } from './fake-ports.ts';

const m = { ...migration('m', [application('shop', { writes: ['orders'] })]), connectBack: 'connect-back' };
const set = cutSets(m)[0] as CutSet;
const x = { m, c: context('carry'), set };
const finish = { kind: 'finish', sets: [set], copies: false } as const;
const inventory = { clusterIds: { source: 'id-old', target: 'id-new' }, topics: [], groups: [], authorizer: { source: 'none', target: 'none' } } as const;

async function cut(partitions: number, o?: Parameters<FakeWorld['work']>[0]): Promise<{ readonly w: FakeWorld; readonly work: Work }> {
  const w = new FakeWorld();
  for (const c of [w.source, w.target]) c.topic('orders', partitions);
  const work = w.work(o);
  await work.markCut({ m, c: context('cut'), set, to: 'target', before: { epoch: 1 } });
  return { w, work };
}
const carriedTo = (w: FakeWorld): readonly string[] => (w.target.topics.get('orders')?.logs ?? []).flatMap((l) => l.records.map((r) => r.fingerprint)).sort();

test('more strangers than are remembered by name: every record of theirs is counted, holds up the finish, and is carried', async () => {
  const { w, work } = await cut(1);
  for (let i = 0; i < 60; i += 1) w.source.writeAs(5_000n + BigInt(i), 'orders', 0, `late ${i}`);
  const closed = async (): Promise<boolean | undefined> => (await work.evidence({ m, c: context('evidence'), inventory, about: finish })).claims.find((c) => c.text.startsWith('Nobody but the mirror'))?.holds;
  assert.equal(await closed(), false);
  assert.equal((await work.findStragglers(x)).records, 60);
  assert.match((await work.carryStragglers(x)).say, /carried 60 records/);
  assert.equal(new Set(carriedTo(w)).size, 60);
  assert.equal(await closed(), true);
});

test('a look that takes more than one turn goes on to the end, also when somebody was found at its beginning', async () => {
  let lateMs = 0;
  const { w, work } = await cut(8, { surroundings: () => ({ heartbeat: () => undefined, signal: new AbortController().signal, now: () => Date.now() + lateMs }) });
  for (let partition = 0; partition < 8; partition += 1) w.source.write('orders', partition, `late ${partition}`);
  w.source.before = (call) => { if (call.startsWith('writers')) lateMs += 21_000; };
  assert.equal((await work.findStragglers(x)).records, 8);
  assert.match((await work.carryStragglers(x)).say, /carried 8 records/);
  assert.equal(carriedTo(w).length, 8);
});

test('a try that was given up goes on behind the one that took its place: it writes nothing', async () => {
  const { w, work } = await cut(1);
  w.source.write('orders', 0, 'late');
  let goOn: () => void = () => undefined;
  const held = new Promise<void>((resolve) => { goOn = resolve; });
  let reached: () => void = () => undefined;
  const standing = new Promise<void>((resolve) => { reached = resolve; });
  w.target.before = async (call) => { if (call === 'writeOnce') { reached(); await held; } };
  const first = work.carryStragglers(x);
  await standing;
  w.target.before = () => undefined;
  assert.match((await work.carryStragglers(x)).say, /carried 1 record/);
  goOn();
  // Nobody has to decide anything: should it be the one that is waited for, it is tried again.
  await assert.rejects(first, { type: 'Unexpected', nonRetryable: false, message: /Another try carries the records of orders\/0 and is further than this one/ });
  assert.deepEqual(carriedTo(w), ['late']);
});
