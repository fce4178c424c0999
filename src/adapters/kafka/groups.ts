/** Consumer groups of every type: listed by each broker, described by the call that fits the type. */
import { consumerGroupDescribeV0, describeGroupsV5, listGroupsV4, listGroupsV5 } from '@platformatic/kafka';
import type { GroupFacts, TopicPartition } from '../../domain/ports.ts';
import { codeFailure, coordinatorCodes } from './faults.ts';
import { chunks, listing, read, sleep } from './read.ts';
import type { ClusterWire } from './wire.ts';

interface Listed { readonly group: string; readonly node: number; readonly type: GroupFacts['type']; readonly state: string }

const groupsPerRequest = 500;
const settleMs = 10_000;
const groupIdNotFound = 69;
const consumerGroupDescribe = 69;
/** Protocol type of groups that read topics; Connect's worker groups say `connect`. */
const consumerProtocol = 'consumer';

/** `none` has no state of its own; Dead is the broker's word for it. */
const absent = (group: string): GroupFacts => ({ group, type: 'none', state: 'Dead', members: [] });

export async function describeGroups(wire: ClusterWire, names: readonly string[] | 'all'): Promise<readonly GroupFacts[]> {
  if (names !== 'all' && names.length === 0) return [];
  const wanted = names === 'all' ? null : new Set(names);
  const deadline = Date.now() + settleMs;
  for (let waitMs = 25; ; waitMs = Math.min(waitMs * 2, 400)) {
    const listed = (await listAll(wire)).filter((one) => wanted === null || wanted.has(one.group));
    const facts = await describeListed(wire, listed);
    if (facts !== 'moved') {
      if (names !== 'all') await refuseHidden(wire, names.filter((group) => !facts.some((one) => one.group === group)));
      return answer(names, facts);
    }
    if (Date.now() > deadline) throw codeFailure(16, { cluster: wire.name, what: `describe groups ${listing(listed.map((one) => one.group))}` });
    await sleep(waitMs);
  }
}

/** A broker leaves out of its list what we may not see, which must not pass for "there is no such group"; asking for the coordinator tells. */
async function refuseHidden(wire: ClusterWire, missing: readonly string[]): Promise<void> {
  if (missing.length > 0) await wire.coordinators('group', missing);
}

function answer(names: readonly string[] | 'all', facts: readonly GroupFacts[]): readonly GroupFacts[] {
  const found = new Map(facts.map((one) => [one.group, one]));
  if (names === 'all') return facts.filter((one) => one.type !== 'none').sort((a, b) => (a.group < b.group ? -1 : 1));
  return names.map((group) => found.get(group) ?? absent(group));
}

/** Each broker lists the groups it coordinates. */
async function listAll(wire: ClusterWire): Promise<readonly Listed[]> {
  const brokers = (await wire.metadata([])).brokers.map((broker) => broker.nodeId);
  const lists = await Promise.all(brokers.map((node) => listOn(wire, node)));
  // While a coordinator moves two brokers may list a group; the later one wins and a wrong guess is asked again.
  return [...new Map(lists.flat().map((one) => [one.group, one])).values()];
}

async function listOn(wire: ClusterWire, node: number): Promise<readonly Listed[]> {
  const version = await wire.version(node, 16, [4, 5]);
  const deadline = Date.now() + settleMs;
  for (let waitMs = 25; ; waitMs = Math.min(waitMs * 2, 400)) {
    const list = version === 5 ? listGroupsV5.api : listGroupsV4.api;
    const { errorCode, groups } = await read(wire, node, { what: 'list groups' }, (to) => list.async(to, [], []));
    if (errorCode === 0) {
      const untyped = version === 5 ? 'unknown' : await typeBeforeTypes(wire, node);
      return groups.map((one) => ({ group: one.groupId, node, type: typeOf(one.groupType, untyped), state: one.groupState }));
    }
    if (!coordinatorCodes.has(errorCode) || Date.now() > deadline) throw codeFailure(errorCode, { cluster: wire.name, principal: wire.principal, what: 'list groups', right: 'DESCRIBE on the cluster or the groups' });
    await sleep(waitMs);
  }
}

/** Brokers before 3.8 do not say the type. Where they cannot have KIP-848 groups it is classic; else it stays unknown and the list's state counts. */
async function typeBeforeTypes(wire: ClusterWire, node: number): Promise<GroupFacts['type']> {
  const offered = (await wire.apis(node)).apiKeys.some((api) => api.apiKey === consumerGroupDescribe);
  return offered ? 'unknown' : 'classic';
}

function typeOf(said: string | undefined, untyped: GroupFacts['type']): GroupFacts['type'] {
  const type = said?.toLowerCase();
  return type === 'classic' || type === 'consumer' || type === 'share' || type === 'streams' ? type : untyped;
}

async function describeListed(wire: ClusterWire, listed: readonly Listed[]): Promise<readonly GroupFacts[] | 'moved'> {
  const parts = await Promise.all([...new Set(listed.map((one) => one.node))].flatMap((node) => {
    const here = listed.filter((one) => one.node === node);
    const names = (type: GroupFacts['type']): readonly (readonly string[])[] => chunks(here.filter((one) => one.type === type).map((one) => one.group), groupsPerRequest);
    return [
      ...names('classic').map((some) => describeClassic(wire, node, some)),
      ...names('consumer').map((some) => describeConsumer(wire, node, some)),
      // The client library has no describe call for these types: the list's state is the broker's word, the members stay unseen.
      Promise.resolve(here.filter((one) => one.type !== 'classic' && one.type !== 'consumer').map((one): GroupFacts => ({ group: one.group, type: one.type, state: stateOf(one.state), members: [] }))),
    ];
  }));
  return parts.some((part) => part === 'moved') ? 'moved' : parts.flatMap((part) => (part === 'moved' ? [] : part));
}

async function describeClassic(wire: ClusterWire, node: number, names: readonly string[]): Promise<readonly GroupFacts[] | 'moved'> {
  await wire.version(node, 15, [5, 5]);
  const { groups } = await read(wire, node, { what: `describe groups ${listing(names)}` }, (to) => describeGroupsV5.api.async(to, [...names], false));
  if (groups.some((one) => coordinatorCodes.has(one.errorCode))) return 'moved';
  return groups.map((one): GroupFacts => {
    if (one.errorCode === groupIdNotFound) return absent(one.groupId);
    if (one.errorCode !== 0) throw refused(wire, one.groupId, one.errorCode);
    if (one.groupState === 'Dead') return absent(one.groupId); // it went away since it was listed
    const members = one.members.map((m) => {
      const reads = one.protocolType === consumerProtocol ? assigned(m.memberAssignment) : null;
      return { memberId: m.memberId, clientId: m.clientId, host: m.clientHost, instanceId: m.groupInstanceId ?? null, ...(reads === null ? {} : { reads }) };
    });
    return { group: one.groupId, type: 'classic', state: stateOf(one.groupState), protocolType: one.protocolType, members };
  });
}

/** API 15 says Dead for a live KIP-848 group, so these have a call of their own. */
async function describeConsumer(wire: ClusterWire, node: number, names: readonly string[]): Promise<readonly GroupFacts[] | 'moved'> {
  await wire.version(node, consumerGroupDescribe, [0, 0]);
  const { groups } = await read(wire, node, { what: `describe groups ${listing(names)}` }, (to) => consumerGroupDescribeV0.api.async(to, [...names], false));
  if (groups.some((one) => coordinatorCodes.has(one.errorCode))) return 'moved';
  return groups.map((one): GroupFacts => {
    if (one.errorCode === groupIdNotFound) return absent(one.groupId);
    if (one.errorCode !== 0) throw refused(wire, one.groupId, one.errorCode, one.errorMessage);
    const members = one.members.map((m) => ({ memberId: m.memberId, clientId: m.clientId, host: m.clientHost, instanceId: m.instanceId ?? null, reads: m.assignment.topicPartitions.flatMap((t) => t.partitions.map((partition) => ({ topic: t.topicName, partition }))) }));
    return { group: one.groupId, type: 'consumer', state: stateOf(one.groupState), protocolType: consumerProtocol, members };
  });
}

/** The assignment of a classic member as consumers write it: version, topics with partitions, user data. `null`: another form. */
function assigned(bytes: Buffer): readonly TopicPartition[] | null {
  if (bytes.length === 0) return [];
  const out: TopicPartition[] = [];
  try {
    let at = 6;
    for (let topics = bytes.readInt32BE(2); topics > 0; topics -= 1) {
      const length = bytes.readInt16BE(at);
      const topic = bytes.toString('utf8', at + 2, at + 2 + length);
      at += 2 + length;
      const partitions = bytes.readInt32BE(at);
      for (let i = 0; i < partitions; i += 1) out.push({ topic, partition: bytes.readInt32BE(at + 4 + i * 4) });
      at += 4 + partitions * 4;
    }
    return out;
  } catch (error) {
    if (error instanceof RangeError) return null; // a client's own assignor may write what it likes
    throw error;
  }
}

const refused = (wire: ClusterWire, group: string, code: number, said?: string | null): Error =>
  codeFailure(code, { cluster: wire.name, principal: wire.principal, what: `describe group ${group}`, right: `DESCRIBE on group ${group}` }, said);

function stateOf(said: string): GroupFacts['state'] {
  const states: Readonly<Record<string, GroupFacts['state']>> = {
    empty: 'Empty', stable: 'Stable', dead: 'Dead',
    preparingrebalance: 'Rebalancing', completingrebalance: 'Rebalancing', assigning: 'Rebalancing', reconciling: 'Rebalancing', notready: 'Rebalancing',
  };
  return states[said.toLowerCase()] ?? 'Unknown';
}
