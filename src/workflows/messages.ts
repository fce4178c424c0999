/** Signals, the update and the queries of every scheme: names, payloads, and the sentences operators see beside them. */
import { defineQuery, defineSignal, defineUpdate } from '@temporalio/workflow';
import type { PlanView } from '../domain/plan.ts';
import type { Progress, Question } from '../domain/progress.ts';
import type { Kind } from '../domain/decisions.ts';

/** Payloads are `unknown`: they come from people, are parsed, and never throw. */
export const signals = {
  approve: { definition: defineSignal<[unknown]>('approve'), description: 'Approve the open hold: {"by":"you","hash":"<hash shown>"}; where it asks for consent, also "mayRepeat":{"<group>":12}' },
  reject: { definition: defineSignal<[unknown]>('reject'), description: 'Reject the open hold; the migration rolls back: {"by":"you","reason":"why"}' },
  retry: { definition: defineSignal<[unknown]>('retry'), description: 'Try the failed step again: {"by":"you"}; where a consent is missing, also "mayRepeat":{"<group>":12}' },
  skip: { definition: defineSignal<[unknown]>('skip'), description: 'Skip the failed step, where it allows that: {"by":"you","reason":"why"}' },
  rollback: { definition: defineSignal<[unknown]>('rollback'), description: 'Undo everything, or back to the end of a phase: {"by":"you","reason":"why","to":"phase, optional"}; with "withoutTarget":true when the target is dead' },
  pause: { definition: defineSignal<[unknown]>('pause'), description: 'Pause before the next unit (never inside an outage): {"by":"you"}' },
  resume: { definition: defineSignal<[unknown]>('resume'), description: 'Resume after a pause: {"by":"you"}' },
  tune: { definition: defineSignal<[unknown]>('tune'), description: 'Change a limit: {"by":"you","limits":{"lagRecords":100}}' },
} as const satisfies Record<Kind, unknown>;

/** The verdict comes back within seconds: `accepted …` or the reason of refusal as the error. */
export const decide = defineUpdate<string, [unknown]>('decide');
export const decideDescription = 'Any decision, answered at once: {"kind":"approve","by":"you","hash":"<hash shown>"}; kinds: approve, reject, retry, skip, rollback, pause, resume, tune';

export const progress = defineQuery<Progress>('progress');
export const plan = defineQuery<PlanView | null>('plan');
export const evidence = defineQuery<Question | null>('evidence');
export const audit = defineQuery<readonly string[]>('audit');
export const queryDescriptions = {
  progress: 'Where the migration stands: unit, lag, outages, the open question',
  plan: 'Every phase, step, undo and hold of this migration',
  evidence: 'The open question with its claims and figures; null when nothing is asked',
  audit: 'Who decided what, and what was done: the last 200 lines (older ones are in the ledger under <run>/audit/)',
} as const;
