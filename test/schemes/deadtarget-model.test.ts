/** The way back without the target, held against the safety model from every state after an opening; and what it must not leave out. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { checkPlan, explainBreaches } from '../../src/domain/authority-check.ts';
import type { Migration } from '../../src/domain/migration.ts';
import type { Plan } from '../../src/domain/scheme.ts';
import { bind, unbound } from '../../src/workflows/resources/use.ts';
import { schemes, type SchemeName } from '../../src/workflows/schemes/schemes.ts';
import { demo, pipeline, shapedFor, twoWriters, unfenced, writerOnly } from '../fakes/migrations.ts';

const planOf = (scheme: SchemeName, given: Migration): Plan => {
  const m = { ...shapedFor(scheme, given), connectBack: 'connect-old' };
  return schemes[scheme](m, () => true, bind({ work: unbound, m, inventory: null, owner: 'test', has: () => true }));
};
/** The same plan without the steps whose names match. */
const lacking = (plan: Plan, steps: RegExp): Plan => {
  const { withoutTarget } = plan;
  assert.ok(withoutTarget, 'a plan with a way back has one without the target');
  return { ...plan, withoutTarget: (applications) => withoutTarget(applications).map((p) => ({ ...p, steps: p.steps.filter((s) => !steps.test(s.name)) })) };
};

/** Every scheme has one. */
const able = Object.keys(schemes) as SchemeName[];

for (const scheme of able) describe(scheme, () => {
  for (const m of [demo, unfenced, twoWriters, pipeline, writerOnly])
    test(`${m.name}: from wherever the target dies, everything stands on the source at the end`, () => { const found = checkPlan(m, planOf(scheme, m)); assert.deepEqual(found, [], explainBreaches(found)); });
  for (const [what, steps, rule] of [
    ['nobody is told to stop', /^tell .* to stop$/, /cut-is-proven|positions-first|writers-at-authority|reads-what-comes/],
    ['the mirrors back go on', /^silence the mirrors back$/, /cut-is-proven|mirror-one-way/],
    ['the cut is not marked', /^mark the cut of /, /writers-at-authority/],
    ['positions are left as they were', /^set positions on the source/, /positions-first/],
    ['the fences stay up', /^lift the fences/, /fence-stands/],
    ['nobody is started', /^start .* on the source$/, /nothing-left/],
  ] as const) test(`left out, and found: ${what}`, () => {
    const found = checkPlan(demo, lacking(planOf(scheme, demo), steps)).filter((b) => b.at.startsWith('without the target'));
    assert.ok(found.some((b) => rule.test(b.rule)), explainBreaches(found));
  });
});
