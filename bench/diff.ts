/**
 * The comparison of two clusters against what bounds it: the plain fetch of the same records by the same reader, which takes
 * out every record and neither compares nor hashes, and Kafka's own ConsumerPerformance reading the same topics. `npm run bench -- diff [--mib 512] [--threads 2]`.
 */
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { Worker } from 'node:worker_threads';
import { createComparer } from '../src/adapters/kafka/compare/comparer.ts';
import { openCluster } from '../src/adapters/kafka/cluster.ts';
import { openWire } from '../src/adapters/kafka/wire.ts';
import { differing } from '../src/domain/diff/difference.ts';
import { ensureArtefact, keyOfFiles } from '../stack/cache.ts';
import { javaCommand } from '../stack/prerequisites.ts';
import { Progress } from '../stack/progress.ts';
import { startStack, type Stack } from '../stack/stack.ts';
import { fill, recordsOf } from './fill.ts';
import type { PlainDone, PlainTask } from './plain-thread.ts';

const execute = promisify(execFile);
const sizes = [100, 1_024] as const;
const partitions = 4;
/** Wanted: of the plain fetch, and of the consumer tool. */
const wanted = { plain: 0.7, tool: 1 };
const threadLimitBytes = 64 * 1024 * 1024;

export async function run(args: readonly string[]): Promise<void> {
  const option = (name: string, otherwise: number): number => Number(args[args.indexOf(`--${name}`) + 1] ?? otherwise) || otherwise;
  const many = option('threads', availableParallelism());
  const mib = option('mib', 384);
  const jars = await toolJars();
  await using stack = await startStack({ temporal: 'none', connects: 'none', aim: 'throughput' });
  for (const size of sizes) {
    const topic = `records-${size}`;
    const each = await prepare(stack, topic, { size, count: Math.floor(mib * 1024 * 1024 / size / partitions) });
    const total = each * partitions;
    console.log(`\n${total} records of ${size} B on ${partitions} partitions of each cluster, ${availableParallelism()} cores for brokers and readers together; millions of records a second, of both clusters`);
    const tool = await toolRates(stack, { topic, total, jars });
    console.log(`  ConsumerPerformance              ${spoken(tool.old)} (source), ${spoken(tool.new)} (target): both one after the other ${spoken(tool.both)}`);
    for (const threads of [...new Set([1, many])]) await measure(stack, { topic, each, threads, tool: tool.both });
  }
}

const spoken = (perSecond: number): string => (perSecond / 1e6).toFixed(3).padStart(7);

async function prepare(stack: Stack, topic: string, x: { readonly size: number; readonly count: number }): Promise<number> {
  const records = recordsOf(x.size);
  const baseMs = Date.now() - 3_600_000;
  let each = 0;
  for (const [side, bytesPerBatch] of [['source', 16_384], ['target', 65_536]] as const) {
    const cluster = openCluster(side, { bootstrap: stack[side].bootstrap });
    const noLimit = { untilMs: null, signal: new AbortController().signal, check: () => undefined, timeoutMs: (capMs: number) => capMs };
    await cluster.createTopics([{ name: topic, partitions, replicationFactor: 1, configs: {} }], noLimit);
    const wire = openWire({ name: side, bootstrap: stack[side].bootstrap });
    const perBatch = 2 ** Math.min(11, Math.max(0, Math.floor(Math.log2(bytesPerBatch / x.size))));
    each = await fill(wire, records, { topic, partitions, count: x.count, perBatch, baseMs });
    await Promise.all([wire.close(), cluster.close()]);
  }
  return each;
}

interface Measured { readonly topic: string; readonly each: number; readonly threads: number; readonly tool: number }
interface Fetchers { rate(how: PlainTask['how']): Promise<number>; close(): Promise<void> }
interface Differ { rate(): Promise<number>; peakBytes(): number; close(): Promise<void> }

/** In turns and the best of each, after a warm-up: the machine is shared with the brokers, and what else runs hits all alike. */
async function measure(stack: Stack, x: Measured): Promise<void> {
  const [fetchers, differ] = [openFetchers(stack, x), openDiffer(stack, x)];
  const best = { batches: 0, walked: 0, taken: 0, diff: 0 };
  for (let i = 0; i <= rounds; i += 1) {
    const now = { batches: await fetchers.rate('batches'), walked: await fetchers.rate('walked'), taken: await fetchers.rate('taken'), diff: await differ.rate() };
    if (i > 0) for (const name of ['batches', 'walked', 'taken', 'diff'] as const) best[name] = Math.max(best[name], now[name]);
  }
  const peakBytes = differ.peakBytes();
  await Promise.all([fetchers.close(), differ.close()]);
  const title = `${x.threads} thread${x.threads === 1 ? ' ' : 's'}:`;
  console.log(`  ${title} plain fetch, records taken  ${spoken(best.taken)}   (only walked ${spoken(best.walked).trim()}, batches only ${spoken(best.batches).trim()})\n             diff                        ${spoken(best.diff)}   (${spoken(best.diff / 2).trim()} pairs)`);
  verdict('of the plain fetch of the same records by the same reader', best.diff / best.taken, wanted.plain);
  console.log(`             ${(best.diff / best.walked).toFixed(2)} of a fetch that only walks over the records, ${(best.diff / best.batches).toFixed(2)} of one that looks at no record`);
  verdict('of ConsumerPerformance', best.diff / x.tool, wanted.tool);
  console.log(`             peak memory of a thread ${(peakBytes / 1024 / 1024).toFixed(0)} MiB (wanted at most 64)${peakBytes > threadLimitBytes ? '  NOT MET' : ''}`);
}
const rounds = 3;
function verdict(of: string, ratio: number, least: number): void {
  console.log(`             ${ratio.toFixed(2)} ${of} (wanted at least ${least})${ratio < least ? '  NOT MET' : ''}`);
}

function openFetchers(stack: Stack, x: Measured): Fetchers {
  const workers = Array.from({ length: x.threads }, () => new Worker(new URL('plain-thread.ts', import.meta.url)));
  return {
    rate: async (how) => {
      const done = await Promise.all(workers.map(async (worker, i) => {
        worker.postMessage({ bootstraps: [stack.source.bootstrap, stack.target.bootstrap], topic: x.topic, partitions: Array.from({ length: partitions }, (_, p) => p).filter((p) => p % x.threads === i), to: BigInt(x.each), how } satisfies PlainTask);
        const [answer] = (await once(worker, 'message')) as [PlainDone];
        return answer;
      }));
      const records = done.reduce((n, d) => n + d.records, 0);
      if (records !== x.each * partitions * 2) throw new Error(`${records} records fetched, ${x.each * partitions * 2} are there`);
      return records / Math.max(...done.map((d) => d.ms)) * 1_000;
    },
    close: async () => { await Promise.all(workers.map((worker) => worker.terminate())); },
  };
}

function openDiffer(stack: Stack, x: Measured): Differ {
  const comparer = createComparer({ clusters: { old: { bootstrap: stack.source.bootstrap }, new: { bootstrap: stack.target.bootstrap } } }, { threads: x.threads });
  const ends = { origin: BigInt(x.each), copy: BigInt(x.each) };
  return {
    rate: async () => {
      const from = performance.now();
      const done = await comparer.compare({
        clusters: { origin: 'old', copy: 'new' }, rate: { bytesPerSecond: null, recordsPerSecond: null },
        partitions: Array.from({ length: partitions }, (_, partition) => ({ topic: x.topic, partition, starts: { origin: 0n, copy: 0n }, ends, horizon: 'closed', order: 'every-record', state: null, anchors: [], list: 10 })),
      }, () => undefined, new AbortController().signal);
      const ms = performance.now() - from;
      const matched = done.reduce((n, d) => n + (d.state?.counts.matched ?? 0), 0);
      if (matched !== x.each * partitions || done.some((d) => d.state === null || differing(d.state.counts) > 0)) throw new Error(`${matched} of ${x.each * partitions} records compared as equal`);
      return matched * 2 / ms * 1_000;
    },
    peakBytes: () => comparer.peakBytes(), close: () => comparer.close(),
  };
}

/** Kafka's tools are not among what the stack runs: fetched once, by Maven, into the same cache. */
async function toolJars(): Promise<string> {
  const pom = join(import.meta.dirname, 'kafka-tools', 'pom.xml');
  const folder = await ensureArtefact({
    name: 'kafka-tools', lane: 'maven', key: keyOfFiles([pom]),
    build: async (into) => { await execute('mvn', ['-q', '-B', '-f', pom, 'dependency:copy-dependencies', '-DincludeScope=runtime', `-DoutputDirectory=${into}`], { maxBuffer: 16 << 20 }); },
  }, new Progress());
  return readdirSync(folder).filter((f) => f.endsWith('.jar')).sort().map((f) => join(folder, f)).join(':');
}

/** Its own figure, `fetch.nMsg.sec`: without start and join. The better of two. */
async function toolRates(stack: Stack, x: { readonly topic: string; readonly total: number; readonly jars: string }): Promise<{ readonly old: number; readonly new: number; readonly both: number }> {
  const rate = async (bootstrap: readonly string[]): Promise<number> => {
    let most = 0;
    for (let i = 0; i < 2; i += 1) {
      const { stdout } = await execute(javaCommand(), ['-Xms512m', '-Xmx512m', '-cp', x.jars, 'org.apache.kafka.tools.ConsumerPerformance', '--bootstrap-server', bootstrap.join(','), '--topic', x.topic, '--num-records', String(x.total), '--hide-header'], { maxBuffer: 16 << 20, env: { ...process.env, KAFKA_LOG4J_OPTS: '' } });
      const line = stdout.split('\n').find((l) => l.split(',').length >= 10) ?? '';
      const perSecond = Number(line.split(',').at(-1));
      if (!(perSecond > 0)) throw new Error(`ConsumerPerformance said ${stdout.slice(0, 500)}`);
      most = Math.max(most, perSecond);
    }
    return most;
  };
  const [a, b] = [await rate(stack.source.bootstrap), await rate(stack.target.bootstrap)];
  return { old: a, new: b, both: 2 / (1 / a + 1 / b) };
}
