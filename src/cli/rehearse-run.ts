/** The shadow migration, steered by the rehearsal itself: everything is approved, nothing is tried twice, and a failure leads back. */
import { setTimeout as wait } from 'node:timers/promises';
import { WorkflowNotFoundError, type WorkflowHandle } from '@temporalio/client';
import { workflowIdOf } from '../domain/migration.ts';
import { inRealWords } from '../domain/rehearsal.ts';
import { askedConsent, saidRepeats, type OutageRecord, type Progress, type Question } from '../domain/progress.ts';
import type { Seen } from '../domain/rehearsed.ts';
import * as messages from '../workflows/messages.ts';
import type { SchemeName } from '../workflows/schemes/schemes.ts';
import type { RehearsalStage } from '../worker/rehearsal.ts';
import { send } from './decide.ts';
import { Stop, type Io } from './io.ts';
import { asking, explain, type Temporal } from './temporal.ts';

export interface Performance {
  readonly io: Io;
  readonly t: Temporal;
  readonly stage: RehearsalStage;
  readonly scheme: SchemeName;
  readonly taskQueue: string;
  readonly endMs: number;
  readonly interrupted: AbortSignal;
}
export type Ending = Pick<Seen, 'outcome' | 'outages' | 'failed' | 'notes'>;

const pollMs = 150;
/** Claims that do not hold yet, such as a lag: asked again so long. */
const claimsMs = 60_000;
/** A rollback that has not come to its end by then is given up. */
const rollbackMs = 180_000;
const by = 'rehearsal';

const handleOf = ({ t, stage }: Performance): WorkflowHandle => t.client.workflow.getHandle(workflowIdOf(stage.rehearsal.migration));

/** One that was left running by a killed process goes back first; its stand-ins answer again, and say that nobody runs. */
export async function endEarlier(p: Performance): Promise<void> {
  if (!await isRunning(p)) return;
  p.io.err('an earlier rehearsal of this migration is still under way: it is rolled back first\n');
  const left = await takeBack(p);
  if (left.length > 0) throw new Stop(1, `An earlier rehearsal could not be ended: ${left.join('; ')}`);
}

async function isRunning(p: Performance): Promise<boolean> {
  try {
    return (await asking(p.t, () => handleOf(p).describe())).status.name === 'RUNNING';
  } catch (error) {
    if (error instanceof WorkflowNotFoundError) return false;
    throw error;
  }
}

export async function perform(p: Performance): Promise<Ending> {
  const { t, stage: { rehearsal: r } } = p;
  const workflowId = workflowIdOf(r.migration);
  // A rehearsal may be held again and again under the same id; never two at once.
  await asking(t, () => t.client.workflow.start(p.scheme, {
    workflowId, taskQueue: p.taskQueue, args: [r.migration], workflowIdConflictPolicy: 'FAIL', workflowIdReusePolicy: 'ALLOW_DUPLICATE',
    staticSummary: `rehearsal of ${r.real.name}: ${r.real.source} → ${r.real.target}, on shadow topics`.slice(0, 190),
  }));
  p.io.err(`started    ${workflowId}\n`);
  const failed: string[] = [];
  const notes = new Set<string>();
  await steer(p, { failed, notes });
  const outages = await lastOutages(p);
  return { outcome: await outcomeOf(p), outages, failed, notes: [...notes] };
}

interface Told { readonly failed: string[]; readonly notes: Set<string> }

/** Until it has ended, or something went wrong, which `takeBack` then undoes. */
async function steer(p: Performance, told: Told): Promise<void> {
  let line = '';
  let held = { name: '', sinceMs: 0 };
  while (await isRunning(p)) {
    const progress = await progressOf(p);
    const now = progress === null || progress.unit === '' ? line : inRealWords(p.stage.rehearsal, `${progress.done}/${progress.total} ${progress.unit}`);
    if (now !== line) p.io.err(`           ${now}\n`);
    line = now;
    const why = p.interrupted.aborted ? 'interrupted.' : Date.now() > p.endMs ? `not ended in time; the last unit was ${line}.` : wrongIn(progress);
    if (why !== null) {
      told.failed.push(why);
      return;
    }
    const q = progress?.question ?? null;
    if (q !== null) {
      if (held.name !== q.name) held = { name: q.name, sinceMs: Date.now() };
      const refused = await approve(p, q, told);
      if (refused !== null && Date.now() - held.sinceMs > claimsMs) {
        told.failed.push(`at "${q.name}" ${refused}`);
        return;
      }
    }
    await wait(pollMs, undefined, { signal: p.interrupted }).catch(() => undefined);
  }
}

/** What is asked and is no planned hold is a failure: a rehearsal tries nothing twice. */
const wrongIn = (progress: Progress | null): string | null => (progress?.question && progress.question.kind !== 'hold' ? progress.question.text : null);

/** `null`: taken. Otherwise why not. */
async function approve({ t, stage }: Performance, q: Question, told: Told): Promise<string | null> {
  const mayRepeat = askedConsent(q);
  if (mayRepeat !== null) told.notes.add(`"${q.name}" will ask for a consent: ${saidRepeats(mayRepeat)} read again.`);
  try {
    await send(t, workflowIdOf(stage.rehearsal.migration), { kind: 'approve', by, hold: q.name, hash: q.hash, ...(mayRepeat === null ? {} : { mayRepeat }) });
    return null;
  } catch (error) {
    if (!(error instanceof Stop)) throw error;
    return error.message;
  }
}

async function progressOf(p: Performance): Promise<Progress | null> {
  try {
    return await asking(p.t, () => handleOf(p).query(messages.progress));
  } catch (error) {
    if (error instanceof WorkflowNotFoundError) throw error;
    return null; // a worker that is away answers later
  }
}

async function lastOutages(p: Performance): Promise<readonly OutageRecord[]> {
  for (const endMs = Date.now() + 10_000; ; await wait(pollMs)) {
    const progress = await progressOf(p);
    if (progress !== null) return progress.outages;
    if (Date.now() > endMs) throw new Stop(1, 'The shadow migration does not say how its outages went: no worker answers.');
  }
}

async function outcomeOf(p: Performance): Promise<Ending['outcome']> {
  const { status } = await asking(p.t, () => handleOf(p).describe());
  return status.name === 'COMPLETED' ? 'completed' : status.name === 'RUNNING' ? 'unfinished' : 'rolled-back';
}

/** Rolled back where it still runs, and given up where that does not end; answers what is left. */
export async function takeBack(p: Performance): Promise<readonly string[]> {
  if (!await isRunning(p)) return [];
  p.io.err('           taking it back\n');
  const workflowId = workflowIdOf(p.stage.rehearsal.migration);
  const said = await send(p.t, workflowId, { kind: 'rollback', by, reason: 'the rehearsal is over' }).catch((error: unknown) => explain(error, workflowId));
  for (const endMs = Date.now() + rollbackMs; Date.now() < endMs; await wait(pollMs)) {
    if (!await isRunning(p)) return [];
    const q = (await progressOf(p))?.question ?? null;
    // On the way back its holds are approved, and an undo that failed is tried again.
    const answer = q === null ? null : q.kind === 'hold' ? 'approve' : q.answers.includes('rollback') ? 'rollback' : 'retry';
    if (q !== null && answer !== null) await send(p.t, workflowId, { kind: answer, by, hold: q.name, ...(q.hash === null ? {} : { hash: q.hash }), ...(answer === 'rollback' ? { reason: 'the rehearsal is over' } : {}) }).catch(() => undefined); // asked again at the next turn
  }
  const description = await asking(p.t, () => handleOf(p).describe());
  await asking(p.t, () => handleOf(p).terminate(`the rehearsal gives it up: it was not rolled back within ${rollbackMs / 1_000} s (${said})`));
  return p.stage.giveUp({ client: p.t.client, taskQueue: p.taskQueue, run: description.raw.workflowExecutionInfo?.firstRunId ?? description.runId });
}
