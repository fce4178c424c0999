/** `npm test`: the check, then every test on the real stack. Sets up what it needs by itself. */
import { ensureTools } from '../stack/tools.ts';
import { files, runFast, runFiles, type Counts } from './suite.ts';
import { staticSteps } from './steps.ts';

const from = performance.now();
const [steps] = await Promise.all([staticSteps(), ensureTools({ temporal: true, kafka: true })]);
const fast = await runFast(600_000);
console.log(`without a cluster: ${Math.round((performance.now() - from) / 1000)} s`);
const stack = await files('stack');
// Whole migrations under traffic use two thirds of two cores, the others half: one of each at a time. The demo is timed, and runs alone.
const kindOf = (file: string): 'demo' | 'scenario' | 'part' => (file.startsWith('test/demo/main') ? 'demo' : file.startsWith('test/scenarios/') ? 'scenario' : 'part');
async function lane(kind: ReturnType<typeof kindOf>, print: 'as it comes' | 'at the end'): Promise<Counts> {
  const sinceMs = performance.now();
  const counts = await runFiles(stack.filter((f) => kindOf(f) === kind), { concurrency: 1, timeoutMs: 900_000, print });
  console.log(`${kind}: ${Math.round((performance.now() - sinceMs) / 1000)} s`);
  return counts;
}
const lanes = await Promise.all([lane('scenario', 'as it comes'), lane('part', 'at the end')]);
const all = [fast, ...lanes, await lane('demo', 'as it comes')];
const failed = all.reduce((sum, c) => sum + c.failed, steps.filter((s) => !s.ok).length);
const passed = all.reduce((sum, c) => sum + c.passed, steps.filter((s) => s.ok).length);
console.log(`\ntook ${Math.round((performance.now() - from) / 1000)} s`);
console.log(`${passed} passed, ${failed} failed`);
process.exitCode = failed === 0 ? 0 : 1;
