/** Histories as they are kept: every run of a chain, without what tells of the machine they were made on. */
import type { Server } from './server.ts';

/** Who ran it and where the code lay says nothing about the workflow. */
export const scrubbed = (text: string): string => {
  const { events } = JSON.parse(text, (key, value: unknown) => (key === 'stackTrace' ? '' : value)) as { events: unknown[] };
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
