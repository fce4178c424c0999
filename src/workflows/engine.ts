/**
 * The engine: runs the phases of a plan forward and undoes them. It knows clocks, questions and undo entries, no Kafka.
 * One loop takes the next unit or undoes the last one; pause, rollback and continue-as-new happen only between units.
 * Questions are in `asking.ts`, the ways back in `returning.ts`, outages in `outage.ts`.
 */
import type { Work } from '../activities/work.ts';
import type { Decision } from '../domain/decisions.ts';
import { details, type Progress } from '../domain/progress.ts';
import { backOf, isKept, stepId, units, type Change, type Context, type Observe, type Plan, type Step, type Unit } from '../domain/scheme.ts';
import { answer, asksWhatToDo, openHold, refuseLate } from './asking.ts';
import { Inbox, type Door } from './inbox.ts';
import { awake, entriesOf, firm, kept, ledgerRun, note, type Journal } from './journal.ts';
import { runOutage } from './outage.ts';
import { askAboutPlan, beyond } from './planned.ts';
import { mayTakeUp, takeUp } from './recovering.ts';
import { floor, park, reversed, stay, turn, undoNext, unwound } from './returning.ts';
import { gone, stayed, turnWithout } from './deadtarget.ts';
import type { Runtime, Scope } from './runtime.ts';
import type { Beside } from './beside.ts';
import { sweeping } from './sweeping.ts';
import { tending, tends } from './tending.ts';
import { describeError } from './errors.ts';
import { attributesOf, progressOf } from './telling.ts';

/** Asked of `has`: runs planned before bytes were looked at go on until Temporal suggests a new run. */
export const weighs = '2026-11-21-history-bytes';
/** Temporal suggests a new run at 4 MiB; an outage cannot be parted, and comes on top. A journal of hundreds of topics is written at each step. */
const mostHistoryBytes = 3 * 1024 * 1024;

/** What the engine itself asks of the outside. */
export type Own = Pick<Work, 'remember' | 'whereabouts' | 'lookSwept' | 'lookMirrors'>;
/** All that a ledger needs of the migration: the journal in the same history has the rest. */
const clustersOf = (j: Journal): Journal['migration'] => ({ ...j.migration, topics: [], applications: [], groups: {} });
const noUnit = (at: string | null): never => { throw new Error(`no unit ${String(at)} in this plan`); };
/** Who else is told where a run stands: the estate of a wave. */
export interface Listener {
  /** `back`: on its way back, and not only an outage that undoes itself. */
  told(p: Progress, direction: 'forward' | 'back'): void;
  /** Nothing is on its way any more. */
  idle(): boolean;
}

export class Run implements Door {
  readonly runtime: Runtime;
  readonly work: Own;
  readonly inbox: Inbox;
  readonly #sweeping: ReturnType<typeof sweeping>;
  readonly #tending: ReturnType<typeof tending>;
  readonly listener: Listener | null;
  journal: Journal | null = null;
  plan: Plan | null = null;
  insideOutage = false;
  /** Asked for by a person: go on in a new run, on the code of whatever worker takes it. */
  renew = false;
  /** This code makes another plan than the approved one: no step of it is taken. */
  otherPlan = false;
  #units: readonly Unit[] = [];
  /** By name, with those of the ways back. */
  #known: ReadonlyMap<string, Unit> = new Map();
  #forward: Scope;
  /** Set by a cancel that came before there was a journal. */
  #early: Decision | null = null;

  constructor(runtime: Runtime, work: Own, listener: Listener | null = null) {
    this.listener = listener;
    this.runtime = runtime;
    this.work = work;
    this.inbox = new Inbox(this);
    this.#sweeping = sweeping(this);
    this.#tending = tending(this);
    this.#forward = runtime.scope();
  }

  get knowsWithoutTarget(): boolean { return this.plan?.withoutTarget !== undefined; }
  get phases(): readonly string[] { return this.plan?.forward.map((p) => p.name) ?? []; }
  beyond(phase: string): string | null { return beyond(this, phase); }
  get j(): Journal {
    if (!this.journal) throw new Error('the engine has no journal yet');
    return this.journal;
  }

  begin(journal: Journal, plan: Plan, hash: string): void {
    this.journal = journal;
    this.plan = plan;
    this.#units = units(plan.forward);
    this.#known = new Map([...this.#units.flatMap((u) => units(backOf(u))), ...this.#units].map((u) => [u.name, u]));
    if (journal.runs === 1 && journal.at === null) journal.at = this.#units[0]?.name ?? null;
    askAboutPlan(this, hash);
    if (this.#early) this.turnBack(this.#early);
  }

  /** Runs to an end. Throws only what Temporal needs to see: continue-as-new. */
  async toTheEnd(): Promise<'completed' | 'rolled-back'> {
    for (;;) {
      const j = this.j;
      if (j.has[awake] !== true) await this.runtime.condition(() => !j.paused || j.wantBack !== null || j.unwind !== null || j.direction === 'back');
      if (j.wantBack?.withoutTarget) turnWithout(this, j.wantBack);
      else if (j.unwind === null && this.wantsBack && !(j.has[firm] === true && j.reverse?.without)) turn(this);
      if (this.#over()) break;
      this.tell();
      if (this.mayRenew()) {
        for (const one of this.#beside) await one.rest();
        // Meanwhile somebody may have said something, which the next run would not know of; whoever said it waits here for a verdict.
        await this.runtime.condition(() => !this.mayRenew() || (this.runtime.handlersFinished() && (this.listener?.idle() ?? true)));
        if (!this.mayRenew()) continue;
        await this.runtime.continueAsNew({ ...j, runs: j.runs + 1 });
      }
      for (const one of this.#beside) await one.follow();
      if (this.standsStill) await this.runtime.condition(() => !this.standsStill || this.mayRenew());
      else await this.#move();
    }
    for (const one of this.#beside) await one.rest();
    await this.#closing();
    return this.j.direction === 'back' ? 'rolled-back' : 'completed';
  }

  /** Until what a terminated workflow had begun has its undo entries, a rollback would leave it as it is. */
  get wantsBack(): boolean {
    const { wantBack, recovering, has } = this.j;
    return wantBack !== null && (wantBack.withoutTarget === true || !(recovering && has[awake] === true));
  }
  /** Paused between two units. What is asked is answered all the same, and what undoes goes on. */
  get standsStill(): boolean {
    const { has, paused, question, recovering, unwind, wantBack, direction } = this.j;
    return has[awake] === true && paused && !question && !recovering && !unwind && !wantBack && direction === 'forward';
  }
  /** What runs beside the units. Runs that were planned without one do not even ask it: replayed, not a turn of theirs may differ. */
  get #beside(): readonly Pick<Beside<never>, 'follow' | 'rest'>[] { return this.j.has[tends] === true ? [this.#sweeping, this.#tending] : [this.#sweeping]; }

  async #move(): Promise<void> {
    const j = this.j;
    if (j.recovering && mayTakeUp(this)) return takeUp(this);
    if (j.question) return answer(this, j.question);
    if (j.unwind) return j.undos.length > j.unwind.to ? undoNext(this, j.unwind.to) : unwound(this);
    if (j.reverse?.without && j.reverse.refused) return stayed(this, j.reverse.without);
    if (j.reverse?.without && j.reverse.at === null) return gone(this);
    if (j.reverse?.refused) return j.undos.length > j.reverse.mark ? undoNext(this, j.reverse.mark) : stay(this, j.reverse);
    if (j.reverse) return j.reverse.at === null ? reversed(this, j.reverse) : this.#ahead(this.unit());
    if (j.direction === 'back') return j.undos.length > floor(this) ? undoNext(this, floor(this)) : park(this);
    return this.#ahead(this.unit());
  }

  #over(): boolean {
    const j = this.j;
    if (j.question || j.unwind || j.reverse || j.recovering) return false;
    if (j.direction === 'forward') return j.at === null;
    if (j.undos.length > 0 || j.backTo !== null || j.closedBy !== null) return false;
    j.at = null;
    return true;
  }

  /** Never inside an outage, nor while a decision waits for its verdict. */
  mayRenew(): boolean {
    if (this.j.unwind || this.inbox.waiting) return false;
    return this.renew || this.runtime.continueAsNewSuggested() || this.runtime.historyLength() > this.j.limits.historyEvents || (this.j.has[weighs] === true && this.runtime.historyBytes() > mostHistoryBytes);
  }

  // --- where the plan stands -------------------------------------------------------------------------------------
  /** The units under way: those of the plan, or those of the way back of an opening. */
  get units(): readonly Unit[] {
    const { reverse } = this.j;
    if (!reverse) return this.#units;
    if (reverse.without) return this.unitsWithout(reverse.without.applications);
    const opening = this.#units.find((u) => reverse.of.startsWith(`${u.name}/`));
    return opening ? units(backOf(opening)) : [];
  }
  get forwardUnits(): readonly Unit[] { return this.#units; }
  get at(): string | null { return this.j.reverse ? this.j.reverse.at : this.j.at; }
  unit(): Unit {
    return this.units.find((u) => u.name === this.at) ?? noUnit(this.at);
  }
  /** Every unit, also of ways back: an undo entry may speak of any. */
  find(name: string): Unit | undefined { return this.#known.get(name) ?? this.unitsWithout(this.j.reverse?.without?.applications ?? []).find((u) => u.name === name); }
  /** The way back of these applications without the target. */
  unitsWithout(applications: readonly string[]): readonly Unit[] { return applications.length === 0 ? [] : units(this.plan?.withoutTarget?.(applications) ?? []); }
  advance(unit: Unit): void {
    const j = this.j;
    const all = this.units;
    const next = all[all.findIndex((u) => u.name === unit.name) + 1]?.name ?? null;
    if (j.reverse) j.reverse.at = next;
    else j.at = next;
    j.picture = null;
    j.captured = {};
    this.log(`${unit.name} done: ${j.say}`);
    j.say = '';
  }

  // --- forward ---------------------------------------------------------------------------------------------------
  async #ahead(unit: Unit): Promise<void> {
    const { step } = unit;
    try {
      if (step.kind === 'observe') return await this.#observe(unit, step);
      if (step.kind === 'hold') return openHold(this, unit, step, await this.forward(() => step.evidence(this.context(unit, step))));
      // An opening that is to be finished records itself, and is asked about when it cannot.
      if (this.j.has[firm] !== true || this.j.opening !== unit.name) await this.remember(unit, step.kind === 'change' ? 'one' : 'both');
      if (step.kind === 'outage') return await runOutage(this, unit, step, () => { this.advance(unit); });
      if (step.kind === 'change') return await this.#change(unit, step);
      if (this.j.has[firm] === true && this.wantsBack && this.j.closedBy !== unit.name) return; // asked for while the ledgers were written
      await this.#close(unit);
      const done = await step.run(this.context(unit, step));
      this.heardOf(unit, step, done.say);
      this.advance(unit);
    } catch (error) {
      asksWhatToDo(this, unit, describeError(error));
    }
  }

  /** Recorded before anything is given up: whoever goes on from the ledger knows that it may have begun, or that it has not. */
  async #close(unit: Unit): Promise<void> {
    const { undos, captured, closedBy } = this.j;
    this.closeTheWay(unit.name);
    if (this.j.has[firm] !== true || closedBy === unit.name) return;
    await this.remember(unit, 'one').catch((error: unknown) => {
      Object.assign(this.j, { undos, captured, closedBy });
      this.log(`${unit.name} was not begun: no ledger has it`);
      throw error;
    });
  }

  async #observe(unit: Unit, step: Observe): Promise<void> {
    const j = this.j;
    const look = await this.forward(() => step.look({ ...this.context(unit, step), before: j.picture }));
    j.say = look.say;
    j.picture = look.picture ?? null;
    j.figures = look.figures ?? null;
    if (!look.done) return;
    this.heardOf(unit, step, look.say);
    this.advance(unit);
  }

  async #change(unit: Unit, step: Change): Promise<void> {
    const before = await this.capture(unit, step);
    this.record(unit, step);
    const done = await this.forward(() => step.apply(before, this.context(unit, step)));
    this.heardOf(unit, step, done.say);
    this.advance(unit);
  }

  /** The pre-image: read once per attempt, never again after the write may have begun. */
  async capture(unit: Unit, step: Change, recall?: 'recall'): Promise<Change extends { capture(c: Context): Promise<infer B> } ? B : never> {
    const id = stepId(unit, step);
    const kept = this.j.undos.find((u) => u.step === id) ?? this.j.captured[id];
    if (kept) return kept.before;
    const c = this.context(unit, step);
    const before = await this.forward(() => step.capture(recall ? { ...c, recall: true } : c));
    if (recall && !isKept(before)) return before;
    this.j.captured[id] = { before, key: c.key };
    return before;
  }

  /** The undo entry, recorded before `apply`. */
  record(unit: Unit, step: Change): void {
    const id = stepId(unit, step);
    const captured = this.j.captured[id];
    if (!captured || this.j.undos.some((u) => u.step === id)) return;
    this.j.undos.push({ step: id, unit: unit.name, phase: unit.phase, ...captured, ...(step.undoLate ? { late: true } : {}) });
  }

  /** From here on nothing before can be undone. */
  closeTheWay(step: string): void {
    const j = this.j;
    j.closedBy = step;
    j.undos = [];
    j.captured = {};
    this.log(`${step} begins: no way back from here`);
  }

  /** The undo entries of its outage are replaced by one: to undo an opening is a way of its own. */
  openTheWay(unit: Unit, step: Step, mark: number): void {
    const j = this.j;
    const id = stepId(unit, step);
    j.undos = [...j.undos.slice(0, mark), { step: id, unit: unit.name, phase: unit.phase, before: null, key: `${j.run}/${id}/${j.attempt}`, opening: true }];
    j.captured = {};
    this.log(`${id} begins: from here the way back is a cut of its own`);
  }

  /** A proof is kept under unit and step: the second cut set does not overwrite the first. */
  heardOf(unit: Unit, step: Step, say: string): void {
    this.j.say = say;
    if (!('proves' in step && step.proves) && !('tells' in step && step.tells)) return;
    const id = stepId(unit, step);
    this.j.proven = [...this.j.proven.filter((p) => !p.startsWith(`${id}: `)), `${id}: ${say}`];
  }

  // --- what all directions use -----------------------------------------------------------------------------------
  /** Somebody wants to go back. While the way back is taken already there is nothing to turn. */
  turnBack(d: Decision): void {
    const j = this.journal;
    if (!j) { this.#early = d; return; }
    if (j.direction === 'back' && !j.question && d.to === j.backTo && !d.withoutTarget) { this.log(`${d.kind} by ${d.by}: the way back is under way`); return; }
    const before = j.wantBack;
    j.wantBack = { by: d.by, reason: d.reason ?? '', kind: d.kind === 'reject' ? 'reject' : d.by === 'workflow cancel' ? 'cancel' : 'rollback', to: d.to, ...(d.withoutTarget ? { withoutTarget: true, ...(before && !before.withoutTarget ? { instead: before } : {}) } : {}) };
    this.log(`${d.kind} by ${d.by}${d.reason === null ? '' : ` (${d.reason})`}${d.withoutTarget ? ' without the target' : d.to === null ? '' : ` to the end of ${d.to}`}`);
    if (d.withoutTarget || (!j.reverse && this.wantsBack)) this.#forward.cancel();
  }
  freshScope(): void { this.#forward = this.runtime.scope(); }
  /** Cancellable: a rollback does not wait for it. */
  forward<T>(body: () => Promise<T>): Promise<T> { return this.#forward.run(body); }
  abandonForward(): void { this.#forward.cancel(); }

  context(unit: Unit, step: Step | Unit['step']): Context {
    const j = this.j;
    const id = step.kind === 'outage' ? unit.name : stepId(unit, step);
    // What a change leaves in the ledger is found again by its undo under the key of the pre-image.
    const kept = j.undos.find((u) => u.step === id) ?? j.captured[id];
    return { untilMs: null, limits: j.limits, run: ledgerRun(j), mode: 'plain', key: kept?.key ?? `${j.run}/${id}/${j.attempt}`, ...(j.mayRepeat === undefined ? {} : { mayRepeat: j.mayRepeat }) };
  }

  /** Answers which ledgers have it. */
  async remember(unit: Unit, wanted: 'both' | 'one', untilMs: number | null = null): Promise<string> {
    const j = this.j;
    const need = j.reverse?.without ? 'source' : wanted;
    j.sequence++;
    const c: Context = { untilMs, limits: j.limits, run: j.run, mode: this.insideOutage ? 'outage' : 'plain', key: `${j.run}/journal` };
    const { spilled } = j;
    const done = await this.work.remember({ m: clustersOf(j), c, need, entries: entriesOf(j, c.key) });
    kept(j, spilled);
    if (done.say === '') return need === 'source' ? `in the ledger of ${j.migration.source}` : 'in both ledgers';
    this.log(`${unit.name}: ${done.say}`);
    return done.say;
  }
  async #closing(): Promise<void> {
    const j = this.j;
    const without = j.endedBy?.withoutTarget === true;
    this.log(j.direction === 'forward' ? 'completed' : without ? 'rolled back without the target: the source is as it was known to be; what was left on the target is named above' : 'rolled back: the world is as at the start');
    const c: Context = { untilMs: null, limits: j.limits, run: j.run, mode: 'plain', key: `${j.run}/final` };
    try {
      await this.work.remember({ m: clustersOf(j), c, need: without ? 'source' : 'one', entries: entriesOf({ ...j, sequence: j.sequence + 1 }, c.key) });
    } catch (error) {
      this.log(`the final record is in this workflow's result only: ${describeError(error)}`);
    }
    this.tell();
    if (j.has[awake] === true) refuseLate(this);
    await this.runtime.condition(() => this.runtime.handlersFinished());
  }

  log(line: string): void {
    if (this.journal) note(this.journal, this.runtime.now(), line);
  }

  progress(): Progress {
    return progressOf({ journal: this.journal, units: this.journal ? this.units : [], workflowId: this.runtime.workflowId, insideOutage: this.insideOutage, nowMs: this.runtime.now(), refused: this.inbox.refused });
  }

  tell(): void {
    const p = this.progress();
    this.runtime.tell(details(p), attributesOf(p, this.journal));
    this.listener?.told(p, this.journal?.direction ?? 'forward');
  }
}
