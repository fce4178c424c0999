/** How a rehearsal went: each outage with what it was made of, go or no-go with reasons, and how the real hold tells it. */
import { cutSets, type CutSet } from './cutsets.ts';
import type { Migration } from './migration.ts';
import type { OutageRecord, StepTime } from './progress.ts';
import { fingerprintOf, inRealWords, type Rehearsal } from './rehearsal.ts';

/** One outage, in names of the real migration, ms. */
export interface RehearsedCut {
  readonly name: string;
  readonly topics: readonly string[];
  readonly outcome: 'opened' | 'undone';
  readonly why: string;
  /** From the first stop to the moment the first writer is told to start: what the budget less the undo reserve must hold. */
  readonly wholeMs: number;
  readonly allowedMs: number;
  /** How long the stand-ins took to stop: the real ones take their own time. */
  readonly stopMs: number;
  /** What it was made of; and `start`, which comes after it: telling them to. */
  readonly parts: readonly (readonly [name: string, ms: number])[];
  /** From the last record acknowledged on the source to the first on the target, as the stand-ins saw it; `null`: too little was written to tell. */
  readonly silentMs: number | null;
}
export interface Rehearsed {
  readonly version: 1;
  readonly scheme: string;
  /** Epoch ms of its end. */
  readonly atMs: number;
  readonly of: string;
  readonly verdict: 'go' | 'no-go';
  /** Why not; empty when it is a go. */
  readonly reasons: readonly string[];
  readonly cuts: readonly RehearsedCut[];
  /** Where the shadows were not like the real ones, or what an operator will be asked. */
  readonly notes: readonly string[];
}
/** What was seen of it: how the shadow migration ended, with its outages, and what the stand-ins measured per cut set. */
export interface Seen {
  readonly outcome: 'completed' | 'rolled-back' | 'unfinished';
  readonly outages: readonly OutageRecord[];
  readonly silentMs: Readonly<Record<string, number | null>>;
  /** What went wrong, in the words of the shadow migration. */
  readonly failed: readonly string[];
  readonly notes: readonly string[];
  readonly atMs: number;
}

/** A step belongs to the first that fits its name. */
const kinds: readonly (readonly [part: string, names: RegExp])[] = [
  ['stop', /^stop /], ['positions', /positions/], ['silence', /^silence/], ['cut', /^(mark|confirm) the cut|^record the opening/],
  ['drain', /^drain|^confirm that nothing is left|^wait until/], ['fences', /fence|reading|read on/], ['gone', /^confirm that|^clear/],
];
const kindOf = (step: StepTime): string => kinds.find(([, names]) => names.test(step.name))?.[0] ?? 'other';

const wholeOf = (o: OutageRecord): number => ((o.outcome === 'opened' ? o.steps.at(-1)?.fromMs : undefined) ?? o.endedMs) - o.startedMs;

function partsOf(o: OutageRecord): RehearsedCut['parts'] {
  const closing = o.outcome === 'opened' ? o.steps.slice(0, -1) : o.steps;
  const opening = o.outcome === 'opened' ? o.steps.slice(-1) : [];
  const spent = new Map<string, number>();
  for (const s of closing) spent.set(kindOf(s), (spent.get(kindOf(s)) ?? 0) + Math.max(0, s.toMs - s.fromMs));
  const busy = [...spent.values()].reduce((a, b) => a + b, 0);
  const all = [...spent, ['Temporal', Math.max(0, wholeOf(o) - busy)] as const, ...opening.map((s) => ['start', s.toMs - s.fromMs] as const)];
  return all.map(([name, ms]) => [name, Math.round(ms)] as const).filter(([, ms]) => ms > 0);
}

const cutOf = (sets: readonly CutSet[], o: OutageRecord): CutSet | undefined => sets.find((s) => o.name === `cut ${s.name}/outage`);

export function rehearsedOf(r: Rehearsal, seen: Seen): Rehearsed {
  const sets = cutSets(r.migration);
  const allowedMs = r.migration.outage.budgetMs - r.migration.outage.undoReserveMs;
  const cuts = seen.outages.flatMap((o): RehearsedCut[] => {
    const set = cutOf(sets, o);
    if (set === undefined) return [];
    const parts = partsOf(o);
    return [{
      name: inRealWords(r, set.name), topics: set.topics.map((t) => inRealWords(r, t)), outcome: o.outcome, why: inRealWords(r, o.why), wholeMs: Math.round(wholeOf(o)), allowedMs,
      stopMs: parts.find(([name]) => name === 'stop')?.[1] ?? 0, parts, silentMs: seen.silentMs[set.name] ?? null,
    }];
  });
  const missing = sets.filter((s) => !seen.outages.some((o) => o.outcome === 'opened' && cutOf(sets, o) === s)).map((s) => inRealWords(r, s.name));
  const reasons = [
    ...seen.failed.map((f) => inRealWords(r, f)),
    ...cuts.filter((c) => c.outcome === 'undone').map((c) => `the outage of ${c.name} undid itself: ${c.why}`),
    ...cuts.filter((c) => c.outcome === 'opened' && c.wholeMs > c.allowedMs).map((c) => `the outage of ${c.name} took ${grouped(c.wholeMs)} ms of the ${grouped(c.allowedMs)} ms that the budget leaves.`),
    ...(missing.length > 0 ? [`not cut: ${missing.join(', ')}.`] : []),
    ...(seen.outcome === 'completed' || seen.failed.length > 0 ? [] : [`the shadow migration ended ${seen.outcome}.`]),
  ];
  return { version: 1, scheme: r.scheme, atMs: seen.atMs, of: fingerprintOf(r.real), verdict: reasons.length === 0 ? 'go' : 'no-go', reasons: [...new Set(reasons)], cuts, notes: seen.notes.map((n) => inRealWords(r, n)) };
}

const grouped = (ms: number): string => Math.round(ms).toLocaleString('en-US');
export const partsText = (c: RehearsedCut): string => c.parts.map(([name, ms]) => `${name} ${grouped(ms)}`).join(', ');

/** `3 h ago`: the largest unit that fits. */
export function agoText(ms: number): string {
  const units = [['day', 86_400_000], ['h', 3_600_000], ['min', 60_000]] as const;
  const [unit, size] = units.find(([, one]) => ms >= one) ?? ['s', 1_000];
  const n = Math.max(0, Math.floor(ms / size));
  return `${n} ${unit}${unit === 'day' && n !== 1 ? 's' : ''} ago`;
}

/** `null`: not one of ours, or of another version. */
export function parseRehearsed(text: string): Rehearsed | null {
  try {
    const value = JSON.parse(text) as Rehearsed | null;
    return value?.version === 1 ? value : null;
  } catch {
    return null;
  }
}

/** What the hold before a cut tells. `stopMs`: of the real applications, as it took before; `null`: never seen. Figures only: nothing is let through by them. */
export function rehearsedFigures(kept: Rehearsed | null, at: { readonly m: Migration; readonly set: CutSet; readonly allowedMs: number; readonly stopMs: number | null; readonly nowMs: number }): readonly string[] {
  if (kept === null) return ['not rehearsed: cutover rehearse measures this outage on shadow topics'];
  const head = `rehearsed at ${new Date(kept.atMs).toISOString()} (${agoText(at.nowMs - kept.atMs)}) as ${kept.scheme}, ${kept.verdict}`;
  const changed = kept.of === fingerprintOf(at.m) ? '' : '; the migration has changed since';
  const reasons = kept.reasons.map((r) => `rehearsal, no-go: ${r}`);
  const cut = kept.cuts.findLast((c) => c.topics.join() === at.set.topics.join());
  if (cut === undefined) return [`${head}: this cut was not reached${changed}`, ...reasons];
  const told = `${head}: ${grouped(cut.wholeMs)} ms of ${grouped(at.allowedMs)} ms (${partsText(cut)})${cut.outcome === 'undone' ? ', undone' : ''}${changed}`;
  const real = at.stopMs === null ? `the stand-ins stopped in ${grouped(cut.stopMs)} ms, the real stop has not been measured yet`
    : `forecast from the rehearsal: ${grouped(cut.wholeMs - cut.stopMs + at.stopMs)} ms, with the stop as it took before (${grouped(at.stopMs)} ms) in place of the stand-ins' (${grouped(cut.stopMs)} ms)`;
  return [told, real, ...reasons];
}
