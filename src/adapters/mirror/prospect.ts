/**
 * A mirror before it exists: whether its Connect worker would take and run it, and whether its logins may do what it will
 * have to, asked of the clusters as those very logins. What cannot be asked is named as unknown.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Catalog, ClusterConfig } from '../../domain/catalog.ts';
import { Failure } from '../../domain/failures.ts';
import type { Cluster, MirrorProof, Until } from '../../domain/ports.ts';
import { readRights } from '../kafka/rights.ts';
import { fenceTransactionalId } from '../kafka/transactions.ts';
import { openWire } from '../kafka/wire.ts';
import { clusterOf, connectorConfig, mirrorClass, syncsTopic, transactionalId, unmirrorable } from './connector.ts';
import type { ConfigDeps } from './connector.ts';
import type { Place } from './place.ts';
import { reading } from './place.ts';

type Found = { readonly [K in 'faults' | 'shown' | 'unknown']?: readonly string[] };

/** Sentences with their full stop; empty when fine. */
export async function check(p: Place, deps: ConfigDeps): Promise<readonly string[]> {
  const faults = p.spec.topics.map(unmirrorable).filter((f) => f !== null);
  const [root, facts] = await Promise.all([p.rest.root(reading), p.to.facts()]);
  if (root.kafka_cluster_id !== facts.clusterId)
    faults.push(`Connect ${p.spec.connect} at ${p.rest.url} works on Kafka cluster ${root.kafka_cluster_id}, but cluster ${p.spec.to} is ${facts.clusterId}.`);
  if (!atLeast(root.version, [3, 7])) faults.push(`Connect ${p.spec.connect} is version ${root.version}; 3.7 or newer is needed.`);
  if (!(await p.rest.plugins(reading)).includes(mirrorClass)) return [...faults, `Connect ${p.spec.connect} at ${p.rest.url} has no plugin ${mirrorClass}.`];
  const config = await connectorConfig(p.spec, { partitions: 1, replicationFactor: Math.min(3, facts.brokers.length) }, deps);
  return [...faults, ...(await p.rest.validate({ name: p.spec.name, ...config }, reading)).map((f) => `Connect ${p.spec.connect} refuses the mirror: ${f}.`)];
}
function atLeast(version: string, [major, minor]: readonly [number, number]): boolean {
  const [a = 0, b = 0] = version.split('.').map(Number);
  return a > major || (a === major && b >= minor);
}

export async function prove(p: Place, deps: ConfigDeps): Promise<MirrorProof> {
  const writer = loginOf(p, deps.catalog, p.spec.to);
  const found = await Promise.all([
    asked(`whether Connect ${p.spec.connect} takes the mirror`, async () => {
      const faults = (await check(p, deps)).map((f) => f.replace(/\.$/, ''));
      return { faults, shown: faults.length > 0 ? [] : [`Connect worker ${p.spec.connect} on ${p.spec.to} takes the mirror's settings, exactly-once among them`] };
    }),
    asked(`whether worker group ${p.groupId} is alive`, () => alive(p)),
    asked(`what the mirror may do on ${p.spec.to}`, () => writes(p, deps.catalog)),
    asked(`what the mirror may read on ${p.spec.from}`, () => reads(p, deps.catalog)),
  ]);
  const of = (part: keyof Found): readonly string[] => found.flatMap((f) => f[part] ?? []);
  return { faults: of('faults'), shown: of('shown'), unknown: of('unknown'), ...(writer && { principal: `User:${writer.username}` }) };
}

/** A refusal is a fault; that the cluster cannot be reached now is neither, and passes on. */
async function asked(what: string, look: () => Promise<Found>): Promise<Found> {
  try {
    return await look();
  } catch (e) {
    if (!(e instanceof Failure) || e.type === 'Unreachable') throw e;
    return { faults: [`${what} could not be shown: ${e.message.replace(/\.$/, '')}`] };
  }
}

/** The group's name is the prefix of every transactional id: a wrong one would make every fence one in vain. */
async function alive(p: Place): Promise<Found> {
  const [group, connectors] = await Promise.all([groupOf(p.to, p.groupId), p.rest.list(reading)]);
  const lost = connectors.filter((c) => c.state === 'UNASSIGNED').map((c) => c.name);
  if (lost.length > 0) return { faults: [`connectors ${lost.slice(0, 3).join(', ')} of Connect ${p.spec.connect} are held by no worker; look whether its group rebalances, or start a worker`] };
  if (typeof group === 'string') return { unknown: [group] };
  if (group.members.length === 0)
    return { faults: [`cluster ${p.spec.to} has no live worker in group ${p.groupId} (it is ${group.state}); start one, or correct groupId of Connect ${p.spec.connect} in the catalog to the worker's group.id`] };
  return { shown: [`group ${p.groupId} is ${group.state} with ${group.members.length} worker${group.members.length === 1 ? '' : 's'}`] };
}

/** A group that just rebalances settles within seconds. */
async function groupOf(cluster: Cluster, groupId: string): Promise<{ readonly state: string; readonly members: readonly unknown[] } | string> {
  try {
    for (const endMs = Date.now() + 10_000; ; await sleep(250)) {
      const [group] = await cluster.groups([groupId]);
      if (group && (group.state !== 'Rebalancing' || Date.now() > endMs)) return group;
      if (!group) return { state: 'unknown to the cluster', members: [] };
    }
  } catch (e) {
    if (e instanceof Failure && e.type === 'Unauthorized') return `whether group ${groupId} has a live worker (${e.message.replace(/\.$/, '')})`;
    throw e;
  }
}

const loginOf = (p: Place, catalog: Catalog, cluster: string): (ClusterConfig['sasl'] & {}) | undefined => catalog.connects[p.spec.connect]?.logins?.[cluster];

/** Connect's own producer writes the copies. Its login is the worker's affair; the one the catalog gives for that cluster is taken to be it. */
async function writes(p: Place, catalog: Catalog): Promise<Found> {
  const login = loginOf(p, catalog, p.spec.to);
  const open = await openTo(p.to);
  if (!login) return open ? { shown: [open] } : { unknown: [`whether Connect worker ${p.spec.connect} may write on ${p.spec.to}: the catalog gives no login of it for that cluster (connects.${p.spec.connect}.logins.${p.spec.to})`] };
  const id = transactionalId(p.groupId, p.spec, 0);
  return withWire(catalog, p.spec.to, login, async (wire) => {
    const rights = await readRights(wire, p.spec.topics);
    const faults = lacking(p.spec.topics, { rights, wanted: 'WRITE', who: `User:${login.username}`, on: p.spec.to });
    await fenceTransactionalId(wire, id, shortly());
    return {
      faults,
      shown: [...(faults.length > 0 ? [] : [`User:${login.username} may write its topics on ${p.spec.to}`]), `and use transactional ids like ${id}`],
      // The topic gets its name from the attempt: there is none to ask about before.
      unknown: open ? [] : [`whether User:${login.username} may write ${syncsTopic(p.spec)} and its like (shown by the first offset sync)`],
    };
  });
}

async function reads(p: Place, catalog: Catalog): Promise<Found> {
  const cluster = clusterOf(catalog, p.spec.from);
  const login = loginOf(p, catalog, p.spec.from) ?? cluster.sasl;
  const who = login ? `User:${login.username}` : 'everybody';
  return withWire(catalog, p.spec.from, login, async (wire) => {
    const rights = await readRights(wire, p.spec.topics);
    const faults = lacking(p.spec.topics, { rights, wanted: 'READ', who, on: p.spec.from });
    return { faults, shown: faults.length > 0 ? [] : [`${who} may read them on ${p.spec.from}`] };
  });
}

/** Who may not describe a topic sees it as little as one that does not exist. */
const lacking = (topics: readonly string[], o: { readonly rights: ReadonlyMap<string, ReadonlySet<string>>; readonly wanted: 'READ' | 'WRITE'; readonly who: string; readonly on: string }): readonly string[] =>
  topics.flatMap((t) => {
    const has = o.rights.get(t);
    if (!has) return [`${o.who} does not see topic ${t} of ${o.on}; grant DESCRIBE and ${o.wanted}, or create the topic`];
    return [o.wanted, 'DESCRIBE'].filter((right) => !has.has(right)).map((right) => `${o.who} lacks ${right} on topic ${t} of ${o.on}; grant it`);
  });
const openTo = async (cluster: Cluster): Promise<string | null> => ((await cluster.facts()).authorizer === 'none' ? `cluster ${cluster.name} has no authorizer: everybody may write` : null);

async function withWire<T>(catalog: Catalog, name: string, sasl: ClusterConfig['sasl'], act: (wire: ReturnType<typeof openWire>) => Promise<T>): Promise<T> {
  const { bootstrap, tls } = clusterOf(catalog, name);
  const wire = openWire({ name, bootstrap, ...(sasl && { sasl }), ...(tls !== undefined && { tls }) });
  try {
    return await act(wire);
  } finally {
    await wire.close();
  }
}

const shortly = (): Until => {
  const endMs = Date.now() + 10_000;
  const signal = AbortSignal.timeout(10_000);
  return { untilMs: null, signal, check: () => { signal.throwIfAborted(); }, timeoutMs: (capMs) => Math.max(1, Math.min(capMs, endMs - Date.now())) };
};
