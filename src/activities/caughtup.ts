/** Waiting for mirrors: healthy by what they hold and how they move, never by the state Connect shows. */
import type { Side } from '../domain/authority.ts';
import type { CutSet } from '../domain/cutsets.ts';
import { Failure } from '../domain/failures.ts';
import { tpKey, type MirrorHealth, type MirrorSpec, type Ports } from '../domain/ports.ts';
import type { At } from './boundary.ts';
import { magnitude, type Glance } from './looking.ts';
import { requireMirror } from './connect.ts';
import { bornOf, damageOf, spoken } from './damage.ts';
import { reviving } from './reviving.ts';
import type { LedgerBook } from './ledger.ts';
import { count, list } from './outside.ts';
import { noteUnseen, standings, unseenOf, type Standing } from './unseen.ts';
import type { LookAsk } from './work.ts';

/** What failed is restarted once; what has still failed after this long is said. */
const failedMs = 15_000;
/** A place that has not moved for so long may stand before offsets that are no records, ms. */
const restingMs = 5_000;

/** One mirror as it stands. */
export interface MirrorView {
  readonly spec: MirrorSpec;
  readonly health: MirrorHealth;
  readonly at: readonly Standing[];
  readonly unassigned: readonly string[];
  /** Why its copy is no longer faithful; empty: nothing found. */
  readonly damage: readonly string[];
}
export interface ViewOptions {
  /** With it also what became of the topics since the mirror was made, and what was found before. */
  readonly record?: LedgerBook;
  /** Findings are kept. */
  readonly keep?: At;
  /** Which lags are looked into, besides short ones, for whether there is a record to copy; otherwise all. */
  readonly looksInto?: (s: Standing) => boolean;
}
export async function viewMirror(ports: Ports, x: Omit<LookAsk, 'c'> & { readonly c: Omit<LookAsk['c'], 'before'>; readonly set: CutSet; readonly toward: Side }, { record, keep, looksInto = () => true }: ViewOptions = {}): Promise<MirrorView> {
  const spec = await requireMirror(ports, x);
  const y = { ...x, name: spec.name };
  const [health, progress, born, unseen] = await Promise.all([ports.mirrors.health(spec), ports.mirrors.progress(spec), record ? bornOf(record, x, spec.name) : null, record ? unseenOf(record, y) : new Map<string, never>()]);
  const at = await standings(ports, x, { progress, unseen, looksInto });
  if (record && keep) await noteUnseen(record, y, at, keep);
  const damage = await damageOf(ports, x, { seen: { spec, health, at, born }, record: record ?? null, at: keep ?? null });
  return { spec, health, at, damage, unassigned: at.map((s) => tpKey(s.end)).filter((key) => !health.assigned.includes(key)) };
}
export const isHealthy = (v: MirrorView): boolean => v.health.connector === 'RUNNING' && v.unassigned.length === 0 && v.damage.length === 0;

function refuseDamaged(v: MirrorView): void {
  if (v.damage.length > 0) throw new Failure('MirrorDamaged', spoken(v.spec.name, v.damage));
}

export const caughtUp = (ports: Ports, record: LedgerBook) => ({
  lookCaughtUp(x: LookAsk & { readonly sets: readonly CutSet[]; readonly toward: Side }, at: At): () => Promise<Glance> {
    let last: { readonly ms: number; readonly copied: bigint } | null = null;
    const resting = new Resting(at);
    const revived = reviving(ports, x, { sets: x.sets, toward: x.toward }, at);
    return async () => {
      const views = await Promise.all(x.sets.map((set) => viewMirror(ports, { ...x, set }, { record, keep: at, looksInto: (s) => resting.rests(s) })));
      for (const v of views) refuseDamaged(v);
      const all = views.flatMap((v) => v.at);
      const [lag, worst, copied] = [sum(all.map((s) => s.lag)), all.reduce((w, s) => (s.lag > w ? s.lag : w), 0n), sum(all.map((s) => s.next))];
      const sick = views.filter((v) => !isHealthy(v));
      const nowMs = at.now();
      const perSecond = last && nowMs > last.ms ? Math.max(0, Math.round((Number(copied - last.copied) * 1000) / (nowMs - last.ms))) : null;
      last = { ms: nowMs, copied };
      const failed = views.some((v) => v.health.connector === 'FAILED' || v.health.traces.length > 0);
      const healed = failed || sick.length > 0 || perSecond === 0 ? revived(String(copied)) : '';
      const say = sick.length > 0 ? `${sick.map(describe).join('; ')}${healed === '' ? '' : `; ${healed}`}` : `${healed === '' ? '' : `${healed}; `}${count(lag, 'record')} to copy, at most ${worst} on one partition (wanted ${x.c.limits.lagRecords}).`;
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

/** A mirror that copies is not looked into: its place moves. What it cannot copy, because it is no record, keeps it where it is. */
class Resting {
  readonly #at: At;
  readonly #places = new Map<string, { readonly next: bigint; readonly sinceMs: number }>();
  constructor(at: At) { this.#at = at; }
  rests(s: Standing): boolean {
    const known = this.#places.get(s.key);
    if (known?.next === s.next) return this.#at.now() - known.sinceMs >= restingMs;
    this.#places.set(s.key, { next: s.next, sinceMs: this.#at.now() });
    return false;
  }
}

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
