/**
 * Cutover's worker with a gate: the call that `awaited` in the folder `CUTOVER_GATE` describes is announced there by `met`, and
 * held at its very beginning until there is a file `go`, or the time of a hold has passed. Every other call goes straight through.
 */
import { existsSync, readFileSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Work } from '../../src/activities/work.ts';
import { runWorker } from '../../src/worker/worker.ts';
import { longestHoldMs } from './gate.ts';
import type { Awaited } from './moments.ts';

const folder = process.env['CUTOVER_GATE'] ?? '';
const [awaited, met, go] = ['awaited', 'met', 'go'].map((f) => join(folder, f)) as [string, string, string];

interface Call { readonly c?: { readonly key?: string; readonly mode?: string }; readonly entries?: readonly { readonly value: string }[] }

function isAwaited(activity: string, x: Call): boolean {
  if (x.c === undefined || x.c.mode === 'undo' || !existsSync(awaited)) return false;
  const wanted = JSON.parse(readFileSync(awaited, 'utf8')) as Awaited;
  return activity === wanted.activity && [x.c.key ?? '', ...(x.entries ?? []).map((e) => e.value)].some((text) => text.includes(wanted.includes));
}

async function hold(): Promise<void> {
  renameSync(awaited, met);
  console.log('gate: met');
  for (const end = Date.now() + longestHoldMs; !existsSync(go) && Date.now() < end;) await sleep(2);
}

const gated = (work: Work): Work => Object.fromEntries(Object.entries(work).map(([activity, call]) => [activity, async (x: Call) => {
  if (isAwaited(activity, x)) await hold();
  return (call as (x: Call) => Promise<unknown>)(x);
}])) as unknown as Work;

const catalog = process.argv[process.argv.indexOf('--catalog') + 1] ?? '';
await runWorker(catalog, { onReady: (line) => { console.log(line); }, wrap: gated });
