/** How long stopping took, as this worker saw it: what the forecast of the next outage is made of. Lost with the process, and said so. */
export interface Pace {
  stopped(application: string, ms: number): void;
  /** The longest of this process's life; `null`: it stopped it never. */
  stopMs(application: string): number | null;
}
export function createPace(): Pace {
  const longest = new Map<string, number>();
  return {
    stopped: (application, ms) => { longest.set(application, Math.max(ms, longest.get(application) ?? 0)); },
    stopMs: (application) => longest.get(application) ?? null,
  };
}
