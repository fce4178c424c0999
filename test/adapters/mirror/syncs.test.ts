/** What is kept of a mirror's offset syncs: bounded, with the places where a run ends and another begins. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createSyncs, thinned } from '../../../src/adapters/mirror/syncs.ts';
import type { Anchor, Cluster, MirrorSpec } from '../../../src/domain/ports.ts';
import { generations } from '../../../src/domain/positions.ts';

const spec: MirrorSpec = { connect: 'forward', name: 'cutover-orders-fwd-00000001-1', from: 'old', to: 'new', topics: ['orders'], seed: [] };
const partitions = 4;
const keys = Array.from({ length: partitions }, (_, p) => { const b = Buffer.alloc(12); b.writeInt16BE(6, 0); b.write('orders', 2); b.writeInt32BE(p, 8); return b; });
const valueOf = (a: Anchor): Buffer => { const b = Buffer.alloc(16); b.writeBigInt64BE(a.from, 0); b.writeBigInt64BE(a.to, 8); return b; };

/** A syncs topic in which sync `n` is of partition `n mod 4`. */
function topic(of: (n: number) => Anchor): { end: number; readonly cluster: Cluster } {
  const x = { end: 0, cluster: null as unknown as Cluster };
  x.cluster = {
    name: 'new', topics: async () => [], ends: async () => [{ topic: 't', partition: 0, logStart: 0n, lso: BigInt(x.end), hw: BigInt(x.end) }],
    records: { async *contents(range: { readonly from: bigint; readonly to: bigint }) { for (let n = Number(range.from); n < Number(range.to); n += 1) yield { offset: BigInt(n), key: keys[n % partitions], value: valueOf(of(n)) }; } },
  } as unknown as Cluster;
  return x;
}
const rising = (n: number): Anchor => ({ from: BigInt(Math.floor(n / partitions)), to: BigInt(Math.floor(n / partitions) + 7) });

test('of a busy mirror a few hundred syncs a partition are kept, spread over all of it, the newest as they are', async () => {
  const x = topic(rising);
  const syncs = createSyncs();
  for (const end of [40_000, 40_001, 400_000]) {
    x.end = end;
    const read = await syncs.read(x.cluster, spec);
    for (const [key, list] of read) {
      const p = Number(key.slice(-1));
      const copied = Math.ceil((end - p) / partitions);
      assert.ok(list.length <= 900, `${key} keeps ${list.length}`);
      assert.deepEqual(list.slice(-100).map((a) => Number(a.from)), Array.from({ length: 100 }, (_, i) => copied - 100 + i));
      assert.equal(list[0]?.from, 0n);
      const gaps = list.slice(1).map((a, i) => Number(a.from - (list[i] as Anchor).from));
      assert.ok(Math.max(...gaps) <= copied / 64, `${key} has a gap of ${Math.max(...gaps)} of ${copied}`);
    }
  }
});
test('few are kept as they are, and a list that did not grow stays the same value', async () => {
  const x = topic(rising);
  const syncs = createSyncs();
  x.end = 400;
  const first = await syncs.read(x.cluster, spec);
  assert.deepEqual(first.get('orders/1')?.map((a) => Number(a.from)), Array.from({ length: 100 }, (_, i) => i));
  x.end = 401;
  const second = await syncs.read(x.cluster, spec);
  assert.equal(second.get('orders/1'), first.get('orders/1'));
  assert.notEqual(second.get('orders/0'), first.get('orders/0'));
});
test('where a mirror went back and copied again, both ends of the seam are kept, however far back it lies', () => {
  const run = (from: number, to: number, count: number): readonly Anchor[] => Array.from({ length: count }, (_, i) => ({ from: BigInt(from + i), to: BigInt(to + i) }));
  // Goes back by 3, later by 500; each time what was copied before stands twice on the copy.
  const all = [...run(0, 0, 2_000), ...run(1_997, 2_000, 3_000), ...run(4_497, 5_000, 5_000)];
  const kept = thinned(thinned(all));
  assert.ok(kept.length <= 900);
  const ends = (of: readonly Anchor[]): unknown => generations(of).map((g) => [g[0], g.at(-1)]);
  assert.deepEqual(ends(kept), ends(all));
});
