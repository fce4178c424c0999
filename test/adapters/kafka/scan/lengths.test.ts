/** What snappy and lz4 data becomes is known before it is inflated. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { compressionsAlgorithms } from '@platformatic/kafka';
import fc from 'fast-check';
import { inflated } from '../../../../src/adapters/kafka/scan/codecs.ts';
import { lz4Length, snappyLength } from '../../../../src/adapters/kafka/scan/lengths.ts';
import { batchesIn } from '../../../../src/adapters/kafka/scan/batches.ts';
import { batchBytes, type HandmadeBatch } from './handmade.ts';

/** Stretches that compress well, badly and in between, so that sequences of every length occur. Never empty: there the library's encoders may fail, by what they compressed before. */
const data = fc.array(fc.oneof(
  fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes)),
  fc.tuple(fc.nat(255), fc.nat(70_000)).map(([byte, length]) => Buffer.alloc(length, byte)),
  fc.tuple(fc.string({ minLength: 1, maxLength: 9 }), fc.nat(5_000)).map(([text, length]) => Buffer.alloc(length, text)),
), { maxLength: 12 }).map((parts) => Buffer.concat(parts)).filter((bytes) => bytes.length > 0);

test('snappy and lz4 data: the length is exact, and what the blocks of lz4 allow is never below it', () => {
  fc.assert(fc.property(data, (bytes) => {
    const { snappy, lz4 } = compressionsAlgorithms;
    assert.equal(snappyLength(snappy.compressSync(bytes)), bytes.length);
    const frame = lz4.compressSync(bytes);
    assert.equal(lz4Length(frame, -1), bytes.length);
    assert.ok(lz4Length(frame, Infinity) >= bytes.length);
  }));
});

/** An lz4 frame with every flag set around one block of each kind, by hand: 64 KiB blocks, both checksums, a length and a dictionary. */
function frame(blocks: readonly (readonly [bytes: Buffer, stored: boolean])[]): Buffer {
  const word = (n: number): Buffer => { const b = Buffer.alloc(4); b.writeUInt32LE(n); return b; };
  const head = Buffer.concat([word(0x184d2204), Buffer.from([0x40 | 0x1d, 0x40]), Buffer.alloc(8, 0xff), Buffer.alloc(4), Buffer.from([0])]);
  return Buffer.concat([head, ...blocks.flatMap(([bytes, stored]) => [word((bytes.length | (stored ? 0x80000000 : 0)) >>> 0), bytes, word(0)]), word(0), word(0)]);
}

test('frames with every flag, one behind the other, and what breaks off: counted as far as it goes', () => {
  // 15 + 255 + 1 literals; a match of 4 + 15 + 255 + 255 + 7; two literals at the end.
  const block = Buffer.concat([Buffer.from([0xff, 255, 1]), Buffer.alloc(271), Buffer.from([1, 0, 255, 255, 7]), Buffer.from([0x20, 1, 2])]);
  const one = frame([[block, false], [Buffer.alloc(1_000), true]]);
  const length = 271 + 536 + 2 + 1_000;
  assert.equal(lz4Length(one, -1), length);
  assert.equal(lz4Length(Buffer.concat([one, one]), -1), 2 * length);
  assert.equal(lz4Length(one.subarray(0, one.length - 500), -1), length);
  assert.equal(lz4Length(one.subarray(0, 12), -1), 0);
  assert.throws(() => lz4Length(Buffer.from('plain bytes'), -1), /does not begin as an lz4 frame/);
  assert.equal(snappyLength(Buffer.alloc(0)), 0);
});

const one = (batch: HandmadeBatch): Parameters<typeof inflated>[0] => { const [first] = [...batchesIn(batchBytes(batch), { topic: 'orders', partition: 0, cluster: 'old' })]; assert.ok(first); return first; };
for (const codec of ['snappy', 'xerial', 'lz4'] as const) test(`${codec}: above the limit nothing is inflated, at the limit it is`, () => {
  const batch = one({ baseOffset: 0n, codec, records: [{ value: Buffer.alloc(600_000, 'abcdefg') }] });
  const { length } = inflated(batch);
  assert.equal(inflated(batch, length).length, length);
  assert.throws(() => inflated(batch, length - 1), /inflates beyond/);
  // Its end is missing, which the decoder would say: it was not asked.
  const broken = { ...batch, body: batch.body.subarray(0, -12) };
  assert.throws(() => inflated(broken), /cannot be inflated/);
  assert.throws(() => inflated(broken, 500_000), /inflates beyond/);
});
