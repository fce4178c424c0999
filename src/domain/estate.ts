/** An estate: many applications that move in waves, each an ordinary migration over its own applications and what they use. */
import type { Application, Migration } from './migration.ts';

export interface EstateApplication extends Application {
  /** Who answers for it on the phone; absent: nothing was said. */
  readonly owner?: string;
  /** Client libraries, such as `java 3.7`; shown beside the application. */
  readonly libraries: readonly string[];
  /** Kafka Streams application id: its changelogs and repartition topics are internal to it and move with it. */
  readonly streams?: string;
  /** The scheme it wants; absent: that of its wave, then that of the estate. */
  readonly scheme?: string;
  /** The wave it belongs to, by name; absent: wherever it fits. */
  readonly wave?: string;
  /** `canary`: moves in the first wave, alone with other canaries. */
  readonly hint: 'canary' | 'none';
  /** Applications that must have moved before, or move in the same wave. */
  readonly after: readonly string[];
}

/** A wave that was named by a person; the order in the list is the order in time. */
export interface DeclaredWave {
  readonly name: string;
  readonly scheme?: string;
}

export interface Estate extends Pick<Migration, 'source' | 'target' | 'connect' | 'groups' | 'outage' | 'limits'> {
  /** Lower-case letters, digits and dashes; the workflow id is `cutover-estate/<source>/<target>/<name>`. */
  readonly name: string;
  /** `staging`, `production`: shown wherever a person decides; the same file runs elsewhere by another catalog alone. */
  readonly environment: string;
  /** A settled wave waits with its way back open, so an estate always has one. */
  readonly connectBack: string;
  /** The scheme of applications and waves that name none. */
  readonly scheme: string;
  readonly applications: readonly EstateApplication[];
  readonly waves: readonly DeclaredWave[];
  /** Most applications in one wave; what must move together stays together also above it. */
  readonly waveSize: number;
  /** Most applications of a wave that only read and are stopped and started together; absent: one after the other. */
  readonly atOnce?: number;
}

/** What was seen on the source, where somebody looked. Declared facts are checked against it; figures come from it. */
export interface Observed {
  readonly topics: readonly { readonly name: string; readonly partitions: number }[];
  /** Groups with positions on, or members at, these topics. */
  readonly groups: readonly { readonly group: string; readonly topics: readonly string[] }[];
}

export const estateIdOf = (e: Pick<Estate, 'source' | 'target' | 'name'>): string => `cutover-estate/${e.source}/${e.target}/${e.name}`;

/** Whether a scheme copies history by a mirror; by scheme name, as the workflows know them. */
export type Copies = Readonly<Record<string, boolean>>;

export const byName = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);
export const sorted = (names: Iterable<string>): readonly string[] => [...new Set(names)].sort(byName);
export const countOf = (n: number, noun: string): string => `${n.toLocaleString('en-US')} ${noun}${n === 1 ? '' : 's'}`;
/** Up to `most` names, then how many more. */
export const some = (names: readonly string[], most = 5): string => (names.length <= most ? names.join(', ') : `${names.slice(0, most).join(', ')} and ${names.length - most} more`);
