/**
 * One outage: pre-images first, then the clock, then stop … mark the cut, then open. Before `open` it undoes itself when a
 * step fails or the budget passes; from `open` on the way is forward.
 */
import { heldAgainst } from '../domain/offers.ts';
import { stepId, type Change, type Context, type Look, type Observe, type Outage, type Unit } from '../domain/scheme.ts';
import type { StepTime } from '../domain/progress.ts';
import type { Run } from './engine.ts';
import { describeError } from './errors.ts';
import { awake } from './journal.ts';

/** The workflow's own timer is only the backstop: activities end by themselves at `untilMs`. */
export const backstopMs = 500;

export async function runOutage(run: Run, unit: Unit, o: Outage, opened: () => void): Promise<void> {
  const { j } = run;
  if (j.opening === unit.name) {
    // A run that continued as new, or has been to the way back and was refused it, is inside of it again.
    if (j.has[awake] === true) run.insideOutage = true;
    return open(run, unit, o, j.pending ?? [], opened);
  }
  for (const step of o.until) if (step.kind === 'change') await run.capture(unit, step);
  const mark = j.undos.length;
  const startedMs = run.runtime.now();
  const untilMs = startedMs + o.budgetMs - o.undoReserveMs;
  const times: StepTime[] = [];
  run.insideOutage = true;
  run.tell();
  const why = await withinBudget(run, untilMs, () => closeDown(run, unit, o, untilMs, times));
  if (why === null && j.wantBack === null) {
    j.opening = unit.name;
    j.pending = times;
    opens(run, unit, o, mark);
    return open(run, unit, o, times, opened);
  }
  run.insideOutage = false;
  const said = why ?? `${String(j.wantBack?.kind)} by ${String(j.wantBack?.by)} arrived before opening`;
  j.outages = [...j.outages, { name: unit.name, startedMs, endedMs: run.runtime.now(), outcome: 'undone', why: said, steps: times, addedMs: null, temporalMs: null }];
  run.log(`${unit.name} is being undone ${run.runtime.now() - startedMs} ms after it began: ${said}`);
  j.unwind = { to: mark, why: said };
}

/** `null` when the body ended well; otherwise why it did not. Never throws, never waits longer than the backstop. */
async function withinBudget(run: Run, untilMs: number, body: () => Promise<void>): Promise<string | null> {
  const { runtime } = run;
  const result: { ended: null | { error: unknown } } = { ended: null };
  const spent = `BudgetExceeded: the part of the budget before the undo reserve passed at ${new Date(untilMs).toISOString()}`;
  void run.forward(body).then(() => { result.ended = { error: null }; }, (error: unknown) => { result.ended = { error: error ?? new Error('unknown') }; });
  const inTime = await runtime.condition(() => result.ended !== null, Math.max(1, untilMs + backstopMs - runtime.now()));
  if (!inTime) {
    run.abandonForward();
    return `${spent}, and an activity did not answer`;
  }
  if (result.ended?.error) return run.j.wantBack ? `${run.j.wantBack.kind} by ${run.j.wantBack.by} before opening` : describeError(result.ended.error);
  return runtime.now() > untilMs ? spent : null;
}

async function closeDown(run: Run, unit: Unit, o: Outage, untilMs: number, times: StepTime[]): Promise<void> {
  for (const step of o.until) {
    if (run.j.wantBack) throw new Error('asked to go back');
    const c: Context = { ...run.context(unit, step), mode: 'outage', untilMs };
    const done = step.kind === 'observe' ? await lookUntilDone(run, step, c) : await applyOne(run, unit, step, c);
    times.push({ name: step.name, fromMs: done.fromMs, toMs: done.toMs, say: done.say });
    run.heardOf(unit, step, done.say);
  }
}

async function lookUntilDone(run: Run, step: Observe, c: Context): Promise<Look> {
  let before: string | null = null;
  let fromMs: number | null = null;
  for (;;) {
    const look: Look = await step.look({ ...c, before });
    fromMs ??= look.fromMs;
    if (look.done) return { ...look, fromMs };
    before = look.picture ?? null;
    if (run.j.wantBack) throw new Error('asked to go back');
  }
}

async function applyOne(run: Run, unit: Unit, step: Change, c: Context): Promise<{ fromMs: number; toMs: number; say: string }> {
  const before = run.j.captured[stepId(unit, step)]?.before ?? null;
  run.record(unit, step);
  return step.apply(before, c);
}

/** Recorded first. The opening of a cut back ends what it undoes: from there the way is on, and nothing of it is undone. */
function opens(run: Run, unit: Unit, o: Outage, mark: number): void {
  const { j } = run;
  if (o.open.kind === 'irreversible') return run.closeTheWay(stepId(unit, o.open));
  if (!j.reverse) return run.openTheWay(unit, o.open, mark);
  j.reverse.opened = true;
  j.undos = j.undos.slice(0, j.reverse.mark - 1);
  run.log(`${stepId(unit, o.open)} begins: ${j.reverse.of} counts as undone from here`);
}

/** Nobody can write meanwhile: a ledger that does not answer for so long is asked about. */
const recordMs = 15_000;

/** Outside the budget, recorded first. A failure here asks for a retry, which comes back to exactly this point. */
async function open(run: Run, unit: Unit, o: Outage, times: readonly StepTime[], opened: () => void): Promise<void> {
  const { j } = run;
  const step = o.open;
  const recordedFrom = run.runtime.now();
  // Before the first record is written on the target both ledgers must have it; on the way back one does: the target may be dying.
  const where = await run.remember(unit, j.reverse ? 'one' : 'both', recordedFrom + recordMs);
  const recorded: StepTime = { name: 'record the opening', fromMs: recordedFrom, toMs: run.runtime.now(), say: where };
  const done = await step.run(run.context(unit, step));
  const steps = [...times, recorded, { name: step.name, fromMs: done.fromMs, toMs: done.toMs, say: done.say }];
  const stoppedMs = times[0]?.toMs ?? done.fromMs;
  const addedMs = done.fromMs - stoppedMs;
  const busy = [...times.slice(1), recorded].reduce((sum, t) => sum + Math.max(0, t.toMs - t.fromMs), 0);
  j.outages = [...j.outages, { name: unit.name, startedMs: times[0]?.fromMs ?? done.fromMs, endedMs: done.toMs, outcome: 'opened', why: '', steps, addedMs, temporalMs: Math.max(0, addedMs - busy) }];
  const started = (step.effects ?? []).flatMap((e) => (e.do === 'run' ? [e.application] : []));
  const held = heldAgainst(j.migration.applications.filter((a) => started.includes(a.name)), { addedMs });
  if (held !== null) run.log(`${unit.name}: ${held}`);
  j.opening = null;
  j.pending = null;
  run.insideOutage = false;
  run.heardOf(unit, step, done.say);
  opened();
}
