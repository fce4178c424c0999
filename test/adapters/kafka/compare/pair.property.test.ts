/** Two clusters in memory whose logs hold the same records in other batches: the comparison of bytes agrees with that of fingerprints. */
import assert from 'node:assert/strict';
import { test } from '../../../apart.ts';
import fc from 'fast-check';
import { keyedRecords, recordsIn } from '../../../../src/adapters/kafka/compare/keyed.ts';
import { openPair, type Pace, type Side } from '../../../../src/adapters/kafka/compare/pair.ts';
import { compare, reach, type Reach } from '../../../../src/domain/diff/compare.ts';
import { begun, differing, type Difference, type DiffState } from '../../../../src/domain/diff/difference.ts';
import { cannedCluster, nextOf, type CannedCluster } from '../scan/canned.ts';
import { baseTimestamp, marker, type HandmadeBatch, type HandmadeRecord } from '../scan/handmade.ts';
import { outcome } from '../../../domain/diff/logs.ts';
import { createRecordReader } from '../../../../src/adapters/kafka/scan/reader.ts';
import type { Mark } from '../../../../src/domain/positions.ts';

const tp = { topic: 'orders', partition: 0 };
const near: Reach = { run: 3, windows: [{ records: 8, edits: 4 }, { records: 32, edits: 16 }], probes: [0, 3, 9], earlierOffsets: 40n, replayOffsets: 100_000n, ahead: 10_000, calm: 5, piece: 3 };

type One = HandmadeRecord & { readonly at: bigint };
/** Cuts a list of records into batches as a producer or a mirror might: sizes, codecs, base timestamps, transactions that end in between. */
interface Cut { readonly sizes: readonly number[]; readonly codec: NonNullable<HandmadeBatch['codec']>; readonly shift: number; readonly padded: boolean; readonly noise: boolean }
function logOf(records: readonly One[], cut: Cut): readonly HandmadeBatch[] {
  const batches: HandmadeBatch[] = [];
  let offset = 0n;
  let rest = records;
  for (let n = 0; rest.length > 0; n += 1) {
    const part = rest.slice(0, cut.sizes[n % cut.sizes.length] ?? 1);
    rest = rest.slice(part.length);
    const base = (part[0]?.at ?? 0n) - BigInt(cut.shift);
    batches.push({ baseOffset: offset, codec: cut.codec, paddedLengths: cut.padded, baseTimestamp: base, records: part.map((r) => ({ ...r, timestampDelta: r.at - base })) });
    offset += BigInt(part.length);
    if (cut.noise && n % 3 === 0) {
      batches.push({ baseOffset: offset, producerId: 7n, transactional: true, records: [{ value: 'aborted' }] }, marker(offset + 1n, 7n, 'abort'));
      offset += 2n;
    }
  }
  return batches;
}
const clusterOf = (batches: readonly HandmadeBatch[]): CannedCluster => cannedCluster({ 'orders/0': { batches, leader: 1 } });
const side = (cluster: CannedCluster): Side => ({ wire: cluster.wire, start: async () => cluster.logs.get('orders/0')?.logStart ?? 0n, end: async () => cluster.ends('orders').lso });

async function compared(clusters: { readonly origin: CannedCluster; readonly copy: CannedCluster }, x: { readonly reach?: Reach; readonly state?: DiffState } = {}) {
  const ends = { origin: clusters.origin.ends('orders').lso, copy: clusters.copy.ends('orders').lso };
  const state = x.state ?? begun({ origin: 0n, copy: 0n });
  const pair = openPair({ origin: side(clusters.origin), copy: side(clusters.copy) }, tp, state.hash, { signal: new AbortController().signal, spend: () => null, weigh: () => undefined });
  const differences: Difference[] = [];
  const states: DiffState[] = [];
  const end = await compare(pair, { state, ends, horizon: 'closed', reach: x.reach ?? reach, report: (s, fresh) => { states.push(s); differences.push(...fresh); } });
  await pair.close();
  return { ...end, differences, states };
}
async function marksOf(cluster: CannedCluster): Promise<readonly Mark[]> {
  const marks: Mark[] = [];
  for await (const { offset, fingerprint } of createRecordReader(cluster.wire).range({ ...tp, from: 0n, to: cluster.ends('orders').lso })) marks.push({ offset, fingerprint });
  return marks;
}

const field = fc.oneof(fc.constant(null), fc.constant(''), fc.string({ maxLength: 12 }), fc.constant('x'.repeat(300)));
const header = fc.tuple(fc.string({ maxLength: 3 }), field);
const timestamp = fc.oneof({ weight: 8, arbitrary: fc.integer({ min: -5_000, max: 5_000_000 }).map((n) => baseTimestamp + BigInt(n)) }, fc.constant(-1n), fc.constant(1_700_000_000_000_000_123n));
const record: fc.Arbitrary<One> = fc.record({ at: timestamp, key: field, value: field, headers: fc.array(header, { maxLength: 2 }) });
const cut: fc.Arbitrary<Cut> = fc.record({ sizes: fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 4 }), codec: fc.constantFrom('none', 'none', 'none', 'gzip', 'lz4', 'zstd', 'snappy'), shift: fc.integer({ min: 0, max: 400 }), padded: fc.boolean(), noise: fc.boolean() });

test('the same records in other batches, codecs, offsets and spellings: nothing differs; one hash for both', { timeout: 60_000 }, async () => {
  await fc.assert(fc.asyncProperty(fc.array(record, { maxLength: 60 }), cut, cut, async (records, a, b) => {
    const clusters = { origin: clusterOf(logOf(records, a)), copy: clusterOf(logOf(records, b)) };
    const o = await compared(clusters);
    assert.deepEqual([differing(o.state.counts), o.state.counts.matched], [0, records.length]);
    if (a.padded === b.padded) assert.equal((await compared({ origin: clusters.copy, copy: clusters.origin })).hash, o.hash);
  }), { numRuns: 300 });
});

test('with any faults the answer is that of fingerprints compared one by one, from every state reported', { timeout: 60_000 }, async () => {
  const fault = fc.record({ at: fc.nat(), drop: fc.nat(12), put: fc.array(record, { maxLength: 12 }) });
  await fc.assert(fc.asyncProperty(fc.array(record, { maxLength: 80 }), fc.array(fault, { maxLength: 3 }), cut, cut, async (records, faults, a, b) => {
    const copy = [...records];
    for (const f of faults) copy.splice(f.at % (copy.length + 1), f.drop, ...f.put);
    const clusters = { origin: clusterOf(logOf(records, a)), copy: clusterOf(logOf(copy, { ...b, padded: false })) };
    const o = await compared(clusters, { reach: near });
    const logs = { origin: await marksOf(clusters.origin), copy: await marksOf(clusters.copy) };
    const plain = await outcome(logs, { reach: near, ends: { origin: clusters.origin.ends('orders').lso, copy: clusters.copy.ends('orders').lso } });
    assert.deepEqual(o.state.counts, plain.state.counts);
    assert.deepEqual(o.differences, plain.differences);
    const middle = o.states[Math.floor(o.states.length / 2)];
    if (middle !== undefined) {
      const again = await compared(clusters, { reach: near, state: middle });
      assert.deepEqual([again.state.counts, again.state.at, again.hash], [o.state.counts, o.state.at, o.hash]);
    }
  }), { numRuns: 300 });
});

test('thousands of records over many groups of the hash: gone on from any state it is the same hash', { timeout: 60_000 }, async () => {
  const records = Array.from({ length: 5_000 }, (_, i): One => ({ at: baseTimestamp + BigInt(i), key: `k${i}`, value: 'v'.repeat(i % 200), headers: [] }));
  const clusters = { origin: clusterOf(logOf(records, { sizes: [100, 7], codec: 'none', shift: 0, padded: false, noise: true })), copy: clusterOf(logOf(records.filter((_, i) => i !== 2_500), { sizes: [33], codec: 'lz4', shift: 5, padded: false, noise: false })) };
  const o = await compared(clusters);
  assert.deepEqual([o.state.counts.matched, o.state.counts.missing, differing(o.state.counts)], [4_999, 1, 1]);
  for (const state of o.states) {
    const again = await compared(clusters, { state });
    assert.deepEqual([again.state, again.hash], [o.state, o.hash]);
  }
  const last = clusters.copy.logs.get('orders/0')?.batches.at(-1);
  assert.ok(last && nextOf(last) === 4_999n);
});

test('what no thread has room for is refused by place and size', async () => {
  const mib = 1024 * 1024;
  const refused = async (batch: HandmadeBatch, words: RegExp): Promise<void> => {
    const cluster = clusterOf([batch]);
    await assert.rejects(compared({ origin: cluster, copy: cluster }), words);
  };
  await refused({ baseOffset: 0n, records: [{ value: Buffer.alloc(5 * mib, 1) }] }, /orders\/0 of cluster canned holds a batch of 5242\d+ bytes in the batch at offset 0; the comparison takes up to 3145728/);
  await refused({ baseOffset: 0n, codec: 'gzip', records: [{ value: Buffer.alloc(5 * mib) }] }, /inflates beyond 3 MiB/);
  for (const codec of ['zstd', 'snappy', 'xerial', 'lz4'] as const) await refused({ baseOffset: 0n, codec, records: Array.from({ length: 9 }, () => ({ value: Buffer.alloc(mib) })) }, /inflates beyond 3 MiB/);
});

test('nor do keys of a compacted partition, or a place where it is looked through, take in what no thread has room for', async () => {
  const mib = 1024 * 1024;
  for (const [batch, words] of [
    [{ baseOffset: 0n, records: [{ key: 'k', value: Buffer.alloc(5 * mib, 1) }] }, /holds a batch of 5242\d+ bytes/],
    [{ baseOffset: 0n, codec: 'zstd', records: Array.from({ length: 9 }, (_, i) => ({ key: `k${i}`, value: Buffer.alloc(mib) })) }, /inflates beyond 3 MiB/],
  ] as const) {
    const of = { topic: 'orders', partition: 0, from: 0n, to: 9n };
    const pace: Pace = { signal: new AbortController().signal, spend: () => null, weigh: () => undefined };
    await assert.rejects(async () => { for await (const _ of keyedRecords(clusterOf([batch]).wire, of, pace)) continue; }, words);
    await assert.rejects(recordsIn(clusterOf([batch]).wire, of, pace), words);
  }
});
