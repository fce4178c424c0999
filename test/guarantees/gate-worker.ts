/**
 * Cutover's worker with gates: a call that an `awaited-…` in a folder below `CUTOVER_GATE` describes is announced there by `met-…`,
 * and held at its very beginning until there is a file `go-…`, or the time of a hold has passed. Every other call goes straight through.
 * Each is written down as it begins.
 */
import { appendFileSync, existsSync, readdirSync, readFileSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { heartbeat } from '@temporalio/activity';
import type { Work } from '../../src/activities/work.ts';
import { runWorker } from '../../src/worker/worker.ts';
import { isStep, longestHoldMs, recordOf, type Begun, type Call, type Told } from './gate.ts';

const beatEveryMs = 500;
const root = process.env['CUTOVER_GATE'] ?? '';

interface Asked { readonly c?: { readonly key?: string; readonly mode?: string }; readonly entries?: readonly { readonly value: string }[] }
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

/** A step that begins; a pre-image is read under the same key, before that, and an undo is no step. */
function stepOf(activity: string, { c, entries = [] }: Asked): Call | null {
  if (c === undefined || c.mode === 'undo' || activity.startsWith('capture')) return null;
  return { activity, key: c.key ?? '', mode: c.mode ?? '', openings: entries.flatMap((e) => e.value.match(/"opening":"[^"]*"/g) ?? []).join() };
}

/** Which wish this call is. */
function awaitedBy(call: Call): Met | null {
  for (const folder of readdirSync(root).map((name) => join(root, name))) for (const name of readdirSync(folder)) {
    const [, id] = /^awaited-(\d+)$/.exec(name) ?? [];
    const told = id === undefined ? null : ifThere(() => JSON.parse(readFileSync(join(folder, name), 'utf8')) as Told);
    const index = told !== null && call.key.startsWith(`${told.run}/`) ? told.calls.findIndex((a) => isStep(a, call)) : -1;
    const wish = told?.calls[index];
    if (id !== undefined && wish) return { folder, id, index, holdMs: longestHoldMs[wish.mode] };
  }
  return null;
}

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

const gated = (work: Work): Work => Object.fromEntries(Object.entries(work).map(([activity, call]) => [activity, async (x: Asked) => {
  const step = stepOf(activity, x);
  const met = step && awaitedBy(step);
  if (met) await hold(met);
  if (step) appendFileSync(recordOf(root), `${JSON.stringify({ ...step, atMs: Date.now() } satisfies Begun)}\n`);
  return (call as (x: Asked) => Promise<unknown>)(x);
}])) as unknown as Work;

const catalog = process.argv[process.argv.indexOf('--catalog') + 1] ?? '';
await runWorker(catalog, { onReady: (line) => { console.log(line); }, wrap: gated });
