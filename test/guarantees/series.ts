/**
 * One migration under live traffic, there and back again and again on one stack. Between two holds at most one fault strikes,
 * at its step; before the next hold is answered what was struck is up again, and the books of the stretch are closed: its row.
 */
import type { WorkflowHandle } from '@temporalio/client';
import { ending } from '../../demo/ending.ts';
import { workflowIdOf } from '../../src/domain/migration.ts';
import type { OutageRecord, Progress, Question } from '../../src/domain/progress.ts';
import { progressOf, surroundings } from '../scenarios/seen.ts';
import { applications, openCast, type Cast, type House } from './cast.ts';
import { strikeOf, type Strike, type Struck } from './faults.ts';
import { recovered } from './health.ts';
import { journeyOf, placesUpToHold, turningPoint, type Journey, type Place, type Way } from './places.ts';
import { chanceOf, noFault, noStep, rowName, type Row } from './rows.ts';
import type { Tally } from './tally.ts';

export interface Played {
  readonly struck: Struck | typeof noFault;
  /** The step as the plan names it. */
  readonly unit: string;
  readonly leadMs: number | null;
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
  /** What to do with the migration then: `leave` where the whole stack goes anyway. */
  readonly closing: () => 'roll back' | 'leave';
  readonly ended: (e: Ended) => Promise<void>;
  readonly say: (line: string) => void;
}
/** A stretch from hold to hold, a pause of ten seconds and a retried outage in it. */
const stretchWithinMs = 150_000;

interface Stretch {
  readonly opensAt: string;
  readonly way: Way;
  readonly row: Row | null;
  readonly place: Place | null;
  readonly strike: Strike | null;
  readonly fromMs: number;
  readonly outagesBefore: number;
  readonly killedBefore: number;
  readonly retried: string[];
  readonly now: { over: boolean; met: boolean; error: Error | null };
  readonly striking: Promise<void>;
}

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
  }

  async #listen(answer: (p: Progress, q: Question) => Promise<boolean>, over: () => boolean): Promise<void> {
    const { stage } = this.#cast;
    let heardMs = Date.now();
    let last = 'nothing was heard';
    while (!over()) {
      await new Promise((r) => setTimeout(r, 100));
      if (Date.now() - heardMs > stretchWithinMs) throw new Error([`No hold within ${stretchWithinMs / 1_000} s; at the end: ${last}`, ...await surroundings(stage, this.#handleOf)].join('; '));
      try {
        const p = await progressOf(stage, this.#handleOf);
        last = `${p.state} ${p.unit}: ${p.question?.text ?? p.say}`;
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
    // Whoever still waits for the step to be reached waits no longer, or the process would never end.
    if (s) s.now.over = true;
    if (s?.row) await this.#x.ended({ row: s.row, played: null, why: [e.message, ...await this.#audit()].join('\n') });
    this.#stretch = null;
    this.#cast.gate.open();
  }

  /** `true`: a new stretch began. */
  async #answer(p: Progress, q: Question): Promise<boolean> {
    const atHold = q.kind === 'hold' || q.kind === 'parked';
    if (!atHold) {
      const said = plain(this.#cast, `${q.name}: ${q.text}`);
      if (this.#stretch?.retried.at(-1) !== said) this.#stretch?.retried.push(said);
      await this.#tell('retry', q);
      return false;
    }
    const again = this.#stretch?.opensAt === q.name;
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

  /** Which units run until the next hold; the first row that is wanted there. */
  #begin(p: Progress, q: Question): void {
    const finish = q.name.startsWith('finish/');
    const inBack = this.#journey.back.findIndex((u) => u.name === q.name);
    const way: Way = finish || inBack >= 0 ? 'back' : 'forward';
    const from = finish ? 0 : way === 'back' ? inBack + 1 : this.#journey.forward.findIndex((u) => u.name === q.name) + (q.kind === 'parked' ? 0 : 1);
    const places = placesUpToHold(this.#journey, way, from);
    const row = places.length === 0 ? null : [...this.#left.values()].find((r) => r.way === way && (r.fault === noFault || places.some((y) => y.step === r.step))) ?? null;
    const chance = row && chanceOf(row, this.#x.seed);
    const fitting = places.filter((y) => y.step === row?.step);
    const place = fitting[Math.floor((chance?.draw() ?? 0) * fitting.length)] ?? null;
    const strike = row && chance && row.fault !== noFault && place ? strikeOf(row.fault, this.#cast, chance.draw) : null;
    const now = { over: false, met: false, error: null as Error | null };
    if (place) this.#cast.gate.await(place.awaited);
    if (row) this.#x.say(`  ${rowName(row)}${place ? ` at ${plain(this.#cast, place.unit)}` : ''} …`);
    this.#stretch = {
      opensAt: q.name, way, row, place, strike, fromMs: this.#fromMs, outagesBefore: p.outages.length, killedBefore: this.#killed().length, retried: [], now,
      striking: strike ? this.#strike(strike, chance?.leadMs ?? null, now).catch((e: Error) => { now.error = e; }) : Promise.resolve(),
    };
  }

  async #strike(strike: Strike, leadMs: number | null, now: Stretch['now']): Promise<void> {
    const { gate } = this.#cast;
    now.met = await gate.met(() => now.over);
    if (!now.met) return;
    if (leadMs === null) await strike.hit();
    gate.go();
    if (leadMs !== null) {
      await new Promise((r) => setTimeout(r, leadMs));
      await strike.hit();
    }
    await strike.mend();
  }

  /** The books of the stretch behind us, once everything is well again. */
  async #close(p: Progress, q: Question): Promise<void> {
    const s = this.#stretch;
    if (s) {
      // A killed worker may have been at the gate: its step comes again, or is behind us by now.
      s.now.over = true;
      await s.striking;
      this.#cast.gate.open();
      if (s.now.error) throw new Stuck(`What was struck did not come back: ${s.now.error.message}`);
    }
    this.#stretch = null;
    if (s && !s.row) return;
    const fromMs = this.#fromMs;
    this.#fromMs = await recovered(this.#cast).catch((e: Error) => { throw new Stuck(e.message); });
    if (!s?.row) return;
    if (s.strike && (!s.now.met || s.strike.who() === 'nobody')) return this.#x.say('    not reached, or nobody to strike: another time');
    const killed = this.#killed().slice(s.killedBefore);
    this.#left.delete(rowName(s.row));
    this.#told++;
    await this.#tellOf({
      row: s.row, why: '',
      played: {
        struck: s.strike?.who() ?? noFault, unit: plain(this.#cast, s.place?.unit ?? noStep), leadMs: s.strike ? chanceOf(s.row, this.#x.seed).leadMs : null,
        tally: plainTally(this.#cast, this.#cast.accounts.between(fromMs, this.#fromMs)),
        outages: p.outages.slice(s.outagesBefore).map(({ name, outcome, addedMs, why }) => ({ name: plain(this.#cast, name), outcome, addedMs, why })),
        retried: s.retried, forced: killed, misplaced: this.#misplaced(q), tookMs: Date.now() - fromMs,
      },
    });
  }

  /** What fails there is no matter of the migration, and no second look mends it. */
  async #tellOf(e: Ended): Promise<void> {
    await this.#x.ended(e).catch((error: Error) => { throw new Stuck(`The row could not be told: ${error.message}`); });
  }

  #killed(): readonly string[] {
    return this.#cast.supervisor.events.filter((e) => e.what === 'killed').map((e) => plain(this.#cast, e.application));
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
