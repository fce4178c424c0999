/** The mirror of a cut set: created, removed, silenced, resumed, retired. Looking at it is in `caughtup.ts`. */
import { otherSide, type Side } from '../domain/authority.ts';
import type { CutSet } from '../domain/cutsets.ts';
import { Failure } from '../domain/failures.ts';
import type { MirrorSpec, Ports } from '../domain/ports.ts';
import type { At } from './boundary.ts';
import { connectOf, familyOf, findMirror, findMirrors, nameKey, numberOf, prefixOf, requireMirror, specOf, stemOf, type KeptName, type OfSet } from './connect.ts';
import { silencedKey, standingMarks } from './cut.ts';
import { bornOf, rememberBorn } from './damage.ts';
import { proveDrained } from './drained.ts';
import { keepSyncs } from './known.ts';
import { entry, type LedgerBook } from './ledger.ts';
import { withRenewal } from './reviving.ts';
import { rememberWriters } from './mirrorwriters.ts';
import { byName, count, list, type Said } from './outside.ts';
import { madeAnew, rememberWhere, requireFaithful, showFirstCopies, startOf, type Start } from './seeding.ts';
import type { Ask, MirrorBefore, SilenceBefore } from './work.ts';

const shownKey = (x: OfSet, name: string): string => `${x.c.run}/first-copies/${name}`;

export const mirrors = (ports: Ports, record: LedgerBook) => ({
  /**
   * The mirror that is there already, made behind the same cut; else a new name. A name is never used twice, also after its
   * connector is gone: Connect may still hold its old offsets.
   */
  captureMirror: (x: OfSet, at: At): Promise<MirrorBefore> => record.capture(x, at, async () => {
    const there = await sameEpoch(ports, record, x);
    if (there) return { name: there.name };
    const family = familyOf(x);
    const [running, used] = await Promise.all([ports.mirrors.list(connectOf(x.m, x.toward), stemOf(family)), record.read(x.m, nameKey(stemOf(family)))]);
    const numbers = [...running, ...[...used.keys()].map((key) => key.slice(nameKey('').length))].map((name) => numberOf(name, family));
    const name = `${prefixOf(family)}${Math.max(0, ...numbers) + 1}`;
    await record.write(x.m, [entry(nameKey(name), { run: x.c.run, set: x.set.name } satisfies KeptName)], 'one', at);
    return { name };
  }),

  async createMirror(x: OfSet & { readonly before: MirrorBefore }, at: At): Promise<Said> {
    const bare = specOf(x.m, { ...x, name: x.before.name });
    const { connector } = await ports.mirrors.health(bare);
    // An earlier try may have created it and not seeded it yet; only one that has left STOPPED stands where it should.
    const start = connector === 'absent' || connector === 'STOPPED' ? await startOf(ports, record, { ...x, spec: bare, exists: connector !== 'absent' }, at) : null;
    const spec = { ...bare, seed: start?.seed ?? [] };
    const [mark] = await standingMarks(record, x);
    await rememberBorn(ports, record, { x, name: spec.name, epoch: mark?.epoch ?? 0, at });
    // One that was stopped for what it copied is not started again.
    if (start?.mark && connector === 'STOPPED' && !(await wasShown(record, x, spec))) await requireFaithful(ports, record, { x, spec, mark: start.mark, at });
    at.until.check();
    await ports.mirrors.create(spec, at.until);
    const health = await ports.mirrors.health(spec);
    const first = await shownFirst(ports, record, { x, spec, at });
    return { say: `mirror ${spec.name} ${start ? 'is' : 'was there and is'} ${health.connector}: ${count(health.assigned.length, 'partition')} held by ${count(health.tasks, 'task')}${start ? begins(start) : ', nothing was changed'}${first === '' ? '' : `; ${first}`}.` };
  },

  /** Also a later attempt than the captured one: after a way back and forth again that is the one that runs. */
  async removeMirror(x: OfSet & { readonly before: MirrorBefore }, at: At): Promise<Said> {
    const found = await findMirrors(ports, x);
    const all = found.some((spec) => spec.name === x.before.name) ? found : [...found, specOf(x.m, { ...x, name: x.before.name })];
    await rememberWriters(ports, record, { ...x, specs: found }, at);
    for (const spec of found) {
      await rememberWhere(ports, record, { x, spec, at });
      await keepSyncs(ports, record, { ...x, spec }, at);
    }
    for (const spec of all) {
      at.until.check();
      await ports.mirrors.remove(spec, at.until);
      await requireGone(ports, spec);
    }
    return { say: found.length === 0 ? `mirror ${x.before.name} was not there.` : `mirror ${list(found.map((spec) => spec.name))} ${found.length === 1 ? 'is' : 'are'} removed; what it copied stays until its topics are removed.` };
  },

  captureSilence: (x: OfSet, at: At): Promise<SilenceBefore> => record.capture(x, at, async () => {
    const spec = await requireMirror(ports, x);
    // Before the clock runs: inside the outage an id that nobody knows cannot be fenced.
    const awakened = await ports.mirrors.awaken(spec, at.until);
    const writers = await ports.mirrors.writers(spec);
    await rememberWriters(ports, record, { ...x, specs: [spec] }, at);
    await record.write(x.m, [entry(`${silencedKey(x, x.toward)}${spec.name}`, { name: spec.name })], 'one', at);
    return { name: spec.name, ...(awakened.length > 0 ? { awakened } : {}), writers: writers.map((w) => ({ transactionalId: w.transactionalId, producerId: w.producerId === null ? null : String(w.producerId) })) };
  }),

  /** Silent, and then shown once more to have copied everything: the first proof was made while it could still write. */
  async silenceMirror(x: OfSet & { readonly before: SilenceBefore }, at: At): Promise<Said> {
    const spec = specOf(x.m, { ...x, name: x.before.name });
    const writers = x.before.writers.map((w) => ({ transactionalId: w.transactionalId, producerId: w.producerId === null ? null : BigInt(w.producerId) }));
    const silenced = await ports.mirrors.silence(spec, writers, at.until);
    const proof = await proveDrained(ports, { ...x, spec });
    if (!proof.done) throw new Failure('MirrorStuck', `Mirror ${spec.name} is silent and has not copied everything: ${proof.say}`, 'The outage is undone and the mirror resumed; retry it.');
    const anew = x.before.awakened ? `; before that ${list(x.before.awakened)} began anew, for ${spec.to} had forgotten ${x.before.awakened.length === 1 ? 'that id' : 'those ids'}, unused for so long` : '';
    return { say: `mirror ${spec.name} is silent for good after ${Math.round(silenced.toMs - silenced.fromMs)} ms${anew}; ${proof.say}` };
  },

  async resumeMirror(x: OfSet & { readonly before: SilenceBefore }, at: At): Promise<Said> {
    const spec = specOf(x.m, { ...x, name: x.before.name });
    const standing = await standingMarks(record, x);
    const after = standing.find((mark) => mark.mirror === spec.name) ?? (standing[0]?.to === x.toward ? standing[0] : undefined);
    if (after) throw new Failure('Unsupported', `Mirror ${spec.name} ran before cut ${after.epoch} of ${x.set.name} to the ${after.to}, which stands in the ledger: it would copy records twice.`, 'Roll back the cut first.');
    const renewal = await ports.mirrors.resume(spec, at.until);
    const health = await ports.mirrors.health(spec);
    return { say: `mirror ${spec.name} is ${health.connector} again with ${count(health.assigned.length, 'partition')}${withRenewal(renewal, at)}.` };
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
      await requireEndedAtCut(ports, record, { x: { ...x, set }, spec, at });
      await keepSyncs(ports, record, { ...x, spec }, at);
      at.until.check();
      await ports.mirrors.remove(spec, at.until);
      await requireGone(ports, spec);
      gone.push(spec.name);
    }
    return { say: gone.length === 0 ? 'no mirror was left.' : `${list(gone)} stopped exactly at the cut and removed.` };
  },
});

async function sameEpoch(ports: Ports, record: LedgerBook, x: OfSet): Promise<MirrorSpec | null> {
  const [spec, [mark]] = await Promise.all([findMirror(ports, x), standingMarks(record, x)]);
  const born = spec && (await bornOf(record, x, spec.name));
  return born && born.epoch === (mark?.epoch ?? 0) ? spec : null;
}

async function requireGone(ports: Ports, spec: MirrorSpec): Promise<void> {
  const { connector } = await ports.mirrors.health(spec);
  if (connector !== 'absent') throw new Failure('MirrorStuck', `Mirror ${spec.name} was removed and Connect worker ${spec.connect} still shows it as ${connector}.`);
}

const begins = (start: Start): string =>
  start.mark ? `, going on behind cut ${start.mark.epoch} at ${count(start.seed.length, 'recorded place')}` : start.seed.length === 0 ? '' : `, going on at ${count(start.seed.length, 'recorded place')}`;

const wasShown = async (record: LedgerBook, x: OfSet, spec: MirrorSpec): Promise<boolean> => (await record.read(x.m, shownKey(x, spec.name))).has(shownKey(x, spec.name));

/** Shown once per mirror: after hours compaction or retention may have thinned what it is compared with. */
async function shownFirst(ports: Ports, record: LedgerBook, { x, spec, at }: { readonly x: OfSet; readonly spec: MirrorSpec; readonly at: At }): Promise<string> {
  const [mark] = await standingMarks(record, x);
  if (!mark || mark.to === x.toward || (await wasShown(record, x, spec))) return '';
  // Of a log that is gone a cut says nothing: this one was begun at the beginning, when it was empty.
  if (x.toward === 'target' && (await madeAnew(ports, x, { mark, on: 'target' })).length > 0) return '';
  const say = await showFirstCopies(ports, record, { x, spec, mark, at });
  await record.write(x.m, [entry(shownKey(x, spec.name), { epoch: mark.epoch, say })], 'one', at);
  return say;
}

/** The removal takes what was stored before it takes the connector: where an earlier try came between the two, its proof stands in the ledger. */
async function requireEndedAtCut(ports: Ports, record: LedgerBook, { x, spec, at }: { readonly x: OfSet; readonly spec: MirrorSpec; readonly at: At }): Promise<void> {
  const key = `${x.c.run}/ended-at-cut/${spec.name}`;
  if ((await ports.mirrors.progress(spec)).size === 0 && (await record.read(x.m, key)).has(key)) return;
  await requireStoredAtCut(ports, record, { x, spec });
  await record.write(x.m, [entry(key, { atMs: at.now() })], 'one', at);
}

/** What Connect stored must be the last record before the cut that ended it: the proof that nothing was on its way. */
async function requireStoredAtCut(ports: Ports, record: LedgerBook, { x, spec }: { readonly x: OfSet; readonly spec: MirrorSpec }): Promise<void> {
  const mark = (await standingMarks(record, x)).find((m) => m.to === x.toward);
  if (!mark || (mark.mirror !== null && mark.mirror !== spec.name))
    throw new Failure('MirrorDamaged', `No cut of ${x.set.name} that ended mirror ${spec.name} is in the ledger, so it cannot be compared with one${mark ? `; cut ${mark.epoch} ended ${mark.mirror}` : ''}.`, 'Look at both ledgers; the mirror is left as it is.');
  const stored = await ports.mirrors.progress(spec);
  const off = Object.entries(mark.ends[otherSide(x.toward)]).sort(([a], [b]) => byName(a, b)).flatMap(([key, end]) => {
    if (end.last === null) return [];
    const next = stored.get(key);
    // Anywhere between the last record and the end is the same place: only markers lie there, and a seed is the end itself.
    const wanted = BigInt(end.last.offset) + 1n;
    return next !== undefined && next >= wanted && next <= BigInt(end.hw) ? [] : [`${key} stands at ${next ?? 'nothing'}, wanted ${wanted}`];
  });
  if (off.length > 0) throw new Failure('MirrorDamaged', `Mirror ${spec.name} did not end at cut ${mark.epoch}: ${list(off)}.`, 'Compare both logs around the cut before going on; the mirror is left stopped.');
}
