/** `npm test`: the check, then every test on the real stack. Sets up what it needs by itself. */
import { ensureTools } from '../stack/tools.ts';
import { files, printFailures, runFast, runFiles, type Counts } from './suite.ts';
import { staticSteps } from './steps.ts';
import { inOrder } from './together.ts';

const from = performance.now();
const [steps] = await Promise.all([staticSteps(), ensureTools({ temporal: true, kafka: true })]);
const fast = await runFast(600_000);
console.log(`without a cluster: ${Math.round((performance.now() - from) / 1000)} s`);

/** Runs as one process. */
interface Unit { readonly name: string; readonly files: readonly string[]; readonly minutes: number }
const scenario = (name: string): string => `test/scenarios/${name}.stack.test.ts`;
/** One process is one stack for all of them (`test/scenarios/lent.ts`); those that leave their groups in disorder come last. */
const sharing: readonly Unit[] = [
  { name: 'scenarios', files: ['schemes', 'apart', 'there-and-back', 'blue-green', 'undrained', 'estate', 'kill-worker', 'outage', 'dead-target'].map(scenario), minutes: 25 },
  { name: 'scenarios with logins', files: [...['secrets', 'rehearse'].map(scenario), 'test/guarantees/sample.stack.test.ts'], minutes: 20 },
];
const stack = await files('stack');
/** A demo's outages are timed: it runs alone, after the others. */
const isTimed = (file: string): boolean => file.startsWith('test/demo/main');
const alone = stack.filter((file) => !sharing.some((u) => u.files.includes(file))).map((file): Unit => ({ name: file, files: [file], minutes: 15 }));
const waiting = { scenarios: [...sharing], parts: alone.filter((u) => !isTimed(u.name)) };

async function runUnit({ name, files: names, minutes }: Unit, print: 'as it comes' | 'at the end'): Promise<Counts> {
  const sinceMs = performance.now();
  using pile = inOrder(names);
  const counts = await runFiles(names.length === 1 ? names : [pile.file], { concurrency: 1, timeoutMs: minutes * 60_000, print });
  console.log(`${name}: ${Math.round((performance.now() - sinceMs) / 1000)} s\n`);
  return counts;
}

/** Whole migrations under traffic use two thirds of two cores, the others half: one of each at a time, for as long as there are both. */
async function lane(next: () => Unit | undefined): Promise<readonly Counts[]> {
  const counts: Counts[] = [];
  for (let unit = next(); unit !== undefined; unit = next()) counts.push(await runUnit(unit, 'at the end'));
  return counts;
}
const lanes = await Promise.all([
  lane(() => waiting.scenarios.shift() ?? waiting.parts.pop()),
  lane(() => waiting.parts.shift() ?? waiting.scenarios.pop()),
]);
const timed: Counts[] = [];
for (const unit of alone.filter((u) => isTimed(u.name))) timed.push(await runUnit(unit, 'as it comes'));
const all = [fast, ...lanes.flat(), ...timed];
const failed = all.reduce((sum, c) => sum + c.failed, steps.filter((s) => !s.ok).length);
const passed = all.reduce((sum, c) => sum + c.passed, steps.filter((s) => s.ok).length);
printFailures([...steps.filter((s) => !s.ok).map((s) => `  ${s.name}`), ...all.flatMap((c) => c.failures)]);
console.log(`\ntook ${Math.round((performance.now() - from) / 1000)} s`);
console.log(`${passed} passed, ${failed} failed`);
process.exitCode = failed === 0 ? 0 : 1;
