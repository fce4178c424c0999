/** The named fallback `timestamp` for positions that cannot be counted off: safe by construction, with repeats that are counted. */
import { otherSide } from '../domain/authority.ts';
import type { Answer } from '../domain/positions.ts';
import { tpKey, type LogEnds, type Ports } from '../domain/ports.ts';
import { byTimestamp, unreadIn, type Unread } from '../domain/timestamps.ts';
import { byKey, clusterOf, nameOf, topicsOf, unique } from './outside.ts';
import { spotsOf, type Committed, type Look, type Spot, type Wanted } from './translating.ts';

/** Scanned per partition and side. */
const mostRecords = 1_000_000;
const atOnce = 4;

const refused = (cause: (Answer & { kind: 'refused' })['cause'], why: string): Answer => ({ kind: 'refused', cause, why });

export async function lookByTimestamp(ports: Ports, x: Wanted, committed: Promise<Committed>): Promise<Look> {
  const positions = await committed;
  const [here, there] = [clusterOf(ports, x.m, x.from), clusterOf(ports, x.m, otherSide(x.from))];
  const topics = unique(x.groups.flatMap((g) => topicsOf(x.m, g)));
  const facts = new Map((await there.topics(topics)).map((t) => [t.name, t]));
  // The other side first: what is unread here then is copied behind that end, or is there already.
  const theirs = byKey(await there.ends(topics));
  const mine = await here.ends(topics);
  const spots = spotsOf(x, positions, mine);
  const answers = new Map<Spot, Answer>();
  const answer = async (spot: Spot, end: LogEnds): Promise<Answer> => {
    const stamps = facts.get(spot.end.topic)?.configs['message.timestamp.type']?.value;
    if (stamps !== 'CreateTime') return refused('mismatch', `topic ${spot.end.topic} on cluster ${nameOf(x.m, otherSide(x.from))} has message.timestamp.type=${stamps ?? 'unknown'}: its copies do not keep their timestamps`);
    if (spot.end.hw !== spot.end.lso) return refused('open-transaction', `a transaction is open from ${spot.end.lso} on: its records may bear earlier timestamps`);
    if (spot.position === null ? spot.started : spot.position < spot.end.logStart) return refused('mismatch', `what the group would read next cannot be scanned: ${spot.position === null ? 'it has no position here' : `the log begins at ${spot.end.logStart}`}`);
    const position = spot.position ?? spot.end.logStart;
    if (position > spot.end.lso) return refused('mismatch', `position ${position} lies beyond the end of the log (${spot.end.lso})`);
    const unread = await unreadIn(here.records.range({ ...spot.end, from: position, to: spot.end.lso }), mostRecords);
    if (unread === 'too-many') return refused('too-far', `more than ${mostRecords} records are unread from ${position} on`);
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
  return { spots, answers, known: new Map() };
}
