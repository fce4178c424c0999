/**
 * Before its first member starts on a side a group has an explicit position there, or `auto.offset.reset` would decide what it
 * reads. Between setting it and a start that is tried again days may lie, and brokers forget the positions of empty groups.
 */
import type { Side } from '../domain/authority.ts';
import { Failure } from '../domain/failures.ts';
import { groupsOf } from '../domain/migration.ts';
import { tpKey, type Ports } from '../domain/ports.ts';
import type { At } from './boundary.ts';
import { applicationsOf, clusterOf, list, nameOf, unique } from './outside.ts';
import { rememberedOf } from './remembered.ts';
import type { Ask } from './work.ts';

/** Which groups this process has set lately, or stopped, and where: within an outage and its undo nothing is asked. */
export interface PlacedLately {
  mark(groups: readonly string[], on: Side, atMs: number): void;
  lately(group: string, on: Side, nowMs: number): boolean;
}
/** No broker forgets that soon. */
const latelyMs = 10 * 60_000;
export function createPlacedLately(): PlacedLately {
  const last = new Map<string, number>();
  const keyOf = (group: string, on: Side): string => `${on} ${group}`;
  return {
    mark: (groups, on, atMs) => { for (const group of groups) last.set(keyOf(group, on), atMs); },
    lately: (group, on, nowMs) => nowMs - (last.get(keyOf(group, on)) ?? -Infinity) < latelyMs,
  };
}

/** Asks that side alone: the other one may be dead. */
export async function requireExplicit(ports: Ports, placed: PlacedLately, x: Ask & { readonly applications: readonly string[]; readonly on: Side }, at: At): Promise<void> {
  const groups = unique(applicationsOf(x.m, x.applications).flatMap(groupsOf)).filter((group) => !placed.lately(group, x.on, at.now()));
  const remembered = await rememberedOf({ read: (m, prefix) => ports.ledger.read(nameOf(m, x.on), prefix) }, x, { groups, on: x.on });
  const set = groups.filter((group) => (remembered.get(group)?.size ?? 0) > 0);
  if (set.length === 0) return;
  const committed = await clusterOf(ports, x.m, x.on).committed(set);
  const bare = set.flatMap((group) => {
    const has = new Set((committed.get(group) ?? []).map(tpKey));
    const gone = [...remembered.get(group) ?? []].filter(([key]) => !has.has(key));
    return gone.length === 0 ? [] : [`${group} (${list(gone.map(([key, offset]) => `${key} ${offset ?? 'somewhere'}`), 3)})`];
  });
  if (bare.length === 0) return;
  throw new Failure('NotExact', `Cluster ${nameOf(x.m, x.on)} has no position any more where these groups had one: ${list(bare, 3)}. Brokers forget those of groups that have been empty for long (offsets.retention.minutes); started, they would begin wherever auto.offset.reset sends them. Nothing was started.`,
    'Set them by hand to where they had got (what is named is where they were set, or left), then retry.');
}
