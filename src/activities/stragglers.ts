/**
 * Records that reached the closed side after its cut. They are carried over once, as they are; their order among what was
 * written on the other side meanwhile is lost, and the way back would bring them home a second time.
 */
import { otherSide, type Side } from '../domain/authority.ts';
import type { CutSet } from '../domain/cutsets.ts';
import { Failure } from '../domain/failures.ts';
import { tpKey, type OriginalRecord, type Ports, type Position } from '../domain/ports.ts';
import type { At } from './boundary.ts';
import { earlierTagOf, tagOf } from './connect.ts';
import { standingMark, type Mark } from './cut.ts';
import { scanForeign, spellWriter, strangersIn, type Foreign } from './foreign.ts';
import { entry, valueOf, type LedgerBook } from './ledger.ts';
import { mirrorWriters, type MirrorWriters } from './mirrorwriters.ts';
import { byName, clusterOf, count, grouped, list, nameOf, type Said } from './outside.ts';
import type { Ask, Stragglers } from './work.ts';

type OfSet = Ask & { readonly set: CutSet };

/** One transaction carries at most this much; a batch must also fit into what the topic accepts (1 MiB unless set). */
const mostRecords = 500;
const mostBytes = 500_000;

const carriedKey = (x: OfSet, mark: Mark): string => `${x.c.run}/carried/${x.set.name}/${mark.epoch}`;
const nameFor = (x: OfSet, mark: Mark, tag: string): string => `cutover-carry-${tag}-${x.set.name}-${mark.epoch}`;
const namesFor = (x: OfSet, mark: Mark): { readonly group: string; readonly transactionalId: string } => {
  const name = nameFor(x, mark, tagOf(x.c.run));
  return { group: name, transactionalId: name };
};

/** Of one partition: the next offset to be carried, and how many records were. Stored data. */
interface Carried { readonly next: bigint; readonly count: number }
interface Found { readonly mark: Mark; readonly on: Side; readonly foreign: Foreign; readonly carried: ReadonlyMap<string, Carried> }
async function find(ports: Ports, record: LedgerBook, x: OfSet, at: At): Promise<Found> {
  const mark = await standingMark(record, x);
  if (!mark) throw new Failure('Drift', `No cut of ${x.set.name} is in the ledger, so nothing can be called late.`, 'Look at both ledgers, then retry.');
  const on = otherSide(mark.to);
  let foreign = await scanForeign(ports, record, { ...x, on, since: 'cut' }, at);
  // To the end, also when somebody was found: what is not looked through would neither be counted nor carried.
  while (foreign.looked < foreign.of) foreign = await scanForeign(ports, record, { ...x, on, since: 'cut' }, at);
  return { mark, on, foreign, carried: await carriedSo(ports, record, x, mark) };
}
async function carriedSo(ports: Ports, record: LedgerBook, x: OfSet, mark: Mark): Promise<ReadonlyMap<string, Carried>> {
  const shown = await positionsOf(ports, x, mark);
  // Asked for behind the group: what moves from there to the ledger meanwhile is seen in one of them at least.
  const carried = new Map(await inLedger(record, x, mark));
  // The group is ahead of the ledger when a try ended between the two; what the copies' own transaction says counts.
  for (const p of shown) if (p.offset > (carried.get(tpKey(p))?.next ?? 0n)) carried.set(tpKey(p), { next: p.offset, count: Number(p.metadata) });
  return carried;
}
/** For behind the fence of the transactional id: whoever carried on in our place before it is seen, and whoever comes after it fences us. */
async function requireOurs(ports: Ports, record: LedgerBook, x: OfSet, o: { readonly mark: Mark; readonly sofar: ReadonlyMap<string, Carried> }): Promise<void> {
  const there = await carriedSo(ports, record, x, o.mark);
  const others = [...new Set([...there.keys(), ...o.sofar.keys()])].filter((key) => there.get(key)?.next !== o.sofar.get(key)?.next);
  if (others.length > 0) throw new Error(`Another try carries the records of ${list(others)} and is further than this one, which has written nothing more: the next one begins where that has come to.`);
}
async function inLedger(record: LedgerBook, x: OfSet, mark: Mark): Promise<ReadonlyMap<string, Carried>> {
  const kept = valueOf<Readonly<Record<string, { readonly next: string; readonly count: number }>>>(await record.read(x.m, carriedKey(x, mark)), carriedKey(x, mark));
  return new Map(Object.entries(kept ?? {}).map(([key, c]) => [key, { next: BigInt(c.next), count: c.count }]));
}
const positionsOf = async (ports: Ports, x: OfSet, mark: Mark): Promise<readonly Position[]> => {
  // Under the second name an earlier version carried; topics of others may be there as well.
  const groups = [namesFor(x, mark).group, nameFor(x, mark, earlierTagOf(x.c.run))];
  return [...(await clusterOf(ports, x.m, mark.to).committed(groups)).values()].flat().filter((p) => x.set.topics.includes(p.topic));
};
const total = (carried: ReadonlyMap<string, Carried>): number => [...carried.values()].reduce((n, c) => n + c.count, 0);

/** Visible records of strangers that were not carried yet, partition by partition, in order. */
async function* waiting(ports: Ports, record: LedgerBook, { x, f, at }: { readonly x: OfSet; readonly f: Found; readonly at: At }): AsyncGenerator<OriginalRecord, void, undefined> {
  const spans = new Map<string, { from: bigint; to: bigint }>();
  for (const p of f.foreign.writers.flatMap((w) => w.partitions)) {
    const known = spans.get(p.key);
    spans.set(p.key, { from: known && known.from < p.first ? known.from : p.first, to: known && known.to > p.last + 1n ? known.to : p.last + 1n });
  }
  const cluster = clusterOf(ports, x.m, f.on);
  let mine: MirrorWriters | null = null;
  for (const [key, span] of [...spans].sort(([a], [b]) => byName(a, b))) {
    const [topic, partition] = [key.slice(0, key.lastIndexOf('/')), Number(key.slice(key.lastIndexOf('/') + 1))];
    const next = f.carried.get(key)?.next ?? 0n;
    const from = next > span.from ? next : span.from;
    if (from >= span.to) continue;
    const stretch = { topic, partition, from, to: span.to };
    const strangers = await strangersIn(cluster, mine ??= await mirrorWriters(ports, record, { ...x, toward: f.on }, at), stretch, at);
    for await (const r of cluster.records.originals(stretch, { signal: at.until.signal }))
      if (strangers.has(r.producerId)) yield r;
  }
}

export async function stragglersOf(ports: Ports, record: LedgerBook, x: OfSet, at: At): Promise<Stragglers> {
  const found = await find(ports, record, x, at);
  const by = new Map<string, { records: number; first: bigint; last: bigint; readonly ids: Set<bigint> }>();
  for await (const r of waiting(ports, record, { x, f: found, at })) {
    const known = by.get(tpKey(r)) ?? { records: 0, first: r.offset, last: r.offset, ids: new Set<bigint>() };
    known.records += 1;
    known.last = r.offset;
    known.ids.add(r.producerId);
    by.set(tpKey(r), known);
  }
  const partitions = [...by].map(([key, p]) => ({ partition: key, records: p.records, first: String(p.first), last: String(p.last), producerIds: [...p.ids].map(String).sort() }));
  const carried = total(found.carried);
  return {
    on: found.on, epoch: found.mark.epoch, records: partitions.reduce((n, p) => n + p.records, 0), partitions, carried,
    say: partitions.length === 0 ? `no record of others waits on ${nameOf(x.m, found.on)} behind cut ${found.mark.epoch} of ${x.set.name}${carried > 0 ? `; ${count(carried, 'record')} carried before` : ''}.`
      : `${count(partitions.reduce((n, p) => n + p.records, 0), 'record')} of others on ${nameOf(x.m, found.on)} behind cut ${found.mark.epoch} of ${x.set.name}: ${list(partitions.map((p) => `${p.partition} ${grouped(p.records)} (offsets ${grouped(BigInt(p.first))} to ${grouped(BigInt(p.last))})`), 5)}. Written by ${list(found.foreign.writers.map(spellWriter), 3)}.`,
  };
}
export const stragglers = (ports: Ports, record: LedgerBook) => ({
  findStragglers: (x: OfSet, at: At): Promise<Stragglers> => stragglersOf(ports, record, x, at),

  async carryStragglers(x: OfSet, at: At): Promise<Said> {
    const found = await find(ports, record, x, at);
    const [to, names] = [clusterOf(ports, x.m, found.mark.to), namesFor(x, found.mark)];
    const now = new Map(found.carried);
    let load: OriginalRecord[] = [];
    const unload = async (): Promise<void> => {
      if (load.length === 0) return;
      const sofar = new Map(now);
      for (const r of load) now.set(tpKey(r), { next: r.offset + 1n, count: (now.get(tpKey(r))?.count ?? 0) + 1 });
      const upTo = [...new Map(load.map((r) => [tpKey(r), r])).values()].map((r): Position => ({ topic: r.topic, partition: r.partition, offset: r.offset + 1n, metadata: String(now.get(tpKey(r))?.count ?? 0) }));
      at.until.check();
      await to.writeOnce({ ...names, records: load, upTo, ours: () => requireOurs(ports, record, x, { mark: found.mark, sofar }) }, at.until);
      load = [];
    };
    for await (const r of waiting(ports, record, { x, f: found, at })) {
      if (load.length >= mostRecords || load.reduce((n, one) => n + one.content.length, r.content.length) > mostBytes) await unload();
      load.push(r);
    }
    await unload();
    await settle(ports, record, { x, found, now, at });
    const carried = total(now) - total(found.carried);
    const where = `${nameOf(x.m, found.on)} to ${nameOf(x.m, found.mark.to)}`;
    return {
      say: carried === 0 ? `no record of others was left to carry from ${where}.` : `carried ${count(carried, 'record')} of others from ${where}, each once, with key, value, headers and timestamp; their order among later records is not kept. The way back would bring them to ${nameOf(x.m, found.on)} a second time.`,
      figures: { carriedRecords: carried },
    };
  },
});

/** What was carried is read back, then moves from the group into both ledgers; the group was only for the transaction. */
async function settle(ports: Ports, record: LedgerBook, o: { readonly x: OfSet; readonly found: Found; readonly now: ReadonlyMap<string, Carried>; readonly at: At }): Promise<void> {
  const { x, found, now, at } = o;
  const shown = await positionsOf(ports, x, found.mark);
  const missing = [...now].filter(([key, c]) => c.next !== found.carried.get(key)?.next && shown.find((p) => tpKey(p) === key)?.offset !== c.next).map(([key]) => key);
  if (missing.length > 0) throw new Failure('Drift', `Cluster ${nameOf(x.m, found.mark.to)} acknowledged the carried records and does not show how far they got: ${list(missing)}.`);
  if (shown.length === 0) return;
  await record.write(x.m, [entry(carriedKey(x, found.mark), Object.fromEntries([...now].map(([key, c]) => [key, { next: String(c.next), count: c.count }])))], 'both', at);
  await clusterOf(ports, x.m, found.mark.to).uncommit(new Map([[namesFor(x, found.mark).group, shown]]), at.until);
}
