/**
 * S1, producers first: nothing is copied. All writers of a topic stop before any starts on the target; consumers drain what
 * is left on the source, then move. Do not use it where consumers need the history on the target, or state in Streams.
 */
import { batchesOf, spokenBatches } from '../../domain/batches.ts';
import { cutSets, inOrder, pureReaders, writersOf, type CutSet } from '../../domain/cutsets.ts';
import { readsOf, type Application } from '../../domain/migration.ts';
import { promised } from '../../domain/promises.ts';
import { phase, outage, type Phase, type Scheme } from '../../domain/scheme.ts';
import type { Use } from '../resources/use.ts';
import { lateAndFinish } from './finish.ts';
import { outagePerSet, wayBack, wayBackPromise, withoutFence } from './wayback.ts';
import { ifTargetDies } from './withouttarget.ts';

export const producerFirst: Scheme<Use> = (m, has, use) => {
  const sets = inOrder(m, cutSets(m), 'upstream-first');
  const readers = pureReaders(m);
  // Members of one group move together.
  const batches = batchesOf(m);
  const back = m.connectBack !== null;
  const fenced = (set: CutSet): boolean => writersOf(m, set).some((a) => a.principals.length > 0);

  const cut = (set: CutSet): Phase => {
    const writers = writersOf(m, set);
    const reading = writers.filter((a) => a.reads.length > 0);
    const inputs = [...new Set(reading.flatMap(readsOf))].filter((t) => !set.topics.includes(t)).sort();
    return phase(`cut ${set.name}`,
      ...(inputs.length > 0 ? [use.groups.drained(reading, inputs, 'source', 'before the stop')] : []),
      ...(back ? [use.mirrors.wayBack(set)] : []),
      use.holds.approve('approve the cut', `Stop ${set.writers.join(', ') || 'nobody'} and continue ${set.topics.join(', ')} on ${m.target}? ${back ? 'From the opening on the way back is a cut of its own.' : 'From the opening on there is no way back.'}`,
        { kind: 'cut', set, applications: set.writers, copies: false, budgetMs: m.outage.budgetMs, undoReserveMs: m.outage.undoReserveMs }),
      use.guards.unchanged(),
      outage('outage', {
        budgetMs: m.outage.budgetMs,
        undoReserveMs: m.outage.undoReserveMs,
        until: [
          use.fleets.stop(set.writers, 'source'),
          ...use.guards.leftovers(writers, 'source'),
          use.fleets.quiet(set.writers, 'source'),
          ...use.guards.transactions(writers, 'source'),
          ...(fenced(set) ? [use.cuts.fence(set, 'source')] : []),
          ...use.guards.readFence(reading, 'source'),
          ...(reading.length > 0 ? [use.groups.drained(reading, [...new Set(reading.flatMap(readsOf))].sort(), 'source', 'after the stop'), use.groups.move(reading, 'target', 'cut', 'kept')] : []),
          ...(fenced(set) ? [use.cuts.lift(set, 'target')] : []),
          use.cuts.mark(set, 'target'),
          use.cuts.confirm(set, 'target'),
        ],
        open: back ? use.fleets.open(set.writers, 'target', wayBack(m, use, set, false)) : use.fleets.openForGood(set.writers),
      }),
      use.fleets.running(set.writers, 'target'),
      ...(back ? [use.mirrors.follow(set, 'source')] : []));
  };

  const move = (batch: readonly Application[]): Phase => {
    const names = batch.map((a) => a.name);
    const topics = [...new Set(batch.flatMap(readsOf))];
    return phase(`move ${names.join(', ')}`,
      use.groups.drained(batch, topics, 'source', 'before the stop'),
      use.fleets.stop(names, 'source'),
      ...use.guards.leftovers(batch, 'source'),
      use.fleets.quiet(names, 'source'),
      ...use.guards.readFence(batch, 'source'),
      ...(back ? [] : [use.groups.drained(batch, topics, 'source', 'after the stop')]),
      use.groups.move(batch, 'target', back ? 'translated' : 'cut', back ? 'returned' : 'kept'),
      use.fleets.start(names, 'target'),
      use.fleets.running(names, 'target'));
  };

  return {
    scheme: 'producerFirst',
    promises: promised({
      loss: 'none.',
      repeats: 'none.',
      order: 'kept per key: consumers drain the source before they move.',
      writeOutage: outagePerSet(m, sets),
      readOutage: 'per application, from its stop to its start on the target, after it has drained the source.',
      wayBack: wayBackPromise(m),
      needs: [`nothing copied: ${m.target} begins empty, and records pile up there until the consumers have drained the source.${back ? ' What is written there is carried back to the source, where consumers that have not moved yet read it.' : ''}`],
      notFor: ['consumers that need the history on the target, and Streams applications with state.'],
      also: withoutFence(m),
    }),
    forward: [
      phase('check', use.clusters.lock(), use.clusters.ready('producerFirst')),
      phase('prepare', use.topics.create(), use.topics.holdRetention(), ...sets.filter(fenced).map((s) => use.cuts.fence(s, 'target'))),
      ...sets.map(cut),
      ...(readers.length > 0 ? [phase('approve', use.holds.approve('approve the move', `Move the consumers ${spokenBatches(batches)} to ${m.target}, each as soon as it has drained the source?`,
        { kind: 'move', applications: readers.map((a) => a.name), sets, copies: false }))] : []),
      ...batches.map(move),
      ...lateAndFinish(m, has, use, { sets, copies: false }),
    ],
    ...ifTargetDies(m, use, { copiesNothing: true }),
  };
};
