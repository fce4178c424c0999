/** Proofs that nothing is left: of a mirror, record by record on both logs; of a group, that no visible record is unread. */
import { otherSide, type Side } from '../domain/authority.ts';
import { allSets, type CutSet } from '../domain/cutsets.ts';
import { drained as judge, still, type Drain } from '../domain/drained.ts';
import { Failure } from '../domain/failures.ts';
import type { Migration } from '../domain/migration.ts';
import { tpKey, type Anchor, type Cluster, type LogEnds, type MirrorProgress, type MirrorSpec, type Ports, type SeenRecord } from '../domain/ports.ts';
import type { At } from './boundary.ts';
import { magnitude, type Glance } from './looking.ts';
import { requireMirror } from './connect.ts';
import { standingMark } from './cut.ts';
import { bookOf, type LedgerBook } from './ledger.ts';
import { isEmpty } from './moved.ts';
import { byKey, clusterOf, count, list, topicsOf } from './outside.ts';
import { reviving } from './reviving.ts';
import type { Ask, LookAsk } from './work.ts';

/** Records compared per partition. Where they are alike or too few the mirror's own word decides. */
const windowRecords = 20;
/** The mirror's own word costs up to 0.7 s: asked only when the windows alone stay undecided. */
const undecidedGlances = 3;
/** A group that stands still inside an outage is looked into after so long: a rebalance takes its time too, ms. */
const nobodyMs = 2_000;

/** Both logs at one moment: read, and read again unmoved. */
export interface Both { readonly origin: ReadonlyMap<string, LogEnds>; readonly copy: ReadonlyMap<string, LogEnds>; readonly originTails: ReadonlyMap<string, readonly SeenRecord[]>; readonly copyTails: ReadonlyMap<string, readonly SeenRecord[]>; readonly moving: readonly string[] }

/**
 * Each round is one request per side and leader. The last one asks the copy first: a record that arrives in between is then
 * one the mirror has not copied yet, never a copy without its original.
 */
export async function readBoth(origin: Cluster, copy: Cluster, of: { readonly topics: readonly string[]; readonly window: number }): Promise<Both> {
  const [a, b] = await Promise.all([origin.ends(of.topics), copy.ends(of.topics)]);
  const [originTails, copyTails] = await Promise.all([origin.records.tails(a, of.window), copy.records.tails(b, of.window)]);
  const b2 = await copy.ends(b);
  const a2 = await origin.ends(a);
  const [before, after] = [[byKey(a), byKey(b)] as const, [byKey(a2), byKey(b2)] as const];
  const keys = [...new Set([...before[0].keys(), ...before[1].keys()])].sort();
  const lone = keys.filter((key) => !before[0].has(key) || !before[1].has(key));
  if (lone.length > 0) throw new Failure('Drift', `${list(lone)} ${lone.length === 1 ? 'exists' : 'exist'} on one of the clusters ${origin.name} and ${copy.name} only; wanted the same partitions on both.`);
  const moved = (key: string, side: 0 | 1): boolean => {
    const [x, y] = [before[side].get(key), after[side].get(key)];
    return !x || !y || !still(x, y);
  };
  return { origin: after[0], copy: after[1], originTails, copyTails, moving: keys.filter((key) => moved(key, 0) || moved(key, 1)) };
}

interface Word { readonly next: MirrorProgress; readonly anchors: ReadonlyMap<string, readonly Anchor[]> }
export function judgeAll(b: Both, window: number, word: Word | null): ReadonlyMap<string, Drain> {
  const out = new Map<string, Drain>();
  for (const [key, origin] of b.origin) {
    const copy = b.copy.get(key);
    if (!copy) continue;
    const [next, anchors] = [word?.next.get(key), word?.anchors.get(key)];
    out.set(key, judge({
      origin, copy, originTail: b.originTails.get(key) ?? [], copyTail: b.copyTails.get(key) ?? [], asked: window,
      ...(next === undefined ? {} : { next }), ...(anchors === undefined ? {} : { anchors }),
    }));
  }
  return out;
}

export interface Proven { readonly done: boolean; readonly say: string; readonly left: number }
function prove(b: Both, word: Word | null): Proven {
  const all = judgeAll(b, windowRecords, word);
  const open = [...all].filter(([, d]) => !d.drained);
  const matched = [...all.values()].reduce((n, d) => n + d.matched, 0);
  if (open.length > 0) return { done: false, left: open.length, say: `${count(open.length, 'partition')} of ${all.size} not drained: ${list(open.map(([key, d]) => `${key}: ${d.why}`), 3)}.` };
  if (b.moving.length > 0) return { done: false, left: b.moving.length, say: `${list(b.moving, 3)} still ${b.moving.length === 1 ? 'moves' : 'move'}.` };
  return { done: true, left: 0, say: `all ${count(all.size, 'partition')} drained, ${count(matched, 'record')} compared one by one.` };
}

async function wordOf(ports: Ports, spec: MirrorSpec): Promise<Word> {
  const [next, anchors] = await Promise.all([ports.mirrors.progress(spec), ports.mirrors.anchors(spec)]);
  return { next, anchors };
}

/** Once, with the mirror's own word where the windows alone do not decide. */
export async function proveDrained(ports: Ports, x: Pick<Ask, 'm'> & { readonly set: CutSet; readonly toward: Side; readonly spec: MirrorSpec }): Promise<Proven> {
  const [origin, copy] = [clusterOf(ports, x.m, otherSide(x.toward)), clusterOf(ports, x.m, x.toward)];
  const read = (): Promise<Both> => readBoth(origin, copy, { topics: x.set.topics, window: windowRecords });
  const first = prove(await read(), null);
  return first.done ? first : prove(await read(), await wordOf(ports, x.spec));
}

export const drained = (ports: Ports, record: LedgerBook) => ({
  lookMirrorDrained(x: LookAsk & { readonly set: CutSet; readonly toward: Side }, at: At): () => Promise<Glance> {
    const [origin, copy] = [clusterOf(ports, x.m, otherSide(x.toward)), clusterOf(ports, x.m, x.toward)];
    const revived = reviving(ports, x, { sets: [x.set], toward: x.toward }, at);
    let undecided = 0;
    return async () => {
      const both = await readBoth(origin, copy, { topics: x.set.topics, window: windowRecords });
      let proof = prove(both, null);
      undecided = proof.done || both.moving.length > 0 ? 0 : undecided + 1;
      if (undecided >= undecidedGlances) {
        at.seen(proof.say);
        // The logs stand still: the word asked for now is about exactly these ends.
        proof = prove(both, await wordOf(ports, await requireMirror(ports, x)));
        undecided = 1;
      }
      const healed = proof.done ? '' : revived(endsToken(both.copy));
      return {
        done: proof.done, say: healed === '' ? proof.say : `${proof.say} ${healed}.`, state: `${magnitude(proof.left)}`, progress: endsToken(both.copy),
        patience: { ms: x.c.limits.stuckMs, failure: () => new Failure('MirrorStuck', `The mirror of ${x.set.name} did not drain within ${x.c.limits.stuckMs} ms: ${proof.say}`) },
      };
    };
  },

  lookGroupsDrained(x: OfGroups, at: At): () => Promise<Glance> {
    const silence = new Silence(x.still ?? {});
    let stuck = { at: '', sinceMs: at.now() };
    return async () => {
      const all = await unreadOf(ports, { ...x, ...(x.upTo === 'end' ? {} : { until: await cutEnds(record, x) }) });
      const excused = x.unlessRepeats ? x.groups.filter((g) => x.c.mayRepeat?.[g] !== undefined && all.some((u) => u.group === g && u.atMost > 0n)) : [];
      const left = all.filter((u) => !excused.includes(u.group));
      const open = left.filter((u) => u.open);
      const records = left.reduce((n, u) => n + u.atMost, 0n);
      const far = x.upTo === 'nearly' ? BigInt(x.c.limits.lagRecords) : 0n;
      const behind = left.filter((u) => u.atMost > far);
      const missingMs = silence.missing(left, at.now());
      // A sum, because it is carried from turn to turn: positions of a hundred groups on a thousand partitions would not fit.
      const place = String(left.reduce((n, u) => n + (u.position ?? 0n), 0n));
      if (place !== stuck.at) stuck = { at: place, sinceMs: at.now() };
      else if (x.c.untilMs !== null && behind.length > 0 && at.now() - stuck.sinceMs > nobodyMs) await refuseUnread(ports, x, behind);
      const done = behind.length === 0 && (open.length === 0 || x.upTo === 'nearly') && missingMs === 0;
      const unread = `at most ${count(records, 'record')} unread`;
      const say = behind.length > 0 ? `${unread}: ${list(behind.map((u) => `${u.group} ${u.key} at ${u.position ?? 'no position'} of ${u.end}`), 3)}.`
        : x.upTo === 'nearly' ? `${unread} by ${list(x.groups)} on the ${x.on}, and on no partition more than ${far}.`
          : open.length > 0 ? `a transaction is open on ${list([...new Set(open.map((u) => u.key))], 3)}.`
            : `${saidRead(x, all, excused)}${x.still === undefined ? '' : missingMs > 0 ? `; ${missingMs} ms of silence are missing` : `, and nothing new came for the declared time on ${list(Object.keys(x.still))}`}.`;
      return {
        done, say, state: `${magnitude(records)} ${open.length > 0 ? 'open' : ''}`, progress: place,
        figures: { unreadRecords: Number(records) },
        patience: { ms: x.c.limits.stuckMs, failure: () => new Failure('ClientNotMoved', `No progress within ${x.c.limits.stuckMs} ms; ${say}`, 'Look whether these groups are reading at all, then retry.') },
      };
    };
  },
});

type OfGroups = LookAsk & { readonly groups: readonly string[]; readonly topics: readonly string[]; readonly on: Side; readonly upTo?: 'nearly' | 'end'; readonly still?: Readonly<Record<string, number>>; readonly unlessRepeats?: true };

const saidRead = (x: OfGroups, left: readonly Unread[], excused: readonly string[]): string => {
  const others = x.groups.filter((g) => !excused.includes(g));
  const read = others.length === 0 ? [] : [`${list(others)} read every visible record of ${list(x.topics)} on the ${x.on}`];
  return [...(excused.length === 0 ? [] : [saidExcused(left, excused)]), ...read].join('; ');
};
const saidExcused = (left: readonly Unread[], excused: readonly string[]): string => excused.map((group) =>
  `${group} keeps its place with at most ${count(left.filter((u) => u.group === group).reduce((n, u) => n + u.atMost, 0n), 'record')} unread, and reads again what is carried behind them, as was consented to`).join('; ');

/** Nobody waits out a whole outage for a group in which nobody reads. */
async function refuseUnread(ports: Ports, x: OfGroups, behind: readonly Unread[]): Promise<void> {
  const empty = (await clusterOf(ports, x.m, x.on).groups([...new Set(behind.map((u) => u.group))])).filter(isEmpty);
  if (empty.length > 0) throw new Failure('ClientNotMoved', `Group ${list(empty.map((g) => g.group))} has no member on the ${x.on}, and at most ${count(behind.filter((u) => empty.some((g) => g.group === u.group)).reduce((n, u) => n + u.atMost, 0n), 'record')} unread: nobody will read them.`, 'Let it read to the end, then retry.');
}

/** How long topics have brought nothing new: begins anew with every record, and with every call. */
class Silence {
  readonly #wanted: Readonly<Record<string, number>>;
  #since = new Map<string, { readonly ends: string; readonly atMs: number }>();
  constructor(wanted: Readonly<Record<string, number>>) { this.#wanted = wanted; }
  /** The longest time that is still to pass on any of them, ms. */
  missing(seen: readonly Unread[], nowMs: number): number {
    return Math.max(0, ...Object.entries(this.#wanted).map(([topic, ms]) => {
      const ends = seen.filter((u) => u.key.slice(0, u.key.lastIndexOf('/')) === topic).map((u) => `${u.key}=${u.end}`).sort().join();
      if (this.#since.get(topic)?.ends !== ends) this.#since.set(topic, { ends, atMs: nowMs });
      return ms - (nowMs - (this.#since.get(topic)?.atMs ?? nowMs));
    }));
  }
}

const endsToken = (ends: ReadonlyMap<string, LogEnds>): string => String([...ends.values()].reduce((n, e) => n + e.hw, 0n));

export interface Unread { readonly group: string; readonly key: string; readonly position: bigint | null; readonly end: bigint; /** Upper bound in offsets; 0: no visible record is left. */ readonly atMost: bigint; /** A transaction above is undecided. */ readonly open: boolean }
/** What each group has not read. A partition that was never committed counts from its log start. */
export async function unreadOf(ports: Ports, x: { readonly m: Migration; readonly groups: readonly string[]; readonly topics: readonly string[]; readonly on: Side; /** Where to end, by partition; otherwise at the last stable offset. */ readonly until?: ReadonlyMap<string, bigint> }): Promise<readonly Unread[]> {
  const cluster = clusterOf(ports, x.m, x.on);
  // Positions first: a record that is written in between counts as unread, never the other way.
  const committed = await cluster.committed(x.groups);
  const ends = (await cluster.ends(x.topics)).map((e) => {
    const end = x.until?.get(tpKey(e));
    return end === undefined || end > e.lso ? e : { ...e, lso: end, hw: end };
  });
  const asked = x.groups.flatMap((group) => {
    const positions = new Map((committed.get(group) ?? []).map((p) => [tpKey(p), p.offset]));
    const reads = topicsOf(x.m, group);
    return ends.filter((e) => reads.includes(e.topic)).map((e) => ({ group, end: e, key: tpKey(e), position: positions.get(tpKey(e)) ?? null }));
  });
  const fromOf = (a: (typeof asked)[number]): bigint => (a.position === null || a.position < a.end.logStart ? a.end.logStart : a.position);
  const unread = asked.filter((a) => fromOf(a) < a.end.lso);
  const last = await lastVisible(cluster, unread.map((a) => ({ end: a.end, from: fromOf(a) })));
  return asked.map((a) => ({
    group: a.group, key: a.key, position: a.position, end: a.end.lso, open: a.end.hw !== a.end.lso,
    atMost: fromOf(a) < a.end.lso && (last.get(a.key) ?? -1n) >= fromOf(a) ? a.end.lso - fromOf(a) : 0n,
  }));
}

/**
 * By partition the last visible record below its end, looked for down to the lowest of its places and no further: at or behind
 * the place of whoever has something left, before the place of everybody else. One question, at however many places groups stand.
 */
async function lastVisible(cluster: Cluster, places: readonly { readonly end: LogEnds; readonly from: bigint }[]): Promise<ReadonlyMap<string, bigint>> {
  const down = new Map<string, LogEnds>();
  for (const { end, from } of places) if (from < (down.get(tpKey(end))?.logStart ?? end.lso)) down.set(tpKey(end), { ...end, logStart: from });
  if (down.size === 0) return new Map();
  const tails = await cluster.records.tails([...down.values()], 1);
  return new Map([...tails].flatMap(([key, tail]) => { const last = tail.at(-1); return last === undefined ? [] : [[key, last.offset] as const]; }));
}

/** A log that was cut off on that side ends at the cut: what a mirror carries back behind it is on the other side too. */
export async function cutEnds(record: LedgerBook, x: Ask & { readonly topics: readonly string[]; readonly on: Side }): Promise<ReadonlyMap<string, bigint>> {
  const sets = allSets(x.m).filter((set) => set.topics.some((t) => x.topics.includes(t)));
  const book = await bookOf(record, x.m, `${x.c.run}/cut/`);
  const marks = await Promise.all(sets.map((set) => standingMark(book, { ...x, set })));
  return new Map(marks.flatMap((mark) => (mark === null || mark.to === x.on ? [] : Object.entries(mark.ends[x.on]).map(([key, end]) => [key, BigInt(end.lso)] as const))));
}
