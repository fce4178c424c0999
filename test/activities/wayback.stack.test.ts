/** There and back on real clusters, the activities called one after the other: what applications write on either side is on both, once and in order. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { Producer } from 'kafkajs';
import { AclOperations, AclPermissionTypes, ResourcePatternTypes, ResourceTypes } from '@platformatic/kafka';
import { createWork } from '../../src/activities/create.ts';
import type { Work } from '../../src/activities/work.ts';
import { cutSets, type CutSet } from '../../src/domain/cutsets.ts';
import { otherSide, type Side } from '../../src/domain/authority.ts';
import type { Failure } from '../../src/domain/failures.ts';
import { openPorts } from '../../src/worker/ports.ts';
import { withAdmin } from '../../stack/access.ts';
import { allOf, fill, openField, type Field } from '../adapters/mirror/field.ts';
import { noLimit } from '../adapters/kafka/until.ts';
import { application, migration } from '../fakes/migrations.ts';
import { context, looking } from './fake-ports.ts';
import { follows, readAgain, readClassic, readModern, simple, stand } from './standing.ts';

const partitions = 5;
const readers = [...simple, 'classic', 'modern'];
const m = migration('m', [application('shop', { writes: ['orders.v1', 'quiet'] }), application('reader', { reads: Object.fromEntries(readers.map((group) => [group, ['orders.v1']])) })], { connect: 'forward', connectBack: 'back' });
const set = cutSets(m)[0] as CutSet;

let f: Field;
let work: Work;
let ports: ReturnType<typeof openPorts>;
const producers: Partial<Record<Side, Producer>> = {};
let step = 0;
const key = (what: string): string => `${what}-${++step}`;
const ask = (what: string, toward: Side) => ({ m, c: context(key(what)), set, toward });
const soon = (ms: number) => ({ untilMs: Date.now() + ms, mode: 'outage' as const });
const on = (side: Side) => (side === 'source' ? f.source : f.target);

before(async () => {
  f = await openField({ connects: 'both' });
  ports = openPorts(f.catalog);
  work = createWork(ports, {
    registeredSearchAttributes: async () => [], locks: { acquire: async () => undefined, release: async () => undefined },
    surroundings: () => ({ heartbeat: () => undefined, signal: new AbortController().signal, now: () => Date.now() }), looking: { pollMs: 100 },
  });
  for (const side of ['source', 'target'] as const) {
    const producer = f.kafka(f.stack[side]).producer({ idempotent: true, maxInFlightRequests: 1 });
    await producer.connect();
    producers[side] = producer;
  }
  await f.topics({ 'orders.v1': partitions, quiet: 1 });
});
after(async () => {
  await Promise.all(Object.values(producers).map((p) => p.disconnect()));
  await ports?.close();
  await f?.close();
});

let written = 0;
/** Natively on that side: plain, and in transactions of which one is aborted. */
async function write(side: Side, records: number): Promise<void> {
  await fill(producers[side] ?? assert.fail(), 'orders.v1', { partitions, from: written, count: records });
  written += records;
  const writer = f.kafka(f.stack[side]).producer({ transactionalId: `shop-${side}`, idempotent: true, maxInFlightRequests: 1 });
  await writer.connect();
  for (const end of ['commit', 'abort', 'commit'] as const) {
    const transaction = await writer.transaction();
    await transaction.send({ topic: 'orders.v1', messages: Array.from({ length: 10 }, (_x, n) => ({ partition: n % partitions, value: `txn ${written} ${end} ${n}` })) });
    await transaction[end]();
    if (end === 'commit') written += 10;
  }
  await writer.disconnect();
}
/** Until told to stop, in small sends. */
function traffic(side: Side): { stop(): Promise<void> } {
  let going = true;
  const all = (async () => {
    while (going) {
      await fill(producers[side] ?? assert.fail(), 'orders.v1', { partitions, from: written, count: 50 });
      written += 50;
      await new Promise((r) => setTimeout(r, 20)); // the pace, not a wait for anything
    }
  })();
  return { stop: () => ((going = false), all) };
}
const took: string[] = [];
const timed = async <T>(what: string, act: () => Promise<T>): Promise<T> => {
  const fromMs = performance.now();
  const value = await act();
  took.push(`${what} ${Math.round(performance.now() - fromMs)} ms`);
  return value;
};
async function mirror(toward: Side): Promise<{ readonly name: string; readonly say: string }> {
  const x = ask('mirror', toward);
  const named = await work.captureMirror(x);
  const { say } = await timed(`mirror toward the ${toward}`, () => work.createMirror({ ...x, before: named }));
  return { ...named, say };
}
async function cut(to: Side): Promise<void> {
  const captured = ask('silence', to);
  const silence = await work.captureSilence(captured);
  const marked = { m, set, to, c: context(key('cut')) };
  const epoch = await work.captureCut(marked);
  await timed('outage', async () => {
    await work.lookMirrorDrained({ m, set, toward: to, c: looking(key('drain'), soon(20_000)) });
    await timed('silence', () => work.silenceMirror({ ...captured, before: silence }));
    await timed('positions', () => work.setPositions({ m, c: context(key('positions'), soon(10_000)), groups: simple, to, how: 'translated', before: {} }));
    await work.markCut({ ...marked, before: epoch });
    await work.lookCut({ m, set, to, c: looking(key('confirm'), soon(10_000)) });
  });
}
const retire = (toward: Side) => timed('retire', () => work.retireMirrors({ m, c: context(key('retire')), sets: [set], toward }));
async function same(): Promise<void> {
  const [source, target] = await Promise.all((['source', 'target'] as const).map((side) => Promise.all(Array.from({ length: partitions }, (_x, p) => allOf(on(side), 'orders.v1', p)))));
  const prints = (of: typeof source): readonly (readonly string[])[] => (of ?? []).map((p) => p.map((r) => r.fingerprint));
  assert.equal(source?.flat().length, written);
  assert.deepEqual(prints(target), prints(source));
}

test('the way back is proven, with the rights of the logins it will use; without one of them it is not', async () => {
  const l = await timed('proof', () => work.lookWayBack({ m, c: looking(key('prove')), sets: [set] }));
  assert.match(l.say, /group back is Stable with 1 worker/);
  assert.match(l.say, /Connect worker back on old takes the mirror's settings/);
  assert.match(l.say, /User:mm2 may write its topics on old/);
  assert.match(l.say, /User:mm2 may read them on new/);
  assert.match(l.say, /transactional ids like back-cutover-orders.v1-back-.*-check-0/);
  assert.match(l.say, /unknown: whether User:mm2 may write mm2-offset-syncs/);
  const lacks = (says: RegExp): Promise<void> => assert.rejects(work.lookWayBack({ m, c: looking(key('prove')), sets: [set] }), (e: Failure) => e.type === 'MirrorStuck' && says.test(e.message));
  const rule = [{ principal: 'User:mm2', topic: 'orders.v1' }];
  await f.source.deny(rule, noLimit);
  await lacks(/User:mm2 lacks WRITE on topic orders.v1 of old/);
  await f.source.allow(rule, noLimit);
  const denied = {
    resourceType: ResourceTypes.TRANSACTIONAL_ID, resourceName: 'back-cutover', resourcePatternType: ResourcePatternTypes.PREFIXED, principal: 'User:mm2', host: '*',
    operation: AclOperations.WRITE, permissionType: AclPermissionTypes.DENY,
  };
  const admin = { bootstrap: f.stack.source.bootstrap, login: f.stack.source.login('admin') };
  await withAdmin(admin, (a) => a.createAcls({ creations: [denied] }));
  await lacks(/WRITE on transactional id back-cutover-/);
  await withAdmin(admin, (a) => a.deleteAcls({ filters: [denied] }));
  const another = { ...f.catalog, connects: { ...f.catalog.connects, back: { ...f.catalog.connects['back']!, groupId: 'bakc' } } };
  assert.match((await f.mirrorsWith(another).prove({ connect: 'back', name: 'cutover-x', from: 'new', to: 'old', topics: set.topics, seed: [] })).faults.join(), /no live worker in group bakc.*correct groupId/);
  const nameless = { ...f.catalog, connects: { ...f.catalog.connects, back: { url: f.catalog.connects['back']!.url, cluster: 'old', groupId: 'back' } } };
  const proof = await f.mirrorsWith(nameless).prove({ connect: 'back', name: 'cutover-x', from: 'new', to: 'old', topics: set.topics, seed: [] });
  assert.match(proof.unknown.join(), /whether Connect worker back may write on old/);
  assert.equal(proof.principal, undefined);
});

/** The mirror's own batches are no stranger's, whatever ids it wrote under. */
async function nobodyElse(side: Side): Promise<void> {
  const look = await timed(`strangers on the ${side}`, () => work.lookForeign({ m, c: { ...looking(key('foreign')), mode: 'undo' }, sets: [set], on: side, since: 'start' }));
  assert.match(look.say, /^none/);
}

test('forward, back, forward, back: after each stage every record is on both clusters once and in order, and nothing goes round', async () => {
  await write('source', 1_000);
  await mirror('target');
  await nobodyElse('target');
  let [authority, flow]: [Side, ReturnType<typeof traffic>] = ['source', traffic('source')];
  for (const to of ['target', 'source', 'target', 'source'] as const) {
    const caughtUp = await work.lookCaughtUp({ m, c: { ...looking(key('wait')), mode: 'undo' }, sets: [set], toward: to });
    assert.equal(caughtUp.done, true);
    await flow.stop();
    await stand(on(otherSide(to)), { topic: 'orders.v1', partitions });
    await timed('prepare', () => work.preparePositions({ m, c: context(key('prepare')), groups: simple, to }));
    await cut(to);
    await same();
    await follows(on(otherSide(to)), on(to), { topic: 'orders.v1', partitions, groups: simple, metadata: true });
    authority = to;
    await write(authority, 200);
    flow = traffic(authority);
    await retire(to);
    const { name, say } = await mirror(otherSide(to));
    const again = await mirror(otherSide(to));
    assert.equal(again.name, name);
    assert.match(again.say, /nothing was changed/);
    assert.match(say, /behind cut \d.*the first \d+ records it copied are what came after cut/);
    await nobodyElse(otherSide(to));
  }
  await work.lookCaughtUp({ m, c: { ...looking(key('wait')), mode: 'undo' }, sets: [set], toward: 'target' });
  await flow.stop();
  await work.lookMirrorDrained({ m, set, toward: 'target', c: looking(key('drain'), soon(20_000)) });
  await same();
  console.log(`    ${written} records, four cuts, 0 lost, 0 duplicated, order kept; ${took.join(', ')}`);
});

test('after four cuts, wherever groups of each protocol stand on either side, the same records follow on the other', async () => {
  const of = { topic: 'orders.v1', partitions };
  await readClassic(f.kafka(f.stack.source), { ...of, group: 'classic', cluster: f.source });
  await readModern(f.stack.target, { ...of, group: 'modern', cluster: f.target });
  let compared = 0;
  for (const [to, groups] of [['target', [...simple, 'classic']], ['source', [...simple, 'modern']]] as const) {
    await stand(on(otherSide(to)), of);
    const x = { m, c: context(key('positions')), groups, to };
    const forecast = await timed(`forecast toward the ${to}`, () => work.forecastPositions(x));
    assert.deepEqual(forecast.filter((g) => g.kind !== 'exact'), []);
    await timed(`positions toward the ${to}`, () => work.setPositions({ ...x, how: 'translated', before: {} }));
    compared += await follows(on(otherSide(to)), on(to), { ...of, groups });
  }
  console.log(`    ${compared} positions over four cuts, 0 wrong; ${took.slice(-4).join(', ')}`);
  // The fallback by timestamp, on the same logs: nothing is skipped, and as much is read again as it said.
  await stand(f.source, of);
  const x = { m, c: context(key('timestamps')), groups: simple, to: 'target' as const };
  const said = await timed('forecast by timestamp', () => work.forecastPositions({ ...x, how: 'timestamp' }));
  assert.deepEqual(said.filter((g) => g.repeats === 'unknown'), []);
  await work.setPositions({ ...x, how: 'timestamp', before: {}, consents: said.map((g) => ({ group: g.group, repeats: Number(g.repeats) })) });
  const again = await readAgain(f.source, f.target, { ...of, groups: simple });
  assert.deepEqual(again, Object.fromEntries(said.map((g) => [g.group, Number(g.repeats)])));
  console.log(`    by timestamp, read again: ${Object.entries(again).map(([group, n]) => `${group} ${n}`).join(', ')}; ${took.at(-1)}`);
});

test('somebody who writes on the closed side is named; what came too late is carried over once, by who may', async () => {
  const look = { m, c: looking(key('foreign')), sets: [set], on: 'target' as const, since: 'cut' as const };
  const straggler = f.kafka(f.stack.target).producer({ transactionalId: 'forgotten', idempotent: true, maxInFlightRequests: 1 });
  await straggler.connect();
  const transaction = await straggler.transaction();
  await transaction.send({ topic: 'quiet', messages: [{ partition: 0, key: 'k', value: null, headers: { h: ['1', '2'] }, timestamp: '1700000000000' }, { partition: 0, value: 'late' }] });
  await transaction.commit();
  await straggler.disconnect();
  await assert.rejects(timed('strangers found', () => work.lookForeign(look)), (e: Failure) => e.type === 'ForgottenWriter' && /quiet|orders/.test(e.message) && /producer id \d+ \(epoch \d+\), transactional id forgotten: 2 records on quiet\/0 offsets/.test(e.message));
  const x = { m, c: context(key('carry')), set };
  assert.equal((await work.findStragglers(x)).records, 2);
  await assert.rejects(work.carryStragglers(x), (e: Failure) => e.type === 'Unauthorized' && /WRITE on these topics/.test(e.message));
  const grant = { resourceType: ResourceTypes.TOPIC, resourceName: 'quiet', resourcePatternType: ResourcePatternTypes.LITERAL, principal: 'User:cutover', host: '*', operation: AclOperations.WRITE, permissionType: AclPermissionTypes.ALLOW };
  await withAdmin({ bootstrap: f.stack.source.bootstrap, login: f.stack.source.login('admin') }, (a) => a.createAcls({ creations: [grant] }));
  assert.match((await timed('carry', () => work.carryStragglers(x))).say, /carried 2 records of others from new to old/);
  assert.match((await work.carryStragglers(x)).say, /no record of others was left to carry/);
  assert.deepEqual([(await work.findStragglers(x)).records, (await work.findStragglers(x)).carried], [0, 2]);
  const [late] = await Promise.all([allOf(f.target, 'quiet', 0)]);
  assert.deepEqual((await allOf(f.source, 'quiet', 0)).map((r) => r.fingerprint), late.slice(0, 2).map((r) => r.fingerprint));
  assert.deepEqual((await f.source.groups('all')).filter((g) => g.group.startsWith('cutover-carry')).map((g) => g.state), [], 'nothing of the bookkeeping is left');
  console.log(`    ${took.slice(-2).join(', ')}`);
});

test('a mirror that is wrongly seeded is seen to copy back what came from there, and silenced', async () => {
  await work.removeMirror({ ...ask('undo', 'target'), before: { name: 'cutover-orders.v1-fwd-00000001-9' } });
  const x = ask('mirror', 'target');
  const named = await work.captureMirror(x);
  // Somebody gave the connector of this name other places to start at; what was left by the one before says where it belongs.
  const spec = { connect: 'forward', name: named.name, from: 'old', to: 'new', topics: set.topics, seed: [] };
  await ports.mirrors.create(spec, noLimit);
  await assert.rejects(work.createMirror({ ...x, before: named }), (e: Failure) => e.type === 'MirrorDamaged' && /was not written on the other side after cut 4.*silenced/.test(e.message));
  await ports.mirrors.awaitStopped(spec, noLimit);
});
