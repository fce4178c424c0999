/** What a decision does to the step that asked for it. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Work } from '../../src/activities/work.ts';
import { Failure } from '../../src/domain/failures.ts';
import type { Question } from '../../src/domain/progress.ts';
import type { Run } from '../../src/workflows/engine.ts';
import { demo } from '../fakes/migrations.ts';
import { say, trial } from '../fakes/runtime.ts';

test('a wait whose patience ended and that is tried again says at once what it sees', async () => {
  const begunWith: (string | null)[] = [];
  // News once, then none until patience ends; a turn that begins with the picture of before would stay silent as long again.
  const lookCaughtUp: Work['lookCaughtUp'] = async ({ c }) => {
    begunWith.push(c.before);
    if (begunWith.length === 2) throw new Failure('MirrorStuck', 'Nothing moves.');
    return { done: begunWith.length > 2, say: 'the mirror stands', picture: 'stands', fromMs: 0, toMs: 0 };
  };
  const t = await trial({ scheme: 'stopRestartRepeat', m: demo, spoil: (work) => new Proxy(work, { get: (target, name) => (name === 'lookCaughtUp' ? lookCaughtUp : Reflect.get(target, name) as unknown) }) });
  assert.deepEqual(begunWith.slice(0, 3), [null, 'stands', null]);
  assert.match(t.questions[0] ?? '', /^failed: mirror\/.*MirrorStuck: Nothing moves.*-> retry$/);
});

test('a consent counts when it covers what is there now, though the hold asks for room beside it; a smaller one is refused by number', async () => {
  const heard: string[] = [];
  let [turned, asked] = [false, 0];
  const t = await trial({
    scheme: 'dualConsume', m: { ...demo, connectBack: 'connect-old' },
    spoil: (work) => new Proxy(work, { get: (target, name) => (name !== 'evidence' ? Reflect.get(target, name) as unknown : async (x: Parameters<Work['evidence']>[0]) => {
      const shown = await target.evidence(x);
      // It grows between the look and the approval.
      return x.about.kind !== 'reverse' ? shown : { ...shown, claims: [...shown.claims, { text: 'audit read everything.', holds: false, unless: { audit: 3_000 + asked * 1_000 }, least: { audit: 900 } }] };
    }) }),
    operator: (q, j) => {
      if (q.name === 'finish/approve the finish' && !turned) { turned = true; return { kind: 'rollback' }; }
      if (!q.name.endsWith('approve the cut back')) return { kind: q.kind === 'hold' ? 'approve' : 'retry' };
      heard.push(j.refused ?? '');
      return { kind: 'approve', mayRepeat: { audit: asked++ === 0 ? 500 : 1_000 } };
    },
  });
  assert.equal(t.outcome, 'rolled-back');
  assert.ok(t.journal.audit.some((line) => line.endsWith('test accepts that records are read again, at most: audit 1000 records')), t.journal.audit.join('\n'));
  assert.equal(t.journal.mayRepeat?.['audit'], 1_000);
  assert.match(heard[1] ?? '', /not all claims hold: audit read everything\. \(approve with "mayRepeat" to accept that records are read again: audit \d,?000 records\)/);
});

for (const changed of [false, true]) test(`an outage that undid itself and is tried again begins with what was confirmed before it${changed ? ': what has changed meanwhile is told, and nobody is stopped' : ''}`, async () => {
  const order: string[] = [];
  let [failed, drifted] = [false, 0];
  const t = await trial({
    scheme: 'stopRestartRepeat', m: demo,
    spoil: (work) => new Proxy(work, { get: (target, name) => {
      const call = Reflect.get(target, name) as (x: { readonly c: { readonly mode: string } }) => Promise<unknown>;
      if (!['lookInventory', 'preparePositions', 'stopFleet'].includes(String(name))) return call;
      return async (x: { readonly c: { readonly mode: string } }): Promise<unknown> => {
        if (name !== 'stopFleet' || x.c.mode === 'outage') order.push(String(name));
        if (name === 'stopFleet' && x.c.mode === 'outage' && !failed) { failed = true; throw new Failure('ClientNotMoved', 'The fleet is busy.'); }
        if (name === 'lookInventory' && failed && changed && drifted++ === 0) throw new Failure('Drift', 'orders has 5 partitions, had 4.');
        return call(x);
      };
    } }),
  });
  assert.equal(t.outcome, 'completed');
  const firstOutage = order.indexOf('stopFleet');
  const before = order.slice(order.lastIndexOf('lookInventory', firstOutage), firstOutage);
  assert.equal(before[0], 'lookInventory');
  // Read again, then all that ages, and only then somebody is stopped.
  assert.deepEqual(order.slice(firstOutage + 1, firstOutage + 2 + before.length + (changed ? 1 : 0)), [...(changed ? ['lookInventory'] : []), ...before, 'stopFleet']);
  assert.equal(t.questions.filter((q) => q.includes('confirm that nothing changed failed: Drift: orders has 5 partitions')).length, changed ? 1 : 0, t.questions.join('\n'));
});

test('what a terminated workflow left in the middle of an outage is undone, also when it could not be looked after at once', async () => {
  for (const then of ['rollback', 'retry'] as const) {
    let [dead, spoiled] = [false, false];
    const t = await trial({
      scheme: 'stopRestartRepeat', m: demo,
      faults: ({ run }) => ({ after: (name) => (!dead && name === 'raiseFence' && run()?.insideOutage === true ? (dead = true, 'terminate') : undefined) }),
      spoil: (work) => new Proxy(work, { get: (target, name) => (name !== 'captureFleet' ? Reflect.get(target, name) as unknown : async (x: Parameters<Work['captureFleet']>[0]) => {
        if (dead && !spoiled) { spoiled = true; throw new Failure('Unauthorized', 'Not just now.'); }
        return target.captureFleet(x);
      }) }),
      operator: (q) => ({ kind: q.kind === 'hold' ? 'approve' : q.kind === 'failed' && q.text.includes('could not be looked after') ? 'retry' : then }),
    });
    const told = `${t.questions.join('\n')}\n${t.journal.audit.slice(-12).join('\n')}`;
    assert.ok(spoiled && t.questions.some((q) => q.includes('could not be looked after')), told);
    assert.ok(t.journal.audit.some((line) => line.includes('ended inside it')), told);
    assert.equal(t.outcome, then === 'rollback' ? 'rolled-back' : 'completed', told);
    if (then === 'rollback') assert.deepEqual(t.end, t.start, told);
  }
});

test('whoever refuses the way back without the target is asked again what was asked before, and nobody is stopped meanwhile', async () => {
  const order: string[] = [];
  let [failed, asked] = [false, false];
  const t = await trial({
    scheme: 'stopRestartRepeat', m: { ...demo, connectBack: 'connect-old' },
    spoil: (work) => new Proxy(work, { get: (target, name) => (name !== 'stopFleet' ? Reflect.get(target, name) as unknown : async (x: Parameters<Work['stopFleet']>[0]) => {
      if (x.c.mode === 'outage' && x.c.key.includes('cut orders')) {
        order.push('stopped');
        if (!failed) { failed = true; throw new Failure('ClientNotMoved', 'The fleet is busy.'); }
      }
      return target.stopFleet(x);
    }) }),
    operator: (q) => {
      if (q.name.startsWith('without the target/')) { order.push('refused'); return { kind: 'reject' }; }
      if (q.kind === 'failed' && q.name === 'cut orders/outage') {
        order.push('asked');
        if (!asked) { asked = true; return { kind: 'rollback', withoutTarget: true }; }
      }
      return { kind: q.kind === 'hold' ? 'approve' : 'retry' };
    },
  });
  assert.deepEqual([t.outcome, ...order.slice(0, 5)], ['completed', 'stopped', 'asked', 'refused', 'asked', 'stopped']);
});

test('a consent is for the way back whose hold asked for it: the next one asks anew', async () => {
  const refused = new Set<string>();
  let turned = false;
  const t = await trial({
    scheme: 'stopRestartRepeat', m: { ...demo, connectBack: 'connect-old' },
    spoil: (work) => new Proxy(work, { get: (target, name) => (name !== 'evidence' ? Reflect.get(target, name) as unknown : async (x: Parameters<Work['evidence']>[0]) => {
      const shown = await target.evidence(x);
      return x.about.kind !== 'reverse' ? shown : { ...shown, claims: [...shown.claims, { text: 'audit read everything.', holds: false, unless: { audit: 2_000 }, least: { audit: 900 } }] };
    }) }),
    operator: (q, j) => {
      if (q.name === 'finish/approve the finish' && !turned) { turned = true; return { kind: 'rollback' }; }
      if (!q.name.endsWith('approve the cut back')) return { kind: q.kind === 'hold' ? 'approve' : 'retry' };
      // Nothing is said of repeats until the hold insists on it.
      if (!(j.refused ?? '').includes('not all claims hold')) return { kind: 'approve' };
      refused.add(q.name);
      return { kind: 'approve', mayRepeat: { audit: 1_000 } };
    },
  });
  assert.equal(t.outcome, 'rolled-back');
  assert.deepEqual([...refused], ['back orders/approve the cut back', 'back enriched/approve the cut back'], t.journal.audit.slice(-60).join('\n'));
});

test('a decision answers the question that was open when it came, however often it is said: nothing is approved, tried again or skipped unseen', async () => {
  for (const connectBack of ['connect-old', null]) {
    const of: { run: () => Run | null } = { run: () => null };
    const seen: string[] = [];
    let failed = 0;
    let last: Question | null = null;
    const t = await trial({
      scheme: 'stopRestartRepeat', m: { ...demo, connectBack },
      faults: ({ run }) => { of.run = run; return {}; },
      spoil: (work) => new Proxy(work, { get: (target, name) => (name !== 'holdRetention' ? Reflect.get(target, name) as unknown : async (x: Parameters<Work['holdRetention']>[0]) => {
        if (failed++ < 3) throw new Failure('Unauthorized', 'Not yet.');
        return target.holdRetention(x);
      }) }),
      operator: (q) => {
        const kind = q.kind === 'hold' ? 'approve' : 'retry';
        const run = of.run();
        // Two people, or one whose first word seemed lost; and once more because of what is said of those.
        if (last !== q) seen.push(q.name);
        last = q;
        if (run) for (let n = 0; n < 2; n++) say(run, kind, { ...(q.hash === null ? {} : { hash: q.hash }), reason: 'again' });
        return { kind };
      },
    });
    const told = t.journal.audit.join('\n');
    assert.equal(t.outcome, 'completed', told);
    const done = t.journal.audit.flatMap((line) => / (\S.*): approve by test with hash \S+: accepted/.exec(line)?.[1] ?? / retry of (.*) by test/.exec(line)?.[1] ?? []);
    assert.deepEqual(done, seen, told);
    assert.ok(seen.filter((name) => name.includes('hold retention')).length === 3, told);
    const late = t.journal.audit.filter((line) => line.includes('it answers nothing else'));
    assert.ok(late.length >= 2 * seen.length && late.every((line) => seen.some((name) => line.includes(`was for "${name}" as it stood then`))), told);
  }
});
