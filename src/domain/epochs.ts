/**
 * Positions over all cuts of a run. Every cut was drained, so the visible records of both clusters correspond one to one
 * from cut to cut: in each epoch one mirror carried what the authority's applications wrote to the other side, and the ends
 * of both logs at a cut are one place. Which half a side is (`origin` or `copy`) depends on the epoch alone.
 */
import { otherSide, type Side } from './authority.ts';
import type { Anchor } from './ports.ts';
import type { Answer, Half, Log, Mark, Question } from './positions.ts';
import { generations, placeAt, referenceIn, translate } from './positions.ts';
import { first } from './walking.ts';

/** One standing cut of a partition: where both logs ended, and the side that applications write from then on. */
export interface Turn { readonly source: bigint; readonly target: bigint; readonly to: Side }
/** A proven pair of next offsets. */
export interface Place { readonly source: bigint; readonly target: bigint }
export type OnSide = (side: Side, from: bigint, to: bigint) => AsyncIterable<Mark>;

export interface Across {
  /** The side the group is on, and the next offset it would read there. */
  readonly on: Side;
  readonly position: bigint;
  /** The side that is not the authority must have been read *before* the authority. */
  readonly ends: Readonly<Record<Side, Log>>;
  /** Standing cuts, oldest first. */
  readonly turns: readonly Turn[];
  /** Offset syncs by the side their mirrors wrote to, in log order. */
  readonly anchors: Readonly<Record<Side, readonly Anchor[]>>;
  /** Whether the records of each epoch were copied; one entry more than there are turns. */
  readonly copied: readonly boolean[];
  /** Pairs that were proven earlier in this run, in any order. */
  readonly places?: readonly Place[];
  readonly more?: Pick<Question, 'state' | 'copies' | 'compacted' | 'limitRecords'>;
}

/** One epoch of a partition: half-open ranges of both logs; the last one is still open. */
interface Epoch { readonly number: number; readonly authority: Side; readonly from: Place; readonly until: Place | null; readonly copied: boolean }
export function epochsOf(x: Pick<Across, 'turns' | 'copied'>): readonly Epoch[] {
  const begin: Place = { source: 0n, target: 0n };
  const before = x.turns[0] ? otherSide(x.turns[0].to) : 'source';
  return [{ ...begin, to: before }, ...x.turns].map((turn, i): Epoch => ({
    number: i, authority: turn.to, from: { source: turn.source, target: turn.target }, until: x.turns[i] ?? null, copied: x.copied[i] ?? false,
  }));
}

const refused = (cause: (Answer & { kind: 'refused' })['cause'], why: string): Answer => ({ kind: 'refused', cause, why });
const exactly = (offset: bigint, by: 'place' | 'nothing-to-read', at: Place | null): Answer =>
  ({ kind: 'exact', offset, proof: { by, anchor: at ? { from: at.source, to: at.target } : null, matched: 0, next: 'end' } });

/** The position on the other side, whatever happened in between. */
export async function across(x: Across, read: OnSide): Promise<Answer> {
  const epochs = epochsOf(x);
  if (!rising(x.turns)) return refused('mismatch', 'The ends of the recorded cuts do not rise: one of the logs was truncated or created anew.');
  let { position } = x;
  let epoch = epochs.find((e) => !e.until || position < e.until[x.on]);
  // Nothing visible is left of a closed epoch: the group continues where the next one begins.
  while (epoch?.until && !(await first(read(x.on, position, epoch.until[x.on])))) {
    const missed = epoch.copied || epoch.authority === x.on ? null : await first(read(otherSide(x.on), epoch.from[otherSide(x.on)], epoch.until[otherSide(x.on)]));
    if (missed) return refused('mismatch', `Record ${missed.offset} was written on the ${otherSide(x.on)} alone before cut ${epoch.number + 1} and never carried: a group of the ${x.on} has no place behind it.`);
    position = epoch.until[x.on];
    epoch = epochs[epoch.number + 1];
  }
  if (!epoch) return refused('no-anchor', 'No epoch is known.');
  if (!epoch.copied) return uncopied(x, { epoch, position }, read);
  for (const later of epochs.slice(epoch.number + 1)) if (!later.copied && later.authority === x.on) {
    const left = await first(read(x.on, later.from[x.on], later.until?.[x.on] ?? x.ends[x.on].lso));
    if (left) return notCopied(x.on, left.offset);
  }
  return within(x, { epoch, position }, read);
}

const notCopied = (on: Side, from: bigint): Answer => refused('not-copied', `Record ${from} and what follows it before the next cut exist on the ${on} only; the group must read them there first.`);
const rising = (turns: readonly Turn[]): boolean => turns.every((t, i) => { const last = turns[i - 1]; return !last || (last.source <= t.source && last.target <= t.target); });

interface At { readonly epoch: Epoch; readonly position: bigint }

/** The question of one epoch, in the words of its mirror: logs, syncs and known places cut down to it. */
export function questionOf(x: Across, { epoch, position }: At): Question {
  const origin = epoch.authority;
  const copy = otherSide(origin);
  const log = (side: Side): Log => {
    const { logStart, lso, hw } = x.ends[side];
    const start = logStart > epoch.from[side] ? logStart : epoch.from[side];
    if (epoch.until === null) return { logStart: start, lso, hw };
    const end = epoch.until[side];
    return { logStart: start < end ? start : end, lso: end, hw: end };
  };
  const inside = (p: Place): boolean => p.source >= epoch.from.source && p.target >= epoch.from.target && (epoch.until === null || (p.source <= epoch.until.source && p.target <= epoch.until.target));
  // The beginning of both logs is no place: either may have lost its head before the first mirror began.
  const cuts = [...(epoch.number > 0 ? [epoch.from] : []), ...(epoch.until ? [epoch.until] : [])];
  const places = [...cuts, ...(x.places ?? []).filter(inside)].map((p): Anchor => ({ from: p[origin], to: p[copy] }));
  return {
    ...x.more, state: epoch.until ? 'drained' : (x.more?.state ?? 'flowing'),
    on: x.on === origin ? 'origin' : 'copy', position, origin: log(origin), copy: log(copy),
    anchors: clipped(x.anchors[copy], epoch, { origin, copy }),
    places: places.sort((a, b) => (a.from < b.from ? -1 : a.from > b.from ? 1 : a.to < b.to ? -1 : a.to > b.to ? 1 : 0)),
  };
}

/** Syncs of the mirrors that ran in this direction, of this epoch only. The same list for all groups: what was worked out for it is kept. */
const clips = new WeakMap<readonly Anchor[], Map<string, readonly Anchor[]>>();
function clipped(anchors: readonly Anchor[], epoch: Epoch, { origin, copy }: { readonly origin: Side; readonly copy: Side }): readonly Anchor[] {
  const inside = (a: Anchor): boolean => a.from >= epoch.from[origin] && a.to >= epoch.from[copy] && (epoch.until === null || (a.from < epoch.until[origin] && a.to < epoch.until[copy]));
  const known = clips.get(anchors) ?? clips.set(anchors, new Map()).get(anchors);
  const name = `${epoch.from.source} ${epoch.from.target} ${epoch.until?.source ?? ''} ${epoch.until?.target ?? ''} ${origin}`;
  const kept = known?.get(name);
  if (kept) return kept;
  const all = anchors.every(inside) ? anchors : anchors.filter(inside);
  known?.set(name, all);
  return all;
}

const inHalves = (epoch: Epoch, read: OnSide) => (half: Half, from: bigint, to: bigint): AsyncIterable<Mark> =>
  read(half === 'origin' ? epoch.authority : otherSide(epoch.authority), from, to);

async function within(x: Across, at: At, read: OnSide): Promise<Answer> {
  const answer = await translate(questionOf(x, at), inHalves(at.epoch, read));
  // A closed epoch was drained: nothing of it is still on its way.
  return answer.kind === 'refused' && answer.cause === 'behind' && at.epoch.until ? { ...answer, cause: 'mismatch', why: `${answer.why} Cut ${at.epoch.number + 1} had shown everything copied.` } : answer;
}

/**
 * Nothing of this epoch is on the other side: only a group that has read all of it here has a place there, where the epoch
 * began. What the authority has written behind that place since then is all still to be read; on a side without authority it
 * is a stranger's, and nobody can say where the group belongs.
 */
async function uncopied(x: Across, { epoch, position }: At, read: OnSide): Promise<Answer> {
  const other = otherSide(x.on);
  const [here, there] = [x.ends[x.on], x.ends[other]];
  const end = epoch.until?.[x.on] ?? here.lso;
  const start = epoch.from[other];
  if (position > end) return refused(position > here.hw ? 'mismatch' : 'open-transaction', `Position ${position} lies above the last stable offset ${end}.`);
  const unread = await first(read(x.on, position, end));
  if (unread) return notCopied(x.on, unread.offset);
  if (!epoch.until && here.hw !== here.lso) return refused('open-transaction', `Nothing is left to read up to ${end}, and a transaction is open there.`);
  const from = start > there.logStart ? start : there.logStart;
  if (epoch.number > 0 && epoch.authority === other)
    return from > start ? refused('mismatch', `The log of the ${other} begins at ${from}, and cut ${epoch.number} is at ${start}: what was written there in between is gone, and the group has not read it.`) : exactly(start, 'place', epoch.from);
  const strange = await first(read(other, from, epoch.until?.[other] ?? there.lso));
  if (strange) return refused('mismatch', `Record ${strange.offset} of the ${other} was written there before a cut gave it authority, and nothing was copied.`);
  return exactly(from, epoch.number > 0 ? 'place' : 'nothing-to-read', epoch.number > 0 ? epoch.from : null);
}

const margin = 80n;
const before = (offset: bigint | undefined, log: Log): bigint => (offset === undefined || offset - margin < log.logStart ? log.logStart : offset - margin);

/** Past the place by one record; where nothing was written behind a cut the log ends at it. */
const upTo = (place: bigint | undefined, log: Log): bigint => (place === undefined || place + 1n > log.lso ? log.lso : place + 1n);

/** Pieces of both logs that counting this position will read, when the nearest known pairs are at most `widest` offsets apart. */
export function piecesFor(x: Across, widest: bigint): readonly { readonly side: Side; readonly from: bigint; readonly to: bigint }[] {
  const epoch = epochsOf(x).find((e) => !e.until || x.position < e.until[x.on]);
  if (!epoch?.copied) return [];
  const q = questionOf(x, { epoch, position: x.position });
  if (placeAt(q)) return [];
  const { below, above } = referenceIn(q, generations(q.anchors)[0] ?? []);
  const [under, over] = [below.toSorted((a, b) => Number(a.here - b.here)).at(-1), above.toSorted((a, b) => Number(a.here - b.here))[0]];
  const [here, there] = [q[q.on], q[q.on === 'origin' ? 'copy' : 'origin']];
  // What stands in front of the position is looked at too.
  const [from, to] = [{ here: before(under?.here, here), there: before(under?.there, there) }, { here: upTo(over?.here, here), there: upTo(over?.there, there) }];
  if (to.here - from.here > widest || to.there - from.there > widest) return [];
  return [{ side: x.on, from: from.here, to: to.here }, { side: otherSide(x.on), from: from.there, to: to.there }].filter((p) => p.from < p.to);
}
