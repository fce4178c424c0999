/** Second (green) sets on the target: where they begin, whether they work, what switches them, and who processed what. */
import { Failure } from '../domain/failures.ts';
import { groupsOf, type BlueGreen, type Migration } from '../domain/migration.ts';
import { tpKey, type Cluster, type Ports, type Position } from '../domain/ports.ts';
import type { At } from './boundary.ts';
import { standingMarks, type Mark } from './cut.ts';
import { unreadOf } from './drained.ts';
import { askAll } from './fleets.ts';
import { entry, type LedgerBook } from './ledger.ts';
import { magnitude, type Glance } from './looking.ts';
import { applicationsOf, clusterOf, count, grouped, list, nameOf, topicsOf, unique, type Said } from './outside.ts';
import type { Ask, LookAsk, PositionsBefore } from './work.ts';
import { cutSets, type CutSet } from '../domain/cutsets.ts';

interface OfGroups extends Ask { readonly groups: readonly string[]; readonly before: PositionsBefore }
const placedKey = (x: Ask): string => `${x.c.run}/second/placed`;
type Placed = Readonly<Record<string, Readonly<Record<string, string>>>>;

export const blueGreenOf = (m: Migration): BlueGreen => {
  if (m.blueGreen === undefined) throw new Failure('BadMigration', `Migration ${m.name} has no "blueGreen": it names no second set.`);
  return m.blueGreen;
};

export const second = (ports: Ports, record: LedgerBook) => ({
  /** Where the logs end now: what a muted set has read has no effect, and one that doubles doubles the least. */
  async placeSecond(x: OfGroups, at: At): Promise<Said> {
    const target = clusterOf(ports, x.m, 'target');
    const ends = await target.ends(unique(x.groups.flatMap((g) => topicsOf(x.m, g))));
    const [known, placed] = await Promise.all([target.committed(x.groups), record.read(x.m, placedKey(x))]);
    const earlier = JSON.parse(placed.get(placedKey(x)) ?? '{}') as Placed;
    const wanted = new Map(x.groups.map((group) => [group, ends.filter((e) => topicsOf(x.m, group).includes(e.topic)).filter((e) => !(known.get(group) ?? []).some((p) => tpKey(p) === tpKey(e)))
      .map((e): Position => ({ topic: e.topic, partition: e.partition, offset: e.lso, metadata: '' }))] as const).filter(([, of]) => of.length > 0));
    at.until.check();
    if (wanted.size > 0) {
      const now = Object.fromEntries([...wanted].map(([group, of]) => [group, { ...earlier[group], ...Object.fromEntries(of.map((p) => [tpKey(p), String(p.offset)])) }]));
      await record.write(x.m, [entry(placedKey(x), { ...earlier, ...now })], 'one', at);
      await target.commit(wanted, at.until);
    }
    const left = missing(await target.committed(x.groups), wanted);
    if (left.length > 0) throw new Failure('Drift', `Cluster ${target.name} acknowledged positions and does not show them: ${list(left, 5)}.`);
    return { say: `${list(x.groups)} will begin on ${x.m.target} where its logs end now.` };
  },

  async unplaceSecond(x: OfGroups, at: At): Promise<Said> {
    const target = clusterOf(ports, x.m, 'target');
    const [now, placed] = await Promise.all([target.committed(x.groups), record.read(x.m, placedKey(x))]);
    const begun = JSON.parse(placed.get(placedKey(x)) ?? '{}') as Placed;
    const ours = (group: string): readonly Position[] => (now.get(group) ?? []).filter((p) => topicsOf(x.m, group).includes(p.topic) && x.before[group]?.[tpKey(p)] === undefined);
    const away = new Map(x.groups.map((g) => [g, ours(g).map(({ topic, partition }) => ({ topic, partition }))] as const).filter(([, of]) => of.length > 0));
    const said = x.groups.map((g) => `${g} ${stretches(ours(g).map((p) => ({ key: tpKey(p), from: BigInt(begun[g]?.[tpKey(p)] ?? p.offset), to: p.offset })))}`);
    at.until.check();
    if (away.size > 0) await target.uncommit(away, at.until);
    const left = [...await target.committed([...away.keys()])].flatMap(([group, of]) => of.filter((p) => away.get(group)?.some((w) => tpKey(w) === tpKey(p))).map((p) => `${group} ${tpKey(p)}`));
    if (left.length > 0) throw new Failure('Drift', `Cluster ${target.name} still has positions of ${list(left, 5)} after they were taken away.`);
    await record.write(x.m, [entry(placedKey(x), {})], 'one', at);
    const live = (await Promise.all(cutSets(x.m).map((set) => standingMarks(record, { ...x, set })))).flat().some((mark) => mark.to === 'target');
    if (live) return { say: `positions of ${list(x.groups)} on ${x.m.target} are as before; who processed what was told at the cut back, and since then the second set had no effect.` };
    const how = blueGreenOf(x.m).until === 'doubling' ? 'what only reads did a second time' : 'all without effect';
    return { say: x.groups.length === 0 ? 'no group was placed.' : `the first set processed everything on ${x.m.source}; the second set had read on ${x.m.target}, ${how}: ${list(said, 20)}.` };
  },

  lookSecond(x: LookAsk & { readonly applications: readonly string[] }, at: At): () => Promise<Glance> {
    return async () => {
      const v = await viewSecond(ports, x, at);
      return {
        done: v.faults.length === 0, say: v.faults.length === 0 ? `${v.shown.join('; ')}.` : `${v.faults.join('; ')}.`, state: `${v.faults.length} ${magnitude(v.lag)}`, progress: String(v.lag),
        figures: { lagRecords: Number(v.lag) },
        patience: { ms: x.c.limits.startMs, failure: () => new Failure('ClientNotMoved', `The second set is not at work on ${nameOf(x.m, 'target')} within ${x.c.limits.startMs} ms: ${v.faults.join('; ')}.`) },
      };
    };
  },

  async setHook(x: Ask & { readonly hook: 'traffic' | 'live'; readonly state: string }, at: At): Promise<Said> {
    const name = blueGreenOf(x.m)[x.hook];
    if (name === null) return { say: `there is no hook for "${x.hook}": nothing to set.` };
    const hook = ports.hook(name);
    const before = await hook.ask(at.until);
    if (before.state === x.state) return { say: `${name} says ${x.state} already${said(before.say)}.` };
    at.until.check();
    await hook.set(x.state, at.until);
    const after = await hook.ask(at.until);
    if (after.state !== x.state) throw new Failure('Drift', `Hook ${name} was set to ${x.state}, answered well, and says ${after.state}${said(after.say)}.`);
    return { say: `${name} went from ${before.state} to ${after.state}, asked again${said(after.say)}.` };
  },

  lookFine(x: LookAsk, at: At): () => Promise<Glance> {
    return async () => {
      const v = await viewFine(ports, x.m, at);
      return { done: v.fine, say: v.say, state: v.state, progress: v.say, patience: { ms: x.c.limits.stuckMs, failure: () => new Failure('ClientNotMoved', `The check of the second set did not say fine within ${x.c.limits.stuckMs} ms of no news: ${v.say}`) } };
    };
  },

  lookShares(x: LookAsk & { readonly set: CutSet }, at: At): () => Promise<Glance> {
    return async () => {
      const mark = (await standingMarks(record, x)).find((m) => m.to === 'target');
      if (!mark) return { done: true, state: 'none', say: 'the second set was never live: the first one processed everything.' };
      const groups = unique(x.m.applications.flatMap(groupsOf));
      const committed = groups.length === 0 ? new Map<string, readonly Position[]>() : await clusterOf(ports, x.m, 'target').committed(groups);
      const shares = groups.map((group) => shareOf(x.m, { group, mark, committed: committed.get(group) ?? [] }));
      await record.write(x.m, shares.map((s) => entry(`${x.c.run}/shares/${mark.epoch}/${s.group}`, { blue: spelled(s.blue), green: spelled(s.green) })), 'one', at);
      const say = shares.map((s) => `${s.group}: the first set up to cut ${mark.epoch} on ${x.m.source} (${stretches(s.blue)}), the second set from there on ${x.m.target} (${stretches(s.green)})`).join('; ');
      return { done: true, state: 'told', say: `${say || 'nobody reads'}.` };
    };
  },
});

interface Stretch { readonly key: string; readonly from: bigint; readonly to: bigint }
const spelled = (of: readonly Stretch[]): Readonly<Record<string, string>> => Object.fromEntries(of.map((s) => [s.key, `${s.from} to ${s.to}`]));
function stretches(of: readonly Stretch[]): string {
  const offsets = of.reduce((n, s) => n + (s.to > s.from ? s.to - s.from : 0n), 0n);
  const some = of.filter((s) => s.to > s.from);
  return some.length === 0 ? 'nothing' : `${list(some.map((s) => `${s.key} ${grouped(s.from)} to ${grouped(s.to)}`), 8)}, ${count(offsets, 'offset')}`;
}
/** The first set had read all of the source up to the cut, which was proven; the second one goes on behind it on the target. */
function shareOf(m: Migration, x: { readonly group: string; readonly mark: Mark; readonly committed: readonly Position[] }): { readonly group: string; readonly blue: readonly Stretch[]; readonly green: readonly Stretch[] } {
  const reads = topicsOf(m, x.group);
  const mine = (key: string): boolean => reads.includes(key.slice(0, key.lastIndexOf('/')));
  const blue = Object.entries(x.mark.ends.source).filter(([key]) => mine(key)).map(([key, e]) => ({ key, from: BigInt(e.logStart), to: BigInt(e.hw) }));
  const green = Object.entries(x.mark.ends.target).filter(([key]) => mine(key)).map(([key, e]) => {
    const at = x.committed.find((p) => tpKey(p) === key)?.offset ?? BigInt(e.hw);
    return { key, from: BigInt(e.hw), to: at };
  });
  return { group: x.group, blue, green };
}

const said = (say: string): string => (say === '' ? '' : ` (${say})`);
const missing = (now: ReadonlyMap<string, readonly Position[]>, wanted: ReadonlyMap<string, readonly Position[]>): readonly string[] =>
  [...wanted].flatMap(([group, of]) => of.filter((w) => !(now.get(group) ?? []).some((p) => tpKey(p) === tpKey(w) && p.offset === w.offset)).map((w) => `${group} ${tpKey(w)}`));

export interface SecondView { readonly faults: readonly string[]; readonly shown: readonly string[]; readonly lag: bigint }
/** What fleets and brokers say of the second sets; a set that only writes is muted and shows on no broker. */
export async function viewSecond(ports: Ports, x: Ask & { readonly applications: readonly string[] }, at: At): Promise<SecondView> {
  const [asked, cluster] = [await askAll(ports, x.m, x.applications, at), clusterOf(ports, x.m, 'target')];
  const groups = unique(applicationsOf(x.m, x.applications).flatMap(groupsOf));
  const facts = groups.length === 0 ? [] : await cluster.groups(groups);
  const unread = groups.length === 0 ? [] : await unreadOf(ports, { m: x.m, groups, topics: unique(groups.flatMap((g) => topicsOf(x.m, g))), on: 'target' });
  const lag = unread.reduce((most, u) => (u.atMost > most ? u.atMost : most), 0n);
  const behind = unread.filter((u) => u.atMost > BigInt(x.c.limits.lagRecords));
  const writers = asked.filter((a) => a.application.reads.length === 0).map((a) => a.application.name);
  return {
    lag,
    faults: [
      ...asked.filter((a) => a.state.target === 0).map((a) => `the second set of ${a.application.name} does not run: ${a.state.say}`),
      ...facts.filter((g) => g.state !== 'Stable' || g.members.length === 0).map((g) => `group ${g.group} is ${g.state} with ${count(g.members.length, 'member')} on ${cluster.name}`),
      ...(await unassigned(cluster, x.m, facts)),
      ...(behind.length > 0 ? [`more than ${grouped(x.c.limits.lagRecords)} records behind: ${list(behind.map((u) => `${u.group} ${u.key}, ${count(u.atMost, 'record')}`), 3)}`] : []),
    ],
    shown: [
      `second sets of ${list(asked.map((a) => a.application.name))} run on ${cluster.name}`,
      ...(groups.length > 0 ? [`${list(groups)} read there, at most ${count(lag, 'record')} behind on a partition`] : []),
      ...(writers.length > 0 ? [`whether ${list(writers)} could write is unknown until traffic comes`] : []),
    ],
  };
}
/** A member without partitions polls nothing; where brokers do not show what is assigned, nothing is claimed of it. */
async function unassigned(cluster: Cluster, m: Migration, facts: readonly { readonly group: string; readonly members: readonly { readonly reads?: readonly { readonly topic: string; readonly partition: number }[] }[] }[]): Promise<readonly string[]> {
  const ends = await cluster.ends(unique(facts.flatMap((g) => topicsOf(m, g.group))));
  return facts.filter((g) => g.members.length > 0 && g.members.every((x) => x.reads !== undefined)).flatMap((g) => {
    const held = new Set(g.members.flatMap((x) => (x.reads ?? []).map(tpKey)));
    const free = ends.filter((e) => topicsOf(m, g.group).includes(e.topic) && !held.has(tpKey(e))).map(tpKey);
    return free.length === 0 ? [] : [`nobody of group ${g.group} holds ${list(free, 5)}`];
  });
}

export async function viewFine(ports: Ports, m: Migration, at: At): Promise<{ readonly fine: boolean; readonly state: string; readonly say: string }> {
  const { validate } = blueGreenOf(m);
  if (validate === null) return { fine: true, state: 'none', say: 'no check of the second set is declared.' };
  const { state, say } = await ports.hook(validate).ask(at.until);
  return { fine: state === 'fine', state, say: `${validate} says ${state}${said(say)}.` };
}
