/** The cut: the recorded moment at which authority over a set of topics changes, and the fence that guards it. */
import type { CutBefore, FenceBefore } from '../../activities/work.ts';
import { otherSide, type Side } from '../../domain/authority.ts';
import type { CutSet } from '../../domain/cutsets.ts';
import type { Json } from '../../domain/json.ts';
import { change, observe, type Change, type Context, type Done, type Observe } from '../../domain/scheme.ts';
import type { Bound } from './use.ts';

export const cuts = (b: Bound) => ({
  /** Writes refused by the cluster itself, where it has an authorizer and the writers' principals are declared. */
  fence: (set: CutSet, on: Side): Change => change<FenceBefore & Json>(`fence ${set.name} on the ${on}`, {
    proves: true,
    detail: { topics: set.topics, principals: b.m.applications.filter((a) => a.writes.length > 0 && set.writers.includes(a.name)).flatMap((a) => a.principals) },
    effects: [{ do: 'fence', topics: set.topics, on, state: 'up' }],
    undoes: [{ do: 'fence', topics: set.topics, on, state: 'down' }],
    capture: async (c) => ({ ...(await b.work.captureFence({ m: b.m, c, set, on })) }),
    apply: (before, c) => b.work.raiseFence({ m: b.m, c, set, on, before }),
    undo: (before, c) => b.work.lowerFence({ m: b.m, c, set, on, before }),
  }),
  /** Fences that were put up earlier in this plan are taken down; the undo puts them up again. */
  lift: (set: CutSet | readonly CutSet[], on: Side): Change => {
    const sets = 'topics' in set ? [set] : set;
    const topics = sets.flatMap((s) => s.topics);
    const again = async (s: CutSet, c: Context): Promise<Done> => b.work.raiseFence({ m: b.m, c, set: s, on, before: await b.work.captureFence({ m: b.m, c: { ...c, key: sets.length === 1 ? c.key : `${c.key}/${s.name}` }, set: s, on }) });
    return change(`lift the fence of ${sets.map((s) => s.name).join(', ')} on the ${on}`, {
      proves: true,
      detail: { topics },
      effects: [{ do: 'fence', topics, on, state: 'down' }],
      undoes: [{ do: 'fence', topics, on, state: 'up' }],
      capture: async () => null,
      apply: (_before, c) => b.work.lowerFences({ m: b.m, c, sets, on }),
      undo: async (_before, c) => {
        const done: Done[] = [];
        for (const s of sets) done.push(await again(s, c));
        const [first, last] = [done[0], done.at(-1)];
        return { fromMs: first?.fromMs ?? 0, toMs: last?.toMs ?? 0, say: done.map((d) => d.say).join(' ') };
      },
    });
  },
  unfence: (sets: readonly CutSet[], on: Side): Change => change('lift the fences', {
    detail: { sets: sets.map((s) => s.name), on },
    effects: sets.map((s) => ({ do: 'fence', topics: s.topics, on, state: 'down' }) as const),
    capture: async () => null,
    apply: (_before, c) => b.work.lowerFences({ m: b.m, c, sets, on }),
    undo: 'leave: the migration is finished',
  }),
  mark: (set: CutSet, to: Side): Change => change<CutBefore & Json>('mark the cut', {
    proves: true,
    detail: { topics: set.topics, from: otherSide(to), to },
    effects: [{ do: 'cut', set: set.name, topics: set.topics, to }],
    undoes: [{ do: 'cut', set: set.name, topics: set.topics, to: otherSide(to) }],
    capture: async (c) => ({ ...(await b.work.captureCut({ m: b.m, c, set, to })) }),
    apply: (before, c) => b.work.markCut({ m: b.m, c, set, to, before }),
    undo: (before, c) => b.work.unmarkCut({ m: b.m, c, set, to, before }),
  }),
  confirm: (set: CutSet, to: Side): Observe => observe('confirm the cut', {
    proves: true,
    look: (c) => b.work.lookCut({ m: b.m, c, set, to }),
  }),
});
