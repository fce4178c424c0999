/**
 * The engine: runs the phases of a plan forward and undoes them. It knows clocks, questions and undo entries, no Kafka.
 * One loop takes the next unit or undoes the last one; pause, rollback and continue-as-new happen only between units.
 */
import type { Work } from '../activities/work.ts';
import type { Decision } from '../domain/decisions.ts';
import { hashOf } from '../domain/plan.ts';
import { details, type Answer, type Progress, type Question } from '../domain/progress.ts';
import { stepId, stepsOf, units, type Change, type Context, type Evidence, type Hold, type Observe, type Plan, type Step, type Unit } from '../domain/scheme.ts';
import { Inbox, type Door, type Heard } from './inbox.ts';
import { auditTail, type Journal } from './journal.ts';
import { runOutage } from './outage.ts';
import type { Runtime, Scope } from './runtime.ts';
import { describeError } from './errors.ts';
import { attributesOf, progressOf } from './telling.ts';

export class Run implements Door {
  readonly runtime: Runtime;
  readonly work: Pick<Work, 'remember'>;
  readonly inbox: Inbox;
  journal: Journal | null = null;
  plan: Plan | null = null;
  insideOutage = false;
  #units: readonly Unit[] = [];
  #forward: Scope;
  /** Set by a cancel that came before there was a journal. */
  #early: Decision | null = null;
  #renew = false;

  constructor(runtime: Runtime, work: Pick<Work, 'remember'>) {
    this.runtime = runtime;
    this.work = work;
    this.inbox = new Inbox(this);
    this.#forward = runtime.scope();
  }

  get phases(): readonly string[] { return this.plan?.forward.map((p) => p.name) ?? []; }
  get j(): Journal {
    if (!this.journal) throw new Error('the engine has no journal yet');
    return this.journal;
  }

  begin(journal: Journal, plan: Plan, hash: string): void {
    this.journal = journal;
    this.plan = plan;
    this.#units = units(plan.forward);
    if (journal.runs === 1 && journal.at === null) journal.at = this.#units[0]?.name ?? null;
    if (journal.planHash !== hash) this.#ask({
      name: journal.at ?? 'end', kind: 'plan-changed', answers: ['rollback', 'retry'], claims: [], figures: [], hash: null,
      text: `This worker's code makes another plan (${hash.slice(0, 12)}) than the one that was approved (${journal.planHash.slice(0, 12)}). Roll back, or start a worker with the matching code and retry.`,
    });
    if (this.#early) this.turnBack(this.#early);
  }

  /** Runs to an end. Throws only what Temporal needs to see: continue-as-new. */
  async toTheEnd(): Promise<'completed' | 'rolled-back'> {
    for (;;) {
      const j = this.j;
      await this.runtime.condition(() => !j.paused || j.wantBack !== null || j.unwind !== null || j.direction === 'back');
      if (j.unwind === null && j.wantBack !== null) this.#turn();
      if (this.#over()) break;
      this.tell();
      if (this.#mayRenew()) {
        await this.runtime.condition(() => this.runtime.handlersFinished());
        await this.runtime.continueAsNew({ ...j, runs: j.runs + 1 });
      }
      await this.#move();
    }
    await this.#closing();
    return this.j.direction === 'back' ? 'rolled-back' : 'completed';
  }

  async #move(): Promise<void> {
    const j = this.j;
    if (j.question) return this.#answer(j.question);
    if (j.unwind) return j.undos.length > j.unwind.to ? this.#undoLast() : this.#unwound();
    if (j.direction === 'back') return j.undos.length > this.#floor() ? this.#undoLast() : this.#park();
    return this.#ahead(this.#unit());
  }

  #over(): boolean {
    const j = this.j;
    if (j.question || j.unwind) return false;
    if (j.direction === 'forward') return j.at === null;
    if (j.undos.length > 0 || j.backTo !== null || j.closedBy !== null) return false;
    j.at = null;
    return true;
  }

  /** Never inside an outage, nor while a decision waits for its verdict. */
  #mayRenew(): boolean {
    if (this.j.unwind || this.inbox.waiting) return false;
    return this.#renew || this.#historyIsLong();
  }
  #historyIsLong(): boolean {
    return this.runtime.continueAsNewSuggested() || this.runtime.historyLength() > this.j.limits.historyEvents;
  }

  #unit(): Unit {
    const found = this.#units.find((u) => u.name === this.j.at);
    if (!found) throw new Error(`no unit ${String(this.j.at)} in this plan`);
    return found;
  }
  #advance(unit: Unit): void {
    const j = this.j;
    j.at = this.#units[this.#units.indexOf(unit) + 1]?.name ?? null;
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
      if (step.kind === 'hold') return this.#open(unit, step, await this.forward(() => step.evidence(this.context(unit, step))));
      await this.remember(unit, step.kind === 'change' ? 'one' : 'both');
      if (step.kind === 'outage') return await runOutage(this, unit, step, () => this.#advance(unit));
      if (step.kind === 'change') return await this.#change(unit, step);
      this.closeTheWay(unit.name);
      const done = await step.run(this.context(unit, step));
      this.heardOf(unit, step, done.say);
      this.#advance(unit);
    } catch (error) {
      this.#failed(unit, describeError(error));
    }
  }

  async #observe(unit: Unit, step: Observe): Promise<void> {
    const j = this.j;
    const look = await this.forward(() => step.look({ ...this.context(unit, step), before: j.picture }));
    j.say = look.say;
    j.picture = look.picture ?? null;
    j.figures = look.figures ?? null;
    if (!look.done) return;
    this.heardOf(unit, step, look.say);
    this.#advance(unit);
  }

  async #change(unit: Unit, step: Change): Promise<void> {
    const before = await this.capture(unit, step);
    this.record(unit, step);
    const done = await this.forward(() => step.apply(before, this.context(unit, step)));
    this.heardOf(unit, step, done.say);
    this.#advance(unit);
  }

  /** The pre-image: read once per attempt, never again after the write may have begun. */
  async capture(unit: Unit, step: Change): Promise<Change extends { capture(c: Context): Promise<infer B> } ? B : never> {
    const id = stepId(unit, step);
    const kept = this.j.undos.find((u) => u.step === id) ?? this.j.captured[id];
    if (kept) return kept.before;
    const c = this.context(unit, step);
    const before = await this.forward(() => step.capture(c));
    this.j.captured[id] = { before, key: c.key };
    return before;
  }

  /** The undo entry, recorded before `apply`. */
  record(unit: Unit, step: Change): void {
    const id = stepId(unit, step);
    const captured = this.j.captured[id];
    if (!captured || this.j.undos.some((u) => u.step === id)) return;
    this.j.undos.push({ step: id, unit: unit.name, phase: unit.phase, ...captured });
  }

  /** From here on nothing before can be undone. */
  closeTheWay(step: string): void {
    const j = this.j;
    j.closedBy = step;
    j.undos = [];
    j.captured = {};
    this.log(`${step} begins: no way back from here`);
  }

  /** A proof is kept under unit and step: the second cut set does not overwrite the first. */
  heardOf(unit: Unit, step: Step, say: string): void {
    this.j.say = say;
    if (!('proves' in step) || !step.proves) return;
    const id = stepId(unit, step);
    this.j.proven = [...this.j.proven.filter((p) => !p.startsWith(`${id}: `)), `${id}: ${say}`];
  }

  #failed(unit: Unit, why: string): void {
    const j = this.j;
    if (j.wantBack) { this.log(`${unit.name} left: ${j.wantBack.kind} by ${j.wantBack.by}`); return; }
    const { step } = unit;
    const opening = j.closedBy === unit.name || j.opening === unit.name;
    const may: Answer[] = opening ? ['retry'] : step.kind === 'hold' || step.kind === 'outage' || ('proves' in step && step.proves) ? ['retry', 'rollback'] : ['retry', 'skip', 'rollback'];
    this.#ask({ name: unit.name, kind: 'failed', text: `${unit.name} failed: ${why}`, answers: may, claims: [], figures: [], hash: null });
  }

  // --- questions -------------------------------------------------------------------------------------------------

  #ask(q: Omit<Question, 'sinceMs'>): void {
    this.j.question = { ...q, sinceMs: this.runtime.now() };
    this.j.say = '';
    this.log(`asks: ${q.text}`);
    this.tell();
  }

  #open(unit: Unit, step: Hold, evidence: Evidence): void {
    this.#ask({
      name: unit.name, kind: 'hold', text: step.question, answers: ['approve', 'reject', 'rollback'],
      claims: evidence.claims, figures: evidence.figures, hash: this.#evidenceHash(unit, evidence),
    });
  }
  #evidenceHash(unit: Unit, evidence: Evidence): string {
    return hashOf({ unit: unit.name, plan: this.j.planHash, claims: evidence.claims }).slice(0, 16);
  }

  async #answer(q: Question): Promise<void> {
    const j = this.j;
    await this.runtime.condition(() => this.inbox.waiting || j.wantBack !== null || this.#mayRenew());
    const heard = this.inbox.next();
    if (!heard) { if (j.wantBack) j.question = null; return; }
    const { decision } = heard;
    if (decision.kind === 'approve') return this.#approve(q, heard);
    j.question = null;
    this.log(`${decision.kind} of ${q.name} by ${decision.by}${decision.reason === null ? '' : ` (${decision.reason})`}`);
    if (decision.kind === 'reject') this.turnBack(decision);
    if (decision.kind === 'retry') this.#again(q);
    if (decision.kind === 'skip') this.#skip(q, decision);
    this.inbox.settle(heard, `accepted: ${decision.kind} of ${q.name}`);
  }

  /** An approval counts only if the claims still stand when they are read again. */
  async #approve(q: Question, heard: Heard): Promise<void> {
    const unit = this.#unit();
    const { step } = unit;
    if (step.kind !== 'hold') { this.inbox.settle(heard, 'refused: nothing is to be approved here'); return; }
    let verdict: string;
    try {
      const now = await step.evidence(this.context(unit, step));
      const broken = now.claims.filter((c) => !c.holds);
      const hash = this.#evidenceHash(unit, now);
      if (hash !== q.hash) verdict = `refused: the evidence changed since you saw it (${String(q.hash)} is now ${hash}). Look again and decide again.`;
      else if (broken.length > 0) verdict = `refused: not all claims hold: ${broken.map((c) => c.text).join('; ')}`;
      else verdict = `accepted: ${q.name} approved by ${heard.decision.by}`;
      if (!verdict.startsWith('accepted') && this.j.wantBack === null) this.#open(unit, step, now);
    } catch (error) {
      verdict = `refused: the evidence could not be read again: ${describeError(error)}`;
    }
    this.log(`${q.name}: approve by ${heard.decision.by} with hash ${String(q.hash)}: ${verdict}`);
    if (verdict.startsWith('accepted')) { this.j.question = null; this.j.say = verdict; this.#advance(unit); } else this.j.refused = verdict;
    this.inbox.settle(heard, verdict);
    this.tell();
  }

  #again(q: Question): void {
    const j = this.j;
    if (q.kind === 'plan-changed') this.#renew = true;
    if (q.kind === 'parked') { j.direction = 'forward'; j.backTo = null; j.attempt++; }
  }
  #skip(q: Question, d: Decision): void {
    if (q.kind === 'undo-failed') { this.log(`undo left by ${d.by}: ${String(d.reason)}`); this.j.undos.pop(); } else {
      this.j.say = `skipped by ${d.by}: ${String(d.reason)}`;
      this.#advance(this.#unit());
    }
  }

  // --- backward --------------------------------------------------------------------------------------------------

  turnBack(d: Decision): void {
    if (!this.journal) { this.#early = d; return; }
    this.journal.wantBack = { by: d.by, reason: d.reason ?? '', kind: d.kind === 'reject' ? 'reject' : d.by === 'workflow cancel' ? 'cancel' : 'rollback', to: d.to };
    this.log(`${d.kind} by ${d.by}${d.reason === null ? '' : ` (${d.reason})`}${d.to === null ? '' : ` to the end of ${d.to}`}`);
    this.#forward.cancel();
  }
  #turn(): void {
    const j = this.j;
    j.endedBy = j.wantBack;
    j.backTo = j.wantBack?.to ?? null;
    j.wantBack = null;
    j.direction = 'back';
    j.question = null;
    j.captured = {};
    j.picture = null;
    j.attempt++;
    this.#forward = this.runtime.scope();
  }

  /** How many undo entries stay when rolling back to the end of a phase. */
  #floor(): number {
    const { backTo, undos } = this.j;
    if (backTo === null) return 0;
    const keep = this.phases.slice(0, this.phases.indexOf(backTo) + 1);
    const first = undos.findIndex((u) => !keep.includes(u.phase));
    return first === -1 ? undos.length : first;
  }

  async #undoLast(): Promise<void> {
    const entry = this.j.undos.at(-1);
    if (!entry) return;
    const unit = this.#units.find((u) => u.name === entry.unit);
    const step = unit && stepsOf(unit).find((s) => stepId(unit, s) === entry.step);
    try {
      if (!step || step.kind !== 'change') throw new Error(`this code has no change called ${entry.step}; start a worker with the code that made it, then retry`);
      const c: Context = { ...this.context(unit, step), mode: 'undo', untilMs: null, key: entry.key };
      const say = typeof step.undo === 'string' ? step.undo.replace(/^leave: /, 'left: ') : (await step.undo(entry.before, c)).say;
      this.j.say = `undo ${entry.step}: ${say}`;
      this.log(this.j.say);
      this.j.undos.pop();
      delete this.j.captured[entry.step];
    } catch (error) {
      this.#ask({ name: `undo ${entry.step}`, kind: 'undo-failed', text: `Undoing ${entry.step} failed: ${describeError(error)}`, answers: ['retry', 'skip'], claims: [], figures: [], hash: null });
    }
  }

  /** An outage has undone itself: say why, then ask (or go on back, when that was the reason). */
  #unwound(): void {
    const { unwind } = this.j;
    this.j.unwind = null;
    this.j.captured = {};
    this.j.attempt++;
    this.#forward = this.runtime.scope();
    const record = this.j.outages.at(-1);
    if (record?.outcome === 'undone') this.j.outages = [...this.j.outages.slice(0, -1), { ...record, endedMs: this.runtime.now() }];
    if (unwind) this.#failed(this.#unit(), unwind.why);
  }

  /** Rolled back as far as was asked, or as far as there is a way. */
  #park(): void {
    const j = this.j;
    const closedUnit = this.#units.find((u) => u.name === j.closedBy || j.closedBy?.startsWith(`${u.name}/`));
    const last = j.backTo === null ? closedUnit : this.#units.filter((u) => u.phase === j.backTo).at(-1);
    const next = last && this.#units[this.#units.indexOf(last) + 1];
    if (next && this.#units.indexOf(next) < this.#units.findIndex((u) => u.name === j.at)) j.at = next.name;
    j.backTo = null;
    const where = closedUnit && last === closedUnit ? `to just after ${String(j.closedBy)}, which has no way back` : `to the end of ${last?.phase ?? 'nothing'}`;
    this.#ask({ name: j.at ?? 'end', kind: 'parked', text: `Rolled back ${where}. Retry goes forward again from ${String(j.at)}.`, answers: j.closedBy === null ? ['retry', 'rollback'] : ['retry'], claims: [], figures: [], hash: null });
  }

  // --- what both directions use ----------------------------------------------------------------------------------

  context(unit: Unit, step: Step | Unit['step']): Context {
    const j = this.j;
    const id = step.kind === 'outage' ? unit.name : stepId(unit, step);
    return { untilMs: null, limits: j.limits, run: j.run, mode: 'plain', key: `${j.run}/${id}/${j.attempt}` };
  }
  /** Cancellable: a rollback does not wait for it. */
  forward<T>(body: () => Promise<T>): Promise<T> { return this.#forward.run(body); }
  abandonForward(): void { this.#forward.cancel(); }

  async remember(unit: Unit, need: 'both' | 'one'): Promise<void> {
    const j = this.j;
    j.sequence++;
    const c: Context = { untilMs: null, limits: j.limits, run: j.run, mode: this.insideOutage ? 'outage' : 'plain', key: `${j.run}/journal` };
    const done = await this.work.remember({ m: j.migration, c, need, entries: [{ key: c.key, value: JSON.stringify(j) }] });
    if (done.say !== '') this.log(`${unit.name}: ${done.say}`);
  }
  async #closing(): Promise<void> {
    const j = this.j;
    this.log(j.direction === 'back' ? 'rolled back: the world is as at the start' : 'completed');
    const c: Context = { untilMs: null, limits: j.limits, run: j.run, mode: 'plain', key: `${j.run}/final` };
    try {
      await this.work.remember({ m: j.migration, c, need: 'one', entries: [{ key: c.key, value: JSON.stringify({ ...j, sequence: j.sequence + 1 }) }] });
    } catch (error) {
      this.log(`the final record is in this workflow's result only: ${describeError(error)}`);
    }
    this.tell();
    await this.runtime.condition(() => this.runtime.handlersFinished());
  }

  log(line: string): void {
    const j = this.journal;
    if (!j) return;
    j.audit = [...j.audit, `${new Date(this.runtime.now()).toISOString()} ${line}`.slice(0, 600)].slice(-auditTail);
  }

  progress(): Progress {
    return progressOf({ journal: this.journal, units: this.#units, workflowId: this.runtime.workflowId, insideOutage: this.insideOutage, nowMs: this.runtime.now(), refused: this.inbox.refused });
  }

  tell(): void {
    const p = this.progress();
    this.runtime.tell(details(p), attributesOf(p, this.journal));
  }
}
