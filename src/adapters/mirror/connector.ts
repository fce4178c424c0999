/**
 * The connector configuration of a mirror: MirrorMaker 2's source connector, exactly-once, names unchanged, bytes untouched,
 * nothing but records copied.
 */
import { readFile } from 'node:fs/promises';
import type { Catalog, ClusterConfig, SecretRef } from '../../domain/catalog.ts';
import { Failure } from '../../domain/failures.ts';
import type { MirrorSpec } from '../../domain/ports.ts';

/** More tasks would be more transactional ids to fence inside an outage; each is a consumer and a producer on the worker. */
export const mostTasks = 4;
const partitionsPerTask = 16;

export const mirrorClass = 'org.apache.kafka.connect.mirror.MirrorSourceConnector';
const bytes = 'org.apache.kafka.connect.converters.ByteArrayConverter';

/** With the syncs on the side that is written, MirrorMaker names the topic after the source alias, which is the mirror's name. */
export const syncsTopic = (spec: Pick<MirrorSpec, 'name'>): string => `mm2-offset-syncs.${spec.name}.internal`;
export const transactionalId = (groupId: string, spec: Pick<MirrorSpec, 'name'>, task: number): string => `${groupId}-${spec.name}-${task}`;

/** `topics` is a list of regular expressions. */
const escaped = (topic: string): string => topic.replaceAll('.', '\\.');

/** Why MirrorMaker would not copy this topic under its name; `null`: it would. */
export function unmirrorable(topic: string): string | null {
  if (topic.endsWith('heartbeats')) return `Topic ${topic} ends in "heartbeats": MirrorMaker renames such topics.`;
  if (topic.startsWith('__') || topic.startsWith('.')) return `Topic ${topic} is internal by its name: MirrorMaker skips it.`;
  if ((topic.startsWith('mm2') && topic.endsWith('.internal')) || topic.endsWith('.checkpoints.internal')) return `Topic ${topic} bears a name that MirrorMaker keeps for itself and skips.`;
  return null;
}

export interface ConfigDeps { readonly catalog: Catalog; secret(ref: SecretRef): Promise<string> }
export interface Sizes { readonly partitions: number; readonly replicationFactor: number }

export async function connectorConfig(spec: MirrorSpec, sizes: Sizes, deps: ConfigDeps): Promise<Readonly<Record<string, string>>> {
  const access = await accessSettings(spec, deps);
  return {
    'connector.class': mirrorClass,
    'tasks.max': String(Math.min(mostTasks, Math.max(1, Math.ceil(sizes.partitions / partitionsPerTask)))),
    // The alias is the key of stored offsets and names the syncs topic: unique, so that no earlier attempt is continued.
    'source.cluster.alias': spec.name,
    'target.cluster.alias': spec.to,
    ...access,
    'replication.policy.class': 'org.apache.kafka.connect.mirror.IdentityReplicationPolicy',
    'topics': [...spec.topics].sort().map(escaped).join(','),
    'topics.exclude': '',
    'replication.factor': String(sizes.replicationFactor),
    ...syncSettings(sizes),
    // A refresh that finds a new partition restarts the tasks, and so undoes a fence; added partitions are found by us.
    'refresh.topics.enabled': 'false',
    // Topics, configs and ACLs are the migration's; a copied DENY WRITE would lock the new producers out.
    'sync.topic.configs.enabled': 'false',
    'sync.topic.acls.enabled': 'false',
    'heartbeats.replication.enabled': 'false',
    // The default header converter turns headers into base64.
    'key.converter': bytes, 'value.converter': bytes, 'header.converter': bytes,
    ...copySettings,
  };
}

const syncSettings = (sizes: Sizes): Readonly<Record<string, string>> => ({
  'emit.offset-syncs.enabled': 'true',
  'offset-syncs.topic.location': 'target',
  'offset-syncs.topic.replication.factor': String(sizes.replicationFactor),
  'offset.lag.max': '0',
});

const copySettings: Readonly<Record<string, string>> = {
  'exactly.once.support': 'required',
  'transaction.boundary': 'poll',
  // A worker that dies mid-transaction holds up its successor, and every read_committed reader, until this has passed.
  'producer.override.transaction.timeout.ms': '10000',
  'errors.tolerance': 'none',
  // The default would copy aborted records as if they were committed.
  'source.consumer.isolation.level': 'read_committed',
  'source.consumer.auto.offset.reset': 'earliest',
  // Three times the throughput of the defaults.
  'source.consumer.max.poll.records': '5000',
  'source.consumer.max.partition.fetch.bytes': '4194304',
  'source.consumer.fetch.max.bytes': '52428800',
  'producer.override.batch.size': '262144',
  'producer.override.linger.ms': '10',
  'producer.override.buffer.memory': '67108864',
  // Checked against the record before compression: a record near the broker's 1 MiB would fail the task.
  'producer.override.max.request.size': '10485760',
};

const prefixed = (prefix: string, settings: Readonly<Record<string, string>>): Readonly<Record<string, string>> =>
  Object.fromEntries(Object.entries(settings).map(([k, v]) => [`${prefix}${k}`, v]));

/** How the connector reaches and logs in to both clusters, as the catalog has it now. */
export async function accessSettings(spec: MirrorSpec, deps: ConfigDeps): Promise<Readonly<Record<string, string>>> {
  return { ...prefixed('source.cluster.', await connection(spec, spec.from, deps)), ...prefixed('target.cluster.', await connection(spec, spec.to, deps)) };
}

async function connection(spec: MirrorSpec, name: string, deps: ConfigDeps): Promise<Readonly<Record<string, string>>> {
  const cluster = clusterOf(deps.catalog, name);
  const login = deps.catalog.connects[spec.connect]?.logins?.[name] ?? cluster.sasl;
  const protocol = `${login ? 'SASL_' : ''}${cluster.tls ? 'SSL' : 'PLAINTEXT'}`;
  return {
    'bootstrap.servers': (cluster.connectBootstrap ?? cluster.bootstrap).join(','),
    'security.protocol': protocol,
    ...(login && { 'sasl.mechanism': login.mechanism, 'sasl.jaas.config': await jaas(login, deps) }),
    ...(typeof cluster.tls === 'object' && { 'ssl.truststore.type': 'PEM', 'ssl.truststore.certificates': await certificates(name, cluster.tls.caFile) }),
  };
}

const jaas = async (login: ClusterConfig['sasl'] & {}, deps: ConfigDeps): Promise<string> => {
  const quoted = (s: string): string => `"${s.replaceAll('\\', '\\\\').replaceAll('"', '\\"')}"`;
  const kind = login.mechanism === 'PLAIN' ? 'plain.PlainLoginModule' : 'scram.ScramLoginModule';
  return `org.apache.kafka.common.security.${kind} required username=${quoted(login.username)} password=${quoted(await deps.secret(login.password))};`;
};

async function certificates(cluster: string, caFile: string): Promise<string> {
  try {
    return (await readFile(caFile, 'utf8')).trim();
  } catch (e) {
    throw new Failure('BadCatalog', `The certificates of cluster ${cluster} cannot be read from ${caFile}: ${e instanceof Error && 'code' in e ? String(e.code) : 'unknown error'}.`);
  }
}

export function clusterOf(catalog: Catalog, name: string): ClusterConfig {
  const cluster = catalog.clusters[name];
  if (!cluster) throw new Failure('BadCatalog', `The catalog has no cluster ${name}; it has ${Object.keys(catalog.clusters).sort().join(', ')}.`);
  return cluster;
}

/** The Connect worker of a mirror; it must write to the cluster the mirror is to write to. */
export function connectOf(catalog: Catalog, spec: MirrorSpec): Catalog['connects'][string] {
  const connect = catalog.connects[spec.connect];
  if (!connect) throw new Failure('BadCatalog', `The catalog has no Connect worker ${spec.connect}; it has ${Object.keys(catalog.connects).sort().join(', ') || 'none'}.`);
  if (connect.cluster !== spec.to)
    throw new Failure('BadCatalog', `Connect worker ${spec.connect} writes to cluster ${connect.cluster}; mirror ${spec.name} has to write to ${spec.to}.`);
  return connect;
}

/** Names of settings that differ, never their values. `tasks.max` follows the partitions and does not matter. */
export function differing(wanted: Readonly<Record<string, string>>, seen: Readonly<Record<string, string | null>>): readonly string[] {
  const skipped = new Set(['name', 'tasks.max']);
  return [...new Set([...Object.keys(wanted), ...Object.keys(seen)])].filter((k) => !skipped.has(k) && wanted[k] !== seen[k]).sort();
}
