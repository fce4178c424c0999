/** One fault for all that share a stack, and for each of them a step of its own at which it is to be hit. */
import type { FaultName } from './faults.ts';
import type { Place } from './places.ts';
import type { Row } from './rows.ts';

export type Faulty = Row & { readonly fault: FaultName };
/** A row that could be played at that place. `at`: where it comes in what is played until the next hold. */
export interface Reach { readonly row: Faulty; readonly place: Place; readonly at: number }
/** Whoever waits at its gate is held for a moment only: steps must lie so close that all are at theirs by then. */
const besides = 3;

export interface Wish {
  /** Without it there is no strike. */
  readonly leader: number | null;
  /** Nothing strikes afterwards. */
  readonly isLast: boolean;
}

/**
 * `reaches`: of each, in the order of wish. As many as possible are hit, each in another row, all by the same fault; of equals the
 * first that is reached, and at last the last: early in an outage it is undone and begins anew, late it is the end of it. Those
 * that are hit by nothing are absent.
 */
export function volleyOf(reaches: ReadonlyMap<number, readonly Reach[]>, { leader, isLast }: Wish = { leader: null, isLast: false }): ReadonlyMap<number, Reach> {
  const all = [...reaches.values()].flat();
  const span = reaches.size + besides;
  let best: { readonly aims: ReadonlyMap<number, Reach>; readonly rank: readonly number[] } = { aims: new Map(), rank: [0] };
  for (const [fault, of] of Map.groupBy(all, (r) => r.row.fault)) for (const from of new Set(of.map((r) => r.at))) {
    const within = new Map([...reaches].map(([member, wished]) => [member, wished.filter((r) => r.row.fault === fault && r.at >= from && r.at < from + span)]));
    const aims = shareOut(within, leader);
    if (leader !== null && !aims.has(leader)) continue;
    const wish = Math.min(...[...aims].map(([member, aim]) => reaches.get(member)?.indexOf(aim) ?? Infinity));
    const rank = [aims.size, isLast ? from : -from, -wish];
    if (isAbove(rank, best.rank)) best = { aims, rank };
  }
  return best.aims;
}

/** In the first number in which they differ. */
function isAbove(one: readonly number[], other: readonly number[]): boolean {
  const i = one.findIndex((n, at) => n !== other[at]);
  return i !== -1 && (one[i] ?? 0) > (other[i] ?? -Infinity);
}

/** Whoever leads, then whoever has the least choice, chooses first. */
function shareOut(within: ReadonlyMap<number, readonly Reach[]>, leader: number | null): ReadonlyMap<number, Reach> {
  const aims = new Map<number, Reach>();
  const taken = new Set<Row>();
  for (const [member, choice] of [...within].sort(([m, a], [n, b]) => Number(n === leader) - Number(m === leader) || a.length - b.length)) {
    const aim = choice.find((r) => !taken.has(r.row));
    if (aim === undefined) continue;
    aims.set(member, aim);
    taken.add(aim.row);
  }
  return aims;
}
