/**
 * Cutover's worker, which also counts what each activity costs: calls, time, and requests to Kafka by kind, as the client
 * library announces each one. Written to the file `CUTOVER_COUNTS` every second. Requests that a pool sends by itself are `other`.
 */
import { AsyncLocalStorage } from 'node:async_hooks';
import { renameSync, writeFileSync } from 'node:fs';
import { subscribe } from 'node:diagnostics_channel';
import type { Work } from '../src/activities/work.ts';
import { runWorker } from '../src/worker/worker.ts';
import { channel, nameOf } from './requests.ts';

export interface Cost { calls: number; failed: number; ms: number; readonly requests: Record<string, number> }
export type Costs = Readonly<Record<string, Cost>>;
/** MiB; `rest` are threads, their heaps and what native code holds. */
export interface Memory { readonly rss: number; readonly heap: number; readonly used: number; readonly buffers: number; readonly rest: number }
export interface Counts { readonly costs: Costs; readonly memory: Memory }

const costs = new Map<string, Cost>();
const under = new AsyncLocalStorage<string>();
const costOf = (activity: string): Cost => costs.get(activity) ?? costs.set(activity, { calls: 0, failed: 0, ms: 0, requests: {} }).get(activity) as Cost;

const counted = (work: Work): Work => Object.fromEntries(Object.entries(work).map(([name, call]) => [name, (x: never) => under.run(name, async () => {
  const [cost, fromMs] = [costOf(name), performance.now()];
  cost.calls++;
  try {
    return await (call as (y: never) => Promise<unknown>)(x);
  } catch (error) {
    cost.failed++;
    throw error;
  } finally {
    cost.ms += performance.now() - fromMs;
  }
})])) as unknown as Work;

subscribe(channel, (message) => {
  const { requests } = costOf(under.getStore() ?? 'other');
  const name = nameOf(message);
  requests[name] = (requests[name] ?? 0) + 1;
});
function memory(): Memory {
  const m = process.memoryUsage();
  const mib = (bytes: number): number => Math.round(bytes / 1_048_576);
  return { rss: mib(m.rss), heap: mib(m.heapTotal), used: mib(m.heapUsed), buffers: mib(m.external), rest: mib(m.rss - m.heapTotal - m.external) };
}
const draft = `${process.env['CUTOVER_COUNTS'] ?? ''}.new`;
setInterval(() => {
  writeFileSync(draft, JSON.stringify({ costs: Object.fromEntries(costs), memory: memory() } satisfies Counts));
  renameSync(draft, process.env['CUTOVER_COUNTS'] ?? '');
}, 1_000).unref();
await runWorker(process.argv[process.argv.indexOf('--catalog') + 1] ?? '', { onReady: (line) => { console.log(line); }, wrap: counted });
