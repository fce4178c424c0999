/** Mirrors are looked after from the first one on, and never while one is silenced or taken away: the world itself throws there. */
import assert from 'node:assert/strict';
import { test } from '../apart.ts';
import { demo } from '../fakes/migrations.ts';
import { trial, type Operator } from '../fakes/runtime.ts';
import { lagging, refused } from './judge.ts';

const m = { ...demo, connectBack: 'connect-old' };

for (const scheme of ['stopRestartRepeat', 'producerFirst', 'consumerFirst', 'stopWaitRestart', 'restartAllAtOnce', 'dualConsume', 'blueGreen'] as const) test(`${scheme}: mirrors are looked after, and rest at its end`, async () => {
  const t = await trial({ scheme, m, world: lagging });
  const made = t.activities.calls.indexOf('createMirror');
  const tended = t.activities.calls.indexOf('lookMirrors');
  assert.ok(made >= 0 && tended > made, t.activities.calls.join(' '));
  assert.deepEqual([t.world.tended.now.size, t.journal.mirrors], [0, null]);
});

test('mirrors back are looked after where nothing is copied forward', async () => {
  const t = await trial({ scheme: 'producerFirst', m: { ...m, connect: null }, world: lagging });
  const made = t.activities.calls.indexOf('createMirror');
  assert.ok(made >= 0 && t.activities.calls.indexOf('lookMirrors') > made, t.activities.calls.join(' '));
  assert.deepEqual([t.world.tended.now.size, t.journal.mirrors], [0, null]);
});

test('nothing is looked after where nothing is copied', async () => {
  const t = await trial({ scheme: 'stopWaitRestart', m: { ...m, connect: null, connectBack: null }, world: lagging });
  assert.equal(t.world.tended.begun, 0);
});

test('an outage that was undone waits for an answer: mirrors are looked after meanwhile, and not in the outage', async () => {
  let waited = 0;
  let tendedMeanwhile = 0;
  let failed = false;
  const operator: Operator = (q) => {
    if (q.kind === 'hold') return { kind: 'approve' };
    // An answer that takes its time.
    if (waited++ < 40) return null;
    tendedMeanwhile += world()?.tended.now.size ?? 0;
    return { kind: 'retry' };
  };
  let world: () => { readonly tended: { readonly now: ReadonlySet<object> } } | null = () => null;
  const t = await trial({
    scheme: 'stopRestartRepeat', m, world: lagging, operator,
    faults: ({ activities }) => {
      world = () => activities.w;
      return { call: (name) => { if (failed || name !== 'markCut') return undefined; failed = true; return refused(); } };
    },
  });
  assert.equal(t.journal.outages.filter((o) => o.outcome === 'undone').length, 1, t.journal.audit.join('\n'));
  assert.equal(tendedMeanwhile, 1);
});

test('one that cannot be looked after is an alarm, and no reason to stop', async () => {
  let struck = false;
  const t = await trial({ scheme: 'stopRestartRepeat', m, world: lagging, faults: () => ({ call: (name) => {
    if (struck || name !== 'lookMirrors') return undefined;
    struck = true;
    return refused();
  } }) });
  assert.equal(t.outcome, 'completed');
  assert.ok(t.journal.audit.some((line) => line.includes('a mirror may not copy: ')), t.journal.audit.join('\n'));
});

test('a decision that comes while mirrors come to rest before a new run is heard, and answered', async () => {
  for (const renewEvery of [4, 7, 11]) {
    const t = await trial({ scheme: 'stopRestartRepeat', m, world: lagging, renewEvery });
    assert.equal(t.outcome, 'completed');
    assert.ok(t.runs > 5, `${t.runs} runs`);
  }
});
