/** After a workflow has ended without undoing anything, or is gone: what may be started, and what goes on from the ledger. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { delimiter, dirname, join } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { Server } from '../workflows/server.ts';
import { calm } from './canned-work.ts';
import { openDesk, type Case, type Desk } from './desk.ts';
import { cutover, type Ran } from './terminal.ts';

const limit = { timeout: 60_000 };
const move = 'approve/approve the move';
let server: Server;
let desk: Desk;
before(async () => { desk = await openDesk(calm().work); ({ server } = desk); });
after(async () => { await desk[Symbol.asyncDispose](); });

const start = (c: Case, ...more: readonly string[]): Promise<Ran> => cutover(['start', c.file, '--scheme', 'stopRestartRepeat', ...more]);
/** A migration that has come to its first hold. */
async function begun(name: string): Promise<Case & { readonly run: string }> {
  const c = await desk.migration(name);
  const { code, out, err } = await start(c, '--json');
  assert.equal(code, 0, err);
  await server.until(c.id, (p) => p.question?.name === move);
  return { ...c, run: (JSON.parse(out) as { runId: string }).runId };
}
const terminate = async (c: Case): Promise<void> => { assert.equal((await server.temporal('workflow', 'terminate', '--workflow-id', c.id)).code, 0); };

/** As somebody would paste it: in a shell, in the folder with the migration. */
async function pasted(c: Case, lines: readonly string[]): Promise<void> {
  await writeFile(join(desk.folder, 'migration.json'), await readFile(c.file));
  const PATH = `${dirname(server.stack.temporal.binary)}${delimiter}${process.env['PATH'] ?? ''}`;
  await promisify(execFile)('sh', ['-ec', lines.join('\n')], { cwd: desk.folder, env: { ...process.env, PATH } });
}
/** The ledgers of this world are empty: whoever goes on from them says of which run there is nothing. */
async function wentOnFrom(c: Case, run: string): Promise<void> {
  const { status, result } = await server.ended(c.id);
  assert.equal(status, 'FAILED');
  assert.match(result, new RegExp(`Neither ledger has a journal of run \\\\"${run}\\\\" of ${c.id}: `));
}

test('recover of a migration that Temporal no longer has: told so, with lines that start it from the ledger', limit, async () => {
  const c = await desk.migration('forgotten');
  const { code, out, err } = await cutover(['recover', c.id]);
  assert.deepEqual([code, out], [1, '']);
  const [why = '', ...lines] = err.trimEnd().split('\n').map((l) => l.trim());
  assert.match(why, /^Temporal has no history of cutover\/east\/west\/forgotten: it keeps one for the retention of the namespace after its end, no longer\. What was done is in the ledger /);
  assert.equal(lines.length, 2, err);
  await pasted(c, lines.map((l) => l.replace('<scheme>', 'stopRestartRepeat').replace('<first run id>', 'beef')));
  await wentOnFrom(c, 'beef');
});
test('the lines in docs/operating.md start a terminated migration from the ledger', limit, async () => {
  const c = await begun('by-hand');
  await terminate(c);
  const text = await readFile(fileURLToPath(new URL('../../docs/operating.md', import.meta.url)), 'utf8');
  const lines = [...text.matchAll(/^```sh\n(.*?)^```$/gms)].map((m) => m[1] ?? '').find((b) => b.startsWith('printf \'{"recover"'));
  assert.ok(lines);
  await pasted(c, [lines.replaceAll('cutover/east/west/shop', c.id).replace('<first run id>', c.run)]);
  await wentOnFrom(c, c.run);
});
test('reconcile of a migration that Temporal no longer has: lines of its own, which ask the ledger', limit, async () => {
  const c = await desk.migration('unreconciled');
  const { code, err } = await cutover(['reconcile', c.id]);
  assert.equal(code, 1);
  const [why = '', ...lines] = err.trimEnd().split('\n').map((l) => l.trim());
  assert.match(why, /^Temporal has no history of cutover\/east\/west\/unreconciled: /);
  await pasted(c, lines.map((l) => l.replace('<scheme>', 'stopRestartRepeat').replace('<first run id>', 'beef')));
  assert.equal((await server.ended('cutover-reconcile/east/west/unreconciled/by-hand')).status, 'COMPLETED');
});

test('start after a terminate is refused with what to do, also when a run that was refused came in between; --run names the one that is meant', limit, async () => {
  const c = await begun('cut-short');
  await terminate(c);
  const refused = await start(c);
  assert.equal(refused.code, 1, refused.out);
  assert.match(refused.err, /^cutover\/east\/west\/cut-short ended as TERMINATED: nothing was undone\. cutover recover cutover\/east\/west\/cut-short goes on /);
  assert.equal((await server.start('stopRestartRepeat', { name: 'wrong' }, c.id)).code, 0);
  assert.equal((await server.ended(c.id)).status, 'FAILED');
  const again = await start(c);
  assert.equal(again.code, 1, again.out);
  assert.ok(again.err.includes(`ended as TERMINATED: nothing was undone. cutover recover ${c.id} --run ${c.run} goes on`), again.err);
  const recovered = await cutover(['recover', c.id, '--run', c.run]);
  assert.equal(recovered.code, 0, recovered.err);
  await wentOnFrom(c, c.run);
  assert.equal((await start(c)).code, 1, 'a recovery that was refused has undone nothing');
  const unknown = await cutover(['recover', c.id, '--run', '01a2094b-ac55-783d-b230-08fe3fb6690c']);
  assert.match(unknown.err, /^Temporal has no history of .*, run 01a2094b-[^]*printf '\{"recover":"01a2094b-/);
});
test('start after a timeout is refused as well; one that ended before it wrote anything is started again', limit, async () => {
  const one = await desk.migration('short');
  const input = ['--input-file', one.file, '--type', 'stopRestartRepeat', '--task-queue', 'cutover', '--workflow-id', one.id];
  assert.equal((await server.temporal('workflow', 'start', ...input, '--execution-timeout', '4s')).code, 0);
  await server.until(one.id, (p) => p.question?.name === move);
  assert.equal((await server.ended(one.id)).status, 'TIMED_OUT');
  assert.match((await start(one)).err, /ended as TIMED_OUT: nothing was undone\./);
  const early = await desk.migration('nothing-yet');
  assert.equal((await start(early, '--task-queue', 'nobody')).code, 0);
  await terminate(early);
  assert.equal((await start(early)).code, 0);
});
test('recover and reconcile without a worker say so and start nothing', limit, async () => {
  const c = await desk.migration('unattended');
  assert.equal((await start(c, '--task-queue', 'nobody')).code, 0);
  await terminate(c);
  for (const verb of ['recover', 'reconcile']) {
    const { code, out, err } = await cutover([verb, c.id]);
    assert.deepEqual([code, out], [1, '']);
    assert.match(err, /^No worker polls the task queue "nobody", on which cutover\/east\/west\/unattended ran\. Nothing was started\./);
  }
  assert.equal((await server.described(c.id)).status, 'TERMINATED');
});
test('reconcile of a migration that runs says what it is for', limit, async () => {
  const c = await begun('alive');
  const { code, err } = await cutover(['reconcile', c.id]);
  assert.equal(code, 1);
  assert.match(err, /^cutover\/east\/west\/alive is still running; reconcile is for one that has ended as rolled back without the target\./);
});
test('a decision that no worker takes: told what may still happen, with the signal that is kept for it', limit, async () => {
  const c = await desk.migration('unheard');
  assert.equal((await start(c, '--task-queue', 'nobody')).code, 0);
  const { code, err } = await cutover(['rollback', c.id, '--by', 'ana', '--reason', "it's late"]);
  assert.equal(code, 1);
  const [why = '', line = ''] = err.trimEnd().split('\n').map((l) => l.trim());
  assert.match(why, /^No answer for cutover\/east\/west\/unheard in time: .* The decision may still take effect when a worker starts, or be lost\. A signal is kept for the worker/);
  await pasted(c, [line]);
  const { events } = JSON.parse(await server.history(c.id)) as { readonly events: readonly { readonly workflowExecutionSignaledEventAttributes?: { readonly signalName: string; readonly input: { readonly payloads: readonly { readonly data: string }[] } } }[] };
  const signal = events.find((e) => e.workflowExecutionSignaledEventAttributes)?.workflowExecutionSignaledEventAttributes;
  assert.equal(signal?.signalName, 'rollback');
  assert.deepEqual(JSON.parse(Buffer.from(signal.input.payloads[0]?.data ?? '', 'base64').toString()), { by: 'ana', reason: "it's late" });
  await terminate(c);
});
