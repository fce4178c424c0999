/** A second set of consumers: whether it holds every partition before anything is written there, and reads once something is. */
import type { Side } from '../domain/authority.ts';
import { Failure } from '../domain/failures.ts';
import { groupsOf, type Migration } from '../domain/migration.ts';
import { tpKey, type Ports } from '../domain/ports.ts';
import type { At } from './boundary.ts';
import { unreadOf, type Unread } from './drained.ts';
import { askAll } from './fleets.ts';
import type { Glance } from './looking.ts';
import { isEmpty, membersOf } from './moved.ts';
import { applicationsOf, clusterOf, count, list, nameOf, partitionsOf, topicsOf, unique } from './outside.ts';
import type { LookAsk } from './work.ts';

interface Listening extends LookAsk { readonly applications: readonly string[]; readonly on: Side; readonly topics: readonly string[]; readonly wanted: 'assigned' | 'reading' }

/** Members must be the same ones after this time: a group that is still forming changes faster, ms. */
const settledMs = 1_000;
/** How long topics may stay without a record before their readers are called idle, ms. */
const idleMs = 5_000;

export interface Ears { readonly faults: readonly string[]; readonly members: string; readonly say: string }
/** Every partition of these topics that a group reads is assigned to one of its members there. */
export async function earsOf(ports: Ports, x: { readonly m: Migration; readonly applications: readonly string[]; readonly on: Side; readonly topics: readonly string[] }, at: At): Promise<Ears> {
  const cluster = clusterOf(ports, x.m, x.on);
  const groups = unique(applicationsOf(x.m, x.applications).flatMap(groupsOf));
  const [fleets, facts, topics] = await Promise.all([askAll(ports, x.m, x.applications, at), cluster.groups(groups), cluster.topics(x.topics)]);
  const faults = [
    ...fleets.filter((f) => f.state[x.on] === 0).map((f) => `${f.application.name} does not run on the ${x.on}: ${f.state.say}`),
    ...facts.flatMap((g) => {
      const wanted = partitionsOf(topics.filter((t) => topicsOf(x.m, g.group).includes(t.name))).map(tpKey);
      if (isEmpty(g) || g.state !== 'Stable') return [`group ${g.group} is ${g.state} with ${count(g.members.length, 'member')} on the ${x.on}`];
      if (g.members.some((member) => member.reads === undefined)) return [`unknown what the members of ${g.group} are assigned: ${membersOf(g)}`];
      const held = new Set(g.members.flatMap((member) => (member.reads ?? []).map(tpKey)));
      const free = wanted.filter((key) => !held.has(key));
      return free.length === 0 ? [] : [`nobody in ${g.group} is assigned ${list(free, 3)}`];
    }),
  ];
  const members = facts.flatMap((g) => g.members.map((member) => `${g.group} ${member.memberId}`)).sort();
  return { faults, members: members.join('\n'), say: `${count(members.length, 'member')} of ${list(groups)} hold every partition of ${list(unique(x.topics))} on the ${x.on}` };
}

export const listening = (ports: Ports) => ({
  lookListening(x: Listening, at: At): () => Promise<Glance> {
    const groups = unique(applicationsOf(x.m, x.applications).flatMap(groupsOf));
    const startedMs = at.now();
    let first: { readonly members: string; readonly atMs: number; readonly unread: readonly Unread[] } | null = null;
    return async () => {
      const ears = await earsOf(ports, x, at);
      const unread = x.wanted === 'reading' ? await unreadOf(ports, { m: x.m, groups, topics: x.topics, on: x.on }) : [];
      if (first?.members !== ears.members) first = { members: ears.members, atMs: at.now(), unread: first?.unread ?? unread };
      const missing = x.wanted === 'reading' ? notReading(groups, first.unread, unread) : [];
      const idle = missing.length > 0 && unread.every((u) => u.atMost === 0n) && at.now() - startedMs > idleMs;
      const forming = x.wanted === 'assigned' && at.now() - first.atMs < settledMs;
      const faults = [...ears.faults, ...(idle ? [] : missing.map((g) => `${g} has not committed anything of ${list(x.topics)} on the ${x.on} yet`))];
      const say = faults.length > 0 ? `${faults.join('; ')}.` : forming ? `waiting whether the members of ${list(groups)} stay.`
        : `${ears.say}${x.wanted === 'assigned' ? `, the same ones after ${settledMs} ms` : idle ? `; reading: unknown (idle): ${list(missing)}` : '; what is written there is read and committed'}.`;
      return {
        done: faults.length === 0 && !forming, say, state: `${faults.length} ${forming}`, progress: `${ears.members} ${unread.map((u) => String(u.position)).join(',')}`,
        patience: { ms: x.c.limits.startMs, failure: () => new Failure('ClientNotMoved', `The second set does not ${x.wanted === 'assigned' ? 'listen' : 'read'} on cluster ${nameOf(x.m, x.on)} within ${x.c.limits.startMs} ms: ${say}`) },
      };
    };
  },
});

/** Groups of which no position there has moved, or which have no record behind them. */
function notReading(groups: readonly string[], before: readonly Unread[], now: readonly Unread[]): readonly string[] {
  return groups.filter((group) => {
    const mine = now.filter((u) => u.group === group);
    const moved = mine.some((u) => u.position !== null && before.some((b) => b.group === group && b.key === u.key && b.position !== u.position));
    const caughtUp = mine.some((u) => u.position !== null && u.position > 0n) && mine.every((u) => u.atMost === 0n);
    return !moved && !caughtUp;
  });
}
