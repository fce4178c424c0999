/** The cut: ends, last records and topic ids of both sides written into both ledgers, and read again right before opening. */
import { otherSide, type Side } from '../domain/authority.ts';
import type { CutSet } from '../domain/cutsets.ts';
import { Failure } from '../domain/failures.ts';
import { tpKey, type Ports } from '../domain/ports.ts';
import type { At } from './boundary.ts';
import { numberOf } from './connect.ts';
import { entry, type Entry, type LedgerBook } from './ledger.ts';
import type { Glance } from './looking.ts';
import { both, clusterOf, count, list, nameOf, type Said } from './outside.ts';
import type { Ask, CutBefore, LookAsk, SilenceBefore } from './work.ts';

interface OfCut extends Ask { readonly set: CutSet }
export interface End { readonly logStart: string; readonly lso: string; readonly hw: string; /** Last visible record; null: the log shows none. */ readonly last: { readonly offset: string; readonly fingerprint: string } | null }
export type Ends = Readonly<Record<string, End>>;
/** One cut as the ledger has it. Stored data: change its shape only by adding. */
export interface Mark {
  readonly epoch: number;
  readonly set: string;
  readonly to: Side;
  readonly atMs: number;
  /** An undo took it back before anything was opened. */
  readonly withdrawn: boolean;
  /** Connector that ran until this cut; null: nothing was copied. */
  readonly mirror: string | null;
  readonly ids: Readonly<Record<Side, Readonly<Record<string, string>>>>;
  readonly ends: Readonly<Record<Side, Ends>>;
  /** Marked from the source alone, the target being dead: its ends are those last known, and not drained. */
  readonly withoutTarget?: true;
}
type Head = Omit<Mark, 'ids' | 'ends'> & { readonly topics: readonly string[] };
/** One entry per topic: a cut of thousands of partitions still fits into the ledger. */
type PerTopic = Readonly<Record<Side, { readonly id: string; readonly ends: Ends }>>;

const prefixOf = (x: OfCut): string => `${x.c.run}/cut/${x.set.name}/`;
const isMark = (key: string, x: OfCut): boolean => /^\d+$/.test(key.slice(prefixOf(x).length));
/** An entry of its own: a mark that is written late, by a call nobody waits for any more, cannot take its withdrawal back. */
const withdrawnKey = (key: string): string => `${key}/withdrawn!`;

function assemble(entries: ReadonlyMap<string, string>, x: OfCut): readonly Mark[] {
  return [...entries].filter(([key]) => isMark(key, x)).map(([key, text]) => {
    const { topics, ...head } = JSON.parse(text) as Head;
    const parts = topics.map((topic) => {
      const part = entries.get(`${key}/${topic}`);
      if (part === undefined) throw new Failure('Drift', `The ledger has cut ${head.epoch} of ${head.set} without its part for topic ${topic}.`);
      return [topic, JSON.parse(part) as PerTopic] as const;
    });
    const of = (side: Side): { ids: Record<string, string>; ends: Ends } => ({
      ids: Object.fromEntries(parts.map(([topic, part]) => [topic, part[side].id])), ends: Object.assign({}, ...parts.map(([, part]) => part[side].ends)) as Ends,
    });
    const [source, target] = [of('source'), of('target')];
    return { ...head, withdrawn: head.withdrawn || entries.has(withdrawnKey(key)), ids: { source: source.ids, target: target.ids }, ends: { source: source.ends, target: target.ends } };
  });
}

/** All cuts of the set in this run, in either ledger. */
export const marks = async (record: LedgerBook, x: OfCut): Promise<readonly Mark[]> => assemble(await record.read(x.m, prefixOf(x)), x);
/** A number is used once, also one that was withdrawn before it was marked. */
export async function nextEpoch(record: Pick<LedgerBook, 'read'>, x: OfCut): Promise<number> {
  const used = [...(await record.read(x.m, prefixOf(x))).keys()].map((key) => Number(key.slice(prefixOf(x).length).split('/')[0]));
  return Math.max(0, ...used) + 1;
}
/** The newest cut that was not withdrawn. */
export const standingMark = async (record: LedgerBook, x: OfCut): Promise<Mark | null> => (await standingMarks(record, x))[0] ?? null;
/** Cuts that were not withdrawn, the newest first. */
export const standingMarks = async (record: LedgerBook, x: OfCut): Promise<readonly Mark[]> =>
  (await marks(record, x)).filter((mark) => !mark.withdrawn).sort((a, b) => b.epoch - a.epoch);
/** Number of the newest cut to the target that was not withdrawn, of entries under `<run>/cut/` and by their heads alone; 0: there is none. */
export function openedEpoch(entries: ReadonlyMap<string, string>, x: OfCut): number {
  const heads = [...entries].filter(([key]) => key.startsWith(prefixOf(x)) && isMark(key, x) && !entries.has(withdrawnKey(key))).map(([, text]) => JSON.parse(text) as Head);
  return Math.max(0, ...heads.filter((head) => head.to === 'target' && !head.withdrawn).map((head) => head.epoch));
}

interface Written { readonly head: Head; readonly sides: Readonly<Record<Side, { readonly ids: Readonly<Record<string, string>>; readonly ends: Ends }>>; readonly need: 'both' | 'one' }
async function write(record: LedgerBook, x: OfCut, { head, sides, need }: Written, at: At): Promise<void> {
  const key = `${prefixOf(x)}${head.epoch}`;
  const parts = head.topics.map((topic): Entry => entry(`${key}/${topic}`, Object.fromEntries(both.map((side) => [side, {
    id: sides[side].ids[topic] ?? '', ends: Object.fromEntries(Object.entries(sides[side].ends).filter(([tp]) => tp.slice(0, tp.lastIndexOf('/')) === topic)),
  }]))));
  // The head last: a cut exists when all of it does.
  await record.write(x.m, [...parts, entry(key, head)], need, at);
}
/** A cut that was not read off both clusters. */
export async function writeMark(record: LedgerBook, x: OfCut, { ids, ends, ...head }: Mark, at: At): Promise<void> {
  await write(record, x, { head: { ...head, topics: x.set.topics }, sides: { source: { ids: ids.source, ends: ends.source }, target: { ids: ids.target, ends: ends.target } }, need: 'one' }, at);
}

export const cut = (ports: Ports, record: LedgerBook) => ({
  captureCut: (x: OfCut & { readonly to: Side }, at: At): Promise<CutBefore> => record.capture(x, at, async () => {
    return { epoch: await nextEpoch(record, x) };
  }),

  async markCut(x: OfCut & { readonly to: Side; readonly before: CutBefore }, at: At): Promise<Said> {
    const [source, target, mirror] = await Promise.all([stateOf(ports, x, 'source'), stateOf(ports, x, 'target'), silencedMirror(record, x)]);
    const sides = { source, target };
    const closed = sides[otherSide(x.to)];
    const open = Object.entries(closed.ends).filter(([, e]) => e.hw !== e.lso).map(([key]) => key);
    if (open.length > 0) throw new Failure('ForgottenWriter', `On cluster ${nameOf(x.m, otherSide(x.to))} a transaction is open on ${list(open)}; a cut needs all of them closed.`);
    const head: Head = { epoch: x.before.epoch, set: x.set.name, to: x.to, atMs: at.now(), withdrawn: false, mirror, topics: x.set.topics };
    await write(record, x, { head, sides, need: 'both' }, at);
    return { say: `cut ${x.before.epoch} of ${x.set.name} is in both ledgers: ${count(Object.keys(closed.ends).length, 'partition')}, authority goes to the ${x.to}.` };
  },

  async unmarkCut(x: OfCut & { readonly to: Side; readonly before: CutBefore }, at: At): Promise<Said> {
    const key = `${prefixOf(x)}${x.before.epoch}`;
    const marked = (await record.read(x.m, key)).has(key);
    const missing = await record.write(x.m, [entry(withdrawnKey(key), { atMs: at.now() })], 'one', at);
    return { say: `cut ${x.before.epoch} of ${x.set.name} ${marked ? 'is withdrawn' : 'was not marked, and would not count if it still came'}${missing.length === 0 ? '' : `; missing on ${missing.join('; ')}`}.` };
  },

  lookCut(x: LookAsk & { readonly set: CutSet; readonly to: Side }): () => Promise<Glance> {
    return async () => {
      const [inLedgers, ...now] = await Promise.all([
        Promise.all(both.map((side) => ports.ledger.read(nameOf(x.m, side), prefixOf(x)))),
        ...both.map(async (side) => ({ side, ends: await clusterOf(ports, x.m, side).ends(x.set.topics) })),
      ]);
      const mark = sameInBoth(inLedgers.map((entries) => assemble(entries, x)), x);
      for (const { side, ends } of now) {
        const marked = mark.ends[side];
        const moved = ends.filter((e) => marked[tpKey(e)]?.hw !== String(e.hw) || marked[tpKey(e)]?.lso !== String(e.lso)).map((e) => `${tpKey(e)} ends at ${e.hw}, marked ${marked[tpKey(e)]?.hw ?? 'nothing'}`);
        if (moved.length > 0) throw new Failure('ForgottenWriter', `On cluster ${nameOf(x.m, side)} something was written after cut ${mark.epoch} of ${x.set.name}: ${list(moved)}.`);
      }
      return { done: true, state: 'confirmed', say: `cut ${mark.epoch} of ${x.set.name} stands: both ledgers agree and neither cluster moved.` };
    };
  },
});

/** The mark this run is about to open with must be the same in both ledgers. */
function sameInBoth(found: readonly (readonly Mark[])[], x: OfCut & { readonly to: Side }): Mark {
  const [a, b] = found.map((all) => [...all].sort((p, q) => q.epoch - p.epoch)[0]);
  if (!a || !b || a.withdrawn || b.withdrawn || a.to !== x.to) throw new Failure('Drift', `Cut of ${x.set.name} to the ${x.to}: cluster ${x.m.source} has ${spoken(a)}, cluster ${x.m.target} has ${spoken(b)}; wanted the same standing cut in both ledgers.`);
  if (JSON.stringify(a) !== JSON.stringify(b)) throw new Failure('Drift', `Cut ${a.epoch} of ${x.set.name} differs between the ledgers of ${x.m.source} and ${x.m.target}.`);
  return a;
}
const spoken = (mark: Mark | undefined): string => (mark ? `${mark.withdrawn ? 'a withdrawn ' : ''}cut ${mark.epoch} to the ${mark.to}` : 'none');

async function stateOf(ports: Ports, x: OfCut, side: Side): Promise<{ readonly ids: Readonly<Record<string, string>>; readonly ends: Ends }> {
  const cluster = clusterOf(ports, x.m, side);
  const [facts, ends] = await Promise.all([cluster.topics(x.set.topics), cluster.ends(x.set.topics)]);
  const tails = await cluster.records.tails(ends, 1);
  return {
    ids: Object.fromEntries(facts.map((t) => [t.name, t.id])),
    ends: Object.fromEntries(ends.map((e) => {
      const last = tails.get(tpKey(e))?.at(-1);
      return [tpKey(e), { logStart: String(e.logStart), lso: String(e.lso), hw: String(e.hw), last: last ? { offset: String(last.offset), fingerprint: last.fingerprint } : null }];
    })),
  };
}

/** Under it the names of the mirrors that were silenced for a cut to that side, a key each: nothing of one attempt or direction replaces another. */
export const silencedKey = (x: OfCut, to: Side): string => `${x.c.run}/silenced/${x.set.name}/${to}/`;
async function silencedMirror(record: LedgerBook, x: OfCut & { readonly to: Side }): Promise<string | null> {
  const found = [...(await record.read(x.m, silencedKey(x, x.to))).values()].map((text) => JSON.parse(text) as Pick<SilenceBefore, 'name'>);
  const family = { set: x.set, toward: x.to, run: x.c.run };
  return found.sort((a, b) => numberOf(b.name, family) - numberOf(a.name, family))[0]?.name ?? null;
}
