/** The engine's runtime and the activities, bound to Temporal. The only file of the workflows that schedules anything. */
import {
  CancellationScope, allHandlersFinished, condition, isCancellation, makeContinueAsNewFunc, patched, proxyActivities, setCurrentDetails,
  upsertSearchAttributes, workflowInfo, ActivityCancellationType, type ActivityOptions,
} from '@temporalio/workflow';
import { SearchAttributeType, defineSearchAttributeKey } from '@temporalio/common';
import type { Ask, Work } from '../activities/work.ts';
import type { Runtime, Scope } from './runtime.ts';

const retryForever = { initialInterval: '500ms', backoffCoefficient: 2, maximumInterval: '5s' } as const;
/** After this many attempts a step that keeps failing asks a person. */
const attemptsBeforeAsking = 10;

/** What a kind of call may take. Heartbeats are short so that a rollback, or a killed worker, is noticed soon. */
const options = {
  quick: { startToCloseTimeout: '2 minutes', heartbeatTimeout: '5s', retry: { ...retryForever, maximumAttempts: attemptsBeforeAsking } },
  write: { startToCloseTimeout: '15 minutes', heartbeatTimeout: '5s', retry: { ...retryForever, maximumAttempts: attemptsBeforeAsking } },
  waiting: { startToCloseTimeout: '20 minutes', heartbeatTimeout: '5s', retry: { ...retryForever, maximumAttempts: 30 } },
  undo: { startToCloseTimeout: '15 minutes', heartbeatTimeout: '2s', retry: { initialInterval: '200ms', backoffCoefficient: 2, maximumInterval: '5s', maximumAttempts: attemptsBeforeAsking } },
  outage: { heartbeatTimeout: '2s', retry: { initialInterval: '50ms', backoffCoefficient: 2, maximumInterval: '500ms' } },
} as const satisfies Record<string, ActivityOptions>;

type Options = ActivityOptions & { startToCloseTimeout: ActivityOptions['startToCloseTimeout'] };

function optionsFor(name: string, ask: Partial<Ask>, now: number): Options {
  const common = { cancellationType: ActivityCancellationType.WAIT_CANCELLATION_COMPLETED };
  const { c } = ask;
  // A remaining time of 0 would mean no limit; a second more than `untilMs`, so that the activity itself is the one that says no.
  if (c?.mode === 'outage') return { ...common, ...options.outage, startToCloseTimeout: c.untilMs === null ? '30s' : Math.max(1, c.untilMs - now) + 1_000 };
  if (c?.mode === 'undo') return { ...common, ...options.undo };
  if (name.startsWith('look')) return { ...common, ...options.waiting };
  return { ...common, ...(/^(create|remove|start|stop|set|return|retire|silence|resume)/.test(name) ? options.write : options.quick) };
}

/** `<run>/<unit>/<attempt>` without its ends: what the history shows beside the activity. */
const summaryOf = (name: string, ask: Partial<Ask>): string => (ask.c ? `${ask.c.mode === 'undo' ? 'undo: ' : ''}${ask.c.key.split('/').slice(1).join('/')} · ${name}` : name).slice(0, 200);

/** Every activity as a plain function; options and summary follow from its name and context. */
export const work: Work = new Proxy({} as Work, {
  get: (_target, property) => (ask: Partial<Ask>) => {
    const name = String(property);
    const activities = proxyActivities<Record<string, (x: unknown) => Promise<unknown>>>({ ...optionsFor(name, ask, Date.now()), summary: summaryOf(name, ask) });
    const activity = activities[name];
    if (!activity) throw new Error(`no activity ${name}`);
    return activity(ask);
  },
});

class TemporalScope implements Scope {
  readonly #scope = new CancellationScope({ cancellable: true });
  cancelled = false;
  run<T>(body: () => Promise<T>): Promise<T> { return this.#scope.run(body); }
  cancel(): void {
    this.cancelled = true;
    this.#scope.cancel();
  }
}

/** `first` is the workflow's first argument, handed on unchanged over continue-as-new. */
export function temporalRuntime(first: unknown): Runtime {
  const info = workflowInfo();
  const again = makeContinueAsNewFunc();
  let told = '';
  let attributes: Readonly<Record<string, string>> = {};
  return {
    now: () => Date.now(),
    workflowId: info.workflowId,
    firstRunId: info.firstExecutionRunId,
    condition: async (test, timeoutMs) => {
      if (timeoutMs !== undefined) return condition(test, timeoutMs);
      await condition(test);
      return true;
    },
    scope: () => new TemporalScope(),
    patched,
    historyLength: () => workflowInfo().historyLength,
    historyBytes: () => workflowInfo().historySize,
    continueAsNewSuggested: () => workflowInfo().continueAsNewSuggested,
    handlersFinished: allHandlersFinished,
    continueAsNew: (journal) => again(first, journal),
    isCancellation,
    tell: (details, next) => {
      if (details !== told) setCurrentDetails(details);
      told = details;
      const changed = Object.entries(next).filter(([name, value]) => attributes[name] !== value);
      if (changed.length > 0) upsertSearchAttributes(changed.map(([name, value]) => ({ key: defineSearchAttributeKey(name, SearchAttributeType.KEYWORD), value: value.slice(0, 200) })));
      attributes = { ...next };
    },
  };
}
