/** Waiting for mirrors: healthy by what they hold and how they move, never by the state Connect shows. */
import type { Side } from '../domain/authority.ts';
import type { CutSet } from '../domain/cutsets.ts';
import { Failure } from '../domain/failures.ts';
import type { Migration } from '../domain/migration.ts';
import { tpKey, type LogEnds, type MirrorHealth, type MirrorSpec, type Ports } from '../domain/ports.ts';
import type { At } from './boundary.ts';
import { magnitude, type Glance } from './looking.ts';
import { requireMirror } from './connect.ts';
import { bornOf, damageOf, spoken } from './damage.ts';
import { reviving } from './reviving.ts';
import type { LedgerBook } from './ledger.ts';
import { byKey, clusterOf, count, list } from './outside.ts';
import type { LookAsk } from './work.ts';

/** What failed is restarted once; what has still failed after this long is said. */
const failedMs = 15_000;

/** Ends of the origin by partition, with where the mirror stands. */
export interface Standing { readonly key: string; readonly end: LogEnds; readonly next: bigint; readonly lag: bigint }
export async function standings(ports: Ports, m: Migration, spec: MirrorSpec, toward: Side): Promise<readonly Standing[]> {
  const origin = clusterOf(ports, m, toward === 'target' ? 'source' : 'target');
  const progress = await ports.mirrors.progress(spec);
  const ends = [...byKey(await origin.ends(spec.topics)).entries()];
  const all = ends.map(([key, end]): Standing => {
    const next = progress.get(key) ?? end.logStart;
    // What was deleted is no longer to be copied.
    const from = next < end.logStart ? end.logStart : next;
    return { key, end, next, lag: end.lso > from ? end.lso - from : 0n };
  });
  // A trailing transaction marker keeps the plain difference above zero for ever.
  const near = all.filter((s) => s.lag > 0n && s.lag <= 1_000n);
  const firsts = near.length === 0 ? new Map() : await origin.records.firsts(near.map((s) => ({ topic: s.end.topic, partition: s.end.partition, from: s.next, to: s.end.lso })));
  return all.map((s) => (firsts.has(s.key) && firsts.get(s.key) === null ? { ...s, lag: 0n } : s));
}

/** One mirror as it stands. */
export interface MirrorView {
  readonly spec: MirrorSpec;
  readonly health: MirrorHealth;
  readonly at: readonly Standing[];
  readonly unassigned: readonly string[];
  /** Why its copy is no longer faithful; empty: nothing found. */
  readonly damage: readonly string[];
}
/** With the ledger also what became of the topics since the mirror was made, and damage that was found before; with `at` it is kept. */
export async function viewMirror(ports: Ports, x: Omit<LookAsk, 'c'> & { readonly c: Omit<LookAsk['c'], 'before'>; readonly set: CutSet; readonly toward: Side }, record: LedgerBook | null = null, keep: At | null = null): Promise<MirrorView> {
  const spec = await requireMirror(ports, x);
  const [health, at, born] = await Promise.all([ports.mirrors.health(spec), standings(ports, x.m, spec, x.toward), record ? bornOf(record, x, spec.name) : null]);
  const damage = await damageOf(ports, x, { seen: { spec, health, at, born }, record, at: keep });
  return { spec, health, at, damage, unassigned: at.map((s) => tpKey(s.end)).filter((key) => !health.assigned.includes(key)) };
}
export const isHealthy = (v: MirrorView): boolean => v.health.connector === 'RUNNING' && v.unassigned.length === 0 && v.damage.length === 0;

function refuseDamaged(v: MirrorView): void {
  if (v.damage.length > 0) throw new Failure('MirrorDamaged', spoken(v.spec.name, v.damage));
}

export const caughtUp = (ports: Ports, record: LedgerBook) => ({
  lookCaughtUp(x: LookAsk & { readonly sets: readonly CutSet[]; readonly toward: Side }, at: At): () => Promise<Glance> {
    let last: { readonly ms: number; readonly copied: bigint } | null = null;
    const revived = reviving(ports, x, { sets: x.sets, toward: x.toward }, at);
    return async () => {
      const views = await Promise.all(x.sets.map((set) => viewMirror(ports, { ...x, set }, record, at)));
      for (const v of views) refuseDamaged(v);
      const all = views.flatMap((v) => v.at);
      const [lag, worst, copied] = [sum(all.map((s) => s.lag)), all.reduce((w, s) => (s.lag > w ? s.lag : w), 0n), sum(all.map((s) => s.next))];
      const sick = views.filter((v) => !isHealthy(v));
      const nowMs = at.now();
      const perSecond = last && nowMs > last.ms ? Math.max(0, Math.round((Number(copied - last.copied) * 1000) / (nowMs - last.ms))) : null;
      last = { ms: nowMs, copied };
      const failed = views.some((v) => v.health.connector === 'FAILED' || v.health.traces.length > 0);
      const healed = failed ? revived() : '';
      const say = sick.length > 0 ? `${sick.map(describe).join('; ')}${healed === '' ? '' : `; ${healed}`}` : `${count(lag, 'record')} to copy, at most ${worst} on one partition (wanted ${x.c.limits.lagRecords}).`;
      return {
        done: sick.length === 0 && worst <= BigInt(x.c.limits.lagRecords),
        say,
        state: `${sick.map((v) => `${v.spec.name} ${v.health.connector}`).join(',')} ${magnitude(lag)}`,
        progress: `${copied} ${sick.length}`,
        figures: { lagRecords: Number(lag), worstLagRecords: Number(worst), partitions: all.length, recordsPerSecond: perSecond, etaMs: perSecond ? Math.round((Number(lag) / perSecond) * 1000) : null },
        patience: { ms: failed ? Math.min(failedMs, x.c.limits.stuckMs) : x.c.limits.stuckMs, failure: () => stuck(views, x.c.limits.stuckMs) },
      };
    };
  },
});

const sum = (of: readonly bigint[]): bigint => of.reduce((a, b) => a + b, 0n);
const describe = (v: MirrorView): string => [
  `mirror ${v.spec.name} is ${v.health.connector}`,
  ...(v.unassigned.length > 0 ? [`${count(v.unassigned.length, 'partition')} held by no running task (${list(v.unassigned, 3)})`] : []),
  ...v.health.traces.slice(0, 2),
].join(', ');

const stuck = (views: readonly MirrorView[], ms: number): Failure => {
  const behind = views.flatMap((v) => v.at).filter((s) => s.lag > 0n);
  return new Failure('MirrorStuck', `No progress for ${ms} ms at most: ${views.map(describe).join('; ')}; ${behind.length === 0 ? 'nothing to copy' : list(behind.map((s) => `${s.key} lags ${s.lag}`))}.`);
};
