/** The command line against a real Temporal, with a worker whose world is calm. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { stripVTControlCharacters } from 'node:util';
import { Stop } from '../../src/cli/io.ts';
import type { Server } from '../workflows/server.ts';
import { calm } from './canned-work.ts';
import { openDesk, type Case, type Desk } from './desk.ts';
import { cutover, type Ran } from './terminal.ts';

const world = calm();
let server: Server;
let desk: Desk;
before(async () => { desk = await openDesk(world.work); ({ server } = desk); });
after(async () => { await desk[Symbol.asyncDispose](); });
const migration = (name: string, more: object = {}): Promise<Case> => desk.migration(name, more);
const started = async (c: Case): Promise<Ran> => cutover(['start', c.file, '--scheme', 'stopRestartRepeat']);
const asked = (c: Case, hold: string): Promise<unknown> => server.until(c.id, (p) => p.question?.name === hold);

test('doctor: all is well but for one worker, retention and what cannot be seen', async () => {
  const { code, out } = await cutover(['doctor']);
  assert.equal(code, 0, out);
  assert.match(out, /^ok {7}Temporal: server 1\.\d+/m);
  assert.match(out, /^ok {7}search attributes: CutoverPhase, CutoverState, CutoverSource, CutoverTarget are registered$/m);
  assert.match(out, /^warning {2}workers: one worker polls "cutover"/m);
  assert.match(out, /^warning {2}retention: histories are kept for only 1 day /m);
  assert.match(out, /^skipped {2}speed: /m);
});
test('doctor: a queue without workers and a namespace that does not exist are faults, exit code 1', async () => {
  const { code, out } = await cutover(['doctor', '--task-queue', 'nobody', '--json']);
  assert.equal(code, 1);
  const findings = JSON.parse(out) as { about: string; state: string; say: string }[];
  assert.equal(findings.find((f) => f.about === 'workers')?.say, 'No worker polls the task queue "nobody". Start one (cutover worker --catalog …), or name another queue (--task-queue).');
  process.env['TEMPORAL_NAMESPACE'] = 'nowhere';
  try {
    const other = await cutover(['doctor']);
    assert.equal(other.code, 1);
    assert.match(other.out, /^fault {4}namespace: "nowhere" cannot be used: /m);
  } finally {
    process.env['TEMPORAL_NAMESPACE'] = server.stack.temporal.namespace;
  }
});
test('doctor --fix: registers what is missing in a namespace and reads it back', async () => {
  assert.equal((await server.temporal('operator', 'namespace', 'create', '--namespace', 'bare')).code, 0);
  process.env['TEMPORAL_NAMESPACE'] = 'bare';
  try {
    assert.match((await cutover(['doctor'])).out, /^warning {2}search attributes: CutoverPhase, CutoverState, CutoverSource, CutoverTarget are not registered: .* cutover doctor --fix registers them\.$/m);
    assert.match((await cutover(['doctor', '--fix'])).out, /^ok {7}search attributes: .* registered now$/m);
    assert.match((await cutover(['doctor'])).out, /^ok {7}search attributes: .* are registered$/m);
  } finally {
    process.env['TEMPORAL_NAMESPACE'] = server.stack.temporal.namespace;
  }
});

test('check: prints what was found and the plan with its hash, and leaves no migration behind', async () => {
  const { file } = await migration('checked');
  const { code, out, err } = await cutover(['check', file, '--scheme', 'stopRestartRepeat']);
  assert.equal(code, 0, err);
  assert.match(out, /^ {2}source {9}cluster id source-id$/m);
  assert.match(out, /^ {2}topics {9}4 with 12 partitions$/m);
  assert.match(out, /^ {2}fences {9}source: yes; target: no authorizer, so no fence$/m);
  assert.match(out, /^ {2}plan hash {6}[0-9a-f]{64}$/m);
  assert.doesNotMatch((await cutover(['status'])).out, /checked/);
});
test('check: what could not be seen at the first glance is looked at again, and only what was seen is printed', async () => {
  const { file } = await migration('unseen');
  const { code, out, err } = await cutover(['check', file, '--scheme', 'stopRestartRepeat']);
  assert.equal(code, 0, err);
  assert.match(out, /lookReady: nothing to do/);
  assert.doesNotMatch(out, /not seen yet/);
});
test('check: without a worker it says so at once', async () => {
  const { file } = await migration('unchecked');
  const { code, err } = await cutover(['check', file, '--scheme', 'stopRestartRepeat', '--task-queue', 'nobody']);
  assert.deepEqual({ code, err }, { code: 1, err: 'No worker polls the task queue "nobody". Start one (cutover worker --catalog …), or name another queue (--task-queue).\n' });
});

test('what fails and is tried again by itself is shown with its attempt and its reason, while the workflow knows of nothing', { timeout: 60_000 }, async () => {
  const c = await migration('trying');
  world.failing.add('createTopics');
  try {
    assert.equal((await started(c)).code, 0);
    const shown = async (): Promise<string> => (await cutover(['status', c.id], { columns: 160 })).out;
    for (const end = Date.now() + 20_000; !/^tries again createTopics, attempt [2-9], because of Unreachable: Cluster west does not answer\./m.test(await shown());) assert.ok(Date.now() < end, await shown());
    assert.match((await cutover(['status', c.id])).out, / · tries again createTopics, attempt \d+, because of Unreachable: /);
  } finally {
    world.failing.clear();
  }
  await asked(c, 'approve/approve the move');
  assert.doesNotMatch((await cutover(['status', c.id])).out, /tries again/);
  assert.equal((await server.signal(c.id, 'rollback', { by: 'ana', reason: 'as the test wants' })).code, 0);
  assert.equal((await server.ended(c.id)).status, 'FAILED');
});

test('a migration is started, watched, approved at each hold and completes; its name is used up then', { timeout: 60_000 }, async () => {
  const c = await migration('whole');
  const begun = await started(c);
  assert.equal(begun.code, 0, begun.err);
  assert.match(begun.out, /^started {2}cutover\/east\/west\/whole$/m);
  const again = await started(c);
  assert.deepEqual({ code: again.code, err: again.err }, { code: 1, err: 'cutover/east/west/whole is running already; a migration runs once. See cutover status cutover/east/west/whole.\n' });

  const seen = Promise.withResolvers<void>();
  const watched = cutover(['status', c.id, '--watch'], { seen: (text) => { if (text.includes('· asks ')) seen.resolve(); } });
  await seen.promise;
  const terminal = await cutover(['status', c.file], { columns: 120 });
  assert.match(terminal.out, /^\[█+░+\] \d+\/\d+ {2}approve\/approve the move$/m);
  assert.match(terminal.out, /^ {2}✔ every partition lags at most 1000 records$/m);
  assert.match(terminal.out, /^answer {6}cutover decide cutover\/east\/west\/whole approve\|/m);

  const unsure = await cutover(['decide', c.id, 'approve']);
  assert.equal(unsure.code, 2);
  assert.match(unsure.err, /Give --hash with the hash above, or --yes\.\n$/);
  assert.equal((await cutover(['decide', c.id, 'approve'], { typed: 'no' })).code, 1);
  const typed = await cutover(['decide', c.id, 'approve', '--by', 'ana'], { typed: 'yes' });
  assert.equal(typed.code, 0, typed.err);
  assert.match(typed.err, /asks {8}Move the consumers reports to west/);
  assert.match(typed.out, /^accepted/);
  for (const hold of ['cut shop.invoices.open/approve the cut', 'cut shop.orders/approve the cut', 'finish/approve the finish']) {
    await asked(c, hold);
    const yes = await cutover(['decide', c.file, 'approve', '--yes', '--json']);
    assert.equal(yes.code, 0, yes.err);
    assert.match((JSON.parse(yes.out) as { verdict: string }).verdict, /^accepted/);
  }
  const log = await watched;
  assert.equal(log.code, 0, log.err);
  assert.match(log.out, /^\d{4}-\S+ cutover\/east\/west\/whole · asking · \d+\/\d+ · approve\/approve the move · asks approve\|.*: Move the consumers reports to west/m);
  assert.match(log.out, /· COMPLETED\n$/);
  const third = await started(c);
  assert.equal(third.code, 1);
  assert.match(third.err, /^cutover\/east\/west\/whole has run already and ended as COMPLETED; .* Give the migration a new "name"\.\n$/);
});

test('decisions are refused with the reason, and tune, pause and rollback work', { timeout: 60_000 }, async () => {
  const c = await migration('steered');
  assert.equal((await started(c)).code, 0);
  await asked(c, 'approve/approve the move');
  const refused: readonly (readonly [readonly string[], 1 | 2, RegExp])[] = [
    [['approve', '--hash', 'beef'], 1, /hash/],
    [['approve', '--hold', 'another', '--yes'], 1, /^What is asked now is "approve\/approve the move", not "another"\. Nothing was sent\.\n$/],
    [['skip', '--reason', 'x'], 1, /skip/],
    [['skip'], 2, /^The decision cannot be sent: "reason" must say why\.\n$/],
    [['tune', '--limit', 'lag'], 2, /^--limit takes name=number, such as lagRecords=100; it was "lag"\.\n$/],
    [['tune', '--limit', 'lagRecords=99999999'], 2, /^The decision cannot be sent: "lagRecords" must be a whole number from 0 to 10000000\.\n$/],
    [['dance'], 2, /^There is no decision "dance"; there are approve, /],
  ];
  for (const [args, code, wanted] of refused) {
    const ran = await cutover(['decide', c.id, ...args]);
    assert.equal(ran.code, code, `${args.join(' ')}: ${ran.out}${ran.err}`);
    assert.match(ran.err, wanted);
    assert.equal(ran.out, '');
  }
  assert.match((await cutover(['decide', c.id, 'tune', '--limit', 'lagRecords=7', '--limit', 'startMs=5000'])).out, /^accepted/);
  assert.deepEqual((({ lagRecords, startMs }) => ({ lagRecords, startMs }))((await server.progress(c.id)).limits), { lagRecords: 7, startMs: 5_000 });

  world.claimsHold = false;
  const void_ = await cutover(['decide', c.id, 'approve', '--yes']);
  world.claimsHold = true;
  assert.equal(void_.code, 1, void_.out);

  const watched = cutover(['status', c.id, '--watch', '--json']);
  assert.match((await cutover(['decide', c.id, 'rollback', '--reason', 'enough'])).out, /^accepted/);
  const log = await watched;
  assert.equal(log.code, 1);
  const last = JSON.parse(log.out.trim().split('\n').at(-1) ?? '') as { status: string; failure: string };
  assert.equal(last.status, 'FAILED');
  assert.match(last.failure, /^Rolled back/);
  assert.match((await cutover(['status'])).out, /^failed {5}cutover\/east\/west\/steered {2}stopRestartRepeat {2}\d{4}-/m);
  assert.equal((await started(c)).code, 0, 'rolled back, so the same name can be started again');
  await asked(c, 'approve/approve the move');
  assert.match((await cutover(['decide', c.id, 'reject', '--reason', 'clean up'])).out, /^accepted/);
  assert.equal((await server.ended(c.id)).status, 'FAILED');
});

test('decisions sent while the workflow continues as new, run after run, are all answered', { timeout: 90_000 }, async () => {
  const c = await migration('restless', { limits: { historyEvents: 50 } });
  assert.equal((await started(c)).code, 0);
  const answers: Ran[] = [];
  const talk = async (): Promise<void> => {
    for (let i = 1; i <= 25; i += 1) answers.push(await cutover(['decide', c.id, 'tune', '--limit', `lagRecords=${i}`]));
  };
  await Promise.all([talk(), asked(c, 'approve/approve the move')]);
  assert.deepEqual(answers.filter((a) => a.code !== 0).map((a) => a.err), []);
  const p = await server.progress(c.id);
  assert.ok(p.runs > 1, `it continued as new (${p.runs} runs)`);
  assert.equal(p.limits.lagRecords, 25);
  await server.temporal('workflow', 'terminate', '--workflow-id', c.id);
});
test('a watch on a terminal draws over itself, and Ctrl-C ends only the watching', { timeout: 60_000 }, async () => {
  const c = await migration('looked-at');
  assert.equal((await started(c)).code, 0);
  const asking = Promise.withResolvers<void>();
  const ctrlC = new AbortController();
  const watched = cutover(['status', c.id, '--watch'], { columns: 100, interrupted: ctrlC.signal, seen: (text) => { if (text.includes('asks ')) asking.resolve(); } });
  await asking.promise;
  ctrlC.abort(new Stop(1, 'No longer watching.'));
  const { code, out, err } = await watched;
  assert.deepEqual({ code, err }, { code: 1, err: 'No longer watching.\n' });
  assert.ok(stripVTControlCharacters(out).split('\n').every((line) => line.length <= 100), 'no line is longer than the terminal is wide');
  assert.equal((await server.progress(c.id)).state, 'asking');
  await server.temporal('workflow', 'terminate', '--workflow-id', c.id);
});
test('the real command: one clear line on stderr, nothing on stdout, the exit code of the failure', async () => {
  const child = spawn(process.execPath, ['src/cli/main.ts', 'decide', 'cutover/a/b/none', 'pause'], { cwd: fileURLToPath(new URL('../..', import.meta.url)) });
  const [out, err] = [child.stdout, child.stderr].map((s) => s.toArray());
  const [code] = await once(child, 'close') as [number];
  assert.equal(code, 1);
  assert.equal((await out ?? []).join(''), '');
  assert.match((await err ?? []).join(''), /^There is no migration cutover\/a\/b\/none [^\n]*\n$/);
});

test('a migration that does not exist, and one that has ended, are said as such', async () => {
  const none = await cutover(['status', 'cutover/a/b/none']);
  assert.equal(none.code, 1);
  assert.match(none.err, /^There is no migration cutover\/a\/b\/none on this Temporal, or it has ended\./);
  assert.equal((await cutover(['status', 'cutover/a/b/none', '--watch'])).err, none.err, 'said once');
  assert.match((await cutover(['decide', 'cutover/a/b/none', 'pause'])).err, /^There is no migration cutover\/a\/b\/none/);
  assert.match((await cutover(['decide', 'cutover/a/b/none', 'approve', '--yes'])).err, /^There is no migration cutover\/a\/b\/none/);
});
test('start without a worker: started all the same, and said that nothing happens until there is one', async () => {
  const c = await migration('early');
  const { code, err } = await cutover(['start', c.file, '--scheme', 'stopRestartRepeat', '--task-queue', 'nobody']);
  assert.equal(code, 0);
  assert.equal(err, 'No worker polls the task queue "nobody". Start one (cutover worker --catalog …), or name another queue (--task-queue). Until then nothing happens.\n');
  await server.temporal('workflow', 'terminate', '--workflow-id', c.id);
});
test('Temporal that is not there is told with where the address comes from', async () => {
  process.env['TEMPORAL_ADDRESS'] = '127.0.0.1:1';
  try {
    const { code, err } = await cutover(['status', 'cutover/a/b/c']);
    assert.equal(code, 1);
    assert.match(err, /^Temporal at 127\.0\.0\.1:1 cannot be reached: .*\. The address comes from TEMPORAL_ADDRESS or a profile \(temporal config, --profile\)\.\n$/);
  } finally {
    process.env['TEMPORAL_ADDRESS'] = server.stack.temporal.address;
  }
});
