/**
 * Turns one glance at the clusters into a wait: it goes on looking and comes back when done, when the picture changed for
 * an operator, or after a while. Inside an outage, and for an undo, only "done" or a failure will do.
 */
import { Failure, failures } from '../domain/failures.ts';
import type { Json } from '../domain/json.ts';
import type { Context, Look } from '../domain/scheme.ts';
import type { At } from './boundary.ts';

export interface Glance {
  readonly done: boolean;
  readonly say: string;
  /** Changes when an operator would want to know: a state, a lag halved or doubled. */
  readonly state: string;
  readonly figures?: Json;
  /** Changes with every bit of progress; while neither it nor `state` changes, patience runs out. */
  readonly progress?: string;
  /** Outside an outage: how long nothing may change, and what to say then. */
  readonly patience?: { readonly ms: number; readonly failure: () => Failure };
}

export interface LookingOptions {
  /** Longest turn, ms. */
  readonly turnMs?: number;
  readonly pollMs?: number;
  readonly outagePollMs?: number;
  /** A first glance that fails in a way that may pass: told as what is seen (`tell`), or left to whoever called (`throw`). */
  readonly unanswered?: 'tell' | 'throw';
}
const defaults = { turnMs: 15 * 60_000, pollMs: 500, outagePollMs: 10, unanswered: 'tell' } as const;

/** What a turn hands to the next one, inside `picture`: idle time adds up over turns that ended for lack of news. */
interface Carried { readonly state: string; readonly progress: string; readonly idleMs: number }
const read = (before: string | null): Carried | null => {
  if (before === null) return null;
  try {
    const x = JSON.parse(before) as Partial<Carried>;
    if (typeof x.state === 'string') return { state: x.state, progress: String(x.progress ?? ''), idleMs: Number(x.idleMs) || 0 };
  } catch { /* not ours: treated as another state */ }
  return { state: before, progress: '', idleMs: 0 };
};

export async function lookUntil(c: Context & { readonly before: string | null }, at: At, glance: () => Promise<Glance>, options: LookingOptions = {}): Promise<Omit<Look, 'fromMs' | 'toMs'>> {
  const { turnMs, pollMs, outagePollMs, unanswered } = { ...defaults, ...options };
  const before = read(c.before);
  const stubborn = c.untilMs !== null || c.mode === 'undo';
  const startedMs = at.now();
  let known = { state: before?.state ?? '', progress: before?.progress ?? '', sinceMs: startedMs - (before?.idleMs ?? 0) };
  const telling = before === null && !stubborn && unanswered === 'tell';
  for (;;) {
    const g = await (telling ? glance().catch((error: unknown) => failed(error, at)) : glance());
    at.seen(g.say);
    const progress = g.progress ?? '';
    if (g.state !== known.state || progress !== known.progress) known = { state: g.state, progress, sinceMs: at.now() };
    const idleMs = at.now() - known.sinceMs;
    if (!g.done && c.untilMs === null && g.patience && idleMs >= g.patience.ms) throw g.patience.failure();
    const news = !stubborn && (before === null || before.state !== g.state || at.now() - startedMs >= turnMs);
    if (g.done || news) {
      const picture: Carried = { state: g.state, progress, idleMs };
      return { done: g.done, say: g.say, picture: JSON.stringify(picture), ...(g.figures === undefined ? {} : { figures: g.figures }) };
    }
    await at.pause(c.untilMs === null ? pollMs : outagePollMs);
  }
}

/**
 * Temporal tries it again for minutes, and meanwhile the workflow knows nothing: an operator would read an empty sentence. So
 * the first such failure is what is seen, and the next turn, which begins with it, fails and is tried again as ever.
 */
function failed(error: unknown, at: At): Glance {
  at.until.check();
  if (error instanceof Failure && failures[error.type].retry === 'ask') throw error;
  return { done: false, state: 'unanswered', say: `not seen yet, and tried again: ${at.words(error)}` };
}

/** Lags of the same order of magnitude look the same: 0, 1, 2-3, 4-7 … */
export const magnitude = (records: number | bigint): string => (records <= 0 ? '0' : String(1 + Math.floor(Math.log2(Number(records)))));
