/** Whether applications are gone, or at work again: what the fleet says, held against members, positions and logs. */
import type { Side } from '../domain/authority.ts';
import { Failure } from '../domain/failures.ts';
import { groupsOf, type Application, type Migration } from '../domain/migration.ts';
import { tpKey, type Cluster, type GroupFacts, type LogEnds, type Ports } from '../domain/ports.ts';
import type { At } from './boundary.ts';
import { askAll, isGoneFrom, type Asked } from './fleets.ts';
import type { Glance } from './looking.ts';
import { applicationsOf, byKey, clusterOf, count, list, nameOf, unique } from './outside.ts';
import type { LookAsk } from './work.ts';

interface OfApplications extends LookAsk { readonly applications: readonly string[]; readonly on: Side }

/** Between two reads that must be equal, ms. */
const stillMs = 30;
/** A log that grows this long after the fleet said that its writers are gone has another writer, ms. */
const forgottenMs = 2_000;
/** How long a started producer may be silent before it is called idle, ms. */
const idleMs = 5_000;

/** Groups whose every reader is among these, and those they share with others. */
export function groupsAmong(m: Migration, applications: readonly Application[]): { readonly own: readonly string[]; readonly shared: readonly string[] } {
  const names = new Set(applications.map((a) => a.name));
  const all = unique(applications.flatMap(groupsOf));
  const shared = all.filter((g) => m.applications.some((a) => !names.has(a.name) && groupsOf(a).includes(g)));
  return { own: all.filter((g) => !shared.includes(g)), shared };
}
/** Topics that nobody else writes: only these say something about these applications. */
export function writtenBy(m: Migration, applications: readonly Application[]): { readonly own: readonly string[]; readonly shared: readonly string[] } {
  const names = new Set(applications.map((a) => a.name));
  const all = unique(applications.flatMap((a) => a.writes));
  const shared = all.filter((t) => m.applications.some((a) => !names.has(a.name) && a.writes.includes(t)));
  return { own: all.filter((t) => !shared.includes(t)), shared };
}

/** All that Kafka tells of the members of a group. */
export const membersOf = (g: GroupFacts): string => list(g.members.map((x) => `${x.clientId} ${x.host} (${[
  `member ${x.memberId}`, ...(x.instanceId === null ? [] : [`static member ${x.instanceId}, kept until its session times out`]), ...(x.reads === undefined || x.reads.length === 0 ? [] : [`reads ${list(x.reads.map(tpKey), 3)}`]),
].join('; ')})`), 3);
/** `Dead` and `none`: the cluster does not know the group. */
export const isEmpty = (g: GroupFacts): boolean => g.members.length === 0 && (g.state === 'Empty' || g.state === 'Dead' || g.type === 'none');

type Snapshot = { readonly ends: ReadonlyMap<string, LogEnds>; readonly positions: string };
async function snapshot(cluster: Cluster, topics: readonly string[], groups: readonly string[]): Promise<Snapshot> {
  const [ends, committed] = await Promise.all([topics.length === 0 ? [] : cluster.ends(topics), groups.length === 0 ? new Map() : cluster.committed(groups)]);
  const positions = [...committed].map(([g, of]) => `${g} ${[...(of as readonly { topic: string; partition: number; offset: bigint }[])].map((p) => `${tpKey(p)}=${p.offset}`).sort().join(' ')}`).sort().join('\n');
  return { ends: byKey(ends), positions };
}
const grown = (a: Snapshot, b: Snapshot): readonly string[] => [...b.ends].filter(([key, e]) => e.hw !== a.ends.get(key)?.hw).map(([key]) => key);

export const moved = (ports: Ports) => ({
  lookQuiet(x: OfApplications & { readonly only?: true }, at: At): () => Promise<Glance> {
    const applications = applicationsOf(x.m, x.applications);
    const cluster = clusterOf(ports, x.m, x.on);
    const [groups, topics] = [groupsAmong(x.m, applications), writtenBy(x.m, applications)];
    let growsSinceMs: number | null = null;
    return async () => {
      const [fleets, facts, one] = await Promise.all([askAll(ports, x.m, x.applications, at), groups.own.length === 0 ? [] : cluster.groups(groups.own), snapshot(cluster, topics.own, groups.own)]);
      await at.pause(stillMs);
      const two = await snapshot(cluster, topics.own, groups.own);
      const alive = fleets.filter((f) => (x.only ? f.state[x.on] !== 0 : !isGoneFrom(x.m, f, x.on))).filter((f) => f.state.source !== 'unknown' && f.state.target !== 'unknown');
      const full = facts.filter((g) => !isEmpty(g));
      const growing = grown(one, two);
      const open = [...two.ends].filter(([, e]) => e.hw !== e.lso).map(([key]) => key);
      if (growing.length === 0 || alive.length > 0 || fleets.some(isUnknown)) growsSinceMs = null;
      else if (at.now() - (growsSinceMs ??= at.now()) > forgottenMs) throw await forgotten(cluster, growing, x.applications);
      const faults = [
        ...alive.map((f) => `${f.application.name} still runs: ${f.state.say}`),
        ...full.map((g) => `group ${g.group} is ${g.state} with ${count(g.members.length, 'member')}${g.members.length > 0 ? `: ${membersOf(g)}` : ''}`),
        ...(growing.length > 0 ? [`${list(growing, 3)} still ${growing.length === 1 ? 'grows' : 'grow'}`] : []),
        ...(one.positions === two.positions ? [] : ['positions still move']),
        ...(open.length > 0 ? [`a transaction is open on ${list(open, 3)}`] : []),
      ];
      const say = faults.length > 0 ? `${faults.join('; ')}.` : quietly({ fleets, groups, topics, on: x.on });
      return {
        done: faults.length === 0, say, state: `${alive.length} ${full.length} ${growing.length > 0} ${open.length > 0}`, progress: fleets.map((f) => `${f.state.source} ${f.state.target}`).join(),
        patience: { ms: x.c.limits.stopMs, failure: () => new Failure('ClientNotMoved', `Not gone from cluster ${nameOf(x.m, x.on)} within ${x.c.limits.stopMs} ms: ${say}`) },
      };
    };
  },

  lookRunning(x: OfApplications, at: At): () => Promise<Glance> {
    const applications = applicationsOf(x.m, x.applications);
    const cluster = clusterOf(ports, x.m, x.on);
    const groups = unique(applications.flatMap(groupsOf));
    const written = unique(applications.flatMap((a) => a.writes));
    const startedMs = at.now();
    let first: Snapshot | null = null;
    return async () => {
      const [fleets, facts, now] = await Promise.all([askAll(ports, x.m, x.applications, at), groups.length === 0 ? [] : cluster.groups(groups), snapshot(cluster, written, [])]);
      first ??= now;
      const wrote = new Set(grown(first, now).map((key) => key.slice(0, key.lastIndexOf('/'))));
      const silent = applications.filter((a) => a.writes.length > 0 && !a.writes.some((t) => wrote.has(t)));
      const waiting = at.now() - startedMs < idleMs;
      const faults = fleets.flatMap((f) => notRunning(f, x.on, facts, silent));
      const undecided = faults.length === 0 && silent.length > 0 && waiting;
      const say = faults.length > 0 ? `${faults.join('; ')}.` : undecided ? `waiting for a first write of ${list(silent.map((a) => a.name))}.` : atWork({ applications, groups, silent, wrote: [...wrote], on: x.on });
      return {
        done: faults.length === 0 && !undecided, say, state: faults.length > 0 ? `${faults.length} not running` : undecided ? 'waiting for a first write' : 'running', progress: facts.map((g) => `${g.state}${g.members.length}`).join(),
        patience: { ms: x.c.limits.startMs, failure: () => new Failure('ClientNotMoved', `Not at work on cluster ${nameOf(x.m, x.on)} within ${x.c.limits.startMs} ms: ${say}`) },
      };
    };
  },
});

const isUnknown = (f: Asked): boolean => f.state.source === 'unknown' || f.state.target === 'unknown';

/** What speaks against an application being at work on that side. */
function notRunning(f: Asked, on: Side, facts: readonly GroupFacts[], silent: readonly Application[]): readonly string[] {
  const { name } = f.application;
  const [here, there] = on === 'source' ? [f.state.source, f.state.target] : [f.state.target, f.state.source];
  const groups = groupsOf(f.application).map((g) => facts.find((x) => x.group === g)).filter((g) => g !== undefined);
  return [
    ...(here === 0 ? [`${name} does not run on the ${on}: ${f.state.say}`] : []),
    ...(there !== 0 && there !== 'unknown' ? [`${name} also runs on the other side: ${f.state.say}`] : []),
    ...groups.filter((g) => g.state !== 'Stable' || (g.members.length === 0 && g.type !== 'unknown')).map((g) => `group ${g.group} is ${g.state} with ${count(g.members.length, 'member')}`),
    // Neither the fleet nor a member vouches for it: only a write can.
    ...(here === 'unknown' && groups.length === 0 && silent.some((a) => a.name === name) ? [`nobody can say whether ${name} runs: its fleet does not know, and it has not written`] : []),
  ];
}

function quietly(q: { readonly fleets: readonly Asked[]; readonly groups: { readonly own: readonly string[]; readonly shared: readonly string[] }; readonly topics: { readonly own: readonly string[]; readonly shared: readonly string[] }; readonly on: Side }): string {
  const unknown = q.fleets.filter(isUnknown).map((f) => f.application.name);
  return [
    unknown.length === q.fleets.length ? `the brokers show nothing of ${list(unknown)}` : `${list(q.fleets.map((f) => f.application.name))} ${q.fleets.length === 1 ? 'is' : 'are'} gone`,
    ...(q.groups.own.length > 0 ? [`groups ${list(q.groups.own)} are empty on the ${q.on} and their positions stand still`] : []),
    ...(q.topics.own.length > 0 ? [`${list(q.topics.own)} ${q.topics.own.length === 1 ? 'stands' : 'stand'} still`] : []),
    ...(unknown.length > 0 && unknown.length < q.fleets.length ? [`the fleets of ${list(unknown)} cannot say`] : []),
    ...(q.groups.shared.length > 0 ? [`skipped: groups ${list(q.groups.shared)}, which others share`] : []),
    ...(q.topics.shared.length > 0 ? [`skipped: ${list(q.topics.shared)}, which others write`] : []),
  ].join('; ') + '.';
}
function atWork(r: { readonly applications: readonly Application[]; readonly groups: readonly string[]; readonly silent: readonly Application[]; readonly wrote: readonly string[]; readonly on: Side }): string {
  return [
    `${list(r.applications.map((a) => a.name))} at work on the ${r.on}`,
    ...(r.groups.length > 0 ? [`members in ${list(r.groups)}`] : []),
    ...(r.wrote.length > 0 ? [`writes seen to ${list(r.wrote)}`] : []),
    ...(r.silent.length > 0 ? [`writing: unknown (idle): ${list(r.silent.map((a) => a.name))}`] : []),
  ].join('; ') + '.';
}

async function forgotten(cluster: Cluster, growing: readonly string[], applications: readonly string[]): Promise<Failure> {
  const of = growing.map((key) => ({ topic: key.slice(0, key.lastIndexOf('/')), partition: Number(key.slice(key.lastIndexOf('/') + 1)) }));
  const newest = [...await cluster.producers(of)].sort((a, b) => b.lastTimestampMs - a.lastTimestampMs).slice(0, 5);
  const owners = await cluster.transactionsOf([...new Set(newest.map((p) => p.producerId))]);
  const named = newest.map((p) => {
    const owner = owners.find((o) => o.producerId === p.producerId);
    return `producer id ${p.producerId} (epoch ${p.epoch}${owner ? `, transactional id ${owner.transactionalId}` : ''}) on ${tpKey(p)}, last batch ${new Date(p.lastTimestampMs).toISOString()}`;
  });
  return new Failure('ForgottenWriter', `${list(growing, 5)} on cluster ${cluster.name} still ${growing.length === 1 ? 'grows' : 'grow'} although ${list(applications)} ${applications.length === 1 ? 'is' : 'are'} gone: ${named.join('; ') || 'a writer without a producer id'}; principal unknown (only the brokers' own logs have it).`);
}
