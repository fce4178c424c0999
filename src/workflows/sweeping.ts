/**
 * Beside the units of a run: while a way back over an opening is open, an activity keeps what the source's ledger knows of
 * groups on the target a few seconds old. It rests inside outages and while anything is undone, and nothing waits for it
 * but its own end.
 */
import { stepId, stepsOf, type Look, type Step } from '../domain/scheme.ts';
import type { Run } from './engine.ts';
import { describeError } from './errors.ts';
import { ledgerRun } from './journal.ts';
import type { Scope } from './runtime.ts';

/** Asked of `has` by migrations that name a way back: runs planned before there was a sweep go on without. */
export const sweeps = 'sweep';
/** After a call that failed beyond its retries. */
const againMs = 60_000;

interface Under { readonly key: string; readonly scope: Scope; over: Promise<void>; resting: boolean }
interface Wanted { readonly groups: readonly string[]; readonly topics: readonly string[] }

export class Sweeping {
  readonly #run: Run;
  #under: Under | null = null;
  constructor(run: Run) { this.#run = run; }

  /** Called between units: begins, ends, or begins anew with other groups. */
  async follow(): Promise<void> {
    const wanted = this.#wanted();
    const key = wanted === null ? '' : JSON.stringify(wanted);
    if (key === (this.#under?.key ?? '')) return;
    await this.rest();
    if (wanted === null) return;
    const under: Under = { key, scope: this.#run.runtime.scope(), over: Promise.resolve(), resting: false };
    this.#under = under;
    under.over = this.#sweep(wanted, under);
  }

  /** Cancelled, and over: from here nothing of it writes any more. */
  async rest(): Promise<void> {
    const under = this.#under;
    if (!under) return;
    this.#under = null;
    under.resting = true;
    under.scope.cancel();
    await under.over;
  }

  async #sweep(wanted: Wanted, under: Under): Promise<void> {
    const { runtime, work } = this.#run;
    for (let before: string | null = null; !under.resting;) {
      try {
        const { j } = this.#run;
        const c = { untilMs: null, limits: j.limits, run: ledgerRun(j), mode: 'plain', key: `${j.run}/sweep/${j.attempt}`, before } as const;
        const look: Look = await under.scope.run(() => work.lookSwept({ m: j.migration, c, ...wanted }));
        before = look.picture ?? null;
        this.#tell(look.say, isFailing(look) ? 'failing' : 'swept', look.toMs);
      } catch (error) {
        if (under.resting) return;
        before = null;
        this.#tell(describeError(error), 'failing', runtime.now());
        await runtime.condition(() => under.resting, againMs);
      }
    }
  }

  #tell(say: string, state: 'swept' | 'failing', atMs: number): void {
    const { j } = this.#run;
    if (j.swept?.state !== state) this.#run.log(state === 'failing' ? `the sweep of positions fails: ${say}` : `the sweep of positions works: ${say}`);
    j.swept = { state, say, atMs };
    this.#run.tell();
  }

  /** Groups with positions of ours on the target, and topics that are written there: read off what would have to be undone. */
  #wanted(): Wanted | null {
    const run = this.#run;
    const { j } = run;
    if (j.has[sweeps] !== true || j.migration.connectBack === null || j.closedBy !== null || j.unwind || j.recovering) return null;
    if (!j.undos.some((u) => u.opening) || run.at === null) return null;
    if (j.reverse ? j.reverse.without !== undefined || j.reverse.refused !== null || j.reverse.opened : j.direction === 'back') return null;
    const kind = run.units.find((u) => u.name === run.at)?.step.kind;
    if (kind === 'outage' || kind === 'irreversible') return null;
    // What is being set at this very moment is left alone.
    const steps = j.undos.filter((u) => u.opening === true || u.unit !== run.at).flatMap((u): readonly Step[] => { const unit = run.find(u.unit); return unit ? stepsOf(unit).filter((s) => u.opening === true || stepId(unit, s) === u.step) : []; });
    const effects = steps.flatMap((s) => (s.kind === 'hold' ? [] : s.effects ?? []));
    return {
      groups: [...new Set(effects.flatMap((e) => (e.do === 'position' && e.on === 'target' && e.from !== 'none' ? [e.group] : [])))].sort(),
      topics: [...new Set(effects.flatMap((e) => (e.do === 'cut' && e.to === 'target' ? e.topics : [])))].sort(),
    };
  }
}

const isFailing = (look: Look): boolean => look.figures !== null && typeof look.figures === 'object' && !Array.isArray(look.figures) && (look.figures as { readonly failing?: unknown }).failing === true;
