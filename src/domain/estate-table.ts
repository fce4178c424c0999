/** The waves of an estate as a table: what each one touches, and who is hit when it goes wrong. */
import type { Estate, Observed } from './estate.ts';
import { countOf, some, sorted } from './estate.ts';
import { dependents, type WavePlan } from './estate-waves.ts';
import { cutsOf, groupsOf, readsOf } from './migration.ts';
import { cutSets } from './cutsets.ts';

/** The blast radius of one wave: everything that stands still, or stands to lose, while it moves. */
export interface Blast {
  readonly wave: string;
  readonly scheme: string;
  readonly why: 'canary' | 'named' | 'proposed';
  readonly applications: readonly string[];
  /** Topics that are cut. */
  readonly topics: readonly string[];
  /** Partitions of these; `unknown` while nobody looked at the source. */
  readonly partitions: number | 'unknown';
  /** Groups that move. */
  readonly groups: readonly string[];
  /** Write outages, one after the other, and the longest any of them may take, ms. */
  readonly outages: number;
  readonly budgetMs: number;
  /** Applications outside of the wave that read what it cuts: fed by a mirror as long as they stand on the other side. */
  readonly readers: readonly string[];
  /** Groups seen at these topics that nobody declared. */
  readonly strangers: readonly string[];
  /** Later waves that would have to go back first. */
  readonly dependents: readonly string[];
  /** Topics it reads before they are cut: mirrored from before the first wave. */
  readonly fed: readonly string[];
  /** What its applications accept and what their owners are called, one line each; empty where nothing was said. */
  readonly owners: readonly string[];
}

export function blastOf(e: Estate, plan: WavePlan, observed: Observed | null): readonly Blast[] {
  const partitions = new Map((observed?.topics ?? []).map((t) => [t.name, t.partitions]));
  const declared = new Set([...e.applications.flatMap(groupsOf), ...Object.keys(e.groups)]);
  return plan.waves.map((w): Blast => {
    const members = new Set(w.applications);
    const topics = new Set(w.topics);
    const own = e.applications.filter((a) => members.has(a.name));
    const counts = w.topics.map((t) => partitions.get(t));
    return {
      wave: w.name, scheme: w.scheme, why: w.why, applications: w.applications, topics: w.topics,
      partitions: observed === null || counts.some((n) => n === undefined) ? 'unknown' : counts.reduce<number>((n, c) => n + (c ?? 0), 0),
      groups: sorted(own.flatMap(groupsOf)),
      outages: cutSets({ topics: w.topics, applications: own, ...cutsOf(w.scheme) }).length, budgetMs: e.outage.budgetMs,
      readers: sorted(e.applications.filter((a) => !members.has(a.name) && readsOf(a).some((t) => topics.has(t))).map((a) => a.name)),
      strangers: sorted((observed?.groups ?? []).filter((g) => !declared.has(g.group) && g.topics.some((t) => topics.has(t))).map((g) => g.group)),
      dependents: dependents(plan, w.name), fed: plan.feeds.filter((f) => f.readIn.includes(w.name)).map((f) => f.topic),
      owners: sorted(own.flatMap((a) => (a.owner === undefined ? [] : [`${a.owner}: ${sorted(own.filter((b) => b.owner === a.owner).map((b) => b.name)).join(', ')}`]))),
    };
  });
}

/** Columns in words an operator can check a wave with; the whole estate in the last line. */
export function tableText(blasts: readonly Blast[]): string {
  const head = ['wave', 'scheme', 'applications', 'topics', 'partitions', 'groups', 'outages', 'readers outside', 'goes back first'];
  const rows = blasts.map((b) => [
    b.wave, b.scheme, String(b.applications.length), String(b.topics.length), String(b.partitions), String(b.groups.length),
    b.outages === 0 ? 'none' : `${b.outages} of at most ${b.budgetMs / 1_000} s`, String(b.readers.length), b.dependents.length === 0 ? '-' : some(b.dependents, 4),
  ]);
  const total = ['all', '', String(sum(blasts, (b) => b.applications.length)), String(sum(blasts, (b) => b.topics.length)), totalPartitions(blasts), String(sum(blasts, (b) => b.groups.length)), String(sum(blasts, (b) => b.outages)), '', ''];
  const all = [head, ...rows, total];
  const widths = head.map((_, i) => Math.max(...all.map((r) => r[i]?.length ?? 0)));
  return all.map((r) => r.map((cell, i) => cell.padEnd(widths[i] ?? 0)).join('  ').trimEnd()).join('\n');
}
const sum = (blasts: readonly Blast[], of: (b: Blast) => number): number => blasts.reduce((n, b) => n + of(b), 0);
const totalPartitions = (blasts: readonly Blast[]): string => (blasts.some((b) => b.partitions === 'unknown') ? 'unknown' : String(sum(blasts, (b) => (b.partitions === 'unknown' ? 0 : b.partitions))));

/** Applications that cannot be parted, and why, one line each; empty where every application is on its own. */
export const boundText = (plan: WavePlan): string => plan.sets.filter((s) => s.applications.length > 1)
  .map((s) => `  ${some(s.applications, 8)}: ${some(s.because, 3)}`).join('\n');

/** One paragraph per wave, with the names behind the figures of the table. */
export function blastText(b: Blast): string {
  const line = (label: string, names: readonly string[], most = 12): readonly string[] => (names.length === 0 ? [] : [`  ${label.padEnd(16)}${some(names, most)}`]);
  return [
    `${b.wave} (${b.why}, ${b.scheme}): ${countOf(b.applications.length, 'application')}, ${countOf(b.topics.length, 'topic')}, ${b.partitions === 'unknown' ? 'an unknown number of partitions' : countOf(b.partitions, 'partition')}, ${countOf(b.groups.length, 'group')}`,
    ...line('applications', b.applications), ...line('owners', b.owners), ...line('cuts', b.topics), ...line('groups', b.groups), ...line('readers outside', b.readers),
    ...line('mirrored early', b.fed), ...line('undeclared', b.strangers), ...line('goes back first', b.dependents),
  ].join('\n');
}
