/** Two logs in memory, as `compare` sees them: offsets with gaps, and a fast comparison that pauses whenever it is told to. */
import type { Mark } from '../../../src/domain/positions.ts';
import type { Between, Half } from '../../../src/domain/positions.ts';
import type { Comparing, Pair, Reach } from '../../../src/domain/diff/compare.ts';
import { compare } from '../../../src/domain/diff/compare.ts';
import { begun, type Difference, type DiffState, type Places } from '../../../src/domain/diff/difference.ts';

export type Logs = Readonly<Record<Half, readonly Mark[]>>;

export const endsOf = (logs: Logs): Places => ({ origin: (logs.origin.at(-1)?.offset ?? -1n) + 1n, copy: (logs.copy.at(-1)?.offset ?? -1n) + 1n });
export const between = (logs: Logs): Between => async function* (half, from, to) {
  for (const mark of logs[half]) if (mark.offset >= from && mark.offset < to) yield mark;
};

/** A group of the hash is four records here. */
export function pairOf(logs: Logs, state: DiffState, pauseEvery: number, starts: Places = { origin: 0n, copy: 0n }): Pair {
  let hash = state.hash;
  return {
    between: between(logs),
    starts: async () => starts,
    alike: async (at, ends) => {
      const [a, b] = [logs.origin.filter((m) => m.offset >= at.origin && m.offset < ends.origin), logs.copy.filter((m) => m.offset >= at.copy && m.offset < ends.copy)];
      let n = 0;
      while (n < pauseEvery && n < a.length && n < b.length && a[n]?.fingerprint === b[n]?.fingerprint) n += 1;
      const after = { origin: n === 0 ? at.origin : (a[n - 1]?.offset ?? 0n) + 1n, copy: n === 0 ? at.copy : (b[n - 1]?.offset ?? 0n) + 1n };
      if (n === a.length && n === b.length) return { at: ends, matched: n, why: 'end' };
      return { at: after, matched: n, why: n >= pauseEvery ? 'pause' : 'differ' };
    },
    hashed: () => hash,
    sealed: async (upTo) => {
      const rest = logs.origin.filter((m) => m.offset >= BigInt(hash.from) && m.offset < upTo);
      for (; rest.length >= 4;) {
        const group = rest.splice(0, 4);
        hash = { value: group.reduce((h, m) => String((BigInt(h === '' ? 7 : h) * 31n + BigInt(m.fingerprint.length * 1000 + m.fingerprint.charCodeAt(m.fingerprint.length - 1))) % 1_000_003n), hash.value), from: String((group.at(-1)?.offset ?? 0n) + 1n) };
      }
      return `${hash.value}+${rest.map((m) => m.fingerprint).join()}`;
    },
  };
}

export interface Outcome { readonly state: DiffState; readonly decided: string; readonly hash: string; readonly differences: readonly Difference[]; readonly reports: readonly { readonly state: DiffState; readonly differences: readonly Difference[] }[] }
export interface Run { readonly reach: Reach; readonly pauseEvery?: number; readonly horizon?: Comparing['horizon']; readonly from?: { readonly state: DiffState; readonly differences: readonly Difference[] }; readonly ends?: Places }

export async function outcome(logs: Logs, run: Run): Promise<Outcome> {
  const differences: Difference[] = [...(run.from?.differences ?? [])];
  const reports: { state: DiffState; differences: readonly Difference[] }[] = [];
  const state = run.from?.state ?? begun({ origin: 0n, copy: 0n });
  const end = await compare(pairOf(logs, state, run.pauseEvery ?? 7), {
    state: JSON.parse(JSON.stringify(state)) as DiffState, ends: run.ends ?? endsOf(logs), horizon: run.horizon ?? 'closed', reach: run.reach,
    report: (s, fresh) => {
      differences.push(...fresh);
      reports.push({ state: s, differences: [...differences] });
    },
  });
  return { ...end, differences, reports };
}
