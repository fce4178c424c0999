/**
 * What every scheme with a way back must stand after its openings: rolled back by cuts in the other direction, forward again,
 * back again; with faults at every place of it, refused at every hold, interrupted at every call.
 */
import assert from 'node:assert/strict';
import { describe, test } from '../apart.ts';
import type { Migration } from '../../src/domain/migration.ts';
import type { SchemeName } from '../../src/workflows/schemes/schemes.ts';
import { demo } from '../fakes/migrations.ts';
import { say, type Operator, type TrialOptions } from '../fakes/runtime.ts';
import type { Fault } from '../fakes/world-work.ts';
import { atLeast, go, lost, moments, once, quick, refused, sampled, undisturbed, upTo } from './judge.ts';

const last = 'finish/approve the finish';
const withWayBack = (m: Migration): Migration => ({ ...m, connectBack: 'connect-old' });
/** Turns back at the last hold so many times, each time to the end of a phase (or to the start); retries what fails. */
const turning = (times: number, to?: string): Operator => {
  let turned = 0;
  return (q) => {
    if (q.kind === 'hold' && q.name === last && turned++ < times) return { kind: 'rollback', ...(to === undefined ? {} : { to }) };
    return q.kind === 'hold' ? { kind: 'approve' } : { kind: 'retry' };
  };
};

/** As above, and a workflow recovered from the ledger is rolled back at once. */
const rollingBackWhatParked = (): Operator => {
  const onward = turning(1);
  return (q, j) => (q.kind === 'parked' && q.answers.includes('rollback') ? { kind: 'rollback' } : onward(q, j));
};

export function waysBack(s: { readonly scheme: SchemeName; readonly shapes: readonly Migration[]; readonly on?: Migration; readonly variant?: string }): void {
  const { scheme } = s;
  const m = withWayBack(s.on ?? demo);
  const back = (): TrialOptions => ({ scheme, m, operator: turning(1) });
  const there = undisturbed({ scheme, m });
  const thereAndBack = undisturbed(back());
  describe(`${scheme}${s.variant === undefined ? '' : ` ${s.variant}`}, after its openings`, () => {
    for (const shape of quick ? s.shapes.slice(0, 3) : s.shapes) test(`${shape.name}: forward; back to the start; forward, back, forward, back, forward`, async () => {
      assert.equal((await go('forward', { scheme, m: withWayBack(shape) })).outcome, 'completed');
      assert.equal((await go('back', { scheme, m: withWayBack(shape), operator: turning(1) })).outcome, 'rolled-back');
      const t = await go('there and back', { scheme, m: withWayBack(shape), renewEvery: 5, operator: turning(2, 'prepare') });
      assert.equal(t.outcome, 'completed');
      assert.ok(t.journal.outages.length >= 5, `${t.journal.outages.length} outages`);
    });
    test('back to the end of each phase, and forward again', async () => {
      const { phases } = await there();
      for (const to of phases.slice(0, -1)) assert.equal((await go(`to ${to}`, { scheme, m, operator: turning(1, to) })).outcome, 'completed');
    });
    test('a rollback is asked for at any call, and every cut back approved', async () => {
      const { activities } = await there();
      let reversed = 0;
      for (const n of sampled(activities.calls.length)) for (const renewEvery of [4, 1_000]) {
        const t = await go(`call ${n}`, { scheme, m, renewEvery, faults: ({ run }) => ({ call: once(n, () => { const r = run(); if (r) say(r, 'rollback'); return undefined; }) }) });
        reversed += t.outcome === 'rolled-back' && t.journal.outages.some((o) => o.name.startsWith('back ')) ? 1 : 0;
      }
      assert.ok(reversed >= atLeast(2), `only ${reversed} went back over a cut`);
    });
    for (const when of moments) for (const [what, fault] of [['fails', refused], ['loses its connection', lost]] as const)
      test(`each write on the way back ${what} once, ${when} its effect`, async () => {
        const { activities } = await thereAndBack();
        const forward = (await there()).activities.writes - 8;
        for (const n of sampled(activities.writes - forward).map((i) => forward + i)) assert.equal((await go(`write ${n}`, { ...back(), faults: () => ({ [when]: once(n, fault) }) })).outcome, 'rolled-back');
      });
    test('the worker dies at any call of the way back, while runs continue as new', async () => {
      const { activities } = await thereAndBack();
      for (const n of sampled(activities.calls.length)) assert.equal((await go(`call ${n}`, { ...back(), renewEvery: 3, faults: () => ({ call: once(n, lost) }) })).outcome, 'rolled-back');
    });
    for (const [what, operator] of [['goes on', () => turning(1)], ['rolls back', rollingBackWhatParked]] as const) for (const when of ['call', 'during', 'after'] as const)
      test(`the workflow is terminated at each ${when === 'call' ? 'call' : `write, ${when} its effect`}, and the one recovered from the ledger ${what}`, async () => {
        const { activities } = await thereAndBack();
        let recovered = 0;
        for (const n of sampled(when === 'call' ? activities.calls.length : activities.writes)) {
          const t = await go(`${when} ${n}`, { scheme, m, operator: operator(), faults: () => ({ [when]: once(n, () => 'terminate' as const) }) });
          // Gone on with from before its rollback began, it completes: the operator was asked.
          assert.ok(t.outcome === 'rolled-back' || t.questions.some((q) => q.startsWith('parked: Recovered') && q.endsWith('-> retry')), `${when} ${n}`);
          recovered += t.journal.audit.some((line) => line.includes('recovered from the ledger')) ? 1 : 0;
        }
        assert.ok(recovered >= atLeast(2), `only ${recovered} were recovered`);
      });
    test('every cut back is refused once: the opening stands, and the migration goes on', async () => {
      const asked = (await thereAndBack()).questions.filter((q) => q.includes('To reject is to stay')).length;
      for (const n of upTo(asked)) {
        let [turned, seen] = [false, 0];
        const operator: Operator = (q) => {
          if (q.kind === 'hold' && q.name === last && !turned) { turned = true; return { kind: 'rollback' }; }
          if (q.text.includes('To reject is to stay')) return { kind: ++seen === n ? 'reject' : 'approve' };
          return q.kind === 'hold' ? { kind: 'approve' } : { kind: 'retry' };
        };
        const t = await go(`refused ${n}`, { scheme, m, operator });
        assert.equal(t.outcome, 'completed');
        assert.ok(t.questions.some((q) => q.startsWith('parked: The way back')), t.questions.join('\n'));
      }
    });
    test('every cut back is refused once, and then taken all the same', async () => {
      const cuts = (await thereAndBack()).questions.filter((q) => q.includes('To reject is to stay')).length;
      let [turned, seen] = [false, 0];
      const operator: Operator = (q) => {
        if (q.kind === 'hold' && q.name === last && !turned) { turned = true; return { kind: 'rollback', to: 'prepare' }; }
        if (q.text.includes('To reject is to stay')) return { kind: ++seen % 2 === 1 ? 'reject' : 'approve' };
        return q.kind === 'hold' ? { kind: 'approve' } : q.answers.includes('rollback') ? { kind: 'rollback' } : { kind: 'retry' };
      };
      const t = await go('refused, then taken', { scheme, m, operator });
      assert.equal(t.outcome, 'rolled-back');
      assert.equal(t.questions.filter((q) => q.startsWith('parked: ')).length, cuts, t.questions.join('\n'));
    });
    for (const fault of ['hang', 'late'] as const) test(`the budget passes at each write of a cut back (${fault}): it undoes itself, and is tried again or refused`, async () => {
      const { activities } = await thereAndBack();
      let undone = 0;
      for (const n of sampled(activities.writes)) for (const answer of ['retry', 'reject'] as const) {
        let turned = false;
        const operator: Operator = (q) => {
          if (q.kind === 'hold' && q.name === last && !turned) { turned = true; return { kind: 'rollback' }; }
          return q.kind === 'hold' ? { kind: 'approve' } : { kind: q.answers.includes(answer) ? answer : 'retry' };
        };
        const strike = (at: number, run: () => { readonly insideOutage: boolean; readonly journal: { readonly opening: string | null; readonly reverse: unknown } | null } | null): Fault | undefined =>
          (at === n && run()?.insideOutage === true && run()?.journal?.reverse && run()?.journal?.opening === null ? fault : undefined);
        const t = await go(`write ${n}, ${answer}`, { scheme, m, operator, faults: ({ run }) => ({ before: (_name, at) => strike(at, run) }) });
        undone += t.journal.outages.filter((o) => o.outcome === 'undone').length;
      }
      assert.ok(undone >= atLeast(1), `only ${undone} outages were undone`);
    });
  });
}
