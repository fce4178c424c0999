/**
 * The engine without Temporal: virtual time, cancellable scopes, retries as the activity options give them, continue-as-new
 * through the journal's own JSON, and an operator who answers questions. One trial runs one migration in one world.
 */
import { AsyncLocalStorage } from 'node:async_hooks';
import type { Ask, Work } from '../../src/activities/work.ts';
import type { Decision, Kind } from '../../src/domain/decisions.ts';
import { Failure, failures } from '../../src/domain/failures.ts';
import type { Migration } from '../../src/domain/migration.ts';
import { hashOf, planHash } from '../../src/domain/plan.ts';
import type { Question } from '../../src/domain/progress.ts';
import type { Plan, Repeats } from '../../src/domain/scheme.ts';
import { looksAgain } from '../../src/workflows/asking.ts';
import { Run, type Own } from '../../src/workflows/engine.ts';
import { awake, firm, openJournal, parseJournal, takenUp, type Journal } from '../../src/workflows/journal.ts';
import { bind } from '../../src/workflows/resources/use.ts';
import type { Runtime, Scope } from '../../src/workflows/runtime.ts';
import { schemes, type SchemeName } from '../../src/workflows/schemes/schemes.ts';
import { sweeps } from '../../src/workflows/sweeping.ts';
import { isTended, tends } from '../../src/workflows/tending.ts';
import type { Clock } from './clock.ts';
import { World, type Snapshot, type Verdict, type WorldOptions } from './world.ts';
import { mortal } from './world-sweep.ts';
import { shapedFor } from './migrations.ts';
import { Activities, workOn, type Faults } from './world-work.ts';

class Cancelled extends Error {}
class ContinuedAsNew extends Error {
  readonly journal: string;
  constructor(journal: unknown) {
    super('continued as new');
    this.journal = JSON.stringify(journal);
  }
}
const inScope = new AsyncLocalStorage<FakeScope | null>();
class FakeScope implements Scope {
  cancelled = false;
  run<T>(body: () => Promise<T>): Promise<T> { return inScope.run(this, body); }
  cancel(): void { this.cancelled = true; }
}
const interrupted = (): Error | null => (inScope.getStore()?.cancelled === true ? new Cancelled('cancelled') : null);

class FakeRuntime implements Runtime {
  readonly workflowId = 'cutover/old/new/test';
  readonly firstRunId = 'run-0001-of-the-test';
  readonly #clock: Clock;
  readonly #renewEvery: number;
  /** Activities in this run: what makes a history long. */
  calls = 0;
  #waiting: { readonly test: () => boolean; readonly go: (met: boolean) => void }[] = [];
  constructor(clock: Clock, renewEvery: number) {
    this.#clock = clock;
    this.#renewEvery = renewEvery;
  }
  now(): number { return this.#clock.nowMs; }
  condition(test: () => boolean, timeoutMs?: number): Promise<boolean> {
    if (test()) return Promise.resolve(true);
    return new Promise((resolve) => {
      const waiter = { test, go: (met: boolean) => { this.#waiting = this.#waiting.filter((w) => w !== waiter); resolve(met); } };
      this.#waiting.push(waiter);
      if (timeoutMs !== undefined) void this.#clock.sleep(timeoutMs).then(() => { waiter.go(test()); });
    });
  }
  /** Lets every condition that holds go on; false when none did. */
  wake(): boolean {
    const ready = this.#waiting.filter((w) => w.test());
    for (const w of ready) w.go(true);
    return ready.length > 0;
  }
  scope(): Scope { return new FakeScope(); }
  patched(): boolean { return true; }
  historyLength(): number { return 0; }
  historyBytes(): number { return 0; }
  continueAsNewSuggested(): boolean { return this.calls >= this.#renewEvery; }
  /** As long as a decision has no verdict, whoever sent it as an update waits for an answer. */
  deciding: () => boolean = () => false;
  handlersFinished(): boolean { return !this.deciding(); }
  continueAsNew(journal: unknown): Promise<never> { return Promise.reject(new ContinuedAsNew(journal)); }
  tell(): void {}
  isCancellation(error: unknown): boolean { return error instanceof Cancelled; }
}

/** One run of the workflow. A terminated one hears of nothing any more, in none of its branches; what it had begun may still take effect. */
const lives = new AsyncLocalStorage<{ over: boolean }>();
const never = (): Promise<never> => new Promise<never>(() => { /* nobody waits for it */ });

/** As `workflows/temporal.ts` sets it: what may succeed later is tried again, what asks a person is not. */
function retrying(work: Work, a: Activities, called: () => void): Work {
  const again = (error: unknown): boolean => !(error instanceof Cancelled) && !(error instanceof Failure && failures[error.type].retry === 'ask');
  return new Proxy(work, {
    get: (target, name) => async (ask: Partial<Ask>) => {
      const call = Reflect.get(target, name) as (x: Partial<Ask>) => Promise<unknown>;
      const outage = ask.c?.mode === 'outage';
      const life = lives.getStore();
      if (life?.over) return never();
      called();
      for (let attempt = 1; ; attempt++) {
        const stopped = interrupted();
        if (stopped) throw stopped;
        try {
          const answer = await call(ask);
          return life?.over ? await never() : answer;
        } catch (error) {
          if (life?.over) return never();
          if (!again(error) || (!outage && attempt >= 10)) throw error;
          await a.w.clock.sleep(outage ? 50 : 300);
        }
      }
    },
  });
}

/** What the operator says when asked; `null`: nothing (yet). */
export type Operator = (q: Question, journal: Journal) => { readonly kind: Kind; readonly to?: string; readonly reason?: string; readonly withoutTarget?: true; readonly mayRepeat?: Repeats } | null;
/** Approves what is planned and retries what failed. */
export const willing: Operator = (q) => (q.kind === 'hold' ? { kind: 'approve' } : { kind: 'retry' });
/** Approves what is planned; rolls back what failed, where that is still an answer. */
export const careful: Operator = (q) => (q.kind === 'hold' ? { kind: 'approve' } : q.answers.includes('rollback') ? { kind: 'rollback' } : { kind: 'retry' });

export interface Trial {
  readonly outcome: 'completed' | 'rolled-back';
  readonly world: World;
  readonly activities: Activities;
  readonly journal: Journal;
  readonly start: Snapshot;
  readonly end: Snapshot;
  readonly verdict: Verdict;
  readonly questions: readonly string[];
  readonly runs: number;
  readonly phases: readonly string[];
}
export interface TrialOptions {
  readonly scheme: SchemeName;
  readonly m: Migration;
  readonly world?: WorldOptions;
  /** `run` is null until the migration has been assessed. */
  readonly faults?: (trial: { readonly run: () => Run | null; readonly activities: Activities }) => Faults;
  readonly operator?: Operator;
  /** Continue-as-new after so many activities. */
  readonly renewEvery?: number;
  /** Plants a mistake in the scheme. */
  readonly plan?: (plan: Plan) => Plan;
  /** Plants a mistake in the activities. */
  readonly spoil?: (work: Work, world: World) => Work;
  /** Plants a mistake in the engine. */
  readonly engine?: new (runtime: Runtime, work: Own) => Run;
}

/** Virtual time after which a migration of the fakes is taken for stuck. */
const longestMs = 240_000;

export async function trial(given: TrialOptions): Promise<Trial> {
  const x = { ...given, m: shapedFor(given.scheme, given.m) };
  const world = new World(x.m, x.world);
  const activities = new Activities(world);
  activities.interrupted = interrupted;
  let runtime = new FakeRuntime(world.clock, x.renewEvery ?? Infinity);
  const mortalWork = mortal(workOn(activities), world);
  const work = retrying(x.spoil ? x.spoil(mortalWork, world) : mortalWork, activities, () => { runtime.calls++; });
  const start = world.snapshot();
  const questions: string[] = [];
  let run: Run | null = null;
  const current = (): Run | null => run;
  const Engine = x.engine ?? Run;
  if (x.faults) activities.faults = x.faults({ run: current, activities });

  const planned = new Map<string, { readonly plan: Plan; readonly hash: string }>();
  /** Made once for the same values: a trial may have a run per activity. */
  const plans = ({ migration, inventory }: Pick<Journal, 'migration' | 'inventory'>): { readonly plan: Plan; readonly hash: string } => {
    const of = JSON.stringify([migration, inventory]);
    const known = planned.get(of);
    if (known) return known;
    const made = schemes[x.scheme](migration, () => true, bind({ work, m: migration, inventory, owner: runtime.workflowId, has: () => true }));
    const plan = x.plan ? x.plan(made) : made;
    const fresh = { plan, hash: planHash(migration, inventory, plan) };
    planned.set(of, fresh);
    return fresh;
  };
  const begin = async (carried: string | null): Promise<Run> => {
    const r = new Engine(runtime, work);
    runtime.deciding = () => r.inbox.waiting;
    const kept = carried === null ? null : parseJournal(JSON.parse(carried));
    const { migration, inventory } = kept ?? (await work.assess({ m: x.m, scheme: x.scheme }));
    const { plan, hash } = plans({ migration, inventory });
    r.begin(kept ?? openJournal({ scheme: x.scheme, run: runtime.firstRunId, migration, inventory, planHash: hash, inventoryHash: hashOf(inventory), has: { [sweeps]: true, ...(isTended(migration) ? { [tends]: true } : {}), [looksAgain]: true, [awake]: true, [firm]: true }, searchAttributes: [], at: null, startedMs: runtime.now() }), plan, hash);
    return r;
  };
  const toTheEnd = async (): Promise<Trial['outcome']> => {
    for (let carried: string | null = null; ;) {
      const life = { over: false };
      const terminated = new Promise<'terminated'>((resolve) => { activities.terminated = () => { life.over = true; resolve('terminated'); }; });
      try {
        const begun = await Promise.race([lives.run(life, () => begin(carried)), terminated.then(() => null)]);
        run = begun;
        const ended = begun === null ? 'terminated' : await Promise.race([lives.run(life, () => begun.toTheEnd()), terminated]);
        if (ended !== 'terminated') return ended;
        carried = recovered(world, runtime.firstRunId);
      } catch (error) {
        if (!(error instanceof ContinuedAsNew)) throw error;
        carried = error.journal;
      }
      runtime = new FakeRuntime(world.clock, x.renewEvery ?? Infinity);
    }
  };

  let asked = '';
  const operator = x.operator ?? willing;
  const answer = (): boolean => {
    const q = run?.journal?.question;
    const name = q ? `${q.kind} ${q.name} ${q.sinceMs} ${q.hash} ${run?.journal?.refused ?? ''}` : '';
    if (!q || !run?.journal || name === asked) return false;
    const said = operator(q, run.journal);
    if (said === null) return false;
    asked = name;
    questions.push(`${q.kind}: ${q.text} -> ${said.kind}`);
    say(run, said.kind, { ...(q.hash === null ? {} : { hash: q.hash }), ...(said.to === undefined ? {} : { to: said.to }), ...(said.withoutTarget ? { withoutTarget: true } : {}), ...(said.mayRepeat === undefined ? {} : { mayRepeat: said.mayRepeat }), reason: said.reason ?? 'test' });
    return true;
  };

  const ended: { outcome: Trial['outcome'] | null; error: unknown } = { outcome: null, error: null };
  toTheEnd().then((outcome) => { ended.outcome = outcome; }, (error: unknown) => { ended.error = error ?? new Error('unknown'); });
  const deadline = world.nowMs + longestMs;
  await world.clock.run(() => {
    if (world.nowMs > deadline) throw new Error(`stuck at ${String(run?.journal?.at)}: ${run?.journal?.audit.slice(-8).join('\n')}`);
    return ended.outcome !== null || ended.error !== null;
  }, () => runtime.wake() || answer());
  const journal = current()?.journal;
  if (ended.outcome === null || !journal) throw ended.error;
  const end = world.snapshot();
  world.settle();
  return { outcome: ended.outcome, world, activities, journal, start, end, verdict: world.verdict(), questions, runs: journal.runs, phases: current()?.phases ?? [] };
}

/** What `recover` starts with; null: nothing was begun, so the migration starts again. */
function recovered(world: World, firstRunId: string): string | null {
  // The server tells its activities, which end.
  world.tended.now.clear();
  const text = world.ledgers.source.get(`${firstRunId}/journal`);
  return text === undefined ? null : JSON.stringify(takenUp(parseJournal(JSON.parse(text))));
}

/** A signal from the operator. */
export function say(run: Run, kind: Decision['kind'], more: Readonly<Record<string, unknown>> = {}): void {
  run.inbox.signal(kind, { by: 'test', ...more });
}
