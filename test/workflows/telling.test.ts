/** What a run leaves behind for whoever asks later. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { linesOf } from '../../src/cli/render-status.ts';
import { Failure } from '../../src/domain/failures.ts';
import { details, type Progress, type Tended } from '../../src/domain/progress.ts';
import { demo } from '../fakes/migrations.ts';
import { trial } from '../fakes/runtime.ts';

test('blueGreen, rolled back after its opening: who processed what stands in the result, and failing to tell it holds nobody back', async () => {
  const m = { ...demo, connectBack: 'connect-old' };
  const back = await trial({ scheme: 'blueGreen', m, operator: (q) => (q.name === 'finish/approve the finish' ? { kind: 'rollback' } : { kind: 'approve' }) });
  assert.deepEqual([back.outcome, back.journal.proven.filter((p) => p.startsWith('back everything/tell who processed what: ')).length], ['rolled-back', 1]);
  const refusing = await trial({
    scheme: 'blueGreen', m, faults: () => ({ call: (name) => (name === 'lookShares' ? new Failure('Drift', 'The ledger does not say.') : undefined) }),
    operator: (q) => (q.name === 'finish/approve the finish' ? { kind: 'rollback' } : q.answers.includes('skip') ? { kind: 'skip' } : { kind: 'approve' }),
  });
  assert.equal(refusing.outcome, 'rolled-back');
  assert.ok(refusing.questions.some((q) => /^failed: back everything\/tell who processed what failed: .* -> skip$/.test(q)), refusing.questions.join('\n'));
});

const asked: Progress = {
  workflowId: 'cutover/east/west/shop', scheme: 'stopRestartRepeat', state: 'asking', phase: 'cut orders', unit: 'cut orders/approve the cut', say: '', figures: null, units: [], done: 9, total: 20, question: null, outages: [],
  wayBack: 'open', swept: null, mirrors: null, undos: [], limits: { lagRecords: 0, startMs: 0, stopMs: 0, stuckMs: 0, historyEvents: 0 }, planHash: '', runs: 1, startedMs: 0, refused: null,
};
const shown = (mirrors: Tended | null): { readonly page: string; readonly lines: readonly string[] } => {
  const progress = { ...asked, mirrors };
  return { page: details(progress), lines: linesOf({ workflowId: asked.workflowId, scheme: asked.scheme, status: 'RUNNING', progress, unknown: null, swept: null, trying: [], failure: null }, 200, 0) };
};
test('how the mirrors are is on the page and in the status; that one fails is an alarm there', () => {
  const say = 'mirror a has failed on Connect fwd (boom) and was told to restart, 2 times.';
  const none = shown(null);
  assert.ok(![none.page, ...none.lines].some((l) => /mirror/i.test(l)), none.page);
  const restarted = shown({ state: 'restarted', say, atMs: 0 });
  assert.ok(restarted.page.includes(`\nMirrors: ${say}\n`), restarted.page);
  assert.ok(restarted.lines.includes(`mirrors     ${say}`), restarted.lines.join('\n'));
  const failing = shown({ state: 'failing', say, atMs: 0 });
  assert.ok(failing.page.includes(`\n**ALARM, mirrors:** ${say}\n`), failing.page);
  assert.ok(failing.lines.includes(`ALARM       ${say}`), failing.lines.join('\n'));
});
