/** Comparing two clusters: the activities of the workflow `verify`, and the step by which a scheme knows its mirror faithful. */
import { otherSide, type Side } from '../domain/authority.ts';
import type { CutSet } from '../domain/cutsets.ts';
import { countsText, differenceText, differing, noCounts } from '../domain/diff/difference.ts';
import type { Comparer } from '../domain/diff/port.ts';
import { Failure } from '../domain/failures.ts';
import type { Migration } from '../domain/migration.ts';
import { expand } from '../domain/topic-names.ts';
import { tpKey, type Anchor, type Ports } from '../domain/ports.ts';
import { sumOf, type PartitionResult, type Verification, type VerifyResult } from '../domain/verification.ts';
import { boundary, type At, type BoundaryOptions } from './boundary.ts';
import { countsOf, figuresOf, isSettled, keptOf, planOf, takeTurn, worst, type Kept, type Planned } from './comparing.ts';
import { findMirror } from './connect.ts';
import { standingMark } from './cut.ts';
import { createRecord, entry, type LedgerBook } from './ledger.ts';
import { magnitude, type Glance } from './looking.ts';
import { clusterOf, count, list, refuse } from './outside.ts';
import type { LookAsk } from './work.ts';
import type { VerifyAsk, VerifyTurn, VerifyWork } from './verify-work.ts';

const unlimited = { bytesPerSecond: null, recordsPerSecond: null };
/** A ledger entry holds the plan of so many partitions. */
const planChunk = 1_000;
/** Of a result that would not fit into one answer of Temporal. */
const mostPartitions = 1_000;

export function createVerify(ports: Ports, options: BoundaryOptions & { readonly comparer: Comparer }): VerifyWork {
  const enclose = boundary(options);
  const record = createRecord(ports);
  return {
    verifyPlan: (x) => enclose('verifyPlan', {}, 'read', async (at) => {
      const plan = await planned(ports, record, x, at);
      return { topics: [...new Set(plan.map((p) => p.topic))], partitions: plan.length };
    }),
    verifyTurn: (x) => enclose('verifyTurn', {}, 'read', (at) => turn(ports, { record, comparer: options.comparer }, x, at)),
    verifyResult: (x) => enclose('verifyResult', {}, 'read', (at) => result(ports, record, x, at)),
  };
}

const planPrefix = (run: string): string => `${run}/verify-plan/`;

/** The plan of this run: as the ledger has it, or made now. */
async function planned(ports: Ports, record: LedgerBook, x: VerifyAsk, at: At): Promise<readonly Planned[]> {
  const kept = await record.read(x.v, planPrefix(x.run));
  const size = kept.get(`${planPrefix(x.run)}size`);
  if (size !== undefined) return Array.from({ length: Number(size) }, (_, i) => JSON.parse(kept.get(`${planPrefix(x.run)}${i}`) ?? '[]') as Planned[]).flat();
  const plan = await freshPlan(ports, x.v);
  const chunks = Array.from({ length: Math.ceil(plan.length / planChunk) }, (_, i) => entry(`${planPrefix(x.run)}${i}`, plan.slice(i * planChunk, (i + 1) * planChunk)));
  // The size last: a plan exists when all of it does.
  await record.write(x.v, [...chunks, entry(`${planPrefix(x.run)}size`, chunks.length)], 'one', at);
  return plan;
}

async function freshPlan(ports: Ports, v: Verification, topics?: readonly string[]): Promise<readonly Planned[]> {
  const [origin, copy] = [ports.cluster(v.source), ports.cluster(v.target)];
  if (topics !== undefined) return planOf(origin, copy, topics);
  const { names, unmatched } = expand(v.topics, (await origin.topics('all')).map((t) => t.name));
  refuse('The verification', unmatched.map((pattern) => ({ type: 'BadMigration', text: `topics: ${pattern} matches no topic of cluster ${v.source}` })), 'Correct the topics and start it again.');
  return planOf(origin, copy, names);
}

async function turn(ports: Ports, by: { readonly record: LedgerBook; readonly comparer: Comparer }, x: VerifyAsk & { readonly ends: 'planned' | 'now'; readonly turnMs: number }, at: At): Promise<VerifyTurn> {
  const frozen = await planned(ports, by.record, x, at);
  const plan = x.ends === 'planned' ? frozen : await freshPlan(ports, x.v, [...new Set(frozen.map((p) => p.topic))]);
  const kept = await keptOf(by.record, x.v, { run: x.run, plan });
  const fromMs = at.now();
  await takeTurn(by.comparer, by.record, { ...askOf(x), plan, kept, turnMs: x.turnMs, horizon: x.ends === 'planned' ? 'closed' : 'open', anchors: async () => new Map<string, readonly Anchor[]>() }, at);
  const counts = sumOf([...kept.values()].map((k) => countsOf(k)));
  const figures = figuresOf(plan, kept);
  const settled = plan.every((p) => isSettled(p, kept.get(tpKey(p))));
  return { settled, ...figures, partitions: plan.length, counts, tookMs: at.now() - fromMs, say: `${figures.done} of ${figures.total} offsets compared on ${count(plan.length, 'partition')}: ${countsText(counts)}.` };
}
const askOf = (x: VerifyAsk) => ({ m: x.v, run: x.run, clusters: { origin: x.v.source, copy: x.v.target }, rate: x.v.rate, cap: x.v.cap });

async function result(ports: Ports, record: LedgerBook, x: VerifyAsk, at: At): Promise<VerifyResult> {
  const plan = await planned(ports, record, x, at);
  const kept = await keptOf(record, x.v, { run: x.run, plan });
  const all = plan.map((p) => partitionResult(p, kept.get(tpKey(p))));
  const counts = sumOf(all.map((p) => p.counts));
  const differences = plan.flatMap((p) => (kept.get(tpKey(p))?.differences ?? []).map((d) => ({ partition: tpKey(p), ...d })));
  const [n, complete] = [differing(counts), all.every((p) => (x.v.live === 'once' ? p.hash !== null : p.to !== null))];
  const shown = [...all].sort((a, b) => differing(b.counts) - differing(a.counts)).slice(0, mostPartitions).sort((a, b) => plan.findIndex((p) => tpKey(p) === a.partition) - plan.findIndex((p) => tpKey(p) === b.partition));
  const unaligned = all.filter((p) => p.beginning === 'unaligned').length;
  const say = `${count(counts.matched, 'record')} on ${count(all.length, 'partition')} compared: ${countsText(counts)}${counts.keys > 0 ? `; ${count(counts.keys, 'key')} by last value` : ''}${counts.unread > 0 ? `; ${count(counts.unread, 'record')} deleted before they could be compared` : ''}${unaligned > 0 ? `; ${count(unaligned, 'partition')} with no common run of records` : ''}${complete ? '' : '; not compared to the end'}.`;
  const final: VerifyResult = {
    same: complete && n === 0, say, run: x.run, source: x.v.source, target: x.v.target, counts, partitions: shown, partitionsOmitted: all.length - shown.length,
    differences: differences.slice(0, x.v.cap), listed: differences.length === n ? 'all' : 'up-to-cap',
  };
  await record.write(x.v, [entry(`${x.run}/verify-final`, { ...final, differences: [], partitions: [] })], 'one', at);
  return final;
}

function partitionResult(p: Planned, k: Kept | undefined): PartitionResult {
  return {
    partition: tpKey(p), counts: k?.state?.counts ?? noCounts, hash: k?.hash ?? null, from: k?.state?.from ?? null, to: k?.state?.at ?? null,
    beginning: k?.beginning?.how ?? 'unknown', skipped: k?.beginning?.skipped ?? { origin: 0, copy: 0 },
  };
}

/** A glance compares for so long before it says how far it is. */
const glanceMs = 2_000;
/** Differences named in a failure; all are in the ledger. */
const namedInFailure = 5;
const listedInLedger = 1_000;

export interface SameAsk { readonly sets: readonly CutSet[]; /** `now`: what has been copied by now. `cut`: everything up to the standing cuts. */ readonly upTo: 'now' | 'cut' }
export const sameness = (ports: Ports, record: LedgerBook, comparer: Comparer | undefined) => ({
  lookSame(x: LookAsk & SameAsk, at: At): () => Promise<Glance> {
    let plans: readonly Plan[] | null = null;
    return async () => {
      if (comparer === undefined) throw new Failure('Unsupported', 'This worker has no threads for the comparison of logs.', 'Start it with cutover worker.');
      plans ??= await plansOf(ports, record, x);
      const sum = { total: 0, done: 0, partitions: 0, open: 0, counts: noCounts };
      for (const { origin, plan, set } of plans) {
        const clusters = { origin: x.m[origin], copy: x.m[otherSide(origin)] };
        const kept = await keptOf(record, x.m, { run: x.c.run, plan });
        await takeTurn(comparer, record, { m: x.m, run: x.c.run, clusters, plan, kept, horizon: x.upTo === 'cut' ? 'closed' : 'open', rate: unlimited, cap: listedInLedger, turnMs: glanceMs, anchors: () => anchorsOf(ports, x, { set, toward: otherSide(origin) }) }, at);
        damaged(x.m, { origin, plan, kept });
        const figures = figuresOf(plan, kept);
        sum.total += figures.total;
        sum.done += figures.done;
        sum.partitions += plan.length;
        sum.open += plan.length - figures.partitionsDone;
        sum.counts = sumOf([sum.counts, ...plan.map((p) => countsOf(kept.get(tpKey(p))))]);
      }
      const done = sum.open === 0;
      const say = done ? `${count(sum.counts.matched, 'record')} on ${count(sum.partitions, 'partition')} are the same on both clusters${x.upTo === 'cut' ? ', up to the cut' : ', as far as they are copied'}.` : `${sum.done} of ${sum.total} offsets compared, ${count(sum.open, 'partition')} of ${sum.partitions} to go.`;
      return { done, say, state: magnitude(sum.total - sum.done), progress: String(sum.done), figures: { totalOffsets: sum.total, doneOffsets: sum.done, records: sum.counts.matched } };
    };
  },
});

interface Plan { readonly set: CutSet; readonly origin: Side; readonly plan: readonly Planned[] }
async function plansOf(ports: Ports, record: LedgerBook, x: LookAsk & SameAsk): Promise<readonly Plan[]> {
  return Promise.all(x.sets.map(async (set): Promise<Plan> => {
    const mark = await standingMark(record, { ...x, set });
    if (x.upTo === 'cut' && mark === null) throw new Failure('Drift', `The ledger has no standing cut of ${set.name}; wanted one to compare up to.`);
    // A cut moves authority to `to`: up to it the other side was the original. Without one nothing has moved yet.
    const origin: Side = mark === null ? 'source' : x.upTo === 'cut' ? otherSide(mark.to) : mark.to;
    const plan = await planOf(clusterOf(ports, x.m, origin), clusterOf(ports, x.m, otherSide(origin)), set.topics);
    if (x.upTo === 'now' || mark === null) return { set, origin, plan };
    const endOf = (side: Side, p: Planned): string => mark.ends[side][tpKey(p)]?.lso ?? '0';
    return { set, origin, plan: plan.map((p) => ({ ...p, ends: { origin: endOf(origin, p), copy: endOf(otherSide(origin), p) } })) };
  }));
}

async function anchorsOf(ports: Ports, x: LookAsk, of: { readonly set: CutSet; readonly toward: Side }): Promise<ReadonlyMap<string, readonly Anchor[]>> {
  const mirror = await findMirror(ports, { ...x, ...of });
  return mirror === null ? new Map<string, readonly Anchor[]>() : ports.mirrors.anchors(mirror);
}

function damaged(m: Migration, x: { readonly origin: Side; readonly plan: readonly Planned[]; readonly kept: ReadonlyMap<string, Kept> }): void {
  const bad = worst(x.plan, x.kept);
  if (bad.length === 0) return;
  const names = { origin: m[x.origin], copy: m[otherSide(x.origin)] };
  const first = bad.flatMap((p) => (x.kept.get(tpKey(p))?.differences ?? []).map((d) => `- ${differenceText(tpKey(p), d, names)}`)).slice(0, namedInFailure);
  const counts = sumOf(bad.map((p) => countsOf(x.kept.get(tpKey(p)))));
  throw new Failure('MirrorDamaged', `The copy of ${count(bad.length, 'partition')} (${list(bad.map((p) => tpKey(p)), 3)}) differs: ${countsText(counts)}.\n${first.join('\n')}\n`);
}
