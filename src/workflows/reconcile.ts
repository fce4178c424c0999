/** The workflow behind `cutover reconcile`: names what a migration that was rolled back without its target has left there. */
import { ActivityCancellationType, ApplicationFailure, isCancellation, proxyActivities, setCurrentDetails } from '@temporalio/workflow';
import type { ReconcileWork } from '../activities/work.ts';
import { Failure } from '../domain/failures.ts';
import { parseMigration } from '../domain/parse-migration.ts';
import type { Reconciliation } from '../domain/reconciliation.ts';
import { describeError } from './errors.ts';
import type { SchemeName } from './schemes/schemes.ts';

const { reconcileTarget } = proxyActivities<ReconcileWork>({
  startToCloseTimeout: '2 hours', heartbeatTimeout: '5s', cancellationType: ActivityCancellationType.TRY_CANCEL,
  retry: { initialInterval: '500ms', backoffCoefficient: 2, maximumInterval: '15s', maximumAttempts: 5 },
});

/** `run`: the name under which the ledgers know the migration; `scheme`: the type of its workflow. */
export async function reconcile(input: unknown, x: { readonly run: string; readonly scheme: SchemeName }): Promise<Reconciliation> {
  try {
    const m = parseMigration(input, x.scheme);
    const answer = await reconcileTarget({ m, c: { untilMs: null, limits: m.limits, run: x.run, mode: 'plain', key: `${x.run}/reconcile` } });
    setCurrentDetails(answer.say);
    return answer;
  } catch (error) {
    if (isCancellation(error)) throw error;
    throw ApplicationFailure.nonRetryable(describeError(error), error instanceof Failure ? error.type : 'Error');
  }
}
