/**
 * From the first mirror on an activity looks after all that run: what they copy is read by whoever has moved already, and no
 * step may be waiting for it. It rests where mirrors are silenced or taken away: inside outages, undos and what is irreversible.
 */
import type { Migration } from '../domain/migration.ts';
import type { Tended } from '../domain/progress.ts';
import { stepsOf, type Look, type Unit } from '../domain/scheme.ts';
import { Beside, staysOpen, waitsOutside } from './beside.ts';
import type { Run } from './engine.ts';
import { awake } from './journal.ts';

/** Asked of `has`: runs planned before mirrors were looked after go on without. */
export const tends = 'tend-mirrors';
/** A scheme that copies nothing forward may carry records back. */
export const isTended = (m: Pick<Migration, 'connect' | 'connectBack'>): boolean => m.connect !== null || m.connectBack !== null;

export const tending = (run: Run): Beside<'mirrors'> => new Beside(run, {
  name: 'tend',
  wanted: () => (isWanted(run) ? 'mirrors' : null),
  look: (_wanted, c) => run.work.lookMirrors({ m: run.j.migration, c }),
  heard: (look) => { if ('failed' in look) tell(run, { say: look.failed, state: 'failing', atMs: run.runtime.now() }); else tell(run, { say: look.say, state: stateOf(look), atMs: look.toMs }); },
  rested: () => { run.j.mirrors = null; },
});

const openings: Readonly<Record<Tended['state'], string>> = { failing: 'a mirror may not copy', restarted: 'a mirror was restarted', running: 'all mirrors run again' };
function tell(run: Run, tended: Tended): void {
  const { j } = run;
  // That they run is news only behind something else.
  if (tended.state !== (j.mirrors?.state ?? 'running')) run.log(`${openings[tended.state]}: ${tended.say}`);
  j.mirrors = tended;
  run.tell();
}

function isWanted(run: Run): boolean {
  const { j } = run;
  if (j.has[tends] !== true || hasEnded(run) || j.unwind || j.recovering || run.at === null) return false;
  if (j.reverse ? j.reverse.without !== undefined || j.reverse.refused !== null : !staysOpen(run)) return false;
  if (!j.reverse && !behindFirstMirror(run.forwardUnits, j.at)) return false;
  const kind = run.units.find((u) => u.name === run.at)?.step.kind;
  if (kind === 'outage') return waitsOutside(run);
  return kind !== 'irreversible';
}

/** An opening without a way back ends only what feeds its own set: others read what is copied until theirs. */
function hasEnded({ j, forwardUnits }: Run): boolean {
  if (j.closedBy === null || j.has[awake] !== true) return j.closedBy !== null;
  return forwardUnits.some((u) => u.name === j.closedBy && u.step.kind === 'irreversible');
}

function behindFirstMirror(all: readonly Unit[], at: string | null): boolean {
  const first = all.findIndex((u) => stepsOf(u).some((s) => s.kind === 'change' && (s.effects ?? []).some((e) => e.do === 'mirror' && e.state === 'running')));
  return first >= 0 && all.findIndex((u) => u.name === at) > first;
}

const stateOf = (look: Look): Tended['state'] => {
  const state = (look.figures as { readonly state?: unknown } | null | undefined)?.state;
  return state === 'running' || state === 'restarted' ? state : 'failing';
};
