/** Writes copies of records as they stand, with an idempotent producer of its own; what stand-ins write plainly. */
import { initProducerIdV4 } from '@platformatic/kafka';
import { tpKey, type OriginalRecord, type Until } from '../../domain/ports.ts';
import { codeFailure } from './faults.ts';
import { sendBatch } from './once.ts';
import { groupBy } from './read.ts';
import { batchOf } from './scan/compose.ts';
import { within, write } from './write.ts';
import type { ClusterWire } from './wire.ts';

export interface Copier {
  /** Acknowledged by all in-sync replicas. After a failure the fate of these records is uncertain: go on with a new copier. */
  copy(records: readonly OriginalRecord[], until: Until): Promise<void>;
}

/** Of no use to a producer without transactions, and asked for all the same. */
const transactionTimeoutMs = 60_000;

export function openCopier(wire: ClusterWire): Copier {
  const next = new Map<string, number>();
  let owner: Promise<{ readonly producerId: bigint; readonly epoch: number }> | null = null;
  return {
    async copy(records, until) {
      until.check();
      const topics = [...new Set(records.map((r) => r.topic))].sort();
      const doing = { cluster: wire.name, principal: wire.principal, what: `write ${records.length} records to ${topics.join(', ')}`, right: 'WRITE on these topics' };
      const me = await (owner ??= producerIdOf(wire, until));
      await Promise.all([...groupBy(records, tpKey)].map(async ([key, of]) => {
        const [to] = of;
        const sequence = next.get(key) ?? 0;
        if (to === undefined) return;
        await sendBatch({ wire, until, doing }, { to, batch: batchOf(of, { ...me, sequence, kind: 'plain' }), transactionalId: null });
        next.set(key, sequence + of.length);
      }));
    },
  };
}

async function producerIdOf(wire: ClusterWire, until: Until): Promise<{ readonly producerId: bigint; readonly epoch: number }> {
  const doing = { cluster: wire.name, principal: wire.principal, what: 'ask for a producer id', right: 'WRITE on the shadow topics' };
  const node = await within(until, doing, wire.anyNode());
  await wire.version(node, 22, [4, 4]);
  const answer = await write(wire, node, doing, until, (to) => initProducerIdV4.api.async(to, null, transactionTimeoutMs, -1n, -1));
  if (answer.errorCode !== 0) throw codeFailure(answer.errorCode, doing);
  return { producerId: answer.producerId, epoch: answer.producerEpoch };
}
