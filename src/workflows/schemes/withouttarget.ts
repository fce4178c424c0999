/** The way back when the target is dead, the same in every scheme: all at once, from what the source's ledger knows, behind one hold. */
import { cutSets } from '../../domain/cutsets.ts';
import type { Migration } from '../../domain/migration.ts';
import { phase, type Phase, type Plan } from '../../domain/scheme.ts';
import type { Use } from '../resources/use.ts';

/** `names`: applications that were stopped or started and not put back. Those that never moved run on as they are. */
function withoutTarget(m: Migration, use: Use, names: readonly string[]): readonly Phase[] {
  const sets = cutSets(m);
  const applications = m.applications.filter((a) => names.includes(a.name));
  return [phase('without the target',
    use.holds.approve('approve the rollback without the target', `Give up what is only on ${m.target}, and go on with ${names.join(', ')} on ${m.source}? Records that have not come back are lost to ${m.source} until they are reconciled. To reject is to stay.`,
      { kind: 'without-target', applications: names, sets }),
    use.deadTarget.stop(applications),
    use.deadTarget.silence(sets),
    ...sets.map((s) => use.deadTarget.mark(s)),
    ...(applications.some((a) => a.reads.length > 0) ? [use.deadTarget.positions(applications)] : []),
    use.deadTarget.lift(applications, sets),
    use.deadTarget.start(applications),
    use.fleets.running(names, 'source'),
    ...(m.blueGreen ? [use.second.trafficBack()] : []),
    use.deadTarget.leave(sets),
    use.clusters.unlock())];
}

/** Where there is a way back over an opening, there is one without the target. */
export const ifTargetDies = (m: Migration, use: Use): Pick<Plan, 'withoutTarget'> =>
  (m.connectBack === null ? {} : { withoutTarget: (applications) => withoutTarget(m, use, applications) });
