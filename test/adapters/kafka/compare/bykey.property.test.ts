/** Compacted partitions while the cleaners of both clusters are at work: only a real fault is a difference, and a real fault is one. */
import assert from 'node:assert/strict';
import fc from 'fast-check';
import { test } from '../../../apart.ts';
import { differing, noCounts } from '../../../../src/domain/diff/difference.ts';
import { compared, idle, sideOf, type Cleaner, type Thinning, type Told, type Written } from './thinning.ts';

/** `npm run check` has a minute. */
const numRuns = process.env['CUTOVER_QUICK'] === '1' ? 60 : 400;

const shift = 5;
const written: fc.Arbitrary<Written> = fc.record({ key: fc.constantFrom(...Array.from({ length: 7 }, (_, i) => `k${i}`)), value: fc.constantFrom('a', 'b', 'c', null) });
type Going = Pick<Thinning, 'first' | 'then'>;
/** The last record stands in the active segment, where no cleaner goes. */
function cleaner(length: number): fc.Arbitrary<Going> {
  const most = Math.max(0, length - 1);
  const step = fc.record({ map: fc.nat(most), swapped: fc.nat(most), expired: fc.boolean(), at: fc.nat(40) });
  return fc.array(step, { maxLength: 3 }).map((steps) => {
    let now: Cleaner = idle;
    const all = [...steps].sort((a, b) => a.at - b.at).map(({ map, swapped, expired, at }) => {
      const next = map > now.map ? { done: now.map, map, swapped: Math.min(swapped, map) } : { ...now, swapped: Math.max(now.swapped, Math.min(swapped, now.map)) };
      now = { ...next, expired: now.expired || expired };
      return { ...now, at };
    });
    return { first: all[0] ?? idle, then: all.slice(1) };
  });
}
const history = fc.array(written, { minLength: 1, maxLength: 60 });
const world = history.chain((log) => fc.record({ log: fc.constant(log), end: fc.nat(log.length), a: cleaner(log.length), b: cleaner(log.length) }));

function whole(told: Told): void {
  assert.equal(told.listed.length, differing(told.end.state?.counts ?? noCounts));
  if (told.end.state !== null) assert.deepEqual(told.last, told.end.state);
}

test('the same history, cleaned before, during and beyond what is compared: nothing differs, nor from any state told', { timeout: 120_000 }, async () => {
  await fc.assert(fc.asyncProperty(world, async ({ log, end, a, b }) => {
    const [origin, copy] = [{ log, shift: 0, ...a }, { log, shift, ...b }];
    const ends = { origin: BigInt(end), copy: BigInt(end + shift) };
    const told = await compared({ origin: sideOf(origin), copy: sideOf(copy) }, { ends });
    whole(told);
    assert.deepEqual([told.end.decided, told.listed], ['all', []]);
    for (const { state } of told.reports) assert.deepEqual((await compared({ origin: sideOf(origin), copy: sideOf(copy) }, { ends, state })).listed, []);
  }), { numRuns });
});

test('a last value is lost or changed on the copy, while cleaners are at work: found, unless it came again above the end', { timeout: 120_000 }, async () => {
  await fc.assert(fc.asyncProperty(world, fc.nat(), fc.constantFrom('lost', 'changed'), async ({ log, end, a, b }, which, how) => {
    const lasts = [...new Map(log.slice(0, end).map((w, i) => [w.key, i])).values()].filter((i) => log[i]?.value !== null && log.slice(end).every(({ key }) => key !== log[i]?.key));
    const at = lasts[which % Math.max(1, lasts.length)];
    if (at === undefined) return;
    const told = await compared({ origin: sideOf({ log, shift: 0, ...a }), copy: sideOf({ log, shift, ...b, fault: { at, how } }) }, { ends: { origin: BigInt(end), copy: BigInt(end + shift) } });
    whole(told);
    assert.ok(told.listed.length > 0, JSON.stringify(told.end.state));
  }), { numRuns });
});

test('behind a running mirror that has copied a part: nothing differs, and once all is copied it is decided', { timeout: 120_000 }, async () => {
  // A tombstone that expires before the mirror has seen it is lost for good: the source keeps them longer while a copy runs.
  const kept = (x: Going): Going => ({ first: { ...x.first, expired: false }, then: x.then.map((c) => ({ ...c, expired: false })) });
  const part = history.chain((log) => fc.record({ log: fc.constant(log), copied: fc.oneof(fc.nat(log.length), fc.constant(log.length)), a: cleaner(log.length).map(kept) })).chain((x) => cleaner(x.copied).map((b) => ({ ...x, b })));
  await fc.assert(fc.asyncProperty(part, async ({ log, copied, a, b }) => {
    const sides = { origin: sideOf({ log, shift: 0, ...a }), copy: sideOf({ log: log.slice(0, copied), shift, ...b }) };
    const told = await compared(sides, { ends: { origin: BigInt(log.length), copy: BigInt(copied === 0 ? 0 : copied + shift) }, horizon: 'open' });
    whole(told);
    assert.deepEqual(told.listed, []);
    if (copied === 0 || copied === log.length) assert.equal(told.end.decided, 'all');
  }), { numRuns });
});
