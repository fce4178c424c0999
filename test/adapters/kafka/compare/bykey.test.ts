/** Compacted partitions in situations met: empty, freshly cleaned, cleaned while compared, overwritten since. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { differing, noCounts, type Counts } from '../../../../src/domain/diff/difference.ts';
import { compared, idle, sideOf, upTo, type Cleaner, type Told, type Written } from './thinning.ts';

const endsOf = (origin: number, copy = origin) => ({ origin: BigInt(origin), copy: BigInt(copy) });
const history = (n: number, keys: number): readonly Written[] => Array.from({ length: n }, (_, i) => ({ key: `k${i % keys}`, value: `v${i}` }));
const side = (log: readonly Written[], first: Cleaner = idle) => sideOf({ log, shift: 0, first, then: [] });
const said = (told: Told, wanted: Partial<Counts>): void => {
  assert.deepEqual([told.end.decided, told.end.state?.counts], ['all', { ...noCounts, ...wanted }]);
  assert.deepEqual(told.last, told.end.state);
};

test('behind a running mirror, nothing copied yet: all that is copied has been compared, and what comes then is compared from there', async () => {
  for (const log of [[], history(30, 3)]) {
    const nothing = await compared({ origin: side(log), copy: side([]) }, { ends: endsOf(log.length, 0), horizon: 'open' });
    said(nothing, {});
    const all = history(30, 3);
    said(await compared({ origin: side(all), copy: side(all) }, { ends: endsOf(30), state: nothing.end.state }), { matched: 30 });
  }
});

test('behind a running mirror: a hot key, of which the source has the last records only and the copy all', async () => {
  const log = history(40, 1);
  said(await compared({ origin: side(log, upTo(39)), copy: side(log) }, { ends: endsOf(40), horizon: 'open' }), { matched: 1 });
  said(await compared({ origin: side(log, upTo(38)), copy: side(log) }, { ends: endsOf(40), horizon: 'open' }), { matched: 2 });
});

test('behind a mirror that stands still, the source has dropped what was copied last: compared up to what both still have', async () => {
  const log = [...history(20, 10), ...Array.from({ length: 20 }, (_, i): Written => ({ key: 'hot', value: `v${i}` }))];
  const told = await compared({ origin: side(log, upTo(35)), copy: side(log.slice(0, 30)) }, { ends: endsOf(40, 30), horizon: 'open' });
  said(told, { keys: 10 });
  assert.deepEqual(told.end.state?.at, { origin: '20', copy: '20' });
  const none = await compared({ origin: side(history(40, 1), upTo(35)), copy: side(history(20, 1)) }, { ends: endsOf(40, 20), horizon: 'open' });
  assert.deepEqual([none.end.decided, none.end.state, none.reports], ['undecided', null, []], 'not one of them: the mirror must go on');
});

test('the cleaner of the source runs between the keys and the tail: no difference, and none from the state kept', async () => {
  const log = history(1_000, 10);
  const [origin, copy] = [{ log, shift: 0, first: idle, then: [] }, side(log)];
  const cleaned = side(log, upTo(490));
  let wire = sideOf(origin).wire;
  const sides = { origin: { ...sideOf(origin), get wire() { return wire; } }, copy };
  let begun = 0;
  const told = await compared(sides, { ends: endsOf(1_000) }, ({ beginning }) => { if (beginning !== null && (begun += 1) === 1) wire = cleaned.wire; });
  said(told, { matched: 510 });
  assert.deepEqual([begun, told.listed], [2, []]);
  said(await compared(sides, { ends: endsOf(1_000), state: told.end.state }), { matched: 510 });
});

test('differences that an earlier release kept because of a cleaner: compared anew, and gone', async () => {
  const log = history(1_000, 10);
  const kept = { from: { origin: '10', copy: '10' }, at: { origin: '1000', copy: '1000' }, counts: { ...noCounts, matched: 510, extra: 480 }, hash: { value: '', from: '10' }, lost: null };
  said(await compared({ origin: side(log, upTo(490)), copy: side(log) }, { ends: endsOf(1_000), state: kept }), { matched: 510 });
});

test('all keys come again above the ends, and a cleaner has taken what was below: not to be compared, no difference', async () => {
  const log = history(200, 10);
  said(await compared({ origin: side(log, upTo(190)), copy: side(log) }, { ends: endsOf(100) }), { unread: 10 });
  said(await compared({ origin: side(log), copy: side(log, upTo(190)) }, { ends: endsOf(100) }), { unread: 10 });
  const removed = [...log.slice(0, 190), ...Array.from({ length: 10 }, (_, i): Written => ({ key: `k${i}`, value: null })), { key: 'last', value: '' }];
  said(await compared({ origin: side(removed), copy: side(removed, upTo(200, true)) }, { ends: endsOf(100) }), { unread: 10 });
});

test('a key is lost where no cleaner has been: missing, though the copy has it again above the end', async () => {
  const log = [...history(99, 10), { key: 'once', value: '' }, { key: 'lost', value: 'x' }, ...history(100, 10), { key: 'lost', value: 'y' }, ...history(10, 10)];
  const copy = sideOf({ log, shift: 0, first: upTo(50), then: [], fault: { at: 100, how: 'lost' } });
  const told = await compared({ origin: side(log, upTo(150)), copy }, { ends: endsOf(201) });
  assert.deepEqual(told.listed, [{ kind: 'missing', origin: '100', copy: null }]);
  said(told, { ...told.end.state?.counts, missing: 1, unread: 0 });
});

test('more differences than are to be listed: all are counted, by key and in the tail; told once, when they are believed', async () => {
  const log = history(500, 100);
  const other = log.map(({ key, value }, i) => (i >= 350 && i % 2 === 0 ? { key, value: `${value} changed` } : { key, value }));
  for (const cleaner of [upTo(499), idle]) {
    const told = await compared({ origin: side(log, cleaner), copy: side(other, cleaner) }, { ends: endsOf(500), list: 7 });
    assert.equal(told.listed.length, 7);
    assert.equal(differing(told.end.state?.counts ?? noCounts), cleaner === idle ? 75 : 50);
    assert.equal(told.reports.filter((r) => differing(r.state.counts) > 0).length, 1);
  }
});
