/** Recorded histories replay on the present workflows, and journals of earlier recordings are still read: a running migration survives an upgrade. */
import assert from 'node:assert/strict';
import { readFile, readdir } from 'node:fs/promises';
import { test } from 'node:test';
import v8 from 'node:v8';
import { Script } from 'node:vm';
import { DefaultLogger, Runtime, Worker, type ReplayResult } from '@temporalio/worker';
import type { Work } from '../../src/activities/work.ts';
import { stepId, stepsOf, units } from '../../src/domain/scheme.ts';
import { parseJournal } from '../../src/workflows/journal.ts';
import { bind } from '../../src/workflows/resources/use.ts';
import { isSchemeName, schemes } from '../../src/workflows/schemes/schemes.ts';
import { workflowBundle } from '../../src/worker/bundle.ts';

interface Recorded { readonly events: readonly { readonly workflowExecutionStartedEventAttributes?: { readonly workflowId: string } }[] }
const histories = new URL('../histories/', import.meta.url);
const journals = new URL('../journals/', import.meta.url);
const jsonIn = async (folder: URL): Promise<readonly string[]> => (await readdir(folder, { recursive: true })).filter((f) => f.endsWith('.json')).sort();
const read = async (name: string): Promise<string> => readFile(new URL(name, histories), 'utf8');
Runtime.install({ logger: new DefaultLogger('ERROR') });
// The SDK follows every promise of a workflow for its stack trace query, which nobody asks here: half of the time.
v8.promiseHooks.createHook = () => () => { /* nothing was hooked */ };
// Its guard against a workflow that never yields is a thread per activation: a third of the time. Here the file's own limit guards.
const guarded = Reflect.get(Script.prototype, 'runInContext') as (this: Script, ...given: Parameters<Script['runInContext']>) => unknown;
Script.prototype.runInContext = function unguarded(context, options) { return guarded.call(this, context, { ...options, timeout: undefined }); };

/** Names of the histories that do not replay, with the reason. */
async function replay(given: readonly { readonly name: string; readonly text: string }[]): Promise<readonly string[]> {
  const options = { workflowBundle: { codePath: await workflowBundle() } };
  const all = given.map(({ text }) => {
    const history = JSON.parse(text) as Recorded;
    return { history, workflowId: history.events[0]?.workflowExecutionStartedEventAttributes?.workflowId ?? '' };
  });
  const results: ReplayResult[] = [];
  for await (const result of Worker.runReplayHistories(options, all)) results.push(result);
  assert.equal(results.length, given.length, 'each history was replayed');
  return results.filter((r) => r.error).map((r) => `${r.workflowId} ${r.runId}: ${String(r.error)}`);
}

test('every recorded history replays on the present workflows', async () => {
  const names = await jsonIn(histories);
  for (const kind of [...Object.keys(schemes), 'estate', 'verify']) assert.ok(names.some((n) => n.startsWith(`${kind}/`)), `no history of ${kind}: node test/workflows/record${isSchemeName(kind) ? '' : `-${kind}`}.ts`);
  assert.deepEqual(await replay(await Promise.all(names.map(async (name) => ({ name, text: await read(name) })))), []);
});

test('a workflow that would call something else than was recorded is found', async () => {
  const name = 'stopRestartRepeat/completed.json';
  const text = (await read(name)).replaceAll('"name":"captureTopics"', '"name":"captureNothing"');
  const [found] = await replay([{ name, text }]);
  assert.match(found ?? '', /Nondeterminism|TMPRL1100/);
});

test('recordings tell nothing about the machine they were made on', async () => {
  for (const name of await jsonIn(histories)) {
    const text = await read(name);
    assert.deepEqual([...text.matchAll(/"identity":"([^"]*)"/g)].map(([, who]) => who).filter((who) => who !== 'operator' && who !== 'worker'), [], name);
    assert.doesNotMatch(text, /\/(home|root|work|Users|tmp)\//, name);
    for (const [, data] of text.matchAll(/"data":"([^"]*)"/g)) assert.doesNotMatch(Buffer.from(data ?? '', 'base64').toString('utf8'), /\/(home|root|work|Users|tmp)\//, name);
  }
});

test('every recorded journal is read, and the present schemes know each change that it would undo', async () => {
  const names = await jsonIn(journals);
  assert.ok(names.length > 0, 'no journal: node test/workflows/record.ts');
  for (const name of names) {
    const journal = parseJournal(JSON.parse(await readFile(new URL(name, journals), 'utf8')));
    assert.ok(isSchemeName(journal.scheme), name);
    const { migration, inventory } = journal;
    const plan = schemes[journal.scheme](migration, (id) => journal.has[id] ?? false, bind({ work: {} as Work, m: migration, inventory, owner: 'cutover/east/west/recorded', has: (id) => journal.has[id] ?? false }));
    const known = [...units(plan.forward), ...units(plan.withoutTarget?.(journal.reverse?.without?.applications ?? []) ?? [])].flatMap((u) => stepsOf(u).map((s) => stepId(u, s)));
    assert.deepEqual(journal.undos.map((u) => u.step).filter((s) => !known.includes(s)), [], name);
  }
});
