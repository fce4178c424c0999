/** What the workflow `verify` asks of the outside. Types only; the workflow imports nothing else from here. */
import type { Counts } from '../domain/diff/difference.ts';
import type { Verification, VerifyResult } from '../domain/verification.ts';

/** `run`: first run id of the workflow, the prefix of its ledger keys. */
export interface VerifyAsk { readonly v: Verification; readonly run: string }
export interface VerifyTurn {
  /** Nothing more can be told up to these ends: what is not undecided has been compared. */
  readonly settled: boolean;
  /** Something was compared, or settled, in this turn. Missing, as the next one: said by an earlier release. */
  readonly moved?: boolean;
  /** Partitions that end in records that do not correspond, so that only what comes after them can tell what differs. */
  readonly undecided?: number;
  /** Offsets of the source, exact. */
  readonly total: number;
  readonly done: number;
  readonly partitions: number;
  readonly partitionsDone: number;
  readonly counts: Counts;
  /** How long was compared, ms. */
  readonly tookMs: number;
  readonly say: string;
}
export interface VerifyWork {
  /** Resolves patterns, compares the shape of the topics, and freezes the ends up to which is compared. Idempotent: the first plan of a run stays. */
  verifyPlan(x: VerifyAsk): Promise<{ readonly topics: readonly string[]; readonly partitions: number }>;
  /** Compares for about `turnMs`, longer while something at work has not got on; goes on from what the ledger has. `now`: up to the ends as they are now, behind a running mirror. */
  verifyTurn(x: VerifyAsk & { readonly ends: 'planned' | 'now'; readonly turnMs: number; /** The most it takes then. Default: 8 minutes. */ readonly longestMs?: number }): Promise<VerifyTurn>;
  /** The final record, written to the ledger and returned. */
  verifyResult(x: VerifyAsk): Promise<VerifyResult>;
}
