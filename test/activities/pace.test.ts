import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createPace } from '../../src/activities/pace.ts';

const after = (...stops: readonly number[]): number | null => {
  const pace = createPace();
  for (const ms of stops) pace.stopped('shop', ms);
  return pace.stopMs('shop');
};

test('how long a stop takes: the median of the last five, the longer of two; unknown where none was seen', () => {
  assert.equal(createPace().stopMs('shop'), null);
  assert.equal(after(700), 700);
  assert.equal(after(100, 26_000), 26_000);
  assert.equal(after(90, 26_000, 100), 100, 'held up once by something else');
  assert.equal(after(90, 26_000, 27_000), 26_000, 'and this is no accident');
  assert.equal(after(1, 2, 3, 900, 901, 902), 900, 'what is long ago counts no more');
});
