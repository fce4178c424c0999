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

/** What has been read of one syncs topic; a new look reads only what has come since. */
interface Read { next: bigint; readonly anchors: Map<string, readonly Anchor[]> }
export interface Syncs {
  read(cluster: Cluster, spec: MirrorSpec): Promise<ReadonlyMap<string, readonly Anchor[]>>;
  forget(spec: MirrorSpec): void;
}

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
      (fresh.get(key) ?? fresh.set(key, []).get(key))?.push(sync.anchor);
    }
    // Lists that did not grow stay the same value: positions remember what they worked out for one.
    for (const [key, more] of fresh) seen.anchors.set(key, [...(seen.anchors.get(key) ?? []), ...more]);
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
