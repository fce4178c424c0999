/**
 * Positions that brokers have forgotten. They do so with a group that has been without members for a week
 * (`offsets.retention.minutes`); of one that once had members a commit in between does not count. What we set is in the ledger, and
 * tells such a group from one that never committed anything, which begins at the start of the log.
 */
import type { Side } from '../domain/authority.ts';
import { tpKey, type Position } from '../domain/ports.ts';
import type { Answer } from '../domain/positions.ts';
import type { LedgerBook } from './ledger.ts';
import type { Spot, Wanted } from './translating.ts';
import type { Ask } from './work.ts';

/** One partition of a `set` entry. `on`: the side that `to` is on; earlier releases did not say. */
interface KeptPosition { readonly from: string | null; readonly to: string; readonly on?: Side }
/** By `topic/partition`: how far the group had got on that side at least; `null`: it had a position, nobody wrote down which. */
type Remembered = ReadonlyMap<string, bigint | null>;

/** Groups that had positions on that side, as far as this run set or translated them. */
export async function rememberedOf(record: Pick<LedgerBook, 'read'>, x: Ask, of: { readonly groups: readonly string[]; readonly on: Side }): Promise<ReadonlyMap<string, Remembered>> {
  if (of.groups.length === 0) return new Map();
  // Waves share the run of their estate, and each sets under its own.
  const entries = await record.read(x.m, `${x.c.key.split('/')[0] ?? x.c.run}/`);
  return new Map(of.groups.map((group) => {
    const out = new Map<string, bigint | null>();
    for (const [key, text] of entries) {
      if (!key.endsWith(`/set/${group}`)) continue;
      for (const [tp, kept] of Object.entries(JSON.parse(text) as Readonly<Record<string, KeptPosition>>)) {
        const at = kept.on === of.on ? BigInt(kept.to) : kept.from === null ? undefined : kept.on === undefined ? null : BigInt(kept.from);
        const known = out.get(tp);
        if (at !== undefined && (known === undefined || known === null || (at !== null && at > known))) out.set(tp, at);
      }
    }
    return [group, out] as const;
  }));
}

/** What would be taken for a group that never committed anything, and is not one. */
export async function withForgotten(record: LedgerBook, x: Wanted, o: { readonly spots: readonly Spot[]; readonly answers: ReadonlyMap<Spot, Answer> }): Promise<ReadonlyMap<Spot, Answer>> {
  const bare = o.spots.filter((p) => p.position === null && !p.started && o.answers.get(p)?.kind !== 'refused');
  if (bare.length === 0) return o.answers; // nearly always: inside an outage nothing is spent on it
  const remembered = await rememberedOf(record, x, { groups: [...new Set(bare.map((p) => p.group))], on: x.from });
  const out = new Map(o.answers);
  for (const spot of bare) {
    const at = remembered.get(spot.group)?.get(tpKey(spot.end));
    if (at !== undefined) out.set(spot, { kind: 'refused', cause: 'mismatch', why: `no committed position, though the group had one${at === null ? '' : `, at ${at} or behind it`}: brokers forget those of a group that has been empty for a week. Set it there by hand to where it had got` });
  }
  return out;
}

/** Remembered positions as a group's own, of partitions on which it has none. */
export const missingOf = (remembered: Remembered, standing: readonly Position[]): readonly Position[] => {
  const has = new Set(standing.map(tpKey));
  return [...remembered].flatMap(([key, offset]) => {
    const i = key.lastIndexOf('/');
    return offset === null || has.has(key) ? [] : [{ topic: key.slice(0, i), partition: Number(key.slice(i + 1)), offset, metadata: '' }];
  });
};
