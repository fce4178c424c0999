/**
 * Two sets of consumers, and the way back is taken while the first set of one of them is far behind on the source: somebody
 * consents to the repeats in place of waiting. It loses nothing, and reads again what was carried back, as many as were counted.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { derived, duties } from '../../demo/applications.ts';
import { settle } from '../../demo/ending.ts';
import { askedConsent } from '../../src/domain/progress.ts';
import { assertRunning, ended, isWriter, onward, operate, setScene, startMigration } from './scene.ts';

const backHold = 'back enriched/approve the cut back';
/** On the source far longer than it takes to be asked. */
const pace = { ratePerSecond: 100, restMs: 300, auditLagMs: { source: 20_000, target: 500 } };

test('dualConsume: the first set of the audit has not drained the source when everybody goes back', async () => {
  await using resources = new AsyncDisposableStack();
  const stage = await setScene(resources, { pace });
  const handle = await startMigration(stage, { budgetMs: 10_000, undoReserveMs: 3_300 }, 'dualConsume');
  const opened = (): boolean => stage.supervisor.events.some((e) => e.what === 'told to start' && e.side === 'target' && isWriter(e.application));
  await operate(stage, handle, onward, 120_000, () => Promise.resolve(opened()));
  // Some orders are written on the target: those that will be carried back.
  await new Promise((r) => setTimeout(r, 3_000));
  await handle.signal('rollback', { by: 'scenario', reason: 'nobody wants to wait for the audit' });
  const asked: string[] = [];
  await operate(stage, handle, (q) => {
    // On a slow machine more is carried back than there was room for: Cutover asks, and is told.
    if (q.text.includes('than the') && q.text.includes('again that were consented to')) return { kind: 'retry', mayRepeat: { audit: 50_000 } };
    if (q.name !== backHold) return onward(q);
    const consent = askedConsent(q);
    asked.push(JSON.stringify(consent), ...q.figures.filter((f) => f.startsWith('audit may keep its place')));
    return consent === null ? 'approve' : { kind: 'approve', mayRepeat: consent };
  }, 120_000);
  await ended(handle, 'rolled-back');
  assert.match(asked.join('\n'), /^\{"audit":\d+\}\naudit may keep its place on the source/, 'what the hold asked');
  assertRunning(stage, 'source');
  await settle(stage, 0);
  const audit = await handle.query<readonly string[]>('audit');
  const said = Number(audit.map((line) => /with consent ([\d,]+) records? will be read again/.exec(line)?.[1]?.replaceAll(',', '')).findLast((n) => n !== undefined) ?? 0);
  const { duties: counted, derived: made } = stage.books.count(duties, derived);
  const of = (group: string, topic: string) => counted.find((d) => d.group === group && d.topic === topic);
  console.log(`  the audit read ${of('audit', 'orders')?.duplicated} orders again; ${said} were said`);
  assert.deepEqual(counted.filter((d) => d.lost > 0 || (d.duplicated > 0 && d.group !== 'audit')), []);
  assert.deepEqual(made.map(({ missing, repeated }) => [missing, repeated]), [[0, 0]]);
  assert.ok(said > 0, `nothing was said to be read again:\n${audit.slice(-30).join('\n')}`);
  assert.equal(of('audit', 'orders')?.duplicated, said);
  assert.deepEqual(stage.supervisor.events.filter((e) => e.what === 'died' || e.what === 'killed'), []);
});
