/** The resources of a scheme: desired state bound to activities. A scheme speaks only through these. */
import type { Work } from '../../activities/work.ts';
import type { Inventory, Migration } from '../../domain/migration.ts';
import type { Has } from '../../domain/scheme.ts';
import { clusters } from './clusters.ts';
import { cuts } from './cuts.ts';
import { deadTarget } from './deadtarget.ts';
import { fleets } from './fleets.ts';
import { groups } from './groups.ts';
import { guards } from './guards.ts';
import { holds } from './holds.ts';
import { mirrors } from './mirrors.ts';
import { second } from './second.ts';
import { topics } from './topics.ts';

/** What every resource is bound to. */
export interface Bound {
  readonly work: Work;
  readonly m: Migration;
  /** `null` while a plan is printed without clusters at hand: nothing is called then. */
  readonly inventory: Inventory | null;
  /** The workflow id: owner of locks. */
  readonly owner: string;
  /** Which changes of our plans this run knows: one that began before goes on as it was planned. */
  readonly has: Has;
}
export const bind = (b: Bound): Use => ({ clusters: clusters(b), topics: topics(b), mirrors: mirrors(b), fleets: fleets(b), groups: groups(b), cuts: cuts(b), holds: holds(b), guards: guards(b), deadTarget: deadTarget(b), second: second(b) });
export interface Use {
  readonly clusters: ReturnType<typeof clusters>;
  readonly topics: ReturnType<typeof topics>;
  readonly mirrors: ReturnType<typeof mirrors>;
  readonly fleets: ReturnType<typeof fleets>;
  readonly groups: ReturnType<typeof groups>;
  readonly cuts: ReturnType<typeof cuts>;
  readonly holds: ReturnType<typeof holds>;
  readonly guards: ReturnType<typeof guards>;
  readonly deadTarget: ReturnType<typeof deadTarget>;
  readonly second: ReturnType<typeof second>;
}

/** For plans that are only printed: any call is a mistake of ours. */
export const unbound: Work = new Proxy({} as Work, {
  get: (_target, name) => () => { throw new Error(`${String(name)} was called on a plan that is only printed`); },
});
export const inventoryOf = (b: Bound): Inventory => {
  if (!b.inventory) throw new Error('this plan was made without an inventory: it can be printed, not run');
  return b.inventory;
};
