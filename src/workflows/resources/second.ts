/** A second (green) set of every application on the target, beside the first (blue) one, until traffic is switched. */
import type { FleetBefore, PositionsBefore } from '../../activities/work.ts';
import type { Effect } from '../../domain/authority.ts';
import type { Json } from '../../domain/json.ts';
import { groupsOf, readsOf, type Application } from '../../domain/migration.ts';
import { change, irreversible, observe, opening, type Change, type Context, type Done, type Irreversible, type Observe, type Opening, type Phase } from '../../domain/scheme.ts';
import type { CutSet } from '../../domain/cutsets.ts';
import type { Bound } from './use.ts';

const names = (applications: readonly Application[]): readonly string[] => applications.map((a) => a.name);
const groups = (applications: readonly Application[]): readonly string[] => [...new Set(applications.flatMap(groupsOf))].sort();
const list = (xs: readonly string[]): string => xs.join(', ');

export const second = (b: Bound) => {
  const doubling = b.m.blueGreen?.until === 'doubling';
  const sets = (applications: readonly Application[], state: 'at work' | 'gone'): readonly Effect[] =>
    applications.map((a) => ({ do: 'second-set', application: a.name, state: state === 'gone' ? 'gone' : doubling && a.writes.length === 0 ? 'doubling' : 'muted' }) as const);
  const run = (applications: readonly string[], on: 'source' | 'target'): readonly Effect[] => applications.map((application) => ({ do: 'run', application, on }) as const);
  const hooks = { traffic: b.m.blueGreen?.traffic ?? null, live: b.m.blueGreen?.live ?? null };
  const both = async (first: Promise<Done>, then: () => Promise<Done>): Promise<Done> => {
    const [a, z] = [await first, await then()];
    return { fromMs: a.fromMs, toMs: z.toMs, say: `${a.say} ${z.say}` };
  };
  /** The order matters: whoever gets traffic must be live. */
  const switched = (c: Context): Promise<Done> => both(b.work.setHook({ m: b.m, c, hook: 'live', state: 'live' }), () => b.work.setHook({ m: b.m, c, hook: 'traffic', state: 'target' }));
  const started = (applications: readonly Application[]): Change => change<FleetBefore & Json>(`start the second set of ${list(names(applications))}`, {
    detail: { applications: names(applications), until: b.m.blueGreen?.until ?? 'muted', fleets: { ...b.m.blueGreen?.fleets } },
    effects: sets(applications, 'at work'),
    undoes: sets(applications, 'gone'),
    capture: async (c) => ({ ...(await b.work.captureFleet({ m: b.m, c, applications: names(applications) })) }),
    apply: (_before, c) => b.work.startFleet({ m: b.m, c, applications: names(applications), on: 'target' }),
    undo: (_before, c) => b.work.stopFleet({ m: b.m, c, applications: names(applications), on: 'target' }),
  });
  return {
    /** Before it starts, also after it was live once. */
    mute: (): readonly Change[] => (hooks.live === null ? [] : [change('mute the second set', {
      detail: { hook: hooks.live },
      capture: async () => null,
      apply: (_before, c) => b.work.setHook({ m: b.m, c, hook: 'live', state: 'muted' }),
      undo: 'leave: nobody heeds it while no second set runs',
    })]),
    place: (applications: readonly Application[]): readonly Change[] => (groups(applications).length === 0 ? [] : [change<PositionsBefore & Json>(`place ${list(groups(applications))} of the second set`, {
      proves: true,
      detail: { groups: groups(applications), at: 'where the logs of the target end' },
      effects: applications.flatMap((a) => a.reads.map((r) => ({ do: 'position', group: r.group, topics: r.topics, on: 'target', from: 'end' }) as const)),
      undoes: applications.flatMap((a) => a.reads.map((r) => ({ do: 'position', group: r.group, topics: r.topics, on: 'target', from: 'none' }) as const)),
      capture: async (c) => ({ ...(await b.work.capturePositions({ m: b.m, c, groups: groups(applications), to: 'target' })) }),
      apply: (before, c) => b.work.placeSecond({ m: b.m, c, groups: groups(applications), before }),
      undo: (before, c) => b.work.unplaceSecond({ m: b.m, c, groups: groups(applications), before }),
    })]),
    start: started,
    ready: (applications: readonly Application[]): Observe => observe('see the second set at work on the target', {
      proves: true,
      detail: { applications: names(applications) },
      look: (c) => b.work.lookSecond({ m: b.m, c, applications: names(applications) }),
    }),
    fine: (): readonly Observe[] => ((b.m.blueGreen?.validate ?? null) === null ? [] : [observe('wait until the check of the second set says fine', {
      proves: true,
      detail: { hook: b.m.blueGreen?.validate ?? null },
      look: (c) => b.work.lookFine({ m: b.m, c }),
    })]),
    /** Up to the end of the log and not up to an earlier cut: what a mirror brought behind one counts as well. The first set has read the source to its end and is gone, the mirror has ended: what is left is for the second set to read as far. */
    even: (applications: readonly Application[]): readonly Observe[] => (groups(applications).length === 0 ? [] : [observe('confirm that the second set has read as much', {
      proves: true,
      detail: { groups: groups(applications) },
      effects: [{ do: 'prove-even', applications: names(applications) }],
      look: (c) => b.work.lookGroupsDrained({ m: b.m, c, groups: groups(applications), topics: [...new Set(applications.flatMap(readsOf))].sort(), on: 'target', upTo: 'end' }),
    })]),
    /** The opening: the second set goes live, then traffic goes to it. */
    open: (applications: readonly string[], back: readonly Phase[]): Opening => opening('open: switch traffic to the second set', {
      detail: { applications, hooks }, effects: run(applications, 'target'), run: switched, back,
    }),
    openForGood: (applications: readonly string[]): Irreversible => irreversible('open: switch traffic to the second set', {
      detail: { applications, hooks }, effects: run(applications, 'target'), run: switched,
      because: 'no Connect worker for the way back is declared ("connectBack"): what is written on the target from here on is not carried back',
    }),
    /** The opening of the way back: the first set starts, then traffic goes to it. */
    openBack: (writers: readonly string[]): Opening => opening(`open: start ${list(writers)} on the source and switch traffic`, {
      detail: { applications: writers, hooks }, effects: run(writers, 'source'), back: [],
      run: (c) => both(b.work.startFleet({ m: b.m, c, applications: writers, on: 'source' }), () => b.work.setHook({ m: b.m, c, hook: 'traffic', state: 'source' })),
    }),
    /** Behind a start of the first set that was no opening. */
    trafficBack: (): Change => change('switch traffic to the source', {
      detail: { hook: hooks.traffic },
      capture: async () => null,
      apply: (_before, c) => b.work.setHook({ m: b.m, c, hook: 'traffic', state: 'source' }),
      undo: 'leave: the target is dead, there is no way back to it',
    }),
    shares: (set: CutSet): Observe => observe('tell who processed what', { tells: true, detail: { topics: set.topics }, look: (c) => b.work.lookShares({ m: b.m, c, set }) }),
    /** At the end of a way back: as it was before the switch. */
    again: (applications: readonly Application[]): Change => {
      const { undoes: _, ...rest } = started(applications);
      return { ...rest, name: `start the second set of ${list(names(applications))} again`, undo: 'leave: its own beginning is undone later' };
    },
  };
};
