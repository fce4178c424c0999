/**
 * A stand-in that writes: what the real topics get is copied to their shadows, as it comes and as fast as it comes. While it
 * is stopped the real ones go on, and what they got is written when it starts again, as by an application with work waiting.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { tpKey, type Cluster, type OriginalRecord, type Until } from '../../domain/ports.ts';
import type { Copying } from '../../domain/rehearsal.ts';
import type { Playing } from './fleet.ts';

/** Next real offset to be copied, by `topic/partition`: outlives a stop. */
export type Marks = Map<string, bigint>;
export interface Writing {
  /** The real source: only read. */
  readonly real: Pick<Cluster, 'ends' | 'records'>;
  readonly copies: readonly Copying[];
  readonly marks: Marks;
  /** Writes them, all or nothing known; also called with none, when there is nothing to copy. */
  write(records: readonly OriginalRecord[]): Promise<void>;
  /** Told after every write of records. */
  acknowledged(atMs: number, records: number): void;
  failed(error: unknown): void;
  readonly until: Until;
}

/** Each tick asks the real source where its logs end: ten times a second is no load to it. */
const tickMs = 100;
const afterFailureMs = 300;
/** Of one write, so that a stop never waits for long. */
const most = { records: 500, bytes: 900_000, perPartition: 500n } as const;

export function startWriter(w: Writing): Playing {
  const stopping = new AbortController();
  const work = (async () => {
    while (!stopping.signal.aborted) {
      const more = await copySome(w).catch((error: unknown) => { w.failed(error); return 'failed' as const; });
      if (more !== 'more') await sleep(more === 'failed' ? afterFailureMs : tickMs, undefined, { signal: stopping.signal }).catch(() => undefined);
    }
  })();
  return { stop: async () => { stopping.abort(); await work; } };
}

/** One write at most; `more`: there was more than it took. */
export async function copySome(w: Writing): Promise<'more' | 'idle'> {
  const mine = new Map(w.copies.map((c) => [c.topic, c]));
  if (mine.size === 0) {
    await w.write([]);
    return 'idle';
  }
  const ends = (await w.real.ends([...mine.keys()])).filter((e) => { const c = mine.get(e.topic); return c !== undefined && e.partition % c.of === c.index; });
  const load: OriginalRecord[] = [];
  const reached: [string, bigint][] = [];
  let bytes = 0;
  for (const e of ends) {
    const key = tpKey(e);
    const at = w.marks.get(key);
    if (at === undefined) w.marks.set(key, e.lso);
    if (at === undefined || at >= e.lso) continue;
    if (load.length >= most.records || bytes >= most.bytes) break;
    const from = at < e.logStart ? e.logStart : at;
    const to = e.lso - from > most.perPartition ? from + most.perPartition : e.lso;
    let next = to;
    for await (const r of w.real.records.originals({ topic: e.topic, partition: e.partition, from, to }, { signal: w.until.signal })) {
      if (load.length >= most.records || bytes >= most.bytes) { next = r.offset; break; }
      load.push({ ...r, topic: mine.get(e.topic)?.shadow ?? '' });
      bytes += r.content.length;
    }
    reached.push([key, next]);
  }
  await w.write(load);
  for (const [key, next] of reached) w.marks.set(key, next);
  if (load.length > 0) w.acknowledged(Date.now(), load.length);
  return reached.some(([key, next]) => next < (ends.find((e) => tpKey(e) === key)?.lso ?? next)) || load.length >= most.records ? 'more' : 'idle';
}
