/** Which topics must change authority together, and in which order the sets are cut. */
import { boundTo } from './companies.ts';
import type { Application, Migration } from './migration.ts';
import { elsewhereOf, groundworkWave, readsOf } from './migration.ts';

/** Topics that are cut together with all their writers. */
export interface CutSet {
  /** Name of its first topic, sorted; unique because sets are disjoint. */
  readonly name: string;
  readonly topics: readonly string[];
  /** Names of the applications that write any of them, and of those that share a group with one of these: they move with it. Sorted. */
  readonly writers: readonly string[];
}

/** Groups names that must stay together: a small union-find over strings. */
class Together {
  readonly #parent = new Map<string, string>();
  find(x: string): string {
    const parent = this.#parent.get(x) ?? x;
    if (parent === x) return x;
    const root = this.find(parent);
    this.#parent.set(x, root);
    return root;
  }
  join(names: readonly string[]): void {
    for (const name of names) this.#parent.set(this.find(name), this.find(names[0] ?? name));
  }
}

/** What changes authority at one moment, as the migration is run. */
export function cutSets(m: Cutting): readonly CutSet[] {
  if (m.estate?.wave === groundworkWave) return m.estate.feeds.map((s) => ({ ...s, writers: [] }));
  return m.cuts === 'together' ? everything(m) : closures(m);
}
type Cutting = Pick<Migration, 'topics' | 'applications' | 'cuts' | 'estate'>;
/** In a wave: those whose writers move with it. */
const ownTopics = (m: Cutting): readonly string[] => { const elsewhere = elsewhereOf(m); return [...new Set(m.topics)].filter((t) => !elsewhere.has(t)).sort(); };
/** All topics with all their writers, for schemes that stop everybody at once. Waves of one estate share the ledger, so the name tells them apart. */
const everything = (m: Cutting): readonly CutSet[] => (ownTopics(m).length === 0 ? [] : [{
  name: m.estate === undefined ? 'everything' : `everything-${m.estate.wave}`, topics: ownTopics(m), writers: boundToAny(boundTo(m), null),
}]);
/** Names, sorted, of those that move with any of these topics; `null`: with any at all. */
const boundToAny = (bound: ReadonlyMap<string, readonly string[]>, topics: readonly string[] | null): readonly string[] =>
  [...bound].filter(([, own]) => own.some((t) => topics === null || topics.includes(t))).map(([name]) => name).sort();

/**
 * The closure over common writers and shared groups: who shares a group with a writer moves with it. Reading alone does not
 * bind: a mirror feeds the other side. Loops (A feeds B feeds A) are joined, because neither could be cut before the other.
 */
export function closures(m: Cutting): readonly CutSet[] {
  const together = new Together();
  const bound = boundTo(m);
  for (const a of m.applications) {
    const own = bound.get(a.name) ?? [];
    together.join(m.cuts === 'with-inputs' && own.length > 0 ? [...own, ...readsOf(a)] : own);
  }
  joinLoops(m, together);
  return [...Map.groupBy(ownTopics(m), (t) => together.find(t)).values()].map((topics) => ({
    name: topics[0] ?? '',
    topics,
    writers: boundToAny(bound, topics),
  })).sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** Also those that a wave only reads. */
export const allSets = (m: Cutting): readonly CutSet[] =>
  [...cutSets(m), ...(m.estate?.elsewhere ?? []).map((s): CutSet => ({ name: s.name, topics: s.topics, writers: [] }))].sort((a, b) => (a.name < b.name ? -1 : 1));

/** Set → sets that its writers read from: `feeds` point upstream. */
const upstreamOf = (m: Pick<Migration, 'applications'>, setOf: (topic: string) => string): ReadonlyMap<string, ReadonlySet<string>> => {
  const edges = new Map<string, Set<string>>();
  const bound = boundTo(m);
  for (const a of m.applications)
    for (const written of bound.get(a.name) ?? [])
      for (const read of readsOf(a)) {
        const [down, up] = [setOf(written), setOf(read)];
        if (down === up) continue;
        if (!edges.has(down)) edges.set(down, new Set());
        edges.get(down)?.add(up);
      }
  return edges;
};

const reaches = (edges: ReadonlyMap<string, ReadonlySet<string>>, from: string, to: string, seen = new Set<string>()): boolean => {
  for (const next of edges.get(from) ?? []) {
    if (next === to) return true;
    if (seen.has(next)) continue;
    seen.add(next);
    if (reaches(edges, next, to, seen)) return true;
  }
  return false;
};

function joinLoops(m: Pick<Migration, 'topics' | 'applications'>, together: Together): void {
  const edges = upstreamOf(m, (t) => together.find(t));
  const loops = [...edges.keys()].flatMap((a) => [...edges.keys()].filter((b) => a < b && reaches(edges, a, b) && reaches(edges, b, a)).map((b) => [a, b]));
  for (const loop of loops) together.join(loop);
}

/**
 * Sets in the order in which their authority can change. `downstream-first`: an application that reads X and writes Y is
 * moved with Y while X is still mirrored to it. `upstream-first`: without a copy, X must be closed and drained before Y is cut.
 */
export function inOrder(m: Pick<Migration, 'topics' | 'applications'>, sets: readonly CutSet[], order: 'downstream-first' | 'upstream-first'): readonly CutSet[] {
  const setOf = new Map(sets.flatMap((s) => s.topics.map((t) => [t, s.name] as const)));
  const edges = upstreamOf(m, (t) => setOf.get(t) ?? t);
  const out: CutSet[] = [];
  const visit = (s: CutSet): void => {
    if (out.includes(s)) return;
    for (const up of edges.get(s.name) ?? []) {
      const found = sets.find((x) => x.name === up);
      if (found) visit(found);
    }
    if (!out.includes(s)) out.push(s);
  };
  for (const s of sets) visit(s);
  return order === 'upstream-first' ? out : out.reverse();
}

export const writersOf = (m: Pick<Migration, 'applications'>, set: CutSet): readonly Application[] => m.applications.filter((a) => set.writers.includes(a.name));
/** Applications that only read, and share no group with a writer: they move on their own, before or after the cuts. */
export function pureReaders(m: Pick<Migration, 'applications'>): readonly Application[] {
  const bound = boundTo(m);
  return m.applications.filter((a) => (bound.get(a.name) ?? []).length === 0);
}
