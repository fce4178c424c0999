/** A thread of the comparison: compares one partition after the other, over connections of its own. */
import { getHeapStatistics, setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { parentPort } from 'node:worker_threads';
import { Failure } from '../../../domain/failures.ts';
import { tpKey } from '../../../domain/ports.ts';
import { openWire, type ClusterWire } from '../wire.ts';
import type { Endpoint, FromThread, Task, ToThread } from './messages.ts';
import { sideOf } from './pair.ts';
import { paceOf, runTask } from './task.ts';

if (parentPort === null) throw new Error('This file runs as a thread of the comparison.');
const owner = parentPort;
const say = (message: FromThread): void => { owner.postMessage(message); };

const wires = new Map<string, ClusterWire>();
const running = new Map<number, AbortController>();
let peakBytes = 0;
/** Of this thread alone: its JavaScript heap, and the buffers that records are fetched into. */
const held = (): number => {
  const { total_heap_size: heap, external_memory: external } = getHeapStatistics();
  peakBytes = Math.max(peakBytes, heap + external);
  return heap + external;
};
const measured = (): number => {
  held();
  return peakBytes;
};

/**
 * The pieces in which a socket hands over what it reads are garbage within milliseconds, but V8 lets 64 MiB of them pile up
 * before it looks. So it is told to look at what is young (1 to 2 ms), and at everything (10 ms) where that does not do.
 */
const sweepBytes = { usual: { young: 50 * 1024 * 1024, all: 58 * 1024 * 1024 }, large: { young: 24 * 1024 * 1024, all: 32 * 1024 * 1024 } };
setFlagsFromString('--expose-gc');
const sweep = runInNewContext('gc') as (options: { readonly type: 'minor' | 'major' }) => void;
const tidy = (batch: 'usual' | 'large'): void => {
  if (held() < sweepBytes[batch].young) return;
  sweep({ type: 'minor' });
  if (held() >= sweepBytes[batch].all) sweep({ type: 'major' });
};

function wireOf(endpoint: Endpoint): ClusterWire {
  const key = JSON.stringify(endpoint);
  const open = wires.get(key) ?? openWire({ ...endpoint, clientId: 'cutover-verify' });
  wires.set(key, open);
  return open;
}

async function run(task: Task): Promise<void> {
  const stop = new AbortController();
  running.set(task.id, stop);
  const sampling = setInterval(measured, 20);
  try {
    const sides = { origin: sideOf(wireOf(task.clusters.origin)), copy: sideOf(wireOf(task.clusters.copy)) };
    const pace = paceOf(task.rate, { spent: new BigInt64Array(task.spent), sinceMs: task.sinceMs }, stop.signal, tidy);
    const end = await runTask(sides, task.ask, pace, (report) => { say({ say: 'report', id: task.id, report, peakBytes: measured() }); });
    say({ say: 'end', id: task.id, end, peakBytes: measured() });
  } catch (error) {
    if (stop.signal.aborted) say({ say: 'end', id: task.id, end: { key: tpKey(task.ask), decided: 'stopped', state: null, hash: null }, peakBytes: measured() });
    else say({ say: 'failed', id: task.id, type: error instanceof Failure ? error.type : null, message: error instanceof Error ? error.message : String(error) });
  } finally {
    clearInterval(sampling);
    running.delete(task.id);
  }
}

owner.on('message', (message: ToThread) => {
  if (message.do === 'compare') void run(message.task);
  else if (message.do === 'stop') running.get(message.id)?.abort(new Error('stopped'));
  else {
    for (const stop of running.values()) stop.abort(new Error('closed'));
    void Promise.all([...wires.values()].map((wire) => wire.close())).finally(() => { owner.close(); });
  }
});
