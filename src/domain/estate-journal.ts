/** Everything an estate must remember, as one value: input of continue-as-new, and what its next move is worked out from. */
import type { Copies, Estate } from './estate.ts';
import type { Report } from './estate-report.ts';
import type { WavePlan } from './estate-waves.ts';
import { groundworkWave } from './migration.ts';
import type { Claim } from './scheme.ts';

/**
 * `waiting`: not begun. `back`: rolled back, as asked or by itself. `refused`: ended before it touched anything.
 * `settled`: moved, with its way back open. `finishing`: the estate has released it. `lost`: its workflow is gone, and nobody
 * undid anything; once recovered it reports by itself.
 */
export type WaveState = 'waiting' | 'moving' | 'settled' | 'going-back' | 'back' | 'refused' | 'skipped' | 'finishing' | 'finished' | 'lost';

export interface WaveRecord {
  readonly name: string;
  state: WaveState;
  /** How often it was begun. */
  attempt: number;
  /** It has begun to go back since it was told to. */
  turned: boolean;
  /** What it said last, or why it is where it is. */
  say: string;
  asks: Report['question'];
  /** Hash that the estate approved last while finishing it: the same one is not approved twice. */
  approved: string | null;
}

export interface EstateQuestion {
  readonly name: string;
  /** `failed`: a wave did not get through, and nothing further begins. */
  readonly kind: 'hold' | 'failed';
  readonly text: string;
  /** What an approval does; `null` where nothing is approved. */
  readonly on: Approval | null;
  readonly answers: readonly string[];
  readonly claims: readonly Claim[];
  readonly figures: readonly string[];
  readonly hash: string | null;
  readonly sinceMs: number;
}
/** Waves in the order in which it is done. */
export type Approval =
  | { readonly do: 'begin' }
  | { readonly do: 'start'; readonly wave: string }
  | { readonly do: 'rollback' | 'finish' | 'skip' | 'postpone'; readonly waves: readonly string[]; readonly whole: 'whole' | 'part'; readonly reason: string };

export interface EstateJournal {
  version: 1;
  /** First run id. */
  run: string;
  workflowId: string;
  /** Resolved: no patterns any more. */
  estate: Estate;
  plan: WavePlan;
  planHash: string;
  copies: Copies;
  partitions: Readonly<Record<string, number>>;
  searchAttributes: readonly string[];
  approved: boolean;
  groundwork: WaveRecord;
  /** In the order of time. */
  waves: WaveRecord[];
  /** Approved, and not started yet. */
  starting: string | null;
  /** Waves on their way back, the next one first. */
  goingBack: string[];
  finishing: string[];
  /** Everything goes back, the groundwork last, and the estate ends. */
  home: { readonly by: string; readonly reason: string } | null;
  question: EstateQuestion | null;
  /** Asked for by a person, and neither approved nor dropped. */
  wanted: Approval | null;
  paused: boolean;
  /** The last message that was refused. */
  refused: string | null;
  audit: string[];
  runs: number;
  startedMs: number;
}

export const freshWave = (name: string): WaveRecord => ({ name, state: 'waiting', attempt: 0, turned: false, say: '', asks: null, approved: null });
export const recordOf = (j: EstateJournal, name: string): WaveRecord | undefined => (name === groundworkWave ? j.groundwork : j.waves.find((w) => w.name === name));
/** The plan with its waves in the order in which they really move. */
export const ordered = (j: EstateJournal): WavePlan => ({ ...j.plan, waves: j.waves.flatMap((w) => j.plan.waves.filter((p) => p.name === w.name)) });

const busy: readonly WaveState[] = ['moving', 'going-back', 'finishing'];
export const isBusy = (w: WaveRecord): boolean => busy.includes(w.state);
/** Its applications run on the target, or are on their way. */
export const isOut = (w: WaveRecord): boolean => w.state === 'moving' || w.state === 'settled' || w.state === 'going-back' || w.state === 'lost';
export const hasMoved = (w: WaveRecord | undefined): boolean => w !== undefined && (w.state === 'settled' || w.state === 'finishing' || w.state === 'finished');
export const mayBegin = (w: WaveRecord): boolean => w.state === 'waiting' || w.state === 'back' || w.state === 'refused';
