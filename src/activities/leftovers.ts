/** What stopped processes leave behind and an outage would wait for: members nobody speaks for any more, open transactions. */
import type { Side } from '../domain/authority.ts';
import { Failure } from '../domain/failures.ts';
import type { Application, Migration } from '../domain/migration.ts';
import { tpKey, type Cluster, type GroupFacts, type Ports, type ProducerFacts, type TransactionFacts } from '../domain/ports.ts';
import type { At } from './boundary.ts';
import { askAll, isGoneFrom } from './fleets.ts';
import { groupsAmong, membersOf, writtenBy } from './moved.ts';
import { applicationsOf, clusterOf, count, grouped, list, nameOf, partitionsOf, unique, type Said } from './outside.ts';
import type { Ask } from './work.ts';

interface OfApplications extends Ask { readonly applications: readonly string[]; readonly on: Side }

/** Between two looks for a transaction that is being aborted, ms. */
const abortPollMs = 10;

/** One open transaction on topics of these applications. */
interface OpenTransaction { readonly producerId: bigint; readonly owner: TransactionFacts | null; readonly partitions: readonly ProducerFacts[] }
async function openOn(cluster: Cluster, topics: readonly string[]): Promise<readonly OpenTransaction[]> {
  if (topics.length === 0) return [];
  const producers = (await cluster.producers(partitionsOf(await cluster.topics(topics)))).filter((p) => p.openFrom !== null);
  const ids = [...new Set(producers.map((p) => p.producerId))];
  const owners = await cluster.transactionsOf(ids);
  return ids.map((producerId) => ({ producerId, owner: owners.find((o) => o.producerId === producerId) ?? null, partitions: producers.filter((p) => p.producerId === producerId) }));
}
const spellOpen = (t: OpenTransaction): string => `${t.owner === null ? `producer id ${t.producerId} (no transactional id is known for it)` : t.owner.transactionalId} on ${list(t.partitions.map(tpKey), 3)}`;

/** What an outage would meet, one sentence per thing, without a full stop; empty: nothing. */
export async function forecastLeftovers(ports: Ports, x: { readonly m: Migration; readonly applications: readonly string[]; readonly on: Side }, at: At): Promise<readonly string[]> {
  const cluster = clusterOf(ports, x.m, x.on);
  const each = await Promise.all(applicationsOf(x.m, x.applications).map(async (a) => {
    const groups = groupsAmong(x.m, [a]).own;
    const [facts, open] = await Promise.all([groups.length === 0 ? [] : cluster.groups(groups), openOn(cluster, writtenBy(x.m, [a]).own)]);
    return [...staticMembers(a, facts), ...open.map((t) => `${a.name}: a transaction is open${ageOf(t, at)}: ${spellOpen(t)}`)];
  }));
  return each.flat();
}
function staticMembers(a: Application, facts: readonly GroupFacts[]): readonly string[] {
  return facts.flatMap((g) => {
    const ids = g.members.flatMap((m) => m.instanceId ?? []);
    return ids.length === 0 ? [] : [`${a.name}: ${count(ids.length, 'static member')} in group ${g.group} (${list(ids, 5)}): asked to leave after the stop; nobody but the client knows its session timeout, 45,000 ms unless set`];
  });
}
function ageOf(t: OpenTransaction, at: At): string {
  const since = t.owner?.startedMs ?? null;
  const limit = t.owner === null ? '' : `, aborted by itself after ${grouped(t.owner.timeoutMs)} ms`;
  return since === null ? limit : ` for ${grouped(Math.max(0, at.now() - since))} ms${limit}`;
}

export const leftovers = (ports: Ports) => ({
  /** Between the stop and the proof that all is quiet. Where a fleet cannot say that its processes are gone, nothing is touched. */
  async clearLeftovers(x: OfApplications, at: At): Promise<Said> {
    const asked = await askAll(ports, x.m, x.applications, at);
    const gone = asked.filter((a) => isGoneFrom(x.m, a, x.on)).map((a) => a.application);
    const kept = asked.filter((a) => !gone.includes(a.application)).map((a) => a.application.name);
    const cluster = clusterOf(ports, x.m, x.on);
    const [members, aborted] = await Promise.all([removeFrom(cluster, groupsAmong(x.m, gone).own, at), abortOn(cluster, writtenBy(x.m, gone).own, at)]);
    const did = [
      ...(members.length > 0 ? [`put out of their groups: ${list(members, 5)}`] : []),
      ...(aborted.done.length > 0 ? [`aborted: ${list(aborted.done, 5)}`] : []),
      ...(aborted.left.length > 0 ? [`left open, for nobody can be fenced: ${list(aborted.left, 5)}`] : []),
      ...(kept.length > 0 ? [`skipped: ${list(kept)}, of whom no fleet says that their processes are gone`] : []),
    ];
    return { say: did.length === 0 ? `nothing was left behind on the ${x.on}.` : `${did.join('; ')}.`, figures: { members: members.length, transactions: aborted.done.length } };
  },

  /** After all is quiet: whoever still holds one of these ids can write with it no more. */
  async fenceTransactions(x: OfApplications, at: At): Promise<Said> {
    const applications = applicationsOf(x.m, x.applications);
    const cluster = clusterOf(ports, x.m, x.on);
    const ids = unique(applications.flatMap((a) => a.transactionalIds));
    if (ids.length === 0) return { say: 'no transactional id is declared: nothing to fence.' };
    const each = await Promise.all(ids.map((id) => fenceOne(cluster, id, at)));
    const fenced = ids.filter((_id, i) => each[i] === 'fenced');
    // Whoever else writes to a topic may be at work there.
    const topics = writtenBy(x.m, applications).own;
    await closed(cluster, topics, at);
    const unknown = ids.filter((id) => !fenced.includes(id));
    return { say: `${fenced.length === 0 ? 'no transactional id fenced' : `fenced ${list(fenced)}`} on ${nameOf(x.m, x.on)}${unknown.length > 0 ? `; not known there (never used, or not for a week): ${list(unknown)}` : ''}; no transaction is open on ${list(topics) || 'no topic'}.`, figures: { fenced: fenced.length } };
  },
});

/** An id the cluster does not know is left alone: fencing it would create it, and stop nobody. */
async function fenceOne(cluster: Cluster, id: string, at: At): Promise<'fenced' | 'unknown'> {
  const before = await cluster.transaction(id);
  if (before === null) return 'unknown';
  at.until.check();
  const after = await cluster.fenceTransactionalId(id, at.until);
  if (after.producerId === before.producerId && after.epoch <= before.epoch) throw new Failure('Drift', `Transactional id ${id} on cluster ${cluster.name} kept epoch ${before.epoch} after it was fenced; wanted a higher one.`);
  return 'fenced';
}

/** Markers reach the partitions a moment after the coordinator has decided; within an outage the budget ends the wait. */
async function closed(cluster: Cluster, topics: readonly string[], at: At): Promise<void> {
  if (topics.length === 0) return;
  for (const sinceMs = at.now(); ; await at.pause(abortPollMs)) {
    const open = (await cluster.ends(topics)).filter((e) => e.hw !== e.lso).map(tpKey);
    if (open.length === 0) return;
    at.seen(`a transaction is open on ${list(open, 3)}.`);
    if (at.now() - sinceMs > longestAbortMs) throw new Failure('ForgottenWriter', `On cluster ${cluster.name} a transaction is still open on ${list(open, 5)} after every declared transactional id was fenced: ${list((await openOn(cluster, topics)).map(spellOpen), 5)}.`);
  }
}
const longestAbortMs = 5_000;

async function removeFrom(cluster: Cluster, groups: readonly string[], at: At): Promise<readonly string[]> {
  const full = groups.length === 0 ? [] : (await cluster.groups(groups)).filter((g) => g.members.length > 0);
  if (full.length === 0) return [];
  await Promise.all(full.map((g) => cluster.removeMembers(g.group, g.members, at.until)));
  const left = (await cluster.groups(full.map((g) => g.group))).flatMap((g) => g.members.filter((m) => full.find((f) => f.group === g.group)?.members.some((was) => was.memberId === m.memberId)).map((m) => ({ ...g, members: [m] })));
  if (left.length > 0) throw new Failure('GroupActive', `Cluster ${cluster.name} acknowledged that they leave and still shows ${list(left.map((g) => `${membersOf(g)} in group ${g.group}`), 5)}.`);
  return full.map((g) => `${membersOf(g)} of group ${g.group}`);
}

async function abortOn(cluster: Cluster, topics: readonly string[], at: At): Promise<{ readonly done: readonly string[]; readonly left: readonly string[] }> {
  // Asked of the log first: where nothing is open, describing producers would be one request too many.
  if (topics.length === 0 || (await cluster.ends(topics)).every((e) => e.hw === e.lso)) return { done: [], left: [] };
  const open = await openOn(cluster, topics);
  const fenced = await Promise.all(open.map(async (t) => {
    if (t.owner === null) return false;
    at.until.check();
    await cluster.fenceTransactionalId(t.owner.transactionalId, at.until);
    return true;
  }));
  return { done: open.filter((_t, i) => fenced[i]).map(spellOpen), left: open.filter((_t, i) => !fenced[i]).map(spellOpen) };
}
