/** The fence behind a moved group: DENY READ on it for its readers' principals, so that a forgotten reader cannot join or commit. */
import type { Side } from '../domain/authority.ts';
import { Failure } from '../domain/failures.ts';
import { groupsOf, type Migration } from '../domain/migration.ts';
import type { ClusterFacts, GroupDenyRule, Ports } from '../domain/ports.ts';
import type { At } from './boundary.ts';
import { fenceable } from './fence.ts';
import { entry, hardlyMs, valueOf, type LedgerBook } from './ledger.ts';
import { isEmpty, membersOf } from './moved.ts';
import { clusterOf, count, list, nameOf, unique, type Said } from './outside.ts';
import type { Ask, GroupFenceBefore } from './work.ts';

interface OfGroups extends Ask { readonly groups: readonly string[]; readonly on: Side }

const same = (a: GroupDenyRule, b: GroupDenyRule): boolean => a.principal === b.principal && a.group === b.group;
const without = (rules: readonly GroupDenyRule[], others: readonly GroupDenyRule[]): readonly GroupDenyRule[] => rules.filter((r) => !others.some((o) => same(r, o)));
const spell = (rules: readonly GroupDenyRule[]): string => list(rules.map((r) => `${r.principal} on group ${r.group}`), 5);
const oursKey = (run: string, on: Side, group: string): string => `${run}/group-fence/${on}/${group}`;
const principalsOf = (m: Migration, group: string): readonly string[] => fenceable(m.applications.filter((a) => groupsOf(a).includes(group)).flatMap((a) => a.principals));
/** Our own principal is spared: it commits the groups' positions when the migration goes back. */
const rulesFor = (m: Migration, groups: readonly string[], facts: ClusterFacts): readonly GroupDenyRule[] =>
  unique(groups).flatMap((group) => principalsOf(m, group).filter((p) => p !== facts.principal).map((principal) => ({ principal, group })));

/** Groups of these that no rule can guard, with the reason. */
export function unguarded(m: Migration, groups: readonly string[], facts: ClusterFacts): readonly string[] {
  if (facts.authorizer !== 'present') return [`no read fence: the authorizer is ${facts.authorizer}`];
  const rules = rulesFor(m, groups, facts);
  const bare = unique(groups).filter((g) => !rules.some((r) => r.group === g));
  return [
    ...(bare.length > 0 ? [`no read fence for ${list(bare)}: no principal that a rule could name is declared for its readers`] : []),
    ...unique(rules.map((r) => r.principal)).filter((p) => facts.superUsers?.includes(p)).map((p) => `${p} is a super user, whom no rule stops`),
  ];
}

export const groupFence = (ports: Ports, record: LedgerBook) => {
  async function takeAway(x: Ask & { readonly on: Side }, rules: readonly GroupDenyRule[], at: At): Promise<number> {
    if (rules.length === 0) return 0;
    const cluster = clusterOf(ports, x.m, x.on);
    const groups = unique(rules.map((r) => r.group));
    const found = (await cluster.groupDenyRules(groups)).filter((r) => rules.some((o) => same(r, o)));
    at.until.check();
    await cluster.allow(rules, at.until);
    const left = (await cluster.groupDenyRules(groups)).filter((r) => rules.some((o) => same(r, o)));
    if (left.length > 0) throw new Failure('Drift', `Cluster ${nameOf(x.m, x.on)} still denies READ to ${spell(left)} after the rules were taken away.`);
    return found.length;
  }

  /** What stands there from now on is somebody else's. */
  const disown = (x: OfGroups, at: At): Promise<unknown> => record.write(x.m, unique(x.groups).map((group) => entry(oursKey(x.c.run, x.on, group), [])), 'one', at, hardlyMs);

  return {
    captureGroupFence: (x: OfGroups, at: At): Promise<GroupFenceBefore> => record.capture(x, at, async () => {
      const cluster = clusterOf(ports, x.m, x.on);
      const facts = await cluster.facts();
      if (facts.authorizer !== 'present') return { rules: [], able: 'no-authorizer' };
      const wanted = rulesFor(x.m, x.groups, facts);
      if (wanted.length === 0) return { rules: [], able: 'no-principals' };
      const there = (await cluster.groupDenyRules(x.groups)).filter((r) => wanted.some((w) => same(r, w)));
      // What was ours stays ours: a fence whose undo was skipped is met again, and comes down with the next undo.
      const ours = [...(await oursOf(record, x)).values()].flat().filter((r) => there.some((t) => same(t, r)));
      const entries = unique(x.groups).map((group) => entry(oursKey(x.c.run, x.on, group), [...without(wanted, there), ...ours].filter((r) => r.group === group)));
      await record.write(x.m, entries, 'one', at);
      return { rules: without(there, ours), able: 'yes' };
    }),

    /** Only behind readers that are gone: a rule would make a live one fail with its work half done. */
    async raiseGroupFence(x: OfGroups & { readonly before: GroupFenceBefore }, at: At): Promise<Said> {
      const name = nameOf(x.m, x.on);
      if (x.before.able !== 'yes') return { say: `no read fence: ${x.before.able === 'no-authorizer' ? `cluster ${name} shows no authorizer` : `no principal that a rule could name is declared for the readers of ${list(x.groups)}`}; a forgotten reader is watched for, not refused.` };
      const cluster = clusterOf(ports, x.m, x.on);
      const [facts, groups] = await Promise.all([cluster.facts(), cluster.groups(x.groups)]);
      const full = groups.filter((g) => !isEmpty(g));
      if (full.length > 0) throw new Failure('GroupActive', `A read fence on cluster ${name} needs empty groups: ${full.map((g) => `${g.group} is ${g.state}: ${membersOf(g)}`).join('; ')}.`);
      const wanted = rulesFor(x.m, x.groups, facts);
      await cluster.deny(wanted, at.until);
      const missing = without(wanted, await cluster.groupDenyRules(x.groups));
      if (missing.length > 0) throw new Failure('Drift', `Cluster ${name} acknowledged the read fence and does not deny READ to ${spell(missing)}.`);
      const holes = unguarded(x.m, x.groups, facts);
      return { say: `cluster ${name} lets ${list(unique(wanted.map((r) => r.principal)))} read with ${list(unique(wanted.map((r) => r.group)))} no more, shown by ${count(facts.brokers.length, 'broker')}${holes.length === 0 ? '' : `; except: ${holes.join('; ')}`}.` };
    },

    async lowerGroupFence(x: OfGroups & { readonly before: GroupFenceBefore }, at: At): Promise<Said> {
      if (x.before.able !== 'yes') return { say: 'there was no read fence.' };
      const wanted = rulesFor(x.m, x.groups, await clusterOf(ports, x.m, x.on).facts());
      const taken = await takeAway(x, without(wanted, x.before.rules), at);
      await disown(x, at);
      return { say: `the read fence of ${list(x.groups)} on the ${x.on} is down: ${count(taken, 'rule')} taken away from every broker.` };
    },

    async lowerGroupFences(x: OfGroups, at: At): Promise<Said> {
      const kept = [...(await oursOf(record, x)).values()].flat();
      const taken = await takeAway(x, kept, at);
      if (kept.length > 0) await disown(x, at);
      return { say: kept.length === 0 ? 'no read fence of ours is up.' : `${count(taken, 'rule')} of ours taken away from groups on the ${x.on}.` };
    },
  };
};

/** Which rules are ours, by group: one look, however many groups. */
async function oursOf(record: LedgerBook, x: OfGroups): Promise<ReadonlyMap<string, readonly GroupDenyRule[]>> {
  const entries = await record.read(x.m, oursKey(x.c.run, x.on, ''));
  return new Map(unique(x.groups).map((group) => [group, valueOf<readonly GroupDenyRule[]>(entries, oursKey(x.c.run, x.on, group)) ?? []] as const));
}
