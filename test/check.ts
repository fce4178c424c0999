/** `npm run check`: everything that needs no cluster, in under a minute. */
import { files, runFiles } from './suite.ts';
import { staticSteps } from './steps.ts';

const steps = await staticSteps();
const counts = await runFiles(await files('fast'), { concurrency: 2, timeoutMs: 120_000 });
const failed = counts.failed + steps.filter((s) => !s.ok).length;
const passed = counts.passed + steps.filter((s) => s.ok).length;
console.log(`${passed} passed, ${failed} failed`);
process.exitCode = failed === 0 ? 0 : 1;
