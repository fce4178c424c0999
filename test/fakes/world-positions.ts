/** The activities of positions and cuts, acting on the world. */
import type { FenceBefore, PositionsBefore } from '../../src/activities/work.ts';
import { otherSide, type Side } from '../../src/domain/authority.ts';
import type { CutSet } from '../../src/domain/cutsets.ts';
import { Failure } from '../../src/domain/failures.ts';
import { groupsOf, type Migration } from '../../src/domain/migration.ts';
import type { Context } from '../../src/domain/scheme.ts';
import { topicOf, translate, type ClusterFake, type Log } from './world-logs.ts';
import { step, type Activities, type Part } from './world-work.ts';

const visible = (log: Log, from: number, until: number): number => { let n = 0; for (let o = log.next(from); o !== null && o < until; o = log.next(o + 1)) n++; return n; };

export function positions(a: Activities): Part<'lookGroupsDrained' | 'capturePositions' | 'setPositions' | 'returnPositions' | 'forecastPositions' | 'preparePositions'> {
  const { w } = a;
  const read = (m: Migration, group: string, c: ClusterFake): readonly string[] => c.partitionsOf(m.applications.flatMap((x) => x.reads.filter((r) => r.group === group).flatMap((r) => r.topics)));
  const idle = (m: Migration, groups: readonly string[], on: Side): void => {
    const active = m.applications.filter((x) => groupsOf(x).some((g) => groups.includes(g)) && w.client(x.name).sides.includes(on));
    if (active.length > 0) throw new Failure('GroupActive', `${active.map((x) => x.name).join(', ')} run on ${on}; a reset needs none.`);
  };
  /** Where the group continues on `to`. Throws when there is no proof. */
  const there = (group: string, key: string, to: Side): number => {
    const from = w.clusters[otherSide(to)];
    const logs = { source: w.clusters.source.log(key), target: w.clusters.target.log(key) };
    const position = from.position(group, key);
    if (position === undefined) {
      if (from.log(key).next(0) === null) return logs[to].start;
      throw new Failure('NotExact', `Group ${group} has no position for ${key} on ${otherSide(to)}, which holds records.`);
    }
    const [mirrors, cuts] = [w.copiers(topicOf(key)), w.cutsOf(topicOf(key))];
    if (mirrors.length === 0 && cuts.length === 0) throw new Failure('NotExact', `${key} was never copied.`);
    const at = translate({ key, position, from: otherSide(to), logs }, mirrors, cuts);
    if (at === null) throw new Failure('NotExact', `The position ${position} of ${group} for ${key} on ${otherSide(to)} is ahead of what was copied.`);
    return at;
  };
  /** Behind the last cut, or where the group had got to behind it; where the log is about to be cut it is its end. */
  const atTheCut = (group: string, key: string, to: Side): number =>
    (w.cutsOf(topicOf(key)).at(-1)?.to === to ? Math.max(there(group, key, to), w.clusters[to].position(group, key) ?? 0) : w.clusters[to].log(key).end);
  /** Where the log was cut to this side last, or else its end: nobody may write there then. */
  const behind = (group: string, key: string, x: { readonly to: Side; readonly mayRepeat: Context['mayRepeat'] }): number => {
    const { to } = x;
    const cut = w.cutsOf(topicOf(key)).at(-1);
    const place = cut?.to === to ? (cut.ends[to][key] ?? 0) : w.clusters[to].log(key).end;
    // What is only there and unread is nowhere else: it is kept, and what was carried behind it comes again.
    const left = w.cutsOf(topicOf(key)).findLast((k) => k.to !== to)?.ends[to][key] ?? 0;
    const [log, at] = [w.clusters[to].log(key), w.clusters[to].position(group, key) ?? 0];
    if (to === 'target' || visible(log, at, left) === 0) return place;
    const again = visible(log, left, place);
    // Of this cut back, over all partitions; tried again it is the same.
    const said = w.keptBehind.get(group) ?? new Map<string, number>();
    const mine = `${key} ${w.cutsOf(topicOf(key)).length}`;
    const others = [...said].filter(([at]) => at !== mine && at.split(' ')[1] === mine.split(' ')[1]).reduce((n, [, m]) => n + m, 0);
    if (others + again > (x.mayRepeat?.[group] ?? -1)) throw new Failure('NotExact', `${group} would read ${again} again, or leave ${visible(log, at, left)} of ${key} unread.`);
    w.keptBehind.set(group, said.set(mine, again));
    return at;
  };
  /** What is only in this log: all of it, or what was there when it was cut. */
  const endOf = (key: string, on: Side): number => {
    const cut = w.cutsOf(topicOf(key)).at(-1);
    return cut && cut.to !== on ? (cut.ends[on][key] ?? 0) : Infinity;
  };
  const setAt = new Map<string, number>();
  return {
    lookGroupsDrained: ({ m, c, groups, topics, on, upTo, still, unlessRepeats }) => a.look('lookGroupsDrained', c, async () => {
      const cluster = w.clusters[on];
      if (upTo === 'nearly') return null; // only how long the outage takes depends on it
      for (const [topic, ms] of Object.entries(still ?? {})) {
        const ends = (): readonly number[] => cluster.partitionsOf([topic]).map((key) => cluster.log(key).end);
        const before = ends().join();
        await a.pass(ms, c);
        if (ends().join() !== before) return `${topic} still grows`;
      }
      const unread = groups.filter((g) => !unlessRepeats || c.mayRepeat?.[g] === undefined).flatMap((g) => read(m, g, cluster).filter((key) => topics.includes(topicOf(key)) && (cluster.log(key).next(cluster.position(g, key) ?? 0) ?? Infinity) < (upTo === 'end' ? Infinity : endOf(key, on))).map((key) => `${g} ${key}`));
      return unread.length === 0 ? null : `unread: ${unread.join(', ')}`;
    }),
    capturePositions: ({ m, groups, to }) => a.read('capturePositions', (): PositionsBefore => Object.fromEntries(groups.map((g) => [g, Object.fromEntries(read(m, g, w.clusters[to]).map((key) => [key, w.clusters[to].position(g, key) ?? null]))]))),
    forecastPositions: ({ m, groups, to }) => a.read('forecastPositions', () => groups.map((group) => {
      try {
        return { group, kind: 'exact' as const, repeats: 0, partitions: read(m, group, w.clusters[to]).map((key) => there(group, key, to)).length, why: '' };
      } catch (error) {
        if (error instanceof Failure) return { group, kind: 'refused' as const, repeats: 'unknown' as const, partitions: 0, why: error.message };
        throw error;
      }
    })),
    preparePositions: ({ c }) => a.write('preparePositions', c, () => step('prepared')),
    setPositions: ({ m, c, groups, to, how, topics, consents, losses }) => a.write('setPositions', c, () => {
      idle(m, groups, to);
      const cluster = w.clusters[to];
      const here = w.clusters[otherSide(to)];
      for (const g of groups) {
        const keys = read(m, g, cluster);
        const gone = keys.reduce((n, key) => n + visible(here.log(key), here.position(g, key) ?? 0, Infinity), 0);
        const again = how === 'earliest' ? keys.reduce((n, key) => n + visible(cluster.log(key), 0, there(g, key, to)), 0) : 0;
        if (how === 'latest' && gone > (losses?.find((l) => l.group === g)?.records ?? 0)) throw new Failure('NotExact', `${g} would lose ${gone}.`);
        if (again > (consents?.find((l) => l.group === g)?.repeats ?? 0)) throw new Failure('NotExact', `${g} would read ${again} again.`);
      }
      const wanted = groups.flatMap((g) => read(m, g, cluster).filter((key) => topics?.includes(topicOf(key)) ?? true).map((key) => ({ g, key, at: how === 'behind' ? behind(g, key, { to, mayRepeat: c.mayRepeat }) : how === 'translated' ? there(g, key, to) : how === 'earliest' ? cluster.log(key).start : how === 'latest' ? cluster.log(key).end : atTheCut(g, key, to) })));
      return step('set', ...wanted.map(({ g, key, at }) => () => { cluster.commit(g, key, at); setAt.set(`${c.key} ${g} ${key}`, at); }));
    }),
    returnPositions: ({ m, c, groups, to, how, before }) => a.write('returnPositions', c, () => {
      const [here, home] = [w.clusters[to], w.clusters[otherSide(to)]];
      // Positions that this attempt did not set are older than the move, and say nothing of where the group is now.
      const mine = groups.flatMap((g) => read(m, g, here).filter((key) => here.position(g, key) !== undefined && setAt.has(`${c.key} ${g} ${key}`)).map((key) => ({ g, key })));
      const set = [...new Set(mine.map(({ g }) => g))];
      idle(m, set, to);
      if (how !== 'behind') idle(m, set, otherSide(to));
      const back = how === 'translated' ? mine.map(({ g, key }) => ({ g, key, at: there(g, key, otherSide(to)) })) : [];
      // Where it was set nothing was read yet; further on, the position is the only record of what was, and stays.
      const taken = mine.filter(({ g, key }) => how !== 'cut' || here.position(g, key) === setAt.get(`${c.key} ${g} ${key}`));
      return step('returned', ...back.map(({ g, key, at }) => () => { home.commit(g, key, at); }), ...taken.map(({ g, key }) => () => { here.commit(g, key, before[g]?.[key] ?? null); setAt.delete(`${c.key} ${g} ${key}`); }));
    }),
  };
}

export function cutting(a: Activities): Part<'captureFence' | 'raiseFence' | 'lowerFence' | 'lowerFences' | 'lookMirrorDrained' | 'captureCut' | 'markCut' | 'unmarkCut' | 'lookCut'> {
  const { w } = a;
  const rules = (m: Migration, set: CutSet): readonly { readonly principal: string; readonly topic: string }[] =>
    m.applications.filter((x) => set.writers.includes(x.name)).flatMap((x) => x.principals).flatMap((principal) => set.topics.map((topic) => ({ principal, topic })));
  const spelled = (r: { readonly principal: string; readonly topic: string }): string => `${r.principal}|${r.topic}`;
  const endsOn = (set: CutSet, s: Side): Record<string, number> => Object.fromEntries(w.clusters[s].partitionsOf(set.topics).map((key) => [key, w.clusters[s].log(key).end]));
  const ends = (set: CutSet): Record<Side, Record<string, number>> => ({ source: endsOn(set, 'source'), target: endsOn(set, 'target') });
  return {
    captureFence: ({ m, set, on }) => a.read('captureFence', (): FenceBefore => {
      const { denied, ours } = w.clusters[on];
      const mine = rules(m, set).map(spelled).filter((r) => !denied.has(r) || ours.get(set.name)?.includes(r));
      ours.set(set.name, mine);
      return { rules: rules(m, set).filter((r) => !mine.includes(spelled(r))), able: rules(m, set).length > 0 ? 'yes' : 'no-principals' };
    }),
    raiseFence: ({ m, c, set, on }) => a.write('raiseFence', c, () => step('fenced', ...rules(m, set).map((r) => () => { w.clusters[on].denied.add(spelled(r)); }))),
    lowerFence: ({ m, c, set, on, before }) => a.write('lowerFence', c, () => step('lowered', ...rules(m, set).filter((r) => !before.rules.some((b) => spelled(b) === spelled(r))).map((r) => () => { w.clusters[on].denied.delete(spelled(r)); }))),
    lowerFences: ({ c, sets, on }) => a.write('lowerFences', c, () => step('lowered', ...sets.flatMap((s) => w.clusters[on].ours.get(s.name) ?? []).map((r) => () => { w.clusters[on].denied.delete(r); }))),
    lookMirrorDrained: ({ c, set, toward }) => a.look('lookMirrorDrained', c, () => {
      const mirror = w.mirrorOf(set.name, toward);
      if (!mirror) throw new Failure('MirrorStuck', `There is no mirror of ${set.name} toward ${toward}.`);
      const lag = mirror.lag(w.clusters);
      return lag > 0 ? `lag ${lag}` : a.stable('ends', () => ends(set));
    }),
    captureCut: () => a.read('captureCut', () => ({ epoch: w.epoch + 1 })),
    markCut: ({ c, set, to, before }) => a.write('markCut', c, () => step('marked', () => { w.epoch = before.epoch; w.cuts = [...w.cuts.filter((x) => x.epoch !== before.epoch), { set: set.name, epoch: before.epoch, to, ends: ends(set) }]; })),
    unmarkCut: ({ c, set, before }) => a.write('unmarkCut', c, () => step('unmarked', () => { w.cuts = w.cuts.filter((x) => x.set !== set.name || x.epoch !== before.epoch); })),
    lookCut: ({ c, set }) => a.look('lookCut', c, () => {
      const cut = w.cuts.findLast((x) => x.set === set.name);
      if (!cut) throw new Failure('Drift', `No cut of ${set.name} is marked.`);
      if (JSON.stringify(cut.ends) !== JSON.stringify(ends(set))) throw new Failure('ForgottenWriter', `Something was written to ${set.name} after its cut was marked.`);
      return null;
    }),
  };
}
