/** One partition compared from where it stood: finds the beginning, keeps the pace. */
import { setTimeout as sleep } from 'node:timers/promises';
import { begin } from '../../../domain/diff/begin.ts';
import { begun } from '../../../domain/diff/difference.ts';
import type { PartitionAsk, PartitionEnd, PartitionReport, Rate } from '../../../domain/diff/port.ts';
import { tpKey } from '../../../domain/ports.ts';
import { byKey } from './bykey.ts';
import { betweenOf, inOrder } from './inorder.ts';
import type { Pace, Sides } from './pair.ts';

/** Memory is looked at after so many bytes. */
const tidyBytes = 2 * 1024 * 1024;
/** Of a batch: as much again comes with the next one, so there must be more room. */
const largeBytes = 1024 * 1024;

export async function runTask(sides: Sides, ask: PartitionAsk, pace: Pace, told: (report: PartitionReport) => void): Promise<PartitionEnd> {
  if (ask.order === 'by-key') return byKey(sides, ask, pace, told);
  const key = tpKey(ask);
  let { state } = ask;
  if (state === null) {
    const beginning = await begin({ origin: { logStart: ask.starts.origin, end: ask.ends.origin }, copy: { logStart: ask.starts.copy, end: ask.ends.copy } }, ask.anchors, betweenOf(sides, ask, pace));
    state = begun(beginning.at);
    told({ key, state, fresh: [], beginning });
  }
  return inOrder(sides, ask, pace, { state, list: ask.list, told });
}

/** All threads spend from the same account: whoever finds it overdrawn waits until the clock has paid. */
export function paceOf(rate: Rate, account: { readonly spent: BigInt64Array; readonly sinceMs: number }, signal: AbortSignal, tidy: (batch: 'usual' | 'large') => void): Pace {
  const wait = (spent: bigint, perSecond: number | null): number => (perSecond === null ? 0 : Number(spent) / perSecond * 1_000 - (Date.now() - account.sinceMs));
  let untidy = 0;
  const weigh = (bytes: number): void => {
    if ((untidy += bytes) < tidyBytes && bytes < largeBytes) return;
    untidy = 0;
    tidy(bytes >= largeBytes ? 'large' : 'usual');
  };
  return {
    signal,
    weigh,
    spend: (bytes, records) => {
      weigh(bytes);
      if (rate.bytesPerSecond === null && rate.recordsPerSecond === null) return null;
      const [b, r] = [Atomics.add(account.spent, 0, BigInt(bytes)) + BigInt(bytes), Atomics.add(account.spent, 1, BigInt(records)) + BigInt(records)];
      const ms = Math.max(wait(b, rate.bytesPerSecond), wait(r, rate.recordsPerSecond));
      return ms < 1 ? null : sleep(ms, undefined, { signal }).catch(() => { signal.throwIfAborted(); });
    },
  };
}
