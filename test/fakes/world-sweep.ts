/** A target that dies, and the sweep of the world: where groups on the target have got to, kept beside the source's ledger for as long as the target answers. */
import type { Ask, Work } from '../../src/activities/work.ts';
import type { Side } from '../../src/domain/authority.ts';
import { Failure } from '../../src/domain/failures.ts';
import { groupsOf } from '../../src/domain/migration.ts';
import { topicOf, translate } from './world-logs.ts';
import type { Activities } from './world-work.ts';
import type { World } from './world.ts';

/** A sweep says nothing new for so long. */
const turnMs = 6_000;
const sweepMs = 800;
/** Until a cancel is heeded. */
const heedMs = 50;

export function sweeping(a: Activities): Pick<Work, 'lookSwept' | 'lookMirrors'> {
  const { w } = a;
  const once = (groups: readonly string[], topics: readonly string[]): void => {
    const { source, target } = w.clusters;
    for (const group of groups) for (const [key, position] of target.committed.get(group) ?? []) {
      const logs = { source: source.log(key), target: target.log(key) };
      const at = translate({ key, position, from: 'target', logs }, w.copiers(topicOf(key)), w.cutsOf(topicOf(key)));
      // Ahead of what has come back: everything that has was read.
      const ahead = w.cutsOf(topicOf(key)).at(-1)?.to === 'target' ? logs.source.end : null;
      const place = at ?? ahead;
      if (place !== null) w.swept.places.set(`${group} ${key}`, place);
    }
    for (const key of target.partitionsOf(topics)) w.swept.ends.set(key, target.log(key).end);
  };
  return {
    lookSwept: async ({ c, groups, topics }) => {
      await a.enter('lookSwept');
      const fromMs = w.nowMs;
      for (;;) {
        await a.pass(sweepMs);
        if (w.dead) return { fromMs, toMs: w.nowMs, done: false, say: 'the target does not answer', picture: 'failing', figures: { failing: true } };
        once(groups, topics);
        if (c.before === null || w.nowMs - fromMs > turnMs) return { fromMs, toMs: w.nowMs, done: false, say: 'swept', picture: 'swept' };
      }
    },
    // None of the world fails by itself.
    lookMirrors: async ({ c }) => {
      await a.enter('lookMirrors');
      const fromMs = w.nowMs;
      const turn = {};
      w.tended.now.add(turn);
      w.tended.begun++;
      try { do await a.pass(heedMs); while (c.before !== null && w.nowMs - fromMs <= turnMs); } finally { w.tended.now.delete(turn); }
      return { fromMs, toMs: w.nowMs, done: false, say: 'all mirrors run.', picture: 'running', figures: { state: 'running' } };
    },
  };
}

type Dying = 'stopWithoutTarget' | 'silenceWithoutTarget' | 'markWithoutTarget' | 'setWithoutTarget' | 'liftWithoutTarget' | 'leaveTarget';
const step = (say: string, ...parts: readonly (() => void)[]): { readonly say: string; readonly parts: readonly (() => void)[] } => ({ say, parts });

/** Everything on the source and its ledger: what the target would say is not asked. */
export function dying(a: Activities): Pick<Work, Dying> {
  const { w } = a;
  const { source } = w.clusters;
  const visible = (key: string, from: number): number => { let n = 0; for (let o = source.log(key).next(from); o !== null; o = source.log(key).next(o + 1)) n++; return n; };
  return {
    stopWithoutTarget: ({ m, c, applications, twice = [] }) => a.write('stopWithoutTarget', c, () => step('stopped', ...applications.map((n) => () => { w.client(n).stop(twice.includes(n) ? 'target' : undefined); }), ...(m.blueGreen ? [() => { w.hooks.live = 'muted'; }] : []))),
    silenceWithoutTarget: ({ c, sets }) => a.write('silenceWithoutTarget', c, () => step('silent', ...w.mirrors.filter((x) => x.toward === 'source' && x.state === 'running' && sets.some((s) => s.name === x.set)).map((x) => () => { x.state = 'silent'; }))),
    markWithoutTarget: ({ c, set }) => a.write('markWithoutTarget', c, () => {
      if (w.cuts.findLast((x) => x.set === set.name)?.to !== 'target') return step('nothing to cut');
      const ends = (of: (key: string) => number): Record<string, number> => Object.fromEntries(source.partitionsOf(set.topics).map((key) => [key, of(key)]));
      return step('marked', () => { w.cuts.push({ set: set.name, epoch: ++w.epoch, to: 'source', ends: { source: ends((key) => source.log(key).end), target: ends((key) => w.swept.ends.get(key) ?? 0) } }); });
    }),
    setWithoutTarget: ({ m, c, applications, twice = [] }) => a.write('setWithoutTarget', c, () => {
      const moved = m.applications.filter((x) => applications.includes(x.name) && !(twice.includes(x.name) && w.client(x.name).sides.includes('source')));
      // Up to the cut it was the first set that read the source.
      const own = (name: string, key: string, position: number): boolean => twice.includes(name) && position < (w.cutsOf(topicOf(key)).findLast((cut) => cut.to === 'target')?.ends.source[key] ?? Infinity);
      return step('set', ...moved.flatMap((x) => x.reads.map(({ group, topics }) => () => {
        const keys = source.partitionsOf(topics);
        for (const key of keys) {
          const left = source.position(group, key) ?? source.log(key).start;
          source.commit(group, key, own(x.name, key, left) ? left : Math.max(w.swept.places.get(`${group} ${key}`) ?? 0, left));
        }
        w.again.set(group, keys.reduce((n, key) => n + visible(key, source.position(group, key) ?? 0), 0));
      })));
    }),
    liftWithoutTarget: ({ m, c, applications, sets }) => a.write('liftWithoutTarget', c, () => {
      const groups = m.applications.filter((x) => applications.includes(x.name)).flatMap(groupsOf);
      return step('lifted', () => { for (const rule of [...source.denied]) if (sets.some((s) => source.ours.get(s.name)?.includes(rule)) || groups.some((g) => rule.endsWith(`|group ${g}`))) source.denied.delete(rule); });
    }),
    leaveTarget: ({ c, sets }) => a.write('leaveTarget', c, () => step('left', ...w.mirrors.filter((x) => sets.some((s) => s.name === x.set)).map((x) => () => { x.state = 'gone'; }))),
  };
}

/** What asks something of a target that is dead fails, as often as it is tried. */
export const mortal = (work: Work, w: World): Work => new Proxy(work, {
  get: (target, name) => async (x: Partial<Ask> & { readonly on?: Side; readonly toward?: Side; readonly need?: string; readonly about?: { readonly kind: string } }) => {
    const call = Reflect.get(target, name) as (x: unknown) => Promise<unknown>;
    if (!w.dead || needsNothing(String(name), x)) return call(x);
    await w.clock.sleep(40);
    const untilMs = x.c?.untilMs ?? null;
    if (untilMs !== null && w.nowMs >= untilMs) throw new Failure('BudgetExceeded', `${String(name)}: the time has passed, and the target does not answer.`);
    throw new Failure('Unreachable', `${String(name)}: the target does not answer.`);
  },
});
const always = /WithoutTarget$|^(leaveTarget|look(Swept|Mirrors)|whereabouts|recall|acquireLock|releaseLock|startFleet|stopFleet|captureFleet|setHook|restoreTombstones|releaseTombstones)$/;
function needsNothing(name: string, x: Partial<Pick<Ask, 'c'>> & { readonly on?: Side; readonly toward?: Side; readonly need?: string; readonly about?: { readonly kind: string } }): boolean {
  if (always.test(name) || (name.startsWith('capture') && x.c?.recall === true)) return true;
  if (name === 'remember') return x.need !== 'both';
  if (name === 'evidence') return x.about?.kind === 'without-target';
  return /Fence|^look(Running|Quiet)$/.test(name) && x.on === 'source';
}
