/** What the workflow `verify` asks of the outside. Types only; the workflow imports nothing else from here. */
import type { Counts } from '../domain/diff/difference.ts';
import type { Verification, VerifyResult } from '../domain/verification.ts';

/** `run`: first run id of the workflow, the prefix of its ledger keys. */
export interface VerifyAsk { readonly v: Verification; readonly run: string }
export interface VerifyTurn {
  /** Nothing is left to compare up to these ends. */
  readonly settled: boolean;
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
  /** Compares for about `turnMs`; goes on from what the ledger has. `now`: up to the ends as they are now, behind a running mirror. */
  verifyTurn(x: VerifyAsk & { readonly ends: 'planned' | 'now'; readonly turnMs: number }): Promise<VerifyTurn>;
  /** The final record, written to the ledger and returned. */
  verifyResult(x: VerifyAsk): Promise<VerifyResult>;
}
