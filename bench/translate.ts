/**
 * Positions of many groups set on the other side: time and requests, against the same positions counted one by one. Brokers
 * only: the copy is written here with transactions, so that the offsets of both sides differ as behind a mirror.
 */
import { parseArgs } from 'node:util';
import { Kafka, logLevel } from 'kafkajs';
import { createWork } from '../src/activities/create.ts';
import type { Work } from '../src/activities/work.ts';
import { openCluster, type KafkaCluster } from '../src/adapters/kafka/cluster.ts';
import { across } from '../src/domain/epochs.ts';
import { limitBounds, type Limits, type Migration } from '../src/domain/migration.ts';
import { tpKey, type Anchor, type OriginalRecord, type Ports, type Position, type Until } from '../src/domain/ports.ts';
import type { Context } from '../src/domain/scheme.ts';
import { startStack } from '../stack/stack.ts';
import { counting, type Requests } from './requests.ts';

const topic = 'bench';
const runId = '0198bbbb-0000-7000-8000-000000000001';
const groupCount = 100;
/** Groups that lag, each at a place of its own on every partition; the others have read everything. */
const lagging = 20;
const recordsEach = 1_000;
const batch = 50;
/** Positions counted one by one for comparison. */
const sample = 200;

const noLimit: Until = { untilMs: null, signal: new AbortController().signal, check: () => {}, timeoutMs: (capMs) => capMs };
const limits = Object.fromEntries(Object.entries(limitBounds).map(([name, b]) => [name, b.default])) as unknown as Limits;
const groups = Array.from({ length: groupCount }, (_, i) => `group-${String(i).padStart(3, '0')}`);
const migration: Migration = {
  name: 'bench', source: 'old', target: 'new', connect: 'forward', connectBack: null, topics: [topic], groups: {}, limits, outage: { budgetMs: 30_000, undoReserveMs: 5_000 },
  applications: groups.map((group) => ({ name: group, fleet: 'none', writes: [], principals: [], transactionalIds: [], reads: [{ group, topics: [topic], isolation: 'read_committed' }] })),
};
const context: Context = { untilMs: null, limits, run: runId, mode: 'plain', key: `${runId}/bench/1` };

export async function run(args: readonly string[] = []): Promise<void> {
  const { values } = parseArgs({ args: [...args], options: { brokers: { type: 'string', default: '1' }, partitions: { type: 'string', default: '100' } } });
  const [brokers, partitions] = [Number(values.brokers), Number(values.partitions)];
  await using stack = await startStack({ temporal: 'none', connects: 'none', aim: 'throughput', source: { brokers }, target: { brokers } });
  const [source, target] = [openCluster('old', { bootstrap: stack.source.bootstrap }), openCluster('new', { bootstrap: stack.target.bootstrap })];
  try {
    await measure({ source, target, brokers, partitions, bootstraps: [stack.source.bootstrap, stack.target.bootstrap] });
  } finally {
    await Promise.all([source.close(), target.close()]);
  }
}

interface Field { readonly source: KafkaCluster; readonly target: KafkaCluster; readonly brokers: number; readonly partitions: number; readonly bootstraps: readonly (readonly string[])[] }

async function measure(f: Field): Promise<void> {
  const { partitions } = f;
  const anchors = await fill(f);
  const truth = await commitOnSource(f);
  const positions = groupCount * partitions;
  console.log(`${groupCount} groups on ${partitions} partitions each (${positions} positions, ${lagging} groups lag by up to ${recordsEach} records per partition), ${f.brokers} broker${f.brokers === 1 ? '' : 's'} per cluster`);
  const work = workOn(f, anchors);
  const x = { m: migration, c: context, groups, to: 'target' as const };
  const forecast = await timed(() => work.forecastPositions(x));
  const bad = forecast.result.filter((g) => g.kind !== 'exact');
  if (bad.length > 0) throw new Error(`not exact: ${bad[0]?.why}`);
  say('translate all (reads only)', forecast, positions);
  const set = await timed(() => work.setPositions({ ...x, how: 'translated', before: {} }));
  say('set all: shown empty, translated, committed, read back', set, positions);
  const wrong = await compare(f, truth);
  console.log(`  ${wrong} of ${positions} positions wrong, counted against the records written`);
  if (wrong > 0) throw new Error(`${wrong} positions are wrong`);
  const one = await timed(() => oneByOne(f, anchors, truth));
  say(`translate ${sample} of them one by one`, one, sample);
  const ratio = (one.requests.all / sample) / (forecast.requests.all / positions);
  console.log(`requests per position, one by one against all at once: ${(one.requests.all / sample).toFixed(2)} against ${(forecast.requests.all / positions).toFixed(4)}, ${Math.round(ratio)} times fewer`);
  console.log(`time per position: ${((one.ms * 1000) / sample).toFixed(0)} against ${((forecast.ms * 1000) / positions).toFixed(0)} µs`);
}

interface Timed<T> { readonly result: T; readonly requests: Requests; readonly ms: number }
async function timed<T>(work: () => Promise<T>): Promise<Timed<T>> {
  const fromMs = performance.now();
  const { result, requests } = await counting(work);
  return { result, requests, ms: performance.now() - fromMs };
}
function say(what: string, t: Timed<unknown>, positions: number): void {
  console.log(`  ${what}: ${Math.round(t.ms)} ms, ${t.requests.all} requests for ${positions} positions (${Object.entries(t.requests.by).map(([name, n]) => `${name} ${n}`).join(', ')})`);
}

/** The same records on both sides; on the target every batch is a transaction, whose marker takes an offset. Answers the pairs a mirror would have told. */
async function fill(f: Field): Promise<ReadonlyMap<string, readonly Anchor[]>> {
  const { partitions } = f;
  const wanted = [{ name: topic, partitions, replicationFactor: Math.min(3, f.brokers), configs: {} }];
  await Promise.all([f.source.createTopics(wanted, noLimit), f.target.createTopics(wanted, noLimit)]);
  // A broker that does not know yet what it leads refuses, and a producer that tries again writes some batches twice.
  await Promise.all([f.source, f.target].map(led));
  const producer = new Kafka({ brokers: [...f.bootstraps[0] ?? []], logLevel: logLevel.NOTHING, requestTimeout: 60_000, retry: { retries: 0 } }).producer({ maxInFlightRequests: 1 });
  await producer.connect();
  const startMs = Date.now() - 3_600_000;
  for (let at = 0; at < recordsEach; at += batch) {
    const messages = Array.from({ length: partitions * batch }, (_, i) => ({ partition: i % partitions, key: `k${i % 97}`, value: `record ${at + Math.floor(i / partitions)} of ${i % partitions} ${'.'.repeat(60)}`, timestamp: String(startMs + at) }));
    await producer.send({ topic, messages, acks: -1 });
  }
  await producer.disconnect();
  await copyOver(f);
  await requireWritten(f);
  // The first record of a batch is the next offset after the marker of the one before.
  const anchors = Array.from({ length: recordsEach / batch }, (_, n): Anchor => ({ from: BigInt(n * batch), to: BigInt(n * (batch + 1)) }));
  return new Map(Array.from({ length: partitions }, (_, p) => [`${topic}/${p}`, anchors]));
}

/** Batch by batch in transactions, as a mirror does. */
async function copyOver(f: Field): Promise<void> {
  const logs = await Promise.all(Array.from({ length: f.partitions }, async (_, partition): Promise<readonly OriginalRecord[]> => {
    const all: OriginalRecord[] = [];
    for await (const r of f.source.records.originals({ topic, partition, from: 0n, to: BigInt(recordsEach) })) all.push(r);
    return all;
  }));
  for (let at = 0; at < recordsEach; at += batch)
    await f.target.writeOnce({ transactionalId: 'bench-copy', group: 'bench-copy', records: logs.flatMap((of) => of.slice(at, at + batch)), upTo: [{ topic, partition: 0, offset: BigInt(at + batch), metadata: '' }] }, noLimit);
}

/** Until every leader answers for its partitions. */
async function led(cluster: KafkaCluster): Promise<void> {
  for (const end = Date.now() + 30_000; ; await new Promise((r) => setTimeout(r, 100))) {
    try {
      await cluster.ends([topic]);
      return;
    } catch (e) {
      if (Date.now() > end) throw e;
    }
  }
}

/** A producer that had to try again may have written in another order; then there is nothing to compare with. */
async function requireWritten(f: Field): Promise<void> {
  const wanted = { source: BigInt(recordsEach), target: BigInt(recordsEach + recordsEach / batch) };
  for (const side of ['source', 'target'] as const) {
    const off = (await f[side].ends([topic])).find((e) => e.lso !== wanted[side] || e.hw !== wanted[side]);
    if (off) throw new Error(`${tpKey(off)} on the ${side} ends at ${off.lso} of ${off.hw}, wanted ${wanted[side]}: the benchmark could not write what it needs`);
  }
}

/** Group → partition → records it has read. */
type Truth = ReadonlyMap<string, readonly number[]>;
async function commitOnSource(f: Field): Promise<Truth> {
  const truth = new Map(groups.map((group, g) => [group, Array.from({ length: f.partitions }, (_, p) => (g >= lagging ? recordsEach : (g * 47 + p * 13) % recordsEach))] as const));
  await f.source.commit(new Map([...truth].map(([group, read]) => [group, read.map((offset, partition): Position => ({ topic, partition, offset: BigInt(offset), metadata: '' }))] as const)), noLimit);
  return truth;
}
/** Where the record stands on the target, by how it was written. */
const onTarget = (read: number): bigint => BigInt(read + Math.floor(read / batch));
/** Behind the last record its marker may be passed or not. */
const same = (offset: bigint, read: number): boolean => offset === onTarget(read) || (read % batch === 0 && offset === onTarget(read) - 1n);

async function compare(f: Field, truth: Truth): Promise<number> {
  const committed = await f.target.committed(groups);
  let wrong = 0;
  for (const [group, read] of truth) {
    const own = new Map((committed.get(group) ?? []).map((p) => [p.partition, p.offset]));
    wrong += read.filter((n, partition) => !same(own.get(partition) ?? -1n, n)).length;
  }
  return wrong;
}

/** The same proof without bulk reads: what translating each position for itself would cost. */
async function oneByOne(f: Field, anchors: ReadonlyMap<string, readonly Anchor[]>, truth: Truth): Promise<void> {
  for (let i = 0; i < sample; i += 1) {
    const [group, partition] = [groups[i % lagging] ?? '', (i * 7) % f.partitions];
    const at = { topic, partition };
    const read = truth.get(group)?.[partition] ?? 0;
    const [target] = await f.target.ends([at]);
    const [source] = await f.source.ends([at]);
    if (!source || !target) throw new Error(`no ends of ${tpKey(at)}`);
    const answer = await across({ on: 'source', position: BigInt(read), ends: { source, target }, turns: [], copied: [true], anchors: { source: [], target: anchors.get(tpKey(at)) ?? [] } },
      (side, from, to) => f[side].records.range({ ...at, from, to }));
    if (answer.kind !== 'exact' || !same(answer.offset, read)) throw new Error(`${group} ${tpKey(at)} at ${read}: ${answer.kind}`);
  }
}

function workOn(f: Field, anchors: ReadonlyMap<string, readonly Anchor[]>): Work {
  const mirror = `mirrors/cutover-${topic}-fwd-${runId.slice(0, 8)}-1`;
  const ledgers = new Map(['old', 'new'].map((name) => [name, new Map([[mirror, '{}']])] as const));
  const unused = (what: string) => (): never => { throw new Error(`${what} is not part of this benchmark`); };
  const ports: Ports = {
    cluster: (name) => (name === 'old' ? f.source : f.target),
    fleet: unused('a fleet'), hook: unused('a hook'),
    mirrors: {
      list: unused('list'), states: unused('states'), anchors: async () => anchors, check: unused('check'), prove: unused('prove'), create: unused('create'), health: unused('health'), progress: unused('progress'),
      writers: unused('writers'), silence: unused('silence'), awaitStopped: unused('awaitStopped'), resume: unused('resume'), revive: unused('revive'), renew: unused('renew'), synced: unused('synced'), awaken: unused('awaken'), halt: unused('halt'), remove: unused('remove'),
    },
    ledger: {
      prepare: async () => [],
      write: async (cluster, entries) => { for (const e of entries) ledgers.get(cluster)?.set(e.key, e.value); },
      read: async (cluster, prefix) => new Map([...ledgers.get(cluster) ?? []].filter(([key]) => key.startsWith(prefix))),
    },
  };
  return createWork(ports, {
    registeredSearchAttributes: async () => [], locks: { acquire: unused('a lock'), release: unused('a lock') },
    surroundings: () => ({ heartbeat: () => {}, signal: new AbortController().signal, now: () => Date.now() }),
  });
}
