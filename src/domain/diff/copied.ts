/** Compacted topics behind a running mirror: up to where both logs hold the same history, though cleaners thin out either of them. */
import type { Between, Mark } from '../positions.ts';
import type { Places } from './difference.ts';
import { findRun } from './runs.ts';

export interface Behind { readonly starts: Places; readonly ends: Places; readonly between: Between }

/** Of the copy's last records so many are looked for on the origin. */
const looked = 1_024;
/** Where a record comes more than once, so many in a row tell which of them it is. */
const run = 16;

/**
 * The place behind the last record of the copy. Where the origin has it no longer, a newer one of its key having come: the
 * place behind the last record that both still have. The beginning, where nothing has been copied; the ends, where the
 * origin holds nothing any more. `null`: none of the copy's last records is on the origin now; what comes next will be.
 */
export async function copiedUpTo(x: Behind): Promise<Places | null> {
  const tail = await lastOf(x.between('copy', x.starts.copy, x.ends.copy));
  if (tail.length === 0) return { origin: x.starts.origin, copy: x.ends.copy };
  const index = new Map(tail.map((mark, i) => [mark.fingerprint, i]));
  const met = tail.map(() => ({ times: 0, after: 0n }));
  let any = false;
  for await (const mark of x.between('origin', x.starts.origin, x.ends.origin)) {
    any = true;
    const one = met[index.get(mark.fingerprint) ?? -1];
    if (one !== undefined) [one.times, one.after] = [one.times + 1, mark.offset + 1n];
  }
  if (!any) return x.ends;
  const last = met.at(-1);
  if (last?.times === 1) return { origin: last.after, copy: x.ends.copy };
  const behind = last === undefined || last.times === 0 ? null : await behindRun(x, tail.slice(-run));
  if (behind !== null) return { origin: behind, copy: x.ends.copy };
  const both = met.findLastIndex(({ times }) => times === 1);
  const [there, here] = [met[both], tail[both]];
  return there === undefined || here === undefined ? null : { origin: there.after, copy: here.offset + 1n };
}

async function lastOf(marks: AsyncIterable<Mark>): Promise<readonly Mark[]> {
  let held: Mark[] = [];
  for await (const mark of marks) {
    held.push(mark);
    if (held.length >= 2 * looked) held = held.slice(-looked);
  }
  return held.slice(-looked);
}

async function behindRun(x: Behind, marks: readonly Mark[]): Promise<bigint | null> {
  const found = await findRun(x.between('origin', x.starts.origin, x.ends.origin), [{ at: 0, run: marks }]);
  if (found === null) return null;
  let left = marks.length;
  for await (const mark of x.between('origin', found.mark.offset, x.ends.origin)) if ((left -= 1) === 0) return mark.offset + 1n;
  return null;
}
