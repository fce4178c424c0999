/** The ports: what activities ask of the outside, in domain words. Adapters implement them; no vendor type crosses. */
import type { Presence } from './migration.ts';
import type { Side } from './authority.ts';
import type { Timed } from './scheme.ts';

/** The clock of an outage as a write sees it. Every port call that writes takes one and obeys it before each request. */
export interface Until {
  /** Absolute epoch ms; `null` outside an outage. */
  readonly untilMs: number | null;
  /** Aborts at `untilMs`, on cancellation, and on worker shutdown. */
  readonly signal: AbortSignal;
  /** Call right before each writing request. Throws `BudgetExceeded` when `untilMs` has passed, the abort reason when aborted. */
  check(): void;
  /** A timeout for one request, ms: at most `capMs`, never past `untilMs`, at least 1. */
  timeoutMs(capMs: number): number;
}

export interface TopicPartition { readonly topic: string; readonly partition: number }
/** Where a log stands. All offsets are the next to be read: `hw` is the high watermark, `lso` the last stable offset. */
export interface LogEnds extends TopicPartition { readonly logStart: bigint; readonly lso: bigint; readonly hw: bigint }
/** A committed position: the next offset the group would read. */
export interface Position extends TopicPartition { readonly offset: bigint; readonly metadata: string }

export interface TopicFacts {
  readonly name: string;
  readonly id: string;
  readonly partitions: number;
  readonly replicationFactor: number;
  readonly internal: boolean;
  /** Effective values of all topic-level settings. */
  readonly configs: Readonly<Record<string, { readonly value: string; readonly source: 'topic' | 'broker' | 'default' | 'other' }>>;
}
export interface NewTopic { readonly name: string; readonly partitions: number; readonly replicationFactor: number; readonly configs: Readonly<Record<string, string>> }

export interface GroupFacts {
  readonly group: string;
  /** `none`: the cluster does not know the group. A simple group that only commits is `classic` and `Empty`. */
  readonly type: 'classic' | 'consumer' | 'share' | 'streams' | 'none' | 'unknown';
  /** Broker's word, from the describe call that fits the type (never API 15 for a KIP-848 group). */
  readonly state: 'Empty' | 'Stable' | 'Rebalancing' | 'Dead' | 'Unknown';
  /** What a classic group's members speak: `consumer`, `connect` (a Connect worker group), …; empty: it only commits. Absent: not told. */
  readonly protocolType?: string;
  readonly members: readonly GroupMember[];
}
export interface GroupMember {
  readonly memberId: string;
  readonly clientId: string;
  readonly host: string;
  readonly instanceId: string | null;
  /** Partitions it is assigned; absent: cannot be seen. */
  readonly reads?: readonly TopicPartition[];
}
/** One live producer of a partition, from DescribeProducers. */
export interface ProducerFacts extends TopicPartition {
  readonly producerId: bigint;
  readonly epoch: number;
  readonly lastSequence: number;
  readonly lastTimestampMs: number;
  /** First offset of its open transaction; `null`: none open. */
  readonly openFrom: bigint | null;
}
export interface ClusterFacts {
  readonly clusterId: string;
  readonly brokers: readonly { readonly id: number; readonly host: string; readonly port: number }[];
  /** `3.9`, `4.3`: derived from the finalized `metadata.version` or the API versions; `unknown` when neither tells. */
  readonly release: string;
  readonly authorizer: Presence;
  /** Who we are there; absent: we do not log in by name. */
  readonly principal?: string;
  /** Whom no rule stops; absent: cannot be read. */
  readonly superUsers?: readonly string[];
}
/** A DENY WRITE rule we set or found. */
export interface DenyRule { readonly principal: string; readonly topic: string }
/** A DENY READ rule on a group. */
export interface GroupDenyRule { readonly principal: string; readonly group: string }
/** A transactional id as its coordinator knows it. */
export interface TransactionFacts {
  readonly transactionalId: string;
  readonly producerId: bigint;
  readonly epoch: number;
  readonly state: string;
  /** When its open transaction began; `null`: none is open. */
  readonly startedMs: number | null;
  /** After it the coordinator aborts the transaction by itself. */
  readonly timeoutMs: number;
}
/** Copies to be written exactly once, whoever tries and however often. */
export interface OnceOnly {
  /** Keeps two tries apart: the later one fences the earlier one. */
  readonly transactionalId: string;
  /** Its positions say what has been written; they are committed in the same transaction. */
  readonly group: string;
  readonly records: readonly OriginalRecord[];
  /** Positions of the origin after these records. */
  readonly upTo: readonly Position[];
  /** Asked once the earlier one is fenced, before anything is written: throws where another try has been further than this one knew. */
  readonly ours?: () => Promise<void>;
}

/** A catalog cluster. Connections are shared and closed by the worker. Requests grow with brokers, not with topics or groups. */
export interface Cluster {
  readonly name: string;
  facts(): Promise<ClusterFacts>;
  /** Missing topics are simply absent from the answer. `'all'` leaves out internal ones only if the caller filters. */
  topics(names: readonly string[] | 'all'): Promise<readonly TopicFacts[]>;
  createTopics(topics: readonly NewTopic[], until: Until): Promise<void>;
  deleteTopics(names: readonly string[], until: Until): Promise<void>;
  /** Incremental: `set` overrides, `unset` back to the default; nothing else changes. */
  setTopicConfigs(changes: readonly { readonly topic: string; readonly set: Readonly<Record<string, string>>; readonly unset: readonly string[] }[], until: Until): Promise<void>;
  /** All partitions of the topics (or exactly these partitions): three offsets each. */
  ends(of: readonly string[] | readonly TopicPartition[]): Promise<readonly LogEnds[]>;
  /** The first offset of each partition that bears this timestamp or a later one, aborted records included; `null`: there is none. */
  offsetsFrom(of: readonly (TopicPartition & { readonly timestampMs: bigint })[]): Promise<ReadonlyMap<string, bigint | null>>;
  /** `'all'`: every group the cluster lists, of every type. Named groups that do not exist come back with type `none`. */
  groups(names: readonly string[] | 'all'): Promise<readonly GroupFacts[]>;
  /** Committed positions of each group, stable ones (pending transactional commits are waited for up to a few seconds). */
  committed(groups: readonly string[]): Promise<ReadonlyMap<string, readonly Position[]>>;
  /** Simple commit (generation -1, leader epoch -1), one request per group, pipelined. Error of one group names it; active members → `GroupActive`. */
  commit(positions: ReadonlyMap<string, readonly Position[]>, until: Until): Promise<void>;
  /** Takes committed positions away (OffsetDelete). */
  uncommit(positions: ReadonlyMap<string, readonly TopicPartition[]>, until: Until): Promise<void>;
  producers(of: readonly TopicPartition[]): Promise<readonly ProducerFacts[]>;
  /** Current producer id of a transactional id; `null`: the cluster does not know it. */
  transaction(transactionalId: string): Promise<{ readonly producerId: bigint; readonly epoch: number; readonly state: string } | null>;
  /** InitProducerId: aborts what is open and fences the owner. Retries 51/14/15/16 within `until`. */
  fenceTransactionalId(transactionalId: string, until: Until): Promise<{ readonly producerId: bigint; readonly epoch: number }>;
  /** Who owns these producer ids, as far as coordinators know: a producer without transactional id is absent. */
  transactionsOf(producerIds: readonly bigint[]): Promise<readonly TransactionFacts[]>;
  /** Members are put out of the group, static ones too. One that is alive joins again by itself. */
  removeMembers(group: string, members: readonly Pick<GroupMember, 'memberId' | 'instanceId'>[], until: Until): Promise<void>;
  /** One transaction: the records with the timestamps they have, and the positions that say so. */
  writeOnce(what: OnceOnly, until: Until): Promise<void>;
  /** DENY WRITE rules that every broker shows. */
  denyRules(topics: readonly string[]): Promise<readonly DenyRule[]>;
  /** DENY READ rules on groups that every broker shows. */
  groupDenyRules(groups: readonly string[]): Promise<readonly GroupDenyRule[]>;
  /** Returns when every broker shows the rules. */
  deny(rules: readonly (DenyRule | GroupDenyRule)[], until: Until): Promise<void>;
  /** Returns when no broker shows any of the rules. */
  allow(rules: readonly (DenyRule | GroupDenyRule)[], until: Until): Promise<void>;
  readonly records: RecordReader;
  close(): Promise<void>;
}

/** One record as a consumer would see it. */
export interface SeenRecord extends TopicPartition {
  readonly offset: bigint;
  readonly timestampMs: bigint;
  /** Hash over timestamp, key, value and headers (null and empty apart); equal on both sides for a faithful copy. */
  readonly fingerprint: string;
}
/** A record with everything a copy needs. */
export interface OriginalRecord extends SeenRecord {
  /** -1n: written without an id. */
  readonly producerId: bigint;
  /** Key, value and headers as they are stored in a batch of format v2, after offset and timestamp. */
  readonly content: Buffer;
}
/** Who wrote a stretch of a log. */
export interface LogWriter {
  /** -1n: a writer without an id. */
  readonly producerId: bigint;
  readonly records: number;
  readonly firstOffset: bigint;
  readonly lastOffset: bigint;
  readonly firstTimestampMs: bigint;
  readonly lastTimestampMs: bigint;
  /** Stretches without data of others in between, in order; only the first thousand of a partition are kept. */
  readonly runs: readonly { readonly firstOffset: bigint; readonly lastOffset: bigint }[];
}
/** Reads logs without a consumer group, as far as a consumer would see them. Bounded memory. */
export interface RecordReader {
  /** Visible records in `[from, to)`, in order. Default isolation is `read_committed`. A `from` below the log start begins there. */
  range(of: TopicPartition & { readonly from: bigint; readonly to: bigint }, options?: ReadOptions): AsyncIterable<SeenRecord>;
  /** The last `count` visible records below the given ends (fewer if the log has fewer), per partition, in order; many partitions in few requests. */
  tails(ends: readonly LogEnds[], count: number, options?: ReadOptions): Promise<ReadonlyMap<string, readonly SeenRecord[]>>;
  /** The first visible record at or after `from`; `null`: none below `to`. Many partitions in few requests. */
  firsts(of: readonly (TopicPartition & { readonly from: bigint; readonly to: bigint })[], options?: ReadOptions): Promise<ReadonlyMap<string, SeenRecord | null>>;
  /** Key and value too, for small internal topics such as the offset syncs and the ledger. */
  contents(of: TopicPartition & { readonly from: bigint; readonly to: bigint }, options?: ReadOptions): AsyncIterable<SeenRecord & { readonly key: Buffer | null; readonly value: Buffer | null }>;
  /** Records as they are stored, for copies; small stretches only. */
  originals(of: TopicPartition & { readonly from: bigint; readonly to: bigint }, options?: ReadOptions): AsyncIterable<OriginalRecord>;
  /** Producer ids of the data batches in `[from, to)`, control batches left out; open and aborted transactions count unless `read_committed` is asked for. */
  writers(of: TopicPartition & { readonly from: bigint; readonly to: bigint }, options?: ReadOptions): Promise<readonly LogWriter[]>;
  /** What a `read_uncommitted` reader sees besides: batches of aborted transactions in `[from, to)`, up to the last stable offset, in order. Many partitions in few requests. */
  aborted(of: readonly (TopicPartition & { readonly from: bigint; readonly to: bigint })[], options?: Pick<ReadOptions, 'signal'>): Promise<ReadonlyMap<string, readonly AbortedBatch[]>>;
}
/** `records` of the batch lie in the range asked for. */
export interface AbortedBatch { readonly firstOffset: bigint; readonly records: number }
export interface ReadOptions { readonly isolation?: 'read_committed' | 'read_uncommitted'; readonly signal?: AbortSignal }
/** `topic/partition`: the key of the maps above. */
export const tpKey = (tp: TopicPartition): string => `${tp.topic}/${tp.partition}`;

/** One mirror (a MirrorMaker 2 source connector) for one cut set, direction and attempt. */
export interface MirrorSpec {
  /** Connect worker, catalog name. */
  readonly connect: string;
  /** Connector name, unique per attempt, e.g. `cutover-orders-fwd-1a2b3c4d`. The source alias equals it. */
  readonly name: string;
  readonly from: string; // cluster, catalog name
  readonly to: string;
  readonly topics: readonly string[];
  /** One entry per partition that must not start at the beginning: the next offset to be read from `from`. */
  readonly seed: readonly Position[];
}
/** Next source offset each partition of the mirror will read (`stored + 1`); absent: nothing stored yet. */
export type MirrorProgress = ReadonlyMap<string, bigint>;
export interface MirrorHealth {
  readonly connector: 'RUNNING' | 'PAUSED' | 'STOPPED' | 'FAILED' | 'UNASSIGNED' | 'RESTARTING' | 'absent';
  /** Partitions held by RUNNING tasks (`topic/partition`). RUNNING alone proves nothing. */
  readonly assigned: readonly string[];
  readonly tasks: number;
  /** First lines of failed tasks' traces, secrets stripped. */
  readonly traces: readonly string[];
}
/** As Connect shows it: that its tasks do not copy although they are said to run, it does not show. */
export type MirrorState = Pick<MirrorHealth, 'connector' | 'tasks' | 'traces'> & { readonly name: string };
/** What is known of a mirror that does not exist yet, in sentences without a full stop. */
export interface MirrorProof {
  /** Each says what would do. */
  readonly faults: readonly string[];
  readonly shown: readonly string[];
  /** What nobody here may look at: never claimed. */
  readonly unknown: readonly string[];
  /** Who the mirror writes as, where that is known. */
  readonly principal?: string;
}
/** `renewed`: settings by which a mirror reaches its clusters that differed from the catalog's, and are as there now. `failed`: why that could not be looked at or set; it goes on with what it has. */
export interface Renewal { readonly renewed: readonly string[]; readonly failed: Error | null }
/** `found`: what did not copy, one line each; empty: nothing was done. */
export interface Revived extends Renewal { readonly found: readonly string[] }
export interface Anchor { readonly from: bigint; readonly to: bigint }
export interface Mirrors {
  /** Names of the connectors on this Connect worker that begin with `prefix`, whatever their state, sorted. */
  list(connect: string, prefix: string): Promise<readonly string[]>;
  /** Of all connectors on this Connect worker whose state it knows, by one request. */
  states(connect: string): Promise<readonly MirrorState[]>;
  /** Validates config with the worker; alive group; returns faults as sentences, empty when fine. */
  check(spec: MirrorSpec): Promise<readonly string[]>;
  /** `check`, and what only a look at the clusters shows: a live worker group of that name, rights asked as the logins the mirror will use. Leaves nothing but an unused transactional id. */
  prove(spec: MirrorSpec): Promise<MirrorProof>;
  /** Syncs topic pre-created, connector created STOPPED, seeded, seeds read back entry by entry, resumed, RUNNING with every partition assigned. Idempotent. */
  create(spec: MirrorSpec, until: Until): Promise<void>;
  health(spec: MirrorSpec): Promise<MirrorHealth>;
  /** Exact, from Connect's offsets; costs up to 0.7 s with exactly-once: not for loops inside an outage. */
  progress(spec: MirrorSpec): Promise<MirrorProgress>;
  /** Transactional ids of its tasks with their present producer ids; `producerId` null: not known to the cluster. */
  writers(spec: MirrorSpec): Promise<readonly { readonly transactionalId: string; readonly producerId: bigint | null }[]>;
  /**
   * PUT /stop answered 204, then InitProducerId on every transactional id (compared with the remembered producer id):
   * nothing this mirror has in flight can become visible afterwards. 25-130 ms.
   */
  silence(spec: MirrorSpec, writers: readonly { readonly transactionalId: string; readonly producerId: bigint | null }[], until: Until): Promise<Timed>;
  /** PUT /stop alone, of one whose transactional ids nobody knows: there is nothing to fence. */
  halt(spec: MirrorSpec, until: Until): Promise<void>;
  /** Waits until STOPPED with no tasks (0.2-10 s after `silence`). */
  awaitStopped(spec: MirrorSpec, until: Until): Promise<void>;
  /** After a silence that is undone *before* a cut: resume and wait until RUNNING with every partition assigned. */
  resume(spec: MirrorSpec, until: Until): Promise<Renewal>;
  /** Restarts what has failed of a mirror that is to run, or all of one that runs without a task. Does not wait for the effect. */
  revive(spec: MirrorSpec, until: Until): Promise<Revived>;
  /** Where the catalog has another way to its clusters by now (addresses, logins), a mirror that is to run begins anew with that; answers the names of the settings that differed. Does not wait for the effect. */
  renew(spec: MirrorSpec, until: Until): Promise<readonly string[]>;
  /** Tasks of a running mirror whose transactional id the cluster has forgotten, after a week without a record, begin anew and are waited for; answers those ids. */
  awaken(spec: MirrorSpec, until: Until): Promise<readonly string[]>;
  /** Stop, wait, delete connector and its stored offsets, delete its syncs topic. Idempotent. */
  remove(spec: MirrorSpec, until: Until): Promise<void>;
  /** Where its offset syncs end: grows with what it copies. `null`: it has none. */
  synced(spec: MirrorSpec): Promise<bigint | null>;
  /** Offset syncs in log order, decoded: record `from` on the source was acknowledged at `to` on the target. */
  anchors(spec: MirrorSpec): Promise<ReadonlyMap<string, readonly Anchor[]>>;
}

/** How many processes of an application run where, as the fleet itself says. */
export interface FleetState {
  readonly source: number | 'unknown';
  readonly target: number | 'unknown';
  readonly say: string;
}
/** The processes of one application. `stop` returns when the fleet says they are gone; belief also needs the brokers. */
export interface Fleet {
  readonly kind: 'command' | 'webhook' | 'manual';
  /** Whether a set of processes can run on one side beside the set on the other: then one set alone can be stopped and started. */
  readonly beside: boolean;
  /** `only`: the set on that side; without it all there is. */
  stop(application: string, until: Until, only?: Side): Promise<void>;
  /** `beside`: whatever runs on the other side goes on. */
  start(application: string, on: Side, until: Until, how?: 'beside'): Promise<void>;
  ask(application: string, until: Until): Promise<FleetState>;
}

/** What a hook says of itself: one word, and a sentence for people. */
export interface HookState { readonly state: string; readonly say: string }
/** A switch or a check of the operator's own. A `set` that was answered is not believed before it is asked again. */
export interface Hook {
  ask(until: Until): Promise<HookState>;
  set(state: string, until: Until): Promise<void>;
}

/** The record of everything, on both clusters: a compacted topic `__cutover.ledger`. */
export interface Ledger {
  /** Creates the topic where it is missing; returns faults (rights, replication) as sentences. */
  prepare(cluster: string, until: Until): Promise<readonly string[]>;
  /** Acknowledged by all in-sync replicas and read back. */
  write(cluster: string, entries: readonly { readonly key: string; readonly value: string }[], until: Until): Promise<void>;
  /** Newest value per key whose key begins with `prefix`. */
  read(cluster: string, prefix: string): Promise<ReadonlyMap<string, string>>;
}

/** Everything an activity may reach; built once by the worker. A name that the catalog lacks throws `BadMigration`. */
export interface Ports {
  cluster(name: string): Cluster;
  mirrors: Mirrors;
  fleet(name: string): Fleet;
  hook(name: string): Hook;
  ledger: Ledger;
}
