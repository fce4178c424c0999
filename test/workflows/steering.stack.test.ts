/** Steering as an operator does it: a real Temporal, the `temporal` command line and nothing else. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Failure } from '../../src/domain/failures.ts';
import { signals } from '../../src/workflows/messages.ts';
import { small } from './migrations.ts';
import { scripted, type Script } from './scripted.ts';
import { startServer, type Said, type Server } from './server.ts';

const world = scripted();
const limit = { timeout: 150_000 };
const move = 'approve/approve the move';
const cut = 'cut orders/approve the cut';
const idOf = (name: string): string => `cutover/east/west/${name}`;
let server: Server;
before(async () => { server = await startServer(world.work); });
after(async () => { await server[Symbol.asyncDispose](); });

const good = (said: Said): Said => { assert.equal(said.code, 0, said.err); return said; };
async function started(name: string, more: object = {}): Promise<{ readonly id: string; readonly script: Script }> {
  good(await server.start('stopRestartRepeat', small(name, { ...more })));
  return { id: idOf(name), script: world.of(name) };
}
const hash = async (id: string, hold: string): Promise<string> => {
  const { question } = await server.until(id, (p) => p.question?.name === hold);
  return question?.hash ?? '';
};
const approve = async (id: string, hold: string): Promise<void> => {
  good(await server.decide(id, { kind: 'approve', by: 'ana', hash: await hash(id, hold) }));
};
/** Between two runs Temporal itself refuses a signal for some ms, and says so; whoever sends it sends it again. */
async function accepted(send: () => Promise<Said>): Promise<void> {
  for (let n = 1; ; n += 1) {
    const said = await send();
    if (said.code === 0) return;
    assert.ok(n < 20 && /workflow is closing/.test(said.err), said.err);
  }
}
/** A refusal answers with a sentence, and the CLI says so with its exit code. */
async function refused(id: string, decision: unknown, why: RegExp): Promise<void> {
  const said = await server.decide(id, decision);
  assert.notEqual(said.code, 0, said.out);
  assert.match(said.err, why);
}

test('bad input: one message with every fault, and nothing was touched', limit, async () => {
  const cases: readonly (readonly [string, unknown, readonly RegExp[]])[] = [
    ['wrong-id', small('another-name'), [/The workflow id must be cutover\/east\/west\/another-name/]],
    ['not-an-object', ['shop'], [/must be one JSON object/]],
    ['text-of-json', '{"name":"x"}', [/It is a text that holds JSON/]],
    ['unknown-field', { ...small('unknown-field'), budget: 3 }, [/budget/]],
    ['many-faults', { ...small('many-faults'), topics: [], connect: 7, outage: { budgetMs: 'soon', undoReserveMs: 500 } }, [/topics/, /connect/, /budgetMs/]],
  ];
  for (const [name, input, wanted] of cases) {
    good(await server.start('stopRestartRepeat', input, idOf(name)));
    const { status, result } = await server.ended(idOf(name));
    assert.equal(status, 'FAILED', name);
    assert.match(result, /"type": ?"BadMigration"/, name);
    for (const pattern of wanted) assert.match(result, pattern, name);
    assert.deepEqual(world.of(name).told.filter((x) => !['environment', 'assess'].includes(x)), [], name);
  }
  assert.deepEqual(world.of('another-name').told, []);
});

test('messages that are no decision are refused with a sentence, and the workflow lives on', limit, async () => {
  const { id } = await started('garbled');
  const shown = await hash(id, move);
  good(await server.signal(id, 'approve'));
  assert.match((await server.until(id, (p) => p.refused !== null)).refused ?? '', /^approve: The input must be a JSON object .* it was (nothing|null)/);
  good(await server.signal(id, 'pause', ['ana', 7]));
  assert.match((await server.until(id, (p) => p.refused?.startsWith('pause') ?? false)).refused ?? '', /it was a list/);
  good(await server.signal(id, 'reject', { by: 'ana', reason: 'x'.repeat(100_000) }));
  assert.match((await server.until(id, (p) => p.refused?.startsWith('reject') ?? false)).refused ?? '', /"reason" has 100000 characters, at most 1024 are taken/);
  await refused(id, { kind: 'approve', by: 'ana', hash: 'beef' }, /has the hash [0-9a-f]{16}; you approved beef/);
  await refused(id, { kind: 'approve', by: 'ana' }, /"hash" must repeat the hash that the hold shows/);
  await refused(id, { kind: 'skip', by: 'ana', reason: 'no time' }, /takes approve, reject, rollback; not skip/);
  await refused(id, { kind: 'retry', hold: 'nothing', by: 'ana' }, /"nothing" is not open/);
  await refused(id, { kind: 'rollback', by: 'ana', to: 'lunch' }, /There is no phase "lunch"; the phases are check, prepare, mirror/);
  await refused(id, { kind: 'tune', by: 'ana', limits: { lagRecords: -1, speed: 9 } }, /"lagRecords" must be a whole number.*no limit is called "speed"/);
  assert.equal(await hash(id, move), shown, 'the question still stands');

  const described = good(await server.temporal('workflow', 'metadata', '--workflow-id', id, '-o', 'json')).out;
  const page = described.replaceAll('\\"', '"');
  assert.match(page, /Move the consumers billing to west/);
  assert.ok(page.includes(`temporal workflow signal --workflow-id '${id}' --name approve --input '{"by":"YOUR NAME","hash":"${shown}"}'`), page);
  for (const [name, { description }] of Object.entries(signals)) assert.ok(described.includes(JSON.stringify(description).slice(1, 30)), name);

  good(await server.signal(id, 'reject', { by: 'ana', reason: 'seen enough' }));
  const { status, result } = await server.ended(id);
  assert.equal(status, 'FAILED');
  assert.match(result, /Rolled back: reject by ana. seen enough/);
});

test('an approval is void when the evidence has changed, or when a claim does not hold', limit, async () => {
  const { id, script } = await started('changed');
  const seen = await hash(id, move);
  script.claims = [{ text: 'every partition lags at most 1000 records', holds: true }, { text: 'a new group has come', holds: false }];
  await refused(id, { kind: 'approve', by: 'ana', hash: seen }, /the evidence changed since you saw it/);
  const next = await hash(id, move);
  assert.notEqual(next, seen);
  await refused(id, { kind: 'approve', by: 'ana', hash: next }, /not all claims hold: a new group has come/);
  assert.ok(!script.told.includes('stopFleet'), 'nothing was stopped');
  good(await server.temporal('workflow', 'cancel', '--workflow-id', id));
  assert.equal((await server.ended(id)).status, 'CANCELED');
  assert.deepEqual(script.told.filter((x) => x.startsWith('undo')), ['undo: removeMirror', 'undo: lowerFence', 'undo: restoreTombstones', 'undo: restoreRetention', 'undo: removeTopics', 'undo: releaseLock']);
});

test('records that would be read again: no approval without a consent by group and number, and the consent goes along', limit, async () => {
  const { id, script } = await started('repeating');
  await hash(id, move);
  script.claims = [{ text: 'The positions of billing can be proven on the target.', holds: false, unless: { billing: 12 } }];
  await refused(id, { kind: 'approve', by: 'ana', hash: await hash(id, move) }, /the evidence changed/);
  const shown = await hash(id, move);
  await refused(id, { kind: 'approve', by: 'ana', hash: shown }, /accept that records are read again: billing 12 records/);
  await refused(id, { kind: 'approve', by: 'ana', hash: shown, mayRepeat: { billing: 11 } }, /not all claims hold/);
  await refused(id, { kind: 'approve', by: 'ana', hash: shown, mayRepeat: { billing: 0 } }, /must be a whole number above 0/);
  assert.match((await server.progress(id)).question?.claims[0]?.text ?? '', /can be proven/);
  good(await server.decide(id, { kind: 'approve', by: 'ana', hash: shown, mayRepeat: { billing: 12 } }));
  script.claims = [{ text: 'Group billing reads at most 12 records again on the target, as was consented to.', holds: true }];
  await server.until(id, (p) => p.question?.name === cut);
  assert.deepEqual(script.calls.filter((x) => x.name === 'setPositions').map((x) => x.mayRepeat), [{ billing: 12 }]);
  const audit = good(await server.temporal('workflow', 'query', '--workflow-id', id, '--name', 'audit', '-o', 'json')).out;
  assert.match(audit, /ana accepts that records are read again, at most: billing 12 records/);
  await server.temporal('workflow', 'terminate', '--workflow-id', id);
});

test('pause holds the next unit back, tune counts, resume goes on; a rollback does not wait for a wait', limit, async () => {
  const name = 'paused';
  const script = world.of(name);
  script.unfinished.add('lookCaughtUp');
  const { id } = await started(name);
  await server.until(id, (p) => p.state === 'waiting' && p.say.includes('not yet'));
  assert.match(good(await server.decide(id, { kind: 'pause', by: 'ana' })).out, /accepted: pausing before the next unit/);
  script.unfinished.clear();
  await server.until(id, (p) => p.state === 'paused' && p.question === null && p.unit === 'mirror/compare both clusters');
  good(await server.decide(id, { kind: 'tune', by: 'ana', limits: { lagRecords: 7 } }));
  assert.equal((await server.progress(id)).limits.lagRecords, 7);
  good(await server.decide(id, { kind: 'resume', by: 'ana' }));
  await approve(id, move);
  await server.until(id, (p) => p.question?.name === cut);

  const waiting = 'left-waiting';
  world.of(waiting).unfinished.add('lookCaughtUp');
  const other = await started(waiting);
  await server.until(other.id, (p) => p.say.includes('not yet'));
  good(await server.signal(other.id, 'rollback', { by: 'ana', reason: 'too slow' }));
  good(await server.signal(id, 'rollback', { by: 'ana', to: 'mirror' }));
  assert.equal((await server.ended(other.id)).status, 'FAILED');

  const parked = await server.until(id, (p) => p.question?.kind === 'parked');
  assert.match(parked.question?.text ?? '', /Rolled back to the end of mirror\. Retry goes forward again from approve\/approve the move/);
  assert.deepEqual(parked.undos.filter((u) => u.startsWith('move')), []);
  good(await server.signal(id, 'retry', { by: 'ana' }));
  await approve(id, move);
  await approve(id, cut);
  await approve(id, 'finish/approve the finish');
  assert.equal((await server.ended(id)).status, 'COMPLETED');
});

test('a failed step asks; a proof is never skipped; an undo that fails asks and is tried again', limit, async () => {
  const name = 'failing';
  const script = world.of(name);
  script.fail('createTopics', new Failure('Drift', 'Topic orders is in the way.'));
  script.fail('setPositions', new Failure('NotExact', 'No proof for billing.'));
  script.fail('removeTopics', new Failure('Drift', 'Topic orders is in use.'), { mode: 'undo' });
  const { id } = await started(name);
  const q = await server.until(id, (p) => p.question?.kind === 'failed');
  assert.match(q.question?.text ?? '', /Drift: Topic orders is in the way/);
  assert.deepEqual(q.question?.answers, ['retry', 'skip', 'rollback']);
  good(await server.decide(id, { kind: 'retry', by: 'ana' }));
  await approve(id, move);
  const proof = await server.until(id, (p) => p.question?.kind === 'failed');
  assert.deepEqual(proof.question?.answers, ['retry', 'rollback']);
  await refused(id, { kind: 'skip', by: 'ana', reason: 'it will be fine' }, /takes retry, rollback; not skip/);
  good(await server.decide(id, { kind: 'rollback', by: 'ana' }));
  const undo = await server.until(id, (p) => p.question?.kind === 'undo-failed');
  assert.match(undo.question?.text ?? '', /Drift: Topic orders is in use/);
  good(await server.decide(id, { kind: 'retry', by: 'ana' }));
  assert.equal((await server.ended(id)).status, 'FAILED');
  assert.equal(script.told.filter((x) => x === 'undo: removeTopics').length, 2);
  assert.equal(script.told.at(-2), 'undo: releaseLock');
});

test('an outage whose budget passes is undone in time, with a write that arrives late; a rollback in an outage undoes it too', limit, async () => {
  for (const fault of ['late', 'deaf'] as const) {
    const name = `slow-${fault}`;
    const script = world.of(name);
    script.fail('raiseFence', fault, { mode: 'outage' });
    const { id } = await started(name, { outage: { budgetMs: 2_000, undoReserveMs: 500 } });
    await approve(id, move);
    await approve(id, cut);
    const p = await server.until(id, (x) => x.question?.kind === 'failed');
    assert.match(p.question?.text ?? '', /BudgetExceeded/);
    assert.deepEqual(p.outages.map((o) => o.outcome), ['undone']);
    const stopped = script.calls.findLast((x) => x.name === 'stopFleet' && x.mode === 'outage');
    const restarted = script.calls.find((x) => x.name === 'startFleet' && x.mode === 'undo');
    assert.ok(stopped?.toMs && restarted);
    console.log(`budget 2 s, ${fault}: ${restarted.fromMs - stopped.toMs} ms from the producers' stop to their start by the undo`);
    assert.ok(restarted.fromMs - stopped.toMs < 30_000, 'bound for a busy machine; the figure is printed');
    if (script.calls.some((x) => x.name === 'raiseFence')) for (const late of script.late) assert.ok(late.atMs > late.untilMs);
    good(await server.signal(id, 'rollback', { by: 'ana' }));
    assert.equal((await server.ended(id)).status, 'FAILED');
  }
  const script = world.of('turned');
  script.fail('lookMirrorDrained', 'hang', { mode: 'outage' });
  const { id } = await started('turned', { outage: { budgetMs: 60_000, undoReserveMs: 2_000 } });
  await approve(id, move);
  await approve(id, cut);
  await server.until(id, (p) => p.state === 'outage' && script.told.includes('lookMirrorDrained'));
  good(await server.signal(id, 'rollback', { by: 'ana', reason: 'now' }));
  const { status, result } = await server.ended(id);
  assert.equal(status, 'FAILED');
  assert.match(result, /Rolled back: rollback by ana. now/);
  assert.ok(script.told.includes('undo: startFleet'));
});

test('signals sent while the workflow continues as new, run after run, are all heard', limit, async () => {
  const { id } = await started('restless-signals', { limits: { historyEvents: 50 } });
  for (let i = 1; i <= 15; i += 1) await accepted(() => server.signal(id, 'tune', { by: 'ana', limits: { lagRecords: i } }));
  await approve(id, move);
  await server.until(id, (p) => p.question?.name === cut);
  const p = await server.progress(id);
  assert.ok(p.runs > 1, `${p.runs} runs`);
  assert.equal(p.limits.lagRecords, 15);
  const audit = good(await server.temporal('workflow', 'query', '--workflow-id', id, '--name', 'audit', '-o', 'json')).out;
  // A signal that arrives before the assessment has no journal to change: its refusal is shown instead.
  const heard = [...audit.matchAll(/tune by ana: \{\\"lagRecords\\":(\d+)\}/g)].map((m) => Number(m[1]));
  assert.deepEqual(heard, Array.from({ length: heard.length }, (_, i) => 16 - heard.length + i), 'none is missing once the first was heard');
  await server.temporal('workflow', 'terminate', '--workflow-id', id);
});
