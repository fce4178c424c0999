/** An operator who says anything at any time, by a seed: every question is answered in the end, and the world is as at the start, or moved. */
import type { Kind } from '../../src/domain/decisions.ts';
import type { Migration } from '../../src/domain/migration.ts';
import type { Run } from '../../src/workflows/engine.ts';
import { schemes, type SchemeName } from '../../src/workflows/schemes/schemes.ts';
import { seeded } from '../fakes/clock.ts';
import { bare, chain, demo, loop, losing, ownReader, pipeline, quietLoop, quietRetries, starts, twoWriters, unfenced, writerOnly } from '../fakes/migrations.ts';
import { say, type Operator, type Trial, type TrialOptions } from '../fakes/runtime.ts';
import type { Fault } from '../fakes/world-work.ts';
import { ended, homeWithoutTarget, lost, refused } from './judge.ts';

const withWayBack = (m: Migration): Migration => ({ ...m, connectBack: 'connect-old' });
const copied = [demo, unfenced, twoWriters, chain, pipeline, ownReader, loop, writerOnly];
const plain = [demo, unfenced, twoWriters, chain, pipeline, writerOnly];
export const subjects: readonly { readonly scheme: SchemeName; readonly shapes: readonly Migration[] }[] = [
  { scheme: 'stopRestartRepeat', shapes: copied },
  { scheme: 'consumerFirst', shapes: copied },
  { scheme: 'producerFirst', shapes: plain.map(bare) },
  { scheme: 'dualConsume', shapes: plain },
  { scheme: 'blueGreen', shapes: plain },
  { scheme: 'stopWaitRestart', shapes: [...plain, quietLoop, quietRetries, ...plain.map(bare)] },
  { scheme: 'restartAllAtOnce', shapes: [...copied, starts, ...plain.map((m) => losing(m))] },
];
export const schemeCount = Object.keys(schemes).length;

export interface Played {
  readonly options: TrialOptions;
  readonly said: string[];
  readonly situation: string;
  /** `skipped`: an undo that cannot reach the dead target was left; then it ends, and not as at the start. */
  readonly death: { dead: boolean; skipped: boolean };
}
/** `mayDie`: the target may die behind an opening. */
export function played(seed: number, mayDie: boolean, only?: { readonly scheme?: SchemeName }): Played {
  const dice = seeded(seed);
  const one = <T>(of: readonly T[]): T => of[dice(of.length)] as T;
  const chance = (percent: number): boolean => dice(100) < percent;
  const { scheme, shapes } = one(only?.scheme ? subjects.filter((s) => s.scheme === only.scheme) : subjects);
  // What these consent to is no measure where the target dies.
  const shape = one(mayDie ? shapes.filter((s) => s !== starts && !s.name.endsWith('-losing')) : shapes);
  const m = mayDie || chance(70) ? withWayBack(shape) : { ...shape, connectBack: null };
  const said: string[] = [];
  const death = { dead: false, skipped: false };
  let [run, world]: [() => Run | null, { nowMs: number; dead: boolean; clock: { sleep(ms: number): Promise<void> } } | null] = [() => null, null];
  let calls = 0;
  let words = 4 + dice(14);
  const dieAt = mayDie && chance(70) ? 30 + dice(250) : Infinity;
  const chatty = one([1, 3, 6]);
  const failing = one([0, 2, 5]);
  const phrase = (kind: Kind, more: Readonly<Record<string, unknown>> = {}): void => {
    const r = run();
    if (!r?.journal) return;
    const j = r.journal;
    said.push(`${j.at}${j.reverse ? ` / ${j.reverse.at}` : ''} [${j.question?.kind ?? (r.insideOutage ? 'outage' : j.unwind ? 'unwind' : j.direction)}] ${kind} ${JSON.stringify(more)}`);
    say(r, kind, { reason: 'test', ...more });
    const why = j.refused;
    if (why) said.push(`    refused: ${why}`);
  };
  const wordsFrom = dice(260);
  const back = (): Readonly<Record<string, unknown>> => {
    const r = run();
    if (chance(25)) return {};
    if (chance(25) && m.connectBack !== null && mayDie) return { withoutTarget: true };
    return { to: one(r?.phases ?? ['check']) };
  };
  /** Anything. */
  const speak = (): void => {
    if (words <= 0 || calls < wordsFrom) return;
    words--;
    if (chance(6)) { said.push('workflow cancel'); run()?.turnBack({ kind: 'rollback', by: 'workflow cancel', hold: null, hash: null, reason: null, to: null, limits: {} }); return; }
    const kind = one<Kind>(['rollback', 'rollback', 'rollback', 'pause', 'resume', 'tune', 'approve', 'reject', 'retry']);
    const q = run()?.journal?.question;
    if (kind === 'reject' && q?.kind !== 'hold' && q !== null && chance(70)) return;
    phrase(kind, kind === 'rollback' ? back() : kind === 'tune' ? { limits: { lagRecords: 5 + dice(20) } } : kind === 'approve' ? { hash: q?.hash ?? 'none' } : {});
    if (kind === 'pause') void world?.clock.sleep(1_000 + dice(4_000)).then(() => { phrase('resume'); });
  };
  /** Nobody is left waiting: what stands open or paused for long is answered. */
  const awake = async (clock: { sleep(ms: number): Promise<void> }): Promise<void> => {
    for (let [last, paused] = ['', 0]; ;) {
      await clock.sleep(2_000);
      const j = run()?.journal;
      const q = j?.question;
      const now = q ? `${q.kind} ${q.name} ${q.sinceMs}` : '';
      if (q && now === last) phrase(q.kind === 'hold' ? 'approve' : q.answers.includes('retry') ? 'retry' : 'rollback', q.hash === null ? {} : { hash: q.hash });
      last = now;
      paused = j?.paused ? paused + 1 : 0;
      if (paused > 3) phrase('resume');
    }
  };
  const operator: Operator = (q, j) => {
    if (world?.dead && q.kind === 'undo-failed' && q.answers.includes('skip')) { death.skipped = true; said.push(`${q.name}: skip`); return { kind: 'skip' }; }
    // It died before its opening was in a ledger, and the workflow with it: nothing has been opened, as whoever recovers it knows.
    if (death.skipped && q.answers.includes('rollback')) { said.push(`${q.name}: rollback`); return { kind: 'rollback' }; }
    if (world?.dead && !q.name.startsWith('without the target/') && q.kind !== 'undo-failed' && (words <= 0 || chance(60))) { said.push(`${q.name}: without target`); return { kind: 'rollback', withoutTarget: true }; }
    if (words <= 0 || calls < wordsFrom) return { kind: q.kind === 'hold' ? 'approve' : q.answers.includes('retry') ? 'retry' : 'rollback' };
    if (chance(20)) speak();
    words--;
    const kind = one(q.answers.filter((a) => a !== 'skip'));
    if (kind === 'rollback') { const more = back() as { to?: string; withoutTarget?: true }; said.push(`${q.name} [${q.kind}]: rollback ${JSON.stringify(more)}`); return { kind, ...more }; }
    if (q.kind === 'hold' && chance(45)) { said.push(`${q.name}: approve`); return { kind: 'approve' }; }
    said.push(`${q.name} [${q.kind}]: ${kind}`);
    void j;
    return { kind };
  };
  let faults = failing;
  const strike = (): Fault | undefined => (faults > 0 && chance(failing) ? (faults--, said.push('    a fault'), run()?.insideOutage && run()?.journal?.opening === null && chance(30) ? one(['hang', 'late'] as const) : chance(60) ? refused() : lost()) : undefined);
  let ends = chance(30) ? 1 + dice(2) : 0;
  const endsAt = 20 + dice(250);
  const options: TrialOptions = {
    scheme, m, operator, renewEvery: one([1, 4, 1_000]), world: { seed: 1 + dice(1_000_000), slow: { audit: 1 + dice(4), show: 1 + dice(3) }, mirrorRate: 20, mirrorEvery: 1 + dice(6) },
    faults: (of) => {
      run = of.run;
      world = of.activities.w;
      void awake(of.activities.w.clock);
      return {
        before: strike, during: strike, after: strike,
        call: (_name, n): Fault | undefined => {
          const j = run()?.journal;
          calls = n;
          if (!death.dead && n >= dieAt && j?.closedBy === null && j.at !== 'finish/give up the way back' && !j.unwind && j.undos.some((u) => u.opening)) { death.dead = true; of.activities.w.dead = true; said.push('    the target dies'); words = Math.min(words, 4); }
          if (chance(chatty)) speak();
          if (ends > 0 && n >= endsAt && chance(10)) { ends--; said.push(`    terminated at ${j?.at} ${j?.reverse?.at ?? ''}`); return 'terminate'; }
          return undefined;
        },
      };
    },
  };
  return { options, said, death, situation: `seed ${seed}: ${scheme} ${m.name}${m.connectBack === null ? '' : ' with a way back'}, renewed every ${String(options.renewEvery)}` };
}

/** As `ended`, where the end was one without the target as well. */
export function judged(t: Trial, situation: string): void {
  if (t.journal.endedBy?.withoutTarget !== true || t.outcome !== 'rolled-back') { ended(t, situation); return; }
  const told = `${situation}\n${t.journal.audit.slice(-30).join('\n')}\n${t.questions.slice(-12).join('\n')}`;
  homeWithoutTarget(t, told);
}
