/** How a JVM of the stack is started: small, quick, and with the class data archive where there is one. */
import type { JarSet } from './tools.ts';

/** `start`: ready soonest, for tests and demo. `throughput`: the optimizing compiler too, for benchmarks. */
export type JvmAim = 'start' | 'throughput';

export const jvmArgs = (of: {
  readonly jars: Pick<JarSet, 'classpath' | 'archive'>;
  readonly aim: JvmAim;
  readonly heap: readonly [string, string];
  readonly flags: readonly string[];
  readonly main: readonly [string, ...string[]];
}): readonly string[] => [
  `-Xms${of.heap[0]}`, `-Xmx${of.heap[1]}`, '-XX:+UseSerialGC', '-XX:-UsePerfData', '-Djava.awt.headless=true',
  ...(of.aim === 'start' ? ['-XX:TieredStopAtLevel=1'] : []),
  ...(of.jars.archive === null ? [] : ['-Xshare:auto', `-XX:SharedArchiveFile=${of.jars.archive}`, '-Xlog:cds=off', '-Xlog:class+path=off']),
  ...of.flags,
  '-cp', of.jars.classpath, ...of.main,
];
