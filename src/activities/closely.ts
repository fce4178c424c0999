/**
 * A mirror that Connect shows RUNNING, looked at itself: for what Connect does not show (its login has changed, and it copies
 * nothing, or without offset syncs), and for what is gone later (the ids of its producer, aborted records in front of it, what was
 * deleted uncopied).
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
/** So many looks at which it had copied more, and no sync had come. Those of a last record may be lost with a worker that is killed. */
const muteLooks = 2;

export interface Own { readonly set: CutSet; readonly toward: Side; readonly spec: MirrorSpec; readonly state: MirrorState }
/** By `topic/partition`: where it was, and up to where there was nothing to copy; `sinceMs`: since when that has been so with something behind it, epoch ms, `null`: nothing is. */
type Places = ReadonlyMap<string, { readonly next: bigint; readonly clear: bigint; readonly sinceMs: number | null }>;
/** Where its offset syncs end, and how many looks since they did at which it had copied more. */
interface Syncs { readonly end: bigint | null; readonly further: number }
export interface Closely {
  /** Since when it has been looked at, epoch ms: what stands still is not known sooner than that. `null`: not yet. */
  readonly firstMs: number | null;
  /** When to look again, and when at its ids, epoch ms. */
  readonly nextMs: number;
  readonly idsMs: number;
  readonly places: Places;
  readonly syncs: Syncs;
  /** Why it could not be looked at; the rest is as it was before. `null`: it was. */
  readonly unknown: string | null;
  /** `say`: the rest of a sentence; `helped`: perhaps, by a login that the catalog has and it has not. `null`: nothing is wrong. */
  readonly wrong: { readonly helped: boolean; readonly say: string } | null;
}
export const never: Closely = { firstMs: null, nextMs: 0, idsMs: 0, places: new Map(), syncs: { end: null, further: 0 }, unknown: null, wrong: null };
/** It begins anew: what was seen says nothing of it any more. */
export const begunAnew = (before: Closely, nowMs: number): Closely => ({ ...never, firstMs: before.firstMs, nextMs: nowMs + everyMs, idsMs: before.idsMs });
/** Whether what stands still would have been seen by now. */
export const isLong = (seen: Closely, nowMs: number): boolean => seen.firstMs !== null && nowMs - seen.firstMs >= haltedMs;

export async function lookClosely(ports: Ports, record: LedgerBook, x: Ask & Own & { readonly before: Closely }, at: At): Promise<Closely> {
  const nowMs = at.now();
  const ids = nowMs >= x.before.idsMs;
  if (ids) await rememberWriters(ports, record, { ...x, specs: [x.spec] }, at);
  const looked = { ...never, firstMs: x.before.firstMs ?? nowMs, nextMs: nowMs + everyMs, idsMs: ids ? nowMs + idsEveryMs : x.before.idsMs };
  // What it has not copied by its cut it never will.
  if (x.state.connector !== 'RUNNING' || (await standingMark(record, x))?.to === x.toward) return looked;
  const [{ at: standings, damage }, end] = await Promise.all([viewMirror(ports, x, { record, keep: at }), ports.mirrors.synced(x.spec)]);
  const seen: Seen = { spec: x.spec, standings, places: placesOf(standings, x.before.places, nowMs), syncs: syncsOf(standings, x.before, end), nowMs };
  return { ...looked, places: seen.places, syncs: seen.syncs, wrong: damage.length > 0 ? { helped: false, say: ` no longer copies faithfully: ${list(damage, 5)}` } : halted(seen) ?? mute(seen) };
}
interface Seen { readonly spec: MirrorSpec; readonly standings: readonly Standing[]; readonly places: Places; readonly syncs: Syncs; readonly nowMs: number }

const placesOf = (standings: readonly Standing[], before: Places, nowMs: number): Places => new Map(standings.map((s) => {
  const was = before.get(s.key);
  return [s.key, { next: s.next, clear: s.clear, sinceMs: s.lag === 0n ? null : (was?.clear === s.clear ? was.sinceMs : null) ?? nowMs }] as const;
}));
function syncsOf(standings: readonly Standing[], before: Closely, end: bigint | null): Syncs {
  if (before.syncs.end !== end) return { end, further: 0 };
  // Where nothing was ever copied, `next` is the log start, which retention moves.
  const copied = standings.some((s) => s.next > (before.places.get(s.key)?.next ?? s.next) && s.next > s.end.logStart);
  return { end, further: before.syncs.further + (copied ? 1 : 0) };
}

function halted({ spec, standings, places, nowMs }: Seen): Closely['wrong'] {
  const since = (s: Standing): number => places.get(s.key)?.sinceMs ?? nowMs;
  const still = standings.filter((s) => nowMs - since(s) >= haltedMs);
  if (still.length === 0) return null;
  const longestMs = nowMs - Math.min(...still.map(since));
  return { helped: true, say: `, which Connect ${spec.connect} shows RUNNING, has copied nothing of ${list(still.map((s) => `${s.key} (at ${s.next}, which ends at ${s.end.lso})`), 3)} for ${Math.round(longestMs / 1_000)} s` };
}
const mute = ({ spec, syncs }: Seen): Closely['wrong'] =>
  (syncs.further < muteLooks ? null : { helped: true, say: ` copies, and gives no offset syncs on ${spec.to} any more, without which positions take ever longer to find` });
