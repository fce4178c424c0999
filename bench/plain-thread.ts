/**
 * A thread that only fetches: both sides of one partition by our reader, every batch checked, nothing compared or hashed.
 * `taken`: every record taken out, as the comparison takes it; `walked`: looked at where it stands; `batches`: not looked at.
 */
import { parentPort } from 'node:worker_threads';
import { Lane, Packed, blockRecords } from '../src/adapters/kafka/compare/packed.ts';
import { RecordWalker } from '../src/adapters/kafka/scan/records.ts';
import { visibleBatches } from '../src/adapters/kafka/scan/stream.ts';
import { openWire } from '../src/adapters/kafka/wire.ts';

export interface PlainTask { readonly bootstraps: readonly (readonly string[])[]; readonly topic: string; readonly partitions: readonly number[]; readonly to: bigint; readonly how: 'taken' | 'walked' | 'batches' }
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
    const sides = wires.map(async (wire) => {
      const bounds = { from: 0n, to: task.to };
      const batches = visibleBatches(wire, { topic: task.topic, partition, ...bounds }, { isolation: 'read_committed', fetchBytes: 1024 * 1024 });
      if (task.how === 'taken') {
        const all = await taken(new Lane(batches, bounds)); // awaited first: two sides add to one number
        records += all;
        return;
      }
      for await (const batch of batches) {
        if (task.how === 'batches') { records += batch.count; continue; }
        const walker = new RecordWalker(batch);
        while (walker.next()) records += 1;
      }
    });
    await Promise.all(sides);
  }
  const ms = performance.now() - from;
  await Promise.all(wires.map((wire) => wire.close()));
  owner?.postMessage({ records, ms } satisfies PlainDone);
}

async function taken(lane: Lane): Promise<number> {
  const block = new Packed();
  let records = 0;
  while (!lane.over) {
    block.clear();
    await lane.fill(block, blockRecords);
    records += block.count;
  }
  return records;
}
