/** Webhook fleets against a real HTTP server on loopback. */
import assert from 'node:assert/strict';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import { text } from 'node:stream/consumers';
import type { Fleet } from '../../../src/domain/ports.ts';
import { openFleet } from '../../../src/adapters/fleet/fleet.ts';
import { untilIn } from './until.ts';

interface Seen { readonly method: string; readonly url: string; readonly body: string; readonly key: string; readonly authorization: string | undefined }
type Reply = (n: number, response: ServerResponse, seen: Seen) => void;

async function serving(reply: Reply): Promise<{ url: string; seen: Seen[] } & AsyncDisposable> {
  const seen: Seen[] = [];
  const handle = async (q: IncomingMessage, s: ServerResponse): Promise<void> => {
    const one: Seen = { method: q.method ?? '', url: q.url ?? '', body: await text(q), key: String(q.headers['idempotency-key']), authorization: q.headers.authorization };
    reply(seen.push(one), s, one);
  };
  const server = createServer((q, s) => void handle(q, s));
  await new Promise<void>((r) => server.listen(0, '127.0.0.1', r));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/cutover/`, seen,
    async [Symbol.asyncDispose]() { server.closeAllConnections(); await new Promise((r) => server.close(r)); },
  };
}
const say = (status: number, body?: unknown): Reply => (_n, s) => { s.writeHead(status).end(body === undefined ? '' : typeof body === 'string' ? body : JSON.stringify(body)); };
const fleet = (url: string, x: { timeoutMs?: number; token?: string } = {}): Fleet =>
  openFleet('shop-fleet', { kind: 'webhook', url, timeoutMs: x.timeoutMs ?? 3_000, ...(x.token === undefined ? {} : { token: 'env:FLEET_TOKEN' }) }, { secret: async () => x.token ?? '' });
const failing = async (work: Promise<unknown>, type: string): Promise<Error> => {
  const e = await work.then(() => assert.fail(`expected ${type}`), (x: Error) => x);
  assert.equal(e.name, type, e.message);
  return e;
};

test('fleet webhook: stop, start and ask as documented, with token and idempotency key', async () => {
  await using server = await serving(say(200, { source: 0, target: 0 }));
  const f = fleet(server.url, { token: 'hunter2', timeoutMs: 60_000 });
  const until = untilIn(30_000);
  await f.stop('shop', until);
  await f.start('shop', 'target', until);
  assert.deepEqual(await f.ask('shop', until), { source: 0, target: 0, say: '0 on source, 0 on target' });
  const [stop, start, ask] = server.seen;
  assert.deepEqual([stop?.method, stop?.url, JSON.parse(stop?.body ?? '')], ['POST', '/cutover/stop', { application: 'shop', untilMs: until.untilMs }]);
  assert.deepEqual([start?.method, start?.url, JSON.parse(start?.body ?? '')], ['POST', '/cutover/start', { application: 'shop', on: 'target', untilMs: until.untilMs }]);
  assert.deepEqual([ask?.method, ask?.url, ask?.body], ['GET', '/cutover/ask?application=shop', '']);
  assert.equal(start?.authorization, 'Bearer hunter2');
  assert.equal(new Set(server.seen.map((s) => s.key)).size, 3);
});

test('fleet webhook: outside an outage a call still says until when it may act', async () => {
  await using server = await serving(say(204));
  const from = Date.now();
  await fleet(server.url).stop('shop', untilIn(null));
  const { untilMs } = JSON.parse(server.seen[0]?.body ?? '') as { untilMs: number };
  assert.ok(untilMs >= from + 3_000 && untilMs <= Date.now() + 3_000, String(untilMs));
});

test('fleet webhook: a broken server is asked again with the same key until it answers', async () => {
  await using server = await serving((n, s) => {
    if (n === 1) s.writeHead(503).end();
    else if (n === 2) s.socket?.destroy();
    else if (n === 3) s.writeHead(429).end();
    else s.writeHead(200).end();
  });
  await fleet(server.url).start('shop', 'target', untilIn(null));
  assert.equal(server.seen.length, 4);
  assert.equal(new Set(server.seen.map((s) => s.key)).size, 1);
});

test('fleet webhook: a stop that is under way is asked about until nothing is left', async () => {
  await using server = await serving((n, s, seen) => {
    if (seen.method === 'POST') s.writeHead(202).end();
    else s.writeHead(200).end(JSON.stringify({ source: n < 4 ? 1 : 0, target: 0 }));
  });
  await fleet(server.url).stop('shop', untilIn(null));
  assert.equal(server.seen.length, 4);
});

test('fleet webhook: a stop that leaves processes fails in time and says how many', async () => {
  await using server = await serving(say(200, { source: 2, target: 0, say: 'two will not go' }));
  const e = await failing(fleet(server.url, { timeoutMs: 1_500 }).stop('shop', untilIn(null)), 'ClientNotMoved');
  assert.match(e.message, /two will not go/);
});

test('fleet webhook: a stop that leaves processes, whose fleet then falls silent, tells what it said before', async () => {
  let told = false;
  await using server = await serving((...call) => { if (!told) { told = true; say(200, { source: 2, target: 0, say: 'two will not go' })(...call); } });
  const e = await failing(fleet(server.url, { timeoutMs: 1_500 }).stop('shop', untilIn(null)), 'ClientNotMoved');
  assert.match(e.message, /two will not go; asked again it did not answer in time/);
});

test('fleet webhook: a server that never answers costs the budget and not the timeout', { timeout: 20_000 }, async () => {
  await using server = await serving(() => undefined);
  await failing(fleet(server.url, { timeoutMs: 60_000 }).stop('shop', untilIn(300)), 'BudgetExceeded');
});

test('fleet webhook: no server at all is unreachable after the timeout', async () => {
  const url = await (async () => { await using server = await serving(say(200)); return server.url; })();
  const e = await failing(fleet(url, { timeoutMs: 300 }).stop('shop', untilIn(null)), 'Unreachable');
  assert.match(e.message, /300 ms/);
});

test('fleet webhook: nothing is sent after the budget has passed, retries included', async () => {
  await using server = await serving(say(503));
  await failing(fleet(server.url, { timeoutMs: 60_000 }).start('shop', 'target', untilIn(250)), 'BudgetExceeded');
  const sent = server.seen.length;
  await new Promise((r) => setTimeout(r, 400)); // the longest wait a forgotten retry could have
  assert.equal(server.seen.length, sent);
});

test('fleet webhook: refusals reach the operator in the words of the server, without our token', async () => {
  await using server = await serving(say(409, { error: 'a deployment is running with hunter2' }));
  const e = await failing(fleet(server.url, { token: 'hunter2' }).stop('shop', untilIn(null)), 'ClientNotMoved');
  assert.match(e.message, /409.*a deployment is running/);
  assert.ok(!e.message.includes('hunter2'));
  assert.equal(server.seen.length, 1);
});

test('fleet webhook: a wrong token is Unauthorized and names the reference, not the secret', async () => {
  await using server = await serving(say(401, { error: 'who are you' }));
  const e = await failing(fleet(server.url, { token: 'hunter2' }).stop('shop', untilIn(null)), 'Unauthorized');
  assert.match(e.message, /env:FLEET_TOKEN/);
  assert.ok(!e.message.includes('hunter2'));
});

for (const [what, body] of [['nothing', ''], ['HTML', '<html>'], ['another shape', { running: 2 }]] as const)
  test(`fleet webhook: ask that answers ${what} is refused`, async () => {
    await using server = await serving(say(200, body));
    const e = await failing(fleet(server.url).ask('shop', untilIn(null)), 'ClientNotMoved');
    assert.match(e.message, /wanted/);
  });

test('fleet webhook: a cancelled call ends at once with the reason', async () => {
  await using server = await serving(() => undefined);
  const cancel = new AbortController();
  const reason = new Error('worker shuts down');
  setTimeout(() => cancel.abort(reason), 100);
  await assert.rejects(fleet(server.url).stop('shop', untilIn(null, cancel.signal)), (e) => e === reason);
});

test('fleet webhook: a second set is started beside the first, and one of the two is stopped', async () => {
  await using server = await serving(say(200, { source: 0, target: 2 }));
  const two = openFleet('shop-fleet', { kind: 'webhook', url: server.url, timeoutMs: 3_000, beside: true }, { secret: async () => '' });
  const until = untilIn(2_000);
  await two.start('shop', 'target', until, 'beside');
  await two.stop('shop', until, 'source');
  assert.deepEqual(server.seen.map((s) => [s.url, JSON.parse(s.body)]), [
    ['/cutover/start', { application: 'shop', on: 'target', beside: true, untilMs: until.untilMs }], ['/cutover/stop', { application: 'shop', on: 'source', untilMs: until.untilMs }],
  ]);
  await failing(fleet(server.url).start('shop', 'target', until, 'beside'), 'BadCatalog');
});
