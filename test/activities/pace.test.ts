import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createPace } from '../../src/activities/pace.ts';

const after = (...stops: readonly number[]): number | null => {
  const pace = createPace();
  for (const ms of stops) pace.stopped('shop', ms, 1_000);
  return pace.stopMs('shop', 2_000);
};

test('how long a stop takes: the median of the last five, the longer of two; unknown where none was seen', () => {
  assert.equal(createPace().stopMs('shop', 0), null);
  assert.equal(after(700), 700);
  assert.equal(after(100, 26_000), 26_000);
  assert.equal(after(90, 26_000, 100), 100, 'held up once by something else');
  assert.equal(after(90, 26_000, 27_000), 26_000, 'and this is no accident');
  assert.equal(after(1, 2, 3, 900, 901, 902), 900, 'what is long ago counts no more');
});

test('slow stops refuse approvals for half an hour, not for as long as the worker lives', () => {
  const pace = createPace();
  const minutes = (n: number): number => n * 60_000;
  pace.stopped('shop', 26_000, minutes(0));
  pace.stopped('shop', 27_000, minutes(10));
  assert.deepEqual([5, 30, 35, 41].map((at) => pace.stopMs('shop', minutes(at))), [27_000, 27_000, 27_000, null]);
  pace.stopped('shop', 300, minutes(39));
  assert.deepEqual([39, 41].map((at) => pace.stopMs('shop', minutes(at))), [27_000, 300]);
});
