/**
 * Records the histories of estates that `replay.test.ts` reads: `node test/workflows/record-estate.ts`. Run it when a change of
 * the workflows is meant to change them and no estate of the release before is still under way.
 */
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { EstateOperator } from './estate-operator.ts';
import { runsOf, scrubbed } from './recording.ts';
import { scripted } from './scripted.ts';
import { startServer, type Server } from './server.ts';

const folder = new URL('../histories/estate/', import.meta.url);
const waves = ['canary', 'orders', 'wave-1'] as const;
const allWaves = async (it: EstateOperator, more: object = {}): Promise<void> => {
  await it.begin(more);
  for (const wave of waves) await it.move(wave);
};
const situations: Readonly<Record<string, (it: EstateOperator) => Promise<void>>> = {
  'completed': async (it) => {
    await allWaves(it);
    await it.approve('finish');
  },
  'rejected-and-retried-and-rolled-back': async (it) => {
    await it.begin();
    await it.move('canary');
    await it.approve('start orders');
    await it.seeThrough('orders', 'back', (q) => (q.includes('approve the cut') ? 'reject' : null));
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

async function keep(server: Server, id: string, name: string): Promise<void> {
  const texts = await runsOf(server, id);
  for (const [i, text] of texts.entries()) await writeFile(new URL(`${name}${texts.length > 1 ? `-${i + 1}` : ''}.json`, folder), scrubbed(text));
  console.log(`${name}: ${texts.length} run(s)`);
}

await rm(folder, { recursive: true, force: true });
await mkdir(folder, { recursive: true });
await using server = await startServer(scripted().work);
await Promise.all(Object.entries(situations).map(async ([situation, play]) => {
  const it = new EstateOperator(server, situation.slice(0, 30).replace(/-$/, ''));
  await play(it);
  await server.ended(it.id);
  await keep(server, it.id, situation);
  // The groundwork, and one wave that reads what is fed and one that cuts it.
  if (situation === 'completed') for (const wave of ['groundwork', ...waves]) await keep(server, it.wave(wave), `${situation}-${wave}`);
}));
