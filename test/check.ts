/** `npm run check`: everything that needs no cluster, in under a minute. */
import { files, runFiles } from './suite.ts';
import { staticSteps } from './steps.ts';

// Tests that strike at every place take a sample here; `npm test` strikes at all of them.
process.env['CUTOVER_QUICK'] = '1';
const steps = await staticSteps();
const counts = await runFiles(await files('fast'), { concurrency: 4, timeoutMs: 120_000 });
const failed = counts.failed + steps.filter((s) => !s.ok).length;
const passed = counts.passed + steps.filter((s) => s.ok).length;
console.log(`${passed} passed, ${failed} failed`);
process.exitCode = failed === 0 ? 0 : 1;
