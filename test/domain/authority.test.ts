/** Hand-made plans, each with one planted mistake, and what the checker says of it. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { checkPlan, explainBreaches } from '../../src/domain/authority-check.ts';
import type { Breach, Effect, Rule, Side } from '../../src/domain/authority.ts';
import { change, hold, irreversible, observe, outage, phase, type Change, type Observe, type Outage, type Plan, type Step } from '../../src/domain/scheme.ts';
import { application, demo, migration } from '../fakes/migrations.ts';

const never = (): Promise<never> => Promise.reject(new Error('a plan is only checked here'));
const does = (name: string, effects: readonly Effect[], undoes: readonly Effect[] | 'leave: test'): Change =>
  change(name, { capture: never, apply: never, effects, ...(typeof undoes === 'string' ? { undo: undoes } : { undo: never, undoes }) });
const proves = (name: string, ...effects: readonly Effect[]): Observe => observe(name, { look: never, proves: true, effects });
const ask = (name = 'ask'): Step => hold(name, { question: '?', evidence: never });

const all = ['orders', 'enriched'];
const runs = (on: Side | 'stopped', ...names: readonly string[]): readonly Effect[] => names.map((application) => ({ do: 'run', application, on }) as const);
const stop = (...names: readonly string[]): Change => does(`stop ${names.join()}`, runs('stopped', ...names), runs('source', ...names));
const start = (...names: readonly string[]): Change => does(`start ${names.join()}`, runs('target', ...names), runs('stopped', ...names));
const quiet = (...applications: readonly string[]): Observe => proves(`quiet ${applications.join()}`, { do: 'prove-quiet', applications });
const position = (group: string, topics: readonly string[], on: Side, from: 'translated' | 'cut' | 'none' = 'translated'): Effect => ({ do: 'position', group, topics, on, from });
const move = (group: string, topics: readonly string[]): Change =>
  does(`position ${group}`, [position(group, topics, 'target')], [position(group, topics, 'source'), position(group, topics, 'target', 'none')]);
const mirror = (topic: string, state: 'running' | 'silent' | 'gone', toward: Side = 'target'): Effect => ({ do: 'mirror', mirror: `m-${topic}`, topics: [topic], toward, state });
const cutTo = (topic: string, to: Side): Effect => ({ do: 'cut', set: topic, topics: [topic], to });
const mark = (topic: string): Change => does(`cut ${topic}`, [cutTo(topic, 'target')], [cutTo(topic, 'source')]);
const silence = (topic: string): Change => does(`silence ${topic}`, [mirror(topic, 'silent')], [mirror(topic, 'running')]);
const fence = (topic: string): Change => does(`fence ${topic}`, [{ do: 'fence', topics: [topic], on: 'source', state: 'up' }], [{ do: 'fence', topics: [topic], on: 'source', state: 'down' }]);
const drained = (topic: string): Observe => proves(`drained ${topic}`, { do: 'prove-mirror-drained', mirror: `m-${topic}` });
const opens = (...names: readonly string[]) => irreversible(`open ${names.join()}`, { because: 'test', run: never, effects: runs('target', ...names) });

type Part = Step | Outage;
/** Parts of a plan for the demo migration that keeps every rule; each test replaces what it plants. */
const parts = {
  create: does('create topics', [{ do: 'create-topics', topics: all, on: 'target' }], [{ do: 'remove-topics', topics: all, on: 'target' }]) as Part,
  mirrors: all.map((t): Part => does(`mirror ${t}`, [mirror(t, 'running')], [mirror(t, 'gone')])),
  askMove: ask('ask to move') as Part,
  readers: [
    stop('billing'), quiet('billing'), move('billing', all), start('billing'),
    stop('audit'), quiet('audit'), move('audit', ['orders']), start('audit'),
  ] as Part[],
  askCut: ask('ask to cut enriched') as Part,
  enriched: outage('outage enriched', {
    budgetMs: 1, undoReserveMs: 0, open: opens('enricher'),
    until: [stop('enricher'), quiet('enricher'), fence('enriched'), drained('enriched'), silence('enriched'), move('enricher', ['orders']), mark('enriched')],
  }) as Part,
  askCut2: ask('ask to cut orders') as Part,
  orders: outage('outage orders', {
    budgetMs: 1, undoReserveMs: 0, open: opens('shop'),
    until: [stop('shop'), quiet('shop'), fence('orders'), drained('orders'), silence('orders'), mark('orders')],
  }) as Part,
  finish: [] as Part[],
};
const planOf = (changed: Partial<typeof parts> = {}): Plan =>
  ({ scheme: 'test', promises: [], forward: [phase('p', ...Object.values({ ...parts, ...changed }).flat())] });
const without = (o: Part, name: string): Part => (o.kind === 'outage' ? { ...o, until: o.until.filter((s) => s.name !== name) } : o);
const swapped = (o: Part, a: string, b: string): Part => {
  if (o.kind !== 'outage') return o;
  const by = (name: string) => o.until.find((s) => s.name === name) as Observe | Change;
  return { ...o, until: o.until.map((s) => (s.name === a ? by(b) : s.name === b ? by(a) : s)) };
};
const check = (changed: Partial<typeof parts>): readonly Breach[] => checkPlan(demo, planOf(changed));
const expectAmong = (breaches: readonly Breach[], rule: Rule, step: string, who: string | null): void => {
  assert.ok(breaches.some((b) => b.rule === rule && b.step === step && b.application === who), explainBreaches(breaches));
};
const expectFirst = (breaches: readonly Breach[], rule: Rule, step: string, who: string | null, at: RegExp = /^forward$/): void => {
  const [first] = breaches;
  assert.ok(first, 'the planted mistake was not found');
  assert.deepEqual({ rule: first.rule, step: first.step, application: first.application }, { rule, step, application: who }, explainBreaches(breaches));
  assert.match(first.at, at);
};

describe('a plan that keeps every rule', () => {
  test('is let through', () => { assert.deepEqual(check({}), []); });
  // A second or so; a check that explodes with the size of the plan would not come back.
  test('is let through with two hundred applications', () => {
    const many = migration('many', Array.from({ length: 200 }, (_, i) => [application(`w${i}`, { writes: [`t${i}`] }), application(`r${i}`, { reads: { [`r${i}`]: [`t${i}`, `t${(i + 1) % 200}`] } })]).flat());
    const topics = many.topics;
    const steps: Part[] = [
      does('create', [{ do: 'create-topics', topics, on: 'target' }], [{ do: 'remove-topics', topics, on: 'target' }]),
      ...topics.map((t) => does(`mirror ${t}`, [mirror(t, 'running')], [mirror(t, 'gone')])),
      ...Array.from({ length: 200 }, (_, i) => [stop(`r${i}`), quiet(`r${i}`), move(`r${i}`, [`t${i}`, `t${(i + 1) % 200}`]), start(`r${i}`)]).flat(),
      ...Array.from({ length: 200 }, (_, i) => [ask(`ask ${i}`), outage(`outage ${i}`, { budgetMs: 1, undoReserveMs: 0, open: opens(`w${i}`), until: [stop(`w${i}`), quiet(`w${i}`), drained(`t${i}`), silence(`t${i}`), mark(`t${i}`)] })]).flat(),
    ];
    assert.deepEqual(checkPlan(many, { scheme: 'test', promises: [], forward: [phase('p', ...steps)] }), []);
  });
});

describe('a planted mistake is refused', () => {
  test('a writer is moved without its cut', () => {
    expectFirst(check({ orders: without(parts.orders, 'cut orders') }), 'writers-at-authority', 'p/outage orders/open shop', 'shop');
  });
  test('a writer that reads is moved as if it were only a consumer', () => {
    const moved = [stop('enricher'), quiet('enricher'), move('enricher', ['orders']), start('enricher')];
    expectFirst(check({ readers: [...parts.readers, ...moved] }), 'writers-at-authority', 'p/start enricher', 'enricher');
  });
  test('one of two writers of a topic stays behind at its cut', () => {
    const m = migration('m', [application('a', { writes: ['x'] }), application('b', { writes: ['x'] })]);
    const plan: Plan = { scheme: 'test', promises: [], forward: [phase('p', does('create', [{ do: 'create-topics', topics: ['x'], on: 'target' }], []), ask(),
      outage('o', { budgetMs: 1, undoReserveMs: 0, until: [stop('a'), quiet('a'), mark('x')], open: opens('a') }))] };
    expectFirst(checkPlan(m, plan), 'cut-is-proven', 'p/o/cut x', 'b');
  });
  test('a cut leaves out another topic of its writer', () => {
    const m = migration('m', [application('a', { writes: ['x', 'y'] })]);
    const plan: Plan = { scheme: 'test', promises: [], forward: [phase('p', does('create', [{ do: 'create-topics', topics: ['x', 'y'], on: 'target' }], []), ask(),
      outage('o', { budgetMs: 1, undoReserveMs: 0, until: [stop('a'), quiet('a'), mark('x')], open: opens('a') }))] };
    expectFirst(checkPlan(m, plan), 'cut-is-proven', 'p/o/cut x', 'a');
  });
  test('a position is missing for one topic of a group', () => {
    const readers = parts.readers.map((s) => (s.name === 'position billing' ? move('billing', ['orders']) : s));
    expectFirst(check({ readers }), 'positions-first', 'p/start billing', 'billing');
  });
  test('an application starts before its positions are set', () => {
    expectFirst(check({ readers: [stop('audit'), quiet('audit'), start('audit'), move('audit', ['orders']), ...parts.readers.slice(0, 4)] }), 'positions-first', 'p/start audit', 'audit');
  });
  test('positions are translated while the group still reads', () => {
    expectFirst(check({ readers: [...parts.readers.slice(0, 4), move('audit', ['orders']), stop('audit'), quiet('audit'), start('audit')] }), 'positions-first', 'p/start audit', 'audit');
  });
  test('positions are translated before the processes are proven gone', () => {
    expectFirst(check({ readers: parts.readers.filter((s) => s.name !== 'quiet audit') }), 'positions-first', 'p/start audit', 'audit');
  });
  test('a group is set to the start of a log that holds what it has read', () => {
    const again = does('position audit', [position('audit', ['orders'], 'target', 'cut')], [position('audit', ['orders'], 'target', 'none')]);
    expectFirst(check({ readers: parts.readers.map((s) => (s.name === 'position audit' ? again : s)) }), 'positions-first', 'p/position audit', 'audit');
  });
  test('a mirror is resumed after a cut it ran before', () => {
    const resume = does('resume', [mirror('orders', 'running', 'source')], 'leave: test');
    const broken = check({ finish: [resume] });
    expectFirst(broken, 'mirror-one-way', 'p/resume', null);
    assert.match(broken[0]?.why ?? '', /never run again/);
    expectFirst(check({ finish: [does('resume', [mirror('orders', 'running')], 'leave: test')] }), 'mirror-one-way', 'p/resume', null);
  });
  test('two mirrors copy one topic in two directions', () => {
    const back: Effect = { do: 'mirror', mirror: 'back', topics: ['orders'], toward: 'source', state: 'running' };
    expectFirst(check({ mirrors: [...parts.mirrors, does('mirror back', [back], [{ ...back, state: 'gone' }])] }), 'mirror-one-way', 'p/mirror back', null);
  });
  test('the cut comes before the mirror is silent', () => {
    expectFirst(check({ orders: swapped(parts.orders, 'silence orders', 'cut orders') }), 'cut-is-proven', 'p/outage orders/cut orders', null);
  });
  test('the mirror is never proven drained', () => {
    expectAmong(check({ orders: without(parts.orders, 'drained orders') }), 'cut-is-proven', 'p/outage orders/cut orders', null);
  });
  test('the mirror is proven drained while its writer still runs', () => {
    expectAmong(check({ orders: swapped(parts.orders, 'stop shop', 'drained orders') }), 'cut-is-proven', 'p/outage orders/cut orders', null);
    const early = check({ orders: without(parts.orders, 'drained orders'), askCut2: drained('orders'), finish: [] });
    assert.ok(early.some((b) => b.rule === 'cut-is-proven' && b.step === 'p/outage orders/cut orders'), explainBreaches(early));
  });
  test('the writers are never proven quiet', () => {
    expectAmong(check({ orders: without(parts.orders, 'quiet shop') }), 'cut-is-proven', 'p/outage orders/cut orders', 'shop');
  });
  test('the mirror is silenced long before the cut, so the groups on the target starve', () => {
    expectFirst(check({ askCut: silence('orders') }), 'reads-what-comes', 'p/silence orders', 'billing');
  });
  test('a mirror runs before its topic exists', () => {
    expectFirst(check({ create: ask('nothing') }), 'topics-first', 'p/mirror orders', null);
  });
  test('an outage begins without a hold', () => {
    expectFirst(check({ askMove: drained('orders'), askCut: drained('enriched') }), 'holds', 'p/outage enriched', null);
  });
  test('the hold before an earlier opening does not serve the next one', () => {
    expectFirst(check({ askCut2: drained('orders') }), 'holds', 'p/outage orders', null);
  });
  test('something irreversible begins without a hold', () => {
    const plan: Plan = { scheme: 'test', promises: [], forward: [phase('p', irreversible('erase', { because: 'test', run: never }))] };
    expectFirst(checkPlan(demo, plan), 'holds', 'p/erase', null);
  });
  test('a person is asked while an application is stopped', () => {
    expectFirst(check({ readers: [stop('audit'), quiet('audit'), ask('ask inside'), ...parts.readers.slice(6), ...parts.readers.slice(0, 4)] }), 'holds', 'p/ask inside', 'audit');
  });
  test('the fence goes up before the writer stopped', () => {
    expectFirst(check({ orders: swapped(parts.orders, 'stop shop', 'fence orders') }), 'fence-stands', 'p/outage orders/fence orders', 'shop');
  });
  test('an application is forgotten', () => {
    expectFirst(check({ readers: parts.readers.slice(0, 4) }), 'nothing-left', 'p/outage orders/open shop', 'audit');
  });
  test('two applications of one group are moved one after the other', () => {
    const m = migration('m', [application('w', { writes: ['x'] }), application('a', { reads: { g: ['x'] } }), application('b', { reads: { g: ['x'] } })]);
    const plan: Plan = { scheme: 'test', promises: [], forward: [phase('p', does('create', [{ do: 'create-topics', topics: ['x'], on: 'target' }], []),
      does('mirror', [mirror('x', 'running')], [mirror('x', 'gone')]), stop('a'), quiet('a'), move('g', ['x']), start('a'))] };
    expectFirst(checkPlan(m, plan), 'positions-first', 'p/start a', 'a');
    assert.ok(checkPlan(m, plan).some((b) => b.rule === 'reads-what-comes' && /both sides/.test(b.why)));
  });
});

describe('a rollback that does not lead back is refused', () => {
  const back = /^rollback from /;
  test('the undo of a stop is missing', () => {
    const silent = does('stop audit', runs('stopped', 'audit'), []);
    expectFirst(check({ readers: parts.readers.map((s) => (s.name === 'stop audit' ? silent : s)) }), 'undo-restores', 'p/stop audit', 'audit', back);
  });
  test('the undo of a mirror is missing', () => {
    const mirrors = [does('mirror orders', [mirror('orders', 'running')], []), ...parts.mirrors.slice(1)];
    expectFirst(check({ mirrors }), 'topics-first', 'p/create topics', null, back);
    expectAmong(check({ mirrors }), 'undo-restores', 'p/mirror orders', null);
  });
  test('a fence is never lowered by its undo', () => {
    const up = does('fence orders', [{ do: 'fence', topics: ['orders'], on: 'source', state: 'up' }], []);
    const orders = parts.orders.kind === 'outage' ? { ...parts.orders, until: parts.orders.until.map((s) => (s.name === 'fence orders' ? up : s)) } : parts.orders;
    expectFirst(check({ orders }), 'fence-stands', 'p/outage orders/stop shop', 'shop', back);
  });
  test('undo order: the position is taken away before it was carried back', () => {
    const wrong = does('position audit', [position('audit', ['orders'], 'target')], [position('audit', ['orders'], 'target', 'none'), position('audit', ['orders'], 'source')]);
    expectFirst(check({ readers: parts.readers.map((s) => (s.name === 'position audit' ? wrong : s)) }), 'positions-first', 'p/position audit', 'audit', back);
  });
  test('undo order: positions registered after the start are returned before the stop', () => {
    const both = does('start audit', [position('audit', ['orders'], 'target'), ...runs('target', 'audit')], [position('audit', ['orders'], 'source'), position('audit', ['orders'], 'target', 'none'), ...runs('stopped', 'audit')]);
    const found = check({ readers: [...parts.readers.slice(0, 6), both] });
    expectFirst(found, 'positions-first', 'p/start audit', 'audit', back);
  });
  test('the undo restarts where the group is not any more', () => {
    const lazy = does('position audit', [position('audit', ['orders'], 'target')], []);
    expectFirst(check({ readers: parts.readers.map((s) => (s.name === 'position audit' ? lazy : s)) }), 'positions-first', 'p/stop audit', 'audit', back);
  });
  test('the undo of the cut is missing', () => {
    const orders = parts.orders.kind === 'outage' ? { ...parts.orders, until: parts.orders.until.map((s) => (s.name === 'cut orders' ? does('cut orders', [cutTo('orders', 'target')], []) : s)) } : parts.orders;
    expectFirst(check({ orders }), 'mirror-one-way', 'p/outage orders/silence orders', null, back);
  });
  test('topics are removed by an undo that comes too early', () => {
    expectFirst(check({ create: parts.mirrors[0] as Part, mirrors: [parts.create, parts.mirrors[1] as Part] }), 'topics-first', 'p/mirror orders', null);
  });
});

describe('nothing copied: the closed remainder', () => {
  const created: Part = does('create', [{ do: 'create-topics', topics: ['x'], on: 'target' }], [{ do: 'remove-topics', topics: ['x'], on: 'target' }]);
  const m = migration('m', [application('w', { writes: ['x'] }), application('r', { reads: { g: ['x'] } })]);
  const opening = outage('o', { budgetMs: 1, undoReserveMs: 0, until: [stop('w'), quiet('w'), mark('x')], open: opens('w') });
  const atStart = does('position g', [position('g', ['x'], 'target', 'cut')], []);
  const hasDrained = proves('drained g', { do: 'prove-group-drained', group: 'g', topics: ['x'], on: 'source' });
  const plan = (...steps: readonly Part[]): Plan => ({ scheme: 'test', promises: [], forward: [phase('p', created, ask(), opening, ...steps)] });
  test('a group drains the source, then continues at the start of the target', () => {
    assert.deepEqual(checkPlan(m, plan(hasDrained, stop('r'), quiet('r'), atStart, start('r'))), []);
  });
  test('a group leaves its remainder behind', () => {
    expectFirst(checkPlan(m, plan(stop('r'), quiet('r'), atStart, start('r'))), 'reads-what-comes', 'p/start r', 'r');
  });
  test('a proof of drained that was taken while producers ran does not count', () => {
    const early: Plan = { scheme: 'test', promises: [], forward: [phase('p', created, hasDrained, ask(), opening, stop('r'), quiet('r'), atStart, start('r'))] };
    expectFirst(checkPlan(m, early), 'reads-what-comes', 'p/start r', 'r');
  });
  test('a group cannot drain what was written until it stopped itself', () => {
    const own = migration('own', [application('w', { writes: ['x'], reads: { g: ['x'] } })]);
    const steps: Plan = { scheme: 'test', promises: [], forward: [phase('p', created, ask(), outage('o', { budgetMs: 1, undoReserveMs: 0, open: opens('w'), until: [stop('w'), quiet('w'), hasDrained, atStart, mark('x')] }))] };
    expectFirst(checkPlan(own, steps), 'reads-what-comes', 'p/o/drained g', 'w');
  });
  test('a translation needs a copy', () => {
    expectFirst(checkPlan(m, plan(hasDrained, stop('r'), quiet('r'), move('g', ['x']), start('r'))), 'positions-first', 'p/position g', 'r');
  });
  test('the undo throws away how far the group has got on the target', () => {
    const forgets = does('position g', [position('g', ['x'], 'target', 'cut')], [position('g', ['x'], 'target', 'none')]);
    expectFirst(checkPlan(m, plan(hasDrained, stop('r'), quiet('r'), forgets, start('r'))), 'positions-first', 'p/position g', 'r', /^rollback from p\/start r$/);
  });
});

test('the refusal names rule, step and application, and says what the rule means', () => {
  const text = explainBreaches(check({ orders: without(parts.orders, 'cut orders') }));
  assert.match(text, /writers-at-authority: step p\/outage orders\/open shop, application shop \(forward\): shop runs on target and writes orders/);
  assert.match(text, /means: an application that writes runs only where/);
});
