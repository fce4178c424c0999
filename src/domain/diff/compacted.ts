/**
 * Compacted topics: both clusters compact by themselves, whenever they like, so their logs need not hold the same records.
 * What both have not compacted yet is compared record by record; below that, by the last value of each key.
 *
 * A cleaner works on a prefix of the log and leaves every key in it once. So from the first record on whose key has come
 * before, nothing has been compacted: that is the tail. A tombstone equals absence: the cleaner takes tombstones away in time.
 */
import { Failure } from '../failures.ts';
import type { Between, Half, Mark } from '../positions.ts';
import { begin, type Beginning, type Extent } from './begin.ts';
import { added, begun, noCounts, type Counts, type Difference, type DiffState, type Places } from './difference.ts';
import { KeyTable, type Entry } from './keytable.ts';

/** `key`: a hash of it. `gone`: a tombstone. */
export interface Keyed extends Mark { readonly key: string; readonly gone: boolean }
/** Records whose key is not `wanted` may be left out: what is not looked at in a pass need not be hashed. */
export type KeyedBetween = (half: Half, from: bigint, to: bigint, wanted?: Wanted) => AsyncIterable<Keyed>;
export type Wanted = (key: string) => boolean;

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
  /** Where a log ends by now. What lies at or above `ends` is not compared, but tells what a cleaner may have taken below. */
  top(half: Half): Promise<bigint>;
  /** Most differences to name; all are counted. */
  readonly list: number;
  readonly limits?: KeyLimits;
}
/** The state at the beginning of the tail, keys counted; the tail itself is compared from there. */
export interface KeysCompared { readonly state: DiffState; readonly beginning: Beginning; readonly differences: readonly Difference[] }

class TooManyKeys extends Error {}

export async function compareKeys(x: ByKey): Promise<KeysCompared> {
  const { perPass, passes: most } = x.limits ?? keyLimits;
  const offsets = Number(x.ends.origin - x.starts.origin + x.ends.copy - x.starts.copy);
  const table = new KeyTable(Math.min(perPass, Math.max(1, offsets)));
  try {
    for (let passes = 1; passes <= most; passes *= 2) {
      const found = await inPasses(x, passes, table);
      if (found !== 'too many keys') return found;
    }
  } finally {
    table.discard();
  }
  throw new Failure('Unsupported', `${x.where} is compacted and has more than ${perPass * most} keys, which is what a comparison by last value takes.`, 'Leave the topic out of the comparison.');
}

async function inPasses(x: ByKey, passes: number, table: KeyTable): Promise<KeysCompared | 'too many keys'> {
  try {
    const again = { origin: await firstAgain(x, 'origin', passes, table), copy: await firstAgain(x, 'copy', passes, table) };
    const beginning = await tailOf(x, again);
    const found = await lastValues(x, { at: beginning.at, again, passes, table });
    return { state: { ...begun(beginning.at), counts: found.counts }, beginning, differences: found.differences };
  } catch (error) {
    if (error instanceof TooManyKeys) return 'too many keys';
    throw error;
  }
}

/** Where both tails begin to correspond; the ends, where one of the logs has no tail. */
async function tailOf(x: ByKey, again: Places): Promise<Beginning> {
  const none: Beginning = { at: x.ends, how: 'keys-only', skipped: { origin: 0, copy: 0 } };
  if (again.origin >= x.ends.origin || again.copy >= x.ends.copy) return none;
  const from = (half: Half): Extent => ({ logStart: again[half], end: x.ends[half], seen: again[half] });
  const found = await begin({ origin: from('origin'), copy: from('copy') }, [], x.between);
  return found.how === 'unaligned' ? none : { ...found, skipped: { origin: 0, copy: 0 } };
}

/** The first record whose key has come before. */
async function firstAgain(x: ByKey, half: Half, passes: number, table: KeyTable): Promise<bigint> {
  let first = x.ends[half];
  for (let pass = 0; pass < passes; pass += 1) {
    table.clear();
    const wanted = wantedIn(pass, passes);
    for await (const record of x.keyed(half, x.starts[half], first, wanted)) {
      if (!wanted(record.key)) continue;
      const put = table.put(half, record);
      if (put === 'full') throw new TooManyKeys();
      if (put === 'new') continue;
      first = record.offset;
      break;
    }
  }
  return first;
}

interface How { readonly at: Places; readonly again: Places; readonly passes: number; readonly table: KeyTable }

async function lastValues(x: ByKey, how: How): Promise<{ readonly counts: Counts; readonly differences: readonly Difference[] }> {
  const counts = { keys: 0, unread: 0, missing: 0, extra: 0, stale: 0 };
  const differences: Difference[] = [];
  const at = { origin: Number(how.at.origin), copy: Number(how.at.copy) };
  for (let pass = 0; pass < how.passes; pass += 1) {
    await fill(how.table, x, wantedIn(pass, how.passes));
    const later = await comeLater(x, how);
    for (const entry of how.table.entries()) {
      // A key that is written in the tail is compared there.
      if ((entry.origin !== undefined && entry.origin.offset >= at.origin) || (entry.copy !== undefined && entry.copy.offset >= at.copy)) continue;
      const said = judged(entry, { starts: x.starts, later: later(entry.slot) });
      if (said === 'unread') counts.unread += 1;
      else counts.keys += 1;
      if (said === null || said === 'unread') continue;
      counts[said.kind] += 1;
      if (differences.length < x.list) differences.push(said);
    }
  }
  return { counts: added(noCounts, counts), differences };
}

async function fill(table: KeyTable, x: ByKey, wanted: Wanted): Promise<void> {
  table.clear();
  for (const half of ['origin', 'copy'] as const)
    for await (const record of x.keyed(half, x.starts[half], x.ends[half], wanted))
      if (wanted(record.key) && table.put(half, record) === 'full') throw new TooManyKeys();
}

/**
 * The keys that one side lacks below its end because a cleaner may have taken the value for something newer: the key comes
 * again above; or only the other side still shows the tombstone that did.
 */
async function comeLater(x: ByKey, { table, again }: How): Promise<(slot: number) => boolean> {
  const [asked, found] = [1, 2];
  let marked: Uint8Array | null = null;
  for (const [lacking, having] of [['origin', 'copy'], ['copy', 'origin']] as const) {
    const untouched = untouchedFrom(table, { lacking, having, again: Number(again[lacking]) });
    let left = 0;
    for (const entry of table.entries()) {
      if (entry[lacking] !== undefined || entry[having]?.gone !== false || entry[having].offset >= untouched) continue;
      marked ??= new Uint8Array(table.slots);
      marked[entry.slot] = asked;
      left += 1;
    }
    const marks = marked;
    if (marks === null) continue;
    const wanted: Wanted = (key) => marks[table.find(key)] === asked;
    for (const half of [lacking, having]) {
      if (left === 0) break;
      for await (const { key, gone } of x.keyed(half, x.ends[half], await x.top(half), wanted)) {
        if (!wanted(key) || (half === having && !gone)) continue;
        marks[table.find(key)] = found;
        if ((left -= 1) === 0) break;
      }
    }
    marks.forEach((mark, slot) => { if (mark === asked) marks[slot] = 0; });
  }
  return (slot) => marked?.[slot] === found;
}

/**
 * In offsets of the side that has a key: from here on no cleaner of the other has taken anything. For there none has been
 * behind the first record whose key has come before, and both logs have one order.
 */
function untouchedFrom(table: KeyTable, x: { readonly lacking: Half; readonly having: Half; readonly again: number }): number {
  let low = Infinity;
  for (const entry of table.entries()) {
    const [here, there] = [entry[x.having], entry[x.lacking]];
    if (entry.same && here !== undefined && there !== undefined && there.offset >= x.again && here.offset < low) low = here.offset;
  }
  return low;
}

/** `unread`: the side that lacks the key may have had it: it has lost its head (`delete` beside `compact`), or something newer came `later`. */
function judged({ origin: a, copy: b, same }: Entry, x: { readonly starts: Places; readonly later: boolean }): KeyDifference | 'unread' | null {
  const [here, there] = [a?.gone === true ? undefined : a, b?.gone === true ? undefined : b];
  if (here === undefined && there === undefined) return null;
  if (here !== undefined && there !== undefined) return same ? null : { kind: 'stale', origin: String(here.offset), copy: String(there.offset) };
  if (here !== undefined) return b === undefined && (x.starts.copy > 0n || x.later) ? 'unread' : { kind: 'missing', origin: String(here.offset), copy: null };
  return a === undefined && (x.starts.origin > 0n || x.later) ? 'unread' : { kind: 'extra', origin: null, copy: String(there?.offset) };
}
type KeyDifference = Difference & { readonly kind: 'missing' | 'extra' | 'stale' };

/** The keys of a pass. */
const wantedIn = (pass: number, passes: number): Wanted => (passes === 1 ? () => true : (key) => passOf(key, passes) === pass);
function passOf(key: string, passes: number): number {
  let h = 0;
  for (let i = 0; i < key.length; i += 1) h = Math.imul(h, 31) + key.charCodeAt(i) | 0;
  return (h >>> 0) % passes;
}
