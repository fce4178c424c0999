/** What is counted of a stretch of time: from journals as the applications write them, killed ones among them. */
import assert from 'node:assert/strict';
import { appendFileSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import type { Side } from '../../src/domain/authority.ts';
import { Journal, type Line } from '../../demo/journal.ts';
import { Accounts, momentOf, type Tally } from './tally.ts';

function wrote(folder: string, application: string, x: { readonly side: Side; readonly atMs: number }, lines: readonly Line[]): void {
  const journal = new Journal(folder, { application, instance: '0-1', side: x.side, pid: 1, atMs: x.atMs });
  journal.write(lines);
  journal.close();
}
const acked = (seq: number, atMs: number): Line => ({ is: 'acked', topic: 'orders', partition: 0, offset: String(seq), key: 'k', seq, atMs });
const read = (topic: string, seq: number, atMs: number): Line => ({ is: 'consumed', group: 'billing', topic, partition: 0, offset: String(seq), key: 'k', seq, atMs });
const owed = [{ group: 'billing', topic: 'orders', measuredBy: 'orders' }, { group: 'billing', topic: 'enriched', measuredBy: 'orders' }];
const figures = ({ acknowledged, lost, duplicated, reordered, writeOutageMs }: Tally) => ({ acknowledged, lost, duplicated, reordered, writeOutageMs });

test('a record read on both sides is repeated, one that no enriched record was read of is lost, and a kill that hid a commit loses nothing; each in the stretch in which it happened', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'cutover-tally-'));
  try {
    const accounts = new Accounts(folder, owed);
    wrote(folder, 'shop', { side: 'source', atMs: 1 }, [acked(1, 100), acked(2, 200)]);
    wrote(folder, 'billing', { side: 'source', atMs: 1 }, [read('orders', 1, 110), read('orders', 2, 210), read('enriched', 1, 300)]);
    await accounts.refresh();
    assert.deepEqual([accounts.unread(100), accounts.unread(200)], [0, 1]);
    wrote(folder, 'shop', { side: 'target', atMs: 2 }, [acked(3, 1_700), acked(4, 1_800)]);
    // The enricher was killed between the commit of 2 and its own note of it: billing read it, so it is there.
    wrote(folder, 'billing', { side: 'target', atMs: 2 }, [read('enriched', 2, 400), read('orders', 2, 1_000), read('orders', 4, 1_810), read('orders', 3, 1_820), read('enriched', 3, 1_900)]);
    // Cut off by a kill: no line yet.
    appendFileSync(join(folder, readdirSync(folder).find((f) => f.startsWith('shop')) ?? ''), 'acked orders 0 9 k 9');
    await accounts.refresh();
    const all = accounts.between(momentOf(0), momentOf(5_000));
    assert.deepEqual(figures(all), { acknowledged: 4, lost: 1, duplicated: 1, reordered: 1, writeOutageMs: 1_500 });
    assert.deepEqual(all.duties, [{ group: 'billing', topic: 'orders', lost: 0, duplicated: 1, reordered: 1 }, { group: 'billing', topic: 'enriched', lost: 1, duplicated: 0, reordered: 0 }]);
    assert.match(all.examples.join('\n'), /read k#2 of orders again: .* on the source .* on the target/);
    assert.deepEqual(figures(accounts.between(momentOf(0), momentOf(500))), { acknowledged: 2, lost: 0, duplicated: 0, reordered: 0, writeOutageMs: 1_500 });
    assert.deepEqual(figures(accounts.between(momentOf(500), momentOf(1_500))), { acknowledged: 0, lost: 0, duplicated: 1, reordered: 0, writeOutageMs: 1_500 });
    // Read again by the end of the first stretch, behind what was written in it: its, and not the next one's.
    const end = { writtenMs: 500, readMs: 1_500 };
    assert.deepEqual([accounts.between(momentOf(0), end), accounts.between(end, momentOf(1_600))].map((t) => t.duplicated), [1, 0]);
    assert.deepEqual(figures(accounts.between(momentOf(1_750), momentOf(5_000))), { acknowledged: 1, lost: 1, duplicated: 0, reordered: 1, writeOutageMs: 100 });
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test('what a process noted late, because it stood still in between, comes where it was read', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'cutover-tally-'));
  try {
    const accounts = new Accounts(folder, owed);
    const all = async () => { await accounts.refresh(); return figures(accounts.between(momentOf(0), momentOf(Infinity))); };
    wrote(folder, 'shop', { side: 'source', atMs: 1 }, [acked(1, 100), acked(2, 200), acked(3, 300)]);
    wrote(folder, 'billing', { side: 'target', atMs: 2 }, [read('orders', 2, 210), read('orders', 3, 310)]);
    assert.deepEqual(await all(), { acknowledged: 3, lost: 4, duplicated: 0, reordered: 0, writeOutageMs: 100 });
    wrote(folder, 'billing', { side: 'source', atMs: 1 }, [read('orders', 1, 110)]);
    assert.deepEqual(await all(), { acknowledged: 3, lost: 3, duplicated: 0, reordered: 0, writeOutageMs: 100 });
    wrote(folder, 'billing', { side: 'source', atMs: 3 }, [read('orders', 1, 320), read('orders', 2, 50)]);
    // Noted last, and read first of all: what was read of it afterwards was read again, and the one before it came behind it.
    assert.deepEqual(await all(), { acknowledged: 3, lost: 3, duplicated: 2, reordered: 1, writeOutageMs: 100 });
  } finally {
    rmSync(folder, { recursive: true });
  }
});
