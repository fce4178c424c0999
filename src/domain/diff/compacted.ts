/**
 * Compacted topics: both clusters compact by themselves, whenever they like, so their logs need not hold the same records.
 * What both have not compacted yet is compared record by record; below that, by the last value of each key.
 *
 * A cleaner works on a prefix of the log and leaves every key in it once. So from the first record on whose key has come
 * before, nothing has been compacted: that is the tail. A tombstone equals absence: the cleaner takes tombstones away in time.
 */
import { Failure } from '../failures.ts';
import type { Between, Half, Mark } from '../positions.ts';
import { begin, type Beginning } from './begin.ts';
import { added, begun, noCounts, type Counts, type Difference, type DiffState, type Places } from './difference.ts';
import { findRun } from './runs.ts';

/** `key`: a hash of it. `gone`: a tombstone. */
export interface Keyed extends Mark { readonly key: string; readonly gone: boolean }
export type KeyedBetween = (half: Half, from: bigint, to: bigint) => AsyncIterable<Keyed>;

export interface KeyLimits {
  /** Keys held at once; more are taken in several passes over both logs. */
  readonly perPass: number;
  readonly passes: number;
}
export const keyLimits: KeyLimits = { perPass: 50_000, passes: 256 };

export interface ByKey {
  readonly where: string;
  readonly starts: Places;
  readonly ends: Places;
  readonly keyed: KeyedBetween;
  readonly between: Between;
  readonly limits?: KeyLimits;
}
/** The state at the beginning of the tail, keys counted; the tail itself is compared from there. */
export interface KeysCompared { readonly state: DiffState; readonly beginning: Beginning; readonly differences: readonly Difference[] }

class TooManyKeys extends Error {}

export async function compareKeys(x: ByKey): Promise<KeysCompared> {
  const limits = x.limits ?? keyLimits;
  for (let passes = 1; passes <= limits.passes; passes *= 4) {
    try {
      const beginning = await tailOf(x, passes, limits);
      const found = await lastValues(x, { at: beginning.at, passes, limits });
      return { state: { ...begun(beginning.at), counts: found.counts }, beginning, differences: found.differences };
    } catch (error) {
      if (!(error instanceof TooManyKeys)) throw error;
    }
  }
  throw new Failure('Unsupported', `${x.where} is compacted and has more than ${limits.perPass * limits.passes} keys, which is what a comparison by last value takes.`, 'Leave the topic out of the comparison.');
}

/** Where both tails begin to correspond; the ends, where one of the logs has no tail. */
async function tailOf(x: ByKey, passes: number, limits: KeyLimits): Promise<Beginning> {
  const from = { origin: await firstAgain(x, 'origin', passes, limits), copy: await firstAgain(x, 'copy', passes, limits) };
  const none: Beginning = { at: x.ends, how: 'keys-only', skipped: { origin: 0, copy: 0 } };
  if (from.origin >= x.ends.origin || from.copy >= x.ends.copy) return none;
  const found = await begin({ origin: { logStart: from.origin, end: x.ends.origin }, copy: { logStart: from.copy, end: x.ends.copy } }, [], x.between);
  return found.how === 'unaligned' ? none : { ...found, skipped: { origin: 0, copy: 0 } };
}

/** The first record whose key has come before. */
async function firstAgain(x: ByKey, half: Half, passes: number, limits: KeyLimits): Promise<bigint> {
  let first = x.ends[half];
  for (let pass = 0; pass < passes; pass += 1) {
    const seen = new Set<string>();
    for await (const record of x.keyed(half, x.starts[half], first)) {
      if (passOf(record.key, passes) !== pass) continue;
      if (seen.has(record.key)) {
        first = record.offset;
        break;
      }
      seen.add(record.key);
      if (seen.size > limits.perPass) throw new TooManyKeys();
    }
  }
  return first;
}

interface Last { readonly offset: bigint; readonly fingerprint: string; readonly gone: boolean }
async function lastValues(x: ByKey, how: { readonly at: Places; readonly passes: number; readonly limits: KeyLimits }): Promise<{ readonly counts: Counts; readonly differences: readonly Difference[] }> {
  let counts = noCounts;
  const differences: Difference[] = [];
  for (let pass = 0; pass < how.passes; pass += 1) {
    const [origin, copy] = [await table(x, 'origin', { ...how, pass }), await table(x, 'copy', { ...how, pass })];
    for (const key of new Set([...origin.keys(), ...copy.keys()])) {
      const [a, b] = [origin.get(key), copy.get(key)];
      // A key that is written in the tail is compared there.
      if ((a !== undefined && a.offset >= how.at.origin) || (b !== undefined && b.offset >= how.at.copy)) continue;
      const said = judged(a, b, x.starts);
      counts = added(counts, said === 'unread' ? { unread: 1 } : said === null ? { keys: 1 } : { keys: 1, [said.kind]: 1 });
      if (said !== null && said !== 'unread') differences.push(said);
    }
  }
  return { counts, differences };
}

async function table(x: ByKey, half: Half, how: { readonly pass: number; readonly passes: number; readonly limits: KeyLimits }): Promise<ReadonlyMap<string, Last>> {
  const last = new Map<string, Last>();
  for await (const { key, offset, fingerprint, gone } of x.keyed(half, x.starts[half], x.ends[half])) {
    if (passOf(key, how.passes) !== how.pass) continue;
    last.set(key, { offset, fingerprint, gone });
    if (last.size > how.limits.perPass) throw new TooManyKeys();
  }
  return last;
}

/** `unread`: the side that lacks the key has lost its head (`delete` beside `compact`), and the key perhaps with it. */
function judged(a: Last | undefined, b: Last | undefined, starts: Places): Difference | 'unread' | null {
  const [here, there] = [a?.gone === true ? undefined : a, b?.gone === true ? undefined : b];
  if (here === undefined && there === undefined) return null;
  if (here !== undefined && there !== undefined) return here.fingerprint === there.fingerprint ? null : { kind: 'stale', origin: String(here.offset), copy: String(there.offset) };
  if (here !== undefined) return b === undefined && starts.copy > 0n ? 'unread' : { kind: 'missing', origin: String(here.offset), copy: null };
  return a === undefined && starts.origin > 0n ? 'unread' : { kind: 'extra', origin: null, copy: String(there?.offset) };
}

function passOf(key: string, passes: number): number {
  if (passes === 1) return 0;
  let h = 0;
  for (let i = 0; i < key.length; i += 1) h = Math.imul(h, 31) + key.charCodeAt(i) | 0;
  return (h >>> 0) % passes;
}

/**
 * Behind a running mirror: the offset on the origin up to which the copy has come, found by the copy's last records.
 * `null`: they are not there, or there are none.
 */
export async function copiedUpTo(x: Pick<ByKey, 'starts' | 'ends' | 'between'>, run = 16): Promise<bigint | null> {
  const tail: Mark[] = [];
  for await (const mark of x.between('copy', x.starts.copy, x.ends.copy)) {
    tail.push(mark);
    if (tail.length > run) tail.shift();
  }
  const found = await findRun(x.between('origin', x.starts.origin, x.ends.origin), [{ at: 0, run: tail }]);
  if (found === null) return null;
  let left = tail.length;
  for await (const mark of x.between('origin', found.mark.offset, x.ends.origin)) if ((left -= 1) === 0) return mark.offset + 1n;
  return null;
}
