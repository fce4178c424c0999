/** A group never starts where its position has been forgotten: `auto.offset.reset` would decide what it reads. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Work } from '../../src/activities/work.ts';
import { context } from './fake-ports.ts';
import { ask, m, mirrored, place, type Scene } from './scene.ts';

/** Set on the target, from record 4 of the source, by one process; `later` is another one, or the same one long after. */
async function set(): Promise<{ readonly s: Scene; readonly later: Work; readonly started: () => boolean; readonly calls: () => number }> {
  const s = mirrored();
  place(s.w, 'source', 4);
  await s.work.setPositions({ ...ask('target', 1), before: await s.work.capturePositions(ask('target', 1)) });
  let calls = 0;
  s.w.target.before = (call) => { if (call === 'committed') calls++; };
  return { s, later: s.w.work(), started: () => (s.w.fleets.get('billing')?.target ?? 0) === 1, calls: () => calls };
}
const start = (work: Work, on: 'source' | 'target' = 'target') => work.startFleet({ m, c: context('start'), applications: ['billing'], on });

test('right after it was set nothing is asked; by another process it is looked at, and started where it stands', async () => {
  const { s, later, started, calls } = await set();
  await start(s.work);
  assert.deepEqual([calls(), started()], [0, true]);
  await start(later);
  assert.equal(calls(), 1);
});

test('forgotten since, it is refused with its places, and nothing is started; set by hand it starts', async () => {
  const { s, later, started } = await set();
  s.w.target.positions.delete('billing');
  await assert.rejects(start(later), { type: 'NotExact', message: /^Cluster new has no position any more where these groups had one: billing \(orders\/0 \d+, orders\/1 \d+\)\. Brokers forget those of groups that have been empty for long .* Nothing was started\. Set them by hand to where they had got .*, then retry\.$/ });
  assert.equal(started(), false);
  place(s.w, 'target', 4);
  await start(later);
  assert.equal(started(), true);
});

test('one partition is enough', async () => {
  const { s, later } = await set();
  s.w.target.positions.get('billing')?.delete('orders/1');
  await assert.rejects(start(later), { type: 'NotExact', message: /billing \(orders\/1 \d+\)/ });
});

test('so on the source, where it left; by the ledger of that side alone', async () => {
  const { s, later } = await set();
  s.w.target.before = (call) => { throw new Error(`the target is asked: ${call}`); };
  await start(later, 'source');
  s.w.source.positions.delete('billing');
  await assert.rejects(start(later, 'source'), { type: 'NotExact', message: /^Cluster old has no position any more/ });
});

test('what was never set may begin wherever its owner has it begin', async () => {
  const s = mirrored();
  await start(s.work);
  await start(s.work, 'source');
});

test('stopped just now, it is started again without a question, as by the undo of an outage; a while later it is looked at', async () => {
  const { s } = await set();
  let nowMs = 1_000_000;
  const work = s.w.work({ surroundings: () => ({ heartbeat: () => undefined, signal: s.w.cancel.signal, now: () => nowMs }) });
  await work.stopFleet({ m, c: context('stop'), applications: ['billing'] });
  s.w.source.before = (call) => { if (call === 'committed' || call === 'ledger.read') throw new Error(`asked: ${call}`); };
  await start(work, 'source');
  nowMs += 10 * 60_000;
  await assert.rejects(start(work, 'source'), /asked: ledger\.read/);
});
