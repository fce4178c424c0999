/** What guards a cut against everybody else: what stopped processes leave behind, foreign writers, changes nobody told us of, copies that differ. */
import type { GroupFenceBefore } from '../../activities/work.ts';
import type { Side } from '../../domain/authority.ts';
import type { CutSet } from '../../domain/cutsets.ts';
import type { Json } from '../../domain/json.ts';
import { groupsOf, type Application } from '../../domain/migration.ts';
import { change, observe, type Change, type Observe } from '../../domain/scheme.ts';
import { inventoryOf, type Bound } from './use.ts';

const names = (applications: readonly Application[]): readonly string[] => applications.map((a) => a.name);
const groups = (applications: readonly Application[]): readonly string[] => [...new Set(applications.flatMap(groupsOf))].sort();
/** Several of a kind in one outage bear the names of their applications. */
const named = (step: string, may: readonly Application[], who?: 'named'): string => (who === 'named' ? `${step}: ${names(may).join(', ')}` : step);
const fenceable = (applications: readonly Application[]): readonly Application[] => applications.filter((a) => a.principals.length > 0 && a.reads.length > 0);

export const guards = (b: Bound) => ({
  /** Topics, partitions and groups as when the migration started: read again, because holds may last for days. */
  unchanged: (): Observe => observe('confirm that nothing changed', {
    proves: true,
    look: (c) => b.work.lookInventory({ m: b.m, c, inventory: inventoryOf(b) }),
  }),
  /** Every batch on a side without authority is the mirror's own; later looks go on from here, so that holds stay quick. */
  nobodyElse: (sets: readonly CutSet[], on: Side): Observe => observe(`see that nobody else writes on the ${on}`, {
    proves: true,
    detail: { sets: sets.map((s) => s.name), on },
    look: (c) => b.work.lookForeign({ m: b.m, c, sets, on, since: 'start' }),
  }),
  /** Members and open transactions that processes left behind would hold the outage; nothing where neither can be. */
  leftovers: (applications: readonly Application[], on: Side, who?: 'named'): readonly Change[] => {
    const may = applications.filter((a) => a.reads.length > 0 || a.transactionalIds.length > 0);
    return may.length === 0 ? [] : [change(named('clear what they left behind', may, who), {
      detail: { applications: names(may), on },
      capture: async () => null,
      apply: (_before, c) => b.work.clearLeftovers({ m: b.m, c, applications: names(may), on }),
      undo: 'leave: whoever left and what was aborted does not come back',
    })];
  },
  /** A transactional producer that was forgotten somewhere cannot commit any more. */
  transactions: (applications: readonly Application[], on: Side, who?: 'named'): readonly Change[] => {
    const may = applications.filter((a) => a.transactionalIds.length > 0);
    return may.length === 0 ? [] : [change(named('fence their transactions', may, who), {
      detail: { applications: names(may), on },
      capture: async () => null,
      apply: (_before, c) => b.work.fenceTransactions({ m: b.m, c, applications: names(may), on }),
      undo: 'leave: a producer takes its id back when it starts',
    })];
  },
  /** Nobody joins these groups there any more, where the cluster has an authorizer and the readers' principals are declared. */
  readFence: (applications: readonly Application[], on: Side): readonly Change[] => {
    const who = fenceable(applications);
    return who.length === 0 ? [] : [change<GroupFenceBefore & Json>(`keep ${groups(who).join(', ')} from reading on the ${on}`, {
      detail: { groups: groups(who), principals: who.flatMap((a) => a.principals), on },
      capture: async (c) => ({ ...(await b.work.captureGroupFence({ m: b.m, c, groups: groups(who), on })) }),
      apply: (before, c) => b.work.raiseGroupFence({ m: b.m, c, groups: groups(who), on, before }),
      undo: (before, c) => b.work.lowerGroupFence({ m: b.m, c, groups: groups(who), on, before }),
    })];
  },
  /** Before these readers come back to a side they were kept from, and at the finish. */
  liftReadFence: (applications: readonly Application[], on: Side): readonly Change[] => {
    const who = fenceable(applications);
    return who.length === 0 ? [] : [change(`let ${groups(who).join(', ')} read on the ${on} again`, {
      detail: { groups: groups(who), on },
      capture: async () => null,
      apply: (_before, c) => b.work.lowerGroupFences({ m: b.m, c, groups: groups(who), on }),
      undo: async (_before, c) => b.work.raiseGroupFence({ m: b.m, c, groups: groups(who), on, before: await b.work.captureGroupFence({ m: b.m, c, groups: groups(who), on }) }),
    })];
  },
  /** Records that reached the closed side of a set after its cut, carried over once; a hold stands before it when there are any. */
  carryStragglers: (set: CutSet): Change => change(`carry stragglers of ${set.name}`, {
    detail: { topics: set.topics },
    capture: async () => null,
    apply: (_before, c) => b.work.carryStragglers({ m: b.m, c, set }),
    undo: 'leave: they are where the authority is',
  }),
  /** Record by record, as far as the copy has got, or up to the cut. */
  same: (sets: readonly CutSet[], upTo: 'now' | 'cut'): Observe => observe(upTo === 'now' ? 'compare both clusters' : 'compare both clusters up to the cut', {
    proves: true,
    detail: { sets: sets.map((s) => s.name), upTo },
    look: (c) => b.work.lookSame({ m: b.m, c, sets, upTo }),
  }),
});
