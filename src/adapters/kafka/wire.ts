/** What every Kafka request needs first: a connection to the right broker, who leads what, and which version both sides speak. */
import { apiVersionsV3, findCoordinatorV4, metadataV12 } from '@platformatic/kafka';
import type { Connection } from '@platformatic/kafka';
import type { ClusterConfig } from '../../domain/catalog.ts';
import { Failure } from '../../domain/failures.ts';
import { coordinatorCodes, codeFailure, itemized, toFailure } from './faults.ts';
import { addressText, openPool, principalOf } from './pool.ts';
import type { Address } from './pool.ts';

type ApiVersionsResponse = apiVersionsV3.ApiVersionsResponse;
type MetadataResponse = metadataV12.MetadataResponse;

export interface Wire {
  /** Pooled, authenticated connection; a broken one is replaced at the next call. */
  connection(nodeId: number): Promise<Connection>;
  /** Unknown topics, and topics we may not see, are absent. `leader` is -1 while a partition has none. */
  leaders(topics: readonly string[], refresh?: boolean): Promise<ReadonlyMap<string, TopicLeaders>>;
  /** Highest version both sides speak; throws `Unsupported` when there is none. Asked of this very broker: during a rolling upgrade they differ. */
  version(nodeId: number, api: number, ours: readonly [min: number, max: number]): Promise<number>;
  close(): Promise<void>;
}
export interface TopicLeaders { readonly topicId: string; readonly partitions: readonly { readonly partition: number; readonly leader: number }[] }

/** What the cluster adapter needs besides. */
export interface ClusterWire extends Wire {
  readonly name: string;
  readonly principal: string | undefined;
  /** Named topics, or all. Per-topic error codes are in the answer and fail nothing. */
  metadata(topics: readonly string[] | null): Promise<MetadataResponse>;
  /** Any broker that answers. */
  anyNode(): Promise<number>;
  apis(nodeId: number): Promise<ApiVersionsResponse>;
  /** Keys by the node that coordinates them. `fresh` asks again (after NOT_COORDINATOR). Retries while coordinators are loading. */
  coordinators(kind: 'group' | 'transaction', keys: readonly string[], fresh?: 'fresh'): Promise<ReadonlyMap<number, readonly string[]>>;
}
export interface WireConfig extends Pick<ClusterConfig, 'bootstrap' | 'sasl' | 'tls'> { readonly name: string; readonly clientId?: string }

/** Leaders are believed this long without asking; requests that meet NOT_LEADER refresh at once. */
const leadersMaxAgeMs = 5_000;
const coordinatorDeadlineMs = 10_000;

export function openWire(config: WireConfig): ClusterWire {
  const pool = openPool(config);
  const principal = principalOf(config);
  const doing = (what: string): { cluster: string; principal: string | undefined; what: string } => ({ cluster: config.name, principal, what });
  let nodes = new Map<number, Address>();
  const leaderCache = new Map<string, { readonly leaders: TopicLeaders; readonly atMs: number }>();
  const coordinatorCache = { group: new Map<string, number>(), transaction: new Map<string, number>() };
  const versions = new WeakMap<Connection, Promise<ApiVersionsResponse>>();

  /** Who took a request and did not answer it: a process that stands still goes on accepting connections. */
  let silent: string | null = null;

  /** Known brokers first, then the bootstrap addresses; who was silent last comes last. The first that answers. */
  async function anyConnection(): Promise<Connection> {
    const addresses = [...nodes.values(), ...config.bootstrap.map(parseAddress)].sort((a, b) => Number(addressText(a) === silent) - Number(addressText(b) === silent));
    const candidates = new Map(addresses.map((address) => [addressText(address), address]));
    const faults: Error[] = [];
    for (const address of candidates.values()) {
      try {
        return await pool.to(address);
      } catch (error) {
        faults.push(toFailure(error, doing('connect')));
      }
    }
    throw faults.find((fault) => fault instanceof Failure && fault.type !== 'Unreachable') ?? faults.at(-1) ?? new Failure('BadCatalog', `Cluster ${config.name} has no bootstrap address.`);
  }

  async function metadata(topics: readonly string[] | null): Promise<MetadataResponse> {
    const connection = await anyConnection();
    try {
      const answer = await itemized(metadataV12.api.async(connection, topics === null ? null : [...topics], false, false));
      nodes = new Map(answer.brokers.map((broker) => [broker.nodeId, { host: broker.host, port: broker.port }]));
      remember(answer);
      return answer;
    } catch (error) {
      throw unanswered(error, connection, 'read metadata');
    }
  }

  /** The next call asks somebody else first. */
  function unanswered(error: unknown, { host, port }: Connection, what: string): Error {
    const failure = toFailure(error, { ...doing(what), at: `${host}:${port}` });
    if (failure instanceof Failure && failure.type === 'Unreachable') silent = `${host}:${port}`;
    return failure;
  }

  function remember(answer: MetadataResponse): void {
    for (const topic of answer.topics) {
      if (topic.name === null || topic.name === undefined) continue;
      if (topic.errorCode !== 0) leaderCache.delete(topic.name);
      else {
        const partitions = topic.partitions.map((p) => ({ partition: p.partitionIndex, leader: p.leaderId })).sort((a, b) => a.partition - b.partition);
        leaderCache.set(topic.name, { leaders: { topicId: topic.topicId, partitions }, atMs: Date.now() });
      }
    }
  }

  async function leaders(topics: readonly string[], refresh = false): Promise<ReadonlyMap<string, TopicLeaders>> {
    const fresh = (topic: string): boolean => Date.now() - (leaderCache.get(topic)?.atMs ?? 0) < leadersMaxAgeMs;
    const ask = refresh ? topics : topics.filter((topic) => !fresh(topic));
    if (ask.length > 0) await metadata(ask);
    return new Map(topics.flatMap((topic) => {
      const found = leaderCache.get(topic);
      return found === undefined ? [] : [[topic, found.leaders] as const];
    }));
  }

  async function connection(nodeId: number): Promise<Connection> {
    if (!nodes.has(nodeId)) await metadata([]);
    const address = nodes.get(nodeId);
    if (address === undefined) {
      forget(nodeId);
      throw new Failure('Unreachable', `Broker ${nodeId} of cluster ${config.name} is not among its brokers ${[...nodes.keys()].join(', ')}.`, 'It may be restarting; the call is retried.');
    }
    try {
      return await pool.to(address);
    } catch (error) {
      forget(nodeId);
      throw error;
    }
  }

  /** A broker that is gone neither leads nor coordinates, and may come back at another address: everything about it is asked again. */
  function forget(nodeId: number): void {
    nodes.delete(nodeId);
    for (const cache of Object.values(coordinatorCache)) for (const [key, node] of cache) if (node === nodeId) cache.delete(key);
    for (const [topic, { leaders: known }] of leaderCache) if (known.partitions.some((p) => p.leader === nodeId)) leaderCache.delete(topic);
  }

  async function anyNode(): Promise<number> {
    if (nodes.size === 0) await metadata([]);
    let fault: unknown = new Failure('Unreachable', `Cluster ${config.name} names no broker.`);
    for (const [node, address] of nodes) {
      try {
        await pool.to(address);
        return node;
      } catch (error) {
        fault = error;
      }
    }
    throw fault;
  }

  async function apis(nodeId: number): Promise<ApiVersionsResponse> {
    const to = await connection(nodeId);
    const known = versions.get(to) ?? apiVersionsV3.api.async(to, 'cutover', '1');
    versions.set(to, known);
    try {
      return await known;
    } catch (error) {
      versions.delete(to);
      throw toFailure(error, { ...doing('read API versions'), at: `${to.host}:${to.port}` });
    }
  }

  async function version(nodeId: number, api: number, ours: readonly [min: number, max: number]): Promise<number> {
    const theirs = (await apis(nodeId)).apiKeys.find((one) => one.apiKey === api);
    const best = theirs === undefined ? -1 : Math.min(theirs.maxVersion, ours[1]);
    if (theirs !== undefined && best >= Math.max(theirs.minVersion, ours[0])) return best;
    const offered = theirs === undefined ? 'does not offer it' : `offers ${theirs.minVersion} to ${theirs.maxVersion}`;
    throw new Failure('Unsupported', `Broker ${nodeId} of cluster ${config.name} cannot serve Kafka API ${api} in version ${ours[0]} to ${ours[1]}: it ${offered}.`, 'Cutover needs Kafka 3.1 or newer; upgrade the broker or this worker.');
  }

  async function coordinators(kind: 'group' | 'transaction', keys: readonly string[], fresh?: 'fresh'): Promise<ReadonlyMap<number, readonly string[]>> {
    const cache = coordinatorCache[kind];
    if (fresh === 'fresh') for (const key of keys) cache.delete(key);
    const deadline = Date.now() + coordinatorDeadlineMs;
    for (let waitMs = 25; ; waitMs = Math.min(waitMs * 2, 400)) {
      const missing = [...new Set(keys)].filter((key) => !cache.has(key));
      if (missing.length === 0) return byNode(keys, cache);
      const refused = await findCoordinators(kind, missing, cache);
      if (refused === null) continue;
      if (!coordinatorCodes.has(refused.code) || Date.now() > deadline) throw notFound(kind, refused);
      await new Promise((resolve) => setTimeout(resolve, waitMs));
    }
  }

  function notFound(kind: 'group' | 'transaction', { key, code, said }: { key: string; code: number; said: string | null }): Failure {
    const [what, right] = kind === 'group' ? [`find the coordinator of group ${key}`, `READ on group ${key}`] : [`find the coordinator of transactional id ${key}`, `WRITE on transactional id ${key}`];
    return codeFailure(code, { ...doing(what), right }, said);
  }

  /** Fills the cache; answers the first key that was refused, if any. */
  async function findCoordinators(kind: 'group' | 'transaction', keys: readonly string[], cache: Map<string, number>): Promise<{ key: string; code: number; said: string | null } | null> {
    const to = await anyConnection();
    try {
      const answer = await itemized(findCoordinatorV4.api.async(to, kind === 'group' ? 0 : 1, [...keys]));
      for (const one of answer.coordinators) if (one.errorCode === 0) {
        cache.set(one.key, one.nodeId);
        nodes.set(one.nodeId, { host: one.host, port: one.port });
      }
      const refused = answer.coordinators.find((one) => one.errorCode !== 0);
      return refused === undefined ? null : { key: refused.key, code: refused.errorCode, said: refused.errorMessage ?? null };
    } catch (error) {
      throw unanswered(error, to, 'find coordinators');
    }
  }

  return { name: config.name, principal, connection, leaders, version, metadata, anyNode, apis, coordinators, close: () => pool.close() };
}

function byNode(keys: readonly string[], cache: ReadonlyMap<string, number>): ReadonlyMap<number, readonly string[]> {
  const found = new Map<number, string[]>();
  for (const key of new Set(keys)) {
    const node = cache.get(key);
    if (node === undefined) continue;
    const list = found.get(node) ?? [];
    list.push(key);
    found.set(node, list);
  }
  return found;
}

/** `host:port`, also `[::1]:9092`. */
function parseAddress(text: string): Address {
  const at = text.lastIndexOf(':');
  return { host: text.slice(0, at).replace(/^\[|\]$/g, ''), port: Number(text.slice(at + 1)) };
}
