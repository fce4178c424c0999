/** What every scheme's workflow does: handlers first, then parse, assess, plan, check the plan, run it, and end in the right way. */
import { ApplicationFailure, CancelledFailure, CancellationScope, patched, setHandler } from '@temporalio/workflow';
import { checkPlan, explainBreaches } from '../domain/authority-check.ts';
import { Failure, isFailureType } from '../domain/failures.ts';
import { parseMigration } from '../domain/parse-migration.ts';
import { idleStarts } from '../domain/parse-starts.ts';
import { workflowIdOf, type Inventory, type Migration } from '../domain/migration.ts';
import { describePlan, hashOf, planHash } from '../domain/plan.ts';
import type { OutageRecord } from '../domain/progress.ts';
import { refusals } from '../domain/refusals.ts';
import { besidesLoops } from '../domain/stopping.ts';
import type { Has, Plan } from '../domain/scheme.ts';
import { kinds } from '../domain/decisions.ts';
import { looksAgain } from './asking.ts';
import { Run, weighs } from './engine.ts';
import { describeError } from './errors.ts';
import { awake, firm, openJournal, parseJournal, takenUp } from './journal.ts';
import * as messages from './messages.ts';
import { bind } from './resources/use.ts';
import { reporter } from './reporting.ts';
import { groundwork } from './schemes/groundwork.ts';
import { sweeps } from './sweeping.ts';
import { isTended, tends } from './tending.ts';
import { schemes, type SchemeName } from './schemes/schemes.ts';
import { temporalRuntime, work } from './temporal.ts';

export const searchAttributes = ['CutoverPhase', 'CutoverState', 'CutoverSource', 'CutoverTarget'] as const;

/** How a migration ended; also the details of a `RolledBack` failure. */
export interface Result {
  readonly outcome: 'completed' | 'rolled-back';
  readonly scheme: string;
  readonly planHash: string;
  readonly outages: readonly OutageRecord[];
  /** What was proven, one sentence per proof. */
  readonly proven: readonly string[];
  readonly audit: readonly string[];
  readonly runs: number;
}

/** Schemes that people choose, and the one that only an estate does. */
export type Runnable = SchemeName | 'groundwork';
const runnable = { ...schemes, groundwork } as const;

export async function migrate(scheme: Runnable, input: unknown, carried?: unknown): Promise<Result> {
  const root = CancellationScope.current();
  return CancellationScope.nonCancellable(async () => {
    const reports = reporter(input);
    const run = new Run(temporalRuntime(input), work, reports);
    // Buffered messages are delivered while handlers are set: a later run must have its journal by then, or it would lose them.
    const from = recoverFrom(carried);
    const unreadable = carried === undefined || carried === null || from !== null ? null : tryResume(run, scheme, carried);
    handle(run);
    void root.cancelRequested.catch(() => run.turnBack({ kind: 'rollback', by: 'workflow cancel', hold: null, hash: null, reason: null, to: null, limits: {} }));
    try {
      if (unreadable) throw unreadable.error;
      if (from !== null) await recover(run, { scheme, input, from });
      else if (carried === undefined || carried === null) await begin(run, scheme, input);
      run.tell();
    } catch (error) {
      const failure = asFailure(error);
      await reports?.refused(failure.message);
      throw failure;
    }
    const outcome = await run.toTheEnd();
    await reports?.over(outcome);
    const { j } = run;
    const result: Result = { outcome, scheme: j.scheme, planHash: j.planHash, outages: j.outages, proven: j.proven, audit: j.audit, runs: j.runs };
    if (outcome === 'completed') return result;
    if (j.endedBy?.kind === 'cancel') throw new CancelledFailure('The workflow was cancelled; everything was rolled back.', [result]);
    throw ApplicationFailure.create({ type: 'RolledBack', nonRetryable: true, message: `Rolled back${j.endedBy?.withoutTarget ? ' without the target' : ''}: ${j.endedBy?.kind ?? 'rollback'} by ${j.endedBy?.by ?? 'unknown'}. ${j.endedBy?.reason ?? ''}`.trim(), details: [result] });
  });
}

/** Registered synchronously, before the first await: a message sent with the start finds its handler. */
function handle(run: Run): void {
  for (const kind of kinds) {
    const { definition, description } = messages.signals[kind];
    setHandler(definition, (x) => { run.inbox.signal(kind, x); }, { description });
  }
  setHandler(messages.decide, async (x) => {
    const decision = run.inbox.judge(null, x);
    if (typeof decision === 'string') throw ApplicationFailure.nonRetryable(decision, 'Refused');
    const heard = run.inbox.take(decision);
    // After a workflow cancel the root scope is cancelled: unshielded, the update would fail with CancelledFailure.
    await CancellationScope.nonCancellable(() => run.runtime.condition(() => heard.verdict !== null));
    if (!heard.verdict?.startsWith('accepted')) throw ApplicationFailure.nonRetryable(heard.verdict ?? 'refused', 'Refused');
    return heard.verdict;
  }, {
    description: messages.decideDescription,
    validator: (x) => {
      const decision = run.inbox.judge(null, x);
      if (typeof decision === 'string') throw ApplicationFailure.nonRetryable(decision, 'Refused');
    },
  });
  setHandler(messages.progress, () => run.progress(), { description: messages.queryDescriptions.progress });
  setHandler(messages.plan, () => (run.plan ? describePlan(run.plan) : null), { description: messages.queryDescriptions.plan });
  setHandler(messages.evidence, () => run.journal?.question ?? null, { description: messages.queryDescriptions.evidence });
  setHandler(messages.audit, () => run.journal?.audit ?? [], { description: messages.queryDescriptions.audit });
}

function tryResume(run: Run, scheme: Runnable, carried: unknown): { readonly error: unknown } | null {
  try {
    resume(run, scheme, carried);
    return null;
  } catch (error) {
    return { error };
  }
}

async function begin(run: Run, scheme: Runnable, input: unknown): Promise<void> {
  run.tell();
  const given = parseMigration(input, scheme);
  if (run.runtime.workflowId !== workflowIdOf(given))
    throw new Failure('BadMigration', `The workflow id must be ${workflowIdOf(given)}, so that one migration cannot run twice; it is ${run.runtime.workflowId}.`);
  const startedMs = run.runtime.now();
  const known = await work.environment({ names: searchAttributes });
  const { migration, inventory } = await work.assess({ m: given, scheme });
  const has: Record<string, boolean> = {};
  const plan = planFor(run, scheme, migration, inventory, (id) => (has[id] ??= run.runtime.patched(id)));
  if (migration.connectBack !== null) has[sweeps] = run.runtime.patched(sweeps);
  if (isTended(migration)) has[tends] = run.runtime.patched(tends);
  has[weighs] = run.runtime.patched(weighs);
  has[looksAgain] = run.runtime.patched(looksAgain);
  has[awake] = run.runtime.patched(awake);
  has[firm] = run.runtime.patched(firm);
  refuseUnsafe(migration, plan);
  const hash = planHash(migration, inventory, plan);
  const journal = openJournal({
    scheme, run: run.runtime.firstRunId, migration, inventory, planHash: hash, inventoryHash: hashOf(inventory), has, searchAttributes: known.searchAttributes, at: null, startedMs,
  });
  run.begin(journal, plan, hash);
}

/** `{"recover":"<first run id>"}` in the place of a journal. */
function recoverFrom(carried: unknown): string | null {
  if (carried === null || typeof carried !== 'object' || !('recover' in carried)) return null;
  return typeof carried.recover === 'string' ? carried.recover : '';
}

/** An ordinary start with the newest journal that the ledgers have of an earlier run. */
async function recover(run: Run, x: { readonly scheme: Runnable; readonly input: unknown; readonly from: string }): Promise<void> {
  run.tell();
  const m = parseMigration(x.input, x.scheme);
  if (run.runtime.workflowId !== workflowIdOf(m)) throw new Failure('BadMigration', `The workflow id must be ${workflowIdOf(m)}; it is ${run.runtime.workflowId}.`);
  const c = { untilMs: null, limits: m.limits, run: x.from, mode: 'plain', key: `${x.from}/recover` } as const;
  const text = await work.recall({ m, c, run: x.from });
  if (text === null) throw new Failure('BadMigration', `Neither ledger has a journal of run "${x.from}" of ${run.runtime.workflowId}: nothing was begun there, or the ledgers are not those of ${m.source} and ${m.target}.`);
  const journal = parseJournal(JSON.parse(text));
  if (journal.at === null && journal.reverse === null) throw new Failure('BadMigration', `Run "${x.from}" had come to its end (${journal.direction === 'back' ? 'rolled back' : 'completed'}): there is nothing to recover.`);
  if (journal.scheme !== x.scheme) throw new Failure('BadMigration', `Run "${x.from}" was a ${journal.scheme}, not a ${x.scheme}.`);
  resume(run, x.scheme, takenUp(journal));
}

/** A later run may stand on newer code; the plan may not. */
function resume(run: Run, scheme: Runnable, carried: unknown): void {
  const journal = parseJournal(carried);
  const plan = planFor(run, scheme, journal.migration, journal.inventory, (id) => journal.has[id] ?? false);
  run.begin(journal, plan, planHash(journal.migration, journal.inventory, plan));
}

const planFor = (run: Run, scheme: Runnable, m: Migration, inventory: Inventory, has: Has): Plan =>
  runnable[scheme](m, has, bind({ work, m, inventory, owner: m.estate?.id ?? run.runtime.workflowId, has }));

/** Before anything is touched: the safety model walks every prefix of the plan and of its rollback. All that is wrong, in one message. */
export function refuseUnsafe(m: Migration, plan: Plan): void {
  const breaches = besidesLoops(m, plan.scheme, checkPlan(m, plan));
  const unsafe = breaches.length === 0 ? [] : [`The plan breaks the safety model and was not begun. ${explainBreaches(breaches)}`];
  const idle = idleStarts(m, plan.scheme);
  // Asked only where there is something to refuse: what has begun with it goes on, and no other history gets a marker.
  const all = [...(idle.length > 0 && patched('2026-11-23-no-idle-starts') ? idle : []), ...refusals(m, plan.scheme), ...unsafe];
  if (all.length > 0) throw new Failure('BadMigration', all.join('\n'));
}

/** A plain error would only fail the workflow task, which retries for ever: before anything was touched, fail the workflow. */
function asFailure(error: unknown): ApplicationFailure {
  let innermost: unknown = error;
  while (innermost instanceof Error && innermost.cause instanceof Error) innermost = innermost.cause;
  const type = innermost instanceof Failure ? innermost.type : innermost instanceof ApplicationFailure ? (innermost.type ?? 'Error') : 'Error';
  return ApplicationFailure.create({ type, nonRetryable: true, message: isFailureType(type) && innermost instanceof Error ? innermost.message : describeError(error) });
}
