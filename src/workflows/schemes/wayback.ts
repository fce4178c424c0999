/** The way back of one opening, the same in every scheme: a cut in the other direction, with its own hold, outage and budget. */
import { writersOf, type CutSet } from '../../domain/cutsets.ts';
import type { Application, Migration } from '../../domain/migration.ts';
import { outage, phase, type Outage, type Phase } from '../../domain/scheme.ts';
import type { Use } from '../resources/use.ts';

/** What else moved in the outage of the opening: applications that only read, and fences that went up one after the other. */
export interface Along { readonly readers: readonly Application[]; readonly fences: readonly CutSet[]; /** A second set of everybody was live, and waits again afterwards. */ readonly second?: true }

/** `feeds`: the scheme copies, so that the target is fed again once the source is open. */
export function wayBack(m: Migration, use: Use, set: CutSet, feeds: boolean, along: Along = { readers: [], fences: [set] }): readonly Phase[] {
  const writers = writersOf(m, set);
  const followers = along.readers.map((a) => a.name);
  const reading = writers.filter((a) => a.reads.length > 0);
  return [phase(`back ${set.name}`,
    ...(feeds ? [use.mirrors.retire([set], 'target')] : []),
    use.mirrors.follow(set, 'source'),
    use.mirrors.caughtUp([set], 'source'),
    use.holds.approve('approve the cut back', `Stop ${set.writers.join(', ')} and bring ${set.topics.join(', ')} back to ${m.source}?${followers.length === 0 ? '' : ` ${followers.join(', ')} ${followers.length === 1 ? 'goes' : 'go'} first, fed by the mirror.`} To reject is to stay on ${m.target}.`,
      { kind: 'reverse', set, applications: [...set.writers, ...followers], budgetMs: m.outage.budgetMs, undoReserveMs: m.outage.undoReserveMs }),
    // The mirror back feeds the source: whoever only reads returns before anybody has to stop writing.
    ...(followers.length === 0 ? [] : [
      use.fleets.stop(followers, 'target'), ...use.guards.leftovers(along.readers, 'target'), use.fleets.quiet(followers, 'target'),
      use.groups.move(along.readers, 'source', 'translated'), ...use.guards.liftReadFence(along.readers, 'source'),
      use.fleets.start(followers, 'source'), use.fleets.running(followers, 'source'),
    ]),
    use.guards.unchanged(),
    ...(reading.length > 0 ? [use.groups.prepare(reading, 'source')] : []),
    outageBack(m, use, set, along),
    use.fleets.running(set.writers, 'source'),
    use.mirrors.retire([set], 'source'),
    ...(feeds ? [use.mirrors.follow(set, 'target')] : []),
    ...(along.second ? [use.second.shares(set), ...use.second.mute(), use.second.again(m.applications)] : []))];
}

/** The outage of a cut back: all writers of the set stop on the target, what they wrote is on the source, and they start there. */
export function outageBack(m: Migration, use: Use, set: CutSet, { fences, second }: Pick<Along, 'fences' | 'second'> = { fences: [set] }): Outage {
  const writers = writersOf(m, set);
  const reading = writers.filter((a) => a.reads.length > 0);
  const fenced = writers.some((a) => a.principals.length > 0);
  return outage('outage', {
    budgetMs: m.outage.budgetMs,
    undoReserveMs: m.outage.undoReserveMs,
    until: [
      use.fleets.stop(set.writers, 'target'),
      ...use.guards.leftovers(writers, 'target'),
      use.fleets.quiet(set.writers, 'target'),
      ...use.guards.transactions(writers, 'target'),
      ...(fenced ? [use.cuts.fence(set, 'target')] : []),
      use.mirrors.drained(set, 'source'),
      use.mirrors.silence(set, 'source'),
      ...(reading.length > 0 ? [use.groups.move(reading, 'source', 'translated')] : []),
      ...(fenced ? [use.cuts.lift(fences, 'source')] : []),
      ...use.guards.liftReadFence(reading, 'source'),
      use.cuts.mark(set, 'source'),
      use.cuts.confirm(set, 'source'),
    ],
    open: second ? use.second.openBack(set.writers) : use.fleets.open(set.writers, 'source', []),
  });
}

/** What a plan says of its way back. */
export const wayBackPromise = (m: Migration): string => (m.connectBack === null
  ? 'open until the first opening; each opening is irreversible, because no Connect worker for the way back is declared ("connectBack").'
  : `open until the finish: what is written on ${m.target} is carried back to ${m.source} by Connect worker ${m.connectBack}, which needs the right to write these topics there. A rollback after an opening is a cut in the other direction, with its own hold and an outage of at most ${m.outage.budgetMs / 1_000} s.`);

/** Writers that the source cannot keep out once they are said to be gone. */
export const withoutFence = (m: Migration): readonly string[] =>
  (m.applications.some((a) => a.writes.length > 0 && a.principals.length === 0) ? ['No fence for writers without declared principals: a forgotten writer is watched for, not refused.'] : []);
/** One outage per cut set, for the promise of a scheme. */
export const outagePerSet = (m: Migration, sets: readonly CutSet[]): string =>
  `one per cut set (${sets.map((s) => s.name).join(', ')}), at most ${m.outage.budgetMs / 1_000} s each until the first producer is told to start, undone by itself otherwise.`;
