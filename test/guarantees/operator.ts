/** Whoever answers what a migration asks: its start, every look at it, every decision. */
import type { WorkflowHandle } from '@temporalio/client';
import { ending } from '../../demo/ending.ts';
import { workflowIdOf } from '../../src/domain/migration.ts';
import type { Progress, Question } from '../../src/domain/progress.ts';
import { endOf, notHeld, progressOf, reasonOf, surroundings } from '../scenarios/seen.ts';
import type { Cast } from './cast.ts';
import { Broken, type Company } from './company.ts';
import type { Row } from './rows.ts';

/** Nothing that another look would mend. */
export class Stuck extends Error {}

export interface Listening {
  /** `true`: time begins anew. */
  readonly answer: (p: Progress, q: Question) => Promise<boolean>;
  readonly over: () => boolean;
  /** When what was struck last was mended, epoch ms. */
  readonly mendedMs: () => number;
}
/** A stretch from hold to hold, a pause of ten seconds and a retried outage in it. */
const stretchWithinMs = 150_000;
/** Each look is a query that the worker under test answers. */
const lookEveryMs = 250;
const seenEveryMs = 5_000;

export class Operator {
  readonly #cast: Cast;
  readonly #company: Company;
  #handle: WorkflowHandle | null = null;
  /** When it was last asked whether it runs at all, epoch ms. */
  #seenMs = 0;
  constructor(cast: Cast, company: Company) {
    this.#cast = cast;
    this.#company = company;
  }

  get #handleOf(): WorkflowHandle {
    if (!this.#handle) throw new Error('the migration has not been started');
    return this.#handle;
  }

  async start(scheme: Row['scheme']): Promise<void> {
    const { stage, input, gate } = this.#cast;
    const migration = input(scheme);
    const handle = await stage.client.workflow.start(scheme, { workflowId: workflowIdOf(migration), taskQueue: stage.taskQueue, args: [migration] });
    this.#handle = handle;
    gate.of(handle.firstExecutionRunId);
  }

  /** Until a look finds it `over`, or the migration has ended. */
  async attend(x: Listening): Promise<void> { await this.#listen(x, async () => this.#stillRuns()); }

  /** Asks for the way back, and answers until the migration has ended. */
  async rollBack(x: Pick<Listening, 'answer' | 'mendedMs'>): ReturnType<typeof ending> {
    const { client } = this.#cast.stage;
    await client.withDeadline(Date.now() + 10_000, () => this.#handleOf.signal('rollback', { by: 'guarantees', reason: 'the series is over' }));
    let closed = false;
    // A call that is still under way when its connection is closed is tried again by its timer, and throws where nobody hears it.
    const over = new AbortController();
    using _aborts = { [Symbol.dispose]: () => { over.abort(); } };
    const ended = client.withAbortSignal(over.signal, () => ending(this.#handleOf)).then((e) => { closed = true; return e; });
    ended.catch(() => undefined); // told below, unless something else ended it first
    await this.#listen({ ...x, over: () => closed }, async () => undefined);
    return ended;
  }

  async tell(answer: 'approve' | 'retry' | 'rollback', q: Question, to: string | null = null): Promise<void> {
    const { stage } = this.#cast;
    const decision = { by: 'guarantees', hold: q.name, ...(q.hash === null ? {} : { hash: q.hash }), ...(answer === 'approve' ? {} : { reason: 'as the table wants' }), ...(to === null ? {} : { to }) };
    await stage.client.withDeadline(Date.now() + 2_000, () => this.#handleOf.signal(answer, decision));
    for (const end = Date.now() + 5_000; Date.now() < end; await new Promise((r) => setTimeout(r, 50)))
      if ((await progressOf(stage, this.#handleOf)).question?.sinceMs !== q.sinceMs) return;
  }

  /** The last of what Cutover says of it; nothing where it does not answer. */
  async audit(): Promise<readonly string[]> {
    const { stage: { client } } = this.#cast;
    return (await client.withDeadline(Date.now() + 5_000, () => this.#handleOf.query<readonly string[]>('audit')).catch(() => [])).slice(-30);
  }

  /** `silent`: nothing is asked at that look. */
  async #listen({ answer, over, mendedMs }: Listening, silent: () => Promise<void>): Promise<void> {
    const { stage } = this.#cast;
    let heardMs = Date.now();
    let last = 'nothing was heard';
    let deaf = '';
    while (!over()) {
      await new Promise((r) => setTimeout(r, lookEveryMs));
      this.#company.check();
      if (Date.now() - Math.max(heardMs, mendedMs()) > stretchWithinMs) throw new Error([`No hold within ${stretchWithinMs / 1_000} s; at the end: ${last}${deaf}`, ...await surroundings(stage, this.#handleOf)].join('; '));
      try {
        const p = await progressOf(stage, this.#handleOf);
        deaf = '';
        last = `${p.state} ${p.unit}: ${p.question?.text ?? p.say}${p.question === null ? '' : notHeld(p.question)}`;
        if (p.question === null) { await silent(); continue; }
        if (await answer(p, p.question)) heardMs = Date.now();
      } catch (e) {
        if (e instanceof Stuck || e instanceof Broken) throw e;
        deaf = `; since then: ${reasonOf(e)}`.slice(0, 2_000);
      }
    }
  }

  /** Nobody would be asked for ever. */
  async #stillRuns(): Promise<void> {
    if (Date.now() - this.#seenMs < seenEveryMs) return;
    this.#seenMs = Date.now();
    const end = await endOf(this.#cast.stage, this.#handleOf);
    if (end !== null) throw new Stuck(`The migration ended as ${end}`);
  }
}
