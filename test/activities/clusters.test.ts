/** Before anything is touched: what is refused, all at once, and what differs later. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { application, migration } from '../fakes/migrations.ts';
import { context, FakeWorld, looking } from './fake-ports.ts';

const world = (): FakeWorld => {
  const w = new FakeWorld();
  w.source.topic('orders', 2);
  w.source.topic('orders-dlq', 1);
  w.source.topic('__consumer_offsets', 1);
  w.source.place('billing', 'orders', 0, 0n);
  w.fleets.set('shop', { source: 2, target: 0 });
  return w;
};
const m = migration('m', [application('shop', { writes: ['orders*'] }), application('billing', { reads: { billing: ['orders'] } })], { topics: ['orders*'] });

test('patterns become names, internal topics stay out, and the inventory is what was found', async () => {
  const { migration: resolved, inventory } = await world().work().assess({ m, scheme: 'stopRestartRepeat' });
  assert.deepEqual(resolved.topics, ['orders', 'orders-dlq']);
  assert.deepEqual(resolved.applications[0]?.writes, ['orders', 'orders-dlq']);
  assert.deepEqual(inventory.groups, ['billing']);
  assert.deepEqual(inventory.topics.map((t) => [t.name, t.partitions]), [['orders', 2], ['orders-dlq', 1]]);
});

test('every fault in one message', async () => {
  const w = world();
  w.target.clusterId = w.source.clusterId;
  w.source.place('nobody-knows', 'orders', 1, 0n);
  w.source.groups.set('billing', { type: 'share', members: [] });
  w.source.topic('billing-store-changelog', 1);
  const bad = migration('m', [
    { ...application('shop', { writes: ['orders'] }), fleet: 'nowhere' },
    application('billing', { reads: { billing: ['orders', 'missing'] } }),
  ], { topics: ['orders', 'missing', 'nothing-*'], connect: 'elsewhere' });
  await assert.rejects(w.work().assess({ m: bad, scheme: 'stopRestartRepeat' }), (e: Error & { type?: string; nonRetryable?: boolean }) => {
    for (const part of ['same Kafka cluster', 'no fleet called "nowhere"', 'no Connect worker called "elsewhere"', 'no topic "missing"', 'pattern "nothing-*" matches no topic', 'group nobody-knows reads these topics', 'share group', 'Kafka Streams'])
      assert.ok(e.message.includes(part), `${part} is missing in: ${e.message}`);
    return e.type === 'BadMigration' && e.nonRetryable === true;
  });
});

test('a cluster that the catalog does not have is told together with other unknown names', async () => {
  await assert.rejects(world().work().assess({ m: { ...m, target: 'mars', connect: 'elsewhere' }, scheme: 's' }), /no cluster called "mars"[\s\S]*no Connect worker called "elsewhere"/);
});

test('what differs later is told; a declared group that comes is no difference', async () => {
  const w = world();
  const { migration: resolved, inventory } = await w.work().assess({ m, scheme: 's' });
  const ask = { m: resolved, c: context('hold'), inventory };
  assert.deepEqual(await w.work().reassess(ask), []);
  w.source.topic('orders', 3);
  w.source.place('late', 'orders', 0, 0n);
  const found = await w.work().reassess(ask);
  assert.deepEqual(found.length, 3);
  assert.match(found.join('\n'), /group late .* not declared\n.*has 3 partitions.*\n.*created again/);
});

test('a reader that never committed is found by what it is assigned and named; a Connect worker group is no reader', async () => {
  const w = world();
  const { migration: resolved, inventory } = await w.work().assess({ m, scheme: 's' });
  const ask = { m: resolved, c: looking('inventory'), inventory };
  w.source.groups.set('connect-cluster', { type: 'classic', protocolType: 'connect', members: [{ memberId: 'w-1', clientId: 'connect-1', host: '/10.0.0.1', instanceId: null }] });
  assert.match((await w.work().lookInventory(ask)).say, /2 topics, their partitions and ids, and 1 group are as when the migration started; nobody undeclared/);
  w.source.groups.set('shadow', { type: 'consumer', protocolType: 'consumer', members: [{ memberId: 'm-1', clientId: 'shadow-app', host: '/10.0.0.7', instanceId: null, reads: [{ topic: 'orders', partition: 1 }] }] });
  w.source.groups.set('elsewhere', { type: 'consumer', protocolType: 'consumer', members: [{ memberId: 'm-2', clientId: 'other', host: '/10.0.0.8', instanceId: null, reads: [{ topic: 'payments', partition: 0 }] }] });
  await assert.rejects(w.work().lookInventory(ask), (e: Error & { type?: string }) => e.type === 'Drift' && /group shadow reads these topics on cluster old and is not declared: shadow-app \/10\.0\.0\.7 \(member m-1; reads orders\/1\)/.test(e.message) && !/elsewhere|connect-cluster/.test(e.message));
  await assert.rejects(w.work().assess({ m, scheme: 's' }), /group shadow reads these topics/);
});

test('a share group with members blocks until it is declared, and so do partitions added on either side', async () => {
  const w = world();
  const { migration: resolved, inventory } = await w.work().assess({ m, scheme: 's' });
  w.source.groups.set('sharing', { type: 'share', state: 'Stable', members: [] });
  w.target.topic('orders', 3);
  assert.deepEqual(await w.work().reassess({ m: resolved, c: context('hold'), inventory }), [
    'share group sharing has members on cluster old, may read these topics, and is not declared', 'topic orders has 3 partitions on cluster new, wanted 2',
  ]);
  assert.deepEqual(await w.work().reassess({ m: { ...resolved, groups: { sharing: 'leave' } }, c: context('hold'), inventory }), ['topic orders has 3 partitions on cluster new, wanted 2']);
});

test('locks are taken by cluster id and given back', async () => {
  const w = world();
  const { migration: resolved, inventory } = await w.work().assess({ m, scheme: 's' });
  const ask = { m: resolved, c: context('lock'), inventory, owner: 'cutover/old/new/m' };
  const done = await w.work().acquireLock(ask);
  assert.deepEqual([...w.locks], [['id-old', 'cutover/old/new/m'], ['id-new', 'cutover/old/new/m']]);
  assert.ok(done.toMs >= done.fromMs);
  await w.work().releaseLock(ask);
  assert.equal(w.locks.size, 0);
});

test('only registered search attributes are answered', async () => {
  assert.deepEqual(await world().work().environment({ names: ['CutoverPhase', 'CutoverState'] }), { searchAttributes: ['CutoverState'] });
});

test('preflight: fine, and says what it could not check', async () => {
  const w = world();
  const { migration: resolved } = await w.work().assess({ m, scheme: 's' });
  const l = await w.work().lookReady({ m: resolved, c: looking('ready'), scheme: 's' });
  assert.equal(l.done, true);
  assert.match(l.say, /2 topics on old/);
  assert.match(l.say, /skipped: the ledger on old, which the first write creates/);
  assert.match(l.say, /no fence: cluster old has no authorizer/);
  assert.equal(w.source.topics.has('__cutover.ledger'), false, 'a preflight writes nothing');
});

test('preflight: what no fence will stop is said, on either side', async () => {
  const w = world();
  const { migration: resolved } = await w.work().assess({ m, scheme: 's' });
  for (const c of [w.source, w.target]) c.authorizer = 'present';
  w.source.superUsers = ['User:shop'];
  const { say } = await w.work().lookReady({ m: resolved, c: looking('ready'), scheme: 's' });
  for (const part of [/a fence is possible on old for orders; on old: User:shop is a super user, whom no rule stops/, /a fence is possible on new for orders; unknown: who the super users of new are/]) assert.match(say, part);
});

test('preflight: a mirror that writes as a fenced application would be refused by the fence', async () => {
  const w = world();
  const { migration: resolved } = await w.work().assess({ m, scheme: 's' });
  w.target.authorizer = 'present';
  w.proof = { ...w.proof, principal: 'User:shop' };
  await assert.rejects(w.work().lookReady({ m: resolved, c: looking('ready'), scheme: 's' }), /the fence on new denies User:shop to write until the opening, and Connect worker connect-new writes the copies as User:shop/);
});

test('preflight: everything that stands in the way, at once', async () => {
  const w = world();
  const { migration: resolved } = await w.work().assess({ m, scheme: 's' });
  w.target.topic('orders', 3, { 'message.timestamp.type': 'LogAppendTime', 'min.insync.replicas': '2' });
  w.target.write('orders', 0, 'foreign');
  w.fleets.set('billing', { source: 0, target: 1 });
  await assert.rejects(w.work().lookReady({ m: resolved, c: looking('ready'), scheme: 's' }), (e: Error) => {
    for (const part of ['3 partitions on cluster new; wanted 2', 'already holds records in orders/0', 'LogAppendTime', 'min.insync.replicas=2 with 1 replica', 'billing already runs on cluster new'])
      assert.ok(e.message.includes(part), `${part} is missing in: ${e.message}`);
    return true;
  });
});
