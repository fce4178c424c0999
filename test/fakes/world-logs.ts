/** Two clusters as logs of small records with gaps in their offsets, mirrors that copy when ticked, and translation by what was really copied. */
import type { Side } from '../../src/domain/authority.ts';
import { otherSide } from '../../src/domain/authority.ts';

/** `marker`: an offset no consumer sees, as a transaction marker is. */
export interface Rec { readonly kind: 'data' | 'marker'; readonly id: string; readonly key: string; readonly seq: number }
const marker: Rec = { kind: 'marker', id: '', key: '', seq: 0 };

/** One partition. */
export class Log {
  start: number;
  readonly #records: Rec[] = [];
  constructor(start = 0) { this.start = start; }
  get end(): number { return this.start + this.#records.length; }
  append(r: Rec): number { return this.start + this.#records.push(r) - 1; }
  at(offset: number): Rec | undefined { return this.#records[offset - this.start]; }
  ids(): readonly string[] { return this.#records.filter((r) => r.kind === 'data').map((r) => r.id); }
  /** First visible record at or after `from`; `null`: none yet. */
  next(from: number): number | null {
    for (let o = Math.max(from, this.start); o < this.end; o++) if (this.at(o)?.kind === 'data') return o;
    return null;
  }
  /** Last visible record below `before`; `null`: none. */
  previous(before: number): number | null {
    for (let o = Math.min(before, this.end) - 1; o >= this.start; o--) if (this.at(o)?.kind === 'data') return o;
    return null;
  }
}

export const tp = (topic: string, partition: number): string => `${topic}/${partition}`;
export const topicOf = (key: string): string => key.slice(0, key.lastIndexOf('/'));

export class ClusterFake {
  readonly logs = new Map<string, Log>();
  readonly committed = new Map<string, Map<string, number>>();
  /** `principal|topic` that may not write. */
  readonly denied = new Set<string>();
  /** Name of a fence's set → its rules that were not there before: whoever lifts it must know the fence by that name. */
  readonly ours = new Map<string, readonly string[]>();
  readonly configs = new Map<string, Record<string, string>>();
  /** Asked for by everybody on every tick; forgotten when topics come or go. */
  readonly #partitions = new Map<string, readonly string[]>();
  has(topic: string): boolean { return this.logs.has(tp(topic, 0)); }
  create(topic: string, partitions: number, start = 0): void {
    this.#partitions.clear();
    for (let p = 0; p < partitions; p++) this.logs.set(tp(topic, p), new Log(start));
    this.configs.set(topic, {});
  }
  remove(topic: string): void {
    this.#partitions.clear();
    for (const key of [...this.logs.keys()]) if (topicOf(key) === topic) this.logs.delete(key);
    for (const [group, positions] of this.committed) {
      for (const key of [...positions.keys()]) if (topicOf(key) === topic) positions.delete(key);
      if (positions.size === 0) this.committed.delete(group);
    }
    this.configs.delete(topic);
  }
  partitionsOf(topics: readonly string[]): readonly string[] {
    const name = topics.join(' ');
    const found = this.#partitions.get(name) ?? [...this.logs.keys()].filter((key) => topics.includes(topicOf(key)));
    this.#partitions.set(name, found);
    return found;
  }
  log(key: string): Log {
    const log = this.logs.get(key);
    if (!log) throw new Error(`${key} does not exist`);
    return log;
  }
  position(group: string, key: string): number | undefined { return this.committed.get(group)?.get(key); }
  commit(group: string, key: string, offset: number | null): void {
    if (offset !== null && this.position(group, key) === offset) return;
    const positions = this.committed.get(group) ?? new Map<string, number>();
    if (offset === null) positions.delete(key); else positions.set(key, offset);
    if (positions.size === 0) this.committed.delete(group); else this.committed.set(group, positions);
  }
}

export class MirrorFake {
  readonly name: string;
  readonly set: string;
  readonly topics: readonly string[];
  readonly toward: Side;
  /** The cut of its set after which it was created; 0: before any. */
  readonly epoch: number;
  state: 'running' | 'silent' | 'gone' = 'running';
  /** Next offset it will read, per partition. */
  readonly next = new Map<string, number>();
  /** What it really copied where: the ground truth of every translation. */
  readonly pairs = new Map<string, { readonly from: number; readonly to: number }[]>();
  constructor(x: { readonly name: string; readonly set: string; readonly topics: readonly string[]; readonly toward: Side; readonly epoch: number }) {
    this.name = x.name;
    this.set = x.set;
    this.topics = x.topics;
    this.toward = x.toward;
    this.epoch = x.epoch;
  }
  /** Copies up to `rate` records per partition; now and then leaves an offset to a transaction marker. */
  tick(clusters: Readonly<Record<Side, ClusterFake>>, rate: number): void {
    if (this.state !== 'running') return;
    const [from, to] = [clusters[otherSide(this.toward)], clusters[this.toward]];
    for (const key of from.partitionsOf(this.topics)) {
      const target = to.logs.get(key);
      if (target) this.#copy(key, from.log(key), target, rate);
    }
  }
  #copy(key: string, source: Log, target: Log, rate: number): void {
    let next = this.next.get(key) ?? source.start;
    const pairs = this.pairs.get(key) ?? [];
    let copied = 0;
    for (; copied < rate && next < source.end; next++) {
      const record = source.at(next);
      if (record?.kind !== 'data') continue;
      pairs.push({ from: next, to: target.append(record) });
      copied++;
    }
    if (copied > 0 && pairs.length % 3 === 0) target.append(marker);
    this.next.set(key, next);
    this.pairs.set(key, pairs);
  }
  lag(clusters: Readonly<Record<Side, ClusterFake>>): number {
    const from = clusters[otherSide(this.toward)];
    return Math.max(0, ...from.partitionsOf(this.topics).map((key) => from.log(key).end - (this.next.get(key) ?? from.log(key).start)));
  }
}

/** A cut that stands: where both logs ended when authority went to `to`. */
export interface CutFake { readonly set: string; readonly epoch: number; readonly to: Side; readonly ends: Readonly<Record<Side, Readonly<Record<string, number>>>> }

export interface Place { readonly key: string; readonly position: number; readonly from: Side; readonly logs: Readonly<Record<Side, Log>> }
/**
 * Where the next record that follows a position is on the other side, by what mirrors in both directions really copied and
 * where the logs were cut; `null`: not copied so far, so not provable.
 */
export function translate(x: Place, mirrors: readonly MirrorFake[], cuts: readonly CutFake[]): number | null {
  const to = otherSide(x.from);
  const [here, there] = [x.logs[x.from], x.logs[to]];
  const other = (offset: number): number | undefined => {
    for (const m of mirrors) {
      const pair = m.pairs.get(x.key)?.find((p) => (m.toward === to ? p.from : p.to) === offset);
      if (pair) return m.toward === to ? pair.to : pair.from;
    }
    return undefined;
  };
  const next = here.next(x.position);
  const ahead = next === null ? undefined : other(next);
  if (ahead !== undefined) return ahead;
  // At a cut: between the position and the end of the log then stands nothing visible.
  const cut = cuts.findLast((c) => here.previous(x.position) === here.previous(c.ends[x.from][x.key] ?? 0));
  if (cut) return cut.ends[to][x.key] ?? null;
  // The next record was written here by an application and is not on the other side: nothing to translate it to yet.
  if (next !== null && !mirrors.some((m) => m.toward === to && m.state === 'running')) return null;
  const previous = here.previous(x.position);
  if (previous === null) return there.start;
  const before = other(previous);
  return before === undefined ? null : before + 1;
}
export { marker };
