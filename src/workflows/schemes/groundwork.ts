/**
 * What an estate owns before its first wave and until after its last: the locks on all its topics, and the mirrors of topics
 * that are read on the target before their writers move. Started by the workflow `estate`, never by a person.
 */
import { cutSets } from '../../domain/cutsets.ts';
import { phase, type Scheme } from '../../domain/scheme.ts';
import type { Use } from '../resources/use.ts';

export const groundwork: Scheme<Use> = (m, _has, use) => {
  const sets = cutSets(m);
  const feeding = sets.length > 0;
  return {
    scheme: 'groundwork',
    promises: [
      'Nothing moves: no application is stopped or started, and no position is set.',
      feeding ? `Mirrored until the wave that cuts them, because they are read on ${m.target} before: ${sets.flatMap((s) => s.topics).join(', ')}.` : 'Nothing is mirrored: no topic is read on the target before its writers move.',
    ],
    forward: [
      phase('check', use.clusters.lock()),
      ...(feeding ? [
        phase('prepare', use.topics.create(), use.topics.holdRetention(), use.topics.keepTombstones()),
        phase('mirror', sets.map((s) => use.mirrors.create(s)), use.mirrors.caughtUp(sets, 'target')),
      ] : []),
      phase('finish', use.holds.approve('approve the finish', `Finish the estate: ${feeding ? `set retention on ${m.target} as on ${m.source} for what was read early, and ` : ''}give the locks back?`, { kind: 'finish', sets, copies: feeding }),
        use.topics.releaseRetention(), use.topics.releaseTombstones(), use.clusters.unlock()),
    ],
  };
};
