/** What the ledger keeps in memory between reads, over a cluster of canned records. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createLedger, ledgerTopic, type LedgerCluster } from '../../../src/adapters/ledger/ledger.ts';

/** A log of journals, each replacing the one before; `reads` are the offsets from which it was read. */
function canned(): { readonly cluster: LedgerCluster; readonly reads: bigint[]; readonly write: (key: string, value: Buffer) => void } {
  const log: { key: Buffer; value: Buffer }[] = [];
  const reads: bigint[] = [];
  const never = async (): Promise<never> => assert.fail('nothing is written here');
  const cluster = {
    name: 'old', facts: never, createTopics: never, topics: never, append: never,
    stableEnd: async () => ({ topicId: 'one', lso: BigInt(log.length) }),
    ends: async () => [{ topic: ledgerTopic, partition: 0, logStart: 0n, lso: BigInt(log.length), hw: BigInt(log.length) }],
    records: {
      async *contents({ from, to }: { readonly from: bigint; readonly to: bigint }) {
        reads.push(from);
        for (let at = Number(from); at < Number(to); at++) yield { offset: BigInt(at), key: log[at]?.key ?? null, value: log[at]?.value ?? null };
      },
    },
  } as unknown as LedgerCluster;
  return { cluster, reads, write: (key, value) => { log.push({ key: Buffer.from(key), value }); } };
}

test('a journal that was written again and again counts once: the log is not read from its beginning each time', async () => {
  const { cluster, reads, write } = canned();
  const ledger = createLedger(() => cluster);
  const journal = Buffer.alloc(1 << 20, 'j');
  // More than is kept in memory, but for being the same entry.
  for (let i = 0; i < 150; i++) write('run/journal', journal);
  assert.equal((await ledger.read('old', 'run/')).size, 1);
  write('run/journal', Buffer.from('last'));
  assert.equal((await ledger.read('old', 'run/')).get('run/journal'), 'last');
  assert.deepEqual(reads, [0n, 150n]);
});
