/**
 * Everything a run must remember, as one value: input of continue-as-new, record in the ledger, input of `recover`.
 * Names of changes and shapes of pre-images are stored data; journals of every release are test fixtures.
 */
import type { Decision } from '../domain/decisions.ts';
import { Failure } from '../domain/failures.ts';
import type { Json } from '../domain/json.ts';
import type { Inventory, Limits, Migration } from '../domain/migration.ts';
import type { Repeats } from '../domain/scheme.ts';
import type { OutageRecord, Question, StepTime, Swept, Tended } from '../domain/progress.ts';

export const journalVersion = 1;
/**
 * Asked of `has`: runs planned before stand still while paused even where something is asked, look after nothing while parked
 * behind a refused way back, and know of an opening that has not been finished only where they stand.
 */
export const awake = '2026-11-23-awake';
/**
 * Asked of `has`: in runs planned before the ledger does not say whether a step without a way back had begun, and decisions at
 * unusual moments are taken as they were: a rollback to where no way leads, one inside an outage or beside another way back.
 */
export const firm = '2026-11-23-firm';
/** Asked where another plan is to be decided upon first: it was overlooked, and the run went on under a plan that nobody had approved. */
export const asksFirst = '2026-11-23-asks-about-the-plan-first';
/** Audit lines carried along; older ones are in the ledger. */
export const auditTail = 200;

/** `late`: keeps nobody from writing, see `nextUndo`. `opening`: undone by its own phases. */
export interface Undo { readonly step: string; readonly unit: string; readonly phase: string; readonly before: Json; readonly key: string; readonly late?: true; readonly opening?: true }
/** The way back of one opening, under way. */
export interface Reverse {
  /** `step` of the undo entry of the opening. */
  readonly of: string;
  /** Unit of the way back; `null`: all done. */
  at: string | null;
  /** How many undo entries there were, the opening's included, when it began. */
  readonly mark: number;
  /** The writers have been told to start where they came from: from here the way is on. */
  opened: boolean;
  /** Somebody refused it: what it has done is undone and the opening stands. */
  refused: string | null;
  /** The target is dead: these applications go back without it. */
  readonly without?: Without;
}
/** Where the run stood, so that it can stay there when the hold is refused. */
export interface Without { readonly applications: readonly string[]; readonly stood: Pick<Journal, 'direction' | 'backTo' | 'endedBy' | 'reverse' | 'unwind' | 'opening' | 'pending' | 'undos'> & Partial<Pick<Journal, 'question' | 'recovering' | 'attempt' | 'wantBack'>> }
/** A pre-image read once per attempt; a retry reuses it. */
export interface Captured { readonly before: Json; readonly key: string }

export interface Turn { readonly by: string; readonly reason: string; readonly kind: 'rollback' | 'reject' | 'cancel'; readonly to: string | null; readonly withoutTarget?: true; /** The ordinary rollback that was wanted before, and is again if this one is refused. */ readonly instead?: Turn }

export interface Journal {
  version: typeof journalVersion;
  scheme: string;
  run: string;
  /** Grows with every write to the ledger: tells whether the ledger is ahead of a rewound workflow. */
  sequence: number;
  migration: Migration;
  inventory: Inventory;
  planHash: string;
  inventoryHash: string;
  limits: Limits;
  /** Answers to `has`, decided by the first run; ids it does not know are false. */
  has: Record<string, boolean>;
  searchAttributes: readonly string[];
  /** Name of the current unit; `null`: all done. */
  at: string | null;
  direction: 'forward' | 'back';
  /** Phase at whose end a rollback stops; `null`: the start. */
  backTo: string | null;
  wantBack: Turn | null;
  /** Who turned the way back, once it has been turned. */
  endedBy: Turn | null;
  /** An opening is being undone by its phases back. */
  reverse: Reverse | null;
  /** Undo entries above `to` are being undone because the outage at `at` failed for `why`. */
  unwind: { readonly to: number; readonly why: string } | null;
  /** Name of the outage whose opening has begun, and the times of its steps so far. */
  opening: string | null;
  pending: readonly StepTime[] | null;
  /** Name of the last irreversible step that has begun. */
  closedBy: string | null;
  paused: boolean;
  /** Grows whenever the way turns, so that keys of attempts differ. */
  attempt: number;
  undos: Undo[];
  captured: Record<string, Captured>;
  /** By group, how many records it may read again: consented to with an approval. */
  mayRepeat?: Repeats;
  picture: string | null;
  say: string;
  figures: Json;
  question: Question | null;
  /** What was asked when a worker with another plan took over; asked again on the matching one. */
  aside?: Question;
  /** Decisions heard and not yet acted on. */
  inbox: Decision[];
  outages: OutageRecord[];
  /** The sweep of positions beside the units, as it last said. */
  swept: Swept | null;
  /** The mirrors, as whoever looks after them beside the units said last; `null`: nobody does. */
  mirrors: Tended | null;
  proven: string[];
  audit: string[];
  /** Audit lines that are not carried along any more, until they are in the ledger under keys of their own. */
  spilled?: readonly string[];
  refused: string | null;
  /** Taken from the ledger by `recover`, and what was under way has not been looked after yet. */
  recovering: boolean;
  runs: number;
  startedMs: number;
}

export const openJournal = (x: Pick<Journal, 'scheme' | 'run' | 'migration' | 'inventory' | 'planHash' | 'inventoryHash' | 'has' | 'searchAttributes' | 'at' | 'startedMs'>): Journal => ({
  version: journalVersion, sequence: 0, limits: x.migration.limits, direction: 'forward', backTo: null, wantBack: null, endedBy: null, reverse: null, unwind: null, opening: null, pending: null, closedBy: null, paused: false,
  attempt: 1, undos: [], captured: {}, picture: null, say: '', figures: null, question: null, inbox: [], outages: [], swept: null, mirrors: null, proven: [], audit: [],
  refused: null, recovering: false, runs: 1, ...x,
});

/** A journal from outside (continue-as-new by other code, the ledger, an operator). Its version and frame are checked, all faults at once. */
export function parseJournal(x: unknown): Journal {
  const j = (x ?? {}) as Record<string, unknown>;
  const faults = [
    ...(j['version'] === journalVersion ? [] : [`"version" is ${JSON.stringify(j['version'])}, this code reads ${journalVersion}`]),
    ...['scheme', 'run', 'planHash', 'inventoryHash'].filter((k) => typeof j[k] !== 'string').map((k) => `"${k}" must be text`),
    ...['undos', 'inbox', 'outages', 'audit', 'proven'].filter((k) => !Array.isArray(j[k])).map((k) => `"${k}" must be a list`),
    ...['migration', 'inventory', 'limits', 'has', 'captured'].filter((k) => j[k] === null || typeof j[k] !== 'object').map((k) => `"${k}" must be an object`),
    ...(j['at'] === null || typeof j['at'] === 'string' ? [] : ['"at" must name a unit or be null']),
    ...(j['direction'] === 'forward' || j['direction'] === 'back' ? [] : ['"direction" must be forward or back']),
    ...['sequence', 'attempt', 'runs', 'startedMs'].filter((k) => typeof j[k] !== 'number').map((k) => `"${k}" must be a number`),
  ];
  if (faults.length > 0) throw new Failure('BadMigration', `The journal cannot be read: ${faults.join('; ')}.`);
  // What earlier releases did not know.
  const journal = x as Journal & { reverse?: Reverse | null; recovering?: boolean; swept?: Swept | null; mirrors?: Tended | null };
  return { ...journal, reverse: journal.reverse ?? null, recovering: journal.recovering ?? false, swept: journal.swept ?? null, mirrors: journal.mirrors ?? null, migration: { ...journal.migration, connectBack: journal.migration.connectBack ?? null } };
}

/** One line more for the audit; what is too old to be carried along goes to the ledger with the next entry. */
export function note(j: Journal, nowMs: number, line: string): void {
  const all = [...j.audit, `${new Date(nowMs).toISOString()} ${line}`.slice(0, 600)];
  j.audit = all.slice(-auditTail);
  const old = all.slice(0, -auditTail);
  if (old.length > 0) j.spilled = [...j.spilled ?? [], ...old];
}
/** The journal for the ledger under this key, and the audit lines that it does not carry any more. */
export const entriesOf = (j: Journal, key: string): { readonly key: string; readonly value: string }[] =>
  [{ key, value: JSON.stringify(j) }, ...(j.spilled ? [{ key: `${j.run}/audit/${j.sequence}`, value: JSON.stringify(j.spilled) }] : [])];
/** They are in the ledger; what came meanwhile is not. */
export function kept(j: Journal, lines: Journal['spilled']): void {
  const left = j.spilled?.slice(lines?.length ?? 0) ?? [];
  if (left.length > 0) j.spilled = left;
  else delete j.spilled;
}

/** Under which run cuts, positions and connectors are kept: waves of one estate share them. */
export const ledgerRun = (j: Journal): string => j.migration.estate?.run ?? j.run;

/** The journal of a workflow that ended without undoing anything, for the run that goes on in its place. */
export const takenUp = ({ aside: _answered, ...j }: Journal): Journal => ({ ...j, mirrors: null, recovering: true, paused: false, wantBack: null, question: null, inbox: [], runs: j.runs + 1 });
