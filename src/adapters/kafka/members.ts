/** Members put out of their groups by an administrator, by the call that fits the group's protocol. */
import { consumerGroupHeartbeatV0, leaveGroupV4 } from '@platformatic/kafka';
import type { GroupMember, Until } from '../../domain/ports.ts';
import { codeFailure, coordinatorCodes } from './faults.ts';
import { describeGroups } from './groups.ts';
import { listing } from './read.ts';
import { pause, within, write } from './write.ts';
import type { ClusterWire } from './wire.ts';

type Member = Pick<GroupMember, 'memberId' | 'instanceId'>;

const settleMs = 10_000;
const leaveGroup = 13;
const consumerGroupHeartbeat = 68;
/** The epoch that means "I leave for good", also for a static member (KIP-848). */
const leavingEpoch = -1;
/** The member, or the group, is gone already. */
const goneCodes: ReadonlySet<number> = new Set([0, 25, 69]);

export async function removeMembers(wire: ClusterWire, group: string, members: readonly Member[], until: Until): Promise<void> {
  until.check();
  if (members.length === 0) return;
  const doing = { cluster: wire.name, principal: wire.principal, what: `remove ${listing(members.map((m) => m.instanceId ?? m.memberId))} from group ${group}`, right: `READ on group ${group}` };
  const [facts] = await within(until, doing, describeGroups(wire, [group]));
  const deadline = Date.now() + settleMs;
  let fresh: 'fresh' | undefined;
  for (let waitMs = 10; ; waitMs = Math.min(waitMs * 2, 250)) {
    const node = [...(await within(until, doing, wire.coordinators('group', [group], fresh))).keys()][0] ?? -1;
    const codes = facts?.type === 'consumer' ? await sayGoodbye(wire, node, { group, members, until, doing }) : await leave(wire, node, { group, members, until, doing });
    const refused = codes.find((code) => !goneCodes.has(code));
    if (refused === undefined) return;
    if (!coordinatorCodes.has(refused) || Date.now() > deadline) throw codeFailure(refused, doing);
    fresh = 'fresh';
    await pause(waitMs, until, doing);
  }
}

interface Ask { readonly group: string; readonly members: readonly Member[]; readonly until: Until; readonly doing: { readonly what: string; readonly right: string } }

/** A static member is named by its instance alone: with its member id the broker would take us for that very process. */
async function leave(wire: ClusterWire, node: number, { group, members, until, doing }: Ask): Promise<readonly number[]> {
  await wire.version(node, leaveGroup, [4, 4]);
  const leaving = members.map((m) => (m.instanceId === null ? { memberId: m.memberId, groupInstanceId: null } : { memberId: '', groupInstanceId: m.instanceId }));
  const answer = await write(wire, node, doing, until, (to) => leaveGroupV4.api.async(to, group, leaving));
  return [answer.errorCode, ...answer.members.map((m) => m.errorCode)];
}

/** Groups of the new protocol know no leave call for others: the last heartbeat of the member is sent in its place. */
async function sayGoodbye(wire: ClusterWire, node: number, { group, members, until, doing }: Ask): Promise<readonly number[]> {
  await wire.version(node, consumerGroupHeartbeat, [0, 0]);
  const answers = await Promise.all(members.map((m) => write(wire, node, doing, until, (to) => consumerGroupHeartbeatV0.api.async(to, group, m.memberId, leavingEpoch, m.instanceId, null, -1, null, null, null, null))));
  return answers.map((answer) => answer.errorCode);
}
