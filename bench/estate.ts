/**
 * An estate from its plan to its end on two real brokers, with real Connect workers, Temporal and Cutover worker; by default
 * the size of the one in the sources. Applications are simulated: on the target each is a real consumer or producer, on the
 * source only its positions and records are there. Prints how long it took, the history of the parent and of each wave beside
 * Temporal's suggested sizes, and the worker's peak memory.
 */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { parseArgs } from 'node:util';
import { Client, Connection, type WorkflowHandle } from '@temporalio/client';
import { openCluster } from '../src/adapters/kafka/cluster.ts';
import { planEstate } from '../src/cli/estate.ts';
import type { EstateProgress } from '../src/domain/estate-progress.ts';
import { blastOf, tableText } from '../src/domain/estate-table.ts';
import { finishHold } from '../src/domain/migration.ts';
import { parseObserved } from '../src/domain/parse-estate.ts';
import type { Until } from '../src/domain/ports.ts';
import type { Answer, Progress, Question } from '../src/domain/progress.ts';
import { workflowBundle } from '../src/worker/bundle.ts';
import { startStack, type Stack } from '../stack/stack.ts';
import type { Costs, Counts } from './counting-worker.ts';
import { IdleApplications, writeRecords } from './idle-applications.ts';
import { SimulatedFleets, type SimulatedApplication } from './simulated-fleets.ts';

const taskQueue = 'bench-estate';
/** Where Temporal starts to suggest continue-as-new, and where it stops a workflow. */
const suggested = { events: 4_096, bytes: 4 * 1024 * 1024 } as const;
const refused = { events: 51_200, bytes: 50 * 1024 * 1024 } as const;
const noLimit: Until = { untilMs: null, signal: new AbortController().signal, check: () => {}, timeoutMs: (capMs) => capMs };

export interface Size { readonly applications: number; readonly writers: number; readonly topics: number; readonly partitions: number; readonly wave: number; readonly atOnce: number; readonly records: number }

export async function run(args: readonly string[] = []): Promise<void> {
  const { values } = parseArgs({ args: [...args], options: {
    applications: { type: 'string', default: '200' }, writers: { type: 'string', default: '8' }, topics: { type: 'string', default: '789' }, partitions: { type: 'string', default: '2452' },
    wave: { type: 'string', default: '25' }, 'at-once': { type: 'string', default: '1' }, records: { type: 'string', default: '2' }, minutes: { type: 'string', default: '120' },
  } });
  const number = (key: keyof typeof values): number => Number(values[key]);
  const size: Size = { applications: number('applications'), writers: number('writers'), topics: number('topics'), partitions: number('partitions'), wave: number('wave'), atOnce: number('at-once'), records: number('records') };
  const made = make(size);
  const fromMs = performance.now();
  const { plan, estate } = planEstate(made.typed, parseObserved(made.observed));
  console.log(`planned ${size.applications} applications, ${size.topics} topics, ${size.partitions} partitions as ${plan.waves.length} waves of at most ${Math.max(...plan.waves.map((w) => w.applications.length))} applications in ${Math.round(performance.now() - fromMs)} ms (limit 10,000 ms)`);
  console.log(tableText(blastOf(estate, plan, parseObserved(made.observed))).replace(/^/gm, '  '));
  await using resources = new AsyncDisposableStack();
  const stack = resources.use(await startStack({ aim: 'throughput' }));
  const idle = resources.use(new IdleApplications(stack.target.bootstrap));
  const fleets = resources.use(await SimulatedFleets.start({ applications: made.applications, runs: idle.run }));
  stack.writeCatalog({ taskQueue, fleets: Object.fromEntries(made.applications.map((a) => [a.name, { kind: 'webhook', url: `${fleets.url}/${a.name}`, timeoutMs: 15_000 }])) });
  await fill(stack, made, size);
  // Built here: a worker that finds no bundle builds it itself, once, which takes more memory than the estate.
  await workflowBundle();
  const countsFile = join(stack.folder, 'counts.json');
  const worker = await stack.startWorker({ readyWithinMs: 120_000, entry: 'bench/counting-worker.ts', env: { CUTOVER_COUNTS: countsFile } });
  const connection = await Connection.connect({ address: stack.temporal.address });
  resources.defer(() => connection.close());
  const client = new Client({ connection, namespace: stack.temporal.namespace });
  const startedMs = performance.now();
  const handle = await client.workflow.start('estate', { workflowId: 'cutover-estate/old/new/bench', taskQueue, args: [made.typed] });
  try {
    await toTheEnd(client, handle, { minutes: number('minutes'), countsFile });
    console.log(`moved and finished in ${Math.round((performance.now() - startedMs) / 1_000)} s`);
  } finally {
    // Also of a run that did not get to its end.
    await tellHistories(client, handle);
    tellCosts(costsIn(countsFile));
    tellMemory(worker.pid ?? 0);
  }
}

interface Made { readonly typed: object; readonly applications: readonly SimulatedApplication[]; readonly observed: { readonly topics: readonly { readonly name: string; readonly partitions: number }[]; readonly groups: readonly never[] } }
/** Writers share the topics among them; every other application reads a few of one or two writers; one canary reads early. */
function make(s: Size): Made {
  const topics = Array.from({ length: s.topics }, (_, i) => ({ name: `estate.topic-${String(i).padStart(3, '0')}`, partitions: Math.floor(s.partitions / s.topics) + (i < s.partitions % s.topics ? 1 : 0) }));
  const of = (writer: number): readonly string[] => topics.filter((_, t) => t % s.writers === writer).map((t) => t.name);
  const applications = Array.from({ length: s.applications }, (_, i): SimulatedApplication & { readonly hint?: string } => {
    const name = `app-${String(i).padStart(3, '0')}`;
    if (i < s.writers) return { name, writes: of(i), reads: [] };
    const reads = [...new Set([of(i % s.writers)[0] ?? '', of((i * 7) % s.writers)[i % 3] ?? ''])].filter((t) => t !== '');
    return { name, writes: [], reads: [{ group: `${name}-group`, topics: reads }], ...(i === s.applications - 1 ? { hint: 'canary' } : {}) };
  });
  const typed = {
    name: 'bench', environment: 'benchmark', source: 'old', target: 'new', connect: 'forward', connectBack: 'back', scheme: 'stopRestartRepeat', waveSize: s.wave, atOnce: s.atOnce,
    applications: applications.map((a) => ({ ...a, fleet: a.name })), outage: { budgetMs: 60_000, undoReserveMs: 10_000 }, limits: { startMs: 30_000, stuckMs: 600_000, lagRecords: 1_000 },
  };
  return { typed, applications, observed: { topics, groups: [] } };
}

async function fill(stack: Stack, made: Made, s: Size): Promise<void> {
  const source = openCluster('old', { bootstrap: stack.source.bootstrap });
  const partitionsOf = new Map(made.observed.topics.map((t) => [t.name, t.partitions]));
  try {
    // Answers when every partition does: thousands of them take a busy broker seconds.
    await source.createTopics(made.observed.topics.map((t) => ({ ...t, replicationFactor: 1, configs: {} })), noLimit);
    await writeRecords(stack.source.bootstrap, made.observed.topics, s.records);
    await source.commit(new Map(made.applications.flatMap((a) => a.reads.map((r) => [r.group, r.topics.flatMap((topic) => Array.from({ length: partitionsOf.get(topic) ?? 0 }, (_, partition) => ({ topic, partition, offset: BigInt(s.records), metadata: '' })))] as const))), noLimit);
  } finally {
    await source.close();
  }
}

/** Approves whatever is asked, of the estate and of its waves, and tells of every wave that has settled. */
async function toTheEnd(client: Client, handle: WorkflowHandle, x: { readonly minutes: number; readonly countsFile: string }): Promise<void> {
  const answered = new Map<string, string>();
  const told = new Set<string>();
  let swept: Requests = {};
  const startedMs = Date.now();
  for (const end = startedMs + x.minutes * 60_000; ; await new Promise((r) => setTimeout(r, 250))) {
    if (!['RUNNING', 'CONTINUED_AS_NEW'].includes((await handle.describe()).status.name)) { await handle.result(); return; }
    const p = await handle.query<EstateProgress>('progress').catch(() => null);
    if (Date.now() > end) throw new Error(`Not ended within ${x.minutes} minutes: ${p?.question?.text ?? JSON.stringify(p?.waves.map((w) => `${w.name} ${w.state} ${w.say}`))}`);
    if (p === null) continue;
    for (const w of p.waves.filter((y) => y.state === 'settled' && !told.has(y.name))) {
      told.add(w.name);
      const now = costsIn(x.countsFile)['lookSwept']?.requests ?? {};
      console.log(`  ${Math.round((Date.now() - startedMs) / 1_000)} s: ${w.name} has settled (${w.applications} applications, ${w.topics} topics), ${memoryText(x.countsFile)}, ${perSweep(swept, now)}`);
      swept = now;
    }
    if (p.question?.kind === 'failed') throw new Error(p.question.text);
    if (p.question?.hash) await handle.signal('approve', { by: 'bench', hash: p.question.hash }).catch(() => undefined);
    for (const w of [p.groundwork, ...p.waves]) if (['moving', 'finishing'].includes(w.state) && w.asks !== null && w.asks.name !== finishHold) await answer(client.workflow.getHandle(w.workflowId), answered);
  }
}

async function answer(wave: WorkflowHandle, answered: Map<string, string>): Promise<void> {
  const p = await wave.query<Progress>('progress').catch(() => null);
  const q: Question | null = p?.question ?? null;
  if (q === null || q.name === finishHold || answered.get(wave.workflowId) === `${q.name} ${q.sinceMs}`) return;
  answered.set(wave.workflowId, `${q.name} ${q.sinceMs}`);
  const kind: Answer = q.kind === 'hold' ? 'approve' : 'retry';
  if (kind === 'retry') console.log(`  asked by ${wave.workflowId}: ${q.text.slice(0, 300)}`);
  await wave.signal(kind, { by: 'bench', ...(q.hash === null ? {} : { hash: q.hash }), ...(kind === 'approve' ? {} : { reason: 'the benchmark goes on' }) });
}

interface HistorySize { readonly runs: number; readonly events: number; readonly bytes: number }
/** The largest single run of a chain: that is what Temporal's limits are about. */
async function sizeOf(client: Client, workflowId: string): Promise<HistorySize> {
  const all: { readonly events: number; readonly bytes: number }[] = [];
  for await (const one of client.workflow.list({ query: `WorkflowId = '${workflowId}'` })) {
    const { workflowExecutionInfo: info } = await client.workflowService.describeWorkflowExecution({ namespace: client.options.namespace, execution: { workflowId, runId: one.runId } });
    all.push({ events: Number(info?.historyLength ?? 0), bytes: Number(info?.historySizeBytes ?? 0) });
  }
  return { runs: all.length, events: Math.max(0, ...all.map((a) => a.events)), bytes: Math.max(0, ...all.map((a) => a.bytes)) };
}

async function tellHistories(client: Client, handle: WorkflowHandle): Promise<void> {
  const p = await handle.query<EstateProgress>('progress');
  console.log(`history of the largest run, against ${suggested.events} events and ${suggested.bytes / 1_048_576} MiB (continue-as-new is suggested) and ${refused.events} events and ${refused.bytes / 1_048_576} MiB (refused)`);
  for (const [name, id] of [['estate', p.workflowId], ['groundwork', p.groundwork.workflowId], ...p.waves.map((w) => [w.name, w.workflowId] as const)] as const) {
    const s = await sizeOf(client, id);
    console.log(`  ${name.padEnd(12)} ${String(s.runs).padStart(3)} runs  ${String(s.events).padStart(6)} events (${(s.events / suggested.events).toFixed(2)})  ${(s.bytes / 1_048_576).toFixed(2).padStart(6)} MiB (${(s.bytes / suggested.bytes).toFixed(2)})`);
  }
}

/** Linux only: the high-water mark of the worker's resident memory. */
function tellMemory(pid: number): void {
  const file = `/proc/${pid}/status`;
  const kilobytes = existsSync(file) ? Number(/VmHWM:\s+(\d+) kB/.exec(readFileSync(file, 'utf8'))?.[1]) : Number.NaN;
  console.log(`worker's peak memory: ${Number.isNaN(kilobytes) ? 'unknown' : Math.round(kilobytes / 1_024)} MiB (limit 512 MiB)`);
}

type Requests = Readonly<Record<string, number>>;
const countsIn = (file: string): Counts | null => (existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')) as Counts : null);
const costsIn = (file: string): Costs => countsIn(file)?.costs ?? {};
function memoryText(file: string): string {
  const m = countsIn(file)?.memory;
  return m ? `worker at ${m.rss} MiB (heap ${m.heap}, of it used ${m.used}, buffers ${m.buffers}, threads and native ${m.rest})` : 'worker\'s memory unknown';
}
const sum = (r: Requests): number => Object.values(r).reduce((n, x) => n + x, 0);
/** A sweep writes once to the ledger of the source. */
function perSweep(before: Requests, now: Requests): string {
  const sweeps = (now['Produce'] ?? 0) - (before['Produce'] ?? 0);
  return sweeps === 0 ? 'no sweep' : `${((sum(now) - sum(before)) / sweeps).toFixed(0)} requests per sweep (${sweeps})`;
}

/** The dearest activities. */
function tellCosts(costs: Costs): void {
  const all = Object.entries(costs).sort(([, a], [, b]) => b.ms - a.ms);
  console.log('activity              calls  failed  seconds  requests  per call');
  for (const [name, c] of all.slice(0, 20)) console.log(`  ${name.padEnd(18)} ${String(c.calls).padStart(6)} ${String(c.failed).padStart(7)} ${(c.ms / 1_000).toFixed(1).padStart(8)} ${String(sum(c.requests)).padStart(9)} ${(sum(c.requests) / Math.max(1, c.calls)).toFixed(1).padStart(9)}`);
  const swept = costs['lookSwept'];
  if (swept) console.log(`the sweeps: ${perSweep({}, swept.requests)}: ${Object.entries(swept.requests).map(([kind, n]) => `${n} ${kind}`).join(', ')}`);
}
