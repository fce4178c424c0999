/** How long groups need to read to the end once nobody writes any more, told at the rate at which they read now. */
import type { Ports } from '../../domain/ports.ts';
import type { At } from '../boundary.ts';
import { unreadOf, type Unread } from '../drained.ts';
import { count, grouped, unique } from '../outside.ts';
import type { Ask, Waiting } from '../work.ts';

/** Whoever commits seldom is watched for so long, ms; with the default of the Java client every 5 s. */
const longestMs = 6_000;
const leastMs = 1_000;
const pollMs = 250;

export interface Draining {
  /** All stages one after the other, ms; `null`: a group that is behind was not seen reading. */
  readonly ms: number | null;
  /** One sentence per group, without a full stop. */
  readonly figures: readonly string[];
}

/** Of one group: what it has not read, and how much it read meanwhile. */
interface Seen { readonly group: string; readonly unread: number; readonly perSecond: number }
export const drainMs = (s: Pick<Seen, 'unread' | 'perSecond'>): number | null => (s.unread === 0 ? 0 : s.perSecond === 0 ? null : Math.ceil((s.unread / s.perSecond) * 1_000));

/** Groups of one stage drain side by side; a stage begins when the one before has stopped. */
export function drainingOf(waits: readonly Waiting[], seen: readonly Seen[]): Draining {
  const stages = waits.map((w) => {
    const each = seen.filter((s) => w.groups.includes(s.group)).map(drainMs);
    return each.includes(null) ? null : Math.max(0, ...each.map(Number)) + w.quietMs;
  });
  return {
    ms: stages.includes(null) ? null : stages.reduce<number>((n, ms) => n + Number(ms), 0),
    figures: seen.map((s) => {
      const ms = drainMs(s);
      const rate = `reads ${grouped(Math.round(s.perSecond))} a second`;
      return ms === 0 ? `${s.group}: nothing unread, ${rate}` : ms === null ? `${s.group}: at most ${count(s.unread, 'record')} unread, and it was not seen reading: how long it takes is unknown` : `${s.group}: at most ${count(s.unread, 'record')} unread, ${rate}: ${grouped(ms)} ms after the last write`;
    }),
  };
}

export async function watchDraining(ports: Ports, x: Pick<Ask, 'm'>, waits: readonly Waiting[], at: At): Promise<Draining> {
  const groups = unique(waits.flatMap((w) => w.groups));
  const look = (): Promise<readonly Unread[]> => unreadOf(ports, { m: x.m, groups, topics: unique(waits.flatMap((w) => w.topics)), on: 'source' });
  const [first, fromMs] = [await look(), at.now()];
  for (;;) {
    await at.pause(pollMs);
    const [now, ms] = [await look(), at.now() - fromMs];
    const seen = groups.map((group): Seen => {
      const of = (all: readonly Unread[]): readonly Unread[] => all.filter((u) => u.group === group);
      const before = new Map(of(first).map((u) => [u.key, u.position]));
      const read = of(now).reduce((n, u) => { const was = before.get(u.key); return n + (u.position !== null && was !== null && was !== undefined && u.position > was ? Number(u.position - was) : 0); }, 0);
      return { group, unread: Number(of(now).reduce((n, u) => n + u.atMost, 0n)), perSecond: (read * 1_000) / ms };
    });
    if (ms >= longestMs || (ms >= leastMs && seen.every((s) => s.unread === 0 || s.perSecond > 0))) return drainingOf(waits, seen);
  }
}
