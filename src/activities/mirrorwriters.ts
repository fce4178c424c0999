/**
 * Under which producer ids a mirror wrote: those it has now, those seen earlier, and those whose batches its own offset
 * syncs vouch for. An id changes when its epochs are used up (after 32,767 transactions, hours of traffic), so that what is
 * seen once is kept.
 */
import type { Side } from '../domain/authority.ts';
import type { CutSet } from '../domain/cutsets.ts';
import type { LogWriter, MirrorSpec, Ports } from '../domain/ports.ts';
import type { At } from './boundary.ts';
import { findMirrors } from './connect.ts';
import { entry, type LedgerBook } from './ledger.ts';
import type { Ask } from './work.ts';

interface OfSet extends Ask { readonly set: CutSet; readonly toward: Side }
const prefix = (x: OfSet): string => `${x.c.run}/mirror-writer/${x.toward}/${x.set.name}/`;

async function keep(record: LedgerBook, x: OfSet, o: { readonly ids: readonly bigint[]; readonly how: string; readonly at: At }): Promise<void> {
  if (o.ids.length > 0) await record.write(x.m, o.ids.map((id) => entry(`${prefix(x)}${id}`, { how: o.how, seenMs: o.at.now() })), 'one', o.at);
}

/** Whether Connect has anything to ask for this direction. */
const mirrored = (x: OfSet): boolean => (x.toward === 'target' ? x.m.connect : x.m.connectBack) !== null;

/** Ids a mirror has now are written down; called wherever one is looked at, so that few changes are missed. */
export async function rememberWriters(ports: Ports, record: LedgerBook, x: OfSet & { readonly specs: readonly MirrorSpec[] }, at: At): Promise<ReadonlySet<bigint>> {
  const kept = new Set([...(await record.read(x.m, prefix(x))).keys()].map((key) => BigInt(key.slice(prefix(x).length))));
  const now = (await Promise.all(x.specs.map((spec) => ports.mirrors.writers(spec)))).flat().flatMap((w) => w.producerId ?? []);
  const fresh = [...new Set(now)].filter((id) => !kept.has(id));
  await keep(record, x, { ids: fresh, how: 'seen', at });
  return new Set([...kept, ...fresh]);
}

export interface MirrorWriters {
  /** Whether the mirror wrote these batches of that partition (`topic/partition`). */
  wrote(key: string, writer: LogWriter): Promise<boolean>;
}
export async function mirrorWriters(ports: Ports, record: LedgerBook, x: OfSet, at: At): Promise<MirrorWriters> {
  const specs = mirrored(x) ? await findMirrors(ports, x) : [];
  const known = new Set(await rememberWriters(ports, record, { ...x, specs }, at));
  let copies: Promise<ReadonlyMap<string, readonly bigint[]>> | null = null;
  return {
    async wrote(key, writer) {
      if (writer.producerId < 0n) return false;
      if (known.has(writer.producerId)) return true;
      const places = (await (copies ??= copiedTo(ports, specs))).get(key) ?? [];
      if (!writer.runs.some((run) => someWithin(places, run))) return false;
      known.add(writer.producerId);
      await keep(record, x, { ids: [writer.producerId], how: `offset sync of ${key}`, at });
      return true;
    },
  };
}

/** Offsets the mirrors say they wrote, sorted: an offset sync names the place of a record it had acknowledged. */
async function copiedTo(ports: Ports, specs: readonly MirrorSpec[]): Promise<ReadonlyMap<string, readonly bigint[]>> {
  const out = new Map<string, bigint[]>();
  for (const anchors of await Promise.all(specs.map((spec) => ports.mirrors.anchors(spec))))
    for (const [key, all] of anchors) out.set(key, [...(out.get(key) ?? []), ...all.map((a) => a.to)]);
  for (const places of out.values()) places.sort((a, b) => (a < b ? -1 : a > b ? 1 : 0));
  return out;
}
function someWithin(places: readonly bigint[], run: LogWriter['runs'][number]): boolean {
  let [low, high] = [0, places.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((places[middle] ?? 0n) < run.firstOffset) low = middle + 1;
    else high = middle;
  }
  const found = places[low];
  return found !== undefined && found <= run.lastOffset;
}
