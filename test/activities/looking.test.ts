/** When a look comes back, and when it goes on. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { boundary } from '../../src/activities/boundary.ts';
import { lookUntil, magnitude, type Glance, type LookingOptions } from '../../src/activities/looking.ts';
import { Failure } from '../../src/domain/failures.ts';
import type { Context } from '../../src/domain/scheme.ts';
import { looking } from './fake-ports.ts';

const enclose = boundary({ surroundings: () => ({ heartbeat: () => undefined, signal: new AbortController().signal, now: () => Date.now() }) });
const look = (c: Context & { readonly before: string | null }, glances: readonly Partial<Glance>[], options: LookingOptions = {}) => {
  let i = 0;
  return enclose('look', { c }, 'read', (at) => lookUntil(c, at, async () => ({ done: false, say: 'x', state: 'a', ...glances[Math.min(i++, glances.length - 1)] }), { pollMs: 1, outagePollMs: 1, ...options }));
};

test('the first turn comes back with the first picture', async () => {
  assert.deepEqual((await look(looking('s'), [{ say: 'hello' }])).say, 'hello');
});
test('the next turn comes back only when the picture changed', async () => {
  const first = await look(looking('s'), [{}]);
  const second = await look({ ...looking('s'), before: first.picture ?? null }, [{}, {}, { state: 'b', say: 'halved' }]);
  assert.deepEqual([second.done, second.say], [false, 'halved']);
});
test('a first glance that fails in a way that may pass is told, without secrets; from then on the failure is one, and the first answer is news', async () => {
  const hiding = boundary({ surroundings: () => ({ heartbeat: () => undefined, signal: new AbortController().signal, now: () => Date.now() }), redact: (text) => text.replaceAll('hunter2', '***') });
  const turn = (before: string | null, glance: () => Promise<Glance>, options: LookingOptions = {}) => hiding('look', { c: looking('s') }, 'read', (at) => lookUntil({ ...looking('s'), before }, at, glance, { pollMs: 1, ...options }));
  const unreachable = async (): Promise<Glance> => { throw new Failure('Unreachable', 'Hook check: connect ECONNREFUSED (hunter2).'); };
  const first = await turn(null, unreachable);
  assert.deepEqual([first.done, first.say], [false, 'not seen yet, and tried again: Hook check: connect ECONNREFUSED (***). Check the address and the network; the call is retried.']);
  await assert.rejects(turn(first.picture ?? null, unreachable), { type: 'Unreachable', nonRetryable: false });
  assert.equal((await turn(first.picture ?? null, async () => ({ done: false, state: 'a', say: 'it answers' }))).say, 'it answers');
  assert.match((await turn(null, async () => { throw new TypeError('no such field'); })).say, /TypeError: no such field/);
  await assert.rejects(turn(null, async () => { throw new Failure('ClientNotMoved', 'gone'); }), { type: 'ClientNotMoved' });
  await assert.rejects(turn(null, unreachable, { unanswered: 'throw' }), { type: 'Unreachable' });
});
test('inside an outage and in an undo a glance that fails is tried again at once', async () => {
  for (const more of [{ untilMs: Date.now() + 1_000, mode: 'outage' }, { mode: 'undo' }] as const)
    await assert.rejects(enclose('look', { c: looking('s', more) }, 'read', (at) => lookUntil(looking('s', more), at, async () => { throw new Failure('Unreachable', 'away'); })), { type: 'Unreachable' });
});
test('a turn without news ends after its time, and idle time adds up over turns', async () => {
  const first = await look(looking('s'), [{}]);
  const second = await look({ ...looking('s'), before: first.picture ?? null }, [{}], { turnMs: 30 });
  assert.equal(second.done, false);
  const carried = JSON.parse(second.picture ?? '{}') as { idleMs: number };
  assert.ok(carried.idleMs >= 29, `${carried.idleMs} ms carried`);
  // What the turn before waited counts: alone, this turn would end an hour before the patience does.
  const patience = { ms: 3_600_000, failure: () => new Failure('MirrorStuck', 'no progress') };
  await assert.rejects(look({ ...looking('s'), before: JSON.stringify({ ...carried, idleMs: 3_599_990 }) }, [{ patience }], { turnMs: 60_000 }), { type: 'MirrorStuck' });
});
test('progress without a new picture keeps patience alive', async () => {
  const patience = { ms: 15, failure: () => new Failure('MirrorStuck', 'no progress') };
  const first = await look(looking('s'), [{}]);
  const moving = Array.from({ length: 20 }, (_, i) => ({ progress: String(i), patience }));
  const last = await look({ ...looking('s'), before: first.picture ?? null }, [...moving, { done: true }], { pollMs: 3 });
  assert.equal(last.done, true);
});
test('inside an outage and in an undo it goes on until done, whatever the picture', async () => {
  for (const more of [{ untilMs: Date.now() + 1_000, mode: 'outage' }, { mode: 'undo' }] as const) {
    const l = await look(looking('s', more), [{ state: 'a' }, { state: 'b' }, { state: 'c', done: true }]);
    assert.equal(l.done, true);
  }
});
test('inside an outage the budget ends it, with what was seen last', async () => {
  await assert.rejects(look(looking('s', { untilMs: Date.now() + 40, mode: 'outage' }), [{ say: 'orders/3 still grows.' }]), (e: Error) => (e as { type?: string }).type === 'BudgetExceeded' && /orders\/3 still grows/.test(e.message));
});
test('a picture of another make is only another picture', async () => {
  assert.equal((await look({ ...looking('s'), before: 'not json' }, [{}])).done, false);
});
test('lags of one order of magnitude look the same', () => {
  assert.deepEqual([0n, 1n, 2n, 3n, 4n, 1000n, 1023n, 1024n].map(magnitude), ['0', '1', '2', '2', '3', '10', '10', '11']);
});
