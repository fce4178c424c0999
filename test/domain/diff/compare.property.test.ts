/** Generated logs, copied with faults: what the comparison says against what was done, and the same again from every place it can be resumed at. */
import assert from 'node:assert/strict';
import { test } from '../../apart.ts';
import fc from 'fast-check';
import { compare, type Reach } from '../../../src/domain/diff/compare.ts';
import { begun, differing, kinds, noCounts, text, type Difference, type Kind } from '../../../src/domain/diff/difference.ts';
import type { Mark } from '../../../src/domain/positions.ts';
import { endsOf, outcome, pairOf, type Logs, type Outcome } from './logs.ts';

/** Small enough that every way of looking is taken by logs of a few hundred records. */
const near: Reach = { run: 3, windows: [{ records: 8, edits: 4 }, { records: 32, edits: 16 }], probes: [0, 3, 9], earlierOffsets: 40n, replayOffsets: 100_000n, ahead: 10_000, calm: 5, piece: 3 };

const alphabet = Array.from({ length: 52 }, (_, i) => `n${i}`);
const marksOf = (names: readonly string[], gap: number): readonly Mark[] => {
  let offset = 0n;
  return names.map((name, i) => {
    offset += BigInt(i * 7919 % 11 < gap ? 2 : 1);
    return { offset, fingerprint: `1.${name}` };
  });
};
type Fault = { readonly at: number; readonly kind: 'drop' | 'repeat' | 'change' | 'swap' | 'insert'; readonly length: number };
const fault = fc.record({ at: fc.nat(), kind: fc.constantFrom('drop', 'repeat', 'change', 'swap', 'insert'), length: fc.integer({ min: 1, max: 60 }) }) as fc.Arbitrary<Fault>;

let fresh = 0;
/** Applies faults from the end backwards, so that places stay true. */
function damaged(names: readonly string[], faults: readonly Fault[]): readonly string[] {
  const copy = [...names];
  for (const { at, kind, length } of [...faults].sort((a, b) => b.at - a.at)) {
    if (copy.length === 0) break;
    const i = at % copy.length;
    if (kind === 'drop') copy.splice(i, length);
    else if (kind === 'repeat') copy.splice(i + 1, 0, ...copy.slice(Math.max(0, i + 1 - length), i + 1));
    else if (kind === 'change') copy[i] = `changed-${fresh++}`;
    else if (kind === 'insert') copy.splice(i, 0, ...Array.from({ length }, () => `foreign-${fresh++}`));
    else if (i + 1 < copy.length) [copy[i], copy[i + 1]] = [copy[i + 1] ?? '', copy[i] ?? ''];
  }
  return copy;
}

/** Taking the differences away leaves the same records in the same order; every difference says what is so. */
function explains(logs: Logs, o: Outcome): void {
  const by = { origin: new Map(logs.origin.map((m) => [String(m.offset), m])), copy: new Map(logs.copy.map((m) => [String(m.offset), m])) };
  const rest = (half: 'origin' | 'copy'): string[] => {
    const gone = o.differences.flatMap((d) => (d[half] === null ? [] : [d[half]]));
    assert.equal(new Set(gone).size, gone.length, `${half} offsets are named once`);
    assert.ok(gone.every((offset) => by[half].has(offset)), 'only offsets that exist');
    const set = new Set(gone);
    return logs[half].filter((m) => !set.has(String(m.offset))).map((m) => m.fingerprint);
  };
  const [a, b] = [rest('origin'), rest('copy')];
  assert.deepEqual(a, b);
  assert.equal(o.state.counts.matched, a.length);
  const known = new Set(logs.origin.map((m) => m.fingerprint));
  for (const d of o.differences) {
    const [x, y] = [d.origin === null ? null : by.origin.get(d.origin)?.fingerprint, d.copy === null ? null : by.copy.get(d.copy)?.fingerprint];
    const shape: Readonly<Record<Kind, boolean>> = { missing: x !== null && y === null, extra: x === null && y !== null, repeated: x === null && y !== null && y !== undefined && known.has(y), changed: x !== y && x !== null && y !== null, reordered: x === y && x !== null, stale: false };
    assert.ok(shape[d.kind], JSON.stringify(d));
  }
  for (const kind of kinds) assert.equal(o.state.counts[kind], o.differences.filter((d) => d.kind === kind).length, kind);
}

test('any faults, records that repeat: the differences explain the copy, and nothing differs only where nothing does', { timeout: 60_000 }, async () => {
  const names = fc.array(fc.constantFrom(...alphabet.slice(0, 6)), { maxLength: 120 });
  await fc.assert(fc.asyncProperty(fc.oneof(names, fc.integer({ min: 0, max: 250 }).map((n) => Array.from({ length: n }, (_, i) => `r${i}`))), fc.array(fault, { maxLength: 6 }), fc.nat(9), fc.nat(9), fc.integer({ min: 1, max: 40 }), async (origin, faults, gapA, gapB, pauseEvery) => {
    const copy = damaged(origin, faults);
    const logs = { origin: marksOf(origin, gapA), copy: marksOf(copy, gapB) };
    const o = await outcome(logs, { reach: near, pauseEvery });
    explains(logs, o);
    assert.equal(differing(o.state.counts) === 0, origin.length === copy.length && origin.every((n, i) => n === copy[i]));
  }), { numRuns: 2_000 });
});

test('faults that stand apart are each named as what they are', { timeout: 60_000 }, async () => {
  const apart = fc.array(fc.record({ kind: fc.constantFrom('drop', 'repeat', 'change', 'swap', 'insert'), length: fc.integer({ min: 1, max: 60 }), space: fc.integer({ min: 80, max: 120 }) }), { maxLength: 5 }) as fc.Arbitrary<readonly (Omit<Fault, 'at'> & { readonly space: number })[]>;
  await fc.assert(fc.asyncProperty(apart, fc.nat(9), fc.nat(9), async (list, gapA, gapB) => {
    let at = 0;
    const faults = list.map(({ kind, length, space }) => { at += space; return { kind, length, at }; });
    const origin = Array.from({ length: at + 150 }, (_, i) => `r${i}`);
    const logs = { origin: marksOf(origin, gapA), copy: marksOf(damaged(origin, faults), gapB) };
    const o = await outcome(logs, { reach: near });
    explains(logs, o);
    const wanted: Record<string, number> = { ...noCounts, matched: o.state.counts.matched };
    const name = { drop: 'missing', repeat: 'repeated', change: 'changed', swap: 'reordered', insert: 'extra' } as const;
    for (const f of faults) wanted[name[f.kind]] = (wanted[name[f.kind]] ?? 0) + (f.kind === 'change' || f.kind === 'swap' ? 1 : f.length);
    assert.deepEqual(o.state.counts, wanted);
  }), { numRuns: 400 });
});

test('stopped anywhere and gone on from the state kept: the same counts, the same list, the same hash', { timeout: 60_000 }, async () => {
  await fc.assert(fc.asyncProperty(fc.array(fc.constantFrom(...alphabet), { maxLength: 150 }), fc.array(fault, { maxLength: 4 }), fc.integer({ min: 1, max: 20 }), async (origin, faults, pauseEvery) => {
    const logs = { origin: marksOf(origin, 3), copy: marksOf(damaged(origin, faults), 5) };
    const whole = await outcome(logs, { reach: near, pauseEvery });
    for (const from of whole.reports) {
      const again = await outcome(logs, { reach: near, pauseEvery: pauseEvery + 3, from });
      assert.deepEqual([again.state, again.hash, again.differences], [whole.state, whole.hash, whole.differences]);
    }
  }), { numRuns: 400 });
});

test('behind a horizon that moves: nothing is called missing that has only not come yet, and the end is the same', { timeout: 60_000 }, async () => {
  await fc.assert(fc.asyncProperty(fc.integer({ min: 0, max: 200 }), fc.array(fault, { maxLength: 3 }), fc.array(fc.integer({ min: 0, max: 100 }), { maxLength: 5 }), async (n, faults, stops) => {
    const origin = Array.from({ length: n }, (_, i) => `r${i}`);
    const logs: Logs = { origin: marksOf(origin, 2), copy: marksOf(damaged(origin, faults), 4) };
    const ends = endsOf(logs);
    let from: { state: Outcome['state']; differences: readonly Difference[] } | undefined;
    for (const percent of [...stops].sort((a, b) => a - b)) {
      const copy = ends.copy * BigInt(percent) / 100n;
      const o: Outcome = await outcome(logs, { reach: near, horizon: 'open', ends: { origin: ends.origin, copy }, ...(from === undefined ? {} : { from }) });
      if (faults.length === 0) assert.equal(differing(o.state.counts), 0);
      from = { state: o.state, differences: o.differences };
    }
    const last = await outcome(logs, { reach: near, ...(from === undefined ? {} : { from }) });
    explains(logs, last);
    if (faults.length === 0) assert.equal(last.state.counts.matched, n);
  }), { numRuns: 1_000 });
});

/** `[from, to)` of the records of a history, at offsets from `at` on. */
const stretch = (from: number, to: number, at = from): readonly Mark[] => Array.from({ length: to - from }, (_, i) => ({ offset: BigInt(at + i), fingerprint: `1.r${from + i}` }));
const shifted = (marks: readonly Mark[]): readonly Mark[] => marks.map((mark, i) => ({ ...mark, offset: BigInt(i) }));

test('long stretches are reported in pieces, and gone on with from each: a hole, a foreign run, a replay', { timeout: 60_000 }, async () => {
  const all = stretch(0, 2_000);
  const foreign = stretch(8_000, 9_400);
  const odd = [1_500, 9_000, 9_100, 1_100, 9_050, 9_200, 9_300, 9_150, 9_250].flatMap((i) => stretch(i, i + 1));
  const cases = {
    hole: { logs: { origin: all, copy: shifted([...all.slice(0, 300), ...all.slice(1_700)]) }, wanted: { missing: 1_400 } },
    'hole that begins with records of the copy': { logs: { origin: all, copy: shifted([...all.slice(0, 300), ...odd, ...all.slice(1_700)]) }, wanted: { missing: 1_398, extra: 7, reordered: 2 } },
    foreign: { logs: { origin: all, copy: shifted([...all.slice(0, 300), ...foreign, ...all.slice(300)]) }, wanted: { extra: 1_400 } },
    'foreign before records of the source': { logs: { origin: shifted([...all.slice(0, 300), ...odd, ...all.slice(300)]), copy: shifted([...all.slice(0, 300), ...foreign, ...all.slice(300)]) }, wanted: { extra: 1_393, missing: 2, reordered: 7 } },
    replay: { logs: { origin: all, copy: shifted([...all.slice(0, 1_700), ...all.slice(300)]) }, wanted: { repeated: 1_400 } },
  };
  for (const [name, { logs, wanted }] of Object.entries(cases)) {
    const whole = await outcome(logs, { reach: { ...near, piece: 100 }, pauseEvery: 1_000 });
    const sizes = whole.reports.map((r, i) => r.differences.length - (whole.reports[i - 1]?.differences.length ?? 0));
    assert.ok(Math.max(...sizes) <= 100 + 32, `${name}: ${Math.max(...sizes)} at once`);
    assert.ok(whole.reports.some((r) => r.state.unfinished !== undefined) && whole.state.unfinished === undefined);
    assert.deepEqual(whole.state.counts, { ...noCounts, ...wanted, matched: whole.state.counts.matched }, name);
    for (const from of whole.reports) {
      const again = await outcome(logs, { reach: near, pauseEvery: 700, from });
      assert.deepEqual([again.state, again.hash, again.differences], [whole.state, whole.hash, whole.differences], name);
    }
  }
});

test('retention empties the origin while it is compared: what is gone is unread, and a copy of nothing still extra', { timeout: 60_000 }, async () => {
  const run = fc.record({ seen: fc.integer({ min: 0, max: 300 }), gone: fc.integer({ min: 1, max: 300 }), more: fc.integer({ min: 0, max: 80 }), horizon: fc.constantFrom('closed', 'open'), beyond: fc.nat(3) });
  await fc.assert(fc.asyncProperty(run, async ({ seen, gone, more, horizon, beyond }) => {
    const n = seen + gone;
    const logs = { origin: [], copy: shifted([...stretch(0, n), ...stretch(n - more, n)]) };
    const at = { origin: BigInt(seen), copy: BigInt(seen) };
    const state = { ...begun({ origin: 0n, copy: 0n }), at: text(at), counts: { ...noCounts, matched: seen } };
    const ends = { origin: BigInt(n), copy: BigInt(n + more) };
    const end = await compare(pairOf(logs, state, 100, { origin: BigInt(n + beyond), copy: 0n }), { state, ends, horizon: horizon as 'closed' | 'open', reach: near, report: () => undefined });
    // Behind an open horizon the last of them may wait for what comes next.
    assert.deepEqual(end.state.counts, { ...noCounts, matched: seen, unread: gone, extra: end.decided === 'all' ? more : end.state.counts.extra });
    assert.ok(end.decided === 'all' || (horizon === 'open' && more > 0));
  }), { numRuns: 500 });
});

test('all of the origin has been compared, then it expires: what the copy has beyond is extra as before', async () => {
  const logs = { origin: [], copy: stretch(0, 100) };
  const state = { ...begun({ origin: 0n, copy: 0n }), at: { origin: '60', copy: '60' }, counts: { ...noCounts, matched: 60 } };
  const end = await compare(pairOf(logs, state, 100, { origin: 60n, copy: 20n }), { state, ends: { origin: 60n, copy: 100n }, horizon: 'closed', report: () => undefined });
  assert.deepEqual(end.state.counts, { ...noCounts, matched: 60, extra: 40 });
});
