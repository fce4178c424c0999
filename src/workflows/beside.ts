/**
 * An activity beside the units of a run: begun between two units once it is wanted, cancelled and awaited before anything it
 * must not run beside, and begun again after. Nothing waits for it but its own end.
 */
import type { Json } from '../domain/json.ts';
import type { Look, LookContext } from '../domain/scheme.ts';
import type { Run } from './engine.ts';
import { describeError } from './errors.ts';
import { awake, ledgerRun } from './journal.ts';
import type { Scope } from './runtime.ts';

/** After a call that failed beyond its retries. */
const againMs = 60_000;

export interface Besides<W extends Json> {
  readonly name: string;
  /** `null`: not now. Another answer than before begins it anew. */
  wanted(): W | null;
  look(wanted: W, c: LookContext): Promise<Look>;
  /** What a turn saw, or why it failed beyond its retries. */
  heard(look: Look | { readonly failed: string }): void;
  /** It has come to rest: what it said last is no longer kept up. */
  rested?(): void;
}
interface Under { readonly key: string; readonly scope: Scope; over: Promise<void>; resting: boolean }

/** Where the way leads forward, or has led back as far as was asked: what is open stays open, be it for days, until somebody answers. */
export function staysOpen(run: Run): boolean {
  const { has, direction, question } = run.j;
  return direction === 'forward' || (has[awake] === true && question?.kind === 'parked');
}

/** At an outage that was undone or has not begun, somebody is waited for. */
export const waitsOutside = (run: Run): boolean => (run.j.question !== null || run.standsStill) && !run.j.undos.some((u) => u.unit === run.at) && (run.j.has[awake] !== true || run.j.opening !== run.at);

export class Beside<W extends Json> {
  readonly #run: Run;
  readonly #of: Besides<W>;
  #under: Under | null = null;
  constructor(run: Run, of: Besides<W>) {
    this.#run = run;
    this.#of = of;
  }

  /** Called between units: begins, ends, or begins anew with something else. */
  async follow(): Promise<void> {
    const wanted = this.#of.wanted();
    const key = wanted === null ? '' : JSON.stringify(wanted);
    if (key === (this.#under?.key ?? '')) return;
    await this.rest();
    if (wanted === null) return;
    const under: Under = { key, scope: this.#run.runtime.scope(), over: Promise.resolve(), resting: false };
    this.#under = under;
    under.over = this.#turns(wanted, under);
  }

  /** Cancelled, and over: from here nothing of it writes any more. */
  async rest(): Promise<void> {
    const under = this.#under;
    if (!under) return;
    this.#under = null;
    under.resting = true;
    under.scope.cancel();
    await under.over;
    this.#of.rested?.();
  }

  async #turns(wanted: W, under: Under): Promise<void> {
    const { runtime } = this.#run;
    for (let before: string | null = null; !under.resting;) {
      try {
        const { j } = this.#run;
        const c = { untilMs: null, limits: j.limits, run: ledgerRun(j), mode: 'plain', key: `${j.run}/${this.#of.name}/${j.attempt}`, before } as const;
        const look: Look = await under.scope.run(() => this.#of.look(wanted, c));
        before = look.picture ?? null;
        this.#of.heard(look);
      } catch (error) {
        if (under.resting) return;
        before = null;
        this.#of.heard({ failed: describeError(error) });
        await runtime.condition(() => under.resting, againMs);
      }
    }
  }
}
