/** Where two logs begin to correspond: at their beginnings, or where one of them lost its head, at the first record both still hold. */
import type { Anchor } from '../ports.ts';
import type { Between, Half, Mark } from '../positions.ts';
import type { Places } from './difference.ts';
import { findRun, probesOf } from './runs.ts';

export interface Extent {
  readonly logStart: bigint;
  readonly end: bigint;
  /** Up to here all was compared before; from here to the log start records are gone unseen. Default: nothing was. */
  readonly seen?: bigint;
}
export interface Beginning {
  readonly at: Places;
  /** `unaligned`: no common run of records was found; compared from the log starts, nearly all will differ. `keys-only`: see `compacted.ts`. */
  readonly how: 'log-starts' | 'anchor' | 'search' | 'unaligned' | 'keys-only';
  /** Visible records below the place, that the other side no longer has. */
  readonly skipped: Readonly<Record<Half, number>>;
}

/** Records that must be alike for a place to be believed; where a log has fewer, all of them. */
const run = 16;
const probePlaces = [0, 1, 4, 16, 64, 256];

/**
 * Logs that both begin at offset 0 correspond there; where the origin has lost all it had, their ends do. Otherwise, in this
 * order: counted back from the lowest anchor that
 * both still hold; the first records of one found in the other; the anchor itself.
 */
export async function begin(logs: Readonly<Record<Half, Extent>>, anchors: readonly Anchor[], between: Between): Promise<Beginning> {
  const starts = { origin: logs.origin.logStart, copy: logs.copy.logStart };
  const nothing = { origin: 0, copy: 0 };
  if (starts.origin === 0n && starts.copy === 0n) return { at: starts, how: 'log-starts', skipped: nothing };
  const all = (half: Half): AsyncIterable<Mark> => between(half, logs[half].logStart, logs[half].end);
  const heads = { origin: await firstOf(all('origin'), probeWindow), copy: await firstOf(all('copy'), probeWindow) };
  if (heads.origin.length === 0 && goneFrom(logs.origin) > 0n) return emptied(logs, all('copy'));
  if (heads.origin.length === 0 || heads.copy.length === 0 || runsAlike(heads.origin, heads.copy)) return { at: starts, how: 'log-starts', skipped: nothing };
  const anchor = lowest(logs, anchors);
  if (anchor !== null) {
    const counted = await countedBack(logs, anchor, between);
    if (counted !== null) return counted;
  }
  const searched = await search(heads, all);
  if (searched !== null) return searched;
  if (anchor !== null) return { at: { origin: anchor.from, copy: anchor.to }, how: 'anchor', skipped: { origin: await count(between('origin', starts.origin, anchor.from)), copy: await count(between('copy', starts.copy, anchor.to)) } };
  return { at: starts, how: 'unaligned', skipped: nothing };
}
const probeWindow = (probePlaces.at(-1) ?? 0) + run;

/** Offsets that retention has taken before they could be compared: no more records than that. */
const goneFrom = ({ logStart, end, seen }: Extent): bigint => (logStart < end ? logStart : end) - (seen ?? 0n);

/**
 * Retention has emptied the origin, as it does an idle partition, and the copy keeps what it has: nothing is left to compare
 * it with. Copies beyond the number of offsets that are gone are of nothing the origin had, and stay to be named.
 */
async function emptied(logs: Readonly<Record<Half, Extent>>, copies: AsyncIterable<Mark>): Promise<Beginning> {
  const gone = Number(goneFrom(logs.origin));
  let passed = 0;
  for await (const mark of copies) {
    if (passed === gone) return { at: { origin: logs.origin.end, copy: mark.offset }, how: 'log-starts', skipped: { origin: 0, copy: passed } };
    passed += 1;
  }
  return { at: { origin: logs.origin.end, copy: logs.copy.end }, how: 'log-starts', skipped: { origin: 0, copy: passed } };
}

const runsAlike = (a: readonly Mark[], b: readonly Mark[]): boolean => {
  const length = Math.min(run, a.length, b.length);
  return Array.from({ length }, (_, i) => i).every((i) => a[i]?.fingerprint === b[i]?.fingerprint);
};

function lowest(logs: Readonly<Record<Half, Extent>>, anchors: readonly Anchor[]): Anchor | null {
  const held = anchors.filter((a) => a.from >= logs.origin.logStart && a.to >= logs.copy.logStart && a.from < logs.origin.end && a.to < logs.copy.end);
  return held.reduce<Anchor | null>((low, a) => (low === null || a.from < low.from || (a.from === low.from && a.to < low.to) ? a : low), null);
}

/** Both have the same records right below an anchor: the side with more of them begins earlier. */
async function countedBack(logs: Readonly<Record<Half, Extent>>, anchor: Anchor, between: Between): Promise<Beginning | null> {
  const below = { origin: await count(between('origin', logs.origin.logStart, anchor.from)), copy: await count(between('copy', logs.copy.logStart, anchor.to)) };
  const common = Math.min(below.origin, below.copy);
  const skipped = { origin: below.origin - common, copy: below.copy - common };
  const placeOf = async (half: Half): Promise<readonly Mark[]> => firstOf(between(half, logs[half].logStart, logs[half].end), run, skipped[half]);
  const [origin, copy] = [await placeOf('origin'), await placeOf('copy')];
  const [a, b] = [origin[0], copy[0]];
  return a !== undefined && b !== undefined && runsAlike(origin, copy) ? { at: { origin: a.offset, copy: b.offset }, how: 'anchor', skipped } : null;
}

/** The nearer answer: the first records of the origin in the copy, or those of the copy in the origin. */
async function search(heads: Readonly<Record<Half, readonly Mark[]>>, all: (half: Half) => AsyncIterable<Mark>): Promise<Beginning | null> {
  const probes = (half: Half) => probesOf(heads[half], Math.min(run, heads[half].length), probePlaces);
  const inCopy = await findRun(all('copy'), probes('origin'));
  const inOrigin = await findRun(all('origin'), probes('copy'), inCopy === null ? Infinity : inCopy.ahead + 1);
  const found = inOrigin !== null && (inCopy === null || inOrigin.ahead < inCopy.ahead) ? { of: 'copy', in: 'origin', hit: inOrigin } as const : inCopy === null ? null : { of: 'origin', in: 'copy', hit: inCopy } as const;
  if (found === null) return null;
  // Damaged records before the run that was found are compared too, as many as the other side has.
  const back = Math.min(found.hit.probe.at, found.hit.ahead);
  const skip = found.hit.ahead - back;
  const there = (await firstOf(all(found.in), 1, skip))[0] ?? found.hit.mark;
  const here = heads[found.of][found.hit.probe.at - back];
  if (here === undefined) return null;
  const at = found.of === 'origin' ? { origin: here.offset, copy: there.offset } : { origin: there.offset, copy: here.offset };
  const skipped = { origin: 0, copy: 0, [found.in]: skip, [found.of]: found.hit.probe.at - back };
  return { at, how: 'search', skipped };
}

async function firstOf(marks: AsyncIterable<Mark>, count: number, skip = 0): Promise<readonly Mark[]> {
  const found: Mark[] = [];
  let passed = 0;
  for await (const mark of marks) {
    if (passed < skip) { passed += 1; continue; }
    found.push(mark);
    if (found.length >= count) break;
  }
  return found;
}
async function count(marks: AsyncIterable<Mark>): Promise<number> {
  let n = 0;
  for await (const _ of marks) n += 1;
  return n;
}
