/** What a fault does by itself: the same applications on one cluster, as many of them as in the rows, no migration. One fault after the other, each with its own books. */
import { applications, openCasts, restMs, type House } from './cast.ts';
import { random } from './draw.ts';
import { faultNames, strikeOf, type FaultName, type Struck } from './faults.ts';
import { recovered } from './health.ts';
import { plainTally } from './naming.ts';
import type { Tally } from './tally.ts';

/** What was struck, and how: repeats are compared within one of these. */
export const aloneName = (fault: FaultName, struck: Struck): string => `${fault.split(' ')[0] ?? ''} ${struck.endsWith('broker') ? 'broker' : struck}`;
/** What all of them are called, or those of `only`: faults, or such names themselves. */
export const aloneNames = (only: readonly string[] = faultNames): readonly string[] => [...new Set(faultNames.flatMap((f) =>
  (f.endsWith('application') ? applications.map((a) => aloneName(f, a)) : [aloneName(f, victimOf(f))]).filter((name) => only.includes(f) || only.includes(name))))];
/** Of a fault of what is shared. */
export const victimOf = (fault: FaultName): Struck => fault.slice(fault.indexOf(' ') + 1) as Struck;
const of = (name: string): { readonly fault: FaultName; readonly application: (typeof applications)[number] | null } => {
  const [how = '', ...who] = name.split(' ');
  const application = applications.find((a) => a === who.join(' ')) ?? null;
  // All applications run on the source, so a broker of theirs is the source's.
  return { application, fault: `${how} ${application ? 'application' : who.join(' ') === 'broker' ? 'source broker' : who.join(' ')}` as FaultName };
};

export interface Alone { readonly name: string; readonly tally: Tally }
export interface Choices {
  readonly names: readonly string[];
  /** So many times the applications of one migration, side by side: each is one run of every fault. */
  readonly migrations: number;
  readonly seed: number;
  readonly untilMs: number;
  readonly ended: (a: Alone) => Promise<void>;
}

export async function alone(house: House, x: Choices): Promise<void> {
  await using resources = new AsyncDisposableStack();
  const casts = await openCasts(house, resources, Array.from({ length: x.migrations }, () => ({ second: false })));
  const next = random(x.seed);
  let from = await Promise.all(casts.map(recovered));
  for (const name of x.names) {
    if (Date.now() > x.untilMs) return;
    const { fault, application } = of(name);
    // What all share is struck once.
    const strikes = (application === null ? casts.slice(0, 1) : casts).map((cast) => strikeOf(fault, cast, next, application === null ? applications : [application]));
    // Between two commits of a reader, which come every second fetch, it may be at any point.
    await new Promise((r) => setTimeout(r, next() * 2 * restMs));
    await Promise.all(strikes.map(async (strike) => { await strike.hit(); await strike.mend(); }));
    const to = await Promise.all(casts.map(recovered));
    for (const [i, cast] of casts.entries()) {
      const [before, after] = [from[i], to[i]];
      if (before && after) await x.ended({ name, tally: plainTally(cast, cast.accounts.between(before, after)) });
    }
    from = to;
  }
}
