/** The target is dead: the steps that ask nothing of it. None of them is undone, there being no way to where it would lead. */
import { groupsWith } from '../../domain/companies.ts';
import type { CutSet } from '../../domain/cutsets.ts';
import type { Effect } from '../../domain/authority.ts';
import { readingsOf, type Application } from '../../domain/migration.ts';
import { change, type Change, type Done, type Context } from '../../domain/scheme.ts';
import { mirrorOf } from './mirrors.ts';
import type { Bound } from './use.ts';

const alsoTwice = (twice: readonly string[]): { readonly twice?: readonly string[] } => (twice.length > 0 ? { twice } : {});
const undo = 'leave: the target is dead, there is no way back to it';

export const deadTarget = (b: Bound) => {
  const named = (applications: readonly Application[]): readonly string[] => applications.map((a) => a.name);
  const step = (name: string, x: { readonly proves?: false; readonly effects?: readonly Effect[]; apply(c: Context): Promise<Done> }): Change =>
    change(name, { proves: x.proves ?? true, ...(x.effects ? { effects: x.effects } : {}), capture: async () => null, apply: (_before, c) => x.apply(c), undo });
  return {
    /** From here whoever ran there counts as gone, by the word of who approved it. `twice`: of those the set on the source goes on. */
    stop: (applications: readonly Application[], twice: readonly string[]): Change => step(`tell ${named(applications).join(', ')} to stop`, {
      proves: false,
      effects: [
        { do: 'give-up', on: 'target', applications: named(applications) },
        ...(b.m.blueGreen ? applications.map((a) => ({ do: 'second-set', application: a.name, state: 'gone' }) as const) : []),
      ],
      apply: (c) => b.work.stopWithoutTarget({ m: b.m, c, applications: named(applications), ...alsoTwice(twice) }),
    }),
    silence: (sets: readonly CutSet[]): Change => step('silence the mirrors back', {
      effects: sets.flatMap((s) => (['source', 'target'] as const).map((toward) => ({ do: 'mirror', mirror: mirrorOf(s, toward), topics: s.topics, toward, state: 'silent' }) as const)),
      apply: (c) => b.work.silenceWithoutTarget({ m: b.m, c, sets }),
    }),
    mark: (set: CutSet): Change => step(`mark the cut of ${set.name} without the target`, {
      effects: [{ do: 'cut', set: set.name, topics: set.topics, to: 'source' }],
      apply: (c) => b.work.markWithoutTarget({ m: b.m, c, set }),
    }),
    /** A group of a first set that is at work is left where it is. */
    positions: (applications: readonly Application[], twice: readonly string[]): Change => {
      const atWork = new Set(groupsWith(b.m, twice));
      // A group of which somebody has stayed on the source is where it is there.
      const own = groupsWith(b.m, named(applications));
      return step('set positions on the source from its ledger', {
        effects: readingsOf(applications).filter((r) => own.includes(r.group)).map((r) => ({ do: 'position', group: r.group, topics: r.topics, on: 'source', from: 'translated', ...(atWork.has(r.group) ? { unless: 'at work' } : {}) }) as const),
        apply: (c) => b.work.setWithoutTarget({ m: b.m, c, applications: named(applications), ...alsoTwice(twice) }),
      });
    },
    lift: (applications: readonly Application[], sets: readonly CutSet[]): Change => step('lift the fences on the source', {
      effects: sets.map((s) => ({ do: 'fence', topics: s.topics, on: 'source', state: 'down' }) as const),
      apply: (c) => b.work.liftWithoutTarget({ m: b.m, c, applications: named(applications), sets }),
    }),
    start: (applications: readonly Application[]): Change => step(`start ${named(applications).join(', ')} on the source`, {
      effects: applications.map((a) => ({ do: 'run', application: a.name, on: 'source' }) as const),
      apply: (c) => b.work.startFleet({ m: b.m, c, applications: named(applications), on: 'source' }),
    }),
    /** Beside whatever of the second set nobody could reach. */
    startFirst: (applications: readonly Application[]): Change => step(`start the first set of ${named(applications).join(', ')} on the source, where it has left`, {
      effects: applications.map((a) => ({ do: 'run', application: a.name, on: 'source' }) as const),
      apply: (c) => b.work.startFleet({ m: b.m, c, applications: named(applications), on: 'source', beside: true }),
    }),
    leave: (sets: readonly CutSet[]): Change => step('name what is left behind', {
      effects: sets.flatMap((s) => (['source', 'target'] as const).map((toward) => ({ do: 'mirror', mirror: mirrorOf(s, toward), topics: s.topics, toward, state: 'gone' }) as const)),
      apply: (c) => b.work.leaveTarget({ m: b.m, c, sets }),
    }),
  };
};
