/**
 * Silencing a mirror inside an outage: PUT /stop, so that nothing starts it again, then InitProducerId on each of its
 * transactional ids, so that nothing in flight can still become visible. Stop alone takes 1-2 s; a fence alone is undone by
 * the next restart of a task.
 */
import { Failure } from '../../domain/failures.ts';
import type { Mirrors, Until } from '../../domain/ports.ts';
import type { Timed } from '../../domain/scheme.ts';
import type { Patience } from '../connect/http.ts';
import { mostTasks, transactionalId } from './connector.ts';
import type { Place } from './place.ts';
import { absent, patience } from './place.ts';

type Writers = Awaited<ReturnType<Mirrors['writers']>>;

/** Ids a task of this mirror can have; task numbers begin at 0 and stay below the limit we set. */
const possible = (p: Place): readonly string[] => Array.from({ length: mostTasks }, (_x, task) => transactionalId(p.groupId, p.spec, task));

export async function writersOf(p: Place, how: Patience): Promise<Writers> {
  const tasks = await p.rest.tasks(p.spec.name, how);
  if (!tasks) throw absent(p);
  const own = new Set(tasks.map((t) => transactionalId(p.groupId, p.spec, t.id)));
  const known = await Promise.all([...new Set([...own, ...possible(p)])].map(async (id) => ({ transactionalId: id, producerId: (await p.to.transaction(id))?.producerId ?? null })));
  return known.filter((w) => own.has(w.transactionalId) || w.producerId !== null);
}

/**
 * An id that is spelled wrong would be fenced "successfully", with no effect. So each remembered id must be one that Connect
 * would use for this mirror, and the cluster must know it right before the fence. The producer id itself may have changed
 * since it was remembered: every transaction raises the epoch, and a full epoch brings a new id.
 */
export async function silence(p: Place, writers: Writers, until: Until): Promise<Timed> {
  const fromMs = Date.now();
  const ids = [...new Set([...writers.map((w) => w.transactionalId), ...possible(p)])];
  refuseMisspelt(p, writers);
  const remembered = new Set(writers.map((w) => w.transactionalId));
  const [answer, owners] = await Promise.all([p.rest.stop(p.spec.name, patience(until, 10_000)), ownersOf(p, ids)]);
  if (answer === 'absent') throw absent(p);
  const unknown = ids.filter((id) => remembered.has(id) && !owners.has(id));
  if (unknown.length > 0) throw notKnown(p, unknown);
  if (owners.size === 0) throw notKnown(p, ids);
  until.check();
  const fenced = await Promise.all([...owners].map(async ([id, before]) => ({ id, before, after: await p.to.fenceTransactionalId(id, until) })));
  for (const f of fenced) if (f.after.producerId === f.before.producerId && f.after.epoch <= f.before.epoch) throw notFenced(p, f.id);
  return { fromMs, toMs: Date.now() };
}

async function ownersOf(p: Place, ids: readonly string[]): Promise<ReadonlyMap<string, { readonly producerId: bigint; readonly epoch: number }>> {
  const found = await Promise.all(ids.map(async (id) => [id, await p.to.transaction(id)] as const));
  return new Map(found.flatMap(([id, t]) => (t ? [[id, t] as const] : [])));
}

function refuseMisspelt(p: Place, writers: Writers): void {
  const prefix = `${p.groupId}-${p.spec.name}-`;
  const foreign = writers.filter((w) => !w.transactionalId.startsWith(prefix) || !/^\d+$/.test(w.transactionalId.slice(prefix.length)));
  if (foreign.length > 0)
    throw new Failure('MirrorStuck', `Mirror ${p.spec.name} cannot be silenced by fencing ${foreign.map((w) => w.transactionalId).join(', ')}: its transactional ids begin with ${prefix}.`, 'Nothing was fenced; roll back.');
}

const notKnown = (p: Place, ids: readonly string[]): Failure =>
  new Failure('MirrorStuck', `Mirror ${p.spec.name} was told to stop, but cluster ${p.spec.to} does not know the transactional ids ${ids.join(', ')}; fencing them would have no effect.`,
    `Check that groupId ${p.groupId} of Connect ${p.spec.connect} in the catalog is the worker's group.id, then retry.`);
const notFenced = (p: Place, id: string): Failure =>
  new Failure('MirrorStuck', `Transactional id ${id} of mirror ${p.spec.name} kept its epoch on cluster ${p.spec.to} after the fence.`, 'Its writes may still become visible; roll back.');
