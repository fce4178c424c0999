/**
 * The target dies at any call after an opening, and everything goes back without it: what is lost to the source is what never
 * came back, nothing else; what is read again is no more than was said; and nobody is left behind.
 */
import assert from 'node:assert/strict';
import { describe, test } from '../apart.ts';
import type { Migration } from '../../src/domain/migration.ts';
import type { SchemeName } from '../../src/workflows/schemes/schemes.ts';
import { demo, pipeline, twoWriters, unfenced } from '../fakes/migrations.ts';
import { say, trial, type Operator, type Trial, type TrialOptions } from '../fakes/runtime.ts';
import type { Fault } from '../fakes/world-work.ts';
import { atLeast, homeWithoutTarget, lagging, lost, once, quick, refused, sampled } from './judge.ts';

const hold = 'without the target/approve the rollback without the target';
const withWayBack = (m: Migration): Migration => ({ ...m, connectBack: 'connect-old' });
const shapes = (quick ? [demo] : [demo, unfenced, twoWriters, pipeline]).map(withWayBack);
const finish = 'finish/approve the finish';

interface Death { dead: boolean }
/** Approves and retries, rolls back at the last hold where the test wants that, and without the target as soon as it is dead. */
const burying = (death: Death, turnBack: boolean): Operator => {
  let turned = false;
  return (q) => {
    if (q.name === hold && q.kind === 'hold') return { kind: 'approve' };
    if (q.name.startsWith('without the target/')) return { kind: 'retry' };
    if (death.dead) return { kind: 'rollback', withoutTarget: true };
    if (q.name === finish && turnBack && !turned) { turned = true; return { kind: 'rollback' }; }
    return { kind: q.kind === 'hold' ? 'approve' : 'retry' };
  };
};

/** Dies at the n-th call, or the first after it that finds an opening which can be undone. */
const dyingAt = (n: number, death: Death): NonNullable<TrialOptions['faults']> => ({ run, activities }) => ({
  call: (_name, at): Fault | undefined => {
    const j = run()?.journal;
    if (!death.dead && at >= n && j?.closedBy === null && j.at !== 'finish/give up the way back' && j.undos.some((u) => u.opening)) { death.dead = true; activities.w.dead = true; }
    return undefined;
  },
});

interface Counted { readonly dead: boolean; readonly missing: number }
function judged(t: Trial, death: Death, situation: string): Counted {
  const told = `${situation}\n${t.journal.audit.slice(-30).join('\n')}\n${t.questions.slice(-12).join('\n')}\ncalls: ${t.activities.calls.slice(-25).join(' ')}`;
  const { verdict: v } = t;
  if (!death.dead) { assert.deepEqual([v.lost, v.duplicated, v.reordered], [[], [], []], told); return { dead: false, missing: 0 }; }
  assert.equal(t.outcome, 'rolled-back', told);
  return { dead: true, missing: homeWithoutTarget(t, told) };
}

async function bury(situation: string, x: { readonly scheme: SchemeName; readonly m: Migration; readonly n: number; readonly turnBack?: boolean } & Partial<TrialOptions>): Promise<Counted> {
  const death: Death = { dead: false };
  const { scheme, m, n, turnBack = false, faults, ...more } = x;
  const dies = dyingAt(n, death);
  const t = await trial({
    scheme, m, world: { ...lagging, mirrorRate: 20, mirrorEvery: 6 }, operator: burying(death, turnBack), ...more,
    faults: (of) => { const [a, b] = [dies(of), faults?.(of) ?? {}]; return { ...b, call: (name, at) => a.call?.(name, at) ?? b.call?.(name, at) }; },
  }).catch((error: unknown) => { throw new Error(`${situation}: ${(error as Error).message}`, { cause: error }); });
  return judged(t, death, situation);
}

/** Its steps are the same in every scheme: the others are tried where they differ, in what has been opened. */
for (const scheme of ['consumerFirst', 'stopWaitRestart', 'restartAllAtOnce'] as const) test(`${scheme}, the target dies right after the first opening`, async () => {
  assert.ok((await bury('first opening', { scheme, m: withWayBack(demo), n: 1 })).dead);
});

test('dualConsume: a first set that has hardly read anything goes on where it is, however far the second has come', async () => {
  let known = 0;
  for (const n of [1, 20, 40, 60, 80, 100, 140, 180]) {
    const world = { ...lagging, idleOnSource: 'audit' };
    const death: Death = { dead: false };
    const t = await trial({ scheme: 'dualConsume', m: withWayBack(demo), world, operator: burying(death, false), faults: dyingAt(n, death) });
    assert.ok(judged(t, death, `call ${n}`).dead);
    known += [...t.world.swept.places.keys()].some((key) => key.startsWith('audit ')) ? 1 : 0;
  }
  assert.ok(known >= atLeast(3), `the second set was swept in ${known} of them`);
});

for (const scheme of ['stopRestartRepeat', 'producerFirst', 'blueGreen', 'dualConsume'] as const) describe(`${scheme}, the target dies`, () => {
  const m = withWayBack(demo);
  const calls = async (turnBack: boolean): Promise<number> => (await trial({ scheme, m, world: lagging, operator: burying({ dead: false }, turnBack) })).activities.calls.length;

  for (const shape of shapes) test(`${shape.name}: right after the first opening, and at the end`, async () => {
    assert.ok((await bury('first opening', { scheme, m: shape, n: 1 })).dead);
    const { activities } = await trial({ scheme, m: shape, world: lagging });
    await bury('late', { scheme, m: shape, n: activities.calls.length - 12 });
  });
  test('at any call on the way forward, while runs continue as new', async () => {
    let [dead, missing] = [0, 0];
    for (const n of sampled(await calls(false))) for (const renewEvery of [3, 1_000]) {
      const c = await bury(`call ${n}, renewed every ${renewEvery}`, { scheme, m, n, renewEvery });
      dead += c.dead ? 1 : 0;
      missing += c.missing;
    }
    assert.ok(dead >= atLeast(5), `it died only ${dead} times`);
    assert.ok(missing >= atLeast(1), 'nothing was ever missing: the test tells nothing');
  });
  test('at any call on the ordinary way back', async () => {
    for (const n of sampled(await calls(true))) await bury(`call ${n}`, { scheme, m, n, turnBack: true });
  });
  for (const when of ['before', 'during', 'after'] as const) for (const [what, fault] of [['fails', refused], ['loses its connection', lost]] as const)
    test(`each write without the target ${what} once, ${when} its effect`, async () => {
      for (let k = 1; k <= 9; k++) {
        let n = 0;
        await bury(`write ${k}`, { scheme, m, n: 1, faults: () => ({ [when]: (name: string) => (/WithoutTarget$|^(leaveTarget|startFleet)$/.test(name) && run(name) === k ? fault() : undefined) }) });
        function run(_name: string): number { n++; return n; }
      }
    });
  test('the workflow is terminated at each call without the target, and recovered from the ledger', async () => {
    for (let k = 1; k <= 12; k++) {
      let seen = 0;
      await bury(`call ${k}`, { scheme, m, n: 1, faults: ({ run }) => ({ call: () => (run()?.journal?.reverse?.without && ++seen === k ? 'terminate' : undefined) }) });
    }
  });
  test('refused at the hold: everything stands, and goes on when the target is back', async () => {
    let [asked, back] = [0, false];
    const t = await trial({
      scheme, m, world: lagging,
      operator: (q) => {
        if (q.name === hold) { asked++; back = true; return { kind: 'reject' }; }
        if (q.name === finish && asked === 0) return { kind: 'rollback', withoutTarget: true };
        return { kind: q.kind === 'hold' ? 'approve' : 'retry' };
      },
    });
    assert.ok(back);
    assert.equal(t.outcome, 'completed');
    assert.deepEqual([t.verdict.lost, t.verdict.duplicated, t.verdict.reordered], [[], [], []]);
  });
  test('before anything is opened it is refused with a reason, and so it is when the way back is closed or was never declared', async () => {
    const heard: string[] = [];
    for (const shape of [m, demo]) await trial({
      scheme, m: shape, world: lagging,
      faults: ({ run }) => ({ call: once(3, () => { const r = run(); if (r?.journal) { say(r, 'rollback', { withoutTarget: true }); heard.push(r.journal.refused ?? 'taken'); } return undefined; }) }),
    });
    for (const text of heard) assert.match(text, /Nothing has been opened: the ordinary rollback/);
    const closed = await trial({
      scheme, m: demo, world: lagging,
      faults: ({ run }) => ({ call: () => { const r = run(); if (r?.journal?.closedBy && r.journal.refused === null) say(r, 'rollback', { withoutTarget: true }); return undefined; } }),
    });
    assert.match(closed.journal.refused ?? '', /irreversible: without "connectBack" nothing that was written on new is carried back and no position there was ever swept/);
  });
});
