/** What the demo says at the end, and when it says that it failed. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { addedWriteMs, reportOf, saidLost, summary, table, type Findings } from '../../demo/report.ts';
import type { FleetEvent } from '../../demo/supervisor.ts';

const event = (application: string, what: FleetEvent['what'], atMs: number): FleetEvent => ({ application, what, side: 'source', atMs });
const moved: readonly FleetEvent[] = [
  event('shop', 'told to start', 0), event('enricher', 'told to start', 1),
  event('shop', 'told to stop', 100), event('billing', 'stopped', 110), event('shop', 'stopped', 130), event('enricher', 'told to stop', 140), event('shop', 'told to start', 580),
  event('enricher', 'stopped', 600), event('enricher', 'told to start', 700),
];
const good: Findings = {
  scheme: 'producerFirst', ordered: true, wanted: 'completed', ended: { outcome: 'completed', why: '', outages: [], proven: ['drained'] },
  count: {
    produced: { enriched: 10, orders: 10 }, uncertain: 0,
    duties: [{ group: 'billing', topic: 'orders', expected: 10, lost: 0, duplicated: 0, reordered: 0 }], derived: [{ from: 'orders', to: 'enriched', missing: 0, repeated: 0 }],
    writeOutages: [{ name: 'enricher 0-1', ms: 300, from: 'source', to: 'target' }, { name: 'shop 0-2', ms: 700, from: 'source', to: 'target' }, { name: 'shop 1-2', ms: 650, from: 'source', to: 'target' }],
    readOutages: [{ name: 'billing', ms: 900, from: 'source', to: 'target' }],
  },
  duringMigration: 8, events: moved,
  running: { shop: { source: 0, target: 2 }, enricher: { source: 0, target: 1 }, billing: { source: 0, target: 1 } },
  temporal: { workflowId: 'cutover/old/new/demo', address: '127.0.0.1:1', ui: 'http://127.0.0.1:2/x' },
};

test('report: the added write outage is from the last writer stopped to the first one told to start, other applications aside', () => {
  assert.equal(addedWriteMs(moved, ['shop']), 450);
  assert.equal(addedWriteMs(moved, ['enricher']), 100);
  assert.equal(addedWriteMs(moved, ['shop', 'enricher']), 100); // one set: nobody may write before all have stopped
  assert.equal(addedWriteMs(moved, ['audit']), null);
});

test('report: a loss that was consented to is no fault as long as it is the one that was counted', () => {
  const losing: Findings = {
    ...good, mayLose: 1_000, count: { ...good.count, duties: [{ group: 'billing', topic: 'orders', expected: 5_000, lost: 12, duplicated: 0, reordered: 0 }, { group: 'audit', topic: 'orders', expected: 5_000, lost: 1_000, duplicated: 0, reordered: 0 }] },
    ended: { ...good.ended, proven: ['cut everything/outage/begin audit, billing at the latest on the target: 12 positions of audit, billing set; given up unread: audit 1,000 records, billing 12 records on the target, read back.'] },
  };
  assert.deepEqual([...saidLost(losing.ended.proven)], [['audit', 1_000], ['billing', 12]]);
  assert.deepEqual(reportOf(losing).faults, []);
  assert.deepEqual(reportOf({ ...losing, mayLose: 500 }).faults, ['Group audit, topic orders: 1000 lost of 5000.']);
  assert.deepEqual(reportOf({ ...losing, ended: good.ended }).faults, ['Group billing lost 12 records; Cutover had counted none.', 'Group audit lost 1000 records; Cutover had counted none.']);
});
test('report: a good run, as one JSON object', () => {
  const r = reportOf(good);
  assert.deepEqual(r.faults, []);
  assert.deepEqual(summary(r), {
    scheme: 'producerFirst', outcome: 'completed', records: { produced: 20, lost: 0, duplicated: 0, reordered: 0 },
    outage: { writeMs: 700, addedWriteMs: 450, readMs: 900 }, temporal: good.temporal,
  });
  const text = table(r, good).join('\n');
  assert.match(text, /nothing lost/);
  assert.match(text, /shop +target +700 ms +450 ms/);
});

test('report: disorder is a failure only where the scheme promises the order, and told always', () => {
  const disordered = { ...good, count: { ...good.count, duties: [{ group: 'billing', topic: 'orders', expected: 10, lost: 0, duplicated: 0, reordered: 3 }] } };
  assert.match(reportOf(disordered).faults.join('\n'), /3 reordered of 10/);
  const measured = { ...disordered, scheme: 'dualConsume', ordered: false };
  assert.deepEqual(reportOf(measured).faults, []);
  assert.match(table(reportOf(measured), measured).join('\n'), /out of order +3 +\(per key; measured, not promised\)/);
});

for (const { situation, change, fault } of [
  { situation: 'a lost record', change: { count: { ...good.count, duties: [{ group: 'billing', topic: 'orders', expected: 10, lost: 1, duplicated: 0, reordered: 0 }] } }, fault: /billing.*1 lost of 10/ },
  { situation: 'an output written twice', change: { count: { ...good.count, derived: [{ from: 'orders', to: 'enriched', missing: 0, repeated: 2 }] } }, fault: /enriched: 0 missing and 2 written twice/ },
  { situation: 'a rollback that was not asked for', change: { ended: { ...good.ended, outcome: 'rolled-back' as const, why: 'budget' } }, fault: /ended rolled-back, wanted completed: budget/ },
  { situation: 'an application left on the source', change: { running: { ...good.running, billing: { source: 1, target: 0 } } }, fault: /billing runs on source, wanted target/ },
  { situation: 'an application that runs on both sides', change: { running: { ...good.running, billing: { source: 1, target: 1 } } }, fault: /billing runs on both/ },
  { situation: 'a rollback that leaves one on the target', change: { wanted: 'rolled-back' as const, ended: { ...good.ended, outcome: 'rolled-back' as const } }, fault: /shop runs on target, wanted source/ },
  { situation: 'an application that ended by itself', change: { events: [...moved, event('audit', 'died', 900)] }, fault: /audit on source ended by itself/ },
])
  test(`report: ${situation} makes the run a failure`, () => {
    const r = reportOf({ ...good, ...change });
    assert.match(r.faults.join('\n'), fault);
    assert.match(table(r, good).join('\n'), /not as promised/);
  });
