/** Finds a known run of records in a stream of any length, holding next to nothing. */
import type { Mark } from '../positions.ts';

/** A run to look for; `at` says where in its own stream it begins. */
export interface Probe { readonly at: number; readonly run: readonly Mark[] }
export interface Found { readonly probe: Probe; /** Its first record in the stream searched. */ readonly mark: Mark; /** Records of that stream before it. */ readonly ahead: number }

/** Runs of `length` records at several places of a window: where the first records are damaged a later one may be whole. */
export const probesOf = (window: readonly Mark[], length: number, places: readonly number[]): readonly Probe[] =>
  places.map((at) => ({ at, run: window.slice(at, at + length) })).filter(({ run }) => run.length === length);

/** The first of the runs to be complete; `null`: none within `limit` records. */
export async function findRun(stream: AsyncIterable<Mark>, probes: readonly Probe[], limit = Infinity): Promise<Found | null> {
  const heads = new Map<string, Probe[]>();
  for (const probe of probes) {
    const first = probe.run[0]?.fingerprint;
    if (first !== undefined) heads.set(first, [...(heads.get(first) ?? []), probe]);
  }
  if (heads.size === 0) return null;
  let open: { readonly found: Found; matched: number }[] = [];
  let ahead = 0;
  for await (const mark of stream) {
    if (open.length > 0) open = open.filter((one) => one.found.probe.run[one.matched]?.fingerprint === mark.fingerprint && ++one.matched > 0);
    for (const probe of heads.get(mark.fingerprint) ?? []) open.push({ found: { probe, mark, ahead }, matched: 1 });
    const whole = open.find((one) => one.matched === one.found.probe.run.length);
    if (whole !== undefined) return whole.found;
    ahead += 1;
    if (ahead >= limit) return null;
  }
  return null;
}
