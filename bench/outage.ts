/**
 * The write outage that Cutover adds, forward and back: one application that writes a topic and reads it with many groups,
 * some of them lagging. Everything is real but its processes; a webhook says that they are gone, or there, at once.
 */
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { cpus, loadavg } from 'node:os';
import { parseArgs } from 'node:util';
import { Client, Connection, type WorkflowHandle } from '@temporalio/client';
import { Kafka, logLevel } from 'kafkajs';
import { openCluster } from '../src/adapters/kafka/cluster.ts';
import type { Until } from '../src/domain/ports.ts';
import { createTopics } from '../stack/access.ts';
import { startStack, type Stack } from '../stack/stack.ts';
import { workflowIdOf } from '../src/domain/migration.ts';
import type { Answer, OutageRecord, Progress, Question } from '../src/domain/progress.ts';

const topic = 'bench';
const groupCount = 100;
const lagging = 20;
const recordsEach = 200;
const taskQueue = 'bench';
const longestMs = 240_000;
const noLimit: Until = { untilMs: null, signal: new AbortController().signal, check: () => {}, timeoutMs: (capMs) => capMs };
const groups = Array.from({ length: groupCount }, (_, i) => `group-${String(i).padStart(3, '0')}`);

export async function run(args: readonly string[] = []): Promise<void> {
  const { values } = parseArgs({ args: [...args], options: { partitions: { type: 'string', default: '32,100,300,1000' } } });
  for (const partitions of values.partitions.split(',').map(Number)) await measure(partitions);
}

async function measure(partitions: number): Promise<void> {
  await using stack = await startStack();
  using fleet = await startFleet();
  stack.writeCatalog({ taskQueue, fleets: { mill: { kind: 'webhook', url: fleet.url, timeoutMs: 5_000 } } });
  await Promise.all([stack.startWorker(), fill(stack, partitions)]);
  const connection = await Connection.connect({ address: stack.temporal.address });
  try {
    const outages = await thereAndBack(new Client({ connection, namespace: stack.temporal.namespace }));
    console.log(`load of the machine ${loadavg()[0]?.toFixed(1) ?? '?'} on ${cpus().length} cores; ${partitions} partitions, ${groupCount} groups on all of them, ${lagging} of them lagging by up to ${recordsEach} records a partition`);
    for (const o of outages) tell(o);
  } finally {
    await connection.close();
  }
}

function tell(o: OutageRecord): void {
  console.log(`  ${o.name}: ${o.outcome}, added ${o.addedMs ?? '-'} ms, ${o.temporalMs ?? '-'} ms of them Temporal's share${o.why === '' ? '' : ` (${o.why})`}`);
  for (const s of o.steps) console.log(`    ${String(Math.round(s.toMs - s.fromMs)).padStart(6)} ms  ${s.name.length > 60 ? `${s.name.slice(0, 57)}…` : s.name}`);
}

/** Forward to the last hold, then all the way back. */
async function thereAndBack(client: Client): Promise<readonly OutageRecord[]> {
  const input = {
    name: 'bench', source: 'old', target: 'new', connect: 'forward', connectBack: 'back', topics: [topic],
    applications: [{ name: 'mill', fleet: 'mill', writes: [topic], reads: groups.map((group) => ({ group, topics: [topic], isolation: 'read_committed' })) }],
    outage: { budgetMs: 30_000, undoReserveMs: 5_000 }, limits: { startMs: 1_000 },
  };
  const handle = await client.workflow.start('stopRestartRepeat', { workflowId: workflowIdOf(input), taskQueue, args: [input] });
  let outages: readonly OutageRecord[] = [];
  for (const end = Date.now() + longestMs; ; await new Promise((r) => setTimeout(r, 100))) {
    const p = await handle.query<Progress>('progress').catch(() => null);
    if (p !== null) outages = p.outages;
    if (p?.question) await answer(handle, p.question);
    if ((await handle.describe()).status.name !== 'RUNNING' || p?.state === 'rolled-back') return outages;
    if (Date.now() > end) throw new Error(`Not ended within ${longestMs} ms: ${p?.unit ?? ''} ${p?.question?.text ?? p?.say ?? ''}`);
  }
}

/** There are no processes, so nobody is ever seen at work: that step alone may be skipped. */
async function answer(handle: WorkflowHandle, q: Question): Promise<void> {
  const kind: Answer = q.name === 'finish/approve the finish' ? 'rollback' : q.kind === 'hold' ? 'approve' : q.answers.includes('skip') && q.name.includes('/see ') ? 'skip' : 'retry';
  // Claims are read again by the approval itself; what did not hold then is asked anew.
  for (const c of kind === 'approve' ? q.claims.filter((x) => !x.holds) : []) console.log(`  did not hold at ${q.name}: ${c.text}`);
  if (kind === 'retry') console.log(`  asked: ${q.text}`);
  await handle.signal(kind, { by: 'bench', ...(q.hash === null ? {} : { hash: q.hash }), ...(kind === 'approve' ? {} : { reason: 'no processes here' }) });
  for (const end = Date.now() + 5_000; Date.now() < end; await new Promise((r) => setTimeout(r, 50)))
    if ((await handle.query<Progress>('progress').catch(() => null))?.question?.sinceMs !== q.sinceMs) return;
}

async function fill(stack: Stack, partitions: number): Promise<void> {
  await createTopics({ bootstrap: stack.source.bootstrap, login: null }, [{ name: topic, partitions }]);
  const kafka = new Kafka({ brokers: [...stack.source.bootstrap], logLevel: logLevel.ERROR });
  const [producer, source] = [kafka.producer({ idempotent: true }), openCluster('old', { bootstrap: stack.source.bootstrap })];
  try {
    // A broker that does not know yet what it leads refuses: of a thousand partitions it takes its time.
    for (const end = Date.now() + 60_000; ;) try { await source.ends([topic]); break; } catch (e) { if (Date.now() > end) throw e; }
    await producer.connect();
    for (let from = 0; from < recordsEach; from += 50)
      await producer.send({ topic, acks: -1, messages: Array.from({ length: partitions }, (_, partition) => Array.from({ length: 50 }, (__, i) => ({ partition, key: `${partition}-${from + i}`, value: `record ${from + i}` }))).flat() });
    const at = (g: number, partition: number): bigint => BigInt(g < lagging ? (g * 37 + partition * 11) % recordsEach : recordsEach);
    await source.commit(new Map(groups.map((group, g) => [group, Array.from({ length: partitions }, (_, partition) => ({ topic, partition, offset: at(g, partition), metadata: '' }))])), noLimit);
  } finally {
    await Promise.all([producer.disconnect(), source.close()]);
  }
}

interface Fleet extends Disposable { readonly url: string }
/** Stops and starts at once, because it has no processes. */
async function startFleet(): Promise<Fleet> {
  const count = { source: 1, target: 0 };
  const server: Server = createServer((request, response) => {
    let body = '';
    request.on('data', (d: Buffer) => { body += d.toString(); });
    request.on('end', () => {
      const { on } = (body === '' ? {} : JSON.parse(body)) as { on?: 'source' | 'target' };
      if (request.url?.endsWith('/stop')) Object.assign(count, { source: 0, target: 0 });
      if (request.url?.endsWith('/start') && on) count[on] = 1;
      response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(count));
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, [Symbol.dispose]: () => { server.close(); } };
}
