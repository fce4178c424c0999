/**
 * What an estate does next, worked out from its journal alone: begin a wave, take one back, finish one, ask a person, wait,
 * or end. One wave is on its way at a time; whatever has settled stays as it is while others fail.
 */
import { countOf, some } from './estate.ts';
import { hasMoved, isBusy, isOut, mayBegin, ordered, recordOf, type Approval, type EstateJournal, type EstateQuestion, type WaveRecord } from './estate-journal.ts';
import { setsByWave, waveIdOf } from './estate-migrations.ts';
import { dependents } from './estate-waves.ts';
import { groundworkWave } from './migration.ts';
import { hashOf } from './plan.ts';
import type { Claim } from './scheme.ts';

export type Act =
  | { readonly do: 'start'; readonly wave: string }
  | { readonly do: 'take-back'; readonly wave: string }
  /** Release the wave and approve its last hold, as it shows itself now. */
  | { readonly do: 'finish'; readonly wave: string; readonly hash: string }
  | { readonly do: 'ask'; readonly question: Omit<EstateQuestion, 'sinceMs'> }
  | { readonly do: 'wait' }
  | { readonly do: 'end'; readonly outcome: 'completed' | 'rolled-back' };
const waiting: Act = { do: 'wait' };

export function nextAct(j: EstateJournal): Act {
  tidy(j);
  if (j.question?.on && approvalHash(j, j.question.on, claimsOf(j, j.question.on)) !== j.question.hash) j.question = null;
  if (j.wanted !== null && j.question === null) return askApproval(j, j.wanted);
  if (j.starting !== null) return { do: 'start', wave: j.starting };
  const [back] = j.goingBack;
  if (back !== undefined) return backward(recordOf(j, back));
  const [finishing] = j.finishing;
  if (finishing !== undefined) return finish(recordOf(j, finishing));
  if (j.home !== null) return goHome(j);
  if (j.question !== null) return waiting;
  if (!j.approved) return askApproval(j, { do: 'begin' });
  return forward(j);
}

/** What has come to its end leaves the queues. */
function tidy(j: EstateJournal): void {
  j.goingBack = j.goingBack.filter((name) => { const w = recordOf(j, name); return w !== undefined && isOut(w); });
  // What was approved was all of it: where one turns back by its own operator, nobody else is finished on it, and the rest is asked about again.
  if (!j.finishing.every((name) => stands(j, name))) {
    for (const w of j.finishing.map((name) => recordOf(j, name))) if (w?.state === 'finishing' && !stands(j, w.name)) w.state = 'settled';
    j.finishing = j.finishing.filter((name) => recordOf(j, name)?.state === 'finishing');
  }
  j.finishing = j.finishing.filter((name) => { const w = recordOf(j, name); return w !== undefined && (w.state === 'settled' || w.state === 'finishing'); });
}
/** Whether what was claimed of a wave when its finish was approved is still so; of one that is finished nothing is claimed. */
function stands(j: EstateJournal, name: string): boolean {
  const w = recordOf(j, name);
  if (w === undefined || w.state === 'finished') return true;
  if (name !== groundworkWave) return finishClaims(j, name).every((c) => c.holds);
  return hasMoved(w) && wholeClaims(j).length === 0 && j.waves.every((v) => hasMoved(v) || v.state === 'skipped');
}

function backward(w: WaveRecord | undefined): Act {
  return w === undefined || w.state === 'going-back' ? waiting : { do: 'take-back', wave: w.name };
}
/** A hash once approved is not approved again: the wave reads its claims anew and shows them with another one. */
function finish(w: WaveRecord | undefined): Act {
  const hash = w?.asks?.hash ?? null;
  return w === undefined || hash === null || hash === w.approved ? waiting : { do: 'finish', wave: w.name, hash };
}

function goHome(j: EstateJournal): Act {
  const { groundwork } = j;
  if (j.waves.some(isBusy) || groundwork.state === 'going-back') return waiting;
  if (isOut(groundwork)) return { do: 'take-back', wave: groundworkWave };
  return { do: 'end', outcome: 'rolled-back' };
}

function forward(j: EstateJournal): Act {
  const { groundwork } = j;
  if (groundwork.state === 'waiting') return j.paused ? waiting : { do: 'start', wave: groundworkWave };
  if (groundwork.state === 'finished') return { do: 'end', outcome: 'completed' };
  const lost = [groundwork, ...j.waves].find((w) => w.state === 'lost');
  if (lost) return askAboutFailure(j, lost);
  if (groundwork.state === 'back' || groundwork.state === 'refused') return askAboutFailure(j, groundwork);
  if (groundwork.state !== 'settled' || j.waves.some(isBusy)) return waiting;
  // The first one decides: a failed wave stops those after it, and not one before it that is begun again.
  const next = j.waves.find((w) => w.state === 'waiting' || w.state === 'back' || w.state === 'refused');
  if (next && next.state !== 'waiting') return askAboutFailure(j, next);
  if (j.paused) return waiting;
  if (next) return askApproval(j, { do: 'start', wave: next.name });
  const settled = j.waves.filter((w) => w.state === 'settled').map((w) => w.name);
  return askApproval(j, { do: 'finish', waves: settled, whole: 'whole', reason: '' });
}

function askAboutFailure(j: EstateJournal, w: WaveRecord): Act {
  const ground = w.name === groundworkWave;
  const stand = dependents(ordered(j), w.name).filter((n) => hasMoved(recordOf(j, n)));
  if (w.state === 'lost') return { do: 'ask', question: {
    name: w.name, kind: 'failed', on: null, claims: [], figures: [], hash: null, answers: [],
    text: `Wave ${w.name} does not answer: its workflow has ended without undoing anything. Recover it with: cutover recover ${waveIdOf(j.estate, w.name)}. It then reports by itself.`,
  } };
  return { do: 'ask', question: {
    name: w.name, kind: 'failed', on: null, claims: [], figures: [], hash: null, answers: ground ? ['retry', 'rollback'] : ['retry', 'skip', 'postpone', 'rollback'],
    text: `${ground ? 'The groundwork' : `Wave ${w.name}`} ${w.state === 'back' ? 'was rolled back' : 'ended before it touched anything'}${w.say === '' ? '' : `: ${w.say}`} No further wave begins; those that have settled stay as they are.${stand.length === 0 ? '' : ` On it stand ${some(stand)}.`}`,
  } };
}

// --- approvals: what is claimed, and what they are about ------------------------------------------------------------

function askApproval(j: EstateJournal, on: Approval): Act {
  const { name, text, figures } = spoken(j, on);
  const claims = claimsOf(j, on);
  return { do: 'ask', question: { name, kind: 'hold', text, on, answers: ['approve', 'reject'], claims, figures, hash: approvalHash(j, on, claims) } };
}

/** Read again, from the journal as it then is, before an approval counts. */
export const approvalHash = (j: EstateJournal, on: Approval, claims: readonly Claim[]): string => hashOf({ plan: j.planHash, on, claims }).slice(0, 16);

export function claimsOf(j: EstateJournal, on: Approval): readonly Claim[] {
  switch (on.do) {
    case 'begin': return [{ text: `${countOf(j.plan.waves.length, 'wave')}, ${countOf(j.estate.applications.length, 'application')} and ${countOf(Object.keys(j.partitions).length, 'topic')} with ${countOf(partitionsOf(j, Object.keys(j.partitions)), 'partition')} are planned.`, holds: true }];
    case 'start': return startClaims(j, on.wave);
    case 'rollback': return [
      ...on.waves.map((w) => ({ text: `${w} is ${recordOf(j, w)?.state ?? 'gone'}; it goes back ${on.waves.indexOf(w) === 0 ? 'first' : `after ${on.waves[on.waves.indexOf(w) - 1] ?? ''}`}.`, holds: isOut(recordOf(j, w) ?? j.groundwork) })),
      ...finishedAmong(j, on).map((w) => ({ text: `${w} is finished, and with it the way back.`, holds: false })),
    ];
    case 'finish': return [...on.waves.flatMap((w) => finishClaims(j, w)), ...(on.whole === 'whole' ? wholeClaims(j) : [])];
    case 'skip': case 'postpone': return on.waves.map((w) => ({ text: `${w} has not begun.`, holds: mayBegin(recordOf(j, w) ?? j.groundwork) }));
  }
}

const partitionsOf = (j: EstateJournal, topics: readonly string[]): number => topics.reduce((n, t) => n + (j.partitions[t] ?? 0), 0);
const finishedAmong = (j: EstateJournal, on: { readonly waves: readonly string[]; readonly whole: 'whole' | 'part' }): readonly string[] => {
  const concerned = on.whole === 'whole' ? j.waves.map((w) => w.name) : dependents(ordered(j), on.waves.at(-1) ?? '');
  return concerned.filter((w) => ['finished', 'finishing'].includes(recordOf(j, w)?.state ?? ''));
};

/** Whatever the wave reads from others is where it can be read: cut, or mirrored by the groundwork. */
function startClaims(j: EstateJournal, wave: string): readonly Claim[] {
  const planned = j.plan.waves.find((w) => w.name === wave);
  const fed = new Set(j.plan.feeds.map((f) => f.topic));
  const reads = planned?.reads ?? [];
  const missing = j.plan.waves.flatMap((w) => {
    const mine = w.topics.filter((t) => reads.includes(t) && !fed.has(t));
    return mine.length > 0 && !hasMoved(recordOf(j, w.name)) ? [`${some(mine, 3)} (wave ${w.name})`] : [];
  });
  const before = j.waves.slice(0, j.waves.findIndex((w) => w.name === wave)).filter((w) => w.state !== 'skipped');
  return [
    { text: missing.length === 0 ? 'Everything it reads from others has been cut, or is mirrored by the groundwork.' : `It reads what still stays on ${j.estate.source} without a mirror: ${missing.join('; ')}.`, holds: missing.length === 0 },
    { text: 'No other wave is on its way.', holds: !j.waves.some(isBusy) },
    { text: before.length === 0 ? 'It is the first.' : `The waves before it have settled: ${some(before.map((w) => w.name), 10)}.`, holds: before.every(hasMoved) },
  ];
}

/** No group of its topics may be left on the source: every wave that reads them has moved. */
function finishClaims(j: EstateJournal, wave: string): readonly Claim[] {
  const planned = j.plan.waves.find((w) => w.name === wave);
  const left = j.plan.waves.filter((w) => w.name !== wave && w.reads.some((t) => planned?.topics.includes(t)) && !hasMoved(recordOf(j, w.name)));
  return [
    { text: `${wave} has settled.`, holds: ['settled', 'finishing'].includes(recordOf(j, wave)?.state ?? '') },
    { text: left.length === 0 ? `No group of the topics of ${wave} is left on ${j.estate.source}.` : `Groups of ${left.map((w) => `wave ${w.name} (${recordOf(j, w.name)?.state ?? 'gone'})`).join(', ')} still read on ${j.estate.source} what ${wave} has cut.`, holds: left.length === 0 },
  ];
}
function wholeClaims(j: EstateJournal): readonly Claim[] {
  const uncut = j.plan.feeds.filter((f) => !hasMoved(recordOf(j, f.cutIn)) && f.readIn.some((w) => hasMoved(recordOf(j, w))));
  return uncut.length === 0 ? [] : [{ text: `${some(uncut.map((f) => f.topic))} is read on ${j.estate.target} and still written on ${j.estate.source}: its mirror cannot go.`, holds: false }];
}

function wayBackAsked(on: { readonly whole: 'part' | 'whole'; readonly waves: readonly string[] }, source: string): string {
  const [what, others] = on.whole === 'whole' ? ['the whole estate', ''] : [`wave ${on.waves.at(-1) ?? ''}`, ', and with it what stands on it'];
  return `Take ${what} back to ${source}${on.waves.length > 1 ? `${others}, in this order: ${on.waves.join(', ')}` : ''}?`;
}

function spoken(j: EstateJournal, on: Approval): { readonly name: string; readonly text: string; readonly figures: readonly string[] } {
  const { source, target, environment, name } = j.estate;
  switch (on.do) {
    case 'begin': return { name: 'begin', text: `Move the estate ${name} (${environment}) from ${source} to ${target} in these waves: ${j.waves.map((w) => w.name).join(', ')}?`, figures: j.plan.notes };
    case 'start': return { name: `start ${on.wave}`, text: `Begin wave ${on.wave} (${environment})? It asks again itself before anything of it is stopped.`, figures: blast(j, on.wave) };
    case 'rollback': return { name: on.whole === 'whole' ? 'rollback' : `rollback ${on.waves.at(-1) ?? ''}`, text: wayBackAsked(on, source), figures: on.waves.flatMap((w) => blast(j, w)) };
    case 'finish': return { name: 'finish', text: on.waves.length === 0 ? `Nothing has settled: end the estate and give back what its groundwork holds?` : `Finish ${on.waves.join(', ')}: give up ${on.waves.length === 1 ? 'its way' : 'their ways'} back to ${source} for good?`, figures: on.waves.flatMap((w) => blast(j, w)) };
    case 'skip': case 'postpone': return { name: `${on.do} ${on.waves[0] ?? ''}`, text: `${on.do === 'skip' ? 'Leave' : 'Move behind all others'} ${on.waves.join(', ')}${on.waves.length > 1 ? ' (the later ones stand on the first)' : ''}?`, figures: [] };
  }
}

/** The blast radius of a wave in one line. */
function blast(j: EstateJournal, wave: string): readonly string[] {
  const w = j.plan.waves.find((p) => p.name === wave);
  if (w === undefined) return [];
  const stand = dependents(ordered(j), wave);
  const sets = setsByWave(j.estate, { waves: [w] }).get(wave) ?? [];
  return [`${wave} (${w.scheme}): applications ${some(w.applications, 8)}; ${w.topics.length === 0 ? 'nothing is cut' : `${countOf(w.topics.length, 'topic')} with ${countOf(partitionsOf(j, w.topics), 'partition')} ${w.topics.length === 1 ? 'is' : 'are'} cut in ${countOf(sets.length, 'outage')} of at most ${j.estate.outage.budgetMs / 1_000} s`}; ${stand.length === 0 ? 'nobody stands on it' : `on it stand ${some(stand)}`}`];
}
