/** Runs rows on a stack that is replaced when a row broke it, each beside its control, and judges them. */
import { applications, openHouse, type Application, type House } from './cast.ts';
import type { Struck } from './faults.ts';
import { control, play, type Played } from './play.ts';
import { chanceOf, rowName, type Chance, type Row } from './rows.ts';
import type { SetName } from './moments.ts';
import type { Tally } from './tally.ts';

/** `passed`: 0 lost, 0 out of order, repeats at most as the fault alone causes, all where they belong. `unknown`: it could not be played to its end. */
export interface Result extends Row {
  readonly set: SetName;
  readonly leadMs: Chance['leadMs'];
  readonly seed: number;
  readonly verdict: 'passed' | 'failed' | 'unknown';
  readonly why: string;
  readonly played: Played | null;
  /** The most the same fault repeated without a migration, over that many runs. */
  readonly control: { readonly runs: number; readonly duplicated: number; readonly lost: number; readonly reordered: number; readonly writeOutageMs: number } | null;
}
export interface Choices {
  readonly seed: number;
  readonly set?: SetName;
  /** `when needed`: only behind a row that repeated something. */
  readonly controls: 'always' | 'when needed';
  readonly say: (line: string) => void;
}
/** How often the fault alone is tried before repeats count as the migration's: how many there are is chance. */
const mostControls = 4;

export class Table implements AsyncDisposable {
  readonly #x: Choices;
  #house: House | null = null;
  readonly #controls = new Map<string, Tally[]>();
  constructor(x: Choices) {
    this.#x = x;
  }

  async run(row: Row): Promise<Result> {
    const chance = chanceOf(row, this.#x.seed, this.#x.set);
    const about = { ...row, set: chance.set, leadMs: chance.leadMs, seed: this.#x.seed };
    this.#x.say(`${rowName(row)} (${chance.set}, ${chance.leadMs === null ? 'just before the step' : `${chance.leadMs} ms into it`}) …`);
    let played: Played | null = null;
    try {
      played = await play(await this.#open(), row, chance);
      const controls = await this.#without(row, played);
      const faults = faultsOf(played, controls);
      return { ...about, verdict: faults.length === 0 ? 'passed' : 'failed', why: faults.join('; '), played, control: most(controls) };
    } catch (e) {
      await this.#close();
      return { ...about, verdict: 'unknown', why: e instanceof Error ? e.message : String(e), played, control: null };
    }
  }

  async #open(): Promise<House> {
    return (this.#house ??= await openHouse());
  }
  async #close(): Promise<void> {
    const house = this.#house;
    this.#house = null;
    await house?.close();
  }
  [Symbol.asyncDispose](): Promise<void> {
    return this.#close();
  }

  async #without(row: Row, { struck, tally }: Played): Promise<readonly Tally[]> {
    const key = `${row.fault.split(' ')[0] ?? ''} ${struck.endsWith('broker') ? 'broker' : struck}`;
    const ran = this.#controls.get(key) ?? [];
    this.#controls.set(key, ran);
    if (struck === 'nobody') return ran;
    const least = this.#x.controls === 'always' ? 1 : 0;
    while (ran.length < least || (ran.length < mostControls && ran.every((c) => c.duplicated < tally.duplicated))) {
      if (ran.length >= least && tally.duplicated === 0) break;
      this.#x.say(`  the same without a migration (${key}), run ${ran.length + 1} …`);
      ran.push(await control(await this.#open(), row.fault, { seed: this.#x.seed + ran.length, application: applicationOf(struck) }));
    }
    return ran;
  }
}

const applicationOf = (struck: Struck): Application | null => applications.find((a) => a === struck) ?? null;

function most(controls: readonly Tally[]): Result['control'] {
  const of = (f: (t: Tally) => number): number => Math.max(0, ...controls.map(f));
  return controls.length === 0 ? null : { runs: controls.length, duplicated: of((t) => t.duplicated), lost: of((t) => t.lost), reordered: of((t) => t.reordered), writeOutageMs: of((t) => t.writeOutageMs) };
}

export function faultsOf({ tally, outcome, why, misplaced }: Pick<Played, 'tally' | 'outcome' | 'why' | 'misplaced'>, controls: readonly Tally[]): readonly string[] {
  const alone = most(controls)?.duplicated ?? 0;
  return [
    ...(tally.lost > 0 ? [`${tally.lost} lost`] : []),
    ...(tally.duplicated > alone ? [`${tally.duplicated} repeated, ${alone} by the fault alone`] : []),
    ...(tally.reordered > 0 ? [`${tally.reordered} out of order`] : []),
    ...(outcome === 'failed' ? [`the migration failed: ${why}`] : []),
    ...misplaced,
  ];
}
