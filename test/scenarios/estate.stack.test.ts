/**
 * A small estate on real clusters under live traffic, in four waves: a canary that reads what has not moved yet, the writer, two
 * in one group that read what was cut, and the rest. The writer goes back with those that stand on it; then all is moved and finished.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Client, Connection } from '@temporalio/client';
import { SimulatedFleets, type SimulatedApplication } from '../../bench/simulated-fleets.ts';
import { finishHold } from '../../src/domain/migration.ts';
import type { Progress } from '../../src/domain/progress.ts';
import { createTopics } from '../../stack/access.ts';
import type { Stack } from '../../stack/stack.ts';
import { EstateOperator, is, states } from './estate-operator.ts';
import { lend } from './lent.ts';
import { LiveApplications } from './live-applications.ts';

const taskQueue = 'estate';
const partitions = 2;
const reads = (group: string, ...topics: readonly string[]): SimulatedApplication['reads'] => [{ group, topics }];
const applications: readonly SimulatedApplication[] = [
  { name: 'reports', writes: [], reads: reads('reports', 'orders') },
  { name: 'shop', writes: ['orders'], reads: [] },
  { name: 'shipping', writes: [], reads: reads('shipping', 'orders') },
  // In the group of another application: one position for both, which stop and start together.
  { name: 'dispatch', writes: [], reads: reads('shipping', 'orders') },
  { name: 'billing', writes: ['invoices'], reads: reads('billing', 'orders') },
  { name: 'mail', writes: [], reads: reads('mail', 'invoices') },
  { name: 'books', writes: [], reads: reads('books', 'invoices', 'orders') },
];
const topics = ['orders', 'invoices'];
const hints: Readonly<Record<string, object>> = { reports: { hint: 'canary' }, shop: { wave: 'writer' }, shipping: { wave: 'early' } };
const typed = {
  name: 'small', environment: 'test', source: 'old', target: 'new', connect: 'forward', connectBack: 'back', scheme: 'stopRestartRepeat', waves: [{ name: 'writer' }, { name: 'early' }],
  applications: applications.map((a) => ({ ...a, fleet: a.name, ...hints[a.name] })), outage: { budgetMs: 10_000, undoReserveMs: 3_000 }, limits: { historyEvents: 150 },
};

interface Scene { readonly stack: Stack; readonly client: Client; readonly fleets: SimulatedFleets; readonly live: LiveApplications; readonly operator: EstateOperator }
async function setScene(resources: AsyncDisposableStack): Promise<Scene> {
  const { stack } = await lend('plain');
  await createTopics({ bootstrap: stack.source.bootstrap, login: null }, topics.map((name) => ({ name, partitions })));
  const live = new LiveApplications({ bootstrap: { source: stack.source.bootstrap, target: stack.target.bootstrap }, partitions, everyMs: 100 });
  const fleets = resources.use(await SimulatedFleets.start({ applications, runs: live.run }));
  stack.writeCatalog({ taskQueue, fleets: Object.fromEntries(applications.map((a) => [a.name, { kind: 'webhook', url: `${fleets.url}/${a.name}`, timeoutMs: 15_000 }])) });
  const [connection, worker] = await Promise.all([Connection.connect({ address: stack.temporal.address }), stack.startWorker()]);
  resources.defer(() => connection.close());
  resources.defer(() => worker.stop());
  const client = new Client({ connection, namespace: stack.temporal.namespace });
  const handle = await client.workflow.start('estate', { workflowId: 'cutover-estate/old/new/small', taskQueue, args: [typed] });
  return { stack, client, fleets, live, operator: new EstateOperator(client, handle) };
}
const runningOn = (s: Scene, side: 'source' | 'target'): readonly string[] => applications.map((a) => a.name).filter((name) => s.fleets.count(name)[side] > 0).sort();

test('seven applications in four waves, two of them in one group: two waves go back together, all move and are finished by the estate alone: 0 lost, 0 repeated, 0 reordered', async () => {
  await using resources = new AsyncDisposableStack();
  const s = await setScene(resources);
  const { operator } = s;
  const fromMs = Date.now();
  const tell = (what: string): void => { console.log(`  ${((Date.now() - fromMs) / 1_000).toFixed(1)} s: ${what}`); };
  await operator.approve('begin');
  await operator.move('canary');
  assert.deepEqual(runningOn(s, 'target'), ['reports'], 'the canary reads early, fed by the groundwork');
  tell('the canary has settled, before its writer');
  await operator.move('writer');
  await refusesToFinish(s, 'writer');
  await operator.move('early');
  assert.deepEqual(runningOn(s, 'target'), ['dispatch', 'reports', 'shipping', 'shop']);
  tell('the writer and two of its readers have settled');

  await operator.decide({ kind: 'rollback', wave: 'writer', reason: 'the scenario wants it back' });
  const named = await operator.approve('rollback writer');
  assert.match(named.question?.text ?? '', /in this order: early, writer\?$/);
  await operator.until('the writer is back', 60_000, is('writer', 'back'));
  assert.deepEqual(states(await operator.progress()), { canary: 'settled', writer: 'back', early: 'back', 'wave-1': 'waiting' });
  assert.deepEqual(runningOn(s, 'target'), ['reports']);
  tell('two waves are back on the source, the canary is not');

  for (const wave of ['writer', 'early'] as const) {
    await operator.decide({ kind: 'retry', wave });
    await operator.move(wave);
  }
  tell('they have moved again');
  await operator.move('wave-1');
  assert.deepEqual(runningOn(s, 'source'), []);
  tell('everybody has');
  const { runs } = await operator.approve('finish');
  const result = await operator.handle.result() as { readonly outcome: string; readonly waves: readonly object[] };
  assert.deepEqual(result.waves, ['canary', 'writer', 'early', 'wave-1'].map((name) => ({ name, state: 'finished', attempt: name === 'writer' || name === 'early' ? 2 : 1 })));
  assert.ok(runs > 1, 'the estate continued as new with waves open');
  tell(`finished, after ${runs} runs of the estate`);
  await assertMoved(s);
});

/** Neither the estate nor the wave itself, while a group of what it cut is left on the source. */
async function refusesToFinish({ operator, client }: Scene, wave: string): Promise<void> {
  await operator.decide({ kind: 'finish', wave });
  const p = await operator.asks('finish');
  assert.deepEqual(p.question?.claims.filter((c) => !c.holds).map((c) => c.text), ['Groups of wave early (waiting), wave wave-1 (waiting) still read on old what writer has cut.']);
  await assert.rejects(operator.decide({ kind: 'approve', hash: p.question?.hash }), /not all claims hold/);
  const id = p.waves.find((w) => w.name === wave)?.workflowId ?? '';
  const { question } = await client.workflow.getHandle(id).query<Progress>('progress');
  assert.equal(question?.name, finishHold);
  await assert.rejects(client.workflow.getHandle(id).executeUpdate('decide', { args: [{ by: 'somebody', kind: 'approve', hold: finishHold, hash: question?.hash }] }));
  await operator.decide({ kind: 'reject', reason: 'too early' });
  assert.equal(is(wave, 'settled')(await operator.progress()), true);
}

/** Every record is with every group that reads it, once and in order; nothing of ours is left behind but the ledgers. */
async function assertMoved({ stack, fleets, live }: Scene): Promise<void> {
  await fleets.call('shop', 'stop', '');
  const counts = await live.count(applications, 20_000);
  for (const c of counts) assert.deepEqual([c.lost, c.repeated, c.reordered], [0, 0, 0], JSON.stringify(c));
  assert.ok(counts.every((c) => c.acknowledged > 100), JSON.stringify(counts));
  console.log(`  counted ${counts.map((c) => `${c.acknowledged} ${c.topic} at ${c.group}`).join(', ')}: 0 lost, 0 repeated, 0 reordered`);
  for (const connect of [stack.connect.forward, stack.connect.back]) {
    const answer = await fetch(`${connect.url}/connectors`);
    assert.deepEqual(await answer.json(), [], 'no mirror is left');
  }
}
