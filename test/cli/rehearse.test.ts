/** `cutover rehearse`: what is refused before anything is reached. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { cutover } from './terminal.ts';

const cases: readonly (readonly [situation: string, args: readonly string[], message: RegExp])[] = [
  ['no catalog', [], /^No catalog given: name it with --catalog or CUTOVER_CATALOG, the same as the workers have\.$/m],
  ['no such scheme', ['--catalog', 'c.yaml', '--scheme', 'all'], /^There is no scheme "all"/m],
  ['nothing to copy first', ['--catalog', 'c.yaml', '--records', '0'], /^--records takes a whole number from 1 to 1,000,000; it was "0"\.$/m],
  ['a time that is none', ['--catalog', 'c.yaml', '--within', 'soon'], /^--within takes a whole number/m],
];
for (const [situation, args, message] of cases)
  test(situation, async () => {
    const { code, err } = await cutover(['rehearse', 'examples/migration.json', '--scheme', 'stopRestartRepeat', ...args]);
    assert.equal(code, 2, err);
    assert.match(err, message);
  });
