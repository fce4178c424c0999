/** Which topics are cut together, and in which order: by example, and on generated graphs whose sets are known. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { cutSets, inOrder, pureReaders, writersOf, type CutSet } from '../../src/domain/cutsets.ts';
import { readsOf, type Application, type Migration } from '../../src/domain/migration.ts';
import { application, chain, demo, loop, migration, mixedGroup, ownReader, pipeline, readerOnly, sharedGroup, twoWriters } from '../fakes/migrations.ts';

const shape = (m: Migration): Record<string, readonly string[]> => Object.fromEntries(cutSets(m).map((s) => [s.topics.join('+'), s.writers]));

describe('cut sets', () => {
  const cases: readonly (readonly [string, Migration, Record<string, readonly string[]>])[] = [
    ['reading does not bind: each topic of the demo is cut alone', demo, { enriched: ['enricher'], orders: ['shop'] }],
    ['two writers of one topic bring along all they write', twoWriters, { 'clicks+visits': ['app', 'web'] }],
    ['topics shared along a chain are one set', chain, { 'four+one+three+two': ['a', 'b', 'c'], five: ['lone'] }],
    ['a row of applications is one set each', pipeline, { clean: ['clean'], joined: ['join'], raw: ['collect'] }],
    ['a loop is one set', loop, { 'ping+pong': ['ping-pong', 'pong-ping', 'start'] }],
    ['a topic nobody writes is a set without writers', readerOnly, { facts: [] }],
    ['readers that share a group bind nothing', sharedGroup, { events: ['source-app'] }],
    ['who shares a group with a writer moves with what that one writes', mixedGroup, { fine: ['peek', 'refine'], raw: ['feed'] }],
    ['an application that reads its own topic is no loop of two', ownReader, { jobs: ['intake'], retries: ['work'] }],
  ];
  for (const [situation, m, wanted] of cases) test(situation, () => { assert.deepEqual(shape(m), wanted); });

  test('where all is cut together there is one set with every writer', () => {
    assert.deepEqual(cutSets({ ...pipeline, cuts: 'together' }), [{ name: 'everything', topics: ['clean', 'joined', 'raw'], writers: ['clean', 'collect', 'join'] }]);
  });
  test('writers that share a group are cut together', () => {
    const m = migration('m', [application('a', { writes: ['x'], reads: { g: ['in'] } }), application('b', { writes: ['y'], reads: { g: ['in'] } }), application('w', { writes: ['in'] })]);
    assert.deepEqual(shape(m), { in: ['w'], 'x+y': ['a', 'b'] });
  });
  test('a reader in the groups of two writers joins what they write', () => {
    const m = migration('m', [application('a', { writes: ['x'], reads: { g: ['in'] } }), application('b', { writes: ['y'], reads: { h: ['in'] } }), application('r', { reads: { g: ['in'], h: ['in'] } }), application('w', { writes: ['in'] })]);
    assert.deepEqual(shape(m), { in: ['w'], 'x+y': ['a', 'b', 'r'] });
    assert.deepEqual(pureReaders(m), []);
  });
  test('a loop over three applications is one set, what feeds it is not', () => {
    const m = migration('m', [
      application('feed', { writes: ['in'] }), application('a', { writes: ['x'], reads: { a: ['z', 'in'] } }),
      application('b', { writes: ['y'], reads: { b: ['x'] } }), application('c', { writes: ['z'], reads: { c: ['y'] } }),
    ]);
    assert.deepEqual(shape(m), { in: ['feed'], 'x+y+z': ['a', 'b', 'c'] });
  });
  test('two loops that share a topic are one set', () => {
    const m = migration('m', [
      application('a', { writes: ['x'], reads: { a: ['y', 'z'] } }), application('b', { writes: ['y'], reads: { b: ['x'] } }), application('c', { writes: ['z'], reads: { c: ['x'] } }),
    ]);
    assert.deepEqual(shape(m), { 'x+y+z': ['a', 'b', 'c'] });
  });
  test('order of applications and topics in the migration does not matter', () => {
    fc.assert(fc.property(fc.constantFrom(demo, chain, pipeline, loop), fc.infiniteStream(fc.nat()), (m, random) => {
      const shuffled = <T>(xs: readonly T[]): readonly T[] => xs.map((x) => ({ x, at: random.next().value })).sort((p, q) => p.at - q.at).map((p) => p.x);
      assert.deepEqual(cutSets({ topics: shuffled(m.topics), applications: shuffled(m.applications) }), cutSets(m));
    }), { numRuns: 50 });
  });
});

describe('the order of the cuts', () => {
  const names = (m: Migration, order: 'downstream-first' | 'upstream-first'): readonly string[] => inOrder(m, cutSets(m), order).map((s) => s.name);
  test('with a copy, what is read by nobody else is cut first', () => {
    assert.deepEqual(names(pipeline, 'downstream-first'), ['joined', 'clean', 'raw']);
    assert.deepEqual(names(demo, 'downstream-first'), ['enriched', 'orders']);
  });
  test('without a copy, the beginning of the row is cut first', () => {
    assert.deepEqual(names(pipeline, 'upstream-first'), ['raw', 'clean', 'joined']);
  });
  test('pure readers are the applications without writes', () => {
    assert.deepEqual(pureReaders(demo).map((a) => a.name), ['billing', 'audit']);
    assert.deepEqual(cutSets(demo).map((s) => writersOf(demo, s).map((a) => a.name)), [['enricher'], ['shop']]);
  });
});

/** Blocks of topics; every block is tied together by writers, and blocks feed only later blocks: the sets are the blocks. */
const knownSets = fc.record({ sizes: fc.array(fc.integer({ min: 1, max: 4 }), { minLength: 1, maxLength: 6 }), random: fc.infiniteStream(fc.nat()) }).map(({ sizes, random }) => {
  const pick = (below: number): number => random.next().value % below;
  const blocks = sizes.map((size, b) => Array.from({ length: size }, (_, i) => `b${b}t${i}`));
  const upstream = (b: number): Record<string, readonly string[]> => (b > 0 && pick(2) === 0 ? { [`g${b}-${pick(1000)}`]: [blocks[pick(b)]?.[0] ?? ''] } : {});
  const applications: Application[] = blocks.flatMap((block, b) => {
    const kind = block.length === 1 ? 'chain' : (['chain', 'loop', 'group'] as const)[pick(3)];
    if (kind === 'loop') return block.map((t, i) => application(`w${b}-${i}`, { writes: [t], reads: { [`loop${b}-${i}`]: [block[(i + 1) % block.length] ?? t] } }));
    if (kind === 'group') return block.map((t, i) => application(`w${b}-${i}`, { writes: [t], reads: b > 0 ? { [`shared${b}`]: [blocks[pick(b)]?.[0] ?? t] } : { [`shared${b}`]: ['b0t0'] } }));
    return block.map((t, i) => application(`w${b}-${i}`, { writes: i === 0 ? [t] : [block[i - 1] ?? t, t], reads: upstream(b) }));
  });
  const readers = Array.from({ length: pick(4) }, (_, i) => application(`reader${i}`, { reads: { [`reader${i}`]: blocks.filter(() => pick(2) === 0).map((x) => x[0] ?? '') } }));
  return { blocks, m: migration('generated', [...applications, ...readers]) };
});

describe('on generated graphs', () => {
  test('the sets are the ones that were planted', () => {
    fc.assert(fc.property(knownSets, ({ blocks, m }) => {
      assert.deepEqual(cutSets(m).map((s) => s.topics.join()), blocks.map((b) => [...b].sort().join()).sort());
    }), { numRuns: 500 });
  });
  test('sets cover every topic once, hold all topics of each of their writers, and name them', () => {
    fc.assert(fc.property(knownSets, ({ m }) => {
      const sets = cutSets(m);
      assert.deepEqual(sets.flatMap((s) => s.topics).sort(), [...m.topics].sort());
      for (const s of sets) for (const w of writersOf(m, s)) for (const t of w.writes) assert.ok(s.topics.includes(t), `${w.name} writes ${t} outside of ${s.name}`);
      assert.equal(new Set(sets.map((s) => s.name)).size, sets.length);
    }), { numRuns: 200 });
  });
  test('no set is cut before what it must wait for', () => {
    fc.assert(fc.property(knownSets, fc.constantFrom('downstream-first' as const, 'upstream-first' as const), ({ m }, order) => {
      const sets = inOrder(m, cutSets(m), order);
      assert.equal(sets.length, cutSets(m).length);
      const at = (topic: string): number => sets.findIndex((s: CutSet) => s.topics.includes(topic));
      for (const a of m.applications) for (const w of a.writes) for (const r of readsOf(a)) {
        if (at(w) === at(r)) continue;
        assert.ok(order === 'upstream-first' ? at(r) < at(w) : at(w) < at(r), `${a.name} reads ${r} and writes ${w}: ${sets.map((s) => s.name).join(', ')}`);
      }
    }), { numRuns: 500 });
  });
});
