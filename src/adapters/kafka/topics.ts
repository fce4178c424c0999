/** Topics and their settings: described in two requests, created, changed and deleted idempotently, every change read back. */
import { createTopicsV7, deleteTopicsV6, describeConfigsV4, incrementalAlterConfigsV1 } from '@platformatic/kafka';
import type { Cluster, NewTopic, TopicFacts, Until } from '../../domain/ports.ts';
import { Failure } from '../../domain/failures.ts';
import { readEnds } from './ends.ts';
import { codeFailure } from './faults.ts';
import { chunks, listing, read } from './read.ts';
import { settle, write } from './write.ts';
import type { ClusterWire } from './wire.ts';

const topicResource = 2;
const setOperation = 0;
const deleteOperation = 1;
/** The broker's own limit for doing it; ours is a little longer. */
const brokerTimeoutMs = 9_000;
/** A controller answers before every broker shows the effect. */
const visibleMs = 10_000;
const usableMs = 60_000;
const configsPerRequest = 500;
const unknownTopic = 3;
const topicExists = 36;

type Change = Parameters<Cluster['setTopicConfigs']>[0][number];

export async function describeTopics(wire: ClusterWire, names: readonly string[] | 'all'): Promise<readonly TopicFacts[]> {
  if (names !== 'all' && names.length === 0) return [];
  const answer = await wire.metadata(names === 'all' ? null : [...new Set(names)]);
  for (const topic of answer.topics) {
    if (topic.errorCode === 0 || topic.errorCode === unknownTopic || topic.errorCode === 5) continue;
    throw codeFailure(topic.errorCode, { cluster: wire.name, principal: wire.principal, what: `describe topic ${topic.name}`, right: `DESCRIBE on topic ${topic.name}` });
  }
  const present = answer.topics.filter((topic) => topic.errorCode !== unknownTopic && typeof topic.name === 'string');
  const configs = await readConfigs(wire, present.map((topic) => String(topic.name)));
  const facts = present.flatMap((topic): TopicFacts[] => {
    const found = configs.get(String(topic.name));
    if (found === undefined) return []; // deleted between the two requests
    return [{ name: String(topic.name), id: topic.topicId, partitions: topic.partitions.length, replicationFactor: topic.partitions[0]?.replicaNodes.length ?? 0, internal: topic.isInternal, configs: found }];
  });
  return facts.sort((a, b) => (a.name < b.name ? -1 : 1));
}

async function readConfigs(wire: ClusterWire, names: readonly string[]): Promise<ReadonlyMap<string, TopicFacts['configs']>> {
  const found = new Map<string, TopicFacts['configs']>();
  const node = await wire.anyNode();
  await wire.version(node, 32, [4, 4]);
  for (const chunk of chunks(names, configsPerRequest)) {
    const resources = chunk.map((resourceName) => ({ resourceType: topicResource, resourceName, configurationKeys: null }) as const);
    const answer = await read(wire, node, { what: `describe the settings of ${listing(chunk)}` }, (to) => describeConfigsV4.api.async(to, resources, false, false));
    for (const result of answer.results) {
      if (result.errorCode === unknownTopic) continue;
      if (result.errorCode !== 0) throw codeFailure(result.errorCode, { cluster: wire.name, principal: wire.principal, what: `describe the settings of topic ${result.resourceName}`, right: `DESCRIBE_CONFIGS on topic ${result.resourceName}` }, result.errorMessage);
      found.set(result.resourceName, Object.fromEntries(result.configs.map((one) => [one.name, { value: one.value ?? '', source: sourceOf(one.configSource) }])));
    }
  }
  return found;
}

const sourceOf = (code: number): TopicFacts['configs'][string]['source'] => (code === 1 ? 'topic' : code === 2 || code === 3 || code === 4 ? 'broker' : code === 5 ? 'default' : 'other');

export async function createTopics(wire: ClusterWire, topics: readonly NewTopic[], until: Until): Promise<void> {
  until.check();
  if (topics.length === 0) return;
  const names = topics.map((topic) => topic.name);
  const existing = await describeTopics(wire, names);
  const has = (name: string): boolean => existing.some((topic) => topic.name === name);
  refuseDifferent(wire, topics, existing); // before anything is written
  const missing = topics.filter((topic) => !has(topic.name));
  const doing = { what: `create topic ${listing(missing.map((topic) => topic.name))}` };
  if (missing.length === 0) return;
  await sendCreate(wire, missing, until);
  let shown: readonly TopicFacts[] = [];
  await settle(until, { cluster: wire.name, ...doing }, usableMs, async () => {
    shown = await describeTopics(wire, names);
    return allUsable(wire, names, shown);
  });
  refuseDifferent(wire, topics, shown);
}

async function sendCreate(wire: ClusterWire, missing: readonly NewTopic[], until: Until): Promise<void> {
  const controller = await controllerOf(wire);
  await wire.version(controller, 19, [7, 7]);
  const request = missing.map((topic) => ({ name: topic.name, numPartitions: topic.partitions, replicationFactor: topic.replicationFactor, assignments: [], configs: Object.entries(topic.configs).map(([name, value]) => ({ name, value })) }));
  const answer = await write(wire, controller, { what: `create topic ${listing(missing.map((topic) => topic.name))}` }, until, (to) => createTopicsV7.api.async(to, request, until.timeoutMs(brokerTimeoutMs), false));
  for (const topic of answer.topics) {
    if (topic.errorCode === 0 || topic.errorCode === topicExists) continue; // who created it meanwhile is compared below
    throw codeFailure(topic.errorCode, { cluster: wire.name, principal: wire.principal, what: `create topic ${topic.name}`, right: `CREATE on topic ${topic.name}` }, topic.errorMessage);
  }
}

/**
 * A broker learns of a topic after the controller has answered, and another one later still. Metadata names leaders before those
 * have opened their logs (1,000 partitions: seconds on a busy broker); usable is what answers for its ends.
 */
async function allUsable(wire: ClusterWire, names: readonly string[], shown: readonly TopicFacts[]): Promise<{ done: boolean; seen: string }> {
  const unseen = names.filter((name) => !shown.some((topic) => topic.name === name));
  if (unseen.length > 0) return { done: false, seen: `no topic ${listing(unseen)}` };
  try {
    await readEnds(wire, names);
    return { done: true, seen: '' };
  } catch (error) {
    if (error instanceof Failure && error.type === 'Unreachable') return { done: false, seen: error.message };
    throw error;
  }
}

/** Those that are there, not those that are missing. */
function refuseDifferent(wire: ClusterWire, wanted: readonly NewTopic[], seen: readonly TopicFacts[]): void {
  const faults = wanted.flatMap((want) => {
    const have = seen.find((topic) => topic.name === want.name);
    return have === undefined ? [] : differences(want, have).map((difference) => `${want.name}: ${difference}`);
  });
  if (faults.length > 0) throw new Failure('Drift', `Topics on cluster ${wire.name} exist but differ from what is wanted: ${listing(faults, 20)}.`);
}

function differences(want: NewTopic, have: TopicFacts): string[] {
  const faults: string[] = [];
  if (have.partitions !== want.partitions) faults.push(`${have.partitions} partitions, wanted ${want.partitions}`);
  if (have.replicationFactor !== want.replicationFactor) faults.push(`replication factor ${have.replicationFactor}, wanted ${want.replicationFactor}`);
  for (const [name, value] of Object.entries(want.configs)) {
    const seen = have.configs[name]?.value;
    if (seen !== value) faults.push(`${name}=${seen ?? '(unknown setting)'}, wanted ${value}`);
  }
  return faults;
}

export async function deleteTopics(wire: ClusterWire, names: readonly string[], until: Until): Promise<void> {
  until.check();
  if (names.length === 0) return;
  const controller = await controllerOf(wire);
  await wire.version(controller, 20, [6, 6]);
  const doing = { what: `delete topic ${listing(names)}` };
  const answer = await write(wire, controller, doing, until, (to) => deleteTopicsV6.api.async(to, names.map((name) => ({ name })), until.timeoutMs(brokerTimeoutMs)));
  for (const topic of answer.responses) {
    if (topic.errorCode === 0 || topic.errorCode === unknownTopic) continue;
    throw codeFailure(topic.errorCode, { cluster: wire.name, principal: wire.principal, what: `delete topic ${topic.name}`, right: `DELETE on topic ${topic.name}` }, topic.errorMessage);
  }
  await settle(until, { cluster: wire.name, ...doing }, visibleMs, async () => {
    const left = await wire.leaders(names, true);
    return { done: left.size === 0, seen: listing([...left.keys()]) };
  });
}

export async function setTopicConfigs(wire: ClusterWire, changes: readonly Change[], until: Until): Promise<void> {
  until.check();
  if (changes.length === 0) return;
  const controller = await controllerOf(wire);
  await wire.version(controller, 44, [1, 1]);
  const doing = { what: `change the settings of ${listing(changes.map((change) => change.topic))}` };
  const resources = changes.map((change) => ({ resourceType: topicResource, resourceName: change.topic, configs: operations(change) }) as const);
  const answer = await write(wire, controller, doing, until, (to) => incrementalAlterConfigsV1.api.async(to, resources, false));
  for (const one of answer.responses) {
    if (one.errorCode !== 0) throw codeFailure(one.errorCode, { cluster: wire.name, principal: wire.principal, what: `change the settings of topic ${one.resourceName}`, right: `ALTER_CONFIGS on topic ${one.resourceName}` }, one.errorMessage);
  }
  await settle(until, { cluster: wire.name, ...doing }, visibleMs, async () => {
    const configs = await readConfigs(wire, changes.map((change) => change.topic));
    const open = changes.flatMap((change) => notShown(change, configs.get(change.topic) ?? {}));
    return { done: open.length === 0, seen: listing(open) };
  });
}

const operations = (change: Change): incrementalAlterConfigsV1.IncrementalAlterConfigsRequestConfig[] => [
  ...Object.entries(change.set).map(([name, value]) => ({ name, configOperation: setOperation, value }) as const),
  ...change.unset.map((name) => ({ name, configOperation: deleteOperation }) as const),
];

const notShown = (change: Change, have: TopicFacts['configs']): string[] => [
  ...Object.entries(change.set).flatMap(([name, value]) => (have[name]?.value === value && have[name].source === 'topic' ? [] : [`${change.topic} ${name}=${have[name]?.value ?? '(unknown)'}`])),
  ...change.unset.flatMap((name) => (have[name]?.source === 'topic' ? [`${change.topic} ${name} still overridden`] : [])),
];

/** ZooKeeper clusters want the controller itself; KRaft brokers name any live broker, which forwards. */
export async function controllerOf(wire: ClusterWire): Promise<number> {
  const { controllerId } = await wire.metadata([]);
  if (controllerId >= 0) return controllerId;
  return wire.anyNode();
}
