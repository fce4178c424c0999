/** What `cutover reconcile` answers: which records of a target that was given up never came back. They are named, and never merged. */

/** Records that follow each other on the target, nothing visible in between: offsets of the first and the last. */
export interface LeftRun { readonly from: string; readonly to: string; readonly records: number }
export interface LeftOn {
  /** `topic/partition`. */
  readonly partition: string;
  /** Exact, whatever the number of runs that are listed. */
  readonly records: number;
  readonly runs: readonly LeftRun[];
  /** Came back, record by record the same. */
  readonly cameBack: number;
  /** On the source between the two cuts and not on the target: written by somebody else, or lost on the target since. */
  readonly sourceOnly: number;
  /** Offsets of the target that were deleted before anybody looked: nobody knows whether they came back. */
  readonly deleted: number;
}
export interface Reconciliation {
  readonly run: string;
  readonly source: string;
  readonly target: string;
  readonly records: number;
  readonly partitions: readonly LeftOn[];
  /** `up-to-cap`: more runs than are listed; the counts are exact. */
  readonly listed: 'all' | 'up-to-cap';
  readonly say: string;
}
export interface Named { readonly fingerprint: string; readonly offset: bigint }

/** How far a stranger on the source may stand before the record that is looked for. */
const lookAhead = 1_000;

/** Both sides from the same cut on, in order. What came back is in the same order on both; the rest of the target never did. */
export async function leftBehind(source: AsyncIterable<Named>, target: AsyncIterable<Named>, mostRuns: number): Promise<Omit<LeftOn, 'partition' | 'deleted'> & { readonly more: boolean }> {
  const here = source[Symbol.asyncIterator]();
  const ahead: string[] = [];
  const runs: { from: string; to: string; records: number }[] = [];
  let [cameBack, records, sourceOnly, ended, gap, more] = [0, 0, 0, false, true, false];
  const fill = async (): Promise<void> => {
    while (!ended && ahead.length < lookAhead) {
      const next = await here.next();
      if (next.done === true) ended = true;
      else ahead.push(next.value.fingerprint);
    }
  };
  for await (const t of target) {
    if (ahead.length === 0) await fill();
    let at = ahead[0] === t.fingerprint ? 0 : -1;
    if (at < 0) { await fill(); at = ahead.indexOf(t.fingerprint); }
    if (at >= 0) {
      sourceOnly += at;
      ahead.splice(0, at + 1);
      cameBack++;
      gap = true;
      continue;
    }
    records++;
    const last = runs.at(-1);
    if (last && !gap) { last.to = String(t.offset); last.records++; } else if (runs.length < mostRuns) runs.push({ from: String(t.offset), to: String(t.offset), records: 1 });
    else more = true;
    gap = more;
  }
  sourceOnly += ahead.length;
  while (!ended) { ahead.length = 0; await fill(); sourceOnly += ahead.length; }
  return { records, runs, cameBack, sourceOnly, more };
}
