/**
 * What every scheme must stand: the real engine, in a world where something goes wrong at every possible place. Afterwards the
 * world is as at the start, or moved, and the books show nothing lost, repeated or out of order.
 */
import assert from 'node:assert/strict';
import { describe, test } from '../apart.ts';
import fc from 'fast-check';
import type { Migration } from '../../src/domain/migration.ts';
import type { SchemeName } from '../../src/workflows/schemes/schemes.ts';
import { demo } from '../fakes/migrations.ts';
import { careful, say, willing, type Operator, type Trial, type TrialOptions } from '../fakes/runtime.ts';
import type { Fault } from '../fakes/world-work.ts';
import { atLeast, go, lost, moments, once, quick, refused, sampled, sampledBefore, undisturbed, type Moment } from './judge.ts';

type FaultsFor = NonNullable<TrialOptions['faults']>;
export interface Subject {
  readonly scheme: SchemeName;
  readonly shapes: readonly Migration[];
  /** The shape on which faults strike everywhere; the demo unless said. */
  readonly on?: Migration;
  /** Keeps two variants of a scheme apart; of the later ones fewer places are struck. */
  readonly variant?: string;
  readonly seldom?: true;
  /** The hold before the first opening: everything before it can be undone. */
  readonly firstOpening: string;
  /** Holds at which a rollback to a phase is asked for. */
  readonly holds: readonly string[];
}

/** Approves and retries, but turns back at the hold before the first opening. */
export const turningBackAt = (hold: string): Operator => (q) => (q.kind === 'hold' ? { kind: q.name === hold ? 'rollback' : 'approve' } : { kind: 'retry' });

const struck = (s: Subject, n: number): readonly number[] => (s.seldom ? sampled(n) : sampledBefore(n));
const least = (s: Subject, n: number): number => (s.seldom ? 0 : atLeast(n));

export function properties(s: Subject): void {
  const { scheme, on: m = demo } = s;
  const probe = undisturbed({ scheme, m });
  const turnedBack = undisturbed({ scheme, m, operator: turningBackAt(s.firstOpening) });
  describe(`${scheme}${s.variant === undefined ? '' : `, ${s.variant}`}`, () => {
    test('nothing goes wrong: every shape is moved', async () => {
      for (const shape of s.shapes) assert.equal((await go(shape.name, { scheme, m: shape })).outcome, 'completed');
    });
    test('every shape, with a new run after every activity', async () => {
      for (const shape of s.shapes) {
        const t = await go(shape.name, { scheme, m: shape, renewEvery: 1 });
        assert.equal(t.outcome, 'completed');
        assert.ok(t.runs > 10, `${t.runs} runs`);
      }
    });
    for (const when of moments) eachWrite(s, when, probe);
    test('the worker dies at any call, while runs continue as new', async () => {
      const { activities } = await probe();
      for (const n of struck(s, activities.calls.length)) assert.equal((await go(`call ${n}`, { scheme, m, renewEvery: 4, faults: () => ({ call: once(n, lost) }) })).outcome, 'completed');
    });
    test('a rollback is asked for at any call', async () => {
      const { activities } = await probe();
      let back = 0;
      for (const n of struck(s, activities.calls.length)) for (const renewEvery of [4, 1_000]) {
        const faults: FaultsFor = ({ run }) => ({ call: once(n, () => { const r = run(); if (r) say(r, 'rollback'); return undefined; }) });
        back += (await go(`call ${n}`, { scheme, m, renewEvery, faults })).outcome === 'rolled-back' ? 1 : 0;
      }
      assert.ok(back >= least(s, 21), `only ${back} were rolled back`);
    });
    test('paused at any call, with or without a failure there, and resumed after what is asked was answered', async () => {
      const { activities } = await probe();
      for (const n of struck(s, activities.calls.length)) for (const fault of [undefined, refused()]) {
        const faults: FaultsFor = ({ run, activities: { w } }) => ({ call: once(n, () => {
          const r = run();
          if (!r) return undefined;
          say(r, 'pause');
          void w.clock.sleep(3_000).then(() => { say(run() ?? r, 'resume'); });
          return fault;
        }) });
        assert.equal((await go(`call ${n}`, { scheme, m, renewEvery: 4, faults })).outcome, 'completed');
      }
    });
    test('every undo fails once, before, within and after its effect', async () => {
      for (const when of moments) for (const fault of [lost, refused]) {
        const undos = (await turnedBack()).activities.calls.length;
        for (const n of struck(s, Math.min(25, undos))) {
          const t = await go(`undo ${n} ${when}`, { scheme, m, operator: turningBackAt(s.firstOpening), faults: undoing(when, (i) => (i === n ? fault() : undefined)) });
          assert.equal(t.outcome, 'rolled-back');
        }
      }
    });
    test('rolled back to the end of each phase, and forward again', async () => {
      for (const to of (await probe()).phases) for (const hold of s.holds) {
        let turned = false;
        const operator: Operator = (q, j) => {
          if (q.kind === 'hold' && q.name === hold && !turned && j.closedBy === null) { turned = true; return { kind: 'rollback', to }; }
          return q.kind === 'hold' ? { kind: 'approve' } : { kind: 'retry' };
        };
        assert.equal((await go(`from ${hold} to ${to}`, { scheme, m, operator })).outcome, 'completed');
      }
    });
    for (const fault of ['hang', 'late'] as const) budgets(s, fault, probe);
    test('several things go wrong at once, in worlds of every shape and speed', () => severalAtOnce(s));
  });
}

function eachWrite(s: Subject, when: Moment, probe: () => Promise<Trial>): void {
  const { scheme, firstOpening, on: m = demo } = s;
  const each = async (options: Omit<TrialOptions, 'scheme' | 'm'>, fault: () => Fault): Promise<readonly Trial[]> => {
    const { activities } = await probe();
    const trials: Trial[] = [];
    for (const n of struck(s, activities.writes)) trials.push(await go(`write ${n}`, { scheme, m, ...options, faults: () => ({ [when]: once(n, fault) }) }));
    return trials;
  };
  test(`a worker dies ${when} each write, and the attempt is repeated`, async () => {
    assert.ok((await each({}, lost)).every((t) => t.outcome === 'completed'));
  });
  test(`each write fails ${when} its effect, and the operator tries again`, async () => {
    assert.ok((await each({ operator: willing }, refused)).every((t) => t.outcome === 'completed'));
  });
  test(`each write fails ${when} its effect, and the operator rolls back where there is a way`, async () => {
    assert.ok((await each({ operator: careful }, refused)).filter((t) => t.outcome === 'rolled-back').length >= least(s, 3));
  });
  test(`each write fails ${when} its effect, is tried again, and then all is rolled back`, async () => {
    assert.ok((await each({ operator: turningBackAt(firstOpening) }, refused)).every((t) => t.outcome === 'rolled-back'));
  });
}

function budgets(s: Subject, fault: 'hang' | 'late', probe: () => Promise<Trial>): void {
  const { scheme, on: m = demo } = s;
  const inOutage = (n: number): FaultsFor => ({ run }) => ({ before: (_name, at) => (at === n && run()?.insideOutage === true && run()?.journal?.opening === null ? fault : undefined) });
  for (const [what, operator] of [['is retried', willing], ['everything is rolled back', careful]] as const)
    test(`the budget passes at each write of an outage (${fault}): it undoes itself, then ${what}`, async () => {
      const { activities } = await probe();
      let undone = 0;
      for (const n of struck(s, activities.writes)) undone += (await go(`write ${n}`, { scheme, m, operator, faults: inOutage(n) })).journal.outages.filter((o) => o.outcome === 'undone').length;
      assert.ok(undone >= least(s, 5), `only ${undone} outages were undone`);
    });
}

async function severalAtOnce({ scheme, shapes }: Subject): Promise<void> {
  const fault = fc.record({ at: fc.integer({ min: 1, max: 70 }), when: fc.constantFrom(...moments), fault: fc.constantFrom(lost, refused) });
  await fc.assert(fc.asyncProperty(
    fc.constantFrom(...shapes), fc.integer({ min: 1, max: 1_000_000 }), fc.constantFrom(willing, careful), fc.constantFrom(1, 3, 1_000), fc.array(fault, { maxLength: 5 }),
    async (m, seed, operator, renewEvery, planned) => {
      const due = (when: Moment) => {
        const mine = planned.filter((p) => p.when === when).map((p) => once(p.at, p.fault));
        return (name: string, n: number): Fault | undefined => mine.map((strike) => strike(name, n)).find((f) => f !== undefined);
      };
      const world = { seed, slow: { audit: 1 + seed % 5, stats: 1 + seed % 3 }, mirrorRate: 20, mirrorEvery: 1 + seed % 8 };
      await go(`${m.name} seed ${seed}`, { scheme, m, operator, renewEvery, world, faults: () => ({ before: due('before'), during: due('during'), after: due('after') }) });
    },
  ), { numRuns: quick ? 60 : 150 });
}

/** Faults of the n-th write of a rollback. */
export function undoing(when: Moment, fault: (n: number) => Fault | undefined): FaultsFor {
  return ({ run }) => {
    let n = 0;
    return { [when]: (name: string) => (name !== 'remember' && run()?.journal?.direction === 'back' ? fault(++n) : undefined) };
  };
}
