/** The logs around lagging positions, read in bulk: a few requests for all partitions, not some for each group and partition. */
import type { Side } from '../domain/authority.ts';
import { piecesFor, type Across, type OnSide } from '../domain/epochs.ts';
import type { Cluster, LogEnds, TopicPartition } from '../domain/ports.ts';
import { tpKey } from '../domain/ports.ts';
import { merged, served, type Window } from '../domain/windows.ts';

/** Known pairs further apart are not read as a whole: only what counting really needs. */
const widest = 4_096n;
/** A broker sends more than is asked for anyway: pieces so near to each other are read as one. */
const nearby = 1_024n;
const wavesAtOnce = 3;
/** Of both sides together: bounds what a wave holds in memory, however many partitions and groups there are. */
const waveRecords = 30_000n;

export type Windows = Readonly<Record<Side, readonly Window[]>>;
/** A question with what is in memory of its partition. */
export interface Question<K> { readonly key: K; readonly of: TopicPartition; readonly across: Across; readonly tails: Windows }
interface Piece { readonly side: Side; readonly from: bigint; readonly to: bigint }
/** Questions of one partition whose surroundings are read together. */
interface Neighbours<K> { readonly of: TopicPartition; readonly pieces: Map<Side, Piece>; readonly asked: Question<K>[] }

/** Calls `ask` for every question, with a reader that has its surroundings in memory. */
export async function inSurroundings<K>(clusters: Readonly<Record<Side, Cluster>>, questions: readonly Question<K>[], ask: (questions: readonly { readonly question: Question<K>; readonly read: OnSide }[]) => Promise<void>): Promise<void> {
  const lone: Question<K>[] = [];
  const far = new Map<string, Neighbours<K>[]>();
  for (const [place, same] of Map.groupBy(questions, (q) => `${tpKey(q.of)} ${q.across.position}`)) {
    const one = same[0];
    if (!one) continue;
    const pieces = piecesFor(one.across, widest);
    if (pieces.length === 0 || pieces.every((p) => one.tails[p.side].some((w) => w.from <= p.from && p.to <= w.to))) lone.push(...same);
    else gather(far, tpKey(one.of), { pieces, same, place });
  }
  const waves = wavesOf([...far.values()]);
  const readerFor = (q: Question<K>, more: Windows | null): OnSide =>
    served({ source: merged([...q.tails.source, ...(more?.source ?? [])]), target: merged([...q.tails.target, ...(more?.target ?? [])]) },
      (side, from, to) => clusters[side].records.range({ topic: q.of.topic, partition: q.of.partition, from, to }));
  // One reader for all questions of a partition, which have the same tails, and of a neighbourhood.
  const near = new Map<Windows, OnSide>();
  const readerNear = (q: Question<K>): OnSide => near.get(q.tails) ?? near.set(q.tails, readerFor(q, null)).get(q.tails) ?? readerFor(q, null);
  const lane = async (): Promise<void> => {
    for (let wave = waves.shift(); wave; wave = waves.shift()) {
      const [source, target] = await Promise.all([readPieces(clusters.source, wave, 'source'), readPieces(clusters.target, wave, 'target')]);
      await ask(wave.flatMap((c) => {
        const [one] = c.asked;
        const read = one && readerFor(one, { source: source.get(tpKey(c.of)) ?? [], target: target.get(tpKey(c.of)) ?? [] });
        return read ? c.asked.map((question) => ({ question, read })) : [];
      }));
    }
  };
  await Promise.all([ask(lone.map((question) => ({ question, read: readerNear(question) }))), ...Array.from({ length: wavesAtOnce }, lane)]);
}

/** A partition is in a wave once; what a wave holds together is bounded. */
function wavesOf<K>(partitions: readonly (readonly Neighbours<K>[])[]): Neighbours<K>[][] {
  const waves: Neighbours<K>[][] = [];
  const most = partitions.reduce((n, c) => Math.max(n, c.length), 0);
  for (let i = 0; i < most; i++) {
    let [held, wave] = [0n, [] as Neighbours<K>[]];
    for (const c of partitions.flatMap((all) => all[i] ?? [])) {
      const records = [...c.pieces.values()].reduce((n, p) => n + p.to - p.from, 0n);
      if (wave.length > 0 && held + records > waveRecords) { waves.push(wave); [held, wave] = [0n, []]; }
      held += records;
      wave.push(c);
    }
    waves.push(wave);
  }
  return waves;
}

/** Into a neighbour whose surroundings overlap, or a new one. */
function gather<K>(far: Map<string, Neighbours<K>[]>, key: string, o: { readonly pieces: readonly Piece[]; readonly same: readonly Question<K>[]; readonly place: string }): void {
  const of = o.same[0]?.of;
  if (!of) return;
  const all = far.get(key) ?? far.set(key, []).get(key) ?? [];
  const union = (a: Piece | undefined, b: Piece): Piece => (a ? { side: b.side, from: a.from < b.from ? a.from : b.from, to: a.to > b.to ? a.to : b.to } : b);
  const near = all.find((c) => o.pieces.every((p) => { const known = c.pieces.get(p.side); const u = union(known, p); return known !== undefined && p.from <= known.to + nearby && known.from <= p.to + nearby && u.to - u.from <= widest; }));
  const into = near ?? { of, pieces: new Map<Side, Piece>(), asked: [] };
  if (!near) all.push(into);
  for (const p of o.pieces) into.pieces.set(p.side, union(into.pieces.get(p.side), p));
  into.asked.push(...o.same);
}

/** Whole pieces of many partitions: the last so many records below an end, where there are at most so many. */
async function readPieces<K>(cluster: Cluster, wave: readonly Neighbours<K>[], side: Side): Promise<ReadonlyMap<string, readonly Window[]>> {
  const pieces = wave.flatMap((c) => { const p = c.pieces.get(side); return p ? [{ of: c.of, p }] : []; });
  if (pieces.length === 0) return new Map();
  const count = Math.max(...pieces.map(({ p }) => Number(p.to - p.from)));
  const records = await cluster.records.tails(pieces.map(({ of, p }): LogEnds => ({ topic: of.topic, partition: of.partition, logStart: p.from, lso: p.to, hw: p.to })), count);
  return new Map(pieces.map(({ of, p }) => [tpKey(of), [{ from: p.from, to: p.to, records: records.get(tpKey(of)) ?? [] }]]));
}
