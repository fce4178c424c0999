/** Questions of a run: a hold with its evidence, a step that failed, and what a decision does. */
import type { Decision } from '../domain/decisions.ts';
import { hashOf } from '../domain/plan.ts';
import { saidRepeats, type Answer, type Question } from '../domain/progress.ts';
import type { Claim, Evidence, Hold, Repeats, Unit } from '../domain/scheme.ts';
import type { Run } from './engine.ts';
import { describeError } from './errors.ts';
import type { Heard } from './inbox.ts';
import { asksFirst, firm } from './journal.ts';

/** Asked of `has`: runs planned before go straight into an outage that is tried again. */
export const looksAgain = '2026-11-22-look-again';

/** Asked where a decision came too late for its question: until then it was taken for an answer to whatever was asked next. */
const answersItsOwn = '2026-11-22-answers-its-own-question';

export function ask(run: Run, q: Omit<Question, 'sinceMs'>): void {
  const { j } = run;
  j.question = { ...q, sinceMs: run.runtime.now() };
  j.say = '';
  run.log(`asks: ${q.text}`);
  run.tell();
}

const evidenceHash = (run: Run, unit: Unit, evidence: Evidence): string =>
  hashOf({ unit: unit.name, plan: run.j.planHash, claims: evidence.claims.map(({ text, holds }) => ({ text, holds })) }).slice(0, 16);

export function openHold(run: Run, unit: Unit, step: Hold, evidence: Evidence): void {
  if (evidence.moot !== undefined) {
    run.j.say = evidence.moot;
    run.j.question = null;
    run.advance(unit);
    return;
  }
  ask(run, {
    name: unit.name, kind: 'hold', text: step.question, answers: ['approve', 'reject', ...(!run.j.reverse && mayGoBack(run) ? ['rollback' as const] : [])],
    claims: evidence.claims, figures: evidence.figures, hash: evidenceHash(run, unit, evidence),
  });
}

/** Behind what has no way back, with nothing done since, a rollback would lead to where the run stands. */
const mayGoBack = ({ j }: Run): boolean => j.has[firm] !== true || j.closedBy === null || j.undos.length > 0;

/** A unit failed. On a way back, to reject is to stay where the applications are, until they have been told to return. */
export function asksWhatToDo(run: Run, unit: Unit, why: string): void {
  const { j } = run;
  if (j.wantBack) { run.log(`${unit.name} left: ${j.wantBack.kind} by ${j.wantBack.by}`); return; }
  const { step } = unit;
  const mustGoOn = j.closedBy === unit.name || j.opening === unit.name;
  const provenOrAsked = step.kind === 'hold' || step.kind === 'outage' || ('proves' in step && step.proves);
  const mayStay = j.reverse?.without ? step.kind === 'hold' : j.reverse?.opened === false;
  const other: readonly Answer[] = j.reverse ? (mayStay ? ['reject'] : []) : mayGoBack(run) ? ['rollback'] : [];
  // An opening that has begun is finished, or undone by its way back.
  const opened = j.has[firm] === true && !j.reverse && j.undos.some((u) => u.opening && u.unit === unit.name);
  const answers: Answer[] = mustGoOn ? ['retry', ...(opened ? ['rollback' as const] : [])] : ['retry', ...(provenOrAsked ? [] : ['skip' as const]), ...other];
  ask(run, { name: unit.name, kind: 'failed', text: `${unit.name} failed: ${why}`, answers, claims: [], figures: [], hash: null });
}

export async function answer(run: Run, q: Question): Promise<void> {
  const { j } = run;
  // What a terminated workflow had begun is taken up before it is undone: until then nobody is wanted back.
  const wanted = (): boolean => turns(run) || (q.kind === 'plan-changed' && j.recovering && j.wantBack !== null);
  await run.runtime.condition(() => run.inbox.waiting || wanted() || run.mayRenew());
  refuseLate(run);
  const heard = run.inbox.next();
  // Who refuses the way back without the target is asked again what was asked before.
  if (!heard) { if (turns(run) && !(j.has[firm] === true && j.reverse) && !(j.wantBack?.withoutTarget && j.has[looksAgain] === true && q.kind !== 'hold')) j.question = null; return; }
  const { decision } = heard;
  if (decision.kind === 'approve') { await approve(run, q, heard); refuseLate(run); return; }
  j.question = null;
  run.log(`${decision.kind} of ${q.name} by ${decision.by}${decision.reason === null ? '' : ` (${decision.reason})`}`);
  if (decision.kind === 'reject' && j.reverse) j.reverse.refused = decision.by;
  else if (decision.kind === 'reject') run.turnBack(decision);
  if (decision.kind === 'retry') again(run, q, decision);
  if (decision.kind === 'skip') skip(run, q, decision);
  run.inbox.settle(heard, `accepted: ${decision.kind} of ${q.name}`);
  refuseLate(run);
}

/** What undoes itself is asked about until that is done, and the way back without the target until its end. */
const turns = (run: Run): boolean => run.wantsBack && (run.j.has[firm] !== true || ((run.j.unwind === null || run.j.wantBack?.withoutTarget === true) && !run.j.reverse?.without));

/** Said twice, or by two people: what has been answered is answered, and nothing that was not shown is approved by it. */
export function refuseLate(run: Run): void {
  const late = run.inbox.late(run.j.question);
  if (late.length === 0 || !run.runtime.patched(answersItsOwn)) return;
  for (const heard of late) {
    const { kind, by } = heard.decision;
    const verdict = `refused: ${kind} by ${by} was for "${heard.to ?? 'nothing'}" as it stood then, which is answered or asked anew by now; it answers nothing else`;
    run.log(verdict);
    run.inbox.settle(heard, verdict);
  }
}

/** An approval counts only if the claims still stand when they are read again. */
async function approve(run: Run, q: Question, heard: Heard): Promise<void> {
  const unit = run.unit();
  const { step } = unit;
  if (step.kind !== 'hold') { run.inbox.settle(heard, 'refused: nothing is to be approved here'); return; }
  let verdict: string;
  try {
    const now = await step.evidence(run.context(unit, step));
    const consent = { ...run.j.mayRepeat, ...heard.decision.mayRepeat };
    const broken = now.claims.filter((c) => !c.holds && !covers(consent, c));
    const hash = evidenceHash(run, unit, now);
    if (hash !== q.hash) verdict = `refused: the evidence changed since you saw it (${String(q.hash)} is now ${hash}). Look again and decide again.`;
    else if (broken.length > 0) verdict = `refused: not all claims hold: ${broken.map((c) => `${c.text}${c.unless === undefined ? '' : ` (approve with "mayRepeat" to accept that records are read again: ${saidRepeats(c.unless)})`}`).join('; ')}`;
    else verdict = `accepted: ${q.name} approved by ${heard.decision.by}`;
    if (verdict.startsWith('accepted') && heard.decision.mayRepeat !== undefined) accept(run, heard.decision, consent);
    if (!verdict.startsWith('accepted') && run.j.wantBack === null) openHold(run, unit, step, now);
  } catch (error) {
    verdict = `refused: the evidence could not be read again: ${describeError(error)}`;
  }
  run.log(`${q.name}: approve by ${heard.decision.by} with hash ${String(q.hash)}: ${verdict}`);
  if (verdict.startsWith('accepted')) { run.j.question = null; run.j.say = verdict; run.advance(unit); } else run.j.refused = verdict;
  run.inbox.settle(heard, verdict);
  run.tell();
}

const covers = (consent: Repeats, c: Claim): boolean => c.unless !== undefined && Object.entries(c.least ?? c.unless).every(([group, n]) => n <= (consent[group] ?? -1));
function accept(run: Run, d: Decision, consent: Repeats): void {
  run.j.mayRepeat = consent;
  run.log(`${d.by} accepts that records are read again, at most: ${saidRepeats(d.mayRepeat ?? {})}`);
}

function again(run: Run, q: Question, d: Decision): void {
  const { j } = run;
  if (d.mayRepeat !== undefined) accept(run, d, { ...j.mayRepeat, ...d.mayRepeat });
  // What was seen before the failure is no news to a look that begins with it: nobody would be told anything until patience ends again.
  j.picture = null;
  if (q.kind === 'failed' && j.has[looksAgain] === true) lookAgain(run);
  if (q.kind === 'plan-changed' || (q.kind === 'parked' && run.otherPlan && run.runtime.patched(asksFirst))) run.renew = true;
  if (q.kind === 'parked') { j.direction = 'forward'; j.backTo = null; j.attempt++; }
}
/** An outage that undid itself may be tried again hours later: what was confirmed before it is confirmed again. */
function lookAgain(run: Run): void {
  const { j, units } = run;
  // What a terminated workflow left in the middle of an outage is looked after where it stood.
  if (j.recovering || run.at === null) return;
  const unit = run.unit();
  if (unit.step.kind !== 'outage' || j.opening === unit.name) return;
  const holdsNoMore = ({ step }: Unit): boolean => step.kind === 'observe' || (step.kind === 'change' && step.ages === true);
  let first = units.findIndex((u) => u.name === unit.name);
  for (let before = units[first - 1]; before?.phase === unit.phase && holdsNoMore(before); before = units[first - 1]) first--;
  const name = units[first]?.name ?? unit.name;
  if (j.reverse) j.reverse.at = name;
  else j.at = name;
}
function skip(run: Run, q: Question, d: Decision): void {
  const { j } = run;
  if (q.kind === 'undo-failed') {
    run.log(`undo left by ${d.by}: ${String(d.reason)}`);
    j.undos = j.undos.filter((u) => `undo ${u.step}` !== q.name);
  } else {
    j.say = `skipped by ${d.by}: ${String(d.reason)}`;
    run.advance(run.unit());
  }
}
