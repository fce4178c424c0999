/** Two real clusters compared: every way a copy can differ, by the threads themselves and by `cutover verify`, also when the worker is killed in between. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import { createComparer } from '../../src/adapters/kafka/compare/comparer.ts';
import { openCluster } from '../../src/adapters/kafka/cluster.ts';
import { noCounts, type Counts, type Difference, type DiffState } from '../../src/domain/diff/difference.ts';
import type { Comparer, PartitionAsk, PartitionEnd } from '../../src/domain/diff/port.ts';
import type { Cluster } from '../../src/domain/ports.ts';
import type { VerifyResult } from '../../src/domain/verification.ts';
import { startStack, type Stack } from '../../stack/stack.ts';
import { openWire } from '../../src/adapters/kafka/wire.ts';
import { openBench, produceRaw, transact, type Bench } from '../adapters/kafka/scan/brokers.ts';
import type { HandmadeBatch } from '../adapters/kafka/scan/handmade.ts';
import { cutover, type Ran } from './terminal.ts';

interface Message { readonly key: string | null; readonly value: string | null; readonly headers?: Readonly<Record<string, string>>; readonly timestamp: string }
/** Recent: retention takes records by their own timestamps. */
const baseMs = Date.now() - 3_600_000;
const two = ['old', 'new'] as const;
type Name = (typeof two)[number];

let stack: Stack;
let folder: string;
let comparer: Comparer & { close(): Promise<void> };
let benches: Readonly<Record<Name, Bench>>;
let clusters: Readonly<Record<Name, Cluster>>;
const kept = { ...process.env };
before(async () => {
  stack = await startStack({ connects: 'none', temporal: { ui: false }, source: { settings: { 'log.segment.delete.delay.ms': '0', 'log.cleaner.backoff.ms': '200' } } });
  folder = await mkdtemp(join(tmpdir(), 'cutover-verify-'));
  const configs = { old: { bootstrap: stack.source.bootstrap }, new: { bootstrap: stack.target.bootstrap } };
  comparer = createComparer({ clusters: configs });
  benches = { old: openBench(configs.old.bootstrap), new: openBench(configs.new.bootstrap) };
  clusters = { old: openCluster('old', configs.old), new: openCluster('new', configs.new) };
  Object.assign(process.env, stack.env);
});
after(async () => {
  for (const name of Object.keys(stack.env)) {
    if (kept[name] === undefined) delete process.env[name];
    else process.env[name] = kept[name];
  }
  await Promise.all([comparer.close(), ...two.flatMap((name) => [benches[name][Symbol.asyncDispose](), clusters[name].close()])]);
  await stack.stop();
  await rm(folder, { recursive: true });
});

const messages = (from: number, to: number): readonly Message[] => Array.from({ length: to - from }, (_, i) => ({ key: `k${(from + i) % 7}`, value: `value ${from + i}`, headers: { trace: `t${from + i}` }, timestamp: String(baseMs + from + i) }));
/** Sends in pieces of a size of its own: the batches of a mirror are cut otherwise than those of the producers. */
async function send(name: Name, topic: string, all: readonly Message[], piece: number): Promise<void> {
  const producer = await benches[name].producer();
  for (let i = 0; i < all.length; i += piece) await producer.send({ topic, messages: all.slice(i, i + piece).map((m) => ({ ...m, headers: { ...m.headers }, partition: 0 })) });
}
const create = async (topic: string, configs: Readonly<Record<string, string>> = {}): Promise<void> => { for (const name of two) await benches[name].topic(topic, { configs }); };

interface Said { readonly end: PartitionEnd; readonly differences: readonly Difference[]; readonly states: readonly { readonly state: DiffState; readonly listed: number }[]; readonly how: string | null }
async function compared(topic: string, x: Partial<PartitionAsk> & { readonly stopAfter?: number; readonly recordsPerSecond?: number; readonly by?: Comparer } = {}): Promise<Said> {
  const [[copy], [origin]] = [await clusters.new.ends([topic]), await clusters.old.ends([topic])];
  assert.ok(origin && copy);
  const { stopAfter, recordsPerSecond, by = comparer, ...ask } = x;
  const differences: Difference[] = [];
  const states: { state: DiffState; listed: number }[] = [];
  const stop = new AbortController();
  let how: string | null = null;
  const [end] = await by.compare({
    clusters: { origin: 'old', copy: 'new' }, rate: { bytesPerSecond: null, recordsPerSecond: recordsPerSecond ?? null },
    partitions: [{ topic, partition: 0, starts: { origin: origin.logStart, copy: copy.logStart }, ends: { origin: origin.lso, copy: copy.lso }, horizon: 'closed', order: 'every-record', state: null, anchors: [], list: 100, ...ask }],
  }, (report) => {
    how = report.beginning?.how ?? how;
    differences.push(...report.fresh);
    states.push({ state: report.state, listed: differences.length });
    if (report.state.counts.matched >= (stopAfter ?? Infinity)) stop.abort();
  }, stop.signal);
  assert.ok(end);
  return { end, differences, states, how };
}
const counts = (more: Partial<Counts>): Counts => ({ ...noCounts, ...more });
const kindsOf = (s: Said): readonly string[] => s.differences.map((d) => `${d.kind}${d.what === undefined ? '' : ` ${d.what}`} ${d.origin}/${d.copy}`);

describe('two real brokers, one partition', () => {
  const all = messages(0, 1_000);
  const without = <T>(list: readonly T[], ...at: readonly number[]): readonly T[] => list.filter((_, i) => !at.includes(i));
  const cases: readonly { readonly name: string; readonly copy: readonly Message[]; readonly counts: Partial<Counts>; readonly seen: readonly string[] }[] = [
    { name: 'identical', copy: all, counts: { matched: 1_000 }, seen: [] },
    { name: 'one record missing', copy: without(all, 500), counts: { matched: 999, missing: 1 }, seen: ['missing 500/null'] },
    { name: 'the last records missing', copy: all.slice(0, 990), counts: { matched: 990, missing: 10 }, seen: Array.from({ length: 10 }, (_, i) => `missing ${990 + i}/null`) },
    { name: 'one record extra', copy: [...all.slice(0, 300), ...messages(9_000, 9_001), ...all.slice(300)], counts: { matched: 1_000, extra: 1 }, seen: ['extra null/300'] },
    { name: 'a header changed', copy: all.map((m, i) => (i === 42 ? { ...m, headers: { trace: 'other' } } : m)), counts: { matched: 999, changed: 1 }, seen: ['changed content 42/42'] },
    { name: 'a timestamp changed', copy: all.map((m, i) => (i === 42 ? { ...m, timestamp: String(baseMs) } : m)), counts: { matched: 999, changed: 1 }, seen: ['changed timestamp 42/42'] },
    { name: 'null where a value was empty', copy: all.map((m, i) => (i === 7 ? { ...m, value: null } : m)), counts: { matched: 999, changed: 1 }, seen: ['changed content 7/7'] },
    { name: 'two records reordered', copy: [...all.slice(0, 600), ...all.slice(601, 602), ...all.slice(600, 601), ...all.slice(602)], counts: { matched: 999, reordered: 1 }, seen: [] },
    { name: 'an at-least-once mirror restarted: a run of records came twice', copy: [...all.slice(0, 700), ...all.slice(400, 700), ...all.slice(700)], counts: { matched: 1_000, repeated: 300 }, seen: [] },
  ];
  for (const [n, { name, copy, counts: wanted, seen }] of cases.entries()) {
    test(name, async () => {
      const topic = `case-${n}`;
      await create(topic);
      await send('old', topic, all, 250);
      await send('new', topic, copy, 77);
      const said = await compared(topic);
      assert.deepEqual(said.end.state?.counts, counts(wanted));
      if (seen.length > 0) assert.deepEqual(kindsOf(said), seen);
      assert.equal(said.end.decided, 'all');
    });
  }

  test('aborted transactions on either side are no records; committed ones are', async () => {
    const topic = 'transactions';
    await create(topic);
    const sent = ['a', 'b', 'c'];
    for (const [name, extra] of [['old', 3], ['new', 1]] as const) {
      const producer = await benches[name].transactional(`t-${name}`);
      for (const value of sent) {
        for (let i = 0; i < extra; i += 1) await transact(producer, topic, [`aborted ${i}`], 'abort');
        const t = await producer.transaction();
        await t.send({ topic, messages: [{ value, timestamp: String(baseMs), partition: 0 }] });
        await t.commit();
      }
      for (const deadline = Date.now() + 10_000; ; await wait(20)) {
        const [end] = await clusters[name].ends([topic]);
        if (end?.lso === end?.hw) break;
        assert.ok(Date.now() < deadline, 'a transaction stays open');
      }
    }
    const said = await compared(topic);
    assert.deepEqual(said.end.state?.counts, counts({ matched: 3 }));
  });

  test('heads deleted: on the source after the copy, on both; compared where both still hold records', async () => {
    for (const [topic, cut] of [['head-source', { old: 400, new: 0 }], ['head-both', { old: 300, new: 650 }]] as const) {
      await create(topic);
      await send('old', topic, all, 250);
      await send('new', topic, without(all, 800), 77);
      for (const name of two) if (cut[name] > 0) await deleteHead(name, topic, cut[name]);
      const said = await compared(topic);
      assert.equal(said.how, 'search');
      assert.deepEqual(said.end.state?.counts, counts({ matched: 999 - Math.max(cut.old, cut.new), missing: 1 }));
      assert.deepEqual(kindsOf(said), ['missing 800/null']);
    }
  });
  async function deleteHead(name: Name, topic: string, offset: number): Promise<void> {
    const admin = benches[name].kafka.admin();
    await admin.connect();
    await admin.fetchTopicOffsets(topic);
    await admin.deleteTopicRecords({ topic, partitions: [{ partition: 0, offset: String(offset) }] });
    await admin.disconnect();
  }

  test('whatever the topic holds: batches of 3 MiB, batches that inflate to as much, thousands of small ones; one thread, at most 64 MiB', async () => {
    const topic = 'heavy';
    await create(topic, { 'max.message.bytes': '6000000' });
    const large = Array.from({ length: 6 }, (_, i): HandmadeBatch => ({ baseOffset: 0n, baseTimestamp: BigInt(baseMs), records: Array.from({ length: 3 }, (_r, j) => ({ value: randomBytes(1_000_000), key: `${i}/${j}` })) }));
    const dense = Array.from({ length: 12 }, (_, i): HandmadeBatch => ({ baseOffset: 0n, baseTimestamp: BigInt(baseMs), codec: 'zstd', records: Array.from({ length: 3 }, (_r, j) => ({ value: Buffer.alloc(1_000_000, `${i}.${j}.`), key: `${i}/${j}` })) }));
    for (const [name, side] of [['old', stack.source], ['new', stack.target]] as const) {
      const wire = openWire({ name, bootstrap: side.bootstrap });
      for (const batch of [...large, ...dense]) await produceRaw(wire, topic, batch);
      await wire.close();
      await send(name, topic, all, name === 'old' ? 3 : 5);
    }
    const alone = createComparer({ clusters: { old: { bootstrap: stack.source.bootstrap }, new: { bootstrap: stack.target.bootstrap } } }, { threads: 1 });
    try {
      for (let i = 0; i < 3; i += 1) assert.deepEqual((await compared(topic, { by: alone })).end.state?.counts, counts({ matched: 18 + 36 + 1_000 }));
      console.log(`    peak memory of the thread: ${(alone.peakBytes() / 1024 / 1024).toFixed(1)} MiB`);
      assert.ok(alone.peakBytes() <= 64 * 1024 * 1024, `${alone.peakBytes()} bytes`);
    } finally {
      await alone.close();
    }
  });

  test('one side is compacted, the other not: the same by key and in the tail; a last value that differs is found', { timeout: 90_000 }, async () => {
    const topic = 'compacted';
    const cleaning = { 'cleanup.policy': 'compact', 'segment.ms': '300', 'min.cleanable.dirty.ratio': '0.01', 'max.compaction.lag.ms': '500', 'delete.retention.ms': '0' };
    await benches.old.topic(topic, { configs: cleaning });
    await benches.new.topic(topic, { configs: { 'cleanup.policy': 'compact', 'min.compaction.lag.ms': '3600000' } });
    const rows = messages(0, 300).map((m, i): Message => ({ ...m, key: `k${i % 5}`, value: i === 299 ? null : m.value }));
    for (const [name, piece] of [['old', 50], ['new', 77]] as const) await send(name, topic, rows, piece);
    const read = async (name: Name): Promise<number> => {
      const [end] = await clusters[name].ends([topic]);
      assert.ok(end);
      return (await clusters[name].records.tails([end], 10_000)).get(`${topic}/0`)?.length ?? 0;
    };
    const rolled = [...rows];
    for (const deadline = Date.now() + 60_000; (await read('old')) > 30; await wait(500)) {
      assert.ok(Date.now() < deadline, 'the source is not compacted after 60 s');
      const one: readonly Message[] = [{ key: 'roll', value: String(Date.now()), timestamp: String(baseMs + 1_000_000 + rolled.length) }];
      rolled.push(...one);
      for (const name of two) await send(name, topic, one, 1);
    }
    const clean = await compared(topic, { order: 'by-key' });
    assert.deepEqual({ ...clean.end.state?.counts, keys: 0, matched: 0 }, noCounts);
    assert.ok((clean.end.state?.counts.keys ?? 0) >= 5, JSON.stringify(clean.end.state?.counts));
    assert.notEqual((await compared(topic)).end.state?.counts.extra, 0, 'record by record they are not the same');
    await send('new', topic, [{ key: 'k1', value: 'only here', timestamp: String(baseMs + 2_000_000) }], 1);
    const spoilt = await compared(topic, { order: 'by-key' });
    assert.equal(spoilt.differences.length, 1, JSON.stringify(spoilt.differences));
  });

  test('stopped in the middle and gone on from the last report, by other threads: the same counts, list and hash', async () => {
    const topic = 'resumed';
    await create(topic);
    const many = messages(0, 20_000);
    await send('old', topic, many, 1_000);
    await send('new', topic, without(many, 3_000, 15_000), 700);
    const whole = await compared(topic);
    assert.deepEqual(whole.end.state?.counts, counts({ matched: 19_998, missing: 2 }));
    const first = await compared(topic, { stopAfter: 2_000, recordsPerSecond: 40_000 });
    assert.equal(first.end.decided, 'stopped');
    const last = first.states.at(-1);
    assert.ok(last && last.state.counts.matched < 19_998);
    const others = createComparer({ clusters: { old: { bootstrap: stack.source.bootstrap }, new: { bootstrap: stack.target.bootstrap } } }, { threads: 1 });
    try {
      const rest = await compared(topic, { state: JSON.parse(JSON.stringify(last.state)) as DiffState, by: others });
      assert.deepEqual([rest.end.state, rest.end.hash], [whole.end.state, whole.end.hash]);
      assert.deepEqual([...first.differences, ...rest.differences], whole.differences);
    } finally {
      await others.close();
    }
  });
});

describe('cutover verify', () => {
  let worker: Awaited<ReturnType<Stack['startWorker']>>;
  before(async () => {
    for (const name of two) await benches[name].topic('shop.orders', { partitions: 3 });
    for (const name of two) await benches[name].topic('shop.payments', { partitions: 1 });
    const rows = (n: number, partition: number) => messages(n * 10_000, n * 10_000 + 4_000).map((m) => ({ ...m, headers: { ...m.headers }, partition }));
    for (const name of two) {
      const producer = await benches[name].producer();
      for (const partition of [0, 1, 2]) await producer.send({ topic: 'shop.orders', messages: rows(partition, partition).filter((_, i) => name === 'old' || partition !== 1 || i !== 77) });
      await producer.send({ topic: 'shop.payments', messages: rows(9, 0) });
    }
    worker = await stack.startWorker({ name: 'verify' });
  });
  const file = async (name: string, content: object): Promise<string> => {
    const path = join(folder, `${name}.json`);
    await writeFile(path, JSON.stringify({ source: 'old', target: 'new', ...content }));
    return path;
  };
  const resultOf = (ran: Ran): VerifyResult => JSON.parse(ran.out) as VerifyResult;

  test('nothing differs: exit code 0 and a hash per partition, the same again', async () => {
    const input = await file('payments', { topics: ['shop.pay*'] });
    const [first, second] = [await cutover(['verify', input, '--json']), await cutover(['verify', input, '--json'])];
    assert.equal(first.code, 0, first.err);
    const [a, b] = [resultOf(first), resultOf(second)];
    assert.deepEqual([a.same, a.counts.matched, a.partitions.length, a.partitions[0]?.hash?.length], [true, 4_000, 1, 64]);
    assert.deepEqual(a.partitions, b.partitions);
  });

  test('a difference: exit code 1, named on the terminal and in the file', async () => {
    const input = await file('orders', { topics: ['shop.orders'] });
    const out = join(folder, 'differences.json');
    const ran = await cutover(['verify', input, '--out', out]);
    assert.equal(ran.code, 1, ran.err);
    assert.match(ran.out, /11,?999 records on 3 partitions compared: 1 missing\./);
    assert.match(ran.out, /shop\.orders\/1: missing, 77 on old/);
    assert.deepEqual(JSON.parse((await readFile(out, 'utf8')).trim()), { partition: 'shop.orders/1', kind: 'missing', origin: '77', copy: null });
  });

  test('all faults of the input at once, exit code 2; a topic that is not on both sides, exit code 1 or 2', async () => {
    const wrong = await cutover(['verify', await file('wrong', { target: 'old', topics: [], cap: -1, live: 'maybe' })]);
    assert.equal(wrong.code, 2);
    for (const word of ['topics', 'cap', 'live', 'target']) assert.match(wrong.err, new RegExp(`- ${word}`));
    const missing = await cutover(['verify', await file('missing', { topics: ['nowhere'] })]);
    assert.notEqual(missing.code, 0);
    assert.match(missing.err, /nowhere matches no topic/);
  });

  test('the worker is killed in the middle: another goes on from the ledger, the result is the same', async () => {
    const input = await file('slow', { topics: ['shop.*'], rate: { recordsPerSecond: 6_000 } });
    const running = cutover(['verify', input, '--json']);
    await wait(3_500); // the rate keeps it busy for more than five seconds; wherever the kill falls the result must be the same
    await worker.restart('killed');
    const ran = await running;
    const result = resultOf(ran);
    assert.deepEqual([ran.code, result.counts], [1, counts({ matched: 15_999, missing: 1 })]);
    const again = resultOf(await cutover(['verify', await file('whole', { topics: ['shop.*'] }), '--json']));
    assert.deepEqual([result.partitions, result.differences], [again.partitions, again.differences]);
  });

  test('live: follows what is copied until it is stopped, continued as new after nearly every turn', async () => {
    const input = await file('live', { topics: ['shop.payments'], limits: { historyEvents: 10 } });
    const stop = new AbortController();
    let seen = '';
    const running = cutover(['verify', input, '--live', '--json'], { interrupted: stop.signal, told: (text) => { seen += text; } });
    const until = async (what: RegExp): Promise<void> => { for (const deadline = Date.now() + 30_000; !what.test(seen); await wait(100)) assert.ok(Date.now() < deadline, `${what} not in ${seen}`); };
    await until(/waiting .*nothing differs/);
    const more = messages(200_000, 200_500);
    await send('old', 'shop.payments', more, 100);
    await wait(300);
    await send('new', 'shop.payments', more, 60);
    await until(/ 4500 of 4500 offsets/);
    stop.abort();
    const ran = await running;
    assert.equal(ran.code, 0, ran.err);
    assert.equal(resultOf(ran).counts.matched, 4_500);
  });
});
