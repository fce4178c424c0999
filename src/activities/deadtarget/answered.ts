/** Asking what may be dead together with the target. */
import { setTimeout as sleep } from 'node:timers/promises';

/** What did not answer in time, or not well, as a sentence; `null`: it did. */
export async function answered(call: () => Promise<unknown>, ms: number): Promise<string | null> {
  const over = new AbortController();
  const late = sleep(ms, `no answer within ${ms / 1_000} s`, { signal: over.signal });
  late.catch(() => undefined); // ended early
  try {
    return await Promise.race([call().then(() => null, (error: unknown) => (error instanceof Error ? error.message : String(error))), late]);
  } finally {
    over.abort();
  }
}
