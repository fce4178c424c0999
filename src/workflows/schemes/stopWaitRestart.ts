/**
 * S5 and S6, stop – wait – restart: whoever feeds stops first, everybody reads to the end, and all continue on the target, in
 * one outage for all; with a copy of the history (S6) or on an empty target (S5). Do not use it where nobody may wait.
 */
import { cutSets, pureReaders, type CutSet } from '../../domain/cutsets.ts';
import { phase, outage, type Phase, type Scheme } from '../../domain/scheme.ts';
import { promised } from '../../domain/promises.ts';
import type { Use } from '../resources/use.ts';
import { stopInOrder } from './stopping.ts';
import { wayBack, wayBackPromise, withoutFence } from './wayback.ts';
import { lateAndFinish } from './finish.ts';
import { ifTargetDies } from './withouttarget.ts';

export const stopWaitRestart: Scheme<Use> = (m, has, use) => {
  const { steps, fences, waits, order } = stopInOrder(m, use);
  const readers = pureReaders(m);
  const reading = m.applications.filter((a) => a.reads.length > 0);
  const [copies, back] = [m.connect !== null, m.connectBack !== null];
  const fenced = (set: CutSet): boolean => m.applications.some((a) => set.writers.includes(a.name) && a.principals.length > 0);

  const cut = (set: CutSet): Phase => phase(`cut ${set.name}`,
    ...(reading.length > 0 ? [use.groups.near(reading, set.topics, 'source')] : []),
    ...(back ? [use.mirrors.wayBack(set)] : []),
    use.holds.approve('approve the cut', `Stop ${order}, each as soon as it has read everything, and continue on ${m.target}? ${back ? 'From the opening on the way back is a cut of its own.' : 'From the opening on there is no way back.'}`,
      { kind: 'cut', set, applications: m.applications.map((a) => a.name), copies, budgetMs: m.outage.budgetMs, undoReserveMs: m.outage.undoReserveMs, waits }),
    use.guards.unchanged(),
    outage('outage', {
      budgetMs: m.outage.budgetMs,
      undoReserveMs: m.outage.undoReserveMs,
      until: [
        ...steps,
        ...(copies ? [use.mirrors.drained(set, 'target'), use.mirrors.silence(set, 'target')] : []),
        ...(reading.length > 0 ? [use.groups.move(reading, 'target', 'cut', copies ? 'returned' : 'kept')] : []),
        ...(fenced(set) ? [use.cuts.lift(set, 'target')] : []),
        use.cuts.mark(set, 'target'),
        use.cuts.confirm(set, 'target'),
        ...(readers.length > 0 ? [use.fleets.start(readers.map((a) => a.name), 'target')] : []),
      ],
      open: back ? use.fleets.open(set.writers, 'target', wayBack(m, use, set, copies, { readers, fences })) : use.fleets.openForGood(set.writers),
    }),
    use.fleets.running(m.applications.map((a) => a.name), 'target'),
    ...(copies ? [use.mirrors.retire([set], 'target')] : []),
    ...(back ? [use.mirrors.follow(set, 'source')] : []),
    ...(copies ? [use.guards.same([set], 'cut')] : []));

  const sets = cutSets(m);
  return {
    scheme: 'stopWaitRestart',
    promises: promised({
      loss: 'none: an application stops when it has read everything.',
      repeats: 'none: every group continues where both logs are cut.',
      order: 'kept per key.',
      writeOutage: `one for all, from the first stop until everybody has read to the end: at most ${m.outage.budgetMs / 1_000} s until the first producer is told to start, undone by itself otherwise. The hold says how long the groups need.`,
      readOutage: 'one for all, from the stop of a consumer, which has read everything by then, to its start on the target.',
      wayBack: wayBackPromise(m),
      needs: [copies ? 'a copy of the history on the target, before anybody stops.' : `nothing copied: ${m.target} begins empty.`, 'consumers that keep up: what is unread when the producers stop makes the outage longer.',
        ...(m.quiet === undefined ? [] : [`silence before a loop counts as run dry: ${Object.entries(m.quiet).map(([t, ms]) => `${t} ${ms / 1_000} s`).join(', ')}.`])],
      notFor: ['applications that must not wait for the slowest consumer (stopRestartRepeat moves them one by one).', 'loops and retry topics without a declared quiescence ("quiet").'],
      also: withoutFence(m),
    }),
    forward: [
      phase('check', use.clusters.lock(), use.clusters.ready('stopWaitRestart')),
      phase('prepare', use.topics.create(), use.topics.holdRetention(), use.topics.keepTombstones(), ...sets.filter(fenced).map((s) => use.cuts.fence(s, 'target'))),
      ...(copies ? [phase('mirror', sets.map((s) => use.mirrors.create(s)), use.mirrors.caughtUp(sets, 'target'), use.guards.same(sets, 'now'), use.guards.nobodyElse(sets, 'target'))] : []),
      ...sets.map(cut),
      ...lateAndFinish(m, has, use, { sets, copies, fences }),
    ],
    ...ifTargetDies(m, use, { fences }),
  };
};
