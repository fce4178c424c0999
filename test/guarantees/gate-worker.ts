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

/** A pre-image is read under the same key, before the step begins. */
function awaitedBy(activity: string, x: Call): Told | null {
  if (x.c === undefined || x.c.mode === 'undo' || activity.startsWith('capture') || !existsSync(file)) return null;
  const told = JSON.parse(readFileSync(file, 'utf8')) as Told;
  if (told.activity === 'remember') return activity === 'remember' && (x.entries ?? []).some((e) => e.value.includes(told.includes)) ? told : null;
  return x.c.mode === told.mode && (x.c.key ?? '').includes(told.includes) ? told : null;
}

async function hold({ id }: Told): Promise<void> {
  renameSync(file, join(folder, `met-${id}`));
  console.log('gate: met');
  for (const end = Date.now() + longestHoldMs; !existsSync(join(folder, `go-${id}`)) && Date.now() < end;) await sleep(2);
}

const gated = (work: Work): Work => Object.fromEntries(Object.entries(work).map(([activity, call]) => [activity, async (x: Call) => {
  const told = awaitedBy(activity, x);
  if (told) await hold(told);
  return (call as (x: Call) => Promise<unknown>)(x);
}])) as unknown as Work;

const catalog = process.argv[process.argv.indexOf('--catalog') + 1] ?? '';
await runWorker(catalog, { onReady: (line) => { console.log(line); }, wrap: gated });
