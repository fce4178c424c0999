/** What a plan has made true so far, as the safety model sees it: flat facts that are cheap to copy and to compare. */
import type { Side } from './authority.ts';
import { elsewhereOf, groundworkWave, type Application, type Elsewhere, type FedSet, type Migration } from './migration.ts';

export type Place = Side | 'both' | 'stopped';
/**
 * A group's position for one topic on one side. `fresh`: says exactly how far the group has got. `cut`: where the log was cut,
 * not read from yet. `stale`: explicit, but the group went on elsewhere, or may have. `none`: `auto.offset.reset` would decide.
 */
export type PositionWorth = 'fresh' | 'cut' | 'stale' | 'none';
export interface MirrorSeen { readonly name: string; readonly topics: readonly string[]; readonly toward: Side }

/** What the migration says and a plan cannot change; looked up all the time, so it is indexed once. */
export class Ground {
  readonly topics: readonly string[];
  readonly applications: readonly Application[];
  /** Of a wave: what its estate and other waves have done before it. */
  readonly estate: Migration['estate'];
  readonly #writers: ReadonlyMap<string, readonly Application[]>;
  readonly #byTopic: ReadonlyMap<string, readonly Application[]>;
  readonly #byGroup: ReadonlyMap<string, readonly Application[]>;
  constructor(m: Pick<Migration, 'topics' | 'applications' | 'estate'>) {
    this.applications = m.applications;
    this.estate = m.estate;
    this.topics = [...new Set([...m.topics, ...m.applications.flatMap((a) => [...a.writes, ...a.reads.flatMap((r) => r.topics)])])].sort();
    const index = (keysOf: (a: Application) => readonly string[]): ReadonlyMap<string, readonly Application[]> => {
      const found = new Map<string, Application[]>();
      for (const a of m.applications) for (const key of new Set(keysOf(a))) found.set(key, [...(found.get(key) ?? []), a]);
      return found;
    };
    this.#writers = index((a) => a.writes);
    this.#byTopic = index((a) => [...a.writes, ...a.reads.flatMap((r) => r.topics)]);
    this.#byGroup = index((a) => a.reads.map((r) => r.group));
  }
  /** Sets that a mirror of the estate feeds on the target when a wave begins. */
  get fed(): readonly FedSet[] {
    if (this.estate === undefined || this.estate.wave === groundworkWave) return [];
    return [...this.estate.feeds, ...this.estate.elsewhere.filter((s) => s.authority === 'source')];
  }
  /** Topics that this plan moves: all but those whose writers move in other waves. */
  get moving(): readonly string[] {
    if (this.estate?.wave === groundworkWave) return [];
    const elsewhere = elsewhereOf(this);
    return this.topics.filter((t) => !elsewhere.has(t));
  }
  writersOf(topics: readonly string[]): readonly Application[] { return [...new Set(topics.flatMap((t) => this.#writers.get(t) ?? []))]; }
  usersOf(topics: readonly string[]): readonly Application[] { return [...new Set(topics.flatMap((t) => this.#byTopic.get(t) ?? []))]; }
  ofGroup(group: string): readonly Application[] { return this.#byGroup.get(group) ?? []; }
}

/** FNV-1a with a seed; two of them make a key of 64 bits, enough to tell the states of one plan apart. */
const hashed = (text: string, seed: number): number => {
  let h = seed;
  for (let i = 0; i < text.length; i++) h = Math.imul(h ^ text.charCodeAt(i), 0x01000193);
  return h >>> 0;
};

/** Says what was, and adds to what must be proven; where everything stands is told by the other facts. */
const past = /^(alone|spent|copied|closed)\//;

export class State {
  readonly ground: Ground;
  readonly #facts: Map<string, string>;
  readonly #mirrors: Map<string, MirrorSeen>;
  readonly #mirrorsByTopic: Map<string, readonly MirrorSeen[]>;
  #sums: readonly [number, number];
  /** Every change since an attempt began, so that it can be taken back without copying the state. */
  #trail: { readonly key: string; readonly before: string | null }[] | null = null;
  private constructor(ground: Ground, from: State | null) {
    this.ground = ground;
    this.#facts = new Map(from ? from.#facts : []);
    this.#mirrors = new Map(from ? from.#mirrors : []);
    this.#mirrorsByTopic = new Map(from ? from.#mirrorsByTopic : []);
    this.#sums = from ? from.#sums : [0, 0];
  }
  /** Before anything was done: everything runs on the source, with positions there, and nothing is mirrored. */
  static start(ground: Ground): State {
    const s = new State(ground, null);
    for (const t of ground.topics) s.setExists('source', t, true);
    for (const a of ground.applications) {
      s.setPlace(a.name, 'source');
      for (const r of a.reads) for (const t of r.topics) s.setPosition(r.group, t, 'source', 'fresh');
    }
    for (const fed of ground.fed) s.#isFed(fed, 'target');
    for (const set of ground.estate?.elsewhere ?? []) if (set.authority === 'target') s.#wasCut(set);
    return s;
  }
  /** As `mirrorOf` in `workflows/resources/mirrors.ts` names it. */
  #isFed(set: FedSet, toward: Side): void {
    for (const t of set.topics) {
      this.setExists('target', t, true);
      this.setCopied(t, true);
    }
    this.setMirror({ name: `${toward === 'target' ? 'forward' : 'back'} mirror of ${set.name}`, topics: set.topics, toward }, 'running');
  }
  /** By another wave, which carries back to the source what is written on the target. */
  #wasCut(set: Elsewhere): void {
    for (const t of set.topics) {
      this.setAuthority(t, 'target');
      this.setOpened(t, 'target');
      if (set.history === 'not-copied') {
        this.setAlone('source', t, true);
        this.setClosed('source', t, true);
      }
    }
    this.#isFed(set, 'source');
  }
  /** Runs `body`, then takes back whatever it changed. */
  attempt(body: () => void): void {
    const outer = this.#trail;
    const trail: { readonly key: string; readonly before: string | null }[] = [];
    this.#trail = trail;
    body();
    this.#trail = null;
    for (const { key, before } of trail.reverse()) this.#set(key, before);
    this.#trail = outer;
  }
  clone(): State { return new State(this.ground, this); }
  /** Equal for equal facts, whatever the order in which they came about; what only tells of the past is left out. */
  key(): string { return this.#sums.map((n) => n.toString(36)).join('.'); }

  #is(key: string): boolean { return this.#facts.has(key); }
  #set(key: string, value: string | null): void {
    const before = this.#facts.get(key);
    if (before === (value ?? undefined)) return;
    this.#trail?.push({ key, before: before ?? null });
    const toggle = (v: string): void => {
      if (v === 'stale' || past.test(key)) return;
      this.#sums = [(this.#sums[0] ^ hashed(`${key}=${v}`, 0x811c9dc5)) >>> 0, (this.#sums[1] ^ hashed(`${v}=${key}`, 0x1b873593)) >>> 0];
    };
    if (before !== undefined) toggle(before);
    if (value === null) this.#facts.delete(key);
    else { toggle(value); this.#facts.set(key, value); }
  }
  #mark(key: string, on: boolean): void { this.#set(key, on ? 'yes' : null); }

  exists(on: Side, topic: string): boolean { return this.#is(`exists/${on}/${topic}`); }
  setExists(on: Side, topic: string, yes: boolean): void { this.#mark(`exists/${on}/${topic}`, yes); }

  authority(topic: string): Side { return this.#is(`authority-on-target/${topic}`) ? 'target' : 'source'; }
  setAuthority(topic: string, to: Side): void { this.#mark(`authority-on-target/${topic}`, to === 'target'); }
  /** The side whose log was written last by applications; lags behind the authority until the first writer starts there. */
  opened(topic: string): Side { return this.#is(`opened-on-target/${topic}`) ? 'target' : 'source'; }
  setOpened(topic: string, on: Side): void { this.#mark(`opened-on-target/${topic}`, on === 'target'); }
  /** The log on that side ends at a cut: a remainder that grows no more. */
  closed(on: Side, topic: string): boolean { return this.#is(`closed/${on}/${topic}`); }
  setClosed(on: Side, topic: string, yes: boolean): void { this.#mark(`closed/${on}/${topic}`, yes); }
  /** A mirror has run on this topic: positions can be translated wherever the logs correspond. */
  copied(topic: string): boolean { return this.#is(`copied/${topic}`); }
  setCopied(topic: string, yes: boolean): void { this.#mark(`copied/${topic}`, yes); }
  /** Part of the log on that side was cut off without having been copied: only there can it be read. */
  alone(on: Side, topic: string): boolean { return this.#is(`alone/${on}/${topic}`); }
  setAlone(on: Side, topic: string, yes: boolean): void { this.#mark(`alone/${on}/${topic}`, yes); }

  fenced(on: Side, topic: string): boolean { return this.#is(`fence/${on}/${topic}`); }
  setFenced(on: Side, topic: string, yes: boolean): void { this.#mark(`fence/${on}/${topic}`, yes); }

  place(application: string): Place { return (this.#facts.get(`run/${application}`) ?? 'stopped') as Place; }
  setPlace(application: string, on: Place): void { this.#set(`run/${application}`, on); }
  /** One of its two sets has stopped for a while: what comes on that side waits. */
  resting(application: string): boolean { return this.#is(`resting/${application}`); }
  setResting(application: string, yes: boolean): void { this.#mark(`resting/${application}`, yes); }
  /** A second set on the target, beside the one that `place` tells of. */
  second(application: string): 'muted' | 'doubling' | 'gone' { return (this.#facts.get(`second/${application}`) ?? 'gone') as 'muted' | 'doubling' | 'gone'; }
  setSecond(application: string, state: 'muted' | 'doubling' | 'gone'): void { this.#set(`second/${application}`, state === 'gone' ? null : state); }
  quiet(application: string): boolean { return this.#is(`quiet/${application}`); }
  setQuiet(application: string, yes: boolean): void { this.#mark(`quiet/${application}`, yes); }

  position(group: string, topic: string, on: Side): PositionWorth { return (this.#facts.get(`position/${on}/${topic}/${group}`) ?? 'none') as PositionWorth; }
  setPosition(group: string, topic: string, on: Side, worth: PositionWorth): void { this.#set(`position/${on}/${topic}/${group}`, worth === 'none' ? null : worth); }
  /** Proof: nothing visible is left for the group in that log. */
  hasRead(group: string, topic: string, on: Side): boolean { return this.#is(`read/${on}/${topic}/${group}`); }
  setHasRead(group: string, topic: string, on: Side, yes: boolean): void { this.#mark(`read/${on}/${topic}/${group}`, yes); }

  /** Proof: of a loop, nothing comes any more although those that write it still run. */
  dry(topic: string): boolean { return this.#is(`dry/${topic}`); }
  setDry(topic: string, yes: boolean): void { this.#mark(`dry/${topic}`, yes); }

  mirror(name: string): 'running' | 'silent' | 'gone' { return (this.#facts.get(`mirror/${name}`) ?? 'gone') as 'running' | 'silent' | 'gone'; }
  setMirror(mirror: MirrorSeen, state: 'running' | 'silent' | 'gone'): void {
    if (!this.#mirrors.has(mirror.name)) for (const t of mirror.topics) this.#mirrorsByTopic.set(t, [...(this.#mirrorsByTopic.get(t) ?? []), mirror]);
    this.#mirrors.set(mirror.name, mirror);
    this.#set(`mirror/${mirror.name}`, state === 'gone' ? null : state);
  }
  drained(mirror: string): boolean { return this.#is(`drained/${mirror}`); }
  setDrained(mirror: string, yes: boolean): void { this.#mark(`drained/${mirror}`, yes); }
  /** It ran before a cut that took effect: what it has stored no longer says what is missing. */
  spent(mirror: string): boolean { return this.#is(`spent/${mirror}`); }
  setSpent(mirror: string, yes: boolean): void { this.#mark(`spent/${mirror}`, yes); }
  /** Every mirror that was ever named, also those that are gone. */
  mirrors(): readonly MirrorSeen[] { return [...this.#mirrors.values()]; }
  mirrorsOf(topic: string): readonly MirrorSeen[] { return this.#mirrorsByTopic.get(topic) ?? []; }
  fed(topic: string, on: Side): boolean {
    return this.mirrorsOf(topic).some((x) => x.toward === on && (this.mirror(x.name) === 'running' || (this.mirror(x.name) === 'silent' && this.drained(x.name))));
  }
  /**
   * Facts by which a rollback is judged: where everything runs, who mirrors, who is fenced, where the authority is.
   * `following`: a mirror that was begun and copies away from the authority may stay, as it does when a way back is refused.
   */
  differences(base: State, following: 'gone' | 'may-stay' = 'gone'): readonly { readonly application: string | null; readonly why: string }[] {
    const found: { application: string | null; why: string }[] = [];
    for (const a of this.ground.applications)
      if (this.place(a.name) !== base.place(a.name)) found.push({ application: a.name, why: `${a.name} ran ${spoken(base.place(a.name))} and is left ${spoken(this.place(a.name))}.` });
    for (const a of this.ground.applications)
      // A way back ends with the second sets waiting again: what began them at first is undone later.
      if (this.second(a.name) !== base.second(a.name) && !(following === 'may-stay' && base.second(a.name) === 'gone')) found.push({ application: a.name, why: `The second set of ${a.name} was ${base.second(a.name)} and is left ${this.second(a.name)}.` });
    for (const x of this.mirrors()) {
      const [was, is] = [base.mirror(x.name), this.mirror(x.name)];
      if (following === 'may-stay' && was === 'gone' && is === 'running' && x.topics.every((t) => this.authority(t) !== x.toward)) continue;
      // A mirror that was silent already may be gone as well: neither copies anything.
      if (was !== is && !(was === 'silent' && is === 'gone')) found.push({ application: null, why: `Mirror ${x.name} was ${was} and is left ${is}.` });
    }
    for (const t of this.ground.topics) {
      if (this.authority(t) !== base.authority(t)) found.push({ application: null, why: `${t} had its authority on ${base.authority(t)} and is left on ${this.authority(t)}.` });
      for (const on of ['source', 'target'] as const)
        // A fence that guards a log nobody returns to may be down: it was lifted at the finish.
        if (this.fenced(on, t) !== base.fenced(on, t) && (this.fenced(on, t) || this.authority(t) === on)) found.push({ application: null, why: `The fence of ${t} on ${on} was ${base.fenced(on, t) ? 'up' : 'down'} and is left ${this.fenced(on, t) ? 'up' : 'down'}.` });
    }
    return found;
  }
}

export const spoken = (place: Place): string => (place === 'stopped' ? 'stopped' : place === 'both' ? 'on both sides' : `on ${place}`);
export const isOn = (place: Place, side: Side): boolean => place === side || place === 'both';
export const sidesOf = (place: Place): readonly Side[] => (place === 'both' ? ['source', 'target'] : place === 'stopped' ? [] : [place]);
