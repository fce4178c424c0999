/** Fences: DENY WRITE for the writers' principals, where the cluster has an authorizer and the principals are declared. */
import type { Side } from '../domain/authority.ts';
import { closures, writersOf, type CutSet } from '../domain/cutsets.ts';
import { Failure } from '../domain/failures.ts';
import type { Application, Migration } from '../domain/migration.ts';
import type { ClusterFacts, DenyRule, Ports } from '../domain/ports.ts';
import type { At } from './boundary.ts';
import { entry, hardlyMs, valueOf, type LedgerBook } from './ledger.ts';
import { clusterOf, count, list, nameOf, unique, type Said } from './outside.ts';
import type { Ask, FenceBefore } from './work.ts';

interface OfFence extends Ask { readonly set: CutSet; readonly on: Side }

/** A rule for everybody would refuse the mirrors and the other applications too. */
const everybody = 'User:*';
export const fenceable = (principals: readonly string[]): readonly string[] => unique(principals).filter((p) => p !== everybody);
/** Who only moves along, because of a group it shares, has nothing to refuse. */
const writing = (m: Migration, set: CutSet): readonly Application[] => writersOf(m, set).filter((a) => a.writes.length > 0);
/** Writers that share no topic have no rules for each other's, also where everything is cut together. */
export const rulesOf = (m: Migration, set: CutSet): readonly DenyRule[] => (m.cuts === 'together' ? closures(m) : [set]).flatMap((closure) => {
  const topics = set.topics.filter((t) => closure.topics.includes(t));
  const writers = writing(m, set).filter((a) => closure.writers.includes(a.name));
  return fenceable(writers.flatMap((a) => a.principals)).flatMap((principal) => topics.map((topic) => ({ principal, topic })));
});
const same = (a: DenyRule, b: DenyRule): boolean => a.principal === b.principal && a.topic === b.topic;
const without = (rules: readonly DenyRule[], others: readonly DenyRule[]): readonly DenyRule[] => rules.filter((r) => !others.some((o) => same(r, o)));
const spell = (rules: readonly DenyRule[]): string => list(rules.map((r) => `${r.principal} on ${r.topic}`), 5);
/** What a fence around this set cannot stop, each a sentence without a full stop; empty: it stops every declared writer. */
export function gaps(m: Migration, set: CutSet, facts: ClusterFacts): readonly string[] {
  const writers = writing(m, set);
  const bare = writers.filter((a) => fenceable(a.principals).length === 0);
  const fenced = fenceable(writers.flatMap((a) => a.principals));
  const others = m.applications.filter((a) => !writers.includes(a));
  return [
    ...bare.map((a) => (a.principals.includes(everybody) ? `${a.name} writes as ${everybody}, and a rule for everybody would refuse the mirrors too` : `no principals are declared for ${a.name}`)),
    ...fenced.filter((p) => facts.superUsers?.includes(p)).map((p) => `${p} is a super user, whom no rule stops`),
    ...fenced.flatMap((p) => { const shared = others.filter((a) => a.principals.includes(p)).map((a) => a.name); return shared.length === 0 ? [] : [`${p} is also the principal of ${list(shared)}`]; }),
    ...(facts.principal !== undefined && fenced.includes(facts.principal) ? [`${facts.principal} is also who Cutover logs in as`] : []),
  ];
}

/** Which rules of a fence are ours to take away at the finish, when its pre-image is long gone. */
const oursKey = (run: string, on: Side, set: CutSet): string => `${run}/fence/${on}/${set.name}`;

const spoken = (holes: readonly string[], facts: ClusterFacts): string => {
  const all = [...holes, ...(facts.superUsers === undefined ? ['super users, if there are any, are excepted (unknown: this broker does not tell who they are)'] : [])];
  return all.length === 0 ? '' : `; except: ${all.join('; ')}`;
};

export const fence = (ports: Ports, record: LedgerBook) => {
  async function takeAway(x: Ask & { readonly on: Side }, rules: readonly DenyRule[], at: At): Promise<number> {
    const cluster = clusterOf(ports, x.m, x.on);
    const topics = unique(rules.map((r) => r.topic));
    if (rules.length === 0) return 0;
    const found = (await cluster.denyRules(topics)).filter((r) => rules.some((o) => same(r, o)));
    at.until.check();
    await cluster.allow(rules, at.until);
    const left = (await cluster.denyRules(topics)).filter((r) => rules.some((o) => same(r, o)));
    if (left.length > 0) throw new Failure('Drift', `Cluster ${nameOf(x.m, x.on)} still denies WRITE to ${spell(left)} after the rules were taken away.`);
    return found.length;
  }

  /** What stands there from now on is somebody else's. */
  const disown = (x: Ask & { readonly on: Side }, sets: readonly CutSet[], at: At): Promise<unknown> =>
    record.write(x.m, sets.map((set) => entry(oursKey(x.c.run, x.on, set), [])), 'one', at, hardlyMs);

  return {
    captureFence: (x: OfFence, at: At): Promise<FenceBefore> => record.capture(x, at, async () => {
      const wanted = rulesOf(x.m, x.set);
      if (wanted.length === 0) return { rules: [], able: 'no-principals' };
      const cluster = clusterOf(ports, x.m, x.on);
      if ((await cluster.facts()).authorizer !== 'present') return { rules: [], able: 'no-authorizer' };
      const rules = (await cluster.denyRules(x.set.topics)).filter((r) => wanted.some((w) => same(r, w)));
      // What was ours stays ours: a fence whose undo was skipped is met again, and comes down with the next undo.
      const key = oursKey(x.c.run, x.on, x.set);
      const ours = (valueOf<readonly DenyRule[]>(await record.read(x.m, key), key) ?? []).filter((r) => rules.some((o) => same(o, r)));
      await record.write(x.m, [entry(key, [...without(wanted, rules), ...ours])], 'one', at);
      return { rules: without(rules, ours), able: 'yes' };
    }),

    async raiseFence(x: OfFence & { readonly before: FenceBefore }, at: At): Promise<Said> {
      const name = nameOf(x.m, x.on);
      if (x.before.able === 'no-authorizer') return { say: `no fence: cluster ${name} shows no authorizer; a forgotten writer is watched for, not refused.` };
      if (x.before.able === 'no-principals') return { say: `no fence: no principal that a rule could name is declared for ${list(x.set.writers)}; a forgotten writer is watched for, not refused.` };
      const wanted = rulesOf(x.m, x.set);
      const cluster = clusterOf(ports, x.m, x.on);
      await cluster.deny(wanted, at.until);
      const [shown, facts] = await Promise.all([cluster.denyRules(x.set.topics), cluster.facts()]);
      const missing = without(wanted, shown);
      if (missing.length > 0) throw new Failure('Drift', `Cluster ${name} acknowledged the fence and does not deny WRITE to ${spell(missing)}.`);
      return { say: `cluster ${name} refuses writes of ${list(unique(wanted.map((r) => r.principal)))} to ${list(x.set.topics)}, shown by ${count(facts.brokers.length, 'broker')}${spoken(gaps(x.m, x.set, facts), facts)}.` };
    },

    async lowerFence(x: OfFence & { readonly before: FenceBefore }, at: At): Promise<Said> {
      if (x.before.able !== 'yes') return { say: 'there was no fence.' };
      const taken = await takeAway(x, without(rulesOf(x.m, x.set), x.before.rules), at);
      await disown(x, [x.set], at);
      return { say: `the fence of ${x.set.name} on the ${x.on} is down: ${count(taken, 'rule')} taken away from every broker.` };
    },

    async lowerFences(x: Ask & { readonly sets: readonly CutSet[]; readonly on: Side }, at: At): Promise<Said> {
      const entries = await record.read(x.m, `${x.c.run}/fence/${x.on}/`);
      const kept = x.sets.flatMap((set) => valueOf<readonly DenyRule[]>(entries, oursKey(x.c.run, x.on, set)) ?? []);
      const taken = await takeAway(x, kept, at);
      if (kept.length > 0) await disown(x, x.sets, at);
      return { say: kept.length === 0 ? 'no fence of ours is up.' : `${count(taken, 'rule')} of ours taken away on the ${x.on}.` };
    },
  };
};
