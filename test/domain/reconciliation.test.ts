/** What came back and what never did, told apart by order and fingerprint alone. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { leftBehind, type Named, type Reconciling } from '../../src/domain/reconciliation.ts';

async function* log(texts: readonly string[], step = 1n, from = 0n): AsyncGenerator<Named> {
  let offset = from;
  for (const fingerprint of texts) { yield { fingerprint, offset }; offset += step; }
}
const look = (source: readonly string[], target: readonly string[], mostRuns = 100, more: Partial<Reconciling> = {}) => leftBehind(log(source), log(target, 2n, 10n), { mostRuns, thinned: false, beheaded: false, brought: 'unknown', ...more });
const none = { goneSince: 0, undecided: 0, more: false };

test('the tail never came back: one run of offsets', async () => {
  assert.deepEqual(await look(['a', 'b'], ['a', 'b', 'c', 'd']), { records: 2, runs: [{ from: '14', to: '16', records: 2 }], cameBack: 2, sourceOnly: 0, ...none });
});
test('all came back, and somebody else wrote on the source in between', async () => {
  assert.deepEqual(await look(['a', 'stranger', 'b'], ['a', 'b']), { records: 0, runs: [], cameBack: 2, sourceOnly: 1, ...none });
});
test('what came back is not on the target any more', async () => {
  assert.deepEqual(await look(['a', 'b', 'c'], ['a']), { records: 0, runs: [], cameBack: 1, sourceOnly: 2, ...none });
});
test('more runs than are listed: the count stays exact', async () => {
  const found = await look(['b', 'd'], ['a', 'b', 'c', 'd', 'e'], 2);
  assert.equal(found.records, 3);
  assert.equal(found.runs.length, 2);
  assert.equal(found.more, true);
});
test('alike records in a row are counted one by one', async () => {
  assert.deepEqual((await look(['x', 'x'], ['x', 'x', 'x'])).records, 1);
});
test('whatever was written and however much of it came back: exactly the rest is named', async () => {
  await fc.assert(fc.asyncProperty(fc.array(fc.constantFrom('a', 'b', 'c'), { maxLength: 60 }), fc.nat(60), fc.array(fc.nat(60), { maxLength: 3 }), async (texts, back, strangers) => {
    const came = texts.slice(0, back);
    const source: string[] = [...came];
    for (const at of strangers) source.splice(Math.min(at, source.length), 0, `stranger ${at}`);
    const found = await look(source, texts);
    assert.equal(found.records, texts.length - came.length);
    assert.equal(found.cameBack, came.length);
    assert.equal(found.sourceOnly, strangers.length);
    assert.equal(found.runs[0]?.from ?? null, came.length < texts.length ? String(10 + 2 * came.length) : null);
  }));
});

/** The target has offsets 10, 12, 14 …; `back` of its records came back. */
const boundary = (back: number): bigint => 10n + 2n * BigInt(back);
const verdicts = async (source: readonly string[], target: readonly string[], more: Partial<Reconciling>): Promise<readonly number[]> => {
  const found = await look(source, target, 100, more);
  return [found.records, found.cameBack, found.goneSince, found.undecided, found.sourceOnly];
};
test('the source has lost its head since: what the mirror had brought is gone there, what it had not is left', async () => {
  const target = ['a', 'b', 'c', 'd', 'e'];
  assert.deepEqual(await verdicts(['c'], target, { thinned: true, brought: boundary(3) }), [2, 1, 2, 0, 0]);
  assert.deepEqual(await verdicts([], target, { thinned: true, brought: boundary(3) }), [2, 0, 3, 0, 0]);
  // Alike records: the one that is left on the source is the last that was brought.
  assert.deepEqual(await verdicts(['x'], ['x', 'x', 'x', 'x'], { thinned: true, brought: boundary(3) }), [1, 1, 2, 0, 0]);
});
test('what is alike on a source that has lost its head is not called a record of others', async () => {
  assert.equal((await verdicts(['c', 'a'], ['a', 'b', 'c', 'a'], { thinned: true, brought: boundary(4) }))[4], 0);
});
test('the same where nobody wrote down how far the mirror had come: what is not found is undecided', async () => {
  assert.deepEqual(await verdicts(['c'], ['a', 'b', 'c', 'd', 'e'], { thinned: true }), [0, 1, 0, 4, 0]);
  assert.deepEqual(await verdicts([], ['a', 'b', 'c', 'd', 'e'], { thinned: true }), [0, 0, 0, 5, 0]);
  assert.deepEqual(await verdicts(['c', 'a', 'd', 'e'], ['a', 'b', 'c', 'a', 'd', 'e'], { thinned: true }), [0, 3, 0, 3, 0]);
});
test('the source is compacted: what is missing anywhere may have come back', async () => {
  assert.deepEqual(await verdicts(['a', 'd'], ['a', 'b', 'c', 'd', 'e', 'f'], { thinned: true, brought: boundary(4) }), [2, 2, 2, 0, 0]);
});
test('a record that was brought and is missing on a source that has lost nothing is not called one that never came back', async () => {
  assert.deepEqual(await verdicts(['a', 'c'], ['a', 'b', 'c', 'd'], { brought: boundary(3) }), [1, 2, 1, 0, 0]);
  // Somebody brought the last one by hand.
  assert.deepEqual(await verdicts(['a', 'b', 'c', 'd'], ['a', 'b', 'c', 'd'], { brought: boundary(3) }), [0, 4, 0, 0, 0]);
});
test('the target has lost a long head: what is left of it is found on the source, however far on', async () => {
  const source = Array.from({ length: 5_000 }, (_, i) => `r${i}`);
  for (const brought of ['unknown', boundary(2_000)] as const)
    assert.deepEqual(await verdicts(source, [...source.slice(3_000), 'left'], { beheaded: true, brought }), [1, 2_000, 0, 0, 3_000]);
});
test('whatever came back and however much of its head the source has lost: exactly the rest is named, by the ledger', async () => {
  await fc.assert(fc.asyncProperty(fc.array(fc.constantFrom('a', 'b', 'c'), { maxLength: 60 }), fc.nat(60), fc.nat(60), async (texts, back, lost) => {
    const came = texts.slice(0, back);
    const [records, cameBack, goneSince, undecided] = await verdicts(came.slice(lost), texts, { thinned: true, brought: boundary(came.length) });
    assert.deepEqual([records, cameBack! + goneSince!, undecided], [texts.length - came.length, came.length, 0]);
  }));
});
