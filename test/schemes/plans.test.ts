/** Every scheme on every shape of migration, held against the safety model; and what it must refuse. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { checkPlan, explainBreaches } from '../../src/domain/authority-check.ts';
import type { Breach } from '../../src/domain/authority.ts';
import type { Migration } from '../../src/domain/migration.ts';
import type { Change, Outage, Plan, Step } from '../../src/domain/scheme.ts';
import { bind, unbound } from '../../src/workflows/resources/use.ts';
import { schemes, type SchemeName } from '../../src/workflows/schemes/schemes.ts';
import { chain, demo, fixtures, loop, ownReader, sharedGroup } from '../fakes/migrations.ts';

const names = Object.keys(schemes) as SchemeName[];
const planOf = (scheme: SchemeName, m: Migration): Plan => schemes[scheme](m, () => true, bind({ work: unbound, m, inventory: null, owner: 'test' }));
const check = (scheme: SchemeName, m: Migration): readonly Breach[] => checkPlan(m, planOf(scheme, m));

/** Shapes a scheme cannot move safely: it is refused before anything is written. */
const refused: Readonly<Record<SchemeName, readonly Migration[]>> = {
  stopRestartRepeat: [sharedGroup],
  // What a loop writes to itself cannot be drained without stopping it, and is lost when it is stopped.
  producerFirst: [sharedGroup, loop, ownReader],
  // Whoever shares a group moves in one batch.
  consumerFirst: [],
};

for (const scheme of names) describe(scheme, () => {
  for (const m of fixtures) {
    if (refused[scheme].includes(m)) test(`${m.name}: refused`, () => { assert.ok(check(scheme, m).length > 0); });
    else test(`${m.name}: keeps every rule, forward and back`, () => { assert.deepEqual(check(scheme, m), [], explainBreaches(check(scheme, m))); });
  }
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
