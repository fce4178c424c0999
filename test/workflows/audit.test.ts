/** The audit of a migration that takes months: two hundred lines are carried along, and none is lost. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Run } from '../../src/workflows/engine.ts';
import { demo } from '../fakes/migrations.ts';
import { say } from '../fakes/runtime.ts';
import type { World } from '../fakes/world.ts';
import { go } from '../schemes/judge.ts';

for (const renewEvery of [1_000, 5]) test(`who decided in the beginning is in the ledger at the end, runs renewed every ${renewEvery} calls`, async () => {
  let run: () => Run | null = () => null;
  let world: World | null = null;
  let spoken = 0;
  const t = await go('a talkative operator', {
    scheme: 'stopRestartRepeat', m: { ...demo, connectBack: 'connect-old' }, renewEvery,
    faults: (of) => { run = of.run; world = of.activities.w; return {}; },
    operator: (q) => {
      const r = run();
      for (let i = 0; q.kind === 'hold' && r && i < 150; i++) say(r, 'tune', { by: `operator-${spoken++}`, limits: { lagRecords: 1_000 + i } });
      return { kind: q.kind === 'hold' ? 'approve' : 'retry' };
    },
  });
  const { source } = (world as World | null)?.ledgers ?? assert.fail('no world');
  const older = [...source].filter(([key]) => key.includes('/audit/')).flatMap(([, text]) => JSON.parse(text) as string[]);
  const told = [...older, ...t.journal.audit];
  const said = told.flatMap((line) => /operator-(\d+)/.exec(line)?.[1] ?? []).map(Number);
  assert.ok(spoken > 400);
  assert.deepEqual(said, Array.from({ length: spoken }, (_, i) => i), 'each once, in order');
  assert.equal(t.journal.audit.length, 200);
});
