/**
 * Records the histories of comparisons that `replay.test.ts` reads: `node test/workflows/record-verify.ts`. Run it when a change
 * of the workflow is meant to change them and no comparison of the release before is still under way.
 */
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { setTimeout as pause } from 'node:timers/promises';
import { ApplicationFailure } from '@temporalio/common';
import type { VerifyTurn, VerifyWork } from '../../src/activities/verify-work.ts';
import { noCounts } from '../../src/domain/diff/difference.ts';
import type { VerifyProgress } from '../../src/domain/verification.ts';
import { record, runsOf, scrubbed } from './recording.ts';
import { scripted } from './scripted.ts';
import type { Server } from './server.ts';

const folder = new URL('../histories/verify/', import.meta.url);
const total = 9_000;
const step = 3_000;

/** Compares so many offsets a turn; live it has always caught up. A comparison of `gone` finds its topic re-created in the second turn. */
function comparing(): VerifyWork {
  const turns = new Map<string, number>();
  const counted = (done: number) => ({ ...noCounts, matched: done - 1, missing: 1 });
  return {
    verifyPlan: async ({ v }) => ({ topics: v.topics, partitions: 12 }),
    verifyTurn: async ({ v, run, ends, turnMs }): Promise<VerifyTurn> => {
      const turn = (turns.get(run) ?? 0) + 1;
      turns.set(run, turn);
      if (v.topics.includes('gone') && turn === 2) throw ApplicationFailure.nonRetryable('Topic gone of east was created again: its log is another one.', 'MirrorDamaged');
      const done = ends === 'now' ? turn * step : Math.min(total, turn * step);
      return { settled: ends === 'now' || done === total, total: ends === 'now' ? done : total, done, partitions: 12, partitionsDone: ends === 'now' || done === total ? 12 : 4, counts: counted(done), tookMs: Math.min(turnMs, 2_000), say: `${done} of ${total} offsets compared.` };
    },
    verifyResult: async ({ v, run }) => ({
      same: false, say: '8999 records on 12 partitions compared: 1 missing.', run, source: v.source, target: v.target, counts: counted(total),
      partitions: [], partitionsOmitted: 0, differences: [{ partition: 'orders/3', kind: 'missing', origin: '17', copy: null }], listed: 'all',
    }),
  };
}

interface Situation { readonly status: string; readonly input: object; readonly during?: (server: Server, id: string) => Promise<void> }
const asked = { source: 'east', target: 'west', topics: ['orders'] };
const live = { ...asked, live: 'until-stopped' };
const passed = async (server: Server, id: string, passes: number): Promise<void> => {
  for (const end = Date.now() + 120_000; Date.now() < end; await pause(200)) {
    const p = await server.progress(id).catch(() => null) as unknown as VerifyProgress | null;
    if (p !== null && p.passes >= passes) return;
  }
  throw new Error(`${id} made no ${passes} passes within 120 s.`);
};
const stop = async (server: Server, id: string): Promise<void> => {
  const said = await server.signal(id, 'stop', { by: 'ana' });
  if (said.code !== 0) throw new Error(said.err);
};
const situations: Readonly<Record<string, Situation>> = {
  'completed': { status: 'COMPLETED', input: asked },
  'until-stopped': { status: 'COMPLETED', input: live, during: async (server, id) => { await passed(server, id, 3); await stop(server, id); } },
  'continued-as-new': { status: 'COMPLETED', input: { ...live, limits: { historyEvents: 50 } }, during: async (server, id) => { await passed(server, id, 12); await stop(server, id); } },
  'failed': { status: 'FAILED', input: { ...asked, topics: ['gone'] } },
  'cancelled': { status: 'CANCELED', input: live, during: async (server, id) => { await passed(server, id, 2); await server.temporal('workflow', 'cancel', '--workflow-id', id); } },
};

await rm(folder, { recursive: true, force: true });
await mkdir(folder, { recursive: true });
await record({ ...scripted().work, ...comparing() }, Object.entries(situations).map(([situation, s]) => async ({ server }) => {
  const id = `cutover-verify/east/west/${situation}`;
  const begun = await server.start('verify', s.input, id);
  if (begun.code !== 0) throw new Error(begun.err);
  await s.during?.(server, id);
  const { status, result } = await server.ended(id);
  if (status !== s.status) throw new Error(`${situation} ended as ${status}, not ${s.status}: ${result.slice(-2_000)}`);
  const texts = await runsOf(server, id);
  for (const [i, text] of texts.entries()) await writeFile(new URL(`${situation}${texts.length > 1 ? `-${i + 1}` : ''}.json`, folder), scrubbed(text));
  console.log(`${situation}: ${texts.length} run(s)`);
}));
