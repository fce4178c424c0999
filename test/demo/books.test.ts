/** The demo's bookkeeping must find what it is there to find: planted losses, repeats and disorder. */
import assert from 'node:assert/strict';
import { appendFile, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { Books, countDuty } from '../../demo/books.ts';
import { Journal, journalFiles, nextSequences, parseLine, readJournal, type Line } from '../../demo/journal.ts';
import type { Side } from '../../src/domain/authority.ts';

const at = (key: string, seq: number) => ({ key, seq });
const duty = { group: 'billing', topic: 'orders' };
const sent = [at('a', 0), at('a', 1), at('a', 2), at('b', 0)];

for (const { situation, read, want } of [
  { situation: 'everything read once, in order', read: sent, want: { lost: 0, duplicated: 0, reordered: 0 } },
  { situation: 'keys interleaved differently', read: [at('b', 0), at('a', 0), at('a', 1), at('a', 2)], want: { lost: 0, duplicated: 0, reordered: 0 } },
  { situation: 'one never read', read: [at('a', 0), at('a', 2), at('b', 0)], want: { lost: 1, duplicated: 0, reordered: 0 } },
  { situation: 'one read three times', read: [...sent, at('b', 0), at('b', 0)], want: { lost: 0, duplicated: 2, reordered: 0 } },
  { situation: 'a rewind by two: repeats, not disorder', read: [...sent, at('a', 1), at('a', 2)], want: { lost: 0, duplicated: 2, reordered: 0 } },
  { situation: 'two of one key swapped', read: [at('a', 1), at('a', 0), at('a', 2), at('b', 0)], want: { lost: 0, duplicated: 0, reordered: 1 } },
  { situation: 'nothing read', read: [], want: { lost: 4, duplicated: 0, reordered: 0 } },
  { situation: 'a record read that was never acknowledged: uncertain, neither lost nor repeated', read: [...sent, at('b', 1)], want: { lost: 0, duplicated: 0, reordered: 0 } },
])
  test(`books: ${situation}`, () => {
    assert.deepEqual(countDuty(duty, sent, read), { ...duty, expected: 4, ...want });
  });

const lines: readonly Line[] = [
  { is: 'next', key: 'a', seq: 7 }, { is: 'ready', atMs: 10 }, { is: 'sent', topic: 'orders', key: 'a', seq: 7 },
  { is: 'acked', topic: 'orders', partition: 3, offset: '9007199254740993', key: 'a', seq: 7, atMs: 11 },
  { is: 'consumed', group: 'billing', topic: 'orders', partition: 3, offset: '9007199254740993', key: 'a', seq: 7, atMs: 12 }, { is: 'end', atMs: 13 },
];
const folder = async (): Promise<{ readonly path: string } & AsyncDisposable> => {
  const path = await mkdtemp(join(tmpdir(), 'cutover-books-'));
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true }) };
};
const run = (application: string, side: Side, atMs: number) => ({ application, instance: '0-1', side, pid: 1, atMs });

test('journal: what is written is read back, a line cut off by a kill is left out', async () => {
  await using f = await folder();
  const journal = new Journal(f.path, run('shop', 'source', 1));
  journal.write(lines);
  journal.close();
  const [file = ''] = await journalFiles(f.path);
  await appendFile(file, 'acked orders 3 12');
  assert.deepEqual(await readJournal(file), { run: run('shop', 'source', 1), lines });
});

for (const text of ['', 'acked orders 3 1 a 1', 'consumed billing orders x 1 a 1 2', 'run shop', 'sent orders a -1'])
  test(`journal: "${text}" is no line of it`, () => { assert.throws(() => parseLine(text), /Not a line/); });

test('journal: the next run of an instance goes on behind everything that was ever sent', async () => {
  await using f = await folder();
  const write = (atMs: number, side: Side, ls: readonly Line[]): void => { const j = new Journal(f.path, run('shop', side, atMs)); j.write(ls); j.close(); };
  write(1, 'source', [{ is: 'next', key: 'a', seq: 0 }, { is: 'next', key: 'b', seq: 5 }, { is: 'sent', topic: 'orders', key: 'a', seq: 0 }]);
  write(2, 'target', [{ is: 'next', key: 'a', seq: 1 }, { is: 'next', key: 'b', seq: 5 }, { is: 'sent', topic: 'orders', key: 'a', seq: 1 }]);
  write(3, 'target', []); // killed before it could write anything
  assert.deepEqual(Object.fromEntries(await nextSequences(f.path, { application: 'shop', instance: '0-1' })), { a: 2, b: 5 });
  assert.equal((await nextSequences(f.path, { application: 'shop', instance: '1-1' })).size, 0);
  // A second set that began before the first one was started again, and sent after it had stopped.
  write(4, 'target', [{ is: 'next', key: 'a', seq: 2 }, { is: 'sent', topic: 'orders', key: 'a', seq: 8 }]);
  write(5, 'source', [{ is: 'next', key: 'a', seq: 2 }, { is: 'sent', topic: 'orders', key: 'a', seq: 3 }]);
  assert.equal((await nextSequences(f.path, { application: 'shop', instance: '0-1' })).get('a'), 9);
});

test('books: outages, uncertain records and missing derived ones are read off the journals, also while they grow', async () => {
  await using f = await folder();
  const acked = (topic: string, key: string, seq: number, atMs: number): Line => ({ is: 'acked', topic, partition: 0, offset: String(seq), key, seq, atMs });
  const consumed = (seq: number, atMs: number): Line => ({ is: 'consumed', group: 'billing', topic: 'orders', partition: 0, offset: String(seq), key: 'a', seq, atMs });
  const books = new Books(f.path);
  const open = (application: string, side: Side, atMs: number) => new Journal(f.path, run(application, side, atMs));
  const [shop, shopLater, billing, billingLater] = [open('shop', 'source', 1), open('shop', 'target', 500), open('billing', 'source', 2), open('billing', 'target', 700)];
  shop.write([{ is: 'sent', topic: 'orders', key: 'a', seq: 0 }, acked('orders', 'a', 0, 100), { is: 'sent', topic: 'orders', key: 'a', seq: 1 }]);
  billing.write([consumed(0, 120)]);
  await books.refresh();
  assert.equal(books.acknowledged('orders'), 1);
  shopLater.write([{ is: 'sent', topic: 'orders', key: 'a', seq: 2 }, acked('orders', 'a', 2, 640), { is: 'sent', topic: 'enriched', key: 'a', seq: 0 }, acked('enriched', 'a', 0, 650)]);
  await books.refresh();
  assert.deepEqual(books.outstanding([duty]), [{ ...duty, records: 1 }]);
  billingLater.write([consumed(2, 820)]);
  await books.refresh();
  const count = books.count([duty], [{ from: 'orders', to: 'enriched' }]);
  assert.deepEqual(count.produced, { enriched: 1, orders: 2 });
  assert.equal(count.uncertain, 1);
  assert.deepEqual(count.derived, [{ from: 'orders', to: 'enriched', missing: 1, repeated: 0 }]);
  assert.deepEqual(count.writeOutages, [{ name: 'shop 0-1', ms: 540, from: 'source', to: 'target' }]);
  assert.deepEqual(count.readOutages, [{ name: 'billing', ms: 700, from: 'source', to: 'target' }]);
  for (const j of [shop, shopLater, billing, billingLater]) j.close();
  assert.match(await readFile((await journalFiles(f.path))[0] ?? '', 'utf8'), /^run billing/);
});
