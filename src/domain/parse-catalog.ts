/** From what the worker's YAML file holds to a `Catalog`, or to one message that tells every fault in it. */
import type { Beside, Catalog, ClusterConfig, Command, ConnectConfig, FleetConfig, HookConfig } from './catalog.ts';
import { Failure } from './failures.ts';
import { choice, didYouMean, entries, Faults, fieldOf, fields, list, show, text, whole, yes, type At } from './shape.ts';

const longestName = 200;
const longestText = 2_000;
const bounds = { timeoutMs: { least: 100, most: 3_600_000, otherwise: 60_000, unit: 'ms' } } as const;

const reference = /^(env:[A-Za-z_][A-Za-z0-9_]*|file:\/.+)$/;
const secrets = 'Put a reference there (env:NAME or file:/path), never the credential itself.';
const name = { pattern: /^[A-Za-z0-9][A-Za-z0-9._-]*$/, words: 'letters, digits, ".", "_" and "-"' };

/** Throws one `BadCatalog` with all faults; `where` names the file. Whether references resolve is found out by the worker. */
export function parseCatalog(input: unknown, where = 'The catalog'): Catalog {
  const faults = new Faults();
  const f = fields({ path: '', value: input, faults }, { noun: 'a catalog', known: ['temporal', 'clusters', 'connects', 'fleets', 'hooks'], secrets });
  const catalog = f ? readCatalog(f) : null;
  if (catalog === null || faults.count > 0) throw new Failure('BadCatalog', faults.report(where));
  return catalog;
}

function readCatalog(f: (key: string) => At): Catalog {
  const clusters = named(f('clusters'), 'clusters', readCluster);
  const known = Object.keys(clusters);
  if (f('clusters').value === undefined) f('clusters').faults.add('clusters', 'is missing; it must hold at least two clusters by name, each with "bootstrap".');
  else if (known.length < 2) f('clusters').faults.add('clusters', `holds ${known.length === 0 ? 'none' : `only ${show(known[0])}`}; a migration needs two, its source and its target.`);
  return {
    temporal: readTemporal(f('temporal')),
    clusters,
    connects: named(f('connects'), 'Connect workers', (x) => readConnect(x, known)),
    fleets: named(f('fleets'), 'fleets', readFleet),
    ...(f('hooks').value === undefined ? {} : { hooks: named(f('hooks'), 'hooks', readHook) }),
  };
}

function named<T>(x: At, noun: string, read: (x: At) => T): Readonly<Record<string, T>> {
  return Object.fromEntries(entries(x, { noun: `${noun} by name`, most: 1_000 }).map(([key, at]) => {
    text({ ...at, value: key }, { noun: `the name of one of the ${noun}`, most: longestName, form: name, secrets });
    return [key, read(at)] as const;
  }));
}

function readTemporal(x: At): Catalog['temporal'] {
  const f = x.value === undefined ? null : fields(x, { noun: 'temporal', known: ['taskQueue'], secrets });
  const taskQueue = f?.('taskQueue');
  return { taskQueue: taskQueue?.value === undefined ? 'cutover' : text(taskQueue, { noun: 'a task queue', most: longestName, secrets }) };
}

const nowhere: ClusterConfig = { bootstrap: [] };
function readCluster(x: At): ClusterConfig {
  const f = fields(x, { noun: 'a cluster', known: ['bootstrap', 'sasl', 'tls', 'connectBootstrap'], secrets });
  if (!f) return nowhere;
  return {
    bootstrap: readAddresses(f('bootstrap')),
    ...(f('sasl').value === undefined ? {} : { sasl: readLogin(f('sasl')) }),
    ...(f('tls').value === undefined ? {} : { tls: readTls(f('tls')) }),
    ...(f('connectBootstrap').value === undefined ? {} : { connectBootstrap: readAddresses(f('connectBootstrap')) }),
  };
}

function readAddresses(x: At): readonly string[] {
  return list(x, { noun: 'broker addresses such as broker-1:9092', least: 1, most: 100 }).map((at) => {
    const address = text(at, { noun: 'a broker address', most: 300, form: { pattern: /^(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+):\d{1,5}$/, words: 'host:port' }, secrets });
    const port = Number(address.slice(address.lastIndexOf(':') + 1));
    if (address !== '' && (port < 1 || port > 65_535)) at.faults.add(at.path, `the port must be from 1 to 65535; it is ${port}.`);
    return address;
  });
}

function readLogin(x: At): ClusterConfig['sasl'] & {} {
  const f = fields(x, { noun: 'a login', known: ['mechanism', 'username', 'password'], secrets });
  if (!f) return { mechanism: 'PLAIN', username: '', password: '' };
  return {
    mechanism: choice(f('mechanism'), ['PLAIN', 'SCRAM-SHA-256', 'SCRAM-SHA-512']),
    username: text(f('username'), { noun: 'a user name', most: longestName, secrets }),
    password: readReference(f('password'), 'a password'),
  };
}

/** What stands there is never repeated: if it is no reference, it is most likely the credential. */
function readReference(x: At, noun: string): string {
  if (typeof x.value === 'string' && reference.test(x.value)) return x.value;
  const wanted = `a reference to ${noun}: env:NAME or file:/path`;
  x.faults.add(x.path, x.value === undefined ? `is missing; it must be ${wanted}.`
    : `must be ${wanted}. What stands there is not shown, it may be the credential itself; if so, replace the credential, since files are copied.`);
  return '';
}

function readTls(x: At): boolean | { readonly caFile: string } {
  if (typeof x.value === 'boolean') return x.value;
  const f = fields(x, { noun: 'true, false, or an object', known: ['caFile'], secrets });
  return f ? { caFile: text(f('caFile'), { noun: 'a file with PEM certificates', most: longestText, secrets }) } : false;
}

function readUrl(x: At): string {
  const url = text(x, { noun: 'a URL', most: longestText, secrets });
  if (url === '') return '';
  const fault = urlFault(url);
  if (fault !== null) x.faults.add(x.path, fault);
  return url;
}
function urlFault(url: string): string | null {
  if (!URL.canParse(url)) return `must be a URL such as http://connect:8083; it is ${show(url)}.`;
  const { protocol, username, password } = new URL(url);
  if (protocol !== 'http:' && protocol !== 'https:') return `must begin with http:// or https://; it is ${show(url)}.`;
  return username !== '' || password !== '' ? `must not carry a login. ${secrets}` : null;
}

function readConnect(x: At, clusters: readonly string[]): ConnectConfig {
  const f = fields(x, { noun: 'a Connect worker', known: ['url', 'cluster', 'groupId', 'logins'], secrets });
  if (!f) return { url: '', cluster: '', groupId: '' };
  const cluster = text(f('cluster'), { noun: 'the cluster it is bootstrapped on', most: longestName, form: name, secrets });
  if (cluster !== '') knownCluster(f('cluster'), cluster, clusters);
  const logins = entries(f('logins'), { noun: 'logins by cluster', most: 1_000 }).map(([key, at]) => {
    knownCluster(at, key, clusters);
    return [key, readLogin(at)] as const;
  });
  return {
    url: readUrl(f('url')),
    cluster,
    groupId: text(f('groupId'), { noun: 'the group.id of the Connect workers', most: longestName, secrets }),
    ...(logins.length === 0 ? {} : { logins: Object.fromEntries(logins) }),
  };
}
function knownCluster(x: At, cluster: string, clusters: readonly string[]): void {
  if (!clusters.includes(cluster)) x.faults.add(x.path, `${show(cluster)} is not among the clusters (${clusters.map(show).join(', ') || 'there are none'}).${didYouMean(cluster, clusters)}`);
}

const kinds = ['command', 'webhook', 'manual'] as const;
const none: FleetConfig = { kind: 'manual', tell: '' };
/** The kind decides which other fields there may be, so without one nothing else is looked at. */
function readFleet(x: At): FleetConfig {
  const given = fieldOf(x, 'kind');
  if (given === null) {
    x.faults.add(x.path, `must be a fleet with a "kind" (${kinds.join(', ')}); it is ${show(x.value)}.`);
    return none;
  }
  const kind = choice(given, kinds);
  if (kind !== given.value) return none;
  if (kind === 'command') return readCommandFleet(x) ?? none;
  const known = kind === 'webhook' ? ['kind', 'url', 'token', 'beside', 'timeoutMs'] : ['kind', 'tell'];
  const f = fields(x, { noun: `a ${kind} fleet`, known, secrets });
  if (!f) return none;
  if (kind === 'manual') return { kind, tell: text(f('tell'), { noun: 'what to tell the person who moves the application', most: longestText, secrets }) };
  return {
    kind, url: readUrl(f('url')), timeoutMs: readTimeout(f('timeoutMs')),
    ...(yes(f('beside')) ? { beside: true as const } : {}),
    ...(f('token').value === undefined ? {} : { token: readReference(f('token'), 'a token') }),
  };
}

const hookKinds = ['webhook', 'command'] as const;
const noHook: HookConfig = { kind: 'webhook', url: '', timeoutMs: 0 };
function readHook(x: At): HookConfig {
  const given = fieldOf(x, 'kind');
  if (given === null) {
    x.faults.add(x.path, `must be a hook with a "kind" (${hookKinds.join(', ')}); it is ${show(x.value)}.`);
    return noHook;
  }
  const kind = choice(given, hookKinds);
  if (kind !== given.value) return noHook;
  const f = fields(x, { noun: `a ${kind} hook`, known: kind === 'webhook' ? ['kind', 'url', 'token', 'timeoutMs'] : ['kind', 'set', 'ask', 'timeoutMs'], secrets });
  if (!f) return noHook;
  if (kind === 'command') return { kind, ask: readCommand(f('ask')), timeoutMs: readTimeout(f('timeoutMs')), ...(f('set').value === undefined ? {} : { set: readCommand(f('set')) }) };
  return { kind, url: readUrl(f('url')), timeoutMs: readTimeout(f('timeoutMs')), ...(f('token').value === undefined ? {} : { token: readReference(f('token'), 'a token') }) };
}

function readCommandFleet(x: At): FleetConfig | null {
  const f = fields(x, { noun: 'a command fleet', known: ['kind', 'stop', 'start', 'ask', 'beside', 'timeoutMs'], secrets });
  if (!f) return null;
  const start = f('start').value === undefined ? missingStart(f('start')) : fields(f('start'), { noun: 'two commands', known: ['source', 'target'], secrets });
  return {
    kind: 'command', stop: readCommand(f('stop')), ask: readCommand(f('ask')), ...readBeside(f('beside')), timeoutMs: readTimeout(f('timeoutMs')),
    start: start ? { source: readCommand(start('source')), target: readCommand(start('target')) } : { source: [''], target: [''] },
  };
}
function readBeside(x: At): { readonly beside?: Beside } {
  if (x.value === undefined) return {};
  const f = fields(x, { noun: 'how one set is started and stopped beside another', known: ['start', 'stop'], secrets });
  const two = (key: 'start' | 'stop'): Beside['start'] => {
    const of = f && fields(f(key), { noun: 'two commands', known: ['source', 'target'], secrets });
    return of ? { source: readCommand(of('source')), target: readCommand(of('target')) } : { source: [''], target: [''] };
  };
  return { beside: { start: two('start'), stop: two('stop') } };
}
function missingStart(x: At): null {
  x.faults.add(x.path, 'is missing; it must hold the commands "source" and "target".');
  return null;
}

function readCommand(x: At): Command {
  const words = list(x, { noun: 'words (a program and its arguments; no shell)', least: 1, most: 200 })
    .map((at, i) => (i > 0 && at.value === '' ? '' : text(at, { noun: i === 0 ? 'a program' : 'an argument (quote numbers)', most: longestText, secrets })));
  const [program = '', ...args] = words;
  return [program, ...args];
}

function readTimeout(x: At): number {
  return whole(x, bounds.timeoutMs) ?? bounds.timeoutMs.otherwise;
}
