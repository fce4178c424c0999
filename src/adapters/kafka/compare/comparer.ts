/** The `Comparer` port over threads: one partition per thread at a time, started on first use and ended when nobody needs them for a while. */
import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';
import type { Catalog } from '../../../domain/catalog.ts';
import type { CompareAsk, Comparer, PartitionAsk, PartitionEnd, PartitionReport } from '../../../domain/diff/port.ts';
import { Failure } from '../../../domain/failures.ts';
import { tpKey } from '../../../domain/ports.ts';
import type { Endpoint, FromThread, Task, ToThread } from './messages.ts';

export interface ComparerOptions {
  /** Default: one per core. */
  readonly threads?: number;
  /** A thread without work is ended after so long, ms: it holds 40 MiB for nothing, and loads for half a second when it is wanted again. */
  readonly idleMs?: number;
}
/** The comparisons of one migration come closer together than that. */
const defaultIdleMs = 60_000;
/** What one thread compares while another would still be loading. */
const offsetsWorthAThread = 100_000n;
const offsetsOf = ({ starts, ends }: PartitionAsk): bigint => ends.origin - starts.origin;
/** JavaScript heap of a thread; records live in buffers outside of it, bounded by what is fetched. What is young is swept after every 2 MiB anyway: with more room for it the sweeps cost a third of the throughput. */
export const heapMb = { maxOldGenerationSizeMb: 40, maxYoungGenerationSizeMb: 2 };

type Told = (report: PartitionReport) => void;
interface Job { readonly task: Task; readonly begun: () => void; readonly told: Told; readonly done: (end: PartitionEnd) => void; readonly failed: (error: Error) => void }

export function createComparer(catalog: Pick<Catalog, 'clusters'>, options: ComparerOptions = {}): Comparer & { close(): Promise<void>; threads(): number } {
  const most = options.threads ?? availableParallelism();
  const idleMs = options.idleMs ?? defaultIdleMs;
  const threads = new Set<Thread>();
  const idle: Thread[] = [];
  const waiting: Job[] = [];
  let ids = 0;
  let peak = 0;
  let closed = false;

  const endpoint = (name: string): Endpoint => {
    const found = Object.hasOwn(catalog.clusters, name) ? catalog.clusters[name] : undefined;
    if (found === undefined) throw new Failure('BadMigration', `The catalog has no cluster called "${name}"; it has ${Object.keys(catalog.clusters).sort().join(', ') || 'none'}.`);
    return { ...found, name };
  };

  /** Threads worth having: those at work, and as many more as what waits would keep busy. */
  function worthwhile(): number {
    const offsets = waiting.reduce((sum, { task }) => sum + offsetsOf(task.ask), 0n);
    return Math.max(1, threads.size - idle.length + Number(offsets / offsetsWorthAThread));
  }
  function handOut(): void {
    while (waiting.length > 0 && (idle.length > 0 || threads.size < Math.min(most, worthwhile()))) {
      const job = waiting.shift();
      if (job === undefined) return;
      const thread = idle.pop() ?? opened();
      thread.awake();
      void thread.run(job, (bytes) => { peak = Math.max(peak, bytes); }).then(() => {
        if (thread.alive) rest(thread);
        else threads.delete(thread);
        handOut();
      });
      job.begun();
    }
  }
  function rest(thread: Thread): void {
    idle.push(thread);
    thread.asleep(idleMs, () => {
      idle.splice(idle.indexOf(thread), 1);
      void thread.close().then(() => { threads.delete(thread); handOut(); });
    });
  }
  function opened(): Thread {
    const thread = new Thread();
    threads.add(thread);
    return thread;
  }

  async function compare(ask: CompareAsk, told: Told, signal: AbortSignal): Promise<readonly PartitionEnd[]> {
    if (closed) throw new Failure('Unreachable', 'The comparison has been closed.', 'The worker is shutting down; the call is retried.');
    const clusters = { origin: endpoint(ask.clusters.origin), copy: endpoint(ask.clusters.copy) };
    const account = { spent: new SharedArrayBuffer(16), sinceMs: Date.now() };
    const inside = new AbortController();
    const both = AbortSignal.any([signal, inside.signal]);
    const one = (partition: PartitionAsk): Promise<PartitionEnd> => {
      const id = (ids += 1);
      return new Promise((done, failed) => {
        const job: Job = { task: { id, clusters, ask: partition, rate: ask.rate, ...account }, begun: () => { ask.begun?.(tpKey(partition)); }, told, done, failed };
        const stop = (): void => {
          const at = waiting.indexOf(job);
          if (at >= 0) waiting.splice(at, 1);
          if (at >= 0) done({ key: tpKey(partition), decided: 'stopped', state: null, hash: null });
          else for (const thread of threads) thread.stop(id);
        };
        if (both.aborted) { done({ key: tpKey(partition), decided: 'stopped', state: null, hash: null }); return; }
        both.addEventListener('abort', stop, { once: true });
        waiting.push(job);
      });
    };
    const all = ask.partitions.map(one);
    handOut();
    const heard = (end: PartitionEnd): PartitionEnd => { ask.ended?.(end); return end; };
    const results = await Promise.allSettled(all.map((p) => p.then(heard, (error: unknown) => { inside.abort(); throw error; })));
    const broken = results.find((r) => r.status === 'rejected');
    if (broken) throw broken.reason;
    return results.flatMap((r) => (r.status === 'fulfilled' ? [r.value] : []));
  }

  async function close(): Promise<void> {
    closed = true;
    await Promise.all([...threads].map((thread) => thread.close()));
  }
  return { compare, close, peakBytes: () => peak, threads: () => threads.size };
}

class Thread {
  readonly #worker: Worker;
  #job: Job | null = null;
  #measured: (bytes: number) => void = () => undefined;
  #settle: () => void = () => undefined;
  #sleep: NodeJS.Timeout | null = null;
  alive = true;

  constructor() {
    this.#worker = new Worker(new URL('thread.ts', import.meta.url), { resourceLimits: heapMb, name: 'verify' });
    this.#worker.unref(); // an idle thread must not keep a process that has ended its work
    this.#worker.on('message', (message: FromThread) => { this.#hear(message); });
    this.#worker.on('error', (error) => { this.#died(error); });
    this.#worker.on('exit', () => { this.#died(new Error('a thread of the comparison ended')); });
  }
  run(job: Job, measured: (bytes: number) => void): Promise<void> {
    [this.#job, this.#measured] = [job, measured];
    this.#worker.ref();
    this.#say({ do: 'compare', task: job.task });
    return new Promise((settle) => { this.#settle = settle; });
  }
  asleep(ms: number, over: () => void): void { this.#sleep = setTimeout(over, ms).unref(); }
  awake(): void {
    if (this.#sleep !== null) clearTimeout(this.#sleep);
    this.#sleep = null;
  }
  stop(id: number): void {
    if (this.#job?.task.id === id) this.#say({ do: 'stop', id });
  }
  async close(): Promise<void> {
    this.awake();
    if (!this.alive) return;
    const gone = new Promise((resolve) => { this.#worker.once('exit', resolve); });
    this.#say({ do: 'close' });
    const late = setTimeout(() => void this.#worker.terminate(), 3_000);
    await gone;
    clearTimeout(late);
  }

  #hear(message: FromThread): void {
    const job = this.#job;
    if (job?.task.id !== message.id) return;
    if (message.say !== 'failed') this.#measured(message.peakBytes);
    if (message.say === 'report') {
      job.told(message.report);
      return;
    }
    if (message.say === 'end') job.done(message.end);
    else job.failed(message.type === null ? new Error(message.message) : new Failure(message.type, message.message, ''));
    this.#rest();
  }
  #died(error: Error): void {
    this.alive = false;
    this.#job?.failed(new Error(`A thread of the comparison of ${this.#job === null ? '' : tpKey(this.#job.task.ask)} died: ${error.message}`));
    this.#rest();
  }
  #rest(): void {
    this.#job = null;
    this.#worker.unref();
    this.#settle();
  }
  #say(message: ToThread): void {
    this.#worker.postMessage(message);
  }
}
