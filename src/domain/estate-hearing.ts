/** What decisions of people and reports of waves do to the journal of an estate. Pure: refusals are sentences. */
import { approvalHash, claimsOf, type Act } from './estate-next.ts';
import { isOut, mayBegin, ordered, recordOf, type Approval, type EstateJournal, type WaveRecord } from './estate-journal.ts';
import type { EstateDecision } from './estate-decisions.ts';
import type { Report } from './estate-report.ts';
import { dependents } from './estate-waves.ts';
import { groundworkWave } from './migration.ts';

/** The sentence that refuses it; `null`: it may be taken. */
export function refusal(j: EstateJournal | null, d: EstateDecision): string | null {
  if (j === null) return 'The estate is still being looked at; say it again in a moment.';
  if (d.kind === 'pause' || d.kind === 'resume') return null;
  if (d.kind === 'approve' || d.kind === 'reject') return refuseAnswer(j, d);
  if (j.home !== null) return 'The whole estate is on its way back.';
  if (j.wanted !== null) return `"${j.wanted.do}" was asked for a moment ago; answer that first.`;
  if (d.wave === null) return d.kind === 'rollback' ? null : '"wave" must name a wave.';
  const w = recordOf(j, d.wave);
  if (w === undefined) return `There is no wave "${d.wave}"; there are ${j.waves.map((x) => x.name).join(', ')}.`;
  return refuseOfWave(d.kind, w);
}

function refuseAnswer(j: EstateJournal, d: EstateDecision): string | null {
  const q = j.question;
  if (q === null || q.kind !== 'hold') return 'Nothing is to be approved or refused right now.';
  if (d.kind === 'approve' && d.hash !== q.hash) return `The evidence shown has the hash ${q.hash}; you approved ${d.hash}. Look at it again.`;
  return null;
}

function refuseOfWave(kind: EstateDecision['kind'], w: WaveRecord): string | null {
  const is = `Wave ${w.name} is ${w.state}`;
  if (kind === 'retry') return mayBegin(w) || w.state === 'skipped' ? null : `${is}: there is nothing to retry.`;
  if (w.name === groundworkWave) return 'The groundwork goes with the whole estate: leave out "wave" to roll everything back.';
  if (kind === 'skip' || kind === 'postpone') return mayBegin(w) ? null : `${is}: only a wave that has not begun, or is back, can be ${kind === 'skip' ? 'skipped' : 'postponed'}.`;
  if (kind === 'finish') return w.state === 'settled' ? null : `${is}: only a settled wave can be finished.`;
  return isOut(w) ? null : `${is}: there is nothing to take back${w.state === 'finished' || w.state === 'finishing' ? ', because its way back was given up' : ''}.`;
}

/** Takes a decision that was not refused; answers the verdict. */
export function take(j: EstateJournal, d: EstateDecision): string {
  j.refused = null;
  const why = d.reason ?? '';
  switch (d.kind) {
    case 'pause':
      j.paused = true;
      if (j.question?.on?.do === 'start') j.question = null;
      return 'accepted: no further wave begins';
    case 'resume': j.paused = false; return 'accepted: going on';
    case 'approve': return approve(j);
    case 'reject': return reject(j);
    case 'retry': return retry(j, d.wave ?? '');
    case 'rollback': return want(j, d.wave === null ? wholeWayBack(j, why) : { do: 'rollback', waves: [...outAmong(j, dependents(ordered(j), d.wave)), d.wave], whole: 'part', reason: why });
    case 'finish': return want(j, { do: 'finish', waves: [d.wave ?? ''], whole: 'part', reason: why });
    case 'skip': case 'postpone': return want(j, { do: d.kind, waves: [d.wave ?? '', ...dependents(ordered(j), d.wave ?? '').filter((n) => mayBegin(recordOf(j, n) ?? j.groundwork)).reverse()], whole: 'part', reason: why });
  }
}

const outAmong = (j: EstateJournal, names: readonly string[]): readonly string[] => names.filter((n) => { const w = recordOf(j, n); return w !== undefined && isOut(w); });
const wholeWayBack = (j: EstateJournal, reason: string): Approval => ({ do: 'rollback', waves: outAmong(j, j.waves.map((w) => w.name).reverse()), whole: 'whole', reason });

/** It becomes the open question, in the place of one that only waits for the next wave. */
function want(j: EstateJournal, on: Approval): string {
  j.question = null;
  j.wanted = on;
  return `accepted: ${on.do} is asked next, with everything that goes with it`;
}

function reject(j: EstateJournal): string {
  const on = j.question?.on ?? null;
  j.question = null;
  j.wanted = null;
  // Asked by the estate itself: it would ask the same again at once.
  if (on?.do === 'begin' || on?.do === 'start' || (on?.do === 'finish' && on.whole === 'whole')) j.paused = true;
  return j.paused ? 'accepted: nothing begins until "resume"' : 'accepted: dropped';
}

function retry(j: EstateJournal, name: string): string {
  const w = recordOf(j, name);
  if (w === undefined) return `refused: there is no wave ${name}`;
  w.state = 'waiting';
  w.say = '';
  w.asks = null;
  j.question = null;
  return `accepted: ${name} is begun again${name === groundworkWave ? '' : ', which is asked first'}`;
}

/** The claims are worked out again: an approval of what no longer holds is void. */
function approve(j: EstateJournal): string {
  const on = j.question?.on ?? null;
  if (on === null) return 'refused: nothing is to be approved here';
  const claims = claimsOf(j, on);
  if (approvalHash(j, on, claims) !== j.question?.hash) {
    j.question = null;
    return 'refused: what you saw has changed meanwhile; look again and decide again';
  }
  const broken = claims.filter((c) => !c.holds);
  if (broken.length > 0) return `refused: not all claims hold: ${broken.map((c) => c.text).join(' ')}`;
  j.question = null;
  j.wanted = null;
  return carryOut(j, on);
}

function carryOut(j: EstateJournal, on: Approval): string {
  switch (on.do) {
    case 'begin': j.approved = true; return 'accepted: the groundwork begins';
    case 'start': j.starting = on.wave; return `accepted: wave ${on.wave} begins`;
    case 'rollback':
      j.goingBack = [...on.waves];
      j.starting = null;
      if (on.whole === 'whole') { j.home = { by: '', reason: on.reason }; j.finishing = []; }
      return `accepted: going back: ${on.waves.join(', ') || 'nothing has moved'}`;
    case 'finish': j.finishing = [...on.waves, ...(on.whole === 'whole' ? [groundworkWave] : [])]; return `accepted: finishing ${on.waves.join(', ') || 'the groundwork'}`;
    case 'skip': for (const n of on.waves) { const w = recordOf(j, n); if (w) { w.state = 'skipped'; w.say = on.reason; } } return `accepted: skipped ${on.waves.join(', ')}`;
    case 'postpone': {
      const later = j.waves.filter((w) => on.waves.includes(w.name));
      for (const w of later) { w.state = 'waiting'; w.say = `postponed: ${on.reason}`; }
      j.waves = [...j.waves.filter((w) => !on.waves.includes(w.name)), ...later];
      return `accepted: postponed ${on.waves.join(', ')}`;
    }
  }
}

/** Noted before it is done: what comes back is heard as an answer to it. */
export function underWay(j: EstateJournal, act: Extract<Act, { readonly wave: string }>): WaveRecord {
  const w = recordOf(j, act.wave);
  if (w === undefined) throw new Error(`no wave ${act.wave}`);
  if (act.do === 'start') {
    Object.assign(w, { state: 'moving', attempt: w.attempt + 1, asks: null, say: '', approved: null, turned: false } satisfies Partial<WaveRecord>);
    j.starting = null;
  } else if (act.do === 'finish') Object.assign(w, { state: 'finishing', approved: act.hash } satisfies Partial<WaveRecord>);
  else Object.assign(w, { state: 'going-back', turned: false } satisfies Partial<WaveRecord>);
  return w;
}

/** Answers the line for the audit; `null`: of no wave of this estate. */
export function hear(j: EstateJournal, r: Report): string | null {
  const w = recordOf(j, r.wave);
  if (w === undefined) return null;
  const before = w.state;
  w.asks = r.question;
  w.say = r.say === '' ? (r.question?.text ?? '') : r.say;
  // Until it says so itself, what it reports was said before it was told.
  if (r.state === 'rolling-back') w.turned = true;
  // Refused in the wave itself, after it had turned: it stands where it stood, and so do those before it.
  if (w.state === 'going-back' && w.turned && r.state === 'settled') {
    j.goingBack = [];
    j.home = null;
    w.state = 'settled';
  } else w.state = stateAfter(w, r);
  j.question = j.question?.kind === 'failed' && j.question.name === w.name && w.state !== before ? null : j.question;
  return `${r.wave} reports ${r.state}${before === w.state ? '' : ` (${w.state})`}${r.question === null ? '' : `: asks ${r.question.name}`}`;
}

/** `going-back` ends where the wave says so: a way back that was refused in the wave leaves it where it stands. */
function stateAfter(w: WaveRecord, r: Report): WaveRecord['state'] {
  switch (r.state) {
    case 'completed': return 'finished';
    case 'rolled-back': return 'back';
    case 'refused': return 'refused';
    case 'rolling-back': return 'going-back';
    case 'settled': return w.state === 'going-back' || w.state === 'finishing' ? w.state : 'settled';
    case 'moving': case 'asking': return w.state === 'settled' || w.state === 'lost' || w.state === 'waiting' ? 'moving' : w.state;
  }
}
