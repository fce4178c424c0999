/**
 * S7, restart all at once: everybody stops together and starts together on the target, in one outage for all. With a copy
 * nothing is lost or repeated, unless a group is to begin elsewhere; without one, what is unread at the stop is lost, counted
 * and consented to. Do not use it where applications cannot all be restarted at one moment.
 */
import { cutSets, pureReaders, writersOf, type CutSet } from '../../domain/cutsets.ts';
import { readingsOf, type Start } from '../../domain/migration.ts';
import { phase, outage, type Phase, type Scheme } from '../../domain/scheme.ts';
import { promised } from '../../domain/promises.ts';
import type { Use } from '../resources/use.ts';
import { wayBack, wayBackPromise, withoutFence } from './wayback.ts';
import { lateAndFinish } from './finish.ts';
import { ifTargetDies } from './withouttarget.ts';

export const restartAllAtOnce: Scheme<Use> = (m, has, use) => {
  const names = m.applications.map((a) => a.name);
  const reading = m.applications.filter((a) => a.reads.length > 0);
  const readers = pureReaders(m);
  const [copies, back] = [m.connect !== null, m.connectBack !== null];
  const fenced = (set: CutSet): boolean => writersOf(m, set).some((a) => a.principals.length > 0);
  // Without a copy the target begins where it is opened, whatever a group asks for.
  const beginning = (how: Start) => readingsOf(reading).filter((r) => (copies ? (r.start === 'timestamp' ? 'translated' : r.start ?? 'translated') : 'latest') === how);
  const [translated, earliest, latest] = [beginning('translated'), beginning('earliest'), beginning('latest')];
  const told = (of: typeof latest, most: (r: (typeof latest)[number]) => number): string => of.map((r) => `${r.group} at most ${most(r)}`).join(', ');
  const lost = told(latest, (r) => r.mayLose ?? 0);
  const again = told(earliest, (r) => r.mayRepeat ?? 0);

  const cut = (set: CutSet): Phase => phase(`cut ${set.name}`,
    ...(back ? [use.mirrors.wayBack(set)] : []),
    use.holds.approve('approve the cut', `Stop ${names.join(', ')} together and start them together on ${m.target}?${latest.length > 0 ? ` What is unread at the stop is lost: ${lost} records.` : ''}${earliest.length > 0 ? ` Read again: ${again} records.` : ''} ${back ? 'From the opening on the way back is a cut of its own.' : 'From the opening on there is no way back.'}`,
      { kind: 'cut', set, applications: names, copies, budgetMs: m.outage.budgetMs, undoReserveMs: m.outage.undoReserveMs,
        begins: [...earliest.map((r) => ({ group: r.group, how: 'earliest', most: r.mayRepeat ?? 0 }) as const), ...latest.map((r) => ({ group: r.group, how: 'latest', most: r.mayLose ?? 0 }) as const)] }),
    use.guards.unchanged(),
    ...(translated.length + earliest.length > 0 ? [use.groups.prepare(reading.filter((a) => a.reads.some((r) => !latest.some((l) => l.group === r.group))), 'target')] : []),
    outage('outage', {
      budgetMs: m.outage.budgetMs,
      undoReserveMs: m.outage.undoReserveMs,
      until: [
        use.fleets.stop(names, 'source'),
        ...use.guards.leftovers(m.applications, 'source'),
        use.fleets.quiet(names, 'source'),
        ...use.guards.transactions(m.applications, 'source'),
        ...(fenced(set) ? [use.cuts.fence(set, 'source')] : []),
        ...use.guards.readFence(reading, 'source'),
        ...(copies ? [use.mirrors.drained(set, 'target'), use.mirrors.silence(set, 'target')] : []),
        ...(translated.length > 0 ? [use.groups.begin(translated, 'target', 'translated')] : []),
        ...(earliest.length > 0 ? [use.groups.begin(earliest, 'target', 'earliest')] : []),
        ...(latest.length > 0 ? [use.groups.begin(latest, 'target', 'latest')] : []),
        ...(fenced(set) ? [use.cuts.lift(set, 'target')] : []),
        use.cuts.mark(set, 'target'),
        use.cuts.confirm(set, 'target'),
      ],
      open: back ? use.fleets.open(names, 'target', wayBack(m, use, set, copies, { readers, fences: [set] })) : use.fleets.openForGood(names),
    }),
    use.fleets.running(names, 'target'),
    ...(copies ? [use.mirrors.retire([set], 'target')] : []),
    ...(back ? [use.mirrors.follow(set, 'source')] : []),
    ...(copies ? [use.guards.same([set], 'cut')] : []));

  const sets = cutSets(m);
  return {
    scheme: 'restartAllAtOnce',
    promises: promised({
      loss: latest.length === 0 ? 'none.' : `what a group has not read at the stop, counted there: ${lost} records; more, and the outage undoes itself.`,
      repeats: earliest.length === 0 ? 'none.' : `what was copied and read before, counted at the stop: ${again} records; more, and the outage undoes itself.`,
      order: `kept per key${earliest.length === 0 ? '' : '; what is read again comes in its old order'}.`,
      writeOutage: `one for all: at most ${m.outage.budgetMs / 1_000} s until everybody is told to start, undone by itself otherwise.`,
      readOutage: 'one for all, as long as the write outage, and until its consumers have started.',
      wayBack: `${wayBackPromise(m)}${latest.length === 0 ? '' : ' What a group gave up stays unread after it.'}`,
      needs: [copies ? 'a copy of the history on the target.' : `nothing copied: ${m.target} begins empty. Consent to the loss, by group ("mayLose").`, 'that all applications can be restarted at one moment.'],
      notFor: [copies ? 'many applications of many owners (waves of stopRestartRepeat move them one by one).' : 'groups that must read everything (stopWaitRestart waits for them).'],
      also: withoutFence(m),
    }),
    forward: [
      phase('check', use.clusters.lock(), use.clusters.ready('restartAllAtOnce')),
      phase('prepare', use.topics.create(), use.topics.holdRetention(), use.topics.keepTombstones(), ...sets.filter(fenced).map((s) => use.cuts.fence(s, 'target'))),
      ...(copies ? [phase('mirror', sets.map((s) => use.mirrors.create(s)), use.mirrors.caughtUp(sets, 'target'), use.guards.same(sets, 'now'), use.guards.nobodyElse(sets, 'target'))] : []),
      ...sets.map(cut),
      ...lateAndFinish(m, has, use, { sets, copies }),
    ],
    ...ifTargetDies(m, use),
  };
};
