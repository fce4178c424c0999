/** The processes of applications: stopped, started, and believed only when fleet and brokers agree. */
import type { FleetBefore } from '../../activities/work.ts';
import { otherSide, type Effect, type Side } from '../../domain/authority.ts';
import type { Json } from '../../domain/json.ts';
import { change, irreversible, observe, opening, type Change, type Irreversible, type Observe, type Opening, type Phase } from '../../domain/scheme.ts';
import type { Bound } from './use.ts';

const run = (applications: readonly string[], on: Side | 'both' | 'stopped'): readonly Extract<Effect, { do: 'run' }>[] => applications.map((application) => ({ do: 'run', application, on }) as const);
const alone = (applications: readonly string[], on: Side, how: 'for good' | 'resting'): readonly Effect[] => run(applications, on).map((e) => (how === 'resting' ? { ...e, resting: true } as const : e));
const list = (applications: readonly string[]): string => applications.join(', ');

export const fleets = (b: Bound) => ({
  /** Stops what runs on `on`; the undo starts it there again. */
  stop: (applications: readonly string[], on: Side): Change => change<FleetBefore & Json>(`stop ${list(applications)}`, {
    detail: { applications, on },
    effects: run(applications, 'stopped'),
    undoes: run(applications, on),
    capture: async (c) => ({ ...(await b.work.captureFleet({ m: b.m, c, applications })) }),
    apply: (_before, c) => b.work.stopFleet({ m: b.m, c, applications, on }),
    undo: (_before, c) => b.work.startFleet({ m: b.m, c, applications, on }),
  }),
  /** `named`: where several follow each other in one outage. */
  quiet: (applications: readonly string[], on: Side, who?: 'named'): Observe => observe(who === 'named' ? `confirm that ${list(applications)} ${applications.length === 1 ? 'is' : 'are'} gone` : 'confirm that they are gone', {
    proves: true,
    detail: { applications, on },
    effects: [{ do: 'prove-quiet', applications }],
    look: (c) => b.work.lookQuiet({ m: b.m, c, applications, on }),
  }),
  start: (applications: readonly string[], on: Side): Change => change<FleetBefore & Json>(`start ${list(applications)} on the ${on}`, {
    detail: { applications, on },
    effects: run(applications, on),
    undoes: run(applications, 'stopped'),
    capture: async (c) => ({ ...(await b.work.captureFleet({ m: b.m, c, applications })) }),
    apply: (_before, c) => b.work.startFleet({ m: b.m, c, applications, on }),
    undo: async (_before, c) => {
      const stopped = await b.work.stopFleet({ m: b.m, c, applications, on });
      await b.work.lookQuiet({ m: b.m, c: { ...c, before: null }, applications, on });
      return stopped;
    },
  }),
  /** A second set of processes beside the one on the other side, which goes on; the undo stops the second set alone. */
  beside: (applications: readonly string[], on: Side, undone: 'for good' | 'resting' = 'for good'): Change => change<FleetBefore & Json>(`start a set of ${list(applications)} on the ${on} as well`, {
    detail: { applications, on },
    effects: run(applications, 'both'),
    undoes: alone(applications, otherSide(on), undone),
    capture: async (c) => ({ ...(await b.work.captureFleet({ m: b.m, c, applications })) }),
    apply: (_before, c) => b.work.startFleet({ m: b.m, c, applications, on, beside: true }),
    undo: async (_before, c) => {
      const stopped = await b.work.stopFleet({ m: b.m, c, applications, only: on });
      await b.work.lookQuiet({ m: b.m, c: { ...c, before: null }, applications, on, only: true });
      return stopped;
    },
  }),
  /** One of the two sets stops, the other goes on. `resting`: it comes back, and what is written on its side meanwhile waits. */
  leave: (applications: readonly string[], on: Side, how: 'for good' | 'resting'): Change => change<FleetBefore & Json>(`stop the set of ${list(applications)} on the ${on}`, {
    detail: { applications, on, goesOn: otherSide(on) },
    effects: alone(applications, otherSide(on), how),
    undoes: run(applications, 'both'),
    capture: async (c) => ({ ...(await b.work.captureFleet({ m: b.m, c, applications })) }),
    apply: (_before, c) => b.work.stopFleet({ m: b.m, c, applications, only: on }),
    undo: (_before, c) => b.work.startFleet({ m: b.m, c, applications, on, beside: true }),
  }),
  left: (applications: readonly string[], on: Side): Observe => observe(`confirm that nobody of ${list(applications)} is left on the ${on}`, {
    proves: true,
    detail: { applications, on },
    look: (c) => b.work.lookQuiet({ m: b.m, c, applications, on, only: true }),
  }),
  /** Assigned before anything is written there, and committing once it is. */
  listening: (applications: readonly string[], on: Side, topics: readonly string[], wanted: 'assigned' | 'reading'): Observe =>
    observe(`see ${list(applications)} ${wanted === 'assigned' ? 'listen' : 'read'} on the ${on}`, {
      proves: true,
      detail: { applications, on, topics, wanted },
      look: (c) => b.work.lookListening({ m: b.m, c, applications, on, topics, wanted }),
    }),
  /** The opening, where no way back was declared. */
  openForGood: (applications: readonly string[]): Irreversible => irreversible(`open: start ${list(applications)} on the target`, {
    detail: { applications },
    effects: run(applications, 'target'),
    because: 'no Connect worker for the way back is declared ("connectBack"): what is written on the target from here on is not carried back',
    run: (c) => b.work.startFleet({ m: b.m, c, applications, on: 'target' }),
  }),
  /** The opening: what is written from now on is on that side only, until the cut back. */
  open: (applications: readonly string[], on: Side, back: readonly Phase[]): Opening => opening(`open: start ${list(applications)} on the ${on}`, {
    detail: { applications, on },
    effects: run(applications, on),
    run: (c) => b.work.startFleet({ m: b.m, c, applications, on }),
    back,
  }),
  running: (applications: readonly string[], on: Side): Observe => observe(`see ${list(applications)} at work on the ${on}`, {
    detail: { applications, on },
    look: (c) => b.work.lookRunning({ m: b.m, c, applications, on }),
  }),
});
