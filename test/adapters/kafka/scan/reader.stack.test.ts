/** The reader on real brokers (3.9 with tiny fetches, and 4.3), with real transactional producers; kafkajs as a second decoder where it decodes rightly. */
import assert from 'node:assert/strict';
import { glob, open } from 'node:fs/promises';
import { after, before, describe, test } from 'node:test';
import { createRecordReader } from '../../../../src/adapters/kafka/scan/reader.ts';
import { fetchKey } from '../../../../src/adapters/kafka/scan/fetch.ts';
import { openWire } from '../../../../src/adapters/kafka/wire.ts';
import type { ClusterWire } from '../../../../src/adapters/kafka/wire.ts';
import { openCluster } from '../../../../src/adapters/kafka/cluster.ts';
import { Failure } from '../../../../src/domain/failures.ts';
import type { Cluster, LogEnds, RecordReader } from '../../../../src/domain/ports.ts';
import { startStack } from '../../../../stack/stack.ts';
import type { Stack } from '../../../../stack/stack.ts';
import { collected, openBench, produceRaw, transact } from './brokers.ts';
import type { Bench } from './brokers.ts';
import { baseTimestamp } from './handmade.ts';

let stack: Stack;
before(async () => {
  const settings = { 'log.cleaner.backoff.ms': '200', 'log.segment.delete.delay.ms': '0' };
  stack = await startStack({ temporal: 'none', connects: 'none', source: { settings: { ...settings, 'fetch.max.bytes': '2048' } }, target: { settings } });
});
after(() => stack.stop());

for (const side of ['source', 'target'] as const) {
  describe(side === 'source' ? 'Kafka 3.9, at most 2 KiB per fetch' : 'Kafka 4.3', () => {
    let wire: ClusterWire;
    let reader: RecordReader;
    let bench: Bench;
    let cluster: Cluster;
    before(() => {
      const config = { name: side, bootstrap: stack[side].bootstrap };
      wire = openWire(config);
      reader = createRecordReader(wire);
      bench = openBench(stack[side].bootstrap);
      cluster = openCluster(side, config);
    });
    after(async () => {
      await bench[Symbol.asyncDispose]();
      await Promise.all([wire.close(), cluster.close()]);
    });

    const endOf = async (topic: string): Promise<LogEnds> => {
      const [end] = await cluster.ends([topic]);
      assert.ok(end);
      return end;
    };
    const values = async (topic: string, isolation: 'read_committed' | 'read_uncommitted' = 'read_committed'): Promise<string[]> => {
      const { hw, lso } = await endOf(topic);
      const found: string[] = [];
      for await (const record of reader.contents({ topic, partition: 0, from: 0n, to: isolation === 'read_committed' ? lso : hw }, { isolation })) found.push(record.value?.toString() ?? '(null)');
      return found;
    };
    /** A producer is told of its commit before the markers are written: until then committed readers see less. */
    const settled = async (topic: string): Promise<void> => {
      const deadline = Date.now() + 10_000;
      for (let ends = await cluster.ends([topic]); ends.some(({ lso, hw }) => lso < hw); ends = await cluster.ends([topic])) {
        assert.ok(Date.now() < deadline, `a transaction on ${topic} is still open after 10 s`);
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    };
    /** Every view of a one-partition topic agrees with what was made visible. */
    const agrees = async (topic: string, visible: readonly string[]): Promise<void> => {
      await settled(topic);
      assert.deepEqual(await values(topic), visible);
      const end = await endOf(topic);
      const fingerprints: string[] = [];
      for await (const record of reader.range({ topic, partition: 0, from: 0n, to: end.lso })) fingerprints.push(record.fingerprint);
      for (const count of [1, 3, visible.length + 5]) assert.deepEqual((await reader.tails([end], count)).get(`${topic}/0`)?.map((record) => record.fingerprint), fingerprints.slice(-count), `tail of ${count}`);
      assert.equal((await reader.firsts([{ topic, partition: 0, from: 0n, to: end.lso }])).get(`${topic}/0`)?.fingerprint, fingerprints[0]);
    };
    const kafkajsAgrees = async (topic: string, visible: readonly string[]): Promise<void> => {
      assert.deepEqual((await bench.consumed(topic, visible.length)).map(({ value }) => value), visible);
    };

    test('commit, abort, commit, abort by one producer, plain records in between', async () => {
      const topic = await bench.topic('one-producer');
      const [plain, transactional] = [await bench.producer(), await bench.transactional('one')];
      await transact(transactional, topic, ['c1', 'c2'], 'commit');
      await transact(transactional, topic, ['a1', 'a2'], 'abort');
      await plain.send({ topic, messages: [{ value: 'p1' }] });
      await transact(transactional, topic, ['c3'], 'commit');
      await transact(transactional, topic, ['a3', 'a4', 'a5'], 'abort');
      await agrees(topic, ['c1', 'c2', 'p1', 'c3']);
      assert.deepEqual(await values(topic, 'read_uncommitted'), ['c1', 'c2', 'a1', 'a2', 'p1', 'c3', 'a3', 'a4', 'a5']);
      await kafkajsAgrees(topic, ['c1', 'c2', 'p1', 'c3']);
    });

    test('two producers abort interleaved, the first to begin is the last to end (kafkajs shows the longer one)', async () => {
      const topic = await bench.topic('interleaved');
      const [long, short, plain] = [await bench.transactional('long'), await bench.transactional('short'), await bench.producer()];
      const outer = await long.transaction();
      const say = (value: string) => ({ topic, messages: [{ value, partition: 0 }] });
      await outer.send(say('long-1'));
      await transact(short, topic, ['short-1'], 'abort');
      await outer.send(say('long-2'));
      await plain.send(say('plain-1'));
      await transact(short, topic, ['short-2'], 'commit');
      await outer.send(say('long-3'));
      await transact(short, topic, ['short-3'], 'abort');
      await outer.abort();
      await plain.send(say('plain-2'));
      await agrees(topic, ['plain-1', 'short-2', 'plain-2']);
    });

    test('a transaction of 2 MiB: its abort marker comes many fetches later', async () => {
      const topic = await bench.topic('long-transaction');
      const [transactional, plain] = [await bench.transactional('large'), await bench.producer()];
      const transaction = await transactional.transaction();
      for (let i = 0; i < 20; i += 1) {
        await transaction.send({ topic, messages: [{ value: `${i}`.padEnd(100_000, '.'), partition: 0 }] });
        await plain.send({ topic, messages: [{ value: `plain-${i}` }] });
      }
      await transaction.abort();
      await transact(transactional, topic, ['after'], 'commit');
      const visible = [...Array.from({ length: 20 }, (_, i) => `plain-${i}`), 'after'];
      await agrees(topic, visible);
      await kafkajsAgrees(topic, visible);
    });

    test('an open transaction: committed reads stop there, its producer is among the writers', async () => {
      const topic = await bench.topic('open');
      const [transactional, plain] = [await bench.transactional('open'), await bench.producer()];
      await plain.send({ topic, messages: [{ value: 'before' }] });
      const transaction = await transactional.transaction();
      await transaction.send({ topic, messages: [{ value: 'open-1' }] });
      await plain.send({ topic, messages: [{ value: 'behind' }] });
      const end = await endOf(topic);
      assert.deepEqual([end.lso, end.hw], [1n, 3n]);
      const found: bigint[] = [];
      for await (const record of reader.range({ topic, partition: 0, from: 0n, to: end.hw })) found.push(record.offset);
      assert.deepEqual(found, [0n]);
      assert.deepEqual(await values(topic, 'read_uncommitted'), ['before', 'open-1', 'behind']);
      const producers = await cluster.producers([{ topic, partition: 0 }]);
      const open = producers.find((producer) => producer.openFrom !== null);
      const writers = await reader.writers({ topic, partition: 0, from: 0n, to: end.hw });
      assert.deepEqual(writers.map(({ producerId, records }) => [producerId, records]), [[-1n, 2], [open?.producerId, 1]]);
      await transaction.commit();
      await agrees(topic, ['before', 'open-1', 'behind']);
    });

    for (const codec of ['gzip', 'snappy', 'lz4', 'zstd']) {
      test(`batches that the broker compressed with ${codec} (Java's codecs) hold the same records`, async () => {
        const topic = await bench.topic(`codec-${codec}`, { configs: { 'compression.type': codec } });
        const plainTopic = await bench.topic(`codec-${codec}-plain`, { configs: { 'compression.type': 'uncompressed' } });
        const messages = Array.from({ length: 2_000 }, (_, i) => ({ key: `k${i}`, value: JSON.stringify({ i, text: 'lorem ipsum '.repeat(i % 30), random: Math.random() }), timestamp: String(baseTimestamp + BigInt(i)), headers: { trace: `t${i}`, none: '' } }));
        const producer = await bench.producer();
        for (const to of [topic, plainTopic]) await producer.send({ topic: to, messages });
        const [compressed, plain] = [await records(topic), await records(plainTopic)];
        assert.equal(compressed.length, 2_000);
        assert.deepEqual(compressed.map(({ fingerprint }) => fingerprint), plain.map(({ fingerprint }) => fingerprint));
        assert.equal(compressed.at(-1)?.value?.toString(), messages.at(-1)?.value);
        await kafkajsIsEqual(plainTopic, plain);
        if (codec === 'gzip') await kafkajsIsEqual(topic, compressed);
      });
    }
    const records = async (topic: string) => await collected(reader.contents({ topic, partition: 0, from: 0n, to: (await endOf(topic)).lso }));
    const kafkajsIsEqual = async (topic: string, ours: Awaited<ReturnType<typeof records>>): Promise<void> => {
      assert.deepEqual(await bench.consumed(topic, ours.length), ours.map(({ partition, offset, timestampMs, key, value }) => ({ partition, offset: Number(offset), timestamp: timestampMs, key: key?.toString() ?? null, value: value?.toString() ?? null })));
    };

    test('log-append time, null and empty, tombstones: as kafkajs decodes them', async () => {
      const topic = await bench.topic('append-time', { configs: { 'message.timestamp.type': 'LogAppendTime' } });
      const fromMs = Date.now();
      const producer = await bench.producer();
      await producer.send({ topic, messages: [{ key: 'k', value: null }, { key: '', value: '' }, { key: null, value: 'v', timestamp: '1000' }] });
      const ours = await records(topic);
      assert.ok(ours.every(({ timestampMs }) => timestampMs >= BigInt(fromMs) && timestampMs <= BigInt(Date.now())));
      assert.deepEqual(ours.map(({ key, value }) => [key?.toString() ?? null, value?.toString() ?? null]), [['k', null], ['', ''], [null, 'v']]);
      await kafkajsIsEqual(topic, ours);
    });

    test('headers that repeat, names that are not UTF-8, null values, careless lengths: stored and told apart', async () => {
      const topic = await bench.topic('headers');
      const twins = [[Buffer.from([0xff]), 'x'], ['a', null], ['a', '']] as const;
      await produceRaw(wire, topic, { baseOffset: 0n, records: [{ value: 'v', headers: twins, timestampDelta: 0 }, { value: 'v', headers: [[Buffer.from([0xfe]), 'x'], ['a', null], ['a', '']], timestampDelta: 0 }, { value: 'v', headers: [['a', null], [Buffer.from([0xff]), 'x'], ['a', '']], timestampDelta: 0 }] });
      await produceRaw(wire, topic, { baseOffset: 0n, records: [{ value: 'v', headers: twins, timestampDelta: 0 }], paddedLengths: true, codec: 'lz4' });
      const fingerprints = (await records(topic)).map(({ fingerprint }) => fingerprint);
      assert.equal(fingerprints.length, 4);
      assert.equal(new Set(fingerprints.slice(0, 3)).size, 3);
      assert.equal(fingerprints[3], fingerprints[0]);
    });

    test('the head was deleted: reads begin at the log start', async () => {
      const topic = await bench.topic('deleted-head');
      const producer = await bench.producer();
      for (let i = 0; i < 10; i += 1) await producer.send({ topic, messages: [{ value: `v${i}` }] });
      const stale = await endOf(topic);
      const admin = bench.kafka.admin();
      await admin.connect();
      await admin.fetchTopicOffsets(topic); // kafkajs knows no leaders before
      await admin.deleteTopicRecords({ topic, partitions: [{ partition: 0, offset: '6' }] });
      await admin.disconnect();
      assert.deepEqual(await values(topic), ['v6', 'v7', 'v8', 'v9']);
      assert.deepEqual(await collected(reader.range({ topic, partition: 0, from: 2n, to: 5n })), []);
      assert.equal((await reader.tails([stale], 50)).get(`${topic}/0`)?.length, 4);
      assert.equal((await reader.firsts([{ topic, partition: 0, from: 0n, to: 10n }])).get(`${topic}/0`)?.offset, 6n);
    });

    test('compaction left gaps: what remains is read, with its own offsets', { timeout: 90_000 }, async () => {
      const topic = await bench.topic('compacted', { configs: { 'cleanup.policy': 'compact', 'segment.ms': '300', 'min.cleanable.dirty.ratio': '0.01', 'delete.retention.ms': '0', 'max.compaction.lag.ms': '500' } });
      const producer = await bench.producer();
      await producer.send({ topic, messages: Array.from({ length: 300 }, (_, i) => ({ key: `k${i % 3}`, value: `v${i}` })) });
      const deadline = Date.now() + 60_000;
      let found = await records(topic);
      while (found.length > 20) {
        assert.ok(Date.now() < deadline, `${found.length} records are left after 60 s`);
        await new Promise((resolve) => setTimeout(resolve, 500));
        await producer.send({ topic, messages: [{ key: 'roll', value: String(Date.now()) }] });
        found = await records(topic);
      }
      assert.deepEqual(found.slice(0, 3).map(({ offset, value }) => [offset, value?.toString()]), [[297n, 'v297'], [298n, 'v298'], [299n, 'v299']]);
      assert.equal((await reader.firsts([{ topic, partition: 0, from: 5n, to: 300n }])).get(`${topic}/0`)?.offset, 297n);
      assert.equal((await reader.firsts([{ topic, partition: 0, from: 5n, to: 200n }])).get(`${topic}/0`), null);
      const end = await endOf(topic);
      assert.deepEqual((await reader.tails([end], 4)).get(`${topic}/0`)?.length, 4);
    });

    test('a record with the key of an abort marker, inside a transaction that is aborted: hidden with it (kafkajs shows it)', async () => {
      const topic = await bench.topic('marker-key');
      const [transactional, plain] = [await bench.transactional('marker-key'), await bench.producer()];
      const transaction = await transactional.transaction();
      await transaction.send({ topic, messages: [{ value: 'a1', partition: 0 }] });
      await transaction.send({ topic, messages: [{ key: Buffer.from([0, 0, 0, 0]), value: 'a2', partition: 0 }] });
      await transaction.send({ topic, messages: [{ value: 'a3', partition: 0 }] });
      await transaction.abort();
      await plain.send({ topic, messages: [{ value: 'after' }] });
      await agrees(topic, ['after']);
      assert.deepEqual(await values(topic, 'read_uncommitted'), ['a1', 'a2', 'a3', 'after']);
    });

    /** Changes one byte of the first batch on the broker's disk: what it serves from then on. */
    const spoil = async (topic: string, at: number, byte: (was: number) => number): Promise<void> => {
      const found: string[] = [];
      for await (const file of glob(`${stack.folder}/**/${topic}-0/00000000000000000000.log`)) found.push(file);
      assert.equal(found.length, 1, `one log of ${topic} under ${stack.folder}`);
      const file = await open(found[0] ?? '', 'r+');
      try {
        const { buffer } = await file.read(Buffer.alloc(1), 0, 1, at);
        await file.write(Buffer.from([byte(buffer[0] ?? 0)]), 0, 1, at);
      } finally {
        await file.close();
      }
    };
    for (const { name, at, byte, type, words } of [
      { name: 'a bit of a value flips on the disk (both client libraries accept it)', at: 75, byte: (was: number) => was ^ 1, type: 'Drift', words: /holds a damaged record batch at offset 0: its CRC32C is [0-9a-f]{8}, [0-9a-f]{8} was stored/ },
      { name: 'a batch in message format v1', at: 16, byte: () => 1, type: 'Unsupported', words: /holds records in message format v1 at offset 0/ },
    ] as const) {
      // Kafka 4 itself can no longer read the old formats: nothing would be served.
      if (type === 'Unsupported' && side === 'target') continue;
      test(`${name}: refused, by place`, async () => {
        const topic = await bench.topic(`spoilt-${at}-${side}`);
        await (await bench.producer()).send({ topic, messages: [{ value: 'v'.repeat(100) }] });
        assert.equal((await values(topic)).length, 1);
        await spoil(topic, at, byte);
        await assert.rejects(collected(reader.range({ topic, partition: 0, from: 0n, to: 1n })), (error) => error instanceof Failure && error.type === type && words.test(error.message));
      });
    }

    test('forty partitions: tails and firsts agree with full reads, in few requests', async () => {
      const topic = await bench.topic('many', { partitions: 40 });
      const [producer, transactional] = [await bench.producer(), await bench.transactional('many')];
      for (let round = 0; round < 5; round += 1) {
        await producer.send({ topic, messages: Array.from({ length: 400 }, (_, i) => ({ value: `r${round}-${i}`, partition: (i * 7) % 39 })) });
        const transaction = await transactional.transaction();
        await transaction.send({ topic, messages: Array.from({ length: 39 }, (_, partition) => ({ value: `t${round}`, partition })) });
        await (round % 2 === 0 ? transaction.abort() : transaction.commit());
      }
      await settled(topic);
      const ends = await cluster.ends([topic]);
      let fetches = 0;
      const counting = createRecordReader({ ...wire, version: (node, api, ours) => { fetches += api === fetchKey ? 1 : 0; return wire.version(node, api, ours); } });
      const tails = await counting.tails(ends, 8);
      const firsts = await counting.firsts(ends.map(({ partition, lso }) => ({ topic, partition, from: 20n, to: lso })));
      if (side === 'target') assert.equal(fetches, 2);
      for (const { partition, lso } of ends) {
        const all = await collected(reader.range({ topic, partition, from: 0n, to: lso }));
          if (partition === 39) assert.equal(all.length, 0, 'an empty partition among the others');
        assert.deepEqual(tails.get(`${topic}/${partition}`), all.slice(-8));
        assert.deepEqual(firsts.get(`${topic}/${partition}`), all.find(({ offset }) => offset >= 20n) ?? null);
      }
    });
  });
}
