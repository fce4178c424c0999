/** Overrides of topic settings: brought to what is wanted, and read back. */
import { Failure } from '../domain/failures.ts';
import type { Cluster, TopicFacts } from '../domain/ports.ts';
import type { At } from './boundary.ts';
import { list } from './outside.ts';

/** Per topic, setting → wanted override; `null`: none. */
export type Wanted = ReadonlyMap<string, Readonly<Record<string, string | null>>>;

export const overrideOf = (t: TopicFacts | undefined, name: string): string | null => {
  const c = t?.configs[name];
  return c?.source === 'topic' ? c.value : null;
};

/** Writes only what differs, and reads back. Answers how many topics it changed. `what`: the settings, in a sentence. */
export async function bring(cluster: Cluster, o: { readonly wanted: Wanted; readonly what: string }, at: At): Promise<number> {
  const look = async (): Promise<readonly Changed[]> => differing(await cluster.topics([...o.wanted.keys()]), o.wanted);
  const changes = await look();
  at.until.check();
  if (changes.length > 0) await cluster.setTopicConfigs(changes, at.until);
  for (const deadline = at.now() + 10_000; ; await at.pause(50)) {
    const left = await look();
    if (left.length === 0) return changes.length;
    if (at.now() > deadline) throw new Failure('Drift', `Cluster ${cluster.name} acknowledged ${o.what} of ${list(left.map((c) => c.topic))} and does not show them.`, 'Look whether something else manages these topics; then retry.');
  }
}

interface Changed { readonly topic: string; readonly set: Readonly<Record<string, string>>; readonly unset: readonly string[] }
function differing(topics: readonly TopicFacts[], wanted: Wanted): readonly Changed[] {
  return topics.map((t) => {
    const off = Object.entries(wanted.get(t.name) ?? {}).filter(([name, value]) => overrideOf(t, name) !== value);
    return { topic: t.name, set: Object.fromEntries(off.flatMap(([name, value]) => (value === null ? [] : [[name, value]]))), unset: off.flatMap(([name, value]) => (value === null ? [name] : [])) };
  }).filter((c) => Object.keys(c.set).length > 0 || c.unset.length > 0);
}
