/** The end of a run: how the workflow ended, and every record brought to where it can be counted. */
import { ApplicationFailure, WorkflowFailedError, type WorkflowHandle } from '@temporalio/client';
import { duties } from './applications.ts';
import type { Ended } from './report.ts';
import { names, type Stage } from './stage.ts';

const drainWithinMs = 60_000;

export const until = async (what: string, withinMs: number, done: () => Promise<boolean>): Promise<void> => {
  for (const end = Date.now() + withinMs; !(await done()); await new Promise((r) => setTimeout(r, 200)))
    if (Date.now() > end) throw new Error(`Not within ${withinMs / 1_000} s: ${what}.`);
};

/** How the workflow ended, in its own words. */
export async function ending(handle: WorkflowHandle): Promise<Ended> {
  type Result = Pick<Ended, 'outages' | 'proven'>;
  try {
    const { outages, proven } = await handle.result() as Result;
    return { outcome: 'completed', why: '', outages, proven };
  } catch (e) {
    if (!(e instanceof WorkflowFailedError)) throw e;
    const cause = e.cause;
    const why = cause?.message ?? e.message;
    if (!(cause instanceof ApplicationFailure) || cause.type !== 'RolledBack') return { outcome: 'failed', why, outages: [], proven: [] };
    const result = cause.details?.[0] as Result | undefined;
    return { outcome: 'rolled-back', why, outages: result?.outages ?? [], proven: result?.proven ?? [] };
  }
}

/** Traffic goes on for so long where everybody has arrived, ms. */
const trafficMs = 2_000;
/** After so long without a record read, what is left is lost, ms. */
const stillMs = 6_000;

/** Traffic on the new side for a moment; then the writers stop, the readers drain, and all stop. `losing`: something is expected never to be read. */
export async function settle({ books, supervisor }: Stage, orders: number, losing = false): Promise<void> {
  const least = Math.max(orders, books.acknowledged('orders') + 1);
  const sinceMs = Date.now();
  const alive = supervisor.count('shop');
  if (alive.source + alive.target > 0)
    await until(`${least} orders`, 120_000, async () => { await books.refresh(); return books.acknowledged('orders') >= least && Date.now() - sinceMs >= trafficMs; });
  await supervisor.stop('shop');
  // What is still missing after this time is counted as lost.
  let seen = { left: '', sinceMs: Date.now() };
  await until('drained', drainWithinMs, async () => {
    await books.refresh();
    const left = books.outstanding(duties);
    const picture = JSON.stringify(left);
    if (picture !== seen.left) seen = { left: picture, sinceMs: Date.now() };
    return left.every((d) => d.records === 0) || (losing && Date.now() - seen.sinceMs > stillMs);
  }).catch(() => undefined);
  await Promise.all(names.map((name) => supervisor.stop(name)));
  await books.refresh();
}
