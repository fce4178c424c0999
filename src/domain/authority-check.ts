/** Walks every prefix of a plan, and from each the whole rollback, over the effects of its steps; says every rule that breaks. */
import type { Breach, Effect, Rule } from './authority.ts';
import { rules } from './authority.ts';
import type { Found } from './authority-rules.ts';
import { apply, atTheEnd } from './authority-rules.ts';
import { Ground, State, spoken } from './authority-state.ts';
import type { Migration } from './migration.ts';
import type { Irreversible, Opening, Outage, Phase, Plan, Step, Unit } from './scheme.ts';
import { nextUndo, stepId, stepsOf, units } from './scheme.ts';

/** Breaches of the safety model, first met first; empty when the plan may run. */
export function checkPlan(migration: Pick<Migration, 'topics' | 'applications' | 'estate'>, plan: Plan): readonly Breach[] {
  const book = new Book();
  const walk = new Walk({ state: State.start(new Ground(migration)), book, at: 'forward', ...(plan.withoutTarget ? { without: plan.withoutTarget } : {}) });
  const end = walk.run(plan.forward);
  book.note(atTheEnd(walk.state, 'target'), { step: end, at: 'forward' });
  return book.breaches;
}

const shown = 12;
/** The one message with which a plan is refused. */
export function explainBreaches(breaches: readonly Breach[]): string {
  const lines = breaches.slice(0, shown).map((b) => `- ${b.rule}: step ${b.step}${b.application === null ? '' : `, application ${b.application}`} (${b.at}): ${b.why}`);
  const broken = [...new Set(breaches.map((b) => b.rule))].map((r: Rule) => `${r} means: ${rules[r]}`);
  const more = breaches.length > shown ? [`- and ${breaches.length - shown} more.`] : [];
  return [`The plan breaks ${breaches.length} ${breaches.length === 1 ? 'time' : 'times'} what keeps records safe; nothing was written.`, ...lines, ...more, ...broken].join('\n');
}

/** Collects breaches; the same one met again on another way is told once. */
class Book {
  readonly breaches: Breach[] = [];
  readonly #known = new Set<string>();
  note(found: readonly Found[], where: { readonly step: string; readonly at: string }): void {
    for (const f of found) {
      const key = `${f.rule}|${f.application}|${f.why}`;
      if (this.#known.has(key)) continue;
      this.#known.add(key);
      this.breaches.push({ rule: f.rule, step: where.step, application: f.application, at: where.at, why: f.why });
    }
  }
}

/** Undoing an opening runs its phases back. */
type Without = NonNullable<Plan['withoutTarget']>;
interface Entry { readonly step: string; readonly unit: string; readonly late: boolean; readonly undoes: readonly Effect[]; readonly back: readonly Phase[] }

class Walk {
  readonly state: State;
  readonly #book: Book;
  /** The walk of a way back: refused halfway, it leaves the mirror that it needs. */
  readonly #back: boolean;
  readonly #at: string;
  /** The way back when the target is dead, open from the first opening on. */
  readonly #without: Without | null;
  #opened = false;
  #undos: Entry[] = [];
  /** What a complete rollback must restore: the beginning, or the moment after which nothing before can be undone. */
  #base: State;
  #held = false;
  /** Rollbacks that met the same state at the same depth go the same way from there. */
  #walked = new Set<string>();
  /** Openings whose way back has been walked with every prefix of its own; met again, its effects alone are checked. */
  #known = new Set<string>();
  constructor(x: { readonly state: State; readonly book: Book; readonly at: string; readonly back?: true; readonly without?: Without }) {
    this.state = x.state;
    this.#base = x.state.clone();
    this.#book = x.book;
    this.#back = x.back === true;
    this.#at = x.at;
    this.#without = x.without ?? null;
  }

  /** Name of the last step. */
  run(phases: readonly Phase[]): string {
    let last = 'plan';
    for (const unit of units(phases)) {
      if (unit.step.kind === 'outage') this.#outage(unit, unit.step);
      else this.#step(unit, unit.step);
      last = unit.step.kind === 'outage' ? stepId(unit, unit.step.open) : unit.name;
    }
    return last;
  }

  #step(unit: Unit, step: Step): void {
    const id = stepId(unit, step);
    if (step.kind === 'hold') return this.#hold(id);
    if (step.kind === 'irreversible' || step.kind === 'opening') return this.#open(unit, step);
    if (step.kind === 'change') this.#undos.push({ step: id, unit: unit.name, late: step.undoLate === true, undoes: typeof step.undo === 'string' ? [] : (step.undoes ?? []), back: [] });
    // Undo entries are recorded before the write: the write may not have begun, or be half done, when the undo runs.
    this.#rollbackFrom(id);
    for (const e of step.effects ?? []) {
      this.#effect(e, id);
      this.#rollbackFrom(id);
    }
  }

  #hold(id: string): void {
    this.#held = true;
    const waiting = this.state.ground.applications.filter((a) => this.state.place(a.name) === 'stopped');
    const resting = this.state.ground.applications.filter((a) => this.state.resting(a.name));
    this.#note([...waiting.map((a) => ({ rule: 'holds' as const, application: a.name, why: `A person is asked while ${a.name} is ${spoken('stopped')}.` })),
      ...resting.map((a) => ({ rule: 'holds' as const, application: a.name, why: `A person is asked while one of the two sets of ${a.name} rests, and records wait for it.` }))], id);
  }

  #outage(unit: Unit, outage: Outage): void {
    if (!this.#held) this.#note([{ rule: 'holds', application: null, why: `Outage ${unit.name} begins without a hold before it.` }], unit.name);
    const mark = this.#undos.length;
    for (const step of outage.until) this.#step(unit, step);
    this.#held = true; // the hold before the outage is the one of its opening; a missing one was told above
    this.#open(unit, outage.open, mark);
  }

  /** From its start there is no undo any more, except by a cut back where the opening has one. */
  #open(unit: Unit, step: Opening | Irreversible, mark = 0): void {
    const id = stepId(unit, step);
    if (!this.#held) this.#note([{ rule: 'holds', application: null, why: `${id} cannot be undone and begins without a hold before it.` }], id);
    this.#held = false;
    if (step.kind === 'irreversible') this.#wholeWayBack(id);
    const back = step.kind === 'opening' ? step.back : [];
    this.#opened = back.length > 0;
    this.#undos = back.length > 0 ? [...this.#undos.slice(0, mark), { step: id, unit: unit.name, late: false, undoes: [], back }] : [];
    for (const e of step.effects ?? []) this.#effect(e, id);
    if (back.length > 0) { this.#rollbackFrom(id); return; }
    this.#base = this.state.clone();
    this.#walked = new Set();
  }

  /** The last moment at which there is a way back: walked once in full, whatever was met before. */
  #wholeWayBack(id: string): void {
    this.#walked = new Set();
    this.#known = new Set();
    this.#rollbackFrom(id);
  }

  #rollbackFrom(id: string): void {
    this.state.attempt(() => this.#undoAll(id, `rollback from ${id}`));
    if (this.#without && this.#opened) this.state.attempt(() => this.#withoutTarget(id));
  }

  /** The target may die at any moment after an opening: whoever is not where the plan found it goes back without it. */
  #withoutTarget(id: string): void {
    const met = `without ${this.state.key()}`;
    if (this.#walked.has(met)) return;
    this.#walked.add(met);
    const away = this.state.ground.applications.filter((a) => this.state.place(a.name) !== 'source').map((a) => a.name);
    if (away.length === 0) return;
    const walk = new Walk({ state: this.state, book: this.#book, at: `without the target, from ${id}`, back: true });
    walk.straight(this.#without?.(away) ?? []);
    this.#book.note(atTheEnd(this.state, 'source'), { step: id, at: `without the target, from ${id}` });
  }

  #undoAll(id: string, at: string): void {
    const left = [...this.#undos];
    while (left.length > 0) {
      const [entry] = left.splice(nextUndo(left), 1);
      if (entry === undefined) return;
      const met = `${left.length} ${entry.step} ${this.state.key()}`;
      if (this.#walked.has(met)) return;
      this.#walked.add(met);
      if (entry.back.length > 0) this.#reverse(entry, at);
      else for (const e of entry.undoes) this.#book.note(apply(this.state, e, 'undo'), { step: entry.step, at });
    }
    this.#book.note(this.state.differences(this.#base, this.#back ? 'may-stay' : 'gone').map((d) => ({ rule: 'undo-restores' as const, ...d, why: `After the rollback: ${d.why}` })), { step: id, at });
  }

  #reverse(entry: Entry, at: string): void {
    const walk = new Walk({ state: this.state, book: this.#book, at, back: true });
    if (this.#known.has(entry.step)) walk.straight(entry.back);
    else { this.#known.add(entry.step); walk.run(entry.back); }
  }
  /** The effects of all steps one after the other, without turning back anywhere. */
  straight(phases: readonly Phase[]): void {
    for (const unit of units(phases)) for (const step of stepsOf(unit)) for (const e of step.kind === 'hold' ? [] : (step.effects ?? [])) this.#effect(e, stepId(unit, step));
  }

  #effect(e: Effect, step: string): void { this.#note(apply(this.state, e, 'forward'), step); }
  #note(found: readonly Found[], step: string): void { this.#book.note(found, { step, at: this.#at }); }
}
