/** What a comparison of two logs finds, how it counts, and the small state from which it goes on after a crash. */
import type { Half } from '../positions.ts';

/**
 * `missing`: only the origin has it. `extra`: only the copy. `changed`: at the same place, not the same record.
 * `reordered`: both have it, at another place among their neighbours. `repeated`: the copy has it once more, as a mirror
 * without exactly-once leaves it after a restart. `stale`: the last value of a key differs (compacted topics).
 */
export const kinds = ['missing', 'extra', 'changed', 'reordered', 'repeated', 'stale'] as const;
export type Kind = (typeof kinds)[number];

/** Offsets as decimal text: this is stored and sent as JSON. `null`: that side has no such record. */
export interface Difference {
  readonly kind: Kind;
  readonly origin: string | null;
  readonly copy: string | null;
  /** Of a changed record. `content`: key, value or headers. */
  readonly what?: 'timestamp' | 'content';
}

/** Exact, in records. `unread`: taken by retention or a log cleaner on one side before it could be compared. `keys`: compared by last value. */
export type Counts = Readonly<Record<Kind | 'matched' | 'unread' | 'keys', number>>;
export const noCounts: Counts = { matched: 0, unread: 0, keys: 0, missing: 0, extra: 0, changed: 0, reordered: 0, repeated: 0, stale: 0 };
export const added = (a: Counts, b: Partial<Counts>): Counts =>
  Object.fromEntries(Object.entries(a).map(([name, n]) => [name, n + (b[name as keyof Counts] ?? 0)])) as unknown as Counts;

export type Places = Readonly<Record<Half, bigint>>;
type PlacesText = Readonly<Record<Half, string>>;

/** A long stretch of differences, partly named: how its rest is to be named. */
export type Unfinished =
  /** The copy goes through the origin's records once more, from `next` on. */
  | { readonly kind: 'replay'; readonly next: string }
  /** The side with `few` records of its own in the stretch, and the places where both run alike again. `met`: those of the few that the other side was found to have. */
  | { readonly kind: 'lacking'; readonly few: Half; readonly meets: PlacesText; readonly met: readonly string[] };

/** All that is needed to go on. A few hundred bytes; the list of differences is kept beside it. */
export interface DiffState {
  /** Where the two logs were found to correspond: nothing before is compared. */
  readonly from: PlacesText;
  /** The next offsets to compare; everything below is settled. */
  readonly at: PlacesText;
  readonly counts: Counts;
  /** Over the origin's records up to a group boundary, and the offset of the first record after it. */
  readonly hash: { readonly value: string; readonly from: string };
  /** Up to here on the origin no wide search is made: one has failed already. */
  readonly lost: string | null;
  readonly unfinished?: Unfinished;
}
export const begun = (at: Places): DiffState => ({ from: text(at), at: text(at), counts: noCounts, hash: { value: '', from: String(at.origin) }, lost: null });
export const text = (p: Places): PlacesText => ({ origin: String(p.origin), copy: String(p.copy) });
export const places = (p: PlacesText): Places => ({ origin: BigInt(p.origin), copy: BigInt(p.copy) });

export const differing = (c: Counts): number => kinds.reduce((n, kind) => n + c[kind], 0);
/** `2 missing, 1 repeated`; `nothing differs`. */
export const countsText = (c: Counts): string => kinds.filter((kind) => c[kind] > 0).map((kind) => `${c[kind]} ${kind}`).join(', ') || 'nothing differs';
/** `orders/3: changed (content), 17 on source, 20 on target`. */
export const differenceText = (where: string, d: Difference, names: Readonly<Record<Half, string>>): string =>
  `${where}: ${d.kind}${d.what === undefined ? '' : ` (${d.what})`}, ${[d.origin === null ? '' : `${d.origin} on ${names.origin}`, d.copy === null ? '' : `${d.copy} on ${names.copy}`].filter((x) => x !== '').join(', ')}`;
