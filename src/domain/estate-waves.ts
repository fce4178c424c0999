/**
 * Proposes in which order an estate moves: canaries first, then the waves a person named, then whoever is left, writers
 * before their readers, so that no mirror stands longer than it must. What must move together is never split.
 */
import type { Copies, Estate, EstateApplication } from './estate.ts';
import { byName, some, sorted } from './estate.ts';
import { atomicSets, dependencies, knots, type AtomicSet, type Dependency } from './estate-sets.ts';
import { Failure } from './failures.ts';
import { readsOf } from './migration.ts';

export interface Wave {
  readonly name: string;
  readonly scheme: string;
  /** Names of its atomic sets, sorted. */
  readonly sets: readonly string[];
  readonly applications: readonly string[];
  /** Topics its applications write: cut with this wave. */
  readonly topics: readonly string[];
  /** Topics its applications read and others write. */
  readonly reads: readonly string[];
  readonly why: 'canary' | 'named' | 'proposed';
}
/** A topic that is read on the target before its writers have moved: mirrored from before the first wave until its cut. */
export interface Feed { readonly topic: string; readonly cutIn: string; readonly readIn: readonly string[] }

export interface WavePlan {
  readonly sets: readonly AtomicSet[];
  readonly dependencies: readonly Dependency[];
  readonly waves: readonly Wave[];
  readonly feeds: readonly Feed[];
  /** What a person should know: sets above the size limit, named waves that were split. */
  readonly notes: readonly string[];
}

/** One atomic set with what was asked for it. */
interface Atom extends AtomicSet { readonly scheme: string; readonly bucket: string; readonly rank: number }
interface Draft { readonly atoms: Atom[]; readonly bucket: string }
const restBucket = '';

/** Throws one `BadMigration` with everything that contradicts itself. The estate has no patterns any more. */
export function planWaves(e: Estate, copies: Copies): WavePlan {
  const faults: string[] = [];
  const sets = atomicSets(e);
  const links = dependencies(e, sets);
  const atoms = sets.map((s) => atomOf(e, s, faults));
  const hard = hardOnes(atoms, links, copies);
  faults.push(...outOfOrder(atoms, hard));
  refuse(faults);
  const drafts = [...Map.groupBy([...atoms].sort((a, b) => a.rank - b.rank || byName(a.name, b.name)), (a) => a.rank).values()]
    .flatMap((bucket) => fill(bucket, { links, hard, size: e.waveSize }, faults));
  refuse(faults);
  const waves = named(e, drafts);
  return { sets, dependencies: links, waves, feeds: feedsOf(waves), notes: notesOn(e, waves, sets) };
}

function refuse(faults: readonly string[]): void {
  if (faults.length > 0) throw new Failure('BadMigration', `The waves of this estate contradict each other:\n${faults.slice(0, 20).map((f) => `- ${f}\n`).join('')}`, 'Correct the estate file; nothing was written.');
}

const schemeOf = (e: Estate, a: EstateApplication): string => a.scheme ?? e.waves.find((w) => w.name === a.wave)?.scheme ?? e.scheme;

function atomOf(e: Estate, set: AtomicSet, faults: string[]): Atom {
  const own = e.applications.filter((a) => set.applications.includes(a.name));
  const held = `${some(set.applications)} move together (${some(set.because, 2)})`;
  const waves = sorted(own.flatMap((a) => a.wave ?? []));
  const asked = sorted(own.filter((a) => waves.length === 0 || a.wave !== undefined || a.scheme !== undefined).map((a) => schemeOf(e, a)));
  if (waves.length > 1) faults.push(`${held} and are put into the waves ${waves.join(', ')}. Give them one wave.`);
  if (asked.length > 1) faults.push(`${held} and ask for the schemes ${asked.join(', ')}. Give them one scheme.`);
  const canary = own.some((a) => a.hint === 'canary');
  const declared = e.waves.findIndex((w) => w.name === waves[0]);
  const rank = canary ? -1 : declared >= 0 ? declared : e.waves.length;
  return { ...set, scheme: asked[0] ?? e.scheme, rank, bucket: canary ? 'canary' : (waves[0] ?? restBucket) };
}

const linkKey = (d: Pick<Dependency, 'from' | 'to'>): string => `${d.from}\0${d.to}`;
/** An order that must be kept: it was said, or one side copies nothing, so that only the drained remainder leads over. */
function hardOnes(atoms: readonly Atom[], links: readonly Dependency[], copies: Copies): ReadonlySet<string> {
  const copying = new Map(atoms.map((a) => [a.name, copies[a.scheme] === true]));
  return new Set(links.filter((d) => d.said || copying.get(d.from) !== true || copying.get(d.to) !== true).map(linkKey));
}

function outOfOrder(atoms: readonly Atom[], hard: ReadonlySet<string>): readonly string[] {
  const at = new Map(atoms.map((a) => [a.name, a]));
  const where = (a: Atom): string => (a.bucket === restBucket ? 'no named wave' : a.bucket === 'canary' && a.rank === -1 ? 'the canary wave' : `wave ${a.bucket}`);
  return [...hard].sort(byName).flatMap((key) => {
    const [from, to] = key.split('\0').map((n) => at.get(n));
    if (!from || !to || from.rank <= to.rank) return [];
    return [`${to.name} (${where(to)}) must not move before ${from.name} (${where(from)}): it comes after it, or one of them copies nothing. Move one of them to another wave, or give both a scheme that copies.`];
  });
}

/** Applications of one rank as waves, in order: loops stay whole, relatives stay close, one scheme per wave. */
function fill(atoms: readonly Atom[], x: { readonly links: readonly Dependency[]; readonly hard: ReadonlySet<string>; readonly size: number }, faults: string[]): readonly Draft[] {
  const at = new Map(atoms.map((a) => [a.name, a]));
  const inside = x.links.filter((d) => at.has(d.from) && at.has(d.to));
  const parts = partsOf(at, { ...x, links: inside });
  const partOf = new Map(parts.flatMap((part, i) => part.map((n) => [n, i] as const)));
  const before = parts.map(() => ({ soft: new Set<number>(), hard: new Set<number>(), near: new Map<number, number>() }));
  for (const d of inside) {
    const [from, to] = [partOf.get(d.from) ?? -1, partOf.get(d.to) ?? -1];
    if (from === to) continue;
    before[to]?.[x.hard.has(linkKey(d)) ? 'hard' : 'soft'].add(from);
    for (const [a, b] of [[from, to], [to, from]] as const) before[a]?.near.set(b, (before[a]?.near.get(b) ?? 0) + d.topics.length + 1);
  }
  const left = new Set(parts.keys());
  const drafts: Draft[] = [];
  let current: { readonly draft: Draft; readonly parts: Set<number>; applications: number } | null = null;
  const sizeOf = (i: number): number => (parts[i] ?? []).reduce((n, name) => n + (at.get(name)?.applications.length ?? 0), 0);
  const schemeAt = (i: number): string => at.get(parts[i]?.[0] ?? '')?.scheme ?? '';
  while (left.size > 0) {
    const free = (kind: 'soft' | 'hard', i: number): boolean => [...(before[i]?.[kind] ?? [])].every((j) => !left.has(j));
    const allowed = [...left].filter((i) => free('hard', i));
    const ready = allowed.filter((i) => free('soft', i));
    const candidates = ready.length > 0 ? ready : leastWaiting(allowed, (i) => [...(before[i]?.soft ?? [])].filter((j) => left.has(j)).length);
    if (candidates.length === 0) {
      faults.push(`${some(sorted([...left].flatMap((i) => parts[i] ?? [])))} wait for each other: each must move before the next, and one of their schemes copies nothing. Give them one scheme, or one that copies.`);
      return drafts;
    }
    const open: typeof current = current;
    const nearness = (i: number): number => [...(before[i]?.near ?? [])].reduce((n, [j, weight]) => n + (open?.parts.has(j) ? weight : 0), 0);
    const fitting: number[] = open === null ? [] : candidates.filter((i) => schemeAt(i) === open.draft.atoms[0]?.scheme && open.applications + sizeOf(i) <= x.size);
    const best = (from: readonly number[]): number => from.reduce((a, b) => (nearness(b) > nearness(a) ? b : a));
    const chosen: number = fitting.length > 0 ? best(fitting) : best(candidates);
    if (fitting.length === 0 || current === null) {
      current = { draft: { atoms: [], bucket: atoms[0]?.bucket ?? restBucket }, parts: new Set(), applications: 0 };
      drafts.push(current.draft);
    }
    left.delete(chosen);
    current.parts.add(chosen);
    current.applications += sizeOf(chosen);
    current.draft.atoms.push(...(parts[chosen] ?? []).flatMap((n) => at.get(n) ?? []));
  }
  return drafts;
}

/** Loops of who reads whom stay whole where they fit into a wave; a larger one is parted wherever both sides copy, and mirrors lead across. */
function partsOf(at: ReadonlyMap<string, Atom>, x: { readonly links: readonly Dependency[]; readonly hard: ReadonlySet<string>; readonly size: number }): readonly (readonly string[])[] {
  const loops = (names: readonly string[], links: readonly Dependency[]): readonly (readonly string[])[] => {
    const next = Map.groupBy(links.filter((d) => at.get(d.from)?.scheme === at.get(d.to)?.scheme), (d) => d.from);
    return knots(names, (n) => (next.get(n) ?? []).map((d) => d.to).filter((to) => names.includes(to)));
  };
  const weight = (part: readonly string[]): number => part.reduce((n, name) => n + (at.get(name)?.applications.length ?? 0), 0);
  return loops([...at.keys()], x.links).flatMap((part) => (weight(part) <= x.size ? [part] : loops(part, x.links.filter((d) => x.hard.has(linkKey(d))))));
}

/** Where everybody waits for somebody, those come first that wait for the fewest: the fewest topics are mirrored early. */
function leastWaiting(parts: readonly number[], waiting: (i: number) => number): readonly number[] {
  const least = Math.min(...parts.map(waiting));
  return parts.filter((i) => waiting(i) === least);
}

function named(e: Estate, drafts: readonly Draft[]): readonly Wave[] {
  const taken = new Set(['canary', ...e.waves.map((w) => w.name)]);
  const used = new Map<string, number>();
  let number = 0;
  return drafts.map(({ atoms, bucket }): Wave => {
    const nth = (used.get(bucket) ?? 0) + 1;
    used.set(bucket, nth);
    let name = nth === 1 ? bucket : `${bucket}-${nth}`;
    if (bucket === restBucket) do name = `wave-${++number}`; while (taken.has(name));
    const applications = sorted(atoms.flatMap((a) => a.applications));
    const topics = sorted(atoms.flatMap((a) => a.topics));
    const members = new Set(applications);
    const writes = new Set(topics);
    return {
      name, scheme: atoms[0]?.scheme ?? e.scheme, sets: sorted(atoms.map((a) => a.name)), applications, topics,
      reads: sorted(e.applications.filter((a) => members.has(a.name)).flatMap(readsOf).filter((t) => !writes.has(t))),
      why: atoms[0]?.rank === -1 ? 'canary' : bucket === restBucket ? 'proposed' : 'named',
    };
  });
}

function feedsOf(waves: readonly Wave[]): readonly Feed[] {
  const cutIn = new Map(waves.flatMap((w, i) => w.topics.map((t) => [t, i] as const)));
  const early = waves.flatMap((w, i) => w.reads.filter((t) => (cutIn.get(t) ?? -1) > i).map((topic) => ({ topic, wave: w.name })));
  return [...Map.groupBy(early, (x) => x.topic)].map(([topic, readers]) => ({ topic, cutIn: waves[cutIn.get(topic) ?? -1]?.name ?? '', readIn: readers.map((r) => r.wave) })).sort((a, b) => byName(a.topic, b.topic));
}

function notesOn(e: Estate, waves: readonly Wave[], sets: readonly AtomicSet[]): readonly string[] {
  const written = new Set(sets.flatMap((s) => s.topics));
  const orphans = sorted(e.applications.flatMap(readsOf).filter((t) => !written.has(t)));
  return [
    ...waves.filter((w) => w.applications.length > e.waveSize).map((w) => `Wave ${w.name} has ${w.applications.length} applications, more than the ${e.waveSize} a wave should have: they are bound together, or read in a loop what the others write while nothing is copied.`),
    ...e.waves.filter((w) => waves.some((x) => x.name === `${w.name}-2`)).map((w) => `Wave ${w.name} was split: it has more than ${e.waveSize} applications, or more than one scheme.`),
    ...e.waves.filter((w) => !waves.some((x) => x.name === w.name)).map((w) => `Wave ${w.name} is named and has no application.`),
    ...(orphans.length > 0 ? [`Nobody of this estate writes ${some(orphans)}: declare the writers, or these topics cannot move.`] : []),
  ];
}

/**
 * Waves that stand on this one, in the order in which they would have to be undone (the last first): they read what it cut,
 * or say that they come after it, directly or through others, and moved later.
 */
export function dependents(plan: Pick<WavePlan, 'waves' | 'dependencies'>, wave: string): readonly string[] {
  const at = new Map(plan.waves.map((w, i) => [w.name, i]));
  const waveOf = new Map(plan.waves.flatMap((w) => w.sets.map((s) => [s, w.name] as const)));
  const found = new Set<string>();
  const visit = (name: string): void => {
    for (const d of plan.dependencies) {
      const [from, to] = [waveOf.get(d.from) ?? '', waveOf.get(d.to) ?? ''];
      if (from !== name || to === name || found.has(to) || (at.get(to) ?? 0) <= (at.get(name) ?? 0)) continue;
      found.add(to);
      visit(to);
    }
  };
  visit(wave);
  return [...found].sort((a, b) => (at.get(b) ?? 0) - (at.get(a) ?? 0));
}
