/** One set of a stand-in at work on one side: its writer and its readers, started and stopped together. */
import type { Side } from '../../domain/authority.ts';
import type { ClusterConfig, SecretRef } from '../../domain/catalog.ts';
import type { OriginalRecord, Position, Until } from '../../domain/ports.ts';
import type { Rehearsal, StandIn } from '../../domain/rehearsal.ts';
import type { KafkaCluster } from '../kafka/cluster.ts';
import type { Copier } from '../kafka/copier.ts';
import type { Play, Playing } from './fleet.ts';
import { kafkaOf, openReader, type Reader } from './reader.ts';
import { startWriter, type Marks } from './writer.ts';

/** When a stand-in wrote: first and last acknowledgement of each of its sets. */
export interface Acknowledged { readonly application: string; readonly on: Side; readonly firstMs: number; lastMs: number; records: number }
export interface Cast {
  readonly rehearsal: Rehearsal;
  readonly clusters: Readonly<Record<Side, KafkaCluster>>;
  readonly configs: Readonly<Record<Side, ClusterConfig>>;
  readonly secret: (ref: SecretRef) => Promise<string>;
  readonly marks: Marks;
  /** By shadow group: how long after it was written it processes a record, ms. */
  readonly behindMs: ReadonlyMap<string, number>;
  readonly until: Until;
  readonly acknowledged: Acknowledged[];
  /** Told each failure once, in words. */
  failed(said: string): void;
}

/** A reader that writes nothing commits as often as this, ms. */
const commitMs = 200;

export const playOf = (cast: Cast): Play => async (standIn, on) => {
  const failed = (error: unknown): void => { cast.failed(`stand-in ${standIn.application} on the ${on}: ${error instanceof Error ? error.message : String(error)}`); };
  let stopped = false;
  // A start is told, not waited for: it is inside the outage, and the brokers are asked.
  const begun = begin(cast, { standIn, on, failed, isStopped: () => stopped }).catch((error: unknown) => { failed(error); return null; });
  return { stop: async () => { stopped = true; await (await begun)?.stop(); } };
};

interface Part { readonly standIn: StandIn; readonly on: Side; readonly failed: (error: unknown) => void; readonly isStopped: () => boolean }

async function begin(cast: Cast, part: Part): Promise<Playing> {
  const { standIn, on } = part;
  const kafka = await kafkaOf(standIn.application, cast.configs[on], cast.secret);
  const isolation = (group: string): 'read_committed' | 'read_uncommitted' => cast.rehearsal.migration.applications.flatMap((a) => a.reads).find((r) => r.group === group)?.isolation ?? 'read_committed';
  const opening = standIn.reads.map((r) => openReader({ kafka, group: r.shadow, topics: r.topics, isolation: isolation(r.shadow), behindMs: cast.behindMs.get(r.shadow) ?? 0, failed: part.failed }));
  const readers = await Promise.all(opening).catch(async (error: unknown) => {
    await Promise.allSettled(opening.map(async (reader) => (await reader).leave())); // those that did join
    throw error;
  });
  const [first, ...others] = readers;
  const transactional = standIn.transactionalId !== null && standIn.copies.length > 0;
  const writer = part.isStopped() || standIn.copies.length === 0 ? null : startWriter({
    real: cast.clusters.source, copies: standIn.copies, marks: cast.marks, until: cast.until, failed: part.failed,
    write: transactional ? inTransactions(cast, part, first) : plainly(cast, on), acknowledged: noting(cast, part),
  });
  const committing = (transactional ? others : readers).map((reader) => committer(reader, part));
  return {
    async stop() {
      await Promise.all(readers.map((r) => r.rest()));
      await writer?.stop();
      await Promise.all(committing.map((c) => c.stop()));
      if (transactional && first) await last(first, part);
      await Promise.all(readers.map((r) => r.leave()));
    },
  };
}

/** After a failure the fate of what was sent is uncertain, and only a new producer is clean. */
function plainly({ clusters, until }: Cast, on: Side): (records: readonly OriginalRecord[]) => Promise<void> {
  let copier: Copier | null = null;
  return async (records) => {
    if (records.length === 0) return;
    const one = copier ?? clusters[on].copier();
    copier = null;
    await one.copy(records, until);
    copier = one;
  };
}

/** Records and the positions of what was read meanwhile in one transaction. */
function inTransactions({ clusters, until }: Cast, { standIn, on }: Part, reader: Reader | undefined): (records: readonly OriginalRecord[]) => Promise<void> {
  let waiting: readonly Position[] = [];
  return async (records) => {
    waiting = [...new Map([...waiting, ...(reader?.take() ?? [])].map((p) => [`${p.topic}/${p.partition}`, p])).values()];
    if (records.length === 0) await reader?.commit(waiting);
    else await clusters[on].writeOnce({ transactionalId: standIn.transactionalId ?? '', group: standIn.reads[0]?.shadow ?? standIn.transactionalId ?? '', records, upTo: waiting }, until);
    waiting = [];
  };
}

function noting({ acknowledged }: Cast, { standIn, on }: Part): (atMs: number, records: number) => void {
  let mine: Acknowledged | null = null;
  return (atMs, records) => {
    if (mine === null) acknowledged.push(mine = { application: standIn.application, on, firstMs: atMs, lastMs: atMs, records: 0 });
    mine.lastMs = atMs;
    mine.records += records;
  };
}

/** What was taken and not committed is processed again after the next start: a repeat among the shadows. */
const last = (reader: Reader, part: Part): Promise<void> => reader.commit(reader.take()).catch((error: unknown) => { part.failed(error); });

function committer(reader: Reader, part: Part): Playing {
  let committing: Promise<void> = Promise.resolve();
  const timer = setInterval(() => { committing = committing.then(() => last(reader, part)); }, commitMs);
  return { stop: async () => { clearInterval(timer); await committing; await last(reader, part); } };
}

/** From the last acknowledgement of any of these on the source to their first on the target, ms; `null`: one of them was silent. */
export function silenceOf(acknowledged: readonly Acknowledged[], applications: readonly string[]): number | null {
  const mine = (on: Side): readonly Acknowledged[] => acknowledged.filter((a) => a.on === on && applications.includes(a.application));
  const opened = Math.min(...mine('target').map((a) => a.firstMs));
  const closed = Math.max(...mine('source').filter((a) => a.firstMs < opened).map((a) => Math.min(a.lastMs, opened)));
  return Number.isFinite(opened) && Number.isFinite(closed) ? opened - closed : null;
}
