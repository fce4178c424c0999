/**
 * A compacted partition: keys by their last value, the tail record by record. The log cleaners of both clusters work
 * meanwhile, and what one of them has taken looks like a difference, or like an end that cannot be decided yet. So both are
 * withheld until a look has found them during which no record was taken away.
 */
import { compareKeys, type ByKey } from '../../../domain/diff/compacted.ts';
import { copiedUpTo } from '../../../domain/diff/copied.ts';
import { differing, type Difference, type Places } from '../../../domain/diff/difference.ts';
import type { PartitionAsk, PartitionEnd, PartitionReport } from '../../../domain/diff/port.ts';
import { tpKey } from '../../../domain/ports.ts';
import type { Half } from '../../../domain/positions.ts';
import { betweenOf, inOrder } from './inorder.ts';
import { keyedRecords, recordsIn } from './keyed.ts';
import type { Pace, Sides } from './pair.ts';

/** With a cleaner at work all the time, what the last look found is said: too much rather than nothing. */
const mostLooks = 4;

type Told = (report: PartitionReport) => void;

/** What an earlier call settled is believed only while nothing differs. Else all is compared anew, and the report with a beginning takes the place of all before. */
export async function byKey(sides: Sides, ask: PartitionAsk, pace: Pace, told: Told): Promise<PartitionEnd> {
  if (ask.state !== null && differing(ask.state.counts) === 0) {
    const doubts = new Withheld(told);
    const end = await inOrder(sides, ask, pace, { state: ask.state, list: ask.list, told: doubts.hear });
    if (!doubts.any && end.decided === 'all') return end;
  }
  let before: Counted | null = null;
  for (let looks = 1, { starts } = ask; ; looks += 1) {
    const found = await look(sides, { ...ask, starts }, pace, told);
    if (found === null) return { key: tpKey(ask), decided: 'undecided', state: null, hash: null };
    const sure = !found.doubts.any && found.end.decided === 'all';
    const now = sure || looks === mostLooks ? null : await counted(sides, ask, pace);
    if (now === null || (now.origin === before?.origin && now.copy === before.copy)) {
      found.doubts.believed();
      return found.end;
    }
    before = now;
    starts = { origin: await startNow(sides, 'origin', ask), copy: await startNow(sides, 'copy', ask) };
  }
}

/** `null`: how far the copy has come cannot be told yet. */
async function look(sides: Sides, ask: PartitionAsk, pace: Pace, told: Told): Promise<{ readonly end: PartitionEnd; readonly doubts: Withheld } | null> {
  const { topic, partition, starts, ends } = ask;
  const between = betweenOf(sides, ask, pace);
  const upTo = ask.horizon === 'closed' ? ends : await copiedUpTo({ starts, ends, between });
  if (upTo === null) return null;
  const by: ByKey = {
    where: `Partition ${tpKey(ask)}`, starts, ends: upTo, between, list: ask.list,
    keyed: (half, from, to, wanted) => keyedRecords(sides[half].wire, { topic, partition, from, to }, pace, wanted), top: (half) => sides[half].end(ask),
  };
  const keys = await compareKeys(by);
  const doubts = new Withheld(told);
  doubts.hear({ key: tpKey(ask), state: keys.state, fresh: keys.differences, beginning: keys.beginning });
  // Behind a mirror the copy's end decides how far the tail goes, record by record.
  const end = await inOrder(sides, { ...ask, ends: { origin: ends.origin, copy: upTo.copy } }, pace, { state: keys.state, list: ask.list - keys.differences.length, told: doubts.hear });
  return { end, doubts };
}

/** Passes reports on until something differs; from there on they are kept, as one. */
class Withheld {
  readonly #told: Told;
  readonly #fresh: Difference[] = [];
  #last: PartitionReport | null = null;
  #beginning: PartitionReport['beginning'] = null;

  constructor(told: Told) {
    this.#told = told;
  }
  get any(): boolean {
    return this.#last !== null;
  }
  readonly hear = (report: PartitionReport): void => {
    if (this.#last === null && differing(report.state.counts) === 0) {
      this.#told(report);
      return;
    }
    this.#fresh.push(...report.fresh);
    [this.#last, this.#beginning] = [report, this.#beginning ?? report.beginning];
  };
  believed(): void {
    if (this.#last !== null) this.#told({ ...this.#last, fresh: this.#fresh, beginning: this.#beginning });
  }
}

/** Visible records below the ends: a cleaner only ever makes them fewer. */
type Counted = Readonly<Record<Half, number>>;
async function counted(sides: Sides, ask: PartitionAsk, pace: Pace): Promise<Counted> {
  const one = (half: Half): Promise<number> => recordsIn(sides[half].wire, { topic: ask.topic, partition: ask.partition, from: ask.starts[half], to: ask.ends[half] }, pace);
  return { origin: await one('origin'), copy: await one('copy') };
}
/** Beside a cleaner, retention may be at work. */
async function startNow(sides: Sides, half: Half, { starts, ends, ...of }: PartitionAsk): Promise<Places[Half]> {
  const now = await sides[half].start(of);
  return now < starts[half] ? starts[half] : now > ends[half] ? ends[half] : now;
}
