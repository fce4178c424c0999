/** What strikes, and how it is mended. A kill is SIGKILL and a start; a pause is SIGSTOP, ten seconds, SIGCONT. */
import type { Part } from '../../stack/part.ts';
import { awaitGone, freeze, identify, pause, signalProcess, type ProcessId } from '../../stack/processes.ts';
import { applications, type Application, type Cast } from './cast.ts';

export const pauseMs = 10_000;
const goneWithinMs = 5_000;
const victims = ['worker', 'forward Connect', 'back Connect', 'Temporal', 'source broker', 'target broker', 'application'] as const;
export type Victim = (typeof victims)[number];
export type FaultName = `${'kill' | 'pause'} ${Victim}`;
export const faultNames: readonly FaultName[] = victims.flatMap((v) => [`kill ${v}`, `pause ${v}`] as const);

/** `nobody`: no application ran at that moment. */
export type Struck = Exclude<Victim, 'application'> | Application | 'nobody';
/** What each migration has of its own: it is hit in each by itself. */
export const isOfApplication = (fault: string): boolean => fault.endsWith('application');

/**
 * One strike: `hit` ends or stops it at once, `mend` brings it back. `who` is known once it was hit; `isSpared`: applications ran, but
 * none of those that might be struck; `lasted`, once it was mended: nobody ended it before.
 */
export interface Strike { hit(): Promise<void>; mend(): Promise<void>; who(): Struck; isSpared?(): boolean; lasted?(): boolean }

const partOf = (victim: Exclude<Victim, 'application'>, { stage: { stack, worker } }: Cast): Part => {
  const parts: Readonly<Record<Exclude<Victim, 'application'>, Part>> = {
    'worker': worker, 'forward Connect': stack.connect.forward, 'back Connect': stack.connect.back,
    'Temporal': stack.temporal, 'source broker': stack.source, 'target broker': stack.target,
  };
  return parts[victim];
};

/** `draw`: 0 to below 1, chooses among the applications `of`. */
export function strikeOf(fault: FaultName, cast: Cast, draw: () => number, of: readonly Application[] = applications): Strike {
  const [how, ...rest] = fault.split(' ');
  const victim = rest.join(' ') as Victim;
  if (victim === 'application') return ofApplication(how === 'kill' ? 'kill' : 'pause', { alive: () => living(cast, of), others: () => living(cast, applications).length > 0, draw });
  const part = partOf(victim, cast);
  if (how === 'kill') return { hit: () => part.kill(), mend: () => part.start(), who: () => victim };
  return { hit: () => part.pause(), mend: async () => { await pause(pauseMs); part.resume(); }, who: () => victim };
}

/** One that runs at that moment; its service manager starts again what was killed, unless it was to stop. */
function ofApplication(how: 'kill' | 'pause', x: { readonly alive: () => ReturnType<typeof living>; readonly others: () => boolean; readonly draw: () => number }): Strike {
  const hit: { who: Struck; id: ProcessId | null; isSpared: boolean; lasted: boolean } = { who: 'nobody', id: null, isSpared: false, lasted: false };
  return {
    hit: async () => {
      const alive = x.alive();
      const one = alive[Math.floor(x.draw() * alive.length)];
      hit.isSpared = one === undefined && x.others();
      if (one === undefined) return;
      Object.assign(hit, { who: one.application, id: one.id });
      await (how === 'kill' ? signalProcess(one.id, 'SIGKILL') : freeze(one.id));
    },
    mend: async () => {
      if (hit.id === null) return;
      if (how === 'kill') {
        // Until it is gone it would count as at work.
        if (!await awaitGone(hit.id, goneWithinMs)) throw new Error(`process ${hit.id.pid} is still there`);
        return;
      }
      await pause(pauseMs);
      // Whoever stops a process lets it go on first.
      hit.lasted = signalProcess(hit.id, 'SIGCONT');
    },
    who: () => hit.who,
    isSpared: () => hit.isSpared,
    lasted: () => hit.lasted,
  };
}

const living = ({ supervisor, named }: Cast, of: readonly Application[]): readonly { readonly application: Application; readonly id: ProcessId }[] =>
  of.flatMap((application) => supervisor.pids(named(application)).flatMap((pid) => {
    const id = identify(pid);
    return id === null ? [] : [{ application, id }];
  }));
