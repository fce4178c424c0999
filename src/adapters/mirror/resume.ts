/**
 * Resuming a mirror that was silenced, inside an outage that is being undone: without waiting for STOPPED, which alone takes
 * half a second. A status may still show the tasks that the fence has killed; that new ones live is told by their producers,
 * each of which begins by raising the epoch of its transactional id.
 */
import { Failure } from '../../domain/failures.ts';
import type { Until } from '../../domain/ports.ts';
import { mostTasks, transactionalId } from './connector.ts';
import type { Place } from './place.ts';
import { patience } from './place.ts';
import { awaitRunning, awaitStopped, statusNow, told } from './state.ts';

/** New tasks live after 1.3 s, several times that on a loaded worker; then it is done the slow way. */
const soonMs = 15_000;

export async function resume(p: Place, partitions: readonly string[], until: Until): Promise<void> {
  const before = await epochs(p);
  // Told again only where Connect has not done so yet: between the two the tasks go for certain.
  if ((await statusNow(p, until)).connector.state !== 'STOPPED') await told(p, 'stop', until);
  await told(p, 'resume', until);
  try {
    await awaitRunning(p, partitions, until, { capMs: soonMs, also: () => stillDead(p, before, until) });
  } catch (e) {
    if (!(e instanceof Failure) || e.type !== 'MirrorStuck') throw e;
    await told(p, 'stop', until);
    await awaitStopped(p, until);
    await told(p, 'resume', until);
    await awaitRunning(p, partitions, until);
  }
}

interface Epoch { readonly producerId: bigint; readonly epoch: number }
async function epochs(p: Place): Promise<ReadonlyMap<string, Epoch>> {
  const ids = Array.from({ length: mostTasks }, (_x, task) => transactionalId(p.groupId, p.spec, task));
  const found = await Promise.all(ids.map(async (id) => [id, await p.to.transaction(id)] as const));
  return new Map(found.flatMap(([id, t]) => (t ? [[id, t] as const] : [])));
}

/** Names the tasks whose producer is still the one from before; `null`: none. */
async function stillDead(p: Place, before: ReadonlyMap<string, Epoch>, until: Until): Promise<string | null> {
  const [tasks, now] = await Promise.all([p.rest.tasks(p.spec.name, patience(until)), epochs(p)]);
  const dead = (tasks ?? []).map((t) => transactionalId(p.groupId, p.spec, t.id)).filter((id) => {
    const [was, is] = [before.get(id), now.get(id)];
    return !is || (was?.producerId === is.producerId && is.epoch <= was.epoch);
  });
  return dead.length === 0 ? null : `it is RUNNING, but ${dead.join(', ')} ${dead.length === 1 ? 'has' : 'have'} not begun anew`;
}
