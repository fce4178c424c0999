/**
 * `node stack/launch.mjs <file.ts> [args]`: runs with nothing installed, on Node 20 or newer. Installs the npm packages if they are
 * missing or out of date, then runs the file with the Node 24 that comes with them. Plain JavaScript, Node's own modules only.
 */
import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { constants, tmpdir } from 'node:os';
import { delimiter, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = resolve(fileURLToPath(import.meta.url), '..', '..');
const modules = join(root, 'node_modules');
const stampFile = join(modules, '.cutover-lock');
const hashOf = (/** @type {import('node:crypto').BinaryLike} */ content) => createHash('sha256').update(content).digest('hex');
const installLock = join(tmpdir(), `cutover-install-${hashOf(root).slice(0, 16)}.lock`);

const say = (/** @type {string} */ line) => process.stderr.write(`${line}\n`);
/** @returns {never} */
const giveUp = (/** @type {string} */ line) => {
  say(line);
  process.exit(1);
};

const version = process.versions.node.split('.').map(Number);
const isNodeAtLeast = (/** @type {number} */ major, /** @type {number} */ minor) => version[0] > major || (version[0] === major && version[1] >= minor);

/** npm must run on a Node that its own `ci` does not take away, so not on the one in node_modules. */
const outsidePath = () => (process.env.PATH ?? '').split(delimiter).filter((folder) => !folder.includes('node_modules')).join(delimiter);
const npmEnv = () => ({ ...process.env, PATH: outsidePath() });

const lockHash = () => hashOf(readFileSync(join(root, 'package-lock.json')));
const readOr = (/** @type {string} */ file) => (existsSync(file) ? readFileSync(file, 'utf8').trim() : '');

/** What npm says it installed is what the lock file asks for: true after an `npm install` by hand, which leaves no stamp. */
const installedAsLocked = () => {
  const inside = join(modules, '.package-lock.json');
  if (!existsSync(inside)) return false;
  const locked = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')).packages;
  const installed = JSON.parse(readFileSync(inside, 'utf8')).packages;
  const unexpected = Object.entries(installed).some(([path, is]) => locked[path]?.version !== is.version);
  const missing = Object.entries(locked).some(([path, is]) => path !== '' && !is.optional && !is.devOptional && installed[path] === undefined);
  return !unexpected && !missing;
};

const isCurrent = () => {
  const hash = lockHash();
  if (readOr(stampFile) === hash) return true;
  if (!installedAsLocked()) return false;
  writeFileSync(stampFile, hash);
  return true;
};

const isRunning = (/** @type {number} */ pid) => {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error.code === 'EPERM';
  }
};

/** Two commands started at once in one clone: the second waits for the first one's `npm ci` in place of deleting under it. */
const takeInstallLock = async () => {
  for (let told = false; ;) {
    try {
      writeFileSync(installLock, String(process.pid), { flag: 'wx' });
      return;
    } catch (error) {
      if (error.code !== 'EEXIST') throw error;
    }
    const owner = Number(readOr(installLock));
    const abandoned = owner > 0 ? !isRunning(owner) : existsSync(installLock) && Date.now() - statSync(installLock).mtimeMs > 5_000;
    if (abandoned) rmSync(installLock, { force: true });
    else if (!told) {
      say(`set-up · npm packages: process ${owner} installs them, waiting`);
      told = true;
    }
    await new Promise((wake) => setTimeout(wake, 250));
  }
};

const npmCi = () =>
  new Promise((done, failed) => {
    const since = Date.now();
    const seconds = () => Math.round((Date.now() - since) / 1000);
    say('set-up · npm packages: installing');
    const tick = setInterval(() => say(`set-up · npm packages: installing (${seconds()} s)`), 15_000);
    // Standard output stays clean for the program's own answer; npm speaks on standard error.
    const npm = spawn('npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error'], { cwd: root, env: npmEnv(), stdio: ['ignore', 2, 2] });
    npm.once('error', failed);
    npm.once('close', (code, signal) => {
      clearInterval(tick);
      if (code === 0) done(say(`set-up · npm packages: ready (${seconds()} s)`));
      else failed(new Error(`"npm ci" in ${root} ended with ${code ?? signal}; what it said is above. Mend that, then try again.`));
    });
  });

const ensurePackages = async () => {
  if (isCurrent()) return;
  const npm = spawnSync('npm', ['--version'], { env: npmEnv(), encoding: 'utf8' });
  if (npm.error) giveUp('npm is needed and was not found. It comes with Node: install Node 20 or newer from https://nodejs.org, then try again.');
  await takeInstallLock();
  try {
    if (isCurrent()) return;
    await npmCi();
    mkdirSync(modules, { recursive: true });
    writeFileSync(stampFile, lockHash());
  } finally {
    rmSync(installLock, { force: true });
  }
};

/** TypeScript runs as it stands from Node 24 on. */
const nodeToRunWith = () => {
  const own = join(modules, '.bin', 'node');
  if (existsSync(own)) return own;
  if (isNodeAtLeast(24, 6)) return process.execPath;
  return giveUp(`Node 24.6 or newer is needed: npm has no Node of its own for ${process.platform}-${process.arch}, and this one is ${process.versions.node}. Install Node 24 from https://nodejs.org, then try again.`);
};

const runFile = (/** @type {string} */ file, /** @type {string[]} */ args) => {
  const env = { ...process.env, PATH: [join(modules, '.bin'), process.env.PATH ?? ''].join(delimiter) };
  const child = spawn(nodeToRunWith(), [resolve(root, file), ...args], { stdio: 'inherit', env });
  for (const signal of /** @type {const} */ (['SIGINT', 'SIGTERM', 'SIGHUP'])) {
    process.on(signal, () => {
      // A terminal sends Ctrl-C to all its processes by itself; the child must not hear it twice and take it for impatience.
      if (signal !== 'SIGINT' || !process.stdin.isTTY) child.kill(signal);
    });
  }
  child.once('error', (error) => giveUp(`${file} could not be started: ${error.message}`));
  child.once('close', (code, signal) => process.exit(code ?? 128 + (signal === null ? 0 : constants.signals[signal])));
};

const [file, ...args] = process.argv.slice(2);
if (file === undefined) giveUp('usage: node stack/launch.mjs <file.ts> [args]');
if (!isNodeAtLeast(20, 0)) giveUp(`Node 20 or newer is needed and this is ${process.versions.node}. Install it from https://nodejs.org, then try again.`);
if (!existsSync(resolve(root, file))) giveUp(`There is no file ${file} in ${root}.`);
try {
  await ensurePackages();
} catch (error) {
  giveUp(error instanceof Error ? error.message : String(error));
}
runFile(file, args);
