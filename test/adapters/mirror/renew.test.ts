/** Settings of a connector that are renewed, on a Connect played by a small server: of today, and of the release before it could change single settings. */
import assert from 'node:assert/strict';
import { createServer, type Server } from 'node:http';
import { after, before, beforeEach, test } from 'node:test';
import type { Catalog } from '../../../src/domain/catalog.ts';
import { Failure } from '../../../src/domain/failures.ts';
import type { Cluster, Mirrors } from '../../../src/domain/ports.ts';
import { createMirrors } from '../../../src/adapters/mirror/mirrormaker2.ts';
import { noLimit, untilIn } from '../kafka/until.ts';

interface Connector { config: Record<string, string>; state: 'RUNNING' | 'STOPPED'; tasks: readonly number[] }
const connectors = new Map<string, Connector>();
/** Begins with every start of a task. */
let epoch = 1;
let patches = true;
/** Answers well, and changes nothing. */
let deaf = false;
let onRequest: (line: string) => void = () => undefined;
let server: Server;
let url = '';

const statusOf = (name: string, c: Connector) => ({ name, connector: { state: c.state }, tasks: c.tasks.map((id) => ({ id, state: c.state })) });
function answer(method: string, path: string, body: string): readonly [status: number, body?: unknown] {
  const [, , name = '', tail = ''] = path.split('?')[0]?.split('/').map(decodeURIComponent) ?? [];
  if (path === '/health') return [200, { status: 'healthy' }];
  if (name === '') return [200, Object.fromEntries([...connectors].map(([k, c]) => [k, { info: { config: c.config }, status: statusOf(k, c) }]))];
  const c = connectors.get(name);
  if (method === 'PUT' && tail === 'config') {
    connectors.set(name, { state: c?.state ?? 'RUNNING', tasks: c?.tasks ?? [0], config: JSON.parse(body) as Record<string, string> });
    return [c ? 200 : 201, {}];
  }
  if (method === 'PATCH' && !patches) return [405];
  if (!c) return [404, { error_code: 404, message: `Connector ${name} not found` }];
  if (method === 'PATCH' && deaf) return [200, {}];
  if (method === 'PATCH') { c.config = Object.fromEntries(Object.entries({ ...c.config, ...JSON.parse(body) as Record<string, string | null> }).filter(([, v]) => v !== null)) as Record<string, string>; return [200, {}]; }
  if (method === 'DELETE') { connectors.delete(name); return [204]; }
  if (tail === 'config') return [200, c.config];
  if (tail === 'status') return [200, statusOf(name, c)];
  if (tail === 'tasks') return [200, c.tasks.map((task) => ({ id: { connector: name, task }, config: { 'task.assigned.partitions': 'orders-0' } }))];
  if (tail === 'stop') Object.assign(c, { state: 'STOPPED', tasks: [] });
  if (tail === 'resume') { Object.assign(c, { state: 'RUNNING', tasks: [0] }); epoch++; }
  return [202];
}
before(async () => {
  server = createServer((request, response) => {
    let body = '';
    request.on('data', (piece: Buffer) => { body += piece.toString(); }).on('end', () => {
      const [method, path] = [request.method ?? '', request.url ?? ''];
      onRequest(`${method} ${path}`);
      const [status, said] = answer(method, path, body);
      response.writeHead(status, { 'content-type': 'application/json' }).end(said === undefined ? '' : JSON.stringify(said));
    });
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  const address = server.address();
  url = `http://127.0.0.1:${typeof address === 'object' && address ? address.port : 0}`;
});
after(() => { server.closeAllConnections(); server.close(); });
beforeEach(() => { connectors.clear(); [patches, deaf, onRequest] = [true, false, () => undefined]; });

const spec = { connect: 'forward', name: 'cutover-orders-fwd-00000001-1', from: 'old', to: 'new', topics: ['orders'], seed: [] };
const cluster = (name: string): Cluster => ({
  name, topics: async () => [{ name: 'orders', partitions: 1 }],
  transaction: async (id: string) => (id.endsWith('-0') ? { producerId: 5n, epoch, state: 'CompleteCommit' } : null),
}) as unknown as Cluster;
function mirrors(o: { readonly secret?: () => Promise<string>; readonly target?: string } = {}): Mirrors {
  const catalog: Catalog = {
    temporal: { taskQueue: 'cutover' }, fleets: {},
    clusters: { old: { bootstrap: ['o:1'], sasl: { mechanism: 'PLAIN', username: 'u', password: 'env:P' } }, new: { bootstrap: [o.target ?? 'n:1'] } },
    connects: { forward: { url, cluster: 'new', groupId: 'g' }, back: { url: `${url}/`, cluster: 'old', groupId: 'gb' } },
  };
  return createMirrors({ catalog, cluster, secret: o.secret ?? (async () => 'new') });
}
const mm2 = 'org.apache.kafka.connect.mirror.MirrorSourceConnector';
const jaas = (password: string): string => `org.apache.kafka.common.security.plain.PlainLoginModule required username="u" password="${password}";`;
function made(state: Connector['state'] = 'RUNNING'): Connector {
  const connector: Connector = {
    state, tasks: state === 'RUNNING' ? [0] : [],
    config: {
      'name': spec.name, 'connector.class': mm2, 'topics': 'orders', 'producer.override.linger.ms': '10', 'target.cluster.ssl.truststore.type': 'PEM',
      'source.cluster.bootstrap.servers': 'o:1', 'source.cluster.security.protocol': 'SASL_PLAINTEXT', 'source.cluster.sasl.mechanism': 'PLAIN', 'source.cluster.sasl.jaas.config': jaas('old'),
      'target.cluster.bootstrap.servers': 'n:1', 'target.cluster.security.protocol': 'PLAINTEXT',
    },
  };
  connectors.set(spec.name, connector);
  return connector;
}
const configNow = (): Record<string, string> => connectors.get(spec.name)?.config ?? {};

for (const release of ['of today', 'before 3.8'] as const) {
  test(`a worker ${release}: what differs is set, or taken away, and everything else stays`, async () => {
    patches = release === 'of today';
    const { config } = made();
    const wanted = { ...config, 'source.cluster.sasl.jaas.config': jaas('new') } as Record<string, string>;
    delete wanted['target.cluster.ssl.truststore.type'];
    assert.deepEqual(await mirrors().renew(spec, noLimit), ['source.cluster.sasl.jaas.config', 'target.cluster.ssl.truststore.type']);
    assert.deepEqual(configNow(), wanted);
    assert.deepEqual(await mirrors().renew(spec, noLimit), []);
  });

  test(`a worker ${release}: one that is removed meanwhile is not made again by it`, async () => {
    patches = release === 'of today';
    made();
    onRequest = (line) => { if (line === `${patches ? 'PATCH' : 'PUT'} /connectors/${spec.name}/config`) connectors.delete(spec.name); };
    await assert.rejects(mirrors().renew(spec, noLimit), { type: 'MirrorStuck', message: /does not exist on Connect/ });
    assert.equal(connectors.has(spec.name), false);
  });
}

test('what Connect took and does not show is not said to be set', async () => {
  made();
  deaf = true;
  await assert.rejects(mirrors().renew(spec, untilIn(2_000)), { type: 'MirrorStuck', message: /is not configured as the catalog has it: Connect took source\.cluster\.sasl\.jaas\.config, target\.cluster\.ssl\.truststore\.type and does not show it/ });
});

test('one that was stopped is left as it is', async () => {
  made('STOPPED');
  assert.deepEqual([await mirrors().renew(spec, noLimit), configNow()['source.cluster.sasl.jaas.config']], [[], jaas('old')]);
});

test('an outage is undone although the password cannot be read: it goes on with what it has, and says so', async () => {
  const connector = made('STOPPED');
  const renewal = await mirrors({ secret: async () => { throw new Failure('BadCatalog', 'The secret file:/run/p cannot be read.'); } }).resume(spec, noLimit);
  assert.deepEqual([connector.state, renewal.renewed], ['RUNNING', []]);
  assert.match(renewal.failed?.message ?? '', /^The secret file:\/run\/p cannot be read\./);
});

test('brokers have moved: the mirror the other way, made with their old addresses, is known by its name', async () => {
  made('STOPPED');
  const back = spec.name.replace('-fwd-', '-back-');
  connectors.set(back, { state: 'RUNNING', tasks: [0], config: { 'connector.class': mm2, 'topics': 'orders', 'source.cluster.bootstrap.servers': 'n:1' } });
  await assert.rejects(mirrors({ target: 'n:2' }).resume(spec, noLimit), { type: 'Drift', message: /was not resumed: connector cutover-orders-back-00000001-1 .* and is RUNNING with 1 tasks/ });
  // Another run's may read from a third cluster.
  connectors.delete(back);
  connectors.set(back.replace('00000001', '00000002'), { state: 'RUNNING', tasks: [0], config: { 'connector.class': mm2, 'topics': 'orders', 'source.cluster.bootstrap.servers': 'elsewhere:1' } });
  await mirrors({ target: 'n:2' }).resume(spec, noLimit);
  assert.equal(connectors.get(spec.name)?.state, 'RUNNING');
});
