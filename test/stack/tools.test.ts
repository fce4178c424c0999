/** A stack asks only for what it runs: no Java for Temporal alone, and what is missing is said before anything is built. */
import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execFile } from 'node:child_process';
import { after, describe, it } from 'node:test';

const scratch = mkdtempSync(join(tmpdir(), 'cutover-tools-test-'));
after(() => rmSync(scratch, { recursive: true, force: true }));

const compiled = process.env['NODE_COMPILE_CACHE'];
/** Runs `startStack` on a machine whose PATH holds nothing but Node, with an empty cache. */
const startOnBareMachine = (options: string): Promise<{ readonly err: string; readonly cache: string }> => {
  const [bin, cache] = [mkdtempSync(join(scratch, 'bin-')), mkdtempSync(join(scratch, 'cache-'))];
  symlinkSync(process.execPath, join(bin, 'node'));
  const script = `import { startStack } from ${JSON.stringify(join(import.meta.dirname, '..', '..', 'stack', 'stack.ts'))};
    try { await startStack(${options}); } catch (error) { console.error(error.message); process.exitCode = 1; }`;
  return new Promise((resolve) => {
    execFile(process.execPath, ['--input-type=module', '-e', script], { env: { PATH: bin, CUTOVER_CACHE: cache, TMPDIR: scratch, ...(compiled === undefined ? {} : { NODE_COMPILE_CACHE: compiled }) } }, (_error, _out, err) => resolve({ err, cache }));
  });
};
const named = (err: string): readonly string[] => err.trim().split('\n').map((line) => /^(\w+) /.exec(line)?.[1] ?? line);

describe('a bare machine', () => {
  const cases: readonly [string, string, readonly string[]][] = [
    ['the whole stack: Java, Maven and Go are asked for, a line each', '{}', ['Java', 'Maven', 'Go']],
    ['Temporal alone: only Go', "{ source: 'none', target: 'none', connects: 'none' }", ['Go']],
    ['brokers alone: only Java and Maven', "{ temporal: 'none' }", ['Java', 'Maven']],
  ];
  for (const [situation, options, wanted] of cases) {
    it(situation, async () => {
      const { err, cache } = await startOnBareMachine(options);
      assert.deepEqual(named(err), wanted, err);
      assert.deepEqual(readdirSync(cache), []);
    });
  }
});
