/** One partition compared from where it stood: finds the beginning, keeps the pace, reports whole states. */
import { setTimeout as sleep } from 'node:timers/promises';
import { begin, type Beginning } from '../../../domain/diff/begin.ts';
import { compare } from '../../../domain/diff/compare.ts';
import { begun, type Difference, type DiffState } from '../../../domain/diff/difference.ts';
import type { PartitionAsk, PartitionEnd, PartitionReport, Rate } from '../../../domain/diff/port.ts';
import { tpKey } from '../../../domain/ports.ts';
import { openPair, type Pace, type Sides } from './pair.ts';

/** A partition that differs everywhere still sends few messages. */
const reportMs = 200;
const mostFresh = 1_000;

export async function runTask(sides: Sides, ask: PartitionAsk, pace: Pace, told: (report: PartitionReport) => void): Promise<PartitionEnd> {
  const key = tpKey(ask);
  let beginning: Beginning | null = null;
  let { state } = ask;
  if (state === null) {
    beginning = await beginningOf(sides, ask, pace);
    state = begun(beginning.at);
    told({ key, state, fresh: [], beginning });
  }
  const reports = new Reports(key, ask.list, told);
  const pair = openPair(sides, ask, state.hash, pace);
  try {
    const end = await compare(pair, { state, ends: ask.ends, horizon: ask.horizon, report: (s, fresh) => { reports.hear(s, fresh); } });
    reports.flush(end.state);
    return { key, decided: end.decided, state: end.state, hash: end.hash };
  } finally {
    await pair.close();
  }
}

async function beginningOf(sides: Sides, ask: PartitionAsk, pace: Pace): Promise<Beginning> {
  const pair = openPair(sides, ask, { value: '', from: '0' }, pace);
  return begin({ origin: { logStart: ask.starts.origin, end: ask.ends.origin }, copy: { logStart: ask.starts.copy, end: ask.ends.copy } }, ask.anchors, pair.between);
}

/** Gathers what the comparison says into reports of some size, never splitting a state from its differences. */
class Reports {
  readonly #key: string;
  readonly #told: (report: PartitionReport) => void;
  #left: number;
  #fresh: Difference[] = [];
  #sentMs = performance.now();

  constructor(key: string, list: number, told: (report: PartitionReport) => void) {
    [this.#key, this.#left, this.#told] = [key, list, told];
  }
  hear(state: DiffState, fresh: readonly Difference[]): void {
    const listed = fresh.slice(0, this.#left);
    this.#left -= listed.length;
    this.#fresh.push(...listed);
    if (this.#fresh.length >= mostFresh || performance.now() - this.#sentMs >= reportMs) this.flush(state);
  }
  flush(state: DiffState): void {
    this.#told({ key: this.#key, state, fresh: this.#fresh, beginning: null });
    [this.#fresh, this.#sentMs] = [[], performance.now()];
  }
}

/** All threads spend from the same account: whoever finds it overdrawn waits until the clock has paid. */
export function paceOf(rate: Rate, account: { readonly spent: BigInt64Array; readonly sinceMs: number }, signal: AbortSignal): Pace {
  const wait = (spent: bigint, perSecond: number | null): number => (perSecond === null ? 0 : Number(spent) / perSecond * 1_000 - (Date.now() - account.sinceMs));
  return {
    signal,
    spend: async (bytes, records) => {
      if (rate.bytesPerSecond === null && rate.recordsPerSecond === null) return;
      const [b, r] = [Atomics.add(account.spent, 0, BigInt(bytes)) + BigInt(bytes), Atomics.add(account.spent, 1, BigInt(records)) + BigInt(records)];
      const ms = Math.max(wait(b, rate.bytesPerSecond), wait(r, rate.recordsPerSecond));
      if (ms >= 1) await sleep(ms, undefined, { signal }).catch(() => { signal.throwIfAborted(); });
    },
  };
}
