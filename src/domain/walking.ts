/** Reading lazy record sources a little at a time: the steps that counting positions is made of. */
import type { Between, Half, Mark } from './positions.ts';

export interface Cursor { next(): Promise<Mark | null>; close(): Promise<void> }
export function cursor(source: AsyncIterable<Mark>): Cursor {
  const it = source[Symbol.asyncIterator]();
  return {
    next: async () => {
      const r = await it.next();
      return r.done ? null : r.value;
    },
    close: async () => void (await it.return?.()),
  };
}
export async function first(source: AsyncIterable<Mark>): Promise<Mark | null> {
  for await (const m of source) return m;
  return null;
}
export async function take(source: AsyncIterable<Mark>, limit: number): Promise<readonly Mark[] | 'too-many'> {
  const out: Mark[] = [];
  for await (const m of source) {
    if (out.length >= limit) return 'too-many';
    out.push(m);
  }
  return out;
}
/** The last `count` visible records in `[floor, end)`: reads back in growing steps, because offsets have gaps. */
export async function lastBelow(half: Half, of: { readonly floor: bigint; readonly end: bigint }, count: number, between: Between): Promise<readonly Mark[]> {
  for (let span = BigInt(count) * 2n + 64n; ; span *= 4n) {
    const from = of.end - span > of.floor ? of.end - span : of.floor;
    const ring: Mark[] = [];
    for await (const m of between(half, from, of.end)) {
      ring.push(m);
      if (ring.length > 2 * count + 64) ring.splice(0, ring.length - count);
    }
    if (ring.length >= count || from === of.floor) return ring.slice(-count);
  }
}
export function firstWhere<T>(sorted: readonly T[], is: (x: T) => boolean): number {
  let [low, high] = [0, sorted.length];
  while (low < high) {
    const mid = (low + high) >> 1;
    const x = sorted[mid];
    if (x !== undefined && is(x)) high = mid;
    else low = mid + 1;
  }
  return low;
}
