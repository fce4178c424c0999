/**
 * What the workflow asks of the outside: the activity signatures. Types only; the workflow imports nothing else from here.
 *
 * Every call is idempotent: it reads, acts only on a difference, and reads back. `m` is the resolved migration (no patterns).
 * Calls that write obey `c.untilMs`. Failures are `Failure`s of `domain/failures.ts`. A `capture…` reads the pre-image of
 * the write that follows and stores it in the ledger under `c.key`; the same value is handed to the write and to its undo.
 */
import type { Side } from '../domain/authority.ts';
import type { CutSet } from '../domain/cutsets.ts';
import type { Inventory, Migration } from '../domain/migration.ts';
import type { Reconciliation } from '../domain/reconciliation.ts';
import type { Context, Done, Evidence, Look, LookContext } from '../domain/scheme.ts';

export interface Ask { readonly m: Migration; readonly c: Context }
/** Observes get the `picture` of the previous turn and return when it changed, when done, or after 15 minutes. */
export type LookAsk = Ask & { readonly c: LookContext };

export interface Assessment {
  /** Patterns replaced by the names they match, sorted. */
  readonly migration: Migration;
  readonly inventory: Inventory;
}
/** Topics that did not exist on the target: ours to remove again. */
export interface TopicsBefore { readonly missing: readonly string[] }
/** Overrides as they were; `null`: not overridden. */
export type RetentionBefore = Readonly<Record<string, Readonly<Record<string, string | null>>>>;
/** Of compacted topics on the source that keep tombstones for a shorter time: the override of `delete.retention.ms`; `null`: none. */
export type TombstonesBefore = Readonly<Record<string, string | null>>;
export interface FenceBefore { readonly rules: readonly { readonly principal: string; readonly topic: string }[]; readonly able: 'yes' | 'no-authorizer' | 'no-principals' }
/** As `FenceBefore`, for groups. */
export interface GroupFenceBefore { readonly rules: readonly { readonly principal: string; readonly group: string }[]; readonly able: FenceBefore['able'] }
/** Records of others on the closed side, behind the last cut of the set. */
export interface Stragglers {
  readonly on: Side;
  readonly epoch: number;
  /** Visible, not carried yet. */
  readonly records: number;
  readonly partitions: readonly { readonly partition: string; readonly records: number; readonly first: string; readonly last: string; readonly producerIds: readonly string[] }[];
  /** Carried before, over all partitions. */
  readonly carried: number;
  readonly say: string;
}
export interface MirrorBefore { readonly name: string }
/** `awakened`: ids that the cluster had forgotten, and that were made known again. */
export interface SilenceBefore { readonly name: string; readonly awakened?: readonly string[]; readonly writers: readonly { readonly transactionalId: string; readonly producerId: string | null }[] }
/** Per application where its processes ran. */
export type FleetBefore = Readonly<Record<string, Side | 'both' | 'stopped' | 'unknown'>>;
/** Group → `topic/partition` → offset (null: none committed) on the side that is about to be written. Large ones stay in the ledger (`preimage.ts`). */
export type PositionsBefore = Readonly<Record<string, Readonly<Record<string, number | null>>>>;
/** `cut`: where that side's log was cut last; only for groups proven to have drained the other side. `behind`: behind all that is there, which is read or is a copy of what is read on the other side. `log-start`: kept for plans of old. `timestamp`: by the smallest timestamp of what is unread, with repeats that need consent. `earliest`: where that side's log begins, with all that was read before as repeats. `latest`: at its end, with all that is unread as loss, within `losses`. */
export type PositionHow = 'translated' | 'cut' | 'behind' | 'log-start' | 'timestamp' | 'earliest' | 'latest';
export interface CutBefore { readonly epoch: number }
/** What an operator accepted by name: this group may read up to so many records again, over all its partitions. */
export interface Consent { readonly group: string; readonly repeats: number }
/** As `Consent`: this group may leave up to so many records unread for ever. */
export interface LossConsent { readonly group: string; readonly records: number }
/** Where a group begins that does not go on where it was, and how many records it may repeat or lose by that. */
export interface Beginning { readonly group: string; readonly how: 'earliest' | 'latest'; readonly most: number }
/** What setting a group's positions would say now. `behind` heals when the mirror moves on; `refused` does not. */
export interface PositionForecast {
  readonly group: string;
  readonly kind: 'exact' | 'conservative' | 'behind' | 'refused';
  /** Records read again over all partitions; `unknown` cannot be consented to. */
  readonly repeats: number | 'unknown';
  readonly partitions: number;
  /** Empty when exact. */
  readonly why: string;
}

/** What the workflow `reconcile` asks: which records stand on the target and never came back. */
export interface ReconcileWork { reconcileTarget(x: Ask): Promise<Reconciliation> }

export interface Work {
  /** Names of registered search attributes among ours. */
  environment(x: { readonly names: readonly string[] }): Promise<{ readonly searchAttributes: readonly string[] }>;
  /** Expands patterns, finds clusters, topics and groups. All faults in one `BadMigration`. Reads only. */
  assess(x: { readonly m: Migration; readonly scheme: string }): Promise<Assessment>;
  /** The inventory as it is now, in words of what differs from `inventory`; empty when nothing does. */
  reassess(x: Ask & { readonly inventory: Inventory }): Promise<readonly string[]>;

  /** The same as a look: fails with the differences. */
  lookInventory(x: LookAsk & { readonly inventory: Inventory }): Promise<Look>;

  acquireLock(x: Ask & { readonly inventory: Inventory; readonly owner: string }): Promise<Done>;
  releaseLock(x: Ask & { readonly inventory: Inventory; readonly owner: string }): Promise<Done>;
  /** Ledger entries on both clusters (`need: 'source'`: on the source only, the target is dead); `need: 'both'` fails unless both acknowledge, `'one'` reports the missing one in `say`. */
  remember(x: Ask & { readonly entries: readonly { readonly key: string; readonly value: string }[]; readonly need: 'both' | 'one' | 'source' }): Promise<Done>;
  /** The newest journal in the ledger of this run as text; `null`: none. */
  recall(x: Ask & { readonly run: string }): Promise<string | null>;

  /** What stands where right now, one sentence per application, cut set, mirror and fence; `unknown: why` where it cannot be read. */
  whereabouts(x: Ask): Promise<readonly string[]>;

  /** Preflight: both clusters, Connect, ledger, fleets, rights, versions, replication. Fails with all faults at once. */
  lookReady(x: LookAsk & { readonly scheme: string }): Promise<Look>;

  captureTopics(x: Ask): Promise<TopicsBefore>;
  createTopics(x: Ask & { readonly before: TopicsBefore }): Promise<Done>;
  /** Deletes only `before.missing`. */
  removeTopics(x: Ask & { readonly before: TopicsBefore }): Promise<Done>;
  captureRetention(x: Ask): Promise<RetentionBefore>;
  holdRetention(x: Ask & { readonly before: RetentionBefore }): Promise<Done>;
  /** The undo of `holdRetention`: overrides on the target back to `before`. */
  restoreRetention(x: Ask & { readonly before: RetentionBefore }): Promise<Done>;
  /** At finish: retention settings on the target as they are on the source. */
  releaseRetention(x: Ask & { readonly before: RetentionBefore }): Promise<Done>;
  captureTombstones(x: Ask): Promise<TombstonesBefore>;
  /** On the source, for thirty days. Where it may not, that is said in `say`, and nothing fails. */
  keepTombstones(x: Ask & { readonly before: TombstonesBefore }): Promise<Done>;
  /** The undo of `keepTombstones`: overrides on the source back to `before`, where nobody else has changed them. */
  restoreTombstones(x: Ask & { readonly before: TombstonesBefore }): Promise<Done>;
  /** The same at the finish, and without the target: from what the source's ledger says was there before. */
  releaseTombstones(x: Ask): Promise<Done>;

  captureMirror(x: Ask & { readonly set: CutSet; readonly toward: Side }): Promise<MirrorBefore>;
  createMirror(x: Ask & { readonly set: CutSet; readonly toward: Side; readonly before: MirrorBefore }): Promise<Done>;
  removeMirror(x: Ask & { readonly set: CutSet; readonly toward: Side; readonly before: MirrorBefore }): Promise<Done>;
  /** Healthy, every partition assigned, progressing; `done` when every partition lags at most `limits.lagRecords`. `MirrorStuck` after `limits.stuckMs` without progress. */
  lookCaughtUp(x: LookAsk & { readonly sets: readonly CutSet[]; readonly toward: Side }): Promise<Look>;
  captureSilence(x: Ask & { readonly set: CutSet; readonly toward: Side }): Promise<SilenceBefore>;
  silenceMirror(x: Ask & { readonly set: CutSet; readonly toward: Side; readonly before: SilenceBefore }): Promise<Done>;
  /** The undo of a silence before the cut took effect. */
  resumeMirror(x: Ask & { readonly set: CutSet; readonly toward: Side; readonly before: SilenceBefore }): Promise<Done>;
  /**
   * The way back, proven before an opening: the back mirror's config is valid on its live Connect worker, its principal may
   * write the source topics (authorized operations) and use its transactional ids, nothing opposes it. Reads only.
   */
  lookWayBack(x: LookAsk & { readonly sets: readonly CutSet[] }): Promise<Look>;
  /** At the finish: mirrors of these sets are stopped and removed wherever they stand. */
  dropMirrors(x: Ask & { readonly sets: readonly CutSet[]; readonly toward: Side }): Promise<Done>;
  /** After opening: the connector is STOPPED, its stored offsets equal the cut, then it is deleted. */
  retireMirrors(x: Ask & { readonly sets: readonly CutSet[]; readonly toward: Side }): Promise<Done>;

  captureFleet(x: Ask & { readonly applications: readonly string[] }): Promise<FleetBefore>;
  /** All fleets side by side; returns when each fleet says its processes are gone. */
  stopFleet(x: Ask & { readonly applications: readonly string[]; readonly only?: Side; /** Only there, where each side has a fleet of its own; otherwise wherever they run. */ readonly on?: Side }): Promise<Done>;
  /** `beside`: the set on the other side goes on. */
  startFleet(x: Ask & { readonly applications: readonly string[]; readonly on: Side; readonly beside?: true }): Promise<Done>;
  /** Their second sets on `on`: every partition they read is assigned to a member; `reading`: and they commit what is written there. */
  lookListening(x: LookAsk & { readonly applications: readonly string[]; readonly on: Side; readonly topics: readonly string[]; readonly wanted: 'assigned' | 'reading' }): Promise<Look>;
  /** Fleet and brokers agree that these run on `on`: members in their groups, batches of a new producer; else `unknown (idle)`, said as such. */
  lookRunning(x: LookAsk & { readonly applications: readonly string[]; readonly on: Side }): Promise<Look>;
  /** Fleet shows no process; their groups are EMPTY and positions stable; what they write is stable, no open transaction of theirs. */
  lookQuiet(x: LookAsk & { readonly applications: readonly string[]; readonly on: Side; readonly only?: true }): Promise<Look>;

  captureFence(x: Ask & { readonly set: CutSet; readonly on: Side }): Promise<FenceBefore>;
  raiseFence(x: Ask & { readonly set: CutSet; readonly on: Side; readonly before: FenceBefore }): Promise<Done>;
  lowerFence(x: Ask & { readonly set: CutSet; readonly on: Side; readonly before: FenceBefore }): Promise<Done>;
  /** At finish: every rule of ours on these sets' topics is taken away. */
  lowerFences(x: Ask & { readonly sets: readonly CutSet[]; readonly on: Side }): Promise<Done>;

  captureGroupFence(x: Ask & { readonly groups: readonly string[]; readonly on: Side }): Promise<GroupFenceBefore>;
  /** DENY READ on these groups for their readers' principals; `GroupActive` where anybody is in one of them. */
  raiseGroupFence(x: Ask & { readonly groups: readonly string[]; readonly on: Side; readonly before: GroupFenceBefore }): Promise<Done>;
  lowerGroupFence(x: Ask & { readonly groups: readonly string[]; readonly on: Side; readonly before: GroupFenceBefore }): Promise<Done>;
  /** At finish, and before readers come back: every rule of ours on these groups is taken away. */
  lowerGroupFences(x: Ask & { readonly groups: readonly string[]; readonly on: Side }): Promise<Done>;

  /** After a stop: members nobody speaks for any more leave their groups, and what is open on topics that only these applications write is aborted. Skips whom no fleet calls gone. */
  clearLeftovers(x: Ask & { readonly applications: readonly string[]; readonly on: Side }): Promise<Done>;
  /** After all is quiet: InitProducerId on the declared transactional ids the cluster knows; returns when LSO == HW on what they write. */
  fenceTransactions(x: Ask & { readonly applications: readonly string[]; readonly on: Side }): Promise<Done>;
  /** No data batch of anybody but the mirror on a side without authority, since the last cut, or from the log start where there was none; else `ForgottenWriter`. */
  lookForeign(x: LookAsk & { readonly sets: readonly CutSet[]; readonly on: Side; readonly since: 'cut' | 'start' }): Promise<Look>;
  /** Reads only. */
  findStragglers(x: Ask & { readonly set: CutSet }): Promise<Stragglers>;
  /** Writes them to the side with authority, once however often it is called; their order among later records is not kept. */
  carryStragglers(x: Ask & { readonly set: CutSet }): Promise<Done>;

  /** HW == LSO and stable on the authority, every visible record copied: tail windows match record by record. */
  lookMirrorDrained(x: LookAsk & { readonly set: CutSet; readonly toward: Side }): Promise<Look>;
  /**
   * No visible record between the committed positions of these groups and the LSO of these topics. `nearly`: at most
   * `limits.lagRecords` on each partition. `still`: and nothing new on these topics for so many ms. `unlessRepeats`: nobody
   * waits for a group that may read records again; it keeps its place.
   */
  lookGroupsDrained(x: LookAsk & { readonly groups: readonly string[]; readonly topics: readonly string[]; readonly on: Side; readonly upTo?: 'nearly' | 'end'; readonly still?: Readonly<Record<string, number>>; readonly unlessRepeats?: true }): Promise<Look>;

  /** Positions of these groups on `to`, as they are now. */
  capturePositions(x: Ask & { readonly groups: readonly string[]; readonly to: Side }): Promise<PositionsBefore>;
  /** One explicit position per partition each group reads: translated with proof (else `NotExact`), or the log start. Read back. */
  setPositions(x: Ask & { readonly groups: readonly string[]; readonly to: Side; readonly how: PositionHow; readonly before: PositionsBefore; readonly topics?: readonly string[]; readonly consents?: readonly Consent[]; readonly losses?: readonly LossConsent[] }): Promise<Done>;
  /** The undo: where the groups are on `to` now is translated back to the other side and set there; then `before` is restored on `to`. */
  returnPositions(x: Ask & { readonly groups: readonly string[]; readonly to: Side; readonly how: PositionHow; readonly before: PositionsBefore; readonly consents?: readonly Consent[] }): Promise<Done>;
  /** What `setPositions` would find for each group now. Reads only; waits for nothing. */
  forecastPositions(x: Ask & { readonly groups: readonly string[]; readonly to: Side; readonly how?: 'translated' | 'timestamp' }): Promise<readonly PositionForecast[]>;
  /**
   * Translates where these groups are on the target into the source's ledger, every few seconds, with the ends of these topics
   * there. Never done: returns when it begins to fail, when it works again, and after 15 minutes; never fails for what it meets.
   */
  lookSwept(x: LookAsk & { readonly groups: readonly string[]; readonly topics: readonly string[] }): Promise<Look>;
  /**
   * Looks every few seconds whether a mirror of the migration has failed, and restarts what has; one that no longer copies
   * faithfully is named and left alone. Never done: returns when one fails, runs again, or goes on failing, and after 15
   * minutes; never fails for what it meets. `figures` are `Tended`.
   */
  lookMirrors(x: LookAsk): Promise<Look>;
  // The target is dead. None of these asks anything of it, or waits for it.
  /** Fleets are told to stop; those that cannot answer are named. `ClientNotMoved` where one says that a process still runs. */
  stopWithoutTarget(x: Ask & { readonly applications: readonly string[]; readonly twice?: readonly string[] }): Promise<Done>;
  /** The mirrors back are silent for good, and what they brought is written down. */
  silenceWithoutTarget(x: Ask & { readonly sets: readonly CutSet[] }): Promise<Done>;
  /** A cut to the source in the source's ledger: its ends now, and of the target what was last known. */
  markWithoutTarget(x: Ask & { readonly set: CutSet }): Promise<Done>;
  /** Positions on the source from what was swept, or from where the groups left it; read back. */
  setWithoutTarget(x: Ask & { readonly applications: readonly string[]; readonly twice?: readonly string[] }): Promise<Done>;
  /** Every fence of ours on the source is taken away. */
  liftWithoutTarget(x: Ask & { readonly applications: readonly string[]; readonly sets: readonly CutSet[] }): Promise<Done>;
  /** Mirrors are removed where their Connect worker answers; what is left behind is named, and written down. */
  leaveTarget(x: Ask & { readonly sets: readonly CutSet[] }): Promise<Done>;
  /** Before an outage: translates what can be translated already and keeps it in the ledger, so that inside only what moved is counted. */
  preparePositions(x: Ask & { readonly groups: readonly string[]; readonly to: Side }): Promise<Done>;

  captureCut(x: Ask & { readonly set: CutSet; readonly to: Side }): Promise<CutBefore>;
  /** Records ends, LSO, log starts, last visible record of both sides, topic ids, epoch in both ledgers. */
  markCut(x: Ask & { readonly set: CutSet; readonly to: Side; readonly before: CutBefore }): Promise<Done>;
  unmarkCut(x: Ask & { readonly set: CutSet; readonly to: Side; readonly before: CutBefore }): Promise<Done>;
  /** Read again immediately before opening: equal to the mark, or it fails. */
  lookCut(x: LookAsk & { readonly set: CutSet; readonly to: Side }): Promise<Look>;
  /**
   * Both clusters hold the same records, compared one by one; goes on from what earlier looks of this run have settled.
   * `now`: as far as they are copied by now. `cut`: everything up to the standing cuts. Fails with the first differences (`MirrorDamaged`).
   */
  lookSame(x: LookAsk & { readonly sets: readonly CutSet[]; readonly upTo: 'now' | 'cut' }): Promise<Look>;

  /** Explicit positions of second sets on the target: where its logs end now. Read back. */
  placeSecond(x: Ask & { readonly groups: readonly string[]; readonly before: PositionsBefore }): Promise<Done>;
  /** The undo: positions on the target as before; says what the second sets had read until then. */
  unplaceSecond(x: Ask & { readonly groups: readonly string[]; readonly before: PositionsBefore }): Promise<Done>;
  /** Fleets show processes, groups have members on every partition, and no partition lags more than `limits.lagRecords`. */
  lookSecond(x: LookAsk & { readonly applications: readonly string[] }): Promise<Look>;
  /** Set and asked again; a hook that is in that state already is left alone. */
  setHook(x: Ask & { readonly hook: 'traffic' | 'live'; readonly state: string }): Promise<Done>;
  /** Done when the check says `fine`. */
  lookFine(x: LookAsk): Promise<Look>;
  /** After a cut back: which stretch of which log the first and the second set of each group processed; kept in the ledger. */
  lookShares(x: LookAsk & { readonly set: CutSet }): Promise<Look>;

  /** Claims and figures for the three kinds of hold. Claims are the same text as long as nothing that matters changed. */
  evidence(x: Ask & { readonly inventory: Inventory; readonly about: EvidenceAbout }): Promise<Evidence>;
}
/** Groups that read their topics to the end inside the outage, one such stage after the other. */
export interface Waiting { readonly groups: readonly string[]; readonly topics: readonly string[]; /** Silence that is waited for, ms. */ readonly quietMs: number }
export type EvidenceAbout =
  | { readonly kind: 'move'; readonly applications: readonly string[]; readonly sets: readonly CutSet[]; readonly copies: boolean }
  | { readonly kind: 'cut'; readonly set: CutSet; readonly applications: readonly string[]; readonly copies: boolean; readonly beside?: readonly string[]; readonly budgetMs: number; readonly undoReserveMs: number; readonly waits?: readonly Waiting[]; readonly begins?: readonly Beginning[]; /** Second sets run on the target and take over. */ readonly second?: true }
  | { readonly kind: 'reverse'; readonly set: CutSet; readonly applications: readonly string[]; readonly beside?: readonly string[]; readonly budgetMs: number; readonly undoReserveMs: number }
  /** The target is dead: what is given up, and how old what is known is. */
  | { readonly kind: 'without-target'; readonly applications: readonly string[]; readonly sets: readonly CutSet[]; readonly twice?: readonly string[] }
  /** Moot where nothing reached the closed side after the cut. */
  | { readonly kind: 'stragglers'; readonly set: CutSet }
  | { readonly kind: 'finish'; readonly sets: readonly CutSet[]; readonly copies: boolean };
