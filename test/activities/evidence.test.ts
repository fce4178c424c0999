/** What a person is shown at a hold, and what keeps an approval from counting. */
import { fingerprintOf, rehearsalKey } from '../../src/domain/rehearsal.ts';
import type { Rehearsed } from '../../src/domain/rehearsed.ts';
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { forecast, type Outlook } from '../../src/activities/evidence/forecast.ts';
import { application, migration } from '../fakes/migrations.ts';
import { cutSets, type CutSet } from '../../src/domain/cutsets.ts';
import type { EvidenceAbout, Work } from '../../src/activities/work.ts';
import { context, FakeWorld } from './fake-ports.ts';

const m = migration('m', [application('shop', { writes: ['orders'] }), application('billing', { reads: { billing: ['orders'] } })]);
const set = cutSets(m)[0] as CutSet;
async function world(): Promise<{ w: FakeWorld; work: Work; ask: (about: EvidenceAbout) => Parameters<Work['evidence']>[0] }> {
  const w = new FakeWorld();
  for (const c of [w.source, w.target]) c.topic('orders', 2);
  w.fleets.set('shop', { source: 2, target: 0 });
  w.fleets.set('billing', { source: 1, target: 0 });
  w.source.write('orders', 0, 'a', 'b');
  w.source.place('billing', 'orders', 0, 1n);
  w.source.join('billing', 'billing-app');
  const work = w.work();
  const { inventory } = await work.assess({ m, scheme: 's' });
  const x = { m, c: context('mirror'), set, toward: 'target' as const };
  await work.createMirror({ ...x, before: await work.captureMirror(x) });
  w.copy();
  return { w, work, ask: (about) => ({ m, c: context('hold'), inventory, about }) };
}
const move: EvidenceAbout = { kind: 'move', applications: ['billing'], sets: [set], copies: true };
const cut: EvidenceAbout = { kind: 'cut', set, applications: ['shop'], copies: true, budgetMs: 20_000, undoReserveMs: 5_000 };

test('all claims hold; read again while numbers move, the claims are the same text', async () => {
  const { w, work, ask } = await world();
  const first = await work.evidence(ask(move));
  assert.ok(first.claims.every((c) => c.holds), JSON.stringify(first, null, 1));
  w.source.write('orders', 0, 'c', 'd');
  w.source.place('billing', 'orders', 0, 2n);
  const second = await work.evidence(ask(move));
  assert.deepEqual(second.claims, first.claims);
  assert.notDeepEqual(second.figures, first.figures);
});

test('an undeclared group, a filled partition without a position, a member on the target: each takes its claim down', async () => {
  const { w, work, ask } = await world();
  w.source.place('late', 'orders', 0, 0n);
  w.source.write('orders', 1, 'x');
  w.target.join('billing', 'early');
  const { claims, figures } = await work.evidence(ask(move));
  assert.deepEqual(claims.filter((c) => !c.holds).map((c) => c.text.split(' ').slice(0, 3).join(' ')), ['Topics, partitions, authorizers', 'Group billing has', 'The positions of', 'Group billing has']);
  assert.match(figures.join('\n'), /differs: group late[\s\S]*without a position: billing orders\/1[\s\S]*early/);
});

test('a small outage fits 2,000 ms with 500 ms for the undo; one with thousands of positions does not, and the figure says what it is made of', async () => {
  const { w, work, ask } = await world();
  const small = await work.evidence(ask({ ...cut, budgetMs: 2_000, undoReserveMs: 500 }));
  assert.ok(small.claims.every((c) => c.holds), JSON.stringify(small, null, 1));
  assert.match(small.figures.join('\n'), /forecast \d{3} ms of 1,500 ms, an estimate: stop \(not measured yet\) 300, Temporal for 7 steps 210, .*from 0 records to copy and 0 positions to set/);
  w.fleetCall = async (call) => { if (call.startsWith('stop')) await delay(700); };
  await work.stopFleet({ m, c: context('stop'), applications: ['shop'] });
  const slow = await work.evidence(ask({ ...cut, budgetMs: 2_000, undoReserveMs: 1_200 }));
  assert.equal(slow.claims.find((c) => c.text.startsWith('The forecast'))?.holds, false);
  assert.match(slow.figures.join('\n'), /stop \(as it took before\) \d{3}/);
});

test('a forecast grows with lag, positions and partitions', () => {
  const small = { copies: true, lagRecords: 0, partitions: 8, positions: 0, fences: 2, leftovers: true, transactionalIds: 0, stopsMs: [null] };
  const ms = (more: Partial<Outlook>): number => forecast({ ...small, ...more }).ms;
  assert.ok(ms({}) < 1_100, String(ms({})));
  assert.ok(ms({ lagRecords: 50_000 }) >= ms({}) + 5_000);
  assert.ok(ms({ positions: 800 }) >= ms({}) + 400);
  assert.ok(ms({ partitions: 1_000 }) >= ms({}) + 250);
  assert.equal(forecast(small).parts.reduce((n, [, part]) => n + part, 0), ms({}));
});

test('a mirror that is gone is a claim that fails, not an error', async () => {
  const { w, work, ask } = await world();
  w.connectors.clear();
  const { claims, figures } = await work.evidence(ask(cut));
  assert.ok(claims.some((c) => !c.holds));
  assert.match(figures.join('\n'), /could not be looked at: .*has no mirror of orders/);
});

test('finish: only after the cut stands, nothing was written behind it, and nobody is left on the source', async () => {
  const { w, work, ask } = await world();
  const finish: EvidenceAbout = { kind: 'finish', sets: [set], copies: true };
  assert.ok((await work.evidence(ask(finish))).claims.filter((c) => !c.holds).length >= 3);
  w.source.leave('billing');
  await work.markCut({ m, c: context('cut'), set, to: 'target', before: { epoch: 1 } });
  w.connectors.clear();
  const done = await work.evidence(ask(finish));
  assert.ok(done.claims.every((c) => c.holds), JSON.stringify(done, null, 1));
  w.source.write('orders', 1, 'straggler');
  assert.match((await work.evidence(ask(finish))).claims.filter((c) => !c.holds).map((c) => c.text).join(), /Nobody but the mirror wrote to orders on the source after the cut/);
});

/** Cut to the target, the back mirror running. */
async function opened(): Promise<Awaited<ReturnType<typeof world>>> {
  const all = await world();
  const { w, work } = all;
  w.source.leave('billing');
  const x = { m: both, c: context('cut'), set };
  await work.markCut({ ...x, to: 'target', before: { epoch: 1 } });
  w.connectors.clear();
  await work.createMirror({ ...x, toward: 'source', before: await work.captureMirror({ ...x, c: context('back'), toward: 'source' }) });
  w.fleets.set('shop', { source: 0, target: 2 });
  w.target.write('orders', 0, 'native');
  w.copy();
  return all;
}
const both = { ...m, connectBack: 'connect-back' };
const reverse: EvidenceAbout = { kind: 'reverse', set, applications: ['shop'], budgetMs: 2_000, undoReserveMs: 500 };

test('the way back at its hold: back mirror near, fleets on the target, nothing of strangers on the source', async () => {
  const { w, work, ask } = await opened();
  const x = { ...ask(reverse), m: both };
  const fine = await work.evidence(x);
  assert.ok(fine.claims.every((c) => c.holds), JSON.stringify(fine, null, 1));
  assert.match(fine.figures.join('\n'), /cutover-orders-back-\S+: RUNNING, 0 records to copy/);
  w.source.write('orders', 1, 'straggler');
  w.fleets.set('shop', { source: 1, target: 1 });
  const { claims, figures } = await work.evidence(x);
  assert.deepEqual(claims.filter((c) => !c.holds).map((c) => c.text), ['Nobody but the mirror wrote to orders on the source since it has no authority there.', 'No fleet shows shop on the source.']);
  assert.match(figures.join('\n'), /foreign: producer id 77.*1 record on orders\/1 offsets 0 to 0/);
});

test('of more strangers than are remembered by name, one whose record can be seen keeps from going back', async () => {
  const { w, work, ask } = await opened();
  const open = async (): Promise<number> => (await work.evidence({ ...ask(reverse), m: both })).claims.filter((c) => !c.holds).length;
  for (let i = 0; i < 60; i += 1) w.source.writeAs(5_000n + BigInt(i), 'orders', 1, `aborted ${i}`);
  assert.equal(await open(), 0);
  w.source.writeAs(6_000n, 'orders', 1, 'late');
  assert.equal(await open(), 1);
});

test('what a stranger aborted himself keeps nobody from going back, and is told', async () => {
  const { w, work, ask } = await opened();
  w.source.writeAs(4_711n, 'orders', 1, 'aborted by a stranger');
  const { claims, figures } = await work.evidence({ ...ask(reverse), m: both });
  assert.ok(claims.every((c) => c.holds), JSON.stringify(claims, null, 1));
  assert.match(figures.join('\n'), /foreign, all of it aborted: producer id 4711/);
  w.source.log({ topic: 'orders', partition: 1 }).open = 0n;
  assert.equal((await work.evidence({ ...ask(reverse), m: both })).claims.filter((c) => !c.holds).length, 1, 'undecided is not aborted');
});

test('before a cut the way back is shown to exist, and a missing one takes its claim down', async () => {
  const { w, work, ask } = await world();
  const x = { ...ask(cut), m: both };
  assert.match((await work.evidence(x)).claims.filter((c) => c.holds).map((c) => c.text).join('\n'), /There is a way back for orders: Connect worker connect-back can carry to old what is written on new\./);
  w.proof = { ...w.proof, faults: ['no worker answers'] };
  const { claims, figures } = await work.evidence(x);
  assert.deepEqual(claims.filter((c) => !c.holds).map((c) => c.text.slice(0, 22)), ['There is a way back fo']);
  assert.match(figures.join('\n'), /no way back: no worker answers/);
});

test('finish with the way back open: what the back mirror wrote is no stranger, a commit behind the cut is one too many', async () => {
  const { w, work, ask } = await opened();
  const x = { ...ask({ kind: 'finish', sets: [set], copies: true }), m: both };
  const fine = await work.evidence(x);
  assert.ok(fine.claims.every((c) => c.holds), JSON.stringify(fine, null, 1));
  assert.match(fine.figures.join('\n'), /given up with the finish: cutover-orders-back-/);
  let position = 1n;
  w.source.before = (call) => { if (call === 'committed') w.source.place('billing', 'orders', 0, ++position); };
  const late = await work.evidence(x);
  assert.deepEqual(late.claims.filter((c) => !c.holds).map((c) => c.text), ['Nobody commits with billing on the source any more.']);
  assert.match(late.figures.join('\n'), /committed on the source: billing orders\/0 moves: \d+, then \d+/);
  w.source.before = () => undefined;
  w.source.place('billing', 'orders', 0, 3n);
  const ahead = await work.evidence({ ...x, m });
  assert.match(ahead.figures.join('\n'), /billing orders\/0 stands at 3, the cut is at 2/, 'without a mirror back nothing behind the cut was there to be read');
});

test('a straggler that was carried over no longer stands in the way of the finish', async () => {
  const { w, work, ask } = await opened();
  const x = { ...ask({ kind: 'finish', sets: [set], copies: true }), m: both };
  w.source.write('orders', 1, 'straggler');
  assert.equal((await work.evidence(x)).claims.filter((c) => !c.holds).length, 1);
  await work.carryStragglers({ m: both, c: context('carry'), set });
  const after = await work.evidence(x);
  assert.ok(after.claims.every((c) => c.holds), JSON.stringify(after, null, 1));
  assert.match(after.figures.join('\n'), /1 record carried before/);
});

test('a move and a cut are refused while somebody else writes the copy', async () => {
  const { w, work, ask } = await world();
  w.target.writeAs(4_711n, 'orders', 0, 'stranger');
  for (const about of [move, cut]) {
    const { claims, figures } = await work.evidence(ask(about));
    assert.deepEqual(claims.filter((c) => !c.holds).map((c) => c.text), ['Nobody but the mirror wrote to orders on the target since it has no authority there.']);
    assert.match(figures.join('\n'), /producer id 4711 \(no longer active\)/);
  }
});

test("what an outage would wait for is told before it: static members, and a transaction with its age", async () => {
  const { w, work, ask } = await world();
  w.source.leave('billing');
  w.source.join('billing', 'billing-app', 'rack-1');
  assert.match((await work.evidence(ask(move))).figures.join('\n'), /billing: 1 static member in group billing \(rack-1\)/);
  w.source.begin('pay-1', 55n, { topic: 'orders', partition: 0 }, Date.now() - 5_000);
  assert.match((await work.evidence(ask(cut))).figures.join('\n'), /shop: a transaction is open for 5,\d\d\d ms, aborted by itself after 60,000 ms: pay-1 on orders\/0/);
});

test('a rehearsal is told beside the forecast with its age and the real stop, and changes no claim', async () => {
  const { w, work, ask } = await world();
  const before = await work.evidence(ask({ ...cut, budgetMs: 2_000, undoReserveMs: 1_900 }));
  assert.match(before.figures.join('\n'), /^not rehearsed: cutover rehearse measures/m);
  const rehearsed: Rehearsed = {
    version: 1, scheme: 'stopRestartRepeat', atMs: Date.now() - 3 * 3_600_000, of: fingerprintOf(m), verdict: 'go', reasons: [], notes: [],
    cuts: [{ name: set.name, topics: set.topics, outcome: 'opened', why: '', wholeMs: 60, allowedMs: 15_000, stopMs: 20, parts: [['stop', 20], ['drain', 40]], silentMs: 70 }],
  };
  w.source.entries.set(rehearsalKey(m), JSON.stringify(rehearsed));
  const after = await work.evidence(ask({ ...cut, budgetMs: 2_000, undoReserveMs: 1_900 }));
  assert.deepEqual(after.claims, before.claims);
  assert.equal(after.claims.find((c) => c.text.startsWith('The forecast'))?.holds, false, 'a rehearsal of 60 ms lets nothing through');
  assert.match(after.figures.join('\n'), /^rehearsed at \S+Z \(3 h ago\) as stopRestartRepeat, go: 60 ms of 100 ms \(stop 20, drain 40\)$/m);
  w.fleetCall = async (call) => { if (call.startsWith('stop')) await delay(120); };
  await work.stopFleet({ m, c: context('stop'), applications: ['shop'] });
  const told = /^forecast from the rehearsal: (\d+) ms, with the stop as it took before \((\d+) ms\) in place of the stand-ins' \(20 ms\)/m.exec((await work.evidence(ask(cut))).figures.join('\n'));
  const [whole, stop] = [Number(told?.[1]), Number(told?.[2])];
  assert.ok(stop >= 110, `the stop took ${stop} ms`); // a timer may fire early by some ms; how late is the machine's
  assert.equal(whole, 60 - 20 + stop);
  w.target.entries.set(rehearsalKey(m), JSON.stringify({ ...rehearsed, atMs: Date.now(), verdict: 'no-go', reasons: ['the mirror is stuck.'] }));
  assert.match((await work.evidence(ask(cut))).figures.join('\n'), /\(0 s ago\) as stopRestartRepeat, no-go[\s\S]*^rehearsal, no-go: the mirror is stuck\.$/m);
});
