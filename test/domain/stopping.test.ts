/** In which order applications stop, and which of their topics are loops: by example. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { endless, loopsIn, stoppingOrder } from '../../src/domain/stopping.ts';
import type { Migration } from '../../src/domain/migration.ts';
import { application, chain, demo, loop, migration, mixedGroup, ownReader, pipeline, quietLoop, sharedGroup, writerOnly } from '../fakes/migrations.ts';

/** `who < what they drain (loops) > what is closed behind them`. */
const told = (m: Migration): readonly string[] => stoppingOrder(m).map((s) =>
  `${s.applications.map((a) => a.name).join('+')} < ${s.inputs.join('+')}${s.loops.length > 0 ? ` (${s.loops.join('+')})` : ''} > ${s.closes?.topics.join('+') ?? ''}`);

describe('the order in which everybody stops', () => {
  const cases: readonly (readonly [string, Migration, readonly string[]])[] = [
    ['whoever only writes first, whoever only reads last', demo, ['shop <  > orders', 'enricher < orders > enriched', 'billing+audit < enriched+orders > ']],
    ['a row of applications, one after the other', pipeline, ['collect <  > raw', 'clean < raw > clean', 'join < clean+raw > joined', 'show < joined > ']],
    ['writers that share topics and read nothing stop together', chain, ['a+b+c+lone <  > five+four+one+three+two', 'reader < five+four+one > ']],
    ['a loop stops when what feeds it has', loop, ['start <  > ', 'ping-pong+pong-ping <  (ping+pong) > ping+pong']],
    ['a retry topic is a loop of one', ownReader, ['intake <  > jobs', 'work < jobs (retries) > retries']],
    ['nobody reads', writerOnly, ['sensor <  > measures']],
    ['readers that share a group stop together', sharedGroup, ['source-app <  > events', 'left+right < events > ']],
    ['who shares a group with a writer stops with it', mixedGroup, ['feed <  > raw', 'refine+peek < raw > fine', 'show < fine > ']],
    ['a topic that two stages write is closed behind the later one, and is no loop', migration('m', [
      application('first', { writes: ['in', 'out'] }), application('second', { writes: ['out'], reads: { g: ['in'] } }),
    ]), ['first <  > in', 'second < in > out']],
    ['writers that share a group stop together', migration('m', [
      application('feed', { writes: ['x', 'y'] }), application('one', { writes: ['a'], reads: { g: ['x'] } }), application('two', { writes: ['b'], reads: { g: ['y'] } }),
    ]), ['feed <  > x+y', 'one+two < x+y > a+b']],
    ['what comes behind a loop waits for all of it', migration('m', [
      application('a', { writes: ['x'], reads: { a: ['y'] } }), application('b', { writes: ['y'], reads: { b: ['x'] } }), application('c', { writes: ['z'], reads: { c: ['y'] } }),
    ]), ['a+b <  (x+y) > x+y', 'c < y > z']],
  ];
  for (const [situation, m, wanted] of cases) test(situation, () => { assert.deepEqual(told(m), wanted); });
});

test('a loop needs a declared silence on each of its topics', () => {
  assert.deepEqual(loopsIn(loop).map((l) => [l.topic, l.applications]), [['ping', ['ping-pong', 'pong-ping']], ['pong', ['ping-pong', 'pong-ping']]]);
  assert.match(endless({ ...quietLoop, quiet: { ping: 400 } }, 'stopWaitRestart').join(), /^pong is a loop/);
  assert.deepEqual(endless(quietLoop, 'stopWaitRestart'), []);
});
