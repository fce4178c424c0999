/** A thread that only fetches: both sides of one partition by our reader, every batch checked, every record walked, nothing compared or hashed. */
import { parentPort } from 'node:worker_threads';
import { RecordWalker } from '../src/adapters/kafka/scan/records.ts';
import { visibleBatches } from '../src/adapters/kafka/scan/stream.ts';
import { openWire } from '../src/adapters/kafka/wire.ts';

export interface PlainTask { readonly bootstraps: readonly (readonly string[])[]; readonly topic: string; readonly partitions: readonly number[]; readonly to: bigint; readonly walk: 'records' | 'batches' }
export interface PlainDone { readonly records: number; readonly ms: number }

const owner = parentPort;
if (owner === null) throw new Error('This file runs as a thread of a benchmark.');
owner.on('message', (task: PlainTask) => { void run(task); });

async function run(task: PlainTask): Promise<void> {
  const wires = task.bootstraps.map((bootstrap, i) => openWire({ name: `side-${i}`, bootstrap }));
  await Promise.all(wires.map((wire) => wire.leaders([task.topic], true)));
  const from = performance.now();
  let records = 0;
  for (const partition of task.partitions) {
    const all = wires.map(async (wire) => {
      for await (const batch of visibleBatches(wire, { topic: task.topic, partition, from: 0n, to: task.to }, { isolation: 'read_committed' })) {
        if (task.walk === 'batches') { records += batch.count; continue; }
        const walker = new RecordWalker(batch);
        while (walker.next()) records += 1;
      }
    });
    await Promise.all(all);
  }
  const ms = performance.now() - from;
  await Promise.all(wires.map((wire) => wire.close()));
  owner?.postMessage({ records, ms } satisfies PlainDone);
}
