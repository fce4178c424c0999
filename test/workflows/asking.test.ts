/** What a decision does to the step that asked for it. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Work } from '../../src/activities/work.ts';
import { Failure } from '../../src/domain/failures.ts';
import { demo } from '../fakes/migrations.ts';
import { trial } from '../fakes/runtime.ts';

test('a wait whose patience ended and that is tried again says at once what it sees', async () => {
  const begunWith: (string | null)[] = [];
  // News once, then none until patience ends; a turn that begins with the picture of before would stay silent as long again.
  const lookCaughtUp: Work['lookCaughtUp'] = async ({ c }) => {
    begunWith.push(c.before);
    if (begunWith.length === 2) throw new Failure('MirrorStuck', 'Nothing moves.');
    return { done: begunWith.length > 2, say: 'the mirror stands', picture: 'stands', fromMs: 0, toMs: 0 };
  };
  const t = await trial({ scheme: 'stopRestartRepeat', m: demo, spoil: (work) => new Proxy(work, { get: (target, name) => (name === 'lookCaughtUp' ? lookCaughtUp : Reflect.get(target, name) as unknown) }) });
  assert.deepEqual(begunWith.slice(0, 3), [null, 'stands', null]);
  assert.match(t.questions[0] ?? '', /^failed: mirror\/.*MirrorStuck: Nothing moves.*-> retry$/);
});
