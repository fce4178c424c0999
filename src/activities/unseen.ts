/**
 * What lies in front of a mirror and will never be copied: aborted records and markers of transactions. Where no record comes
 * behind them the mirror's place never passes them, and once retention has taken them nothing tells them from records that were
 * deleted before they were copied. So it is written down while it can be seen.
 */
import { otherSide, type Side } from '../domain/authority.ts';
import type { CutSet } from '../domain/cutsets.ts';
import type { LogEnds, MirrorProgress, Ports } from '../domain/ports.ts';
import type { At } from './boundary.ts';
import { entry, type LedgerBook } from './ledger.ts';
import { byKey, clusterOf } from './outside.ts';
import type { Ask } from './work.ts';

interface OfMirror extends Ask { readonly set: CutSet; readonly toward: Side; /** Of the connector. */ readonly name: string }

/** No consumer sees a record in `[from, to)`. By `topic/partition`, one per partition: the one in front of the mirror. */
interface Stretch { readonly from: bigint; readonly to: bigint }
export type Unseen = ReadonlyMap<string, Stretch>;

/** Ends of the origin by partition, with where the mirror stands. */
export interface Standing {
  readonly key: string;
  readonly end: LogEnds;
  /** The next offset that the mirror will read. */
  readonly next: bigint;
  /** Up to here there is nothing to copy; `next` where nobody has looked. */
  readonly clear: bigint;
  /** Offsets that may still be copied; 0: none of them is a record. */
  readonly lag: bigint;
}

/** Never more in one look at one partition, offsets: the rest is for the next one. */
const mostOffsets = 1_000_000n;
/** A lag of up to so many offsets is looked into in any case. */
export const nearOffsets = 1_000n;

/** `looksInto`: which lags are worth a look into the log; one costs nearly nothing where the first record is a record. */
export async function standings(ports: Ports, x: Pick<OfMirror, 'm' | 'set' | 'toward'>, o: { readonly progress: MirrorProgress; readonly unseen: Unseen; readonly looksInto: (s: Standing) => boolean }): Promise<readonly Standing[]> {
  const origin = clusterOf(ports, x.m, otherSide(x.toward));
  const all = [...byKey(await origin.ends(x.set.topics))].map(([key, end]) => {
    const next = o.progress.get(key) ?? end.logStart;
    return standing({ key, end, next }, clearOf(o.unseen.get(key), next));
  });
  const far = (s: Standing): bigint => (s.end.lso - start(s) > mostOffsets ? start(s) + mostOffsets : s.end.lso);
  const asked = all.filter((s) => s.lag > 0n && (s.lag <= nearOffsets || o.looksInto(s)));
  if (asked.length === 0) return all;
  const firsts = await origin.records.firsts(asked.map((s) => ({ topic: s.end.topic, partition: s.end.partition, from: start(s), to: far(s) })));
  // What expires while it is looked at is passed over like what is no record.
  const after = byKey(await origin.ends(asked.map((s) => s.end)));
  const whole = (s: Standing): boolean => (after.get(s.key)?.logStart ?? s.end.lso) <= start(s);
  // Of what was deleted in front of it nobody knows what it was.
  return all.map((s) => (firsts.get(s.key) !== null || !whole(s) ? s : start(s) > s.clear ? { ...s, lag: s.end.lso - far(s) } : standing(s, far(s))));
}
/** What was deleted is no longer to be copied. */
const start = (s: Pick<Standing, 'end' | 'clear'>): bigint => (s.clear < s.end.logStart ? s.end.logStart : s.clear);
function standing(s: Pick<Standing, 'key' | 'end' | 'next'>, clear: bigint): Standing {
  const from = start({ ...s, clear });
  return { key: s.key, end: s.end, next: s.next, clear, lag: s.end.lso > from ? s.end.lso - from : 0n };
}
const clearOf = (known: Stretch | undefined, next: bigint): bigint => (known && known.from <= next && next < known.to ? known.to : next);

/** An entry per mirror and topic, for the log that it was made for. Stored data: change its shape only by adding. */
interface Kept { readonly seenMs: number; readonly of: Readonly<Record<string, readonly [from: string, to: string]>> }
const keyOf = (x: OfMirror, topic: string): string => `${x.c.run}/unseen/${x.name}/${topic}`;
/** Where one transaction after the other is aborted it is not written with every look. */
const restMs = 60_000;

async function keptOf(record: Pick<LedgerBook, 'read'>, x: OfMirror): Promise<ReadonlyMap<string, Kept>> {
  const entries = await record.read(x.m, keyOf(x, ''));
  return new Map(x.set.topics.flatMap((topic) => { const text = entries.get(keyOf(x, topic)); return text === undefined ? [] : [[topic, JSON.parse(text) as Kept] as const]; }));
}
export async function unseenOf(record: Pick<LedgerBook, 'read'>, x: OfMirror): Promise<Unseen> {
  return new Map([...(await keptOf(record, x))].flatMap(([topic, kept]) => Object.entries(kept.of).map(([partition, [from, to]]) => [`${topic}/${partition}`, { from: BigInt(from), to: BigInt(to) }] as const)));
}

/** A single offset is the marker behind a transaction's last record, wherever transactions come to rest: not worth an entry, and never called damage. */
export const markerOffsets = 1n;

/** Writes what `at` shows and the ledger does not know yet. */
export async function noteUnseen(record: LedgerBook, x: OfMirror, seen: readonly Standing[], at: At): Promise<void> {
  const clear = seen.filter((s) => s.clear > s.next + markerOffsets);
  if (clear.length === 0) return; // nearly always
  const kept = await keptOf(record, x);
  const entries = [...Map.groupBy(clear, (s) => s.end.topic)].flatMap(([topic, of]) => {
    const before = kept.get(topic);
    const now: Kept = { seenMs: at.now(), of: { ...before?.of, ...Object.fromEntries(of.map((s) => [String(s.end.partition), joined(before?.of[s.end.partition], s)])) } };
    // A look that came to its end short of the log's is to be gone on from.
    const rests = before !== undefined && at.now() - before.seenMs < restMs && of.every((s) => s.lag === 0n);
    return rests || JSON.stringify(before?.of) === JSON.stringify(now.of) ? [] : [entry(keyOf(x, topic), now)];
  });
  if (entries.length > 0) await record.write(x.m, entries, 'one', at);
}
/** Where the known stretch reaches to the mirror's place, the new one is its continuation. */
function joined(before: readonly [string, string] | undefined, s: Standing): readonly [string, string] {
  const goesOn = before !== undefined && BigInt(before[0]) <= s.next && s.next < BigInt(before[1]);
  return [goesOn ? before[0] : String(s.next), String(s.clear)];
}
