/**
 * S4, stop – restart – repeat: history is copied; consumers move one application at a time, or in declared batches, while
 * producers stay; then each cut set moves in one short outage. Do not use it where the target may not hold a copy of the history.
 */
import { batchesOf, spokenBatches } from '../../domain/batches.ts';
import { cutSets, inOrder, pureReaders } from '../../domain/cutsets.ts';
import type { Application } from '../../domain/migration.ts';
import { promised } from '../../domain/promises.ts';
import { phase, type Phase, type Scheme } from '../../domain/scheme.ts';
import type { Use } from '../resources/use.ts';
import { cutOfCopy, fenced } from './cut.ts';
import { lateAndFinish } from './finish.ts';
import { moved } from './moving.ts';
import { outagePerSet, wayBackPromise, withoutFence } from './wayback.ts';
import { ifTargetDies } from './withouttarget.ts';

export const stopRestartRepeat: Scheme<Use> = (m, has, use) => {
  const sets = inOrder(m, cutSets(m), 'downstream-first');
  const readers = pureReaders(m);

  // Nobody declared any: one by one, and members of one group together.
  const batches = batchesOf(m);
  const spoken = spokenBatches(batches);
  const oneByOne = batches.every((b) => b.length === 1);

  const move = (batch: readonly Application[]): Phase => phase(`move ${batch.map((a) => a.name).join(', ')}`, moved(use, batch));

  return {
    scheme: 'stopRestartRepeat',
    promises: promised({
      loss: 'none.',
      repeats: 'none.',
      order: 'kept per key.',
      writeOutage: outagePerSet(m, sets),
      readOutage: oneByOne ? 'per application, from its stop to its start on the target; consumers move one at a time while producers stay.' : `per batch (${spoken || 'none'}), from its stop to its start on the target, while producers stay.`,
      wayBack: wayBackPromise(m),
      needs: [`a copy of the history on ${m.target}, made by Connect worker ${m.connect}.`],
      notFor: ['topics whose history the target may not hold.'],
      also: withoutFence(m),
    }),
    forward: [
      phase('check', use.clusters.lock(), use.clusters.ready('stopRestartRepeat')),
      phase('prepare', use.topics.create(), use.topics.holdRetention(), use.topics.keepTombstones(), ...sets.filter((s) => fenced(m, s)).map((s) => use.cuts.fence(s, 'target'))),
      phase('mirror', sets.map((s) => use.mirrors.create(s)), use.mirrors.caughtUp(sets, 'target'), use.guards.same(sets, 'now'), use.guards.nobodyElse(sets, 'target')),
      ...(readers.length > 0 ? [phase('approve', use.holds.approve('approve the move', `Move the consumers ${spoken} to ${m.target}, one after the other?`,
        { kind: 'move', applications: readers.map((a) => a.name), sets, copies: true }))] : []),
      ...batches.map(move),
      ...sets.map((s) => cutOfCopy(m, use, s)),
      ...lateAndFinish(m, has, use, { sets, copies: true }),
    ],
    ...ifTargetDies(m, use),
  };
};
