/** What groups have left to read, at however many places they stand; and how often the clusters are asked for it. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { unreadOf } from '../../src/activities/drained.ts';
import type { Work } from '../../src/activities/work.ts';
import { cutSets } from '../../src/domain/cutsets.ts';
import type { Migration } from '../../src/domain/migration.ts';
import { application, migration } from '../fakes/migrations.ts';
import { context, FakeWorld, looking } from './fake-ports.ts';

const many = (n: number, of: string): readonly string[] => Array.from({ length: n }, (_, i) => `${of}${i}`);
/** Each topic with a writer of its own, so that each is a cut set. */
const reading = (groups: readonly string[], topics: readonly string[]): Migration =>
  migration('m', [...topics.map((t) => application(`writes-${t}`, { writes: [t] })), ...groups.map((g) => application(`reads-${g}`, { reads: { [g]: topics } }))]);

/** Records, markers and what was aborted, in turns; below 3 retention has been, at 10 and 11 compaction. */
function log(): FakeWorld {
  const w = new FakeWorld();
  w.source.topic('orders', 2);
  for (const text of ['a', 'b', 'c', 'aborted x', 'd', 'e', '', '', 'f', 'aborted y', 'g', 'h', 'aborted z', '', 'aborted z', '']) if (text === '') w.source.marker('orders', 0); else w.source.write('orders', 0, text);
  w.source.trim('orders', 0, 3n);
  const { records } = w.source.log({ topic: 'orders', partition: 0 });
  records.splice(0, records.length, ...records.filter((r) => r.offset !== 10n && r.offset !== 11n));
  return w;
}
for (const until of [undefined, 14n, 10n, 7n, 3n]) test(`a group at every place of a log that ends ${until === undefined ? 'where it ends' : `at ${until}`}: unread exactly where a visible record follows`, async () => {
  const w = log();
  const end = until ?? w.source.log({ topic: 'orders', partition: 0 }).next;
  const visible = [4n, 5n, 8n].filter((at) => at < end);
  const groups = many(18, 'g');
  groups.forEach((g, i) => { if (i > 0) w.source.place(g, 'orders', 0, BigInt(i - 1)); });
  const x = { m: reading(groups, ['orders']), groups, topics: ['orders'], on: 'source' as const, ...(until === undefined ? {} : { until: new Map([['orders/0', until]]) }) };
  const unread = await unreadOf(w.ports(), x);
  for (const [i, group] of groups.entries()) {
    const from = BigInt(Math.max(3, i - 1));
    const left = unread.find((u) => u.group === group && u.key === 'orders/0')?.atMost;
    assert.equal(left, visible.some((at) => at >= from) ? end - from : 0n, `${group} at ${i === 0 ? 'no position' : i - 1}`);
  }
  assert.ok(unread.filter((u) => u.key === 'orders/1').every((u) => u.atMost === 0n), 'the other partition is empty');
  // Each alone is told the same as among the others.
  for (const group of groups) assert.deepEqual(await unreadOf(w.ports(), { ...x, groups: [group] }), unread.filter((u) => u.group === group));
});

/** Calls of each kind that `act` makes on both clusters. */
async function asked(w: FakeWorld, act: (work: Work) => Promise<unknown>): Promise<Readonly<Record<string, number>>> {
  for (const c of [w.source, w.target]) c.calls.length = 0;
  await act(w.work());
  return Object.fromEntries([w.source, w.target].flatMap((c) => [...Map.groupBy(c.calls, (call) => call)].map(([call, all]) => [`${c.name} ${call}`, all.length] as const)));
}
/** Every topic was cut to the target, with six records on each side; each group stands at another place of the source. */
async function cut(n: { readonly groups: number; readonly topics: number }): Promise<{ readonly w: FakeWorld; readonly m: Migration; readonly groups: readonly string[]; readonly topics: readonly string[] }> {
  const [groups, topics] = [many(n.groups, 'g'), many(n.topics, 't')];
  const [w, m] = [new FakeWorld(), reading(groups, topics)];
  for (const topic of topics) for (const c of [w.source, w.target]) { c.topic(topic, 2); c.write(topic, 0, ...many(60, 'r')); }
  for (const [i, g] of groups.entries()) for (const topic of topics) for (const c of [w.source, w.target]) c.place(g, topic, 0, BigInt(i));
  const work = w.work();
  for (const set of cutSets(m)) {
    const x = { m, c: context(`cut/${set.name}`), set, to: 'target' as const };
    await work.markCut({ ...x, before: await work.captureCut(x) });
  }
  return { w, m, groups, topics };
}

test('whether groups have drained is asked as often for forty groups at forty places, and for a dozen topics, as for one', async () => {
  const limits = { ...looking('drain').limits, lagRecords: 5 };
  for (const upTo of ['end', 'nearly', undefined] as const) {
    const glance = async (n: { readonly groups: number; readonly topics: number }) => {
      const { w, m, groups, topics } = await cut(n);
      return asked(w, async (work) => { assert.equal((await work.lookGroupsDrained({ m, c: { ...looking('drain'), limits }, groups, topics, on: 'source', ...(upTo === undefined ? {} : { upTo }) })).done, false); });
    };
    const one = await glance({ groups: 1, topics: 1 });
    assert.equal(one['old tails'], 1);
    assert.deepEqual(await glance({ groups: 40, topics: 1 }), one);
    assert.deepEqual(await glance({ groups: 1, topics: 12 }), one);
  }
});

test('places behind all there is are asked for as often for forty groups and a dozen topics as for one; with a consent too', async () => {
  for (const consented of [false, true]) {
    const set = async (n: { readonly groups: number; readonly topics: number }) => {
      const { w, m, groups, topics } = await cut(n);
      // Without a consent everything on the side they come back to has been read.
      if (!consented) for (const g of groups) for (const topic of topics) w.source.place(g, topic, 0, 60n);
      const c = { ...context('behind'), ...(consented ? { mayRepeat: Object.fromEntries(groups.map((g) => [g, 1_000_000])) } : {}) };
      return asked(w, (work) => work.setPositions({ m, c, groups, to: 'source', how: 'behind', topics, before: {} }));
    };
    const one = await set({ groups: 1, topics: 1 });
    assert.deepEqual(await set({ groups: 40, topics: 1 }), one);
    assert.deepEqual(await set({ groups: 3, topics: 12 }), one);
  }
});
test('what the other side must have drained is asked for once, and the first cut that it has not is told', async () => {
  const set = async (n: { readonly groups: number; readonly topics: number }, drained: boolean) => {
    const { w, m, groups, topics } = await cut(n);
    for (const g of groups) for (const topic of topics) if (drained || topic !== 't1') w.source.place(g, topic, 0, 60n);
    return asked(w, (work) => work.setPositions({ m, c: context('behind'), groups, to: 'target', how: 'behind', topics, before: {} }));
  };
  const one = await set({ groups: 1, topics: 1 }, true);
  assert.deepEqual(await set({ groups: 40, topics: 1 }, true), one);
  assert.deepEqual(await set({ groups: 2, topics: 12 }, true), one);
  await assert.rejects(set({ groups: 2, topics: 3 }, false), { type: 'NotExact', message: /Before cut 1 g0 has at most 60 unread in t1\/0, g1 has at most 59 unread in t1\/0 on cluster old; behind all of it they would never be read/ });
});
