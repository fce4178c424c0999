/** The batch walker on bytes made by hand: what is read, what is refused, and how the refusal reads. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import { batchesIn, offsetAfter } from '../../../../src/adapters/kafka/scan/batches.ts';
import { fullIn, seenIn } from '../../../../src/adapters/kafka/scan/seen.ts';
import { Failure } from '../../../../src/domain/failures.ts';
import { baseTimestamp, batchBytes, contentOf } from './handmade.ts';
import type { HandmadeBatch, HandmadeRecord } from './handmade.ts';

const place = { topic: 'orders', partition: 3, cluster: 'old' };
const all = { from: 0n, to: 1n << 60n };
const read = (...batches: readonly HandmadeBatch[]) =>
  [...batchesIn(Buffer.concat(batches.map(batchBytes)), place)].flatMap((batch) => [...fullIn(batch, all)]);
const one = (record: HandmadeRecord, more: Partial<HandmadeBatch> = {}) => {
  const [seen] = read({ baseOffset: 5n, records: [record], ...more });
  assert.ok(seen);
  return seen;
};
const refusal = (work: () => unknown, type: string, ...words: readonly RegExp[]): void => {
  assert.throws(work, (error) => {
    assert.ok(error instanceof Failure, String(error));
    assert.equal(error.type, type);
    for (const word of words) assert.match(error.message, word);
    return true;
  });
};

test('a record: offset, time, key, value, and a fingerprint over time and stored content', () => {
  const record: HandmadeRecord = { key: 'k', value: 'v', headers: [['h', 'x']], timestampDelta: 7 };
  const seen = one(record);
  assert.deepEqual({ ...seen, key: String(seen.key), value: String(seen.value) }, {
    topic: 'orders', partition: 3, offset: 5n, timestampMs: baseTimestamp + 7n, key: 'k', value: 'v',
    fingerprint: `${baseTimestamp + 7n}.${createHash('sha1').update(contentOf(record)).digest('base64url')}`,
  });
});

for (const codec of ['none', 'gzip', 'snappy', 'xerial', 'lz4', 'zstd'] as const) {
  test(`codec ${codec}: the same records and fingerprints as uncompressed`, () => {
    const records = Array.from({ length: 500 }, (_, i) => ({ key: `key-${i}`, value: 'payload '.repeat(40) + i, headers: [['trace', `${i}`]] as const }));
    assert.deepEqual(read({ baseOffset: 100n, records, codec }), read({ baseOffset: 100n, records }));
  });
}

test('null and empty key or value are different records, and so are null and empty header values', () => {
  const variants = [{}, { key: '' }, { value: '' }, { key: '', value: '' }, { headers: [['h', null]] }, { headers: [['h', '']] }] as const;
  assert.equal(new Set(variants.map((variant) => one(variant).fingerprint)).size, variants.length);
  assert.equal(one({}).key, null);
  assert.equal(one({ key: '' }).key?.length, 0);
});

test('bytes cannot wander between key, value and headers unseen', () => {
  const variants = [{ key: 'ab', value: 'c' }, { key: 'a', value: 'bc' }, { key: 'a', value: 'b', headers: [['c', '']] }, { key: 'a', value: 'b', headers: [['', 'c']] }] as const;
  assert.equal(new Set(variants.map((variant) => one(variant).fingerprint)).size, variants.length);
});

test('headers: order, repetition, and names that are not UTF-8 all count', () => {
  const [fe, ff, replacement] = [Buffer.from([0xfe]), Buffer.from([0xff]), Buffer.from('\uFFFD')];
  const variants: readonly HandmadeRecord[] = [
    { headers: [['a', '1'], ['b', '2']] }, { headers: [['b', '2'], ['a', '1']] }, { headers: [['a', '1'], ['a', '1'], ['b', '2']] },
    { headers: [['1', 'x'], ['0', 'x']] }, { headers: [['0', 'x'], ['1', 'x']] },
    { headers: [[fe, 'x']] }, { headers: [[ff, 'x']] }, { headers: [[replacement, 'x']] },
  ];
  assert.equal(new Set(variants.map((variant) => one(variant).fingerprint)).size, variants.length);
});

test('lengths in a longer spelling than needed give the fingerprint of a plain copy', () => {
  const records = [{ key: 'k', value: null, headers: [['h', null], ['g', 'x']] as const }, { key: null, value: Buffer.alloc(300, 1) }, { key: '', value: '' }];
  assert.deepEqual(read({ baseOffset: 0n, records, paddedLengths: true }), read({ baseOffset: 0n, records }));
});

test('log-append time: every record has the time of its batch', () => {
  const seen = read({ baseOffset: 0n, records: [{ timestampDelta: 0 }, { timestampDelta: 50 }], logAppendTime: true, maxTimestamp: 1_799_999_999_999n });
  assert.deepEqual(seen.map((record) => record.timestampMs), [1_799_999_999_999n, 1_799_999_999_999n]);
});

test('timestamps are exact: nanoseconds, none (-1), before the base, and far after it', () => {
  const nanoseconds = 1_700_000_000_123_456_789n;
  assert.equal(one({ timestampDelta: 1 }, { baseTimestamp: nanoseconds }).timestampMs, nanoseconds + 1n);
  assert.equal(one({ timestampDelta: 0 }, { baseTimestamp: -1n }).timestampMs, -1n);
  assert.equal(one({ timestampDelta: -86_400_000 }).timestampMs, baseTimestamp - 86_400_000n);
  for (const delta of [1n << 27n, (1n << 27n) - 1n, -(1n << 27n), -(1n << 28n), 1n << 40n, -(1n << 62n), (1n << 62n) - 1n]) {
    assert.equal(one({ timestampDelta: delta }, { baseTimestamp: 0n }).timestampMs, delta);
  }
});

test('gaps that compaction left: offsets come from the records, the next offset from the batch', () => {
  const batch: HandmadeBatch = { baseOffset: 10n, records: [{ offsetDelta: 2 }, { offsetDelta: 7 }], lastOffsetDelta: 9 };
  assert.deepEqual(read(batch).map((record) => record.offset), [12n, 17n]);
  assert.equal(offsetAfter(batchBytes(batch), place), 20n);
});

test('a batch that compaction emptied is passed over', () => {
  assert.deepEqual(read({ baseOffset: 10n, records: [], lastOffsetDelta: 9 }, { baseOffset: 20n, records: [{}] }).map((record) => record.offset), [20n]);
});

test('bounds inside a batch are kept', () => {
  const [batch] = batchesIn(batchBytes({ baseOffset: 0n, records: Array.from({ length: 10 }, () => ({})) }), place);
  assert.ok(batch);
  assert.deepEqual([...seenIn(batch, { from: 3n, to: 5n })].map((record) => record.offset), [3n, 4n]);
});

test('a last batch cut anywhere is left for the next fetch', () => {
  const whole = batchBytes({ baseOffset: 0n, records: [{ value: 'a' }] });
  const next = batchBytes({ baseOffset: 1n, records: [{ value: 'b' }] });
  for (let cut = 0; cut < next.length; cut += 1) {
    const bytes = Buffer.concat([whole, next.subarray(0, cut)]);
    assert.deepEqual([...batchesIn(bytes, place)].map((batch) => batch.baseOffset), [0n]);
    assert.equal(offsetAfter(bytes, place), 1n);
  }
  assert.equal(offsetAfter(next.subarray(0, 30), place), null);
});

test('any flipped bit under the checksum is refused, with place and both sums', () => {
  const bytes = batchBytes({ baseOffset: 42n, records: [{ value: 'precious' }] });
  for (let at = 21; at < bytes.length; at += 1) {
    const flipped = Buffer.from(bytes);
    flipped[at] = (flipped[at] ?? 0) ^ 0x10;
    refusal(() => [...batchesIn(flipped, place)], 'Drift', /orders\/3 of cluster old/, /offset 42/, /CRC32C is [0-9a-f]{8}, [0-9a-f]{8} was stored/);
  }
});

for (const magic of [0, 1, 3]) {
  test(`message format v${magic} is refused by name`, () => {
    const bytes = batchBytes({ baseOffset: 9n, records: [{}] });
    bytes.writeInt8(magic, 16);
    refusal(() => [...batchesIn(bytes, place)], 'Unsupported', /orders\/3/, new RegExp(`format v${magic} at offset 9`), /topic orders/);
  });
}

test('a codec nobody knows is refused by number', () => {
  refusal(() => read({ baseOffset: 0n, records: [{}], attributes: 6 }), 'Unsupported', /codec 6/);
});

for (const codec of [1, 2, 3, 4]) {
  test(`data that is not what codec ${codec} says is damage, not an empty batch`, () => {
    refusal(() => read({ baseOffset: 0n, records: [{ value: 'plain bytes' }], attributes: codec }), 'Drift', /cannot be inflated/);
  });
}

test('lengths that do not add up are damage even under a right checksum', () => {
  refusal(() => read({ baseOffset: 0n, records: [{ value: 'x' }], lastOffsetDelta: 0, attributes: 0, ...{ codec: 'gzip' } }), 'Drift', /damaged record batch/);
});
