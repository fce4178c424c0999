/** Operates an estate on the real stack as a person would: answers what it asks, and what its waves ask meanwhile. */
import { setTimeout as pause } from 'node:timers/promises';
import type { Client, WorkflowHandle } from '@temporalio/client';
import type { EstateProgress } from '../../src/domain/estate-progress.ts';
import { finishHold } from '../../src/domain/migration.ts';
import type { Progress, Question } from '../../src/domain/progress.ts';

/** What to answer a wave; `null`: nothing yet. */
export type WaveAnswers = (wave: string, q: Question) => string | null;
const onward: WaveAnswers = (_wave, q) => (q.kind === 'hold' ? 'approve' : 'retry');
/** So often a wave is told to retry the same step; then a person would look into it. */
const mostRetries = 3;

export const is = (wave: string, state: string) => (p: EstateProgress): boolean => p.waves.find((w) => w.name === wave)?.state === state;
export const states = (p: EstateProgress): Readonly<Record<string, string>> => Object.fromEntries(p.waves.map((w) => [w.name, w.state]));

export class EstateOperator {
  readonly handle: WorkflowHandle;
  readonly #client: Client;
  /** Since when the question stood that was answered last, by workflow. */
  readonly #answered = new Map<string, number>();
  readonly #retried = new Map<string, number>();
  constructor(client: Client, handle: WorkflowHandle) {
    this.#client = client;
    this.handle = handle;
  }

  progress(): Promise<EstateProgress> { return this.#soon(() => this.handle.query<EstateProgress>('progress')); }
  #soon<T>(call: () => Promise<T>): Promise<T> { return this.#client.withDeadline(Date.now() + 2_000, call); }

  /** The verdict. Sent again where a continue-as-new cut it off; a refusal is thrown. */
  async decide(decision: object): Promise<string> {
    for (const end = Date.now() + 10_000; ; await pause(200)) {
      try {
        return await this.handle.executeUpdate<string, [object]>('decide', { args: [{ by: 'scenario', ...decision }] });
      } catch (e) {
        const said = String((e as { readonly cause?: unknown }).cause ?? e);
        if (Date.now() > end || !/closing workflow|FAILED_PRECONDITION|workflow execution already completed/i.test(said)) throw new Error(said, { cause: e });
      }
    }
  }

  async asks(question: string, withinMs = 30_000): Promise<EstateProgress> { return this.until(`asks ${question}`, withinMs, (x) => x.question?.name === question); }
  /** Approves what the estate asks. */
  async approve(question: string): Promise<EstateProgress> {
    const p = await this.asks(question);
    await this.decide({ kind: 'approve', hash: p.question?.hash });
    return p;
  }
  async move(wave: string, withinMs = 60_000): Promise<void> {
    await this.approve(`start ${wave}`);
    await this.until(`${wave} has settled`, withinMs, is(wave, 'settled'));
  }

  /** Meanwhile the holds of the waves are answered. */
  async until(what: string, withinMs: number, done: (p: EstateProgress) => boolean, answers: WaveAnswers = onward): Promise<EstateProgress> {
    let last: EstateProgress | null = null;
    for (const end = Date.now() + withinMs; ; await pause(150)) {
      last = await this.progress().catch(() => last);
      if (last && done(last)) return last;
      if (Date.now() > end) throw new Error(`Not within ${withinMs / 1_000} s: ${what}; at the end: ${told(last)}`);
      for (const w of last ? [last.groundwork, ...last.waves] : []) if (w.asks !== null && ['moving', 'going-back', 'finishing'].includes(w.state)) await this.#answer(w, answers);
    }
  }

  async #answer(w: { readonly name: string; readonly workflowId: string }, answers: WaveAnswers): Promise<void> {
    const wave = this.#client.workflow.getHandle(w.workflowId);
    // A query while the wave continues as new fails; the next turn asks again.
    const question = await this.#soon(() => wave.query<Progress>('progress')).then((p) => p.question, () => null);
    if (question === null || question.name === finishHold || this.#answered.get(w.workflowId) === question.sinceMs) return;
    const answer = answers(w.name, question);
    if (answer === null) return;
    if (answer === 'retry') this.#countRetry(`${w.workflowId} ${question.name}`, question);
    // An approval is refused until the claims hold, which shows as another question.
    if (question.claims.every((c) => c.holds)) this.#answered.set(w.workflowId, question.sinceMs);
    await wave.signal(answer, { by: 'scenario', hold: question.name, ...(question.hash === null ? {} : { hash: question.hash }), ...(answer === 'approve' ? {} : { reason: 'as the scenario wants' }) });
  }
  #countRetry(step: string, q: Question): void {
    const n = (this.#retried.get(step) ?? 0) + 1;
    this.#retried.set(step, n);
    if (n > mostRetries) throw new Error(`${step} failed ${n} times: ${q.text}`);
  }
}

const told = (p: EstateProgress | null): string => (p === null ? 'it never answered' : [
  ...[p.groundwork, ...p.waves].map((w) => `${w.name} ${w.state}: ${w.say}`), p.question === null ? 'asks nothing' : `asks ${p.question.text}`, ...(p.question?.claims ?? []).map((c) => `${c.holds ? '✔' : '✘'} ${c.text}`),
].join('; '));
