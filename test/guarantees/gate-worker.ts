/**
 * Cutover's worker with a gate: the call that `awaited` in the folder `CUTOVER_GATE` describes is announced there by `met-…`, and
 * held at its very beginning until there is a file `go-…`, or the time of a hold has passed. Every other call goes straight through.
 */
import { existsSync, readFileSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Work } from '../../src/activities/work.ts';
import { runWorker } from '../../src/worker/worker.ts';
import { longestHoldMs, type Told } from './gate.ts';

const folder = process.env['CUTOVER_GATE'] ?? '';
const file = join(folder, 'awaited');

interface Call { readonly c?: { readonly key?: string; readonly mode?: string }; readonly entries?: readonly { readonly value: string }[] }

interface Met { readonly id: number; readonly index: number }
/** A pre-image is read under the same key, before the step begins. */
function awaitedBy(activity: string, x: Call): Met | null {
  if (x.c === undefined || x.c.mode === 'undo' || activity.startsWith('capture') || !existsSync(file)) return null;
  const { calls, id } = JSON.parse(readFileSync(file, 'utf8')) as Told;
  const index = calls.findIndex((c) => (c.activity === 'remember' ? activity === 'remember' && (x.entries ?? []).some((e) => e.value.includes(c.includes))
    : x.c?.mode === c.mode && (x.c.key ?? '').includes(c.includes)));
  return index < 0 ? null : { id, index };
}

async function hold({ id, index }: Met): Promise<void> {
  renameSync(file, join(folder, `met-${id}-${index}`));
  console.log('gate: met');
  for (const end = Date.now() + longestHoldMs; !existsSync(join(folder, `go-${id}`)) && Date.now() < end;) await sleep(2);
}

const gated = (work: Work): Work => Object.fromEntries(Object.entries(work).map(([activity, call]) => [activity, async (x: Call) => {
  const met = awaitedBy(activity, x);
  if (met) await hold(met);
  return (call as (x: Call) => Promise<unknown>)(x);
}])) as unknown as Work;

const catalog = process.argv[process.argv.indexOf('--catalog') + 1] ?? '';
await runWorker(catalog, { onReady: (line) => { console.log(line); }, wrap: gated });
