/**
 * Positions as they were, of any number of groups: a small pre-image is what the workflow remembers, a large one stays in the
 * ledger, an entry per group, and the workflow remembers only that. A hundred groups on a thousand partitions are 2 MB.
 */
import type { At } from './boundary.ts';
import { entry, valueOf, type LedgerBook } from './ledger.ts';
import type { Ask, PositionsBefore } from './work.ts';

const largestBytes = 8 * 1024;
/** In place of the groups. No group of positions has an empty name. */
const inLedger = '';
const keyOf = (x: Ask, group: string): string => `${x.c.key}/before/${group}`;

export async function kept(record: LedgerBook, x: Ask, o: { readonly before: PositionsBefore; readonly at: At }): Promise<PositionsBefore> {
  const all = Object.entries(o.before).filter(([, of]) => Object.keys(of).length > 0);
  if (JSON.stringify(o.before).length <= largestBytes) return o.before;
  await record.write(x.m, all.map(([group, of]) => entry(keyOf(x, group), of)), 'one', o.at);
  return { [inLedger]: { groups: all.length } };
}

/** Throws nothing for a group without an entry: it had no position. */
export async function whole(record: LedgerBook, x: Ask & { readonly groups: readonly string[]; readonly before: PositionsBefore }): Promise<PositionsBefore> {
  const count = x.before[inLedger]?.['groups'];
  if (count === undefined) return x.before;
  const entries = await record.read(x.m, keyOf(x, ''));
  if (entries.size !== count) throw new Error(`The ledger has the earlier positions of ${entries.size} groups under ${keyOf(x, '')}, wanted ${count}: they cannot be restored yet.`);
  return Object.fromEntries(x.groups.map((group) => [group, valueOf<PositionsBefore[string]>(entries, keyOf(x, group)) ?? {}]));
}
