/** The closed list of ways a migration can fail, and what each one asks of the operator. */

/**
 * `retry: 'again'`: the same call may succeed later, the activity is retried with backoff.
 * `retry: 'ask'`: retrying by itself cannot help; the workflow stops and asks a person.
 */
export const failures = {
  BadMigration: { retry: 'ask', advice: 'Correct the migration and start it again.' },
  BadCatalog: { retry: 'ask', advice: "Correct the worker's catalog and restart the worker." },
  Unauthorized: { retry: 'ask', advice: 'Grant the named right, then retry.' },
  Unreachable: { retry: 'again', advice: 'Check the address and the network; the call is retried.' },
  Drift: { retry: 'ask', advice: 'Bring both sides in line by hand, or change the migration; then retry.' },
  GroupActive: { retry: 'ask', advice: 'Stop the members that are named, then retry.' },
  ForgottenWriter: { retry: 'ask', advice: 'Stop or declare the named writer, then retry.' },
  NotExact: { retry: 'ask', advice: 'The position cannot be proven; roll back, or make it provable and retry.' },
  MirrorStuck: { retry: 'ask', advice: 'Read the connector trace on the Connect worker, mend it, then retry.' },
  MirrorDamaged: { retry: 'ask', advice: 'The copy is no longer faithful; roll back and start again.' },
  BudgetExceeded: { retry: 'ask', advice: 'Retry, or roll back and start again with a larger budget.' },
  EvidenceExpired: { retry: 'ask', advice: 'Look at the new evidence and decide again.' },
  ClientNotMoved: { retry: 'ask', advice: 'Look at the named application, then retry.' },
  Unsupported: { retry: 'ask', advice: 'This case is refused; the message says what would do.' },
} as const;

export type FailureType = keyof typeof failures;

/** Temporal keeps at most 4 KB of a failure in its state; ours stay below. */
const longestMessage = 3_500;

/**
 * A failure an operator can act on. The message says what, where, seen against wanted; the advice of the type is appended
 * unless the message already carries its own next step (`next`).
 */
export class Failure extends Error {
  readonly type: FailureType;
  /** The message without its next step, for where it goes on all the same. */
  readonly fact: string;
  constructor(type: FailureType, message: string, next?: string) {
    super(`${message}${message.endsWith('\n') ? '' : ' '}${next ?? failures[type].advice}`.slice(0, longestMessage));
    this.name = type;
    this.type = type;
    this.fact = message;
  }
}

export const isFailureType = (name: string): name is FailureType => Object.hasOwn(failures, name);
