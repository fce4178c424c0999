/** Shadows on two clusters in memory: made like the real topics, fed, read, and taken away; of what is real only reads. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { makeShadows, removeShadows } from '../../../src/adapters/standins/shadow.ts';
import { copySome, type Marks } from '../../../src/adapters/standins/writer.ts';
import { Failure } from '../../../src/domain/failures.ts';
import { parseMigration } from '../../../src/domain/parse-migration.ts';
import type { OriginalRecord, Until } from '../../../src/domain/ports.ts';
import { rehearsalOf, type Rehearsal } from '../../../src/domain/rehearsal.ts';
import { FakeWorld } from '../../activities/fake-ports.ts';
import { application, demo, migration } from '../../fakes/migrations.ts';

const r: Rehearsal = rehearsalOf(parseMigration(demo, 'stopRestartRepeat'), 'stopRestartRepeat', 'stand-ins');
const until: Until = { untilMs: null, signal: new AbortController().signal, check: () => undefined, timeoutMs: (capMs) => capMs };
const shadow = (name: string): string => `cutover-rehearsal.demo.${name}`;

/** Orders with a gap, enriched empty; billing in the middle, audit far behind, the enricher at the end. */
function world(): FakeWorld {
  const w = new FakeWorld();
  w.source.topic('orders', 2, { 'retention.ms': '1000', 'compression.type': 'zstd' });
  w.source.topic('enriched', 1);
  w.source.write('orders', 0, ...Array.from({ length: 10 }, (_, i) => `r${i}`));
  w.source.marker('orders', 0);
  w.source.write('orders', 0, 'r11');
  w.source.write('orders', 1, 'only');
  w.source.place('billing', 'orders', 0, 9n);
  w.source.place('audit', 'orders', 0, 0n);
  w.source.place('enricher', 'orders', 0, 12n);
  w.source.place('enricher', 'orders', 1, 1n);
  return w;
}
const copyTo = (w: FakeWorld) => async (records: readonly OriginalRecord[]): Promise<void> => { for (const x of records) w.source.write(x.topic, x.partition, x.content.toString()); };
const make = (w: FakeWorld) => makeShadows({ source: w.ports().cluster('old'), copy: copyTo(w), rehearsal: r, lastRecords: 4, nowMs: 90_000, until });
const realOf = (w: FakeWorld): unknown => [w.source, w.target].map((c) => [
  [...c.topics].filter(([n]) => !n.startsWith('cutover-rehearsal.')).map(([n, t]) => [n, t.id, [...t.configs], t.logs.map((l) => [l.logStart, l.next, l.records.map((x) => x.fingerprint)])]),
  [...c.positions].filter(([g]) => !g.startsWith('cutover-rehearsal.')).map(([g]) => [g, c.placed(g)]), c.rules.filter((x) => !x.topic.startsWith('cutover-rehearsal.')), [...w.fleets],
]);

test('a shadow has the partitions and settings of the real topic, its last records, and groups as far behind', async () => {
  const w = world();
  const before = realOf(w);
  const prepared = await make(w);
  const orders = w.source.topics.get(shadow('orders'));
  assert.equal(orders?.logs.length, 2);
  assert.deepEqual([...orders?.configs ?? []].filter(([, c]) => c.source === 'topic'), [['retention.ms', { value: '1000', source: 'topic' }]]);
  assert.deepEqual(orders?.logs.map((l) => l.records.map((x) => x.fingerprint)), [['r8', 'r9', 'r11'], ['only']]);
  assert.deepEqual([w.source.placed(shadow('billing')), w.source.placed(shadow('audit')), w.source.placed(shadow('enricher'))],
    [{ [`${shadow('orders')}/0`]: 1 }, { [`${shadow('orders')}/0`]: 0 }, { [`${shadow('orders')}/0`]: 3, [`${shadow('orders')}/1`]: 1 }]);
  assert.equal(prepared.copied, 4);
  assert.deepEqual([...prepared.marks], [['enriched/0', 0n], ['orders/0', 12n], ['orders/1', 1n]]);
  assert.equal(prepared.behindMs.get(shadow('enricher')), 0);
  assert.equal(prepared.behindMs.get(shadow('billing')), 30_000, 'a lag of 90 s is played as one of 30 s');
  assert.match(prepared.notes.join('\n'), /group audit lags by up to 8 records more than its stand-in[\s\S]*group audit is 90 s behind; its stand-in 30 s/);
  assert.deepEqual(realOf(w), before);
});

test('a group of two applications that read different topics is placed on both, and its lag is told once', async () => {
  const w = world();
  w.source.write('enriched', 0, 'e1', 'e2');
  w.source.place('workers', 'orders', 0, 0n);
  w.source.place('workers', 'enriched', 0, 1n);
  const m = migration('demo', [
    application('shop', { writes: ['orders', 'enriched'] }),
    application('left', { reads: { workers: ['orders'] } }), application('right', { reads: { workers: ['enriched'] } }),
  ]);
  const rehearsal = rehearsalOf(parseMigration(m, 'stopRestartRepeat'), 'stopRestartRepeat', 'stand-ins');
  const { notes } = await makeShadows({ source: w.ports().cluster('old'), copy: copyTo(w), rehearsal, lastRecords: 4, nowMs: 90_000, until });
  assert.deepEqual(w.source.placed(shadow('workers')), { [`${shadow('orders')}/0`]: 0, [`${shadow('enriched')}/0`]: 1 });
  assert.equal(notes.filter((n) => n.startsWith('group workers lags by')).length, 1, notes.join('\n'));
});

test('what is gone again: positions, rules and topics of the shadows on both clusters, and nothing else', async () => {
  const w = world();
  const before = realOf(w);
  await make(w);
  w.target.topic(shadow('orders'), 2);
  w.target.place(shadow('billing'), shadow('orders'), 0, 1n);
  for (const c of [w.source, w.target]) {
    c.authorizer = 'present';
    c.rules = [{ principal: 'User:shop', topic: 'orders' }, { principal: `User:${shadow('shop')}`, topic: shadow('orders') }];
    c.groupRules = [{ principal: `User:${shadow('shop')}`, group: shadow('billing') }];
  }
  assert.deepEqual(await removeShadows(w.ports(), r, until), []);
  for (const c of [w.source, w.target]) {
    assert.deepEqual([...c.topics.keys()].filter((t) => t.startsWith('cutover-')), []);
    assert.deepEqual([c.placed(shadow('billing')), c.rules, c.groupRules], [{}, [{ principal: 'User:shop', topic: 'orders' }], []]);
    c.rules = [];
  }
  assert.deepEqual(realOf(w), before);
  assert.deepEqual(await removeShadows(w.ports(), r, until), [], 'a second time there is nothing to do');
});

test('a cluster that cannot be asked leaves its shadows, and says so; a real name is never deleted', async () => {
  const w = world();
  await make(w);
  w.target.before = (call) => { if (call === 'facts') throw new Failure('Unreachable', 'No broker answers.'); };
  assert.match((await removeShadows(w.ports(), r, until)).join('\n'), /^new: No broker answers/);
  assert.equal(w.source.topics.has(shadow('orders')), false, 'the other cluster is cleared all the same');
  const calls = w.source.calls.length;
  const mixed = { ...r, topics: { ...r.topics, enriched: 'enriched' } };
  w.target.before = () => undefined;
  const left = await removeShadows(w.ports(), mixed, until);
  assert.match(left.join('\n'), /enriched is no shadow topic and was not removed/);
  assert.deepEqual(w.source.calls.slice(calls).filter((c) => c === 'deleteTopics'), []);
});

test('a writer copies what came, in order, goes on where it was after a stop, and of two each takes its partitions', async () => {
  const w = world();
  await make(w);
  const marks: Marks = new Map([['orders/0', 12n], ['orders/1', 1n]]);
  const written: string[] = [];
  const copying = (index: number, of: number) => copySome({
    real: w.ports().cluster('old'), marks, until, copies: [{ topic: 'orders', shadow: shadow('orders'), index, of }],
    write: async (records) => { written.push(...records.map((x) => `${x.topic}/${x.partition} ${x.content.toString()}`)); },
    acknowledged: () => undefined, failed: (e) => { throw e; },
  });
  assert.equal(await copying(0, 1), 'idle');
  assert.equal(written.length, 0);
  w.source.write('orders', 0, 'a', 'b');
  w.source.write('orders', 1, 'c');
  await copying(0, 2);
  assert.deepEqual(written, [`${shadow('orders')}/0 a`, `${shadow('orders')}/0 b`]);
  w.source.write('orders', 0, ...Array.from({ length: 700 }, (_, i) => `m${i}`));
  assert.equal(await copying(0, 1), 'more');
  while (await copying(0, 1) === 'more');
  assert.equal(written.length, 703);
  assert.deepEqual(written.filter((x) => x.includes('/0 m')), Array.from({ length: 700 }, (_, i) => `${shadow('orders')}/0 m${i}`));
  assert.deepEqual([...marks], [['orders/0', 714n], ['orders/1', 2n]]);
});

test('a write that fails is made again: nothing is left out', async () => {
  const w = world();
  const marks: Marks = new Map([['orders/0', 0n], ['orders/1', 0n]]);
  let fails = 1;
  const written: string[] = [];
  const once = () => copySome({
    real: w.ports().cluster('old'), marks, until, copies: [{ topic: 'orders', shadow: shadow('orders'), index: 0, of: 1 }],
    write: async (records) => { if (fails-- > 0) throw new Error('broker away'); written.push(...records.map((x) => x.content.toString())); },
    acknowledged: () => undefined, failed: () => undefined,
  });
  await assert.rejects(once(), /broker away/);
  await once();
  assert.equal(written.length, 12);
});
