/** Restart all at once with a copy of the history: through the engine, in a world where things go wrong. */
import assert from 'node:assert/strict';
import { describe, test } from '../apart.ts';
import { chain, demo, loop, losing, ownReader, pipeline, starts, twoWriters, unfenced, writerOnly } from '../fakes/migrations.ts';
import { trial, type Operator } from '../fakes/runtime.ts';
import { lagging } from './judge.ts';
import { properties } from './properties.ts';
import { waysBack } from './wayback.ts';

const scheme = 'restartAllAtOnce';
const shapes = [demo, unfenced, twoWriters, chain, pipeline, loop, ownReader, writerOnly, starts];
properties({ scheme, firstOpening: 'cut everything/approve the cut', holds: ['cut everything/approve the cut'], shapes });
waysBack({ scheme, shapes });

/** Approves, and rolls back what failed. */
const strict: Operator = (q) => (q.kind === 'hold' ? { kind: 'approve' } : { kind: q.answers.includes('rollback') ? 'rollback' : 'retry' });
/** So slow that there is something it has not read, whenever it is stopped. */
const behind = { slow: { ...lagging.slow, audit: 12 } };
describe('what a group may lose or repeat', () => {
  test('at the latest it loses what is unread at the stop, at the earliest it reads again what it had read; the others neither', async () => {
    const { verdict, outcome } = await trial({ scheme, m: starts, world: behind });
    assert.equal(outcome, 'completed');
    assert.match(verdict.lost.join(), /^audit\|orders: \d+$/);
    assert.deepEqual([...new Set(verdict.duplicated.map((d) => d.split('|')[0]))], ['billing']);
    assert.deepEqual([verdict.reordered, verdict.doubled, verdict.guessed], [[], [], []]);
  });
  for (const [what, m] of [['lose', losing(demo, 0)], ['lose although it asked for it', { ...starts, applications: starts.applications.map((a) => ({ ...a, reads: a.reads.map((r) => ({ ...r, ...(r.mayLose === undefined ? {} : { mayLose: 0 }) })) })) }],
    ['repeat', { ...starts, applications: starts.applications.map((a) => ({ ...a, reads: a.reads.map((r) => ({ ...r, ...(r.mayRepeat === undefined ? {} : { mayRepeat: 1 }) })) })) }]] as const)
    test(`more than consented to, a group would ${what}: the outage undoes itself, and everybody is where they were, with everything read once`, async () => {
      const t = await trial({ scheme, m, world: behind, operator: strict });
      assert.deepEqual([t.outcome, t.journal.outages.map((o) => o.outcome)], ['rolled-back', ['undone']]);
      assert.match(t.journal.outages[0]?.why ?? '', /would (lose|read)/);
      assert.deepEqual([t.verdict.lost, t.verdict.duplicated, t.verdict.reordered], [[], [], []]);
      assert.deepEqual(t.end, t.start);
    });
});
