/** Computes where groups continue on the other side: bulk reads first, then the proof of `domain/positions.ts` per place. */
import { otherSide, type Side } from '../domain/authority.ts';
import { cutSets } from '../domain/cutsets.ts';
import { Failure } from '../domain/failures.ts';
import type { Migration } from '../domain/migration.ts';
import type { Answer, Between, Half, Log, Proof, Question } from '../domain/positions.ts';
import { tpKey, type Anchor, type LogEnds, type Ports, type Position, type SeenRecord } from '../domain/ports.ts';
import { served, translateMany, windowOfTail, type Asked } from '../domain/windows.ts';
import type { At } from './boundary.ts';
import { requireMirror } from './connect.ts';
import { judgeAll, readBoth, type Both } from './drained.ts';
import { clusterOf, count, list, nameOf, topicsOf, unique } from './outside.ts';
import type { Ask } from './work.ts';

/** Records of each partition read at once: serves every group near the end from memory. */
const windowRecords = 100;
const pollMs = { outage: 10, plain: 250 };
/** Offset syncs trail the records they speak of; longer than this they will not come. */
const anchorsMs = 5_000;

export interface Placed extends Position { readonly from: bigint | null; readonly by: Proof['by'] | 'log-start' | 'never-committed'; readonly matched: number }
/** Group → its places on the other side. */
export type Places = ReadonlyMap<string, readonly Placed[]>;

interface Place { readonly group: string; readonly end: LogEnds; readonly position: bigint | null; readonly metadata: string; readonly started: boolean }
interface Wanted extends Ask { readonly groups: readonly string[]; /** Side the groups are on now. */ readonly from: Side }

/** Every partition of every topic each group reads, with its committed position there. */
function placesOf(x: Wanted, committed: ReadonlyMap<string, readonly Position[]>, ends: Iterable<LogEnds>): readonly Place[] {
  const all = [...ends];
  return x.groups.flatMap((group) => {
    const positions = new Map((committed.get(group) ?? []).map((p) => [tpKey(p), p]));
    const reads = topicsOf(x.m, group);
    const started = reads.some((t) => all.some((e) => e.topic === t && positions.has(tpKey(e))));
    return all.filter((e) => reads.includes(e.topic)).map((end) => {
      const p = positions.get(tpKey(end));
      return { group, end, position: p?.offset ?? null, metadata: p?.metadata ?? '', started };
    });
  });
}

/** Anchors by partition, over the mirrors of all sets that these topics belong to. */
async function anchorsOf(ports: Ports, x: Ask, topics: readonly string[]): Promise<ReadonlyMap<string, readonly Anchor[]>> {
  const sets = cutSets(x.m).filter((s) => s.topics.some((t) => topics.includes(t)));
  const maps = await Promise.all(sets.map(async (set) => ports.mirrors.anchors(await requireMirror(ports, { ...x, set, toward: 'target' }))));
  return new Map(maps.flatMap((m) => [...m]));
}

/** The committed place on one side, read until every one has an exact answer; `NotExact` with all that have none. */
export async function translateGroups(ports: Ports, x: Wanted, at: At): Promise<Places> {
  const here = clusterOf(ports, x.m, x.from);
  const on: Half = x.from === 'source' ? 'origin' : 'copy';
  const topics = unique(x.groups.flatMap((g) => topicsOf(x.m, g)));
  const committed = await here.committed(x.groups);
  const startedMs = at.now();
  for (;;) {
    const [anchors, both] = await Promise.all([
      anchorsOf(ports, x, topics),
      readBoth(clusterOf(ports, x.m, 'source'), clusterOf(ports, x.m, 'target'), { topics, window: windowRecords }),
    ]);
    const places = placesOf(x, committed, (on === 'origin' ? both.origin : both.copy).values());
    const answers = await answer(ports, x, { places, both, anchors, on });
    const open = places.filter((p) => answers.get(p)?.kind !== 'exact');
    if (open.length === 0) return collect(places, answers);
    const waitMs = waitFor(open.map((p) => answers.get(p)), x);
    if (at.now() - startedMs >= waitMs) throw notExact(x, open, answers);
    at.seen(`${count(open.length, 'position')} not yet exact: ${describe(open[0], answers)}`);
    await at.pause(x.c.untilMs === null ? pollMs.plain : pollMs.outage);
  }
}

/** What heals by itself is waited for: the mirror moving on, a transaction closing, offset syncs arriving. */
function waitFor(answers: readonly (Answer | undefined)[], x: Ask): number {
  const causes = answers.map((a) => (a?.kind === 'refused' ? a.cause : 'mismatch'));
  if (causes.some((c) => c !== 'behind' && c !== 'open-transaction' && c !== 'no-anchor')) return 0;
  if (causes.includes('no-anchor')) return anchorsMs;
  return x.c.limits.stuckMs;
}

interface Ground { readonly places: readonly Place[]; readonly both: Both; readonly anchors: ReadonlyMap<string, readonly Anchor[]>; readonly on: Half }

async function answer(ports: Ports, x: Wanted, g: Ground): Promise<ReadonlyMap<Place, Answer>> {
  const proofs = judgeAll(g.both, windowRecords, null);
  const tails: Readonly<Record<Half, ReadonlyMap<string, readonly SeenRecord[]>>> = { origin: g.both.originTails, copy: g.both.copyTails };
  const logs: Readonly<Record<Half, ReadonlyMap<string, LogEnds>>> = { origin: g.both.origin, copy: g.both.copy };
  const moved = new Set(g.both.moving);
  const fixed = new Map<Place, Answer>();
  const asked: Asked<Place>[] = [];
  for (const place of g.places) {
    const key = tpKey(place.end);
    const [origin, copy] = [logs.origin.get(key), logs.copy.get(key)];
    if (!origin || !copy) continue; // readBoth refused partitions of one side only
    const moving = moved.has(key);
    const position = nextOf(place, { there: g.on === 'origin' ? copy : origin, tail: tails[g.on].get(key) ?? [], moving });
    if (typeof position !== 'bigint') { fixed.set(place, position); continue; }
    const settled = !moving && proofs.get(key)?.drained === true;
    const question: Question = { on: g.on, position, origin, copy, anchors: g.anchors.get(key) ?? [], state: settled ? 'drained' : 'flowing' };
    const window = (half: Half, log: Log) => (moving ? null : windowOfTail(log, tails[half].get(key) ?? [], windowRecords));
    asked.push({ key: place, partition: key, question, between: served({ origin: window('origin', origin), copy: window('copy', copy) }, betweenOf(ports, x.m, place.end)) });
  }
  return new Map([...fixed, ...(await translateMany(asked))]);
}

const betweenOf = (ports: Ports, m: Migration, of: LogEnds): Between => (half, from, to) =>
  clusterOf(ports, m, half === 'origin' ? 'source' : 'target').records.range({ topic: of.topic, partition: of.partition, from, to });

/**
 * The offset the group would read next, or the answer where that is no question of counting. Without a committed position
 * (or with one that retention has overtaken) only an empty log, or a group that never committed anything, decides.
 */
function nextOf(p: Place, o: { readonly there: LogEnds; readonly tail: readonly SeenRecord[]; readonly moving: boolean }): bigint | Answer {
  if (p.position !== null && p.position >= p.end.logStart) return p.position;
  // Nothing to read: wherever its reset would put it, it continues at the end. A record that just came must not be skipped.
  if (o.tail.length === 0) return o.moving ? { kind: 'refused', cause: 'behind', why: 'the partition is empty and something is being written to it' } : p.end.lso;
  if (p.position !== null) return { kind: 'refused', cause: 'mismatch', why: `the log begins at ${p.end.logStart}: what the group would read next is gone, and auto.offset.reset would decide` };
  if (p.started) return { kind: 'refused', cause: 'mismatch', why: 'no committed position, though records are there and the group committed on other partitions: auto.offset.reset would decide' };
  return { kind: 'exact', offset: o.there.logStart, proof: { by: 'nothing-to-read', anchor: null, matched: 0, next: 'log start' } };
}

function collect(places: readonly Place[], answers: ReadonlyMap<Place, Answer>): Places {
  const out = new Map<string, Placed[]>();
  for (const p of places) {
    const a = answers.get(p);
    if (a?.kind !== 'exact') continue;
    const never = p.position === null && !p.started && a.proof.next === 'log start';
    out.set(p.group, [...(out.get(p.group) ?? []), { topic: p.end.topic, partition: p.end.partition, offset: a.offset, metadata: p.metadata, from: p.position, by: never ? 'never-committed' : a.proof.by, matched: a.proof.matched }]);
  }
  return out;
}

const describe = (p: Place | undefined, answers: ReadonlyMap<Place, Answer>): string => {
  const a = p && answers.get(p);
  if (!p || !a || a.kind === 'exact') return 'no answer';
  const repeats = a.kind === 'conservative' ? ` (safe is ${a.offset}, with ${a.repeats} repeats)` : '';
  return `group ${p.group} at ${tpKey(p.end)} position ${p.position ?? 'none'}: ${a.why}${repeats}`;
};
function notExact(x: Wanted, open: readonly Place[], answers: ReadonlyMap<Place, Answer>): Failure {
  const shown = open.slice(0, 10).map((p) => `- ${describe(p, answers)}`);
  const rest = open.length > shown.length ? [`- and ${open.length - shown.length} more`] : [];
  return new Failure('NotExact', `${count(open.length, 'position')} of ${list(unique(open.map((p) => p.group)))} cannot be proven on cluster ${nameOf(x.m, otherSide(x.from))}; nothing was written:\n${[...shown, ...rest].join('\n')}\n`);
}
