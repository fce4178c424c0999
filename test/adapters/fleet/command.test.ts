/** Command fleets against real child processes. */
import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import type { Command } from '../../../src/domain/catalog.ts';
import type { Fleet } from '../../../src/domain/ports.ts';
import { openFleet } from '../../../src/adapters/fleet/fleet.ts';
import { eventually, untilIn } from './until.ts';

let folder = '';
before(async () => { folder = await mkdtemp(join(tmpdir(), 'cutover-fleet-')); });
after(async () => { await rm(folder, { recursive: true }); });

const node = (script: string): Command => [process.execPath, '-e', script];
const fleet = (commands: { stop?: Command; start?: Command; ask?: Command }, timeoutMs = 5_000): Fleet => {
  const none = node('');
  return openFleet('shop-fleet', {
    kind: 'command', stop: commands.stop ?? none, start: { source: none, target: commands.start ?? none }, ask: commands.ask ?? none, timeoutMs,
  }, { secret: () => { throw new Error('a command fleet resolves no secrets'); } });
};
const failing = async (work: Promise<unknown>, type: string): Promise<Error> => {
  const e = await work.then(() => assert.fail(`expected ${type}`), (x: Error) => x);
  assert.equal(e.name, type, e.message);
  return e;
};
const alive = (pid: number): boolean => { try { process.kill(pid, 0); return true; } catch { return false; } };

test('fleet command: the program is told the application, the side and the time', async () => {
  const file = join(folder, 'told.json');
  const script = `const e = process.env; require('fs').writeFileSync(${JSON.stringify(file)}, JSON.stringify([e.CUTOVER_APPLICATION, e.CUTOVER_SIDE, e.CUTOVER_UNTIL_MS]))`;
  const until = untilIn(4_000);
  await fleet({ start: node(script) }).start('shop', 'target', until);
  assert.deepEqual(JSON.parse(await readFile(file, 'utf8')), ['shop', 'target', String(until.untilMs)]);
});

test('fleet command: arguments reach the program as they are, no shell in between', async () => {
  const file = join(folder, 'args.json');
  const command: Command = [process.execPath, '-e', `require('fs').writeFileSync(${JSON.stringify(file)}, JSON.stringify(process.argv.slice(1)))`, '$HOME; touch x', '*'];
  await fleet({ stop: command }).stop('shop', untilIn(null));
  assert.deepEqual(JSON.parse(await readFile(file, 'utf8')), ['$HOME; touch x', '*']);
});

test('fleet command: ask reads counts, unknown ones too', async () => {
  assert.deepEqual(await fleet({ ask: node(`console.log('{"source":2,"target":0}')`) }).ask('shop', untilIn(null)), { source: 2, target: 0, say: '2 on source, 0 on target' });
  assert.deepEqual(await fleet({ ask: node(`console.log('{"source":"unknown","target":1,"say":"one is deploying"}')`) }).ask('shop', untilIn(null)), { source: 'unknown', target: 1, say: 'one is deploying' });
});

for (const [what, output] of [
  ['nothing', ''], ['text', 'two processes'], ['a list', '[1,2]'], ['a negative count', '{"source":-1,"target":0}'],
  ['a fraction', '{"source":0.5,"target":0}'], ['a missing side', '{"source":1}'], ['null', 'null'],
] as const)
  test(`fleet command: ask that answers ${what} is refused, with what was wanted`, async () => {
    const e = await failing(fleet({ ask: node(`process.stdout.write(${JSON.stringify(output)})`) }).ask('shop', untilIn(null)), 'ClientNotMoved');
    assert.match(e.message, /wanted JSON/);
  });

test('fleet command: a stop that says processes are left has not stopped them', async () => {
  const e = await failing(fleet({ stop: node(`console.log('{"source":1,"target":0}')`) }).stop('shop', untilIn(null)), 'ClientNotMoved');
  assert.match(e.message, /1 on source/);
  await fleet({ stop: node(`console.log('{"source":0,"target":0}')`) }).stop('shop', untilIn(null));
});

test('fleet command: a failing program is quoted by its last line, without secrets', async () => {
  process.env['TEST_FLEET_TOKEN'] = 'hunter2hunter2';
  const script = `console.error('first'); console.error('login to http://ana:opensesame@host password=topsecret with hunter2hunter2 ' + 'x'.repeat(900)); process.exit(3)`;
  const e = await failing(fleet({ stop: node(script) }).stop('shop', untilIn(null)), 'ClientNotMoved');
  delete process.env['TEST_FLEET_TOKEN'];
  assert.match(e.message, /code 3/);
  for (const secret of ['topsecret', 'opensesame', 'hunter2', 'first']) assert.ok(!e.message.includes(secret), secret);
  assert.ok(e.message.length < 700, `${e.message.length}`);
});

test('fleet command: a program that does not exist is a fault of the catalog', async () => {
  const e = await failing(fleet({ stop: [join(folder, 'no-such-program')] }).stop('shop', untilIn(null)), 'BadCatalog');
  assert.match(e.message, /no-such-program/);
});

test('fleet command: a program that hangs is killed with its children, and writes nothing later', async () => {
  const file = join(folder, 'late');
  const pids = join(folder, 'pids');
  const grandchild = `setTimeout(() => require('fs').writeFileSync(${JSON.stringify(file)}, 'late'), 20_000); setInterval(() => 0, 1e3)`;
  const script = `const c = require('child_process').spawn(process.execPath, ['-e', ${JSON.stringify(grandchild)}], { stdio: 'inherit' });
    require('fs').writeFileSync(${JSON.stringify(pids)}, process.pid + ' ' + c.pid); process.on('SIGTERM', () => 0); setInterval(() => 0, 1e3)`;
  const e = await failing(fleet({ start: node(script) }, 3_000).start('shop', 'target', untilIn(null)), 'ClientNotMoved');
  assert.match(e.message, /3000 ms/);
  const [parent, child] = (await readFile(pids, 'utf8')).split(' ').map(Number);
  await eventually('both processes are gone', () => !alive(parent ?? 0) && !alive(child ?? 0));
  await assert.rejects(stat(file));
});

test('fleet command: the budget is the shorter limit and says so', { timeout: 20_000 }, async () => {
  await failing(fleet({ stop: node('setInterval(() => 0, 1e3)') }, 60_000).stop('shop', untilIn(400)), 'BudgetExceeded');
});

test('fleet command: a passed budget starts no program', async () => {
  const file = join(folder, 'never');
  const until = untilIn(1);
  await eventually('the budget has passed', () => Date.now() >= (until.untilMs ?? 0));
  await failing(fleet({ stop: node(`require('fs').writeFileSync(${JSON.stringify(file)}, '')`) }).stop('shop', until), 'BudgetExceeded');
  await assert.rejects(stat(file));
});

test('fleet command: a cancelled call kills the program and passes the reason on', async () => {
  const cancel = new AbortController();
  const reason = new Error('worker shuts down');
  const work = fleet({ stop: node('setInterval(() => 0, 1e3)') }).stop('shop', untilIn(null, cancel.signal));
  setTimeout(() => cancel.abort(reason), 150);
  await assert.rejects(work, (e) => e === reason);
});

test('fleet command: an application left running by a start that ended well is not killed and does not hold the call', async () => {
  const pids = join(folder, 'daemon');
  const script = `const c = require('child_process').spawn(process.execPath, ['-e', 'setTimeout(() => 0, 20000)'], { stdio: 'inherit' });
    require('fs').writeFileSync(${JSON.stringify(pids)}, String(c.pid)); c.unref(); process.exit(0)`;
  await fleet({ start: node(script) }).start('shop', 'target', untilIn(5_000));
  const pid = Number(await readFile(pids, 'utf8'));
  assert.ok(alive(pid), 'whoever waited for it would come back when it has ended');
  process.kill(pid, 'SIGKILL');
});

test('fleet manual: nothing is done, nothing is claimed', async () => {
  const manual = openFleet('legacy', { kind: 'manual', tell: 'call extension 4711' }, { secret: () => '' });
  await manual.stop('legacy', untilIn(null));
  await manual.start('legacy', 'target', untilIn(null));
  const state = await manual.ask('legacy', untilIn(null));
  assert.deepEqual([state.source, state.target], ['unknown', 'unknown']);
  assert.match(state.say, /4711/);
});

test('fleet command: a second set has commands of its own; without them it is refused', async () => {
  const file = join(folder, 'beside.txt');
  const note = (word: string): Command => [process.execPath, '-e', `require('fs').appendFileSync(${JSON.stringify(file)}, ${JSON.stringify(word)} + ' ' + process.env.CUTOVER_SIDE + '\\n'); console.log('{"source":0,"target":2}')`];
  const none = node('');
  const two = openFleet('shop-fleet', {
    kind: 'command', stop: none, start: { source: none, target: none }, ask: none, timeoutMs: 5_000,
    beside: { start: { source: note('add'), target: note('add') }, stop: { source: note('remove'), target: note('remove') } },
  }, { secret: () => '' });
  assert.equal(two.beside, true);
  await two.start('shop', 'target', untilIn(null), 'beside');
  await two.stop('shop', untilIn(null), 'source');
  assert.equal(await readFile(file, 'utf8'), 'add target\nremove source\n');
  await failing(two.stop('shop', untilIn(null), 'target'), 'ClientNotMoved');
  assert.equal(fleet({}).beside, false);
  await failing(fleet({}).start('shop', 'target', untilIn(null), 'beside'), 'BadCatalog');
});
