/** Mistakes planted in the engine, in a scheme and in an activity: each must be found by the trials that every scheme goes through. */
import assert from 'node:assert/strict';
import { describe, test } from '../apart.ts';
import type { Change, Context, Outage, Phase, Plan, Step, Unit } from '../../src/domain/scheme.ts';
import { Run } from '../../src/workflows/engine.ts';
import { bare, demo, losing, quietRetries, starts } from '../fakes/migrations.ts';
import { careful, say, trial, willing, type Operator, type TrialOptions } from '../fakes/runtime.ts';
import { ended, go, lagging, moments, once, refused, upTo } from './judge.ts';
import { turningBackAt } from './properties.ts';

const scheme = 'stopRestartRepeat';
const hold = 'cut enriched/approve the cut';
const base: TrialOptions = { scheme, m: demo, world: { ...lagging, mirrorRate: 20, mirrorEvery: 12 } };

/** The trials with which mistakes are looked for: one fault at each write, then each of these ways on; a rollback at any call. */
function* trials(planted: Partial<TrialOptions>): Generator<TrialOptions> {
  yield { ...base, ...planted };
  yield { ...base, ...planted, renewEvery: 1 };
  yield { ...base, ...planted, operator: turningBackAt(hold) };
  // Far apart first: most mistakes show early.
  for (const n of upTo(60).map((i) => (i * 23) % 61)) {
    yield { ...base, ...planted, faults: ({ run }) => ({ call: once(n * 2, () => { const r = run(); if (r) say(r, 'rollback'); return undefined; }) }) };
    for (const operator of [careful, willing, turningBackAt(hold)]) for (const when of moments)
      yield { ...base, ...planted, operator, faults: () => ({ [when]: once(n, refused) }) };
    yield { ...base, ...planted, faults: ({ run }) => ({ before: (_name, at) => (at === n && run()?.insideOutage === true && run()?.journal?.opening === null ? 'hang' : undefined) }) };
  }
}
/** The first thing that shows the mistake; fails when no trial does. */
async function found(planted: Partial<TrialOptions>): Promise<string> {
  for (const options of trials(planted)) {
    try { ended(await trial(options), 'planted'); } catch (error) { return (error as Error).message.split('\n')[0] ?? ''; }
  }
  return assert.fail('no trial shows the mistake');
}

class RegistersAfterApply extends Run {
  #last: { readonly unit: Unit; readonly step: Change } | null = null;
  override record(unit: Unit, step: Change): void { this.#last = { unit, step }; }
  override heardOf(unit: Unit, step: Step, text: string): void {
    if (this.#last?.step === step) super.record(this.#last.unit, this.#last.step);
    super.heardOf(unit, step, text);
  }
}
class UndoesInWrongOrder extends Run {
  override record(unit: Unit, step: Change): void {
    super.record(unit, step);
    const last = this.j.undos.pop();
    if (last) this.j.undos.unshift(last);
  }
}
class ReadsThePreImageAgain extends Run {
  override async capture(unit: Unit, step: Change): ReturnType<Run['capture']> {
    const id = `${unit.name}${unit.step.kind === 'outage' ? `/${step.name}` : ''}`;
    this.j.undos = this.j.undos.filter((u) => u.step !== id);
    delete this.j.captured[id];
    this.j.attempt++;
    return super.capture(unit, step);
  }
}
class NeverUnwinds extends Run {
  override abandonForward(): void { /* the call that hangs goes on */ }
  override record(unit: Unit, step: Change): void { if (unit.step.kind !== 'outage') super.record(unit, step); }
}
class KeepsUndosAfterOpening extends Run {
  override closeTheWay(step: string): void {
    const kept = [...this.j.undos];
    super.closeTheWay(step);
    this.j.undos = kept;
    this.j.closedBy = null;
  }
}
class NoTimeLimit extends Run {
  override context(unit: Unit, step: Step | Outage): Context { return { ...super.context(unit, step), limits: { ...this.j.limits, lagRecords: 1_000_000 } }; }
}

describe('a mistake in the engine is found', () => {
  test('none is found where none was planted', async () => {
    let tried = 0;
    for (const options of trials({})) { if (tried++ % 17 === 0) await go(`trial ${tried}`, options); }
  });
  for (const [mistake, engine] of [
    ['an undo is registered after the write', RegistersAfterApply],
    ['undos run in the order of the changes', UndoesInWrongOrder],
    ['a retry reads the pre-image again', ReadsThePreImageAgain],
    ['an outage does not undo itself', NeverUnwinds],
    ['undos are kept beyond the opening', KeepsUndosAfterOpening],
  ] as const) test(mistake, async (t) => { t.diagnostic(await found({ engine })); });
  test('a tolerance that is only a wait for lag is no mistake', async () => { await go('limits', { ...base, engine: NoTimeLimit }); });
});

const everyStep = (plan: Plan, of: (s: Step | Outage) => readonly (Step | Outage)[]): Plan => ({
  ...plan,
  forward: plan.forward.map((p): Phase => ({ ...p, steps: p.steps.flatMap((s) => (s.kind === 'outage' ? of({ ...s, until: s.until.flatMap((u) => of(u) as readonly Change[]) }) : of(s))) })),
});
const without = (name: RegExp) => (plan: Plan): Plan => everyStep(plan, (s) => (name.test(s.name) ? [] : [s]));
const noUndo = (name: RegExp) => (plan: Plan): Plan => everyStep(plan, (s) => [s.kind === 'change' && name.test(s.name) ? { ...s, undo: 'leave: planted' as const } : s]);

describe('a mistake in a scheme is found by running it', () => {
  for (const [mistake, plan] of [
    ['a group starts without positions', without(/^set positions of billing/)],
    ['positions are set while the group still runs', (p: Plan) => everyStep(p, (s) => (s.name === 'stop audit' || s.name.startsWith('start audit') ? [] : [s]))],
    ['a writer moves without draining the mirror', without(/^(drain the mirror|confirm the cut)$/)],
    ['the stop of the writers is left out', without(/^stop enricher/)],
    ['the positions of a group are not carried back', noUndo(/^set positions of audit/)],
    ['the fence is not lowered by the undo', noUndo(/^fence enriched/)],
    ['the mirror is not removed by the undo', noUndo(/^mirror orders/)],
  ] as const) test(mistake, async (t) => { t.diagnostic(await found({ plan })); });
});

describe('a mistake in a scheme with one outage for all is found by running it', () => {
  const slowReaders = { slow: { audit: 9, billing: 5, enricher: 5 } };
  const cases: readonly (readonly [string, Partial<TrialOptions>])[] = [
    ['an application stops although it has not read everything', { scheme: 'stopWaitRestart', world: slowReaders, plan: without(/^drain enricher/) }],
    ['readers stop although they have not read everything, and nothing is copied', { scheme: 'stopWaitRestart', m: bare(demo), world: slowReaders, plan: without(/^drain audit/) }],
    ['readers start on the target without positions', { scheme: 'stopWaitRestart', plan: without(/^set positions/) }],
    ['everybody stops, and a loop still had records', { scheme: 'stopWaitRestart', m: quietRetries, world: { slow: { work: 6 } }, plan: without(/^(wait until retries|confirm that nothing is left)/) }],
    ['the fence is not lowered by the undo', { scheme: 'stopWaitRestart', plan: noUndo(/^fence orders/) }],
    ['everybody starts without positions', { scheme: 'restartAllAtOnce', plan: without(/^set positions/) }],
    ['the undo of the stop is missing', { scheme: 'restartAllAtOnce', plan: noUndo(/^stop shop/) }],
    ['nobody counts what is lost', { scheme: 'restartAllAtOnce', m: losing(demo, 1), world: slowReaders, spoil: (work) => ({ ...work, setPositions: (x) => work.setPositions({ ...x, losses: x.groups.map((group) => ({ group, records: 1_000_000 })) }) }) }],
    ['nobody counts what is read again', { scheme: 'restartAllAtOnce', m: starts, spoil: (work) => ({ ...work, setPositions: (x) => work.setPositions({ ...x, how: x.how === 'translated' ? 'earliest' : x.how, consents: x.groups.map((group) => ({ group, repeats: 1_000_000 })) }) }) }],
  ];
  for (const [mistake, planted] of cases) test(mistake, async (t) => { t.diagnostic(await found(planted)); });
});

/** As `everyStep`, in the ways back of openings as well. */
const everywhere = (plan: Plan, of: (s: Step | Outage) => readonly (Step | Outage)[]): Plan => {
  const phases = (all: readonly Phase[]): readonly Phase[] => all.map((p) => ({ ...p, steps: p.steps.flatMap((s) => (s.kind === 'outage'
    ? of({ ...s, until: s.until.flatMap((u) => of(u) as readonly Change[]), open: s.open.kind === 'opening' ? { ...s.open, back: phases(s.open.back) } : s.open }) : of(s))) }));
  return { ...plan, forward: phases(plan.forward) };
};
const leavingOut = (name: RegExp) => (plan: Plan): Plan => everywhere(plan, (s) => (name.test(s.name) ? [] : [s]));

describe('a mistake in a scheme with two sets of consumers is found by running it', () => {
  const m = { ...demo, connectBack: 'connect-old' };
  const turningAtTheEnd = (): Operator => {
    let turned = false;
    return (q) => {
      if (q.kind === 'hold' && q.name === 'finish/approve the finish' && !turned) { turned = true; return { kind: 'rollback', to: 'prepare' }; }
      return { kind: q.kind === 'hold' ? 'approve' : 'retry' };
    };
  };
  /** There, back and there again; and cuts back that fail, are refused, and so leave the opening as it is. */
  function* twice(plan: (p: Plan) => Plan): Generator<TrialOptions> {
    for (const seed of upTo(3)) yield { scheme: 'dualConsume', m, plan, operator: willing, world: { seed, slow: { audit: 60, enricher: 25 } } };
    for (const seed of upTo(6)) yield { scheme: 'dualConsume', m, plan, operator: turningAtTheEnd(), world: { ...lagging, seed, mirrorRate: 20 } };
    for (const n of upTo(40)) {
      let turned = false;
      yield {
        scheme: 'dualConsume', m, plan, world: lagging, faults: ({ run }) => ({ before: (name) => (name === 'markCut' && run()?.journal?.reverse && !run()?.journal?.outages.some((o) => o.outcome === 'undone') ? refused() : undefined) }),
        operator: (q, j) => {
          if (q.kind === 'hold' && q.name === 'finish/approve the finish' && !turned && n > 0) { turned = true; return { kind: 'rollback' }; }
          return q.kind === 'hold' ? { kind: 'approve' } : { kind: j.reverse && q.answers.includes('reject') ? 'reject' : 'retry' };
        },
      };
    }
  }
  const shown = async (plan: (p: Plan) => Plan): Promise<string> => {
    for (const options of twice(plan)) try { ended(await trial(options), 'planted'); } catch (error) { return (error as Error).message.split('\n')[0] ?? ''; }
    return assert.fail('no trial shows the mistake');
  };
  test('none is found where none was planted', async () => { for (const options of [...twice((p) => p)].slice(0, 8)) ended(await trial(options), 'nothing planted'); });
  for (const [mistake, plan] of [
    ['the second set starts without positions', leavingOut(/^set positions of audit, billing on the target/)],
    ['the first set stops before it has drained the source', leavingOut(/^(drain|confirm that nothing is left for) audit on the source/)],
    ['the producers move while a set is missing', leavingOut(/^start a set of .* on the target/)],
    ['records are carried back to a log that is still read', leavingOut(/^stop the set of /)],
    ['the first set comes back where it had stopped', leavingOut(/^set positions of audit, billing on the source/)],
    ['a refused way back does not step over the copies', (p: Plan) => everywhere(p, (s) => [s.kind === 'change' && s.name.startsWith('expect copies') ? { ...s, undo: 'leave: planted' as const } : s])],
    ['whoever reads and writes is stopped with what feeds it', leavingOut(/^(drain|confirm that nothing is left for) enricher on the source/)],
  ] as const) test(mistake, async (t) => { t.diagnostic(await shown(plan)); });
});

describe('a mistake in an activity is found', () => {
  test('an idle partition gets no position', async (t) => {
    t.diagnostic(await found({ spoil: (work, world) => ({
      ...work,
      setPositions: async (x) => {
        const done = await work.setPositions(x);
        for (const [group, positions] of world.clusters[x.to].committed) for (const key of [...positions.keys()]) if (key.endsWith('/2')) world.clusters[x.to].commit(group, key, null);
        return done;
      },
    }) }));
  });
  test('the mirror is resumed after the cut', async (t) => {
    t.diagnostic(await found({ spoil: (work, world) => ({
      ...work,
      lookRunning: async (x) => {
        for (const mirror of world.mirrors) if (mirror.state === 'silent') { mirror.state = 'running'; mirror.next.clear(); }
        return work.lookRunning(x);
      },
    }) }));
  });
  test('positions are copied as numbers', async (t) => {
    t.diagnostic(await found({ spoil: (work, world) => ({
      ...work,
      setPositions: async (x) => {
        const done = await work.setPositions(x);
        for (const group of x.groups) for (const [key, at] of world.clusters.source.committed.get(group) ?? []) world.clusters[x.to].commit(group, key, at);
        return done;
      },
    }) }));
  });
});
