/** Everybody stops in one outage, whoever feeds first and each as soon as it has read everything: for schemes with one outage for all. */
import type { Waiting } from '../../activities/work.ts';
import type { CutSet } from '../../domain/cutsets.ts';
import type { Migration } from '../../domain/migration.ts';
import type { Change, Observe } from '../../domain/scheme.ts';
import { stoppingOrder, type Stage } from '../../domain/stopping.ts';
import type { Use } from '../resources/use.ts';

export interface Stopping {
  readonly steps: readonly (Change | Observe)[];
  /** Fences that go up on the source one after the other. */
  readonly fences: readonly CutSet[];
  /** Who is waited for, stage by stage. */
  readonly waits: readonly Waiting[];
  /** `a, b, then c`. */
  readonly order: string;
}

export function stopInOrder(m: Migration, use: Use): Stopping {
  const stages = stoppingOrder(m);
  const fenced = (set: CutSet): boolean => m.applications.some((a) => set.writers.includes(a.name) && a.principals.length > 0);
  const stop = (s: Stage): readonly (Change | Observe)[] => {
    const names = s.applications.map((a) => a.name);
    const those = s.applications.filter((a) => a.reads.length > 0);
    // Whoever wrote the same topics and stopped before is looked at with them: only together do they say that nothing comes any more.
    const gone = m.applications.filter((a) => s.applications.includes(a) || s.closes?.writers.includes(a.name) === true);
    return [
      ...(s.loops.length > 0 ? [use.groups.dry(those, s, 'source')] : those.length > 0 ? [use.groups.drained(those, s.inputs, 'source', 'before the stop')] : []),
      use.fleets.stop(names, 'source'),
      ...use.guards.leftovers(gone, 'source', 'named'),
      use.fleets.quiet(gone.map((a) => a.name), 'source', 'named'),
      ...use.guards.transactions(gone, 'source', 'named'),
      ...(s.closes !== null && fenced(s.closes) ? [use.cuts.fence(s.closes, 'source')] : []),
      ...use.guards.readFence(those, 'source'),
      ...(s.loops.length > 0 ? [use.groups.drained(those, s.loops, 'source', 'after the stop')] : []),
    ];
  };
  return {
    steps: stages.flatMap(stop),
    fences: stages.flatMap((s) => (s.closes !== null && fenced(s.closes) ? [s.closes] : [])),
    waits: stages.flatMap((s) => {
      const groups = s.applications.flatMap((a) => a.reads.map((r) => r.group));
      return groups.length === 0 ? [] : [{ groups: [...new Set(groups)].sort(), topics: [...s.inputs, ...s.loops], quietMs: Math.max(0, ...s.loops.map((t) => m.quiet?.[t] ?? 0)) }];
    }),
    order: stages.map((s) => s.applications.map((a) => a.name).join(', ')).join(', then '),
  };
}
