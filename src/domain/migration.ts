/** The workflow input: what moves, from where to where, and within which limits. Parsed once; see `parseMigration`. */

/** The ways an application can be a client of Kafka. Topic names here are always resolved names once an inventory exists. */
export interface Application {
  readonly name: string;
  /** Name of a fleet in the catalog: how its processes are stopped, started and asked about. */
  readonly fleet: string;
  /** Topics it writes; moved with the cut of these topics. */
  readonly writes: readonly string[];
  readonly reads: readonly Reading[];
  /** Principals it writes as, such as `User:shop`; needed for a fence where the cluster has an authorizer. */
  readonly principals: readonly string[];
  /** Transactional ids it uses, when known. */
  readonly transactionalIds: readonly string[];
  /** What its owners accept during the move; absent: nothing was said. A scheme that cannot keep to it is refused. */
  readonly tolerates?: Tolerances;
}
/** A missing outage means that its length does not matter; a loss or repeats that were not said to be accepted are not. */
export interface Tolerances {
  readonly loss: boolean;
  readonly repeats: boolean;
  /** Records of one key out of order. */
  readonly disorder: boolean;
  /** Longest time without a running writer, ms. */
  readonly writeOutageMs?: number;
  /** Longest time without a running reader, ms. */
  readonly readOutageMs?: number;
}
export interface Reading {
  readonly group: string;
  readonly topics: readonly string[];
  /** The Java client's default is `read_uncommitted`. */
  readonly isolation: 'read_committed' | 'read_uncommitted';
  /** Consent: at most so many records may be read again where a position cannot be proven; absent: none. */
  readonly mayRepeat?: number;
  /** Where it begins on the target; `restartAllAtOnce` only. Absent: where it was, `translated`. */
  readonly start?: Start;
  /** Consent: at most so many records may never be read; `restartAllAtOnce` only. Absent: none. */
  readonly mayLose?: number;
}
/** `earliest`: with all that is on the target, read again. `latest`: behind it, so that what is unread is given up. */
export type Start = 'translated' | 'earliest' | 'latest';
/** Groups of these applications that may read records again, and how many. */
export const consentsOf = (applications: readonly Application[]): readonly { readonly group: string; readonly repeats: number }[] =>
  applications.flatMap((a) => a.reads.flatMap((r) => (r.mayRepeat === undefined ? [] : [{ group: r.group, repeats: r.mayRepeat }])));

/** Groups seen on the topics that belong to no declared application. Every group must be declared somewhere. */
export type GroupPolicy = 'leave' | 'abandon';

/** The closed list of what `tune` may change while a migration runs; bounds are shown in the plan. */
export interface Limits {
  /** A mirror counts as caught up below this many records on every partition. */
  readonly lagRecords: number;
  /** How long a started application may take until fleet and brokers agree that it runs, ms. */
  readonly startMs: number;
  /** How long a stopped application may take until fleet and brokers agree that it is gone, ms (outside an outage). */
  readonly stopMs: number;
  /** How long a wait may show no progress before it fails as stuck, ms. */
  readonly stuckMs: number;
  /** Events in Temporal's history after which the workflow continues as new. */
  readonly historyEvents: number;
}
export const limitBounds = {
  lagRecords: { default: 1_000, min: 0, max: 10_000_000 },
  startMs: { default: 120_000, min: 1_000, max: 3_600_000 },
  stopMs: { default: 120_000, min: 1_000, max: 3_600_000 },
  stuckMs: { default: 120_000, min: 5_000, max: 86_400_000 },
  historyEvents: { default: 2_000, min: 50, max: 20_000 },
} as const satisfies Record<keyof Limits, { default: number; min: number; max: number }>;

export interface Migration {
  /** Lower-case letters, digits and dashes; the workflow id is `cutover/<source>/<target>/<name>`. */
  readonly name: string;
  /** Cluster names of the catalog. */
  readonly source: string;
  readonly target: string;
  /** Connect worker (catalog name) that runs the forward mirror; `null` for schemes that copy nothing. */
  readonly connect: string | null;
  /** Connect worker that carries back to the source what is written on the target after an opening; `null`: openings are irreversible. */
  readonly connectBack: string | null;
  /** Names, or patterns with `*` (any run of characters). */
  readonly topics: readonly string[];
  readonly applications: readonly Application[];
  /** Names of applications that only read and are stopped and started together, in the order in which they move; whoever is not named moves alone, after them. Only for `consumerFirst`. */
  readonly batches?: readonly (readonly string[])[];
  readonly groups: Readonly<Record<string, GroupPolicy>>;
  /**
   * `together`: all topics are one cut set, with one outage for all. `with-inputs`: an application that reads and writes takes the
   * topics it reads into the cut of what it writes. Set by the schemes that know no other way (`cutsOf`).
   */
  readonly cuts?: 'together' | 'with-inputs';
  /** Topics of loops, such as retry topics: run dry when nothing new came for so many ms and everything is read. */
  readonly quiet?: Readonly<Record<string, number>>;
  readonly outage: {
    /** Longest allowed write outage of one cut set, ms. */
    readonly budgetMs: number;
    /** The part of it kept for the undo, ms. */
    readonly undoReserveMs: number;
  };
  readonly limits: Limits;
}

const oneOutage: readonly string[] = ['stopWaitRestart', 'restartAllAtOnce'];
const withInputs: readonly string[] = ['dualConsume'];
export const cutsOf = (scheme: string): Pick<Migration, 'cuts'> => (oneOutage.includes(scheme) ? { cuts: 'together' } : withInputs.includes(scheme) ? { cuts: 'with-inputs' } : {});

export const workflowIdOf = (m: Pick<Migration, 'source' | 'target' | 'name'>): string => `cutover/${m.source}/${m.target}/${m.name}`;
export const groupsOf = (a: Application): readonly string[] => [...new Set(a.reads.map((r) => r.group))].sort();
export const readsOf = (a: Application): readonly string[] => [...new Set(a.reads.flatMap((r) => r.topics))].sort();

/** What `inspect` found when the migration started; frozen in the journal, re-read and compared at every hold. */
export interface Inventory {
  readonly clusterIds: { readonly source: string; readonly target: string };
  /** Bytes of topic facts that matter for identity: sorted by name. */
  readonly topics: readonly TopicIdentity[];
  /** Groups with committed positions or members on these topics, sorted. */
  readonly groups: readonly string[];
  /** What the source and target can do for a fence. */
  readonly authorizer: { readonly source: Presence; readonly target: Presence };
}
export type Presence = 'present' | 'none' | 'unknown';
export interface TopicIdentity {
  readonly name: string;
  /** Topic id on the source (base64url or uuid text, as the client library prints it). */
  readonly id: string;
  readonly partitions: number;
}
