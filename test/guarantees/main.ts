/** `npm run guarantees`: what becomes of every record when something fails at a step of a cutover, on the real stack, under live traffic. */
import { parseArgs } from 'node:util';
import { aloneNames } from './alone.ts';
import { read } from './data.ts';
import { faultNames } from './faults.ts';
import { line, write } from './report.ts';
import { allRows, chosen, noFault, noStep, rowName, schemeNames, spread, ways, type Row } from './rows.ts';
import { measure } from './measure.ts';

const usage = `npm run guarantees [-- options]      all rows, or those that all of these name:
  --scheme NAME   ${schemeNames.join(', ')}
  --way NAME      ${ways.join(', ')}
  --step NAME     as the tables of docs/guarantees.md name it, or ${noStep}
  --fault NAME    ${faultNames.join(', ')}, ${noFault}; may be given several times
  --sample N      only N of them, at random
  --seed S        repeats what was drawn (default: by the clock; printed)
  --minutes M     no further strike after that time; it is shared out among the schemes, and begins with
                  every fault once on every way, at steps that chance draws
  --strikes N     faults one after the other between two holds (default 4): what all of them did not do none
                  did; where they did anything, each strikes by itself
  --stacks N      stacks at work side by side, each with faults of its own; they share the
                  machine and the orders a second (default 1)
  --migrations N  migrations side by side on each stack, of as many schemes as have rows; a strike is at a step
                  of each of them (default 1)
  --again         also what ran with this very code; without it such rows are left out
  --fill          leaves out what ran with any code
  --alone N       the faults alone (or those of --fault, which may be one application's: "kill audit") until each ran
                  N times, instead of rows
  --list          says which rows these are, and runs none
  --dry           writes nothing; without it docs/guarantees.md and .json get each row as it ends`;

const text = { type: 'string' } as const;
const flag = { type: 'boolean', default: false } as const;
const { values } = parseArgs({ options: { scheme: text, way: text, step: text, fault: { type: 'string', multiple: true }, sample: text, seed: text, minutes: text, strikes: text, stacks: text, migrations: text, alone: text, again: flag, fill: flag, list: flag, dry: flag, help: flag } });

function oneOf(name: 'scheme' | 'way' | 'step' | 'fault', known: readonly string[]): void {
  const wrong = [values[name] ?? []].flat().filter((value) => !known.includes(value));
  if (wrong.length > 0) throw new Error(`--${name} is ${wrong.join(', ')}; wanted one of ${known.join(', ')}.`);
}
function whole(name: 'sample' | 'seed' | 'minutes' | 'strikes' | 'stacks' | 'migrations' | 'alone', otherwise: number): number {
  const n = Number(values[name] ?? otherwise);
  if (!Number.isSafeInteger(n) || n < 0) throw new Error(`--${name} is ${values[name] ?? ''}; wanted a whole number.`);
  return n;
}

function rowsWanted(seed: number): readonly Row[] {
  oneOf('scheme', schemeNames);
  oneOf('way', ways);
  oneOf('step', [...new Set(allRows.map((r) => r.step))]);
  oneOf('fault', [...new Set([...faultNames, ...(values.alone === undefined ? [noFault] : aloneNames())])]);
  if (values.alone !== undefined) return [];
  const { scheme, way, step, fault: faults } = values;
  const rows = chosen({ ...(scheme === undefined ? {} : { scheme }), ...(way === undefined ? {} : { way }), ...(step === undefined ? {} : { step }), ...(faults === undefined ? {} : { faults }) });
  if (rows.length === 0) throw new Error('There is no such row: this scheme has no such step that way.');
  return spread(rows, seed).slice(0, whole('sample', rows.length));
}

async function run(): Promise<void> {
  const seed = whole('seed', Date.now() % 1_000_000);
  let data = await read();
  const rows = rowsWanted(seed);
  if (values.list) {
    console.log(`${rows.length} rows, seed ${seed}`);
    for (const r of rows) console.log(`  ${rowName(r)}${data.rows.some((k) => rowName(k) === rowName(r)) ? '  (ran)' : ''}`);
    return;
  }
  let written: Promise<void> = Promise.resolve();
  // One after the other: rows of several stacks may end together.
  const keep = (next: typeof data): Promise<void> => { data = next; return (written = written.then(() => (values.dry ? undefined : write(data)))); };
  await measure({
    rows, seed, strikes: Math.max(1, whole('strikes', 4)), stacks: Math.max(1, whole('stacks', 1)), migrations: Math.max(1, whole('migrations', 1)), data: () => data, keep, say: (said) => { console.log(said); }, line: (e, rate) => line(e, data, rate),
    untilMs: Date.now() + whole('minutes', 24 * 60) * 60_000, skip: values.again ? 'none' : values.fill ? 'any code' : 'this code',
    alone: values.alone === undefined ? null : { runs: whole('alone', 0), names: aloneNames(values.fault) },
  });
}

if (values.help) { console.log(usage); process.exit(0); }
try {
  await run();
} catch (e) {
  console.error(e instanceof Error ? e.message : String(e));
  process.exitCode = 1;
}
