/** Names what two streams left unpaired: missing, extra, changed, reordered, repeated. */
import type { Mark } from '../positions.ts';
import type { Stretch } from './align.ts';
import type { Difference } from './difference.ts';

export interface Parted {
  readonly origin: readonly Mark[];
  readonly copy: readonly Mark[];
  readonly pairs: Stretch['pairs'];
}
/** Whether the origin has a record like this a little before the stretch. */
export type Earlier = (fingerprint: string) => boolean;
export const nothingEarlier: Earlier = () => false;

/**
 * Every record of the stretch is in exactly one pair or one difference. First what stands elsewhere in the stretch
 * (reordered), then what the copy holds once more (repeated); of the rest, what stands between the same neighbours is
 * the same record, changed.
 */
export function classify(p: Parted, earlier: Earlier): readonly Difference[] {
  const moved = movedIn(p);
  const known = new Set(p.pairs.map(([i]) => p.origin[i]?.fingerprint ?? ''));
  const found: Difference[] = [];
  let [i, j] = [0, 0];
  for (const [toOrigin, toCopy] of [...p.pairs, [p.origin.length, p.copy.length] as const]) {
    const missing: Mark[] = [];
    const extra: Mark[] = [];
    for (; i < toOrigin; i += 1) {
      const mark = p.origin[i];
      if (mark === undefined) continue;
      const there = moved.get(mark);
      if (there === undefined) missing.push(mark);
      else found.push({ kind: 'reordered', origin: String(mark.offset), copy: String(there.offset) });
    }
    for (; j < toCopy; j += 1) {
      const mark = p.copy[j];
      if (mark === undefined || moved.has(mark)) continue;
      if (known.has(mark.fingerprint) || earlier(mark.fingerprint)) found.push({ kind: 'repeated', origin: null, copy: String(mark.offset) });
      else extra.push(mark);
    }
    found.push(...changedIn(missing, extra));
    [i, j] = [toOrigin + 1, toCopy + 1];
  }
  return found;
}

/** Both ways: which unpaired record of one side is which of the other. */
function movedIn(p: Parted): ReadonlyMap<Mark, Mark> {
  const pairedOrigin = new Set(p.pairs.map(([i]) => i));
  const pairedCopy = new Set(p.pairs.map(([, j]) => j));
  const waiting = new Map<string, Mark[]>();
  for (const [i, mark] of p.origin.entries()) {
    if (pairedOrigin.has(i)) continue;
    const alike = waiting.get(mark.fingerprint);
    if (alike === undefined) waiting.set(mark.fingerprint, [mark]);
    else alike.push(mark);
  }
  const moved = new Map<Mark, Mark>();
  for (const [j, mark] of p.copy.entries()) {
    if (pairedCopy.has(j)) continue;
    const origin = waiting.get(mark.fingerprint)?.shift();
    if (origin === undefined) continue;
    moved.set(origin, mark);
    moved.set(mark, origin);
  }
  return moved;
}

export function changedIn(missing: readonly Mark[], extra: readonly Mark[]): readonly Difference[] {
  return Array.from({ length: Math.max(missing.length, extra.length) }, (_, k): Difference => {
    const [a, b] = [missing[k], extra[k]];
    if (a !== undefined && b !== undefined) return { kind: 'changed', origin: String(a.offset), copy: String(b.offset), what: contentOf(a) === contentOf(b) ? 'timestamp' : 'content' };
    return a === undefined ? { kind: 'extra', origin: null, copy: String(b?.offset) } : { kind: 'missing', origin: String(a.offset), copy: null };
  });
}
/** A fingerprint is `<timestamp>.<hash>`. */
const contentOf = (mark: Mark): string => mark.fingerprint.slice(mark.fingerprint.indexOf('.') + 1);
