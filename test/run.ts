/** `npm test`: the check, then every test on the real stack. Sets up what it needs by itself. */
import { ensureTools } from '../stack/tools.ts';
import { files, runFast, runFiles, type Counts } from './suite.ts';
import { staticSteps } from './steps.ts';

const from = performance.now();
const [steps] = await Promise.all([staticSteps(), ensureTools({ temporal: true, kafka: true })]);
const fast = await runFast(600_000);
console.log(`without a cluster: ${Math.round((performance.now() - from) / 1000)} s`);
const stack = await files('stack');
/** A demo's outages are timed: it runs alone, after the others. */
const isTimed = (file: string): boolean => file.startsWith('test/demo/main');
const isScenario = (file: string): boolean => file.startsWith('test/scenarios/');
/** The longest scenarios, so that what is left at the end is short. */
const longest = ['schemes', 'there-and-back', 'kill-worker'].map((name) => `test/scenarios/${name}.stack.test.ts`);
const waiting = {
  scenarios: [...longest, ...stack.filter((f) => isScenario(f) && !longest.includes(f))],
  parts: stack.filter((f) => !isScenario(f) && !isTimed(f)),
};

async function runFile(file: string, print: 'as it comes' | 'at the end'): Promise<Counts> {
  const sinceMs = performance.now();
  const counts = await runFiles([file], { concurrency: 1, timeoutMs: 900_000, print });
  console.log(`${file}: ${Math.round((performance.now() - sinceMs) / 1000)} s\n`);
  return counts;
}

/** Whole migrations under traffic use two thirds of two cores, the others half: one of each at a time, for as long as there are both. */
async function lane(next: () => string | undefined): Promise<readonly Counts[]> {
  const counts: Counts[] = [];
  for (let file = next(); file !== undefined; file = next()) counts.push(await runFile(file, 'at the end'));
  return counts;
}
const lanes = await Promise.all([
  lane(() => waiting.scenarios.shift() ?? waiting.parts.pop()),
  lane(() => waiting.parts.shift() ?? waiting.scenarios.pop()),
]);
const timed: Counts[] = [];
for (const file of stack.filter(isTimed)) timed.push(await runFile(file, 'as it comes'));
const all = [fast, ...lanes.flat(), ...timed];
const failed = all.reduce((sum, c) => sum + c.failed, steps.filter((s) => !s.ok).length);
const passed = all.reduce((sum, c) => sum + c.passed, steps.filter((s) => s.ok).length);
console.log(`\ntook ${Math.round((performance.now() - from) / 1000)} s`);
console.log(`${passed} passed, ${failed} failed`);
process.exitCode = failed === 0 ? 0 : 1;
