/** One history of keys in two clusters in memory, whose cleaners go on while both are compared. */
import { runTask } from '../../../../src/adapters/kafka/compare/task.ts';
import type { Side } from '../../../../src/adapters/kafka/compare/pair.ts';
import type { Difference, DiffState } from '../../../../src/domain/diff/difference.ts';
import type { PartitionAsk, PartitionEnd, PartitionReport } from '../../../../src/domain/diff/port.ts';
import { tpKey } from '../../../../src/domain/ports.ts';
import { cannedCluster } from '../scan/canned.ts';
import { baseTimestamp, type HandmadeBatch } from '../scan/handmade.ts';

export const tp = { topic: 'prices', partition: 0 };
export interface Written { readonly key: string; readonly value: string | null }
/**
 * Where a cleaner is: everything below `done` is clean; now it takes from what lies below `swapped` all whose key comes
 * again below `map`, and tombstones too if they have expired.
 */
export interface Cleaner { readonly done: number; readonly map: number; readonly swapped: number; readonly expired: boolean }
export const idle: Cleaner = { done: 0, map: 0, swapped: 0, expired: false };
/** Cleaned up to there, and that was all. */
export const upTo = (n: number, expired = false): Cleaner => ({ done: n, map: n, swapped: n, expired });

/** The record at index `i` of the history, one batch. */
export const batchOf = (w: Written, i: number, shift = 0): HandmadeBatch => ({ baseOffset: BigInt(i + shift), baseTimestamp: baseTimestamp + BigInt(i), records: [{ key: w.key, value: w.value }] });
export function thinned(log: readonly Written[], batches: readonly HandmadeBatch[], c: Cleaner): readonly HandmadeBatch[] {
  const again = (i: number, below: number): boolean => log.slice(i + 1, below).some(({ key }) => key === log[i]?.key);
  return batches.filter((_, i) => {
    if (i < c.swapped && again(i, c.map)) return false;
    if (i < c.done && again(i, c.done)) return false;
    return !(c.expired && log[i]?.value === null && (i < c.done || i < c.swapped));
  });
}

/** A log of so many records, and what its cleaner does once so many fetches have been made. */
export interface Thinning { readonly log: readonly Written[]; readonly shift: number; readonly first: Cleaner; readonly then: readonly (Cleaner & { readonly at: number })[]; /** Index of a record that is not there, or another. */ readonly fault?: { readonly at: number; readonly how: 'lost' | 'changed' } }
export function sideOf(x: Thinning): Side {
  const all = x.log.map((w, i) => batchOf(x.fault?.how === 'changed' && i === x.fault.at ? { key: w.key, value: 'damaged' } : w, i, x.shift));
  const lost = x.fault?.how === 'lost' ? all[x.fault.at] : undefined;
  // What was lost was never written: the record before it stands in the active segment then, where no cleaner goes.
  const last = all.findLast((batch) => batch !== lost);
  const now = (c: Cleaner): readonly HandmadeBatch[] => { const left = new Set(thinned(x.log, all, c)); return all.filter((batch) => batch !== lost && (left.has(batch) || batch === last)); };
  const end = BigInt(x.log.length + (x.log.length > 0 ? x.shift : 0));
  const cluster = cannedCluster({ [tpKey(tp)]: { batches: now(x.first), leader: 1, hw: end } });
  const log = cluster.logs.get(tpKey(tp));
  let rounds = 0;
  const waiting = [...x.then].sort((a, b) => a.at - b.at);
  const leaders: typeof cluster.wire.leaders = (...args) => {
    rounds += 1;
    for (; waiting[0] !== undefined && waiting[0].at <= rounds; waiting.shift()) if (log !== undefined) log.batches = now(waiting[0]);
    return cluster.wire.leaders(...args);
  };
  return { wire: { ...cluster.wire, leaders }, start: async () => 0n, end: async () => end };
}

export interface Told { readonly end: PartitionEnd; readonly listed: readonly Difference[]; readonly last: DiffState | null; readonly reports: readonly PartitionReport[] }
export async function compared(sides: { readonly origin: Side; readonly copy: Side }, x: Pick<PartitionAsk, 'ends'> & Partial<PartitionAsk>, hear: (report: PartitionReport) => void = () => undefined): Promise<Told> {
  const reports: PartitionReport[] = [];
  let listed: Difference[] = [];
  const ask: PartitionAsk = { ...tp, starts: { origin: 0n, copy: 0n }, horizon: 'closed', state: null, anchors: [], order: 'by-key', list: 10_000, ...x };
  const end = await runTask(sides, ask, { signal: new AbortController().signal, spend: () => null, weigh: () => undefined }, (report) => {
    listed = report.beginning === null ? [...listed, ...report.fresh] : [...report.fresh];
    reports.push(report);
    hear(report);
  });
  return { end, listed, last: reports.at(-1)?.state ?? null, reports };
}
