/** One partition compared from where it stood: finds the beginning, keeps the pace, reports whole states. */
import { setTimeout as sleep } from 'node:timers/promises';
import { begin } from '../../../domain/diff/begin.ts';
import { compareKeys, copiedUpTo } from '../../../domain/diff/compacted.ts';
import { compare } from '../../../domain/diff/compare.ts';
import { begun, differing, type Difference, type DiffState } from '../../../domain/diff/difference.ts';
import type { PartitionAsk, PartitionEnd, PartitionReport, Rate } from '../../../domain/diff/port.ts';
import { tpKey } from '../../../domain/ports.ts';
import type { Between, Half } from '../../../domain/positions.ts';
import { keyedRecords } from './keyed.ts';
import { openPair, type Pace, type Sides } from './pair.ts';

/** A partition that differs everywhere still sends few messages. */
const reportMs = 200;
const mostFresh = 1_000;
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

async function inOrder(sides: Sides, ask: PartitionAsk, pace: Pace, x: { readonly state: DiffState; readonly list: number; readonly told: (report: PartitionReport) => void }): Promise<PartitionEnd> {
  const reports = new Reports(tpKey(ask), x.list, x.told);
  const pair = openPair(sides, ask, x.state.hash, pace);
  try {
    const end = await compare(pair, { state: x.state, ends: ask.ends, horizon: ask.horizon, report: (s, fresh) => { reports.hear(s, fresh); } });
    reports.flush(end.state);
    return { key: tpKey(ask), decided: end.decided, state: end.state, hash: end.hash };
  } finally {
    await pair.close();
  }
}
const betweenOf = (sides: Sides, ask: PartitionAsk, pace: Pace): Between => openPair(sides, ask, { value: '', from: '0' }, pace).between;

/**
 * What an earlier call settled is believed only while nothing differs after it: a cleaner may have been there since. Then
 * all is compared anew, and the report with a beginning takes the place of all before.
 */
async function byKey(sides: Sides, ask: PartitionAsk, pace: Pace, told: (report: PartitionReport) => void): Promise<PartitionEnd> {
  const key = tpKey(ask);
  if (ask.state !== null) {
    const kept: PartitionReport[] = [];
    const end = await inOrder(sides, ask, pace, { state: ask.state, list: ask.list, told: (report) => { kept.push(report); } });
    if (end.state !== null && differing(end.state.counts) === differing(ask.state.counts)) {
      for (const report of kept) told(report);
      return end;
    }
  }
  const x = { where: `Partition ${key}`, starts: ask.starts, ends: ask.ends, between: betweenOf(sides, ask, pace), keyed: (half: Half, from: bigint, to: bigint) => keyedRecords(sides[half].wire, { topic: ask.topic, partition: ask.partition, from, to }, pace) };
  const origin = ask.horizon === 'closed' ? ask.ends.origin : await copiedUpTo(x);
  if (origin === null) return { key, decided: 'undecided', state: ask.state, hash: null };
  const ends = { ...ask.ends, origin };
  const keys = await compareKeys({ ...x, ends });
  const listed = keys.differences.slice(0, ask.list);
  told({ key, state: keys.state, fresh: listed, beginning: keys.beginning });
  return inOrder(sides, { ...ask, ends }, pace, { state: keys.state, list: ask.list - listed.length, told });
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
