/** What a fault does by itself: the same applications on one cluster, no migration. One after the other, each with its own books. */
import { applications, openCast, restMs, type House } from './cast.ts';
import { random } from './draw.ts';
import { strikeOf, type FaultName, type Struck } from './faults.ts';
import { recovered } from './health.ts';
import { plainTally } from './series.ts';
import type { Tally } from './tally.ts';

/** What was struck, and how: repeats are compared within one of these. */
export const aloneName = (fault: FaultName, struck: Struck): string => `${fault.split(' ')[0] ?? ''} ${struck.endsWith('broker') ? 'broker' : struck}`;
const of = (name: string): { readonly fault: FaultName; readonly application: (typeof applications)[number] | null } => {
  const [how = '', ...who] = name.split(' ');
  const application = applications.find((a) => a === who.join(' ')) ?? null;
  // All applications run on the source, so a broker of theirs is the source's.
  return { application, fault: `${how} ${application ? 'application' : who.join(' ') === 'broker' ? 'source broker' : who.join(' ')}` as FaultName };
};

export interface Alone { readonly name: string; readonly tally: Tally }
export interface Choices { readonly names: readonly string[]; readonly seed: number; readonly untilMs: number; readonly ended: (a: Alone) => Promise<void> }

export async function alone(house: House, x: Choices): Promise<void> {
  await using resources = new AsyncDisposableStack();
  const cast = await openCast(house, resources);
  const next = random(x.seed);
  let from = await recovered(cast);
  for (const name of x.names) {
    if (Date.now() > x.untilMs) return;
    const { fault, application } = of(name);
    const strike = strikeOf(fault, cast, next, application === null ? applications : [application]);
    // Between two commits of a reader, which come every second fetch, it may be at any point.
    await new Promise((r) => setTimeout(r, next() * 2 * restMs));
    await strike.hit();
    await strike.mend();
    const to = await recovered(cast);
    await x.ended({ name, tally: plainTally(cast, cast.accounts.between(from, to)) });
    from = to;
  }
}
