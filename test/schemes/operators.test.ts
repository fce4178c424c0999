/**
 * Operators who say anything at any time, while calls fail, workflows end and targets die. Every seed is a trial of its own:
 * CUTOVER_SEED=<seed> plays one again and tells what was said. Most are the same in every run, some new; CUTOVER_ALL_FAULTS=1
 * plays thousands of new ones.
 */
import { describe, test } from '../apart.ts';
import { trial } from '../fakes/runtime.ts';
import { quick } from './judge.ts';
import { judged, played } from './operators.ts';

const again = process.env['CUTOVER_SEED'];
const [known, fresh] = process.env['CUTOVER_ALL_FAULTS'] === '1' ? [0, 5_000] : quick ? [60, 5] : [400, 40];
const someSeed = (): number => Math.floor(Math.random() * 1e9);
const seeds = again === undefined ? [...Array.from({ length: known }, (_, i) => i + 1), ...Array.from({ length: fresh }, someSeed)] : [Number(again)];

describe('operators who say anything at any time', () => {
  for (const mayDie of [false, true]) test(mayDie ? 'behind an opening the target may die' : 'both clusters stay', async (t) => {
    for (const seed of seeds) {
      const p = played(seed, mayDie);
      const said = (): string => `CUTOVER_SEED=${seed} ${p.situation}\n${p.said.join('\n')}`;
      const ended = await trial(p.options).catch((error: unknown) => { throw new Error(`${said()}\n${(error as Error).message}`, { cause: error }); });
      if (again !== undefined) t.diagnostic(said());
      if (!p.death.skipped) judged(ended, said());
    }
  });
});
