/**
 * A mirror that had nothing to copy for longer than brokers remember a transactional id, a week in production and seconds here:
 * its tasks show RUNNING, cannot be fenced, and fail at the next record. Connect's own leader is forgotten with them.
 */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { Producer } from 'kafkajs';
import type { MirrorSpec } from '../../../src/domain/ports.ts';
import { eventually, noLimit, untilIn } from '../kafka/until.ts';
import { allOf, openField, specOf, type Field } from './field.ts';

const spec: MirrorSpec = specOf('cutover-quiet-fwd-00000001', ['quiet']);
let f: Field;
let producer: Producer;
let written = 0;

before(async () => {
  f = await openField({ target: { settings: { 'transactional.id.expiration.ms': '8000', 'transaction.remove.expired.transaction.cleanup.interval.ms': '500' } } });
  producer = f.kafka(f.stack.source).producer();
  await producer.connect();
  await f.topics({ quiet: 1 });
  await write();
  await f.mirrors.create(spec, noLimit);
  await copied();
});
after(async () => {
  await producer?.disconnect();
  await f?.close();
});

async function write(): Promise<void> {
  written += 1;
  await producer.send({ topic: 'quiet', messages: [{ partition: 0, value: `record ${written}` }] });
}
const copied = (): Promise<unknown> => eventually('all is copied', async () => (await allOf(f.target, 'quiet', 0)).length === written || undefined, 60_000);
const forgotten = (): Promise<unknown> => eventually('its ids are forgotten', async () => (await f.mirrors.writers(spec)).every((w) => w.producerId === null) || undefined, 60_000);
const failed = (): Promise<unknown> => eventually('its task has failed', async () => (await f.mirrors.health(spec)).traces.length > 0 || undefined, 60_000);

test('it cannot be fenced; begun anew it can, and goes on where it was', async () => {
  await forgotten();
  assert.equal((await f.mirrors.health(spec)).connector, 'RUNNING');
  assert.deepEqual(await f.mirrors.awaken(spec, noLimit), [`fwd-${spec.name}-0`]);
  assert.deepEqual(await f.mirrors.awaken(spec, noLimit), []);
  await f.mirrors.silence(spec, await f.mirrors.writers(spec), untilIn(20_000));
  await f.mirrors.awaitStopped(spec, noLimit);
  // Stopped it is not to run.
  await forgotten();
  assert.deepEqual(await f.mirrors.awaken(spec, noLimit), []);
  await f.mirrors.resume(spec, noLimit);
  await write();
  await copied();
});

test('a record fails its task; it is restarted, whatever Connect has been forgotten with, and can be stopped after it', async () => {
  await forgotten();
  await write();
  await failed();
  assert.match((await f.mirrors.revive(spec, noLimit)).found.join(), /InvalidPidMappingException/);
  await copied();
  await forgotten();
  await f.mirrors.awaken(spec, noLimit);
  await f.mirrors.silence(spec, await f.mirrors.writers(spec), untilIn(20_000));
  await f.mirrors.awaitStopped(spec, noLimit);
  assert.deepEqual((await allOf(f.target, 'quiet', 0)).length, written);
});
