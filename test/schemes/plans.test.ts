/** Every scheme on every shape of migration, held against the safety model; and what it must refuse. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { checkPlan, explainBreaches } from '../../src/domain/authority-check.ts';
import type { Breach } from '../../src/domain/authority.ts';
import type { Migration } from '../../src/domain/migration.ts';
import type { Change, Outage, Plan, Step } from '../../src/domain/scheme.ts';
import { endless } from '../../src/domain/stopping.ts';
import { bind, unbound } from '../../src/workflows/resources/use.ts';
import { schemes, type SchemeName } from '../../src/workflows/schemes/schemes.ts';
import { bare, chain, demo, losing, starts, fixtures, loop, ownReader, quietLoop, quietRetries, shapedFor, greened } from '../fakes/migrations.ts';

const names = Object.keys(schemes) as SchemeName[];
const planOf = (scheme: SchemeName, given: Migration): Plan => {
  const m = shapedFor(scheme, given);
  return schemes[scheme](m, () => true, bind({ work: unbound, m, inventory: null, owner: 'test', has: () => true }));
};
const check = (scheme: SchemeName, m: Migration): readonly Breach[] => checkPlan(m, planOf(scheme, m));

/** Shapes a scheme cannot move safely: it is refused before anything is written. */
const refused: Readonly<Record<SchemeName, readonly Migration[]>> = {
  stopRestartRepeat: [],
  // What a loop writes to itself cannot be drained without stopping it, and is lost when it is stopped.
  producerFirst: [loop, ownReader],
  // Whoever shares a group moves in one batch.
  consumerFirst: [],
  // Nobody says how long a loop must be silent until it has run dry.
  stopWaitRestart: [loop, ownReader],
  restartAllAtOnce: [],
  dualConsume: [loop, ownReader],
  blueGreen: [loop, ownReader],
};

for (const scheme of names) describe(scheme, () => {
  for (const m of fixtures) {
    if (refused[scheme].includes(m)) test(`${m.name}: refused`, () => { assert.ok(check(scheme, m).length > 0); });
    else for (const connectBack of [null, 'connect-old']) test(`${m.name}: keeps every rule, forward and back${connectBack === null ? '' : ', also over its openings'}`, () => { const found = check(scheme, { ...m, connectBack }); assert.deepEqual(found, [], explainBreaches(found)); });
  }
});

test('a loop without a declared quiescence is refused with the reason, and another scheme is proposed', () => {
  assert.match(endless(ownReader, 'stopWaitRestart').join(), /retries is a loop \(work reads and writes it\), and stopWaitRestart waits.*"quiet": \{"retries": 5000\}.*choose stopRestartRepeat/);
  assert.deepEqual(endless(quietRetries, 'stopWaitRestart'), []);
  assert.deepEqual(endless(ownReader, 'stopRestartRepeat'), []);
});

describe('one outage for all', () => {
  for (const scheme of ['stopWaitRestart', 'restartAllAtOnce'] as const) for (const connect of ['connect-new', null]) for (const connectBack of ['connect-old', null])
    for (const shape of [...fixtures.filter((m) => !refused[scheme].includes(m)), quietLoop, quietRetries, starts].map((m) => (scheme === 'restartAllAtOnce' && connect === null ? losing(m) : m)))
      test(`${scheme} of ${shape.name}, ${connect === null ? 'nothing copied' : 'with a copy'}, ${connectBack === null ? 'no way back' : 'with a way back'}: keeps every rule`, () => {
        const m = { ...shape, connect, connectBack };
        assert.deepEqual(check(scheme, m), [], explainBreaches(check(scheme, m)));
      });
});

/** Plants a mistake: every step of the plan goes through `of`, which may leave it out or change it. */
const planted = (plan: Plan, of: (s: Step | Outage) => readonly (Step | Outage)[]): Plan => ({
  ...plan,
  forward: plan.forward.map((p) => ({
    ...p,
    steps: p.steps.flatMap((s) => (s.kind === 'outage' ? of({ ...s, until: s.until.flatMap((u) => of(u) as (Change)[]) }) : of(s))),
  })),
});
const dropping = (name: RegExp) => (plan: Plan): Plan => planted(plan, (s) => (name.test(s.name) ? [] : [s]));

/** The first step so named comes right before the other. */
function moved(plan: Plan, one: RegExp, before: RegExp): Plan {
  const step = plan.forward.flatMap((p) => p.steps.flatMap((s): readonly Step[] => (s.kind === 'outage' ? s.until : [s]))).find((s) => one.test(s.name));
  return planted(plan, (s) => (s === step || step === undefined ? [] : before.test(s.name) ? [step, s] : [s]) as readonly Change[]);
}
const inBack = (plan: Plan, keep: (s: Step | Outage) => boolean): Plan => planted(plan, (s): readonly (Step | Outage)[] => {
  if (s.kind !== 'outage' || s.open.kind !== 'opening') return [s];
  return [{ ...s, open: { ...s.open, back: s.open.back.map((p) => ({ ...p, steps: p.steps.filter(keep) })) } }];
});

describe('a mistake planted in stopRestartRepeat is found', () => {
  const cases: readonly (readonly [string, (p: Plan) => Plan, Partial<Breach>])[] = [
    ['a writer is moved without its cut', dropping(/^mark the cut$/), { rule: 'writers-at-authority', application: 'enricher' }],
    ['positions are not set', dropping(/^set positions of billing/), { rule: 'positions-first', step: 'move billing/start billing on the target', application: 'billing' }],
    ['the mirror is not silenced', dropping(/^silence/), { rule: 'cut-is-proven', step: 'cut enriched/outage/mark the cut' }],
    ['the mirror is not drained', dropping(/^drain the mirror/), { rule: 'cut-is-proven' }],
    ['nobody looks whether the writers are gone', dropping(/^confirm that they are gone/), { rule: 'cut-is-proven' }],
    ['the cut is not approved', dropping(/^approve the cut/), { rule: 'holds', step: 'cut orders/outage' }],
    ['topics are not created', dropping(/^create topics/), { rule: 'topics-first' }],
    ['the undo of a stop is missing', (p) => planted(p, (s) => [s.kind === 'change' && s.name === 'stop billing' ? { ...s, undoes: [] } : s]), { rule: 'undo-restores', application: 'billing' }],
    ['the undo of the positions is missing', (p) => planted(p, (s) => [s.kind === 'change' && s.name.startsWith('set positions of audit') ? { ...s, undoes: [] } : s]), { rule: 'positions-first', application: 'audit', at: 'rollback from move audit/start audit on the target' }],
    ['positions are set before the stop', (p) => planted(p, (s) => (s.name === 'stop audit' ? [] : s.name.startsWith('set positions of audit') ? [s, { ...s, name: 'stop audit', effects: [{ do: 'run', application: 'audit', on: 'stopped' }], undoes: [{ do: 'run', application: 'audit', on: 'source' }] } as Change] : [s])), { rule: 'positions-first', application: 'audit' }],
  ];
  for (const [situation, plant, wanted] of cases) test(situation, () => {
    const found = checkPlan(demo, plant(planOf('stopRestartRepeat', demo)));
    assert.ok(found.some((b) => Object.entries(wanted).every(([k, v]) => b[k as keyof Breach] === v)), `${JSON.stringify(wanted)} is not among:\n${explainBreaches(found)}`);
  });
  test('one of several writers is left out of its cut', () => {
    const p = planted(planOf('stopRestartRepeat', chain), (s) => [s.kind === 'change' && s.name === 'stop a, b, c' ? { ...s, effects: (s.effects ?? []).filter((e) => e.do !== 'run' || e.application !== 'c') } : s]);
    assert.ok(checkPlan(chain, p).some((b) => b.rule === 'cut-is-proven' && b.application === 'c'));
  });
});

describe('a mistake planted in producerFirst is found', () => {
  const cases: readonly (readonly [string, (p: Plan) => Plan, Partial<Breach>])[] = [
    ['a group moves before it drained the source', dropping(/billing on the source$/), { rule: 'reads-what-comes', application: 'billing' }],
    ['positions are not set', dropping(/^set positions of enricher/), { rule: 'positions-first', application: 'enricher' }],
    ['the opening is not approved', dropping(/^approve the cut/), { rule: 'holds', step: 'cut orders/outage' }],
  ];
  for (const [situation, plant, wanted] of cases) test(situation, () => {
    const found = checkPlan(demo, plant(planOf('producerFirst', demo)));
    assert.ok(found.some((b) => Object.entries(wanted).every(([k, v]) => b[k as keyof Breach] === v)), `${JSON.stringify(wanted)} is not among:\n${explainBreaches(found)}`);
  });
});

describe('a mistake planted in stopWaitRestart is found', () => {
  const cases: readonly (readonly [string, Migration, (p: Plan) => Plan, Partial<Breach>])[] = [
    ['an application stops before it drained its input', demo, dropping(/^drain enricher/), { rule: 'positions-first', application: 'enricher' }],
    ['readers stop before they drained', demo, dropping(/^drain audit, billing/), { rule: 'positions-first', application: 'billing' }],
    ['nothing copied: readers stop before they drained', bare(demo), dropping(/^drain audit, billing/), { rule: 'reads-what-comes', application: 'audit' }],
    ['the drain is proven while the writer still runs', demo, (p) => moved(p, /^drain enricher/, /^stop shop/), { rule: 'positions-first', application: 'enricher' }],
    ['the mirror is not silenced', demo, dropping(/^silence/), { rule: 'cut-is-proven' }],
    ['nobody looks whether the enricher is gone', demo, dropping(/^confirm that enricher/), { rule: 'cut-is-proven', application: 'enricher' }],
    ['readers start before the cut', bare(demo), (p) => moved(p, /^start billing, audit/, /^mark the cut/), { rule: 'reads-what-comes' }],
    ['positions are not set', demo, dropping(/^set positions/), { rule: 'positions-first' }],
    ['the undo of the start is missing', demo, (p) => planted(p, (s) => [s.kind === 'change' && s.name.startsWith('start billing') ? { ...s, undoes: [] } : s]), { rule: 'positions-first' }],
    ['a loop is stopped although it may still turn', quietRetries, dropping(/^wait until retries/), { rule: 'reads-what-comes', application: 'work' }],
    ['nobody looks whether a loop left something', quietRetries, dropping(/^confirm that nothing is left for again, work/), { rule: 'positions-first', application: 'work' }],
    ['on the way back readers are started without positions', { ...demo, connectBack: 'connect-old' }, (p) => inBack(p, (s) => !/^set positions of audit, billing/.test(s.name)), { rule: 'positions-first', application: 'audit' }],
  ];
  for (const [situation, m, plant, wanted] of cases) test(situation, () => {
    const found = checkPlan(m, plant(planOf('stopWaitRestart', m)));
    assert.ok(found.some((b) => Object.entries(wanted).every(([k, v]) => b[k as keyof Breach] === v)), `${JSON.stringify(wanted)} is not among:\n${explainBreaches(found)}`);
  });
});

describe('a mistake planted in restartAllAtOnce is found', () => {
  const cases: readonly (readonly [string, Migration, (p: Plan) => Plan, Partial<Breach>])[] = [
    ['positions are not set', demo, dropping(/^set positions/), { rule: 'positions-first', application: 'billing' }],
    ['positions are set before the stop is confirmed', demo, dropping(/^confirm that they are gone/), { rule: 'positions-first', application: 'audit' }],
    ['the mirror is not drained', demo, dropping(/^drain the mirror/), { rule: 'cut-is-proven' }],
    ['the mirror is not silenced', demo, dropping(/^silence/), { rule: 'cut-is-proven' }],
    ['the opening is not approved', demo, dropping(/^approve the cut/), { rule: 'holds', step: 'cut everything/outage' }],
    ['a group loses what nobody consented to', bare(demo), (p) => p, { rule: 'reads-what-comes', application: 'billing' }],
    ['a group reads again what nobody consented to', { ...demo, applications: starts.applications.map((a) => ({ ...a, reads: a.reads.map((r) => ({ group: r.group, topics: r.topics, isolation: r.isolation, ...(r.start === 'earliest' ? { start: r.start } : {}) })) })) }, (p) => p, { rule: 'positions-first', application: 'billing' }],
    ['the loss is not counted', losing(demo), (p) => planted(p, (s) => [s.kind === 'change' && s.name.startsWith('begin') ? { ...s, effects: (s.effects ?? []).filter((e) => e.do !== 'forgo') } : s]), { rule: 'reads-what-comes', application: 'audit' }],
    ['the loss is counted while producers still write', losing(demo), (p) => moved(p, /^begin/, /^stop shop/), { rule: 'reads-what-comes', application: 'audit' }],
    ['the undo of the positions is missing', demo, (p) => planted(p, (s) => [s.kind === 'change' && s.name.startsWith('stop shop') ? { ...s, undoes: [] } : s]), { rule: 'undo-restores', application: 'shop' }],
    ['on the way back readers are started without positions', { ...demo, connectBack: 'connect-old' }, (p) => inBack(p, (s) => !/^set positions of audit, billing/.test(s.name)), { rule: 'positions-first', application: 'audit' }],
  ];
  for (const [situation, m, plant, wanted] of cases) test(situation, () => {
    const found = checkPlan(m, plant(planOf('restartAllAtOnce', m)));
    assert.ok(found.some((b) => Object.entries(wanted).every(([k, v]) => b[k as keyof Breach] === v)), `${JSON.stringify(wanted)} is not among:\n${explainBreaches(found)}`);
  });
});

describe('a mistake planted in a scheme that moves consumers first, or twice, is found', () => {
  const back = { ...demo, connectBack: 'connect-old' };
  const cases: readonly (readonly [SchemeName, string, (p: Plan) => Plan, Partial<Breach>])[] = [
    ['consumerFirst', 'a batch starts without positions', dropping(/^set positions of audit/), { rule: 'positions-first', application: 'audit' }],
    ['consumerFirst', 'a batch is moved by its stop alone', dropping(/^start audit/), { rule: 'holds', application: 'audit' }],
    ['consumerFirst', 'an application that writes moves in a batch', (p) => planted(p, (s) => [s.name === 'start audit on the target' ? { ...s, effects: [...((s as Change).effects ?? []), { do: 'run', application: 'enricher', on: 'target' }] } as Change : s]), { rule: 'writers-at-authority', application: 'enricher' }],
    ['dualConsume', 'the second set starts without positions', dropping(/^set positions of billing, audit on the target|^set positions of audit, billing on the target/), { rule: 'positions-first', application: 'billing' }],
    ['dualConsume', 'the first set stops before it has drained the source', dropping(/^(drain|confirm that nothing is left for) audit on the source/), { rule: 'reads-what-comes', application: 'audit' }],
    ['dualConsume', 'a writer runs on both sides', (p) => planted(p, (s) => [s.name.startsWith('start a set of') ? { ...s, effects: [{ do: 'run', application: 'shop', on: 'both' }] } as Change : s]), { rule: 'writers-at-authority', application: 'shop' }],
    ['dualConsume', 'records are carried back while both sets read', dropping(/^stop the set of/), { rule: 'reads-what-comes', application: 'billing' }],
    ['dualConsume', 'the first set is started again by an undo that forgets the copies', (p) => planted(p, (s) => [s.name.startsWith('expect copies') ? { ...s, undoes: [] } as Change : s]), { rule: 'positions-first', application: 'billing' }],
    ['dualConsume', 'an application that reads is stopped with what feeds it', dropping(/^(drain|confirm that nothing is left for) enricher on the source/), { rule: 'reads-what-comes', application: 'enricher' }],
  ];
  for (const [scheme, situation, plant, wanted] of cases) test(`${scheme}: ${situation}`, () => {
    const found = checkPlan(back, plant(planOf(scheme, back)));
    assert.ok(found.some((b) => Object.entries(wanted).every(([k, v]) => b[k as keyof Breach] === v)), `${JSON.stringify(wanted)} is not among:\n${explainBreaches(found)}`);
  });
});

describe('a mistake planted in blueGreen is found', () => {
  const m = greened({ ...demo, connectBack: 'connect-old' });
  const unmuted = (p: Plan): Plan => planted(p, (s) => [s.kind === 'change' && s.name.startsWith('start the second set') ? { ...s, effects: (s.effects ?? []).map((e) => (e.do === 'second-set' ? { ...e, state: 'doubling' as const } : e)) } : s]);
  const cases: readonly (readonly [string, (p: Plan) => Plan, Partial<Breach>])[] = [
    ['a second set that writes is not muted', unmuted, { rule: 'second-set-muted', application: 'enricher' }],
    ['the second set starts without positions', dropping(/^place /), { rule: 'positions-first', application: 'billing' }],
    ['the second set is switched to before it has read as much', dropping(/^confirm that the second set/), { rule: 'positions-first', application: 'billing' }],
    ['the second set is called even before the mirror has ended', (p) => moved(p, /^confirm that the second set/, /^drain the mirror/), { rule: 'second-set-muted' }],
    ['the first set stops before it has read everything', dropping(/^drain audit, billing/), { rule: 'second-set-muted', application: 'billing' }],
    ['nobody looks whether the first set is gone', dropping(/^confirm that enricher/), { rule: 'cut-is-proven', application: 'enricher' }],
    ['the mirror still copies what the second set writes', dropping(/^silence/), { rule: 'cut-is-proven' }],
    ['traffic is switched without the cut', dropping(/^mark the cut$/), { rule: 'writers-at-authority', application: 'shop' }],
    ['the switch is not approved', dropping(/^approve the cut/), { rule: 'holds', step: 'cut everything/outage' }],
    ['the second set starts before its topics exist', dropping(/^create topics/), { rule: 'topics-first' }],
    ['a rollback leaves the second set running', (p) => planted(p, (s) => [s.kind === 'change' && s.name.startsWith('start the second set') ? { ...s, undoes: [] } : s]), { rule: 'undo-restores' }],
    ['positions are set where the second set reads', (p) => planted(p, (s) => (s.name.startsWith('see the second set') ? [s, { ...s, name: 'set them again', effects: [{ do: 'position', group: 'billing', topics: ['orders'], on: 'target', from: 'translated' }] } as Step] : [s])), { rule: 'positions-first', application: 'billing' }],
    ['on the way back the first set is started without positions', (p) => inBack(p, (s) => !/^set positions of audit, billing/.test(s.name)), { rule: 'positions-first', application: 'audit' }],
  ];
  for (const [situation, plant, wanted] of cases) test(situation, () => {
    const found = checkPlan(m, plant(planOf('blueGreen', m)));
    assert.ok(found.some((b) => Object.entries(wanted).every(([k, v]) => b[k as keyof Breach] === v)), `${JSON.stringify(wanted)} is not among:\n${explainBreaches(found)}`);
  });
  for (const until of ['muted', 'shadow', 'doubling'] as const) for (const connectBack of ['connect-old', null]) for (const shape of [...fixtures.filter((f) => !refused.blueGreen.includes(f)), quietLoop, quietRetries])
    test(`${until}, ${shape.name}, ${connectBack === null ? 'no way back' : 'with a way back'}: keeps every rule`, () => {
      const g = greened({ ...shape, connectBack }, until);
      assert.deepEqual(check('blueGreen', g), [], explainBreaches(check('blueGreen', g)));
    });
  test('the plan says what doubles, or that nothing does', () => {
    const told = (until: 'muted' | 'shadow' | 'doubling'): string => planOf('blueGreen', greened(demo, until)).promises.join('\n');
    assert.match(told('doubling'), /Repeats: all records of the overlap, from the start of the second set to the switch, at billing, audit/);
    assert.match(told('muted'), /Repeats: none: until the switch the second set is muted/);
    assert.match(told('shadow'), /Repeats: none: until the switch the second set writes elsewhere/);
  });
});
