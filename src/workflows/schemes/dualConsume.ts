/**
 * S2, dual consume: nothing is copied. A second set of consumers listens on the target before anything is written there; then
 * the producers move, the first set drains the source and stops. Do not use it where the order of a key must be kept across
 * the switch, or where consumers need the history on the target.
 */
import { batchesOf } from '../../domain/batches.ts';
import { cutSets, inOrder, pureReaders, writersOf, type CutSet } from '../../domain/cutsets.ts';
import { groupsOf, readsOf, type Application, type Migration } from '../../domain/migration.ts';
import { promised } from '../../domain/promises.ts';
import { outage, phase, type Phase, type Scheme } from '../../domain/scheme.ts';
import { stoppingOrder } from '../../domain/stopping.ts';
import type { Use } from '../resources/use.ts';
import { fenced } from './cut.ts';
import { lateAndFinish } from './finish.ts';
import { outageBack, outagePerSet, wayBackPromise, withoutFence } from './wayback.ts';
import { ifTargetDies } from './withouttarget.ts';

const names = (applications: readonly Application[]): readonly string[] => applications.map((a) => a.name);
/** Applications with two sets that read any topic of this set. */
const twiceOn = (m: Migration, set: CutSet): readonly Application[] => pureReaders(m).filter((a) => readsOf(a).some((t) => set.topics.includes(t)));

/** A run that was begun without it refused it, and goes on refusing it. */
const deadTarget = '2026-11-22-dual-consume-without-target';

export const dualConsume: Scheme<Use> = (m, has, use) => {
  const sets = inOrder(m, cutSets(m), 'upstream-first');
  const readers = pureReaders(m);
  const back = m.connectBack !== null;
  const all = names(readers);

  const cut = (set: CutSet): Phase => {
    const [writers, twice] = [writersOf(m, set), twiceOn(m, set)];
    const reading = writers.filter((a) => a.reads.length > 0);
    const stages = stoppingOrder({ topics: set.topics, applications: writers }).map((s) => s.applications);
    const waits = stages.flatMap((stage) => {
      const inputs = stage.filter((a) => a.reads.length > 0);
      return inputs.length === 0 ? [] : [{ groups: [...new Set(inputs.flatMap(groupsOf))].sort(), topics: [...new Set(inputs.flatMap(readsOf))].sort(), quietMs: 0 }];
    });
    const who = stages.length > 1 ? 'named' as const : undefined;
    return phase(`cut ${set.name}`,
      ...(reading.length > 0 ? [use.groups.near(reading, set.topics, 'source')] : []),
      ...(twice.length > 0 ? [use.fleets.listening(names(twice), 'target', set.topics, 'assigned')] : []),
      ...(back ? [use.mirrors.wayBack(set)] : []),
      use.holds.approve('approve the cut', `Stop ${stages.map((s) => names(s).join(', ')).join(', then, as soon as all is read, ') || 'nobody'} and continue ${set.topics.join(', ')} on ${m.target}, where a second set of ${names(twice).join(', ') || 'nobody'} listens? ${back ? 'From the opening on the way back is a cut of its own.' : 'From the opening on there is no way back.'}`,
        { kind: 'cut', set, applications: set.writers, copies: false, beside: names(twice), waits, budgetMs: m.outage.budgetMs, undoReserveMs: m.outage.undoReserveMs }),
      use.guards.unchanged(),
      outage('outage', {
        budgetMs: m.outage.budgetMs,
        undoReserveMs: m.outage.undoReserveMs,
        until: [
          ...stages.flatMap((stage) => {
            const inputs = stage.filter((a) => a.reads.length > 0);
            return [
              ...(inputs.length > 0 ? [use.groups.drained(inputs, [...new Set(inputs.flatMap(readsOf))].sort(), 'source', 'before the stop')] : []),
              use.fleets.stop(names(stage), 'source'),
              ...use.guards.leftovers(stage, 'source', who),
              use.fleets.quiet(names(stage), 'source', who),
              ...use.guards.transactions(stage, 'source', who),
            ];
          }),
          ...(fenced(m, set) ? [use.cuts.fence(set, 'source')] : []),
          ...use.guards.readFence(reading, 'source'),
          ...(reading.length > 0 ? [use.groups.drained(reading, [...new Set(reading.flatMap(readsOf))].sort(), 'source', 'after the stop'), use.groups.behind(reading, 'target', set.topics)] : []),
          ...(fenced(m, set) ? [use.cuts.lift(set, 'target')] : []),
          use.cuts.mark(set, 'target'),
          use.cuts.confirm(set, 'target'),
        ],
        open: back ? use.fleets.open(set.writers, 'target', goBack(m, use, set)) : use.fleets.openForGood(set.writers),
      }),
      use.fleets.running(set.writers, 'target'),
      ...(twice.length > 0 ? [use.fleets.listening(names(twice), 'target', set.topics, 'reading')] : []));
  };

  const leave = (batch: readonly Application[]): Phase => {
    const topics = [...new Set(batch.flatMap(readsOf))].sort();
    return phase(`leave ${names(batch).join(', ')}`,
      use.groups.drained(batch, topics, 'source', 'before the stop'),
      use.fleets.leave(names(batch), 'source', 'for good'),
      use.fleets.left(names(batch), 'source'),
      use.groups.drained(batch, topics, 'source', 'after the stop'),
      ...use.guards.readFence(batch, 'source'));
  };

  return {
    scheme: 'dualConsume',
    promises: promised({
      loss: 'none: the second set listens before the first record is written on the target, and the first set stops when it has drained the source.',
      repeats: 'none: no record is on both sides.',
      order: 'not promised across the switch: while the first set drains the source, the second reads what is newer. Measured and reported. Kept on each side.',
      writeOutage: outagePerSet(m, sets),
      readOutage: 'none forward. On the way back consumers rest on the source while records are carried there. Applications that read and write stop for the outage of their set.',
      wayBack: `${wayBackPromise(m)}${back ? ' For it the first set drains the source and stops, what was written on the target is carried back, and the first set comes back behind it: the second has read that.' : ''}`,
      needs: [`nothing copied: ${m.target} begins empty.`, `two sets of ${all.join(', ') || 'no consumer'} at once: fleets that can run a second set ("beside" in the catalog), and capacity for both.`],
      notFor: ['consumers that need every record of a key in order across the switch.', 'consumers that need the history on the target, or keep state of their own per partition.'],
      also: withoutFence(m),
    }),
    forward: [
      phase('check', use.clusters.lock(), use.clusters.ready('dualConsume')),
      phase('prepare', use.topics.create(), use.topics.holdRetention(), ...sets.filter((s) => fenced(m, s)).map((s) => use.cuts.fence(s, 'target'))),
      ...(readers.length > 0 ? [phase('second set', use.guards.nobodyElse(sets, 'target'), use.groups.behind(readers, 'target', [...new Set(readers.flatMap(readsOf))].sort()), use.fleets.beside(all, 'target'))] : []),
      ...sets.map(cut),
      ...batchesOf(m).map(leave),
      ...(back ? sets.map((s) => phase(`carry back ${s.name}`, ...carry(m, use, s))) : []),
      ...lateAndFinish(m, has, use, { sets, copies: false }),
    ],
    ...(has(deadTarget) ? ifTargetDies(m, use, { twice: readers, copiesNothing: true }) : {}),
  };
};

/** Copies of what the second set reads appear on the source, where no set reads any more. */
const carry = (m: Migration, use: Use, set: CutSet): Phase['steps'] => {
  const twice = twiceOn(m, set);
  return [...(twice.length > 0 ? [use.groups.expectCopies(twice, 'source', set.topics)] : []), use.mirrors.carryBack(set)];
};

/** The first set rests while what was written on the target is carried to the source, and comes back behind it. */
function goBack(m: Migration, use: Use, set: CutSet): readonly Phase[] {
  const twice = twiceOn(m, set);
  const reading = writersOf(m, set).filter((a) => a.reads.length > 0);
  const some = twice.length > 0;
  return [phase(`back ${set.name}`,
    ...(some ? [use.groups.near(twice, set.topics, 'source')] : []),
    use.holds.approve('approve the cut back', `Carry ${set.topics.join(', ')} back to ${m.source}${some ? `, where the first set of ${names(twice).join(', ')} rests meanwhile` : ''}, then stop ${set.writers.join(', ')} and bring them back? To reject is to stay on ${m.target}.`,
      { kind: 'reverse', set, applications: set.writers, beside: names(twice), budgetMs: m.outage.budgetMs, undoReserveMs: m.outage.undoReserveMs }),
    use.guards.unchanged(),
    ...(some ? [use.groups.drained(twice, set.topics, 'source', 'before the stop', 'unlessRepeats'), use.fleets.leave(names(twice), 'source', 'resting'), use.fleets.left(names(twice), 'source')] : []),
    ...carry(m, use, set),
    use.mirrors.caughtUp([set], 'source'),
    ...(reading.length > 0 ? [use.groups.prepare(reading, 'source')] : []),
    outageBack(m, use, set),
    use.fleets.running(set.writers, 'source'),
    ...(some ? [use.groups.drained(twice, set.topics, 'target', 'before the stop'), use.groups.behind(twice, 'source', set.topics, 'leave: the way back goes on')] : []),
    use.mirrors.retire([set], 'source'),
    ...(some ? [use.fleets.beside(names(twice), 'source', 'resting')] : []))];
}
