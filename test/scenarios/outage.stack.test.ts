/** What goes wrong inside a write outage: the producers must be back soon, and the way back must lose nothing. */
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { eventually } from '../adapters/fleet/until.ts';
import { assertMoved, ended, onward, operate, setScene, silences, startMigration } from './scene.ts';

const outage = { budgetMs: 2_000, undoReserveMs: 500 };
/** From a stop confirmed to the start on the source. Wanted on a quiet machine: 3.5 s, and 8 s with a restart of the worker; a busy one is given more. */
const longestMs: Readonly<Record<string, number>> = { hang: 10_000, die: 30_000 };

test('outage: an activity that hangs past its time and writes late, then a worker killed and restarted: producers return to the source, 0 lost, 0 twice', async () => {
  await using resources = new AsyncDisposableStack();
  const folder = mkdtempSync(join(tmpdir(), 'cutover-fault-'));
  resources.defer(() => { rmSync(folder, { recursive: true }); });
  const faultFile = join(folder, 'fault');
  const plan = (fault: string): void => { writeFileSync(faultFile, fault); };
  const met = (fault: string): boolean => readFileSync(faultFile, 'utf8') === `met ${fault}`;
  plan('');
  const stage = await setScene(resources, { worker: { entry: 'test/scenarios/faulty-worker.ts', env: { CUTOVER_FAULT: faultFile } } });
  const faults = Object.keys(longestMs);
  const seen: string[] = [];
  const handle = await startMigration(stage, outage);
  plan('hang');
  const restart = eventually('the worker is killed in the outage', () => stage.worker.state === 'stopped', 240_000).then(() => stage.worker.start());
  await Promise.all([restart, operate(stage, handle, (q) => {
    const [fault = ''] = faults;
    if (q.kind !== 'failed' || !q.name.endsWith('/outage') || !met(fault)) return onward(q);
    const back = silences(stage.supervisor.events).at(-1);
    assert.ok(back);
    console.log(`  ${fault}: ${back.application} back on the ${back.backOn} ${back.ms} ms after its stop was confirmed (budget ${outage.budgetMs} ms less ${outage.undoReserveMs} ms): ${q.text}`);
    seen.push(fault);
    assert.equal(back.backOn, 'source');
    assert.ok(back.ms < (longestMs[fault] ?? 0), `${back.ms} ms`);
    faults.shift();
    plan(faults[0] ?? '');
    return faults.length === 0 ? 'rollback' : 'retry';
  }, 240_000)]);
  const end = await ended(handle, 'rolled-back');
  assert.deepEqual(seen, ['hang', 'die']);
  assert.ok(end.outages.every((o) => o.outcome === 'undone'), JSON.stringify(end.outages));
  assert.match(readFileSync(stage.worker.logFile, 'utf8'), /fault: tried to write late/);
  await assertMoved(stage, 'source');
});
