/** Dual consume, after its openings: through the engine, in a world where things go wrong. */
import assert from 'node:assert/strict';
import { describe, test } from '../apart.ts';
import { demo } from '../fakes/migrations.ts';
import { say, trial, type Operator, type Trial, type TrialOptions } from '../fakes/runtime.ts';
import { lost, moments, once, refused, sampled } from './judge.ts';
import { withoutCopy } from './shapes.ts';
import { waysBack } from './wayback.ts';

waysBack({ scheme: 'dualConsume', shapes: withoutCopy });

describe('dualConsume, the first set does not drain the source', () => {
  const m = { ...demo, connectBack: 'connect-old' };
  const stands = { idleOnSource: 'audit' };
  /** Somebody sees that it does not come to an end, and wants to go back. */
  const givingUp = (faults?: TrialOptions['faults']): NonNullable<TrialOptions['faults']> => (of) => {
    const more = faults?.(of) ?? {};
    return { ...more, call: (name, n) => {
      const r = of.run();
      if (r?.journal?.direction === 'forward' && r.journal.at?.startsWith('leave audit/') && r.journal.wantBack === null) say(r, 'rollback');
      return more.call?.(name, n);
    } };
  };
  /** Accepts the repeats at the cut back, and more of them when they are too few. */
  const accepting = (first: number, then: number): Operator => (q) => {
    if (q.kind === 'hold') return { kind: 'approve', ...(q.name.endsWith('approve the cut back') ? { mayRepeat: { audit: first } } : {}) };
    if (q.text.includes('again, or leave')) return { kind: 'retry', mayRepeat: { audit: then } };
    return { kind: 'retry' };
  };
  const said = (t: Trial): number => [...t.world.keptBehind.get('audit')?.values() ?? []].reduce((n, m) => n + m, 0);
  const back = async (situation: string, operator: Operator, { faults, ...more }: Partial<TrialOptions> = {}): Promise<Trial> => {
    const t = await trial({ scheme: 'dualConsume', m, world: stands, operator, ...more, faults: givingUp(faults) }).catch((error: unknown) => { throw new Error(`${situation}: ${(error as Error).message}`, { cause: error }); });
    const told = `${situation}\n${t.journal.audit.slice(-30).join('\n')}\n${t.questions.slice(-12).join('\n')}`;
    assert.equal(t.outcome, 'rolled-back', told);
    assert.deepEqual([t.verdict.lost, t.verdict.doubled, t.verdict.guessed], [[], [], []], told);
    assert.ok(t.verdict.duplicated.every((line) => line.startsWith('audit|')), `${t.verdict.duplicated.join()} ${told}`);
    const read = t.verdict.duplicated.reduce((n, line) => n + Number(line.split(': ').at(-1)), 0);
    assert.ok(read <= said(t), `${read} read again, ${said(t)} said: ${told}`);
    return t;
  };

  test('with a consent it keeps its place, loses nothing, and reads again what was carried back, as many as were counted', async () => {
    const t = await back('accepted', accepting(10_000, 10_000));
    assert.ok(said(t) > 0, 'nothing was carried back behind what it had not read: the test tells nothing');
    assert.ok(t.verdict.duplicated.length > 0);
  });
  test('a consent that is too small is asked for again, by retry', async () => {
    const t = await back('too small', accepting(1, 10_000));
    assert.ok(t.questions.some((q) => q.includes('would read')), t.questions.join('\n'));
  });
  test('whatever write or call of it fails once, and when runs continue as new', async () => {
    const { activities } = await back('undisturbed', accepting(10_000, 10_000));
    for (const when of moments) for (const fault of [lost, refused]) for (const n of sampled(activities.writes)) await back(`write ${n} ${when}`, accepting(10_000, 10_000), { faults: () => ({ [when]: once(n, fault) }) });
    for (const n of sampled(activities.calls.length)) await back(`call ${n}`, accepting(10_000, 10_000), { renewEvery: 3, faults: () => ({ call: once(n, lost) }) });
  });
});
