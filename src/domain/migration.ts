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
  /** Where it begins on the target. Absent: where it was, `translated`. */
  readonly start?: Start;
  /** Consent: at most so many records may never be read; `restartAllAtOnce` only. Absent: none. */
  readonly mayLose?: number;
}
/**
 * `timestamp`: as `translated`, and where that cannot be proven by the smallest timestamp of what is unread. For `restartAllAtOnce`
 * only: `earliest`, with all that is on the target, read again; `latest`, behind it, so that what is unread is given up.
 */
export type Start = 'translated' | 'timestamp' | 'earliest' | 'latest';
/** Groups of these applications that may read records again, and how many. */
export const consentsOf = (applications: readonly Application[]): readonly { readonly group: string; readonly repeats: number }[] =>
  readingsOf(applications).flatMap((r) => (r.mayRepeat === undefined ? [] : [{ group: r.group, repeats: r.mayRepeat }]));

/** Groups seen on the topics that belong to no declared application. Every group must be declared somewhere. */
export type GroupPolicy = 'leave' | 'abandon';

/** What stop, fence, drain, silence and mark need at the very least, ms, and their undo; a budget must leave both. */
export const leastOutage = { forwardMs: 500, reserveMs: 500 } as const;

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
  /** Names of applications that only read and are stopped and started together, in the order in which they move; whoever is not named moves alone, after them. Only for `consumerFirst` and `stopRestartRepeat`. */
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
  /** Written by an estate into the migrations of its waves; absent: a migration of its own. */
  readonly estate?: EstatePart;
  /** Of the scheme `blueGreen` only. */
  readonly blueGreen?: BlueGreen;
}

/** A second (green) set of every application, on the target, beside the first (blue) one until traffic is switched. */
export interface BlueGreen {
  /** Application → fleet of the catalog with its green set. */
  readonly fleets: Readonly<Record<string, string>>;
  /** What green does until the switch: `muted` works without effect, `shadow` writes elsewhere, `doubling` does everything a second time. */
  readonly until: 'muted' | 'shadow' | 'doubling';
  /** Hooks of the catalog. `traffic` says and is told `source` or `target`. */
  readonly traffic: string;
  /** Says and is told `muted` or `live`; `null`: green doubles. */
  readonly live: string | null;
  /** Says `fine` when green has shown that it works; `null`: the brokers' facts and the approval decide. */
  readonly validate: string | null;
}

const oneOutage: readonly string[] = ['blueGreen', 'stopWaitRestart', 'restartAllAtOnce'];
const withInputs: readonly string[] = ['dualConsume'];
export const cutsOf = (scheme: string): Pick<Migration, 'cuts'> => (oneOutage.includes(scheme) ? { cuts: 'together' } : withInputs.includes(scheme) ? { cuts: 'with-inputs' } : {});
/** What a wave must know of its estate, which owns topics, mirrors and cuts; the wave owns fleets and groups. */
export interface EstatePart {
  /** Workflow id of the estate: it is told what happens, and it holds the locks. */
  readonly id: string;
  /** First run id of the estate: prefix of the cuts, positions and connectors that its waves share. */
  readonly run: string;
  readonly wave: string;
  /** Cut sets of this migration whose forward mirror is the estate's, because others read them on the target before their cut. */
  readonly feeds: readonly FedSet[];
  /** Cut sets that this migration reads and whose writers move in other waves. */
  readonly elsewhere: readonly Elsewhere[];
}
export interface FedSet {
  readonly name: string;
  readonly topics: readonly string[];
}
export interface Elsewhere extends FedSet {
  /** Where its writers are when this migration starts. On the source it is fed forward by the estate, on the target back by the wave that cut it. */
  readonly authority: 'source' | 'target';
  /** `not-copied`: what was written before its cut is only on the source. */
  readonly history: 'copied' | 'not-copied';
}
/** The part of an estate that is there before its waves and after them: locks, and mirrors of what is read early. */
export const groundworkWave = 'groundwork';
/** Topics whose writers move elsewhere. */
export const elsewhereOf = (m: { readonly estate?: EstatePart | undefined }): ReadonlySet<string> => new Set((m.estate?.elsewhere ?? []).flatMap((s) => s.topics));
/** The migration with only the topics that it creates on the target: those it cuts; what is read early is created by the groundwork. */
export function ownPart(m: Migration): Migration {
  if (m.estate === undefined) return m;
  const others = new Set([...elsewhereOf(m), ...(m.estate.wave === groundworkWave ? [] : m.estate.feeds.flatMap((s) => s.topics))]);
  return { ...m, topics: m.topics.filter((t) => !others.has(t)) };
}
/** The last hold of every scheme: a wave that has come to it is settled. */
export const finishHold = 'finish/approve the finish';

export const workflowIdOf = (m: Pick<Migration, 'source' | 'target' | 'name'>): string => `cutover/${m.source}/${m.target}/${m.name}`;
export const groupsOf = (a: Application): readonly string[] => [...new Set(a.reads.map((r) => r.group))].sort();
/** One for each group: what its members in different applications read, together. What else is said of a group is said alike by all of them. */
export function readingsOf(applications: readonly Application[]): readonly Reading[] {
  const readings = new Map<string, Reading>();
  for (const r of applications.flatMap((a) => a.reads)) {
    const known = readings.get(r.group);
    readings.set(r.group, known ? { ...known, topics: [...new Set([...known.topics, ...r.topics])] } : r);
  }
  return [...readings.values()];
}
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
