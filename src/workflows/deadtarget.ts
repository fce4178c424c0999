/** The target is dead: the way back that asks nothing of it. Refused at its hold, everything is as if it had never been asked for. */
import { stepId, stepsOf } from '../domain/scheme.ts';
import { refuseLate } from './asking.ts';
import type { Run } from './engine.ts';
import { awake, firm, type Turn, type Without } from './journal.ts';

/** Asked where a terminated workflow had begun something that nobody has looked after yet: until then it was forgotten. */
const takesUpAgain = '2026-11-23-takes-up-again';

/** Taken at any point after an opening, also in the middle of an ordinary way back, or of an opening that cannot be finished. */
export function turnWithout(run: Run, want: Turn): void {
  const { j } = run;
  const { direction, backTo, endedBy, reverse, unwind, opening, pending, undos } = j;
  const applications = goneOver(run);
  const first = run.unitsWithout(applications)[0];
  j.wantBack = null;
  if (!first) { if (j.has[firm] === true) run.freshScope(); run.log(`refused: this code knows no way back without the target for ${applications.join(', ') || 'no application'}`); return; }
  // What a terminated workflow had begun is looked after when this is refused, under the keys of that attempt.
  const interrupted = j.recovering && run.runtime.patched(takesUpAgain) ? { recovering: true, attempt: j.attempt } : {};
  const stood: Without['stood'] = { direction, backTo, endedBy, reverse, unwind, opening, pending, undos, ...(j.question === null ? {} : { question: j.question }), ...(want.instead ? { wantBack: want.instead } : {}), ...interrupted };
  if (interrupted.recovering) j.recovering = false;
  Object.assign(j, { direction: 'back', backTo: null, endedBy: want, unwind: null, opening: null, pending: null, question: null, captured: {}, picture: null });
  j.reverse = { of: 'the migration', at: first.name, mark: undos.length, opened: false, refused: null, without: { applications, stood } };
  j.attempt++;
  run.insideOutage = false;
  run.freshScope();
  if (j.has[awake] === true) refuseLate(run);
  run.log('the way back without the target begins');
}

/** Every application that was stopped or started and has not been put back: read off what would have to be undone. */
function goneOver(run: Run): readonly string[] {
  const { j } = run;
  const steps = [
    ...j.undos.flatMap((u) => { const unit = run.find(u.unit); return unit ? stepsOf(unit).filter((s) => u.opening === true || stepId(unit, s) === u.step) : []; }),
    ...(j.reverse ? run.units.flatMap(stepsOf) : []),
    // Of what a terminated workflow had begun nothing is on the list yet.
    ...(j.recovering ? run.units.filter((u) => u.name === run.at).flatMap(stepsOf) : []),
  ];
  return [...new Set(steps.flatMap((s) => (s.kind === 'hold' ? [] : s.effects ?? [])).flatMap((e) => (e.do === 'run' ? [e.application] : [])))].sort();
}

/** Refused at the hold: nothing had been changed. */
export function stayed(run: Run, without: Without): void {
  const { j } = run;
  const by = j.reverse?.refused ?? 'somebody';
  Object.assign(j, without.stood);
  j.captured = {};
  j.picture = null;
  if (!j.recovering) j.attempt++;
  run.freshScope();
  run.log(`the way back without the target was refused by ${by}: everything stands as before`);
}

/** All of it is done. What is on the target is left; there is nothing more to undo. */
export function gone(run: Run): void {
  const { j } = run;
  run.log(`left on the target, and not undone: ${j.undos.filter((u) => !u.unit.startsWith('without the target/')).map((u) => u.step).join(', ')}`);
  j.undos = [];
  // A cancel meanwhile asked for nothing else.
  if (j.has[firm] === true) j.wantBack = null;
  j.reverse = null;
  j.captured = {};
  j.attempt++;
}
