/** Where two logs begin to correspond: heads deleted on either side, anchors, records that repeat, damage at the head. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { begin } from '../../../src/domain/diff/begin.ts';
import { align } from '../../../src/domain/diff/align.ts';
import type { Mark } from '../../../src/domain/positions.ts';
import { between, endsOf, type Logs } from './logs.ts';

const marks = (first: number, names: readonly string[]): readonly Mark[] => names.map((name, i) => ({ offset: BigInt(first + i), fingerprint: `1.${name}` }));
const numbered = (from: number, to: number): readonly string[] => Array.from({ length: to - from }, (_, i) => `r${from + i}`);
const extents = (logs: Logs, starts: { readonly origin: bigint; readonly copy: bigint }) => ({ origin: { logStart: starts.origin, end: endsOf(logs).origin }, copy: { logStart: starts.copy, end: endsOf(logs).copy } });

test('nothing was deleted: both begin at the beginning', async () => {
  const logs = { origin: marks(0, numbered(0, 50)), copy: marks(0, numbered(0, 40)) };
  assert.deepEqual(await begin(extents(logs, { origin: 0n, copy: 0n }), [], between(logs)), { at: { origin: 0n, copy: 0n }, how: 'log-starts', skipped: { origin: 0, copy: 0 } });
});
test('the mirror began where the head was gone already: log starts correspond', async () => {
  const logs = { origin: marks(500, numbered(500, 600)), copy: marks(0, numbered(500, 600)) };
  assert.equal((await begin(extents(logs, { origin: 500n, copy: 0n }), [], between(logs))).how, 'log-starts');
});
test('either head may be gone: compared from the first record both still hold', async () => {
  await fc.assert(fc.asyncProperty(fc.nat(200), fc.nat(200), fc.nat(50), async (a, b, shift) => {
    const logs = { origin: marks(a, numbered(a, 300)), copy: marks(b + shift, numbered(b, 300)) };
    const found = await begin(extents(logs, { origin: BigInt(a), copy: BigInt(b + shift) }), [], between(logs));
    const first = BigInt(Math.max(a, b));
    assert.deepEqual(found.at, { origin: first, copy: first + BigInt(shift) });
    assert.deepEqual(found.skipped, { origin: Math.max(0, b - a), copy: Math.max(0, a - b) });
  }), { numRuns: 300 });
});
test('records that repeat: an anchor tells what a search cannot', async () => {
  const origin = marks(30, [...Array<string>(100).fill('same'), 'end']);
  const copy = marks(0, [...Array<string>(130).fill('same'), 'end']);
  const logs = { origin, copy };
  const found = await begin(extents(logs, { origin: 30n, copy: 0n }), [{ from: 60n, to: 60n }], between(logs));
  assert.deepEqual([found.at, found.skipped.copy], [{ origin: 30n, copy: 0n }, 0], 'heads alike: nothing to align');
  const odd = { origin: marks(30, ['odd', ...Array<string>(99).fill('same'), 'end']), copy: marks(0, [...numbered(0, 30), 'odd', ...Array<string>(99).fill('same'), 'end']) };
  assert.deepEqual((await begin(extents(odd, { origin: 30n, copy: 0n }), [{ from: 60n, to: 60n }], between(odd))).at, { origin: 30n, copy: 30n });
});
test('the first records are damaged: they are compared too', async () => {
  const names = numbered(100, 200);
  const logs = { origin: marks(100, names), copy: marks(7, [...numbered(60, 100), 'damaged', ...names.slice(1)]) };
  assert.deepEqual(await begin(extents(logs, { origin: 100n, copy: 7n }), [], between(logs)), { at: { origin: 100n, copy: 47n }, how: 'search', skipped: { origin: 0, copy: 40 } });
});
test('nothing in common: said, and compared from the log starts', async () => {
  const logs = { origin: marks(10, numbered(0, 50)), copy: marks(5, numbered(500, 560)) };
  assert.equal((await begin(extents(logs, { origin: 10n, copy: 5n }), [], between(logs))).how, 'unaligned');
});

test('retention has emptied the origin: the ends correspond, and what only the copy has left is skipped', async () => {
  const logs = { origin: [], copy: marks(3, numbered(0, 1_000)) };
  for (const [logStart, end] of [[1_000n, 1_000n], [1_000n, 1_004n], [1_200n, 1_000n]] as const) {
    const found = await begin({ origin: { logStart, end }, copy: { logStart: 3n, end: 1_003n } }, [], between(logs));
    assert.deepEqual(found, { at: { origin: end, copy: 1_003n }, how: 'log-starts', skipped: { origin: 0, copy: 1_000 } });
  }
});
test('more copies than an emptied origin ever had records: the rest stays to be compared', async () => {
  const logs = { origin: [], copy: marks(0, numbered(0, 1_000)) };
  const found = await begin({ origin: { logStart: 700n, end: 700n }, copy: { logStart: 0n, end: 1_000n } }, [], between(logs));
  assert.deepEqual([found.at, found.skipped.copy], [{ origin: 700n, copy: 700n }, 700]);
  const seen = await begin({ origin: { logStart: 700n, end: 700n, seen: 600n }, copy: { logStart: 600n, end: 1_000n } }, [], between(logs));
  assert.deepEqual([seen.at, seen.skipped.copy], [{ origin: 700n, copy: 700n }, 100]);
});
test('nothing has been deleted from an empty origin, or the copy is the empty one: all that the other has stays to be compared', async () => {
  const all = marks(0, numbered(0, 10));
  assert.deepEqual((await begin({ origin: { logStart: 0n, end: 0n }, copy: { logStart: 2n, end: 10n } }, [], between({ origin: [], copy: all }))).at, { origin: 0n, copy: 2n });
  assert.deepEqual((await begin({ origin: { logStart: 2n, end: 10n }, copy: { logStart: 10n, end: 10n } }, [], between({ origin: all, copy: [] }))).at, { origin: 2n, copy: 10n });
});

test('aligning never pairs different records and leaves no more unpaired than were damaged', () => {
  const names = fc.array(fc.constantFrom('a', 'b', 'c', 'd'), { maxLength: 40 });
  fc.assert(fc.property(names, names, (a, b) => {
    const [origin, copy] = [marks(0, a), marks(0, b)];
    const stretch = align(origin, copy, { run: 1_000, edits: 1_000, ended: true });
    assert.ok(stretch);
    let [i, j] = [-1, -1];
    for (const [x, y] of stretch.pairs) {
      assert.equal(origin[x]?.fingerprint, copy[y]?.fingerprint);
      assert.ok(x > i && y > j);
      [i, j] = [x, y];
    }
    assert.equal(stretch.pairs.length, longestCommon(a, b));
  }), { numRuns: 2_000 });
});
function longestCommon(a: readonly string[], b: readonly string[]): number {
  let row = Array<number>(b.length + 1).fill(0);
  for (const x of a) {
    const next = [0];
    for (let j = 1; j <= b.length; j += 1) next.push(x === b[j - 1] ? (row[j - 1] ?? 0) + 1 : Math.max(row[j] ?? 0, next[j - 1] ?? 0));
    row = next;
  }
  return row[b.length] ?? 0;
}
