/** Series after series until every row has run or the time is over, on a stack that is replaced when a row broke it; then the faults alone that are missing. */
import { alone, aloneName, victimOf, type Alone } from './alone.ts';
import { applications, openHouse, rateOf, type House } from './cast.ts';
import { circumstances, codeHash, controlFrom, withAlone, withRow, type Data } from './data.ts';
import { faultNames, isOfApplication } from './faults.ts';
import { controlOf, enoughControls, verdictOf } from './judge.ts';
import { isOfReaders, rowName, type Row } from './rows.ts';
import { series, type Choices as SeriesChoices, type Ended } from './series.ts';

export interface Choices {
  readonly rows: readonly Row[];
  readonly seed: number;
  readonly untilMs: number;
  /** Strikes between two holds. */
  readonly strikes: number;
  /** Stacks at work side by side, each with faults of its own. */
  readonly stacks: number;
  /** Migrations side by side on each of them, struck at once. */
  readonly migrations: number;
  /** Which of those that ran before are left out. */
  readonly skip: 'none' | 'this code' | 'any code';
  /** The faults alone, so many times each, instead of rows. */
  readonly alone: { readonly runs: number; readonly names: readonly string[] } | null;
  readonly data: () => Data;
  readonly keep: (data: Data) => Promise<void>;
  readonly line: (e: Ended, ordersPerSecond: number) => string;
  readonly say: (line: string) => void;
}
/** Rows of one series: what its applications noted is kept in memory. */
const rowsASeries = 60;
const mostBroken = 3;
/** Of the time there is; the rest is for the faults alone. */
const shareOfRows = 0.9;

export async function measure(x: Choices): Promise<void> {
  const code = codeHash();
  const ran = new Set(x.data().rows.filter((k) => k.played !== null && (x.skip === 'any code' || k.code === code)).map(rowName));
  const rows = x.skip === 'none' ? x.rows : x.rows.filter((r) => !ran.has(rowName(r)));
  x.say(`${x.rows.length} rows, ${x.rows.length - rows.length} of them ran before; seed ${x.seed}, code ${code}`);
  const startedMs = Date.now();
  const untilMs = startedMs + (x.untilMs - startedMs) * shareOfRows;
  const saying = (i: number) => (text: string): void => { x.say(x.stacks === 1 ? text : `${i + 1}|${text}`); };
  if (x.alone === null) await Promise.all(partsOf(rows, x.stacks).map((part, i) => runRows({ ...x, untilMs, say: saying(i) }, part)));
  await runAlone(x, saying, x.alone === null ? wantedAlone(x.data()) : missingRuns(x.alone, x.data()));
  const { rows: all } = x.data();
  const verdicts = Map.groupBy(all.filter((k) => rows.some((r) => rowName(r) === rowName(k))), (k) => verdictOf(k, k.played, k.played && controlFrom(x.data(), controlOf(k, k.played), k.ordersPerSecond)));
  x.say(['passed', 'failed', 'open', 'unknown'].map((v) => `${verdicts.get(v as 'passed')?.length ?? 0} ${v}`).join(', '));
  if ((verdicts.get('failed')?.length ?? 0) > 0) process.exitCode = 1;
}

/** Each stack gets its own faults, about as many rows as the others: what strikes there plays all rows that it can. In the order they came. */
export function partsOf(rows: readonly Row[], stacks: number): readonly (readonly Row[])[] {
  const parts = Array.from({ length: stacks }, () => ({ faults: new Set<Row['fault']>(), rows: 0 }));
  const dealt = [...Map.groupBy(rows, (r) => r.fault)].sort(([, a], [, b]) => b.length - a.length);
  for (const [fault, { length }] of dealt) {
    const least = parts.reduce((a, b) => (b.rows < a.rows ? b : a));
    least.faults.add(fault);
    least.rows += length;
  }
  return parts.map(({ faults }) => rows.filter((r) => faults.has(r.fault)));
}

/** On a stack of its own, series after series. */
async function runRows(x: Choices, rows: readonly Row[]): Promise<void> {
  const about = circumstances(x.seed);
  const left = new Map(rows.map((r) => [rowName(r), r]));
  const startedMs = Date.now();
  const single = new Set(rows.filter((r) => isOfReaders(r, x.seed)).map(rowName));
  const ordersPerSecond = rateOf(x.migrations, x.stacks);
  let broken = 0;
  const turns = new Map<Row['scheme'], number>();
  await using houses = new Houses(x.stacks);
  while (left.size > 0 && Date.now() < x.untilMs && broken < mostBroken) {
    const { schemes, rows: next, share } = nextOf([...left.values()], turns, x.migrations);
    for (const scheme of new Set(schemes)) turns.set(scheme, (turns.get(scheme) ?? 0) + 1);
    x.say(`${next.length} rows of ${schemes.join(', ')}`);
    const ended = async (e: Ended): Promise<void> => {
      left.delete(rowName(e.row));
      await x.keep(withRow(x.data(), e, { ...about(), ordersPerSecond }));
      const done = rows.length - left.size;
      x.say(`${x.line(e, ordersPerSecond)}\n  ${done} of ${rows.length} rows, ${eta(startedMs, done, left.size)}`);
    };
    try {
      await series(await houses.open(), {
        schemes, rows: next, seed: x.seed, ...knownOf(x.data(), ordersPerSecond), untilMs: Date.now() + (x.untilMs - Date.now()) * share, most: rowsASeries, strikes: x.strikes, single, ended, say: x.say,
        closing: () => (Date.now() < x.untilMs ? 'roll back' : 'leave'),
      });
      broken = 0;
    } catch (e) {
      broken++;
      x.say(`The stack is given up: ${e instanceof Error ? e.message : String(e)}`);
      await houses.close();
    }
  }
}

/**
 * For each of so many migrations side by side a scheme with rows left: those that had the fewest turns, of these those with most rows.
 * Where there are fewer schemes, several migrations share the rows of one. `share`: of the time that is left, for them.
 */
export function nextOf(left: readonly Row[], turns: ReadonlyMap<Row['scheme'], number>, migrations: number): { readonly schemes: readonly Row['scheme'][]; readonly rows: readonly Row[]; readonly share: number } {
  const of = Map.groupBy(left, (r) => r.scheme);
  const had = (scheme: Row['scheme']): number => turns.get(scheme) ?? 0;
  const waiting = [...of.keys()].sort((a, b) => had(a) - had(b) || (of.get(b)?.length ?? 0) - (of.get(a)?.length ?? 0));
  const chosen = waiting.slice(0, migrations);
  const schemes = [...chosen];
  const rowsEach = (s: Row['scheme']): number => (of.get(s)?.length ?? 0) / (schemes.filter((o) => o === s).length + 1);
  while (schemes.length < migrations) schemes.push(chosen.reduce((most, s) => (rowsEach(s) > rowsEach(most) ? s : most)));
  const [first] = chosen;
  const sameTurn = waiting.filter((s) => first !== undefined && had(s) === had(first)).length;
  return { schemes, rows: chosen.flatMap((s) => of.get(s) ?? []), share: Math.min(1, chosen.length / sameTurn) };
}

/** What the faults alone did so far. */
function knownOf(data: Data, ordersPerSecond: number): Pick<SeriesChoices, 'repeating' | 'quiet' | 'alone'> {
  const repeats = new Set(data.alone.filter((a) => a.tally.duplicated > 0).map((a) => a.name));
  return {
    // A reader that could not commit reads again: with a broker it is chance whether it does.
    repeating: new Set(faultNames.filter((f) => f.endsWith('broker') || (!isOfApplication(f) && repeats.has(aloneName(f, victimOf(f)))))),
    quiet: (fault) => applications.filter((a) => data.alone.some((run) => run.name === aloneName(fault, a)) && !repeats.has(aloneName(fault, a))),
    alone: (fault, struck) => controlFrom(data, controlOf({ fault }, { struck }), ordersPerSecond),
  };
}

const eta = (startedMs: number, done: number, left: number): string => {
  const each = (Date.now() - startedMs) / Math.max(1, done);
  return `${Math.round(each / 1_000)} s each, ${left === 0 ? 'done' : `about ${Math.ceil((each * left) / 60_000)} min to go`}`;
};

/** Behind rows that repeated more than is known of the fault alone; once each for all others that were struck. */
function wantedAlone(data: Data): readonly string[] {
  const wanted = data.rows.flatMap((k) => {
    const name = k.played && controlOf(k, k.played);
    const control = controlFrom(data, name, k.ordersPerSecond);
    if (!name || !k.played) return [];
    const missing = control === null ? 1 : 0;
    return Array.from({ length: verdictOf(k, k.played, control) === 'open' ? enoughControls - (control?.runs ?? 0) : missing }, (_, n) => ({ name, n }));
  });
  return [...new Map(wanted.map((w) => [`${w.name} ${w.n}`, w.name])).values()].sort();
}

/** Each name as often as runs of it are missing. */
const missingRuns = ({ runs, names }: NonNullable<Choices['alone']>, data: Data): readonly string[] =>
  Array.from({ length: runs }, (_, n) => names.filter((name) => data.alone.filter((a) => a.name === name).length <= n)).flat();

/** On as many stacks as the rows: what a fault does depends on how busy the machine is. */
async function runAlone(x: Choices, saying: (stack: number) => Choices['say'], names: readonly string[]): Promise<void> {
  if (names.length === 0 || Date.now() > x.untilMs) return;
  const about = circumstances(x.seed);
  const strikes = [...Map.groupBy(names, (name) => name).values()].flatMap((same) => same.slice(0, Math.ceil(same.length / x.migrations)));
  const stacks = Math.min(x.stacks, strikes.length);
  const ordersPerSecond = rateOf(x.migrations, stacks);
  x.say(`The faults alone: ${strikes.length * x.migrations} runs, ${x.migrations * stacks} at once`);
  await Promise.all(Array.from({ length: stacks }, async (_, stack) => {
    await using houses = new Houses(stacks);
    await alone(await houses.open(), {
      names: strikes.filter((_name, n) => n % stacks === stack), migrations: x.migrations, seed: x.seed + x.data().alone.length + stack, untilMs: x.untilMs,
      ended: async (a: Alone) => {
        await x.keep(withAlone(x.data(), a, { ...about(), ordersPerSecond }));
        saying(stack)(`  ${a.name}: ${a.tally.lost}/${a.tally.duplicated}/${a.tally.reordered}, longest write outage ${(a.tally.writeOutageMs / 1_000).toFixed(1)} s`);
      },
    });
  }));
}

class Houses implements AsyncDisposable {
  readonly #stacks: number;
  #house: House | null = null;
  constructor(stacks: number) { this.#stacks = stacks; }
  async open(): Promise<House> { return (this.#house ??= await openHouse({ stacks: this.#stacks })); }
  async close(): Promise<void> {
    const house = this.#house;
    this.#house = null;
    await house?.close();
  }
  [Symbol.asyncDispose](): Promise<void> { return this.close(); }
}
