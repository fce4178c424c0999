/** How a trial is judged: as at the start, or moved, and the books without a flaw. And faults that strike once. */
import assert from 'node:assert/strict';
import { offerOf } from '../../src/domain/offers.ts';
import { Failure } from '../../src/domain/failures.ts';
import { trial, type Trial, type TrialOptions } from '../fakes/runtime.ts';
import type { Reading } from '../../src/domain/migration.ts';
import { flawless, type Verdict } from '../fakes/world.ts';
import type { Fault } from '../fakes/world-work.ts';

export const lagging = { slow: { audit: 4, show: 3 } };

export function ended(t: Trial, situation: string): void {
  const told = `${situation}\n${t.journal.audit.slice(-25).join('\n')}\n${t.questions.join('\n')}\ncalls: ${t.activities.calls.slice(-20).join(' ')}`;
  const unordered = offerOf(t.journal.scheme, t.journal.migration)?.order === 'measured';
  assert.ok(flawless(unordered ? { ...beyondConsent(t), reordered: [] } : beyondConsent(t)), `${JSON.stringify(t.verdict)}\n${told}`);
  for (const o of t.journal.outages) if (o.outcome === 'undone') assert.ok(o.endedMs - o.startedMs < t.journal.migration.outage.budgetMs, `an undone outage took ${o.endedMs - o.startedMs} ms\n${told}`);
  if (t.outcome === 'rolled-back') { assert.deepEqual(t.end, t.start, told); return; }
  for (const [name, sides] of Object.entries(t.end.runs)) assert.deepEqual(sides, ['target'], `${name}: ${told}`);
  assert.deepEqual({ mirrors: t.end.mirrors, locks: t.end.locks, denied: t.end.denied, configs: t.end.configs.source }, { mirrors: [], locks: [], denied: { source: [], target: [] }, configs: t.start.configs.source }, told);
}
/** What was lost or repeated beyond what the groups' readers consented to, for each time that the target was opened. */
function beyondConsent(t: Trial): Verdict {
  const readings = t.journal.migration.applications.flatMap((a) => a.reads);
  const openings = t.journal.outages.filter((o) => o.outcome === 'opened' && !o.name.startsWith('back ')).length;
  const over = (told: readonly string[], most: (r: Reading | undefined) => number): readonly string[] =>
    told.filter((line) => { const [, group, n] = /^(.*)\|.*: (\d+)$/.exec(line) ?? []; return Number(n) > openings * most(readings.find((r) => r.group === group)); });
  return { ...t.verdict, lost: over(t.verdict.lost, (r) => r?.mayLose ?? 0), duplicated: over(t.verdict.duplicated, (r) => r?.mayRepeat ?? 0) };
}
/**
 * Everybody is back on the source without the target: what of it came back is read by every group, and no group reads more again
 * than was said. Answers how many records never came back.
 */
export function homeWithoutTarget(t: Trial, told: string): number {
  const { world: w, verdict: v } = t;
  for (const [name, sides] of Object.entries(t.end.runs)) assert.deepEqual(sides, ['source'], `${name}: ${told}`);
  assert.deepEqual({ mirrors: t.end.mirrors, locks: t.end.locks, denied: t.end.denied.source, cuts: t.end.cuts, configs: t.end.configs.source }, { mirrors: [], locks: [], denied: [], cuts: [], configs: t.start.configs.source }, told);
  if (w.m.blueGreen) assert.deepEqual([w.hooks.traffic, w.hooks.live], ['source', 'muted'], told);
  // Whoever reads again writes again: what is written by readers may repeat, and is no measure.
  const derived = new Set(w.m.applications.flatMap((a) => (a.reads.length > 0 ? a.writes : [])));
  const doubled = v.doubled.filter((text) => !derived.has(text.slice(0, text.lastIndexOf('/'))));
  const unordered = offerOf(t.journal.scheme, t.journal.migration)?.order === 'measured';
  assert.deepEqual([unordered ? [] : v.reordered, doubled, v.guessed, v.strandedGroups], [[], [], [], []], told);
  let missing = 0;
  for (const a of w.m.applications) for (const { group, topics } of a.reads) {
    let again = 0;
    for (const topic of topics) {
      const here = new Set(w.clusters.source.partitionsOf([topic]).flatMap((key) => w.clusters.source.log(key).ids()));
      const processed = (w.books.processed.get(`${group}|${topic}`) ?? []).map((r) => r.id);
      const seen = new Set(processed);
      const gone = [...w.books.produced.get(topic) ?? []].filter((id) => !seen.has(id));
      assert.deepEqual(gone.filter((id) => here.has(id)), [], `lost although it is on the source, ${group} ${topic}: ${told}`);
      missing += gone.length;
      if (!derived.has(topic)) again += processed.length - seen.size;
    }
    assert.ok(again <= (w.again.get(group) ?? 0), `${group} read ${again} again, at most ${w.again.get(group) ?? 0} was said: ${told}`);
  }
  return missing;
}
/** Runs one migration and judges it. */
export async function go(situation: string, options: TrialOptions): Promise<Trial> {
  const t = await trial({ world: lagging, ...options }).catch((error: unknown) => { throw new Error(`${situation}: ${(error as Error).message}`, { cause: error }); });
  ended(t, situation);
  return t;
}

/** A migration in which nothing goes wrong is the same every time: run once, by the first who counts its calls, writes or questions. */
export function undisturbed(options: TrialOptions): () => Promise<Trial> {
  let run: Promise<Trial> | null = null;
  return () => (run ??= go('undisturbed', options));
}

/** Strikes once, at the n-th write (or call), or the first after it. */
export function once(at: number, fault: () => Fault | undefined): (name: string, n: number) => Fault | undefined {
  let struck = false;
  return (_name, n) => {
    if (struck || n < at) return undefined;
    struck = true;
    return fault();
  };
}
/** The activity is tried again by itself. */
export const lost = (): Fault => new Error('the connection was lost');
/** A person is asked. */
export const refused = (): Fault => new Failure('Drift', 'Something differs from what was wanted.');
export const upTo = (n: number): readonly number[] => Array.from({ length: n }, (_, i) => i + 1);
/**
 * Every so many of them, beginning anywhere: `npm run check` has a minute. `npm test` strikes everywhere before an opening,
 * and at every sixth place after it; CUTOVER_ALL_FAULTS=1 everywhere.
 */
const mode = process.env['CUTOVER_ALL_FAULTS'] === '1' ? 'all' : process.env['CUTOVER_QUICK'] === '1' ? 'quick' : 'test';
const strides = { all: { before: 1, after: 1 }, test: { before: 1, after: 6 }, quick: { before: 16, after: 32 } } as const;
const offset = Math.random();
const everyOf = (n: number, stride: number): readonly number[] => upTo(n).filter((i) => (i + Math.floor(offset * stride)) % stride === 0);
export const sampled = (n: number): readonly number[] => everyOf(n, strides[mode].after);
export const sampledBefore = (n: number): readonly number[] => everyOf(n, strides[mode].before);
export const quick = mode === 'quick';
/** What a whole run reaches; of a small sample nothing is asked. */
export const atLeast = (n: number): number => (quick ? 0 : n);
export const moments = ['before', 'during', 'after'] as const;
export type Moment = (typeof moments)[number];
