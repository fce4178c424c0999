/** What a wave tells its estate, by signal: parsed like everything that comes from outside. */
import type { Question } from './progress.ts';

/** `settled`: at its last hold, with the way back open. `refused`: ended before anything was touched. */
export const reportStates = ['moving', 'asking', 'settled', 'rolling-back', 'rolled-back', 'completed', 'refused'] as const;
export type ReportState = (typeof reportStates)[number];

export interface Report {
  readonly wave: string;
  /** Run id of the wave's first run: a report of an earlier attempt says nothing about this one. */
  readonly run: string;
  readonly state: ReportState;
  readonly say: string;
  /** What it asks, with the hash that an approval must repeat. */
  readonly question: Pick<Question, 'name' | 'kind' | 'text' | 'hash'> | null;
}

const longest = 1_000;
/** A report, or the sentence that says what is wrong with it. Never throws. */
export function parseReport(x: unknown): Report | string {
  if (x === null || typeof x !== 'object') return 'a report must be an object';
  const given = x as Record<string, unknown>;
  const word = (key: string): string => (typeof given[key] === 'string' ? given[key].slice(0, longest) : '');
  const state = reportStates.find((s) => s === given['state']);
  if (state === undefined || word('wave') === '') return `"wave" and "state" (${reportStates.join(', ')}) must be given`;
  return { wave: word('wave'), run: word('run'), state, say: word('say'), question: questionOf(given['question']) };
}

function questionOf(x: unknown): Report['question'] {
  if (x === null || typeof x !== 'object') return null;
  const { name, kind, text, hash } = x as Record<string, unknown>;
  if (typeof name !== 'string' || typeof text !== 'string') return null;
  return { name, text: text.slice(0, longest), kind: kind as Question['kind'], hash: typeof hash === 'string' ? hash : null };
}
