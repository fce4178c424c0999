/** What a run holds against the plan it was approved with: whether this code makes the same one, and where in it a way back can end. */
import { ask } from './asking.ts';
import type { Run } from './engine.ts';
import { firm } from './journal.ts';

/** Another plan than the approved one is asked about first; on code that makes the same, what was asked before is asked again. */
export function askAboutPlan(run: Run, hash: string): void {
  const { j } = run;
  run.otherPlan = j.planHash !== hash;
  const keeps = j.has[firm] === true;
  if (!run.otherPlan) {
    if (keeps && j.question?.kind === 'plan-changed') j.question = null;
    if (j.aside) { j.question = j.aside; delete j.aside; }
    return;
  }
  if (keeps && j.question && j.question.kind !== 'plan-changed') j.aside = j.question;
  ask(run, {
    name: j.at ?? 'end', kind: 'plan-changed', answers: ['rollback', 'retry'], claims: [], figures: [], hash: null,
    text: `This worker's code makes another plan (${hash.slice(0, 12)}) than the one that was approved (${j.planHash.slice(0, 12)}). Roll back, or start a worker with the matching code and retry.`,
  });
}

const earlier = 'Name an earlier phase, or none, which leads to the start.';
/** Why no way back ends at the end of this phase; `null`: one does. */
export function beyond(run: Run, to: string): string | null {
  const { j, phases } = run;
  const phaseOf = (name: string | null): number => phases.indexOf(run.forwardUnits.find((u) => u.name === name || name?.startsWith(`${u.name}/`))?.phase ?? '');
  const asked = phases.indexOf(to);
  const closed = j.closedBy === null ? -1 : phaseOf(j.closedBy);
  if (asked < closed) return `The way back was closed by ${String(j.closedBy)}: it leads to the end of ${phases[closed] ?? ''} at the earliest. Name that phase or a later one.`;
  // What is being undone is undone as a whole.
  const under = j.direction === 'back' && !j.reverse && j.question?.kind !== 'parked' && j.undos.length > 0 ? phases.indexOf(j.undos.at(-1)?.phase ?? '') : Infinity;
  if (asked >= under) return `The end of phase "${to}" is not behind: ${phases[under] ?? ''} is being undone. ${earlier}`;
  const come = Math.min(phaseOf(j.at), j.reverse && !j.reverse.without ? phaseOf(j.reverse.of) : Infinity);
  if (j.at !== null && asked >= come && (j.direction === 'back' || asked > come)) return `The end of phase "${to}" is not behind: the migration stands in ${phases[come] ?? ''}. ${earlier}`;
  return null;
}
