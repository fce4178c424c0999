/** The activities, acting on the world: each reads, writes on a difference and takes virtual time; faults strike where a test wants them. */
import type { FleetBefore, Work } from '../../src/activities/work.ts';
import { otherSide, type Side } from '../../src/domain/authority.ts';
import type { CutSet } from '../../src/domain/cutsets.ts';
import { Failure } from '../../src/domain/failures.ts';
import { groupsOf, type Migration } from '../../src/domain/migration.ts';
import { notKept, type Context, type Done, type Look } from '../../src/domain/scheme.ts';
import type { World } from './world.ts';
import { cutting, positions } from './world-positions.ts';
import { dying, sweeping } from './world-sweep.ts';
import { MirrorFake } from './world-logs.ts';

/**
 * `hang`: never answers before its time is up. `late`: as `hang`, and its request takes effect all the same, after that time.
 * `terminate`: the workflow is gone, and nobody ever hears of this call again.
 */
export type Fault = Error | 'hang' | 'late' | 'terminate';
type Strike = (name: keyof Work, n: number) => Fault | undefined;
export interface Faults {
  /** `n` counts writes from 1, retries included. */
  before?: Strike;
  /** After the first of several requests of one write. */
  during?: Strike;
  after?: Strike;
  /** Any call; `n` counts calls. Strikes before it does anything. */
  call?: Strike;
}

type Call = Pick<Context, 'untilMs'>;
export const step = (say: string, ...parts: readonly (() => void)[]): { readonly say: string; readonly parts: readonly (() => void)[] } => ({ say, parts });
/** A look that is not done comes back after this time, so that the engine can show something. */
const lookMs = 1_500;
/** How late the request of a `late` call takes effect after its time was up. */
const lateMs = 200;

export class Activities {
  faults: Faults = {};
  /** Set by the runtime: the error with which a cancelled call ends. */
  interrupted: () => Error | null = () => null;
  /** Set by the runtime: the workflow is terminated. */
  terminated: () => void = () => { throw new Error('nothing terminates workflows here'); };
  /** Every call in order: what a failing test shows. */
  readonly calls: string[] = [];
  writes = 0;
  readonly w: World;
  constructor(world: World) { this.w = world; }

  async pass(ms: number, c?: Call): Promise<void> {
    await this.w.clock.sleep(ms);
    const stopped = this.interrupted();
    if (stopped) throw stopped;
    if (c) this.permit(c);
  }
  permit(c: Call): void {
    if (c.untilMs !== null && this.w.nowMs >= c.untilMs) throw new Failure('BudgetExceeded', 'The time for this write has passed; nothing was sent.');
  }
  async enter(name: keyof Work): Promise<void> {
    this.calls.push(name);
    const fault = this.faults.call?.(name, this.calls.length);
    if (fault instanceof Error) { await this.pass(20); throw fault; }
    if (fault === 'terminate') await this.#gone();
  }
  #gone(): Promise<never> {
    this.terminated();
    return new Promise<never>(() => { /* nobody waits for it */ });
  }

  async write(name: keyof Work, c: Call, todo: () => { readonly say: string; readonly parts: readonly (() => void)[] }): Promise<Done> {
    await this.enter(name);
    const n = ++this.writes;
    const fromMs = this.w.nowMs;
    const late = await this.#strike(this.faults.before?.(name, n), c);
    await this.pass(10 + this.w.random(30), late ? undefined : c);
    const { say, parts } = todo();
    for (const [i, part] of parts.entries()) {
      if (!late) this.permit(c);
      part();
      if (i === 0 && parts.length > 1) await this.#strike(this.faults.during?.(name, n), c);
      await this.pass(10 + this.w.random(30));
    }
    if (late) throw new Failure('Unreachable', `${name} got no answer in time.`);
    await this.#strike(this.faults.after?.(name, n), c);
    return { fromMs, toMs: this.w.nowMs, say };
  }
  async #strike(fault: Fault | undefined, c: Call): Promise<boolean> {
    if (fault === undefined) return false;
    if (fault === 'terminate') return this.#gone();
    if (fault instanceof Error) { await this.pass(20); throw fault; }
    await this.w.clock.sleep(Math.max(0, (c.untilMs ?? this.w.nowMs + 60_000) - this.w.nowMs) + (fault === 'late' ? lateMs : 0));
    if (fault === 'hang') throw new Failure('BudgetExceeded', 'The time for this write has passed without an answer.');
    return true;
  }

  async read<T>(name: keyof Work, value: () => T): Promise<T> {
    await this.enter(name);
    await this.pass(10 + this.w.random(20));
    return value();
  }

  /** Looks again and again until done, for a while; the engine asks anew. */
  async look(name: keyof Work, c: Call, see: () => Promise<string | null> | string | null): Promise<Look> {
    await this.enter(name);
    const fromMs = this.w.nowMs;
    for (;;) {
      await this.pass(20 + this.w.random(20), c);
      const missing = await see();
      const done = missing === null;
      if (done || this.w.nowMs - fromMs > lookMs) return { fromMs, toMs: this.w.nowMs, done, say: missing ?? `${name}: yes`, picture: missing ?? 'done' };
    }
  }
  /** `null` when the value stays the same over a tick. */
  async stable(what: string, value: () => unknown): Promise<string | null> {
    const before = JSON.stringify(value());
    await this.pass(60);
    return JSON.stringify(value()) === before ? null : `${what} still change`;
  }
}

/** All of `Work` on a world. */
export function workOn(a: Activities): Work {
  const { w } = a;
  const kept = new Map<string, unknown>();
  return keeping(kept, {
    ...knowing(a), ...topicsAndConfigs(a), ...mirroring(a), ...fleets(a), ...positions(a), ...seconds(a), ...cutting(a), ...watching(a), ...sweeping(a), ...dying(a),
    environment: ({ names }) => a.read('environment', () => ({ searchAttributes: [...names] })),
    // Its logs are compared by the books at the end.
    lookSame: ({ c }) => a.look('lookSame', c, () => null),
    whereabouts: () => a.read('whereabouts', () => [...w.clients].map(([name, c]) => `${name}: runs on ${c.sides.join(' and ') || 'neither side'}`)),
    evidence: ({ about }) => a.read('evidence', () => (about.kind === 'stragglers' ? { claims: [], figures: [], moot: 'nothing came late' } : { claims: [{ text: `${about.kind} may go on`, holds: true }], figures: [`${w.books.produced.size} topics written`] })),
  });
}

/** A pre-image is read once per attempt: the ledger has it, whatever becomes of the workflow. */
const keeping = (kept: Map<string, unknown>, work: Work): Work => new Proxy(work, {
  get: (target, name) => {
    const call = Reflect.get(target, name) as (x: { readonly c: Context }) => Promise<unknown>;
    if (!String(name).startsWith('capture')) return call;
    return async (x: { readonly c: Context }) => {
      if (x.c.recall) return kept.get(x.c.key) ?? notKept;
      if (!kept.has(x.c.key)) kept.set(x.c.key, await call(x));
      return kept.get(x.c.key);
    };
  },
});

/** In this world nobody writes behind our back, and a killed process leaves nothing: these only take their time. */
function watching(a: Activities): Part<'lookInventory' | 'captureGroupFence' | 'raiseGroupFence' | 'lowerGroupFence' | 'lowerGroupFences' | 'clearLeftovers' | 'fenceTransactions' | 'lookForeign' | 'findStragglers' | 'carryStragglers'> {
  const { w } = a;
  const spelled = (group: string): string => `readers|group ${group}`;
  return {
    lookInventory: ({ c }) => a.look('lookInventory', c, () => null),
    captureGroupFence: ({ groups, on }) => a.read('captureGroupFence', () => ({ rules: groups.filter((g) => w.clusters[on].denied.has(spelled(g))).map((group) => ({ principal: 'readers', group })), able: 'yes' })),
    raiseGroupFence: ({ c, groups, on }) => a.write('raiseGroupFence', c, () => step('fenced', ...groups.map((g) => () => { w.clusters[on].denied.add(spelled(g)); }))),
    lowerGroupFence: ({ c, groups, on, before }) => a.write('lowerGroupFence', c, () => step('lowered', ...groups.filter((g) => !before.rules.some((r) => r.group === g)).map((g) => () => { w.clusters[on].denied.delete(spelled(g)); }))),
    lowerGroupFences: ({ c, groups, on }) => a.write('lowerGroupFences', c, () => step('lowered', ...groups.map((g) => () => { w.clusters[on].denied.delete(spelled(g)); }))),
    clearLeftovers: ({ c }) => a.write('clearLeftovers', c, () => step('nothing was left behind')),
    fenceTransactions: ({ c }) => a.write('fenceTransactions', c, () => step('nothing to fence')),
    lookForeign: ({ c }) => a.look('lookForeign', c, () => null),
    findStragglers: () => a.read('findStragglers', () => ({ on: 'source', epoch: w.epoch, records: 0, partitions: [], carried: 0, say: 'none' })),
    carryStragglers: ({ c }) => a.write('carryStragglers', c, () => step('nothing to carry')),
  };
}

export type Part<K extends keyof Work> = Pick<Work, K>;

function knowing(a: Activities): Part<'assess' | 'reassess' | 'acquireLock' | 'releaseLock' | 'remember' | 'recall' | 'lookReady'> {
  const { w } = a;
  const sides: readonly Side[] = ['source', 'target'];
  const clusterIds = { source: 'id-old', target: 'id-new' };
  return {
    assess: ({ m }) => a.read('assess', () => ({
      migration: m,
      inventory: { clusterIds, topics: m.topics.map((name) => ({ name, id: `id-${name}`, partitions: w.clusters.source.partitionsOf([name]).length })), groups: [...new Set(m.applications.flatMap(groupsOf))].sort(), authorizer: { source: 'present', target: 'present' } },
    })),
    reassess: () => a.read('reassess', () => []),
    acquireLock: ({ m, c, owner }) => a.write('acquireLock', c, () => {
      const keys = sides.flatMap((s) => m.topics.map((t) => `${s}/${t}`));
      const others = keys.filter((k) => (w.locks.get(k) ?? owner) !== owner);
      if (others.length > 0) throw new Failure('Drift', `${others.join(', ')} are locked by ${w.locks.get(others[0] ?? '')}.`);
      return step('locked', ...sides.map((s) => () => { for (const t of m.topics) w.locks.set(`${s}/${t}`, owner); }));
    }),
    releaseLock: ({ c, owner }) => a.write('releaseLock', c, () => step('released', ...sides.map((s) => () => { for (const [k, o] of w.locks) if (o === owner && k.startsWith(s)) w.locks.delete(k); }))),
    remember: ({ c, entries }) => a.write('remember', c, () => step('', ...sides.map((s) => () => { for (const e of entries) w.ledgers[s].set(e.key, e.value); }))),
    recall: ({ run }) => a.read('recall', () => w.ledgers.source.get(`${run}/journal`) ?? null),
    lookReady: ({ c }) => a.look('lookReady', c, () => null),
  };
}

function topicsAndConfigs(a: Activities): Part<'captureTopics' | 'createTopics' | 'removeTopics' | 'captureRetention' | 'holdRetention' | 'restoreRetention' | 'releaseRetention' | 'captureTombstones' | 'keepTombstones' | 'restoreTombstones' | 'releaseTombstones'> {
  const { source, target } = a.w.clusters;
  const set = (configs: Record<string, string> | undefined, name: string, value: string | null): void => {
    if (!configs) return;
    if (value === null) delete configs[name]; else configs[name] = value;
  };
  const override = (topic: string, value: string | null): void => { set(target.configs.get(topic), 'retention.ms', value); };
  const tombstones = (topic: string, value: string | null): void => { set(source.configs.get(topic), 'delete.retention.ms', value); };
  const present = (topics: readonly string[]): readonly string[] => topics.filter((t) => target.has(t));
  return {
    captureTopics: ({ m }) => a.read('captureTopics', () => ({ missing: m.topics.filter((t) => !target.has(t)) })),
    createTopics: ({ m, c }) => a.write('createTopics', c, () => step('created', ...m.topics.filter((t) => !target.has(t)).map((t) => () => { target.create(t, source.partitionsOf([t]).length); }))),
    removeTopics: ({ c, before }) => a.write('removeTopics', c, () => step('removed', ...before.missing.map((t) => () => { target.remove(t); a.w.forget(t); }))),
    captureRetention: ({ m }) => a.read('captureRetention', () => Object.fromEntries(present(m.topics).map((t) => [t, { 'retention.ms': target.configs.get(t)?.['retention.ms'] ?? null }]))),
    holdRetention: ({ m, c }) => a.write('holdRetention', c, () => step('held', ...present(m.topics).map((t) => () => { override(t, '-1'); }))),
    restoreRetention: ({ c, before }) => a.write('restoreRetention', c, () => step('restored', ...Object.entries(before).map(([t, v]) => () => { override(t, v['retention.ms'] ?? null); }))),
    releaseRetention: ({ m, c }) => a.write('releaseRetention', c, () => step('released', ...m.topics.map((t) => () => { override(t, null); }))),
    captureTombstones: ({ m }) => a.read('captureTombstones', () => Object.fromEntries(m.topics.map((t) => [t, source.configs.get(t)?.['delete.retention.ms'] ?? null]))),
    keepTombstones: ({ m, c }) => a.write('keepTombstones', c, () => step('kept', ...m.topics.map((t) => () => { tombstones(t, 'longer'); }))),
    restoreTombstones: ({ c, before }) => a.write('restoreTombstones', c, () => step('as before', ...Object.entries(before).map(([t, v]) => () => { tombstones(t, v); }))),
    releaseTombstones: ({ m, c }) => a.write('releaseTombstones', c, () => step('as before', ...m.topics.map((t) => () => { tombstones(t, null); }))),
  };
}

function mirroring(a: Activities): Part<'captureMirror' | 'createMirror' | 'removeMirror' | 'lookCaughtUp' | 'captureSilence' | 'silenceMirror' | 'resumeMirror' | 'retireMirrors' | 'dropMirrors' | 'lookWayBack'> {
  const { w } = a;
  const ofSets = (sets: readonly CutSet[], toward: Side) => w.mirrors.filter((x) => x.toward === toward && sets.some((s) => s.name === x.set)).map((x) => () => { x.state = 'gone'; });
  /** What fails then, whoever looks after mirrors would restart. */
  const untended = (what: string): void => { if (w.tended.now.size > 0) throw new Error(`a mirror is ${what} while somebody looks after the mirrors`); };
  const named = (name: string): MirrorFake | undefined => w.mirrors.find((x) => x.name === name);
  const turn = (name: string, to: MirrorFake['state']) => () => { const x = named(name); if (x && x.state !== 'gone') x.state = to; };
  /** Begins at the last cut, or where an earlier mirror of the set ended; a copy that nobody accounts for is refused. */
  const begun = (mirror: MirrorFake): MirrorFake => {
    const cut = w.cuts.findLast((x) => x.set === mirror.set);
    if (cut?.to === mirror.toward) throw new Failure('Unsupported', `The authority of ${mirror.set} is on the ${mirror.toward}.`);
    const since = w.mirrors.findLast((x) => x.set === mirror.set && x.toward === mirror.toward && x.epoch === cut?.epoch);
    if (cut && !since) {
      for (const [key, end] of Object.entries(cut.ends[otherSide(mirror.toward)])) mirror.next.set(key, end);
      return mirror;
    }
    const earlier = w.mirrors.findLast((x) => x.set === mirror.set && x.toward === mirror.toward);
    const filled = w.clusters[mirror.toward].partitionsOf(mirror.topics).filter((key) => w.clusters[mirror.toward].log(key).next(0) !== null);
    if (filled.length > 0 && !earlier) throw new Failure('Drift', `${filled.join(', ')} hold records already.`);
    for (const key of earlier ? filled : []) {
      mirror.next.set(key, earlier?.next.get(key) ?? 0);
      mirror.pairs.set(key, [...(earlier?.pairs.get(key) ?? [])]);
    }
    return mirror;
  };
  return {
    captureMirror: ({ c, set, toward }) => a.read('captureMirror', () => ({ name: w.mirrors.findLast((x) => x.set === set.name && x.toward === toward && x.state === 'running')?.name ?? `${set.name} ${toward} ${c.key}` })),
    createMirror: ({ c, set, toward, before }) => a.write('createMirror', c, () => {
      const missing = set.topics.filter((t) => !w.clusters[toward].has(t));
      if (missing.length > 0) throw new Failure('Drift', `${missing.join(', ')} do not exist on ${toward}.`);
      return step('mirrors', () => { if (!named(before.name)) w.mirrors.push(begun(new MirrorFake({ name: before.name, set: set.name, topics: set.topics, toward, epoch: w.cuts.findLast((x) => x.set === set.name)?.epoch ?? 0 }))); });
    }),
    removeMirror: ({ c, set, toward }) => { untended('removed'); return a.write('removeMirror', c, () => step('removed', ...ofSets([set], toward))); },
    lookCaughtUp: ({ c, sets, toward }) => a.look('lookCaughtUp', c, () => {
      const lag = Math.max(...sets.map((s) => w.mirrorOf(s.name, toward)?.lag(w.clusters) ?? Infinity));
      return lag <= c.limits.lagRecords ? null : `lag ${lag}`;
    }),
    captureSilence: ({ set, toward }) => a.read('captureSilence', () => ({ name: w.mirrorOf(set.name, toward)?.name ?? 'none', writers: [] })),
    silenceMirror: ({ c, before }) => { untended('silenced'); return a.write('silenceMirror', c, () => step('silent', turn(before.name, 'silent'))); },
    resumeMirror: ({ c, before }) => a.write('resumeMirror', c, () => step('resumed', turn(before.name, 'running'))),
    retireMirrors: ({ c, sets, toward }) => a.write('retireMirrors', c, () => step('retired', ...ofSets(sets, toward))),
    dropMirrors: ({ c, sets, toward }) => a.write('dropMirrors', c, () => step('dropped', ...ofSets(sets, toward))),
    lookWayBack: ({ c }) => a.look('lookWayBack', c, () => null),
  };
}

function fleets(a: Activities): Part<'captureFleet' | 'stopFleet' | 'startFleet' | 'lookRunning' | 'lookListening' | 'lookQuiet'> {
  const { w } = a;
  const groups = (names: readonly string[]): readonly string[] => names.flatMap((n) => groupsOf(w.client(n).application));
  return {
    captureFleet: ({ applications }) => a.read('captureFleet', (): FleetBefore => Object.fromEntries(applications.map((n) => [n, w.client(n).sides[0] ?? 'stopped']))),
    stopFleet: ({ m, c, applications, only, on }) => a.write('stopFleet', c, () => step('stopped', ...applications.map((n) => () => { w.client(n).stop(only ?? (m.blueGreen ? on : undefined)); }))),
    startFleet: ({ c, applications, on }) => a.write('startFleet', c, () => step(`started on ${on}`, ...applications.map((n) => () => { w.client(n).start(on); }))),
    lookRunning: ({ c, applications, on }) => a.look('lookRunning', c, () => {
      const absent = applications.filter((n) => !w.client(n).sides.includes(on));
      return absent.length === 0 ? null : `${absent.join(', ')} do not run on ${on}`;
    }),
    lookListening: ({ c, applications, on }) => a.look('lookListening', c, () => {
      const absent = applications.filter((n) => !w.client(n).sides.includes(on));
      return absent.length === 0 ? null : `${absent.join(', ')} do not listen on ${on}`;
    }),
    lookQuiet: ({ c, applications, on }) => a.look('lookQuiet', c, () => {
      const alive = applications.filter((n) => w.client(n).sides.includes(on));
      if (alive.length > 0) return `${alive.join(', ')} still run on ${on}`;
      return a.stable('positions', () => groups(applications).map((g) => [...(w.clusters[on].committed.get(g) ?? [])]));
    }),
  };
}

function seconds(a: Activities): Part<'placeSecond' | 'unplaceSecond' | 'lookSecond' | 'setHook' | 'lookFine' | 'lookShares'> {
  const { w } = a;
  const { target } = w.clusters;
  const read = (m: Migration, group: string): readonly string[] => target.partitionsOf(m.applications.flatMap((x) => x.reads.filter((r) => r.group === group).flatMap((r) => r.topics)));
  return {
    placeSecond: ({ m, c, groups }) => a.write('placeSecond', c, () => step('placed', ...groups.flatMap((g) => read(m, g).filter((key) => target.position(g, key) === undefined).map((key) => () => { target.commit(g, key, target.log(key).end); })))),
    unplaceSecond: ({ m, c, groups, before }) => a.write('unplaceSecond', c, () => {
      const active = m.applications.filter((x) => groupsOf(x).some((g) => groups.includes(g)) && w.client(x.name).sides.includes('target'));
      if (active.length > 0) throw new Failure('GroupActive', `${active.map((x) => x.name).join(', ')} run on target.`);
      return step('taken away', ...groups.flatMap((g) => read(m, g).map((key) => () => { target.commit(g, key, before[g]?.[key] ?? null); })));
    }),
    lookSecond: ({ c, applications }) => a.look('lookSecond', c, () => {
      const absent = applications.filter((n) => !w.client(n).sides.includes('target'));
      return absent.length === 0 ? null : `${absent.join(', ')} have no second set`;
    }),
    setHook: ({ c, hook, state }) => a.write('setHook', c, () => step(state, () => { w.hooks[hook] = state; })),
    lookFine: ({ c }) => a.look('lookFine', c, () => (w.hooks.validate === 'fine' ? null : w.hooks.validate)),
    lookShares: ({ c }) => a.look('lookShares', c, () => null),
  };
}
