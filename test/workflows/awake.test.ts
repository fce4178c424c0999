/** Paused, parked, recovered, or behind an opening that failed: a run goes on hearing, and looking after what is open. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Work } from '../../src/activities/work.ts';
import { Failure } from '../../src/domain/failures.ts';
import type { Question } from '../../src/domain/progress.ts';
import type { Run } from '../../src/workflows/engine.ts';
import { demo } from '../fakes/migrations.ts';
import { say, type Operator, type Trial, type TrialOptions } from '../fakes/runtime.ts';
import type { World } from '../fakes/world.ts';
import { go, refused } from '../schemes/judge.ts';

const back = { ...demo, connectBack: 'connect-old' };
const forGood = { ...demo, connectBack: null };
/** The run of a trial and its world, for those who speak up in the middle of it. */
interface Here { run: () => Run; world: World }
async function played(x: Omit<TrialOptions, 'scheme' | 'faults'> & { readonly faults?: (here: Here) => NonNullable<ReturnType<NonNullable<TrialOptions['faults']>>>; readonly asked?: (here: Here, q: Question, say: ReturnType<Operator>) => ReturnType<Operator> }): Promise<Trial> {
  let here: Here | null = null;
  const { asked, faults, operator, ...rest } = x;
  return go('', {
    scheme: 'stopRestartRepeat', ...rest,
    faults: ({ run, activities }) => {
      const h: Here = { run: () => run() ?? assert.fail('no run yet'), world: activities.w };
      here = h;
      return faults?.(h) ?? {};
    },
    operator: (q, j) => {
      const willing: ReturnType<Operator> = { kind: q.kind === 'hold' ? 'approve' : 'retry' };
      const given = operator ? operator(q, j) : willing;
      return asked && here ? asked(here, q, given) : given;
    },
  });
}
const lineOf = (t: Trial, what: RegExp): number => t.journal.audit.findIndex((line) => what.test(line));
const once = (when: () => boolean): (() => boolean) => { let done = false; return () => !done && when() && (done = true); };

test('a question that opens while the migration is paused is answered; what was paused goes on at resume', async () => {
  for (const renewEvery of [1_000, 4]) {
    const first = once(() => true);
    const t = await played({
      m: back, renewEvery,
      faults: ({ run }) => ({ call: (name) => (name === 'holdRetention' && first() ? (say(run(), 'pause'), refused()) : undefined) }),
      asked: ({ run, world }, q, given) => {
        if (q.kind === 'failed') void world.clock.sleep(5_000).then(() => { say(run(), 'resume'); });
        return given;
      },
    });
    const [paused, retried, resumed] = [/ pause by test/, / retry of .*hold retention/, / resume by test/].map((what) => lineOf(t, what));
    assert.ok(paused! >= 0 && paused! < retried! && retried! < resumed!, t.journal.audit.join('\n'));
  }
});

test('a hold that is open when the migration is paused takes its approval, and nothing moves before resume', async () => {
  for (const renewEvery of [1_000, 4]) {
    const paused = once(() => true);
    const stood: string[] = [];
    const t = await played({
      m: back, renewEvery,
      asked: ({ run, world }, q, given) => {
        if (!q.name.includes('approve the cut') || !paused()) return given;
        say(run(), 'pause');
        void world.clock.sleep(20_000).then(() => { stood.push(run().progress().state, String(run().j.at), String(world.tended.now.size)); say(run(), 'resume'); });
        return given;
      },
    });
    assert.equal(stood[0], 'paused', t.journal.audit.join('\n'));
    assert.notEqual(stood[1], t.questions[1], 'the hold was answered');
    assert.equal(stood[2], '1', 'mirrors are looked after while it is paused');
    assert.ok(lineOf(t, /approve the cut: approve by test/) < lineOf(t, / resume by test/), t.journal.audit.join('\n'));
    if (renewEvery === 4) assert.ok(t.runs > 5, `${t.runs} runs`);
  }
});

test('who approved while somebody rolled back is told so: the migration ends, and nobody waits for a verdict', async () => {
  let [looks, turned] = [0, false];
  const t = await played({
    m: back,
    spoil: (work) => new Proxy(work, { get: (target, name) => (name !== 'evidence' ? Reflect.get(target, name) as unknown : async (x: Parameters<Work['evidence']>[0]) => {
      const shown = await target.evidence(x);
      if (++looks === 2) turned = true;
      return turned ? { ...shown, claims: [...shown.claims, { text: 'something else holds now.', holds: true }] } : shown;
    }) }),
    asked: ({ run }, q, given) => {
      if (q.kind !== 'hold' || turned) return given;
      for (let n = 0; n < 2; n++) say(run(), 'approve', { hash: q.hash });
      void Promise.resolve().then(() => { say(run(), 'rollback'); });
      return given;
    },
  });
  assert.equal(t.outcome, 'rolled-back');
  assert.ok(lineOf(t, /refused: approve by test was for /) >= 0, t.journal.audit.join('\n'));
});

/** Fails the start on the target inside the opening of a set, as often as told. */
const openingFails = (of: string, times: number): NonNullable<TrialOptions['spoil']> => {
  let failed = 0;
  return (work) => new Proxy(work, { get: (target, name) => (name !== 'startFleet' ? Reflect.get(target, name) as unknown : async (x: Parameters<Work['startFleet']>[0]) => {
    if (x.c.key.includes(`cut ${of}/outage/open`) && failed < times) { failed++; throw new Failure('ClientNotMoved', 'The fleet is busy.'); }
    return target.startFleet(x);
  }) });
};

test('an opening that failed, a rollback and a refused cut back: to go forward is to finish the opening', async () => {
  const [turn, refuse] = [once(() => true), once(() => true)];
  const t = await played({
    m: back, spoil: openingFails('orders', 1),
    operator: (q) => {
      if (q.kind === 'failed' && q.name === 'cut orders/outage' && turn()) return { kind: 'rollback' };
      if (q.name === 'back orders/approve the cut back' && refuse()) return { kind: 'reject' };
      return { kind: q.kind === 'hold' ? 'approve' : 'retry' };
    },
  });
  assert.equal(t.outcome, 'completed');
  assert.ok(t.questions.some((q) => /^parked: The way back of cut orders\/outage\/open.* has begun, and is still to be finished\. Retry goes forward from cut orders\/outage;/.test(q)), t.questions.join('\n'));
});

test('the cut back of an opening that failed is undone when its workflow is terminated inside it', async () => {
  const [turn, dead] = [once(() => true), once(() => true)];
  const t = await played({
    m: back, spoil: openingFails('orders', 1),
    operator: (q) => (q.kind === 'failed' && q.name === 'cut orders/outage' && turn() ? { kind: 'rollback' } : { kind: q.kind === 'hold' ? 'approve' : 'retry' }),
    faults: ({ run }) => ({ after: (name) => (name === 'silenceMirror' && run().j.reverse !== null && run().insideOutage && dead() ? 'terminate' : undefined) }),
  });
  assert.equal(t.outcome, 'rolled-back');
  assert.ok(lineOf(t, /ended inside it/) >= 0, t.journal.audit.join('\n'));
});

/** What runs beside the units while a question waits for an answer. */
async function besideAt(asks: (q: Question) => boolean, x: Parameters<typeof played>[0]): Promise<{ readonly tended: number; readonly swept: string; readonly t: Trial }> {
  const seen = { tended: -1, swept: '' };
  let sinceMs: number | null = null;
  const t = await played({ ...x, asked: ({ run, world }, q, given) => {
    if (!asks(q) || seen.tended >= 0) return given;
    if (sinceMs === null) void world.clock.sleep(20_000);
    if (world.nowMs - (sinceMs ??= world.nowMs) < 20_000) return null;
    Object.assign(seen, { tended: world.tended.now.size, swept: String(run().j.swept?.state) });
    return given;
  } });
  return { ...seen, t };
}

test('without a way back mirrors are looked after behind the first opening too: readers of the next set are fed by theirs', async () => {
  const holds: string[] = [];
  const seen = await besideAt((q) => { if (q.name.endsWith('approve the cut') && !holds.includes(q.name)) holds.push(q.name); return holds.length === 2 && q.name === holds[1]; }, { m: forGood });
  assert.deepEqual([holds.length, seen.tended], [2, 1], seen.t.journal.audit.join('\n'));
});

test('while an opening for good is to be finished nothing runs beside it, and a rollback is refused with the reason', async () => {
  const seen = await besideAt((q) => q.kind === 'failed', {
    m: forGood, spoil: openingFails('orders', 1),
    operator: (q, j) => ({ kind: q.kind === 'hold' ? 'approve' : j.refused === null ? 'rollback' : 'retry' }),
  });
  assert.equal(seen.tended, 0);
  assert.ok(lineOf(seen.t, /refused rollback: The way back was closed by cut orders\/outage\/open/) >= 0, seen.t.journal.audit.join('\n'));
});

test('behind a refused way back the opening stands: it is swept and looked after until somebody answers', async () => {
  const [turn, refuse] = [once(() => true), once(() => true)];
  const seen = await besideAt((q) => q.kind === 'parked', { m: back, operator: (q) => {
    if (q.name === 'finish/approve the finish' && turn()) return { kind: 'rollback' };
    if (q.text.includes('To reject is to stay') && refuse()) return { kind: 'reject' };
    return { kind: q.kind === 'hold' ? 'approve' : 'retry' };
  } });
  assert.deepEqual([seen.tended, seen.swept], [1, 'swept'], seen.t.journal.audit.join('\n'));
});

test('an outage of the second set that undid itself waits for an answer: the first one is swept meanwhile', async () => {
  const fail = once(() => true);
  const seen = await besideAt((q) => q.kind === 'failed', { m: back, faults: ({ run }) => ({ call: (name) => (name === 'markCut' && run().j.outages.length === 1 && fail() ? refused() : undefined) }) });
  assert.deepEqual([seen.tended, seen.swept], [1, 'swept'], seen.t.journal.audit.join('\n'));
});

/** Terminated at the silencing of a mirror inside an outage; the recovered run asks about a fence that it may not read. */
async function recoveredBadly(says: (here: Here, q: Question) => ReturnType<Operator>): Promise<Trial> {
  const [dead, spoiled] = [once(() => true), once(() => true)];
  let run: (() => Run) | null = null;
  return played({
    m: back,
    faults: (here) => { run = here.run; return { call: (name) => (name === 'silenceMirror' && dead() ? 'terminate' : undefined) }; },
    spoil: (work) => new Proxy(work, { get: (target, name) => (name !== 'captureFence' ? Reflect.get(target, name) as unknown : async (x: Parameters<Work['captureFence']>[0]) => {
      if (run?.().j.recovering && spoiled()) throw new Failure('Unauthorized', 'The ledger may not be read.');
      return target.captureFence(x);
    }) }),
    asked: (here, q, given) => says(here, q) ?? given,
  });
}

test('a rollback that comes while a recovered run looks after what was under way waits for it, and leaves nothing behind', async () => {
  const t = await recoveredBadly(({ run }, q) => {
    if (!q.text.includes('could not be looked after')) return null;
    say(run(), 'rollback');
    return { kind: 'retry' };
  });
  assert.equal(t.outcome, 'rolled-back');
  assert.ok(lineOf(t, /ended inside it|silence the mirror: /) >= 0, t.journal.audit.join('\n'));
});

test('what a recovered run had recorded before it failed is undone with the rest of the outage', async () => {
  const stood: unknown[] = [];
  const t = await recoveredBadly(({ world }, q) => {
    if (q.text.includes('ended inside it')) stood.push(Object.entries(world.snapshot().runs).filter(([, sides]) => sides.length === 0));
    return null;
  });
  assert.equal(t.outcome, 'completed');
  assert.deepEqual(stood, [[]], t.journal.audit.join('\n'));
});
