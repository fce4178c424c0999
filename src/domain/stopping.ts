/** In which order everybody stops when what was written is to be read to its end: whoever feeds stops first, drained comes next. */
import type { Breach } from './authority.ts';
import { pureReaders, type CutSet } from './cutsets.ts';
import type { Application, Migration } from './migration.ts';
import { groupsOf, readsOf } from './migration.ts';

/** Applications that stop together, after all that feed them. */
export interface Stage {
  readonly applications: readonly Application[];
  /** What they read and others have stopped writing by then. */
  readonly inputs: readonly string[];
  /** What they read and write themselves: only silence says that it has run dry. */
  readonly loops: readonly string[];
  /** Topics that nobody writes any more once these are gone, with their writers; `null`: none. */
  readonly closes: CutSet | null;
}
type Parts = Pick<Migration, 'topics' | 'applications'>;

/** Stages of writers in topological order, then all that only read. */
export function stoppingOrder(m: Parts): readonly Stage[] {
  const readers = pureReaders(m);
  const writers = m.applications.filter((a) => !readers.includes(a));
  const levels = levelsOf(writers);
  const last = Math.max(-1, ...levels.values());
  const stages = Array.from({ length: last + 1 }, (_, level) => stageOf(m, writers.filter((a) => levels.get(a.name) === level), (a) => levels.get(a.name) ?? 0));
  return readers.length === 0 ? stages : [...stages, { applications: readers, inputs: topicsRead(readers), loops: [], closes: null }];
}

/** Topics whose records make more of them, and that only a declared quiescence can call dry; with who reads and writes them. */
export const loopsIn = (m: Parts): readonly { readonly topic: string; readonly applications: readonly string[] }[] =>
  stoppingOrder(m).flatMap((s) => s.loops.map((topic) => ({ topic, applications: s.applications.filter((a) => a.writes.includes(topic) || readsOf(a).includes(topic)).map((a) => a.name) })));

/** Schemes in which everybody reads to the end before anything opens, and those in which who reads and writes does; only the first know `quiet`. */
const drainsAll: readonly string[] = ['stopWaitRestart', 'blueGreen'];
const drainsWriters: readonly string[] = ['producerFirst', 'dualConsume'];

function openLoops(m: Parts & Pick<Migration, 'quiet'>, scheme: string): ReturnType<typeof loopsIn> {
  if (drainsWriters.includes(scheme)) return loopsIn(m);
  return drainsAll.includes(scheme) ? loopsIn(m).filter((l) => (m.quiet?.[l.topic] ?? 0) === 0) : [];
}

/** Why this scheme cannot stop these applications; empty: it can. */
export function endless(m: Parts & Pick<Migration, 'quiet'>, scheme: string): readonly string[] {
  const open = openLoops(m, scheme);
  if (open.length === 0) return [];
  const loops = open.map((l) => `${l.topic} is a loop (${l.applications.join(', ')} ${l.applications.length === 1 ? 'reads and writes' : 'read and write'} it)`).join('; ');
  const quiet = `"quiet": {${open.map((l) => `"${l.topic}": 5000`).join(', ')}} in ms`;
  return [drainsAll.includes(scheme)
    ? `${loops}, and ${scheme} waits until everything is read: nobody can see that a loop has run dry. Declare how long it must bring nothing new, such as ${quiet}; or choose stopRestartRepeat, which moves it without waiting for it.`
    : `${loops}, and ${scheme} copies nothing: who reads and writes must read everything on the source before it moves, and a loop is never read to its end, for what is read makes more of it. "quiet" is of no help here: choose stopRestartRepeat, which moves it without waiting for it, or stopWaitRestart, which knows ${quiet}.`];
}
/** Breaches but for those that are the loops `endless` tells of, in the words of the safety model. */
export function besidesLoops(m: Parts & Pick<Migration, 'quiet'>, scheme: string, breaches: readonly Breach[]): readonly Breach[] {
  const loops = openLoops(m, scheme);
  return breaches.filter((b) => b.rule !== 'reads-what-comes' || !loops.some((l) => b.why.includes(` is to have drained ${l.topic} on `)));
}

const topicsRead = (applications: readonly Application[]): readonly string[] => [...new Set(applications.flatMap(readsOf))].sort();

function stageOf(m: Parts, applications: readonly Application[], levelOf: (a: Application) => number): Stage {
  const level = applications[0] ? levelOf(applications[0]) : 0;
  const own = new Set(applications.flatMap((a) => a.writes));
  const loops = topicsRead(applications).filter((t) => own.has(t));
  const written = [...own].sort().filter((t) => m.topics.includes(t) && m.applications.every((a) => !a.writes.includes(t) || levelOf(a) <= level));
  const first = written[0];
  return {
    applications, loops, inputs: topicsRead(applications).filter((t) => !own.has(t)),
    closes: first === undefined ? null : { name: first, topics: written, writers: m.applications.filter((a) => a.writes.some((t) => written.includes(t))).map((a) => a.name).sort() },
  };
}

/** Application → its place: after all whose records it reads, beside those it makes a loop or shares a group with. */
function levelsOf(writers: readonly Application[]): ReadonlyMap<string, number> {
  const feeds = new Map(writers.map((a) => [a.name, writers.filter((b) => b !== a && (readsOf(b).some((t) => a.writes.includes(t)) || groupsOf(a).some((g) => groupsOf(b).includes(g))))] as const));
  const reach = new Map(writers.map((a) => [a.name, reached(feeds, a)] as const));
  const together = (a: Application, b: Application): boolean => a === b || (reach.get(a.name)?.has(b.name) === true && reach.get(b.name)?.has(a.name) === true);
  const levels = new Map<string, number>();
  const place = (a: Application): number => {
    const known = levels.get(a.name);
    if (known !== undefined) return known;
    const peers = writers.filter((b) => together(a, b));
    const before = writers.filter((b) => !peers.includes(b) && feeds.get(b.name)?.some((c) => peers.includes(c)));
    const level = Math.max(-1, ...before.map(place)) + 1;
    for (const b of peers) levels.set(b.name, level);
    return level;
  };
  for (const a of writers) place(a);
  return levels;
}

function reached(feeds: ReadonlyMap<string, readonly Application[]>, from: Application): ReadonlySet<string> {
  const seen = new Set<string>();
  const rest = [from];
  for (let a = rest.pop(); a; a = rest.pop())
    for (const next of feeds.get(a.name) ?? []) if (!seen.has(next.name)) { seen.add(next.name); rest.push(next); }
  return seen;
}
