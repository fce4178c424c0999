/**
 * Tasks of a mirror that is to run begin anew: those that have failed, and those whose transactional id the cluster has
 * forgotten. One by one: restarted together, Connect writes that down first, with a producer which may be forgotten as well.
 * From then on it answers 500 to every restart and every stop, until its workers elect another leader (measured, 4.1).
 */
import type { Until } from '../../domain/ports.ts';
import type { Place } from './place.ts';
import { absent, patience, poll } from './place.ts';
import { writersOf } from './silence.ts';
import { tracesOf } from './state.ts';

/** A start takes 1.5 s, several times that on a loaded worker. */
const knownCapMs = 30_000;

/** First lines of what had failed; empty: nothing had, or it is not to run. `opposing` throws where another mirror copies back. */
export async function revive(p: Place, until: Until, opposing: () => Promise<void>): Promise<readonly string[]> {
  const status = await p.rest.status(p.spec.name, patience(until));
  const traces = status ? tracesOf(status) : [];
  // Stopped or paused it was told not to run, and nothing of it is brought back.
  if (!status || traces.length === 0 || (status.connector.state !== 'RUNNING' && status.connector.state !== 'FAILED')) return [];
  await opposing();
  until.check();
  if (status.connector.state === 'FAILED' && (await p.rest.restart(p.spec.name, patience(until))) === 'absent') throw absent(p);
  await restartTasks(p, status.tasks.filter((t) => t.state === 'FAILED').map((t) => t.id), until);
  return traces;
}

/**
 * Brokers forget a transactional id that nobody has used for a week (`transactional.id.expiration.ms`). Its task shows RUNNING,
 * fails at its next record, and cannot be fenced under a name that nobody knows. Answers the ids that were made known again.
 */
export async function awaken(p: Place, until: Until): Promise<readonly string[]> {
  if ((await p.rest.status(p.spec.name, patience(until)))?.connector.state !== 'RUNNING') return [];
  const forgotten = await unknown(p, until);
  if (forgotten.length === 0) return [];
  await restartTasks(p, forgotten.map((id) => Number(id.slice(id.lastIndexOf('-') + 1))), until);
  await poll({ p, until, capMs: knownCapMs, wanted: `writing under transactional ids that cluster ${p.spec.to} knows (is groupId ${p.groupId} in the catalog the worker's group.id?)` }, async () => {
    const open = await unknown(p, until);
    if (open.length === 0) return { done: undefined };
    const status = await p.rest.status(p.spec.name, patience(until));
    return { seen: `its tasks began anew, and ${open.join(', ')} ${open.length === 1 ? 'is' : 'are'} unknown${(status ? tracesOf(status) : []).map((trace) => `; ${trace}`).join('')}` };
  });
  return forgotten;
}
const unknown = async (p: Place, until: Until): Promise<readonly string[]> => (await writersOf(p, patience(until))).filter((w) => w.producerId === null).map((w) => w.transactionalId);

/** A task that is gone was taken away by a rebalance, which has started what there is now. */
async function restartTasks(p: Place, tasks: readonly number[], until: Until): Promise<void> {
  for (const id of tasks) {
    until.check();
    await p.rest.restartTask(p.spec.name, id, patience(until));
  }
}
