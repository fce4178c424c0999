/** The shadow of a migration: the same scheme, and no name of anything real in it. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fingerprintOf, inRealWords, rehearsalOf } from '../../src/domain/rehearsal.ts';
import { agoText, parseRehearsed, rehearsedFigures, rehearsedOf, type Seen } from '../../src/domain/rehearsed.ts';
import { cutSets } from '../../src/domain/cutsets.ts';
import { groupsOf } from '../../src/domain/migration.ts';
import { parseMigration } from '../../src/domain/parse-migration.ts';
import { expand } from '../../src/domain/topic-names.ts';
import type { OutageRecord } from '../../src/domain/progress.ts';
import { schemes } from '../../src/workflows/schemes/schemes.ts';
import { demo, twoWriters } from '../fakes/migrations.ts';

const real = parseMigration({ ...demo, applications: demo.applications.map((a) => (a.name === 'enricher' ? { ...a, transactionalIds: ['enrich-1'] } : a)), groups: { console: 'leave' } }, 'stopRestartRepeat');
const r = rehearsalOf(real, 'stopRestartRepeat', 'stand-ins');

test('every topic, group, application, principal, transactional id and fleet is a shadow; clusters, budget and limits are the real ones', () => {
  const m = r.migration;
  const names = [...m.topics, ...m.applications.flatMap((a) => [...a.writes, ...groupsOf(a), ...a.reads.flatMap((x) => x.topics), ...a.transactionalIds])];
  assert.deepEqual(names.filter((n) => !n.startsWith('cutover-rehearsal.demo.')), []);
  assert.deepEqual(m.applications.map((a) => [a.name, a.fleet]), real.applications.map((a) => [`rehearsal-${a.name}`, 'stand-ins']));
  assert.deepEqual(m.applications.flatMap((a) => a.principals).filter((p) => !p.startsWith('User:cutover-rehearsal.demo.')), []);
  assert.deepEqual(m.groups, {});
  assert.equal(m.name, 'rehearsal-demo');
  for (const key of ['source', 'target', 'connect', 'connectBack', 'outage', 'limits'] as const) assert.deepEqual(m[key], real[key]);
  assert.deepEqual(cutSets(m).map((s) => inRealWords(r, s.name)), cutSets(real).map((s) => s.name));
});

test('who stands in for whom: what it copies, what it reads, and transactions where the real one has them', () => {
  const enricher = r.standIns.find((s) => s.application === 'rehearsal-enricher');
  assert.deepEqual(enricher, {
    application: 'rehearsal-enricher', transactionalId: 'cutover-rehearsal.demo.enrich-1',
    copies: [{ topic: 'enriched', shadow: 'cutover-rehearsal.demo.enriched', index: 0, of: 1 }],
    reads: [{ group: 'enricher', shadow: 'cutover-rehearsal.demo.enricher', topics: ['cutover-rehearsal.demo.orders'] }],
  });
  const shared = rehearsalOf(parseMigration(twoWriters, 'stopRestartRepeat'), 'stopRestartRepeat', 'stand-ins').standIns.flatMap((s) => s.copies).filter((c) => c.topic === 'clicks');
  assert.deepEqual(shared.map((c) => [c.index, c.of]), [[0, 2], [1, 2]]);
});

for (const scheme of Object.keys(schemes).filter((s) => s !== 'blueGreen'))
  test(`${scheme} can be rehearsed, and the shadow is cut as the real one`, () => {
    const m = parseMigration({ ...demo, cuts: undefined, applications: demo.applications.map((a) => ({ ...a, principals: [] })) }, scheme);
    const shadow = rehearsalOf(m, scheme, 'stand-ins');
    assert.equal(shadow.migration.cuts, m.cuts);
    assert.equal(cutSets(shadow.migration).length, cutSets(m).length);
  });

test('hooks, a wave of an estate, and names that get too long are refused', () => {
  const green = { ...real, blueGreen: { fleets: {}, until: 'muted' as const, traffic: 't', live: 'l', validate: null }, estate: { id: 'e', run: 'r', wave: 'w', feeds: [], elsewhere: [] } };
  assert.throws(() => rehearsalOf(green, 'blueGreen', 'stand-ins'), /demo cannot be rehearsed as blueGreen:\n- its hooks switch real traffic[\s\S]*- it is a wave of an estate/);
  const long = 'x'.repeat(240);
  assert.throws(() => rehearsalOf({ ...real, topics: [...real.topics, long] }, 'stopRestartRepeat', 'stand-ins'), /at most 249/);
});

test('no pattern of a real migration takes a shadow', () => {
  assert.deepEqual(expand(['*orders'], ['orders', 'cutover-rehearsal.demo.orders']).names, ['orders']);
  assert.deepEqual(expand(['cutover-rehearsal.demo.orders'], ['cutover-rehearsal.demo.orders']).names, ['cutover-rehearsal.demo.orders']);
});

const outage = (set: string, more: Partial<OutageRecord> = {}): OutageRecord => ({
  name: `cut cutover-rehearsal.demo.${set}/outage`, startedMs: 1_000, endedMs: 1_700, outcome: 'opened', why: '', addedMs: 500, temporalMs: 60,
  steps: [
    { name: 'stop rehearsal-shop', fromMs: 1_000, toMs: 1_100, say: '' }, { name: 'confirm that they are gone', fromMs: 1_110, toMs: 1_160, say: '' },
    { name: 'drain the mirror', fromMs: 1_170, toMs: 1_270, say: '' }, { name: 'silence the mirror', fromMs: 1_280, toMs: 1_380, say: '' },
    { name: 'set positions of rehearsal-enricher on the target', fromMs: 1_390, toMs: 1_440, say: '' },
    { name: 'mark the cut', fromMs: 1_450, toMs: 1_550, say: '' }, { name: 'open: start rehearsal-shop on the target', fromMs: 1_600, toMs: 1_700, say: '' },
  ], ...more,
});
const seen: Seen = { outcome: 'completed', outages: [outage('enriched'), outage('orders')], silentMs: { 'cutover-rehearsal.demo.orders': 640 }, failed: [], notes: [], atMs: 2_000 };

test('a go: each cut from its first stop to the first start, by parts, in names of the real ones', () => {
  const result = rehearsedOf(r, seen);
  assert.deepEqual([result.verdict, result.reasons], ['go', []]);
  const orders = result.cuts.find((c) => c.name === 'orders');
  assert.deepEqual({ ...orders, parts: Object.fromEntries(orders?.parts ?? []) }, {
    name: 'orders', topics: ['orders'], outcome: 'opened', why: '', wholeMs: 600, allowedMs: 15_000, stopMs: 100, silentMs: 640,
    parts: { stop: 100, gone: 50, drain: 100, silence: 100, positions: 50, cut: 100, Temporal: 100, start: 100 },
  });
  assert.deepEqual(parseRehearsed(JSON.stringify(result)), result);
});

test('no-go: over the budget, undone, not reached, or failed, each with its reason', () => {
  const late = outage('orders', { steps: outage('orders').steps.map((s) => (s.name.startsWith('open') ? { ...s, fromMs: 17_000, toMs: 17_100 } : s)) });
  assert.match(rehearsedOf(r, { ...seen, outages: [outage('enriched'), late] }).reasons.join(), /outage of orders took 16,000 ms of the 15,000 ms/);
  const undone = rehearsedOf(r, { ...seen, outcome: 'rolled-back', outages: [outage('enriched', { outcome: 'undone', why: 'BudgetExceeded: rehearsal-enricher' })], failed: ['the mirror of cutover-rehearsal.demo.orders is stuck.'] });
  assert.equal(undone.verdict, 'no-go');
  assert.deepEqual(undone.reasons, ['the mirror of orders is stuck.', 'the outage of enriched undid itself: BudgetExceeded: enricher', 'not cut: enriched, orders.']);
});

test('at the real hold: its age, its figure, and the stop of the real ones where it is known', () => {
  const set = cutSets(real).find((s) => s.name === 'orders');
  assert.ok(set);
  const at = { m: real, set, allowedMs: 15_000, stopMs: null, nowMs: 2_000 + 3 * 3_600_000 };
  assert.deepEqual(rehearsedFigures(null, at), ['not rehearsed: cutover rehearse measures this outage on shadow topics']);
  const kept = rehearsedOf(r, seen);
  const [told, real_] = rehearsedFigures(kept, at);
  assert.match(told ?? '', /^rehearsed at 1970-01-01T00:00:02\.000Z \(3 h ago\) as stopRestartRepeat, go: 600 ms of 15,000 ms \(stop 100, .*start 100\)$/);
  assert.equal(real_, 'the stand-ins stopped in 100 ms, the real stop has not been measured yet');
  assert.match(rehearsedFigures(kept, { ...at, stopMs: 900 })[1] ?? '', /^forecast from the rehearsal: 1,400 ms, with the stop as it took before \(900 ms\)/);
  assert.match(rehearsedFigures({ ...kept, of: 'another' }, at)[0] ?? '', /the migration has changed since$/);
  assert.equal(fingerprintOf(real), fingerprintOf({ ...real, limits: { ...real.limits, lagRecords: 1 }, groups: {} }));
});

test('ages in the largest unit that fits', () => {
  assert.deepEqual([5_000, 61_000, 7_300_000, 86_400_000, 200_000_000].map(agoText), ['5 s ago', '1 min ago', '2 h ago', '1 day ago', '2 days ago']);
});
