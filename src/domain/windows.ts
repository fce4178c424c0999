/**
 * Many positions at once: what has been read in bulk (the tails of all partitions, the surroundings of lagging groups)
 * answers nearly all of them from memory, and only the others read further.
 */
import type { Answer, Log, Mark } from './positions.ts';
import { firstWhere } from './walking.ts';

/** All visible records of one log in `[from, to)`. */
export interface Window { readonly from: bigint; readonly to: bigint; readonly records: readonly Mark[] }

/** A tail as a window: complete from its first record, or from the log start when the log has fewer than were asked for. */
export const windowOfTail = (log: Log, tail: readonly Mark[], asked: number): Window => ({
  from: tail.length < asked ? log.logStart : (tail[0]?.offset ?? log.lso),
  to: log.lso,
  records: tail,
});

/** In order and without overlaps. */
export function merged(windows: readonly Window[]): readonly Window[] {
  const out: Window[] = [];
  for (const w of [...windows].sort((a, b) => (a.from < b.from ? -1 : a.from > b.from ? 1 : 0))) {
    const last = out.at(-1);
    if (!last || w.from > last.to) out.push(w);
    else if (w.to > last.to) out[out.length - 1] = { from: last.from, to: w.to, records: [...last.records, ...w.records.filter((m) => m.offset >= last.to)] };
  }
  return out;
}

type Read<S extends string> = (of: S, from: bigint, to: bigint) => AsyncIterable<Mark>;
/** Serves what lies in the windows (in order, without overlaps) from memory and reads only what lies outside. */
export const served = <S extends string>(windows: Readonly<Record<S, readonly Window[]>>, read: Read<S>): Read<S> =>
  async function* (of, from, to) {
    let at = from;
    for (const w of windows[of]) {
      if (w.to <= at) continue;
      if (w.from >= to || at >= to) break;
      if (at < w.from) yield* read(of, at, w.from);
      const begin = at > w.from ? at : w.from;
      for (let i = firstWhere(w.records, (m) => m.offset >= begin); i < w.records.length; i += 1) {
        const m = w.records[i];
        if (!m || m.offset >= to) break;
        yield m;
      }
      at = w.to;
    }
    if (at < to) yield* read(of, at, to);
  };

/** `place` is the same for questions that have the same answer: partition, side and position. */
export interface Asked<K> { readonly key: K; readonly place: string; ask(): Promise<Answer> }

/** Answers all questions, the same one only once, a few at a time. */
export async function translateMany<K>(asked: readonly Asked<K>[], atOnce = 8): Promise<ReadonlyMap<K, Answer>> {
  const distinct = [...Map.groupBy(asked, (a) => a.place).values()];
  const answers = new Map<K, Answer>();
  const lane = async (): Promise<void> => {
    for (let same = distinct.shift(); same; same = distinct.shift()) {
      const one = same[0];
      if (!one) continue;
      const answer = await one.ask();
      for (const a of same) answers.set(a.key, answer);
    }
  };
  await Promise.all(Array.from({ length: atOnce }, lane));
  return answers;
}
