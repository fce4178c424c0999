/**
 * One inbox for signals, updates and a workflow cancel, so that their order is the order of arrival.
 * A decision is refused at the door with a sentence, or kept until the engine gives its verdict.
 */
import { parseDecision, type Decision, type Kind } from '../domain/decisions.ts';
import type { Question } from '../domain/progress.ts';
import { awake, firm, type Journal } from './journal.ts';

/** What the door must know; everything else stays with the engine. */
export interface Door {
  readonly journal: Journal | null;
  readonly phases: readonly string[];
  readonly insideOutage: boolean;
  /** Whether this plan has a way back for when the target is dead. */
  readonly knowsWithoutTarget: boolean;
  /** Why no way back ends at the end of this phase. */
  beyond(phase: string): string | null;
  log(line: string): void;
  turnBack(d: Decision): void;
  tell(): void;
}
/** `to`: the question that was open when it came, by name. It answers that one and no other. */
export interface Heard { readonly decision: Decision; readonly to: string | null; readonly exactly: string; verdict: string | null }

/** An approval is for what was shown; to try again or to skip is for one failure; to reject is for the question, however often it is asked. */
const asked = (q: Question | null, kind: Kind): string => JSON.stringify(q && [q.name, q.kind, kind === 'approve' ? q.hash : kind === 'reject' ? '' : q.sinceMs]);

/** As the activities name it. */
const ledgerTopic = '__cutover.ledger';

export class Inbox {
  readonly #door: Door;
  #heard: Heard[] = [];
  /** A signal cannot answer: its refusal is shown where the operator looks. */
  refused: string | null = null;
  constructor(door: Door) { this.#door = door; }

  /** The sentence that refuses it, or the decision. Pure: safe in an update validator. */
  judge(kind: Kind | null, x: unknown): Decision | string {
    const d = parseDecision(kind, x);
    if (typeof d === 'string') return d;
    return this.#refusal(d) ?? d;
  }

  signal(kind: Kind, x: unknown): void {
    const d = this.judge(kind, x);
    if (typeof d !== 'string') { this.take(d); return; }
    this.refused = `${kind}: ${d}`;
    const { journal } = this.#door;
    if (journal) journal.refused = this.refused;
    this.#door.log(`refused ${this.refused}`);
    this.#door.tell();
  }

  /** Pause, resume, tune and rollback act at once; the rest waits for the question it answers. */
  take(d: Decision): Heard {
    const { journal } = this.#door;
    const question = journal?.question ?? null;
    const heard: Heard = { decision: d, to: question?.name ?? null, exactly: asked(question, d.kind), verdict: null };
    if (!journal) { heard.verdict = 'refused: the migration is still being assessed'; return heard; }
    const why = d.reason === null ? '' : ` (${d.reason})`;
    journal.refused = null;
    if (d.kind === 'pause' || d.kind === 'resume') {
      journal.paused = d.kind === 'pause';
      heard.verdict = d.kind === 'resume' ? 'accepted: going on' : this.#door.insideOutage ? 'accepted: pausing after the outage' : 'accepted: pausing before the next unit';
      this.#door.log(`${d.kind} by ${d.by}${why}`);
    } else if (d.kind === 'tune') {
      journal.limits = { ...journal.limits, ...d.limits };
      heard.verdict = `accepted: limits are now ${JSON.stringify(journal.limits)}`;
      this.#door.log(`tune by ${d.by}: ${JSON.stringify(d.limits)}${why}`);
    } else if (d.kind === 'rollback') {
      this.#door.turnBack(d);
      heard.verdict = d.withoutTarget ? 'accepted: what is known without the target will be shown, and your approval asked' : d.to === null ? 'accepted: rolling back to the start' : `accepted: rolling back to the end of phase ${d.to}`;
    } else {
      this.#heard.push(heard);
    }
    this.#door.tell();
    return heard;
  }

  /** Decisions that came for a question which is not the one that is open: somebody was quicker, or said it twice. */
  late(q: Question | null): readonly Heard[] { return this.#heard.filter((h) => h.verdict === null && h.exactly !== asked(q, h.decision.kind)); }
  /** The oldest decision that has no verdict. */
  next(): Heard | undefined { return this.#heard.find((h) => h.verdict === null); }
  get waiting(): boolean { return this.next() !== undefined; }
  settle(heard: Heard, verdict: string): void {
    heard.verdict = verdict;
    this.#heard = this.#heard.filter((h) => h !== heard);
  }

  #refusal(d: Decision): string | null {
    const { journal } = this.#door;
    if (!journal) return 'The migration is still being assessed; say it again in a moment.';
    if (journal.at === null) return 'The migration is over.';
    if (d.kind === 'pause' && journal.direction === 'back') return 'The migration is rolling back, and a rollback does not pause; before a cut back it asks.';
    if (d.kind === 'pause' || d.kind === 'resume' || d.kind === 'tune') return null;
    if (d.withoutTarget) return refuseWithout(journal, this.#door);
    if (d.kind === 'rollback') return this.#refuseRollback(journal, d);
    return refuseAnswer(journal.question, d, journal.at);
  }

  #refuseRollback(journal: Journal, d: Decision): string | null {
    if (journal.reverse?.without) return 'The rollback without the target is under way; refuse its hold to stay.';
    if (d.to !== null && !this.#door.phases.includes(d.to)) return `There is no phase "${d.to}"; the phases are ${this.#door.phases.join(', ')}.`;
    if (journal.has[firm] === true && journal.reverse?.refused) return `The way back of ${journal.reverse.of} was refused, and what it had begun is being undone; say it again when that is done.`;
    const beyond = d.to === null || journal.has[firm] !== true ? null : this.#door.beyond(d.to);
    if (beyond !== null) return beyond;
    if (journal.direction === 'back' && journal.backTo === d.to && !journal.question?.answers.includes('rollback')) return 'The migration is rolling back already.';
    // Before its opening an outage can still be undone.
    const undone = this.#door.insideOutage && !(journal.has[awake] === true && journal.opening !== null);
    if (journal.closedBy !== null && journal.undos.length === 0 && !undone && !journal.question?.answers.includes('rollback'))
      return `The way back was closed by ${journal.closedBy}; nothing since then can be undone.`;
    return null;
  }
}

/** Without the target only the source's ledger is gone by: there must have been something to bring back, and a way that brought it. */
function refuseWithout(journal: Journal, { insideOutage, knowsWithoutTarget }: Pick<Door, 'insideOutage' | 'knowsWithoutTarget'>): string | null {
  const { migration: m, closedBy } = journal;
  if (journal.reverse?.without) return 'The rollback without the target is under way already.';
  const cuts = journal.proven.filter((p) => p.includes('/mark the cut: ')).map((p) => p.slice(p.indexOf(': ') + 2));
  if (closedBy !== null && m.connectBack === null)
    return `${closedBy} was irreversible: without "connectBack" nothing that was written on ${m.target} is carried back and no position there was ever swept. All that ${m.source} has is how things stood then (${cuts.join(' ') || 'no cut is recorded'}), in its ledger ${ledgerTopic} under ${journal.run}/.`;
  if (closedBy !== null) return `The way back was closed by ${closedBy}: since then nothing is carried back from ${m.target}, and nothing swept.`;
  if (!journal.undos.some((u) => u.opening) && !journal.outages.some((o) => o.outcome === 'opened'))
    return 'Nothing has been opened: the ordinary rollback needs nothing that is only on the target. Say rollback without "withoutTarget"; an undo that cannot reach the target asks, and can be skipped with a reason.';
  if (!knowsWithoutTarget) return `The scheme ${journal.scheme} has no way back without the target. What is known of ${m.target} is in the ledger of ${m.source} under ${journal.run}/sweep/.`;
  if (insideOutage && journal.question === null) return 'An outage is under way, which undoes itself or opens within its budget; say it again then.';
  return null;
}

function refuseAnswer(q: Question | null, d: Decision, at: string): string | null {
  if (!q) return `Nothing is asked right now; the migration is at ${at}.`;
  if (d.hold !== null && d.hold !== q.name) return `"${d.hold}" is not open; "${q.name}" is.`;
  if (!(q.answers as readonly string[]).includes(d.kind)) return `"${q.name}" takes ${q.answers.join(', ')}; not ${d.kind}.`;
  if (d.kind === 'approve' && d.hash !== q.hash) return `The evidence shown has the hash ${q.hash}; you approved ${d.hash}. Look at it again.`;
  return null;
}
