/** A wave is rolled back by its own operator while the estate finishes: what was approved no longer holds, and nobody else is finished on it. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hear, underWay } from '../../src/domain/estate-hearing.ts';
import { freshWave, hasMoved, recordOf, type EstateJournal } from '../../src/domain/estate-journal.ts';
import { nextAct } from '../../src/domain/estate-next.ts';
import { planWaves } from '../../src/domain/estate-waves.ts';
import { groundworkWave } from '../../src/domain/migration.ts';
import { parseEstate } from '../../src/domain/parse-estate.ts';
import { application, estate } from './estates.ts';

const copies = { stopRestartRepeat: true, producerFirst: false };
function settled(typed: unknown): EstateJournal {
  const parsed = parseEstate(typed, copies);
  const plan = planWaves(parsed, copies);
  const wave = (name: string, hash: string) => ({ ...freshWave(name), state: 'settled' as const, attempt: 1, asks: { name: 'finish/approve the finish', kind: 'hold' as const, text: 'Finish?', hash } });
  const waves = plan.waves.map((w, i) => wave(w.name, `h${i}`));
  return {
    version: 1, run: 'run', workflowId: 'cutover-estate/east/west/shop', estate: parsed, plan, planHash: 'plan', copies, partitions: {}, searchAttributes: [], approved: true,
    groundwork: wave(groundworkWave, 'g'), waves, starting: null, goingBack: [], finishing: [...waves.map((w) => w.name), groundworkWave], home: null, question: null, wanted: null,
    paused: false, refused: null, audit: [], runs: 1, startedMs: 0,
  };
}
/** `feed` reads what `shop` writes, `stats` what `feed` writes; a wave each. */
const typed = estate([
  application('shop', { writes: ['orders'] }),
  application('feed', { writes: ['fed'], reads: [{ group: 'feed', topics: ['orders'] }] }),
  application('stats', { writes: ['counts'], reads: [{ group: 'stats', topics: ['fed', 'orders'] }] }),
], { waveSize: 1 });

for (let n = 0; n < 3; n++) test(`wave ${n + 1} goes back by itself, after its approval was sent: no other is finished on what was approved`, () => {
  const j = settled(typed);
  assert.equal(j.waves.length, 3);
  const name = j.waves[n]?.name ?? '';
  j.finishing = [name, ...j.finishing.filter((w) => w !== name)];
  const act = nextAct(j);
  assert.deepEqual([act.do, 'wave' in act ? act.wave : ''], ['finish', name]);
  if (act.do === 'finish') underWay(j, act);
  for (const state of ['rolling-back', 'rolled-back'] as const) hear(j, { wave: name, run: 'r', state, say: '', question: null });
  for (let turn = 0; turn < 20; turn++) {
    const next = nextAct(j);
    assert.ok(next.do !== 'end' || j.waves.every((w) => w.state === 'finished'), `ended as ${next.do === 'end' ? next.outcome : ''}: ${j.waves.map((w) => `${w.name} ${w.state}`).join(', ')}`);
    if (next.do !== 'finish') return;
    const topics = j.plan.waves.find((w) => w.name === next.wave)?.topics ?? [];
    for (const w of j.plan.waves) if (w.name !== next.wave && w.reads.some((t) => topics.includes(t))) assert.ok(hasMoved(recordOf(j, w.name)), `${next.wave} is finished while ${w.name} (${recordOf(j, w.name)?.state}) reads its topics on the source`);
    underWay(j, next);
    hear(j, { wave: next.wave, run: 'r', state: 'completed', say: '', question: null });
  }
});
