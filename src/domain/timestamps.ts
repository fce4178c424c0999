/**
 * The timestamp method, for groups that cannot be counted off: the other log from the smallest timestamp among the unread
 * records on. Copies keep their timestamps, so none of them lies before; what else lies behind is read again, and counted.
 */
import type { Answer, Mark } from './positions.ts';

export interface Stamped extends Mark { readonly timestampMs: bigint }
export interface Unread { readonly earliestMs: bigint | null; readonly records: number; /** How often each fingerprint occurs. */ readonly alike: ReadonlyMap<string, number> }

const refused = (cause: (Answer & { kind: 'refused' })['cause'], why: string): Answer => ({ kind: 'refused', cause, why });

/** All of the unread records, or `too-many`: a part of them says nothing of the smallest timestamp. */
export async function unreadIn(source: AsyncIterable<Stamped>, limit: number): Promise<Unread | 'too-many'> {
  const alike = new Map<string, number>();
  let [earliestMs, records]: [bigint | null, number] = [null, 0];
  for await (const r of source) {
    if ((records += 1) > limit) return 'too-many';
    if (earliestMs === null || r.timestampMs < earliestMs) earliestMs = r.timestampMs;
    alike.set(r.fingerprint, (alike.get(r.fingerprint) ?? 0) + 1);
  }
  return { earliestMs, records, alike };
}

/** `from`: what the other log answered for the smallest timestamp; `there`: its visible records from then on. */
export async function byTimestamp(unread: Unread, from: bigint | null, o: { readonly there: AsyncIterable<Mark>; readonly limit: number }): Promise<Answer> {
  if (from === null) return refused('behind', `None of the ${unread.records} unread records is on the other side yet.`);
  const left = new Map(unread.alike);
  let [repeats, seen, found] = [0, 0, 0];
  for await (const m of o.there) {
    if ((seen += 1) > o.limit) return { kind: 'conservative', offset: from, repeats: 'unknown', why: `more than ${o.limit} records lie behind the smallest timestamp of the unread ones` };
    const n = left.get(m.fingerprint) ?? 0;
    if (n > 0) { left.set(m.fingerprint, n - 1); found += 1; }
    else repeats += 1;
  }
  if (repeats === 0 && found === unread.records) return { kind: 'exact', offset: from, proof: { by: 'timestamp', anchor: null, matched: found, next: 'the unread records and nothing else' } };
  return { kind: 'conservative', offset: from, repeats, why: `found by the smallest timestamp of ${unread.records} unread records${found < unread.records ? `, of which ${unread.records - found} are not there yet` : ''}` };
}
