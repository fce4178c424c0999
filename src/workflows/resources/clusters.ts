/** The two clusters as a whole: is everything fit for the journey, and is nobody else at work on the same topics. */
import { groundworkWave } from '../../domain/migration.ts';
import { change, observe, type Change, type Observe } from '../../domain/scheme.ts';
import { inventoryOf, type Bound } from './use.ts';

/** The locks of a wave are its estate's, taken by the groundwork. */
const isWave = (b: Bound): boolean => b.m.estate !== undefined && b.m.estate.wave !== groundworkWave;

export const clusters = (b: Bound) => ({
  /** Preflight; reads only, fails with all faults at once. */
  ready: (scheme: string): Observe => observe('check that everything is ready', {
    proves: true,
    detail: { source: b.m.source, target: b.m.target, connect: b.m.connect },
    look: (c) => b.work.lookReady({ m: b.m, c, scheme }),
  }),
  /** One migration per topic and cluster, by Kafka cluster id. */
  lock: (): readonly Change[] => (isWave(b) ? [] : [change('take the locks', {
    proves: true,
    detail: { topics: b.m.topics },
    capture: async () => null,
    apply: (_before, c) => b.work.acquireLock({ m: b.m, c, inventory: inventoryOf(b), owner: b.owner }),
    undo: (_before, c) => b.work.releaseLock({ m: b.m, c, inventory: inventoryOf(b), owner: b.owner }),
  })]),
  unlock: (): readonly Change[] => (isWave(b) ? [] : [change('give the locks back', {
    capture: async () => null,
    apply: (_before, c) => b.work.releaseLock({ m: b.m, c, inventory: inventoryOf(b), owner: b.owner }),
    undo: 'leave: the last step of a finished migration',
  })]),
});
