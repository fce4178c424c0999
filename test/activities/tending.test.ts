/** Mirrors that nobody waits for: what has failed is restarted, and what cannot be is said. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { At } from '../../src/activities/boundary.ts';
import { createRecord } from '../../src/activities/ledger.ts';
import type { Glance } from '../../src/activities/looking.ts';
import { tending } from '../../src/activities/tending.ts';
import { cutSets } from '../../src/domain/cutsets.ts';
import { noLimit } from '../adapters/kafka/until.ts';
import { application, migration } from '../fakes/migrations.ts';
import { context, FakeMirror, FakeWorld, looking, run } from './fake-ports.ts';

const m = migration('m', [application('shop', { writes: ['orders'] }), application('mailer', { writes: ['mails'] }), application('billing', { reads: { billing: ['orders'] } }), application('audit', { reads: { audit: ['mails'] } })], { connectBack: 'connect-back' });
const sets = cutSets(m);
const ordersSet = sets.find((s) => s.name === 'orders') ?? assert.fail('no set of orders');
const nameOf = (topic: string, way: 'fwd' | 'back' = 'fwd', of = run): string => `cutover-${topic}-${way}-${of.slice(-8)}-1`;

interface Tended { readonly w: FakeWorld; readonly orders: FakeMirror; readonly mails: FakeMirror; readonly look: () => Promise<Glance>; readonly pass: (ms: number) => void; readonly again: (last: Glance) => void }
function tended(): Tended {
  const w = new FakeWorld();
  for (const c of [w.source, w.target]) for (const topic of m.topics) c.topic(topic, 1);
  const [orders, mails] = ['orders', 'mails'].map((topic) => new FakeMirror({ connect: 'connect-new', name: nameOf(topic), from: 'old', to: 'new', topics: [topic], seed: [] }));
  for (const one of [orders, mails]) w.connectors.set(one!.spec.name, one!);
  let nowMs = 1_000_000;
  const at: At = { until: noLimit, now: () => nowMs, pause: async () => undefined, seen: () => undefined, words: (e) => (e instanceof Error ? e.message : String(e)) };
  const begun = (before: string | null) => tending(w.ports(), createRecord(w.ports())).lookMirrors({ m, c: { ...looking('tend'), before } }, at);
  let glance = begun(null);
  return {
    w, orders: orders!, mails: mails!, look: () => glance(), pass: (ms) => { nowMs += ms; },
    again: (last) => { glance = begun(JSON.stringify({ state: last.state, progress: '', idleMs: 0 })); },
  };
}

test('while nothing is wrong every Connect worker is asked once, however many mirrors there are', async () => {
  const t = tended();
  const seen = await t.look();
  assert.deepEqual([seen.done, seen.say, seen.figures, t.w.asked], [false, '2 mirrors run.', { state: 'running' }, 2]);
  t.w.connectors.delete(t.mails.spec.name);
  assert.equal((await t.look()).say, '1 mirror runs.');
  assert.equal(t.w.asked, 4);
});

test('what has failed is restarted and named; a minute later all is as before', async () => {
  const t = tended();
  await t.look();
  Object.assign(t.orders, { state: 'FAILED', heals: true });
  const restarted = await t.look();
  assert.deepEqual([restarted.say, restarted.figures], [`mirror ${nameOf('orders')} has failed on Connect connect-new (task 0: boom) and was told to restart: what new lacks of orders comes once it runs.`, { state: 'restarted' }]);
  assert.equal(t.orders.state, 'RUNNING');
  t.pass(59_000);
  await t.look();
  t.pass(59_000);
  assert.equal((await t.look()).state, restarted.state, 'it is watched for a minute from when it was seen to run');
  t.pass(1_000);
  assert.deepEqual((await t.look()).figures, { state: 'running' });
});

test('one that goes on failing is restarted less and less often, is an alarm, and stays one over turns', async () => {
  const t = tended();
  let restarts = 0;
  const trace = 'task 0: RecordTooLargeException';
  Object.defineProperty(t.orders, 'heals', { get: () => { restarts++; return false; } });
  Object.assign(t.orders, { state: 'FAILED', trace });
  assert.deepEqual((await t.look()).figures, { state: 'restarted' });
  const times: number[] = [];
  for (let s = 0; s < 100; s += 5) {
    t.pass(5_000);
    const before = restarts;
    const seen = await t.look();
    if (restarts > before) { times.push(s + 5); t.again(seen); }
  }
  assert.deepEqual(times, [10, 30, 70], 'after 10, 20 and 40 s');
  const alarm = await t.look();
  assert.deepEqual(alarm.figures, { state: 'failing' });
  assert.match(alarm.say, /has failed on Connect connect-new \(task 0: RecordTooLargeException\) and was told to restart, 4 times/);
});

test('one that no longer copies faithfully is named and not restarted', async () => {
  const t = tended();
  Object.assign(t.orders, { state: 'FAILED', heals: true });
  t.orders.next.set('orders/0', 12n);
  const seen = await t.look();
  assert.deepEqual([seen.figures, t.orders.state], [{ state: 'failing' }, 'FAILED']);
  assert.match(seen.say, /^mirror \S+ has failed on Connect connect-new \(task 0: boom\), and is not restarted because it no longer copies faithfully: orders\/0 ends at 0 on old, and the mirror already copied up to 12: the log was truncated\.$/);
  t.again(seen);
  const still = await t.look();
  assert.deepEqual([still.say, still.state, t.orders.state], [seen.say, seen.state, 'FAILED'], 'nor in the next turn');
});

test('one that ran before a cut is not restarted after it, nor one that was stopped, nor that of another run', async () => {
  const t = tended();
  const x = { m, c: context('cut'), set: ordersSet, to: 'target' as const };
  await t.w.work().markCut({ ...x, before: await t.w.work().captureCut(x) });
  Object.assign(t.orders, { state: 'FAILED', heals: true });
  t.mails.state = 'STOPPED';
  const strange = new FakeMirror({ connect: 'connect-new', name: nameOf('mails', 'fwd', '0198aaaa-0000-7000-8000-00000000beef'), from: 'old', to: 'new', topics: ['mails'], seed: [] });
  Object.assign(strange, { state: 'FAILED', heals: true });
  t.w.connectors.set(strange.spec.name, strange);
  await t.look();
  assert.deepEqual([t.orders.state, t.mails.state, strange.state], ['FAILED', 'STOPPED', 'FAILED']);
  t.pass(31_000);
  const seen = await t.look();
  assert.deepEqual([seen.say, seen.figures], ['0 mirrors run.', { state: 'running' }], 'it was silenced for the cut, and that is no alarm');
});

test('the mirror back is looked after as the one forward', async () => {
  const t = tended();
  const x = { m, c: context('cut'), set: ordersSet, to: 'target' as const };
  await t.w.work().markCut({ ...x, before: await t.w.work().captureCut(x) });
  t.orders.state = 'STOPPED';
  const back = new FakeMirror({ connect: 'connect-back', name: nameOf('orders', 'back'), from: 'new', to: 'old', topics: ['orders'], seed: [] });
  Object.assign(back, { state: 'FAILED', heals: true });
  t.w.connectors.set(back.spec.name, back);
  assert.match((await t.look()).say, /mirror cutover-orders-back-\S+ has failed on Connect connect-back \(task 0: boom\) and was told to restart: what old lacks of orders/);
  assert.equal(back.state, 'RUNNING');
});

test('what may pass is an alarm only when it does not: a pause, a worker that holds nothing, a Connect that does not answer', async () => {
  for (const [upset, says] of [
    [(t: Tended) => { t.orders.state = 'PAUSED'; }, /is paused on Connect connect-new and copies nothing until somebody resumes it/],
    [(t: Tended) => { t.orders.state = 'UNASSIGNED'; }, /no worker of Connect connect-new holds mirror cutover-orders-fwd-/],
    [(t: Tended) => { t.w.deaf.add('connect-new'); }, /whether the mirrors on Connect connect-new copy is unknown: .*does not answer/],
  ] as const) {
    const t = tended();
    upset(t);
    const first = await t.look();
    assert.deepEqual(first.figures, { state: 'running' });
    assert.match(first.say, says, 'no alarm, and no silence either');
    assert.notEqual(first.state, 'running', 'its end is heard of');
    t.pass(31_000);
    const seen = await t.look();
    assert.deepEqual(seen.figures, { state: 'failing' });
    assert.match(seen.say, says);
    // A turn ends with every piece of news, and after a while: the alarm stands until its trouble is over.
    for (let turns = 0; turns < 3; turns++) {
      t.again(seen);
      const still = await t.look();
      assert.deepEqual([still.figures, still.state], [{ state: 'failing' }, seen.state]);
      assert.match(still.say, says);
    }
    t.orders.state = 'RUNNING';
    t.w.deaf.clear();
    assert.deepEqual((await t.look()).figures, { state: 'running' });
  }
});

test('of a Connect that does not answer nothing is known: what had failed there is not mended by that', async () => {
  const t = tended();
  Object.assign(t.orders, { state: 'FAILED', heals: true });
  const restarted = await t.look();
  t.w.deaf.add('connect-new');
  for (let i = 0; i < 14; i++) { t.pass(5_000); await t.look(); }
  const seen = await t.look();
  assert.deepEqual(seen.figures, { state: 'failing' });
  assert.match(seen.say, /whether the mirrors on Connect connect-new copy is unknown/);
  assert.ok(seen.say.includes(restarted.say.slice(0, -1)), seen.say);
});

test('ids under which a mirror writes are written down while nobody else looks, every five minutes', async () => {
  const t = tended();
  const known = (): readonly string[] => [...t.w.source.entries.keys()].filter((key) => key.includes('/mirror-writer/target/orders/')).map((key) => key.slice(key.lastIndexOf('/') + 1)).sort();
  await t.look();
  assert.deepEqual(known(), ['9']);
  t.orders.producerId = 10n; // its epochs were used up
  t.pass(299_000);
  await t.look();
  assert.deepEqual(known(), ['9']);
  t.pass(1_000);
  await t.look();
  assert.deepEqual(known(), ['10', '9']);
  // One that does not answer is asked again at the next look.
  t.orders.producerId = 11n;
  t.pass(300_000);
  t.w.source.before = () => { throw new Error('connection refused'); };
  t.w.target.before = t.w.source.before;
  await t.look();
  t.w.source.before = t.w.target.before = () => undefined;
  await t.look();
  assert.deepEqual(known(), ['10', '11', '9']);
});

test('one that runs without a task is begun anew, unless it gets some by itself', async () => {
  const t = tended();
  Object.assign(t.orders, { idle: true, heals: true });
  const first = await t.look();
  assert.deepEqual([first.figures, t.orders.idle], [{ state: 'running' }, true], 'it may only just have started');
  assert.match(first.say, /^mirror \S+ runs without a task on Connect connect-new and copies nothing\.$/);
  t.pass(9_999);
  await t.look();
  assert.equal(t.orders.idle, true);
  t.pass(1);
  const begun = await t.look();
  assert.deepEqual([begun.figures, t.orders.idle], [{ state: 'restarted' }, false]);
  assert.match(begun.say, /runs without a task on Connect connect-new and copies nothing and was told to restart: what new lacks of orders comes once it runs\.$/);
});

test('one that goes on without a task, because its source is away, is an alarm', async () => {
  const t = tended();
  t.orders.idle = true;
  for (let s = 0; s < 40; s += 5) { await t.look(); t.pass(5_000); }
  const seen = await t.look();
  assert.deepEqual(seen.figures, { state: 'failing' });
  assert.match(seen.say, /was told to restart, 3 times/);
});

test('one that is said to run and copies nothing is an alarm; with the login that the catalog has now it goes on', async () => {
  const t = tended();
  t.w.source.write('orders', 0, 'a');
  t.w.copy();
  await t.look();
  t.w.source.write('orders', 0, 'b', 'c');
  t.pass(60_000);
  assert.deepEqual((await t.look()).figures, { state: 'running' }, 'it may be copying them');
  t.pass(60_000);
  assert.deepEqual((await t.look()).figures, { state: 'running' });
  t.pass(60_000);
  const alarm = await t.look();
  assert.deepEqual([alarm.say, alarm.figures], [`mirror ${nameOf('orders')}, which Connect connect-new shows RUNNING, has copied nothing of orders/0 (at 1, which ends at 3) for 120 s.`, { state: 'failing' }]);
  t.orders.outdated.push('source.cluster.sasl.jaas.config');
  t.pass(10_000);
  const renewed = await t.look();
  assert.match(renewed.say, /for 1\d\d s and was told to restart, with source\.cluster\.sasl\.jaas\.config as the catalog has it now: what new lacks of orders comes once it runs\.$/);
  assert.deepEqual([renewed.figures, t.orders.outdated], [{ state: 'restarted' }, []]);
  t.w.copy();
  t.pass(60_000);
  await t.look();
  t.pass(60_000);
  assert.deepEqual((await t.look()).figures, { state: 'running' });
});

test('one that is slow is none that stands still, nor one that has nothing to copy', async () => {
  const t = tended();
  for (let minute = 0; minute < 6; minute++) {
    t.w.source.write('orders', 0, 'a', 'b');
    t.w.copy(1);
    t.pass(60_000);
    assert.deepEqual((await t.look()).figures, { state: 'running' });
  }
});

test('one that copies without offset syncs is an alarm; a sync that was lost with a worker is none', async () => {
  const t = tended();
  const minute = async (): Promise<Glance> => { t.w.source.write('orders', 0, 'a'); t.w.copy(); t.pass(60_000); return t.look(); };
  await minute();
  t.orders.mute = 1n;
  assert.deepEqual((await minute()).figures, { state: 'running' });
  for (let quiet = 0; quiet < 5; quiet++) { t.pass(60_000); assert.deepEqual((await t.look()).figures, { state: 'running' }); }
  const alarm = await minute();
  assert.deepEqual([alarm.say, alarm.figures], [`mirror ${nameOf('orders')} copies, and gives no offset syncs on new any more, without which positions take ever longer to find.`, { state: 'failing' }]);
  t.orders.outdated.push('target.cluster.sasl.jaas.config');
  t.pass(10_000);
  assert.match((await t.look()).say, /was told to restart, with target\.cluster\.sasl\.jaas\.config as the catalog has it now/);
  t.orders.mute = null;
  await minute();
  assert.deepEqual((await minute()).figures, { state: 'running' });
});
