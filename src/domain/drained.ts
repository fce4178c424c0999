/**
 * Whether a mirror has drained: everything visible on the origin is on the copy, and nothing is on its way. Shown on
 * records, because one equal last record proves nothing where records repeat, and "lag 0" nothing at all.
 */
import type { Anchor } from './ports.ts';
import type { Log, Mark } from './positions.ts';

export interface Tails {
  readonly origin: Log;
  readonly copy: Log;
  /** The last `asked` visible records of each half, in order; fewer when the log has fewer. */
  readonly originTail: readonly Mark[];
  readonly copyTail: readonly Mark[];
  readonly asked: number;
  /** Where they can be had cheaply: needed only when records repeat. */
  readonly anchors?: readonly Anchor[];
  /** Next origin offset the mirror will read (`Mirrors.progress`), if known. */
  readonly next?: bigint;
}
export interface Drain {
  readonly drained: boolean;
  readonly proof: 'tail' | 'anchor' | 'stored-position' | 'origin-empty' | 'none';
  /** Records compared one by one. */
  readonly matched: number;
  /** One sentence, only when not drained. */
  readonly why: string;
}

const yes = (proof: Drain['proof'], matched: number): Drain => ({ drained: true, proof, matched, why: '' });
const no = (why: string, matched = 0): Drain => ({ drained: false, proof: 'none', matched, why });

/** One partition, at the moment its origin was read; that the ends do not move any more is for the caller to see (`still`). */
export function drained(t: Tails): Drain {
  if (t.origin.hw !== t.origin.lso) return no(`a transaction is open on the origin from ${t.origin.lso} (end ${t.origin.hw})`);
  if (t.copy.hw !== t.copy.lso) return no(`the mirror has a transaction open on the copy from ${t.copy.lso} (end ${t.copy.hw})`);
  const last = t.originTail.at(-1);
  if (!last) return yes('origin-empty', 0);
  if (t.next !== undefined && t.next <= last.offset) return no(`the mirror stands at ${t.next}; the last record is ${last.offset}`);
  const matched = Math.min(t.originTail.length, t.copyTail.length);
  const [a, b] = [t.originTail.slice(-matched || t.originTail.length), t.copyTail.slice(-matched || t.copyTail.length)];
  if (matched > 0) {
    const off = a.findLastIndex((m, i) => m.fingerprint !== b[i]?.fingerprint);
    if (off >= 0) return no(`record ${a[off]?.offset} of the origin faces another record, ${b[off]?.offset}, on the copy`, matched - 1 - off);
  }
  if (t.next !== undefined) return yes('stored-position', matched);
  // A copy that is shorter than the window, and was never cut at its head, lacks what the origin has more of.
  if (t.copyTail.length < t.asked && t.copy.logStart === 0n && t.originTail.length > t.copyTail.length)
    return no(`the copy holds ${t.copyTail.length} records, the origin at least ${t.originTail.length}`, matched);
  if (matched === 0) return no('the copy holds no record above its log start and the position the mirror stored is not known');
  if (aligned(t)) return yes('anchor', matched);
  const whole = t.origin.logStart === 0n && t.copy.logStart === 0n && t.originTail.length < t.asked && t.originTail.length === t.copyTail.length;
  if (whole) return yes('tail', matched);
  return shifts(a) ? no('the last records are alike, so that their number decides, and no offset sync lies among them yet', matched) : yes('tail', matched);
}

/** A pair inside both tails with equally many records after it: then the count itself is the proof. */
function aligned(t: Tails): boolean {
  const newest = t.anchors?.at(-1);
  if (!newest) return false;
  const [i, j] = [t.originTail.findIndex((m) => m.offset === newest.from), t.copyTail.findIndex((m) => m.offset === newest.to)];
  return i >= 0 && j >= 0 && t.originTail.length - i === t.copyTail.length - j;
}

/**
 * Whether the window looks the same moved by up to half its length: then a copy that is behind by as many would match too.
 * (A larger shift would need a whole block of records to repeat, timestamps included.)
 */
function shifts(window: readonly Mark[]): boolean {
  // Longest border of a word (Knuth, Morris and Pratt): a border of length b is a shift by length - b that matches.
  const border: number[] = [0];
  for (let i = 1, k = 0; i < window.length; i += 1) {
    while (k > 0 && window[i]?.fingerprint !== window[k]?.fingerprint) k = border[k - 1] ?? 0;
    if (window[i]?.fingerprint === window[k]?.fingerprint) k += 1;
    border[i] = k;
  }
  return (border.at(-1) ?? 0) * 2 >= window.length || window.length === 1;
}

/** Nothing moved between two looks at the same partition. */
export const still = (a: Log, b: Log): boolean => a.lso === b.lso && a.hw === b.hw && a.logStart === b.logStart;
