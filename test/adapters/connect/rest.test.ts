/** Connect's REST interface as it behaves on bad days, played by a small server. */
import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import type { IncomingMessage, Server } from 'node:http';
import { after, afterEach, before, describe, it } from 'node:test';
import { createConnectRest } from '../../../src/adapters/connect/rest.ts';
import type { ConnectRest } from '../../../src/adapters/connect/rest.ts';
import { remember } from '../../../src/adapters/secrets/secrets.ts';
import { Failure } from '../../../src/domain/failures.ts';
import type { FailureType } from '../../../src/domain/failures.ts';

type Play = (request: IncomingMessage, turn: number) => readonly [number, unknown] | 'hang';
let play: Play = () => [404, null];
let turns = 0;
let server: Server;
let rest: ConnectRest;
const p = { timeoutMs: 2_000 };

before(async () => {
  server = createServer((request, response) => {
    const answer = play(request, turns++);
    if (answer === 'hang') return;
    response.writeHead(answer[0], { 'content-type': 'application/json' }).end(answer[1] === null ? '' : JSON.stringify(answer[1]));
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  const address = server.address();
  rest = createConnectRest(`http://127.0.0.1:${typeof address === 'object' && address ? address.port : 0}/`);
});
after(() => {
  server.closeAllConnections();
  server.close();
});
/** Without the long waits. */
const hasty = (): ConnectRest => createConnectRest(rest.url, { brokenForMs: 1_500, twiceMs: 50 });
afterEach(() => { turns = 0; });

const fails = (type: FailureType, says: RegExp, not = /nothing-to-hide/) => (error: unknown): boolean => {
  assert.ok(error instanceof Failure, String(error));
  assert.equal(error.type, type, error.message);
  assert.match(error.message, says);
  assert.doesNotMatch(error.message, not);
  return true;
};
const error = (code: number, message: string): readonly [number, unknown] => [code, { error_code: code, message }];

const healthy = [200, { status: 'healthy', message: 'Worker has completed startup and is ready to handle requests.' }] as const;

describe('Connect over REST', () => {
  it('a rebalance is waited out', async () => {
    play = (_r, turn) => (turn < 3 ? error(409, 'Cannot complete request momentarily due to stale configuration (typically caused by a concurrent config change)') : [204, null]);
    assert.equal(await rest.stop('m', p), 'accepted');
    assert.equal(turns, 4);
  });
  it('a rebalance that does not end is unreachable, not unsupported', async () => {
    play = () => error(409, 'rebalance in progress');
    await assert.rejects(rest.resume('m', { timeoutMs: 1_500 }), fails('Unreachable', /could not resume connector m: HTTP 409, "rebalance/));
  });
  it('what Connect said last is told, also when the time runs out while it is asked again', async () => {
    play = (_r, turn) => (turn === 0 ? error(409, 'rebalance in progress') : 'hang');
    await assert.rejects(rest.resume('m', { timeoutMs: 1_500 }), fails('Unreachable', /could not resume connector m: HTTP 409, "rebalance/));
    turns = 0;
    play = (_r, turn) => (turn === 0 ? [404, null] : 'hang');
    await assert.rejects(rest.root({ timeoutMs: 1_500 }), fails('Unreachable', /it answered 404, not in the words of Kafka Connect/));
    // An abort ends the call with its reason here too.
    const abort = new AbortController();
    const reason = new Error('worker shuts down');
    turns = 0;
    play = (_r, turn) => { if (turn > 0) abort.abort(reason); return turn === 0 ? error(409, 'rebalance') : 'hang'; };
    await assert.rejects(rest.resume('m', { timeoutMs: 5_000, signal: abort.signal }), reason);
  });
  it('a 500 that passes is passed over: offsets cannot be changed while a stopped task still closes', async () => {
    play = (_r, turn) => (turn < 2 ? error(500, 'Failed to modify offsets for source connector m') : [200, { message: 'done' }]);
    await rest.resetOffsets('m', p);
    assert.equal(turns, 3);
  });
  it('a name that is taken is an answer, not a rebalance', async () => {
    play = () => error(409, 'Connector m already exists');
    assert.equal(await rest.createStopped('m', {}, p), 'exists');
    assert.equal(turns, 1);
  });
  it('absence is a value', async () => {
    play = (r) => (r.url === '/health' ? healthy : error(404, 'Connector m not found'));
    assert.equal(await rest.status('m', p), null);
    assert.equal(await rest.offsets('m', p), null);
    assert.equal(await rest.stop('m', p), 'absent');
    assert.equal(await rest.remove('m', p), 'absent');
    await assert.rejects(rest.patchOffsets('m', [], p), fails('Drift', /is gone/));
    await assert.rejects(rest.root(p), fails('BadCatalog', /not a Kafka Connect worker/));
  });
  it('a worker that starts knows no connector yet: its absence is no answer until it is ready, and then it is asked again', async () => {
    // As 4.3.1 behaves after a kill: 404 of the web server, then nothing listed, then a health endpoint that keeps one waiting.
    const asked: string[] = [];
    play = (r, turn) => {
      asked.push(String(r.url));
      if (turn < 2) return [404, null];
      if (r.url === '/health') return turn < 5 ? [503, { status: 'starting' }] : healthy;
      return turn < 6 ? [200, {}] : [200, { m: { status: { connector: { state: 'RUNNING' }, tasks: [] } } }];
    };
    assert.deepEqual((await rest.list(p)).map((c) => c.name), ['m']);
    assert.deepEqual(asked, [...Array.from({ length: 3 }, () => '/connectors?expand=info&expand=status'), '/health', '/health', '/health', '/connectors?expand=info&expand=status']);
    play = (r) => (r.url === '/health' ? 'hang' : error(404, 'Connector m not found'));
    await assert.rejects(rest.status('m', { timeoutMs: 1_500 }), fails('Unreachable', /could not read the status of connector m: it is starting and does not know its connectors yet/));
  });
  it('a worker without a health endpoint must say twice that something is absent', async () => {
    play = (r, turn) => (r.url === '/health' || turn === 0 ? error(404, 'HTTP 404 Not Found') : [204, null]);
    assert.equal(await hasty().stop('m', { timeoutMs: 5_000 }), 'accepted');
    assert.equal(turns, 3);
    // Something in between that does not let the question through says nothing of the worker; and who has little time left asks sooner.
    play = (r) => (r.url === '/health' ? [502, null] : error(404, 'Connector m not found'));
    assert.equal(await hasty().stop('m', { timeoutMs: 5_000 }), 'absent');
    assert.equal(await rest.stop('m', { timeoutMs: 1_500 }), 'absent');
  });
  it('404 without the words of Connect is waited out; the catalog is to blame only when that was longer than any start', async () => {
    play = () => [404, null];
    await assert.rejects(rest.root({ timeoutMs: 1_500 }), fails('Unreachable', /could not ask who it is: it answered 404, not in the words of Kafka Connect; it is starting, or it is something else/));
    assert.ok(turns > 1, `${turns} requests`);
    await assert.rejects(hasty().root({ timeoutMs: 60_000 }), fails('BadCatalog', /for \d s: it is not a Kafka Connect worker, or one that does not come up/));
  });
  it('what a configuration says never appears in an error', async () => {
    remember('hunter2-secret');
    play = () => error(400, 'Connector configuration is invalid: Invalid value password="hunter2-secret" for sasl.jaas.config');
    await assert.rejects(rest.createStopped('m', { 'sasl.jaas.config': 'password="hunter2-secret"' }, p), fails('Unsupported', /HTTP 400\./, /hunter2|jaas/));
    play = () => error(500, 'Failed with password=hunter2-secret\n at java.lang');
    await assert.rejects(rest.stop('m', { timeoutMs: 1_500 }), fails('Unreachable', /HTTP 500/, /hunter2|java/));
  });
  it('validation says which setting and why, without the value', async () => {
    play = () => [200, { error_count: 2, configs: [
      { value: { name: 'tasks.max', errors: ['Invalid value many for configuration tasks.max: Not a number of type INT'] } },
      { value: { name: 'source.cluster.sasl.jaas.config', errors: ['Invalid value topsecret'] } },
      { value: { name: 'topics', errors: [] } },
    ] }];
    assert.deepEqual(await rest.validate({ 'connector.class': 'a.b.C' }, p), ['tasks.max: invalid value for tasks.max: Not a number of type INT', 'source.cluster.sasl.jaas.config is refused']);
  });
  it('a worker that hangs is left after the time given; one that is gone at once; an abort ends the call with its reason', async () => {
    play = () => 'hang';
    await assert.rejects(rest.status('m', { timeoutMs: 100 }), fails('Unreachable', /no answer within 100 ms/));
    const abort = new AbortController();
    const reason = new Error('worker shuts down');
    setTimeout(() => abort.abort(reason), 50);
    await assert.rejects(rest.status('m', { timeoutMs: 5_000, signal: abort.signal }), reason);
    await assert.rejects(createConnectRest('http://127.0.0.1:1').status('m', p), fails('Unreachable', /could not read the status/));
  });
  it('the clock is asked before each request', async () => {
    play = () => error(409, 'rebalance');
    let asked = 0;
    const over = new Failure('BudgetExceeded', 'over');
    await assert.rejects(rest.stop('m', { timeoutMs: 5_000, before: () => { if ((asked += 1) > 2) throw over; } }), over);
    assert.equal(turns, 2);
  });
  it('another server behind the URL is named as such', async () => {
    play = () => [200, { hello: 'hunter2-secret' }];
    await assert.rejects(rest.status('m', p), fails('BadCatalog', /another shape \(connector, tasks\)/, /hunter2/));
    play = () => error(401, 'no');
    await assert.rejects(rest.status('m', p), fails('Unauthorized', /HTTP 401/));
  });
});
