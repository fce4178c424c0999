/**
 * Records the histories of estates that `replay.test.ts` reads: `node test/workflows/record-estate.ts`. Run it when a change of
 * the workflows is meant to change them and no estate of the release before is still under way.
 */
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { Failure } from '../../src/domain/failures.ts';
import { EstateOperator } from './estate-operator.ts';
import { record, runsOf, scrubbed } from './recording.ts';
import { scripted } from './scripted.ts';
import type { Server } from './server.ts';

const folder = new URL('../histories/estate/', import.meta.url);
const waves = ['canary', 'orders', 'wave-1'] as const;
const allWaves = async (it: EstateOperator, more: object = {}): Promise<void> => {
  await it.begin(more);
  for (const wave of waves) await it.move(wave);
};
const world = scripted();
const situations: Readonly<Record<string, (it: EstateOperator) => Promise<void>>> = {
  'completed': async (it) => {
    await allWaves(it);
    await it.approve('finish');
  },
  'wave-failed': async (it) => {
    await it.begin();
    await it.move('canary');
    world.of(`${it.name}-orders`).fail('createMirror', new Failure('Drift', 'Topic orders is in the way.'));
    await it.approve('start orders');
    await it.seeThrough('orders', 'back', (q) => (q.startsWith('mirror/') ? 'rollback' : null));
    await it.asks('orders');
    await it.signal('retry', { wave: 'orders' });
    await it.move('orders');
    await it.decide({ kind: 'rollback', reason: 'recorded' });
    await it.approve('rollback');
    await it.seeThrough('orders', 'back');
  },
  'continued-as-new': async (it) => {
    await allWaves(it, { limits: { historyEvents: 50 } });
    await it.decide({ kind: 'rollback', wave: 'orders', reason: 'recorded' });
    await it.approve('rollback orders');
    await it.seeThrough('wave-1', 'back');
    await it.seeThrough('orders', 'back');
    await it.decide({ kind: 'rollback', reason: 'recorded' });
    await it.approve('rollback');
  },
};
/** What the scheme's own recordings do not have: the groundwork, and a wave that reports to an estate. */
const kept = ['groundwork', 'canary'] as const;

async function keep(server: Server, id: string, name: string): Promise<void> {
  const texts = await runsOf(server, id);
  for (const [i, text] of texts.entries()) await writeFile(new URL(`${name}${texts.length > 1 ? `-${i + 1}` : ''}.json`, folder), scrubbed(text));
  console.log(`${name}: ${texts.length} run(s)`);
}

await rm(folder, { recursive: true, force: true });
await mkdir(folder, { recursive: true });
await record(world.work, Object.entries(situations).map(([situation, play]) => async ({ server, signal }) => {
  const it = new EstateOperator(server, situation, signal);
  await play(it);
  const { status } = await server.ended(it.id);
  const wanted = situation === 'completed' ? 'COMPLETED' : 'FAILED';
  if (status !== wanted) throw new Error(`${situation} ended as ${status}, not ${wanted}`);
  await keep(server, it.id, situation);
  if (situation === 'completed') for (const wave of kept) await keep(server, it.wave(wave), `${situation}-${wave}`);
}));
