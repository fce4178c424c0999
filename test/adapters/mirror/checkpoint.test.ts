/** The checkpoint connector's arithmetic, held against what was measured on the real one. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Anchor } from '../../../src/domain/ports.ts';
import { checkpoint, remembered } from './checkpoint.ts';

const every = (step: number, upTo: number): readonly Anchor[] => Array.from({ length: Math.floor(upTo / step) + 1 }, (_x, i) => ({ from: BigInt(i * step), to: BigInt(i * step) }));
const reread = (slots: readonly Anchor[], lag: number, end: bigint): number => Number(end - BigInt(lag) - (checkpoint(slots, end - BigInt(lag)) ?? 0n));

test('caught up it re-reads nothing; a lagging group re-reads as much as its lag, in its order of magnitude', () => {
  const slots = remembered([...every(100, 200_000), { from: 199_999n, to: 199_999n }].sort((a, b) => Number(a.from - b.from)).filter((a) => a.from < 200_000n));
  assert.equal(reread(slots, 0, 200_000n), 0);
  for (const [lag, most] of [[10, 100], [100, 200], [1_000, 1_100], [10_000, 13_000], [100_000, 110_000]] as const) {
    const n = reread(slots, lag, 200_000n);
    assert.ok(n >= 0 && n <= most, `lag ${lag}: ${n}`);
  }
  assert.ok(reread(slots, 10_000, 200_000n) > 500);
});
test('the slots hold what they promise: the newest first, each next one older and not too old', () => {
  for (const step of [1, 7, 100]) {
    const slots = remembered(every(step, 20_000));
    for (let i = 1; i < slots.length; i += 1) {
      const [newer, older] = [slots[i - 1]!, slots[i]!];
      assert.ok(newer.from >= older.from);
      assert.ok(newer.from <= older.from + (1n << BigInt(i)) || older === slots.at(-1), `slot ${i} with a sync every ${step}`);
    }
  }
});
test('a mirror that starts over is all it knows then', () => {
  assert.equal(checkpoint(remembered([...every(10, 1_000), { from: 500n, to: 1_600n }]), 400n), null);
  assert.equal(checkpoint(remembered([...every(10, 1_000), { from: 500n, to: 1_600n }]), 501n), 1_601n);
});
