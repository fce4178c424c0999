/** Which rows there are, what a seed repeats, and what counts against a row. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseMigration } from '../../src/domain/parse-migration.ts';
import { faultNames, type FaultName } from './faults.ts';
import { controlFrom, withRow } from './data.ts';
import { enoughControls, faultsOf, promisedBy, verdictOf } from './judge.ts';
import { allPlaces, demoMigration, journeyOf, placesUpToHold, plainStep, turningPoint } from './places.ts';
import { allRows, chanceOf, chosen, isOfReaders, noFault, noStep, rowName, sample, schemeNames, spread, stepsOf, ways, type Row } from './rows.ts';
import { peersIn, roundOf, rowsIn, type RoundChoices } from './company.ts';
import { nextOf, partsOf } from './measure.ts';
import { migrationOf, renaming } from './naming.ts';
import type { Played } from './series.ts';
import { volleyOf, type Reach, type Wish } from './volley.ts';

const row = { scheme: 'stopRestartRepeat', way: 'back', step: 'mark the cut', fault: 'kill worker' } as const;
const tally = { acknowledged: 10, lost: 0, duplicated: 0, reordered: 0, duties: [], writeOutageMs: 1_000, readOutageMs: 1_000, examples: [] };
const well: Played = { struck: 'worker', unit: 'cut orders/outage', leadMs: null, tally, outages: [], retried: [], forced: [], misplaced: [], tookMs: 1 };
const control = { runs: 1, lost: 0, duplicated: 2, reordered: 0, writeOutageMs: 0 };
const journey = (scheme: (typeof schemeNames)[number]) => journeyOf(scheme, demoMigration(scheme));

test('every fault strikes at every step of every scheme, once; and each way is measured without a fault too', () => {
  assert.equal(new Set(allRows.map(rowName)).size, allRows.length);
  for (const scheme of schemeNames) for (const way of ways) assert.equal(chosen({ scheme, way }).length, stepsOf(scheme, way).length * faultNames.length + 1);
  assert.deepEqual(chosen({ scheme: 'producerFirst', way: 'forward', step: 'silence the mirror' }), []);
  for (const step of ['stop', 'fence', 'drain the mirror', 'silence the mirror', 'set positions', 'mark the cut', 'record the opening', 'open', 'see at work', 'readers: set positions'])
    assert.ok(stepsOf('stopRestartRepeat', 'forward').includes(step), step);
});

test('a step is named without what it is about, whatever names this migration gives', () => {
  assert.deepEqual(['set positions of enricher-r3 on the target', 'stop shop', 'fence enriched on the source', 'keep enricher-r12 from reading on the source', 'lift the fence of orders on the target'].map(plainStep),
    ['set positions', 'stop', 'fence', 'keep from reading', 'lift the fence']);
});

test('under the names of one of many, every migration is still taken, and nothing of it bears a name of another', () => {
  for (const scheme of schemeNames) {
    const other = migrationOf(scheme, renaming('r7'));
    parseMigration(other, scheme);
    assert.deepEqual(migrationOf(scheme, (word) => word), demoMigration(scheme));
    assert.doesNotMatch(JSON.stringify(Object.values(other)), /"(orders|enriched|shop|enricher|billing|audit|demo)(-green)?"/, scheme);
  }
});

test('steps are found in every stretch between two holds, and every stretch leads on to the next', () => {
  for (const scheme of schemeNames) {
    const { forward, back } = journey(scheme);
    const reached = [...forward.flatMap((u, i) => (u.step.kind === 'hold' ? placesUpToHold({ forward, back }, 'forward', i + 1) : [])), ...[-1, ...back.flatMap((u, i) => (u.step.kind === 'hold' ? [i] : []))].flatMap((i) => placesUpToHold({ forward, back }, 'back', i + 1))];
    assert.deepEqual(new Set(reached.map((p) => p.awaited.includes)), new Set(allPlaces({ forward, back }).map((p) => p.awaited.includes)), scheme);
    for (const readers of [true, false]) assert.ok(forward.some((u) => u.phase === turningPoint({ forward, back }, readers)), scheme);
  }
});

test('a rollback turns before the readers moved, or just before the first outage', () => {
  assert.equal(turningPoint(journey('stopRestartRepeat'), true), 'approve');
  assert.equal(turningPoint(journey('stopRestartRepeat'), false), 'move audit');
  assert.equal(turningPoint(journey('producerFirst'), true), 'prepare');
});

test('a step is known by the ledger key of its call, the opening by the journal that is recorded there', () => {
  const { forward, back } = journey('stopRestartRepeat');
  const [marked, opened] = [allPlaces({ forward, back }).filter((p) => p.step === 'mark the cut'), allPlaces({ forward, back }).filter((p) => p.step === 'record the opening')];
  assert.deepEqual(marked.map((p) => p.awaited.includes), ['/cut enriched/outage/mark the cut/', '/cut orders/outage/mark the cut/', '/back orders/outage/mark the cut/', '/back enriched/outage/mark the cut/']);
  assert.deepEqual(opened[3]?.awaited, { includes: '"opening":"back enriched/outage"', mode: 'outage', activity: 'remember' });
});

test('a seed draws the same rows and the same chance again, whichever rows run beside them', () => {
  assert.deepEqual(sample(allRows, 5, 7), sample(allRows, 5, 7));
  assert.notDeepEqual(sample(allRows, 5, 7), sample(allRows, 5, 8));
  const [a, b] = [chanceOf(row, 7), chanceOf(row, 7)];
  assert.deepEqual([a.leadMs, a.draw()], [b.leadMs, b.draw()]);
});

test('readers are killed by themselves: wherever they move, and at about every second of the other steps', () => {
  const kills = allRows.filter((r) => r.fault === 'kill application');
  const [moving, others] = [kills.filter((r) => r.step.startsWith('readers: ')), kills.filter((r) => !r.step.startsWith('readers: '))];
  assert.ok(moving.length > 0 && moving.every((r) => isOfReaders(r, 7)));
  const share = others.filter((r) => isOfReaders(r, 7)).length / others.length;
  assert.ok(share > 0.3 && share < 0.7, String(share));
  assert.ok(!allRows.some((r) => r.fault !== 'kill application' && isOfReaders(r, 7)));
});

test('stacks share the rows by fault, about evenly, and each plays its own in the order they came', () => {
  const rows = spread(allRows, 7);
  const parts = partsOf(rows, 2);
  assert.deepEqual(parts.flat().map(rowName).sort(), rows.map(rowName).sort());
  const [a = [], b = []] = parts;
  assert.ok(!a.some((r) => b.some((o) => o.fault === r.fault)));
  assert.ok(Math.abs(a.length - b.length) < rows.length / 10, `${a.length} and ${b.length}`);
  assert.deepEqual(a, rows.filter((r) => a.includes(r)));
  assert.deepEqual(partsOf(rows, 1), [rows]);
  assert.deepEqual(partsOf(rows.filter((r) => r.fault === 'kill worker'), 2).map((p) => p.length > 0), [true, false]);
});

test('whenever the time is over, no fault was left out while another came twice', () => {
  const pairs = schemeNames.length * ways.length * (faultNames.length + 1);
  const first = spread(allRows, 7).slice(0, pairs);
  assert.equal(new Set(first.map((r) => `${r.scheme} ${r.way} ${r.fault}`)).size, pairs);
  assert.deepEqual(new Set(spread(allRows, 7).map(rowName)), new Set(allRows.map(rowName)));
  assert.notDeepEqual(spread(allRows, 7), spread(allRows, 8));
});

const others: RoundChoices = { single: new Set<string>(), repeating: new Set<FaultName>(), quiet: () => [], most: 4, inVain: () => 0 };
const of = (fault: Row['fault'], step = 'stop'): Row => ({ scheme: 'stopRestartRepeat', way: 'forward', step, fault });
/** What each of a company plays. */
const play = (wishes: readonly (readonly Row[])[], x: Partial<RoundChoices> = {}) => {
  const peers = peersIn(wishes.map((w) => w[0]?.scheme));
  const round = roundOf(wishes, peers, { ...others, ...x });
  return wishes.map((w, i) => rowsIn(round, i, w, { single: x.single ?? others.single, peers: peers[i] ?? { size: 1, turn: 0 } }));
};

test('faults strike beside others, but applications, and those of which nobody could say what they did, by themselves', () => {
  const [a, b, c, d] = [of('kill worker'), of('pause Temporal', 'fence'), of('kill application'), of('kill target broker')];
  const plain: Row = { ...a, step: noStep, fault: noFault };
  assert.deepEqual(play([[a, b, c, d]]), [[a, b, d]]);
  assert.deepEqual(play([[c, a, b]]), [[a, b]], 'as many as possible');
  assert.deepEqual(play([[c, a]]), [[c]]);
  assert.deepEqual(play([[c, a, b]], { inVain: (r) => (r === c ? 0 : 2) }), [[c]], 'what is out of reach keeps nothing back for ever');
  assert.deepEqual(play([[a, b, d]], { single: new Set([rowName(a)]) }), [[b, d]]);
  assert.deepEqual(play([[a, b]], { single: new Set([rowName(a)]) }), [[a]]);
  assert.deepEqual(play([[b, a, d]], { single: new Set([rowName(a)]) }), [[b, d]]);
  assert.deepEqual([play([[plain, a]]), play([[a, plain]]), play([[]])], [[[plain]], [[a]], [[]]]);
  assert.deepEqual(roundOf([[a, b]], [{ size: 1, turn: 0 }], { ...others, single: new Set([rowName(a)]) }), { kind: 'joint', faults: new Set(['kill worker']), most: 1, leader: 0 });
});

test('an application of which a fault lets nobody read again is struck beside others, and by itself once nobody could say what did it', () => {
  const quiet: RoundChoices['quiet'] = (fault) => (fault === 'kill application' ? ['shop'] : []);
  const [a, b, c] = [of('kill worker'), of('kill application'), of('pause application')];
  assert.deepEqual(play([[a, b, c]], { quiet }), [[a, b]]);
  assert.deepEqual(play([[b, a, c]], { quiet }), [[b, a]]);
  assert.deepEqual(play([[c, a]], { quiet }), [[c]]);
  assert.deepEqual(play([[b, a, c]], { quiet, single: new Set([rowName(b)]) }), [[b]]);
});

test('faults that let somebody read again by themselves strike beside their like only', () => {
  const [a, b, d, e] = [of('kill worker'), of('pause Temporal', 'fence'), of('kill target broker'), of('kill target broker', 'open')];
  const repeating = new Set<FaultName>(['kill target broker', 'pause target broker']);
  const f = of('pause target broker', 'open');
  assert.deepEqual(play([[d, a, b, e, f]], { repeating }), [[d, e]]);
  assert.deepEqual(play([[f, d, a]], { repeating }), [[f]]);
  assert.deepEqual(play([[a, d, b, e]], { repeating }), [[a, b]]);
});

test('of several migrations on one stack all are struck by the same, an application by what concerns no other, and without a fault none', () => {
  const [a, b, plain] = [of('kill worker'), of('kill worker', 'open'), of(noFault, noStep)];
  const apps = ['stop', 'fence', 'open', 'see at work'].flatMap((step) => [of('pause application', step), of('kill application', step)]);
  const [pauses, kills] = [apps.filter((r) => r.fault === 'pause application'), apps.filter((r) => r.fault === 'kill application')];
  assert.deepEqual(play([[a, b], [a, b]]), [[a, b], [a, b]]);
  assert.deepEqual(play([[plain], [plain]]), [[plain], []]);
  assert.deepEqual(play([[plain, a], [plain, a]]), [[a], [a]]);
  assert.deepEqual(play([apps, apps]), [[pauses[0], pauses[2]], [pauses[1], pauses[3]]], 'each its own');
  assert.deepEqual(play([kills, kills]), [[kills[0]], [kills[1]]], 'once');
  assert.deepEqual(play([[b, a], [b, a]], { single: new Set([rowName(b)]) }), [[b, a], [b, a]], 'once, each where it is');
  const otherwise = (r: Row): Row => ({ ...r, scheme: 'blueGreen' });
  assert.deepEqual(play([kills.slice(0, 1), kills.slice(0, 1).map(otherwise)]), [kills.slice(0, 1), kills.slice(0, 1).map(otherwise)], 'those of another scheme share nothing');
  assert.deepEqual(play([[], [a]]), [[], [a]]);
});

test('a volley hits as many as it can, by one fault, each in another row, at steps that lie side by side', () => {
  const places = placesUpToHold(journey('stopRestartRepeat'), 'forward', journey('stopRestartRepeat').forward.findIndex((u) => u.name === 'cut enriched/outage'));
  const reaches = (rows: readonly Row[]): Reach[] => rows.flatMap((row) => places.flatMap((place, at) => (place.step === row.step && row.fault !== noFault ? [{ row: { ...row, fault: row.fault }, place, at }] : [])));
  const steps = places.map((p) => p.step);
  const far = steps.at(-1) ?? '';
  const wide = reaches([of('kill worker'), of('pause worker', far), of('kill worker', far), of('kill worker', steps[1]), of('pause worker', steps[2])]);
  const hit = (all: ReadonlyMap<number, readonly Reach[]>, wish?: Wish) => [...volleyOf(all, wish)].sort(([x], [y]) => x - y).map(([member, { row }]) => `${member}: ${row.step}, ${row.fault}`);
  const [both, few] = [new Map([[0, wide], [1, wide]]), new Map([[0, wide.slice(1, 3)], [1, wide.slice(1, 3)]])];
  assert.deepEqual(hit(both), ['0: stop, kill worker', `1: ${steps[1]}, kill worker`]);
  assert.deepEqual(hit(few), [`0: ${far}, pause worker`], 'of equals what is wished for most');
  assert.deepEqual(hit(new Map([[0, wide], [1, wide.slice(1, 2)]]), { leader: 1, isLast: false }), [`1: ${far}, pause worker`], 'not without its leader');
  const ends = reaches([of('kill worker'), of('kill worker', far)]);
  assert.deepEqual([hit(new Map([[0, ends]])), hit(new Map([[0, ends]]), { leader: null, isLast: true })], [['0: stop, kill worker'], [`0: ${far}, kill worker`]], 'the end comes last');
  assert.deepEqual(hit(new Map([[0, []]])), []);
});

test('what is played next: the fewest turns first, then the most rows', () => {
  const rows = allRows.filter((r) => r.fault === 'kill worker');
  const most = schemeNames.toSorted((a, b) => rows.filter((r) => r.scheme === b).length - rows.filter((r) => r.scheme === a).length);
  const next = (n: number, turns: readonly string[] = [], of: readonly Row[] = rows) => nextOf(of, new Map(turns.map((t) => [t as Row['scheme'], 1])), n);
  assert.deepEqual([next(1).schemes, next(1).share], [most.slice(0, 1), 1 / schemeNames.length]);
  assert.deepEqual(next(1, most.slice(0, 2)), { schemes: [most[2]], share: 1 / (schemeNames.length - 2), rows: rows.filter((r) => r.scheme === most[2]) });
  assert.deepEqual([next(4).schemes, next(4).share], [most.slice(0, 4), 4 / schemeNames.length], 'each migration side by side has its own');
  assert.deepEqual([next(4, most.slice(0, 4)).schemes, next(4, most.slice(0, 4)).share], [[...most.slice(4), most[0]], 1]);
  const [some, few] = [rows.filter((r) => r.scheme === most[0]).slice(0, 6), rows.filter((r) => r.scheme === most[1]).slice(0, 2)];
  assert.deepEqual(next(4, [], [...few, ...some]).schemes, [most[0], most[1], most[0], most[0]], 'of few schemes several migrations of one');
});

test('repeats count against a row only above what the fault does alone; losses, order and places always do', () => {
  const kept = promisedBy('stopRestartRepeat');
  assert.deepEqual(faultsOf(well, null, kept), []);
  const repeated = { ...well, tally: { ...tally, duplicated: 3 } };
  assert.deepEqual(faultsOf(repeated, { ...control, duplicated: 3 }, kept), []);
  assert.deepEqual(faultsOf(repeated, control, kept), ['3 read again, 2 by the fault alone']);
  assert.deepEqual(faultsOf({ tally: { ...tally, lost: 1, reordered: 2 }, misplaced: ['shop runs 2 times on the source'] }, { ...control, lost: 5 }, kept), ['1 lost', '2 out of order', 'shop runs 2 times on the source']);
  assert.deepEqual(faultsOf({ tally: { ...tally, lost: 1, duplicated: 9, reordered: 2 }, misplaced: [] }, control, { loss: 'counted', repeats: 'counted', order: 'measured' }), [], 'not promised');
  assert.deepEqual([verdictOf(row, well, null), verdictOf(row, null, null), verdictOf(row, repeated, control), verdictOf(row, repeated, { ...control, runs: enoughControls })], ['passed', 'unknown', 'open', 'failed']);
  assert.equal(verdictOf({ ...row, fault: noFault }, { ...repeated, struck: noFault }, null), 'failed', 'nothing struck, so nothing else is to blame');
});

test('what a fault did alone is compared in proportion to the traffic', () => {
  const about = { ranAt: '', commit: '', code: '', seed: 1, machineLoad: 1, machine: '', ordersPerSecond: 300 };
  const alone = [{ ...about, name: 'pause broker', tally: { ...tally, duplicated: 668, writeOutageMs: 9_000 } }, { ...about, name: 'pause broker', tally }];
  assert.deepEqual(controlFrom({ alone }, 'pause broker', 75), { runs: 2, lost: 0, duplicated: 167, reordered: 0, writeOutageMs: 9_000 });
  assert.deepEqual([300, 600].map((rate) => controlFrom({ alone }, 'pause broker', rate)?.duplicated), [668, 668], 'and never made more');
  assert.equal(controlFrom({ alone }, 'kill broker', 300), null);
});

test('of what is kept no folder of the machine is part: a program is called by its name, everything else stays', () => {
  const about = { ranAt: '2026-11-22T00:00:00Z', commit: 'abc', code: 'def', seed: 1, ordersPerSecond: 1, machineLoad: 1, machine: '2 cores' };
  const said = (text: string): string | undefined => withRow({ rows: [], alone: [] }, { row, played: { ...well, retried: [text] }, why: '' }, about).rows[0]?.played?.retried[0];
  assert.equal(said('the stop command of fleet billing (/some/where/.bin/node) did not end'), 'the stop command of fleet billing (node) did not end');
  assert.equal(said('/opt/fleet/switch failed'), 'switch failed');
  for (const text of ['cut orders/outage failed: orders/0 of http://127.0.0.1:8080/a/b', 'lost/duplicated/reordered 0/0/0']) assert.equal(said(text), text);
});
