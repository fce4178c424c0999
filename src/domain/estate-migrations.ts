/** From the plan of an estate to the migrations of its waves: ordinary ones, each with what it must know of the others. */
import type { Estate } from './estate.ts';
import { sorted } from './estate.ts';
import { hasMoved, recordOf, type EstateJournal } from './estate-journal.ts';
import type { WavePlan } from './estate-waves.ts';
import { cutSets, pureReaders, type CutSet } from './cutsets.ts';
import { Failure } from './failures.ts';
import { cutsOf, groundworkWave, groupsOf, readsOf, workflowIdOf, type Application, type Elsewhere, type FedSet, type GroupPolicy, type Migration } from './migration.ts';
import { unkept } from './offers.ts';
import { inBatches, parseMigration } from './parse-migration.ts';

export const waveIdOf = (e: Pick<Estate, 'source' | 'target' | 'name'>, wave: string): string => workflowIdOf({ ...e, name: `${e.name}-${wave}` });

/** Cut sets by wave: the same ones that the migration of the wave works out for itself. */
export function setsByWave(e: Estate, plan: Pick<WavePlan, 'waves'>): ReadonlyMap<string, readonly CutSet[]> {
  return new Map(plan.waves.map((w) => [w.name, cutSets({
    topics: w.topics, applications: e.applications.filter((a) => w.applications.includes(a.name)), ...cutsOf(w.scheme), estate: { id: '', run: '', wave: w.name, feeds: [], elsewhere: [] },
  })]));
}
const plain = (s: CutSet): FedSet => ({ name: s.name, topics: s.topics });
const fedAmong = (plan: Pick<WavePlan, 'feeds'>, sets: readonly CutSet[]): readonly FedSet[] => {
  const topics = new Set(plan.feeds.map((f) => f.topic));
  return sets.filter((s) => s.topics.some((t) => topics.has(t))).map(plain);
};

/** What the migrations of the waves would be refused for, each with the name of its wave; looked at before the first one begins. */
export function faultsOf(j: EstateJournal): readonly string[] {
  return j.plan.waves.flatMap((w) => {
    try {
      const broken = unkept(parseMigration(migrationOf(j, w.name), w.scheme), w.scheme);
      return broken === null ? [] : [`Wave ${w.name}: ${broken}`];
    } catch (error) {
      if (error instanceof Failure) return [`Wave ${w.name}: ${error.message}`];
      throw error;
    }
  });
}

/** Only what a migration knows of an application. */
const bare = ({ name, fleet, writes, reads, principals, transactionalIds, tolerates }: Application): Application =>
  ({ name, fleet, writes, reads, principals, transactionalIds, ...(tolerates === undefined ? {} : { tolerates }) });

/** Groups that read these topics and move in other waves stay where they are, as far as this one is concerned. */
function leaving(e: Estate, topics: readonly string[], members: readonly string[]): Readonly<Record<string, GroupPolicy>> {
  const touched = new Set(topics);
  const others = e.applications.filter((a) => !members.includes(a.name)).flatMap((a) => a.reads.filter((r) => r.topics.some((t) => touched.has(t))).map((r) => r.group));
  return { ...e.groups, ...Object.fromEntries(sorted(others).map((g) => [g, 'leave'] as const)) };
}

/** The whole estate as one migration: only to look at the clusters once, never run. */
export const wholeOf = (e: Estate): Migration => ({
  name: e.name, source: e.source, target: e.target, connect: e.connect, connectBack: e.connectBack,
  topics: sorted(e.applications.flatMap((a) => [...a.writes, ...readsOf(a)])), applications: e.applications.map(bare), groups: e.groups, outage: e.outage, limits: e.limits,
});

export function migrationOf(j: EstateJournal, wave: string): Migration {
  const { estate: e } = j;
  const sets = setsByWave(e, j.plan);
  const part = { id: j.workflowId, run: j.run, wave };
  if (wave === groundworkWave) {
    const all = [...sets.values()].flat();
    const feeds = fedAmong(j.plan, all);
    const fed = new Set(feeds.map((s) => s.name));
    return {
      ...wholeOf(e), name: `${e.name}-${wave}`, applications: [], connect: feeds.length === 0 ? null : e.connect, topics: sorted(all.flatMap((s) => s.topics)),
      groups: { ...e.groups, ...Object.fromEntries(sorted(e.applications.flatMap(groupsOf)).map((g) => [g, 'leave'] as const)) },
      estate: { ...part, feeds, elsewhere: all.filter((s) => !fed.has(s.name)).map((s): Elsewhere => ({ ...plain(s), authority: 'source', history: 'copied' })) },
    };
  }
  const planned = j.plan.waves.find((w) => w.name === wave);
  const own = sets.get(wave) ?? [];
  const members = planned?.applications ?? [];
  const elsewhere = elsewhereFor(j, { sets, reads: planned?.reads ?? [] });
  const topics = sorted([...own, ...elsewhere].flatMap((s) => s.topics));
  const applications = e.applications.filter((a) => members.includes(a.name)).map(bare);
  return {
    name: `${e.name}-${wave}`, source: e.source, target: e.target, connect: j.copies[planned?.scheme ?? ''] === true ? e.connect : null, connectBack: e.connectBack,
    topics, applications, ...batchesIn(e, { scheme: planned?.scheme ?? '', applications }), groups: leaving(e, topics, members), ...cutsOf(planned?.scheme ?? ''), outage: e.outage, limits: e.limits,
    estate: { ...part, feeds: fedAmong(j.plan, own), elsewhere },
  };
}

/** As many readers at once as the estate allows, where the scheme moves readers by themselves. */
function batchesIn(e: Estate, x: { readonly scheme: string; readonly applications: readonly Application[] }): Pick<Migration, 'batches'> {
  const readers = pureReaders(x).map((a) => a.name);
  const { atOnce = 1 } = e;
  if (atOnce === 1 || readers.length === 0 || !inBatches.includes(x.scheme)) return {};
  return { batches: Array.from({ length: Math.ceil(readers.length / atOnce) }, (_, i) => readers.slice(i * atOnce, (i + 1) * atOnce)) };
}

function elsewhereFor(j: EstateJournal, x: { readonly sets: ReadonlyMap<string, readonly CutSet[]>; readonly reads: readonly string[] }): readonly Elsewhere[] {
  const read = new Set(x.reads);
  return j.plan.waves.flatMap((w) => (x.sets.get(w.name) ?? []).filter((s) => s.topics.some((t) => read.has(t))).map((s): Elsewhere => ({
    ...plain(s), authority: hasMoved(recordOf(j, w.name)) ? 'target' : 'source', history: j.copies[w.scheme] === true ? 'copied' : 'not-copied',
  })));
}
