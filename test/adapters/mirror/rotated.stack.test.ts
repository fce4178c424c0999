/** What a mirror reads with changes under it: its password is rotated, or its source is away when its worker starts. Connect shows it RUNNING, with no trace. */
import assert from 'node:assert/strict';
import { pbkdf2Sync, randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { alterUserScramCredentialsV0, Connection } from '@platformatic/kafka';
import type { Producer } from 'kafkajs';
import type { MirrorSpec } from '../../../src/domain/ports.ts';
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

/** On the source, of the login that the mirror reads with; its connections are ended with the broker's, as in a rolling restart. */
async function rotate(): Promise<void> {
  const { source } = f.stack;
  const [admin, login] = [source.login('admin'), source.login('mm2')];
  assert.ok(admin && login);
  const password = `${randomBytes(12).toString('hex')}/+`;
  const [salt, iterations] = [randomBytes(16), 4_096];
  const connection = new Connection('rotate', { sasl: { mechanism: admin.mechanism, username: admin.username, password: admin.password } });
  const [host = '', port] = (source.bootstrap[0] ?? '').split(':');
  await connection.connect(host, Number(port));
  const answer = await alterUserScramCredentialsV0.api.async(connection, [], [{ name: login.username, mechanism: 2, iterations, salt, saltedPassword: pbkdf2Sync(password, salt, iterations, 64, 'sha512') }]);
  assert.deepEqual(answer.results.map((r) => r.errorCode), [0]);
  await connection.close();
  writeFileSync(login.passwordFile, password);
  await source.brokers[0]?.restart();
}

test('said to run, it copies nothing; with the login that the catalog has now it goes on where it was', { timeout: 300_000 }, async () => {
  assert.deepEqual(await f.mirrors.renew(spec, noLimit), [], 'nothing has changed yet');
  await rotate();
  await write();
  // Its consumer gives up on every poll and says nothing of it (measured, 4.1): nobody would restart it.
  const health = await f.mirrors.health(spec);
  assert.deepEqual([health.connector, health.traces], ['RUNNING', []]);
  assert.deepEqual(await f.mirrors.revive(spec, noLimit), { found: [], renewed: [] });
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

test('its worker starts while the login is an old one: it runs without a task, until it is begun anew', { timeout: 300_000 }, async () => {
  await rotate();
  await f.stack.connect.forward.restart();
  await eventually('it runs without a task', async () => { const h = await f.mirrors.health(spec); return (h.connector === 'RUNNING' && h.tasks === 0) || undefined; }, 180_000);
  const { found, renewed } = await f.mirrors.revive(spec, noLimit);
  assert.deepEqual([found, renewed], [['it runs without a task, as when its source was out of reach when its worker started'], ['source.cluster.sasl.jaas.config']]);
  await write();
  await copied();
});

test('its worker starts while the source is away: without a task, also when it is back, until it is begun anew', { timeout: 300_000 }, async () => {
  const [broker] = f.stack.source.brokers;
  assert.ok(broker);
  await broker.pause();
  await f.stack.connect.forward.restart();
  await eventually('it runs without a task', async () => { const h = await f.mirrors.health(spec); return (h.connector === 'RUNNING' && h.tasks === 0) || undefined; }, 180_000);
  broker.resume();
  await write();
  assert.deepEqual((await f.mirrors.states('forward')).map((s) => [s.connector, s.tasks, s.traces]), [['RUNNING', 0, []]]);
  assert.deepEqual((await f.mirrors.revive(spec, noLimit)).renewed, []);
  await copied();
});
