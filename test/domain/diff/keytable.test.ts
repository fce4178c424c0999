/** The flat table of last records against a map of them. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { KeyTable } from '../../../src/domain/diff/keytable.ts';

const put = fc.record({ half: fc.constantFrom('origin' as const, 'copy' as const), key: fc.string({ maxLength: 2, unit: fc.constantFrom('a', 'b', 'c', 'd') }), fingerprint: fc.constantFrom('1.x', '2.x', '1.y'), gone: fc.boolean() });

test('says what a map of last records says, however full, and again after it was cleared', () => {
  fc.assert(fc.property(fc.array(put, { maxLength: 60 }), fc.integer({ min: 1, max: 21 }), (puts, most) => {
    const table = new KeyTable(most);
    for (let round = 0; round < 2; round += 1) {
      table.clear();
      const model = new Map<string, { origin?: (typeof puts)[number] & { at: number }; copy?: (typeof puts)[number] & { at: number } }>();
      for (const [i, one] of puts.entries()) {
        const wanted = model.has(one.key) ? 'known' : model.size === most ? 'full' : 'new';
        assert.equal(table.put(one.half, { ...one, offset: BigInt(i) }), wanted);
        if (wanted !== 'full') model.set(one.key, { ...model.get(one.key), [one.half]: { ...one, at: i } });
      }
      const found = new Map([...table.entries()].map((entry) => [entry.slot, entry]));
      assert.equal(found.size, model.size);
      for (const [key, { origin, copy }] of model) {
        const { slot, ...entry } = found.get(table.find(key)) ?? { slot: -1 };
        const last = (x: typeof origin) => (x === undefined ? undefined : { offset: x.at, gone: x.gone });
        assert.deepEqual([slot >= 0, entry], [true, { origin: last(origin), copy: last(copy), same: origin !== undefined && copy !== undefined && origin.fingerprint === copy.fingerprint }]);
      }
      assert.equal(table.find('another'), -1);
    }
    table.discard();
  }), { numRuns: 500 });
});

test('a hundred thousand hashes, offsets beyond 32 bits: none is taken for another', () => {
  const table = new KeyTable(100_000);
  const offset = (i: number): bigint => 9_000_000_000_000_000n - BigInt(i);
  for (let i = 0; i < 100_000; i += 1) assert.equal(table.put('origin', { key: `key ${i}`, offset: offset(i), fingerprint: `${i}`, gone: false }), 'new');
  for (let i = 0; i < 100_000; i += 1) assert.equal(table.put('copy', { key: `key ${i}`, offset: offset(i), fingerprint: `${i % 2 === 0 ? i : i + 1}`, gone: false }), 'known');
  const all = [...table.entries()];
  assert.deepEqual([all.length, all.filter((e) => e.same).length, all.every((e) => e.origin?.offset === e.copy?.offset)], [100_000, 50_000, true]);
  table.discard();
});
