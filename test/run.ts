/** `npm test`: the check, then every test on the real stack. Sets up what it needs by itself. */
import { ensureTools } from '../stack/tools.ts';
import { files, runFiles } from './suite.ts';
import { staticSteps } from './steps.ts';

const from = performance.now();
const [steps] = await Promise.all([staticSteps(), ensureTools({ temporal: true, kafka: true })]);
const fast = await runFiles(await files('fast'), { concurrency: 2, timeoutMs: 120_000 });
const stack = await files('stack');
/** Whole migrations under traffic need both cores, so two at once take no less time; the others wait half of theirs and go in pairs. */
const alone = (file: string): boolean => /^test\/(demo|scenarios)\//.test(file);
const pairs = await runFiles(stack.filter((f) => !alone(f)), { concurrency: 2, timeoutMs: 900_000 });
const whole = await runFiles(stack.filter(alone), { concurrency: 1, timeoutMs: 900_000 });
const failed = fast.failed + pairs.failed + whole.failed + steps.filter((s) => !s.ok).length;
const passed = fast.passed + pairs.passed + whole.passed + steps.filter((s) => s.ok).length;
console.log(`\ntook ${Math.round((performance.now() - from) / 1000)} s`);
console.log(`${passed} passed, ${failed} failed`);
process.exitCode = failed === 0 ? 0 : 1;
