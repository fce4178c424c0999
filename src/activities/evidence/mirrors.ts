/** Mirrors at a hold: healthy and near, gone where they must be, and whether one could be made for the way back. */
import type { Side } from '../../domain/authority.ts';
import type { CutSet } from '../../domain/cutsets.ts';
import { isHealthy, viewMirror, type MirrorView } from '../caughtup.ts';
import { findMirror } from '../connect.ts';
import { rememberWriters } from '../mirrorwriters.ts';
import { count, grouped, list, nameOf } from '../outside.ts';
import { viewWayBack } from '../wayback.ts';
import { claim, shown, told, type EvidenceAsk, type Reach, type Shown } from './shown.ts';

interface OfMirrors { readonly sets: readonly CutSet[]; readonly toward: Side }

async function views({ ports, record, at }: Reach, x: EvidenceAsk, o: OfMirrors): Promise<readonly MirrorView[]> {
  const all = await Promise.all(o.sets.map(async (set) => {
    const view = await viewMirror(ports, { ...x, set, toward: o.toward }, { record, keep: at });
    await rememberWriters(ports, record, { ...x, set, toward: o.toward, specs: [view.spec] }, at);
    return view;
  }));
  return all;
}

export function mirrorsShown(reach: Reach, x: EvidenceAsk, o: OfMirrors): Promise<Shown> {
  const names = `${list(o.sets.map((s) => s.name))}${o.toward === 'source' ? ' back to the source' : ''}`;
  const healthy = `Every partition of ${names} is held by a running task of its mirror.`;
  const near = `No partition of ${names} lags more than ${grouped(x.c.limits.lagRecords)} records.`;
  return shown(`${healthy} ${near}`, async () => {
    const all = await views(reach, x, o);
    const worst = all.flatMap((v) => v.at).reduce((w, s) => (s.lag > w ? s.lag : w), 0n);
    return { claims: [{ text: healthy, holds: all.every(isHealthy) }, { text: near, holds: worst <= BigInt(x.c.limits.lagRecords) }], figures: all.map(lagOf) };
  });
}
const lagOf = (v: MirrorView): string => [
  `${v.spec.name}: ${v.health.connector}`, `${count(v.at.reduce((n, s) => n + s.lag, 0n), 'record')} to copy over ${count(v.at.length, 'partition')}`,
  ...(v.unassigned.length > 0 ? [`${v.unassigned.length} not held`] : []), ...(v.damage.length > 0 ? [`no longer faithful: ${list(v.damage, 3)}`] : []), ...v.health.traces.slice(0, 1),
].join(', ');

/** At the finish the way back is given up: how far it is behind is told, not asked. */
export const backTold = (reach: Reach, x: EvidenceAsk, sets: readonly CutSet[]): Promise<Shown> =>
  told('the way back', async () => (await views(reach, x, { sets, toward: 'source' })).map((v) => `given up with the finish: ${lagOf(v)}`));

export function mirrorsGone({ ports }: Reach, x: EvidenceAsk, sets: readonly CutSet[]): Promise<Shown> {
  const text = `Connect holds no mirror of ${list(sets.map((s) => s.name))} any more.`;
  return shown(text, async () => {
    const left = (await Promise.all(sets.map((set) => findMirror(ports, { ...x, set, toward: 'target' })))).flatMap((s) => (s ? [s.name] : []));
    return claim(text, left.length === 0, ...left.map((name) => `${name} is still there`));
  });
}

export function wayBackShown({ ports }: Reach, x: EvidenceAsk, set: CutSet): Promise<Shown> {
  const text = `There is a way back for ${set.name}: Connect worker ${x.m.connectBack ?? ''} can carry to ${nameOf(x.m, 'source')} what is written on ${nameOf(x.m, 'target')}.`;
  return shown(text, async () => {
    const proof = await viewWayBack(ports, { ...x, sets: [set] });
    return claim(text, proof.faults.length === 0, ...proof.faults.map((f) => `no way back: ${f}`), ...proof.shown.map((s) => `way back: ${s}`), ...proof.unknown.map((u) => `way back, unknown: ${u}`));
  });
}
