/** The read-only workflow behind `check`: assess, plan, preflight. Writes nothing anywhere. */
import { ApplicationFailure, workflowInfo } from '@temporalio/workflow';
import { parseMigration } from '../domain/parse-migration.ts';
import type { Inventory } from '../domain/migration.ts';
import { Failure } from '../domain/failures.ts';
import { describePlan, planHash, type PlanView } from '../domain/plan.ts';
import { refuseUnsafe } from './migrate.ts';
import { bind } from './resources/use.ts';
import { isSchemeName, schemes } from './schemes/schemes.ts';
import { work } from './temporal.ts';
import { describeError } from './errors.ts';

export interface Assessed { readonly scheme: string; readonly inventory: Inventory; readonly plan: PlanView; readonly planHash: string; readonly checked: string }

export async function assess(scheme: unknown, input: unknown): Promise<Assessed> {
  try {
    if (typeof scheme !== 'string' || !isSchemeName(scheme)) throw new Failure('BadMigration', `There is no scheme ${JSON.stringify(scheme)}; the schemes are ${Object.keys(schemes).join(', ')}.`);
    const given = parseMigration(input, scheme);
    const { migration, inventory } = await work.assess({ m: given, scheme });
    const info = workflowInfo();
    const plan = schemes[scheme](migration, () => true, bind({ work, m: migration, inventory, owner: info.workflowId, has: () => true }));
    refuseUnsafe(migration, plan);
    const c = { untilMs: null, limits: migration.limits, run: info.firstExecutionRunId, mode: 'plain', key: `${info.firstExecutionRunId}/assess/1` } as const;
    let ready = await work.lookReady({ m: migration, c: { ...c, before: null }, scheme });
    // What could not be seen at first is looked at again: from then on a failure is one.
    while (!ready.done) ready = await work.lookReady({ m: migration, c: { ...c, before: ready.picture ?? null }, scheme });
    return { scheme, inventory, plan: describePlan(plan), planHash: planHash(migration, inventory, plan), checked: ready.say };
  } catch (error) {
    const failure = error instanceof Failure ? error : undefined;
    throw ApplicationFailure.nonRetryable(failure?.message ?? describeError(error), failure?.type ?? 'Error');
  }
}
