/** What came back and what never did, told apart by order and fingerprint alone. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { leftBehind, type Named } from '../../src/domain/reconciliation.ts';

async function* log(texts: readonly string[], step = 1n, from = 0n): AsyncGenerator<Named> {
  let offset = from;
  for (const fingerprint of texts) { yield { fingerprint, offset }; offset += step; }
}
const look = (source: readonly string[], target: readonly string[], mostRuns = 100) => leftBehind(log(source), log(target, 2n, 10n), mostRuns);

test('the tail never came back: one run of offsets', async () => {
  assert.deepEqual(await look(['a', 'b'], ['a', 'b', 'c', 'd']), { records: 2, runs: [{ from: '14', to: '16', records: 2 }], cameBack: 2, sourceOnly: 0, more: false });
});
test('all came back, and somebody else wrote on the source in between', async () => {
  assert.deepEqual(await look(['a', 'stranger', 'b'], ['a', 'b']), { records: 0, runs: [], cameBack: 2, sourceOnly: 1, more: false });
});
test('what came back is not on the target any more', async () => {
  assert.deepEqual(await look(['a', 'b', 'c'], ['a']), { records: 0, runs: [], cameBack: 1, sourceOnly: 2, more: false });
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
