/**
 * S4, stop – restart – repeat: history is copied; consumers move one application at a time while producers stay; then each
 * cut set moves in one short outage. Do not use it where the target may not hold a copy of the history.
 */
import { cutSets, inOrder, pureReaders, writersOf, type CutSet } from '../../domain/cutsets.ts';
import { promised } from '../../domain/promises.ts';
import { phase, outage, type Phase, type Scheme } from '../../domain/scheme.ts';
import type { Use } from '../resources/use.ts';
import { outagePerSet, wayBack, wayBackPromise, withoutFence } from './wayback.ts';

export const stopRestartRepeat: Scheme<Use> = (m, _has, use) => {
  const sets = inOrder(m, cutSets(m), 'downstream-first');
  const readers = pureReaders(m);
  const back = m.connectBack !== null;
  const fenced = (set: CutSet): boolean => writersOf(m, set).some((a) => a.principals.length > 0);

  const moveReader = (name: string): Phase => {
    const reader = readers.filter((a) => a.name === name);
    return phase(`move ${name}`,
      use.fleets.stop([name], 'source'),
      ...use.guards.leftovers(reader, 'source'),
      use.fleets.quiet([name], 'source'),
      ...use.guards.readFence(reader, 'source'),
      use.groups.move(reader, 'target', 'translated'),
      use.fleets.start([name], 'target'),
      use.fleets.running([name], 'target'));
  };

  const cut = (set: CutSet): Phase => {
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
          ...(fenced(set) ? [use.cuts.fence(set, 'source')] : []),
          ...use.guards.readFence(reading, 'source'),
          use.mirrors.drained(set, 'target'),
          use.mirrors.silence(set, 'target'),
          ...(reading.length > 0 ? [use.groups.move(reading, 'target', 'translated')] : []),
          ...(fenced(set) ? [use.cuts.lift(set, 'target')] : []),
          use.cuts.mark(set, 'target'),
          use.cuts.confirm(set, 'target'),
        ],
        open: back ? use.fleets.open(set.writers, 'target', wayBack(m, use, set, true)) : use.fleets.openForGood(set.writers),
      }),
      use.fleets.running(set.writers, 'target'),
      use.mirrors.retire([set], 'target'),
      ...(back ? [use.mirrors.follow(set, 'source')] : []),
      use.guards.same([set], 'cut'));
  };

  return {
    scheme: 'stopRestartRepeat',
    promises: promised({
      loss: 'none.',
      repeats: 'none.',
      order: 'kept per key.',
      writeOutage: outagePerSet(m, sets),
      readOutage: 'per application, from its stop to its start on the target; consumers move one at a time while producers stay.',
      wayBack: wayBackPromise(m),
      needs: [`a copy of the history on ${m.target}, made by Connect worker ${m.connect}.`],
      notFor: ['topics whose history the target may not hold.'],
      also: withoutFence(m),
    }),
    forward: [
      phase('check', use.clusters.lock(), use.clusters.ready('stopRestartRepeat')),
      phase('prepare', use.topics.create(), use.topics.holdRetention(), ...sets.filter(fenced).map((s) => use.cuts.fence(s, 'target'))),
      phase('mirror', sets.map((s) => use.mirrors.create(s)), use.mirrors.caughtUp(sets, 'target'), use.guards.same(sets, 'now'), use.guards.nobodyElse(sets, 'target')),
      ...(readers.length > 0 ? [phase('approve', use.holds.approve('approve the move', `Move the consumers ${readers.map((a) => a.name).join(', ')} to ${m.target}, one after the other?`,
        { kind: 'move', applications: readers.map((a) => a.name), sets, copies: true }))] : []),
      ...readers.map((a) => moveReader(a.name)),
      ...sets.map(cut),
      phase('stragglers', ...sets.flatMap((s) => [use.holds.approve(`approve what came late for ${s.name}`, `Carry what reached ${s.topics.join(', ')} on ${m.source} after the cut over to ${m.target}, once and out of order? To roll back is the other way.`, { kind: 'stragglers', set: s }), use.guards.carryStragglers(s)])),
      phase('finish',
        use.holds.approve('approve the finish', `Finish: ${back ? 'give up the way back, ' : ''}set retention on ${m.target} as on ${m.source} and lift what was held back?`, { kind: 'finish', sets, copies: true }),
        ...(back ? [use.mirrors.giveUpTheWayBack(sets)] : []),
        use.topics.releaseRetention(), use.cuts.unfence(sets, 'source'), ...use.guards.liftReadFence(m.applications, 'source'), use.clusters.unlock()),
    ],
  };
};
