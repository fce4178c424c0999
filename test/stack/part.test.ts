/** One process of a stack: start, readiness, stop, kill, pause; and that nothing outlives its owner. No Java needed. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { openHousehold } from '../../stack/household.ts';
import { RunningPart } from '../../stack/part.ts';
import type { PartSpec } from '../../stack/part.ts';
import { awaitGone, identify, isAlive, markedProcesses, pause } from '../../stack/processes.ts';
import type { ProcessId } from '../../stack/processes.ts';

const scratch = mkdtempSync(join(tmpdir(), 'cutover-part-test-'));
const household = openHousehold({ folder: scratch, removeFolder: false });
after(async () => {
  await household.endAll();
  household.close();
  rmSync(scratch, { recursive: true, force: true });
});

let count = 0;
const part = (script: string, more: Partial<PartSpec> = {}): RunningPart => new RunningPart({
  name: 'thing', command: process.execPath, args: ['-e', script], logFile: join(scratch, `${++count}.log`), readyWithinMs: 20_000,
  isReady: ({ log }) => Promise.resolve(log().includes('ready')), ...more,
}, household);
const stays = "setInterval(() => {}, 1000); console.log('ready');";

describe('a part', () => {
  it('is running once it says it is ready, and gone once it is stopped', async () => {
    const one = part(stays);
    assert.equal(one.state, 'stopped');
    await one.start();
    const id = identify(one.pid ?? 0);
    assert.ok(id !== null && isAlive(id));
    await one.stop();
    assert.equal(isAlive(id), false);
    assert.equal(one.pid, undefined);
  });

  it('restarts as another process, ready by what it said this time', async () => {
    const one = part(stays);
    await one.start();
    const before = one.pid;
    await one.restart('killed');
    assert.notEqual(one.pid, before);
    assert.equal(readFileSync(one.logFile, 'utf8').split('ready').length - 1, 2);
    await one.kill();
  });

  it('that does not heed SIGTERM is killed when its time is up', async () => {
    const one = part(`process.on('SIGTERM', () => {}); ${stays}`, { stopWithinMs: 200 });
    await one.start();
    await one.stop();
    assert.equal(one.state, 'stopped');
  });

  it('stands still while paused and can be stopped all the same', async () => {
    const one = part(stays);
    await one.start();
    await one.pause();
    assert.equal(one.state, 'paused');
    one.resume();
    assert.equal(one.state, 'running');
    await one.pause();
    await one.stop();
    assert.equal(one.state, 'stopped');
  });

  it('does nothing more once it is paused, busy as it was, until it is resumed', async () => {
    const one = part(`${stays} const say = () => { require('node:fs').writeSync(1, 'tick'); setImmediate(say); }; say();`);
    await one.start();
    const said = (): number => statSync(one.logFile).size;
    for (let n = 0; n < 5; n++) {
      await one.pause();
      const before = said();
      await pause(50);
      assert.equal(said(), before);
      one.resume();
      while (said() === before) await pause(5);
    }
    await one.kill();
  });

  it('that ends before it is ready fails at once, with its log', async () => {
    const one = part("console.error('the port is taken'); process.exit(3)");
    await assert.rejects(one.start(), (error: Error) => {
      assert.match(error.message, /^thing ended before it was ready \(exit code 3\)\. Its log is .*\.log and ends with:\nthe port is taken$/);
      return true;
    });
  });

  it('that never becomes ready fails when its time is up, with what the last question met', async () => {
    const one = part(stays, { readyWithinMs: 300, isReady: () => Promise.reject(new Error('connection refused')) });
    await assert.rejects(one.start(), /^Error: thing was not ready within 0\.3 s \(connection refused\)\. Its log is /);
    await one.kill();
  });

  it('whose program does not exist says so', async () => {
    await assert.rejects(part('', { command: join(scratch, 'no-such-program') }).start(), /ENOENT/);
  });

  it('a pid that belongs to another process by now is not taken for it', () => {
    const me = identify(process.pid);
    assert.ok(me !== null && isAlive(me));
    assert.equal(isAlive({ ...me, started: '1' }), false);
  });
});

describe('the owner of a stack is killed', { skip: process.platform === 'linux' ? false : 'processes are found by their mark only on Linux' }, () => {
  it('what it started dies, also what that started, and the folder goes', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'cutover-owner-test-'));
    const owner = join(scratch, 'owner.ts');
    const stack = join(import.meta.dirname, '..', '..', 'stack');
    // The child starts a grandchild of which the owner knows nothing, as a fleet command does.
    writeFileSync(owner, `
      import { openHousehold } from ${JSON.stringify(join(stack, 'household.ts'))};
      import { RunningPart } from ${JSON.stringify(join(stack, 'part.ts'))};
      const household = openHousehold({ folder: ${JSON.stringify(folder)}, removeFolder: true });
      const script = "require('child_process').spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'], { detached: true, stdio: 'ignore' }); setInterval(() => {}, 1000); console.log('ready')";
      const part = new RunningPart({ name: 'child', command: process.execPath, args: ['-e', script], logFile: ${JSON.stringify(join(scratch, 'child.log'))}, isReady: ({ log }) => Promise.resolve(log().includes('ready')) }, household);
      await part.start();
      console.log(household.mark);
      setInterval(() => {}, 1000);
    `);
    const running = spawn(process.execPath, [owner], { stdio: ['ignore', 'pipe', 'inherit'] });
    const mark = await new Promise<string>((resolve) => running.stdout.once('data', (data: Buffer) => resolve(data.toString().trim())));
    const children = markedProcesses(mark);
    assert.equal(children.length, 2);
    running.kill('SIGKILL');
    for (const child of children) assert.ok(await awaitGone(child, 10_000), `process ${child.pid} outlived its owner`);
    const deadline = Date.now() + 10_000;
    while (existsSync(folder) && Date.now() < deadline) await pause(25);
    assert.equal(existsSync(folder), false);
  });

  it('left to itself on purpose: what it started lives on', async () => {
    const folder = mkdtempSync(join(scratch, 'left-'));
    const left = openHousehold({ folder, removeFolder: true });
    const one = new RunningPart({ name: 'child', command: process.execPath, args: ['-e', stays], logFile: join(scratch, 'left.log'), isReady: ({ log }) => Promise.resolve(log().includes('ready')) }, left);
    await one.start();
    const id = one.id as ProcessId;
    left.close();
    assert.equal(await awaitGone(id, 500), false);
    await one.stop();
    assert.ok(existsSync(folder));
  });
});
