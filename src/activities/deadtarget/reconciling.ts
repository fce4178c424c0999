/** The target is back: what stands there and never came back to the source, partition by partition, record by record. Reads, and writes the report to the ledgers. */
import { cutSets } from '../../domain/cutsets.ts';
import { Failure } from '../../domain/failures.ts';
import type { Migration } from '../../domain/migration.ts';
import { leftBehind, type LeftOn, type Reconciliation } from '../../domain/reconciliation.ts';
import { tpKey, type LogEnds, type Ports } from '../../domain/ports.ts';
import type { At } from '../boundary.ts';
import { standingMarks, type Mark } from '../cut.ts';
import { createRecord, entry } from '../ledger.ts';
import { clusterOf, count, list } from '../outside.ts';
import type { Ask } from '../work.ts';
import { sourceBook } from './account.ts';

/** Runs listed in all; the counts are exact. */
const mostRuns = 5_000;

export async function reconcile(ports: Ports, given: Ask, at: At): Promise<Reconciliation> {
  const x = { ...given, m: await resolved(ports, given) };
  const { m, c } = x;
  const forsaken = (await Promise.all(cutSets(m).map(async (set) => {
    // Waves keep their cuts under the run of their estate.
    const standing = await standingMarks(sourceBook(ports), { ...x, c: { ...c, run: m.estate?.run ?? c.run }, set });
    const i = standing.findIndex((mark) => mark.withoutTarget === true);
    const [end, begin] = [standing[i], standing[i + 1]];
    return end && begin?.to === 'target' ? [{ begin, end }] : [];
  }))).flat();
  if (forsaken.length === 0) throw new Failure('BadMigration', `The ledger of ${m.source} knows no cut of run ${c.run} that was marked without the target: nothing was given up there.`, 'Name the migration that was rolled back without the target.');
  const topics = forsaken.flatMap(({ end }) => Object.keys(end.ids.source));
  const now = new Map((await clusterOf(ports, m, 'target').ends(topics)).map((e) => [tpKey(e), e]));
  const partitions: LeftOn[] = [];
  let more = false;
  for (const { begin, end } of forsaken) for (const key of Object.keys(begin.ends.target).sort()) {
    const found = await ofPartition(ports, x, { key, begin, end, now: now.get(key), room: mostRuns - partitions.reduce((n, p) => n + p.runs.length, 0) });
    more ||= found.more;
    partitions.push(found.on);
    at.until.check();
  }
  const sum = (of: (p: LeftOn) => number): number => partitions.reduce((n, p) => n + of(p), 0);
  const records = sum((p) => p.records);
  const touched = partitions.filter((p) => p.records > 0);
  const answer: Reconciliation = {
    run: c.run, source: m.source, target: m.target, records, partitions, listed: more ? 'up-to-cap' : 'all',
    say: `${count(records, 'record')} on ${count(touched.length, 'partition')} of ${m.target}${touched.length > 0 ? ` (${list(touched.map((p) => `${p.partition} ${p.records}`), 5)})` : ''} never came back to ${m.source}; ${count(sum((p) => p.cameBack), 'record')} did${sum((p) => p.sourceOnly) > 0 ? `; ${count(sum((p) => p.sourceOnly), 'record')} of that time ${sum((p) => p.sourceOnly) === 1 ? 'is' : 'are'} on ${m.source} only` : ''}${sum((p) => p.deleted) > 0 ? `; ${count(sum((p) => p.deleted), 'offset')} of ${m.target} were deleted before anybody looked` : ''}. Nothing was merged.`,
  };
  await createRecord(ports).write(m, [entry(`${c.run}/reconciled`, { ...answer, partitions: touched.slice(0, 500), atMs: at.now() })], 'one', at);
  return answer;
}

/** As the migration was when it was given up: patterns replaced by the names they matched then. */
async function resolved(ports: Ports, x: Ask): Promise<Migration> {
  for (const name of ['final', 'journal']) {
    const text = (await ports.ledger.read(x.m.source, `${x.c.run}/${name}`)).get(`${x.c.run}/${name}`);
    if (text !== undefined) return (JSON.parse(text) as { readonly migration: Migration }).migration;
  }
  throw new Failure('BadMigration', `The ledger of ${x.m.source} has no journal of run ${x.c.run}.`, 'Name the migration that was rolled back without the target.');
}

interface OfPartition { readonly key: string; readonly begin: Mark; readonly end: Mark; readonly now: LogEnds | undefined; readonly room: number }
async function ofPartition(ports: Ports, x: Ask, { key, begin, end, now, room }: OfPartition): Promise<{ readonly on: LeftOn; readonly more: boolean }> {
  const of = { topic: key.slice(0, key.lastIndexOf('/')), partition: Number(key.slice(key.lastIndexOf('/') + 1)) };
  if (!now) throw new Failure('Drift', `Partition ${key} is not on cluster ${x.m.target} any more.`, 'What was there cannot be reconciled.');
  const [from, to] = [BigInt(begin.ends.source[key]?.hw ?? '0'), BigInt(end.ends.source[key]?.hw ?? '0')];
  const there = BigInt(begin.ends.target[key]?.hw ?? '0');
  if (now.hw < there) throw new Failure('MirrorDamaged', `The log of ${key} on cluster ${x.m.target} ends at ${now.hw}, below ${there} of cut ${begin.epoch}: it lost its tail when the cluster died.`, 'Look at its brokers before anything is reconciled.');
  const start = now.logStart > there ? now.logStart : there;
  const { more, ...found } = await leftBehind(
    clusterOf(ports, x.m, 'source').records.range({ ...of, from, to }),
    clusterOf(ports, x.m, 'target').records.range({ ...of, from: start, to: now.lso }), room);
  return { on: { partition: key, ...found, deleted: Number(start - there) }, more };
}
