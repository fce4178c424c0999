/**
 * Many positions at once: what has been read in bulk (the tails of all partitions) answers the groups near the end, and
 * only the others read further.
 */
import type { Answer, Between, Half, Log, Mark, Question } from './positions.ts';
import { translate } from './positions.ts';

/** All visible records of one half in `[from, to)`. */
export interface Window { readonly from: bigint; readonly to: bigint; readonly records: readonly Mark[] }

/** A tail as a window: complete from its first record, or from the log start when the log has fewer than were asked for. */
export const windowOfTail = (log: Log, tail: readonly Mark[], asked: number): Window => ({
  from: tail.length < asked ? log.logStart : (tail[0]?.offset ?? log.lso),
  to: log.lso,
  records: tail,
});

/** Serves what lies in the windows from memory and reads only what lies outside. */
export const served = (windows: Readonly<Record<Half, Window | null>>, between: Between): Between =>
  async function* (half, from, to) {
    const w = windows[half];
    if (!w || to <= w.from || from >= w.to) return yield* between(half, from, to);
    if (from < w.from) yield* between(half, from, w.from);
    for (const m of w.records) if (m.offset >= from && m.offset < to) yield m;
    if (to > w.to) yield* between(half, w.to, to);
  };

export interface Asked<K> { readonly key: K; readonly partition: string; readonly question: Question; readonly between: Between }

/**
 * Answers all questions, the same one (partition, half, position) only once, a few at a time. `partition` must tell
 * mirrors apart too when several are asked about.
 */
export async function translateMany<K>(asked: readonly Asked<K>[], atOnce = 8): Promise<ReadonlyMap<K, Answer>> {
  const idOf = (a: Asked<K>): string => `${a.partition} ${a.question.on} ${a.question.position}`;
  const distinct = [...Map.groupBy(asked, idOf).values()];
  const answers = new Map<K, Answer>();
  const lane = async (): Promise<void> => {
    for (let same = distinct.shift(); same; same = distinct.shift()) {
      const one = same[0];
      if (!one) continue;
      const answer = await translate(one.question, one.between);
      for (const a of same) answers.set(a.key, answer);
    }
  };
  await Promise.all(Array.from({ length: atOnce }, lane));
  return answers;
}
