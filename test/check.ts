/** `npm run check`: everything that needs no cluster, in about a minute. */
import { files, printFailures, runFiles } from './suite.ts';
import { staticSteps } from './steps.ts';

// Tests that strike at every place take a sample here; `npm test` strikes at all of them.
process.env['CUTOVER_QUICK'] = '1';
// Six at a time: some of them wait for most of their time.
const [steps, counts] = await Promise.all([staticSteps(), runFiles(await files('fast'), { concurrency: 6, timeoutMs: 120_000 })]);
printFailures([...steps.filter((s) => !s.ok).map((s) => `  ${s.name}`), ...counts.failures]);
const failed = counts.failed + steps.filter((s) => !s.ok).length;
const passed = counts.passed + steps.filter((s) => s.ok).length;
console.log(`${passed} passed, ${failed} failed`);
process.exitCode = failed === 0 ? 0 : 1;
