/**
 * What each of the seven schemes offers, with and without a copy of the data, as plain data; and whether what the owners of
 * the applications said they tolerate can be kept with it.
 */
import { consentsOf, leastOutage, type Application, type Migration, type Tolerances } from './migration.ts';
import type { OutageRecord } from './progress.ts';

export interface Offer {
  readonly scheme: string;
  /** Where a scheme comes in two kinds, which of them; empty otherwise. */
  readonly kind: '' | 'with a copy' | 'without a copy' | 'muted' | 'doubling';
  /** Whether the records of the source are copied to the target. */
  readonly copies: boolean;
  /** `counted`: as many as the hold shows, consented to. */
  readonly loss: 'none' | 'counted';
  /** `counted`: whatever both sets of an application process while they overlap. */
  readonly repeats: 'none' | 'counted';
  /** Of the records of one key. `measured`: not promised, and told afterwards. */
  readonly order: 'kept' | 'measured';
  /** All of them within the budget of the migration. */
  readonly writeOutage: 'per set' | 'one for all' | 'includes the drain';
  /** `own restart`: from the stop of one application to its start. `none`: a second set is at work before the first one stops. */
  readonly readOutage: 'none' | 'own restart' | 'one for all';
  readonly consumers: 'one set' | 'two sets';
  readonly needs: readonly string[];
}

const mirror = 'a Connect worker that copies ("connect")';
const second = 'a second set of processes beside the first';
const kept = { loss: 'none', repeats: 'none', order: 'kept', consumers: 'one set' } as const;

/** Least disruptive first, as people would try them. */
export const offers: readonly Offer[] = [
  { ...kept, scheme: 'stopRestartRepeat', kind: '', copies: true, writeOutage: 'per set', readOutage: 'own restart', needs: [mirror] },
  { ...kept, scheme: 'consumerFirst', kind: '', copies: true, writeOutage: 'per set', readOutage: 'own restart', needs: [mirror] },
  { ...kept, scheme: 'producerFirst', kind: '', copies: false, writeOutage: 'per set', readOutage: 'own restart', needs: [] },
  { ...kept, scheme: 'dualConsume', kind: '', copies: false, order: 'measured', writeOutage: 'per set', readOutage: 'none', consumers: 'two sets', needs: [second, 'consumers that do not mind the order'] },
  { ...kept, scheme: 'blueGreen', kind: 'muted', copies: true, writeOutage: 'includes the drain', readOutage: 'none', consumers: 'two sets', needs: [mirror, second, 'a switch for traffic and one that mutes ("blueGreen")'] },
  { ...kept, scheme: 'stopWaitRestart', kind: 'with a copy', copies: true, writeOutage: 'includes the drain', readOutage: 'one for all', needs: [mirror] },
  { ...kept, scheme: 'stopWaitRestart', kind: 'without a copy', copies: false, writeOutage: 'includes the drain', readOutage: 'one for all', needs: [] },
  { ...kept, scheme: 'restartAllAtOnce', kind: 'with a copy', copies: true, writeOutage: 'one for all', readOutage: 'one for all', needs: [mirror] },
  { ...kept, scheme: 'restartAllAtOnce', kind: 'without a copy', copies: false, loss: 'counted', writeOutage: 'one for all', readOutage: 'one for all', needs: ['consent to the loss that is counted'] },
  { ...kept, scheme: 'blueGreen', kind: 'doubling', copies: true, repeats: 'counted', writeOutage: 'includes the drain', readOutage: 'none', consumers: 'two sets', needs: [mirror, second, 'consumers that may repeat'] },
];

export const offerName = (o: Offer): string => (o.kind === '' ? o.scheme : `${o.scheme} ${o.kind}`);
/** What a scheme offers to this migration; `null`: a scheme nobody described here. */
export function offerOf(scheme: string, m: Pick<Migration, 'connect'> & { readonly blueGreen?: { readonly until: string } }): Offer | null {
  const own = offers.filter((o) => o.scheme === scheme);
  if (scheme === 'blueGreen') return own.find((o) => (o.kind === 'doubling') === (m.blueGreen?.until === 'doubling')) ?? null;
  return own.find((o) => own.length === 1 || o.copies === (m.connect !== null)) ?? null;
}

/** Why an application cannot go with an offer, each as the end of a sentence; empty: it can. */
export function objections(a: Application, o: Offer, budgetMs: number): readonly string[] {
  const t = a.tolerates;
  if (t === undefined) return [];
  return [...(a.reads.length > 0 ? [...processing(a, t, o), ...reading(a, t, o, budgetMs)] : []), ...(a.writes.length > 0 ? writing(t, o, budgetMs) : [])];
}

function processing(a: Application, t: Tolerances, o: Offer): readonly string[] {
  return [
    ...(o.loss === 'counted' && !t.loss ? ['tolerates no loss, and what it has not read at the stop would be lost'] : []),
    ...(o.repeats === 'counted' && !t.repeats ? ['tolerates no repeats, and every record of the overlap would be processed twice'] : []),
    ...(o.order === 'measured' && !t.disorder ? ['tolerates no disorder, and records of one key may come out of order across the switch'] : []),
    ...(t.loss ? [] : a.reads.flatMap((r) => ((r.mayLose ?? 0) > 0 ? [`tolerates no loss, and "mayLose" lets group ${r.group} lose ${r.mayLose}`] : []))),
    ...(t.repeats ? [] : consentsOf([a]).map((c) => `tolerates no repeats, and "mayRepeat" lets group ${c.group} read ${c.repeats} again`)),
  ];
}

/** Applications that write as well stop reading for as long as they stop writing. */
function reading(a: Application, t: Tolerances, o: Offer, budgetMs: number): readonly string[] {
  const { readOutageMs } = t;
  if (readOutageMs === undefined || o.readOutage === 'none') return [];
  if (readOutageMs === 0) return ['tolerates no read outage, and it would be restarted'];
  const within = o.readOutage === 'one for all' || a.writes.length > 0;
  return within && budgetMs > readOutageMs ? [`tolerates ${readOutageMs} ms without a running reader, and it stops for an outage with a budget of ${budgetMs} ms`] : [];
}

const outageWords: Readonly<Record<Offer['writeOutage'], string>> = {
  'per set': 'the outage of its set has a budget of', 'one for all': 'the one outage for all has a budget of', 'includes the drain': 'the outage, which includes the drain, has a budget of',
};
function writing({ writeOutageMs }: Tolerances, o: Offer, budgetMs: number): readonly string[] {
  return writeOutageMs === undefined || budgetMs <= writeOutageMs ? [] : [`tolerates ${writeOutageMs} ms without a running writer, and ${outageWords[o.writeOutage]} ${budgetMs} ms`];
}

/** Names of the offers that every application could go with. */
export const wouldDo = (m: Pick<Migration, 'applications' | 'outage'>): readonly Offer[] =>
  offers.filter((o) => m.applications.every((a) => objections(a, o, m.outage.budgetMs).length === 0));

/** One message with every application and reason, and what would do instead; `null`: the scheme can keep what was declared. */
export function unkept(m: Pick<Migration, 'applications' | 'outage' | 'connect'>, scheme: string): string | null {
  const offer = offerOf(scheme, m);
  if (offer === null) return null;
  const faults = m.applications.flatMap((a) => objections(a, offer, m.outage.budgetMs).map((why) => `- ${a.name} ${why}.`));
  return faults.length === 0 ? null : [`${offerName(offer)} cannot keep what the applications tolerate; nothing was written.`, ...faults, instead(m)].join('\n');
}

type Going = Pick<Migration, 'applications' | 'outage'>;
/** The budget is the operator's own choice: what a smaller one would allow is said as well. `fits`: what else is known of an offer. */
export function instead(m: Going, fits: (o: Offer, m: Going) => boolean = () => true): string {
  const fitting = (of: Going): readonly Offer[] => wouldDo(of).filter((o) => fits(o, of));
  const would = fitting(m);
  if (would.length > 0) return `These would do: ${would.map(offerName).join(', ')}.`;
  const least = smallestOutage(m.applications);
  const with_ = least === null || least < leastOutage.forwardMs + leastOutage.reserveMs || least >= m.outage.budgetMs ? [] : fitting({ ...m, outage: { ...m.outage, budgetMs: least } });
  return with_.length > 0 ? `With outage.budgetMs at most ${String(least)} these would do: ${with_.map(offerName).join(', ')}${Number(least) - m.outage.undoReserveMs < leastOutage.forwardMs ? `; outage.undoReserveMs, ${m.outage.undoReserveMs} now, must leave at least ${leastOutage.forwardMs} of it` : ''}.`
    : 'No scheme keeps all of it at once: move these applications apart, or ask their owners for more.';
}

/** The shortest outage that any of them tolerates, ms; `null`: none of them says. */
export function smallestOutage(applications: readonly Application[]): number | null {
  const all = applications.flatMap((a) => [
    ...(a.writes.length > 0 ? [a.tolerates?.writeOutageMs ?? Infinity] : []), ...(a.reads.length > 0 && (a.tolerates?.readOutageMs ?? 0) > 0 ? [a.tolerates?.readOutageMs ?? Infinity] : []),
  ]);
  const least = Math.min(...all);
  return Number.isFinite(least) ? least : null;
}

/** The measured outage of a cut, held against what its writers tolerate: one sentence, `null` where nothing was declared. */
export function heldAgainst(writers: readonly Application[], o: Pick<OutageRecord, 'addedMs'>): string | null {
  const { addedMs } = o;
  const declared = writers.flatMap((a) => (a.tolerates?.writeOutageMs === undefined ? [] : [{ name: a.name, ms: a.tolerates.writeOutageMs }]));
  if (addedMs === null || declared.length === 0) return null;
  return declared.map((d) => `${d.name} tolerates a write outage of ${d.ms} ms; measured from the last stop to the first start: ${addedMs} ms${addedMs <= d.ms ? '' : ', LONGER'}`).join('; ');
}
