/** Tombstones on the source outlive a copy that takes long, and what was set there before comes back. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Failure } from '../../src/domain/failures.ts';
import type { Work } from '../../src/activities/work.ts';
import { context, FakeWorld } from './fake-ports.ts';
import { application, migration } from '../fakes/migrations.ts';

const m = migration('m', [application('shop', { writes: ['facts', 'log', 'long', 'orders'] })]);
const x = { m, c: context('tombstones') };
const name = 'delete.retention.ms';
const days = (n: number): string => String(n * 24 * 3_600_000);

interface Scene { readonly w: FakeWorld; readonly work: Work }
function scene(): Scene {
  const w = new FakeWorld();
  w.source.topic('facts', 1, { 'cleanup.policy': 'compact', [name]: days(1) });
  w.source.topic('orders', 1, { 'cleanup.policy': 'compact,delete' });
  w.source.topics.get('orders')?.configs.set(name, { value: days(1), source: 'default' });
  w.source.topic('long', 1, { 'cleanup.policy': 'compact', [name]: days(90) });
  w.source.topic('log', 1);
  for (const topic of m.topics) w.target.topic(topic, 1);
  return { w, work: w.work() };
}
const shown = ({ w }: Scene): readonly string[] => m.topics.map((t) => {
  const c = w.source.topics.get(t)?.configs.get(name);
  return `${t} ${c === undefined || c.source !== 'topic' ? 'none' : Number(c.value) / Number(days(1))}`;
});
const atFirst = ['facts 1', 'log none', 'long 90', 'orders none'];
const kept = ['facts 30', 'log none', 'long 90', 'orders 30'];
const refuses = (s: Scene, topics: readonly string[] = m.topics): void => {
  s.w.source.before = (call) => { if (call === 'setTopicConfigs' && topics.length > 0) throw new Failure('Unauthorized', 'Cluster old refuses to change the settings of topic facts: needs ALTER_CONFIGS on topic facts.'); };
};

test('only where topics are compacted and keep them for less; given back by the undo', async () => {
  const s = scene();
  const before = await s.work.captureTombstones(x);
  assert.deepEqual(before, { facts: days(1), orders: null });
  assert.equal((await s.work.keepTombstones({ ...x, before })).say, 'tombstones on old are kept for thirty days until the finish: 2 topics changed.');
  assert.deepEqual(shown(s), kept);
  assert.match((await s.work.keepTombstones({ ...x, before })).say, /: 0 topics changed/, 'a second try');
  assert.equal((await s.work.restoreTombstones({ ...x, before })).say, 'tombstones on old are kept for as long as before: 2 topics changed; those that were cleaned meanwhile stay for up to thirty days.');
  assert.deepEqual(shown(s), atFirst);
  assert.equal((await s.work.restoreTombstones({ ...x, before })).say, 'tombstones on old are kept for as long as before: 0 topics changed.');
});

test('given back at the finish, and without the target, from the ledger of the source alone', async () => {
  const s = scene();
  await s.work.keepTombstones({ ...x, before: await s.work.captureTombstones(x) });
  s.w.target.before = (call) => { throw new Failure('Unreachable', `the target is asked: ${call}`); };
  const later = { m, c: context('finish') };
  assert.match((await s.work.releaseTombstones(later)).say, /2 topics changed/);
  assert.deepEqual(shown(s), atFirst);
  assert.equal((await s.work.releaseTombstones(later)).say, 'tombstones on old were not kept longer.');
});

test('an attempt after a rollback knows what is there then, not what was there once', async () => {
  const s = scene();
  const first = await s.work.captureTombstones(x);
  await s.work.keepTombstones({ ...x, before: first });
  await s.work.restoreTombstones({ ...x, before: first });
  s.w.source.topics.get('facts')?.configs.set(name, { value: days(30), source: 'topic' });
  const again = { m, c: context('tombstones', { key: 'again' }) };
  const before = await s.work.captureTombstones(again);
  assert.deepEqual(before, { orders: null });
  await s.work.keepTombstones({ ...again, before });
  await s.work.releaseTombstones({ m, c: context('finish') });
  assert.deepEqual(shown(s), ['facts 30', 'log none', 'long 90', 'orders none']);
});

test('what somebody else has set since is his', async () => {
  const s = scene();
  await s.work.keepTombstones({ ...x, before: await s.work.captureTombstones(x) });
  s.w.source.topics.get('facts')?.configs.set(name, { value: days(2), source: 'topic' });
  assert.equal((await s.work.releaseTombstones(x)).say, `tombstones on old are kept for as long as before: 1 topic changed; those that were cleaned meanwhile stay for up to thirty days; somebody else has set ${name} since, and it was left so: facts.`);
  assert.deepEqual(shown(s), ['facts 2', 'log none', 'long 90', 'orders none']);
});

test('without the right to set them it goes on and says so; what could not be asked is tried again', async () => {
  const s = scene();
  const before = await s.work.captureTombstones(x);
  refuses(s);
  const { say } = await s.work.keepTombstones({ ...x, before });
  assert.equal(say, 'on old tombstones are kept no longer than before for facts, orders, and it goes on without: Cluster old refuses to change the settings of topic facts: needs ALTER_CONFIGS on topic facts. Where the mirror falls further behind than delete.retention.ms, a deleted key may live on at new; a comparison names it. Set it there by hand if that may be.');
  assert.deepEqual(shown(s), atFirst);
  assert.match((await s.work.restoreTombstones({ ...x, before })).say, /0 topics changed/, 'nothing is to be given back, and no right is needed for it');
  s.w.source.before = (call) => { if (call === 'setTopicConfigs') throw new Failure('Unreachable', 'no answer'); };
  await assert.rejects(s.work.keepTombstones({ ...x, before }), { type: 'Unreachable' });
});

test('where no topic is compacted nothing is written anywhere', async () => {
  const s = scene();
  for (const topic of ['facts', 'long', 'orders']) s.w.source.topic(topic, 1);
  const before = await s.work.captureTombstones(x);
  s.w.source.before = (call) => { if (/set|write/i.test(call)) throw new Error(call); };
  assert.match((await s.work.keepTombstones({ ...x, before })).say, /^nothing to keep: no topic on old is compacted/);
  assert.equal((await s.work.restoreTombstones({ ...x, before })).say, 'tombstones on old were not kept longer.');
});

test('an undo that was skipped is made good by that of the next attempt', async () => {
  const s = scene();
  await s.work.keepTombstones({ ...x, before: await s.work.captureTombstones(x) });
  const again = { m, c: context('tombstones', { key: 'again' }) };
  const before = await s.work.captureTombstones(again);
  assert.deepEqual(before, { facts: days(1), orders: null });
  await s.work.keepTombstones({ ...again, before });
  await s.work.restoreTombstones({ ...again, before });
  assert.deepEqual(shown(s), atFirst);
});

test('where they do not show, or show after all, nobody is told to retry what goes on', async () => {
  const s = scene();
  const before = await s.work.captureTombstones(x);
  s.w.source.before = (call) => { if (call === 'setTopicConfigs') throw new Failure('Drift', 'Cluster old acknowledged the settings and does not show them.', 'Look whether something else manages these topics; then retry.'); };
  const { say } = await s.work.keepTombstones({ ...x, before });
  assert.match(say, /it goes on without: Cluster old acknowledged the settings and does not show them\. Where/);
  s.w.source.before = (call) => {
    if (call !== 'setTopicConfigs') return;
    for (const topic of ['facts', 'orders']) s.w.source.topics.get(topic)?.configs.set(name, { value: days(30), source: 'topic' });
    throw new Failure('Unauthorized', 'refused for another topic.');
  };
  assert.equal((await s.work.keepTombstones({ ...x, before })).say, 'tombstones on old are kept for thirty days until the finish.');
});
