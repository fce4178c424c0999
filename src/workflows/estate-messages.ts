/** Signals, the update and the queries of an estate: names, payloads, and the sentences operators see beside them. */
import { defineQuery, defineSignal, defineUpdate } from '@temporalio/workflow';
import type { EstateKind } from '../domain/estate-decisions.ts';
import type { EstateProgress } from '../domain/estate-progress.ts';

export const estateSignals = {
  approve: { definition: defineSignal<[unknown]>('approve'), description: 'Approve what the estate asks: {"by":"you","hash":"<hash shown>"}' },
  reject: { definition: defineSignal<[unknown]>('reject'), description: 'Refuse it; a rollback or finish that was asked for is dropped, a wave waits: {"by":"you","reason":"why"}' },
  retry: { definition: defineSignal<[unknown]>('retry'), description: 'Start a wave again that was rolled back, refused or skipped: {"by":"you","wave":"name"}' },
  postpone: { definition: defineSignal<[unknown]>('postpone'), description: 'Move a wave that has not begun behind the others, with those that stand on it: {"by":"you","wave":"name","reason":"why"}' },
  skip: { definition: defineSignal<[unknown]>('skip'), description: 'Leave a wave where it is, with those that stand on it: {"by":"you","wave":"name","reason":"why"}' },
  rollback: { definition: defineSignal<[unknown]>('rollback'), description: 'Take a wave back, with those that stand on it, named first; without a wave: the whole estate: {"by":"you","reason":"why","wave":"name, optional"}' },
  finish: { definition: defineSignal<[unknown]>('finish'), description: 'Give up the way back of a wave when no group of its topics is left on the source: {"by":"you","wave":"name"}' },
  pause: { definition: defineSignal<[unknown]>('pause'), description: 'Begin no further wave: {"by":"you"}' },
  resume: { definition: defineSignal<[unknown]>('resume'), description: 'Go on after a pause: {"by":"you"}' },
} as const satisfies Record<EstateKind, unknown>;

/** From the waves; not for people. */
export const report = defineSignal<[unknown]>('report');
/** To the waves: say again where you stand. */
export const reportAgain = defineSignal('reportAgain');
export const reportAgainDescription = 'Sent by the estate when it has heard nothing for long: the wave says again where it stands';
export const reportDescription = 'Sent by the waves themselves: where each one stands';

export const decideEstate = defineUpdate<string, [unknown]>('decide');
export const decideEstateDescription = 'Any decision, answered at once: {"kind":"approve","by":"you","hash":"<hash shown>"}; kinds: approve, reject, retry, postpone, skip, rollback, finish, pause, resume';

export const estateProgress = defineQuery<EstateProgress>('progress');
export const estateAudit = defineQuery<readonly string[]>('audit');
export const estateQueryDescriptions = {
  progress: 'Where the estate stands: every wave with its state, and what is asked',
  audit: 'Who decided what, and what the waves reported: the last 200 lines',
} as const;
