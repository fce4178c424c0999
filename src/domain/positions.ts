/**
 * Where a group continues on the other half of a mirror, proven record by record; and whether a mirror has drained.
 * Pure arithmetic over two lazy record sources; the same code answers both directions.
 *
 * A mirror has two halves: the `origin` it reads and the `copy` it writes. An anchor pairs a record on both. From the
 * nearest anchor the records up to the group's position are counted off one by one on both halves, fingerprints compared;
 * the next visible record must be the same on both. Nothing else counts as exact, and no answer is ever ahead: the answer
 * lies at or before the last copy of every record the group has not read.
 */
import type { Anchor } from './ports.ts';
import { throughGaps } from './thinned.ts';
import { cursor, first, firstWhere, lastBelow, take, type Cursor } from './walking.ts';

export type Half = 'origin' | 'copy';
/** A visible record, as far as positions need it. `SeenRecord` fits. */
export interface Mark { readonly offset: bigint; readonly fingerprint: string }
/** `LogEnds` fits. */
export interface Log { readonly logStart: bigint; readonly lso: bigint; readonly hw: bigint }
/** Visible records of one half in `[from, to)`, in order, read as lazily as possible: reading stops early. */
export type Between = (half: Half, from: bigint, to: bigint) => AsyncIterable<Mark>;

export interface Question {
  /** The half the group is on now. */
  readonly on: Half;
  /** The next offset it would read there. */
  readonly position: bigint;
  /** Ends of both logs. The copy's must have been read *before* the origin's. */
  readonly copy: Log;
  readonly origin: Log;
  /** In log order, as `Mirrors.anchors` gives them. */
  readonly anchors: readonly Anchor[];
  /** Pairs of places rather than of records: next offsets of both halves after which the same records follow (cuts, positions proven earlier). */
  readonly places?: readonly Anchor[];
  /** Compaction may have taken records out of either half: then what only one half shows is stepped over, never past an unread copy. */
  readonly compacted?: boolean;
  /** `drained`: the caller has proven that the copy holds everything and neither half moves (see `drained`). */
  readonly state?: 'drained' | 'flowing';
  /** A mirror without exactly-once may repeat runs: then exact also needs equal counts up to the newest anchor. Default `once`. */
  readonly copies?: 'once' | 'at-least-once';
  /** Most records walked on one half. Default 1,000,000. */
  readonly limitRecords?: number;
}

export interface Proof {
  readonly by: 'anchor-below' | 'anchor-above' | 'place' | 'through-gaps' | 'timestamp' | 'both-ends' | 'nothing-to-read';
  /** The pair the count began (below) or ended (above) at. */
  readonly anchor: Anchor | null;
  /** Records matched one by one. */
  readonly matched: number;
  /** Fingerprint of the next visible record, equal on both halves; `end`: nothing further to read. */
  readonly next: string;
}
export type Answer =
  | { readonly kind: 'exact'; readonly offset: bigint; readonly proof: Proof }
  /** Safe, but up to `repeats` records would be read again. */
  | { readonly kind: 'conservative'; readonly offset: bigint; readonly repeats: number | 'unknown'; readonly why: string }
  /** `behind`: ask again when the mirror has moved on, or its offset syncs have arrived. The others do not heal by waiting. */
  | { readonly kind: 'refused'; readonly cause: 'behind' | 'open-transaction' | 'no-anchor' | 'mismatch' | 'too-far' | 'not-copied'; readonly why: string };

const other = (half: Half): Half => (half === 'origin' ? 'copy' : 'origin');
const refused = (cause: (Answer & { kind: 'refused' })['cause'], why: string): Answer => ({ kind: 'refused', cause, why });
const defaultLimit = 1_000_000;

/** An anchor or a place seen from the half the group is on: `here` on that half, `there` on the other. */
export interface Pin { readonly here: bigint; readonly there: bigint; readonly anchor: Anchor; readonly at: 'record' | 'place' }
const pinned = (q: Question, anchor: Anchor, at: Pin['at'] = 'record'): Pin =>
  q.on === 'origin' ? { here: anchor.from, there: anchor.to, anchor, at } : { here: anchor.to, there: anchor.from, anchor, at };
/** The next offsets after a pin: of a record pair one more, of a place itself. */
const past = (pin: Pin): { readonly here: bigint; readonly there: bigint } => (pin.at === 'record' ? { here: pin.here + 1n, there: pin.there + 1n } : pin);

/**
 * Anchors cut into runs in which both offsets only rise, newest run first. A mirror that replays, or a copy that was
 * re-created, begins a new run; anchors of an older run may point at records that are repeated or no longer there.
 */
export function generations(anchors: readonly Anchor[]): readonly (readonly Anchor[])[] {
  const known = generationsOf.get(anchors);
  if (known) return known;
  const runs: Anchor[][] = [];
  let last: Anchor | undefined;
  for (const a of anchors) {
    if (last && a.from === last.from && a.to === last.to) continue;
    if (!last || a.from <= last.from || a.to <= last.to) runs.push([]);
    runs.at(-1)?.push(a);
    last = a;
  }
  runs.reverse();
  generationsOf.set(anchors, runs);
  return runs;
}
/** A hundred groups ask about the same list. */
const generationsOf = new WeakMap<readonly Anchor[], readonly (readonly Anchor[])[]>();

/** The nearest pins around a position whose surroundings both halves may still hold. */
export interface Reference { readonly below: readonly Pin[]; readonly above: readonly Pin[]; readonly floor: bigint }
export function referenceIn(q: Question, run: readonly Anchor[]): Reference {
  const logs = { here: q[q.on], there: q[other(q.on)] };
  const around = (of: readonly Anchor[], at: Pin['at']): readonly [Pin | undefined, Pin | undefined] => {
    const split = firstWhere(of, (a) => pinned(q, a, at).here > q.position);
    const pin = (i: number): Pin | undefined => (of[i] ? pinned(q, of[i], at) : undefined);
    return [pin(split - 1), pin(split)];
  };
  const usable = (p: Pin | undefined): p is Pin => p !== undefined && p.here >= logs.here.logStart && p.there >= logs.there.logStart
    && (p.at === 'place' ? p.here <= logs.here.lso && p.there <= logs.there.lso : p.here < logs.here.lso && p.there < logs.there.lso);
  const [[under, over], [before, after]] = [around(run, 'record'), around(q.places ?? [], 'place')];
  const below = [before, under].filter(usable);
  const floors = [logs.there.logStart, ...[before, under].filter((p) => p !== undefined).map((p) => past(p).there)];
  return { below, above: [after, over].filter(usable), floor: floors.reduce((a, b) => (a > b ? a : b)) };
}
/** The position itself was proven before: from there on both logs have only grown, so nothing need be read. */
export function placeAt(q: Question): Pin | null {
  const places = q.places ?? [];
  const anchor = places[firstWhere(places, (a) => pinned(q, a, 'place').here >= q.position)];
  const pin = anchor && pinned(q, anchor, 'place');
  const [here, there] = [q[q.on], q[other(q.on)]];
  return pin && pin.here === q.position && pin.here >= here.logStart && pin.there >= there.logStart && pin.there <= there.lso ? pin : null;
}
/** All prove the same; the shorter way first, which for groups near the end is a pin above. */
function nearestFirst(q: Question, { below, above }: Reference): readonly { readonly way: 'below' | 'above'; readonly pin: Pin; readonly far: bigint }[] {
  const ways = [...below.map((pin) => ({ way: 'below' as const, pin, far: q.position - pin.here })), ...above.map((pin) => ({ way: 'above' as const, pin, far: pin.here - q.position }))];
  return ways.sort((a, b) => (a.far < b.far ? -1 : a.far > b.far ? 1 : 0));
}

/** What one way of counting led to. `lost`: this anchor proves nothing, another may. */
export type Walk = Answer | { readonly kind: 'lost'; readonly why: string; readonly differs?: true; readonly safe?: { readonly offset: bigint } };

/** The position on the other half. Throws only what `between` throws. */
export async function translate(q: Question, between: Between): Promise<Answer> {
  const answer = await countedOff(q, between);
  const hopeless = answer.kind === 'conservative' || (answer.kind === 'refused' && answer.cause !== 'behind' && answer.cause !== 'open-transaction');
  if (q.compacted !== true || !hopeless || q.position > q[q.on].lso) return answer;
  return (await throughGaps(q, referenceIn(q, generations(q.anchors)[0] ?? []), between)) ?? answer;
}

async function countedOff(q: Question, between: Between): Promise<Answer> {
  const here = q[q.on];
  if (q.position > here.lso)
    return q.position > here.hw
      ? refused('mismatch', `Position ${q.position} lies beyond the end of the log (${here.hw}).`)
      : refused('open-transaction', `Position ${q.position} lies above the last stable offset ${here.lso}: a transaction is still open below it.`);
  const proven = placeAt(q);
  if (proven) return { kind: 'exact', offset: proven.there, proof: { by: 'place', anchor: proven.anchor, matched: 0, next: 'after the place' } };
  const runs = generations(q.anchors);
  let safe: { readonly offset: bigint } | undefined;
  let why = runs.length === 0 ? 'no offset sync of this partition is known' : 'no offset sync points at records both logs still hold';
  for (const [age, run] of (runs.length === 0 ? [[]] : runs).entries()) {
    const reference = referenceIn(age === 0 ? q : { ...q, places: [] }, run);
    for (const { way, pin } of nearestFirst(q, reference)) {
      const walk = way === 'below' ? await fromBelow(q, { pin, above: reference.above }, between) : await fromAbove(q, pin, reference.floor, between);
      if (walk.kind === 'exact') return age > 0 ? olderRun(walk) : counted(q, walk, between);
      if (walk.kind !== 'lost') return walk;
      why = walk.why;
      safe ??= walk.safe;
      // A pair that holds while the records after it differ: the copy is not faithful here, and no other pair makes it so.
      if (walk.differs && (q.copies ?? 'once') === 'once') return safe ? cautious(q, safe.offset, between, why) : refused('mismatch', `The copy is not faithful: ${why}.`);
    }
  }
  const ends = await fromEnds(q, between);
  if (ends) return ends;
  if (safe) return cautious(q, safe.offset, between, why);
  return refused(runs.length === 0 ? 'no-anchor' : 'mismatch', `The position cannot be counted off: ${why}.`);
}

const olderRun = (walk: Answer & { kind: 'exact' }): Answer => ({
  kind: 'conservative', offset: walk.offset, repeats: 'unknown',
  why: 'it was counted from an offset sync older than a replay of the mirror, which may have repeated later records',
});

/** Counts forward from a pair at or below the position. */
async function fromBelow(q: Question, { pin, above }: { readonly pin: Pin; readonly above: readonly Pin[] }, between: Between): Promise<Walk> {
  const here = cursor(between(q.on, pin.here, q[q.on].lso));
  const there = cursor(between(other(q.on), pin.there, q[other(q.on)].lso));
  let last: Mark | null = null;
  try {
    for (let matched = 0; ; matched += 1) {
      const h = await here.next();
      if (matched === 0 && pin.at === 'record' && h?.offset !== pin.here) return { kind: 'lost', why: `the record of offset sync ${pin.anchor.from} is gone` };
      const t = await there.next();
      if (matched === 0 && pin.at === 'record' && t?.offset !== pin.there) return { kind: 'lost', why: `the copy at ${pin.anchor.to} of record ${pin.anchor.from} is gone` };
      if (h === null || h.offset >= q.position) {
        const walk = meet(q, pin, { matched, h, t });
        const within = walk.kind === 'exact' && h && t && h.fingerprint === last?.fingerprint;
        return within && !(await runOn(q, { here, there, above, h, t })) ? differ(pin, matched, `the records from ${h.offset} and from ${t.offset} on are alike, and not as many`) : walk;
      }
      if (t === null) return shortfall(q, h);
      if (h.fingerprint !== t.fingerprint)
        return differ(pin, matched, `records ${h.offset} and ${t.offset} should be the same and differ`);
      if (matched >= (q.limitRecords ?? defaultLimit)) return refused('too-far', `More than ${matched} records lie between the nearest offset sync and position ${q.position}.`);
      last = h;
    }
  } finally {
    await Promise.all([here.close(), there.close()]);
  }
}

interface Running { readonly here: Cursor; readonly there: Cursor; readonly above: readonly Pin[]; readonly h: Mark; readonly t: Mark }
/**
 * In the middle of records that are all the same, the next ones agree also where one is missing: the run must end in the same
 * place on both halves, at other records or at a pair. Where the copy ends first nobody can tell a loss from what is still to come.
 */
async function runOn(q: Question, { here, there, above, h, t }: Running): Promise<boolean> {
  const paired = (a: Mark, b: Mark): boolean => above.every((p) => p.at === 'place' || (p.here === a.offset) === (p.there === b.offset));
  for (let [a, b, n] = [h, t, 0] as [Mark | null, Mark | null, number]; n < (q.limitRecords ?? defaultLimit); [a, b, n] = [await here.next(), await there.next(), n + 1]) {
    const [origin, copy] = q.on === 'origin' ? [a, b] : [b, a];
    if (copy === null) return true;
    if (origin === null || !a || !b || !paired(a, b)) return false;
    if (a.fingerprint !== h.fingerprint || b.fingerprint !== h.fingerprint) return a.fingerprint === b.fingerprint;
  }
  return true;
}

/** Everything below the position is matched; now the next visible record decides. */
function meet(q: Question, pin: Pin, at: { readonly matched: number; readonly h: Mark | null; readonly t: Mark | null }): Walk {
  const { matched, h, t } = at;
  const exact = (offset: bigint, next: string): Answer => ({ kind: 'exact', offset, proof: { by: pin.at === 'place' ? 'place' : 'anchor-below', anchor: pin.anchor, matched, next } });
  // Nothing lies between the place and the position: what follows it comes behind the place on the other half too.
  if (pin.at === 'place' && matched === 0 && !t) return exact(pin.there, 'not copied yet');
  if (h && t)
    return h.fingerprint === t.fingerprint
      ? exact(t.offset, h.fingerprint)
      : differ(pin, matched, `the next records, ${h.offset} and ${t.offset}, should be the same and differ`);
  if (!h && !t) return exact(q[other(q.on)].lso, 'end');
  if (h) return shortfall(q, h);
  // The origin may be further on than the copy the group has finished reading: the count alone places it.
  if (q.on === 'copy' && t) return exact(t.offset, 'end');
  return differ(pin, matched, `the copy goes on at ${t?.offset} where the origin has nothing`);
}

/** Right after a pin that holds is a safe place; a pin that does not hold gives none. */
const differ = (pin: Pin, matched: number, why: string): Walk =>
  ({ kind: 'lost', why, ...((pin.at === 'record' || matched > 0) && { differs: true as const }), ...(matched > 0 && { safe: { offset: past(pin).there } }) });

const shortfall = (q: Question, h: Mark): Walk =>
  q.on === 'origin'
    ? refused('behind', `The mirror has not yet copied record ${h.offset}.`)
    : { kind: 'lost', differs: true, why: `the copy holds record ${h.offset} which the origin lacks` };

/** Counts backward from a pair above the position: `[position, pair]` here must be the records right up to the pair there. */
async function fromAbove(q: Question, pin: Pin, floor: bigint, between: Between): Promise<Walk> {
  const end = past(pin);
  const window = await take(between(q.on, q.position, end.here), q.limitRecords ?? defaultLimit);
  if (window === 'too-many') return { kind: 'lost', why: `the nearest known pair, ${pin.anchor.from} and ${pin.anchor.to}, is too far above position ${q.position}` };
  if (pin.at === 'place' && window.length === 0) return { kind: 'exact', offset: pin.there, proof: { by: 'place', anchor: pin.anchor, matched: 0, next: 'after the place' } };
  if (pin.at === 'record' && window.at(-1)?.offset !== pin.here) return { kind: 'lost', why: `the record of offset sync ${pin.anchor.from} is gone` };
  const copies = await lastBelow(other(q.on), { floor, end: end.there }, window.length, between);
  if (pin.at === 'record' && copies.at(-1)?.offset !== pin.there) return { kind: 'lost', why: `the copy at ${pin.anchor.to} of record ${pin.anchor.from} is gone` };
  const walk = backward(window, copies, { by: pin.at === 'place' ? 'place' : 'anchor-above', anchor: pin.anchor });
  return walk.kind === 'exact' && (await precededAlike(q, walk.offset, between)) === 'no'
    ? { kind: 'lost', differs: true, why: `the records before ${q.position} and before ${walk.offset} should be the same and differ` }
    : walk;
}

/** Counting back says nothing of what stands in front: the records before the position must be the same one too, if both logs still have one. */
async function precededAlike(q: Question, offset: bigint, between: Between): Promise<'yes' | 'no'> {
  const [a] = await lastBelow(q.on, { floor: q[q.on].logStart, end: q.position }, 1, between);
  const [b] = await lastBelow(other(q.on), { floor: q[other(q.on)].logStart, end: offset }, 1, between);
  return a && b && a.fingerprint !== b.fingerprint ? 'no' : 'yes';
}

function backward(window: readonly Mark[], copies: readonly Mark[], how: Pick<Proof, 'by' | 'anchor'>): Walk {
  if (copies.length < window.length) return { kind: 'lost', why: `${window.length} records here face ${copies.length} on the other side` };
  const off = window.findIndex((w, i) => w.fingerprint !== copies[i]?.fingerprint);
  if (off >= 0) return { kind: 'lost', why: `records ${window[off]?.offset} and ${copies[off]?.offset} should be the same and differ` };
  const [first, next] = [copies[0], window[0]];
  if (!first || !next) return { kind: 'lost', why: 'there is nothing to count' };
  return { kind: 'exact', offset: first.offset, proof: { ...how, matched: window.length, next: next.fingerprint } };
}

/** Without any usable pair: both ends are one when the mirror is proven drained, or when there is nothing to read. */
async function fromEnds(q: Question, between: Between): Promise<Answer | null> {
  const [here, there] = [q[q.on], q[other(q.on)]];
  const nothing: Answer = { kind: 'exact', offset: there.lso, proof: { by: 'nothing-to-read', anchor: null, matched: 0, next: 'end' } };
  if (q.state === 'drained') {
    const window = await take(between(q.on, q.position, here.lso), q.limitRecords ?? defaultLimit);
    if (window === 'too-many') return refused('too-far', `Position ${q.position} is too far from the end, and no offset sync is near.`);
    if (window.length === 0) return { ...nothing, proof: { ...nothing.proof, by: 'both-ends' } };
    const copies = await lastBelow(other(q.on), { floor: there.logStart, end: there.lso }, window.length, between);
    const walk = backward(window, copies, { by: 'both-ends', anchor: null });
    return walk.kind === 'lost' ? null : walk;
  }
  if (await first(between(q.on, here.logStart, here.lso))) return null;
  // An empty half: nothing left to copy (origin), or nothing copied yet (copy), where the origin must be empty too.
  const idle = there.hw === there.lso && here.hw === here.lso;
  if (!idle) return refused('behind', 'The partition is empty here and a transaction is open.');
  if (q.on === 'origin') return nothing;
  return (await first(between('origin', there.logStart, there.lso))) ? refused('behind', 'The mirror has not copied anything yet.') : nothing;
}

/** For mirrors that may repeat runs: no more records on the copy than on the origin up to the newest pair, or it is not exact. */
async function counted(q: Question, exact: Answer & { kind: 'exact' }, between: Between): Promise<Answer> {
  if ((q.copies ?? 'once') === 'once' || exact.proof.next === 'end') return exact;
  const newest = q.anchors.at(-1);
  const pin = newest && pinned(q, newest);
  if (!pin || pin.here < q.position || pin.there < exact.offset)
    return { kind: 'conservative', offset: exact.offset, repeats: 'unknown', why: 'the mirror may repeat records and no offset sync lies above the position' };
  const limit = q.limitRecords ?? defaultLimit;
  const [a, b] = [await take(between(q.on, q.position, pin.here + 1n), limit), await take(between(other(q.on), exact.offset, pin.there + 1n), limit)];
  if (a === 'too-many' || b === 'too-many') return { kind: 'conservative', offset: exact.offset, repeats: 'unknown', why: 'too many records to count the repeats' };
  const repeats = b.length - a.length;
  // Repeats on the copy do not matter to a group that goes back to the origin.
  if (repeats === 0 || (q.on === 'copy' && repeats < 0)) return exact;
  if (repeats < 0 || q.on === 'copy') return refused('mismatch', `Up to record ${newest.from} the copy lacks ${Math.abs(repeats)} of ${q.on === 'origin' ? a.length : b.length} records.`);
  return { kind: 'conservative', offset: exact.offset, repeats, why: 'the mirror has repeated records above the position' };
}

/** The safe position right after the pair, with the number of records read again where the next one can be found. */
async function cautious(q: Question, offset: bigint, between: Between, why: string): Promise<Answer> {
  const next = await first(between(q.on, q.position, q[q.on].lso));
  let repeats = 0;
  for await (const t of between(other(q.on), offset, q[other(q.on)].lso)) {
    if (next && t.fingerprint === next.fingerprint) return { kind: 'conservative', offset, repeats, why };
    if ((repeats += 1) >= (q.limitRecords ?? defaultLimit)) break;
  }
  return { kind: 'conservative', offset, repeats: next ? 'unknown' : repeats, why };
}
