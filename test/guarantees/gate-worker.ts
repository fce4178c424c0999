/**
 * Cutover's worker with gates: a call that an `awaited-…` in a folder below `CUTOVER_GATE` describes is announced there by `met-…`,
 * and held at its very beginning until there is a file `go-…`, or the time of a hold has passed. Every other call goes straight through.
 */
import { existsSync, readdirSync, readFileSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { heartbeat } from '@temporalio/activity';
import type { Work } from '../../src/activities/work.ts';
import { runWorker } from '../../src/worker/worker.ts';
import { longestHoldMs, type Told } from './gate.ts';

const beatEveryMs = 500;
const root = process.env['CUTOVER_GATE'] ?? '';

interface Call { readonly c?: { readonly key?: string; readonly mode?: string }; readonly entries?: readonly { readonly value: string }[] }
interface Met { readonly folder: string; readonly id: string; readonly index: number; readonly holdMs: number }

/** `null` where a wish was taken back in between: it is nobody's any more. */
function ifThere<T>(of: () => T): T | null {
  try {
    return of();
  } catch (e) {
    if ((e as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw e;
  }
}

/** Which wish this call is; a pre-image is read under the same key, before the step begins. */
function awaitedBy(activity: string, x: Call): Met | null {
  if (x.c === undefined || x.c.mode === 'undo' || activity.startsWith('capture')) return null;
  for (const folder of readdirSync(root).map((name) => join(root, name))) for (const name of readdirSync(folder)) {
    const [, id] = /^awaited-(\d+)$/.exec(name) ?? [];
    const told = id === undefined ? null : ifThere(() => JSON.parse(readFileSync(join(folder, name), 'utf8')) as Told);
    const index = told === null ? -1 : indexIn(told, activity, x);
    const call = told?.calls[index];
    if (id !== undefined && call) return { folder, id, index, holdMs: longestHoldMs[call.mode] };
  }
  return null;
}
const indexIn = ({ run, calls }: Told, activity: string, { c, entries = [] }: Call): number => ((c?.key ?? '').startsWith(`${run}/`)
  ? calls.findIndex((a) => (a.activity === 'remember' ? activity === 'remember' && entries.some((e) => e.value.includes(a.includes)) : c?.mode === a.mode && (c.key ?? '').includes(a.includes)))
  : -1);

async function hold({ folder, id, index, holdMs }: Met): Promise<void> {
  if (ifThere(() => { renameSync(join(folder, `awaited-${id}`), join(folder, `met-${id}-${index}`)); return id; }) === null) return;
  console.log('gate: met');
  // A hold alone fails nothing.
  const beats = setInterval(() => { heartbeat(); }, beatEveryMs);
  try {
    for (const end = Date.now() + holdMs; !existsSync(join(folder, `go-${id}`)) && Date.now() < end;) await sleep(2);
  } finally {
    clearInterval(beats);
  }
}

const gated = (work: Work): Work => Object.fromEntries(Object.entries(work).map(([activity, call]) => [activity, async (x: Call) => {
  const met = awaitedBy(activity, x);
  if (met) await hold(met);
  return (call as (x: Call) => Promise<unknown>)(x);
}])) as unknown as Work;

const catalog = process.argv[process.argv.indexOf('--catalog') + 1] ?? '';
await runWorker(catalog, { onReady: (line) => { console.log(line); }, wrap: gated });
