/** What every operation on a mirror works with: its connector, its two clusters, and how long it may take. */
import { Failure } from '../../domain/failures.ts';
import type { Cluster, MirrorSpec, Until } from '../../domain/ports.ts';
import { pause, type Patience } from '../connect/http.ts';
import type { ConnectRest } from '../connect/rest.ts';

export interface Place {
  readonly spec: MirrorSpec;
  readonly rest: ConnectRest;
  /** `group.id` of the Connect worker: the prefix of its transactional ids. */
  readonly groupId: string;
  readonly from: Cluster;
  readonly to: Cluster;
}

/** For reads that have no clock of their own. */
export const reading: Patience = { timeoutMs: 30_000 };
/** The patience that is left of an outage, at most `capMs`; every request checks the clock first. */
export const patience = (until: Until, capMs = 30_000): Patience => ({ timeoutMs: until.timeoutMs(capMs), signal: until.signal, before: () => until.check() });

export const absent = (p: Place): Failure =>
  new Failure('MirrorStuck', `Connector ${p.spec.name} does not exist on Connect at ${p.rest.url}.`, 'Somebody deleted it, or it was never created: roll back, or create the mirror again.');

/** Looks until there is something to return; `seen` says what was there instead. `MirrorStuck` when the time is over. */
export async function poll<T>(
  of: { readonly p: Place; readonly until: Until; readonly capMs: number; readonly wanted: string },
  look: () => Promise<{ readonly done: T } | { readonly seen: string }>,
): Promise<T> {
  const endMs = Date.now() + of.until.timeoutMs(of.capMs);
  for (let waitMs = 25; ; waitMs = Math.min(waitMs * 2, 250)) {
    const now = await look();
    if ('done' in now) return now.done;
    of.until.signal.throwIfAborted();
    if (Date.now() + waitMs > endMs)
      throw new Failure('MirrorStuck', `Connector ${of.p.spec.name} on Connect at ${of.p.rest.url} is not ${of.wanted}: ${now.seen}.`);
    await pause(waitMs, of.until.signal);
  }
}
