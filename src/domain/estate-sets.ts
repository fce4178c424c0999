/** What must move together, over the whole estate, and who reads what somebody else writes. Reading binds nobody. */
import type { Estate, EstateApplication } from './estate.ts';
import { byName, some, sorted } from './estate.ts';
import { groupsOf, readsOf } from './migration.ts';

/** Applications that can only move at one moment. */
export interface AtomicSet {
  /** Name of its first application, sorted; unique because sets are disjoint. */
  readonly name: string;
  readonly applications: readonly string[];
  /** Topics that any of them writes: they are cut when this set moves. */
  readonly topics: readonly string[];
  /** What holds them together, one sentence each; empty for an application on its own. */
  readonly because: readonly string[];
}

type Binding = { readonly kind: 'topic' | 'group' | 'transaction' | 'streams'; readonly name: string };
const spoken: Readonly<Record<Binding['kind'], (name: string) => string>> = {
  topic: (t) => `write ${t}`,
  group: (g) => `share the group ${g}`,
  transaction: (t) => `share the transactional id ${t}`,
  streams: (s) => `use what is internal to the Streams application ${s}`,
};

/** `<id>-<anything>-changelog` and `-repartition`, as Kafka Streams names them. */
export const isInternalTo = (streams: string, topic: string): boolean => topic.startsWith(`${streams}-`) && /-(changelog|repartition)$/.test(topic);

/** The closure over common written topics, shared groups, one transaction, and the internals of a Streams application. */
export function atomicSets(e: Pick<Estate, 'applications'>): readonly AtomicSet[] {
  const members = new Map<string, { readonly binding: Binding; readonly applications: string[] }>();
  const streams = sorted(e.applications.flatMap((a) => a.streams ?? []));
  for (const a of e.applications) for (const binding of bindingsOf(a, streams)) {
    const key = `${binding.kind} ${binding.name}`;
    const known = members.get(key) ?? members.set(key, { binding, applications: [] }).get(key);
    if (known && known.applications.at(-1) !== a.name) known.applications.push(a.name);
  }
  const together = new Map(e.applications.map((a) => [a.name, new Set([a.name])]));
  for (const { applications } of members.values()) join(together, applications);
  const holding = [...members.values()].filter((m) => m.applications.length > 1);
  return [...new Set(together.values())].map((set): AtomicSet => {
    const applications = sorted(set);
    const own = e.applications.filter((a) => set.has(a.name));
    return {
      name: applications[0] ?? '', applications, topics: sorted(own.flatMap((a) => a.writes)),
      because: sorted(holding.filter((h) => set.has(h.applications[0] ?? '')).map((h) => `${some(sorted(h.applications))} ${spoken[h.binding.kind](h.binding.name)}`)),
    };
  }).sort((a, b) => byName(a.name, b.name));
}

function bindingsOf(a: EstateApplication, streams: readonly string[]): readonly Binding[] {
  const uses = sorted([...a.writes, ...readsOf(a)]);
  return [
    ...a.writes.map((name) => ({ kind: 'topic', name }) as const),
    ...groupsOf(a).map((name) => ({ kind: 'group', name }) as const),
    ...a.transactionalIds.map((name) => ({ kind: 'transaction', name }) as const),
    ...streams.filter((s) => a.streams === s || uses.some((t) => isInternalTo(s, t))).map((name) => ({ kind: 'streams', name }) as const),
  ];
}

/** The smaller set always joins the larger one: cheap also when everything ends up in one. */
function join(together: Map<string, Set<string>>, names: readonly string[]): void {
  for (const name of names) {
    const [one, other] = [together.get(names[0] ?? ''), together.get(name)];
    if (!one || !other || one === other) continue;
    const [large, small] = one.size >= other.size ? [one, other] : [other, one];
    for (const member of small) {
      large.add(member);
      together.set(member, large);
    }
  }
}

/** `to` reads topics that `from` writes, or says that it comes after it. */
export interface Dependency {
  readonly from: string;
  readonly to: string;
  /** Sorted; empty where it is only said ("after"). */
  readonly topics: readonly string[];
  readonly said: boolean;
}

/** Between different atomic sets, by their names, sorted. */
export function dependencies(e: Pick<Estate, 'applications'>, sets: readonly AtomicSet[]): readonly Dependency[] {
  const setOf = new Map(sets.flatMap((s) => s.applications.map((a) => [a, s.name] as const)));
  const writer = new Map(sets.flatMap((s) => s.topics.map((t) => [t, s.name] as const)));
  const found = new Map<string, { from: string; to: string; topics: Set<string>; said: boolean }>();
  const note = (from: string | undefined, to: string | undefined, topic: string | null): void => {
    if (from === undefined || to === undefined || from === to) return;
    const key = `${from}\0${to}`;
    const d = found.get(key) ?? { from, to, topics: new Set<string>(), said: false };
    found.set(key, d);
    if (topic === null) d.said = true;
    else d.topics.add(topic);
  };
  for (const a of e.applications) {
    for (const t of readsOf(a)) note(writer.get(t), setOf.get(a.name), t);
    for (const name of a.after) note(setOf.get(name), setOf.get(a.name), null);
  }
  return [...found.values()].map((d) => ({ ...d, topics: sorted(d.topics) })).sort((a, b) => byName(a.from, b.from) || byName(a.to, b.to));
}

/**
 * Strongly connected parts of a graph, each sorted, in an order in which every part comes after those that lead to it.
 * Tarjan's algorithm with a stack of its own: an estate may be a chain of thousands.
 */
export function knots(names: readonly string[], next: (name: string) => readonly string[]): readonly (readonly string[])[] {
  const index = new Map<string, number>();
  const low = new Map<string, number>();
  const open: string[] = [];
  const isOpen = new Set<string>();
  const out: (readonly string[])[] = [];
  const visit = (root: string): void => {
    const frames: { readonly name: string; readonly rest: string[] }[] = [];
    const enter = (name: string): void => {
      index.set(name, index.size);
      low.set(name, index.size - 1);
      open.push(name);
      isOpen.add(name);
      frames.push({ name, rest: [...next(name)].reverse() });
    };
    enter(root);
    for (let frame = frames.at(-1); frame; frame = frames.at(-1)) {
      const to = frame.rest.pop();
      if (to !== undefined) {
        if (!index.has(to)) enter(to);
        else if (isOpen.has(to)) low.set(frame.name, Math.min(low.get(frame.name) ?? 0, index.get(to) ?? 0));
        continue;
      }
      frames.pop();
      const parent = frames.at(-1);
      if (parent) low.set(parent.name, Math.min(low.get(parent.name) ?? 0, low.get(frame.name) ?? 0));
      if (low.get(frame.name) !== index.get(frame.name)) continue;
      const part = open.splice(open.lastIndexOf(frame.name));
      for (const name of part) isOpen.delete(name);
      out.push(sorted(part));
    }
  };
  for (const name of [...names].sort(byName)) if (!index.has(name)) visit(name);
  return out.reverse();
}
