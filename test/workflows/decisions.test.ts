/** Decisions at unusual moments and in unusual orders: each has an answer that is kept, and none leaves anything behind. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Question } from '../../src/domain/progress.ts';
import type { Plan } from '../../src/domain/scheme.ts';
import { Run } from '../../src/workflows/engine.ts';
import type { Journal } from '../../src/workflows/journal.ts';
import { demo } from '../fakes/migrations.ts';
import { say, trial, type Operator, type Trial, type TrialOptions } from '../fakes/runtime.ts';
import type { Fault } from '../fakes/world-work.ts';
import { ended, lagging, refused } from '../schemes/judge.ts';

const back = { ...demo, connectBack: 'connect-old' };
const forGood = { ...demo, connectBack: null };
const finish = 'finish/approve the finish';
const deadHold = 'without the target/approve the rollback without the target';
const cancel = { kind: 'rollback', by: 'workflow cancel', hold: null, hash: null, reason: null, to: null, limits: {} } as const;
interface Here { readonly run: () => Run; readonly kill: () => void; readonly later: (ms: number, what: () => void) => void }
type Says = (q: Question, here: Here, j: Journal) => ReturnType<Operator> | 'as ever';

async function played(x: Omit<Partial<TrialOptions>, 'operator' | 'faults'> & { readonly says?: Says; readonly call?: (name: string, here: Here) => Fault | undefined }): Promise<Trial> {
  let here: Here | null = null;
  const { says, call, ...rest } = x;
  return trial({
    scheme: 'stopRestartRepeat', m: back, world: lagging, ...rest,
    faults: ({ run, activities }) => {
      const h: Here = { run: () => run() ?? assert.fail('no run yet'), kill: () => { activities.w.dead = true; }, later: (ms, what) => { void activities.w.clock.sleep(ms).then(what); } };
      here = h;
      return { call: (name) => (run()?.journal ? call?.(name, h) : undefined) };
    },
    operator: (q, j) => {
      const said = here && says ? says(q, here, j) : 'as ever';
      return said === 'as ever' ? { kind: q.kind === 'hold' ? 'approve' : 'retry' } : said;
    },
  });
}
const first = (): (() => boolean) => { let done = false; return () => !done && (done = true); };
const lineOf = (t: Trial, what: RegExp): number => t.journal.audit.findIndex((line) => what.test(line));
const told = (t: Trial): string => `${t.questions.join('\n')}\n${t.journal.audit.join('\n')}`;

// 1
test('a rollback to the very phase whose cut is being undone does not go forward behind it', async () => {
  const [turn, other] = [first(), first()];
  const t = await played({ says: (q) => (q.name === finish && turn() ? { kind: 'rollback' } : q.name === 'back enriched/approve the cut back' && other() ? { kind: 'rollback', to: 'cut enriched' } : 'as ever') });
  ended(t, 'back over the last cut');
});
test('a rollback to a phase that is undone already does not go forward behind it', async () => {
  const [turn, other, fail] = [first(), first(), first()];
  const t = await played({
    says: (q) => (q.name === 'cut orders/approve the cut' && turn() ? { kind: 'rollback' } : q.kind === 'undo-failed' && other() ? { kind: 'rollback', to: 'mirror' } : 'as ever'),
    call: (name) => (name === 'removeTopics' && fail() ? refused() : undefined),
  });
  ended(t, 'the topics are to be removed');
});
// 2
for (const to of ['check', 'prepare', 'mirror', 'approve']) test(`after an opening for good, a rollback to "${to}", before it, is refused or ends behind it`, async () => {
  const turn = first();
  const t = await played({ m: forGood, says: (q, _here, j) => (j.outages.length === 1 && q.name.endsWith('approve the cut') && turn() ? { kind: 'rollback', to } : 'as ever') });
  assert.equal(t.outcome, 'completed');
  ended(t, to);
});
// 3
test('a rollback that was accepted before the way back is given up: it is not given up', async () => {
  const turn = first();
  const t = await played({ call: (name, { run }) => { if (name === 'remember' && run().j.at === 'finish/give up the way back' && turn()) say(run(), 'rollback'); return undefined; } });
  assert.equal(t.outcome, 'rolled-back', told(t));
  ended(t, 'back');
});
// 4
test('the target dies at an opening, which is retried: the way back without the target is open', async () => {
  let [dead, retried] = [false, 0];
  const t = await played({
    call: (name, { run, kill }) => { if (name === 'lookCut' && !dead && run().j.at === 'cut enriched/outage') { dead = true; kill(); } return undefined; },
    says: (q) => (q.name.startsWith('without the target/') || !dead ? 'as ever' : q.kind === 'failed' && retried++ === 0 ? { kind: 'retry' } : { kind: 'rollback', withoutTarget: true }),
  });
  assert.equal(t.outcome, 'rolled-back');
});
// 5
test('the way back without the target, asked for where nobody is gone over: what is asked next can be answered', async () => {
  const [turn, without] = [first(), first()];
  const t = await played({ says: (q, _here, j) => (q.name === finish && turn() ? { kind: 'rollback', to: 'prepare' } : q.name === 'approve/approve the move' && j.outages.length > 0 && without() ? { kind: 'rollback', withoutTarget: true } : 'as ever') });
  assert.equal(t.outcome, 'completed');
  ended(t, 'forward again');
});
// 6
test('a rollback arrives inside an outage, and an undo of it keeps failing: it can be skipped', async () => {
  let asked = false;
  const t = await played({
    call: (name, { run }) => { if (name === 'silenceMirror' && run().insideOutage && !asked) { asked = true; say(run(), 'rollback'); } return asked && name === 'lowerFence' && run().j.unwind ? refused() : undefined; },
    says: (q) => (q.kind === 'undo-failed' ? { kind: 'skip' } : 'as ever'),
  });
  assert.equal(t.outcome, 'rolled-back');
  assert.ok(lineOf(t, /undo left by test/) >= 0, told(t));
});
// 7
test('an outage back that failed is not begun again by a rollback that leads elsewhere', async () => {
  const [turn, fail, other] = [first(), first(), first()];
  let asked = 0;
  const t = await played({
    call: (name, { run }) => (name === 'markCut' && run().j.reverse !== null && fail() ? refused() : undefined),
    says: (q, { run }) => {
      if (q.name === finish && turn()) return { kind: 'rollback' };
      if (q.name !== 'back orders/outage' || q.kind !== 'failed') return 'as ever';
      asked++;
      if (!other()) return 'as ever';
      say(run(), 'rollback', { to: 'check' });
      return null;
    },
  });
  assert.ok(asked > 1, told(t));
});

/** Stands on other code whenever this says so. */
const upgraded = (other: (j: Journal) => boolean): NonNullable<TrialOptions['engine']> => class extends Run {
  override begin(journal: Journal, plan: Plan, hash: string): void { super.begin(journal, plan, other(journal) ? `other-${hash}` : hash); }
};
for (const ms of [5, 20, 50, 100, 300, 600]) test(`a rollback that leads elsewhere comes ${ms} ms after another, as the way back of an opening begins: its steps are not cancelled`, async () => {
  const [turn, refuse, again] = [first(), first(), first()];
  const t = await played({
    says: (q, { run, later }) => {
      if (q.name === finish && turn()) return { kind: 'rollback' };
      if (q.text.includes('To reject is to stay') && refuse()) return { kind: 'reject' };
      if (q.kind !== 'parked' || !again()) return 'as ever';
      later(ms, () => { say(run(), 'rollback', { to: 'mirror' }); });
      return { kind: 'rollback' };
    },
  });
  assert.ok(!t.questions.some((q) => q.includes('failed: cancelled')), told(t));
  ended(t, 'to the end of mirror');
});

// 8
test('parked, then on other code, then on the matching one: to retry is not to roll back', async () => {
  const turn = first();
  let seen = 0;
  const t = await played({
    engine: upgraded((j) => j.question?.kind === 'parked' && seen++ === 0), renewEvery: 6,
    says: (q) => (q.name === 'cut enriched/approve the cut' && turn() ? { kind: 'rollback', to: 'mirror' } : q.kind === 'parked' && seen === 0 ? null : 'as ever'),
  });
  assert.equal(t.outcome, 'completed', told(t));
});
test('an outage that failed, then other code, then the matching one: nobody is stopped before somebody says so', async () => {
  const fail = first();
  let seen = 0;
  const t = await played({
    engine: upgraded((j) => j.question?.kind === 'failed' && seen++ === 0), renewEvery: 6,
    call: (name) => (name === 'markCut' && fail() ? refused() : undefined), says: (q) => (q.kind === 'failed' && seen === 0 ? null : 'as ever'),
  });
  assert.ok(t.questions.filter((q) => q.startsWith('failed: cut enriched/outage')).length > 0, told(t));
});
test('recovered on other code: it does not go on', async () => {
  const dead = first();
  let seen = 0;
  const t = await played({ engine: upgraded((j) => j.recovering && seen++ === 0), call: (name) => (name === 'createMirror' && dead() ? 'terminate' : undefined) });
  // A retry begins a new run, on whatever code takes it: the second one was recovered, the third does the work.
  assert.ok(t.questions.some((q) => q.startsWith('plan-changed') && q.endsWith('-> retry')) && t.runs > 2, `${t.runs} runs\n${told(t)}`);
});
// 9
test('a rollback while a refused cut back is being undone is taken, or refused', async () => {
  const [turn, refuse, other] = [first(), first(), first()];
  let verdict = '';
  const t = await played({
    says: (q) => (q.name === finish && turn() ? { kind: 'rollback' } : q.name === 'back orders/approve the cut back' && refuse() ? { kind: 'reject' } : 'as ever'),
    call: (_name, { run }) => { if (run().j.reverse?.refused && other()) { say(run(), 'rollback', { to: 'check' }); verdict = run().j.refused ?? 'accepted'; } return undefined; },
  });
  assert.ok(verdict !== 'accepted' || t.questions.some((q) => q.startsWith('parked: Rolled back to the end of check')), `${verdict}\n${told(t)}`);
});
// 10
test('a workflow cancel at the hold without the target: it ends as what it was', async () => {
  const [turn, stop] = [first(), first()];
  const t = await played({ says: (q, { run, kill }) => {
    if (q.name === finish && turn()) { kill(); return { kind: 'rollback', withoutTarget: true }; }
    if (q.name === deadHold && stop()) { run().turnBack(cancel); return null; }
    return 'as ever';
  } });
  assert.equal(t.journal.endedBy?.withoutTarget, true, told(t));
  assert.equal(lineOf(t, /the world is as at the start/), -1, told(t));
});
test('a workflow cancel at the hold without the target, which is then refused: it is rolled back', async () => {
  const [turn, stop] = [first(), first()];
  const t = await played({ says: (q, { run }) => {
    if (q.name === finish && turn()) return { kind: 'rollback', withoutTarget: true };
    if (q.name !== deadHold) return 'as ever';
    if (stop()) { run().turnBack(cancel); return null; }
    return { kind: 'reject' };
  } });
  assert.equal(t.outcome, 'rolled-back', told(t));
});
test('a rollback that was accepted, and then the way back without the target, which is refused: the rollback stands', async () => {
  const turn = first();
  const t = await played({
    call: (_name, { run }) => { if (run().j.at?.startsWith('cut orders/carry') && turn()) { say(run(), 'rollback'); say(run(), 'rollback', { withoutTarget: true }); } return undefined; },
    says: (q) => (q.name === deadHold ? { kind: 'reject' } : 'as ever'),
  });
  assert.equal(t.outcome, 'rolled-back', told(t));
});
// 11
test('terminated before anything of an outage was written, and the target dies: there is an answer', async () => {
  const [dead, turn] = [first(), first()];
  const t = await played({
    call: (name, { run, kill }) => { if (name.startsWith('capture') && run().j.at === 'cut enriched/outage' && !run().j.recovering && dead()) { kill(); return 'terminate'; } return undefined; },
    says: (q, { run }) => {
      if (q.text.startsWith('What was under way') && turn()) say(run(), 'rollback');
      const other = q.answers.find((a) => a === 'skip' || a === 'rollback');
      return q.kind === 'hold' ? 'as ever' : { kind: other ?? 'retry' };
    },
  });
  assert.equal(t.outcome, 'rolled-back');
});
// 12
test('what an outage took that was undone is not stretched by a later one', async () => {
  const [fail, dead] = [first(), first()];
  let took: number | null = null;
  const t = await played({
    call: (name, { run }) => (name === 'markCut' && fail() ? refused() : took !== null && name === 'silenceMirror' && run().insideOutage && dead() ? 'terminate' : undefined),
    says: (q, _here, j) => { if (q.kind === 'failed') took ??= j.outages[0]?.endedMs ?? null; return 'as ever'; },
  });
  assert.equal(t.journal.outages[0]?.endedMs, took, told(t));
});
// 13
test('an opening that is to be finished: what is taken is offered, and nothing is said to be undone', async () => {
  let dead = false;
  const seen: string[] = [];
  await played({
    call: (name, { run, kill }) => { if (name === 'lookCut' && !dead && run().j.at === 'cut enriched/outage') { dead = true; kill(); } return undefined; },
    says: (q, { run }) => {
      if (q.kind === 'failed' && dead && !q.name.startsWith('without')) seen.push(`${q.answers.join()}; a rollback is ${typeof run().inbox.judge('rollback', { by: 'test' }) === 'string' ? 'refused' : 'taken'}; ${q.text}`);
      return !dead || q.name.startsWith('without the target/') ? 'as ever' : { kind: 'rollback', withoutTarget: true };
    },
  });
  assert.ok(!/undone in time/.test(seen[0] ?? ''), seen[0]);
  assert.match(seen[0] ?? '', /^[a-z,]*rollback[a-z,]*; a rollback is taken/);
});
test('without a way back nobody is told that to roll back is another way', async () => {
  const texts = await import('../../src/workflows/schemes/schemes.ts').then(async ({ schemes }) => {
    const { bind, unbound } = await import('../../src/workflows/resources/use.ts');
    const plan = schemes.stopRestartRepeat(forGood, () => true, bind({ work: unbound, m: forGood, inventory: null, owner: 'test', has: () => true }));
    return plan.forward.flatMap((p) => p.steps).flatMap((step) => (step.kind === 'hold' ? [step.question] : []));
  });
  assert.deepEqual(texts.filter((text) => text.includes('To roll back is the other way')), []);
});
