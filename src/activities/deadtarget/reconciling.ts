/** The target is back: what stands there and never came back to the source, partition by partition, record by record. Reads, and writes the report to the ledgers. */
import { cutSets } from '../../domain/cutsets.ts';
import { Failure } from '../../domain/failures.ts';
import type { Migration } from '../../domain/migration.ts';
import { leftBehind, type LeftOn, type Reconciliation } from '../../domain/reconciliation.ts';
import type { LogEnds, Ports } from '../../domain/ports.ts';
import type { At } from '../boundary.ts';
import { standingMarks, type Mark } from '../cut.ts';
import { createRecord, entry } from '../ledger.ts';
import { both, clusterOf, count, list, nameOf, unique } from '../outside.ts';
import type { Ask } from '../work.ts';
import { broughtAt, keptBrought, sourceBook } from './account.ts';

/** Runs listed in all; the counts are exact. */
const mostRuns = 5_000;

export async function reconcile(ports: Ports, given: Ask, at: At): Promise<Reconciliation> {
  const x = { ...given, m: await resolved(ports, given) };
  const { m, c } = x;
  const forsaken = await forsakenSets(ports, x);
  if (forsaken.length === 0) throw new Failure('BadMigration', `The ledger of ${m.source} knows no cut of run ${c.run} that was marked without the target: nothing was given up there.`, 'Name the migration that was rolled back without the target.');
  const compacted = await compactedOn(ports, x, forsaken);
  const partitions: LeftOn[] = [];
  let more = false;
  for (const of of forsaken) for (const key of Object.keys(of.begin.ends.target).sort()) {
    const found = await ofPartition(ports, x, { ...of, key, at, compacted: compacted.has(topicOf(key)), room: mostRuns - partitions.reduce((n, p) => n + p.runs.length, 0) });
    more ||= found.more;
    partitions.push(found.on);
  }
  const records = partitions.reduce((n, p) => n + p.records, 0);
  const answer: Reconciliation = { run: c.run, source: m.source, target: m.target, records, partitions, listed: more ? 'up-to-cap' : 'all', say: told(m, partitions) };
  await createRecord(ports).write(m, [entry(`${c.run}/reconciled`, { ...answer, partitions: partitions.filter((p) => p.records > 0).slice(0, 500), atMs: at.now() })], 'one', at);
  return answer;
}

function told(m: Migration, partitions: readonly LeftOn[]): string {
  const sum = (of: (p: LeftOn) => number): number => partitions.reduce((n, p) => n + of(p), 0);
  const touched = partitions.filter((p) => p.records > 0);
  const [gone, undecided, only, deleted] = [sum((p) => p.goneSince), sum((p) => p.undecided), sum((p) => p.sourceOnly), sum((p) => p.deleted)];
  return [
    `${count(sum((p) => p.records), 'record')} on ${count(touched.length, 'partition')} of ${m.target}${touched.length > 0 ? ` (${list(touched.map((p) => `${p.partition} ${p.records}`), 5)})` : ''} never came back to ${m.source}`,
    `${count(sum((p) => p.cameBack), 'record')} did`,
    ...(gone > 0 ? [`${count(gone, 'more record')} did, says the ledger, and ${gone === 1 ? 'is' : 'are'} not found on ${m.source} any more, expired or compacted`] : []),
    ...(undecided > 0 ? [`of ${count(undecided, 'record')} nobody can tell: ${m.source} has lost records of that time since, and the ledger does not say how far the mirror back had come`] : []),
    ...(only > 0 ? [`${count(only, 'record')} of that time ${only === 1 ? 'is' : 'are'} on ${m.source} only`] : []),
    ...(deleted > 0 ? [`${count(deleted, 'offset')} of ${m.target} were deleted before anybody looked`] : []),
  ].join('; ') + '. Nothing was merged.';
}

/** A set that was opened on the target and went back without it: the cut before, the cut marked then, how far the mirror back had come. */
interface Forsaken { readonly begin: Mark; readonly end: Mark; readonly kept: Awaited<ReturnType<typeof keptBrought>> }
async function forsakenSets(ports: Ports, x: Ask): Promise<readonly Forsaken[]> {
  // Waves keep their cuts under the run of their estate.
  const c = { ...x.c, run: x.m.estate?.run ?? x.c.run };
  return (await Promise.all(cutSets(x.m).map(async (set) => {
    const standing = await standingMarks(sourceBook(ports), { ...x, c, set });
    const i = standing.findIndex((mark) => mark.withoutTarget === true);
    const [end, begin] = [standing[i], standing[i + 1]];
    return end && begin?.to === 'target' ? [{ begin, end, kept: await keptBrought(ports, { ...x, c }, { set, opened: begin }) }] : [];
  }))).flat();
}

const topicOf = (key: string): string => key.slice(0, key.lastIndexOf('/'));
/** Topics that the source compacts. All of them are the ones that were given up: of one that was made anew nothing can be told. */
async function compactedOn(ports: Ports, x: Ask, forsaken: readonly Forsaken[]): Promise<ReadonlySet<string>> {
  const topics = unique(forsaken.flatMap(({ end }) => Object.keys(end.ids.source)));
  const there = { source: await clusterOf(ports, x.m, 'source').topics(topics), target: await clusterOf(ports, x.m, 'target').topics(topics) };
  const faults = forsaken.flatMap(({ begin, end }) => both.flatMap((side) => Object.entries((side === 'source' ? end : begin).ids[side]).flatMap(([topic, id]) => {
    const now = there[side].find((t) => t.name === topic);
    const where = `Topic ${topic} on cluster ${nameOf(x.m, side)}`;
    return !now ? [`${where} is not there any more.`] : id !== '' && now.id !== '' && now.id !== id ? [`${where} was made anew: its id is ${now.id}, was ${id}.`] : [];
  })));
  if (faults.length > 0) throw new Failure('Drift', faults.join(' '), 'What was in it then cannot be reconciled.');
  return new Set(there.source.filter((t) => t.configs['cleanup.policy']?.value.includes('compact') === true).map((t) => t.name));
}

/** As the migration was when it was given up: patterns replaced by the names they matched then. */
async function resolved(ports: Ports, x: Ask): Promise<Migration> {
  for (const name of ['final', 'journal']) {
    const text = (await ports.ledger.read(x.m.source, `${x.c.run}/${name}`)).get(`${x.c.run}/${name}`);
    if (text !== undefined) return (JSON.parse(text) as { readonly migration: Migration }).migration;
  }
  throw new Failure('BadMigration', `The ledger of ${x.m.source} has no journal of run ${x.c.run}.`, 'Name the migration that was rolled back without the target.');
}

interface OfPartition extends Forsaken { readonly key: string; readonly compacted: boolean; readonly room: number; readonly at: At }
async function ofPartition(ports: Ports, x: Ask, { key, begin, end, kept, compacted, room, at }: OfPartition): Promise<{ readonly on: LeftOn; readonly more: boolean }> {
  const of = { topic: topicOf(key), partition: Number(key.slice(key.lastIndexOf('/') + 1)) };
  const [source, target] = [clusterOf(ports, x.m, 'source'), clusterOf(ports, x.m, 'target')];
  const logs = async (): Promise<{ readonly here: LogEnds | undefined; readonly there: LogEnds | undefined }> => { const [[here], [there]] = await Promise.all([source.ends([of]), target.ends([of])]); return { here, there }; };
  const [from, to] = [BigInt(begin.ends.source[key]?.hw ?? '0'), BigInt(end.ends.source[key]?.hw ?? '0')];
  const cut = BigInt(begin.ends.target[key]?.hw ?? '0');
  for (let round = 1; ; round += 1) {
    const { here, there } = await logs();
    if (!here || !there) throw new Failure('Drift', `Partition ${key} is not on cluster ${here ? x.m.target : x.m.source} any more.`, 'What was there cannot be reconciled.');
    if (there.hw < cut) throw new Failure('MirrorDamaged', `The log of ${key} on cluster ${x.m.target} ends at ${there.hw}, below ${cut} of cut ${begin.epoch}: it lost its tail when the cluster died.`, 'Look at its brokers before anything is reconciled.');
    const start = latest(there.logStart, cut);
    const thinned = compacted || here.logStart > from;
    const { more, ...found } = await leftBehind(source.records.range({ ...of, from, to }), target.records.range({ ...of, from: start, to: there.lso }), { mostRuns: room, thinned, beheaded: start > cut && here.logStart <= from, brought: kept ? broughtAt(kept, begin, key) : 'unknown' });
    at.until.check();
    const after = await logs();
    const deleted = latest(after.there?.logStart ?? 0n, cut);
    // Heads that go while they are read are neither here nor there. On a busy topic they go all the time.
    if (round === mostRounds || ((thinned || (after.here?.logStart ?? 0n) <= from) && deleted === start)) return { on: { partition: key, ...found, deleted: Number(deleted - cut) }, more };
  }
}
/** A partition whose heads go on going is read so often. */
const mostRounds = 3;
const latest = (a: bigint, b: bigint): bigint => (a > b ? a : b);
