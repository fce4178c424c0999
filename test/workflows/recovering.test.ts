/** A workflow was terminated and another goes on from the ledger: what had begun is looked after, whatever is asked for meanwhile. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Ask, Work } from '../../src/activities/work.ts';
import type { Run } from '../../src/workflows/engine.ts';
import { demo } from '../fakes/migrations.ts';
import { say, trial, type Operator, type Trial, type TrialOptions } from '../fakes/runtime.ts';
import { go, lagging, refused } from '../schemes/judge.ts';

const m = { ...demo, connectBack: 'connect-old' };
const scheme = 'stopRestartRepeat';
const deadHold = 'without the target/approve the rollback without the target';
const finish = 'finish/approve the finish';

/**
 * The workflow ends as the fence went up inside an outage. The one in its place cannot look after it; it is asked for the
 * way back without the target, which is refused, and then answered `said`.
 */
async function interrupted(x: { readonly back: boolean; readonly rollBack: boolean }): Promise<Trial> {
  let [struck, mended, asked, turned] = [false, false, 0, false];
  const keys: string[] = [];
  let run: () => Run | null = () => null;
  const operator: Operator = (q) => {
    if (q.name === deadHold) { mended = true; return { kind: 'reject' }; }
    if (q.text.startsWith('What was under way')) {
      if (asked++ === 0) return { kind: 'rollback', withoutTarget: true };
      const r = run();
      if (x.rollBack && r) say(r, 'rollback');
      return { kind: 'retry' };
    }
    if (x.back && q.name === finish && !turned) { turned = true; return { kind: 'rollback' }; }
    return { kind: q.kind === 'hold' ? 'approve' : 'retry' };
  };
  const spoil: TrialOptions['spoil'] = (work) => new Proxy(work, { get: (of, name) => {
    const call = Reflect.get(of, name) as (ask: Ask) => Promise<unknown>;
    if (!String(name).startsWith('capture')) return call;
    return async (ask: Ask) => {
      if (struck && !mended && asked === 0 && run()?.journal?.recovering) throw refused();
      if (name === 'captureFence') keys.push(`${struck ? 'after' : 'before'} ${ask.c.key}`);
      return call(ask);
    };
  } }) as Work;
  const inside = (): boolean => { const j = run()?.insideOutage ? run()?.journal : null; return x.back ? Boolean(j?.reverse) : j?.reverse === null && j.undos.some((u) => u.opening); };
  const t = await go('terminated inside an outage', { scheme, m, operator, spoil, faults: (of) => {
    run = of.run;
    return { after: (name) => (name === 'raiseFence' && !struck && inside() ? (struck = true, 'terminate') : undefined) };
  } });
  assert.ok(mended, 'the way back without the target was never refused');
  // By now the world is half changed: only the pre-image of the interrupted attempt says how it was.
  const first = keys.findIndex((key) => key.startsWith('after '));
  assert.equal(keys[first]?.replace('after', 'before'), keys[first - 1]);
  return t;
}

for (const back of [true, false]) for (const rollBack of [true, false])
  test(`inside ${back ? 'a cut back' : 'the second cut'}: the way back without the target is refused, and ${rollBack ? 'a rollback' : 'a retry'} undoes what was interrupted first`, async () => {
    const t = await interrupted({ back, rollBack });
    const line = (what: string): number => t.journal.audit.findIndex((l) => l.includes(what));
    const undone = line(`undo ${back ? 'back' : 'cut'} orders/outage/stop shop: started on ${back ? 'target' : 'source'}`);
    assert.ok(undone > line('was refused by test: everything stands as before'), t.journal.audit.join('\n'));
    if (rollBack || back) assert.equal(t.outcome, 'rolled-back');
  });

test('in front of what has no way back, which may have begun: no rollback is offered', async () => {
  let struck = false;
  const seen: string[] = [];
  const t = await go('terminated as the way back was given up', {
    scheme, m,
    operator: (q, j) => {
      if (q.text.startsWith('Recovered')) seen.push(`${q.text} ${q.answers.join()} ${String(j.closedBy)} ${j.undos.length}`);
      return { kind: q.kind === 'hold' ? 'approve' : 'retry' };
    },
    faults: () => ({ after: (name) => (name === 'dropMirrors' && !struck ? (struck = true, 'terminate') : undefined) }),
  });
  assert.deepEqual(seen, ['Recovered from the ledger at finish/give up the way back, which has no way back and may have begun. Retry goes on with it. retry finish/give up the way back 0']);
  assert.equal(t.outcome, 'completed');
});
test('the same, and a rollback asked for before it was looked at is refused with the reason', async () => {
  let struck = false;
  const heard: string[] = [];
  let run: () => Run | null = () => null;
  const t = await go('rolled back', {
    scheme, m,
    spoil: (work) => new Proxy(work, { get: (of, name) => {
      const call = Reflect.get(of, name) as (ask: unknown) => Promise<unknown>;
      return name !== 'whereabouts' ? call : async (ask: unknown) => { const r = run(); if (struck && r) { say(r, 'rollback'); heard.push(String(r.journal?.refused)); } return call(ask); };
    } }) as Work,
    faults: (of) => {
      run = of.run;
      return { after: (name) => (name === 'dropMirrors' && !struck ? (struck = true, 'terminate') : undefined) };
    },
  });
  assert.equal(t.outcome, 'completed');
  assert.deepEqual(heard, ['rollback: The way back was closed by finish/give up the way back; nothing since then can be undone.']);
});

test('in front of what has no way back, of which one ledger knows nothing and which was never begun: every way back is there', async () => {
  let [gone, terminated, given] = [false, false, 0];
  let [run, terminate]: [() => Run | null, () => void] = [() => null, () => undefined];
  const heard: string[] = [];
  const t = await trial({
    scheme, m, world: lagging,
    operator: (q) => {
      if (q.name === 'finish/give up the way back' && q.kind === 'failed' && !terminated) { terminated = true; terminate(); return null; }
      if (q.text.startsWith('Recovered')) { heard.push(q.answers.join(), String(run()?.journal?.closedBy)); return { kind: 'rollback', withoutTarget: true }; }
      return { kind: q.kind === 'hold' || q.name.startsWith('without') ? 'approve' : 'retry' };
    },
    spoil: (work) => new Proxy(work, { get: (of, name) => {
      const call = Reflect.get(of, name) as (ask: unknown) => Promise<unknown>;
      if (name === 'dropMirrors') return async (ask: unknown) => { given += 1; return call(ask); };
      if (name !== 'remember') return call;
      return async (ask: Parameters<Work['remember']>[0]) => {
        if (gone || run()?.journal?.at !== 'finish/give up the way back' || ask.need !== 'both') return of.remember(ask);
        gone = true; // the ledger of the source has it, that of the target does not
        await of.remember({ ...ask, need: 'one' });
        throw refused();
      };
    } }) as Work,
    faults: (of) => { run = of.run; terminate = () => { of.activities.terminated(); }; return {}; },
  });
  assert.deepEqual(heard, ['retry,rollback', 'null']);
  assert.equal(given, 0, 'the way back was given up');
  assert.equal(t.outcome, 'rolled-back');
});
test('no ledger takes that the way back closes: it has not, and a rollback is an answer', async () => {
  let struck = false;
  const answers: string[] = [];
  const t = await go('not begun', {
    scheme, m,
    operator: (q) => {
      if (q.name === 'finish/give up the way back') { answers.push(q.answers.join()); return { kind: 'rollback' }; }
      return { kind: q.kind === 'hold' ? 'approve' : 'retry' };
    },
    spoil: (work) => new Proxy(work, { get: (of, name) => (name !== 'remember' ? Reflect.get(of, name) as unknown : async (ask: Parameters<Work['remember']>[0]) => {
      const [written] = ask.entries;
      if (!struck && written?.value.includes('"closedBy":"finish/')) { struck = true; throw refused(); }
      return of.remember(ask);
    }) }) as Work,
  });
  assert.deepEqual(answers, ['retry,skip,rollback']);
  assert.ok(t.journal.audit.some((l) => l.includes('finish/give up the way back was not begun: no ledger has it')));
  assert.equal(t.outcome, 'rolled-back');
});

/** Terminated at that call; whoever goes on finds that its code makes another plan. */
async function replanned(at: string, operator: (asked: readonly string[]) => ReturnType<Operator>): Promise<{ readonly t: Trial | null; readonly asked: readonly string[] }> {
  let struck = false;
  const asked: string[] = [];
  const t = await trial({
    scheme, m, world: lagging,
    spoil: (work) => new Proxy(work, { get: (of, name) => (name !== 'remember' ? Reflect.get(of, name) as unknown : async (ask: Parameters<Work['remember']>[0]) =>
      of.remember({ ...ask, entries: ask.entries.map((e) => ({ ...e, value: e.value.replace(/"planHash":"[0-9a-f]+"/, '"planHash":"0ther"') })) })) }) as Work,
    operator: (q) => {
      if (!struck) return { kind: q.kind === 'hold' ? 'approve' : 'retry' };
      asked.push(q.kind);
      return operator(asked);
    },
    faults: ({ run }) => ({ after: (name) => (name === at && !struck ? (struck = true, 'terminate') : undefined), call: () => { assert.ok(!run()?.journal?.recovering || asked.length > 0, 'taken up unasked'); return undefined; } }),
  }).catch((error: unknown) => { if (/nothing will ever happen/.test(String(error))) return null; throw error; });
  return { t, asked };
}
for (const at of ['createMirror', 'raiseFence']) test(`terminated at ${at}, and the worker's code makes another plan: that is asked first, and a rollback takes up what had begun`, async () => {
  const { t, asked } = await replanned(at, () => ({ kind: 'rollback' }));
  assert.deepEqual(asked, ['plan-changed']);
  assert.equal(t?.outcome, 'rolled-back');
  assert.deepEqual(t.end, t.start);
});
test("the same behind what has no way back: parked, and a retry asks about the plan again", async () => {
  const { t, asked } = await replanned('dropMirrors', (all) => (all.length > 2 ? null : { kind: all.length === 2 ? 'retry' : 'rollback' }));
  assert.deepEqual([t, asked.slice(0, 3)], [null, ['plan-changed', 'parked', 'plan-changed']]);
});

test('a workflow cancel at the hold without the target, which is then approved: what is said at the end is true', async () => {
  let [dead, cancelled] = [false, false];
  let run: () => Run | null = () => null;
  const t = await trial({
    scheme, m, world: { ...lagging, mirrorRate: 20, mirrorEvery: 6 },
    operator: (q) => {
      if (q.name === deadHold && q.kind === 'hold' && !cancelled) {
        cancelled = true;
        run()?.turnBack({ kind: 'rollback', by: 'workflow cancel', hold: null, hash: null, reason: null, to: null, limits: {} });
        return null;
      }
      if (q.name.startsWith('without the target/')) return { kind: q.kind === 'hold' ? 'approve' : 'retry' };
      return dead ? { kind: 'rollback', withoutTarget: true } : { kind: q.kind === 'hold' ? 'approve' : 'retry' };
    },
    faults: (of) => {
      run = of.run;
      return { call: () => { if (!dead && run()?.journal?.undos.some((u) => u.opening)) { dead = true; of.activities.w.dead = true; } return undefined; } };
    },
  });
  assert.equal(t.journal.endedBy?.withoutTarget, true);
  assert.match(String(t.journal.audit.findLast((l) => l.includes(' rolled back'))), /rolled back without the target/);
});

test('the opening of a cut back that one ledger does not have is told so', async () => {
  let turned = false;
  const missing = 'only one ledger has it; missing on cluster new: connection refused';
  const t = await go('one ledger', {
    scheme, m,
    operator: (q) => (q.name === finish && !turned ? (turned = true, { kind: 'rollback' }) : { kind: q.kind === 'hold' ? 'approve' : 'retry' }),
    spoil: (work) => new Proxy(work, { get: (of, name) => (name !== 'remember' ? Reflect.get(of, name) as unknown : async (ask: Parameters<Work['remember']>[0]) => ({ ...await of.remember(ask), say: ask.need === 'one' ? missing : '' })) }) as Work,
  });
  const said = (back: boolean): readonly string[] => t.journal.outages.filter((o) => o.name.startsWith('back ') === back).flatMap((o) => o.steps.filter((s) => s.name === 'record the opening').map((s) => s.say));
  assert.deepEqual([[...new Set(said(true))], [...new Set(said(false))]], [[missing], ['in both ledgers']]);
});
