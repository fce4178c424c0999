/** The mirrors of a cut set: one MirrorMaker 2 connector per set, direction and attempt. */
import type { MirrorBefore, SilenceBefore } from '../../activities/work.ts';
import type { CutSet } from '../../domain/cutsets.ts';
import { groundworkWave } from '../../domain/migration.ts';
import type { Json } from '../../domain/json.ts';
import type { Side } from '../../domain/authority.ts';
import { change, irreversible, observe, type Change, type Irreversible, type Observe } from '../../domain/scheme.ts';
import type { Bound } from './use.ts';

export const mirrorOf = (set: CutSet, toward: Side): string => `${toward === 'target' ? 'forward' : 'back'} mirror of ${set.name}`;

export const mirrors = (b: Bound) => {
  const says = (set: CutSet, toward: Side, state: 'running' | 'silent' | 'gone') => ({ do: 'mirror', mirror: mirrorOf(set, toward), topics: set.topics, toward, state }) as const;
  const created = (name: string, set: CutSet, toward: Side): Change => change<MirrorBefore & Json>(name, {
    detail: { topics: set.topics, connect: toward === 'target' ? b.m.connect : b.m.connectBack },
    effects: [{ ...says(set, toward, 'running'), anew: true }],
    undoes: [says(set, toward, 'gone')],
    capture: async (c) => ({ ...(await b.work.captureMirror({ m: b.m, c, set, toward })) }),
    apply: (before, c) => b.work.createMirror({ m: b.m, c, set, toward, before }),
    undo: (before, c) => b.work.removeMirror({ m: b.m, c, set, toward, before }),
  });
  return {
    create: (set: CutSet): Change => {
      const { undoes, undo, ...rest } = created(`mirror ${set.name}`, set, 'target');
      const { estate } = b.m;
      // Others read on the target what this mirror brings: a wave neither begins nor ends it, but at its cut.
      const theirs = estate !== undefined && estate.wave !== groundworkWave && estate.feeds.some((f) => f.name === set.name);
      return theirs ? { ...rest, undo: "leave: the mirror is the estate's" } : { ...rest, undo, ...(undoes === undefined ? {} : { undoes }) };
    },
    /** After a cut, seeded at it: what is written where the authority went is carried to the side it left. */
    follow: (set: CutSet, toward: Side): Change => {
      const { undoes: _, ...rest } = created(`carry ${set.name} on to the ${toward}`, set, toward);
      return { ...rest, undo: toward === 'source' ? 'leave: the way back needs it, and ends it' : 'leave: its own beginning is undone later' };
    },
    /** The same for a while: whoever turns round before the cut takes it away again. */
    carryBack: (set: CutSet): Change => created(`carry ${set.name} back to the source`, set, 'source'),
    /** The way back is proven before anything is opened. */
    wayBack: (set: CutSet): Observe => observe('prove the way back', {
      proves: true,
      detail: { topics: set.topics, connect: b.m.connectBack },
      look: (c) => b.work.lookWayBack({ m: b.m, c, sets: [set] }),
    }),
    caughtUp: (sets: readonly CutSet[], toward: Side): Observe => observe('wait until the mirrors caught up', {
      proves: true,
      detail: { sets: sets.map((s) => s.name) },
      look: (c) => b.work.lookCaughtUp({ m: b.m, c, sets, toward }),
    }),
    drained: (set: CutSet, toward: Side): Observe => observe('drain the mirror', {
      proves: true,
      effects: [{ do: 'prove-mirror-drained', mirror: mirrorOf(set, toward) }],
      look: (c) => b.work.lookMirrorDrained({ m: b.m, c, set, toward }),
    }),
    silence: (set: CutSet, toward: Side): Change => change<SilenceBefore & Json>('silence the mirror', {
      proves: true,
      effects: [says(set, toward, 'silent')],
      undoes: [says(set, toward, 'running')],
      capture: async (c) => ({ ...(await b.work.captureSilence({ m: b.m, c, set, toward })) }),
      apply: (before, c) => b.work.silenceMirror({ m: b.m, c, set, toward, before }),
      undo: (before, c) => b.work.resumeMirror({ m: b.m, c, set, toward, before }),
      undoLate: true,
    }),
    retire: (sets: readonly CutSet[], toward: Side): Change => change(`retire the ${toward === 'target' ? 'forward' : 'back'} ${sets.length === 1 ? 'mirror' : 'mirrors'}`, {
      detail: { sets: sets.map((s) => s.name) },
      effects: sets.map((s) => says(s, toward, 'gone')),
      capture: async () => null,
      apply: (_before, c) => b.work.retireMirrors({ m: b.m, c, sets, toward }),
      undo: 'leave: a mirror that ran before a cut is never resumed after it',
    }),
    /** From here on what is written on the target is on the target only. */
    giveUpTheWayBack: (sets: readonly CutSet[]): Irreversible => irreversible('give up the way back', {
      detail: { sets: sets.map((s) => s.name) },
      effects: sets.map((s) => says(s, 'source', 'gone')),
      because: 'the mirrors back are removed: what is written on the target from here on is on the target only',
      run: (c) => b.work.dropMirrors({ m: b.m, c, sets, toward: 'source' }),
    }),
  };
};
