/** How long stopping took, as this worker saw it: what the forecast of the next outage is made of. Lost with the process, and said so. */
export interface Pace {
  stopped(application: string, ms: number): void;
  /** The median of the last five, the longer one of two in the middle; `null`: this process never stopped it. */
  stopMs(application: string): number | null;
}
const remembered = 5;

/** Not the longest: a stop that a broker held up once would refuse every approval for as long as the worker lives. */
export function createPace(): Pace {
  const lastOf = new Map<string, readonly number[]>();
  return {
    stopped: (application, ms) => { lastOf.set(application, [...lastOf.get(application) ?? [], ms].slice(-remembered)); },
    stopMs: (application) => {
      const last = (lastOf.get(application) ?? []).toSorted((a, b) => a - b);
      return last[Math.floor(last.length / 2)] ?? null;
    },
  };
}
