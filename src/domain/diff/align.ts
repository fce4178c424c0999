/** Finds where two streams of records come together again after they parted, with the fewest records left unpaired. */
import type { Mark } from '../positions.ts';

/** A stretch of both streams from where they parted to where they run alike again. */
export interface Stretch {
  /** Records of either side that belong to it. */
  readonly origin: number;
  readonly copy: number;
  /** Pairs of equal records inside, as indexes, rising on both sides. */
  readonly pairs: readonly (readonly [origin: number, copy: number])[];
}
export interface AlignOptions {
  /** So many equal records in a row count as together again. */
  readonly run: number;
  /** Most records left unpaired; beyond, the answer is null. */
  readonly edits: number;
  /** Nothing follows the windows: coming to both ends together is an answer too. */
  readonly ended: boolean;
}

/** How far one path can be taken from its two neighbours, within windows of `n` and `m` records; `x` -1: not at all. */
interface Grid { readonly n: number; readonly m: number }
function step({ n, m }: Grid, diagonal: number, left: number, above: number): { readonly x: number; readonly down: boolean } {
  const right = left < 0 || left >= n ? -1 : left + 1;
  const below = above < 0 || above - diagonal > m ? -1 : above;
  return below >= right ? { x: below, down: true } : { x: right, down: false };
}

/**
 * Myers' greedy search (1986) for the shortest edit script, left as soon as one path has run alike for `run` records. Time
 * and memory grow with the square of the edits, not with the windows.
 */
export function align(origin: readonly Mark[], copy: readonly Mark[], o: AlignOptions): Stretch | null {
  const grid = { n: origin.length, m: copy.length };
  const most = Math.min(o.edits, grid.n + grid.m);
  const middle = most + 1;
  const reach = new Int32Array(2 * most + 3).fill(-1);
  const trace: Int32Array[] = [];
  for (let edits = 0; edits <= most; edits += 1) {
    for (let diagonal = -edits; diagonal <= edits; diagonal += 2) {
      const from = edits === 0 ? 0 : step(grid, diagonal, reach[middle + diagonal - 1] ?? -1, reach[middle + diagonal + 1] ?? -1).x;
      if (from < 0) { reach[middle + diagonal] = -1; continue; }
      let x = from;
      while (x - from < o.run && x < grid.n && x - diagonal < grid.m && origin[x]?.fingerprint === copy[x - diagonal]?.fingerprint) x += 1;
      reach[middle + diagonal] = x;
      const together = x - from >= o.run;
      if (!together && !(o.ended && x === grid.n && x - diagonal === grid.m)) continue;
      const end = together ? from : x;
      return { origin: end, copy: end - diagonal, pairs: pairsOf(trace, grid, { edits, diagonal, x: end }) };
    }
    trace.push(reach.slice(middle - edits - 1, middle + edits + 2));
  }
  return null;
}

/** Walks the search back from its end: what lies on diagonals is paired. */
function pairsOf(trace: readonly Int32Array[], grid: Grid, end: { readonly edits: number; readonly diagonal: number; readonly x: number }): readonly (readonly [number, number])[] {
  const pairs: [number, number][] = [];
  let { x, diagonal } = end;
  const back = (from: number): void => {
    while (x > from) {
      x -= 1;
      pairs.push([x, x - diagonal]);
    }
  };
  for (let edits = end.edits; edits > 0; edits -= 1) {
    const before = trace[edits - 1];
    const at = (k: number): number => before?.[k + edits] ?? -1; // that round was kept from diagonal -edits on
    const { x: from, down } = step(grid, diagonal, at(diagonal - 1), at(diagonal + 1));
    back(from);
    x = down ? from : from - 1;
    diagonal += down ? 1 : -1;
  }
  back(0);
  return pairs.reverse();
}
