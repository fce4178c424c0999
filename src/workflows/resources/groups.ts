/** Consumer groups: where they continue on the other side, one explicit position per partition they read. */
import type { PositionsBefore } from '../../activities/work.ts';
import { otherSide, type Effect, type Side } from '../../domain/authority.ts';
import type { Json } from '../../domain/json.ts';
import { consentsOf, groupsOf, type Application, type Reading, type Start } from '../../domain/migration.ts';
import { change, observe, type Change, type Observe } from '../../domain/scheme.ts';
import type { Bound } from './use.ts';

const names = (applications: readonly Application[]): readonly string[] => [...new Set(applications.flatMap(groupsOf))].sort();
const positions = (applications: readonly Application[], on: Side, from: 'translated' | 'cut' | 'none'): readonly Effect[] =>
  applications.flatMap((a) => a.reads.map((r) => ({ do: 'position', group: r.group, topics: r.topics, on, from }) as const));

export const groups = (b: Bound) => ({
  /**
   * Sets the positions of these applications' groups on `to`: translated with proof, or where the log is cut, for groups that
   * have drained what is only on the other side. `returned`: undone by translating back where the groups are by then.
   */
  move: (applications: readonly Application[], to: Side, how: 'translated' | 'cut', undo: 'returned' | 'kept' = 'returned'): Change => {
    const consents = consentsOf(applications);
    return change<PositionsBefore & Json>(`set positions of ${names(applications).join(', ')} on the ${to}`, {
      proves: true,
      detail: { groups: names(applications), to, how, ...(consents.length === 0 ? {} : { mayRepeat: Object.fromEntries(consents.map((c) => [c.group, c.repeats])) }) },
      effects: positions(applications, to, how),
      undoes: undo === 'kept' ? [] : [...positions(applications, otherSide(to), 'translated'), ...positions(applications, to, 'none')],
      capture: async (c) => ({ ...(await b.work.capturePositions({ m: b.m, c, groups: names(applications), to })) }),
      apply: (before, c) => b.work.setPositions({ m: b.m, c, groups: names(applications), to, how, before, ...(consents.length === 0 ? {} : { consents }) }),
      // Where nothing is copied, nothing can be translated back: a group that has read on `to` keeps its place there.
      undo: (before, c) => b.work.returnPositions({ m: b.m, c, groups: names(applications), to, how: undo === 'kept' ? 'cut' : 'translated', before, ...(consents.length === 0 ? {} : { consents }) }),
    });
  },
  /**
   * As `move`, by group. `earliest`: where the log of `to` begins; `latest`: behind it. What that repeats or loses is counted
   * when everybody has stopped, and nothing is set where it is more than the migration allows.
   */
  begin: (readings: readonly Reading[], to: Side, how: Start): Change => {
    const groups = [...new Set(readings.map((r) => r.group))].sort();
    const [consents, losses] = [readings.flatMap((r) => (r.mayRepeat === undefined ? [] : [{ group: r.group, repeats: r.mayRepeat }])), readings.flatMap((r) => (r.mayLose === undefined ? [] : [{ group: r.group, records: r.mayLose }]))];
    const says = (on: Side, from: 'translated' | 'cut' | 'start' | 'none'): readonly Effect[] => readings.map((r) => ({ do: 'position', group: r.group, topics: r.topics, on, from }) as const);
    return change<PositionsBefore & Json>(how === 'translated' ? `set positions of ${groups.join(', ')} on the ${to}` : `begin ${groups.join(', ')} at the ${how} on the ${to}`, {
      proves: true,
      detail: { groups, to, how, ...(how === 'latest' ? { mayLose: Object.fromEntries(losses.map((l) => [l.group, l.records])) } : consents.length === 0 ? {} : { mayRepeat: Object.fromEntries(consents.map((c) => [c.group, c.repeats])) }) },
      effects: [
        ...(how === 'latest' ? readings.map((r) => ({ do: 'forgo', group: r.group, topics: r.topics, on: otherSide(to) }) as const) : []),
        ...says(to, how === 'translated' ? 'translated' : how === 'earliest' ? 'start' : 'cut'),
      ],
      // Only who goes on where he was can be brought back from there; what the others left on the other side still says how far they got.
      undoes: how === 'translated' ? [...says(otherSide(to), 'translated'), ...says(to, 'none')] : says(to, 'none'),
      capture: async (c) => ({ ...(await b.work.capturePositions({ m: b.m, c, groups, to })) }),
      apply: (before, c) => b.work.setPositions({ m: b.m, c, groups, to, how, before, ...(consents.length === 0 ? {} : { consents }), ...(losses.length === 0 ? {} : { losses }) }),
      undo: (before, c) => b.work.returnPositions({ m: b.m, c, groups, to, how: how === 'translated' ? 'translated' : 'cut', before, ...(consents.length === 0 ? {} : { consents }) }),
    });
  },
  /**
   * Behind all that these topics hold on that side, where nobody of these groups is: it was read, or it is a copy of what is
   * read on the other side. The undo gives back the positions of before.
   */
  behind: (applications: readonly Application[], to: Side, topics: readonly string[], undo: 'restored' | `leave: ${string}` = 'restored'): Change => {
    const of = { groups: names(applications), to, how: 'behind', topics } as const;
    const effects = (from: 'behind' | 'none'): readonly Effect[] => applications.flatMap((a) => a.reads.map((r) => ({ do: 'position', group: r.group, topics: r.topics.filter((t) => topics.includes(t)), on: to, from }) as const));
    return change<PositionsBefore & Json>(`set positions of ${of.groups.join(', ')} on the ${to}`, {
      proves: true,
      detail: of,
      effects: effects('behind'),
      undoes: undo === 'restored' ? effects('none') : [],
      capture: async (c) => ({ ...(await b.work.capturePositions({ m: b.m, c, groups: of.groups, to })) }),
      apply: (before, c) => b.work.setPositions({ m: b.m, c, ...of, before }),
      undo: undo === 'restored' ? (before, c) => b.work.returnPositions({ m: b.m, c, groups: of.groups, to, how: 'behind', before }) : undo,
    });
  },
  /** From here on copies of what these groups read on the other side appear in this log: who comes back to it begins behind them. */
  expectCopies: (applications: readonly Application[], on: Side, topics: readonly string[]): Change => change<PositionsBefore & Json>(`expect copies for ${names(applications).join(', ')} on the ${on}`, {
    detail: { groups: names(applications), on, topics },
    undoes: applications.flatMap((a) => a.reads.map((r) => ({ do: 'position', group: r.group, topics: r.topics.filter((t) => topics.includes(t)), on, from: 'behind' }) as const)),
    capture: async (c) => ({ ...(await b.work.capturePositions({ m: b.m, c, groups: names(applications), to: on })) }),
    // Nothing is written: what matters is recorded, so that whoever turns round finds it.
    apply: async () => ({ fromMs: 0, toMs: 0, say: 'noted' }),
    undo: (before, c) => b.work.setPositions({ m: b.m, c, groups: names(applications), to: on, how: 'behind', topics, before }),
  }),
  /** What can be translated before an outage is, and kept: inside it only what moved is counted. */
  prepare: (applications: readonly Application[], to: Side): Change => change(`prepare positions of ${names(applications).join(', ')}`, {
    detail: { groups: names(applications), to },
    capture: async () => null,
    apply: (_before, c) => b.work.preparePositions({ m: b.m, c, groups: names(applications), to }),
    ages: true,
    undo: 'leave: notes in the ledger',
  }),
  /** `when` keeps the names of a wait before the stop and of the proof after it apart. `unlessRepeats`: a group that may read again is not waited for. */
  drained: (applications: readonly Application[], topics: readonly string[], on: Side, when: 'before the stop' | 'after the stop', wanted: 'by all' | 'unlessRepeats' = 'by all'): Observe =>
    observe(`${when === 'before the stop' ? 'drain' : 'confirm that nothing is left for'} ${names(applications).join(', ')} on the ${on}`, {
      proves: true,
      detail: { groups: names(applications), topics, on },
      effects: applications.flatMap((a) => a.reads.map((r) => ({ do: 'prove-group-drained', group: r.group, topics: r.topics.filter((t) => topics.includes(t)), on }) as const)),
      look: (c) => b.work.lookGroupsDrained({ m: b.m, c, groups: names(applications), topics, on, ...(wanted === 'by all' ? {} : { unlessRepeats: true }) }),
    }),
  /** Before an outage that has to wait for these groups: what it begins with is what it takes. Proves nothing, and may be skipped. */
  near: (applications: readonly Application[], topics: readonly string[], on: Side): Observe => observe(`wait until ${names(applications).join(', ')} read nearly everything on the ${on}`, {
    detail: { groups: names(applications), topics, on },
    look: (c) => b.work.lookGroupsDrained({ m: b.m, c, groups: names(applications), topics, on, upTo: 'nearly' }),
  }),
  /** Everything is read, and of what these applications read and write themselves nothing new came for the declared time. */
  dry: (applications: readonly Application[], of: { readonly inputs: readonly string[]; readonly loops: readonly string[] }, on: Side): Observe => {
    const still = Object.fromEntries(of.loops.map((t) => [t, b.m.quiet?.[t] ?? 0]));
    return observe(`wait until ${of.loops.join(', ')} ${of.loops.length === 1 ? 'has' : 'have'} run dry`, {
      proves: true,
      detail: { groups: names(applications), topics: [...of.inputs, ...of.loops], quietMs: still, on },
      effects: [
        ...applications.flatMap((a) => a.reads.map((r) => ({ do: 'prove-group-drained', group: r.group, topics: r.topics.filter((t) => of.inputs.includes(t)), on }) as const)),
        // Without a declared time of silence for each of them nothing is proven.
        ...(of.loops.every((t) => (still[t] ?? 0) > 0) ? [{ do: 'prove-dry', applications: applications.map((a) => a.name), topics: of.loops } as const] : []),
      ],
      look: (c) => b.work.lookGroupsDrained({ m: b.m, c, groups: names(applications), topics: [...of.inputs, ...of.loops], on, still }),
    });
  },
});
