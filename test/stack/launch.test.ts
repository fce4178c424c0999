/** The launcher: a clone with nothing installed, one that is current, exit codes and signals. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';

const scratch = mkdtempSync(join(tmpdir(), 'cutover-launch-test-'));
after(() => rmSync(scratch, { recursive: true, force: true }));
const launcher = join(import.meta.dirname, '..', '..', 'stack', 'launch.mjs');

/** A project without dependencies, so that `npm ci` needs no network. */
const newClone = (): string => {
  const clone = mkdtempSync(join(scratch, 'clone-'));
  mkdirSync(join(clone, 'stack'));
  cpSync(launcher, join(clone, 'stack', 'launch.mjs'));
  writeFileSync(join(clone, 'package.json'), JSON.stringify({ name: 'x', version: '1.0.0', type: 'module' }));
  writeLock(clone, '1.0.0');
  writeFileSync(join(clone, 'main.ts'), "const words: readonly string[] = process.argv.slice(2);\nconsole.log(words.join('-'), process.env['PATH']?.split(':')[0]);\nprocess.exitCode = Number(words[0] ?? 0);\n");
  return clone;
};
const writeLock = (clone: string, version: string): void =>
  writeFileSync(join(clone, 'package-lock.json'), JSON.stringify({ name: 'x', version, lockfileVersion: 3, requires: true, packages: { '': { name: 'x', version: '1.0.0' } } }));

interface Result { readonly code: number | null; readonly out: string; readonly err: string }
const launch = (clone: string, args: readonly string[], more: { readonly env?: Record<string, string>; readonly onOut?: (pid: number) => void } = {}): Promise<Result> =>
  new Promise((resolve, reject) => {
    const child = spawn(process.execPath, ['stack/launch.mjs', ...args], { cwd: clone, env: { ...process.env, ...more.env }, stdio: ['ignore', 'pipe', 'pipe'] });
    let [out, err] = ['', ''];
    child.stdout.on('data', (data: Buffer) => { out += data.toString(); more.onOut?.(child.pid ?? 0); });
    child.stderr.on('data', (data: Buffer) => { err += data.toString(); });
    child.once('error', reject);
    child.once('close', (code) => resolve({ code, out, err }));
  });

/** A clone that was launched before, for what is not about installing. */
let launched: Promise<string> | null = null;
const currentClone = (): Promise<string> => {
  const clone = newClone();
  return (launched ??= launch(clone, ['main.ts']).then(() => clone));
};

describe('launching', () => {
  it('a clone with nothing installed: installs, says so on stderr, runs the file with its arguments and exit code', async () => {
    const clone = newClone();
    const { code, out, err } = await launch(clone, ['main.ts', '7', 'b']);
    assert.equal(code, 7, err);
    assert.equal(out, `7-b ${join(clone, 'node_modules', '.bin')}\n`);
    assert.match(err, /^set-up · npm packages: installing\n[^]*set-up · npm packages: ready \(\d+ s\)\n$/);
  });

  it('a clone that is current: nothing is installed; a changed lock file: installed again', async () => {
    const clone = newClone();
    await launch(clone, ['main.ts']);
    assert.equal((await launch(clone, ['main.ts'])).err, '');
    writeLock(clone, '2.0.0');
    rmSync(join(clone, 'node_modules', '.package-lock.json'), { force: true });
    assert.match((await launch(clone, ['main.ts'])).err, /npm packages: ready/);
  });

  it('two at once in one clone: both run, one installs', async () => {
    const clone = newClone();
    const results = await Promise.all([launch(clone, ['main.ts']), launch(clone, ['main.ts'])]);
    assert.deepEqual(results.map(({ code }) => code), [0, 0]);
    assert.equal(results.filter(({ err }) => err.includes('npm packages: ready')).length, 1);
  });

  it('no npm: one line says what to install', async () => {
    const { code, err } = await launch(newClone(), ['main.ts'], { env: { PATH: scratch } });
    assert.equal(code, 1);
    assert.match(err, /^npm is needed and was not found\. It comes with Node: install Node 20 or newer [^\n]*\n$/);
  });

  it('a lock file npm refuses: what npm said, then what to do', async () => {
    const clone = newClone();
    writeFileSync(join(clone, 'package.json'), JSON.stringify({ name: 'x', version: '1.0.0', dependencies: { 'left-out-of-the-lock': '1.0.0' } }));
    const { code, err } = await launch(clone, ['main.ts'], { env: { npm_config_offline: 'true' } });
    assert.equal(code, 1);
    assert.match(err, /"npm ci" in .* ended with 1; what it said is above\. Mend that, then try again\.\n$/);
    assert.equal(existsSync(join(clone, 'node_modules', '.cutover-lock')), false);
  });

  it('a file that is not there is named', async () => {
    const { code, err } = await launch(newClone(), ['no.ts']);
    assert.equal(code, 1);
    assert.match(err, /^There is no file no\.ts in /);
  });

  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    it(`${signal} reaches the program, and its exit code comes back`, async () => {
      const clone = await currentClone();
      writeFileSync(join(clone, 'main.ts'), `process.on('${signal}', () => process.exit(42));\nsetInterval(() => {}, 1000);\nconsole.log('runs');\n`);
      const { code, err } = await launch(clone, ['main.ts'], { onOut: (pid) => { process.kill(pid, signal); } });
      assert.equal(code, 42, err);
    });
  }
});
