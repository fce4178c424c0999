/** The stand-ins behind the webhook contract, asked as a worker asks: by the webhook fleet itself. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { webhookFleet } from '../../../src/adapters/fleet/webhook.ts';
import { StandIns, type Play } from '../../../src/adapters/standins/fleet.ts';
import { serveStandIns } from '../../../src/adapters/standins/server.ts';
import { silenceOf } from '../../../src/adapters/standins/play.ts';
import type { Fleet, Until } from '../../../src/domain/ports.ts';
import type { StandIn } from '../../../src/domain/rehearsal.ts';

const until: Until = { untilMs: null, signal: new AbortController().signal, check: () => undefined, timeoutMs: (capMs) => capMs };
const standIn = (application: string): StandIn => ({ application, copies: [], reads: [], transactionalId: null });

async function scene(resources: AsyncDisposableStack, token: string | null = 'let me in'): Promise<{ readonly fleet: Fleet; readonly events: string[]; readonly url: string }> {
  const events: string[] = [];
  const play: Play = async (s, on) => {
    events.push(`${s.application} plays on ${on}`);
    return { stop: async () => { events.push(`${s.application} leaves ${on}`); } };
  };
  const { url } = resources.use(await serveStandIns(new StandIns([standIn('rehearsal-shop')], play), { host: '127.0.0.1', port: 0, path: '/fleet', token }));
  return { events, url, fleet: webhookFleet('stand-ins', { kind: 'webhook', url, token: 'env:T', beside: true, timeoutMs: 2_000 }, { secret: () => 'let me in' }) };
}

test('started, moved, asked and stopped; what is repeated changes nothing', async () => {
  await using resources = new AsyncDisposableStack();
  const { fleet, events } = await scene(resources);
  await fleet.start('rehearsal-shop', 'source', until);
  await fleet.start('rehearsal-shop', 'source', until);
  assert.equal((await fleet.ask('rehearsal-shop', until)).source, 1);
  await fleet.start('rehearsal-shop', 'target', until);
  assert.deepEqual(events, ['rehearsal-shop plays on source', 'rehearsal-shop leaves source', 'rehearsal-shop plays on target']);
  await fleet.stop('rehearsal-shop', until);
  await fleet.stop('rehearsal-shop', until);
  assert.deepEqual(events.slice(3), ['rehearsal-shop leaves target']);
  const { source, target } = await fleet.ask('rehearsal-shop', until);
  assert.deepEqual([source, target], [0, 0]);
});

test('two sets beside each other, and one of them stopped alone', async () => {
  await using resources = new AsyncDisposableStack();
  const { fleet, events } = await scene(resources);
  await fleet.start('rehearsal-shop', 'source', until);
  await fleet.start('rehearsal-shop', 'target', until, 'beside');
  await fleet.stop('rehearsal-shop', until, 'source');
  assert.deepEqual(events, ['rehearsal-shop plays on source', 'rehearsal-shop plays on target', 'rehearsal-shop leaves source']);
});

test('refused: a wrong token, an application of somebody else, a call after its time', async () => {
  await using resources = new AsyncDisposableStack();
  const { fleet, events, url } = await scene(resources, 'another token');
  await assert.rejects(fleet.stop('rehearsal-shop', until), /Unauthorized|token/);
  const open = await scene(resources);
  await assert.rejects(open.fleet.start('shop', 'target', until), /No stand-in is called shop/);
  const late = await fetch(`${open.url}/stop`, { method: 'POST', headers: { authorization: 'Bearer let me in' }, body: JSON.stringify({ application: 'rehearsal-shop', untilMs: Date.now() - 5 }) });
  assert.equal(late.status, 409);
  assert.equal((await fetch(`${url}/nothing`, { headers: { authorization: 'Bearer another token' } })).status, 404);
  assert.deepEqual([...events, ...open.events], []);
});

test('how long nobody wrote: from the last acknowledgement on the source to the first on the target', () => {
  const one = (application: string, on: 'source' | 'target', firstMs: number, lastMs: number) => ({ application, on, firstMs, lastMs, records: 1 });
  const seen = [one('a', 'source', 0, 90), one('b', 'source', 10, 100), one('a', 'target', 700, 900), one('b', 'target', 650, 900), one('c', 'source', 0, 640)];
  assert.equal(silenceOf(seen, ['a', 'b']), 550);
  assert.equal(silenceOf(seen, ['c']), null);
});
