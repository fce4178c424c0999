/** `npm run guarantees`: what becomes of every record when something fails at a step of a cutover. A row is one migration on the real stack. */
import { parseArgs } from 'node:util';
import { line, write } from './report.ts';
import { faultNames } from './faults.ts';
import { momentNames, type SetName } from './moments.ts';
import { chosen, sample, schemeNames, ways, type Row } from './rows.ts';
import { Table, type Result } from './table.ts';

const usage = `npm run guarantees [-- options]      all rows, or those that all of these name:
  --scheme NAME   ${schemeNames.join(', ')}
  --way NAME      ${ways.join(', ')}
  --step NAME     ${momentNames.join(', ')}
  --fault NAME    ${faultNames.join(', ')}
  --set NAME      orders or enriched: whose outage is struck (default: drawn)
  --sample N      only N of them, at random
  --seed S        repeats what was drawn (default: by the clock; printed)
  --list          says which rows these are, and runs none
  --write         docs/guarantees.md and .json: these rows beside those that ran before
  --json          last line: one JSON object`;

const text = { type: 'string' } as const;
const flag = { type: 'boolean', default: false } as const;
const { values } = parseArgs({ options: { scheme: text, way: text, step: text, fault: text, set: text, sample: text, seed: text, list: flag, write: flag, json: flag, help: flag } });

function oneOf(name: 'scheme' | 'way' | 'step' | 'fault' | 'set', known: readonly string[]): void {
  const value = values[name];
  if (value !== undefined && !known.includes(value)) throw new Error(`--${name} is ${value}; wanted one of ${known.join(', ')}.`);
}
function whole(name: 'sample' | 'seed', otherwise: number): number {
  const n = Number(values[name] ?? otherwise);
  if (!Number.isSafeInteger(n) || n < 0) throw new Error(`--${name} is ${values[name] ?? ''}; wanted a whole number.`);
  return n;
}

function rowsWanted(seed: number): readonly Row[] {
  oneOf('scheme', schemeNames);
  oneOf('way', ways);
  oneOf('step', momentNames);
  oneOf('fault', faultNames);
  oneOf('set', ['orders', 'enriched']);
  const { scheme, way, step, fault } = values;
  const rows = chosen({ ...(scheme === undefined ? {} : { scheme }), ...(way === undefined ? {} : { way }), ...(step === undefined ? {} : { step }), ...(fault === undefined ? {} : { fault }) });
  if (rows.length === 0) throw new Error('There is no such row: this scheme has no such step that way.');
  return values.sample === undefined ? rows : sample(rows, whole('sample', 0), seed);
}

const say = (said: string): void => { (values.json ? process.stderr : process.stdout).write(`${said}\n`); };

async function run(): Promise<readonly Result[]> {
  const seed = whole('seed', Date.now() % 1_000_000);
  const rows = rowsWanted(seed);
  say(`${rows.length} rows, seed ${seed}`);
  const results: Result[] = [];
  if (values.list) { for (const r of rows) say(`  ${r.scheme} · ${r.way} · ${r.moment} · ${r.fault}`); return results; }
  await using table = new Table({ seed, controls: 'always', say, ...(values.set === undefined ? {} : { set: values.set as SetName }) });
  for (const row of rows) {
    const result = await table.run(row);
    results.push(result);
    say(line(result));
    // After each row: what was found is kept, however the next one ends.
    if (values.write) await write([result]);
  }
  return results;
}

if (values.help) { console.log(usage); process.exit(0); }
try {
  const results = await run();
  const count = (verdict: Result['verdict']): number => results.filter((r) => r.verdict === verdict).length;
  say(`${count('passed')} passed, ${count('failed')} failed, ${count('unknown')} unknown`);
  if (values.json) console.log(JSON.stringify({ rows: results }));
  process.exitCode = results.every((r) => r.verdict === 'passed') ? 0 : 1;
} catch (e) {
  console.error(e instanceof Error ? e.message : String(e));
  process.exitCode = 1;
}
