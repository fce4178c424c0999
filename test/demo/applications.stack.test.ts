/** The demo applications against real brokers: without Cutover they must neither lose, repeat nor reorder, however often restarted. */
import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { Kafka, logLevel } from 'kafkajs';
import { apps, derived, duties, fleets, topics } from '../../demo/applications.ts';
import { Books, type Count } from '../../demo/books.ts';
import { Supervisor } from '../../demo/supervisor.ts';
import { openFleet } from '../../src/adapters/fleet/fleet.ts';
import { startStack } from '../../stack/stack.ts';
import { eventually, untilIn } from '../adapters/fleet/until.ts';

const names = ['billing', 'audit', 'enricher', 'shop'] as const;
const drained = async (books: Books): Promise<boolean> => {
  await books.refresh();
  return books.outstanding(duties).every((d) => d.records === 0);
};
const clean = (c: Count): unknown => ({ duties: c.duties.map(({ lost, duplicated, reordered }) => [lost, duplicated, reordered]), derived: c.derived.map((d) => [d.missing, d.repeated]), uncertain: c.uncertain });

test('demo applications: 20,000 records through four rounds of restarts are counted as 0 lost, 0 repeated, 0 out of order; planted faults are counted', async () => {
  await using stack = await startStack({ temporal: 'none', connects: 'none', target: 'none' });
  const admin = new Kafka({ brokers: [...stack.source.bootstrap], logLevel: logLevel.NOTHING }).admin();
  await admin.connect();
  await admin.createTopics({ topics: topics.map((t) => ({ topic: t.name, numPartitions: t.partitions })) });
  await admin.disconnect();
  const journalFolder = join(stack.folder, 'journal');
  const told: string[] = [];
  await using supervisor = new Supervisor({
    apps: apps({ ratePerSecond: 2_000 }, () => ({})), bootstrap: { source: stack.source.bootstrap, target: stack.source.bootstrap },
    journalFolder, logFolder: join(stack.folder, 'applications'), env: stack.env, stopped: async (a) => { told.push(a); },
  });
  const url = await supervisor.listen();
  const tokenFile = join(stack.folder, 'token');
  await writeFile(tokenFile, supervisor.token, { mode: 0o600 });
  const configs = fleets(url, tokenFile);
  const fleet = (name: string) => openFleet(name, configs[name] ?? assert.fail(name), { secret: (ref) => readFile(ref.slice('file:'.length), 'utf8') });
  const books = new Books(journalFolder);

  for (const name of names) await supervisor.start(name, 'source');
  for (const name of names) await supervisor.ready(name);
  // As Cutover does it: through the fleets, one HTTP, the other a program.
  for (let round = 0; round < 4; round++)
    for (const name of names) {
      await fleet(name).stop(name, untilIn(15_000));
      assert.deepEqual((await fleet(name).ask(name, untilIn(5_000))).source, 0);
      await fleet(name).start(name, 'source', untilIn(15_000));
      await fleet(name).start(name, 'source', untilIn(15_000)); // the same call again changes nothing
      await supervisor.ready(name);
      assert.deepEqual((await fleet(name).ask(name, untilIn(5_000))).source, name === 'shop' ? 2 : 1);
    }
  await eventually('20,000 orders', async () => { await books.refresh(); return books.acknowledged('orders') >= 20_000; }, 60_000);
  await supervisor.stop('shop');
  await eventually('drained', () => drained(books), 30_000);
  for (const name of names) await supervisor.stop(name);
  await books.refresh();

  const count = books.count(duties, derived);
  assert.deepEqual(clean(count), { duties: [[0, 0, 0], [0, 0, 0], [0, 0, 0], [0, 0, 0]], derived: [[0, 0]], uncertain: 0 });
  assert.equal(count.produced['enriched'], count.produced['orders']);
  assert.equal(told.length, 16);
  assert.deepEqual(supervisor.events.filter((e) => e.what === 'killed' || e.what === 'died'), []);
  assert.equal(count.writeOutages.length, 3);
  for (const p of [...count.writeOutages, ...count.readOutages]) assert.ok(p.ms !== null && p.ms > 0 && p.ms < 5_000, JSON.stringify(p));

  await plant(stack.source.bootstrap);
  for (const name of ['billing', 'enricher'] as const) await supervisor.start(name, 'source');
  await eventually('the moved positions show', async () => {
    await books.refresh();
    const now = books.count(duties, derived);
    return now.duties[0]?.duplicated === 5 && now.derived[0]?.repeated === 3;
  }, 15_000);
});

/** What a wrong translation would do: billing reads five orders again, the enricher three. */
async function plant(bootstrap: readonly string[]): Promise<void> {
  const admin = new Kafka({ brokers: [...bootstrap], logLevel: logLevel.NOTHING }).admin();
  await admin.connect();
  for (const [groupId, back] of [['billing', 5], ['enricher', 3]] as const) {
    const [found] = await admin.fetchOffsets({ groupId, topics: ['orders'] });
    const partitions = (found?.partitions ?? []).map((p, i) => ({ partition: p.partition, offset: String(Number(p.offset) - (i === 0 ? back : 0)) }));
    await admin.setOffsets({ groupId, topic: 'orders', partitions });
  }
  await admin.disconnect();
}
