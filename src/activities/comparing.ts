/** Comparing partitions in turns: what is settled is in the ledger, so the next turn, on whatever worker, goes on from there. */
import type { Beginning } from '../domain/diff/begin.ts';
import { differing, noCounts, type Counts, type Difference, type DiffState } from '../domain/diff/difference.ts';
import type { Comparer, PartitionAsk, PartitionReport, Rate } from '../domain/diff/port.ts';
import { Failure } from '../domain/failures.ts';
import { tpKey, type Anchor, type Cluster, type LogEnds, type TopicFacts, type TopicPartition } from '../domain/ports.ts';
import type { At } from './boundary.ts';
import { entry, type LedgerBook } from './ledger.ts';
import { byKey, list, refuse, type Clusters, type Fault } from './outside.ts';

type Two<T> = { readonly origin: T; readonly copy: T };
/** One partition to compare. Offsets as text: it is kept in the ledger. */
export interface Planned extends TopicPartition {
  readonly starts: Two<string>;
  readonly ends: Two<string>;
  readonly order: PartitionAsk['order'];
  /** Topic ids: what was compared of an older topic of the same name says nothing. */
  readonly ids: Two<string>;
}
/** What the ledger holds of one partition. Stored data: change its shape only by adding. */
export interface Kept {
  readonly ids: Two<string>;
  readonly state: DiffState | null;
  readonly differences: readonly Difference[];
  readonly beginning: Pick<Beginning, 'how' | 'skipped'> | null;
  /** The ends up to which nothing is left to compare; `null`: not there yet. */
  readonly settled: Two<string> | null;
  readonly hash: string | null;
}
export const nothingKept = (p: Planned): Kept => ({ ids: p.ids, state: null, differences: [], beginning: null, settled: null, hash: null });
export const keptKey = (run: string, tp: TopicPartition): string => `${run}/verify/${tpKey(tp)}`;
export const countsOf = (k: Kept | undefined): Counts => k?.state?.counts ?? noCounts;

/** The copy's ends are read first: what arrives in between is then not copied yet, never extra. */
export async function planOf(origin: Cluster, copy: Cluster, topics: readonly string[]): Promise<readonly Planned[]> {
  const [here, there] = await Promise.all([origin.topics(topics), copy.topics(topics)]);
  refuse(`Comparing ${origin.name} with ${copy.name}`, shapeFaults(topics, { origin: here, copy: there, names: { origin: origin.name, copy: copy.name } }), 'Bring both clusters in line, or leave the topic out; then try again.');
  const copyEnds = byKey(await copy.ends(topics));
  const originEnds = await origin.ends(topics);
  const facts = (all: readonly TopicFacts[]): ReadonlyMap<string, TopicFacts> => new Map(all.map((t) => [t.name, t]));
  const [a, b] = [facts(here), facts(there)];
  const compacted = (t: TopicFacts | undefined): boolean => (t?.configs['cleanup.policy']?.value ?? '').split(',').includes('compact');
  return [...originEnds].sort((x, y) => (x.topic === y.topic ? x.partition - y.partition : x.topic < y.topic ? -1 : 1)).map((end): Planned => {
    const other = copyEnds.get(tpKey(end));
    if (other === undefined) throw new Failure('Drift', `Cluster ${copy.name} has no partition ${tpKey(end)}.`);
    const [x, y] = [a.get(end.topic), b.get(end.topic)];
    return { topic: end.topic, partition: end.partition, starts: places(end, other, 'logStart'), ends: places(end, other, 'lso'), ids: { origin: x?.id ?? '', copy: y?.id ?? '' }, order: compacted(x) || compacted(y) ? 'by-key' : 'every-record' };
  });
}
const places = (origin: LogEnds, copy: LogEnds, which: 'logStart' | 'lso'): Two<string> => ({ origin: String(origin[which]), copy: String(copy[which]) });

function shapeFaults(topics: readonly string[], of: Two<readonly TopicFacts[]> & { readonly names: Two<string> }): readonly Fault[] {
  return topics.flatMap((topic): readonly Fault[] => {
    const [a, b] = [of.origin.find((t) => t.name === topic), of.copy.find((t) => t.name === topic)];
    if (!a || !b) return [{ type: 'Drift', text: `topic ${topic} does not exist on cluster ${a ? of.names.copy : of.names.origin}` }];
    return a.partitions === b.partitions ? [] : [{ type: 'Drift', text: `topic ${topic} has ${a.partitions} partitions on ${of.names.origin} and ${b.partitions} on ${of.names.copy}` }];
  });
}

/** Newest of the two ledgers: the one that is further. */
const further = (a: string, b: string): string => (Number(atOf(b)) > Number(atOf(a)) ? b : a);
const atOf = (value: string): string => (JSON.parse(value) as Partial<Kept>).state?.at.origin ?? '-1';

export async function keptOf(record: LedgerBook, m: Clusters, of: { readonly run: string; readonly plan: readonly Planned[] }): Promise<Map<string, Kept>> {
  const entries = await record.read(m, `${of.run}/verify/`, further);
  return new Map(of.plan.map((p) => {
    const found = entries.get(keptKey(of.run, p));
    const kept = found === undefined ? null : (JSON.parse(found) as Kept);
    return [tpKey(p), kept !== null && kept.ids.origin === p.ids.origin && kept.ids.copy === p.ids.copy ? kept : nothingKept(p)] as const;
  }));
}

const same = (a: Two<string> | null, b: Two<string>): boolean => a !== null && a.origin === b.origin && a.copy === b.copy;
export const isSettled = (p: Planned, k: Kept | undefined): boolean => same(k?.settled ?? null, p.ends);

export interface Turn {
  readonly m: Clusters;
  readonly run: string;
  /** Clusters by what they are to the comparison. */
  readonly clusters: Two<string>;
  readonly plan: readonly Planned[];
  readonly horizon: PartitionAsk['horizon'];
  readonly rate: Rate;
  readonly cap: number;
  readonly turnMs: number;
  /** Asked only for partitions whose heads are gone. */
  anchors(): Promise<ReadonlyMap<string, readonly Anchor[]>>;
}
/** How often what is settled is written to the ledger: so much work a crash can cost. */
const saveMs = 2_000;

/** Compares until all is settled or the turn is over; `kept` is brought up to date, here and in the ledger. */
export async function takeTurn(comparer: Comparer, record: LedgerBook, x: Turn & { readonly kept: Map<string, Kept> }, at: At): Promise<void> {
  const open = x.plan.filter((p) => !isSettled(p, x.kept.get(tpKey(p))));
  if (open.length === 0) return;
  const headless = open.some((p) => (x.kept.get(tpKey(p))?.state ?? null) === null && (p.starts.origin !== '0' || p.starts.copy !== '0'));
  const anchors = headless ? await x.anchors() : new Map<string, readonly Anchor[]>();
  let listed = [...x.kept.values()].reduce((n, k) => n + k.differences.length, 0);
  const dirty = new Map<string, Planned>();
  const planned = new Map(open.map((p) => [tpKey(p), p]));
  const told = (report: PartitionReport): void => {
    const [p, before] = [planned.get(report.key), x.kept.get(report.key)];
    if (p === undefined || before === undefined) return;
    // A beginning takes the place of all that was said before.
    const earlier = report.beginning === null ? before.differences : [];
    listed -= before.differences.length - earlier.length;
    const fresh = report.fresh.slice(0, Math.max(0, x.cap - listed));
    listed += fresh.length;
    x.kept.set(report.key, { ...before, state: report.state, hash: null, settled: null, differences: [...earlier, ...fresh], ...(report.beginning === null ? {} : { beginning: { how: report.beginning.how, skipped: report.beginning.skipped } }) });
    dirty.set(report.key, p);
  };
  const save = async (): Promise<void> => {
    const now = [...dirty.values()].map((p) => entry(keptKey(x.run, p), x.kept.get(tpKey(p))));
    dirty.clear();
    if (now.length > 0) await record.write(x.m, now, 'one', at);
  };
  const over = AbortSignal.timeout(x.turnMs);
  const call = comparer.compare({ clusters: x.clusters, rate: x.rate, partitions: open.map((p) => askOf(p, x, anchors, Math.max(0, x.cap - listed))) }, told, AbortSignal.any([over, at.until.signal]));
  const saving = (async () => { for (;;) { if (await Promise.race([call.then(() => true, () => true), at.pause(saveMs).then(() => false)])) return; await save(); } })();
  saving.catch(() => undefined); // a cancel while waiting; what the comparison says counts
  const ends = await call.catch(async (error: unknown) => {
    await save();
    throw error;
  });
  await saving;
  for (const end of ends) {
    const [p, before] = [planned.get(end.key), x.kept.get(end.key)];
    if (p === undefined || before === undefined || end.decided === 'stopped' || end.state === null) continue;
    x.kept.set(end.key, { ...before, state: end.state, settled: p.ends, hash: end.hash });
    dirty.set(end.key, p);
  }
  await save();
}

function askOf(p: Planned, x: Turn & { readonly kept: ReadonlyMap<string, Kept> }, anchors: ReadonlyMap<string, readonly Anchor[]>, left: number): PartitionAsk {
  const big = (two: Two<string>): Two<bigint> => ({ origin: BigInt(two.origin), copy: BigInt(two.copy) });
  return { topic: p.topic, partition: p.partition, starts: big(p.starts), ends: big(p.ends), horizon: x.horizon, order: p.order, state: x.kept.get(tpKey(p))?.state ?? null, anchors: anchors.get(tpKey(p)) ?? [], list: left };
}

/** Offsets of the origin, exact. */
export function figuresOf(plan: readonly Planned[], kept: ReadonlyMap<string, Kept>): { readonly total: number; readonly done: number; readonly partitionsDone: number } {
  let [total, done, partitionsDone] = [0, 0, 0];
  for (const p of plan) {
    const k = kept.get(tpKey(p));
    const from = Number(k?.state?.from.origin ?? p.starts.origin);
    const end = Number(p.ends.origin);
    const settled = isSettled(p, k);
    total += Math.max(0, end - from);
    done += settled ? Math.max(0, end - from) : Math.max(0, Math.min(end, Number(k?.state?.at.origin ?? from)) - from);
    if (settled) partitionsDone += 1;
  }
  return { total, done, partitionsDone };
}
export const worst = (plan: readonly Planned[], kept: ReadonlyMap<string, Kept>): readonly Planned[] => plan.filter((p) => differing(countsOf(kept.get(tpKey(p)))) > 0);
export const namesOf = (plan: readonly Planned[]): string => list(plan.map((p) => tpKey(p)), 5);
