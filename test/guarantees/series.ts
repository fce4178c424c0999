/**
 * One migration under live traffic, there and back again and again on one stack. Between two holds faults strike at their
 * steps; before the next hold is answered what was struck is up again, and the books of the stretch are closed: its rows.
 */
import type { WorkflowHandle } from '@temporalio/client';
import { ending } from '../../demo/ending.ts';
import { workflowIdOf } from '../../src/domain/migration.ts';
import type { OutageRecord, Progress, Question } from '../../src/domain/progress.ts';
import { progressOf, surroundings } from '../scenarios/seen.ts';
import { applications, openCast, type Cast, type House } from './cast.ts';
import type { Struck } from './faults.ts';
import { recovered } from './health.ts';
import { journeyOf, opens, placesUpToHold, turningPoint, type Journey, type Way } from './places.ts';
import { noFault, rowName, type Row } from './rows.ts';
import { rowsTogether, Stretch } from './stretch.ts';
import type { Tally } from './tally.ts';

export interface Played {
  readonly struck: Struck | typeof noFault;
  /** The step as the plan names it. */
  readonly unit: string;
  readonly leadMs: number | null;
  /** Strikes of that stretch, this one among them: what is counted is of all of them, the outages are those of its own time. Absent: one. */
  readonly together?: number;
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
  readonly rows: readonly Row[];
  readonly seed: number;
  /** No further strike from then on, once so many rows (default 0) were played. */
  readonly untilMs: number;
  readonly least?: number;
  /** A new series, with new topics, behind so many rows: the journals are kept in memory. */
  readonly most: number;
  /** Strikes between two holds, one after the other. */
  readonly strikes: number;
  /** Names of rows that are struck by themselves; those are added of which nobody could say which did it. */
  readonly single: Set<string>;
  /** What to do with the migration then: `leave` where the whole stack goes anyway. */
  readonly closing: () => 'roll back' | 'leave';
  readonly ended: (e: Ended) => Promise<void>;
  readonly say: (line: string) => void;
}
/** A stretch from hold to hold, a pause of ten seconds and a retried outage in it. */
const stretchWithinMs = 150_000;
/** For applications to come up before a step is tried again. */
const upWithinMs = 20_000;

/** Rows that were not reached are not told of. Throws what ended the series early, after telling of the row it was at. */
export async function series(house: House, scheme: Row['scheme'], x: Choices): Promise<void> {
  await using resources = new AsyncDisposableStack();
  const cast = await openCast(house, resources, { second: scheme === 'blueGreen' });
  const one = new Series(cast, scheme, x);
  try {
    await one.play();
    if (x.closing() === 'roll back') await one.close();
  } catch (e) {
    await one.failed(e instanceof Error ? e : new Error(String(e)));
    throw e;
  }
}

class Series {
  readonly #cast: Cast;
  readonly #scheme: Row['scheme'];
  readonly #x: Choices;
  readonly #journey: Journey;
  readonly #left: Map<string, Row>;
  #handle: WorkflowHandle | null = null;
  #stretch: Stretch | null = null;
  #fromMs = Date.now();
  #told = 0;
  #done = false;
  constructor(cast: Cast, scheme: Row['scheme'], x: Choices) {
    this.#cast = cast;
    this.#scheme = scheme;
    this.#x = x;
    this.#journey = journeyOf(scheme, cast.input(scheme));
    this.#left = new Map(x.rows.map((r) => [rowName(r), r]));
  }

  get #handleOf(): WorkflowHandle {
    if (!this.#handle) throw new Error('the migration has not been started');
    return this.#handle;
  }
  get #over(): boolean { return (Date.now() > this.#x.untilMs && this.#told >= (this.#x.least ?? 0)) || this.#told >= this.#x.most || this.#left.size === 0; }

  async play(): Promise<void> {
    const { stage, input } = this.#cast;
    const migration = input(this.#scheme);
    this.#handle = await stage.client.workflow.start(this.#scheme, { workflowId: workflowIdOf(migration), taskQueue: stage.taskQueue, args: [migration] });
    await this.#listen(async (p, q) => this.#answer(p, q), () => this.#done);
  }

  /** Back to the start, which counts once more everything that this series wrote. */
  async close(): Promise<void> {
    const { client } = this.#cast.stage;
    await client.withDeadline(Date.now() + 10_000, () => this.#handleOf.signal('rollback', { by: 'guarantees', reason: 'the series is over' }));
    let closed = false;
    const ended = ending(this.#handleOf).then((e) => { closed = true; return e; });
    await this.#listen(async (_p, q) => { await this.#tell(q.kind === 'hold' ? 'approve' : q.kind === 'parked' ? 'rollback' : 'retry', q); return false; }, () => closed);
    const end = await ended;
    if (end.outcome !== 'rolled-back') throw new Error(`The series ended as ${end.outcome}: ${end.why}`);
    const t = this.#cast.accounts.between(0, await recovered(this.#cast));
    this.#x.say(`  rolled back to the start; in all ${t.acknowledged} orders, ${t.lost} lost, ${t.duplicated} read again, ${t.reordered} out of order`);
    if (t.lost + t.duplicated + t.reordered > 0) this.#x.say([...t.duties.map((d) => `${d.group} on ${d.topic}: ${d.lost}/${d.duplicated}/${d.reordered}`), ...t.examples].map((said) => `    ${plain(this.#cast, said)}`).join('\n'));
  }

  async #listen(answer: (p: Progress, q: Question) => Promise<boolean>, over: () => boolean): Promise<void> {
    const { stage } = this.#cast;
    let heardMs = Date.now();
    let last = 'nothing was heard';
    while (!over()) {
      await new Promise((r) => setTimeout(r, 100));
      if (Date.now() - Math.max(heardMs, this.#stretch?.mendedMs ?? 0) > stretchWithinMs) throw new Error([`No hold within ${stretchWithinMs / 1_000} s; at the end: ${last}`, ...await surroundings(stage, this.#handleOf)].join('; '));
      try {
        const p = await progressOf(stage, this.#handleOf);
        last = `${p.state} ${p.unit}: ${p.question?.text ?? p.say}${p.question?.claims.filter((c) => !c.holds).map((c) => ` ✘ ${c.text}`).join('') ?? ''}`;
        if (p.question === null) continue;
        if (await answer(p, p.question)) heardMs = Date.now();
      } catch (e) {
        if (e instanceof Stuck) throw e;
        last = `${last} (${e instanceof Error ? e.message : String(e)})`.slice(0, 2_000);
      }
    }
  }

  /** The row under way is of no use; what Cutover says of it is told. */
  async failed(e: Error): Promise<void> {
    const s = this.#stretch;
    s?.abandon();
    const rows = s?.isPlain ? s.x.rows : s?.rows ?? [];
    const [only] = rows.length === 1 ? rows : [];
    if (only) await this.#x.ended({ row: only, played: null, why: [e.message, ...await this.#audit()].join('\n') });
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
      await this.#tell('retry', q);
      return false;
    }
    const again = this.#stretch?.x.opensAt === q.name;
    if (!again) {
      await this.#close(p, q);
      if (this.#over) { this.#done = true; return true; }
      this.#begin(p, q);
    }
    if (q.name.startsWith('finish/')) await this.#tell('rollback', q, turningPoint(this.#journey, this.#wantsReaders()));
    else await this.#tell(q.kind === 'parked' ? 'retry' : 'approve', q);
    return !again;
  }

  #wantsReaders(): boolean { return [...this.#left.values()].some((r) => r.step.startsWith('readers: ')); }

  /** Which units run until the next hold, and the rows that are wanted there. */
  #begin(p: Progress, q: Question): void {
    const finish = q.name.startsWith('finish/');
    const inBack = this.#journey.back.findIndex((u) => u.name === q.name);
    const way: Way = finish || inBack >= 0 ? 'back' : 'forward';
    const from = finish ? 0 : way === 'back' ? inBack + 1 : this.#journey.forward.findIndex((u) => u.name === q.name) + (q.kind === 'parked' ? 0 : 1);
    const places = placesUpToHold(this.#journey, way, from);
    // Without a fault it is the cutover itself that is measured.
    const fits = (r: Row): boolean => r.way === way && (r.fault === noFault ? places.some((y) => y.step === opens) : places.some((y) => y.step === r.step));
    // What is not clear comes first.
    const left = [...this.#left.values()].sort((a, b) => Number(this.#x.single.has(rowName(b))) - Number(this.#x.single.has(rowName(a))));
    const rows = rowsTogether(left, this.#x.single, fits);
    if (rows[0]?.fault === noFault) this.#x.say(`  ${rowName(rows[0])} …`);
    this.#stretch = new Stretch(this.#cast, { opensAt: q.name, way, places, rows, most: this.#x.strikes, seed: this.#x.seed, fromMs: this.#fromMs, outages: p.outages, say: (text) => { this.#x.say(plain(this.#cast, text)); } });
  }

  /** The books of the stretch behind us, once everything is well again. */
  async #close(p: Progress, q: Question): Promise<void> {
    const s = this.#stretch;
    await s?.end();
    if (s?.error) throw new Stuck(`What was struck did not come back: ${s.error.message}`);
    this.#stretch = null;
    if (s && s.x.rows.length === 0) return;
    this.#fromMs = await recovered(this.#cast).catch((e: Error) => { throw new Stuck(e.message); });
    if (!s) return;
    const told = s.told(p, this.#fromMs, this.#misplaced(q), (text) => plain(this.#cast, text), (t) => plainTally(this.#cast, t));
    if ('unclear' in told) {
      for (const row of s.rows) this.#x.single.add(rowName(row));
      return this.#x.say([`    it may have been any of ${s.rows.length}, so each is struck by itself:`, ...told.unclear, ...s.retried.map((r) => `tried again · ${r.said.slice(0, 300)}`)].join('\n      '));
    }
    if (told.rows.length === 0) return this.#x.say('    not reached, or nobody to strike: another time');
    for (const { row, played } of told.rows) {
      this.#left.delete(rowName(row));
      this.#told++;
      await this.#tellOf({ row, why: '', played });
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

  async #audit(): Promise<readonly string[]> {
    const { stage: { client } } = this.#cast;
    return (await client.withDeadline(Date.now() + 5_000, () => this.#handleOf.query<readonly string[]>('audit')).catch(() => [])).slice(-30);
  }

  async #tell(answer: 'approve' | 'retry' | 'rollback', q: Question, to: string | null = null): Promise<void> {
    const { stage } = this.#cast;
    const decision = { by: 'guarantees', hold: q.name, ...(q.hash === null ? {} : { hash: q.hash }), ...(answer === 'approve' ? {} : { reason: 'as the table wants' }), ...(to === null ? {} : { to }) };
    await stage.client.withDeadline(Date.now() + 2_000, () => this.#handleOf.signal(answer, decision));
    for (const end = Date.now() + 5_000; Date.now() < end; await new Promise((r) => setTimeout(r, 50)))
      if ((await progressOf(stage, this.#handleOf)).question?.sinceMs !== q.sinceMs) return;
  }
}

/** Nothing that another look would mend. */
class Stuck extends Error {}

export const plain = (cast: Cast, text: string): string => text.replaceAll(`-${cast.named('demo')}`, '');
export const plainTally = (cast: Cast, t: Tally): Tally => ({
  ...t, duties: t.duties.map((d) => ({ ...d, group: plain(cast, d.group), topic: plain(cast, d.topic) })), examples: t.examples.map((e) => plain(cast, e)),
});
