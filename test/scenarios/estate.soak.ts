/**
 * A small estate with live traffic, in three waves: a canary that reads what has not moved yet, the writer, and those who read
 * what it has cut. One wave fails and is tried again; one goes back with those that stand on it; then all is moved and finished.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import type { WorkflowHandle } from '@temporalio/client';
import { migration } from '../../demo/applications.ts';
import type { Stage } from '../../demo/stage.ts';
import type { EstateProgress } from '../../src/domain/estate-progress.ts';
import { finishHold } from '../../src/domain/migration.ts';
import type { Progress, Question } from '../../src/domain/progress.ts';
import { assertMoved, setScene } from './scene.ts';

/** What the demo's applications are, as an estate. */
function typed(): object {
  const { applications, outage } = migration({ copies: true, principals: false, budgetMs: 10_000 });
  const hints: Readonly<Record<string, object>> = { audit: { hint: 'canary' }, shop: { wave: 'orders' } };
  return {
    name: 'demo', environment: 'test', source: 'old', target: 'new', connect: 'forward', connectBack: 'back', scheme: 'stopRestartRepeat', waves: [{ name: 'orders' }],
    applications: applications.map((a) => ({ ...a, ...hints[a.name] })), outage, limits: { historyEvents: 60 },
  };
}

class Operator {
  readonly #stage: Stage;
  readonly handle: WorkflowHandle;
  /** What was answered last, by workflow. */
  readonly #answered = new Map<string, number>();
  constructor(stage: Stage, handle: WorkflowHandle) {
    this.#stage = stage;
    this.handle = handle;
  }
  progress(): Promise<EstateProgress> { return this.#stage.client.withDeadline(Date.now() + 2_000, () => this.handle.query<EstateProgress>('progress')); }
  async decide(decision: object): Promise<string> {
    for (let last = ''; ; await pause(300)) {
      try {
        return await this.handle.executeUpdate<string, [object]>('decide', { args: [{ by: 'scenario', ...decision }] });
      } catch (e) {
        const said = String((e as { cause?: unknown }).cause ?? e);
        if (last === said || /Refused|not all/.test(said)) throw e;
        last = said;
      }
    }
  }
  /** Approves what the estate asks. */
  async approve(question: string): Promise<EstateProgress> {
    const p = await this.until(`asks ${question}`, 60_000, (x) => x.question?.name === question);
    await this.decide({ kind: 'approve', hash: p.question?.hash });
    return p;
  }
  /** Meanwhile the holds of the waves are answered: `answers` says how, `null` leaves one alone. */
  async until(what: string, withinMs: number, done: (p: EstateProgress) => boolean, answers: (wave: string, q: Question) => string | null = onward): Promise<EstateProgress> {
    let last: EstateProgress | null = null;
    for (const end = Date.now() + withinMs; ; await pause(250)) {
      last = await this.progress().catch(() => last);
      if (last && done(last)) return last;
      if (Date.now() > end) throw new Error(`Not within ${withinMs / 1_000} s: ${what}; at the end: ${JSON.stringify(last?.waves.map((w) => [w.name, w.state, w.say]))} ${last?.groundwork.state} ${last?.groundwork.say} ${last?.question?.text} ${last?.question?.claims.map((c) => `${c.holds} ${c.text}`).join(' ')}`);
      for (const w of [...(last?.waves ?? []), ...(last ? [last.groundwork] : [])]) if (w.asks !== null && ['moving', 'going-back', 'finishing'].includes(w.state)) await this.#answer(w, answers).catch(() => undefined);
    }
  }
  async #answer(w: { readonly name: string; readonly workflowId: string }, answers: (wave: string, q: Question) => string | null): Promise<void> {
    const wave = this.#stage.client.workflow.getHandle(w.workflowId);
    const { question } = await this.#stage.client.withDeadline(Date.now() + 2_000, () => wave.query<Progress>('progress'));
    // An approval is refused until the claims hold, which shows as another question.
    if (question === null || question.name === finishHold || this.#answered.get(w.workflowId) === question.sinceMs) return;
    const answer = answers(w.name, question);
    if (answer === null) return;
    const broken = question.claims.filter((c) => !c.holds);
    if (broken.length === 0) this.#answered.set(w.workflowId, question.sinceMs);
    await wave.signal(answer, { by: 'scenario', hold: question.name, ...(question.hash === null ? {} : { hash: question.hash }), ...(answer === 'approve' ? {} : { reason: 'as the scenario wants' }) });
  }
}
const onward = (_wave: string, q: Question): string => (q.kind === 'hold' ? 'approve' : 'retry');
const is = (wave: string, state: string) => (p: EstateProgress): boolean => p.waves.find((w) => w.name === wave)?.state === state;

async function begun(resources: AsyncDisposableStack): Promise<{ readonly stage: Stage; readonly operator: Operator }> {
  const stage = await setScene(resources);
  const handle = await stage.client.workflow.start('estate', { workflowId: 'cutover-estate/old/new/demo', taskQueue: stage.taskQueue, args: [typed()] });
  const operator = new Operator(stage, handle);
  await operator.approve('begin');
  return { stage, operator };
}
async function move(operator: Operator, wave: string): Promise<void> {
  await operator.approve(`start ${wave}`);
  await operator.until(`${wave} has settled`, 120_000, is(wave, 'settled'));
}

test('an estate in three waves: one fails and is tried again, one goes back with those that stand on it, all is finished: 0 lost, 0 twice', async () => {
  await using resources = new AsyncDisposableStack();
  const { stage, operator } = await begun(resources);
  await move(operator, 'canary');
  assert.deepEqual([stage.supervisor.count('audit').target, stage.supervisor.count('shop').target], [1, 0], 'the canary reads early, fed by the groundwork');

  await operator.approve('start orders');
  await operator.until('orders was rejected', 60_000, is('orders', 'back'), (_wave, q) => (q.name.endsWith('approve the cut') ? 'reject' : 'retry'));
  const failed = await operator.until('the estate asks what to do', 20_000, (p) => p.question?.kind === 'failed');
  assert.deepEqual(failed.waves.map((w) => [w.name, w.state]), [['canary', 'settled'], ['orders', 'back'], ['wave-1', 'waiting']]);
  await operator.decide({ kind: 'retry', wave: 'orders' });
  await move(operator, 'orders');
  await move(operator, 'wave-1');

  await operator.decide({ kind: 'rollback', wave: 'orders', reason: 'the scenario wants it back' });
  const named = await operator.approve('rollback orders');
  assert.match(named.question?.text ?? '', /in this order: wave-1, orders\?$/);
  await operator.until('orders is back', 120_000, is('orders', 'back'));
  assert.deepEqual(stage.supervisor.count('shop').source, 2);
  assert.deepEqual((await operator.progress()).waves.map((w) => w.state), ['settled', 'back', 'back']);

  await operator.decide({ kind: 'retry', wave: 'orders' });
  await operator.decide({ kind: 'retry', wave: 'wave-1' }).catch(() => undefined);
  await move(operator, 'orders');
  if (is('wave-1', 'back')(await operator.progress())) await operator.decide({ kind: 'retry', wave: 'wave-1' });
  await move(operator, 'wave-1');
  const runs = (await operator.progress()).runs;
  assert.ok(runs > 1, 'the estate continued as new with waves open');
  await operator.approve('finish');
  await operator.until('everything is finished', 120_000, (p) => p.state === 'completed');
  const result = await operator.handle.result() as { readonly outcome: string; readonly waves: readonly { readonly name: string; readonly state: string; readonly attempt: number }[] };
  assert.deepEqual(result.waves, [{ name: 'canary', state: 'finished', attempt: 1 }, { name: 'orders', state: 'finished', attempt: 3 }, { name: 'wave-1', state: 'finished', attempt: 2 }]);
  console.log(`  ${runs} runs of the estate, 6 migrations of 3 waves`);
  await assertMoved(stage, 'target');
});
