/** Two logs compared record by record from a state kept; reports of some size, whole states. */
import { compare } from '../../../domain/diff/compare.ts';
import type { Difference, DiffState } from '../../../domain/diff/difference.ts';
import type { PartitionAsk, PartitionEnd, PartitionReport } from '../../../domain/diff/port.ts';
import { tpKey } from '../../../domain/ports.ts';
import type { Between } from '../../../domain/positions.ts';
import { openPair, type Pace, type Sides } from './pair.ts';

/** A partition that differs everywhere still sends few messages. */
const reportMs = 200;
const mostFresh = 1_000;

export interface From { readonly state: DiffState; /** Most differences to hand over. */ readonly list: number; readonly told: (report: PartitionReport) => void }
export async function inOrder(sides: Sides, ask: PartitionAsk, pace: Pace, x: From): Promise<PartitionEnd> {
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
export const betweenOf = (sides: Sides, ask: PartitionAsk, pace: Pace): Between => openPair(sides, ask, { value: '', from: '0' }, pace).between;

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
