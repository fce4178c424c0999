/** What is on the clusters before anything is touched: the inventory, what differs from it later, and the locks on it. */
import type { Side } from '../domain/authority.ts';
import { Failure } from '../domain/failures.ts';
import { groupsOf, type Application, type Inventory, type Migration } from '../domain/migration.ts';
import { expand, isPattern, topicFault } from '../domain/parse-migration.ts';
import type { ClusterFacts, GroupFacts, Ports, TopicFacts } from '../domain/ports.ts';
import type { Glance } from './looking.ts';
import { membersOf } from './moved.ts';
import { both, clusterOf, count, faultOf, list, nameOf, refuse, unique, type Fault, type Said } from './outside.ts';
import type { Ask, Assessment, LookAsk } from './work.ts';

/** Where migrations claim topics, so that no two work on the same ones; see `workflows/lock.ts`. */
export interface Locks {
  acquire(holder: { readonly owner: string; readonly run: string }, topics: Readonly<Record<string, readonly string[]>>): Promise<void>;
  release(holder: { readonly owner: string; readonly run: string }, clusterIds: readonly string[]): Promise<void>;
}
export interface TemporalAsked {
  readonly registeredSearchAttributes: () => Promise<readonly string[]>;
  readonly locks: Locks;
}

const bad = (text: string): Fault => ({ type: 'BadMigration', text });
const next = 'Correct the migration, then start it again. Nothing was written.';

export const clusters = (ports: Ports, temporal: TemporalAsked) => ({
  async environment(x: { readonly names: readonly string[] }): Promise<{ readonly searchAttributes: readonly string[] }> {
    const known = new Set(await temporal.registeredSearchAttributes());
    return { searchAttributes: x.names.filter((n) => known.has(n)) };
  },

  assess: ({ m }: { readonly m: Migration; readonly scheme: string }): Promise<Assessment> => assessed(ports, m),

  /** Only what matters: a declared group that comes or goes changes nothing, an undeclared one blocks. */
  reassess: (x: Ask & { readonly inventory: Inventory }): Promise<readonly string[]> => differences(ports, x.m, x.inventory),

  lookInventory(x: LookAsk & { readonly inventory: Inventory }): () => Promise<Glance> {
    return async () => {
      const found = await differences(ports, x.m, x.inventory);
      if (found.length > 0) throw new Failure('Drift', `The clusters are not as when the migration started: ${list(found, 10)}.`, 'Bring them back to what was agreed, declare what is new in a new migration, or roll back.');
      return { done: true, state: 'as before', say: `${count(x.inventory.topics.length, 'topic')}, their partitions and ids, and ${count(x.inventory.groups.length, 'group')} are as when the migration started; nobody undeclared.` };
    };
  },

  async acquireLock(x: Ask & { readonly inventory: Inventory; readonly owner: string }): Promise<Said> {
    const { source, target } = x.inventory.clusterIds;
    await temporal.locks.acquire({ owner: x.owner, run: x.c.run }, { [source]: x.m.topics, [target]: x.m.topics });
    return { say: `${x.owner} holds ${list(x.m.topics)} on both clusters.` };
  },
  async releaseLock(x: Ask & { readonly inventory: Inventory; readonly owner: string }): Promise<Said> {
    await temporal.locks.release({ owner: x.owner, run: x.c.run }, [x.inventory.clusterIds.source, x.inventory.clusterIds.target]);
    return { say: `${x.owner} holds nothing any more.` };
  },
});

/** Names resolved, and the inventory; every fault at once. Reads only. */
export async function assessed(ports: Ports, m: Migration): Promise<Assessment> {
  const named = await unknownNames(ports, m);
  // Without the clusters nothing else can be looked at.
  if (named.clusters.length > 0) refuse('The migration', [...named.clusters, ...named.others], next);
  const [source, target] = [clusterOf(ports, m, 'source'), clusterOf(ports, m, 'target')];
  const [sourceFacts, targetFacts, topics] = await Promise.all([source.facts(), target.facts(), source.topics('all')]);
  const resolved = resolve(m, topics);
  const names = resolved.migration.topics;
  const seen = await groupsOn(ports, resolved.migration);
  refuse('The migration', [
    ...named.others, ...sameCluster(m, sourceFacts, targetFacts), ...resolved.faults,
    ...names.flatMap((t) => { const fault = topicFault(t); return fault === null ? [] : [bad(`topic ${fault}`)]; }),
    ...undeclared(resolved.migration, seen.onTopics), ...foreignTypes(resolved.migration, seen), ...streams(resolved.migration, topics),
  ], next);
  return { migration: resolved.migration, inventory: inventoryOf({ facts: { source: sourceFacts, target: targetFacts }, topics, names, groups: seen.onTopics }) };
}

const hooksOf = (m: Migration): readonly string[] => unique([m.blueGreen?.traffic, m.blueGreen?.live, m.blueGreen?.validate].flatMap((h) => h ?? []));
async function unknownNames(ports: Ports, m: Migration): Promise<{ readonly clusters: readonly Fault[]; readonly others: readonly Fault[] }> {
  const naming = (call: () => unknown): Promise<readonly Fault[]> => faultOf(async () => { await call(); });
  const connects = unique([m.connect, m.connectBack].filter((c) => c !== null));
  const [clusters_, others] = await Promise.all([
    Promise.all(both.map((side) => naming(() => clusterOf(ports, m, side)))),
    Promise.all([
      ...connects.map((connect) => naming(() => ports.mirrors.list(connect, 'cutover-'))),
      ...unique([...m.applications.map((a) => a.fleet), ...Object.values(m.blueGreen?.fleets ?? {})]).map((fleet) => naming(() => ports.fleet(fleet))),
      ...hooksOf(m).map((hook) => naming(() => ports.hook(hook))),
    ]),
  ]);
  return { clusters: clusters_.flat(), others: others.flat() };
}

const sameCluster = (m: Migration, source: ClusterFacts, target: ClusterFacts): readonly Fault[] =>
  source.clusterId === target.clusterId ? [bad(`${m.source} and ${m.target} are the same Kafka cluster (${source.clusterId}); a migration needs two.`)] : [];

/** Patterns replaced by the names they match on the source, everywhere. */
function resolve(m: Migration, topics: readonly TopicFacts[]): { readonly migration: Migration; readonly faults: readonly Fault[] } {
  const faults: Fault[] = [];
  const all = topics.filter((t) => !t.internal).map((t) => t.name);
  const find = (patterns: readonly string[], among: readonly string[], where: string): readonly string[] => {
    const found = expand(patterns, among);
    for (const p of found.unmatched) faults.push(bad(isPattern(p) ? `${where}: pattern "${p}" matches no topic of cluster ${m.source}.` : `${where}: cluster ${m.source} has no topic "${p}".`));
    return found.names;
  };
  const moving = find(m.topics, all, 'topics');
  const applications = m.applications.map((a): Application => ({
    ...a,
    writes: find(a.writes, moving, `${a.name} writes`),
    reads: a.reads.map((r) => ({ ...r, topics: find(r.topics, moving, `${a.name} reads with group ${r.group}`) })),
  }));
  return { migration: { ...m, topics: moving, applications }, faults: faults.filter((f, i) => faults.findIndex((g) => g.text === f.text) === i) };
}

interface Seen { readonly all: readonly GroupFacts[]; readonly onTopics: readonly string[] }
/** Connect's own worker group reads no topic of anybody: its members only share out connectors. */
const readsTopics = (g: GroupFacts): boolean => g.protocolType === undefined || g.protocolType === '' || g.protocolType === 'consumer';
/** Groups with committed positions on the topics, with members assigned to them, and declared ones with members. A mirror's consumers commit nothing and join nothing. */
async function groupsOn(ports: Ports, m: Migration, side: Side = 'source'): Promise<Seen> {
  const cluster = clusterOf(ports, m, side);
  const all = await cluster.groups('all');
  const committed = await cluster.committed(all.filter((g) => g.type !== 'share').map((g) => g.group));
  const ours = new Set(m.topics);
  const declared = new Set(m.applications.flatMap(groupsOf));
  const on = all.filter((g) => readsTopics(g) && (committed.get(g.group)?.some((p) => ours.has(p.topic)) || g.members.some((x) => x.reads?.some((tp) => ours.has(tp.topic))) || (declared.has(g.group) && g.members.length > 0)));
  return { all, onTopics: unique(on.map((g) => g.group)) };
}

const undeclaredOf = (m: Migration, groups: readonly string[]): readonly string[] => {
  const declared = new Set([...m.applications.flatMap(groupsOf), ...Object.keys(m.groups)]);
  return groups.filter((g) => !declared.has(g));
};
const undeclared = (m: Migration, groups: readonly string[]): readonly Fault[] =>
  undeclaredOf(m, groups).map((g) => bad(`group ${g} reads these topics on cluster ${m.source} and is not declared: name it in the "reads" of its application, or under "groups" as "leave" or "abandon".`));

/** Members of share groups are not shown to us: a group that is not empty has some. */
const hiddenShares = (m: Migration, seen: Seen): readonly string[] =>
  seen.all.filter((g) => g.type === 'share' && m.groups[g.group] === undefined && (g.members.length > 0 || !['Empty', 'Dead'].includes(g.state))).map((g) => g.group);
/** What a share group reads cannot be seen from its positions; it must at least be named. */
function foreignTypes(m: Migration, seen: Seen): readonly Fault[] {
  const moving = new Set(m.applications.flatMap(groupsOf));
  return seen.all.flatMap((g): Fault[] => {
    if (moving.has(g.group) && (g.type === 'share' || g.type === 'streams')) return [{ type: 'Unsupported', text: `group ${g.group} is a ${g.type} group; this version moves consumer groups only.` }];
    if (hiddenShares(m, seen).includes(g.group)) return [{ type: 'Unsupported', text: `share group ${g.group} may read these topics, which its positions do not show: declare it under "groups" as "leave" or "abandon".` }];
    return [];
  });
}

/** A Streams application of the classic protocol shows only by its internal topics. */
function streams(m: Migration, topics: readonly TopicFacts[]): readonly Fault[] {
  return unique(m.applications.flatMap(groupsOf)).flatMap((group): Fault[] => {
    const internal = topics.filter((t) => t.name.startsWith(`${group}-`) && /-(changelog|repartition)$/.test(t.name)).map((t) => t.name);
    return internal.length === 0 ? [] : [{ type: 'Unsupported', text: `group ${group} looks like a Kafka Streams application (${list(internal, 3)}): its state cannot be moved by this version.` }];
  });
}

function inventoryOf(x: { readonly facts: { readonly source: ClusterFacts; readonly target: ClusterFacts }; readonly topics: readonly TopicFacts[]; readonly names: readonly string[]; readonly groups: readonly string[] }): Inventory {
  const wanted = new Set(x.names);
  return {
    clusterIds: { source: x.facts.source.clusterId, target: x.facts.target.clusterId },
    topics: x.topics.filter((t) => wanted.has(t.name)).map((t) => ({ name: t.name, id: t.id, partitions: t.partitions })).sort((a, b) => (a.name < b.name ? -1 : 1)),
    groups: x.groups,
    authorizer: { source: x.facts.source.authorizer, target: x.facts.target.authorizer },
  };
}

export async function differences(ports: Ports, m: Migration, before: Inventory): Promise<readonly string[]> {
  const source = clusterOf(ports, m, 'source');
  const [facts, topics, there, seen] = await Promise.all([Promise.all(both.map((side) => clusterOf(ports, m, side).facts())), source.topics(m.topics), clusterOf(ports, m, 'target').topics(m.topics), groupsOn(ports, m)]);
  const now = new Map(topics.map((t) => [t.name, t]));
  const clustersDiffer = both.flatMap((side, i) => [
    ...(facts[i]?.clusterId === before.clusterIds[side] ? [] : [`cluster ${nameOf(m, side)} has id ${facts[i]?.clusterId ?? '?'}, it was ${before.clusterIds[side]}`]),
    ...(facts[i]?.authorizer === before.authorizer[side] ? [] : [`the authorizer of cluster ${nameOf(m, side)} is ${facts[i]?.authorizer ?? '?'}, it was ${before.authorizer[side]}`]),
  ]);
  const topicsDiffer = before.topics.flatMap((was) => {
    const is = now.get(was.name);
    if (!is) return [`topic ${was.name} is gone from cluster ${m.source}`];
    return [
      ...(is.id === was.id ? [] : [`topic ${was.name} was deleted and created again on cluster ${m.source}`]),
      ...(is.partitions === was.partitions ? [] : [`topic ${was.name} has ${is.partitions} partitions on cluster ${m.source}, it had ${was.partitions}`]),
    ];
  });
  const copiesDiffer = there.flatMap((is) => {
    const was = before.topics.find((t) => t.name === is.name);
    return was === undefined || is.partitions === was.partitions ? [] : [`topic ${is.name} has ${is.partitions} partitions on cluster ${m.target}, wanted ${was.partitions}`];
  });
  const groupsDiffer = [...undeclaredIn(m, seen, m.source), ...hiddenShares(m, seen).map((g) => `share group ${g} has members on cluster ${m.source}, may read these topics, and is not declared`)];
  return [...clustersDiffer, ...topicsDiffer, ...copiesDiffer, ...groupsDiffer].sort();
}

/** By name, with who is in it. */
function undeclaredIn(m: Migration, seen: Seen, cluster: string): readonly string[] {
  return undeclaredOf(m, seen.onTopics).map((name) => {
    const facts = seen.all.find((g) => g.group === name);
    return `group ${name} reads these topics on cluster ${cluster} and is not declared${facts && facts.members.length > 0 ? `: ${membersOf(facts)}` : ''}`;
  });
}
/** The same on the target, where it matters as soon as somebody goes back. */
export const strangersOnTarget = async (ports: Ports, m: Migration): Promise<readonly string[]> => undeclaredIn(m, await groupsOn(ports, m, 'target'), m.target);

/** Groups whose members show nothing of what they read: they never committed. Said, because they cannot be judged. */
export async function unknownReaders(ports: Ports, m: Migration): Promise<readonly string[]> {
  const cluster = clusterOf(ports, m, 'source');
  const live = (await cluster.groups('all')).filter((g) => g.type !== 'share' && readsTopics(g) && g.members.some((x) => x.reads === undefined));
  const declared = new Set([...m.applications.flatMap(groupsOf), ...Object.keys(m.groups)]);
  const committed = await cluster.committed(live.map((g) => g.group));
  return unique(live.filter((g) => !declared.has(g.group) && (committed.get(g.group) ?? []).length === 0).map((g) => g.group));
}
