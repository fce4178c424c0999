/** The applications of the world: writers of keyed sequence numbers, readers that process and commit, and both at once. They act on every tick. */
import type { Side } from '../../src/domain/authority.ts';
import type { Application } from '../../src/domain/migration.ts';
import type { ClusterFake } from './world-logs.ts';
import { marker, tp, topicOf } from './world-logs.ts';

/** What was acknowledged and what was processed: the bookkeeping a verdict is made from, kept apart from every log. */
export class Books {
  /** Topic → id of every acknowledged record. */
  readonly produced = new Map<string, Set<string>>();
  /** `group|topic` → records in the order of processing. */
  readonly processed = new Map<string, { readonly id: string; readonly key: string; readonly seq: number }[]>();
  /** Partitions whose first position was decided by `auto.offset.reset` (latest). */
  readonly guessed: string[] = [];
  readonly #sequence = new Map<string, Map<string, number>>();
  nextSeq(topic: string, key: string): number {
    const keys = this.#sequence.get(topic) ?? new Map<string, number>();
    const next = (keys.get(key) ?? 0) + 1;
    keys.set(key, next);
    this.#sequence.set(topic, keys);
    return next;
  }
  wrote(topic: string, id: string): void {
    const ids = this.produced.get(topic) ?? new Set<string>();
    ids.add(id);
    this.produced.set(topic, ids);
  }
  read(group: string, topic: string, record: { readonly id: string; readonly key: string; readonly seq: number }): void {
    const list = this.processed.get(`${group}|${topic}`) ?? [];
    list.push(record);
    this.processed.set(`${group}|${topic}`, list);
  }
}

function hash(text: string): number {
  let h = 7;
  for (let i = 0; i < text.length; i++) h = (Math.imul(h, 31) + text.charCodeAt(i)) >>> 0;
  return h;
}
const keysPerWriter = 4;
const longestTrail = 4;

export interface Surroundings {
  readonly clusters: Readonly<Record<Side, ClusterFake>>;
  readonly books: Books;
  readonly random: (below: number) => number;
  /** Settling: writers without input write no more, readers read as fast as they can. */
  readonly settling: () => boolean;
  /** Nothing on the target answers any more. */
  readonly dead: () => boolean;
  /** Blue/green: whether a process there works without effect, and whether traffic goes there. */
  readonly muted: (a: Application, side: Side) => boolean;
  readonly traffic: (side: Side) => boolean;
}

/** One process of an application on one side. */
class Process {
  readonly side: Side;
  readonly #a: Application;
  readonly #w: Surroundings;
  readonly #slow: number;
  /** Group → partition → where it reads next. */
  readonly #positions = new Map<string, Map<string, number>>();
  #ticks = 0;
  constructor(a: Application, side: Side, w: Surroundings, slow: number) {
    this.#a = a;
    this.side = side;
    this.#w = w;
    this.#slow = slow;
  }
  get #cluster(): ClusterFake { return this.#w.clusters[this.side]; }

  tick(): void {
    if (this.side === 'target' && this.#w.dead()) return;
    this.#ticks++;
    if (this.#a.reads.length === 0) this.#write();
    else if (this.#w.settling() || this.#ticks % this.#slow === 0) this.#read(this.#w.settling() ? 1_000 : 2);
    if (this.#ticks % 3 === 0 || this.#w.settling()) this.commit();
  }

  #write(): void {
    if (this.#w.settling() || !this.#w.traffic(this.side) || this.#w.muted(this.#a, this.side) || this.#w.random(3) === 0) return;
    for (const topic of this.#a.writes) {
      const number = this.#w.random(keysPerWriter);
      this.#send(topic, `${this.#a.name}-${number}`, null);
    }
  }
  /** Refused writes (fence, missing topic) are not acknowledged and count for nothing. */
  #send(topic: string, key: string, from: string | null): void {
    if (!this.#cluster.has(topic) || this.#a.principals.some((p) => this.#cluster.denied.has(`${p}|${topic}`))) return;
    const seq = this.#w.books.nextSeq(topic, key);
    const id = from === null ? `${topic}:${key}:${seq}` : `${topic}<${from}`;
    // The last partition stays idle on the source: its first record comes after the move.
    const partitions = this.#cluster.partitionsOf([topic]).length;
    const used = this.side === 'target' ? partitions : Math.max(1, partitions - 1);
    const home = hash(key) % Math.max(1, partitions - 1);
    const partition = key.endsWith('-late') ? partitions - 1 : home;
    this.#cluster.log(tp(topic, partition)).append({ kind: 'data', id, key, seq });
    this.#w.books.wrote(topic, id);
    if (this.#w.random(5) === 0) this.#cluster.log(tp(topic, partition)).append(marker);
    if (used === partitions && from === null && !key.endsWith('-late') && this.#w.random(4) === 0) this.#send(topic, `${key}-late`, null);
  }

  #read(most: number): void {
    for (const { group, topics } of this.#a.reads)
      for (const key of this.#cluster.partitionsOf(topics)) this.#readPartition(group, key, most);
  }
  #readPartition(group: string, key: string, most: number): void {
    const log = this.#cluster.log(key);
    let at = this.#position(group, key);
    for (let read = 0; read < most; read++) {
      const next = log.next(at);
      const record = next === null ? undefined : log.at(next);
      if (next === null || record === undefined) break;
      const muted = this.#w.muted(this.#a, this.side);
      if (!muted) this.#w.books.read(group, topicOf(key), record);
      // Where applications feed each other, a record goes round a few times and then ends.
      if (!muted && this.#a.writes.length > 0 && record.id.split('<').length <= longestTrail) for (const topic of this.#a.writes) this.#send(topic, `${this.#a.name}<${record.key}`, record.id);
      at = next + 1;
    }
    this.#own(group).set(key, at);
  }
  #own(group: string): Map<string, number> {
    const own = this.#positions.get(group) ?? new Map<string, number>();
    this.#positions.set(group, own);
    return own;
  }
  /** Where it continues: its own position, what was committed, or (nobody said) the end of the log. */
  #position(group: string, key: string): number {
    const own = this.#own(group).get(key);
    if (own !== undefined) return own;
    const committed = this.#cluster.position(group, key);
    if (committed !== undefined) return committed;
    if (this.side === 'target') this.#w.books.guessed.push(`${group} ${key}`);
    return this.#cluster.log(key).end;
  }
  commit(): void {
    if (this.side === 'target' && this.#w.dead()) return;
    for (const [group, own] of this.#positions) for (const [key, at] of own)
      if (at > 0 && this.#cluster.logs.has(key)) this.#cluster.commit(group, key, at);
  }
}

export class ClientFake {
  readonly application: Application;
  readonly #w: Surroundings;
  readonly #slow: (side: Side) => number;
  #processes: Process[] = [];
  constructor(application: Application, w: Surroundings, slow: (side: Side) => number) {
    this.application = application;
    this.#w = w;
    this.#slow = slow;
  }
  get sides(): readonly Side[] { return this.#processes.map((p) => p.side).sort(); }
  /** A fleet does as it is told: it starts on that side whatever runs on the other. */
  start(side: Side): void {
    if (!this.sides.includes(side)) this.#processes.push(new Process(this.application, side, this.#w, this.#slow(side)));
  }
  stop(only?: Side): void {
    for (const p of this.#processes) if (p.side === (only ?? p.side)) p.commit();
    this.#processes = this.#processes.filter((p) => p.side !== (only ?? p.side));
  }
  tick(): void { for (const p of this.#processes) p.tick(); }
}
