/** The clock of an outage as the fleets see it, for tests. */
import { Failure } from '../../../src/domain/failures.ts';
import type { Until } from '../../../src/domain/ports.ts';

export function untilIn(ms: number | null, signal?: AbortSignal): Until {
  const untilMs = ms === null ? null : Date.now() + ms;
  const passed = ms === null ? [] : [AbortSignal.timeout(ms)];
  const all = AbortSignal.any([...passed, ...(signal ? [signal] : [])]);
  return {
    untilMs,
    signal: all,
    check(): void {
      if (untilMs !== null && Date.now() >= untilMs) throw new Failure('BudgetExceeded', 'The time of this write has passed.');
      all.throwIfAborted();
    },
    timeoutMs: (capMs) => Math.max(1, Math.min(capMs, untilMs === null ? Infinity : untilMs - Date.now())),
  };
}

/** Polls until the condition holds; fails with the words after the deadline. */
export async function eventually(what: string, condition: () => boolean | Promise<boolean>, deadlineMs = 5_000): Promise<void> {
  for (const end = Date.now() + deadlineMs; ; ) {
    if (await condition()) return;
    if (Date.now() > end) throw new Error(`not within ${deadlineMs} ms: ${what}`);
    await new Promise((r) => setTimeout(r, 10));
  }
}
