/** The wall around every activity; where a moment matters, time is the test's own. */
import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { test } from 'node:test';
import { ApplicationFailure } from '@temporalio/common';
import { boundary, type At, type Surroundings } from '../../src/activities/boundary.ts';
import { Failure } from '../../src/domain/failures.ts';
import { context } from './fake-ports.ts';

const around = (more: Partial<Surroundings> & { beats?: { n: number } } = {}): Surroundings => ({ heartbeat: () => { if (more.beats) more.beats.n++; }, signal: new AbortController().signal, now: () => Date.now(), ...more });
const enclose = (s: Surroundings, options: Parameters<typeof boundary>[0] = {}) => boundary({ surroundings: () => s, heartbeatMs: 10, ...options });
const until = (ms: number): { c: ReturnType<typeof context> } => ({ c: context('step', { untilMs: Date.now() + ms }) });
const settled = (): Promise<void> => new Promise((resolve) => { setImmediate(resolve); });
const failure = async (p: Promise<unknown>): Promise<ApplicationFailure> => {
  const error = await p.then(() => assert.fail('it should have failed'), (e: unknown) => e);
  assert.ok(error instanceof ApplicationFailure, String(error));
  return error;
};

test('a call that hangs: the activity ends by itself when the time is up, and says what it saw last', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout', 'setInterval', 'Date'] });
  let ended = false;
  const hung = failure(enclose(around())('stopFleet', until(60), 'write', async (at) => { at.seen('shop still runs.'); await new Promise(() => undefined); })).finally(() => { ended = true; });
  t.mock.timers.tick(59);
  await settled();
  assert.equal(ended, false, 'its time is not up yet');
  t.mock.timers.tick(1);
  const f = await hung;
  assert.equal(f.type, 'BudgetExceeded');
  assert.equal(f.nonRetryable, true);
  assert.match(f.message ?? '', /stopFleet did not end before .*Last seen: shop still runs\./);
});

test('a call that hangs and goes on later: its write is refused', async () => {
  let wrote = false;
  let refusedWith = '';
  const late = Promise.withResolvers<void>();
  await failure(enclose(around())('commit', until(30), 'write', async (at) => {
    await sleep(60);
    try { at.until.check(); wrote = true; } catch (e) { refusedWith = (e as Error).name; }
    late.resolve();
  }));
  await late.promise;
  assert.equal(wrote, false);
  assert.equal(refusedWith, 'BudgetExceeded');
});

test('work that an ended activity left behind may not write either', async () => {
  let at: At | undefined;
  await enclose(around())('x', {}, 'write', async (a) => { at = a; });
  assert.throws(() => at?.until.check(), /has ended/);
  assert.equal(at?.until.signal.aborted, true);
});

test('the time was up before it began: nothing is called', async () => {
  let called = false;
  const f = await failure(enclose(around())('x', until(-1), 'write', async () => { called = true; }));
  assert.equal(f.type, 'BudgetExceeded');
  assert.equal(called, false);
});

test('a request that times out at the very end is the budget, not the network', async () => {
  const f = await failure(enclose(around())('x', until(30), 'write', async () => { await sleep(31); throw new Failure('Unreachable', 'timed out'); }));
  assert.equal(f.type, 'BudgetExceeded');
});

test('a request never outlives the time, and is never given none', async () => {
  await enclose(around())('x', until(500), 'write', async (at) => {
    assert.ok(at.until.timeoutMs(10_000) <= 500);
    assert.equal(at.until.timeoutMs(3), 3);
  });
  await enclose(around())('x', {}, 'write', async (at) => { assert.equal(at.until.timeoutMs(10_000), 10_000); });
});

test('a call that hangs without any beat of its own: the heart goes on', async (t) => {
  t.mock.timers.enable({ apis: ['setInterval'] });
  const beats = { n: 0 };
  const answered = Promise.withResolvers<void>();
  const call = enclose(around({ beats, heartbeat: () => { beats.n++; } }))('x', {}, 'read', () => answered.promise);
  t.mock.timers.tick(80);
  answered.resolve();
  await call;
  assert.equal(beats.n, 9, 'one as it begins, one every 10 ms');
});

test('cancelled while reading: left at once, with the reason Temporal wants', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const cancel = new AbortController();
  const left = assert.rejects(enclose(around({ signal: cancel.signal }))('lookReady', {}, 'read', () => new Promise(() => undefined)), /CANCELLED/);
  cancel.abort(new Error('CANCELLED'));
  // No timer goes off here: had it waited for one, this would never end.
  await left;
});

test('cancelled while writing: waited for, so that an undo does not begin beside it', async () => {
  const cancel = new AbortController();
  setTimeout(() => { cancel.abort(new Error('CANCELLED')); }, 10);
  let ended = false;
  const enclosed = enclose(around({ signal: cancel.signal }), { settleMs: 500 });
  await enclosed('createTopics', {}, 'write', async () => { await sleep(60); ended = true; }).catch(() => undefined);
  assert.equal(ended, true);
});

test('cancelled while a write hangs for ever: left after a while', async () => {
  const cancel = new AbortController();
  setTimeout(() => { cancel.abort(new Error('CANCELLED')); }, 10);
  const startedMs = Date.now();
  await assert.rejects(enclose(around({ signal: cancel.signal }), { settleMs: 60 })('createTopics', {}, 'write', () => new Promise(() => undefined)), /CANCELLED/);
  assert.ok(Date.now() - startedMs >= 60);
});

test('failures keep their type; those a person must see to are not retried, anything unknown is', async () => {
  const cases = [
    [new Failure('NotExact', 'a'), 'NotExact', true], [new Failure('Unreachable', 'b'), 'Unreachable', false],
    [new TypeError('c is not a function'), 'Unexpected', false], ['a string', 'Unexpected', false],
  ] as const;
  for (const [thrown, type, nonRetryable] of cases) {
    const f = await failure(enclose(around())('x', {}, 'read', async () => { throw thrown; }));
    assert.deepEqual([f.type, f.nonRetryable], [type, nonRetryable]);
  }
});

test('no secret and no more than 4 KB leaves, not in the message and not in the stack', async () => {
  const redact = (text: string): string => text.replaceAll('hunter2', '[secret]');
  for (const thrown of [new Error(`login with hunter2 failed ${'é'.repeat(5_000)}`), new Failure('Unauthorized', 'password hunter2 refused')]) {
    const f = await failure(enclose(around(), { redact })('x', {}, 'read', async () => { throw thrown; }));
    assert.doesNotMatch(`${f.message} ${f.stack}`, /hunter2/);
    assert.equal(f.cause, undefined);
    assert.ok(Buffer.byteLength(f.message ?? '') < 4_096);
  }
});
