/** `npm test`: the check, then every test on the real stack. Sets up what it needs by itself. */
import { ensureTools } from '../stack/tools.ts';
import { files, runFiles } from './suite.ts';
import { staticSteps } from './steps.ts';

const from = performance.now();
const [steps] = await Promise.all([staticSteps(), ensureTools({ temporal: true, kafka: true })]);
const fast = await runFiles(await files('fast'), { concurrency: 2, timeoutMs: 120_000 });
const stack = await files('stack');
/** What measures an outage has the machine to itself. The others wait half of their time and go in pairs, long ones first. */
const measures = (file: string): boolean => /^test\/(demo\/main|scenarios\/outage)\./.test(file);
const isScenario = (file: string): boolean => file.startsWith('test/scenarios/');
const others = stack.filter((f) => !measures(f)).sort((a, b) => Number(isScenario(b)) - Number(isScenario(a)));
const pairs = await runFiles(others, { concurrency: 2, timeoutMs: 900_000 });
const whole = await runFiles(stack.filter(measures), { concurrency: 1, timeoutMs: 900_000 });
const failed = fast.failed + pairs.failed + whole.failed + steps.filter((s) => !s.ok).length;
const passed = fast.passed + pairs.passed + whole.passed + steps.filter((s) => s.ok).length;
console.log(`\ntook ${Math.round((performance.now() - from) / 1000)} s`);
console.log(`${passed} passed, ${failed} failed`);
process.exitCode = failed === 0 ? 0 : 1;
