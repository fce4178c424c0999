/** Histories as they are kept: every run of a chain, without what tells of the machine they were made on. */
import { startServer, type Server } from './server.ts';
import type { Work } from '../../src/activities/work.ts';

/** Who ran it and where the code lay says nothing about the workflow; nor does which part of the server passed a signal on between workflows. */
export const scrubbed = (text: string): string => {
  const { events } = JSON.parse(text, (key, value: unknown) => (key === 'stackTrace' ? '' : key === 'identity' && value === 'history-service' ? undefined : value)) as { events: unknown[] };
  return `{"events":[\n${events.map((e) => JSON.stringify(e)).join(',\n')}\n]}\n`;
};

/** The runs of a chain of continue-as-new, oldest first. */
export async function runsOf(server: Server, id: string): Promise<readonly string[]> {
  const texts: string[] = [];
  for (let run: string | undefined, last = await server.history(id); ;) {
    texts.unshift(last);
    const { events } = JSON.parse(last) as { events: { workflowExecutionStartedEventAttributes?: { continuedExecutionRunId?: string } }[] };
    run = events[0]?.workflowExecutionStartedEventAttributes?.continuedExecutionRunId;
    if (run === undefined || run === '') return texts;
    last = (await server.temporal('workflow', 'show', '--workflow-id', id, '--run-id', run, '-o', 'json')).out;
  }
}

/** Each situation takes seconds; one that asks the same thing again and again would go on for ever. */
const situationMs = 240_000;

/** Where something is recorded; the signal says that nothing is to be recorded any more. */
export interface Studio { readonly server: Server; readonly signal: AbortSignal }

/** Records side by side on a server of its own, which ends with the last recording, the first failure, or a signal. */
export async function record(work: Work, recordings: readonly ((studio: Studio) => Promise<void>)[]): Promise<void> {
  const stopped = new AbortController();
  for (const name of ['SIGINT', 'SIGTERM'] as const) process.once(name, () => { stopped.abort(new Error(`ended by ${name}; what was recorded before is complete`)); });
  await using server = await startServer(work);
  await Promise.all(recordings.map(async (each) => {
    try {
      await each({ server, signal: stopped.signal });
    } catch (error) {
      stopped.abort(error);
      throw error;
    }
  }));
}

/** Throws when the recording is to end, or when this situation has taken too long. */
export function watch(signal: AbortSignal, situation: string): { check(seen: string): void } {
  const sinceMs = Date.now();
  return {
    check: (seen) => {
      signal.throwIfAborted();
      if (Date.now() - sinceMs > situationMs) throw new Error(`${situation} did not end within ${situationMs / 1_000} s; at the end: ${seen}`);
    },
  };
}
