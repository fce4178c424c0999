/** A rehearsal under live traffic: the figures it gives, and that of everything real nothing was touched. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { migration } from '../../demo/applications.ts';
import type { Stage } from '../../demo/stage.ts';
import { openCluster, type KafkaCluster } from '../../src/adapters/kafka/cluster.ts';
import { createLedger, ledgerTopic } from '../../src/adapters/ledger/ledger.ts';
import { partsText, type Rehearsed } from '../../src/domain/rehearsed.ts';
import { shadowPrefix } from '../../src/domain/topic-names.ts';
import { reservePorts } from '../../stack/ports.ts';
import { cutover, type Ran, type Terminal } from '../cli/terminal.ts';
import { assertMoved, setScene } from './scene.ts';

const outage = { budgetMs: 20_000, undoReserveMs: 5_000 };
const topics = ['orders', 'enriched'];

/** All that is real, but for what its own applications change all the time. */
async function reality(stage: Stage, clusters: readonly KafkaCluster[]): Promise<unknown> {
  const [source] = clusters;
  assert.ok(source);
  const writers = await Promise.all((await source.ends(topics)).map(async (e) => (await source.records.writers({ ...e, from: e.logStart, to: e.lso })).map((w) => String(w.producerId)).sort().join()));
  const groups = (await source.groups('all')).filter((g) => !g.group.startsWith(shadowPrefix));
  const names = groups.map((g) => g.group);
  return {
    topics: (await Promise.all(clusters.map((c) => c.topics('all')))).map((all) => all.filter((t) => t.name !== ledgerTopic && !t.internal)),
    writers: [...new Set(writers)].sort(),
    groups: groups.map((g) => [g.group, g.members.map((m) => m.memberId).sort()]),
    moved: (await Promise.all(clusters.slice(1).map((c) => c.committed(names)))).flatMap((m) => [...m.values()].flat()),
    rules: await Promise.all(clusters.map(async (c) => [await c.denyRules([...topics, ...topics.map((t) => `${shadowPrefix}demo.${t}`)]), await c.groupDenyRules([...names, ...names.map((g) => `${shadowPrefix}demo.${g}`)])])),
    fleets: stage.supervisor.events,
  };
}

test('cutover rehearse, interrupted and then to its end: each outage measured, shadows removed, everything real as before, 0 lost, 0 twice', async () => {
  await using resources = new AsyncDisposableStack();
  const folder = mkdtempSync(join(tmpdir(), 'cutover-rehearse-'));
  resources.defer(() => { rmSync(folder, { recursive: true }); });
  const reserved = await reservePorts(1);
  resources.defer(() => { reserved.release(); });
  const [port] = reserved.ports;
  const stage = await setScene(resources, { variant: 'sasl', fleets: { 'stand-ins': { kind: 'webhook', url: `http://127.0.0.1:${port}/`, beside: true, timeoutMs: 15_000 } } });
  const clusters = [stage.stack.source, stage.stack.target].map((c) => {
    const login = c.login('admin');
    assert.ok(login);
    return openCluster(c.catalogName, { bootstrap: c.bootstrap, sasl: { mechanism: login.mechanism, username: login.username, password: `file:${login.passwordFile}` } });
  });
  resources.defer(async () => { await Promise.all(clusters.map((c) => c.close())); });
  const file = join(folder, 'demo.json');
  writeFileSync(file, JSON.stringify({ ...migration({ copies: true, principals: true, budgetMs: outage.budgetMs }), outage }));
  Object.assign(process.env, { TEMPORAL_ADDRESS: stage.stack.temporal.address, TEMPORAL_NAMESPACE: stage.stack.temporal.namespace });
  const rehearse = (x: Terminal): Promise<Ran> => cutover(['rehearse', file, '--scheme', 'stopRestartRepeat', '--catalog', stage.stack.catalogFile, '--task-queue', stage.taskQueue, '--records', '200', '--json'], x);
  const before = await reality(stage, clusters);

  const ctrlC = new AbortController();
  const interrupted = await rehearse({ interrupted: ctrlC.signal, told: (text) => { if (text.includes('prepare/')) ctrlC.abort(); } });
  assert.equal(interrupted.code, 1);
  assert.match(interrupted.out, /"verdict": "no-go"[\s\S]*"interrupted\."/, interrupted.err);
  assert.doesNotMatch(interrupted.err, /Left of the rehearsal/);
  assert.deepEqual(await reality(stage, clusters), before);

  const { code, out, err } = await rehearse({ told: (text) => { process.stdout.write(`  ${text}`); } });
  assert.equal(code, 0, `${err}\n${out}`);
  const result = JSON.parse(out) as Rehearsed & { readonly left: readonly string[] };
  for (const c of result.cuts) console.log(`  ${c.name}: ${c.wholeMs} ms (${partsText(c)}); ${c.silentMs} ms without a record`);
  assert.deepEqual([result.verdict, result.reasons, result.left, result.notes], ['go', [], [], []]);
  assert.deepEqual(result.cuts.map((c) => [c.name, c.outcome]), [['enriched', 'opened'], ['orders', 'opened']]);
  for (const c of result.cuts) assert.ok(c.wholeMs > 0 && c.wholeMs <= 15_000 && c.silentMs !== null && c.silentMs > 0, JSON.stringify(c));

  assert.deepEqual(await reality(stage, clusters), before);
  const kept = await createLedger((name) => clusters.find((c) => c.name === name) ?? assert.fail(name)).read('old', 'rehearsal/');
  assert.deepEqual([...kept.keys()], ['rehearsal/cutover/old/new/demo']);
  await assertMoved(stage, 'source');
});
