/** MirrorMaker's offset syncs, decoded: which record of the origin was acknowledged where on the copy. */
import type { Anchor, Cluster, LogEnds, MirrorSpec } from '../../domain/ports.ts';
import { tpKey } from '../../domain/ports.ts';
import { syncsTopic } from './connector.ts';

/** Key: int16 length, topic, int32 partition. Value: int64 origin offset, int64 copy offset. Big endian. */
export function decodeSync(key: Buffer, value: Buffer): { readonly topic: string; readonly partition: number; readonly anchor: Anchor } | null {
  const length = key.length >= 2 ? key.readInt16BE(0) : -1;
  if (length < 0 || key.length !== 2 + length + 4 || value.length !== 16) return null;
  return {
    topic: key.toString('utf8', 2, 2 + length),
    partition: key.readInt32BE(2 + length),
    anchor: { from: value.readBigInt64BE(0), to: value.readBigInt64BE(8) },
  };
}

/** Kept per partition: the newest as they are; of older ones so many, spread evenly over what was copied. A busy mirror writes millions a day. */
const kept = { newest: 128, older: 256 } as const;
/** Of one partition so many are read before they are thinned. */
const mostUnthinned = 4_096;

/**
 * Positions are counted from the nearest, so that spread ones cost reading and no exactness. Where a run ends and another begins
 * (a mirror that went back after a restart) both its last and the next one's first are kept: between them nothing may be counted.
 */
export function thinned(all: readonly Anchor[]): readonly Anchor[] {
  if (all.length <= 2 * (kept.newest + kept.older)) return all;
  const [older, newest] = [all.slice(0, -kept.newest), all.slice(-kept.newest)];
  const begins = (i: number): boolean => { const [before, a] = [older[i - 1], older[i]]; return !before || (a !== undefined && (a.from <= before.from || a.to <= before.to)); };
  const copied = older.reduce((sum, a, i) => { const before = older[i - 1]; return before && !begins(i) ? sum + (a.from - before.from) : sum; }, 0n);
  const step = copied / BigInt(kept.older);
  const out: Anchor[] = [];
  for (const [i, a] of older.entries()) {
    const last = out.at(-1);
    if (!last || begins(i) || begins(i + 1) || a.from - last.from >= step) out.push(a);
  }
  return [...out.slice(-2 * kept.older), ...newest];
}

/** What has been read of one syncs topic; a new look reads only what has come since. */
interface Read { next: bigint; readonly anchors: Map<string, readonly Anchor[]> }
export interface Syncs {
  read(cluster: Cluster, spec: MirrorSpec): Promise<ReadonlyMap<string, readonly Anchor[]>>;
  forget(spec: MirrorSpec): void;
}

export const syncsEnd = async (cluster: Cluster, spec: MirrorSpec): Promise<bigint | null> => (await endOf(cluster, syncsTopic(spec)))?.hw ?? null;

/** `null`: the topic is not there. */
async function endOf(cluster: Cluster, topic: string): Promise<LogEnds | null> {
  try {
    return (await cluster.ends([topic]))[0] ?? null;
  } catch (error) {
    if ((await cluster.topics([topic])).length === 0) return null;
    throw error;
  }
}

export function createSyncs(): Syncs {
  const known = new Map<string, Read>();
  const turns = new Map<string, Promise<unknown>>();
  const keyOf = (spec: MirrorSpec): string => `${spec.to} ${spec.name}`;
  const readOn = async (cluster: Cluster, spec: MirrorSpec): Promise<ReadonlyMap<string, readonly Anchor[]>> => {
    const topic = syncsTopic(spec);
    const end = await endOf(cluster, topic);
    // A mirror that has only been named, or is gone, or whose syncs somebody deleted: cuts and ends are counted from instead.
    if (end === null) { known.delete(keyOf(spec)); return new Map(); }
    let seen = known.get(keyOf(spec));
    if (!seen || seen.next > end.lso || seen.next < end.logStart) known.set(keyOf(spec), (seen = { next: end.logStart, anchors: new Map() }));
    const fresh = new Map<string, Anchor[]>();
    for await (const r of cluster.records.contents({ topic, partition: 0, from: seen.next, to: end.lso })) {
      const sync = r.key && r.value ? decodeSync(r.key, r.value) : null;
      if (!sync) continue;
      const key = tpKey(sync);
      const list = fresh.get(key) ?? [...(seen.anchors.get(key) ?? [])];
      list.push(sync.anchor);
      fresh.set(key, list.length < mostUnthinned ? list : [...thinned(list)]);
    }
    // Lists that did not grow stay the same value: positions remember what they worked out for one.
    for (const [key, list] of fresh) seen.anchors.set(key, thinned(list));
    seen.next = end.lso;
    return new Map(seen.anchors);
  };
  return {
    // One reader of a topic at a time, or two would append the same syncs.
    read: (cluster, spec) => {
      const before = turns.get(keyOf(spec)) ?? Promise.resolve();
      const turn = before.then(() => readOn(cluster, spec), () => readOn(cluster, spec));
      turns.set(keyOf(spec), turn.catch(() => undefined));
      return turn;
    },
    forget: (spec) => {
      known.delete(keyOf(spec));
      turns.delete(keyOf(spec));
    },
  };
}
