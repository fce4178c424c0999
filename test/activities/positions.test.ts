/** Positions computed, written, read back and returned; and the cases that are refused. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { application, migration } from '../fakes/migrations.ts';
import { cutSets } from '../../src/domain/cutsets.ts';
import { Failure } from '../../src/domain/failures.ts';
import type { Work } from '../../src/activities/work.ts';
import { context, FakeWorld, looking } from './fake-ports.ts';

const m = migration('m', [application('shop', { writes: ['orders'] }), application('billing', { reads: { billing: ['orders'] } }), application('audit', { reads: { audit: ['orders'] } })]);
const groups = ['billing'];
const ask = { m, c: context('positions'), groups, to: 'target' as const, how: 'translated' as const, before: { billing: {} } };
const outage = () => context('positions', { untilMs: Date.now() + 1_000, mode: 'outage' });

/** Partition 0 with ten records and gaps on both sides, 1 with two, 2 empty. */
async function world(): Promise<{ w: FakeWorld; work: Work }> {
  const w = new FakeWorld();
  for (const c of [w.source, w.target]) c.topic('orders', 3);
  const work = w.work();
  for (const set of cutSets(m)) {
    const x = { m, c: context('mirror'), set, toward: 'target' as const };
    await work.createMirror({ ...x, before: await work.captureMirror(x) });
  }
  w.source.marker('orders', 0);
  for (let i = 0; i < 10; i++) {
    w.source.write('orders', 0, `r${i}`);
    if (i % 3 === 0) { w.source.marker('orders', 0); w.copy(); }
  }
  w.source.write('orders', 1, 'x', 'y');
  w.copy();
  return { w, work };
}
const end = (w: FakeWorld, p: number): bigint => w.source.log({ topic: 'orders', partition: p }).next;
const nextOnTarget = (w: FakeWorld, group: string, p: number): string => {
  const at = BigInt(w.target.placed(group)[`orders/${p}`] ?? -1);
  return w.target.log({ topic: 'orders', partition: p }).records.find((r) => r.offset >= at)?.fingerprint ?? 'end';
};

test('caught up, lagging and empty: exact, one explicit position per partition, metadata kept', async () => {
  const { w, work } = await world();
  const fifth = w.source.log({ topic: 'orders', partition: 0 }).records[5]?.offset ?? 0n;
  w.source.place('billing', 'orders', 0, fifth, 'state-store');
  w.source.place('billing', 'orders', 1, end(w, 1));
  const done = await work.setPositions({ ...ask, c: outage() });
  assert.deepEqual(Object.keys(w.target.placed('billing')), ['orders/0', 'orders/1', 'orders/2']);
  assert.deepEqual([0, 1, 2].map((p) => nextOnTarget(w, 'billing', p)), ['r5', 'end', 'end']);
  assert.equal(w.target.positions.get('billing')?.get('orders/0')?.metadata, 'state-store');
  assert.match(done.say, /3 positions of billing set/);
  assert.ok([...w.target.entries.keys()].some((k) => k.endsWith('/set/billing')), 'the proof is in the ledger');
});

test('set again: nothing is written twice', async () => {
  const { w, work } = await world();
  w.source.place('billing', 'orders', 0, end(w, 0));
  w.source.place('billing', 'orders', 1, end(w, 1));
  await work.setPositions(ask);
  w.target.calls.length = 0;
  await work.setPositions(ask);
  assert.ok(!w.target.calls.includes('commit'));
});

test('a group that never committed anything begins at the log start, and that is said', async () => {
  const { w, work } = await world();
  const done = await work.setPositions(ask);
  assert.deepEqual(w.target.placed('billing'), { 'orders/0': 0, 'orders/1': 0, 'orders/2': 0 });
  assert.match(done.say, /billing never committed: from the log start/);
});

test('records and no committed position on one partition only: refused, nothing written', async () => {
  const { w, work } = await world();
  w.source.place('billing', 'orders', 0, end(w, 0));
  await assert.rejects(work.setPositions(ask), (e: Error & { type?: string }) => e.type === 'NotExact' && /group billing at orders\/1 position none.*auto\.offset\.reset/.test(e.message));
  assert.deepEqual(w.target.placed('billing'), {});
});

test('retention overtook the group: refused where records are left, the end where none are', async () => {
  const { w, work } = await world();
  w.source.place('billing', 'orders', 0, 1n);
  w.source.place('billing', 'orders', 1, 0n);
  w.source.trim('orders', 0, 6n);
  await assert.rejects(work.setPositions(ask), /orders\/0 position 1: the log begins at 6/);
  w.source.place('billing', 'orders', 0, end(w, 0));
  w.source.trim('orders', 1, 2n);
  await work.setPositions(ask);
  assert.equal(nextOnTarget(w, 'billing', 1), 'end');
});

/** Billing has read a record that is not copied yet. */
function aheadOfTheMirror(w: Awaited<ReturnType<typeof world>>['w']): void {
  w.source.write('orders', 1, 'z');
  w.source.place('billing', 'orders', 0, end(w, 0));
  w.source.place('billing', 'orders', 1, end(w, 1));
}

test('the mirror is behind the group: waited for, then exact', async () => {
  const { w, work } = await world();
  aheadOfTheMirror(w);
  setTimeout(() => { w.copy(); }, 30);
  await work.setPositions({ ...ask, c: outage() });
  assert.equal(nextOnTarget(w, 'billing', 1), 'end');
  assert.equal(w.target.log({ topic: 'orders', partition: 1 }).records.at(-1)?.fingerprint, 'z');
});

test('the mirror it waits for has failed: restarted, then exact', async () => {
  const { w, work } = await world();
  aheadOfTheMirror(w);
  const mirror = [...w.connectors.values()][0];
  assert.ok(mirror);
  Object.assign(mirror, { state: 'FAILED', heals: true });
  const copying = setInterval(() => { if (mirror.state === 'RUNNING') w.copy(); }, 20);
  try { await work.setPositions({ ...ask, c: context('positions', { untilMs: Date.now() + 30_000, mode: 'outage' }) }); } finally { clearInterval(copying); }
  assert.equal(nextOnTarget(w, 'billing', 1), 'end');
});

test('restarted it fails again: the budget ends it, and says which mirror and why', async () => {
  const { w, work } = await world();
  aheadOfTheMirror(w);
  const mirror = [...w.connectors.values()][0];
  assert.ok(mirror);
  mirror.state = 'FAILED';
  await assert.rejects(work.setPositions({ ...ask, c: context('positions', { untilMs: Date.now() + 1_500, mode: 'outage' }) }), (e: Error & { type?: string }) => e.type === 'BudgetExceeded' && /mirror cutover-\S+ had failed on \S+ \(task 0: boom\) and was told to restart/.test(e.message));
});

test('the mirror never comes: the budget ends it and says what was missing', async () => {
  const { w, work } = await world();
  aheadOfTheMirror(w);
  await assert.rejects(work.setPositions({ ...ask, c: context('positions', { untilMs: Date.now() + 80, mode: 'outage' }) }), (e: Error & { type?: string }) => e.type === 'BudgetExceeded' && /not yet exact: group billing at orders\/1/.test(e.message));
  assert.deepEqual(w.target.placed('billing'), {});
});

test('a copy that differs is never guessed at', async () => {
  const { w, work } = await world();
  const log = w.target.log({ topic: 'orders', partition: 0 });
  log.records.splice(4, 1);
  w.source.place('billing', 'orders', 0, w.source.log({ topic: 'orders', partition: 0 }).records[6]?.offset ?? 0n);
  w.source.place('billing', 'orders', 1, end(w, 1));
  for (const mirror of w.connectors.values()) mirror.anchors.set('orders/0', mirror.anchors.get('orders/0')?.slice(0, 1) ?? []);
  await assert.rejects(work.setPositions(ask), { type: 'NotExact' });
});

test('members on either side: refused with their names, a static one as such', async () => {
  const { w, work } = await world();
  w.target.join('billing', 'early-bird');
  await assert.rejects(work.setPositions(ask), (e: Error & { type?: string }) => e.type === 'GroupActive' && /early-bird.*on cluster new/.test(e.message));
  w.target.leave('billing');
  w.source.join('billing', 'sleeper', 'instance-7');
  await assert.rejects(work.setPositions(ask), /static member instance-7.*cluster old/);
});

test('an acknowledged commit that does not show is found', async () => {
  const { w, work } = await world();
  w.target.before = (call) => { if (call === 'committed') w.target.positions.delete('billing'); };
  await assert.rejects(work.setPositions(ask), { type: 'Drift' });
});

test('returned unread: the source is not touched and the target is as before', async () => {
  const { w, work } = await world();
  w.source.place('billing', 'orders', 0, 3n);
  w.source.place('billing', 'orders', 1, end(w, 1));
  w.target.place('billing', 'orders', 1, 1n);
  const before = await work.capturePositions(ask);
  assert.deepEqual(before, { billing: { 'orders/1': 1 } });
  const was = w.source.placed('billing');
  await work.setPositions({ ...ask, before });
  const done = await work.returnPositions({ ...ask, before, c: context('positions', { mode: 'undo' }) });
  assert.match(done.say, /billing had not read on the target/);
  assert.deepEqual([w.source.placed('billing'), w.target.placed('billing')], [was, { 'orders/1': 1 }]);
});

test('the earlier positions of many groups stay in the ledger, the workflow remembers only that; the undo finds them there', async () => {
  const { w, work } = await world();
  const many = Array.from({ length: 300 }, (_x, i) => `g${i}`);
  const x = { ...ask, m: { ...m, applications: [...m.applications, ...many.map((g) => ({ ...m.applications[1]!, name: `of-${g}`, reads: [{ group: g, topics: ['orders'], isolation: 'read_committed' as const }] }))] }, groups: many };
  many.forEach((group, i) => { for (const p of [0, 1]) { w.source.place(group, 'orders', p, end(w, p)); if (i !== 7) w.target.place(group, 'orders', p, BigInt(i % 3)); } });
  const were = many.map((g) => w.target.placed(g));
  const before = await work.capturePositions(x);
  assert.ok(JSON.stringify(before).length < 100, JSON.stringify(before).slice(0, 200));
  await work.setPositions({ ...x, before });
  assert.notDeepEqual(many.map((g) => w.target.placed(g)), were);
  assert.deepEqual(await work.capturePositions(x), before, 'asked again it says the same');
  await work.returnPositions({ ...x, before, c: context('positions', { mode: 'undo' }) });
  assert.deepEqual(many.map((g) => w.target.placed(g)), were);
});

test('returned after reading on the target: translated back, also when the undo is tried twice', async () => {
  const { w, work } = await world();
  w.source.place('billing', 'orders', 0, 1n);
  w.source.place('billing', 'orders', 1, 0n);
  await work.setPositions(ask);
  const seventh = w.target.log({ topic: 'orders', partition: 0 }).records[7];
  w.target.place('billing', 'orders', 0, seventh?.offset ?? 0n);
  const undo = { ...ask, c: context('positions', { mode: 'undo' as const }) };
  await work.returnPositions(undo);
  const at = BigInt(w.source.placed('billing')['orders/0'] ?? -1);
  assert.equal(w.source.log({ topic: 'orders', partition: 0 }).records.find((r) => r.offset >= at)?.fingerprint, seventh?.fingerprint);
  assert.deepEqual(w.target.placed('billing'), {});
  const once = w.source.placed('billing');
  await work.returnPositions(undo);
  assert.deepEqual(w.source.placed('billing'), once);
});

test('the undo of a set that never happened changes nothing', async () => {
  const { w, work } = await world();
  w.source.place('billing', 'orders', 0, 1n);
  w.source.join('billing', 'still-there');
  await work.returnPositions(ask);
  assert.deepEqual([w.source.placed('billing'), w.target.placed('billing')], [{ 'orders/0': 1 }, {}]);
});

test('nothing copied: the log start; what was read there only is kept and continues', async () => {
  const { w, work } = await world();
  const copyless = { ...ask, m: { ...m, connect: null }, how: 'log-start' as const };
  w.target.trim('orders', 1, 1n);
  await work.setPositions(copyless);
  assert.deepEqual(w.target.placed('billing'), { 'orders/0': 0, 'orders/1': 1, 'orders/2': 0 });
  w.target.place('billing', 'orders', 0, 4n);
  const done = await work.returnPositions(copyless);
  assert.match(done.say, /are kept/);
  await work.setPositions({ ...copyless, c: { ...ask.c, key: `${ask.c.run}/positions/2` } });
  assert.equal(w.target.placed('billing')['orders/0'], 4);
});

test('a group has drained when no visible record is left, whatever the numbers say', async () => {
  const { w, work } = await world();
  w.source.marker('orders', 1);
  w.source.place('billing', 'orders', 0, end(w, 0) - 2n);
  w.source.place('billing', 'orders', 1, 2n);
  const look = { m, c: looking('drain'), groups, topics: ['orders'], on: 'source' as const };
  const first = await work.lookGroupsDrained(look);
  assert.match(first.say, /billing orders\/0/);
  w.source.place('billing', 'orders', 0, end(w, 0));
  assert.equal((await work.lookGroupsDrained({ ...look, c: { ...look.c, before: first.picture ?? null } })).done, true);
  const log = w.source.log({ topic: 'orders', partition: 1 });
  log.open = log.next++;
  assert.match((await work.lookGroupsDrained(look)).say, /a transaction is open on orders\/1/);
});

test('a commit that hangs: the activity ends at its time and nothing is written later', async () => {
  const { w, work } = await world();
  const free = Promise.withResolvers<void>();
  w.target.before = async (call) => { if (call === 'commit') await free.promise; };
  // It hangs until it is freed below: that this comes back at all is the proof.
  await assert.rejects(work.setPositions({ ...ask, c: context('positions', { untilMs: Date.now() + 60, mode: 'outage' }) }), { type: 'BudgetExceeded' });
  free.resolve();
  await new Promise((r) => { setImmediate(r); });
  assert.deepEqual(w.target.placed('billing'), {});
  assert.ok(w.heartbeats >= 3, 'the heart beat while it hung');
});

test('a secret in an error does not leave', async () => {
  const { w, work } = await world();
  w.secrets = ['hunter2'];
  w.target.before = (call) => { if (call === 'committed') throw new Failure('Unauthorized', 'login with hunter2 refused'); };
  await assert.rejects(work.capturePositions(ask), (e: Error & { nonRetryable?: boolean }) => !e.message.includes('hunter2') && e.nonRetryable === true);
});

test('nearly drained: as many records may be left on each partition as the limit says', async () => {
  const { w, work } = await world();
  w.source.place('billing', 'orders', 0, 0n);
  w.source.place('billing', 'orders', 1, end(w, 1));
  const ask = (lagRecords: number) => ({ m, c: { ...looking('near'), before: 'x', limits: { ...looking('near').limits, lagRecords } }, groups, topics: ['orders'], on: 'source' as const, upTo: 'nearly' as const });
  assert.equal((await work.lookGroupsDrained(ask(5))).done, false);
  const near = await work.lookGroupsDrained(ask(100));
  assert.equal(near.done, true);
  assert.match(near.say, /at most 15 records unread by billing/);
});

test('run dry: everything read, and nothing new for the declared time, which begins anew with every record', async () => {
  const { w, work } = await world();
  for (const p of [0, 1]) w.source.place('billing', 'orders', p, end(w, p));
  const look = { m, c: { ...looking('dry'), untilMs: Date.now() + 10_000, mode: 'outage' as const }, groups, topics: ['orders'], on: 'source' as const, still: { orders: 300 } };
  let calls = 0;
  w.source.before = (call) => {
    // Within the silence a record comes by, and is read at once.
    if (call === 'ends' && ++calls === 5) { w.source.write('orders', 1, 'again'); w.source.place('billing', 'orders', 1, end(w, 1)); }
  };
  const dry = await work.lookGroupsDrained(look);
  assert.equal(dry.done, true);
  assert.ok(calls > 5, 'it was looked at until the record came');
  assert.match(dry.say, /billing read every visible record of orders on the source, and nothing new came for the declared time on orders/);
  assert.ok(dry.toMs - dry.fromMs >= 300, `${dry.toMs - dry.fromMs} ms`);
});

test('nobody waits out an outage for a group without members', async () => {
  const { w, work } = await world();
  w.source.place('billing', 'orders', 0, 0n);
  const look = { m, c: { ...looking('empty'), untilMs: Date.now() + 20_000, mode: 'outage' as const }, groups, topics: ['orders'], on: 'source' as const };
  await assert.rejects(work.lookGroupsDrained(look), /Group billing has no member on the source, and at most \d+ records unread: nobody will read them/);
});

test('positions are set and returned with as many questions for forty groups as for one, at however many places they stand', async () => {
  const counted = async (n: number, how: 'translated' | 'log-start' | 'cut', read: 'read' | 'unread'): Promise<Readonly<Record<string, number>>> => {
    const { w } = await world();
    const names = Array.from({ length: n }, (_x, i) => `g${i}`);
    const of = { ...m, applications: [...m.applications, ...names.map((g) => application(`of-${g}`, { reads: { [g]: ['orders'] } }))] };
    // Each has been there before, and stands on the source elsewhere than its neighbours.
    for (const [i, g] of names.entries()) for (const p of [0, 1, 2]) { w.source.place(g, 'orders', p, p === 0 ? end(w, 0) - BigInt(2 + i % 12) : end(w, p)); w.target.place(g, 'orders', p, 0n); }
    // Half of them have read on the target what is only there.
    if (how === 'cut') for (const g of names.filter((_g, i) => i % 2 === 0)) w.target.entries.set(`${ask.c.run}/advanced/target/${g}`, '{}');
    const x = { ...ask, m: of, groups: names, how };
    const work = w.work();
    const before = await work.capturePositions(x);
    for (const c of [w.source, w.target]) c.calls.length = 0;
    await work.setPositions({ ...x, before });
    if (read === 'read') for (const g of names) w.target.place(g, 'orders', 0, w.target.log({ topic: 'orders', partition: 0 }).next);
    await work.returnPositions({ ...x, c: context('positions', { mode: 'undo' }), before });
    await work.returnPositions({ ...x, c: context('positions', { mode: 'undo' }), before });
    return Object.fromEntries([w.source, w.target].flatMap((c) => [...Map.groupBy(c.calls, (call) => call)].map(([call, all]) => [`${c.name} ${call}`, all.length] as const)));
  };
  for (const how of ['translated', 'log-start', 'cut'] as const) for (const read of ['read', 'unread'] as const) {
    const few = await counted(how === 'cut' ? 2 : 1, how, read);
    assert.deepEqual(await counted(40, how, read), few, `${how}, ${read}`);
  }
});
