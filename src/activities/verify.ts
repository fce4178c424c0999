/** Comparing two clusters: the activities of the workflow `verify`, and the step by which a scheme knows its mirror faithful. */
import { otherSide, type Side } from '../domain/authority.ts';
import type { CutSet } from '../domain/cutsets.ts';
import { countsText, differenceText, differing, noCounts, type Counts } from '../domain/diff/difference.ts';
import type { Comparer } from '../domain/diff/port.ts';
import { Failure } from '../domain/failures.ts';
import { expand } from '../domain/topic-names.ts';
import { tpKey, type Anchor, type Ports } from '../domain/ports.ts';
import { sumOf, type PartitionResult, type Verification, type VerifyResult } from '../domain/verification.ts';
import { boundary, type At, type BoundaryOptions } from './boundary.ts';
import { countsOf, figuresOf, firstLongestMs, isSettled, keptOf, longestOf, planOf, takeTurn, undecidedIn, undecidedText, worst, type Kept, type Planned } from './comparing.ts';
import { findMirror } from './connect.ts';
import { standingMark } from './cut.ts';
import { createRecord, entry, type LedgerBook } from './ledger.ts';
import { magnitude, type Glance } from './looking.ts';
import { clusterOf, count, list, refuse, unique } from './outside.ts';
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

async function turn(ports: Ports, by: { readonly record: LedgerBook; readonly comparer: Comparer }, x: Parameters<VerifyWork['verifyTurn']>[0], at: At): Promise<VerifyTurn> {
  const frozen = await planned(ports, by.record, x, at);
  const plan = x.ends === 'planned' ? frozen : await freshPlan(ports, x.v, [...new Set(frozen.map((p) => p.topic))]);
  const kept = await keptOf(by.record, x.v, { run: x.run, plan });
  const fromMs = at.now();
  const mostMs = x.longestMs ?? firstLongestMs;
  const horizon = x.ends === 'planned' ? 'closed' : 'open';
  const { moved } = await takeTurn(by.comparer, by.record, { ...askOf(x), plan, kept, turnMs: x.turnMs, longestMs: longestOf(plan, kept, mostMs), horizon, anchors: async () => new Map<string, readonly Anchor[]>() }, at);
  const open = plan.filter((p) => !isSettled(p, kept.get(tpKey(p)), horizon));
  if (!moved) refuseSilent(open, kept, 2 * Math.max(mostMs, firstLongestMs));
  const counts = sumOf([...kept.values()].map((k) => countsOf(k)));
  const figures = figuresOf(plan, kept, horizon);
  const undecided = undecidedIn(plan, kept).length;
  return { settled: open.length === 0, ...figures, partitions: plan.length, counts, moved, undecided, tookMs: at.now() - fromMs, say: `${figures.done} of ${figures.total} offsets compared on ${count(plan.length, 'partition')}: ${foundText(counts, undecidedText(plan, kept, namesOf(x.v)))}.` };
}
const askOf = (x: VerifyAsk) => ({ m: x.v, run: x.run, clusters: { origin: x.v.source, copy: x.v.target }, rate: x.v.rate, cap: x.v.cap });
const namesOf = (v: Verification) => ({ origin: v.source, copy: v.target });
/** Where something is undecided it is not said that nothing differs. */
const foundText = (counts: Counts, undecided: string): string => [...(undecided === '' || differing(counts) > 0 ? [countsText(counts)] : []), ...(undecided === '' ? [] : [undecided])].join('; ');

/** Nothing of it can be kept: what was not done in a turn of the longest kind will not be in the next one. */
function refuseSilent(open: readonly Planned[], kept: ReadonlyMap<string, Kept>, stillMs: number): void {
  const silent = open.filter((p) => (kept.get(tpKey(p))?.silentMs ?? 0) >= stillMs);
  if (silent.length > 0) throw new Failure('Unsupported', `Comparing ${list(silent.map((p) => tpKey(p)), 5)} came to nothing within ${stillMs / 60_000} min: where it begins, or the keys of a compacted log, must be found within half of that.`, 'Raise the rate, or leave the topic out of the comparison.');
}

async function result(ports: Ports, record: LedgerBook, x: VerifyAsk, at: At): Promise<VerifyResult> {
  const plan = await planned(ports, record, x, at);
  const kept = await keptOf(record, x.v, { run: x.run, plan });
  const all = plan.map((p) => partitionResult(p, kept.get(tpKey(p))));
  const counts = sumOf(all.map((p) => p.counts));
  const differences = plan.flatMap((p) => (kept.get(tpKey(p))?.differences ?? []).map((d) => ({ partition: tpKey(p), ...d })));
  const [n, complete] = [differing(counts), all.every((p) => (x.v.live === 'once' ? p.hash !== null : p.to !== null))];
  const undecided = undecidedText(plan, kept, namesOf(x.v));
  const shown = [...all].sort((a, b) => differing(b.counts) - differing(a.counts)).slice(0, mostPartitions).sort((a, b) => plan.findIndex((p) => tpKey(p) === a.partition) - plan.findIndex((p) => tpKey(p) === b.partition));
  const unaligned = all.filter((p) => p.beginning === 'unaligned').length;
  const say = `${count(counts.matched, 'record')} on ${count(all.length, 'partition')} compared: ${foundText(counts, undecided)}${counts.keys > 0 ? `; ${count(counts.keys, 'key')} by last value` : ''}${counts.unread > 0 ? `; ${count(counts.unread, 'record')} deleted before they could be compared` : ''}${unaligned > 0 ? `; ${count(unaligned, 'partition')} with no common run of records` : ''}${complete ? '' : '; not compared to the end'}.`;
  const final: VerifyResult = {
    same: complete && n === 0 && undecided === '', say, run: x.run, source: x.v.source, target: x.v.target, counts, partitions: shown, partitionsOmitted: all.length - shown.length,
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
/** A call of this kind may take 20 minutes; whatever has not got on by then ends with it. */
const lookMs = 18 * 60_000;
/** So long nothing may come of it at all: then at least one call was spent on nothing else. */
const stillMs = 2 * lookMs;
/** How long a look rests where all that is left cannot be told: another look costs the reading of its records. */
const restMs = 1_500;
/** Differences named in a failure; all are in the ledger. */
const namedInFailure = 5;
const listedInLedger = 1_000;

export interface SameAsk { readonly sets: readonly CutSet[]; /** `now`: what has been copied by now. `cut`: everything up to the standing cuts. */ readonly upTo: 'now' | 'cut' }
const horizonOf = (x: SameAsk) => (x.upTo === 'cut' ? 'closed' : 'open');
type Sides = Readonly<Record<'origin' | 'copy', string>>;
/** Sets whose original is on the same side: compared together, so that no set waits for another one. */
interface Plan { readonly origin: Side; readonly sets: readonly CutSet[]; readonly plan: readonly Planned[] }
interface Seen extends Plan { readonly names: Sides; readonly kept: ReadonlyMap<string, Kept> }

export const sameness = (ports: Ports, record: LedgerBook, comparer: Comparer | undefined) => ({
  lookSame(x: LookAsk & SameAsk, at: At): () => Promise<Glance> {
    const endMs = at.now() + lookMs;
    let plans: readonly Plan[] | null = null;
    let last: { readonly glance: Glance; readonly restsUntilMs: number } | null = null;
    return async () => {
      if (comparer === undefined) throw new Failure('Unsupported', 'This worker has no threads for the comparison of logs.', 'Start it with cutover worker.');
      if (last !== null && at.now() < last.restsUntilMs) return last.glance;
      plans ??= await plansOf(ports, record, x);
      const seen: Seen[] = [];
      for (const plan of plans) {
        // The first picture is there soon, whatever has not got on by then.
        const leaveMs = last === null && x.c.before === null ? at.now() + glanceMs : endMs;
        seen.push(await compared({ ports, record, comparer }, x, { ...plan, endMs: x.c.untilMs ?? leaveMs }, at));
      }
      plans = await Promise.all(seen.map((s) => movedOn(ports, x, s)));
      const glance = glanceOf(x, seen, plans);
      const rests = seen.every((s) => s.plan.every((p) => isSettled(p, s.kept.get(tpKey(p)), horizonOf(x))));
      last = { glance, restsUntilMs: rests ? at.now() + restMs : 0 };
      return glance;
    };
  },
});

async function compared(by: { readonly ports: Ports; readonly record: LedgerBook; readonly comparer: Comparer }, x: LookAsk & SameAsk, of: Plan & { readonly endMs: number }, at: At): Promise<Seen> {
  const names = { origin: x.m[of.origin], copy: x.m[otherSide(of.origin)] };
  const kept = await keptOf(by.record, x.m, { run: x.c.run, plan: of.plan });
  const leftMs = of.endMs - at.now();
  const longestMs = x.c.untilMs === null ? longestOf(of.plan, kept, leftMs) : leftMs;
  const anchors = async (headless: readonly Planned[]): Promise<ReadonlyMap<string, readonly Anchor[]>> => {
    const sets = of.sets.filter((set) => headless.some((p) => set.topics.includes(p.topic)));
    return new Map((await Promise.all(sets.map((set) => anchorsOf(by.ports, x, { set, toward: otherSide(of.origin) })))).flatMap((one) => [...one]));
  };
  await takeTurn(by.comparer, by.record, { m: x.m, run: x.c.run, clusters: names, plan: of.plan, kept, horizon: horizonOf(x), rate: unlimited, cap: listedInLedger, turnMs: glanceMs, longestMs, anchors }, at);
  refuseDamaged({ names, plan: of.plan, kept });
  return { origin: of.origin, sets: of.sets, plan: of.plan, names, kept };
}

/** What could not be told is looked at again as its logs move; all else stays as it was when this look began. */
async function movedOn(ports: Ports, x: LookAsk, s: Seen): Promise<Plan> {
  const undecided = undecidedIn(s.plan, s.kept);
  if (undecided.length === 0) return s;
  const again = new Set(undecided.map((p) => tpKey(p)));
  const now = await planOf(clusterOf(ports, x.m, s.origin), clusterOf(ports, x.m, otherSide(s.origin)), unique(undecided.map((p) => p.topic)));
  const fresh = new Map(now.map((p) => [tpKey(p), p]));
  return { origin: s.origin, sets: s.sets, plan: s.plan.map((p) => (again.has(tpKey(p)) ? fresh.get(tpKey(p)) ?? p : p)) };
}

function glanceOf(x: LookAsk & SameAsk, seen: readonly Seen[], next: readonly Plan[]): Glance {
  const sum = { total: 0, done: 0, partitions: 0, open: 0, counts: noCounts };
  for (const { plan, kept } of seen) {
    const figures = figuresOf(plan, kept, horizonOf(x));
    sum.total += figures.total;
    sum.done += figures.done;
    sum.partitions += plan.length;
    sum.open += plan.length - figures.partitionsDone;
    sum.counts = sumOf([sum.counts, ...plan.map((p) => countsOf(kept.get(tpKey(p))))]);
  }
  const figures = { totalOffsets: sum.total, doneOffsets: sum.done, records: sum.counts.matched };
  if (sum.open === 0) return { done: true, say: `${count(sum.counts.matched, 'record')} on ${count(sum.partitions, 'partition')} are the same on both clusters${x.upTo === 'cut' ? ', up to the cut' : ', as far as they are copied'}.`, state: '0', progress: String(sum.done), figures };
  const parted = seen.map((s) => undecidedText(s.plan, s.kept, s.names)).filter((text) => text !== '').join('; ');
  const say = `${sum.done} of ${sum.total} offsets compared, ${count(sum.open, 'partition')} of ${sum.partitions} to go${parted === '' ? '' : `; ${parted}`}.`;
  const { stuckMs } = x.c.limits;
  if (parted === '') {
    const ms = Math.max(stuckMs, stillMs);
    const failure = (): Failure => new Failure('Unsupported', `Comparing both clusters came to nothing within ${ms} ms: ${say} Where comparing begins, or the keys of a compacted log, must be found within ${lookMs} ms.`, 'Retry, or roll back and leave the topic out of the migration.');
    return { done: false, say, state: magnitude(sum.total - sum.done), progress: `${sum.done} ${sum.open}`, figures, patience: { ms, failure } };
  }
  const failure = (): Failure => new Failure('MirrorDamaged', `The copy is not the same, and nothing has come for ${stuckMs} ms that would tell what differs: ${parted}.`);
  return { done: false, say, ...standing(seen, next), figures, patience: { ms: stuckMs, failure } };
}

/**
 * Whether it is time to give up depends on what is undecided, not on what else is compared meanwhile. A faithful copy of a log that is
 * not compacted is never undecided: it is what the original begins with, for its ends are read first. That of a compacted log may
 * be, while both are written to and cleaned; only where neither goes on any more will nothing else come.
 */
function standing(seen: readonly Seen[], next: readonly Plan[]): Pick<Glance, 'state' | 'progress'> {
  const ends = new Map(next.flatMap((n) => n.plan.map((p) => [`${n.origin} ${tpKey(p)}`, p.ends] as const)));
  const all = seen.flatMap((s) => undecidedIn(s.plan, s.kept).map((p) => ({ p, at: s.kept.get(tpKey(p))?.state?.at ?? p.starts, ends: ends.get(`${s.origin} ${tpKey(p)}`) ?? p.ends })));
  const certain = all.filter(({ p }) => p.order === 'every-record');
  const waits = certain.length > 0 ? certain : all;
  const places = waits.flatMap(({ p, at, ends: end }) => [at.origin, at.copy, ...(p.order === 'by-key' ? [end.origin, end.copy] : [])]);
  return { state: `undecided ${list(waits.map(({ p }) => tpKey(p)), 3)}`, progress: `${waits.length} ${places.reduce((sum, n) => sum + BigInt(n), 0n)}` };
}

async function plansOf(ports: Ports, record: LedgerBook, x: LookAsk & SameAsk): Promise<readonly Plan[]> {
  const each = await Promise.all(x.sets.map(async (set): Promise<Plan> => {
    const mark = await standingMark(record, { ...x, set });
    if (x.upTo === 'cut' && mark === null) throw new Failure('Drift', `The ledger has no standing cut of ${set.name}; wanted one to compare up to.`);
    // A cut moves authority to `to`: up to it the other side was the original. Without one nothing has moved yet.
    const origin: Side = mark === null ? 'source' : x.upTo === 'cut' ? otherSide(mark.to) : mark.to;
    const plan = await planOf(clusterOf(ports, x.m, origin), clusterOf(ports, x.m, otherSide(origin)), set.topics);
    if (x.upTo === 'now' || mark === null) return { sets: [set], origin, plan };
    const endOf = (side: Side, p: Planned): string => mark.ends[side][tpKey(p)]?.lso ?? '0';
    return { sets: [set], origin, plan: plan.map((p) => ({ ...p, ends: { origin: endOf(origin, p), copy: endOf(otherSide(origin), p) } })) };
  }));
  return [...Map.groupBy(each, (one) => one.origin)].map(([origin, of]) => ({ origin, sets: of.flatMap((one) => one.sets), plan: of.flatMap((one) => one.plan) }));
}

async function anchorsOf(ports: Ports, x: LookAsk, of: { readonly set: CutSet; readonly toward: Side }): Promise<ReadonlyMap<string, readonly Anchor[]>> {
  const mirror = await findMirror(ports, { ...x, ...of });
  return mirror === null ? new Map<string, readonly Anchor[]>() : ports.mirrors.anchors(mirror);
}

function refuseDamaged(x: { readonly names: Sides; readonly plan: readonly Planned[]; readonly kept: ReadonlyMap<string, Kept> }): void {
  const bad = worst(x.plan, x.kept);
  if (bad.length === 0) return;
  const first = bad.flatMap((p) => (x.kept.get(tpKey(p))?.differences ?? []).map((d) => `- ${differenceText(tpKey(p), d, x.names)}`)).slice(0, namedInFailure);
  const counts = sumOf(bad.map((p) => countsOf(x.kept.get(tpKey(p)))));
  throw new Failure('MirrorDamaged', `The copy of ${count(bad.length, 'partition')} (${list(bad.map((p) => tpKey(p)), 3)}) differs: ${countsText(counts)}.\n${first.join('\n')}\n`);
}
