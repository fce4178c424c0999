/**
 * Positions on compacted logs: compaction thins each half on its own, so counting does not work. The order of the original
 * does: between two known pairs the first record of the other half that the group has not read is where it continues.
 */
import type { Answer, Between, Half, Mark, Pin, Question, Reference } from './positions.ts';
import { take } from './walking.ts';

/** Records held at once; beyond, the plain count decides, or nothing does. */
const mostRecords = 200_000;

interface Bounds { readonly here: bigint; readonly there: bigint }
const after = (pin: Pin): Bounds => (pin.at === 'record' ? { here: pin.here + 1n, there: pin.there + 1n } : pin);

/** `null`: too much lies between the nearest known pairs. */
export async function throughGaps(q: Question, reference: Reference, between: Between): Promise<Answer | null> {
  const there: Half = q.on === 'origin' ? 'copy' : 'origin';
  const [under, over] = [nearest(reference.below, 'last'), nearest(reference.above, 'first')];
  const from: Bounds = under ?? { here: q[q.on].logStart, there: q[there].logStart };
  const to: Bounds = over ? after(over) : { here: q[q.on].lso, there: q[there].lso };
  const limit = Math.min(q.limitRecords ?? mostRecords, mostRecords);
  const read = await take(between(q.on, from.here, q.position), limit);
  const unread = await take(between(q.on, q.position, to.here), limit);
  const others = await take(between(there, from.there, to.there), limit);
  if (read === 'too-many' || unread === 'too-many' || others === 'too-many') return null;
  return judge(q, { read, unread, others, from, to, bounded: over !== undefined, anchor: under?.anchor ?? over?.anchor ?? null });
}

const nearest = (pins: readonly Pin[], which: 'first' | 'last'): Pin | undefined =>
  [...pins].sort((a, b) => (a.here < b.here ? -1 : a.here > b.here ? 1 : 0)).at(which === 'first' ? 0 : -1);

interface Seen { readonly read: readonly Mark[]; readonly unread: readonly Mark[]; readonly others: readonly Mark[]; readonly from: Bounds; readonly to: Bounds; /** A known pair lies above. */ readonly bounded: boolean; readonly anchor: Pin['anchor'] | null }

/** A copy of an unread record bears its fingerprint, so stopping at the first such record is never too late. */
function judge(q: Question, s: Seen): Answer {
  const [done, open] = [new Set(s.read.map((m) => m.fingerprint)), new Set(s.unread.map((m) => m.fingerprint))];
  const hit = s.others.findIndex((m) => open.has(m.fingerprint));
  const before = hit < 0 ? s.others : s.others.slice(0, hit);
  const lastRead = before.findLastIndex((m) => done.has(m.fingerprint));
  const extras = before.length - 1 - lastRead;
  const safe = lastRead < 0 ? s.from.there : (before[lastRead]?.offset ?? s.from.there) + 1n;
  const matched = before.filter((m) => done.has(m.fingerprint)).length;
  const exact = (offset: bigint, next: string): Answer => ({ kind: 'exact', offset, proof: { by: 'through-gaps', anchor: s.anchor, matched, next } });
  const careful = (repeats: number, why: string): Answer => ({ kind: 'conservative', offset: repeats === 0 && hit >= 0 ? (s.others[hit]?.offset ?? safe) : safe, repeats, why });
  const [next, found] = [s.unread[0], s.others[hit]];
  if (!next) return nothingUnread(q, s, { exact, careful, extras, safe, anyRead: lastRead >= 0 });
  if (!found) {
    if (q.on === 'origin' && !s.bounded) return { kind: 'refused', cause: 'behind', why: `The mirror has not yet copied record ${next.offset}.` };
    return careful(extras, `record ${next.offset}, the next one, is not on the other half: compaction has taken it, or it is missing`);
  }
  const doubtful = readBehind(s, { hit, fingerprint: found.fingerprint, done });
  if (found.fingerprint !== next.fingerprint) return careful(extras + doubtful, `record ${next.offset}, the next one, is not on the other half: compaction has taken it, or it is missing`);
  if (doubtful === 0) return exact(found.offset, next.fingerprint);
  return { kind: 'conservative', offset: found.offset, repeats: doubtful, why: `records like ${next.offset} also stand before the position, and compaction leaves nothing to tell them apart by` };
}

/**
 * The hit may be a likeness of the unread record that the group has read: one written before the position and compacted away
 * on this half only (tombstones of one key with one timestamp). So much of what follows it may have been read, at most.
 */
function readBehind(s: Seen, o: { readonly hit: number; readonly fingerprint: string; readonly done: ReadonlySet<string> }): number {
  const alike = s.others.flatMap((m, i) => (m.fingerprint === o.fingerprint ? [i] : []));
  const surplus = alike.length - s.unread.filter((m) => m.fingerprint === o.fingerprint).length;
  const last = s.others.findLastIndex((m) => o.done.has(m.fingerprint));
  return Math.max(0, last + 1 - o.hit, surplus > 0 ? (alike[surplus] ?? s.others.length) - o.hit : 0);
}

interface Tools { exact(offset: bigint, next: string): Answer; careful(repeats: number, why: string): Answer; readonly extras: number; readonly safe: bigint; readonly anyRead: boolean }
function nothingUnread(q: Question, s: Seen, t: Tools): Answer {
  // Below a known pair, or at an end that both halves have reached, nothing of what the other half still shows is unread.
  if (s.bounded || q.on === 'origin' || q.state === 'drained') return t.exact(s.to.there, 'end');
  // The origin may be further on than the copy the group has finished reading.
  return t.extras === 0 || t.anyRead ? t.exact(t.safe, 'end') : t.careful(t.extras, 'nothing that the group has read is left to count from');
}
