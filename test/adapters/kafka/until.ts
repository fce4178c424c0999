/** Clocks for tests: none, one that ends at a given time, one that is ended by hand. */
import { Failure } from '../../../src/domain/failures.ts';
import type { Until } from '../../../src/domain/ports.ts';

export const noLimit: Until = { untilMs: null, signal: new AbortController().signal, check: () => {}, timeoutMs: (capMs) => capMs };

/** As activities make it: aborts at `untilMs`. */
export function untilIn(ms: number): Until & { readonly stop: (reason: Error) => void } {
  const untilMs = Date.now() + ms;
  const abort = new AbortController();
  const exceeded = (): Failure => new Failure('BudgetExceeded', `The budget passed ${Date.now() - untilMs} ms ago.`);
  if (ms <= 0) abort.abort(exceeded());
  else setTimeout(() => abort.abort(exceeded()), ms).unref();
  return {
    untilMs, signal: abort.signal,
    check: () => {
      if (Date.now() >= untilMs) throw exceeded();
      abort.signal.throwIfAborted();
    },
    timeoutMs: (capMs) => Math.max(1, Math.min(capMs, untilMs - Date.now())),
    stop: (reason) => abort.abort(reason),
  };
}

/** Polls with a deadline. */
export async function eventually<T>(what: string, look: () => Promise<T | undefined | false>, withinMs = 20_000): Promise<T> {
  const deadline = Date.now() + withinMs;
  for (;;) {
    const seen = await look();
    if (seen !== undefined && seen !== false) return seen;
    if (Date.now() > deadline) throw new Error(`Not within ${withinMs} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
}
