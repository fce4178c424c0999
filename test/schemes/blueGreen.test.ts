/** Blue/green: through the engine, in a world where things go wrong. */
import assert from 'node:assert/strict';
import { test } from '../apart.ts';
import { chain, demo, greened, pipeline, quietLoop, quietRetries, twoWriters, unfenced, writerOnly } from '../fakes/migrations.ts';
import { trial } from '../fakes/runtime.ts';
import { lagging } from './judge.ts';
import { properties } from './properties.ts';
import { waysBack } from './wayback.ts';

const shapes = [demo, unfenced, twoWriters, chain, pipeline, writerOnly, quietLoop, quietRetries];
properties({ scheme: 'blueGreen', seldom: true, firstOpening: 'cut everything/approve the cut', holds: ['cut everything/approve the cut'], shapes });
waysBack({ scheme: 'blueGreen', shapes });

test('blueGreen, doubling: nothing is lost or out of order, and only what was read during the overlap is read twice', async () => {
  const t = await trial({ scheme: 'blueGreen', m: greened(demo, 'doubling'), world: lagging });
  assert.equal(t.outcome, 'completed');
  assert.deepEqual([t.verdict.lost, t.verdict.doubled, t.verdict.guessed, t.verdict.strandedGroups], [[], [], [], []]);
  const groups = t.verdict.duplicated.map((d) => d.slice(0, d.indexOf('|')));
  assert.deepEqual([...new Set(groups)].sort(), ['audit', 'billing']);
});
