/** What is counted of a row: from journals as the applications write them, killed ones among them. */
import assert from 'node:assert/strict';
import { appendFileSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import type { Side } from '../../src/domain/authority.ts';
import { Journal, type Line } from '../../demo/journal.ts';
import { tally } from './tally.ts';

function wrote(folder: string, application: string, x: { readonly side: Side; readonly atMs: number }, lines: readonly Line[]): void {
  const journal = new Journal(folder, { application, instance: '0-1', side: x.side, pid: 1, atMs: x.atMs });
  journal.write(lines);
  journal.close();
}
const acked = (seq: number, atMs: number): Line => ({ is: 'acked', topic: 'orders', partition: 0, offset: String(seq), key: 'k', seq, atMs });
const read = (topic: string, seq: number, atMs: number): Line => ({ is: 'consumed', group: 'billing', topic, partition: 0, offset: String(seq), key: 'k', seq, atMs });
const owed = [{ group: 'billing', topic: 'orders', measuredBy: 'orders' }, { group: 'billing', topic: 'enriched', measuredBy: 'orders' }];

test('a record read on both sides is repeated, one that no enriched record was read of is lost, and a kill that hid a commit loses nothing', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'cutover-tally-'));
  try {
    wrote(folder, 'shop', { side: 'source', atMs: 1 }, [acked(1, 100), acked(2, 200)]);
    wrote(folder, 'shop', { side: 'target', atMs: 2 }, [acked(3, 1_700), acked(4, 1_800)]);
    wrote(folder, 'billing', { side: 'source', atMs: 1 }, [read('orders', 1, 110), read('orders', 2, 210), read('enriched', 1, 300)]);
    // The enricher was killed between the commit of 2 and its own note of it: billing read it, so it is there.
    wrote(folder, 'billing', { side: 'target', atMs: 2 }, [read('enriched', 2, 400), read('orders', 2, 1_000), read('orders', 4, 1_810), read('orders', 3, 1_820), read('enriched', 3, 1_900)]);
    // Cut off by a kill: no line yet.
    appendFileSync(join(folder, readdirSync(folder).find((f) => f.startsWith('shop')) ?? ''), 'acked orders 0 9 k 9');
    const { duties, ...all } = await tally(folder, owed);
    assert.deepEqual(all, { acknowledged: 4, lost: 1, duplicated: 1, reordered: 1, writeOutageMs: 1_500 });
    assert.deepEqual(duties.map(({ topic, lost, duplicated, reordered }) => [topic, lost, duplicated, reordered]), [['orders', 0, 1, 1], ['enriched', 1, 0, 0]]);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
