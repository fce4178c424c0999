/** The way back when the target is dead, the same in every scheme: all at once, from what the source's ledger knows, behind one hold. */
import { cutSets, type CutSet } from '../../domain/cutsets.ts';
import type { Application, Migration } from '../../domain/migration.ts';
import { phase, type Phase, type Plan } from '../../domain/scheme.ts';
import type { Use } from '../resources/use.ts';

/** What a scheme has of its own. */
interface Own {
  /** Those with a set on either side; of these the first set runs on wherever it is at work, and comes back where it has left. */
  readonly twice?: readonly Application[];
  /** Nothing is copied forward: nothing was kept on the source for it. */
  readonly copiesNothing?: true;
  /** The sets by which fences stand on the source, where they are not the cut sets. */
  readonly fences?: readonly CutSet[];
}
/** `names`: applications that were stopped or started and not put back. Those that never moved run on as they are. */
function withoutTarget(m: Migration, use: Use, names: readonly string[], { twice = [], fences = cutSets(m), copiesNothing }: Own): readonly Phase[] {
  const sets = cutSets(m);
  const applications = m.applications.filter((a) => names.includes(a.name));
  const doubled = twice.map((a) => a.name).filter((name) => names.includes(name));
  const once = applications.filter((a) => !doubled.includes(a.name));
  return [phase('without the target',
    use.holds.approve('approve the rollback without the target', `Give up what is only on ${m.target}, and go on with ${names.join(', ')} on ${m.source}? Records that have not come back are lost to ${m.source} until they are reconciled. To reject is to stay.`,
      { kind: 'without-target', applications: names, sets, ...(doubled.length > 0 ? { twice: doubled } : {}) }),
    use.deadTarget.stop(applications, doubled),
    use.deadTarget.silence(sets),
    ...sets.map((s) => use.deadTarget.mark(s)),
    ...(applications.some((a) => a.reads.length > 0) ? [use.deadTarget.positions(applications, doubled)] : []),
    use.deadTarget.lift(applications, fences),
    ...(once.length > 0 ? [use.deadTarget.start(once)] : []),
    ...(doubled.length > 0 ? [use.deadTarget.startFirst(applications.filter((a) => doubled.includes(a.name)))] : []),
    use.fleets.running(names, 'source'),
    ...(m.blueGreen ? [use.second.trafficBack()] : []),
    use.deadTarget.leave(sets),
    ...(copiesNothing ? [] : use.topics.releaseTombstones()),
    use.clusters.unlock())];
}

/** Where there is a way back over an opening, there is one without the target. */
export const ifTargetDies = (m: Migration, use: Use, own: Own = {}): Pick<Plan, 'withoutTarget'> =>
  (m.connectBack === null ? {} : { withoutTarget: (applications) => withoutTarget(m, use, applications, own) });
