/** The places a mirror starts at, written through Connect's offsets and read back one by one; and what is stored there. */
import type { ConnectRest, StoredOffset } from '../connect/rest.ts';
import type { Patience } from '../connect/http.ts';
import { Failure } from '../../domain/failures.ts';
import type { MirrorSpec } from '../../domain/ports.ts';
import { tpKey } from '../../domain/ports.ts';

/** Next origin offset per partition, as stored. Throws `Drift` for an entry that is not of this mirror. */
export async function storedNext(rest: ConnectRest, spec: MirrorSpec, p: Patience): Promise<ReadonlyMap<string, bigint> | null> {
  const stored = await rest.offsets(spec.name, p);
  if (stored === null) return null;
  const next = new Map<string, bigint>();
  for (const { partition, offset } of stored) {
    if (offset === null) continue;
    const { cluster, topic, partition: number } = partition;
    const at = offset['offset'];
    if (cluster !== spec.name || typeof topic !== 'string' || typeof number !== 'number' || typeof at !== 'number')
      throw new Failure('Drift', `Connector ${spec.name} on Connect at ${rest.url} has a stored offset of another mirror (${String(cluster)}, ${String(topic)}, ${String(number)}).`, 'Remove the connector with its offsets, then retry.');
    next.set(tpKey({ topic, partition: number }), BigInt(at) + 1n);
  }
  return next;
}

/** Position 0 is no entry: an offset below 0 is refused, and the mirror starts there by itself. */
const wanted = (spec: MirrorSpec): ReadonlyMap<string, bigint> =>
  new Map(spec.seed.filter((s) => s.offset > 0n).map((s) => [tpKey(s), s.offset]));

const differences = (want: ReadonlyMap<string, bigint>, seen: ReadonlyMap<string, bigint>): readonly string[] =>
  [...new Set([...want.keys(), ...seen.keys()])].sort().filter((k) => want.get(k) !== seen.get(k));

/**
 * For a stopped mirror that has never copied: its stored offsets become exactly the seeds. Connect checks neither alias nor
 * topic nor partition, and a typo would copy everything again: so every entry is compared.
 */
export async function seed(rest: ConnectRest, spec: MirrorSpec, o: { readonly ran: boolean; readonly patience: () => Patience }): Promise<void> {
  const { patience } = o;
  const want = wanted(spec);
  const now = (await storedNext(rest, spec, patience())) ?? new Map<string, bigint>();
  if (differences(want, now).length === 0) return;
  // It went on from its seeds before somebody stopped it, and its offset syncs were lost: seeded again it would copy twice.
  if (o.ran && [...want].every(([key, at]) => (now.get(key) ?? -1n) >= at)) return;
  // Offsets outlive a deleted connector and are found again by one of the same name.
  if (now.size > 0) await rest.resetOffsets(spec.name, patience());
  if (want.size > 0) await rest.patchOffsets(spec.name, entries(spec), patience());
  const seen = (await storedNext(rest, spec, patience())) ?? new Map<string, bigint>();
  const off = differences(want, seen);
  if (off.length === 0) return;
  const [first] = off;
  throw new Failure('Drift', `Connector ${spec.name} is to start at ${show(want, first)} in ${first}; Connect stores ${show(seen, first)} (${off.length} partitions differ).`, 'The mirror was not resumed; remove the connector, then retry.');
}
const show = (m: ReadonlyMap<string, bigint>, key: string | undefined): string => String((key && m.get(key)) ?? 'the beginning');

/** Connect stores the last copied offset and continues after it. */
const entries = (spec: MirrorSpec): readonly StoredOffset[] =>
  spec.seed.filter((s) => s.offset > 0n).map((s) => ({ partition: { cluster: spec.name, topic: s.topic, partition: s.partition }, offset: { offset: Number(s.offset - 1n) } }));
