/** Topics on the target: there with the source's partitions, and keeping every record until the migration is finished. */
import type { RetentionBefore, TombstonesBefore, TopicsBefore } from '../../activities/work.ts';
import { change, type Change } from '../../domain/scheme.ts';
import type { Json } from '../../domain/json.ts';
import { ownPart } from '../../domain/migration.ts';
import type { Bound } from './use.ts';

/** Asked of `has`: plans made before leave the source's settings alone. */
const tombstones = '2026-11-23-tombstones';

export const topics = (bound: Bound) => {
  // What other waves cut is created, held and released by them, what is read early by the estate's groundwork.
  const b = { ...bound, m: ownPart(bound.m) };
  const some = (steps: Change): readonly Change[] => (b.m.topics.length === 0 ? [] : [steps]);
  const keeps = (step: Change): readonly Change[] => (b.m.connect !== null && b.has(tombstones) ? some(step) : []);
  return {
    create: (): readonly Change[] => some(change<TopicsBefore & Json>('create topics on the target', {
      detail: { topics: b.m.topics },
      effects: [{ do: 'create-topics', topics: b.m.topics, on: 'target' }],
      undoes: [{ do: 'remove-topics', topics: b.m.topics, on: 'target' }],
      capture: async (c) => ({ ...(await b.work.captureTopics({ m: b.m, c })) }),
      apply: (before, c) => b.work.createTopics({ m: b.m, c, before }),
      undo: (before, c) => b.work.removeTopics({ m: b.m, c, before }),
    })),
    /** Copied records keep their old timestamps: the target would expire them before their readers come. */
    holdRetention: (): readonly Change[] => some(change<RetentionBefore & Json>('hold retention on the target', {
      detail: { topics: b.m.topics },
      capture: async (c) => ({ ...(await b.work.captureRetention({ m: b.m, c })) }),
      apply: (before, c) => b.work.holdRetention({ m: b.m, c, before }),
      undo: (before, c) => b.work.restoreRetention({ m: b.m, c, before }),
    })),
    /** A mirror that is far behind must still find them. */
    keepTombstones: (): readonly Change[] => keeps(change<TombstonesBefore & Json>('keep tombstones longer on the source', {
      detail: { topics: b.m.topics },
      capture: async (c) => ({ ...(await b.work.captureTombstones({ m: b.m, c })) }),
      apply: (before, c) => b.work.keepTombstones({ m: b.m, c, before }),
      undo: (before, c) => b.work.restoreTombstones({ m: b.m, c, before }),
    })),
    releaseTombstones: (): readonly Change[] => keeps(change('keep tombstones on the source as before', {
      capture: async () => null,
      apply: (_before, c) => b.work.releaseTombstones({ m: b.m, c }),
      undo: 'leave: nothing needs them any more',
    })),
    releaseRetention: (): readonly Change[] => some(change<RetentionBefore & Json>('set retention on the target as on the source', {
      capture: async (c) => ({ ...(await b.work.captureRetention({ m: b.m, c })) }),
      apply: (before, c) => b.work.releaseRetention({ m: b.m, c, before }),
      undo: 'leave: the migration is finished',
    })),
  };
};
