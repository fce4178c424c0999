/**
 * Migrations under live traffic, there and back again and again on one stack. Between two holds faults strike at their steps, at
 * those of all of them at once; before the next hold is answered what was struck is up again, and the books are closed: its rows.
 */
import type { OutageRecord, Progress, Question } from '../../src/domain/progress.ts';
import { applications, openCasts, type Application, type Cast, type House } from './cast.ts';
import { Broken, Company, peersIn, roundOf, rowsIn, type Round } from './company.ts';
import type { FaultName, Struck } from './faults.ts';
import { recovered } from './health.ts';
import type { Control } from './judge.ts';
import { plain, plainTally } from './naming.ts';
import { Operator, Stuck } from './operator.ts';
import { journeyOf, opens, placesUpToHold, turningPoint, type Journey, type Place, type Way } from './places.ts';
import { noFault, rowName, type Row } from './rows.ts';
import { Stretch } from './stretch.ts';
import { Strikes } from './strikes.ts';
import { momentOf, type Tally } from './tally.ts';

export interface Played {
  readonly struck: Struck | typeof noFault;
  /** The step as the plan names it. */
  readonly unit: string;
  readonly leadMs: number | null;
  /** It had been struck at a step before, so long before this one began, and was still down. Absent: it was struck at this one. */
  readonly sinceMs?: number;
  /** Strikes of that stretch, this one among them: what is counted is of all of them, the outages are those of its own time. Absent: one. */
  readonly together?: number;
  /** Other migrations on the same stack at that time. Absent: none. */
  readonly beside?: number;
  readonly tally: Tally;
  readonly outages: readonly Pick<OutageRecord, 'name' | 'outcome' | 'addedMs' | 'why'>[];
  /** Where the operator was asked for help, and answered `retry`. */
  readonly retried: readonly string[];
  /** Applications that their own service manager had to kill because they did not stop in time: what they had not committed is read again. */
  readonly forced: readonly string[];
  /** Whoever is not where he should be, at a moment at which that is known. */
  readonly misplaced: readonly string[];
  readonly tookMs: number;
}
/** `played`: `null` where nothing is known of the row, and why. */
export interface Ended { readonly row: Row; readonly played: Played | null; readonly why: string }
export interface Choices {
  /** Of the migrations side by side, and the rows that are wanted of them. */
  readonly schemes: readonly Row['scheme'][];
  readonly rows: readonly Row[];
  /** Faults that let somebody read again without any migration, and the most that a fault did alone. */
  readonly repeating: ReadonlySet<FaultName>;
  /** Applications of which such a fault lets nobody read again. */
  readonly quiet: (fault: FaultName) => readonly Application[];
  readonly alone: (fault: FaultName, struck: Struck) => Control | null;
  readonly seed: number;
  /** No further strike from then on, once so many rows (default 0) were played. */
  readonly untilMs: number;
  readonly least?: number;
  /** A new series, with new topics, behind so many rows of each migration: the journals are kept in memory. */
  readonly most: number;
  /** Strikes between two holds, one after the other. */
  readonly strikes: number;
  /** Names of rows that are struck by themselves; those are added of which nobody could say which did it. */
  readonly single: Set<string>;
  /** What to do with the migrations then: `leave` where the whole stack goes anyway. */
  readonly closing: () => 'roll back' | 'leave';
  readonly ended: (e: Ended) => Promise<void>;
  readonly say: (line: string) => void;
}
/** What those of a company have in common. `hit`: rows that were, until the books of it are closed. `inVain`: how often rows were wished for that were not hit. */
interface Common { readonly company: Company; readonly strikes: Strikes; readonly left: Map<string, Row>; readonly hit: Set<Row>; readonly inVain: Map<string, number>; told: number }
/** For applications to come up before a step is tried again. */
const upWithinMs = 20_000;
/** Whose outage was undone begins it anew together with the others: the next strike hits all of them again. */
const rallyWithinMs = 20_000;

/** Rows that were not reached are not told of. Throws what ended the series early, after telling of the row it was at. */
export async function series(house: House, x: Choices): Promise<void> {
  await using resources = new AsyncDisposableStack();
  const casts = await openCasts(house, resources, x.schemes.map((scheme) => ({ second: scheme === 'blueGreen' })));
  const common: Common = { company: new Company(casts.length), strikes: new Strikes(casts.length), left: new Map(x.rows.map((r) => [rowName(r), r])), hit: new Set(), inVain: new Map(), told: 0 };
  const all = x.schemes.flatMap((scheme, member) => { const cast = casts[member]; return cast ? [new Series({ cast, scheme, member, common }, x)] : []; });
  await together(all, common.company, (one) => one.play());
  if (x.closing() === 'roll back') await together(all, common.company, (one) => one.close());
}

/** All of them to their end, or to where the first one failed. */
async function together(all: readonly Series[], company: Company, what: (one: Series) => Promise<void>): Promise<void> {
  const ends = await Promise.allSettled(all.map(async (one) => {
    try {
      await what(one);
    } catch (e) {
      const error = e instanceof Error ? e : new Error(String(e));
      company.break(error);
      await one.failed(error);
      throw error;
    }
  }));
  const failures = ends.flatMap((e) => (e.status === 'rejected' ? [e.reason as Error] : []));
  const first = failures.find((e) => !(e instanceof Broken)) ?? failures[0];
  if (first) throw first;
}

/** Up to the next hold; `wishes`: what could be played there, in the order of wish. */
interface Next { readonly way: Way; readonly places: readonly Place[]; readonly wishes: readonly Row[] }
interface Seat { readonly cast: Cast; readonly scheme: Row['scheme']; readonly member: number; readonly common: Common }
class Series {
  readonly #cast: Cast;
  readonly #scheme: Row['scheme'];
  readonly #member: number;
  readonly #common: Common;
  readonly #x: Choices;
  readonly #journey: Journey;
  /** How often somebody was to be struck at a step of a row, and nobody ran. */
  readonly #missed = new Map<string, number>();
  readonly #operator: Operator;
  #stretch: Stretch | null = null;
  #from = momentOf(Date.now());
  #done = false;
  constructor({ cast, scheme, member, common }: Seat, x: Choices) {
    this.#cast = cast;
    this.#scheme = scheme;
    this.#member = member;
    this.#common = common;
    this.#x = x;
    this.#operator = new Operator(cast, common.company);
    this.#journey = journeyOf(scheme, cast.input(scheme));
  }

  get #over(): boolean {
    const { told, company, left } = this.#common;
    return left.size === 0 || (Date.now() > this.#x.untilMs && told >= (this.#x.least ?? 0)) || told >= this.#x.most * company.size;
  }

  async play(): Promise<void> {
    await this.#operator.start(this.#scheme);
    await this.#operator.attend({ answer: async (p, q) => this.#answer(p, q), over: () => this.#done, mendedMs: this.#mendedMs });
  }

  /** Back to the start, which counts once more everything that this series wrote. */
  async close(): Promise<void> {
    // A hold of the way forward may be asked once more before the signal is read: its approval would open or finish.
    const isBack = (q: Question): boolean => this.#journey.back.some((u) => u.name === q.name);
    const answer = async (_p: Progress, q: Question): Promise<boolean> => { await this.#operator.tell(q.kind !== 'hold' && q.kind !== 'parked' ? 'retry' : isBack(q) ? 'approve' : 'rollback', q); return false; };
    const end = await this.#operator.rollBack({ answer, mendedMs: this.#mendedMs });
    if (end.outcome !== 'rolled-back') throw new Error(`The series ended as ${end.outcome}: ${end.why}`);
    const t = this.#cast.accounts.between(momentOf(0), await recovered(this.#cast));
    this.#x.say(`  rolled back to the start; in all ${t.acknowledged} orders, ${t.lost} lost, ${t.duplicated} read again, ${t.reordered} out of order`);
    if (t.lost + t.duplicated + t.reordered > 0) this.#x.say([...t.duties.map((d) => `${d.group} on ${d.topic}: ${d.lost}/${d.duplicated}/${d.reordered}`), ...t.examples].map((said) => `    ${plain(this.#cast, said)}`).join('\n'));
  }

  readonly #mendedMs = (): number => this.#stretch?.mendedMs ?? 0;

  /** The row under way is of no use; what Cutover says of it is told. */
  async failed(e: Error): Promise<void> {
    const s = this.#stretch;
    s?.over();
    const rows = e instanceof Broken ? [] : s?.isPlain ? s.x.rows : s?.rows ?? [];
    const [only] = rows.length === 1 && (s?.struck ?? 0) <= 1 ? rows : [];
    const audit = e instanceof Broken ? [] : await this.#operator.audit();
    if (audit.length > 0) this.#x.say([`  ${this.#scheme} got no further: ${e.message}`, ...audit].map((said) => plain(this.#cast, said)).join('\n    '));
    if (only) await this.#x.ended({ row: only, played: null, why: [e.message, ...audit].join('\n') });
    // Which of several it was nobody can say.
    else for (const row of rows) this.#x.single.add(rowName(row));
    this.#stretch = null;
    this.#cast.gate.open();
  }

  /** `true`: a new stretch began. */
  async #answer(p: Progress, q: Question): Promise<boolean> {
    const atHold = q.kind === 'hold' || q.kind === 'parked';
    if (!atHold) {
      const said = plain(this.#cast, `${q.name}: ${q.text}`);
      if (this.#stretch?.retried.at(-1)?.said !== said) this.#stretch?.retried.push({ atMs: Date.now(), said });
      // Nobody stops applications again that have not come up yet.
      for (const name of applications) await this.#cast.supervisor.ready(this.#cast.named(name), upWithinMs).catch(() => undefined);
      await this.#rally(q);
      await this.#operator.tell('retry', q);
      return false;
    }
    if (this.#stretch?.x.opensAt !== q.name) {
      // Asked again of what the books said at that moment: by then it may be another question.
      await this.#turn(p, q);
      return true;
    }
    if (q.name.startsWith('finish/')) await this.#operator.tell('rollback', q, turningPoint(this.#journey, this.#wantsReaders()));
    else await this.#operator.tell(q.kind === 'parked' ? 'retry' : 'approve', q);
    return false;
  }

  /** With all others that are held up, once nothing is struck any more. */
  async #rally(q: Question): Promise<void> {
    const { company } = this.#common;
    const s = this.#stretch;
    if (!s) return;
    await s.x.strikes.calm().catch(() => undefined); // whoever struck tells of it
    await company.rally(this.#member, rallyWithinMs, () => {
      s.again(q.name);
      s.x.strikes.forget();
    });
    s.x.strikes.plan();
  }

  /** At a hold, with all others at one of theirs: the stretch behind us ends, and the next one begins. */
  async #turn(p: Progress, q: Question): Promise<void> {
    const { company } = this.#common;
    this.#stretch?.over();
    await company.meet(this.#member, null);
    await this.#close(p, q);
    // What others tell is wanted no more.
    await company.meet(this.#member, null);
    const next = this.#next(q);
    const all = await company.meet(this.#member, { wishes: next.wishes, over: this.#over });
    this.#done = all.some((o) => o.over);
    if (!this.#done) this.#begin(p, q, next, roundOf(all.map((o) => o.wishes), peersIn(this.#x.schemes), { single: this.#x.single, repeating: this.#x.repeating, quiet: this.#x.quiet, most: this.#x.strikes, inVain: (r) => this.#common.inVain.get(rowName(r)) ?? 0 }));
  }

  /** Wanted of this scheme. */
  #left(): readonly Row[] { return [...this.#common.left.values()].filter((r) => r.scheme === this.#scheme); }
  #wantsReaders(): boolean { return this.#left().some((r) => r.step.startsWith('readers: ')); }

  /** Which units run until the next hold, and the rows that are wanted there. */
  #next(q: Question): Next {
    const finish = q.name.startsWith('finish/');
    const inBack = this.#journey.back.findIndex((u) => u.name === q.name);
    const way: Way = finish || inBack >= 0 ? 'back' : 'forward';
    const from = finish ? 0 : way === 'back' ? inBack + 1 : this.#journey.forward.findIndex((u) => u.name === q.name) + (q.kind === 'parked' ? 0 : 1);
    const places = placesUpToHold(this.#journey, way, from);
    // Without a fault it is the cutover itself that is measured.
    const fits = (r: Row): boolean => r.way === way && (r.fault === noFault ? places.some((y) => y.step === opens) : places.some((y) => y.step === r.step));
    // What is not clear comes first.
    const wishes = this.#left().filter(fits).sort((a, b) => Number(this.#x.single.has(rowName(b))) - Number(this.#x.single.has(rowName(a))));
    return { way, places, wishes };
  }

  #begin(p: Progress, q: Question, { way, places, wishes }: Next, round: Round): void {
    const { strikes, company, hit } = this.#common;
    const { outage } = this.#cast.input(this.#scheme);
    const rows = rowsIn(round, this.#member, wishes, { single: this.#x.single, peers: peersIn(this.#x.schemes)[this.#member] ?? { size: company.size, turn: this.#member } });
    if (rows[0]?.fault === noFault) this.#x.say(`  ${rowName(rows[0])} …`);
    this.#stretch = new Stretch(this.#cast, {
      scheme: this.#scheme, opensAt: q.name, way, places, rows, seed: this.#x.seed, from: this.#from, outages: p.outages,
      member: this.#member, leads: round.kind === 'joint' && round.leader === this.#member, of: round.kind === 'own' ? () => applications : this.#x.quiet, most: round.kind === 'plain' ? 0 : round.most, hit, alone: this.#x.alone, outageMs: outage.budgetMs - outage.undoReserveMs,
      // What an application does by its own death concerns no other migration.
      strikes: round.kind === 'own' ? new Strikes(1) : strikes,
      wanted: () => this.#left().filter((r) => r.way === way && !hit.has(r)),
      missed: (row) => this.#missed.get(rowName(row)) ?? 0, say: (text) => { this.#x.say(plain(this.#cast, text)); },
    });
  }

  /** The books of the stretch behind us, once everything is well again. */
  async #close(p: Progress, q: Question): Promise<void> {
    const s = this.#stretch;
    await s?.end();
    if (s?.error) throw new Stuck(`What was struck did not come back: ${s.error.message}`);
    this.#stretch = null;
    if (s && s.x.rows.length === 0 && s.struck === 0) return;
    for (const row of s?.x.rows ?? []) if (!s?.rows.includes(row)) this.#common.inVain.set(rowName(row), (this.#common.inVain.get(rowName(row)) ?? 0) + 1);
    this.#from = await recovered(this.#cast).catch((e: Error) => { throw new Stuck(e.message); });
    if (!s) return;
    const told = s.told(p, this.#from, this.#misplaced(q), { plain: (text) => plain(this.#cast, text), plainTally: (t) => plainTally(this.#cast, t) });
    for (const row of s.rows) this.#common.hit.delete(row);
    if ('unclear' in told) {
      for (const row of s.rows) this.#x.single.add(rowName(row));
      return this.#x.say([`    ${this.#scheme}: it may have been any of ${s.struck}, so each is struck by itself:`, ...told.unclear, ...s.retried.map((r) => `tried again · ${r.said.slice(0, 300)}`)].join('\n      '));
    }
    for (const row of s.spared) this.#x.single.add(rowName(row));
    for (const row of s.missed) this.#missed.set(rowName(row), (this.#missed.get(rowName(row)) ?? 0) + 1);
    if (told.rows.length === 0 && s.x.rows.length > 0) return this.#x.say(`    ${this.#scheme}: not reached, or nobody to strike: another time`);
    const beside = this.#common.company.size - 1;
    // Others close their books at the same time, and tell no row that is told.
    for (const { row } of told.rows) this.#common.left.delete(rowName(row));
    this.#common.told += told.rows.length;
    for (const { row, played } of told.rows) {
      await this.#tellOf({ row, why: '', played: { ...played, ...(beside === 0 ? {} : { beside }) } });
    }
  }

  /** What fails there is no matter of the migration, and no second look mends it. */
  async #tellOf(e: Ended): Promise<void> {
    await this.#x.ended(e).catch((error: Error) => { throw new Stuck(`The row could not be told: ${error.message}`); });
  }

  /** At the last hold everybody is on the target, and nobody on the source. */
  #misplaced(q: Question): readonly string[] {
    if (!q.name.startsWith('finish/')) return [];
    return applications.flatMap((name) => {
      const n = this.#cast.supervisor.count(this.#cast.named(name));
      return n.target > 0 && n.source === 0 ? [] : [`${name} runs ${n.source} times on the source and ${n.target} times on the target`];
    });
  }
}
