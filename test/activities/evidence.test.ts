/** What a person is shown at a hold, and what keeps an approval from counting. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
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
  assert.deepEqual(claims.filter((c) => !c.holds).map((c) => c.text.split(' ').slice(0, 3).join(' ')), ['Topics, partitions, authorizers', 'Group billing has', 'Group billing has']);
  assert.match(figures.join('\n'), /differs: group late[\s\S]*without a position: billing orders\/1[\s\S]*early/);
});

test('a cut whose forecast does not fit the budget is refused, and the forecast says that it is an estimate', async () => {
  const { work, ask } = await world();
  const fits = await work.evidence(ask(cut));
  assert.ok(fits.claims.every((c) => c.holds), JSON.stringify(fits, null, 1));
  assert.match(fits.figures.join('\n'), /forecast \d+ ms of 15000 ms \(an estimate/);
  const tight = await work.evidence(ask({ ...cut, budgetMs: 2_000, undoReserveMs: 1_500 }));
  assert.equal(tight.claims.find((c) => c.text.startsWith('The forecast'))?.holds, false);
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
  assert.match((await work.evidence(ask(finish))).claims.filter((c) => !c.holds).map((c) => c.text).join(), /Nothing was written to orders on the source/);
});
