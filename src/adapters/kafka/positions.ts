/**
 * Committed positions: read for many groups per request, written by simple commits, one per group, pipelined.
 * A commit is acknowledged per partition; reading it back is the caller's step, which batches it over all groups.
 */
import { offsetCommitV8, offsetDeleteV0, offsetFetchV8 } from '@platformatic/kafka';
import type { Position, TopicPartition, Until } from '../../domain/ports.ts';
import { Failure, failures } from '../../domain/failures.ts';
import { codeFailure, codeName, coordinatorCodes, groupActiveCodes } from './faults.ts';
import { describeGroups } from './groups.ts';
import { byTopic, chunks, listing, read, sleep } from './read.ts';
import { pause, write } from './write.ts';
import type { ClusterWire } from './wire.ts';

const groupsPerRequest = 200;
/** A pending transactional commit, or a moving coordinator, is waited for this long. */
const settleMs = 5_000;
const unstableOffsetCommit = 88;
const groupIdNotFound = 69;
const unknownTopic = 3;

type Fetched = { readonly group: string; readonly positions: readonly Position[] } | { readonly group: string; readonly again: number };

export async function readCommitted(wire: ClusterWire, groups: readonly string[]): Promise<ReadonlyMap<string, readonly Position[]>> {
  const found = new Map<string, readonly Position[]>();
  let open = [...new Set(groups)];
  let moved: string[] = [];
  const deadline = Date.now() + settleMs;
  for (let waitMs = 20; open.length > 0; waitMs = Math.min(waitMs * 2, 400)) {
    if (moved.length > 0) await wire.coordinators('group', moved, 'fresh');
    const fetched = await fetchAll(wire, open);
    const again = fetched.flatMap((one) => ('again' in one ? [one] : []));
    for (const one of fetched) if ('positions' in one) found.set(one.group, one.positions);
    open = again.map((one) => one.group);
    moved = again.filter((one) => coordinatorCodes.has(one.again)).map((one) => one.group);
    const first = again[0];
    if (first === undefined) break;
    if (Date.now() > deadline) throw new Failure('Unreachable', `Cluster ${wire.name} has no stable committed positions for group ${listing(open)} after ${settleMs} ms (${codeName(first.again)}).`, first.again === unstableOffsetCommit ? 'A transaction that commits positions is still open; let it end, then the call is retried.' : 'The call is retried.');
    await sleep(waitMs);
  }
  return new Map(groups.map((group) => [group, found.get(group) ?? []]));
}

async function fetchAll(wire: ClusterWire, groups: readonly string[]): Promise<readonly Fetched[]> {
  const nodes = await wire.coordinators('group', groups);
  const requests = [...nodes].flatMap(([node, here]) => chunks(here, groupsPerRequest).map((some) => fetchOn(wire, node, some)));
  return (await Promise.all(requests)).flat();
}

async function fetchOn(wire: ClusterWire, node: number, groups: readonly string[]): Promise<readonly Fetched[]> {
  await wire.version(node, 9, [8, 8]);
  const request = groups.map((groupId) => ({ groupId, memberId: null, memberEpoch: -1, topics: null }));
  const answer = await read(wire, node, { what: `read committed positions of ${listing(groups)}` }, (to) => offsetFetchV8.api.async(to, request, true));
  return answer.groups.map((group): Fetched => {
    const partitions = group.topics.flatMap((topic) => topic.partitions.map((p) => ({ topic: topic.name, ...p })));
    const code = group.errorCode !== 0 ? group.errorCode : (partitions.find((p) => p.errorCode !== 0)?.errorCode ?? 0);
    if (coordinatorCodes.has(code) || code === unstableOffsetCommit) return { group: group.groupId, again: code };
    if (code === groupIdNotFound) return { group: group.groupId, positions: [] };
    if (code !== 0) throw codeFailure(code, { cluster: wire.name, principal: wire.principal, what: `read committed positions of group ${group.groupId}`, right: `DESCRIBE on group ${group.groupId} and on its topics` });
    const positions = partitions.filter((p) => p.committedOffset >= 0n).map((p): Position => ({ topic: p.topic, partition: p.partitionIndex, offset: p.committedOffset, metadata: p.metadata ?? '' }));
    return { group: group.groupId, positions: positions.sort((a, b) => (a.topic === b.topic ? a.partition - b.partition : a.topic < b.topic ? -1 : 1)) };
  });
}

export async function commitPositions(wire: ClusterWire, positions: ReadonlyMap<string, readonly Position[]>, until: Until): Promise<void> {
  const groups = [...positions].filter(([, list]) => list.length > 0).map(([group]) => group);
  await eachGroup(wire, groups, { until, verb: 'commit positions' }, async (node, group) => {
    const topics = byTopic(positions.get(group) ?? []).map(({ name, of }) => ({ name, partitions: of.map((p) => ({ partitionIndex: p.partition, committedOffset: p.offset, committedLeaderEpoch: -1, committedMetadata: p.metadata })) }));
    await wire.version(node, 8, [8, 8]);
    const answer = await write(wire, node, { what: `commit positions of group ${group}` }, until, (to) => offsetCommitV8.api.async(to, group, -1, '', null, topics));
    return answer.topics.flatMap((topic) => topic.partitions.filter((p) => p.errorCode !== 0).map((p) => ({ code: p.errorCode, at: `${topic.name}/${p.partitionIndex}` })));
  });
}

export async function deletePositions(wire: ClusterWire, positions: ReadonlyMap<string, readonly TopicPartition[]>, until: Until): Promise<void> {
  const groups = [...positions].filter(([, list]) => list.length > 0).map(([group]) => group);
  await eachGroup(wire, groups, { until, verb: 'delete positions' }, async (node, group) => {
    const topics = byTopic(positions.get(group) ?? []).map(({ name, of }) => ({ name, partitions: of.map((p) => ({ partitionIndex: p.partition })) }));
    await wire.version(node, 47, [0, 0]);
    const answer = await write(wire, node, { what: `delete positions of group ${group}` }, until, (to) => offsetDeleteV0.api.async(to, group, topics));
    if (answer.errorCode !== 0) return answer.errorCode === groupIdNotFound ? [] : [{ code: answer.errorCode, at: 'all partitions' }];
    // A topic that is gone has no positions either: as wanted.
    return answer.topics.flatMap((topic) => topic.partitions.filter((p) => p.errorCode !== 0 && p.errorCode !== unknownTopic).map((p) => ({ code: p.errorCode, at: `${topic.name}/${p.partitionIndex}` })));
  });
}

interface Refused { readonly code: number; readonly at: string }

/** Sends to every group's coordinator at once; groups whose coordinator moved are tried again; then all refusals in one failure. */
async function eachGroup(wire: ClusterWire, groups: readonly string[], how: { until: Until; verb: string }, send: (node: number, group: string) => Promise<readonly Refused[]>): Promise<void> {
  const { until, verb } = how;
  until.check();
  let open = groups;
  let fresh: 'fresh' | undefined;
  const refused = new Map<string, Refused>();
  const deadline = Date.now() + settleMs;
  for (let waitMs = 20; open.length > 0; waitMs = Math.min(waitMs * 2, 400)) {
    const nodes = await wire.coordinators('group', open, fresh);
    const answers = await Promise.allSettled([...nodes].flatMap(([node, here]) => here.map(async (group) => ({ group, refusals: await send(node, group) }))));
    const broken = answers.find((one) => one.status === 'rejected');
    if (broken !== undefined) throw broken.reason;
    const again: string[] = [];
    for (const one of answers) {
      const first = one.status === 'fulfilled' ? one.value.refusals[0] : undefined;
      if (one.status !== 'fulfilled' || first === undefined) continue;
      if (coordinatorCodes.has(first.code) && Date.now() < deadline) again.push(one.value.group);
      else refused.set(one.value.group, first);
    }
    open = again;
    fresh = 'fresh';
    if (open.length > 0) await pause(waitMs, until, { cluster: wire.name, what: `${verb} of group ${listing(open)}` });
  }
  if (refused.size > 0) throw await refusal(wire, refused, verb);
}

/** One failure for all refused groups; one a person must see to (members, rights) comes before one that is retried. */
async function refusal(wire: ClusterWire, refused: ReadonlyMap<string, Refused>, verb: string): Promise<Failure> {
  const active = [...refused].filter(([, one]) => groupActiveCodes.has(one.code)).map(([group]) => group);
  if (active.length > 0) return groupActive(wire, active, verb);
  const faults = [...refused].map(([group, one]) => codeFailure(one.code, { cluster: wire.name, principal: wire.principal, what: `${verb} of group ${group} at ${one.at}`, right: verb === 'delete positions' ? `DELETE on group ${group}, and READ on its topics` : `READ on group ${group} and on its topics` }));
  const worst = faults.find((fault) => failures[fault.type].retry === 'ask') ?? faults[0] ?? new Failure('Unreachable', `Cluster ${wire.name} refused to ${verb}.`);
  return faults.length === 1 ? worst : new Failure(worst.type, `${faults.length} groups were refused: ${listing([...refused.keys()])}. ${worst.message}`, '');
}

async function groupActive(wire: ClusterWire, groups: readonly string[], verb: string): Promise<Failure> {
  const facts = await describeGroups(wire, groups).catch(() => []); // the refusal is the news; who is in there is a courtesy
  const said = groups.slice(0, 10).map((group) => {
    const members = facts.find((one) => one.group === group)?.members ?? [];
    return `Group ${group} has ${members.length === 0 ? 'active members' : `${members.length} active member${members.length === 1 ? '' : 's'} (${listing(members.map((m) => `${m.clientId} ${m.host}`), 3)})`} on cluster ${wire.name}`;
  });
  return new Failure('GroupActive', `${said.join('. ')}; to ${verb} needs 0.`);
}
