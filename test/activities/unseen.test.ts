/** Aborted records in front of a mirror: no lag however many, and no damage when retention has taken them. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { viewMirror } from '../../src/activities/caughtup.ts';
import { createRecord } from '../../src/activities/ledger.ts';
import { tending } from '../../src/activities/tending.ts';
import type { At } from '../../src/activities/boundary.ts';
import { noLimit } from '../adapters/kafka/until.ts';
import { context, FakeMirror, FakeWorld, looking } from './fake-ports.ts';
import { m, set } from './scene.ts';

const x = { m, c: context('mirror'), set, toward: 'target' as const };
const name = 'cutover-orders-fwd-00000001-1';
interface Quiet { readonly w: FakeWorld; readonly mirror: FakeMirror; nowMs: number; readonly at: At }
/** Three records that were copied, and behind them aborted ones. */
function quiet(aborted: number, partitions = 1): Quiet {
  const w = new FakeWorld();
  for (const c of [w.source, w.target]) c.topic('orders', partitions);
  const mirror = new FakeMirror({ connect: 'connect-new', name, from: 'old', to: 'new', topics: ['orders'], seed: [] });
  w.connectors.set(name, mirror);
  w.source.write('orders', 0, 'a', 'b', 'c');
  w.copy();
  abort(w, aborted);
  const q: Quiet = { w, mirror, nowMs: 1_000_000, at: { until: noLimit, now: () => q.nowMs, pause: async () => undefined, seen: () => undefined, words: String } };
  return q;
}
function abort(w: FakeWorld, count: number): void {
  for (let i = 0; i < count; i++) w.source.write('orders', 0, `aborted ${i}`);
  w.source.marker('orders', 0);
}
const view = ({ w, at }: Quiet) => { const record = createRecord(w.ports()); return viewMirror(w.ports(), x, { record, keep: at }); };
const lagOf = async (q: Quiet): Promise<bigint | undefined> => (await view(q)).at[0]?.lag;
const damageOf = async (q: Quiet): Promise<readonly string[]> => (await view(q)).damage;
const keptOf = ({ w }: Quiet): readonly string[] => [...w.source.entries].filter(([key]) => key.includes('/unseen/')).map(([, text]) => text);

test('they are no lag, few or many; nor where the first of them have expired already', async () => {
  for (const aborted of [1, 20, 1_500]) assert.equal(await lagOf(quiet(aborted)), 0n, String(aborted));
  const q = quiet(1_500);
  q.w.source.trim('orders', 0, 900n);
  assert.equal(await lagOf(q), 0n);
  q.w.source.write('orders', 0, 'd');
  assert.equal((await lagOf(q))! > 0n, true, 'a record behind them is one');
});

test('seen while they were there, they may expire; what nobody saw may not, nor what came behind it', async () => {
  const seen = quiet(5);
  assert.deepEqual(await damageOf(seen), []);
  seen.w.source.trim('orders', 0, 9n);
  assert.deepEqual(await damageOf(seen), [], 'a week later');

  const unseen = quiet(5);
  unseen.w.source.trim('orders', 0, 9n);
  assert.deepEqual(await damageOf(unseen), ['orders/0 begins at 9 on old, and the mirror stands at 3: what lay between was deleted before it was copied']);

  const behind = quiet(5);
  await view(behind);
  behind.w.source.write('orders', 0, 'd');
  behind.w.source.trim('orders', 0, 10n);
  assert.deepEqual(await damageOf(behind), ['orders/0 begins at 10 on old, and the mirror stands at 3: what lay from 9 on was deleted before it was copied'], 'one record, and no marker');
});

test('what is deleted before anybody looked is not covered by what is seen behind it', async () => {
  const q = quiet(5);
  q.w.source.trim('orders', 0, 6n);
  assert.equal((await damageOf(q)).length, 1);
  assert.deepEqual(keptOf(q), []);
});

test('they go on: each stretch joins the one before, and is written every minute at most', async () => {
  const q = quiet(5);
  await view(q);
  assert.deepEqual(keptOf(q), ['{"seenMs":1000000,"of":{"0":["3","9"]}}']);
  abort(q.w, 4);
  q.nowMs += 59_999;
  await view(q);
  assert.equal(keptOf(q)[0]?.includes('"9"'), true);
  q.nowMs++;
  await view(q);
  assert.deepEqual(keptOf(q), ['{"seenMs":1060000,"of":{"0":["3","14"]}}']);
  // The mirror has passed them all, and the next ones are a stretch of their own.
  q.w.source.write('orders', 0, 'd');
  q.w.copy();
  abort(q.w, 2);
  q.nowMs += 300_000;
  await view(q);
  assert.deepEqual(keptOf(q), ['{"seenMs":1360000,"of":{"0":["15","18"]}}']);
  q.w.source.trim('orders', 0, 18n);
  assert.deepEqual(await damageOf(q), []);
});

test('another partition keeps what is known of it; the marker behind a last record is worth no entry', async () => {
  const q = quiet(5, 2);
  await view(q);
  q.w.source.write('orders', 1, 'x');
  q.w.copy();
  q.w.source.marker('orders', 1);
  q.nowMs += 300_000;
  await view(q);
  assert.deepEqual(keptOf(q), ['{"seenMs":1000000,"of":{"0":["3","9"]}}']);
  for (const at of ['aborted x', 'aborted y']) q.w.source.write('orders', 1, at);
  await view(q);
  assert.deepEqual(keptOf(q), ['{"seenMs":1300000,"of":{"0":["3","9"],"1":["1","4"]}}']);
});

test('while a step waits, a lag that moves is not looked into; one that rests is', async () => {
  const q = quiet(1_500);
  let asked = 0;
  q.w.source.before = (call) => { if (call === 'firsts') asked++; };
  const work = q.w.work({ surroundings: () => ({ heartbeat: () => undefined, signal: q.w.cancel.signal, now: () => (q.nowMs += 1_000) }) });
  const limits = { ...context('wait').limits, lagRecords: 10 };
  const look = await work.lookCaughtUp({ m, c: { ...looking('wait'), limits, before: '{"state":" 11","progress":"3 0"}' }, sets: [set], toward: 'target' });
  assert.deepEqual([look.done, asked], [true, 1]);
});

test('between the steps they are noted by whoever looks after the mirrors, who also names damage as an alarm', async () => {
  const q = quiet(5);
  const record = createRecord(q.w.ports());
  const look = tending(q.w.ports(), record).lookMirrors({ m, c: looking('tend') }, q.at);
  assert.deepEqual((await look()).figures, { state: 'running' });
  q.w.source.trim('orders', 0, 9n);
  q.nowMs += 60_000;
  assert.deepEqual((await look()).figures, { state: 'running' });
  q.w.source.write('orders', 0, 'd', 'e');
  q.w.source.trim('orders', 0, 11n);
  q.nowMs += 59_999;
  assert.deepEqual((await look()).figures, { state: 'running' }, 'every minute');
  q.nowMs++;
  const seen = await look();
  assert.deepEqual([seen.say, seen.figures], [`mirror ${name} no longer copies faithfully: orders/0 begins at 11 on old, and the mirror stands at 3: what lay from 9 on was deleted before it was copied.`, { state: 'failing' }]);
  q.nowMs += 5_000;
  assert.deepEqual(await look(), seen, 'between two close looks it stands');
});

test('after its cut a mirror is not looked into: what it has not copied it never will', async () => {
  const q = quiet(5);
  const y = { m, c: context('cut'), set, to: 'target' as const };
  await q.w.work().markCut({ ...y, before: await q.w.work().captureCut(y) });
  q.w.source.trim('orders', 0, 9n);
  const look = tending(q.w.ports(), createRecord(q.w.ports())).lookMirrors({ m, c: looking('tend') }, q.at);
  assert.deepEqual((await look()).figures, { state: 'running' });
});

test('what expires while it is looked at is no stretch without records', async () => {
  const q = quiet(0);
  q.w.source.write('orders', 0, 'd', 'e', 'f', 'g');
  q.w.source.before = (call) => { if (call === 'firsts') q.w.source.trim('orders', 0, 8n); };
  await view(q);
  q.w.source.before = () => undefined;
  assert.deepEqual(keptOf(q), []);
  assert.equal((await damageOf(q)).length, 1);
});

test('millions of them are gone through by a million with each look, and are neither stuck nor an alarm', async () => {
  const q = quiet(0);
  q.w.source.log({ topic: 'orders', partition: 0 }).next += 3_500_000n;
  const lags: number[] = [];
  for (let look = 0; look < 5; look++) { lags.push(Number(await lagOf(q))); q.nowMs += 1_000; }
  assert.deepEqual(lags, [2_500_001, 1_500_001, 500_001, 0, 0]);
  const p = quiet(0);
  p.w.source.log({ topic: 'orders', partition: 0 }).next += 5_000_000n;
  const look = tending(p.w.ports(), createRecord(p.w.ports())).lookMirrors({ m, c: looking('tend') }, p.at);
  for (let s = 0; s < 400; s += 5) { const seen = await look(); p.nowMs += 5_000; assert.deepEqual(seen.figures, { state: 'running' }, seen.say); }
});

test('where transactions are aborted in circles, and retention is a minute behind them, nothing is damaged', async () => {
  const q = quiet(3);
  for (let s = 0; s < 600; s += 10) {
    const end = q.w.source.log({ topic: 'orders', partition: 0 }).next;
    if (s >= 120 && s % 60 === 0) q.w.source.trim('orders', 0, end - 24n);
    assert.deepEqual(await damageOf(q), [], `${s} s`);
    abort(q.w, 3);
    q.nowMs += 10_000;
  }
});

test('a stretch of a log that was removed and made anew, with another mirror, says nothing of the new one', async () => {
  const q = quiet(20);
  assert.equal(await lagOf(q), 0n);
  q.w.source.topic('orders', 1);
  q.w.source.write('orders', 0, ...Array.from({ length: 20 }, (_, i) => `new ${i}`));
  const next = new FakeMirror({ connect: 'connect-new', name: name.replace(/1$/, '2'), from: 'old', to: 'new', topics: ['orders'], seed: [{ topic: 'orders', partition: 0, offset: 5n, metadata: '' }] });
  q.w.connectors.clear();
  q.w.connectors.set(next.spec.name, next);
  q.nowMs += 600_000;
  assert.equal(await lagOf(q), 15n);
});
