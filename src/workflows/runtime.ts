/** The few things the engine needs from Temporal, so that property tests can run it in virtual time. */

export interface Runtime {
  /** Deterministic clock, epoch ms. */
  now(): number;
  readonly workflowId: string;
  /** Stays the same over continue-as-new. */
  readonly firstRunId: string;
  /** Resolves true when the test holds, false when `timeoutMs` passed first. Re-evaluated on every message and result. */
  condition(test: () => boolean, timeoutMs?: number): Promise<boolean>;
  /** Forward work runs in one of these; cancelling it cancels the activities inside. */
  scope(): Scope;
  patched(id: string): boolean;
  /** Events so far in this run. */
  historyLength(): number;
  /** Their size, bytes. */
  historyBytes(): number;
  continueAsNewSuggested(): boolean;
  handlersFinished(): boolean;
  /** Leaves by throwing; call it outside of every `try`. */
  continueAsNew(journal: unknown): Promise<never>;
  /** Current Details (Markdown) and search attributes (only registered ones). */
  tell(details: string, attributes: Readonly<Record<string, string>>): void;
  /** True for the error that a cancelled scope produces. */
  isCancellation(error: unknown): boolean;
}

export interface Scope {
  run<T>(body: () => Promise<T>): Promise<T>;
  cancel(): void;
  readonly cancelled: boolean;
}
