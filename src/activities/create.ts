/** All activities over the ports, each behind the boundary: what the worker registers with Temporal. */
import type { Ports } from '../domain/ports.ts';
import type { Context, Done, Look } from '../domain/scheme.ts';
import { boundary, type At, type BoundaryOptions, type Manner } from './boundary.ts';
import { caughtUp } from './caughtup.ts';
import { clusters, type TemporalAsked } from './clusters.ts';
import { cut } from './cut.ts';
import { drained } from './drained.ts';
import { evidence } from './evidence.ts';
import { fence } from './fence.ts';
import { fleets } from './fleets.ts';
import { createRecord, ledger } from './ledger.ts';
import { lookUntil, type Glance, type LookingOptions } from './looking.ts';
import { mirrors } from './mirrors.ts';
import { moved } from './moved.ts';
import type { Said } from './outside.ts';
import { positions } from './positions.ts';
import { ready } from './ready.ts';
import { retention } from './retention.ts';
import { topics } from './topics.ts';
import type { Work } from './work.ts';

export interface WorkOptions extends TemporalAsked, BoundaryOptions {
  readonly looking?: LookingOptions;
}

/** Progress of a connector costs Connect up to 0.7 s per look: not more often than this. */
const mirrorPollMs = 1_500;

type LookContext = { readonly c: Context & { readonly before: string | null } };
type WithContext = { readonly c?: Context };

export function createWork(ports: Ports, options: WorkOptions): Work {
  const enclose = boundary(options);
  const plain = <X extends object, R>(name: string, manner: Manner, act: (x: X, at: At) => Promise<R>) => (x: X): Promise<R> => enclose(name, x as WithContext, manner, (at) => act(x, at));
  const read = <X extends object, R>(name: string, act: (x: X, at: At) => Promise<R>) => plain(name, 'read', act);
  const timed = <X extends object, R>(act: (x: X, at: At) => Promise<R>) => async (x: X, at: At): Promise<R & Done> => {
    const fromMs = at.now();
    const said = await act(x, at) as R & Said;
    return { ...said, fromMs, toMs: at.now() };
  };
  const write = <X extends object>(name: string, act: (x: X, at: At) => Promise<Said>): ((x: X) => Promise<Done>) => plain(name, 'write', timed(act));
  const look = <X extends LookContext>(name: string, eye: (x: X, at: At) => () => Promise<Glance>, own: LookingOptions = {}): ((x: X) => Promise<Look>) =>
    plain(name, 'read', timed((x: X, at) => lookUntil(x.c, at, eye(x, at), { ...own, ...options.looking })));

  const record = createRecord(ports);
  const all = {
    ...clusters(ports, options), ...ledger(record), ...ready(ports), ...topics(ports, record), ...retention(ports, record), ...mirrors(ports, record), ...caughtUp(ports),
    ...fleets(ports, record), ...moved(ports), ...fence(ports, record), ...drained(ports), ...positions(ports, record), ...cut(ports, record), ...evidence(ports, record),
  };
  return {
    environment: read('environment', all.environment),
    assess: read('assess', all.assess),
    reassess: read('reassess', all.reassess),
    acquireLock: write('acquireLock', all.acquireLock),
    releaseLock: write('releaseLock', all.releaseLock),
    remember: write('remember', all.remember),
    recall: read('recall', all.recall),
    lookReady: look('lookReady', all.lookReady),
    captureTopics: read('captureTopics', all.captureTopics),
    createTopics: write('createTopics', all.createTopics),
    removeTopics: write('removeTopics', all.removeTopics),
    captureRetention: read('captureRetention', all.captureRetention),
    holdRetention: write('holdRetention', all.holdRetention),
    restoreRetention: write('restoreRetention', all.restoreRetention),
    releaseRetention: write('releaseRetention', all.releaseRetention),
    captureMirror: read('captureMirror', all.captureMirror),
    createMirror: write('createMirror', all.createMirror),
    removeMirror: write('removeMirror', all.removeMirror),
    lookCaughtUp: look('lookCaughtUp', all.lookCaughtUp, { pollMs: mirrorPollMs }),
    captureSilence: read('captureSilence', all.captureSilence),
    silenceMirror: write('silenceMirror', all.silenceMirror),
    resumeMirror: write('resumeMirror', all.resumeMirror),
    retireMirrors: write('retireMirrors', all.retireMirrors),
    captureFleet: read('captureFleet', all.captureFleet),
    stopFleet: write('stopFleet', all.stopFleet),
    startFleet: write('startFleet', all.startFleet),
    lookRunning: look('lookRunning', all.lookRunning),
    lookQuiet: look('lookQuiet', all.lookQuiet),
    captureFence: read('captureFence', all.captureFence),
    raiseFence: write('raiseFence', all.raiseFence),
    lowerFence: write('lowerFence', all.lowerFence),
    lowerFences: write('lowerFences', all.lowerFences),
    lookMirrorDrained: look('lookMirrorDrained', all.lookMirrorDrained),
    lookGroupsDrained: look('lookGroupsDrained', all.lookGroupsDrained),
    capturePositions: read('capturePositions', all.capturePositions),
    setPositions: write('setPositions', all.setPositions),
    returnPositions: write('returnPositions', all.returnPositions),
    captureCut: read('captureCut', all.captureCut),
    markCut: write('markCut', all.markCut),
    unmarkCut: write('unmarkCut', all.unmarkCut),
    lookCut: look('lookCut', all.lookCut),
    evidence: read('evidence', all.evidence),
  };
}
