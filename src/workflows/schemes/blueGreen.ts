/**
 * S8, blue/green: a second (green) set of every application works on the target beside the first (blue) one, fed by the
 * mirror and without effect, until traffic is switched to it. Do not use it where nothing can mute a second set.
 */
import { cutSets, pureReaders, type CutSet } from '../../domain/cutsets.ts';
import { phase, outage, type Phase, type Scheme } from '../../domain/scheme.ts';
import { promised } from '../../domain/promises.ts';
import type { Use } from '../resources/use.ts';
import { stopInOrder } from './stopping.ts';
import { wayBack, wayBackPromise, withoutFence } from './wayback.ts';
import { ifTargetDies } from './withouttarget.ts';
import { lateAndFinish } from './finish.ts';

/** A run that was begun without it refused it, and goes on refusing it. */
const deadTarget = '2026-11-22-blue-green-without-target';

export const blueGreen: Scheme<Use> = (m, has, use) => {
  const sets = cutSets(m);
  const names = m.applications.map((a) => a.name);
  const [readers, reading] = [pureReaders(m), m.applications.filter((a) => a.reads.length > 0)];
  const { steps, fences, waits, order } = stopInOrder(m, use);
  const back = m.connectBack !== null;
  const [live, validate] = [m.blueGreen?.live ?? null, m.blueGreen?.validate ?? null];
  const doubling = m.blueGreen?.until === 'doubling';
  const fenced = (set: CutSet): boolean => m.applications.some((a) => set.writers.includes(a.name) && a.principals.length > 0);

  const cut = (set: CutSet): Phase => phase(`cut ${set.name}`,
    ...(reading.length > 0 ? [use.groups.near(reading, set.topics, 'source')] : []),
    ...(back ? [use.mirrors.wayBack(set)] : []),
    ...use.second.fine(),
    use.holds.approve('approve the cut', `Stop the first set of ${order}, each as soon as it has read everything, and switch traffic to the second set on ${m.target}? ${back ? 'From the opening on the way back is a cut of its own.' : 'From the opening on there is no way back.'}`,
      { kind: 'cut', set, applications: names, copies: true, budgetMs: m.outage.budgetMs, undoReserveMs: m.outage.undoReserveMs, waits, second: true }),
    use.guards.unchanged(),
    outage('outage', {
      budgetMs: m.outage.budgetMs,
      undoReserveMs: m.outage.undoReserveMs,
      until: [
        ...steps,
        use.mirrors.drained(set, 'target'),
        use.mirrors.silence(set, 'target'),
        ...use.second.even(reading),
        ...(fenced(set) ? [use.cuts.lift(set, 'target')] : []),
        use.cuts.mark(set, 'target'),
        use.cuts.confirm(set, 'target'),
      ],
      open: back ? use.second.open(names, wayBack(m, use, set, true, { readers, fences, second: true })) : use.second.openForGood(names),
    }),
    use.fleets.running(names, 'target'),
    use.mirrors.retire([set], 'target'),
    ...(back ? [use.mirrors.follow(set, 'source')] : []),
    use.guards.same([set], 'cut'));

  return {
    scheme: 'blueGreen',
    promises: promised({
      loss: 'none: the first set stops when it has read everything, and the second one goes on exactly there.',
      repeats: doubling ? `all records of the overlap, from the start of the second set to the switch, at ${readers.map((a) => a.name).join(', ') || 'nobody'}: they are processed by both sets.` : `none: until the switch the second set ${m.blueGreen?.until === 'shadow' ? 'writes elsewhere' : 'is muted'}, and works without effect.`,
      order: 'kept per key.',
      writeOutage: `one for all, from the stop of the first set to the switch of traffic, in which everybody reads to the end and nobody has to start: at most ${m.outage.budgetMs / 1_000} s, undone by itself otherwise.`,
      readOutage: 'none at a start: the second set reads already when the first one stops; records wait for the switch.',
      wayBack: `${wayBackPromise(m)} It tells for each group which offsets the first set processed and which the second.`,
      needs: [`two sets of everything: ${names.join(', ')}, and the capacity for both.`, `a copy of the history on ${m.target}, made by Connect worker ${m.connect}.`,
        `hook ${m.blueGreen?.traffic ?? '"traffic"'}, which switches traffic${live === null ? '' : `, and hook ${live}, which ends the muting`}.${validate === null ? ' No check of the second set is declared: the brokers\' facts and your approval decide.' : ` Hook ${validate} must say fine before.`}`],
      notFor: ['applications whose second set cannot be muted, and whose effects must not happen twice.', 'loops and retry topics without a declared quiescence ("quiet").'],
      also: withoutFence(m),
    }),
    forward: [
      phase('check', use.clusters.lock(), use.clusters.ready('blueGreen')),
      phase('prepare', use.topics.create(), use.topics.holdRetention(), use.topics.keepTombstones(), ...sets.filter(fenced).map((s) => use.cuts.fence(s, 'target'))),
      phase('mirror', sets.map((s) => use.mirrors.create(s)), use.mirrors.caughtUp(sets, 'target'), use.guards.same(sets, 'now')),
      phase('second set', ...use.second.mute(), ...use.second.place(reading), use.second.start(m.applications), use.second.ready(m.applications), use.guards.nobodyElse(sets, 'target')),
      ...sets.map(cut),
      ...lateAndFinish(m, has, use, { sets, copies: true, fences }),
    ],
    ...(has(deadTarget) ? ifTargetDies(m, use, { fences }) : {}),
  };
};
