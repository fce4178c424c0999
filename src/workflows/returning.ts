/** The ways back of a run: undo entries one by one, an outage that undoes itself, an opening that is undone by a cut back. */
import { backOf, nextUndo, stepId, stepsOf, units, type Context } from '../domain/scheme.ts';
import { ask, asksWhatToDo, looksAgain, refuseLate } from './asking.ts';
import type { Run } from './engine.ts';
import { describeError } from './errors.ts';
import { awake, firm, type Reverse, type Undo } from './journal.ts';

/** A rollback begins. A way back that is under way goes on as it is: only how far it leads may change. */
export function turn(run: Run): void {
  const { j } = run;
  j.endedBy = j.wantBack;
  j.backTo = j.wantBack?.to ?? null;
  j.wantBack = null;
  if (j.reverse) {
    // Asked before it had begun, the steps of the way forward were cancelled, which are in the same scope as its own.
    if (j.has[firm] === true) run.freshScope();
    return;
  }
  j.direction = 'back';
  j.question = null;
  delete j.aside;
  j.captured = {};
  j.picture = null;
  j.attempt++;
  run.freshScope();
  if (j.has[awake] !== true) return;
  // Of an opening that failed only its retry is inside its outage.
  run.insideOutage = false;
  refuseLate(run);
}

/** Of what is undone nothing is gone on from: forward again is from the beginning of its phase. */
function lower(run: Run, phase: string): void {
  const { j, forwardUnits: all } = run;
  if (j.has[firm] !== true || j.direction !== 'back' || j.unwind || j.reverse) return;
  const closed = all.findIndex((u) => u.name === j.closedBy || j.closedBy?.startsWith(`${u.name}/`));
  const standing = all.findIndex((u) => u.name === j.undos.findLast((x) => x.opening)?.unit);
  const first = Math.max(all.findIndex((u) => u.phase === phase), closed + 1, standing + 1);
  if (first < all.findIndex((u) => u.name === j.at)) j.at = all[first]?.name ?? j.at;
}

/** How many undo entries stay when rolling back to the end of a phase. */
export function floor(run: Run): number {
  const { backTo, undos } = run.j;
  if (backTo === null) return 0;
  const keep = run.phases.slice(0, run.phases.indexOf(backTo) + 1);
  const first = undos.findIndex((u) => !keep.includes(u.phase));
  return first === -1 ? undos.length : first;
}

export async function undoNext(run: Run, from: number): Promise<void> {
  const { j } = run;
  const entry = j.undos[from + nextUndo(j.undos.slice(from))];
  if (!entry) return;
  if (entry.opening) return beginReverse(run, entry);
  const unit = run.find(entry.unit);
  const step = unit && stepsOf(unit).find((s) => stepId(unit, s) === entry.step);
  try {
    if (!step || step.kind !== 'change') throw new Error(`this code has no change called ${entry.step}; start a worker with the code that made it, then retry`);
    const c: Context = { ...run.context(unit, step), mode: 'undo', untilMs: null, key: entry.key };
    // An outage that undoes itself is in a hurry: until it has, the ledger shows it as begun, which says the same.
    if (!j.unwind) await run.remember(unit, 'one');
    const say = typeof step.undo === 'string' ? step.undo.replace(/^leave: /, 'left: ') : (await step.undo(entry.before, c)).say;
    j.say = `undo ${entry.step}: ${say}`;
    run.log(j.say);
    j.undos = j.undos.filter((u) => u !== entry);
    lower(run, entry.phase);
    delete j.captured[entry.step];
  } catch (error) {
    ask(run, { name: `undo ${entry.step}`, kind: 'undo-failed', text: `Undoing ${entry.step} failed: ${describeError(error)}`, answers: ['retry', 'skip'], claims: [], figures: [], hash: null });
  }
}

/** An outage has undone itself: say why, then ask (or go on back, when that was the reason). */
export function unwound(run: Run): void {
  const { j } = run;
  const { unwind } = j;
  j.unwind = null;
  j.captured = {};
  j.attempt++;
  run.freshScope();
  const record = j.outages.at(-1);
  // One whose workflow was terminated has no record of its own.
  if (record?.outcome === 'undone' && record.why === unwind?.why) j.outages = [...j.outages.slice(0, -1), { ...record, endedMs: run.runtime.now() }];
  if (unwind) asksWhatToDo(run, run.unit(), unwind.why);
}

/** Its units are run like any others, with their own hold and outage. */
function beginReverse(run: Run, entry: Undo): void {
  const { j } = run;
  const unit = run.find(entry.unit);
  const first = unit && units(backOf(unit))[0];
  if (!first) {
    ask(run, { name: `undo ${entry.step}`, kind: 'undo-failed', text: `This code has no way back for ${entry.step}; start a worker with the code that opened it, then retry.`, answers: ['retry'], claims: [], figures: [], hash: null });
    return;
  }
  // What was consented to for another way is not consented to for this one: its own hold asks.
  if (j.has[looksAgain] === true) delete j.mayRepeat;
  j.reverse = { of: entry.step, at: first.name, mark: j.undos.length, opened: false, refused: null };
  j.captured = {};
  j.picture = null;
  j.attempt++;
  run.log(`the way back of ${entry.step} begins`);
}

/** The reverse cut is done: the opening is undone, and so is all that came with it. */
export function reversed(run: Run, reverse: Reverse): void {
  const { j } = run;
  j.undos = j.undos.slice(0, reverse.mark - 1);
  j.reverse = null;
  j.captured = {};
  j.attempt++;
  const opened = run.forwardUnits.find((u) => reverse.of.startsWith(`${u.name}/`));
  if (opened) lower(run, opened.phase);
  run.log(`${reverse.of} is undone`);
}

/** The way back was refused and what it did is undone: the opening stands, or is still to be finished, and goes on forward from there if asked to. */
export function stay(run: Run, reverse: Reverse): void {
  const { j } = run;
  const opened = run.forwardUnits.findIndex((u) => reverse.of.startsWith(`${u.name}/`));
  const unfinished = j.has[awake] === true && j.opening !== null && j.opening === run.forwardUnits[opened]?.name;
  j.reverse = null;
  j.backTo = null;
  j.at = unfinished ? j.opening : run.forwardUnits[opened + 1]?.name ?? j.at;
  j.captured = {};
  j.attempt++;
  ask(run, { name: j.at ?? 'end', kind: 'parked', text: `The way back of ${reverse.of} was refused by ${reverse.refused ?? 'somebody'}; ${unfinished ? 'it has begun, and is still to be finished' : 'it stands'}. Retry goes forward from ${String(j.at)}; rollback asks again.`, answers: ['retry', 'rollback'], claims: [], figures: [], hash: null });
}

/** Rolled back as far as was asked, or as far as there is a way. */
export function park(run: Run): void {
  const { j } = run;
  const all = run.forwardUnits;
  const closedUnit = all.find((u) => u.name === j.closedBy || j.closedBy?.startsWith(`${u.name}/`));
  const last = j.backTo === null ? closedUnit : all.filter((u) => u.phase === j.backTo).at(-1);
  const next = last && all[all.indexOf(last) + 1];
  if (next && all.indexOf(next) < all.findIndex((u) => u.name === j.at)) j.at = next.name;
  j.backTo = null;
  const where = closedUnit && last === closedUnit ? `to just after ${String(j.closedBy)}, which has no way back` : `to the end of ${last?.phase ?? 'nothing'}`;
  ask(run, { name: j.at ?? 'end', kind: 'parked', text: `Rolled back ${where}. Retry goes forward again from ${String(j.at)}.`, answers: j.closedBy === null ? ['retry', 'rollback'] : ['retry'], claims: [], figures: [], hash: null });
}
