/** What a hold shows: claims a person approves, the same text as long as nothing that matters changed, and figures beside them. */
import type { CutSet } from '../domain/cutsets.ts';
import { groupsOf, type EstatePart } from '../domain/migration.ts';
import type { Ports } from '../domain/ports.ts';
import type { Evidence } from '../domain/scheme.ts';
import type { At } from './boundary.ts';
import { standingMark } from './cut.ts';
import { commitsShown, earsShown, emptyShown, fleetsShown, inventoryShown, lagsShown, leftoversTold, positionsShown, remainderShown, strangersTold } from './evidence/clients.ts';
import { fenceTold, forecastShown, readFenceTold, rehearsedShown } from './evidence/forecast.ts';
import { closedTargetShown, cutStands, foreignShown, retentionShown } from './evidence/logs.ts';
import { backTold, mirrorsGone, mirrorsShown, wayBackShown } from './evidence/mirrors.ts';
import { beginningShown } from './evidence/beginnings.ts';
import { provableShown } from './evidence/provable.ts';
import { fineShown, secondShown } from './evidence/second.ts';
import { claim, shown, type About, type EvidenceAsk, type Reach, type Shown } from './evidence/shown.ts';
import { withoutTargetShown } from './evidence/withouttarget.ts';
import type { LedgerBook } from './ledger.ts';
import { applicationsOf, count, list, unique } from './outside.ts';
import type { Pace } from './pace.ts';
import { stragglersOf } from './stragglers.ts';

type Looks = readonly Promise<Shown>[];

export const evidence = (ports: Ports, record: LedgerBook, pace: Pace) => ({
  async evidence(x: EvidenceAsk, at: At): Promise<Evidence> {
    const reach: Reach = { ports, record, pace, at };
    // A dead target is asked for nothing, not even whether its topics are the same.
    if (x.about.kind === 'without-target') {
      const seen = await Promise.all(withoutTargetShown(reach, { ...x, about: x.about }));
      return { claims: seen.flatMap((s) => s.claims), figures: seen.flatMap((s) => s.figures) };
    }
    if (x.about.kind === 'stragglers') return stragglers(reach, { ...x, about: x.about });
    const all = await Promise.all([inventoryShown(reach, x), ...(await looksAt(reach, x))]);
    return { claims: all.flatMap((s) => s.claims), figures: all.flatMap((s) => s.figures) };
  },
});

async function looksAt(reach: Reach, x: EvidenceAsk): Promise<Looks> {
  const { about } = x;
  switch (about.kind) {
    case 'move': return move(reach, { ...x, about });
    case 'cut': return cut(reach, { ...x, about });
    case 'stragglers': case 'without-target': return [];
    case 'reverse': return reverse(reach, { ...x, about });
    case 'finish': return finish(reach, { ...x, about });
  }
}

/** Who they are and how many: a person decides whether they are carried over, out of order, or all goes back. */
async function stragglers({ ports, record, at }: Reach, x: About<'stragglers'>): Promise<Evidence> {
  const found = await stragglersOf(ports, record, { ...x, set: x.about.set }, at);
  if (found.records === 0) return { claims: [], figures: [], moot: `nothing reached ${list(x.about.set.topics)} on the ${found.on} after cut ${found.epoch}${found.carried > 0 ? ` that was not carried over (${count(found.carried, 'record')} were)` : ''}.` };
  return { claims: [{ text: `${count(found.records, 'record')} reached ${list(x.about.set.topics)} on the ${found.on} after cut ${found.epoch}.`, holds: true }], figures: [found.say, 'their order among what was written on the other side meanwhile is not kept'] };
}

async function move(reach: Reach, x: About<'move'>): Promise<Looks> {
  const { about } = x;
  const of = { applications: about.applications, on: 'source' } as const;
  // A set whose authority is on the target already may be written there by whoever is declared.
  const open = (await Promise.all(about.sets.map(async (set) => ((await standingMark(reach.record, { ...x, set }))?.to === 'target' ? [] : [set])))).flat();
  return [
    ...(about.copies && open.length > 0 ? [mirrorsShown(reach, x, { sets: open, toward: 'target' })] : []),
    ...open.map((set) => closedShown(reach, x, { set, copies: about.copies })),
    retentionShown(reach, x),
    fleetsShown(reach, x, of),
    positionsShown(reach, x, of),
    ...(about.copies ? provableShown(reach, x, of) : []),
    emptyShown(reach, x, { ...of, on: 'target' }),
    leftoversTold(reach, x, of),
    readFenceTold(reach, x, { groups: unique(applicationsOf(x.m, about.applications).flatMap(groupsOf)), on: 'source' }),
  ];
}
const closedShown = (reach: Reach, x: EvidenceAsk, o: { readonly set: CutSet; readonly copies: boolean }): Promise<Shown> =>
  (o.copies ? foreignShown(reach, x, { set: o.set, on: 'target', aborted: 'counts' }) : closedTargetShown(reach, x, o.set));

async function cut(reach: Reach, x: About<'cut'>): Promise<Looks> {
  const { about } = x;
  const of = { applications: about.applications, on: 'source' } as const;
  const reading = applicationsOf(x.m, about.applications).filter((a) => a.reads.length > 0).map((a) => a.name);
  return [
    ...(about.copies ? [mirrorsShown(reach, x, { sets: [about.set], toward: 'target' })] : []),
    closedShown(reach, x, about),
    retentionShown(reach, x),
    ...(about.second ? [secondShown(reach, x, about.applications), fineShown(reach, x)] : [fleetsShown(reach, x, of)]),
    ...(reading.length > 0 ? [positionsShown(reach, x, { ...of, applications: reading })] : []),
    ...(reading.length > 0 && !about.second ? [emptyShown(reach, x, { applications: reading, on: 'target' })] : []),
    ...(about.begins ?? []).map((b) => beginningShown(reach, x, b)),
    // Groups that read to the end first need no translation.
    ...(reading.length > 0 && about.copies && about.waits === undefined ? provableShown(reach, x, { ...of, applications: reading.filter((n) => applicationsOf(x.m, [n]).some((a) => a.reads.some((r) => !about.begins?.some((b) => b.group === r.group && b.how === 'latest')))) }) : []),
    ...(about.beside ? [earsShown(reach, x, { applications: about.beside, on: 'target', topics: about.set.topics })] : []),
    ...(x.m.connectBack === null ? [] : [wayBackShown(reach, x, about.set)]),
    forecastShown(reach, x),
    rehearsedShown(reach, x),
    leftoversTold(reach, x, of),
    fenceTold(reach, x, { set: about.set, on: 'source' }),
  ];
}

async function reverse(reach: Reach, x: About<'reverse'>): Promise<Looks> {
  const { about } = x;
  const of = { applications: about.applications, on: 'target' } as const;
  const reading = applicationsOf(x.m, about.applications).filter((a) => a.reads.length > 0).map((a) => a.name);
  return [
    // Beside a set that still reads there, nothing may be carried back before the hold.
    about.beside ? wayBackShown(reach, x, about.set) : mirrorsShown(reach, x, { sets: [about.set], toward: 'source' }),
    ...(about.beside ? [remainderShown(reach, x, { applications: about.beside, topics: about.set.topics })] : []),
    foreignShown(reach, x, { set: about.set, on: 'source', aborted: 'told' }),
    retentionShown(reach, x),
    fleetsShown(reach, x, of),
    ...(reading.length > 0 ? [positionsShown(reach, x, { ...of, applications: reading }), emptyShown(reach, x, { applications: reading, on: 'source' })] : []),
    ...(reading.length > 0 && about.beside === undefined ? provableShown(reach, x, { ...of, applications: reading }) : []),
    forecastShown(reach, x),
    leftoversTold(reach, x, of),
    fenceTold(reach, x, { set: about.set, on: 'target' }),
    strangersTold(reach, x),
  ];
}

/** Written by the estate when no group of these topics is left on the source. */
export const releasedKey = (estate: Pick<EstatePart, 'run' | 'wave'>): string => `${estate.run}/released/${estate.wave}`;
function releasedShown({ record }: Reach, x: EvidenceAsk, estate: EstatePart): Promise<Shown> {
  const text = `The estate ${estate.id} has released ${estate.wave}: no group of its topics is left on the source.`;
  return shown(text, async () => claim(text, (await record.read(x.m, releasedKey(estate))).has(releasedKey(estate)), 'only the estate finishes: give your approval there'));
}

async function finish(reach: Reach, x: About<'finish'>): Promise<Looks> {
  const { about } = x;
  const moved = { applications: unique(x.m.applications.map((a) => a.name)), on: 'source' } as const;
  return [
    ...about.sets.map((set) => cutStands(reach, x, set)),
    ...(about.copies ? [mirrorsGone(reach, x, about.sets)] : []),
    ...(x.m.connectBack === null ? [] : [backTold(reach, x, about.sets)]),
    emptyShown(reach, x, moved),
    commitsShown(reach, x),
    lagsShown(reach, x),
    ...(x.m.estate === undefined ? [] : [releasedShown(reach, x, x.m.estate)]),
  ];
}
