/** What a group read of a topic, in the order in which it read: two processes at once are merged by their clock, which is one and the same. */
import type { Line, Run } from '../../demo/journal.ts';

type Consumed = Line & { readonly is: 'consumed' };
export interface Reading { readonly run: Run; readonly line: Consumed }
/** Read again, or first read after a later one of its key. */
export interface Odd { readonly what: 'again' | 'behind'; readonly atMs: number; readonly said: () => string }
/** Behind it nothing comes that was read before it, unless its process stood still between reading and noting: then all is gone through anew. */
const lateMs = 2_000;

export const idOf = (l: { readonly key: string; readonly seq: number }): string => `${l.key}#${l.seq}`;

export class Readings {
  readonly #settled: Reading[] = [];
  #seen = new Seen(null);
  #odd: Odd[] = [];
  #fresh: Reading[] = [];

  add(r: Reading): void { this.#fresh.push(r); }

  /** All of them so far. */
  odd(): readonly Odd[] {
    const fresh = this.#fresh.sort(byTime);
    if (fresh[0] && this.#settled.length > 0 && byTime(fresh[0], this.#settled.at(-1) ?? fresh[0]) < 0) this.#anew();
    const untilMs = Date.now() - lateMs;
    const late = this.#fresh.findIndex(({ line }) => line.atMs >= untilMs);
    const sure = this.#fresh.splice(0, late === -1 ? this.#fresh.length : late);
    for (const r of sure) this.#settled.push(r);
    this.#odd.push(...this.#seen.all(sure));
    return [...this.#odd, ...new Seen(this.#seen).all(this.#fresh)];
  }

  #anew(): void {
    this.#fresh = [...this.#settled, ...this.#fresh].sort(byTime);
    this.#settled.length = 0;
    this.#seen = new Seen(null);
    this.#odd = [];
  }
}

const byTime = (a: Reading, b: Reading): number => a.line.atMs - b.line.atMs || a.run.atMs - b.run.atMs;
const placeOf = ({ run, line }: Reading): string => `${new Date(line.atMs).toISOString().slice(11, 23)} at ${line.partition}/${line.offset} on the ${run.side} by process ${run.pid}`;

/** What was read up to some moment; `before`: what had been before, and stays as it is. */
class Seen {
  readonly first = new Map<string, Reading>();
  readonly highest = new Map<string, number>();
  readonly #before: Seen | null;
  constructor(before: Seen | null) { this.#before = before; }

  all(of: readonly Reading[]): readonly Odd[] { return of.flatMap((r) => this.#note(r) ?? []); }

  #note(r: Reading): Odd | null {
    const { line } = r;
    const id = idOf(line);
    const before = this.first.get(id) ?? this.#before?.first.get(id) ?? null;
    const odd = (what: Odd['what'], said: () => string): Odd => ({ what, atMs: line.atMs, said: () => `${line.group} read ${id} of ${line.topic} ${said()}` });
    if (before !== null) return odd('again', () => `again: ${placeOf(before)}, then ${placeOf(r)}`);
    const top = this.highest.get(line.key) ?? this.#before?.highest.get(line.key) ?? -1;
    this.first.set(id, r);
    this.highest.set(line.key, Math.max(top, line.seq));
    return line.seq < top ? odd('behind', () => `behind ${top}: ${placeOf(r)}`) : null;
  }
}
