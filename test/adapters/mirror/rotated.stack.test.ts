/** What a mirror reads with changes under it: its password is rotated, or its source is away when its worker starts. Connect shows it RUNNING, with no trace. */
import assert from 'node:assert/strict';
import { pbkdf2Sync, randomBytes } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { alterUserScramCredentialsV0, Connection } from '@platformatic/kafka';
import type { Producer } from 'kafkajs';
import type { MirrorSpec } from '../../../src/domain/ports.ts';
import type { User } from '../../../stack/access.ts';
import type { StackCluster } from '../../../stack/stack.ts';
import { eventually, noLimit, untilIn } from '../kafka/until.ts';
import { allOf, openField, specOf, type Field } from './field.ts';

const spec: MirrorSpec = specOf('cutover-orders-fwd-00000001', ['orders']);
let f: Field;
let producer: Producer;
let written = 0;

before(async () => {
  f = await openField();
  producer = f.kafka(f.stack.source).producer();
  await producer.connect();
  await f.topics({ orders: 1 });
  await f.mirrors.create(spec, noLimit);
  await write();
  await copied();
});
after(async () => {
  await producer?.disconnect();
  await f?.close();
});

async function write(): Promise<void> {
  written += 1;
  await producer.send({ topic: 'orders', messages: [{ partition: 0, value: `record ${written}` }] });
}
const copied = (): Promise<unknown> => eventually('all is copied', async () => (await allOf(f.target, 'orders', 0)).length === written || undefined, 60_000);

/** The broker's connections are ended, as in a rolling restart. */
async function change(of: StackCluster, user: User, password: string): Promise<void> {
  const admin = of.login('admin');
  assert.ok(admin);
  const [salt, iterations] = [randomBytes(16), 4_096];
  const connection = new Connection('rotate', { sasl: { mechanism: admin.mechanism, username: admin.username, password: admin.password } });
  const [host = '', port] = (of.bootstrap[0] ?? '').split(':');
  await connection.connect(host, Number(port));
  const answer = await alterUserScramCredentialsV0.api.async(connection, [], [{ name: user, mechanism: 2, iterations, salt, saltedPassword: pbkdf2Sync(password, salt, iterations, 64, 'sha512') }]);
  assert.deepEqual(answer.results.map((r) => r.errorCode), [0]);
  await connection.close();
  await of.brokers[0]?.restart();
}
const newPassword = (): string => `${randomBytes(12).toString('hex')}/+`;
const fileOf = (of: StackCluster, user: User): string => of.login(user)?.passwordFile ?? assert.fail('the stack has no logins');
async function rotate(of: StackCluster = f.stack.source, user: User = 'mm2'): Promise<void> {
  const password = newPassword();
  await change(of, user, password);
  writeFileSync(fileOf(of, user), password);
}
const idle = (): Promise<unknown> => eventually('it runs without a task', async () => { const h = await f.mirrors.health(spec); return (h.connector === 'RUNNING' && h.tasks === 0 && h.traces.length === 0) || undefined; }, 180_000);

test('said to run, it copies nothing; with the login that the catalog has now it goes on where it was', { timeout: 300_000 }, async () => {
  assert.deepEqual(await f.mirrors.renew(spec, noLimit), [], 'nothing has changed yet');
  await rotate();
  await write();
  // Its consumer gives up on every poll and says nothing of it (measured, 4.1): nobody would restart it.
  const health = await f.mirrors.health(spec);
  assert.deepEqual([health.connector, health.traces], ['RUNNING', []]);
  assert.deepEqual(await f.mirrors.revive(spec, noLimit), { found: [], renewed: [], failed: null });
  assert.deepEqual(await f.mirrors.renew(spec, noLimit), ['source.cluster.sasl.jaas.config']);
  await copied();
  assert.deepEqual(await f.mirrors.renew(spec, noLimit), []);
});

test('silenced and resumed, as by the undo of an outage, it has the present login', { timeout: 300_000 }, async () => {
  await f.mirrors.silence(spec, await f.mirrors.writers(spec), untilIn(20_000));
  await rotate();
  await f.mirrors.resume(spec, untilIn(60_000));
  await write();
  await copied();
});

const idleSaid = ['it runs without a task, as when its source was out of reach when its worker started'];
test('its worker starts while its login is an old one: it runs without a task, until it is begun anew with the present one', { timeout: 300_000 }, async () => {
  await rotate();
  await f.stack.connect.forward.restart();
  await idle();
  assert.deepEqual(await f.mirrors.revive(spec, noLimit), { found: idleSaid, renewed: ['source.cluster.sasl.jaas.config'], failed: null });
  await write();
  await copied();
});

// As behind a source that is away for a minute, which takes a minute longer.
test('its worker starts while its source does not let it in: without a task also when it would, until it is begun anew', { timeout: 300_000 }, async () => {
  const { source } = f.stack;
  await change(source, 'mm2', newPassword());
  await f.stack.connect.forward.restart();
  await idle();
  await change(source, 'mm2', readFileSync(fileOf(source, 'mm2'), 'utf8'));
  await write();
  assert.deepEqual((await f.mirrors.states('forward')).map((s) => [s.connector, s.tasks, s.traces]), [['RUNNING', 0, []]]);
  assert.deepEqual(await f.mirrors.revive(spec, noLimit), { found: idleSaid, renewed: [], failed: null });
  await copied();
});

test('the login with which it writes its offset syncs is rotated: it copies on without them, until it is begun anew', { timeout: 300_000 }, async () => {
  const forward = f.catalog.connects['forward'];
  const login = f.stack.target.login('shop');
  assert.ok(forward && login);
  const mirrors = f.mirrorsWith({ ...f.catalog, connects: { forward: { ...forward, logins: { ...forward.logins, new: { mechanism: login.mechanism, username: login.username, password: `file:${login.passwordFile}` } } } } });
  await mirrors.halt(spec, noLimit);
  await mirrors.awaitStopped(spec, noLimit);
  assert.deepEqual(await mirrors.resume(spec, noLimit), { renewed: ['target.cluster.sasl.jaas.config'], failed: null });
  await write();
  await copied();
  // While it rests: a task that is at work when its broker restarts may fail for that, and would be restarted.
  await mirrors.halt(spec, noLimit);
  await mirrors.awaitStopped(spec, noLimit);
  await rotate(f.stack.target, 'shop');
  assert.equal((await fetch(`${forward.url}/connectors/${spec.name}/resume`, { method: 'PUT' })).status, 202);
  const end = await mirrors.synced(spec);
  await write();
  await copied();
  assert.deepEqual([await mirrors.synced(spec), (await mirrors.health(spec)).traces], [end, []]);
  assert.deepEqual(await mirrors.renew(spec, noLimit), ['target.cluster.sasl.jaas.config']);
  await eventually('syncs come again', async () => { await write(); return (await mirrors.synced(spec)) !== end || undefined; }, 60_000);
});
