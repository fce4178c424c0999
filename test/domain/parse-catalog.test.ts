/** What a person may write as a catalog, and the whole message each mistake is answered with. */
import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { Failure } from '../../src/domain/failures.ts';
import { parseCatalog } from '../../src/domain/parse-catalog.ts';

const good = {
  clusters: { east: { bootstrap: ['e1:9092', '[::1]:9092'] }, west: { bootstrap: ['w1:9092'], tls: true } },
  connects: { 'west-connect': { url: 'http://connect:8083', cluster: 'west', groupId: 'c' } },
  fleets: { shop: { kind: 'manual', tell: 'stop the shop' } },
};
const withCluster = (east: unknown): unknown => ({ ...good, clusters: { ...good.clusters, east } });
const withFleet = (shop: unknown): unknown => ({ ...good, fleets: { shop } });
const refusal = (input: unknown): string => {
  try {
    parseCatalog(input);
  } catch (error) {
    assert.ok(error instanceof Failure && error.type === 'BadCatalog', String(error));
    return error.message;
  }
  return 'accepted';
};
const told = (...faults: readonly string[]): string =>
  `The catalog has ${faults.length === 1 ? 'a fault' : `${faults.length} faults`}:\n${faults.map((f) => `- ${f}\n`).join('')}Correct the worker's catalog and restart the worker.`;
const notShown = 'What stands there is not shown, it may be the credential itself; if so, replace the credential, since files are copied.';
const noSecrets = 'Put a reference there (env:NAME or file:/path), never the credential itself.';

const withHook = (traffic: unknown): unknown => ({ ...good, hooks: { traffic } });
test('catalog: hooks of both kinds are taken as they are', () => {
  const hooks = { traffic: { kind: 'webhook', url: 'https://lb.example.org/shop', token: 'env:LB', timeoutMs: 5_000 }, fine: { kind: 'command', ask: ['/bin/fine', '', 'x'], timeoutMs: 60_000 } };
  assert.deepEqual(parseCatalog({ ...good, hooks }).hooks, hooks);
  assert.equal(parseCatalog(good).hooks, undefined);
});

const refused: readonly (readonly [string, unknown, ...string[]])[] = [
  ['a hook without a kind', withHook('https://lb'), 'hooks.traffic: must be a hook with a "kind" (webhook, command); it is "https://lb".'],
  ['a hook of an unknown kind', withHook({ kind: 'web', url: 'https://lb' }), 'hooks.traffic.kind: must be one of "webhook", "command"; it is "web".'],
  ['a hook with everything wrong', withHook({ kind: 'webhook', url: 'ftp://x', token: 'hunter2', ask: [] }),
    'hooks.traffic.ask: is not a field of a webhook hook (kind, url, token, timeoutMs).',
    'hooks.traffic.url: must begin with http:// or https://; it is "ftp://x".',
    `hooks.traffic.token: must be a reference to a token: env:NAME or file:/path. ${notShown}`],
  ['a command hook that cannot be asked', withHook({ kind: 'command', set: 'x' }),
    'hooks.traffic.ask: is missing; it must list words (a program and its arguments; no shell).',
    'hooks.traffic.set: must be a list of words (a program and its arguments; no shell); it is "x".'],
  ['an empty file', null, 'The document must be a catalog with temporal, clusters, connects, fleets, hooks; it is null.'],
  ['no clusters', {}, 'clusters: is missing; it must hold at least two clusters by name, each with "bootstrap".'],
  ['one cluster', { clusters: { east: good.clusters.east } }, 'clusters: holds only "east"; a migration needs two, its source and its target.'],
  ['unknown fields', { ...good, cluster: {}, temporal: { taskqueue: 'x' } },
    'cluster: is not a field of a catalog (temporal, clusters, connects, fleets, hooks). Did you mean "clusters"?',
    'temporal.taskqueue: is not a field of temporal (taskQueue). Did you mean "taskQueue"?'],
  ['a cluster without brokers', withCluster({}), 'clusters.east.bootstrap: is missing; it must list broker addresses such as broker-1:9092.'],
  ['brokers as one text', withCluster({ bootstrap: 'e1:9092,e2:9092' }), 'clusters.east.bootstrap: must be a list of broker addresses such as broker-1:9092; it is "e1:9092,e2:9092".'],
  ['addresses without or with a wrong port', withCluster({ bootstrap: ['e1', 'e2:99999'] }),
    'clusters.east.bootstrap[0]: must be a broker address (host:port); it is "e1".',
    'clusters.east.bootstrap[1]: the port must be from 1 to 65535; it is 99999.'],
  ['a password in clear', withCluster({ bootstrap: ['e1:9092'], sasl: { mechanism: 'PLAIN', username: 'u', password: 'hunter2' } }),
    `clusters.east.sasl.password: must be a reference to a password: env:NAME or file:/path. ${notShown}`],
  ['a password in an address', withCluster({ bootstrap: ['u:hunter2@e1:9092'] }), `clusters.east.bootstrap[0]: looks like a login. ${noSecrets}`],
  ['a password in a field of another tool', withCluster({ bootstrap: ['e1:9092'], 'sasl.jaas.config': 'password="hunter2"' }), `clusters.east["sasl.jaas.config"]: looks like a credential. ${noSecrets}`],
  ['a file reference that is not absolute', withCluster({ bootstrap: ['e1:9092'], sasl: { mechanism: 'PLAIN', username: 'u', password: 'file:secret' } }),
    `clusters.east.sasl.password: must be a reference to a password: env:NAME or file:/path. ${notShown}`],
  ['a mechanism that does not exist', withCluster({ bootstrap: ['e1:9092'], sasl: { mechanism: 'SCRAM', username: 'u', password: 'env:P' } }),
    'clusters.east.sasl.mechanism: must be one of "PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"; it is "SCRAM". Did you mean "SCRAM-SHA-256"?'],
  ['tls as a text', withCluster({ bootstrap: ['e1:9092'], tls: 'yes' }), 'clusters.east.tls: must be true, false, or an object with caFile; it is "yes".'],
  ['a cluster name with a slash', { ...good, clusters: { ...good.clusters, 'a/b': { bootstrap: ['x:1'] } } },
    'clusters["a/b"]: must be the name of one of the clusters (letters, digits, ".", "_" and "-"); it is "a/b".'],
  ['a Connect worker on an unknown cluster', { ...good, connects: { k: { url: 'http://k', cluster: 'wst', groupId: 'g', logins: { est: { mechanism: 'PLAIN', username: 'u', password: 'env:P' } } } } },
    'connects.k.cluster: "wst" is not among the clusters ("east", "west"). Did you mean "west"?',
    'connects.k.logins.est: "est" is not among the clusters ("east", "west"). Did you mean "east"?'],
  ['URLs that are none, of another kind, or with a login', { ...good, connects: { a: { url: 'nowhere', cluster: 'west', groupId: 'g' }, b: { url: 'ftp://b', cluster: 'west', groupId: 'g' }, c: { url: 'http://u:hunter2@c', cluster: 'west', groupId: 'g' } } },
    'connects.a.url: must be a URL such as http://connect:8083; it is "nowhere".',
    'connects.b.url: must begin with http:// or https://; it is "ftp://b".',
    `connects.c.url: looks like a login. ${noSecrets}`],
  ['a fleet without a kind', withFleet({ tell: 'x' }), 'fleets.shop.kind: is missing; it must be one of "command", "webhook", "manual".'],
  ['a fleet of an unknown kind', withFleet({ kind: 'webhok' }), 'fleets.shop.kind: must be one of "command", "webhook", "manual"; it is "webhok". Did you mean "webhook"?'],
  ['a fleet that is a text', withFleet('shop'), 'fleets.shop: must be a fleet with a "kind" (command, webhook, manual); it is "shop".'],
  ['commands as texts, and one that is missing', withFleet({ kind: 'command', stop: 'kill shop', start: { source: ['a'], target: [] } }),
    'fleets.shop.stop: must be a list of words (a program and its arguments; no shell); it is "kill shop".',
    'fleets.shop.ask: is missing; it must list words (a program and its arguments; no shell).',
    'fleets.shop.start.target: lists nothing; wanted: words (a program and its arguments; no shell), at least 1.'],
  ['an argument that is a number', withFleet({ kind: 'command', stop: ['scale', 0], ask: ['a'], start: { source: ['a'], target: ['b'] } }), 'fleets.shop.stop[1]: must be an argument (quote numbers); it is 0.'],
  ['a webhook with a token in clear and a timeout of nothing', withFleet({ kind: 'webhook', url: 'http://x', token: 'hunter2', timeoutMs: 0 }),
    'fleets.shop.timeoutMs: must be a whole number of ms from 100 to 3600000; it is 0.',
    `fleets.shop.token: must be a reference to a token: env:NAME or file:/path. ${notShown}`],
];
for (const [situation, input, ...faults] of refused)
  test(`catalog refused: ${situation}`, () => {
    const message = refusal(input);
    assert.equal(message, told(...faults));
    assert.doesNotMatch(message, /hunter2/);
  });

test('catalog accepted: what was not said gets its default, empty sections are empty', () => {
  const catalog = parseCatalog({ ...good, connects: null, fleets: { f: { kind: 'command', stop: ['s', ''], start: { source: ['a'], target: ['b'] }, ask: ['q'] } } });
  assert.deepEqual(catalog, {
    temporal: { taskQueue: 'cutover' }, clusters: good.clusters, connects: {},
    fleets: { f: { kind: 'command', stop: ['s', ''], start: { source: ['a'], target: ['b'] }, ask: ['q'], timeoutMs: 60_000 } },
  });
});
test('catalog: any JSON anywhere is accepted or refused with BadCatalog, never something else', () => {
  fc.assert(fc.property(fc.constantFrom('temporal', 'clusters', 'connects', 'fleets'), fc.jsonValue(), (key, value) => {
    for (const input of [value, { ...good, [key]: value }, { ...good, [key]: { x: value } }, withCluster({ bootstrap: value, sasl: value, tls: value }), withFleet({ kind: 'command', start: value, ask: value })]) {
      const message = refusal(input);
      assert.ok(message === 'accepted' || message.length < 3_500);
    }
  }));
});
