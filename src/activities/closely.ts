/**
 * A mirror that Connect shows RUNNING, looked at itself: for what Connect does not show (its login has changed, and it copies
 * nothing), and for what is gone later (the ids of its producer, aborted records in front of it, what was deleted uncopied).
 */
import type { Side } from '../domain/authority.ts';
import type { CutSet } from '../domain/cutsets.ts';
import type { MirrorSpec, MirrorState, Ports } from '../domain/ports.ts';
import type { At } from './boundary.ts';
import { viewMirror } from './caughtup.ts';
import { standingMark } from './cut.ts';
import type { LedgerBook } from './ledger.ts';
import { rememberWriters } from './mirrorwriters.ts';
import { list } from './outside.ts';
import type { Standing } from './unseen.ts';
import type { Ask } from './work.ts';

/** How often; an id of its producer lasts for 32,767 transactions, half an hour on a busy topic. */
const [everyMs, idsEveryMs] = [60_000, 300_000];
/** A place that has not moved for so long although there is something to copy. */
const haltedMs = 120_000;

export interface Own { readonly set: CutSet; readonly toward: Side; readonly spec: MirrorSpec; readonly state: MirrorState }
type Places = ReadonlyMap<string, { readonly next: bigint; readonly sinceMs: number }>;
export interface Closely {
  /** When to look again, and when at its ids, epoch ms. */
  readonly nextMs: number;
  readonly idsMs: number;
  /** Where it stood with something to copy, by `topic/partition`. */
  readonly places: Places;
  /** `say`: the rest of a sentence; null: nothing. */
  readonly wrong: { readonly how: 'damaged' | 'halted'; readonly say: string } | null;
}
export const never: Closely = { nextMs: 0, idsMs: 0, places: new Map(), wrong: null };
/** It begins anew: what was seen says nothing of it any more. */
export const begunAnew = (before: Closely, nowMs: number): Closely => ({ ...before, nextMs: nowMs + everyMs, places: new Map(), wrong: null });

export async function lookClosely(ports: Ports, record: LedgerBook, x: Ask & Own & { readonly before: Closely }, at: At): Promise<Closely> {
  const nowMs = at.now();
  const ids = nowMs >= x.before.idsMs;
  if (ids) await rememberWriters(ports, record, { ...x, specs: [x.spec] }, at);
  const looked = { ...never, nextMs: nowMs + everyMs, idsMs: ids ? nowMs + idsEveryMs : x.before.idsMs };
  // What it has not copied by its cut it never will.
  if (x.state.connector !== 'RUNNING' || (await standingMark(record, x))?.to === x.toward) return looked;
  const { at: standings, damage } = await viewMirror(ports, x, { record, keep: at });
  const places = placesOf(standings, x.before.places, nowMs);
  if (damage.length > 0) return { ...looked, places, wrong: { how: 'damaged', say: `no longer copies faithfully: ${list(damage, 5)}` } };
  const since = (s: Standing): number => places.get(s.key)?.sinceMs ?? nowMs;
  const still = standings.filter((s) => nowMs - since(s) >= haltedMs);
  if (still.length === 0) return { ...looked, places };
  const longestMs = nowMs - Math.min(...still.map(since));
  return { ...looked, places, wrong: { how: 'halted', say: `has copied nothing of ${list(still.map((s) => `${s.key} (at ${s.next}, which ends at ${s.end.lso})`), 3)} for ${Math.round(longestMs / 1_000)} s, and Connect ${x.spec.connect} shows it RUNNING` } };
}

const placesOf = (standings: readonly Standing[], before: Places, nowMs: number): Places => new Map(standings.filter((s) => s.lag > 0n).map((s) => {
  const was = before.get(s.key);
  return [s.key, was?.next === s.next ? was : { next: s.next, sinceMs: nowMs }] as const;
}));
