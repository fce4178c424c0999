/** The preflight: everything that can be looked at before the first write, all faults at once; what cannot be is said. */
import { Failure } from '../domain/failures.ts';
import { cutSets, pureReaders } from '../domain/cutsets.ts';
import { topicFault } from '../domain/parse-migration.ts';
import { elsewhereOf, groupsOf, type Migration } from '../domain/migration.ts';
import { tpKey, type ClusterFacts, type MirrorSpec, type Ports, type TopicFacts } from '../domain/ports.ts';
import type { At } from './boundary.ts';
import { tagOf } from './connect.ts';
import { gaps, rulesOf } from './fence.ts';
import { askAll, lacksBeside } from './fleets.ts';
import { unguarded } from './groupfence.ts';
import { ledgerTopic } from './ledger.ts';
import type { Glance } from './looking.ts';
import { both, clusterOf, count, faultOf, list, nameOf, refuse, unique, type Fault } from './outside.ts';
import { compare, knownConfigs } from './topics.ts';
import type { LookAsk } from './work.ts';

/** What one check found: faults, and sentences about what was checked, or skipped. */
interface Checked { readonly faults: readonly Fault[]; readonly say: readonly string[] }
const fault = (type: Fault['type'], text: string): Fault => ({ type, text });
const skipped = (what: string): Checked => ({ faults: [], say: [`skipped: ${what}`] });
const next = 'Nothing was moved. Mend these, then retry.';

/** Schemes in which a second set of consumers starts beside the first. */
const inTwoSets: readonly string[] = ['dualConsume'];

export const ready = (ports: Ports) => ({
  lookReady(x: LookAsk & { readonly scheme: string }, at: At): () => Promise<Glance> {
    return async () => {
      const facts = await reach(ports, x.m);
      const checks = await Promise.all([
        guarded(async () => releases(x.m, facts)), guarded(() => topicsFit(ports, x.m, facts.target)), guarded(() => ledgers(ports, x.m, at)),
        guarded(() => connect(ports, x, facts.target)), guarded(() => fleetsAnswer(ports, x, at)), guarded(() => hooksAnswer(ports, x.m, at)), guarded(() => fences(ports, x.m, facts)),
      ]);
      refuse('The preflight', checks.flatMap((c) => c.faults), next);
      return { done: true, state: 'ready', say: `${[...checks.flatMap((c) => c.say), 'skipped: rights to write, which show only when something is written'].join('; ')}.` };
    };
  },
});

/** A check that cannot be made is a fault like the others. */
async function guarded(check: () => Promise<Checked>): Promise<Checked> {
  const out: Checked[] = [];
  const faults = await faultOf(async () => { out.push(await check()); });
  return out[0] ?? { faults, say: [] };
}

async function reach(ports: Ports, m: Migration): Promise<{ readonly source: ClusterFacts; readonly target: ClusterFacts }> {
  const found: ClusterFacts[] = [];
  const faults = await Promise.all(both.map((side, i) => faultOf(async () => { found[i] = await clusterOf(ports, m, side).facts(); })));
  refuse('The preflight', faults.flat(), next);
  const [source, target] = found;
  if (!source || !target) throw new Failure('Unreachable', `Clusters ${m.source} and ${m.target} did not both answer.`);
  return { source, target };
}

const numeric = (release: string): number | null => {
  const [, major, minor] = /^(\d+)\.(\d+)/.exec(release) ?? [];
  return major === undefined ? null : Number(major) * 1000 + Number(minor);
};
function releases(m: Migration, facts: { readonly source: ClusterFacts; readonly target: ClusterFacts }): Checked {
  const [from, to] = [numeric(facts.source.release), numeric(facts.target.release)];
  const say = both.map((side) => `${nameOf(m, side)}: ${count(facts[side].brokers.length, 'broker')}, release ${facts[side].release}`);
  return { faults: [], say: [...say, ...(from !== null && to !== null && to < from ? [`the target's release ${facts.target.release} is older than the source's`] : [])] };
}

async function topicsFit(ports: Ports, m: Migration, target: ClusterFacts): Promise<Checked> {
  const [source, there, known] = await Promise.all([clusterOf(ports, m, 'source').topics(m.topics), clusterOf(ports, m, 'target').topics(m.topics), knownConfigs(ports, m)]);
  const gone = m.topics.filter((t) => !source.some((s) => s.name === t));
  const compared = compare(source, there, m.target);
  const foreign = await foreignRecords(ports, m, there);
  const fewer = source.filter((s) => s.replicationFactor > target.brokers.length && !there.some((t) => t.name === s.name)).map((s) => s.name);
  return {
    faults: [
      ...gone.map((t) => fault('Drift', `cluster ${m.source} no longer has topic ${t}.`)),
      ...m.topics.flatMap((t) => { const f = topicFault(t); return f === null ? [] : [fault('BadMigration', `topic ${f}`)]; }),
      ...compared.faults, ...foreign, ...appendTimes(m, there), ...replication(m, source, there, target.brokers.length),
    ],
    say: [
      `${count(source.length, 'topic')} on ${m.source}, ${there.length} of them already on ${m.target} and empty`,
      ...(fewer.length > 0 ? [`fewer replicas than on the source for ${list(fewer, 3)}`] : []),
      ...(compared.drift.length > 0 ? [`settings that differ and are left: ${list(compared.drift, 3)}`] : []),
      ...(known === null ? [`skipped: which topic settings ${m.target} knows (it has no topic of ours yet to read them from)`] : []),
    ],
  };
}

/** At this point nothing of ours is on the target: whatever is there came from elsewhere and would mix with what we move. */
async function foreignRecords(ports: Ports, m: Migration, there: readonly TopicFacts[]): Promise<readonly Fault[]> {
  // What the estate feeds, and what other waves have cut, is there already.
  const theirs = new Set([...(m.estate?.feeds ?? []).flatMap((s) => s.topics), ...elsewhereOf(m)]);
  const ours = there.map((t) => t.name).filter((t) => !theirs.has(t));
  if (ours.length === 0) return [];
  const filled = (await clusterOf(ports, m, 'target').ends(ours)).filter((e) => e.hw > e.logStart);
  return filled.length === 0 ? [] : [fault('Drift', `cluster ${m.target} already holds records in ${list(filled.map((e) => `${tpKey(e)} (${count(e.hw - e.logStart, 'offset')})`), 5)}; wanted empty topics, or none.`)];
}

/** Append time gives every copy another timestamp than its original has. */
const appendTimes = (m: Migration, there: readonly TopicFacts[]): readonly Fault[] =>
  m.connect === null ? [] : there.filter((t) => t.configs['message.timestamp.type']?.value === 'LogAppendTime')
    .map((t) => fault('Drift', `topic ${t.name} on cluster ${m.target} has message.timestamp.type=LogAppendTime, which changes the timestamps of copies; wanted CreateTime until the finish.`));

function replication(m: Migration, source: readonly TopicFacts[], there: readonly TopicFacts[], brokers: number): readonly Fault[] {
  return source.flatMap((s) => {
    const t = there.find((x) => x.name === s.name);
    const replicas = t?.replicationFactor ?? Math.min(s.replicationFactor, brokers);
    const own = s.configs['min.insync.replicas'];
    const insync = t ? Number(t.configs['min.insync.replicas']?.value ?? 1) : own?.source === 'topic' ? Number(own.value) : 1;
    return insync > replicas ? [fault('Drift', `topic ${s.name} on cluster ${m.target} ${t ? 'has' : 'would have'} min.insync.replicas=${insync} with ${count(replicas, 'replica')}: every acknowledged write would be refused.`)] : [];
  });
}

/** Reads only: a ledger topic that is missing is made by the first write. */
async function ledgers(ports: Ports, m: Migration, at: At): Promise<Checked> {
  const each = await Promise.all(both.map(async (side): Promise<Checked> => {
    const name = nameOf(m, side);
    const [topic] = await clusterOf(ports, m, side).topics([ledgerTopic]);
    if (!topic) return skipped(`the ledger on ${name}, which the first write creates`);
    const faults = await ports.ledger.prepare(name, at.until);
    return { faults: faults.map((text) => fault('Drift', text)), say: [`ledger on ${name} has ${count(topic.replicationFactor, 'replica')}`] };
  }));
  return { faults: each.flatMap((c) => c.faults), say: each.flatMap((c) => c.say) };
}

async function connect(ports: Ports, x: LookAsk, target: ClusterFacts): Promise<Checked> {
  const { m } = x;
  if (m.connect === null) return { faults: [], say: ['nothing is copied: no Connect worker is needed'] };
  const spec = { connect: m.connect, name: `cutover-check-${tagOf(x.c.run)}`, from: m.source, to: m.target, topics: m.topics, seed: [] };
  const faults = await ports.mirrors.check(spec);
  const [internal, shut] = await Promise.all([connectTopics(ports, m), shutOut(ports, m, { spec, target })]);
  return { faults: [...faults.map((text) => fault('BadCatalog', text)), ...shut], say: [`Connect worker ${m.connect} takes the mirror's settings`, ...internal] };
}

/** The fence on the target stands from the first topic to the opening: it must not refuse the mirror itself. */
async function shutOut(ports: Ports, m: Migration, o: { readonly spec: MirrorSpec; readonly target: ClusterFacts }): Promise<readonly Fault[]> {
  const fenced = unique(cutSets(m).flatMap((set) => rulesOf(m, set).map((r) => r.principal)));
  if (o.target.authorizer !== 'present' || fenced.length === 0) return [];
  const { principal } = await ports.mirrors.prove(o.spec);
  return principal === undefined || !fenced.includes(principal) ? []
    : [fault('BadMigration', `the fence on ${m.target} denies ${principal} to write until the opening, and Connect worker ${m.connect ?? ''} writes the copies as ${principal}; give it a login of its own.`)];
}

/** The names of Connect's own topics are not in the catalog; those that look like them are shown. */
async function connectTopics(ports: Ports, m: Migration): Promise<readonly string[]> {
  const all = await clusterOf(ports, m, 'target').topics('all');
  const like = all.filter((t) => /(^|[-_.])(offsets|configs?|status)$/.test(t.name) && !t.internal && t.configs['cleanup.policy']?.value === 'compact' && !m.topics.includes(t.name));
  return like.length === 0 ? ["skipped: replication of Connect's own topics (none found by name)"] : [`what look like Connect's own topics: ${list(like.map((t) => `${t.name} ${count(t.replicationFactor, 'replica')}`), 3)}`];
}

async function fleetsAnswer(ports: Ports, { m, scheme }: { readonly m: Migration; readonly scheme: string }, at: At): Promise<Checked> {
  const lacking = inTwoSets.includes(scheme) ? lacksBeside(ports, pureReaders(m)) : [];
  const each = await Promise.all(m.applications.map((a) => guarded(async () => {
    const [asked] = await askAll(ports, m, [a.name], at);
    if (!asked) return { faults: [], say: [] };
    const { state } = asked;
    const wrong = state.target !== 'unknown' && state.target > 0 ? [fault('ClientNotMoved', `application ${a.name} already runs on cluster ${m.target}: ${state.say}; wanted nothing there before the migration.`)] : [];
    return { faults: wrong, say: [state.source === 'unknown' ? `${a.name}: unknown, ${state.say}` : `${a.name}: ${state.source} on the source`] };
  })));
  return { faults: [...lacking, ...each.flatMap((c) => c.faults)], say: each.flatMap((c) => c.say) };
}

/** Before anything is begun: traffic goes to the first set, and the second one can be muted. */
async function hooksAnswer(ports: Ports, m: Migration, at: At): Promise<Checked> {
  if (m.blueGreen === undefined) return { faults: [], say: [] };
  const { traffic, live, validate } = m.blueGreen;
  const asked = await Promise.all([[traffic, ['source']], [live, ['muted', 'live']], [validate, null]].map(async ([name, wanted]): Promise<Checked> => {
    if (typeof name !== 'string') return { faults: [], say: [] };
    const { state } = await ports.hook(name).ask(at.until);
    const wrong = Array.isArray(wanted) && !wanted.includes(state) ? [fault('Drift', `hook ${name} says ${state}; wanted ${wanted.join(' or ')} before the migration.`)] : [];
    return { faults: wrong, say: [`hook ${name} says ${state}`] };
  }));
  return { faults: asked.flatMap((c) => c.faults), say: asked.flatMap((c) => c.say) };
}

/** On the target until its opening, on the source behind its cut, and behind moved groups: what no rule will stop is said before anything moves. */
async function fences(ports: Ports, m: Migration, facts: Readonly<Record<'source' | 'target', ClusterFacts>>): Promise<Checked> {
  const sets = cutSets(m);
  const groups = unique(m.applications.flatMap(groupsOf));
  const each = await Promise.all(both.map(async (side): Promise<readonly string[]> => {
    const [name, there] = [nameOf(m, side), facts[side]];
    if (there.authorizer === 'none') return [`no fence: cluster ${name} has no authorizer; forgotten writers and readers are watched for, not refused`];
    if (there.authorizer === 'unknown') return [`skipped: the fence, no permission to read ACLs on ${name}`];
    const fenced = sets.filter((set) => rulesOf(m, set).length > 0);
    if (fenced.length > 0) await clusterOf(ports, m, side).denyRules(m.topics);
    const holes = unique([...sets.flatMap((set) => gaps(m, set, there)), ...(side === 'source' ? unguarded(m, groups, there) : [])]);
    return [...(fenced.length > 0 ? [`a fence is possible on ${name} for ${list(fenced.map((s) => s.name), 3)}`] : []), ...holes.map((h) => `on ${name}: ${h}`), ...(there.superUsers === undefined && fenced.length > 0 ? [`unknown: who the super users of ${name} are, whom no rule stops`] : [])];
  }));
  return { faults: [], say: each.flat() };
}
