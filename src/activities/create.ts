/** All activities over the ports, each behind the boundary: what the worker registers with Temporal. */
import type { Comparer } from '../domain/diff/port.ts';
import type { Ports } from '../domain/ports.ts';
import type { Context, Done, Look, Timed } from '../domain/scheme.ts';
import { boundary, type At, type BoundaryOptions } from './boundary.ts';
import { caughtUp } from './caughtup.ts';
import { clusters, type TemporalAsked } from './clusters.ts';
import { cut } from './cut.ts';
import { drained } from './drained.ts';
import { evidence } from './evidence.ts';
import { fence } from './fence.ts';
import { fleets } from './fleets.ts';
import { foreign } from './foreign.ts';
import { groupFence } from './groupfence.ts';
import { createRecord, ledger } from './ledger.ts';
import { leftovers } from './leftovers.ts';
import { lookUntil, type Glance, type LookingOptions } from './looking.ts';
import { mirrors } from './mirrors.ts';
import { listening } from './listening.ts';
import { moved } from './moved.ts';
import type { Said } from './outside.ts';
import { createPlacedLately } from './explicit.ts';
import { createPace } from './pace.ts';
import { positions } from './positions.ts';
import { ready } from './ready.ts';
import { retention } from './retention.ts';
import { second } from './second.ts';
import { stragglers } from './stragglers.ts';
import { sweep } from './sweep.ts';
import { tending } from './tending.ts';
import { tombstones } from './tombstones.ts';
import { topics } from './topics.ts';
import { wayBack } from './wayback.ts';
import { whereabouts } from './whereabouts.ts';
import { reconcile } from './deadtarget/reconciling.ts';
import { withoutTarget } from './deadtarget/withouttarget.ts';
import { sameness } from './verify.ts';
import type { ReconcileWork, Work } from './work.ts';

export interface WorkOptions extends TemporalAsked, BoundaryOptions {
  readonly looking?: LookingOptions;
  /** Threads that compare logs; without them `lookSame` refuses. */
  readonly comparer?: Comparer;
}

/** Progress of a connector costs Connect up to 0.7 s per look: not more often than this. */
const mirrorPollMs = 1_500;

type X<K extends keyof Work> = Parameters<Work[K]>[0];
type R<K extends keyof Work> = Awaited<ReturnType<Work[K]>>;
type LookName = { [K in keyof Work]: R<K> extends Look ? K : never }[keyof Work];
type WriteName = Exclude<{ [K in keyof Work]: R<K> extends Done ? K : never }[keyof Work], LookName>;
type ReadName = Exclude<keyof Work, LookName | WriteName>;
type Looks = { readonly [K in LookName]: (x: X<K>, at: At) => () => Promise<Glance> };
type Writes = { readonly [K in WriteName]: (x: X<K>, at: At) => Promise<Said> };
type Reads = { readonly [K in ReadName]: (x: X<K>, at: At) => Promise<R<K>> };

/** What is known of a target that dies is as old as this, and as long as a sweep takes. */
const sweepPollMs = 4_000;

/** One request per Connect worker. */
const tendingPollMs = 5_000;

const ownPace: Partial<Record<LookName, LookingOptions>> = { lookCaughtUp: { pollMs: mirrorPollMs }, /** Tells its troubles itself. */ lookSwept: { pollMs: sweepPollMs, unanswered: 'throw' }, lookMirrors: { pollMs: tendingPollMs, unanswered: 'throw' } };

async function timed<T extends object>(at: At, act: () => Promise<T>): Promise<T & Timed> {
  const fromMs = at.now();
  const said = await act();
  return { ...said, fromMs, toMs: at.now() };
}

export const createReconcile = (ports: Ports, options: BoundaryOptions): ReconcileWork => {
  const enclose = boundary(options);
  return { reconcileTarget: (x) => enclose('reconcileTarget', x, 'read', (at) => reconcile(ports, x, at)) };
};

export function createWork(ports: Ports, options: WorkOptions): Work {
  const enclose = boundary(options);
  const record = createRecord(ports);
  const [pace, placed] = [createPace(), createPlacedLately()];
  const all: Looks & Writes & Reads = {
    ...clusters(ports, options), ...ledger(ports, record), ...ready(ports), ...topics(ports, record), ...retention(ports, record), ...tombstones(ports, record), ...mirrors(ports, record), ...caughtUp(ports, record), ...wayBack(ports),
    ...fleets(ports, record, { pace, placed }), ...moved(ports), ...listening(ports), ...fence(ports, record), ...groupFence(ports, record), ...leftovers(ports), ...foreign(ports, record), ...stragglers(ports, record), ...drained(ports, record), ...whereabouts(ports, record), ...positions(ports, record, placed), ...sweep(ports, record, options.redact), ...tending(ports, record), ...withoutTarget(ports, placed), ...cut(ports, record), ...evidence(ports, record, pace), ...sameness(ports, record, options.comparer), ...second(ports, record),
  };
  const [looks, writes, reads]: readonly [Looks, Writes, Reads] = [all, all, all];
  const look = <K extends LookName>(name: K) => (x: X<K>): Promise<Look> =>
    enclose(name, x, 'read', (at) => timed(at, () => lookUntil(x.c, at, looks[name](x, at), { ...ownPace[name], ...options.looking })));
  const write = <K extends WriteName>(name: K) => (x: X<K>): Promise<Done> => enclose(name, x, 'write', (at) => timed(at, () => writes[name](x, at)));
  const read = <K extends ReadName>(name: K) => (x: X<K>): Promise<R<K>> => enclose(name, x as { readonly c?: Context }, 'read', (at) => reads[name](x, at));
  return {
    environment: read('environment'),
    assess: read('assess'),
    reassess: read('reassess'),
    lookInventory: look('lookInventory'),
    acquireLock: write('acquireLock'),
    releaseLock: write('releaseLock'),
    remember: write('remember'),
    recall: read('recall'),
    whereabouts: read('whereabouts'),
    lookReady: look('lookReady'),
    captureTopics: read('captureTopics'),
    createTopics: write('createTopics'),
    removeTopics: write('removeTopics'),
    captureRetention: read('captureRetention'),
    holdRetention: write('holdRetention'),
    restoreRetention: write('restoreRetention'),
    releaseRetention: write('releaseRetention'),
    captureTombstones: read('captureTombstones'),
    keepTombstones: write('keepTombstones'),
    restoreTombstones: write('restoreTombstones'),
    releaseTombstones: write('releaseTombstones'),
    captureMirror: read('captureMirror'),
    createMirror: write('createMirror'),
    removeMirror: write('removeMirror'),
    lookCaughtUp: look('lookCaughtUp'),
    captureSilence: read('captureSilence'),
    silenceMirror: write('silenceMirror'),
    resumeMirror: write('resumeMirror'),
    retireMirrors: write('retireMirrors'),
    lookWayBack: look('lookWayBack'),
    dropMirrors: write('dropMirrors'),
    captureFleet: read('captureFleet'),
    stopFleet: write('stopFleet'),
    startFleet: write('startFleet'),
    lookRunning: look('lookRunning'),
    lookListening: look('lookListening'),
    lookQuiet: look('lookQuiet'),
    captureFence: read('captureFence'),
    raiseFence: write('raiseFence'),
    lowerFence: write('lowerFence'),
    lowerFences: write('lowerFences'),
    captureGroupFence: read('captureGroupFence'),
    raiseGroupFence: write('raiseGroupFence'),
    lowerGroupFence: write('lowerGroupFence'),
    lowerGroupFences: write('lowerGroupFences'),
    clearLeftovers: write('clearLeftovers'),
    fenceTransactions: write('fenceTransactions'),
    lookForeign: look('lookForeign'),
    findStragglers: read('findStragglers'),
    carryStragglers: write('carryStragglers'),
    lookMirrorDrained: look('lookMirrorDrained'),
    lookGroupsDrained: look('lookGroupsDrained'),
    capturePositions: read('capturePositions'),
    setPositions: write('setPositions'),
    returnPositions: write('returnPositions'),
    forecastPositions: read('forecastPositions'),
    preparePositions: write('preparePositions'),
    lookSwept: look('lookSwept'),
    lookMirrors: look('lookMirrors'),
    stopWithoutTarget: write('stopWithoutTarget'),
    silenceWithoutTarget: write('silenceWithoutTarget'),
    markWithoutTarget: write('markWithoutTarget'),
    setWithoutTarget: write('setWithoutTarget'),
    liftWithoutTarget: write('liftWithoutTarget'),
    leaveTarget: write('leaveTarget'),
    captureCut: read('captureCut'),
    markCut: write('markCut'),
    unmarkCut: write('unmarkCut'),
    lookCut: look('lookCut'),
    lookSame: look('lookSame'),
    placeSecond: write('placeSecond'),
    unplaceSecond: write('unplaceSecond'),
    lookSecond: look('lookSecond'),
    setHook: write('setHook'),
    lookFine: look('lookFine'),
    lookShares: look('lookShares'),
    evidence: read('evidence'),
  };
}
