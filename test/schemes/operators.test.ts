/**
 * Operators who say anything at any time, while calls fail, workflows end and targets die. Every seed is a trial of its own:
 * CUTOVER_SEED=<seed> plays one again and tells what was said.
 */
import { describe, test } from '../apart.ts';
import { trial } from '../fakes/runtime.ts';
import { quick } from './judge.ts';
import { judged, played } from './operators.ts';

const again = process.env['CUTOVER_SEED'];
const trials = quick ? 80 : 600;
const seeds = again === undefined ? Array.from({ length: trials }, (_, i) => Math.floor(Math.random() * 1e9) + i) : [Number(again)];

describe('operators who say anything at any time', () => {
  for (const mayDie of [false, true]) test(mayDie ? 'behind an opening the target may die' : 'both clusters stay', async (t) => {
    for (const seed of seeds) {
      const p = played(seed, mayDie);
      const said = (): string => `CUTOVER_SEED=${seed} ${p.situation}\n${p.said.join('\n')}`;
      const ended = await trial(p.options).catch((error: unknown) => { throw new Error(`${said()}\n${(error as Error).message}`, { cause: error }); });
      if (again !== undefined) t.diagnostic(said());
      judged(ended, said());
    }
  });
});
