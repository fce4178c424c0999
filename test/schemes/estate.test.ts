/** Every wave of an estate, at its turn, makes a plan that keeps the safety model: on the way forward, and on every way back. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { checkPlan, explainBreaches } from '../../src/domain/authority-check.ts';
import { freshWave, type EstateJournal } from '../../src/domain/estate-journal.ts';
import { migrationOf } from '../../src/domain/estate-migrations.ts';
import { planWaves } from '../../src/domain/estate-waves.ts';
import { groundworkWave, groupsOf, type Migration } from '../../src/domain/migration.ts';
import { parseEstate } from '../../src/domain/parse-estate.ts';
import type { Plan } from '../../src/domain/scheme.ts';
import { units } from '../../src/domain/scheme.ts';
import { bind, unbound } from '../../src/workflows/resources/use.ts';
import { groundwork } from '../../src/workflows/schemes/groundwork.ts';
import { copies, isSchemeName, schemes } from '../../src/workflows/schemes/schemes.ts';
import { application, estate, knownEstates } from '../domain/estates.ts';

function journalOf(typed: unknown): EstateJournal {
  const parsed = parseEstate(typed, copies);
  const plan = planWaves(parsed, copies);
  return {
    version: 1, run: 'run', workflowId: 'cutover-estate/east/west/shop', estate: parsed, plan, planHash: 'plan', copies, partitions: {}, searchAttributes: [], approved: true,
    groundwork: freshWave(groundworkWave), waves: plan.waves.map((w) => freshWave(w.name)), starting: null, goingBack: [], finishing: [], home: null, question: null, wanted: null,
    paused: false, refused: null, audit: [], runs: 1, startedMs: 0,
  };
}
const planned = (m: Migration, scheme: string): Plan => {
  const use = bind({ work: unbound, m, inventory: null, owner: 'estate', has: () => true });
  return scheme === 'groundwork' ? groundwork(m, () => true, use) : isSchemeName(scheme) ? schemes[scheme](m, () => true, use) : assert.fail(scheme);
};
function checkAll(typed: unknown): readonly { readonly wave: string; readonly plan: Plan; readonly m: Migration }[] {
  const j = journalOf(typed);
  const made = [{ wave: groundworkWave, scheme: 'groundwork' }, ...j.plan.waves.map((w) => ({ wave: w.name, scheme: w.scheme }))].map(({ wave, scheme }) => {
    const m = migrationOf(j, wave);
    const plan = planned(m, scheme);
    const groups = m.applications.flatMap(groupsOf);
    // A migration takes a group from one application only, and refuses this one.
    const breaches = new Set(groups).size < groups.length ? [] : checkPlan(m, plan);
    assert.equal(breaches.length, 0, `${wave} (${scheme}): ${explainBreaches(breaches)}\n${JSON.stringify(typed)}`);
    const record = j.waves.find((w) => w.name === wave);
    if (record) record.state = 'settled';
    return { wave, plan, m };
  });
  return made;
}

test('the waves of any estate that copies', () => {
  fc.assert(fc.property(knownEstates, ({ estate: typed }) => { checkAll(typed); }), { numRuns: 25 });
});

test('a canary reads early, others follow what was cut; the groundwork owns locks and what is fed, the waves the rest', () => {
  const typed = estate([
    application('reports', { hint: 'canary', reads: [{ group: 'reports', topics: ['orders'] }] }),
    application('shop', { writes: ['orders'], wave: 'orders' }),
    application('billing', { reads: [{ group: 'billing', topics: ['orders'] }], writes: ['invoices'] }),
  ], { waves: [{ name: 'orders' }] });
  const all = checkAll(typed).map(({ wave, plan }) => ({ wave, units: units(plan.forward).map((u) => u.name) }));
  assert.deepEqual(all[0]?.units, ['check/take the locks', 'prepare/create topics on the target', 'prepare/hold retention on the target', 'prepare/keep tombstones longer on the source', 'mirror/mirror orders', 'mirror/wait until the mirrors caught up', 'finish/approve the finish', 'finish/set retention on the target as on the source', 'finish/keep tombstones on the source as before', 'finish/give the locks back']);
  for (const { wave, units: of } of all.slice(1)) assert.ok(!of.some((u) => u.includes('the locks')), `${wave} leaves the locks to the estate`);
  assert.ok(!all[1]?.units.some((u) => u.startsWith('prepare/') || u.startsWith('cut ')), 'a canary that only reads creates and cuts nothing');
});

test('where nothing is copied, readers follow their writers', () => {
  checkAll(estate([
    application('legacy', { writes: ['legacy'] }), application('ledger', { reads: [{ group: 'ledger', topics: ['legacy'] }], writes: ['entries'] }), application('audit', { reads: [{ group: 'audit', topics: ['entries', 'legacy'] }] }),
  ], { scheme: 'producerFirst', waveSize: 1 }));
});

test('readers of a wave move together as far as the estate allows, writers by themselves, and one after the other where nothing was said', () => {
  const readers = ['ads', 'books', 'mail', 'reports', 'shipping'].map((name) => application(name, { reads: [{ group: name, topics: ['orders'] }] }));
  const all = [application('shop', { writes: ['orders'], wave: 'orders' }), ...readers];
  const movesOf = (more: object, wave = 'wave-1'): readonly string[] => [...new Set(checkAll(estate(all, { waves: [{ name: 'orders' }], ...more })).filter((x) => x.wave === wave).flatMap(({ plan }) => plan.forward.map((p) => p.name)))].filter((n) => n.startsWith('move '));
  assert.deepEqual(movesOf({}), ['move ads', 'move books', 'move mail', 'move reports', 'move shipping']);
  assert.deepEqual(movesOf({ atOnce: 2 }), ['move ads, books', 'move mail, reports', 'move shipping']);
  assert.deepEqual(movesOf({ atOnce: 2, scheme: 'consumerFirst' }), ['move ads, books', 'move mail, reports', 'move shipping']);
  assert.deepEqual(movesOf({ atOnce: 100 }), ['move ads, books, mail, reports, shipping']);
  assert.deepEqual(movesOf({ atOnce: 2 }, 'orders'), []);
  assert.deepEqual(movesOf({ atOnce: 2, scheme: 'producerFirst' }).slice(0, 2), ['move ads', 'move books']);
  assert.throws(() => movesOf({ atOnce: 0 }), /atOnce/);
});
