/** What the scenarios share: a stage with live traffic, a migration on it, an operator that answers, and the final count. */
import assert from 'node:assert/strict';
import type { WorkflowHandle } from '@temporalio/client';
import { derived, duties, migration, writers, type Pace } from '../../demo/applications.ts';
import { ending, settle, until } from '../../demo/ending.ts';
import type { Ended } from '../../demo/report.ts';
import { names, setStage, type Stage, type StageChoices } from '../../demo/stage.ts';
import type { FleetEvent } from '../../demo/supervisor.ts';
import type { Side } from '../../src/domain/authority.ts';
import { workflowIdOf } from '../../src/domain/migration.ts';
import type { Answer, Progress, Question } from '../../src/domain/progress.ts';
import type { Repeats } from '../../src/domain/scheme.ts';
import { copies, copiesEither, type SchemeName } from '../../src/workflows/schemes/schemes.ts';
import { lend } from './lent.ts';
import { progressOf, soon, surroundings } from './seen.ts';

export type Outage = { readonly budgetMs: number; readonly undoReserveMs: number };

/** As many orders as show a fault, in as few requests as leave the machine to the migration. */
const calm: Pace = { ratePerSecond: 300, restMs: 300 };

export async function setScene(resources: AsyncDisposableStack, x: Partial<Pick<StageChoices, 'variant' | 'stopped' | 'worker' | 'pace' | 'second' | 'fleets'>> = {}): Promise<Stage> {
  const lent = await lend(x.variant ?? 'plain');
  const stage = await setStage({ variant: 'plain', keep: false, lent, pace: calm, say: () => undefined, stopped: async () => undefined, ...x, resources });
  await until('the first orders flow', 30_000, async () => { await stage.books.refresh(); return stage.books.acknowledged('orders') >= 300; });
  return stage;
}

export async function startMigration(stage: Stage, outage: Outage, scheme: SchemeName = 'stopRestartRepeat', other: { readonly connectBack?: null } = {}): Promise<WorkflowHandle> {
  const input = { ...migration({ copies: copies[scheme] || copiesEither.includes(scheme), principals: stage.stack.variant === 'sasl', budgetMs: outage.budgetMs, second: scheme === 'blueGreen' }), outage, ...other };
  return stage.client.workflow.start(scheme, { workflowId: workflowIdOf(input), taskQueue: stage.taskQueue, args: [input] });
}

/** What to answer, with which consent; `null`: not yet. */
export type Answers = (q: Question, p: Progress) => Answer | { readonly kind: Answer; readonly mayRepeat: Repeats } | null;
/** Approves, which reads the claims again and is refused until they hold; tries again what failed. */
export const onward = (q: Question): Answer => (q.kind === 'hold' ? 'approve' : 'retry');

/** Answers until the workflow is closed, or `enough`. Neither a missing worker nor a missing server ends it. */
export async function operate(stage: Stage, handle: WorkflowHandle, answers: Answers, withinMs: number, enough: () => Promise<boolean> = async () => false): Promise<void> {
  let last = 'nothing was heard';
  const answered: string[] = [];
  const looks = { everyMs: 250, closedEvery: 4 };
  for (let [end, look] = [Date.now() + withinMs, 0]; ; look++, await new Promise((r) => setTimeout(r, looks.everyMs))) {
    if (Date.now() > end) throw new Error([`The migration did not end within ${withinMs / 1_000} s; at the end: ${last}`, ...answered.slice(-5), ...(await surroundings(stage, handle))].join('\n'));
    try {
      if (await enough()) return;
      if (look % looks.closedEvery === 0 && !['RUNNING', 'CONTINUED_AS_NEW'].includes((await soon(stage, () => handle.describe())).status.name)) return;
      const p = await progressOf(stage, handle);
      last = `${p.state} ${p.unit}: ${p.question?.text ?? p.say}${p.question?.claims.filter((c) => !c.holds).map((c) => ` ✘ ${c.text}`).join('') ?? ''}`;
      const said = p.question === null ? null : answers(p.question, p);
      if (p.question === null || said === null) continue;
      const { kind: answer, ...consent } = typeof said === 'string' ? { kind: said } : said;
      const { name: hold, hash } = p.question;
      const decision = { by: 'scenario', hold, ...(hash === null ? {} : { hash }), ...(answer === 'approve' ? {} : { reason: 'as the scenario wants' }), ...consent };
      await soon(stage, () => handle.signal(answer, decision));
      answered.push(`${new Date().toISOString()} ${answer} to: ${p.question.text}`);
      await until('the answer is heard', 10_000, async () => (await progressOf(stage, handle)).question?.sinceMs !== p.question?.sinceMs);
    } catch (e) {
      last = `${last} (${e instanceof Error ? e.message : String(e)})`.slice(0, 2_000);
    }
  }
}

export async function ended(handle: WorkflowHandle, wanted: Ended['outcome']): Promise<Ended> {
  const end = await ending(handle);
  assert.equal(end.outcome, wanted, end.why);
  return end;
}

export function assertRunning(stage: Stage, on: Side): void {
  const other: Side = on === 'source' ? 'target' : 'source';
  for (const name of names) {
    const n = stage.supervisor.count(name);
    assert.ok(n[on] > 0 && n[other] === 0, `${name} runs ${JSON.stringify(n)}, wanted ${on}`);
  }
}

/** Everybody runs on that side, and of all records none is lost, repeated or (unless the scheme promises no order) out of order. Stops the traffic. */
export async function assertMoved(stage: Stage, to: Side, order: 'kept' | 'measured' = 'kept'): Promise<void> {
  assertRunning(stage, to);
  await settle(stage, 0);
  const count = stage.books.count(duties, derived);
  const reordered = count.duties.reduce((sum, d) => sum + d.reordered, 0);
  assert.deepEqual(count.duties.map(({ group, topic, lost, duplicated }) => ({ group, topic, lost, duplicated })), duties.map((d) => ({ ...d, lost: 0, duplicated: 0 })));
  if (order === 'kept') assert.equal(reordered, 0);
  assert.deepEqual(count.derived.map(({ missing, repeated }) => [missing, repeated]), [[0, 0]]);
  assert.deepEqual(stage.supervisor.events.filter((e) => e.what === 'died' || e.what === 'killed'), []);
  console.log(`  counted ${Object.entries(count.produced).map(([t, n]) => `${n} ${t}`).join(', ')}: 0 lost, 0 duplicated, ${reordered} reordered`);
}

/** Nothing was read again, or out of order where order is promised. What is lost shows when everything has been read, at the end. */
export async function assertKept(stage: Stage, order: 'kept' | 'measured' = 'kept'): Promise<void> {
  await stage.books.refresh();
  const count = stage.books.count(duties, derived);
  assert.deepEqual(count.duties.filter((d) => d.duplicated > 0 || (d.reordered > 0 && order === 'kept')), []);
}

export const isWriter = (application: string): boolean => Object.values(writers).flat().includes(application);

/** Each time a writer was stopped and started again, by the supervisor's own clock. */
export function silences(events: readonly FleetEvent[]): readonly { readonly application: string; readonly ms: number; readonly backOn: Side }[] {
  return events.flatMap((start, i) => {
    if (start.what !== 'told to start' || !isWriter(start.application)) return [];
    const stop = events.slice(0, i).findLast((e) => e.application === start.application);
    return stop?.what === 'stopped' ? [{ application: start.application, ms: start.atMs - stop.atMs, backOn: start.side }] : [];
  });
}
