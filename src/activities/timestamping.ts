/** The named fallback `timestamp` for positions that cannot be counted off: safe by construction, with repeats that are counted. */
import { otherSide } from '../domain/authority.ts';
import { readingsOf } from '../domain/migration.ts';
import type { Answer } from '../domain/positions.ts';
import { tpKey, type LogEnds, type Ports } from '../domain/ports.ts';
import { byTimestamp, unreadIn, type Unread } from '../domain/timestamps.ts';
import { withAbortedCopies } from './aborted.ts';
import type { At } from './boundary.ts';
import { knownOf, type Known } from './known.ts';
import type { LedgerBook } from './ledger.ts';
import { byKey, clusterOf, nameOf, topicsOf, unique } from './outside.ts';
import { lookAt, settled, spotsOf, type Committed, type Look, type Places, type Spot, type Wanted } from './translating.ts';

/** Scanned per partition and side. */
const mostRecords = 1_000_000;
const atOnce = 4;

const refused = (cause: (Answer & { kind: 'refused' })['cause'], why: string): Answer => ({ kind: 'refused', cause, why });

/** Where these groups may be placed so, by their migration (`"start": "timestamp"`). */
const allowed = (x: Wanted): readonly string[] => {
  const groups = new Set(readingsOf(x.m.applications).filter((r) => r.start === 'timestamp').map((r) => r.group));
  return x.groups.filter((g) => groups.has(g));
};

/** Proofs; and of groups that allow it, by timestamp where none is found and none will come by itself, partition by partition. */
export async function lookFor(ports: Ports, record: LedgerBook, x: Wanted, committed: Promise<Committed>): Promise<Look> {
  const look = await lookAt(ports, record, x, committed);
  const may = new Set(allowed(x));
  const open = look.spots.filter((s) => may.has(s.group) && lasts(look.answers.get(s)));
  if (open.length === 0) return look;
  const fallback = await lookByTimestamp(ports, record, { ...x, groups: unique(open.map((s) => s.group)) }, committed, look.known);
  const found = new Map(fallback.spots.map((s) => [`${s.group} ${tpKey(s.end)}`, fallback.answers.get(s)]));
  const answers = new Map(look.answers);
  for (const spot of open) {
    const other = found.get(`${spot.group} ${tpKey(spot.end)}`);
    if (other && rank(other) < rank(look.answers.get(spot))) answers.set(spot, other);
  }
  return { ...look, answers };
}
const lasts = (a: Answer | undefined): boolean => a?.kind === 'conservative' || (a?.kind === 'refused' && a.cause !== 'behind' && a.cause !== 'open-transaction');
/** Repeats; what is refused comes last. */
const rank = (a: Answer | undefined): number => (a === undefined || a.kind === 'refused' ? Infinity : a.kind === 'exact' ? -1 : a.repeats === 'unknown' ? Number.MAX_SAFE_INTEGER : a.repeats);

export const translateGroups = (ports: Ports, record: LedgerBook, x: Wanted, at: At): Promise<Places> =>
  settled(ports, x, at, (committed) => lookFor(ports, record, x, committed));

/** Every position by timestamp. Only away from the authority: on the side that is fed, what comes next is not there yet. */
export async function lookByTimestamp(ports: Ports, record: LedgerBook, x: Wanted, committed: Promise<Committed>, seen?: ReadonlyMap<string, Known>): Promise<Look> {
  const positions = await committed;
  const [here, there] = [clusterOf(ports, x.m, x.from), clusterOf(ports, x.m, otherSide(x.from))];
  const topics = unique(x.groups.flatMap((g) => topicsOf(x.m, g)));
  const known = seen ?? await knownOf(ports, record, x, topics);
  const facts = new Map((await there.topics(topics)).map((t) => [t.name, t]));
  // The other side first: what is unread here then is copied behind that end, or is there already.
  const theirs = byKey(await there.ends(topics));
  const mine = await here.ends(topics);
  const spots = spotsOf(x, positions, mine);
  const answers = new Map<Spot, Answer>();
  const answer = async (spot: Spot, end: LogEnds): Promise<Answer> => {
    if (known.get(spot.end.topic)?.authority !== x.from) return refused('mismatch', `${spot.end.topic} is written on cluster ${nameOf(x.m, otherSide(x.from))}, and what has not been copied from there yet has no timestamp here`);
    const stamps = facts.get(spot.end.topic)?.configs['message.timestamp.type']?.value;
    if (stamps !== 'CreateTime') return refused('mismatch', `topic ${spot.end.topic} on cluster ${nameOf(x.m, otherSide(x.from))} has message.timestamp.type=${stamps ?? 'unknown'}: its copies do not keep their timestamps`);
    if (spot.end.hw !== spot.end.lso) return refused('open-transaction', `a transaction is open from ${spot.end.lso} on: its records may bear earlier timestamps`);
    if (spot.position === null ? spot.started : spot.position < spot.end.logStart) return refused('mismatch', `what the group would read next cannot be scanned: ${spot.position === null ? 'it has no position here' : `the log begins at ${spot.end.logStart}`}`);
    const position = spot.position ?? spot.end.logStart;
    if (position > spot.end.lso) return refused('mismatch', `position ${position} lies beyond the end of the log (${spot.end.lso})`);
    const unread = await unreadIn(here.records.range({ ...spot.end, from: position, to: spot.end.lso }), mostRecords);
    if (unread === 'too-many') return refused('too-far', `more than ${mostRecords} records are unread from ${position} on`);
    // Below zero a timestamp is none: asked for, brokers take it for a place by name, such as the end of the log.
    if (unread.earliestMs !== null && unread.earliestMs < 0n) return refused('mismatch', `unread records from ${position} on bear no timestamp`);
    return unread.earliestMs === null ? nothingUnread(end) : found(end, unread);
  };
  const nothingUnread = (end: LogEnds): Answer => ({ kind: 'exact', offset: end.lso, proof: { by: 'nothing-to-read', anchor: null, matched: 0, next: 'end' } });
  const found = async (end: LogEnds, unread: Unread): Promise<Answer> => {
    const first = (await there.offsetsFrom([{ topic: end.topic, partition: end.partition, timestampMs: unread.earliestMs ?? 0n }])).get(tpKey(end)) ?? null;
    // Later than the end that was read first it may lie behind the copy of a record that came after the unread ones were read.
    const from = first !== null && first > end.lso ? end.lso : first;
    return byTimestamp(unread, from, { there: there.records.range({ topic: end.topic, partition: end.partition, from: from ?? end.lso, to: (await there.ends([end]))[0]?.lso ?? end.lso }), limit: mostRecords });
  };
  const distinct = [...Map.groupBy(spots, (s) => `${tpKey(s.end)} ${s.position ?? (s.started ? 'started' : 'new')}`).values()];
  const lane = async (): Promise<void> => {
    for (let same = distinct.shift(); same; same = distinct.shift()) {
      const [one] = same;
      const end = one && theirs.get(tpKey(one.end));
      const said = one && end ? await answer(one, end) : refused('mismatch', `the partition is not on cluster ${nameOf(x.m, otherSide(x.from))}`);
      for (const spot of same) answers.set(spot, said);
    }
  };
  await Promise.all(Array.from({ length: atOnce }, lane));
  return { spots, answers: await withAbortedCopies(x, { known, answers, ends: [...theirs.values()], cluster: there }), known };
}
