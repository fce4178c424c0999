/** A live comparison to whose turns nothing comes rests between them; one that was begun before does as it did. */
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { DefaultLogger, Runtime, Worker } from '@temporalio/worker';
import { workflowBundle } from '../../src/worker/bundle.ts';

type Event = Record<string, unknown> & { eventId: string; eventType: string };
interface History { readonly events: readonly Event[] }
const recorded = new URL('../histories/verify/until-stopped.json', import.meta.url);
Runtime.install({ logger: new DefaultLogger('ERROR') });

const encoded = (value: unknown) => ({ metadata: { encoding: Buffer.from('json/plain').toString('base64') }, data: Buffer.from(JSON.stringify(value)).toString('base64') });

/** Every turn of the recording ends without anything that got on. */
function idle(history: History): History {
  const text = JSON.stringify(history).replaceAll(/"data":"([^"]*)"/g, (whole, data: string) => {
    const said = Buffer.from(data, 'base64').toString();
    if (!said.startsWith('{"settled":')) return whole;
    return `"data":"${encoded({ ...JSON.parse(said) as object, settled: false, moved: false }).data}"`;
  });
  return JSON.parse(text) as History;
}

/** As if the run had been begun by the present workflow: the marker of a patch behind its first task. */
function marked(history: History, patch: string): History {
  const at = history.events.findIndex((e) => e.eventType === 'EVENT_TYPE_WORKFLOW_TASK_COMPLETED') + 1;
  const more = 2;
  const later = (id: string): string => (Number(id) > at ? String(Number(id) + more) : id);
  const shifted = JSON.parse(JSON.stringify(history.events).replaceAll(/"(eventId|scheduledEventId|startedEventId|workflowTaskCompletedEventId)":"(\d+)"/g, (_w, name: string, id: string) => `"${name}":"${later(id)}"`)) as Event[];
  const one = (n: number, eventType: string, attributes: object): Event => ({ eventId: String(at + n), eventTime: '2026-11-21T19:03:49.646179353Z', eventType, ...attributes });
  return {
    events: [
      ...shifted.slice(0, at),
      one(1, 'EVENT_TYPE_MARKER_RECORDED', { markerRecordedEventAttributes: { markerName: 'core_patch', details: { 'patch-data': { payloads: [encoded({ id: patch, deprecated: false })] } }, workflowTaskCompletedEventId: String(at) } }),
      one(2, 'EVENT_TYPE_UPSERT_WORKFLOW_SEARCH_ATTRIBUTES', { upsertWorkflowSearchAttributesEventAttributes: { workflowTaskCompletedEventId: String(at), searchAttributes: { indexedFields: { TemporalChangeVersion: encoded([patch]) } } } }),
      ...shifted.slice(at),
    ],
  };
}

/** Whether the workflow would have done what is recorded: a rest of two seconds after every turn. */
async function replays(history: History): Promise<string> {
  for await (const { error } of Worker.runReplayHistories({ workflowBundle: { codePath: await workflowBundle() } }, [{ workflowId: 'cutover-verify/east/west/until-stopped', history }])) return String(error ?? '');
  return 'nothing was replayed';
}

test('turns to which nothing comes are followed by a rest', async () => {
  const history = JSON.parse(await readFile(recorded, 'utf8')) as History;
  assert.ok(history.events.some((e) => e.eventType === 'EVENT_TYPE_TIMER_STARTED'));
  assert.equal(await replays(marked(idle(history), '2026-11-23-verify-rests')), '');
  assert.equal(await replays(marked(history, '2026-11-23-verify-rests')), '', 'as ever where it has caught up');
});

test('a comparison begun before rests only where it has caught up', async () => {
  const history = JSON.parse(await readFile(recorded, 'utf8')) as History;
  assert.equal(await replays(history), '');
  assert.match(await replays(idle(history)), /Nondeterminism|TMPRL1100/);
});
