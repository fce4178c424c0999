/**
 * Two clusters, mirrors, applications and everything else a migration touches, in memory and in virtual time. It does what
 * it is told, also when that is wrong: traffic flows between the calls, so a mistake in the order shows as records lost,
 * doubled or out of order, counted by books that no activity sees.
 */
import type { Side } from '../../src/domain/authority.ts';
import { cutSets } from '../../src/domain/cutsets.ts';
import type { Migration } from '../../src/domain/migration.ts';
import { Clock, seeded } from './clock.ts';
import type { Surroundings } from './world-clients.ts';
import { Books, ClientFake } from './world-clients.ts';
import { ClusterFake, topicOf, type CutFake, type MirrorFake } from './world-logs.ts';

const tickMs = 20;
const partitions = 3;

export interface WorldOptions {
  readonly seed?: number;
  /** Application → acts on every n-th tick only; readers with a high number lag. */
  readonly slow?: Readonly<Record<string, number>>;
  /** Application that reads nothing on the source until all is over. */
  readonly idleOnSource?: string;
  /** Records a mirror copies per partition and tick. */
  readonly mirrorRate?: number;
  /** A mirror acts on every n-th tick only: it lags in between. */
  readonly mirrorEvery?: number;
  readonly clock?: Clock;
}

/** What a rollback must restore, as one comparable value. */
export interface Snapshot {
  readonly runs: Readonly<Record<string, readonly Side[]>>;
  readonly targetTopics: readonly string[];
  readonly configs: Readonly<Record<Side, Readonly<Record<string, Readonly<Record<string, string>>>>>>;
  readonly denied: Readonly<Record<Side, readonly string[]>>;
  readonly mirrors: readonly string[];
  readonly targetGroups: readonly string[];
  readonly locks: readonly string[];
  readonly cuts: readonly string[];
  readonly traffic: string;
}
export interface Verdict {
  /** `group|topic: n`; empty when nothing was lost. */
  readonly lost: readonly string[];
  readonly duplicated: readonly string[];
  readonly reordered: readonly string[];
  /** Records that one log holds more than once. */
  readonly doubled: readonly string[];
  /** Partitions where `auto.offset.reset` decided on the target. */
  readonly guessed: readonly string[];
  /** Groups none of whose applications run. */
  readonly strandedGroups: readonly string[];
  readonly whereRuns: Readonly<Record<string, readonly Side[]>>;
  readonly produced: number;
}

export class World {
  readonly m: Migration;
  readonly clock: Clock;
  readonly random: (below: number) => number;
  readonly clusters: Readonly<Record<Side, ClusterFake>> = { source: new ClusterFake(), target: new ClusterFake() };
  readonly books = new Books();
  readonly clients: ReadonlyMap<string, ClientFake>;
  readonly #clients: readonly ClientFake[];
  /** Topic → name of its cut set. */
  readonly #sets: ReadonlyMap<string, string>;
  readonly mirrors: MirrorFake[] = [];
  /** In the order of their epochs; a withdrawn one is taken away. */
  cuts: CutFake[] = [];
  /** `side/topic` → owner. */
  readonly locks = new Map<string, string>();
  readonly ledgers: Readonly<Record<Side, Map<string, string>>> = { source: new Map(), target: new Map() };
  epoch = 0;
  /** The target: what was acknowledged there is there, and nobody gets at it. */
  dead = false;
  /** Group → records behind the places it was given without the target. */
  readonly again = new Map<string, number>();
  /** By group: what it was said to read again because it keeps its place, by partition and cut. */
  readonly keptBehind = new Map<string, Map<string, number>>();
  /** `group key` → the place on the source that the ledger there has of it; `key` → where the log ended on the target. */
  /** Of whoever looks after mirrors at this moment, and how often that began. */
  readonly tended = { now: new Set<object>(), begun: 0 };
  readonly swept = { places: new Map<string, number>(), ends: new Map<string, number>() };
  readonly hooks: { traffic: string; live: string; validate: string } = { traffic: 'source', live: 'muted', validate: 'fine' };
  readonly #rate: number;
  readonly #mirrorEvery: number;
  #ticks = 0;
  #settling = false;
  #ticked: number;

  constructor(m: Migration, options: WorldOptions = {}) {
    this.m = m;
    this.#sets = new Map(cutSets(m).flatMap((set) => set.topics.map((topic) => [topic, set.name])));
    this.clock = options.clock ?? new Clock();
    this.random = seeded(options.seed ?? 1);
    this.#rate = options.mirrorRate ?? 5;
    this.#mirrorEvery = options.mirrorEvery ?? 1;
    this.#ticked = this.clock.nowMs;
    const around: Surroundings = { clusters: this.clusters, books: this.books, random: this.random, settling: () => this.#settling, dead: () => this.dead,
      muted: (a, side) => side === 'target' && m.blueGreen !== undefined && this.hooks.live === 'muted' && (m.blueGreen.until !== 'doubling' || a.writes.length > 0),
      traffic: (side) => m.blueGreen === undefined || this.hooks.traffic === side,
    };
    this.clients = new Map(m.applications.map((a) => [a.name, new ClientFake(a, around, (side) => (side === 'source' && options.idleOnSource === a.name ? Infinity : options.slow?.[a.name] ?? 1))]));
    this.#clients = [...this.clients.values()];
    this.#populate();
    this.clock.onTime = (now) => { while (this.#ticked + tickMs <= now) { this.#ticked += tickMs; this.tick(); } };
  }

  /** Topics with a deleted head, groups with positions everywhere but on the idle partition, everything at work on the source. */
  #populate(): void {
    const { source } = this.clusters;
    for (const topic of this.m.topics) {
      source.create(topic, partitions, 7);
      const written = this.m.applications.some((a) => a.writes.includes(topic));
      for (const key of source.partitionsOf([topic]).slice(0, -1)) {
        for (const a of this.m.applications) for (const r of a.reads) if (r.topics.includes(topic)) source.commit(r.group, key, 7);
        if (!written) for (let i = 0; i < 10; i++) {
          const record = { kind: 'data' as const, id: `${key}:${i}`, key, seq: i };
          source.log(key).append(record);
          this.books.wrote(topic, record.id);
        }
      }
    }
    for (const client of this.clients.values()) client.start('source');
    for (let i = 0; i < 20; i++) this.tick();
  }

  get nowMs(): number { return this.clock.nowMs; }
  client(name: string): ClientFake {
    const client = this.clients.get(name);
    if (!client) throw new Error(`no application ${name}`);
    return client;
  }
  /** The newest mirror of a set in a direction that is not gone. */
  mirrorOf(set: string, toward: Side): MirrorFake | undefined { return this.mirrors.findLast((x) => x.set === set && x.toward === toward && x.state !== 'gone'); }
  /** Every mirror that copied the topic, also those that are silent or gone. */
  copiers(topic: string): readonly MirrorFake[] { return this.mirrors.filter((x) => x.topics.includes(topic)); }
  /** The copy of a topic is gone: what was copied or cut says nothing of the one that may come after it. */
  forget(topic: string): void {
    for (const m of this.mirrors) for (const key of [...m.pairs.keys()]) if (topicOf(key) === topic) m.pairs.delete(key);
    this.cuts = this.cuts.filter((c) => c.set !== this.setOf(topic));
  }
  setOf(topic: string): string | undefined { return this.#sets.get(topic); }
  cutsOf(topic: string): readonly CutFake[] { return this.cuts.filter((c) => c.set === this.setOf(topic)); }

  /** Everybody acts once, in an order that changes. */
  tick(): void {
    const copies = this.#settling || ++this.#ticks % this.#mirrorEvery === 0;
    const mirrors = copies && !this.dead ? this.mirrors : [];
    const actors = this.#clients.length + mirrors.length;
    const first = this.random(actors);
    for (let i = 0; i < actors; i++) {
      const next = (first + i) % actors;
      const client = this.#clients[next];
      if (client) client.tick();
      else mirrors[next - this.#clients.length]?.tick(this.clusters, this.#settling ? 1_000 : this.#rate);
    }
  }

  /** Lets readers and mirrors finish what there is, without new records; what is unread afterwards is lost. */
  settle(): void {
    this.#settling = true;
    for (let i = 0; i < 30; i++) this.tick();
    this.#settling = false;
  }

  snapshot(): Snapshot {
    const sides = <T>(of: (c: ClusterFake) => T): Record<Side, T> => ({ source: of(this.clusters.source), target: of(this.clusters.target) });
    return {
      runs: this.#runs(),
      targetTopics: [...this.clusters.target.configs.keys()].sort(),
      configs: sides((c) => Object.fromEntries([...c.configs].map(([topic, of]) => [topic, { ...of }]))),
      denied: sides((c) => [...c.denied].sort()),
      mirrors: this.mirrors.filter((x) => x.state !== 'gone').map((x) => `${x.set} toward ${x.toward}: ${x.state}`).sort(),
      targetGroups: [...this.clusters.target.committed.keys()].sort(),
      locks: [...this.locks].map(([key, owner]) => `${key} ${owner}`).sort(),
      cuts: [...new Set(this.cuts.map((c) => c.set))].filter((set) => this.cuts.findLast((c) => c.set === set)?.to === 'target').sort(),
      traffic: this.hooks.traffic,
    };
  }
  #runs(): Record<string, readonly Side[]> { return Object.fromEntries([...this.clients].map(([name, c]) => [name, c.sides])); }

  /** Call after `settle`. */
  verdict(): Verdict {
    const readings = this.m.applications.flatMap((a) => a.reads.flatMap((r) => r.topics.map((topic) => ({ group: r.group, topic }))));
    const unique = [...new Map(readings.map((r) => [`${r.group}|${r.topic}`, r])).entries()];
    const counts = unique.map(([name, { topic }]) => ({ name, ...this.#count(name, topic) }));
    const told = (of: 'lost' | 'duplicated' | 'reordered'): readonly string[] => counts.filter((c) => c[of] > 0).map((c) => `${c.name}: ${c[of]}`);
    const running = new Set(this.m.applications.filter((a) => this.client(a.name).sides.length > 0).flatMap((a) => a.reads.map((r) => r.group)));
    return {
      lost: told('lost'), duplicated: told('duplicated'), reordered: told('reordered'), doubled: this.#doubled(), guessed: [...this.books.guessed],
      strandedGroups: [...new Set(readings.map((r) => r.group))].filter((g) => !running.has(g)),
      whereRuns: this.#runs(), produced: [...this.books.produced.values()].reduce((sum, ids) => sum + ids.size, 0),
    };
  }
  #doubled(): readonly string[] {
    return Object.values(this.clusters).flatMap((cluster) => [...cluster.logs]).flatMap(([key, log]) => {
      const ids = log.ids();
      const more = ids.length - new Set(ids).size;
      return more > 0 ? [`${key}: ${more}`] : [];
    });
  }
  #count(name: string, topic: string): { readonly lost: number; readonly duplicated: number; readonly reordered: number } {
    const processed = this.books.processed.get(name) ?? [];
    const seen = new Set<string>();
    const last = new Map<string, number>();
    let [duplicated, reordered] = [0, 0];
    for (const r of processed) {
      if (seen.has(r.id)) { duplicated++; continue; }
      seen.add(r.id);
      if (r.seq < (last.get(r.key) ?? 0)) reordered++;
      last.set(r.key, r.seq);
    }
    const lost = [...(this.books.produced.get(topic) ?? [])].filter((id) => !seen.has(id)).length;
    return { lost, duplicated, reordered };
  }
}

/** No loss, no repeats, order kept, nothing left to chance. */
export const flawless = (v: Verdict): boolean => [v.lost, v.duplicated, v.reordered, v.doubled, v.guessed, v.strandedGroups].every((list) => list.length === 0);
