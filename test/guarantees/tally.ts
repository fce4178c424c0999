/** What became of every record of a row, from the journals of the applications alone. */
import { countDuty, type Duty, type DutyCount } from '../../demo/books.ts';
import { journalFiles, readJournal, type Line, type Run } from '../../demo/journal.ts';

type Acked = Line & { readonly is: 'acked' };
type Consumed = Line & { readonly is: 'consumed' };
interface Written { readonly run: Run; readonly lines: readonly Line[] }

/** A topic's readers, and the topic by whose acknowledgements they are measured. */
export interface Owed extends Duty { readonly measuredBy: string }
export interface Tally {
  readonly acknowledged: number;
  readonly lost: number;
  readonly duplicated: number;
  readonly reordered: number;
  readonly duties: readonly DutyCount[];
  /** The longest time in which one writer got nothing acknowledged, ms. */
  readonly writeOutageMs: number;
}

async function journals(folder: string): Promise<readonly Written[]> {
  const all = await Promise.all((await journalFiles(folder)).map(readJournal));
  return all.flatMap(({ run, lines }) => (run === null ? [] : [{ run, lines }])).sort((a, b) => a.run.atMs - b.run.atMs);
}
const ackedOf = (all: readonly Written[], topic: string): readonly Acked[] =>
  all.flatMap((w) => w.lines).filter((l): l is Acked => l.is === 'acked' && l.topic === topic);
const consumedOf = (all: readonly Written[], d: Duty): readonly Consumed[] =>
  all.flatMap((w) => w.lines).filter((l): l is Consumed => l.is === 'consumed' && l.group === d.group && l.topic === d.topic).sort((a, b) => a.atMs - b.atMs);

export async function tally(folder: string, owed: readonly Owed[]): Promise<Tally> {
  const all = await journals(folder);
  const duties = owed.map((d) => countDuty({ group: d.group, topic: d.topic }, ackedOf(all, d.measuredBy), consumedOf(all, d)));
  const sum = (of: (d: DutyCount) => number): number => duties.reduce((n, d) => n + of(d), 0);
  return {
    acknowledged: owed[0] === undefined ? 0 : ackedOf(all, owed[0].measuredBy).length,
    lost: sum((d) => d.lost), duplicated: sum((d) => d.duplicated), reordered: sum((d) => d.reordered), duties,
    writeOutageMs: longestSilence(all),
  };
}

function longestSilence(all: readonly Written[]): number {
  const acks = Map.groupBy(all.flatMap(({ run, lines }) => lines.filter((l) => l.is === 'acked').map(({ atMs }) => ({ who: `${run.application} ${run.instance}`, atMs }))), (a) => a.who);
  return [...acks.values()].reduce((most, of) => {
    const times = of.map((a) => a.atMs).sort((a, b) => a - b);
    return times.slice(1).reduce((m, at, i) => Math.max(m, at - (times[i] ?? at)), most);
  }, 0);
}
