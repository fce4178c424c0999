/** The record of everything, on both clusters: journals, pre-images, cuts, positions with their proofs. */
import { notKept } from '../domain/scheme.ts';
import { Failure } from '../domain/failures.ts';
import type { Json } from '../domain/json.ts';
import type { Ports } from '../domain/ports.ts';
import type { At } from './boundary.ts';
import { list, nameOf, both, refuse, type Clusters, type Fault, type Said } from './outside.ts';
import type { Ask } from './work.ts';

/** As in `docs`: one compacted topic per cluster. */
export const ledgerTopic = '__cutover.ledger';
export interface Entry { readonly key: string; readonly value: string }
export const entry = (key: string, value: unknown): Entry => ({ key, value: JSON.stringify(value) });

/** When one acknowledgement is enough, the other cluster is waited for this long. */
const stragglerMs = 5_000;
/** The same where applications may stand still meanwhile. */
export const hardlyMs = 2_000;

export function createRecord(ports: Ports) {
  /** Clusters whose ledger topic this process has seen or made. */
  const prepared = new Set<string>();

  async function writeOne(cluster: string, entries: readonly Entry[], at: At): Promise<void> {
    if (!prepared.has(cluster)) {
      await ports.ledger.prepare(cluster, at.until);
      prepared.add(cluster);
    }
    try {
      await ports.ledger.write(cluster, entries, at.until);
    } catch (error) {
      prepared.delete(cluster); // the topic may be gone: looked at again before the next write
      throw error;
    }
  }

  /** Answers what is missing: empty when both have it. */
  async function write(m: Clusters, entries: readonly Entry[], need: 'both' | 'one', at: At, waitMs = stragglerMs): Promise<readonly string[]> {
    const names = both.map((side) => nameOf(m, side));
    const written = new Set<string>();
    const faults = new Map<string, unknown>();
    const writes = names.map((name) => writeOne(name, entries, at).then(() => { written.add(name); }, (error: unknown) => { faults.set(name, error); }));
    const all = Promise.all(writes);
    const first = Promise.race(writes);
    await (need === 'one' ? Promise.race([all, first.then(async () => { await (written.size > 0 ? at.pause(waitMs) : all); })]) : all);
    const missing = names.filter((name) => !written.has(name));
    if (missing.length === 0) return [];
    const said = missing.map((name): Fault => {
      const error = faults.get(name);
      return { type: error instanceof Failure ? error.type : 'Unreachable', text: `cluster ${name}: ${error === undefined ? `no answer within ${waitMs} ms` : error instanceof Error ? error.message : 'refused for an unknown reason'}` };
    });
    if (need === 'both' || missing.length === names.length) refuse('The ledger, which must be written on both clusters before anything can go on,', said, 'Restore the ledger topic, then retry.');
    return said.map((f) => f.text);
  }

  /** Newest values by key. With one cluster out of reach the other answers; where both have a key, `newer` decides. */
  async function read(m: Clusters, prefix: string, newer: (a: string, b: string) => string = (a) => a): Promise<ReadonlyMap<string, string>> {
    const answers = await Promise.allSettled(both.map((side) => ports.ledger.read(nameOf(m, side), prefix)));
    const found = answers.flatMap((a) => (a.status === 'fulfilled' ? [a.value] : []));
    const broken = answers.find((a) => a.status === 'rejected');
    if (found.length === 0 && broken) throw broken.reason;
    const out = new Map<string, string>();
    for (const [key, value] of found.flatMap((f) => [...f])) {
      const known = out.get(key);
      out.set(key, known === undefined || known === value ? value : newer(known, value));
    }
    return out;
  }

  /**
   * A pre-image, read once per attempt: what an earlier try of the same attempt wrote is given again, because by now the
   * world may be half changed.
   */
  async function capture<T>(x: Ask, at: At, look: () => Promise<T>): Promise<T> {
    const kept = (await read(x.m, x.c.key)).get(x.c.key);
    if (kept !== undefined) return JSON.parse(kept) as T;
    if (x.c.recall) return notKept as T; // asked for by a run that was recovered, and knows it
    const before = await look();
    await write(x.m, [entry(x.c.key, before)], 'one', at);
    return before;
  }

  return { write, read, capture };
}
export type LedgerBook = ReturnType<typeof createRecord>;

/** As `read`, where a key that is missing must be missing for certain: with one cluster out of reach nothing is answered. */
export async function readFromBoth(ports: Ports, m: Clusters, prefix: string): Promise<ReadonlyMap<string, string>> {
  const [source, target] = await Promise.all([ports.ledger.read(m.source, prefix), ports.ledger.read(m.target, prefix)]);
  return new Map([...target, ...source]);
}

/** One look at all that is under `prefix`, for those who then ask key by key. */
export async function bookOf(record: LedgerBook, m: Clusters, prefix: string): Promise<LedgerBook> {
  const entries = await record.read(m, prefix);
  return { ...record, read: async (of, asked, newer) => (asked.startsWith(prefix) ? new Map([...entries].filter(([key]) => key.startsWith(asked))) : record.read(of, asked, newer)) };
}

/** The JSON of an entry, or null where the key is missing. */
export const valueOf = <T>(entries: ReadonlyMap<string, string>, key: string): T | null => {
  const text = entries.get(key);
  return text === undefined ? null : (JSON.parse(text) as T);
};

const sequenceOf = (text: string): number => {
  try {
    return Number((JSON.parse(text) as { sequence?: unknown }).sequence) || 0;
  } catch {
    return -1; // not a journal; the other copy wins
  }
};
const newest = (a: string, b: string): string => (sequenceOf(b) > sequenceOf(a) ? b : a);

/** A journal only grows. After a reset the workflow is younger than what it wrote, and its undo list no longer true. */
async function requireNotAhead(record: Pick<LedgerBook, 'read'>, x: Ask, e: Entry): Promise<void> {
  // Ledgers that cannot be read cannot be written either, and the write says it in full.
  const known = (await record.read(x.m, e.key, newest).catch(() => null))?.get(e.key);
  if (known === undefined || known === e.value || sequenceOf(known) < sequenceOf(e.value)) return;
  throw new Failure('Drift', `The ledger has entry ${sequenceOf(known)} of this journal, and this workflow is about to write entry ${sequenceOf(e.value)}: it was reset, or another one goes on in its place. What it remembers is older than what was done.`,
    'Neither retry nor roll back here: terminate this workflow and continue from the ledger with cutover recover.');
}

/** The target is dead: it is not asked, and nobody waits for it. */
async function onSource(ports: Ports, x: Ask & { readonly entries: readonly Entry[] }, at: At): Promise<Said> {
  for (const e of x.entries) await requireNotAhead({ read: (m, prefix) => ports.ledger.read(m.source, prefix) }, x, e);
  at.until.check();
  await ports.ledger.write(x.m.source, x.entries, at.until);
  return { say: '', figures: { entries: x.entries.length } satisfies Json };
}

export const ledger = (ports: Ports, record: LedgerBook) => ({
  async remember(x: Ask & { readonly entries: readonly Entry[]; readonly need: 'both' | 'one' | 'source' }, at: At): Promise<Said> {
    if (x.need === 'source') return onSource(ports, x, at);
    // Inside an outage nothing is asked: right before it the same was.
    if (x.c.mode !== 'outage') for (const e of x.entries) await requireNotAhead(record, x, e);
    const missing = await record.write(x.m, x.entries, x.need, at);
    // An empty sentence: nothing that an operator needs to hear.
    return { say: missing.length === 0 ? '' : `only one ledger has ${list(x.entries.map((e) => e.key))}; missing on ${missing.join('; ')}`, figures: { entries: x.entries.length } satisfies Json };
  },
  async recall(x: Ask & { readonly run: string }): Promise<string | null> {
    const found = await record.read(x.m, `${x.run}/`, newest);
    const journals = [found.get(`${x.run}/journal`), found.get(`${x.run}/final`)].filter((t) => t !== undefined);
    return journals.length === 0 ? null : journals.reduce(newest);
  },
});
