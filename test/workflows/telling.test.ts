/** What a run leaves behind for whoever asks later. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Failure } from '../../src/domain/failures.ts';
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
