/** A catalog cluster over the Kafka protocol: the `Cluster` port, each part in the file that carries its name. */
import type { ClusterConfig } from '../../domain/catalog.ts';
import type { Cluster, ClusterFacts, RecordReader, TopicPartition } from '../../domain/ports.ts';
import { allow, deny, readAuthorizer, readDenyRules, readGroupDenyRules, readSuperUsers } from './acls.ts';
import { append } from './append.ts';
import type { Appender } from './append.ts';
import { openCopier, type Copier } from './copier.ts';
import { readEnds, readOffsetsFrom, readStableEnd } from './ends.ts';
import type { StableEnd } from './ends.ts';
import { describeGroups } from './groups.ts';
import { removeMembers } from './members.ts';
import { writeOnce } from './once.ts';
import { commitPositions, deletePositions, readCommitted } from './positions.ts';
import { releaseOf } from './release.ts';
import { createRecordReader } from './scan/reader.ts';
import { createTopics, deleteTopics, describeTopics, setTopicConfigs } from './topics.ts';
import { describeTransaction, fenceTransactionalId, readProducers, transactionsOf } from './transactions.ts';
import { openWire } from './wire.ts';
import type { ClusterWire, Wire } from './wire.ts';
import { bounded } from './write.ts';

/** `Cluster`, and what our own topics need. */
export type KafkaCluster = Cluster & Appender & { copier(): Copier; stableEnd(of: TopicPartition): Promise<StableEnd | null> };
export interface ClusterDeps { readonly clientId?: string; readonly recordReader?: (wire: Wire) => RecordReader }

/** Opens nothing yet: connections are made by the first call. */
export function openCluster(name: string, config: ClusterConfig, deps: ClusterDeps = {}): KafkaCluster {
  const wireConfig = { name, bootstrap: config.bootstrap, ...(config.sasl && { sasl: config.sasl }), ...(config.tls !== undefined && { tls: config.tls }), ...(deps.clientId !== undefined && { clientId: deps.clientId }) };
  const wire = openWire(wireConfig);
  // Brokers answer one connection in order: a scan's long fetches must not stand before a commit inside an outage.
  const scanWire = openWire(wireConfig);
  return {
    name,
    facts: () => readFacts(wire),
    topics: (names) => describeTopics(wire, names),
    createTopics: (topics, until) => bounded(until, () => createTopics(wire, topics, until)),
    deleteTopics: (names, until) => bounded(until, () => deleteTopics(wire, names, until)),
    setTopicConfigs: (changes, until) => bounded(until, () => setTopicConfigs(wire, changes, until)),
    ends: (of) => readEnds(wire, of),
    stableEnd: (of) => readStableEnd(wire, of),
    offsetsFrom: (of) => readOffsetsFrom(wire, of),
    groups: (names) => describeGroups(wire, names),
    committed: (groups) => readCommitted(wire, groups),
    commit: (positions, until) => bounded(until, () => commitPositions(wire, positions, until)),
    uncommit: (positions, until) => bounded(until, () => deletePositions(wire, positions, until)),
    producers: (of) => readProducers(wire, of),
    transaction: (transactionalId) => describeTransaction(wire, transactionalId),
    fenceTransactionalId: (transactionalId, until) => bounded(until, () => fenceTransactionalId(wire, transactionalId, until)),
    transactionsOf: (producerIds) => transactionsOf(wire, producerIds),
    removeMembers: (group, members, until) => bounded(until, () => removeMembers(wire, group, members, until)),
    writeOnce: (what, until) => bounded(until, () => writeOnce(wire, what, until)),
    denyRules: (topics) => readDenyRules(wire, topics),
    groupDenyRules: (groups) => readGroupDenyRules(wire, groups),
    deny: (rules, until) => bounded(until, () => deny(wire, rules, until)),
    allow: (rules, until) => bounded(until, () => allow(wire, rules, until)),
    copier: () => openCopier(wire),
    append: (to, records, until) => bounded(until, () => append(wire, to, records, until)),
    records: (deps.recordReader ?? createRecordReader)(scanWire),
    close: async () => { await Promise.all([wire.close(), scanWire.close()]); },
  };
}

async function readFacts(wire: ClusterWire): Promise<ClusterFacts> {
  const { clusterId, brokers } = await wire.metadata([]);
  const node = await wire.anyNode();
  const [apis, authorizer, superUsers] = await Promise.all([wire.apis(node), readAuthorizer(wire), readSuperUsers(wire)]);
  return {
    clusterId: clusterId ?? '',
    brokers: brokers.map(({ nodeId, host, port }) => ({ id: nodeId, host, port })).sort((a, b) => a.id - b.id),
    release: releaseOf(apis),
    authorizer,
    ...(wire.principal === undefined ? {} : { principal: wire.principal }),
    ...(superUsers === null ? {} : { superUsers }),
  };
}
