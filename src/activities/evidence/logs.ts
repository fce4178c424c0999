/** Logs at a hold: the cut on record, and nothing of strangers where nobody but the mirror may write. */
import type { Side } from '../../domain/authority.ts';
import type { CutSet } from '../../domain/cutsets.ts';
import { tpKey } from '../../domain/ports.ts';
import { standingMark } from '../cut.ts';
import { scanForeign, spellWriter, visibleOf, type Foreign, type OfForeign } from '../foreign.ts';
import { clusterOf, grouped, list } from '../outside.ts';
import { lostHolds } from '../retention.ts';
import { stragglersOf } from '../stragglers.ts';
import { claim, shown, type EvidenceAsk, type Reach, type Shown } from './shown.ts';

const progressOf = (f: Foreign): readonly string[] => (f.looked < f.of ? [`looked through ${grouped(f.looked)} of ${grouped(f.of)} offsets so far; ask again to go on`] : []);
const spellAll = (f: Foreign): readonly string[] => f.writers.map((w) => `foreign: ${spellWriter(w)}`);
const clean = (f: Foreign): boolean => f.writers.length === 0 && f.looked >= f.of;

/**
 * On a side without authority: from the log start, or since the last cut. Where nobody can stop a stranger any more, what he
 * aborted himself is told and keeps nobody from going back: no reader and no mirror will ever see it.
 */
export function foreignShown({ ports, record, at }: Reach, x: EvidenceAsk, o: { readonly set: CutSet; readonly on: Side; readonly aborted: 'counts' | 'told' }): Promise<Shown> {
  const text = `Nobody but the mirror wrote to ${list(o.set.topics)} on the ${o.on} since it has no authority there.`;
  return shown(text, async () => {
    const of: OfForeign = { m: x.m, c: x.c, set: o.set, on: o.on, since: 'start' };
    const found = await scanForeign(ports, record, of, at);
    const against = o.aborted === 'counts' ? found.writers : await visibleOf(ports, record, { ...of, writers: found.writers }, at);
    return claim(text, against.length === 0 && found.looked >= found.of, ...found.writers.map((w) => `${against.includes(w) ? 'foreign' : 'foreign, all of it aborted'}: ${spellWriter(w)}`), ...progressOf(found));
  });
}

/** Without a copy the target is empty until its first cut; later its log holds what was written while it had the authority. */
export function closedTargetShown(reach: Reach, x: EvidenceAsk, set: CutSet): Promise<Shown> {
  const text = `Topics ${list(set.topics)} hold no record on the target that came while it had no authority.`;
  return shown(text, async () => {
    if (await standingMark(reach.record, { ...x, set })) {
      const { claims, figures } = await foreignShown(reach, x, { set, on: 'target', aborted: 'counts' });
      return claim(text, claims.every((c) => c.holds), ...figures);
    }
    const filled = (await clusterOf(reach.ports, x.m, 'target').ends(set.topics)).filter((e) => e.hw > e.logStart);
    return claim(text, filled.length === 0, ...filled.map((e) => `${tpKey(e)} holds ${grouped(e.hw - e.logStart)} offsets on the target`));
  });
}

/** Somebody else who manages these topics may have set it back while the migration waited: groups that lag there would lose what they have not read. */
export async function retentionShown({ ports, record }: Reach, x: EvidenceAsk): Promise<Shown> {
  const text = `Nothing is deleted or compacted on ${x.m.target}: its retention is held as it was set.`;
  return shown(text, async () => {
    const lost = await lostHolds(ports, record, x);
    return lost === null ? { claims: [], figures: [] } : claim(text, lost.length === 0, ...lost);
  });
}

/** At the finish: the cut stands, and what strangers wrote behind it was carried over. */
export function cutStands({ ports, record, at }: Reach, x: EvidenceAsk, set: CutSet): Promise<Shown> {
  const recorded = `The cut of ${set.name} to the target is in the ledger.`;
  const closed = `Nobody but the mirror wrote to ${list(set.topics)} on the source after the cut, or it was carried over.`;
  return shown(`${recorded} ${closed}`, async () => {
    const mark = await standingMark(record, { ...x, set });
    if (mark?.to !== 'target') return { claims: [{ text: recorded, holds: false }, { text: closed, holds: false }], figures: [] };
    const found = await scanForeign(ports, record, { m: x.m, c: x.c, set, on: 'source', since: 'cut' }, at);
    const late = clean(found) ? null : await stragglersOf(ports, record, { ...x, set }, at);
    const [source, target] = await Promise.all([clusterOf(ports, x.m, 'source').ends(set.topics), clusterOf(ports, x.m, 'target').ends(set.topics)]);
    const open = late === null ? [] : source.filter((e) => e.hw !== e.lso).map(tpKey);
    const since = target.reduce((n, e) => n + e.hw - BigInt(mark.ends.target[tpKey(e)]?.hw ?? '0'), 0n);
    return {
      claims: [{ text: recorded, holds: true }, { text: closed, holds: (late === null || late.records === 0) && open.length === 0 && found.looked >= found.of }],
      figures: [...spellAll(found), ...progressOf(found), ...(late === null ? [] : [late.say]), ...(open.length > 0 ? [`a transaction is open on the source on ${list(open, 3)}`] : []), `${set.name}: cut ${mark.epoch}, ${grouped(since)} offsets written on the target since`],
    };
  });
}
