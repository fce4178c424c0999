/** The reader against a cluster in memory: the ten correctness cases in which client libraries fail, and the ways logs move under a reader. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { TestContext } from 'node:test';
import { createRecordReader } from '../../../../src/adapters/kafka/scan/reader.ts';
import { Failure } from '../../../../src/domain/failures.ts';
import type { RecordReader, SeenRecord } from '../../../../src/domain/ports.ts';
import { cannedCluster } from './canned.ts';
import type { CannedCluster, CannedLog, CannedOptions } from './canned.ts';
import { marker } from './handmade.ts';
import type { HandmadeBatch } from './handmade.ts';

const tp = { topic: 'orders', partition: 0 };
const data = (baseOffset: bigint, count: number, producerId?: bigint, more: Partial<HandmadeBatch> = {}): HandmadeBatch => ({
  baseOffset, records: Array.from({ length: count }, (_, i) => ({ key: `k${baseOffset + BigInt(i)}`, value: 'v'.repeat(50) })),
  ...(producerId === undefined ? {} : { producerId, transactional: true }), ...more,
});
const withLog = (batches: readonly HandmadeBatch[], log: Partial<CannedLog> = {}, options: CannedOptions = {}): { reader: RecordReader; cluster: CannedCluster } => {
  const cluster = cannedCluster({ 'orders/0': { batches, leader: 1, ...log } }, options);
  return { reader: createRecordReader(cluster.wire), cluster };
};
async function offsets(records: AsyncIterable<SeenRecord>): Promise<number[]> {
  const found: number[] = [];
  for await (const record of records) found.push(Number(record.offset));
  return found;
}
const committed = (reader: RecordReader, from: bigint, to: bigint) => offsets(reader.range({ ...tp, from, to }));
const uncommitted = (reader: RecordReader, from: bigint, to: bigint) => offsets(reader.range({ ...tp, from, to }, { isolation: 'read_uncommitted' }));
const failing = async (work: Promise<unknown>, type: string, ...words: readonly RegExp[]): Promise<void> => {
  await assert.rejects(work, (error) => {
    assert.ok(error instanceof Failure, String(error));
    assert.equal(error.type, type);
    for (const word of words) assert.match(error.message, word);
    return true;
  });
};

/** Lets a second of the clock pass every 5 ms: patience ends soon. */
const quicken = (t: TestContext): void => {
  t.mock.timers.enable({ apis: ['Date'] });
  const ticking = setInterval(() => t.mock.timers.tick(1_000), 5);
  t.after(() => clearInterval(ticking));
};

const transactionCases: readonly { readonly name: string; readonly batches: readonly HandmadeBatch[]; readonly visible: readonly number[] }[] = [
  { name: 'one aborted transaction', batches: [data(0n, 2), data(2n, 2, 7n), marker(4n, 7n, 'abort'), data(5n, 1)], visible: [0, 1, 5] },
  { name: 'one committed transaction', batches: [data(0n, 2, 7n), marker(2n, 7n, 'commit'), data(3n, 1)], visible: [0, 1, 3] },
  { name: 'the marker stands many batches later', batches: [data(0n, 1, 7n), ...[1n, 2n, 3n, 4n].map((offset) => data(offset, 1)), data(5n, 1, 7n), marker(6n, 7n, 'abort'), data(7n, 1, 7n), marker(8n, 7n, 'commit')], visible: [1, 2, 3, 4, 7] },
  { name: 'one producer: abort, commit, abort', batches: [data(0n, 2, 7n), marker(2n, 7n, 'abort'), data(3n, 2, 7n), marker(5n, 7n, 'commit'), data(6n, 2, 7n), marker(8n, 7n, 'abort')], visible: [3, 4] },
  { name: 'two aborts interleave, the longer one began first and ends last', batches: [data(0n, 1, 7n), data(1n, 1, 8n), data(2n, 1, 7n), marker(3n, 8n, 'abort'), data(4n, 1, 7n), data(5n, 1), marker(6n, 7n, 'abort')], visible: [5] },
  { name: 'two interleave, one commits within the other', batches: [data(0n, 1, 7n), data(1n, 1, 8n), marker(2n, 8n, 'commit'), data(3n, 1, 7n), data(4n, 1, 8n), marker(5n, 7n, 'abort'), marker(6n, 8n, 'commit')], visible: [1, 4] },
  { name: 'a data record in an aborted transaction has the key of an abort marker', batches: [data(0n, 1, 7n), { ...data(1n, 1, 7n), records: [{ key: Buffer.from([0, 0, 0, 0]), value: 'x' }] }, data(2n, 1, 7n), marker(3n, 7n, 'abort'), data(4n, 1)], visible: [4] },
  { name: 'records of the same producer outside transactions stay visible', batches: [data(0n, 1, 7n), data(1n, 1, undefined, { producerId: 7n }), marker(2n, 7n, 'abort')], visible: [1] },
  { name: 'a control batch of a kind to come ends nothing', batches: [data(0n, 1, 7n), { ...marker(1n, 7n, 'commit'), records: [{ key: Buffer.from([0, 0, 0, 5]), value: '' }] }, data(2n, 1, 7n), marker(3n, 7n, 'abort')], visible: [] },
];
for (const { name, batches, visible } of transactionCases) {
  for (const cutAt of [Infinity, 1]) {
    test(`${name}: hidden is what was aborted (${cutAt === 1 ? 'one batch per fetch' : 'one fetch'})`, async () => {
      const { reader, cluster } = withLog(batches, {}, { cutAt });
      const ends = cluster.ends('orders');
      assert.deepEqual(await committed(reader, 0n, ends.lso), visible);
      const dataOffsets = batches.filter((batch) => batch.control !== true).flatMap((batch) => batch.records.map((_, i) => Number(batch.baseOffset) + i));
      assert.deepEqual(await uncommitted(reader, 0n, ends.hw), dataOffsets);
      for (let from = 0n; from < ends.lso; from += 1n) assert.deepEqual(await committed(reader, from, ends.lso), visible.filter((offset) => offset >= from), `from ${from}`);
      for (const count of [1, 2, 100]) assert.deepEqual((await reader.tails([ends], count)).get('orders/0')?.map(({ offset }) => Number(offset)), visible.slice(-count));
      const hidden = dataOffsets.filter((offset) => offset < ends.lso && !visible.includes(offset));
      for (let from = 0n; from < ends.lso; from += 1n) {
        const told = (await reader.aborted([{ ...tp, from, to: ends.lso }])).get('orders/0') ?? [];
        assert.equal(told.reduce((n, b) => n + b.records, 0), hidden.filter((offset) => offset >= from).length, `aborted from ${from}`);
      }
      assert.equal((await reader.firsts([{ ...tp, from: 0n, to: ends.lso }])).get('orders/0')?.offset, visible[0] === undefined ? undefined : BigInt(visible[0]));
    });
  }
}

test('an aborted range listed again by the next fetch is not opened a second time after its end', async () => {
  // Broker lists every transaction that overlaps: 0..9 belongs to two fetches.
  const { reader } = withLog([data(0n, 4, 7n), data(4n, 4, 7n), marker(8n, 7n, 'abort'), data(9n, 2, 7n), marker(11n, 7n, 'commit')], {}, { cutAt: 1 });
  assert.deepEqual(await committed(reader, 0n, 12n), [9, 10]);
});

test('an open transaction: a committed reader ends there, an uncommitted one does not', async () => {
  const { reader } = withLog([data(0n, 2), data(2n, 2, 7n), data(4n, 1)], { lso: 2n });
  assert.deepEqual(await committed(reader, 0n, 5n), [0, 1]);
  assert.deepEqual(await uncommitted(reader, 0n, 5n), [0, 1, 2, 3, 4]);
  assert.equal((await reader.firsts([{ ...tp, from: 2n, to: 5n }])).get('orders/0'), null);
});

test('only markers at the end: nothing to read, and that is said without waiting', async () => {
  const { reader, cluster } = withLog([data(0n, 1, 7n), marker(1n, 7n, 'commit'), marker(2n, 8n, 'abort'), marker(3n, 8n, 'abort')]);
  assert.deepEqual(await committed(reader, 1n, 4n), []);
  assert.equal((await reader.firsts([{ ...tp, from: 1n, to: 4n }])).get('orders/0'), null);
  assert.deepEqual((await reader.tails([cluster.ends('orders')], 1)).get('orders/0')?.map(({ offset }) => offset), [0n]);
});

test('an empty range and an empty log ask nobody', async () => {
  const { reader, cluster } = withLog([]);
  assert.deepEqual(await committed(reader, 0n, 0n), []);
  assert.deepEqual([...(await reader.tails([cluster.ends('orders')], 5))], [['orders/0', []]]);
  assert.deepEqual([...(await reader.firsts([{ ...tp, from: 3n, to: 3n }]))], [['orders/0', null]]);
  assert.equal(cluster.requests.length, 0);
});

test('the head was deleted: the read begins at the log start', async () => {
  const { reader, cluster } = withLog([data(10n, 5)], { logStart: 10n });
  assert.deepEqual(await committed(reader, 3n, 15n), [10, 11, 12, 13, 14]);
  assert.deepEqual(await committed(reader, 3n, 8n), [], 'all that was asked for is gone');
  assert.deepEqual(await committed(reader, 3n, 12n), [10, 11], 'never beyond what was asked');
  const tails = await reader.tails([{ ...cluster.ends('orders'), logStart: 0n }], 20);
  assert.equal(tails.get('orders/0')?.length, 5, 'with the log start as it was before');
  assert.equal((await reader.firsts([{ ...tp, from: 0n, to: 15n }])).get('orders/0')?.offset, 10n);
});

test('the head is deleted while it is read, and an abort marker with it: what its producer committed later is seen', async () => {
  const { reader, cluster } = withLog([data(0n, 1), data(1n, 1, 7n), data(2n, 1, 7n), marker(3n, 7n, 'abort'), data(4n, 1, 7n), marker(5n, 7n, 'commit')], {}, { cutAt: 1 });
  const log = cluster.logs.get('orders/0');
  assert.ok(log);
  const seen: number[] = [];
  for await (const record of reader.range({ ...tp, from: 0n, to: 6n })) {
    seen.push(Number(record.offset));
    log.logStart = 4n;
    log.batches = log.batches.filter((batch) => batch.baseOffset >= 4n);
  }
  assert.deepEqual(seen, [0, 4]);
  assert.equal(cluster.listOffsets, 1);
});

test('compaction removed the last records (an expired tombstone): the gap up to the end is nothing, not a fault', async () => {
  const logs = Object.fromEntries(Array.from({ length: 40 }, (_, i) => [`orders/${i}`, { leader: 1, batches: [data(0n, 2)], hw: 10n }]));
  const cluster = cannedCluster(logs);
  const reader = createRecordReader(cluster.wire);
  assert.deepEqual(await committed(reader, 0n, 10n), [0, 1]);
  assert.deepEqual(await committed(reader, 1n, 6n), [1]);
  cluster.requests.length = 0;
  const firsts = await reader.firsts(Array.from({ length: 40 }, (_, partition) => ({ topic: 'orders', partition, from: 2n, to: 10n })));
  assert.ok([...firsts.values()].every((record) => record === null));
  assert.equal(cluster.requests.length, 1, 'for all partitions together');
});

test('the same look with tiered storage that does not answer is no gap', { timeout: 30_000 }, async (t) => {
  quicken(t);
  await failing(committed(withLog([data(0n, 20)], { localStart: 10n }).reader, 0n, 20n), 'Unreachable', /offset 0/, /local log begins at 10/);
});

test('a record larger than any fetch is read, alone and among many partitions', async () => {
  const huge = (offset: bigint): HandmadeBatch => ({ baseOffset: offset, records: [{ value: Buffer.alloc(5 * 1024 * 1024, 7) }] });
  const cluster = cannedCluster(Object.fromEntries(Array.from({ length: 20 }, (_, i) => [`orders/${i}`, { leader: 1, batches: [data(0n, 1), huge(1n), data(2n, 1)] }])));
  const reader = createRecordReader(cluster.wire);
  assert.deepEqual(await committed(reader, 0n, 3n), [0, 1, 2]);
  const tails = await reader.tails(Array.from({ length: 20 }, (_, partition) => cluster.ends('orders', partition)), 3);
  assert.deepEqual([...tails.values()].map((tail) => tail.length), Array.from({ length: 20 }, () => 3));
});

test('many partitions on three brokers: one request per broker and round', async () => {
  const cluster = cannedCluster(Object.fromEntries(Array.from({ length: 300 }, (_, i) => [`orders/${i}`, { leader: i % 3, batches: [data(0n, 100), marker(100n, 1n, 'commit')] }])));
  const reader = createRecordReader(cluster.wire);
  const ends = Array.from({ length: 300 }, (_, partition) => cluster.ends('orders', partition));
  const tails = await reader.tails(ends, 5);
  assert.deepEqual(tails.get('orders/299')?.map(({ offset }) => Number(offset)), [95, 96, 97, 98, 99]);
  assert.equal(tails.size, 300);
  assert.equal(cluster.requests.length, 3);
  cluster.requests.length = 0;
  const firsts = await reader.firsts(ends.map(({ topic, partition, lso }) => ({ topic, partition, from: 50n, to: lso })));
  assert.ok([...firsts.values()].every((record) => record?.offset === 50n));
  assert.equal(cluster.requests.length, 3);
});

test('a long aborted run at the end does not hide the records before it', async () => {
  const aborted = Array.from({ length: 500 }, (_, i) => data(BigInt(20 + i * 10), 10, 7n));
  const { reader, cluster } = withLog([data(0n, 20), ...aborted, marker(5020n, 7n, 'abort')]);
  const tail = (await reader.tails([cluster.ends('orders')], 10)).get('orders/0');
  assert.deepEqual(tail?.map(({ offset }) => Number(offset)), [10, 11, 12, 13, 14, 15, 16, 17, 18, 19]);
  assert.ok(cluster.requests.length < 12, `${cluster.requests.length} requests`);
});

test('the leader moves, is away, and comes back while a range is read: nothing is missing, nothing comes twice', async () => {
  const { reader, cluster } = withLog(Array.from({ length: 6 }, (_, i) => data(BigInt(i * 10), 10)), { refusals: [6, 74, 75, 78, -1] }, { cutAt: 1 });
  cluster.breaks.push(new Error('Connection closed'), new Error('ECONNREFUSED'));
  const log = cluster.logs.get('orders/0');
  assert.ok(log);
  const seen: number[] = [];
  for await (const record of reader.range({ ...tp, from: 0n, to: 60n })) {
    if (record.offset === 15n) log.leader = 2;
    if (record.offset === 35n) cluster.breaks.push(new Error('Connection closed'));
    seen.push(Number(record.offset));
  }
  assert.deepEqual(seen, Array.from({ length: 60 }, (_, i) => i));
});

test('a log that is shorter than it was said to be is no quiet end', { timeout: 30_000 }, async (t) => {
  quicken(t);
  const { reader, cluster } = withLog([data(0n, 10)]);
  await failing(committed(reader, 0n, 20n), 'MirrorDamaged', /orders\/0 of cluster canned ends at offset 10/, /up to 20/);
  await failing(committed(reader, 15n, 20n), 'MirrorDamaged', /does not reach offset 15/);
  await failing(reader.firsts([{ ...tp, from: 12n, to: 20n }]), 'MirrorDamaged', /orders\/0/);
  await failing(reader.tails([{ ...cluster.ends('orders'), lso: 20n, hw: 20n }], 3), 'MirrorDamaged', /orders\/0/);
});

test('a leader that is behind for a moment is waited for', async () => {
  const { reader, cluster } = withLog([data(0n, 10), data(10n, 10)], { hw: 10n });
  setTimeout(() => {
    const log = cluster.logs.get('orders/0');
    if (log !== undefined) delete log.hw;
  }, 60);
  assert.equal((await committed(reader, 0n, 20n)).length, 20);
});

test('no right to read, no such partition, a topic that is not there', { timeout: 30_000 }, async (t) => {
  quicken(t);
  await failing(committed(withLog([data(0n, 1)], { refusals: [29] }).reader, 0n, 1n), 'Unauthorized', /READ on topic orders/, /cluster canned/);
  await failing(offsets(withLog([data(0n, 1)]).reader.range({ topic: 'orders', partition: 4, from: 0n, to: 1n })), 'Drift', /orders\/4 of cluster canned does not exist/);
  await failing(committed(withLog([data(0n, 1)], { refusals: [2] }).reader, 0n, 1n), 'Drift', /CORRUPT_MESSAGE/);
});

test('a broker that stays away ends the read with what it said', { timeout: 30_000 }, async (t) => {
  quicken(t);
  const { reader, cluster } = withLog([data(0n, 1)]);
  for (let i = 0; i < 1_000; i += 1) cluster.breaks.push(new Error('connect ECONNREFUSED 127.0.0.1:1'));
  await failing(committed(reader, 0n, 1n), 'Unreachable', /orders\/0 from broker 1/, /ECONNREFUSED/);
});

test('aborting ends a read at once, with the reason given', async () => {
  const stop = new AbortController();
  const { reader } = withLog([data(0n, 5), data(5n, 5)], { hw: 5n });
  const reason = new Error('worker shuts down');
  setTimeout(() => stop.abort(reason), 30);
  await assert.rejects(offsets(reader.range({ ...tp, from: 0n, to: 10n }, { signal: stop.signal })), (error) => error === reason);
  await assert.rejects(reader.tails([{ ...tp, logStart: 0n, lso: 10n, hw: 10n }], 1, { signal: stop.signal }), (error) => error === reason);
});

test('a reader that leaves early leaves nothing running', async () => {
  const { reader, cluster } = withLog(Array.from({ length: 50 }, (_, i) => data(BigInt(i), 1)), {}, { cutAt: 1 });
  for await (const record of reader.range({ ...tp, from: 0n, to: 50n })) if (record.offset === 3n) break;
  await new Promise((resolve) => setTimeout(resolve, 30));
  assert.ok(cluster.requests.length <= 6, `${cluster.requests.length} fetches for four records and one ahead`);
});

test('the same partition twice in one call is a mistake of the caller', async () => {
  const { reader } = withLog([data(0n, 1)]);
  await assert.rejects(reader.firsts([{ ...tp, from: 0n, to: 1n }, { ...tp, from: 0n, to: 1n }]), /orders\/0 is asked for twice/);
});

test('contents: keys and values as copies that outlive the fetch', async () => {
  const { reader } = withLog([{ baseOffset: 0n, records: [{ key: 'a', value: null }, { key: null, value: '' }, { key: '', value: 'b' }] }]);
  const seen: (readonly [string | null, string | null])[] = [];
  for await (const { key, value } of reader.contents({ ...tp, from: 0n, to: 3n })) {
    assert.ok(key === null || key.buffer.byteLength < 100_000);
    seen.push([key?.toString() ?? null, value?.toString() ?? null]);
  }
  assert.deepEqual(seen, [['a', null], [null, ''], ['', 'b']]);
});

test('writers: by producer id from headers, aborted and open ones too, markers left out', async () => {
  const { reader } = withLog([data(0n, 3), data(3n, 2, 7n), marker(5n, 7n, 'abort'), data(6n, 1, 7n), marker(7n, 7n, 'commit'), data(8n, 4, 9n, { codec: 'zstd', maxTimestamp: 5n, baseTimestamp: 4n })], { lso: 8n });
  const writers = await reader.writers({ ...tp, from: 1n, to: 10n });
  assert.deepEqual(writers.map(({ producerId, records, firstOffset, lastOffset }) => [producerId, records, firstOffset, lastOffset]), [[-1n, 2, 1n, 2n], [7n, 3, 3n, 6n], [9n, 2, 8n, 9n]]);
  assert.deepEqual(writers.map(({ firstTimestampMs, lastTimestampMs }) => [firstTimestampMs, lastTimestampMs]).at(-1), [4n, 5n]);
});

test('writers: each with its stretches, which others interrupt and markers do not', async () => {
  const { reader } = withLog([data(0n, 2, 7n), marker(2n, 7n, 'commit'), data(3n, 1, 7n), data(4n, 1, 9n), data(5n, 2, 7n)]);
  const writers = await reader.writers({ ...tp, from: 0n, to: 7n });
  assert.deepEqual(writers.map(({ producerId, runs }) => [producerId, runs.map((r) => [r.firstOffset, r.lastOffset])]), [[7n, [[0n, 3n], [5n, 6n]]], [9n, [[4n, 4n]]]]);
});

test('writers: no stretch reaches over what somebody else wrote, neither over what a cleaner took nor behind the stretches that are kept', async () => {
  const { reader } = withLog([data(0n, 1, 7n), data(2n, 1, 7n), marker(3n, 9n, 'abort'), data(4n, 1, 7n)]);
  assert.deepEqual((await reader.writers({ ...tp, from: 0n, to: 5n })).map(({ runs }) => runs.map((r) => [r.firstOffset, r.lastOffset])), [[[0n, 0n], [2n, 4n]]]);
  const turns = 10_100;
  const many = withLog([...Array.from({ length: turns }, (_, i) => data(BigInt(i), 1, i % 2 === 0 ? 7n : 9n)), data(BigInt(turns), 1, 7n), data(BigInt(turns + 1), 1, 7n)]);
  const [stranger] = await many.reader.writers({ ...tp, from: 0n, to: BigInt(turns + 2) });
  assert.equal(stranger?.records, turns / 2 + 2);
  assert.ok(stranger?.runs.every((r) => r.firstOffset === r.lastOffset && r.firstOffset % 2n === 0n), 'a stretch of one writer holds what another wrote');
});
