/** A producer id that is used up: each transaction of a task raises its epoch, and the one that fills it gets the task another id. */
import assert from 'node:assert/strict';
import { initProducerIdV4 } from '@platformatic/kafka';
import { openWire } from '../../../src/adapters/kafka/wire.ts';
import type { Field } from './field.ts';

const fullEpoch = 32_767;
/** The coordinator is done with the request before. */
const concurrentTransactions = 51;

/** Raises the epoch as thousands of transactions would, until the cluster hands out another producer id. Answers how often. */
export async function useUp(f: Field, owner: { readonly transactionalId: string; readonly producerId: bigint | null }): Promise<number> {
  const wire = openWire({ name: 'new', ...(f.catalog.clusters['new'] ?? assert.fail('no target')) });
  try {
    const [node] = [...(await wire.coordinators('transaction', [owner.transactionalId])).keys()];
    const to = await wire.connection(node ?? assert.fail('no coordinator'));
    for (let raised = 0; raised <= fullEpoch;) {
      const answer = await initProducerIdV4.api.async(to, owner.transactionalId, 60_000, -1n, -1);
      if (answer.errorCode === concurrentTransactions) continue;
      assert.equal(answer.errorCode, 0);
      raised += 1;
      if (answer.producerId !== owner.producerId) return raised;
    }
    return assert.fail('the epoch is never full');
  } finally {
    await wire.close();
  }
}
