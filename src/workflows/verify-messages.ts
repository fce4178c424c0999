/** The query and the signal of the workflow `verify`. */
import { defineQuery, defineSignal } from '@temporalio/workflow';
import type { VerifyProgress } from '../domain/verification.ts';

export const verifyProgress = defineQuery<VerifyProgress>('progress');
/** Whatever it carries is of no importance: it comes from people. */
export const stopVerify = defineSignal<[unknown?]>('stop');
