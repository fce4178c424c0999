/**
 * The whole vocabulary. A scheme is a list of phases; a phase is a list of steps; an outage is a step of its own kind
 * that gives up in time, and its opening carries the list that leads back. Plan, dry run, rollback, progress and tests
 * are all read off these lists.
 */
import type { Effect } from './authority.ts';
import type { Json } from './json.ts';
import type { Limits, Migration } from './migration.ts';

/** What every call to the outside is told: how long it may still write, and the limits in force. */
export interface Context {
  /** Absolute epoch ms after which nothing may be written any more; `null` outside an outage. Enforced inside activities. */
  readonly untilMs: number | null;
  readonly limits: Limits;
  /** First run id of the workflow: the prefix of ledger keys and (its first 8 characters) part of connector names. */
  readonly run: string;
  /** Decides the activity options: an outage retries within milliseconds, an undo for ever. */
  readonly mode: 'plain' | 'outage' | 'undo';
  /** `<first run id>/<unit>/<attempt>`: unique per attempt, the ledger key of this step. */
  readonly key: string;
  /** What was consented to with an approval: by group, how many records it may read again over all its partitions. */
  readonly mayRepeat?: Repeats;
  /** A pre-image is only recalled: `notKept` where there is none, and so nothing was written. */
  readonly recall?: true;
}
export const notKept = { notKept: true } as const;
export const isKept = (before: Json): boolean => !(before !== null && typeof before === 'object' && 'notKept' in before);
export type Repeats = Readonly<Record<string, number>>;

/** When the worker began and ended the work, epoch ms by its own clock. The rest of a step is Temporal's share. */
export interface Timed {
  readonly fromMs: number;
  readonly toMs: number;
}

/** What a look at the clusters showed. `done: false` means "look again". */
export interface Look extends Timed {
  readonly done: boolean;
  /** One sentence for people. */
  readonly say: string;
  /** Changes when the picture changed for an operator (state, or a lag halved or doubled); given back on the next turn. */
  readonly picture?: string;
  /** Shown in progress and at holds: lag in records, rate, ETA. */
  readonly figures?: Json;
}

/** What a write did. */
export interface Done extends Timed {
  readonly say: string;
  readonly figures?: Json;
}

/** `claims` are what a person approves: hashed, and read again before an approval counts. `figures` are only shown. */
export interface Evidence {
  readonly claims: readonly Claim[];
  readonly figures: readonly string[];
  /** There is nothing to decide, and why: the hold is passed without asking. */
  readonly moot?: string;
}
/** `holds: false` blocks the approval. The text carries thresholds, sets and ids, never raw moving numbers. */
export interface Claim {
  readonly text: string;
  readonly holds: boolean;
  /** It does not hold, and would with this consent: by group, how many records would be read again. Not hashed. */
  readonly unless?: Repeats;
  /** What a consent must cover at this moment, where `unless` has room for what is still to come. Absent: `unless`. Not hashed. */
  readonly least?: Repeats;
}

interface Named {
  readonly name: string;
  /** Enters the plan hash: whatever a reader of the plan must know about this step. */
  readonly detail?: Json;
  /** What the step means for the safety model (`authority.ts`), in order. */
  readonly effects?: readonly Effect[];
}

/** Reads only. The engine calls it again until `done`. */
export interface Observe extends Named {
  readonly kind: 'observe';
  /** A proof (drained, quiet, cut confirmed…) can never be skipped. */
  readonly proves: boolean;
  /** No proof, so it may be skipped; what it said is kept with the proofs all the same. */
  readonly tells?: true;
  look(context: LookContext): Promise<Look>;
}

/** `before`: the picture of the look before; `null`: there was none. */
export type LookContext = Context & { readonly before: string | null };

/** Writes, and says how it is undone, or why it is left. */
export interface Change<Before extends Json = Json> extends Named {
  readonly kind: 'change';
  /** Changes that carry a proof (fence, positions, cut) can never be skipped. */
  readonly proves: boolean;
  /** Reads the pre-image; once per attempt, before the outage clock starts. At most 8 KB. */
  capture(context: Context): Promise<Before>;
  apply(before: Before, context: Context): Promise<Done>;
  readonly undo: ((before: Before, context: Context) => Promise<Done>) | `leave: ${string}`;
  /** What the undo means for the safety model; empty when left. */
  readonly undoes?: readonly Effect[];
  /** The undo keeps nobody from writing: in an outage that undoes itself it waits until the producers are back. */
  readonly undoLate?: true;
  /** Made again before an outage is tried again: what it kept has aged. */
  readonly ages?: true;
}

/** Waits for a person. */
export interface Hold extends Named {
  readonly kind: 'hold';
  readonly question: string;
  evidence(context: Context): Promise<Evidence>;
}

/** Writes with no way back: a hold always stands before it. */
export interface Irreversible extends Named {
  readonly kind: 'irreversible';
  /** Why there is no way back, in words an operator understands. */
  readonly because: string;
  run(context: Context): Promise<Done>;
}

/**
 * The first producer is told to start on the other side: what is written from now on is there only. Undone by phases of
 * its own, the reverse cut, which has its own hold, outage and budget and ends where the outage of this opening began.
 */
export interface Opening extends Named {
  readonly kind: 'opening';
  run(context: Context): Promise<Done>;
  /** Empty in a reverse cut itself: its opening ends the way back. */
  readonly back: readonly Phase[];
}

/**
 * A group of steps under a time budget. `until` stops, fences, drains, silences, marks the cut; `open` lets the first
 * producer start. Before `open` it undoes itself when a step fails or the budget passes. A hold inside does not compile.
 */
export interface Outage extends Named {
  readonly kind: 'outage';
  readonly budgetMs: number;
  /** The part of the budget kept for the undo. */
  readonly undoReserveMs: number;
  readonly until: readonly (Observe | Change)[];
  readonly open: Opening | Irreversible;
}

export type Step = Observe | Change | Hold | Irreversible | Opening;
export interface Phase {
  readonly name: string;
  readonly steps: readonly (Step | Outage)[];
}

export interface Plan {
  readonly scheme: string;
  /** What the scheme promises and needs, one sentence each, for the operator. */
  readonly promises: readonly string[];
  readonly forward: readonly Phase[];
  /** The way back of these applications when the target is dead. No part of what is approved at the start: it has a hold of its own. */
  readonly withoutTarget?: (applications: readonly string[]) => readonly Phase[];
}

/** Whether this run was planned by code that knows the named change; frozen in the journal by the first run. */
export type Has = (change: string) => boolean;
/** A pure function. `Use` is the set of resources that bind steps to the outside (see `workflows/resources`). */
export type Scheme<Use> = (migration: Migration, has: Has, use: Use) => Plan;

export const phase = (name: string, ...steps: readonly (Step | Outage | readonly (Step | Outage)[])[]): Phase => ({
  name,
  steps: steps.flat() as readonly (Step | Outage)[],
});
export const observe = (name: string, o: Omit<Observe, 'kind' | 'name' | 'proves'> & { proves?: boolean }): Observe => ({
  kind: 'observe', name, proves: false, ...o,
});
export const change = <B extends Json>(
  name: string, c: Omit<Change<B>, 'kind' | 'name' | 'proves'> & { proves?: boolean },
): Change => ({ kind: 'change', name, proves: false, ...c }) as unknown as Change;
export const hold = (name: string, h: Omit<Hold, 'kind' | 'name'>): Hold => ({ kind: 'hold', name, ...h });
export const irreversible = (name: string, i: Omit<Irreversible, 'kind' | 'name'>): Irreversible => ({ kind: 'irreversible', name, ...i });
export const opening = (name: string, o: Omit<Opening, 'kind' | 'name'>): Opening => ({ kind: 'opening', name, ...o });
export const outage = (name: string, o: Omit<Outage, 'kind' | 'name'>): Outage => ({ kind: 'outage', name, ...o });

/** What the engine does between two breaths: one plain step, or one whole outage. Its name is how a journal finds it again. */
export interface Unit {
  readonly name: string;
  readonly phase: string;
  readonly step: Step | Outage;
}
/** Asked for after every step; phases do not change once made. */
const known = new WeakMap<readonly Phase[], readonly Unit[]>();
/** Names must be unique: a journal finds its place again by them. */
export function units(phases: readonly Phase[]): readonly Unit[] {
  const found = known.get(phases);
  if (found) return found;
  const all = phases.flatMap((p) => p.steps.map((step) => ({ name: `${p.name}/${step.name}`, phase: p.name, step })));
  const names = [...all, ...all.flatMap((u) => units(backOf(u)))].map((u) => u.name);
  const seen = new Set<string>();
  const twice = names.filter((name) => seen.size === seen.add(name).size);
  if (twice.length > 0) throw new Error(`two units of this plan have the same name: ${twice.join(', ')}`);
  known.set(phases, all);
  return all;
}
/** The phases that undo the opening of this unit; empty where there is none, or no way back. */
export const backOf = (unit: Unit): readonly Phase[] => (unit.step.kind === 'outage' && unit.step.open.kind === 'opening' ? unit.step.open.back : none);
const none: readonly Phase[] = [];

/** The steps of a unit in order; for an outage `until` then `open`. */
export const stepsOf = (unit: Unit): readonly Step[] => (unit.step.kind === 'outage' ? [...unit.step.until, unit.step.open] : [unit.step]);
/** How a step is named in journal, ledger and audit: stable, because undo entries are found again by it. */
export const stepId = (unit: Unit, step: Step): string => (unit.step.kind === 'outage' ? `${unit.name}/${step.name}` : unit.name);

/**
 * Which of these undo entries comes next, as an index: the last, except that within one unit those that keep nobody from
 * writing wait for the others.
 */
export function nextUndo(entries: readonly { readonly unit: string; readonly late?: boolean }[]): number {
  const last = entries.length - 1;
  for (let i = last; i >= 0 && entries[i]?.unit === entries[last]?.unit; i--) if (entries[i]?.late !== true) return i;
  return last;
}
