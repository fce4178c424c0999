/** A wave tells its estate whenever what it is at has changed: by signal, so that both may continue as new meanwhile. */
import { CancellationScope, getExternalWorkflowHandle, setHandler, workflowInfo } from '@temporalio/workflow';
import type { Report, ReportState } from '../domain/estate-report.ts';
import { finishHold } from '../domain/migration.ts';
import type { Progress } from '../domain/progress.ts';
import type { Listener } from './engine.ts';
import { report, reportAgain, reportAgainDescription } from './estate-messages.ts';

export interface Reporter extends Listener {
  over(outcome: 'completed' | 'rolled-back'): Promise<void>;
  refused(why: string): Promise<void>;
}
const longest = 800;

/** `null`: no wave of an estate. Read from the raw input, because a faulty one must be reported as well. */
export function reporter(input: unknown): Reporter | null {
  const part = (input as { estate?: { id?: unknown; wave?: unknown } } | null | undefined)?.estate;
  if (typeof part?.id !== 'string' || typeof part.wave !== 'string') return null;
  const { id, wave } = part;
  const run = workflowInfo().firstExecutionRunId;
  let last = '';
  let newest: Pick<Report, 'state' | 'say' | 'question'> | null = null;
  let waiting = 0;
  let sent: Promise<unknown> = Promise.resolve();
  const send = (x: Pick<Report, 'state' | 'say' | 'question'>): void => {
    const next: Report = { wave, run, ...x, say: x.say.slice(0, longest) };
    const key = JSON.stringify([next.state, next.question]);
    if (key === last) return;
    last = key;
    waiting++;
    // An estate that is gone keeps no wave from going on: whoever looks finds the wave by itself.
    sent = sent.then(() => CancellationScope.nonCancellable(() => getExternalWorkflowHandle(id).signal(report, next)).catch(() => undefined)).then(() => { waiting--; });
  };
  setHandler(reportAgain, () => {
    last = '';
    if (newest !== null) send(newest);
  }, { description: reportAgainDescription });
  return {
    told: (p, direction) => {
      if (p.state === 'starting' || p.state === 'completed' || p.state === 'rolled-back') return;
      newest = { state: stateOf(p, direction), say: p.say, question: questionOf(p) };
      send(newest);
    },
    idle: () => waiting === 0,
    over: async (outcome) => { send({ state: outcome, say: '', question: null }); await sent; },
    refused: async (why) => { send({ state: 'refused', say: why, question: null }); await sent; },
  };
}

const questionOf = (p: Progress): Report['question'] =>
  (p.question === null ? null : { name: p.question.name, kind: p.question.kind, text: p.question.text.slice(0, longest), hash: p.question.hash });

function stateOf(p: Progress, direction: 'forward' | 'back'): ReportState {
  if (p.question?.name === finishHold && p.question.kind === 'hold') return 'settled';
  if (direction === 'back' && p.question === null) return 'rolling-back';
  return p.question === null ? 'moving' : 'asking';
}
