/** What every activity reaches for: the clusters by side, what an application's groups read, faults told all at once. */
import type { Side } from '../domain/authority.ts';
import { allSets, type CutSet } from '../domain/cutsets.ts';
import { Failure, failures, type FailureType } from '../domain/failures.ts';
import type { Application, Migration } from '../domain/migration.ts';
import { tpKey, type Cluster, type LogEnds, type Ports, type TopicFacts, type TopicPartition } from '../domain/ports.ts';
import type { Json } from '../domain/json.ts';

/** A `Done` before it is timed. */
export interface Said { readonly say: string; readonly figures?: Json }

/** The two clusters of a migration, or of a comparison. */
export type Clusters = Pick<Migration, Side>;
export const nameOf = (m: Clusters, side: Side): string => m[side];
export const clusterOf = (ports: Ports, m: Migration, side: Side): Cluster => ports.cluster(nameOf(m, side));
export const both = ['source', 'target'] as const;

export const byName = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);
export const unique = (names: Iterable<string>): readonly string[] => [...new Set(names)].sort(byName);

/** The named ones; a name that the migration does not declare is a fault of the plan. */
export function applicationsOf(m: Migration, names: readonly string[]): readonly Application[] {
  return names.map((name) => {
    const found = m.applications.find((a) => a.name === name);
    if (!found) throw new Failure('BadMigration', `Application ${name} is not declared in the migration.`);
    return found;
  });
}
/** Topics of the migration that a group reads, over all applications that share it. */
export const topicsOf = (m: Migration, group: string): readonly string[] =>
  unique(m.applications.flatMap((a) => a.reads.filter((r) => r.group === group).flatMap((r) => r.topics)));
/** Cut sets that hold any of these topics. */
export const setsOf = (m: Migration, topics: readonly string[]): readonly CutSet[] => allSets(m).filter((s) => s.topics.some((t) => topics.includes(t)));

export const byKey = (ends: readonly LogEnds[]): ReadonlyMap<string, LogEnds> => new Map(ends.map((e) => [tpKey(e), e]));
export const partitionsOf = (topics: readonly TopicFacts[]): readonly TopicPartition[] =>
  topics.flatMap((t) => Array.from({ length: t.partitions }, (_, partition) => ({ topic: t.name, partition })));

/** Up to ten names, then how many more. */
export const list = (names: readonly string[], most = 10): string =>
  names.length <= most ? names.join(', ') : `${names.slice(0, most).join(', ')} and ${names.length - most} more`;
/** 12,345 */
export const grouped = (n: number | bigint): string => n.toLocaleString('en-US');
export const count = (n: number | bigint, noun: string): string => `${grouped(n)} ${noun}${n === 1 || n === 1n ? '' : 's'}`;

/** One fault of several that are told together. */
export interface Fault { readonly type: FailureType; readonly text: string }

/** All faults in one message. Retried by itself only when every one of them may pass by itself. */
export function refuse(where: string, faults: readonly Fault[], next: string): void {
  if (faults.length === 0) return;
  const type = faults.find((f) => failures[f.type].retry === 'ask')?.type ?? faults[0]?.type ?? 'Unreachable';
  const shown = faults.slice(0, 20).map((f) => `- ${f.text}`);
  const rest = faults.length > shown.length ? [`- and ${faults.length - shown.length} more`] : [];
  throw new Failure(type, `${where} has ${count(faults.length, 'fault')}:\n${[...shown, ...rest].join('\n')}\n`, next);
}
/** What a call refuses with becomes one fault among others; anything that is no `Failure` is thrown on. */
export async function faultOf(call: () => Promise<readonly Fault[] | undefined | void>): Promise<readonly Fault[]> {
  try {
    return (await call()) ?? [];
  } catch (error) {
    if (error instanceof Failure) return [{ type: error.type, text: error.message }];
    throw error;
  }
}
