/** The mirror of a cut set: created, removed, silenced, resumed, retired. Looking at it is in `caughtup.ts`. */
import type { Side } from '../domain/authority.ts';
import type { CutSet } from '../domain/cutsets.ts';
import { Failure } from '../domain/failures.ts';
import { tpKey, type MirrorSpec, type Ports, type Position } from '../domain/ports.ts';
import type { At } from './boundary.ts';
import { connectOf, findMirror, numberOf, prefixOf, requireMirror, specOf, type OfSet } from './connect.ts';
import { silencedKey, standingMark } from './cut.ts';
import { proveDrained } from './drained.ts';
import { entry, valueOf, type LedgerBook } from './ledger.ts';
import { byName, clusterOf, count, list, nameOf, type Said } from './outside.ts';
import type { Ask, MirrorBefore, SilenceBefore } from './work.ts';

/** Where a removed mirror ended: a later one of the same run goes on there. */
interface Left { readonly next: Readonly<Record<string, string>>; readonly copied: Readonly<Record<string, string>> }
const leftKey = (x: OfSet): string => `${x.c.run}/mirror/${x.set.name}/${x.toward}`;
const nameKey = (name: string): string => `mirrors/${name}`;

export const mirrors = (ports: Ports, record: LedgerBook) => ({
  /** A name is never used twice, also after its connector is gone: Connect may still hold its old offsets. */
  captureMirror: (x: OfSet, at: At): Promise<MirrorBefore> => record.capture(x, at, async () => {
    const prefix = prefixOf(x.set, x.toward, x.c.run);
    const [running, used] = await Promise.all([ports.mirrors.list(connectOf(x.m, x.toward), prefix), record.read(x.m, nameKey(prefix))]);
    const numbers = [...running, ...[...used.keys()].map((key) => key.slice(nameKey('').length))].map((name) => numberOf(name, prefix));
    const name = `${prefix}${Math.max(0, ...numbers) + 1}`;
    await record.write(x.m, [entry(nameKey(name), { run: x.c.run, set: x.set.name })], 'one', at);
    return { name };
  }),

  async createMirror(x: OfSet & { readonly before: MirrorBefore }, at: At): Promise<Said> {
    const { connector } = await ports.mirrors.health(specOf(x.m, { ...x, name: x.before.name }));
    // An earlier try may have created it and not seeded it yet; only one that has left STOPPED stands where it should.
    const seed = connector === 'absent' || connector === 'STOPPED' ? await seedFor(ports, record, x) : [];
    const spec = specOf(x.m, { ...x, name: x.before.name, seed });
    at.until.check();
    await ports.mirrors.create(spec, at.until);
    const health = await ports.mirrors.health(spec);
    return { say: `mirror ${spec.name} is ${health.connector}: ${count(health.assigned.length, 'partition')} held by ${count(health.tasks, 'task')}${seed.length === 0 ? '' : `, going on at ${count(seed.length, 'recorded place')}`}.` };
  },

  async removeMirror(x: OfSet & { readonly before: MirrorBefore }, at: At): Promise<Said> {
    const spec = specOf(x.m, { ...x, name: x.before.name });
    const health = await ports.mirrors.health(spec);
    if (health.connector !== 'absent') await rememberWhere(ports, record, { x, spec, at });
    at.until.check();
    await ports.mirrors.remove(spec, at.until);
    await requireGone(ports, spec);
    return { say: health.connector === 'absent' ? `mirror ${spec.name} was not there.` : `mirror ${spec.name} is removed; what it copied stays until its topics are removed.` };
  },

  captureSilence: (x: OfSet, at: At): Promise<SilenceBefore> => record.capture(x, at, async () => {
    const spec = await requireMirror(ports, x);
    const writers = await ports.mirrors.writers(spec);
    await record.write(x.m, [entry(silencedKey(x), { name: spec.name })], 'one', at);
    return { name: spec.name, writers: writers.map((w) => ({ transactionalId: w.transactionalId, producerId: w.producerId === null ? null : String(w.producerId) })) };
  }),

  /** Silent, and then shown once more to have copied everything: the first proof was made while it could still write. */
  async silenceMirror(x: OfSet & { readonly before: SilenceBefore }, at: At): Promise<Said> {
    const spec = specOf(x.m, { ...x, name: x.before.name });
    const writers = x.before.writers.map((w) => ({ transactionalId: w.transactionalId, producerId: w.producerId === null ? null : BigInt(w.producerId) }));
    const silenced = await ports.mirrors.silence(spec, writers, at.until);
    const proof = await proveDrained(ports, { ...x, spec });
    if (!proof.done) throw new Failure('MirrorStuck', `Mirror ${spec.name} is silent and has not copied everything: ${proof.say}`, 'The outage is undone and the mirror resumed; retry it.');
    return { say: `mirror ${spec.name} is silent for good after ${Math.round(silenced.toMs - silenced.fromMs)} ms; ${proof.say}` };
  },

  async resumeMirror(x: OfSet & { readonly before: SilenceBefore }, at: At): Promise<Said> {
    const spec = specOf(x.m, { ...x, name: x.before.name });
    const standing = await standingMark(record, x);
    if (standing?.mirror === spec.name) throw new Failure('Unsupported', `Mirror ${spec.name} ran before cut ${standing.epoch} of ${x.set.name}, which stands in the ledger: it would copy records twice.`, 'Roll back the cut first.');
    await ports.mirrors.resume(spec, at.until);
    const health = await ports.mirrors.health(spec);
    return { say: `mirror ${spec.name} is ${health.connector} again with ${count(health.assigned.length, 'partition')}.` };
  },

  async dropMirrors(x: Ask & { readonly sets: readonly CutSet[]; readonly toward: Side }, at: At): Promise<Said> {
    const gone: string[] = [];
    for (const set of x.sets) {
      for (let spec = await findMirror(ports, { ...x, set }); spec; spec = await findMirror(ports, { ...x, set })) {
        at.until.check();
        await ports.mirrors.remove(spec, at.until);
        await requireGone(ports, spec);
        gone.push(spec.name);
      }
    }
    return { say: gone.length === 0 ? 'no mirror was left.' : `${list(gone)} stopped and removed.` };
  },

  async retireMirrors(x: Ask & { readonly sets: readonly CutSet[]; readonly toward: Side }, at: At): Promise<Said> {
    const gone: string[] = [];
    for (const set of x.sets) {
      const spec = await findMirror(ports, { ...x, set });
      if (!spec) continue; // an earlier try of this step removed it
      await ports.mirrors.awaitStopped(spec, at.until);
      await requireStoredAtCut(ports, record, { x: { ...x, set }, spec });
      at.until.check();
      await ports.mirrors.remove(spec, at.until);
      await requireGone(ports, spec);
      gone.push(spec.name);
    }
    return { say: gone.length === 0 ? 'no mirror was left.' : `${list(gone)} stopped exactly at the cut and removed.` };
  },
});

async function requireGone(ports: Ports, spec: MirrorSpec): Promise<void> {
  const { connector } = await ports.mirrors.health(spec);
  if (connector !== 'absent') throw new Failure('MirrorStuck', `Mirror ${spec.name} was removed and Connect worker ${spec.connect} still shows it as ${connector}.`);
}

/** A new mirror begins at the beginning, so the copy must be empty; or where an earlier mirror of this run ended, if nothing moved since. */
async function seedFor(ports: Ports, record: LedgerBook, x: OfSet): Promise<readonly Position[]> {
  const copy = await clusterOf(ports, x.m, x.toward).ends(x.set.topics);
  const filled = copy.filter((e) => e.hw > e.logStart);
  const left = valueOf<Left>(await record.read(x.m, leftKey(x)), leftKey(x));
  if (!left) {
    if (filled.length === 0) return [];
    throw new Failure('Drift', `On cluster ${nameOf(x.m, x.toward)} ${list(filled.map(tpKey))} already ${filled.length === 1 ? 'holds' : 'hold'} records; a new mirror would copy everything behind them.`, 'Roll back to the start, so that the topics are removed, or empty them by hand; then retry.');
  }
  const moved = copy.filter((e) => String(e.hw) !== (left.copied[tpKey(e)] ?? '0'));
  if (moved.length > 0 && filled.length > 0) throw new Failure('Drift', `On cluster ${nameOf(x.m, x.toward)} ${list(moved.map(tpKey))} moved since the earlier mirror of ${x.set.name} ended.`, 'Roll back to the start, so that the topics are removed; then retry.');
  return filled.length === 0 ? [] : copy.flatMap((e) => { const next = left.next[tpKey(e)]; return next === undefined ? [] : [{ topic: e.topic, partition: e.partition, offset: BigInt(next), metadata: '' }]; });
}

async function rememberWhere(ports: Ports, record: LedgerBook, { x, spec, at }: { readonly x: OfSet; readonly spec: MirrorSpec; readonly at: At }): Promise<void> {
  const writers = await ports.mirrors.writers(spec);
  if (!writers.some((w) => w.producerId !== null)) return; // it never wrote: there is no place to go on from
  await ports.mirrors.silence(spec, writers, at.until);
  await ports.mirrors.awaitStopped(spec, at.until);
  const [next, ends] = await Promise.all([ports.mirrors.progress(spec), clusterOf(ports, x.m, x.toward).ends(spec.topics)]);
  const left: Left = { next: Object.fromEntries([...next].map(([key, n]) => [key, String(n)])), copied: Object.fromEntries(ends.map((e) => [tpKey(e), String(e.hw)])) };
  await record.write(x.m, [entry(leftKey(x), left)], 'one', at);
}

/** What Connect stored must be the last record before the cut: the proof that nothing was on its way. */
async function requireStoredAtCut(ports: Ports, record: LedgerBook, { x, spec }: { readonly x: OfSet; readonly spec: MirrorSpec }): Promise<void> {
  const mark = await standingMark(record, x);
  if (!mark) throw new Failure('MirrorDamaged', `No cut of ${x.set.name} is in the ledger, so mirror ${spec.name} cannot be compared with it.`, 'Look at both ledgers; the mirror is left as it is.');
  const stored = await ports.mirrors.progress(spec);
  const off = Object.entries(mark.ends[x.toward === 'target' ? 'source' : 'target']).sort(([a], [b]) => byName(a, b)).flatMap(([key, end]) => {
    const next = stored.get(key);
    const wanted = end.last === null ? null : BigInt(end.last.offset) + 1n;
    return wanted === null || next === wanted ? [] : [`${key} stands at ${next ?? 'nothing'}, wanted ${wanted}`];
  });
  if (off.length > 0) throw new Failure('MirrorDamaged', `Mirror ${spec.name} did not end at cut ${mark.epoch}: ${list(off)}.`, 'Compare both logs around the cut before going on; the mirror is left stopped.');
}
