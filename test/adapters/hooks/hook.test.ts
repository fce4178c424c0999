/** Hooks against a real HTTP server on loopback and real programs. */
import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import { text } from 'node:stream/consumers';
import { openHook } from '../../../src/adapters/hooks/hook.ts';
import type { Hook } from '../../../src/domain/ports.ts';
import { untilIn } from '../fleet/until.ts';

interface Served { readonly url: string; readonly seen: { readonly method: string; readonly body: string; readonly authorization: string | undefined }[]; answer: { status: number; body: string }; state: string }
async function serving(): Promise<Served & AsyncDisposable> {
  const served: Served = { url: '', seen: [], answer: { status: 200, body: '' }, state: 'source' };
  const server = createServer((q, s) => void text(q).then((body) => {
    served.seen.push({ method: q.method ?? '', body, authorization: q.headers.authorization });
    if (served.answer.status === 200 && q.method === 'PUT') served.state = (JSON.parse(body) as { state: string }).state;
    s.writeHead(served.answer.status).end(served.answer.body === '' ? JSON.stringify({ state: served.state, say: `goes to ${served.state}` }) : served.answer.body);
  }));
  await new Promise<void>((r) => server.listen(0, '127.0.0.1', r));
  return Object.assign(served, { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/traffic`, async [Symbol.asyncDispose]() { server.closeAllConnections(); await new Promise((r) => server.close(r)); } });
}
const hook = (url: string, token?: string): Hook => openHook('traffic', { kind: 'webhook', url, timeoutMs: 2_000, ...(token === undefined ? {} : { token: 'env:LB' }) }, { secret: () => token ?? '' });
const failing = async (work: Promise<unknown>, type: string): Promise<string> => {
  const e = await work.then(() => assert.fail(`expected ${type}`), (x: Error) => x);
  assert.equal(e.name, type, e.message);
  return e.message;
};

test('hook webhook: asked, set, asked again, with token and time', async () => {
  await using server = await serving();
  const h = hook(server.url, 'hunter2');
  const until = untilIn(2_000);
  assert.deepEqual(await h.ask(until), { state: 'source', say: 'goes to source' });
  await h.set('target', until);
  assert.equal((await h.ask(until)).state, 'target');
  assert.deepEqual(server.seen.map((s) => [s.method, s.authorization]), [['GET', 'Bearer hunter2'], ['PUT', 'Bearer hunter2'], ['GET', 'Bearer hunter2']]);
  assert.deepEqual(JSON.parse(server.seen[1]?.body ?? ''), { state: 'target', untilMs: until.untilMs });
});
test('hook webhook: refusals, faults and nonsense are told with what was seen, never with the token', async () => {
  await using server = await serving();
  const h = hook(server.url, 'hunter2');
  const at = (status: number, body: string): void => { server.answer = { status, body }; };
  at(409, 'busy with hunter2');
  assert.match(await failing(h.set('target', untilIn(2_000)), 'ClientNotMoved'), /Hook traffic \(http:\/\/127\.0\.0\.1:\d+\/traffic\): HTTP 409, "busy with \*\*\*"/);
  at(401, 'who are you');
  assert.match(await failing(h.ask(untilIn(2_000)), 'Unauthorized'), /Check the token \(env:LB\)/);
  at(503, 'later');
  await failing(h.ask(untilIn(2_000)), 'Unreachable');
  at(200, '{"status": "ok"}');
  assert.match(await failing(h.ask(untilIn(2_000)), 'ClientNotMoved'), /wanted \{"state"/);
  at(200, 'ok');
  await failing(h.ask(untilIn(2_000)), 'ClientNotMoved');
});
test('hook webhook: nothing is sent after the time, and a server that is away is unreachable', async () => {
  await using server = await serving();
  const until = untilIn(0);
  await new Promise((r) => { setTimeout(r, 5); });
  await failing(hook(server.url).set('target', until), 'BudgetExceeded');
  assert.equal(server.seen.length, 0);
  await failing(hook('http://127.0.0.1:1/nobody').ask(untilIn(2_000)), 'Unreachable');
});
test('hook command: set finds the state in its environment, ask prints it; one without set is only asked', async () => {
  const node = (script: string): [string, ...string[]] => [process.execPath, '-e', script];
  const print = node('console.log(JSON.stringify({ state: "fine", say: "42 requests compared" }))');
  const deps = { secret: () => '' };
  const h = openHook('validate', { kind: 'command', ask: print, set: node('process.exit(process.env.CUTOVER_STATE === "live" ? 0 : 3)'), timeoutMs: 20_000 }, deps);
  assert.deepEqual(await h.ask(untilIn(20_000)), { state: 'fine', say: '42 requests compared' });
  await h.set('live', untilIn(20_000));
  assert.match(await failing(h.set('muted', untilIn(20_000)), 'ClientNotMoved'), /The set command of hook validate .* ended with code 3/);
  assert.match(await failing(openHook('validate', { kind: 'command', ask: print, timeoutMs: 20_000 }, deps).set('live', untilIn(20_000)), 'BadCatalog'), /has no command "set"/);
  assert.match(await failing(openHook('x', { kind: 'command', ask: ['/nowhere/x'], timeoutMs: 20_000 }, deps).ask(untilIn(20_000)), 'BadCatalog'), /^Hook x: "\/nowhere\/x" cannot be run/);
});
