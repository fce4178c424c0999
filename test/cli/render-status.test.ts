/** What `cutover status` says: one line for logs, rows for a terminal, and the exit code. */
import assert from 'node:assert/strict';
import test from 'node:test';
import type { Progress, Question } from '../../src/domain/progress.ts';
import { isWrong, lineOf, linesOf } from '../../src/cli/render-status.ts';
import type { Standing } from '../../src/cli/status.ts';
import { demo } from '../fakes/migrations.ts';

const progress: Progress = {
  workflowId: 'cutover/a/b/c', scheme: 'blueGreen', state: 'running', phase: 'mirror', unit: 'mirror/catch up', say: 'waits', figures: null, units: [], done: 3, total: 9,
  question: null, outages: [], wayBack: 'open, by a cut back', swept: null, mirrors: null, undos: [], limits: demo.limits, planHash: '', runs: 1, startedMs: 0, refused: null,
};
const standing = (p: Partial<Progress> | null, more: Partial<Standing> = {}): Standing => ({
  workflowId: 'cutover/a/b/c', scheme: 'blueGreen', status: 'RUNNING', progress: p === null ? null : { ...progress, ...p }, unknown: p === null ? 'no worker' : null, swept: null, trying: [], failure: null, ...more,
});
const asks = (kind: Question['kind'], text = 'Go on?'): Question => ({ name: 'x', kind, text, hash: null, answers: ['retry'], claims: [], figures: [], sinceMs: 0 });
const failing = { state: 'failing', say: 'west does not answer.', atMs: 0 } as const;

test('one line: alarms and the way back are in it, once each, without what changes with every sweep', () => {
  assert.equal(lineOf(standing({})), 'cutover/a/b/c · running · 3/9 · mirror/catch up · waits · way back open, by a cut back');
  const alarmed = standing({ swept: failing, mirrors: { ...failing, say: 'old-to-new\nfails.' } }, { swept: 'as of 2026-11-23T10:00:00Z, nothing' });
  assert.equal(lineOf(alarmed), 'cutover/a/b/c · running · 3/9 · mirror/catch up · waits · way back open, by a cut back · ALARM: mirrors: old-to-new fails. · ALARM: swept: west does not answer.');
  assert.ok(lineOf(standing({ mirrors: { ...failing, say: 'trace '.repeat(1_000) } })).length < 400);
});

const codes: readonly (readonly [string, Standing, boolean])[] = [
  ['one that runs', standing({}), false],
  ['one that waits at a hold', standing({ question: asks('hold') }), false],
  ['one that is completed, with nobody who could tell how', standing(null, { status: 'COMPLETED' }), false],
  ['an alarm of the mirrors', standing({ mirrors: failing }), true],
  ['an alarm of what is swept', standing({ swept: failing }), true],
  ['a step that failed', standing({ question: asks('failed') }), true],
  ['an undo that failed', standing({ question: asks('undo-failed') }), true],
  ['no worker', standing(null), true],
  ['terminated', standing({}, { status: 'TERMINATED' }), true],
  ['failed', standing({}, { status: 'FAILED' }), true],
];
for (const [situation, s, wrong] of codes) test(`status: ${situation} is ${wrong ? 'wrong, exit code 1' : 'well, exit code 0'}`, () => { assert.equal(isWrong(s), wrong); });

test('a terminal: long lines go on in the next row, and nothing of them is lost', () => {
  const text = `Group billing has 3 active members on source; a reset needs 0. ${'Stop the fleet, then retry. '.repeat(8)}See /var/log/${'x'.repeat(150)} too.`;
  for (const columns of [20, 60, 100]) {
    const rows = linesOf(standing({ question: asks('failed', text) }), columns, 0);
    assert.deepEqual(rows.filter((r) => r.length > columns), []);
    assert.ok(rows.join('').replaceAll(' ', '').includes(text.replaceAll(' ', '')), rows.join('\n'));
  }
});
