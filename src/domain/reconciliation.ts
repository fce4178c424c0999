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
  /** On the source between the two cuts and not on the target: written by somebody else, or lost on the target since. Not counted where the source has lost records of that time: alike ones could not be told apart. */
  readonly sourceOnly: number;
  /** Came back, says the ledger, and is not found on the source any more: expired or compacted there since. Records. */
  readonly goneSince: number;
  /** The same, where the ledger does not say how far the mirror back had come: it came back, or it did not. Records. */
  readonly undecided: number;
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

export interface Reconciling {
  readonly mostRuns: number;
  /** The source has lost records of that time by itself: its log begins later by now, or it is compacted. */
  readonly thinned: boolean;
  /** The target has lost its head, and the source has not: there the first ones are passed over, however many. */
  readonly beheaded: boolean;
  /** Next offset of the target that the mirror back would have brought when it was silenced. */
  readonly brought: bigint | 'unknown';
}
type Verdict = 'came back' | 'gone since' | 'undecided' | 'left';

/** How far a stranger on the source may stand before the record that is looked for. */
const lookAhead = 1_000;

/** Both sides from the same cut on, in order. What came back is in the same order on both; the rest of the target never did. */
export async function leftBehind(source: AsyncIterable<Named>, target: AsyncIterable<Named>, o: Reconciling): Promise<Omit<LeftOn, 'partition' | 'deleted'> & { readonly more: boolean }> {
  const ahead = lookingAhead(source);
  const counts = { 'came back': 0, 'gone since': 0, undecided: 0, left: 0 };
  const runs: { from: string; to: string; records: number }[] = [];
  let [gap, more] = [true, false];
  const judged = async (t: Named): Promise<void> => {
    const verdict = await judge(t, { ...o, found: ahead.take });
    counts[verdict]++;
    if (verdict !== 'left') { gap = true; return; }
    const last = runs.at(-1);
    if (last && !gap) { last.to = String(t.offset); last.records++; } else if (runs.length < o.mostRuns) runs.push({ from: String(t.offset), to: String(t.offset), records: 1 });
    else more = true;
    gap = more;
  };
  const rest = target[Symbol.asyncIterator]();
  const next = async (): Promise<Named | null> => { const one = await rest.next(); return one.done === true ? null : one.value; };
  const heads: Named[] = [];
  if (o.beheaded) for (let t = await next(); t; t = await next()) if (heads.push(t) === lookAhead) break;
  if (heads.length > 0) await ahead.meet(new Set(heads.map((t) => t.fingerprint)));
  for (const t of heads) await judged(t);
  for (let t = await next(); t; t = await next()) await judged(t);
  return { records: counts.left, runs, cameBack: counts['came back'], sourceOnly: o.thinned ? 0 : await ahead.rest(), goneSince: counts['gone since'], undecided: counts.undecided, more };
}

async function judge(t: Named, o: Reconciling & { readonly found: (fingerprint: string) => Promise<boolean> }): Promise<Verdict> {
  const unbrought = o.brought !== 'unknown' && t.offset >= o.brought;
  // Alike records: where some are missing on the source, one of them may stand for one that had not been brought.
  if (unbrought && o.thinned) return 'left';
  if (await o.found(t.fingerprint)) return 'came back';
  if (o.brought !== 'unknown') return unbrought ? 'left' : 'gone since';
  return o.thinned ? 'undecided' : 'left';
}

/** The source, a stretch at a time: a record that is found is taken with all before it, which the target does not have. */
function lookingAhead(source: AsyncIterable<Named>): { readonly meet: (any: ReadonlySet<string>) => Promise<void>; readonly take: (fingerprint: string) => Promise<boolean>; readonly rest: () => Promise<number> } {
  const here = source[Symbol.asyncIterator]();
  const ahead: string[] = [];
  let [ended, passed] = [false, 0];
  const fill = async (): Promise<void> => {
    while (!ended && ahead.length < lookAhead) {
      const next = await here.next();
      if (next.done === true) ended = true;
      else ahead.push(next.value.fingerprint);
    }
  };
  return {
    meet: async (any) => {
      for (await fill(); ahead.length > 0; await fill()) {
        const at = ahead.findIndex((fingerprint) => any.has(fingerprint));
        const before = at < 0 ? ahead.length : at;
        passed += before;
        ahead.splice(0, before);
        if (at >= 0) return;
      }
    },
    take: async (fingerprint) => {
      if (ahead.length === 0) await fill();
      let at = ahead[0] === fingerprint ? 0 : -1;
      if (at < 0) { await fill(); at = ahead.indexOf(fingerprint); }
      if (at < 0) return false;
      passed += at;
      ahead.splice(0, at + 1);
      return true;
    },
    rest: async () => {
      for (;;) {
        passed += ahead.length;
        ahead.length = 0;
        if (ended) return passed;
        await fill();
      }
    },
  };
}
