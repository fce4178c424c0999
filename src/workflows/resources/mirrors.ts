/** The forward mirror of a cut set: one MirrorMaker 2 connector per set and attempt. */
import type { MirrorBefore, SilenceBefore } from '../../activities/work.ts';
import type { CutSet } from '../../domain/cutsets.ts';
import type { Json } from '../../domain/json.ts';
import { change, observe, type Change, type Observe } from '../../domain/scheme.ts';
import type { Bound } from './use.ts';

export const mirrorOf = (set: CutSet): string => `forward mirror of ${set.name}`;

export const mirrors = (b: Bound) => {
  const says = (set: CutSet, state: 'running' | 'silent' | 'gone') => ({ do: 'mirror', mirror: mirrorOf(set), topics: set.topics, toward: 'target', state }) as const;
  return {
    create: (set: CutSet): Change => change<MirrorBefore & Json>(`mirror ${set.name}`, {
      detail: { topics: set.topics, connect: b.m.connect },
      effects: [says(set, 'running')],
      undoes: [says(set, 'gone')],
      capture: async (c) => ({ ...(await b.work.captureMirror({ m: b.m, c, set, toward: 'target' })) }),
      apply: (before, c) => b.work.createMirror({ m: b.m, c, set, toward: 'target', before }),
      undo: (before, c) => b.work.removeMirror({ m: b.m, c, set, toward: 'target', before }),
    }),
    caughtUp: (sets: readonly CutSet[]): Observe => observe('wait until the mirrors caught up', {
      proves: true,
      detail: { sets: sets.map((s) => s.name) },
      look: (c) => b.work.lookCaughtUp({ m: b.m, c, sets, toward: 'target' }),
    }),
    drained: (set: CutSet): Observe => observe('drain the mirror', {
      proves: true,
      effects: [{ do: 'prove-mirror-drained', mirror: mirrorOf(set) }],
      look: (c) => b.work.lookMirrorDrained({ m: b.m, c, set, toward: 'target' }),
    }),
    silence: (set: CutSet): Change => change<SilenceBefore & Json>('silence the mirror', {
      proves: true,
      effects: [says(set, 'silent')],
      undoes: [says(set, 'running')],
      capture: async (c) => ({ ...(await b.work.captureSilence({ m: b.m, c, set, toward: 'target' })) }),
      apply: (before, c) => b.work.silenceMirror({ m: b.m, c, set, toward: 'target', before }),
      undo: (before, c) => b.work.resumeMirror({ m: b.m, c, set, toward: 'target', before }),
    }),
    retire: (sets: readonly CutSet[]): Change => change('retire the mirrors', {
      detail: { sets: sets.map((s) => s.name) },
      effects: sets.map((s) => says(s, 'gone')),
      capture: async () => null,
      apply: (_before, c) => b.work.retireMirrors({ m: b.m, c, sets, toward: 'target' }),
      undo: 'leave: a mirror that ran before a cut is never resumed after it',
    }),
  };
};
