/**
 * S3, consumers first: history is copied; groups move in batches, each with its own hold, while all producers stay. Only when
 * every consumer reads on the target the producers follow, one cut set after the other. It differs from `stopRestartRepeat`
 * in that a batch stops and starts together and is approved by itself, at a time of its own.
 */
import { cutSets, inOrder } from '../../domain/cutsets.ts';
import { batchesOf } from '../../domain/batches.ts';
import type { Application } from '../../domain/migration.ts';
import { promised } from '../../domain/promises.ts';
import { phase, type Phase, type Scheme } from '../../domain/scheme.ts';
import type { Use } from '../resources/use.ts';
import { cutOfCopy, fenced } from './cut.ts';
import { lateAndFinish } from './finish.ts';
import { moved } from './moving.ts';
import { outagePerSet, wayBackPromise, withoutFence } from './wayback.ts';
import { ifTargetDies } from './withouttarget.ts';

export const consumerFirst: Scheme<Use> = (m, has, use) => {
  const sets = inOrder(m, cutSets(m), 'downstream-first');
  const batches = batchesOf(m);

  const move = (batch: readonly Application[]): Phase => {
    const names = batch.map((a) => a.name);
    return phase(`move ${names.join(', ')}`,
      use.mirrors.caughtUp(sets, 'target'),
      use.holds.approve('approve the batch', `Stop ${names.join(', ')} and continue ${names.length === 1 ? 'it' : 'them'} on ${m.target}, while all producers stay on ${m.source}?`,
        { kind: 'move', applications: names, sets, copies: true }),
      use.guards.unchanged(),
      use.groups.prepare(batch, 'target'),
      moved(use, batch));
  };

  return {
    scheme: 'consumerFirst',
    promises: promised({
      loss: 'none.',
      repeats: 'none: each group continues at positions that were proven record by record.',
      order: 'kept per key.',
      writeOutage: outagePerSet(m, sets),
      readOutage: `per batch (${batches.map((b) => b.map((a) => a.name).join(' with ')).join('; ') || 'none'}), from its stop to its start on the target; a batch that fails leaves those before it moved. Applications that read and write move with the cut of what they write.`,
      wayBack: wayBackPromise(m),
      needs: [`a copy of the history on ${m.target}, made by Connect worker ${m.connect}.`, 'a mirror that keeps up: from the first moved batch to the last cut it is what consumers live on.'],
      notFor: ['consumers that must not wait for the mirror.', 'topics whose history the target may not hold.'],
      also: withoutFence(m),
    }),
    forward: [
      phase('check', use.clusters.lock(), use.clusters.ready('consumerFirst')),
      phase('prepare', use.topics.create(), use.topics.holdRetention(), use.topics.keepTombstones(), ...sets.filter((s) => fenced(m, s)).map((s) => use.cuts.fence(s, 'target'))),
      phase('mirror', sets.map((s) => use.mirrors.create(s)), use.mirrors.caughtUp(sets, 'target'), use.guards.same(sets, 'now'), use.guards.nobodyElse(sets, 'target')),
      ...batches.map(move),
      ...sets.map((s) => cutOfCopy(m, use, s)),
      ...lateAndFinish(m, has, use, { sets, copies: true }),
    ],
    ...ifTargetDies(m, use),
  };
};
