/** The cut of one set whose records are copied, the same in every scheme that moves its producers set by set. */
import { writersOf, type CutSet } from '../../domain/cutsets.ts';
import type { Migration } from '../../domain/migration.ts';
import { outage, phase, type Phase } from '../../domain/scheme.ts';
import type { Use } from '../resources/use.ts';
import { wayBack } from './wayback.ts';

/** Whether the clusters can keep its writers out. */
export const fenced = (m: Migration, set: CutSet): boolean => writersOf(m, set).some((a) => a.principals.length > 0);

export function cutOfCopy(m: Migration, use: Use, set: CutSet): Phase {
  const back = m.connectBack !== null;
  const writers = writersOf(m, set);
  const reading = writers.filter((a) => a.reads.length > 0);
  return phase(`cut ${set.name}`,
    ...(back ? [use.mirrors.wayBack(set)] : []),
    use.holds.approve('approve the cut', `Stop ${set.writers.join(', ') || 'nobody'} and move ${set.topics.join(', ')} to ${m.target}? ${back ? 'From the opening on the way back is a cut of its own.' : 'From the opening on there is no way back.'}`,
      { kind: 'cut', set, applications: set.writers, copies: true, budgetMs: m.outage.budgetMs, undoReserveMs: m.outage.undoReserveMs }),
    use.guards.unchanged(),
    ...(reading.length > 0 ? [use.groups.prepare(reading, 'target')] : []),
    outage('outage', {
      budgetMs: m.outage.budgetMs,
      undoReserveMs: m.outage.undoReserveMs,
      until: [
        use.fleets.stop(set.writers, 'source'),
        ...use.guards.leftovers(writers, 'source'),
        use.fleets.quiet(set.writers, 'source'),
        ...use.guards.transactions(writers, 'source'),
        ...(fenced(m, set) ? [use.cuts.fence(set, 'source')] : []),
        ...use.guards.readFence(reading, 'source'),
        use.mirrors.drained(set, 'target'),
        use.mirrors.silence(set, 'target'),
        ...(reading.length > 0 ? [use.groups.move(reading, 'target', 'translated')] : []),
        ...(fenced(m, set) ? [use.cuts.lift(set, 'target')] : []),
        use.cuts.mark(set, 'target'),
        use.cuts.confirm(set, 'target'),
      ],
      open: back ? use.fleets.open(set.writers, 'target', wayBack(m, use, set, true)) : use.fleets.openForGood(set.writers),
    }),
    use.fleets.running(set.writers, 'target'),
    use.mirrors.retire([set], 'target'),
    ...(back ? [use.mirrors.follow(set, 'source')] : []),
    use.guards.same([set], 'cut'));
}
