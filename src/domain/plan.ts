/** A plan as data: what `plan` prints, what the plan hash covers, what an approval binds to. */
import { sha256 } from '@noble/hashes/sha2.js';
import { bytesToHex, utf8ToBytes } from '@noble/hashes/utils.js';
import { canonical, type Json } from './json.ts';
import type { Inventory, Migration } from './migration.ts';
import type { Outage, Phase, Plan, Step } from './scheme.ts';

export interface StepView {
  readonly name: string;
  readonly kind: Step['kind'];
  readonly proves: boolean;
  /** `undone`: has an undo; `undone by …`: an opening; `left: why`; `none`: nothing to undo; `no way back: why`. */
  readonly undo: string;
  readonly detail?: Json;
}
export interface OutageView {
  readonly name: string;
  readonly kind: 'outage';
  readonly budgetMs: number;
  readonly undoReserveMs: number;
  readonly until: readonly StepView[];
  readonly open: StepView;
  /** What undoes the opening; empty where there is no way back. */
  readonly back: readonly PhaseView[];
}
export interface PhaseView { readonly name: string; readonly steps: readonly (StepView | OutageView)[] }
export interface PlanView {
  readonly scheme: string;
  readonly promises: readonly string[];
  readonly forward: readonly PhaseView[];
}

const undoOf = (step: Step): string => {
  if (step.kind === 'opening') return step.back.length > 0 ? 'undone by a cut back, which asks first' : 'from here the way is on';
  if (step.kind === 'irreversible') return `no way back: ${step.because}`;
  if (step.kind !== 'change') return 'none';
  return typeof step.undo === 'string' ? step.undo.replace(/^leave: /, 'left: ') : 'undone';
};
const viewStep = (step: Step): StepView => ({
  name: step.name,
  kind: step.kind,
  proves: (step.kind === 'observe' || step.kind === 'change') && step.proves,
  undo: undoOf(step),
  ...(step.kind === 'hold' ? { detail: step.question } : step.detail === undefined ? {} : { detail: step.detail }),
});
const viewOutage = (o: Outage): OutageView => ({
  name: o.name, kind: 'outage', budgetMs: o.budgetMs, undoReserveMs: o.undoReserveMs, until: o.until.map(viewStep), open: viewStep(o.open),
  back: o.open.kind === 'opening' ? o.open.back.map(viewPhase) : [],
});
function viewPhase(p: Phase): PhaseView {
  return { name: p.name, steps: p.steps.map((s) => (s.kind === 'outage' ? viewOutage(s) : viewStep(s))) };
}

export const describePlan = (plan: Plan): PlanView => ({
  scheme: plan.scheme, promises: plan.promises, forward: plan.forward.map(viewPhase),
});

/** SHA-256 of the canonical JSON, hex. */
export const hashOf = (value: unknown): string => bytesToHex(sha256(utf8ToBytes(canonical(value))));
/** What an approval is worth depends on all of this being unchanged. Limits are left out: `tune` may change them. */
export const planHash = (migration: Migration, inventory: Inventory, plan: Plan): string =>
  hashOf({ migration: { ...migration, limits: undefined }, inventory, plan: describePlan(plan) });
