/** Comparers without threads: one over the logs of a world in memory, and one whose partitions play as a test says. */
import { begin } from '../../src/domain/diff/begin.ts';
import { compare } from '../../src/domain/diff/compare.ts';
import { begun } from '../../src/domain/diff/difference.ts';
import type { CompareAsk, Comparer, PartitionAsk, PartitionEnd, PartitionReport } from '../../src/domain/diff/port.ts';
import { tpKey } from '../../src/domain/ports.ts';
import { between, pairOf, type Logs } from '../domain/diff/logs.ts';
import type { FakeWorld } from './fake-ports.ts';

const stopped = (p: PartitionAsk): PartitionEnd => ({ key: tpKey(p), decided: 'stopped', state: null, hash: null });

/** Compares the logs of a world in this thread; after `mostPartitions` of one call the rest is stopped. */
export function comparerOf(world: FakeWorld, mostPartitions = Infinity): Comparer & { calls: CompareAsk[] } {
  const calls: CompareAsk[] = [];
  return {
    calls, peakBytes: () => 0,
    compare: async (ask, told) => {
      calls.push(ask);
      const ends: PartitionEnd[] = [];
      for (const [n, p] of ask.partitions.entries()) {
        const key = tpKey(p);
        if (n >= mostPartitions) { ends.push(stopped(p)); continue; }
        const logs: Logs = { origin: world.cluster(ask.clusters.origin).log(p).records, copy: world.cluster(ask.clusters.copy).log(p).records };
        let { state } = p;
        if (state === null) {
          const beginning = await begin({ origin: { logStart: p.starts.origin, end: p.ends.origin }, copy: { logStart: p.starts.copy, end: p.ends.copy } }, p.anchors, between(logs));
          state = begun(beginning.at);
          told({ key, state, fresh: [], beginning });
        }
        const end = await compare(pairOf(logs, state, 1_000, p.starts), { state, ends: p.ends, horizon: p.horizon, report: (s, fresh) => { told({ key, state: s, fresh, beginning: null }); } });
        ends.push({ key, decided: end.decided, state: end.state, hash: end.hash });
      }
      return ends;
    },
  };
}

/** What a partition does while it is at work; whatever it has not told by the abort is lost. */
export type Play = (x: { readonly p: PartitionAsk; readonly signal: AbortSignal; readonly told: (report: Pick<PartitionReport, 'state'> & Partial<PartitionReport>) => void }) => Promise<Omit<PartitionEnd, 'key'>>;

/** So many partitions at once, in the order asked, as threads take them up. */
export function played(play: Play, threads = Infinity): Comparer & { calls: CompareAsk[] } {
  const calls: CompareAsk[] = [];
  return {
    calls, peakBytes: () => 0,
    compare: async (ask, told, signal) => {
      calls.push(ask);
      const waiting = [...ask.partitions];
      const ends: PartitionEnd[] = [];
      const aborted = new Promise<null>((gone) => { signal.addEventListener('abort', () => { gone(null); }, { once: true }); });
      const thread = async (): Promise<void> => {
        for (let p = waiting.shift(); p !== undefined; p = waiting.shift()) {
          const key = tpKey(p);
          if (!signal.aborted) ask.begun?.(key);
          const end = signal.aborted ? null : await Promise.race([aborted, play({ p, signal, told: (report) => { if (!signal.aborted) told({ key, fresh: [], beginning: null, ...report }); } })]);
          const said = end === null ? stopped(p) : { key, ...end };
          ask.ended?.(said);
          ends.push(said);
        }
      };
      await Promise.all(Array.from({ length: Math.min(threads, waiting.length) }, thread));
      return ends;
    },
  };
}
