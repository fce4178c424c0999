/** Where a new mirror begins, decided from cuts and from what an earlier attempt left; and what it copied first, shown on records. */
import { otherSide, type Side } from '../domain/authority.ts';
import { Failure } from '../domain/failures.ts';
import { tpKey, type Cluster, type LogEnds, type MirrorSpec, type Ports, type Position, type SeenRecord } from '../domain/ports.ts';
import type { At } from './boundary.ts';
import { familyOf, numberOf, type OfSet } from './connect.ts';
import { standingMark, type Mark } from './cut.ts';
import { entry, type LedgerBook } from './ledger.ts';
import { mirrorWriters } from './mirrorwriters.ts';
import { byKey, clusterOf, count, list, nameOf } from './outside.ts';

/** `mark`: the cut it follows; null where it copies from the beginning, or goes on where nothing was cut. */
export interface Start { readonly seed: readonly Position[]; readonly mark: Mark | null }

/** Where a removed mirror ended: a later one of the same run and epoch goes on there. */
interface Left { readonly name: string; readonly epoch: number; readonly next: Readonly<Record<string, string>>; readonly copied: Readonly<Record<string, string>> }
const leftKey = (x: OfSet): string => `${x.c.run}/mirror/${x.set.name}/${x.toward}/`;

async function leftOf(record: LedgerBook, x: OfSet, epoch: number): Promise<Left | null> {
  const all = [...(await record.read(x.m, leftKey(x))).values()].map((text) => JSON.parse(text) as Left).filter((l) => l.epoch === epoch);
  return all.sort((a, b) => numberOf(b.name, familyOf(x)) - numberOf(a.name, familyOf(x)))[0] ?? null;
}

/** Writes down where this mirror stands, after silencing it; nothing where it never wrote. */
export async function rememberWhere(ports: Ports, record: LedgerBook, { x, spec, at }: { readonly x: OfSet; readonly spec: MirrorSpec; readonly at: At }): Promise<void> {
  // An id that nobody knows has nothing open: its task never wrote, or not for a week.
  const writers = (await ports.mirrors.writers(spec)).filter((w) => w.producerId !== null);
  if (writers.length > 0) await ports.mirrors.silence(spec, writers, at.until);
  // It never wrote: there is no place to go on from.
  else if ((await ports.mirrors.anchors(spec)).size === 0) return;
  else await ports.mirrors.halt(spec, at.until);
  await ports.mirrors.awaitStopped(spec, at.until);
  const [next, ends, mark] = await Promise.all([ports.mirrors.progress(spec), clusterOf(ports, x.m, x.toward).ends(spec.topics), standingMark(record, x)]);
  const key = `${leftKey(x)}${spec.name}`;
  // It copied nothing. Or its offsets are gone: reset by an earlier try, which wrote down where they stood, or by others, and nobody knows.
  if (next.size === 0) return;
  const left: Left = {
    name: spec.name, epoch: mark?.epoch ?? 0,
    next: Object.fromEntries([...next].map(([key, n]) => [key, String(n)])), copied: Object.fromEntries(ends.map((e) => [tpKey(e), String(e.hw)])),
  };
  await record.write(x.m, [entry(key, left)], 'one', at);
}

/**
 * A mirror copies only away from the authority: after a cut that is where the cut went, before any cut it is the source.
 * What stands between the cut and this mirror on the side written to may only be its own (`spec` exists already on a retry).
 */
export async function startOf(ports: Ports, record: LedgerBook, x: OfSet & { readonly spec: MirrorSpec; readonly exists: boolean }, at: At): Promise<Start> {
  const mark = await standingMark(record, x);
  const authority = mark?.to ?? 'source';
  if (authority === x.toward)
    throw new Failure('Unsupported', `Mirror ${x.spec.name} would copy to the ${x.toward}, where ${x.set.name} has its authority${mark ? ` since cut ${mark.epoch}` : ' until it is cut'}: it would write beside the applications.`, 'A mirror copies away from the authority only.');
  if (!mark || (await createdAnew(ports, x, mark))) return { seed: await seedUncut(ports, record, x, mark?.epoch ?? 0), mark: null };
  return { seed: await seedFromCut(ports, record, x, { mark, at }), mark };
}

/** Topics of the set whose log on that side is not the one that this cut was made in. */
export async function madeAnew(ports: Ports, x: Pick<OfSet, 'm' | 'set'>, o: { readonly mark: Mark; readonly on: Side }): Promise<readonly string[]> {
  const facts = await clusterOf(ports, x.m, o.on).topics(x.set.topics);
  return x.set.topics.filter((t) => facts.find((f) => f.name === t)?.id !== o.mark.ids[o.on][t]);
}

/** A target that was removed and created empty after the cut takes the whole log again. */
async function createdAnew(ports: Ports, x: OfSet, mark: Mark): Promise<boolean> {
  const [here, there] = await Promise.all([madeAnew(ports, x, { mark, on: x.toward }), madeAnew(ports, x, { mark, on: otherSide(x.toward) })]);
  const other = [...(x.toward === 'source' ? here : []), ...there];
  if (other.length > 0) throw new Failure('MirrorDamaged', `${list(other)} on cluster ${nameOf(x.m, x.toward === 'source' && here.length > 0 ? 'source' : otherSide(x.toward))} ${other.length === 1 ? 'is' : 'are'} not what cut ${mark.epoch} of ${x.set.name} recorded: deleted and created again since.`);
  if (here.length === 0) return false;
  const ends = await clusterOf(ports, x.m, x.toward).ends(x.set.topics);
  if (here.length === x.set.topics.length && ends.every((e) => e.hw === 0n)) return true;
  throw new Failure('MirrorDamaged', `${list(here)} on cluster ${nameOf(x.m, x.toward)} ${here.length === 1 ? 'was' : 'were'} created again since cut ${mark.epoch}, and ${x.set.name} is not empty there.`, 'Roll back to the start, so that the topics are removed; then retry.');
}

async function seedFromCut(ports: Ports, record: LedgerBook, x: OfSet & { readonly spec: MirrorSpec; readonly exists: boolean }, { mark, at }: { readonly mark: Mark; readonly at: At }): Promise<readonly Position[]> {
  const ends = await clusterOf(ports, x.m, x.toward).ends(x.set.topics);
  const left = await leftOf(record, x, mark.epoch);
  if (left) { requireAsLeft(x, left, ends); requireKnown(x, left, ends.filter((e) => e.hw > BigInt(mark.ends[x.toward][tpKey(e)]?.hw ?? '0'))); } else await requireOnlyOurs(ports, x, { record, at, mark, ends });
  return Object.entries(mark.ends[otherSide(x.toward)]).map(([key, end]): Position => {
    const at = key.lastIndexOf('/');
    return { topic: key.slice(0, at), partition: Number(key.slice(at + 1)), offset: BigInt(left?.next[key] ?? end.hw), metadata: '' };
  }).filter((p) => p.offset > 0n);
}

/** Nobody wrote there since the cut, or only this mirror did, before an earlier try of this call was lost. */
async function requireOnlyOurs(ports: Ports, x: OfSet & { readonly spec: MirrorSpec; readonly exists: boolean }, o: { readonly record: LedgerBook; readonly at: At; readonly mark: Mark; readonly ends: readonly LogEnds[] }): Promise<void> {
  const cluster = clusterOf(ports, x.m, x.toward);
  const markedAt = (e: LogEnds): bigint => BigInt(o.mark.ends[x.toward][tpKey(e)]?.hw ?? '0');
  const short = o.ends.filter((e) => e.hw < markedAt(e));
  if (short.length > 0) throw new Failure('MirrorDamaged', `On cluster ${nameOf(x.m, x.toward)} the log of ${list(short.map((e) => `${tpKey(e)} ends at ${e.hw}, below ${markedAt(e)} of cut ${o.mark.epoch}`), 5)}: it was truncated.`);
  const grown = o.ends.filter((e) => e.hw > markedAt(e));
  if (grown.length === 0) return;
  // Also under ids that it has no longer: they change when their epochs are used up.
  const mine = x.exists ? await mirrorWriters(ports, o.record, x, o.at) : null;
  const foreign = (await Promise.all(grown.map(async (e) => {
    const writers = await cluster.records.writers({ topic: e.topic, partition: e.partition, from: markedAt(e), to: e.hw }, { isolation: 'read_uncommitted' });
    const own = mine === null ? [] : await Promise.all(writers.map((w) => mine.wrote(tpKey(e), w)));
    return writers.filter((_w, i) => own[i] !== true).map((w) => `${tpKey(e)}: ${count(w.records, 'record')} at ${w.firstOffset} to ${w.lastOffset} by ${w.producerId === -1n ? 'a producer without an id' : `producer id ${w.producerId}`}, last at ${new Date(Number(w.lastTimestampMs)).toISOString()}`);
  }))).flat();
  if (foreign.length > 0) throw new Failure('ForgottenWriter', `On cluster ${nameOf(x.m, x.toward)} somebody else wrote to ${x.set.name} after cut ${o.mark.epoch}: ${list(foreign, 5)}. A mirror would put its copies behind that.`);
}

function requireAsLeft(x: OfSet, left: Left, ends: readonly LogEnds[]): void {
  const moved = ends.filter((e) => String(e.hw) !== (left.copied[tpKey(e)] ?? '0'));
  if (moved.length > 0) throw new Failure('Drift', `On cluster ${nameOf(x.m, x.toward)} ${list(moved.map(tpKey))} moved since the earlier mirror of ${x.set.name} ended.`, 'Roll back to the start, so that the topics are removed; then retry.');
}

/** A partition into which it copied, and of which it did not store how far, would be copied again. */
function requireKnown(x: OfSet, left: Left, copied: readonly LogEnds[]): void {
  const unknown = copied.filter((e) => left.next[tpKey(e)] === undefined);
  if (unknown.length > 0) throw new Failure('Drift', `Nobody knows how far the earlier mirror of ${x.set.name} had copied ${list(unknown.map(tpKey))} to cluster ${nameOf(x.m, x.toward)}: Connect had lost its stored offsets.`, 'Roll back to the start, so that the topics are removed; then retry.');
}

/** Before any cut a new mirror begins at the beginning, so the copy must be empty; or where an earlier mirror of this run ended, if nothing moved since. */
async function seedUncut(ports: Ports, record: LedgerBook, x: OfSet, epoch: number): Promise<readonly Position[]> {
  const copy = await clusterOf(ports, x.m, x.toward).ends(x.set.topics);
  const filled = copy.filter((e) => e.hw > e.logStart);
  if (filled.length === 0) return [];
  const left = await leftOf(record, x, epoch);
  if (!left) throw new Failure('Drift', `On cluster ${nameOf(x.m, x.toward)} ${list(filled.map(tpKey))} already ${filled.length === 1 ? 'holds' : 'hold'} records; a new mirror would copy everything behind them.`, 'Roll back to the start, so that the topics are removed, or empty them by hand; then retry.');
  requireAsLeft(x, left, copy);
  requireKnown(x, left, filled);
  return copy.flatMap((e) => { const next = left.next[tpKey(e)]; return next === undefined ? [] : [{ topic: e.topic, partition: e.partition, offset: BigInt(next), metadata: '' }]; });
}

/** Records compared per partition, and how long they are waited for: a wrong start shows at once, traffic may never come. */
const firstRecords = 100;
const watched = { leastMs: 500, mostMs: 3_000, pauseMs: 50 };

interface FirstCopies { readonly x: OfSet; readonly spec: MirrorSpec; readonly mark: Mark; readonly at: At }
/**
 * What appeared on the side written to since the cut (or since an earlier mirror behind it was removed) is, record by record, what was written on the other side since then:
 * nothing older came over, so nothing that came from there goes back. A mirror that does otherwise is silenced at once.
 */
export async function showFirstCopies(ports: Ports, record: LedgerBook, o: FirstCopies): Promise<string> {
  const { mark } = o;
  const origin = nameOf(o.x.m, otherSide(o.x.toward));
  for (const startedMs = o.at.now(); ; await o.at.pause(watched.pauseMs)) {
    const { wrong, open, compared } = await compareFirst(ports, record, o);
    if (wrong.length > 0) return refuseCopies(ports, o, wrong);
    const spentMs = o.at.now() - startedMs;
    if (spentMs < watched.leastMs || (open.length > 0 && spentMs < watched.mostMs)) continue;
    if (compared > 0) return `the first ${count(compared, 'record')} it copied ${compared === 1 ? 'is' : 'are'} what came after cut ${mark.epoch}, in order`;
    return open.length > 0 ? `within ${spentMs} ms it copied nothing, though ${list(open, 3)} on ${origin} had records for it` : `nothing was written on ${origin} since cut ${mark.epoch}, and within ${spentMs} ms it copied nothing`;
  }
}
/** The same before a mirror that was stopped runs again. */
export async function requireFaithful(ports: Ports, record: LedgerBook, o: FirstCopies): Promise<void> {
  const { wrong } = await compareFirst(ports, record, o);
  if (wrong.length > 0) await refuseCopies(ports, o, wrong);
}

async function compareFirst(ports: Ports, record: LedgerBook, { x, mark }: FirstCopies): Promise<{ readonly wrong: readonly string[]; readonly open: readonly string[]; readonly compared: number }> {
  const [copy, origin] = [clusterOf(ports, x.m, x.toward), clusterOf(ports, x.m, otherSide(x.toward))];
  const left = await leftOf(record, x, mark.epoch);
  const endsOf = (side: Side): Readonly<Record<string, string>> => Object.fromEntries(Object.entries(mark.ends[side]).map(([key, end]) => [key, end.hw]));
  // The copy first: a record that arrives in between is then one that was not copied yet.
  const copies = await headsAfter(copy, x, { ...endsOf(x.toward), ...left?.copied });
  const originals = await headsAfter(origin, x, { ...endsOf(otherSide(x.toward)), ...left?.next });
  const wrong = [...copies].flatMap(([key, of]) => {
    const i = of.findIndex((r, n) => r.fingerprint !== originals.get(key)?.[n]?.fingerprint);
    return i < 0 ? [] : [`${key}: ${of[i]?.offset} on ${copy.name} faces ${originals.get(key)?.[i]?.offset ?? 'nothing'} on ${origin.name}`];
  });
  const open = [...originals].filter(([key, of]) => (copies.get(key) ?? []).length < of.length).map(([key]) => key);
  return { wrong, open, compared: [...copies.values()].reduce((n, of) => n + of.length, 0) };
}

async function refuseCopies(ports: Ports, { x, spec, mark, at }: FirstCopies, wrong: readonly string[]): Promise<never> {
  await ports.mirrors.silence(spec, await ports.mirrors.writers(spec), at.until);
  throw new Failure('MirrorDamaged', `Mirror ${spec.name} wrote to the ${x.toward} what was not written on the other side after cut ${mark.epoch}: ${list(wrong, 3)}. It has been silenced.`, `Compare both logs behind cut ${mark.epoch} before going on.`);
}

/** The first visible records at or after these offsets, of the partitions that have any. */
async function headsAfter(cluster: Cluster, x: OfSet, base: Readonly<Record<string, string>>): Promise<ReadonlyMap<string, readonly SeenRecord[]>> {
  const from = (e: LogEnds): bigint => BigInt(base[tpKey(e)] ?? '0');
  const grown = [...byKey(await cluster.ends(x.set.topics)).values()].filter((e) => e.lso > from(e));
  const heads = await Promise.all(grown.map(async (e): Promise<readonly [string, readonly SeenRecord[]]> => {
    const out: SeenRecord[] = [];
    for await (const r of cluster.records.range({ topic: e.topic, partition: e.partition, from: from(e), to: e.lso })) if (out.push(r) === firstRecords) break;
    return [tpKey(e), out];
  }));
  return new Map(heads.filter(([, of]) => of.length > 0));
}
