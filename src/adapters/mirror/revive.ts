/**
 * What does not copy of a mirror that is to run begins anew: tasks that have failed, those whose transactional id the cluster has
 * forgotten, and a connector without tasks. Tasks one by one: restarted together, Connect writes that down first, with a producer
 * which may be forgotten as well.
 * From then on it answers 500 to every restart and every stop, until its workers elect another leader (measured, 4.1).
 */
import type { Revived, Until } from '../../domain/ports.ts';
import { tryRenewing } from './access.ts';
import type { ConfigDeps } from './connector.ts';
import type { Place } from './place.ts';
import { absent, patience, poll } from './place.ts';
import { writersOf } from './silence.ts';
import { tracesOf } from './state.ts';

/** A start takes 1.5 s, several times that on a loaded worker. */
const knownCapMs = 30_000;

/**
 * A connector that starts while its source is out of reach finds no partition to copy: it is RUNNING, without a task, a trace, or
 * a second look, also when the source is back (measured, 4.1).
 */
const idleSaid = 'it runs without a task, as when its source was out of reach when its worker started';

/** `opposing` throws where another mirror copies back. */
export async function revive(p: Place, o: { readonly deps: ConfigDeps; readonly opposing: () => Promise<void> }, until: Until): Promise<Revived> {
  const status = await p.rest.status(p.spec.name, patience(until));
  // Stopped or paused it was told not to run, and nothing of it is brought back.
  if (!status || (status.connector.state !== 'RUNNING' && status.connector.state !== 'FAILED')) return nothing;
  const idle = status.connector.state === 'RUNNING' && status.tasks.length === 0;
  const found = [...tracesOf(status), ...(idle ? [idleSaid] : [])];
  if (found.length === 0) return nothing;
  await o.opposing();
  until.check();
  const renewal = await tryRenewing(p, o.deps, until);
  if (renewal.renewed.length > 0) return { found, ...renewal };
  if ((idle || status.connector.state === 'FAILED') && (await p.rest.restart(p.spec.name, patience(until))) === 'absent') throw absent(p);
  await restartTasks(p, status.tasks.filter((t) => t.state === 'FAILED').map((t) => t.id), until);
  return { found, ...renewal };
}
const nothing: Revived = { found: [], renewed: [], failed: null };

/**
 * Brokers forget a transactional id that nobody has used for a week (`transactional.id.expiration.ms`). Its task shows RUNNING,
 * fails at its next record, and cannot be fenced under a name that nobody knows. Answers the ids that were made known again.
 */
export async function awaken(p: Place, deps: ConfigDeps, until: Until): Promise<readonly string[]> {
  if ((await p.rest.status(p.spec.name, patience(until)))?.connector.state !== 'RUNNING') return [];
  const forgotten = await unknown(p, until);
  if (forgotten.length === 0) return [];
  if ((await tryRenewing(p, deps, until)).renewed.length === 0) await restartTasks(p, forgotten.map((id) => Number(id.slice(id.lastIndexOf('-') + 1))), until);
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
