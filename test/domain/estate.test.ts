/** Estates: the sets that cannot be parted, the waves, their blast radius and their pictures. */
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { performance } from 'node:perf_hooks';
import { test } from 'node:test';
import fc from 'fast-check';
import { parse } from 'yaml';
import { planEstate } from '../../src/cli/estate.ts';
import { atomicSets, knots } from '../../src/domain/estate-sets.ts';
import { mermaid, svg } from '../../src/domain/estate-picture.ts';
import { tableText } from '../../src/domain/estate-table.ts';
import { dependents, planWaves } from '../../src/domain/estate-waves.ts';
import { parseEstate, parseObserved } from '../../src/domain/parse-estate.ts';
import { application, estate, knownEstates, largeEstate } from './estates.ts';

const copies = { stopRestartRepeat: true, producerFirst: false };
const planned = (x: unknown) => planWaves(parseEstate(x, copies), copies);
const waves = (x: unknown): readonly (readonly string[])[] => planned(x).waves.map((w) => w.applications);

test('a wave plan for a generated estate with known atomic sets finds exactly those', () => {
  fc.assert(fc.property(knownEstates, ({ estate: typed, sets }) => {
    assert.deepEqual(atomicSets(parseEstate(typed, copies)).map((s) => s.applications), sets);
    assert.deepEqual(planned(typed).sets.map((s) => s.applications), sets);
  }), { numRuns: 300 });
});

test('every application is in exactly one wave, no set is split, and no wave is larger than it must be', () => {
  fc.assert(fc.property(knownEstates, ({ estate: typed, sets, size }) => {
    const plan = planned(typed);
    assert.deepEqual(plan.waves.flatMap((w) => w.applications).sort(), sets.flat().sort());
    const waveOf = new Map(plan.waves.flatMap((w, i) => w.applications.map((a) => [a, i] as const)));
    for (const set of sets) assert.equal(new Set(set.map((a) => waveOf.get(a))).size, 1, `${set.join(', ')} in one wave`);
    const edges = Map.groupBy(plan.dependencies, (d) => d.from);
    const loops = knots(plan.sets.map((s) => s.name), (n) => (edges.get(n) ?? []).map((d) => d.to));
    const applicationsIn = (names: readonly string[]): number => plan.sets.filter((s) => names.includes(s.name)).reduce((n, s) => n + s.applications.length, 0);
    for (const w of plan.waves) {
      assert.ok(w.applications.length <= size || w.sets.length === 1, `${w.name} has ${w.applications.length}, size ${size}`);
      for (const l of loops.filter((x) => x.some((n) => w.sets.includes(n)))) assert.ok(applicationsIn(l) > size || l.every((n) => w.sets.includes(n)), 'a loop that fits stays in one wave');
    }
    // Writers before their readers, but for loops that fit into no wave.
    if (loops.every((l) => applicationsIn(l) <= size)) assert.deepEqual(plan.feeds, []);
  }), { numRuns: 200 });
});

test('the order in the file changes nothing', () => {
  fc.assert(fc.property(knownEstates, ({ estate: typed }) => {
    const turned = { ...typed, applications: [...typed.applications].reverse() };
    assert.deepEqual(planned(turned), planned(typed));
  }), { numRuns: 50 });
});

test('a canary that only reads moves first, and what it reads is mirrored from before', () => {
  const plan = planned(estate([application('shop', { writes: ['orders'] }), application('reports', { hint: 'canary', reads: [{ group: 'reports', topics: ['orders'] }] })]));
  assert.deepEqual(plan.waves.map((w) => [w.name, w.applications]), [['canary', ['reports']], ['wave-1', ['shop']]]);
  assert.deepEqual(plan.feeds, [{ topic: 'orders', cutIn: 'wave-1', readIn: ['canary'] }]);
  assert.deepEqual(dependents(plan, 'canary'), []);
});

test('where nothing is copied a reader is never asked to move before its writer', () => {
  const shop = application('shop', { writes: ['orders'] });
  const billing = application('billing', { reads: [{ group: 'billing', topics: ['orders'] }] });
  assert.deepEqual(waves(estate([billing, shop], { scheme: 'producerFirst', waveSize: 1 })), [['shop'], ['billing']]);
  assert.throws(() => planned(estate([{ ...billing, hint: 'canary' }, shop], { scheme: 'producerFirst' })), /billing \(the canary wave\) must not move before shop \(no named wave\)/);
});

test('named waves keep their order, and those of later waves stand on the earlier ones', () => {
  const chain = [
    application('a', { writes: ['a.out'], wave: 'first' }),
    application('b', { writes: ['b.out'], reads: [{ group: 'b', topics: ['a.out'] }], wave: 'second' }),
    application('c', { reads: [{ group: 'c', topics: ['b.out'] }] }),
    application('d', { writes: ['d.out'] }),
  ];
  const plan = planned(estate(chain, { waves: [{ name: 'first' }, { name: 'second' }] }));
  assert.deepEqual(plan.waves.map((w) => w.name), ['first', 'second', 'wave-1']);
  assert.deepEqual(dependents(plan, 'first'), ['wave-1', 'second']);
  assert.deepEqual(dependents(plan, 'second'), ['wave-1']);
});

test('what contradicts itself is told in one message', () => {
  const bound = [
    application('a', { writes: ['t'], wave: 'one', scheme: 'producerFirst' }), application('b', { writes: ['t'], wave: 'two' }),
    application('c', { after: ['d'], wave: 'one' }), application('d', { wave: 'two', writes: ['d.out'] }),
  ].map((a) => ({ ...a, writes: a.writes.length === 0 ? [`${a.name}.out`] : a.writes }));
  assert.throws(() => planned(estate(bound, { waves: [{ name: 'one' }, { name: 'two' }] })), (error: Error) => {
    assert.match(error.message, /a, b move together \(a, b write t\) and are put into the waves one, two/);
    assert.match(error.message, /ask for the schemes producerFirst, stopRestartRepeat/);
    assert.match(error.message, /c \(wave one\) must not move before d \(wave two\)/);
    return true;
  });
});

test('every fault of the file is told at once, with its place', () => {
  const faulty = { ...estate([{ ...application('a', { writes: ['x'] }), wave: 'fist', after: ['zz'], hint: 'canari' }, application('a', { writes: ['__internal'] })]), waves: [{ name: 'first' }], scheme: 'stopRestart', connectBack: undefined, password: 'x' };
  assert.throws(() => parseEstate(faulty, copies), (error: Error) => {
    for (const part of [/scheme: must be one of .*stopRestartRepeat/, /connectBack: is missing/, /applications\[0\].wave: "fist" is not among "waves". Did you mean "first"/, /applications\[0\].after: "zz" is no application/,
      /applications\[0\].hint: .*canary/, /applications\[1\].name: application "a" is there already/, /applications\[1\].writes\[0\]: "__internal" is an internal topic/, /password: looks like a credential/]) assert.match(error.message, part);
    return true;
  });
});

test('a parsed estate parses to itself', () => {
  fc.assert(fc.property(knownEstates, ({ estate: typed }) => {
    const once = parseEstate(typed, copies);
    assert.deepEqual(parseEstate(structuredClone(once), copies), once);
  }), { numRuns: 50 });
});

test('patterns mean the topics that were observed, and a group nobody declared is named', () => {
  const observed = parseObserved({ topics: [{ name: 'shop.orders', partitions: 12 }, { name: 'shop.payments', partitions: 6 }], groups: [{ group: 'forgotten', topics: ['shop.orders'] }] });
  const { plan, blasts } = planEstate(estate([application('shop', { writes: ['shop.*'] })]), observed);
  assert.deepEqual(plan.waves[0]?.topics, ['shop.orders', 'shop.payments']);
  assert.deepEqual(blasts.map((b) => [b.partitions, b.strangers]), [[18, ['forgotten']]]);
  assert.throws(() => planEstate(estate([application('shop', { writes: ['shop.*'] })]), null), /pattern "shop\.\*" matches no topic/);
});

test('an estate the size of the one in the sources is planned within seconds: 200 applications, 789 topics, 2,452 partitions', () => {
  const { estate: typed, observed } = largeEstate();
  const fromMs = performance.now();
  const { plan, blasts } = planEstate(typed, parseObserved(observed));
  const pictures = [mermaid(plan), svg(plan), tableText(blasts)];
  console.log(`  ${plan.waves.length} waves of at most ${Math.max(...plan.waves.map((w) => w.applications.length))} applications, planned and drawn in ${Math.round(performance.now() - fromMs)} ms`);
  assert.equal(plan.waves.flatMap((w) => w.applications).length, 200);
  assert.deepEqual([blasts.reduce((n, b) => n + b.topics.length, 0), blasts.reduce((n, b) => n + (b.partitions === 'unknown' ? 0 : b.partitions), 0)], [789, 2_452]);
  assert.ok(plan.waves.every((w) => w.applications.length <= 25));
  assert.ok(pictures.every((p) => p.length > 500));
});

test('the example is planned and drawn', async () => {
  const { plan, blasts } = planEstate(parse(await readFile(new URL('../../examples/estate.yaml', import.meta.url), 'utf8')), null);
  assert.deepEqual(plan.waves.map((w) => [w.name, w.applications]), [['canary', ['reports']], ['orders', ['call-centre', 'shop']], ['wave-1', ['archive', 'billing', 'stock', 'stock-browser']]]);
  assert.match(tableText(blasts), /^orders +stopRestartRepeat +2 +1 +unknown +0 +1 of at most 10 s +3 +wave-1$/m);
  assert.match(mermaid(plan), /-->\|"shop\.orders"\|/);
  const drawn = svg(plan);
  assert.equal(drawn.match(/<rect /g)?.length, plan.sets.length);
  assert.match(drawn, /^<svg [\s\S]*<\/svg>\n$/);
});
