/** How long stopping took, as this worker saw it: what the forecast of the next outage is made of. Lost with the process, and said so. */
export interface Pace {
  /** It took `ms`, and ended at `atMs`, epoch ms. */
  stopped(application: string, ms: number, atMs: number): void;
  /** The median of the last five of the last half hour, the longer one of two in the middle; `null`: this process saw none. */
  stopMs(application: string, nowMs: number): number | null;
}
interface Stop { readonly ms: number; readonly atMs: number }
const remembered = 5;
const rememberedForMs = 30 * 60_000;

/**
 * Not the longest: a stop that a broker held up once would refuse every approval for as long as the worker lives. Nor for ever: who
 * is refused stops nothing any more, so no quicker stop would take the place of slow ones.
 */
export function createPace(): Pace {
  const lastOf = new Map<string, readonly Stop[]>();
  return {
    stopped: (application, ms, atMs) => { lastOf.set(application, [...lastOf.get(application) ?? [], { ms, atMs }].slice(-remembered)); },
    stopMs: (application, nowMs) => {
      const last = (lastOf.get(application) ?? []).filter((s) => nowMs - s.atMs <= rememberedForMs).map((s) => s.ms).sort((a, b) => a - b);
      return last[Math.floor(last.length / 2)] ?? null;
    },
  };
}
