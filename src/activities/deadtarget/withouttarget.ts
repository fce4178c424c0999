/**
 * The way back when the target is dead: asks nothing of it and waits for nothing of it. What is only there is left there, and
 * written down, so that it can be looked for when the target returns.
 */
import { otherSide } from '../../domain/authority.ts';
import type { CutSet } from '../../domain/cutsets.ts';
import { Failure } from '../../domain/failures.ts';
import { tpKey, type Ports } from '../../domain/ports.ts';
import type { At } from '../boundary.ts';
import { connectOf, findMirrors } from '../connect.ts';
import { nextEpoch, silencedKey, standingMarks, writeMark, type Ends, type Mark } from '../cut.ts';
import { createPlacedLately, type PlacedLately } from '../explicit.ts';
import { askAll, fleetOf } from '../fleets.ts';
import { fence } from '../fence.ts';
import { groupFence } from '../groupfence.ts';
import { entry, type Entry } from '../ledger.ts';
import { membersOf } from '../moved.ts';
import { applicationsOf, both, byName, clusterOf, count, grouped, list, unique, type Said } from '../outside.ts';
import { writeThrough } from '../positions.ts';
import { sweptOf } from '../sweep.ts';
import type { Placed } from '../translating.ts';
import type { Ask } from '../work.ts';
import { groupsWith } from '../../domain/companies.ts';
import { answered } from './answered.ts';
import { againOf, broughtEntry, keptBrought, placesOf, placing, sourceBook } from './account.ts';

/** `twice`: those with a set on either side; the one on the source goes on where it is at work. */
type OfApplications = Ask & { readonly applications: readonly string[]; readonly twice?: readonly string[] };
type OfSets = Ask & { readonly sets: readonly CutSet[] };

/** A fleet on the side that died may never answer. */
const fleetMs = 20_000;
/** Stopping a connector whose cluster is dead takes Connect its time. */
const removeMs = 60_000;
/** Aborting what a silenced mirror left open takes its coordinator some moments. */
const settleMs = 10_000;

export const withoutTarget = (ports: Ports, lately: PlacedLately = createPlacedLately()) => {
  const book = sourceBook(ports);
  return {
    /** Told, as far as they can be told. Who still says that a process runs there is asked about; who cannot say is named. */
    async stopWithoutTarget(x: OfApplications, at: At): Promise<Said> {
      const only = (name: string): 'target' | undefined => (x.twice?.includes(name) === true ? 'target' : undefined);
      // Muted first of all: a second set that does not stop should at least be without effect.
      const [muted, told] = await Promise.all([
        mutedSecond(ports, x, at),
        Promise.all(applicationsOf(x.m, x.applications).map(async (a) => ({ name: a.name, deaf: await answered(() => fleetOf(ports, x.m, a).stop(a.name, at.until, only(a.name)), fleetMs) }))),
      ]);
      at.until.check();
      const states = await Promise.all(told.map(async ({ name, deaf }) => {
        let state: { readonly source: number | 'unknown'; readonly target: number | 'unknown' } | null = null;
        const silent = await answered(async () => { state = (await askAll(ports, x.m, [name], at))[0]?.state ?? null; }, fleetMs);
        return { name, deaf: deaf ?? silent, state: state as { readonly source: number | 'unknown'; readonly target: number | 'unknown' } | null };
      }));
      const running = states.filter((s) => s.state !== null && [...(only(s.name) ? [] : [s.state.source]), s.state.target].some((n) => n !== 'unknown' && n > 0));
      if (running.length > 0) throw new Failure('ClientNotMoved', `${list(running.map((s) => s.name))} ${running.length === 1 ? 'was' : 'were'} told to stop, and still ${running.length === 1 ? 'runs' : 'run'}, says the fleet${running.some((s) => s.deaf !== null) ? ` (${running.flatMap((s) => s.deaf ?? []).join('; ')})` : ''}.`, 'Stop the processes, then retry; or skip with a reason: what they write on the target when it returns is found by reconcile only.');
      const unknown = states.filter((s) => s.state === null || (!only(s.name) && s.state.source === 'unknown') || s.state.target === 'unknown');
      const gone = states.filter((s) => !unknown.includes(s));
      return { say: [
        ...(gone.length > 0 ? [`${list(gone.map((s) => s.name))} stopped`] : []),
        ...unknown.map((s) => `nobody can say whether ${s.name} still runs${s.deaf === null ? '' : ` (${s.deaf})`}: what it writes on ${x.m.target} when that returns is found by reconcile only`),
        ...muted,
      ].join('; ') + '.' };
    },

    /** The mirrors back, for good: when the target returns, nothing of it comes over by itself behind what is written on the source by then. */
    async silenceWithoutTarget(x: OfSets, at: At): Promise<Said> {
      const silent: string[] = [];
      for (const set of x.sets) for (const spec of await findMirrors(ports, { ...x, set, toward: 'source' })) {
        const opened = (await standingMarks(book, { ...x, set })).find((mark) => mark.to === 'target');
        const brought = async (): Promise<readonly Entry[]> => (opened ? [broughtEntry(x, { set, opened }, await ports.mirrors.progress(spec))] : []);
        // Nothing is open under an id that nobody knows: its task never wrote, or not for a week.
        const writers = (await ports.mirrors.writers(spec)).filter((w) => w.producerId !== null);
        at.until.check();
        // Without any there is nothing to fence either: it goes altogether.
        if (writers.length === 0) {
          if (opened && (await keptBrought(ports, x, { set, opened })) === null) await book.write(x.m, await brought(), 'one', at);
          await ports.mirrors.remove(spec, at.until);
          silent.push(`${spec.name} (no producer of it is known, removed)`);
          continue;
        }
        await ports.mirrors.silence(spec, writers, at.until);
        await closed(ports, { ...x, set }, at);
        await book.write(x.m, [...(await brought()), entry(`${silencedKey({ ...x, set }, 'source')}${spec.name}`, { name: spec.name })], 'one', at);
        silent.push(spec.name);
      }
      return { say: silent.length === 0 ? 'no mirror back was there.' : `${list(silent)} ${silent.length === 1 ? 'is' : 'are'} silent for good.` };
    },

    /** The cut as it can be marked from the source: its own ends now, and of the target what was last known. In the source's ledger only. */
    async markWithoutTarget(x: Ask & { readonly set: CutSet }, at: At): Promise<Said> {
      const [last] = await standingMarks(book, x);
      if (last?.withoutTarget === true) return { say: `cut ${last.epoch} of ${x.set.name} was marked already.` };
      if (last?.to !== 'target') return { say: `${x.set.name} has its authority on ${x.m.source}: there is nothing to cut.` };
      const source = clusterOf(ports, x.m, 'source');
      const [facts, ends, swept] = await Promise.all([source.topics(x.set.topics), source.ends(x.set.topics), sweptOf(ports, x)]);
      const tails = await source.records.tails(ends, 1);
      const [mirror] = [...(await book.read(x.m, silencedKey(x, 'source'))).values()].map((text) => (JSON.parse(text) as { readonly name: string }).name).sort((a, b) => (a.length === b.length ? (a < b ? 1 : -1) : b.length - a.length));
      const mark: Mark = {
        epoch: await nextEpoch(book, x), set: x.set.name, to: 'source', atMs: at.now(), withdrawn: false, mirror: mirror ?? null, withoutTarget: true,
        ids: { source: Object.fromEntries(facts.map((t) => [t.name, t.id])), target: last.ids.target },
        ends: {
          source: Object.fromEntries(ends.map((e) => { const r = tails.get(tpKey(e))?.at(-1); return [tpKey(e), { logStart: String(e.logStart), lso: String(e.lso), hw: String(e.hw), last: r ? { offset: String(r.offset), fingerprint: r.fingerprint } : null }]; })),
          target: Object.fromEntries(Object.entries(last.ends.target).map(([key, end]): [string, Ends[string]] => { const known = swept.ends.get(key); return [key, known ? { logStart: end.logStart, lso: String(known[0]), hw: String(known[1]), last: null } : end]; })),
        },
      };
      at.until.check();
      await writeMark(book, x, mark, at);
      return { say: `cut ${mark.epoch} of ${x.set.name} is in the ledger of ${x.m.source}: ${count(ends.length, 'partition')}, authority goes to the source without the target.` };
    },

    /** One explicit position per partition, from what was swept; read back. */
    async setWithoutTarget(x: OfApplications, at: At): Promise<Said> {
      const source = clusterOf(ports, x.m, 'source');
      const { groups, full, atWork } = await placing(ports, x, at);
      if (full.length > 0) throw new Failure('GroupActive', `${full.map((g) => `Group ${g.group} is ${g.state} with ${count(g.members.length, 'member')} (${membersOf(g)})`).join('; ')} on cluster ${x.m.source}; setting its position needs 0 members.`);
      const places = await placesOf(ports, x, groups, groupsWith(x.m, x.twice ?? []));
      const placed = new Map([...Map.groupBy(places, (p) => p.group)].map(([group, of]) => [group, of.map((p): Placed => ({ topic: p.end.topic, partition: p.end.partition, offset: p.offset, metadata: p.metadata, from: null, by: 'consent', matched: 0, repeats: Number(againOf(p)) }))]));
      await writeThrough(source, placed, { at, range: 'checked' });
      await book.write(x.m, [...placed].map(([group, of]) => entry(`${x.c.key}/set/${group}`, Object.fromEntries(of.map((p) => [tpKey(p), { from: null, to: String(p.offset), by: 'without-target', matched: 0, repeats: p.repeats ?? 0 }])))), 'one', at);
      lately.mark(groups, 'source', at.now());
      const again = [...Map.groupBy(places, (p) => p.group)].map(([group, of]) => `${group} reads at most ${grouped(of.reduce((n, p) => n + againOf(p), 0n))} again`);
      const goOn = atWork.length === 0 ? '' : ` ${list(atWork.map((w) => w.say))}.`;
      return { say: `${count(places.length, 'position')} of ${list(groups) || 'no group'} set on the source, read back${again.length > 0 ? `; ${list(again)}` : ''}.${goOn}` };
    },

    async liftWithoutTarget(x: OfApplications & OfSets, at: At): Promise<Said> {
      const groups = unique(applicationsOf(x.m, x.applications).flatMap((a) => a.reads.map((r) => r.group)));
      const writes = await fence(ports, book).lowerFences({ ...x, on: 'source' }, at);
      const reads = await groupFence(ports, book).lowerGroupFences({ ...x, groups, on: 'source' }, at);
      return { say: `${writes.say} ${reads.say}` };
    },

    /** What can be cleared without the target is; the rest is named. */
    async leaveTarget(x: OfSets, at: At): Promise<Said> {
      const cleared: string[] = [];
      const left: string[] = [];
      const ways = both.filter((toward) => (toward === 'target' ? x.m.connect : x.m.connectBack) !== null);
      // Side by side: a Connect worker that died with the target keeps nobody waiting for the other.
      await Promise.all(ways.flatMap((toward) => x.sets.map(async (set) => {
        const failed = await answered(async () => {
          for (const spec of await findMirrors(ports, { ...x, set, toward })) { at.until.check(); await ports.mirrors.remove(spec, at.until); cleared.push(spec.name); }
        }, removeMs);
        if (failed !== null) left.push(`mirrors of ${set.name} from ${x.m[otherSide(toward)]} to ${x.m[toward]} on Connect worker ${connectOf(x.m, toward)} (${failed})`);
      })));
      at.until.check();
      left.push(`on ${x.m.target}: topics ${list(x.m.topics)} with what never came back, positions of groups, fences and retention settings of ours`);
      await book.write(x.m, [entry(`${x.c.run}/without-target/left`, { atMs: at.now(), left, cleared })], 'one', at);
      return { say: `left behind: ${[...left].sort(byName).join('; ')}. ${cleared.length > 0 ? `Removed: ${list([...cleared].sort(byName))}. ` : ''}When ${x.m.target} is back: cutover reconcile.` };
    },
  };
};

/** A second set that comes back with the target works without effect, as far as its hook can be reached. */
async function mutedSecond(ports: Ports, { m }: Ask, at: At): Promise<readonly string[]> {
  const live = m.blueGreen?.live ?? null;
  if (live === null) return [];
  const hook = ports.hook(live);
  const deaf = await answered(async () => {
    await hook.set('muted', at.until);
    const { state } = await hook.ask(at.until);
    if (state !== 'muted') throw new Error(`it answered well, and says ${state}`);
  }, fleetMs);
  return [deaf === null ? `the second set is muted (${live})` : `${live} could not be told to mute the second set (${deaf}): do it before ${m.target} returns`];
}

/** Nothing of it is open any more. */
async function closed(ports: Ports, x: Ask & { readonly set: CutSet }, at: At): Promise<void> {
  for (const startedMs = at.now(); ; await at.pause(100)) {
    const open = (await clusterOf(ports, x.m, 'source').ends(x.set.topics)).filter((e) => e.lso !== e.hw).map(tpKey);
    if (open.length === 0) return;
    if (at.now() - startedMs > settleMs) throw new Failure('ForgottenWriter', `On cluster ${x.m.source} a transaction is open on ${list(open)} after the mirror back was silenced.`);
  }
}
