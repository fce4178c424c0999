/** Locks and search attributes: what activities ask of Temporal itself. */
import { WithStartWorkflowOperation, type Client } from '@temporalio/client';
import type { Workflow } from '@temporalio/common';
import { Failure } from '../../domain/failures.ts';

/** A workflow id, and the first run id under which its ledger is kept. */
export interface Holder { readonly owner: string; readonly run: string }
/** Per Kafka cluster id one lock workflow; see `workflows/lock.ts`. */
export interface Locks {
  /** Clusters in sorted order; on a refusal what was already taken in this call is given back, and the owner is named. */
  acquire(holder: Holder, topics: Readonly<Record<string, readonly string[]>>): Promise<void>;
  release(holder: Holder, clusterIds: readonly string[]): Promise<void>;
}

const lockId = (clusterId: string): string => `cutover-lock/${clusterId}`;

export function createLocks(client: Client, taskQueue: string): Locks {
  const ask = (clusterId: string, update: 'acquire' | 'release', arg: unknown): Promise<string> =>
    client.workflow.executeUpdateWithStart<Workflow, string, [unknown]>(update, {
      args: [arg],
      startWorkflowOperation: new WithStartWorkflowOperation<Workflow>('lock', { workflowId: lockId(clusterId), taskQueue, args: [], workflowIdConflictPolicy: 'USE_EXISTING', workflowIdReusePolicy: 'ALLOW_DUPLICATE' }),
    });
  return {
    async acquire(holder, topics) {
      const taken: string[] = [];
      for (const [clusterId, names] of Object.entries(topics).sort(([a], [b]) => (a < b ? -1 : 1))) {
        const answer = await ask(clusterId, 'acquire', { ...holder, topics: names });
        if (answer !== 'granted') {
          for (const id of taken) await ask(id, 'release', holder);
          throw new Failure('Drift', `Another migration is at work on cluster ${clusterId}: ${answer}.`, 'Wait for it or roll it back, then retry. If its workflow was terminated, recover it first (cutover recover); where that was this one, reject or roll back here, which undoes nothing of it, and recover the run that is named.');
        }
        taken.push(clusterId);
      }
    },
    async release(holder, clusterIds) {
      for (const id of [...clusterIds].sort()) await ask(id, 'release', holder);
    },
  };
}

/** Names of the custom search attributes that the namespace knows. */
export async function registeredSearchAttributes(client: Client): Promise<readonly string[]> {
  const { customAttributes } = await client.connection.operatorService.listSearchAttributes({ namespace: client.options.namespace });
  return Object.keys(customAttributes ?? {}).sort();
}
