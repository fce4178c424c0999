/**
 * The decision tables of the sources as plain data: which scheme for which tolerances, where groups start, who restarts
 * first. K: KubeDB's guide, H: Huawei DMS, T: Tencent CKafka, C: Confluent's migration kit. Rows are tried from the top.
 */
import type { Offer } from './offers.ts';

/** What an application, or several that must move together, accept; and how things are around them. */
export interface Traits {
  /** Whether the records of the source can and may be copied. */
  readonly copied: boolean;
  readonly loss: boolean;
  readonly repeats: boolean;
  readonly disorder: boolean;
  /** How long writers may be away: not at all, as long as was declared, as long as it takes. */
  readonly writes: 'none' | 'short' | 'any';
  readonly reads: 'none' | 'short' | 'any';
  /** It reads and it writes. */
  readonly both: boolean;
  /** It reads what another application of this migration writes. */
  readonly dependent: boolean;
  /** Positions can be translated. */
  readonly translation: boolean;
}
/**
 * Where a group goes on. `after the drain`: it has read everything on the source first, so that the first record of its
 * own on the target is the next one. `timestamp`: the smallest one of what is unread, never later.
 */
export type Start = 'translated' | 'after the drain' | 'earliest' | 'latest' | 'timestamp';
export type Order = 'producers first' | 'consumers first' | 'together' | 'one by one';

interface Row {
  /** Source and place: how tests and reasons name it. */
  readonly id: string;
  readonly when: Partial<Traits>;
}
export interface PatternRow extends Row {
  readonly scheme: Offer['scheme'];
  /** Ends "Proposed because …". */
  readonly because: string;
}
/** Which scheme: the patterns of Confluent's kit, with the three schemes that Huawei and Tencent both describe. */
export const patterns: readonly PatternRow[] = [
  { id: 'C: zero client downtime, writes', when: { copied: true, writes: 'none' }, scheme: 'blueGreen', because: 'it may not stop writing, so a second set is at work before the first one stops' },
  { id: 'C: zero client downtime, reads', when: { copied: true, reads: 'none' }, scheme: 'blueGreen', because: 'it may not stop reading, so a second set is at work before the first one stops' },
  { id: 'C: with data, stop-wait-restart', when: { copied: true, loss: false, translation: false }, scheme: 'stopWaitRestart', because: 'nothing may be lost and positions cannot be translated, so every group reads the source to its end first' },
  { id: 'C: restart table, misses and repeats', when: { copied: true, loss: true, repeats: true, writes: 'any', reads: 'any' }, scheme: 'restartAllAtOnce', because: 'it may miss and repeat records and the length of the outage does not matter, so all restart together' },
  { id: 'C: restart table, misses', when: { copied: true, loss: true, repeats: false, writes: 'any', reads: 'any' }, scheme: 'restartAllAtOnce', because: 'it may miss records and the length of the outage does not matter, so all restart together, at the latest record' },
  { id: 'C: restart table, repeats', when: { copied: true, loss: false, repeats: true, writes: 'any', reads: 'any' }, scheme: 'restartAllAtOnce', because: 'it may repeat records and the length of the outage does not matter, so all restart together, at the earliest record' },
  { id: 'H scheme 3, T scheme 3', when: { copied: true, loss: false, repeats: true }, scheme: 'consumerFirst', because: 'its records are copied and it may be away for a short time only, so consumers move while producers stay' },
  { id: 'C: with data, stop-restart-repeat', when: { copied: true }, scheme: 'stopRestartRepeat', because: 'its records are copied and positions are translated, so nothing is lost or repeated and each set is away for a short time' },
  { id: 'C: without data, blue/green, writes', when: { copied: false, writes: 'none', disorder: true }, scheme: 'dualConsume', because: 'it may not be away and does not mind the order, so a second set of consumers listens before producers move' },
  { id: 'C: without data, blue/green, reads', when: { copied: false, reads: 'none', disorder: true }, scheme: 'dualConsume', because: 'it may not stop reading and does not mind the order, so a second set of consumers listens before producers move' },
  { id: 'C: without data, restart all at once', when: { copied: false, loss: true, writes: 'any', reads: 'any', dependent: false }, scheme: 'restartAllAtOnce', because: 'it may miss records, nothing depends on an order of restarts and the length of the outage does not matter' },
  { id: 'H scheme 2, T scheme 1', when: { copied: false, disorder: true, reads: 'short' }, scheme: 'dualConsume', because: 'it must read on without a pile-up and does not mind the order' },
  { id: 'C: without data, stop-wait-restart', when: { copied: false, loss: false, writes: 'any', reads: 'any' }, scheme: 'stopWaitRestart', because: 'nothing may be lost, nothing is copied and the outage may last until everything is drained' },
  { id: 'H scheme 1, T scheme 2', when: { copied: false }, scheme: 'producerFirst', because: 'nothing is copied and the order matters, so producers move first and consumers follow when the source is drained' },
];

export interface StartRow extends Row {
  /** Best first. */
  readonly starts: readonly Start[];
  readonly order: readonly Order[];
}
/** Duplicates or loss × data copied or not: where consumers may start, and who restarts first. */
export const processing: readonly StartRow[] = [
  { id: 'C: repeats but no loss, copied', when: { copied: true, loss: false, repeats: true }, starts: ['translated', 'timestamp', 'earliest'], order: ['producers first'] },
  { id: 'C: repeats but no loss, not copied', when: { copied: false, loss: false, repeats: true }, starts: ['after the drain'], order: ['producers first'] },
  { id: 'C: loss but no repeats, copied', when: { copied: true, loss: true, repeats: false }, starts: ['translated', 'latest'], order: ['producers first', 'together'] },
  { id: 'C: loss but no repeats, not copied', when: { copied: false, loss: true, repeats: false }, starts: ['latest', 'after the drain'], order: ['consumers first', 'together'] },
  { id: 'C: neither, copied', when: { copied: true, loss: false, repeats: false }, starts: ['translated', 'after the drain'], order: ['one by one'] },
  { id: 'C: neither, not copied', when: { copied: false, loss: false, repeats: false }, starts: ['after the drain'], order: ['one by one'] },
  { id: 'C: both', when: { loss: true, repeats: true }, starts: ['translated', 'after the drain', 'latest', 'earliest', 'timestamp'], order: ['together'] },
];
/** All clients restarted at the same time: the start that the tolerance of a consumer asks for. */
export const restarts: readonly StartRow[] = [
  { id: 'C: restart, misses and repeats', when: { loss: true, repeats: true }, starts: ['translated', 'latest', 'earliest'], order: ['together'] },
  { id: 'C: restart, misses but no repeats', when: { loss: true, repeats: false }, starts: ['latest'], order: ['together'] },
  { id: 'C: restart, repeats but no misses', when: { loss: false, repeats: true }, starts: ['earliest'], order: ['together'] },
];
export interface DependencyRow extends Row { readonly says: string }
/** Who depends on whom. */
export const dependencies: readonly DependencyRow[] = [
  { id: 'C: both a producer and a consumer', when: { both: true, copied: true }, says: 'reads and writes: it moves with what it writes' },
  { id: 'C: both a producer and a consumer, not copied', when: { both: true, copied: false }, says: 'reads and writes, and its inputs are closed and drained before it stops, or it would miss the rest of them' },
  { id: 'C: a consumer depends on a producer', when: { dependent: true, both: false }, says: 'reads what others here write, and is never left behind where nothing new arrives' },
];

/** Rows whose every condition holds, from the top. */
export const matching = <R extends Row>(rows: readonly R[], t: Traits): readonly R[] =>
  rows.filter((r) => Object.entries(r.when).every(([trait, wanted]) => t[trait as keyof Traits] === wanted));
