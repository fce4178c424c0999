/**
 * While a way back over an opening is open, an activity keeps what the source's ledger knows of groups on the target a few
 * seconds old. It rests inside outages and while anything is undone; what it knew then is told with its age.
 */
import { stepId, stepsOf, type Look, type Step } from '../domain/scheme.ts';
import { Beside, staysOpen, waitsOutside } from './beside.ts';
import type { Run } from './engine.ts';
import { awake } from './journal.ts';

/** Asked of `has` by migrations that name a way back: runs planned before there was a sweep go on without. */
export const sweeps = 'sweep';

interface Wanted { readonly [key: string]: readonly string[]; readonly groups: readonly string[]; readonly topics: readonly string[] }

export const sweeping = (run: Run): Beside<Wanted> => new Beside<Wanted>(run, {
  name: 'sweep',
  wanted: () => wanted(run),
  look: (of, c) => run.work.lookSwept({ m: run.j.migration, c, ...of }),
  heard: (look) => { if ('failed' in look) tell(run, look.failed, 'failing', run.runtime.now()); else tell(run, look.say, isFailing(look) ? 'failing' : 'swept', look.toMs); },
  rested: () => { if (run.j.swept?.state === 'swept') run.j.swept = { ...run.j.swept, state: 'resting' }; },
});

function tell(run: Run, say: string, state: 'swept' | 'failing', atMs: number): void {
  const { j } = run;
  if (j.swept?.state !== state && !(j.swept?.state === 'resting' && state === 'swept')) run.log(state === 'failing' ? `the sweep of positions fails: ${say}` : `the sweep of positions works: ${say}`);
  j.swept = { state, say, atMs };
  run.tell();
}

/** Groups with positions of ours on the target, and topics that are written there: read off what would have to be undone. */
function wanted(run: Run): Wanted | null {
  const { j } = run;
  if (j.has[sweeps] !== true || j.migration.connectBack === null || j.closedBy !== null || j.unwind || j.recovering) return null;
  if (!j.undos.some((u) => u.opening) || run.at === null) return null;
  if (j.reverse ? j.reverse.without !== undefined || j.reverse.refused !== null || j.reverse.opened : !staysOpen(run)) return null;
  const kind = run.units.find((u) => u.name === run.at)?.step.kind;
  if (kind === 'irreversible' || (kind === 'outage' && !(j.has[awake] === true && waitsOutside(run)))) return null;
  // What is being set at this very moment is left alone.
  const steps = j.undos.filter((u) => u.opening === true || u.unit !== run.at).flatMap((u): readonly Step[] => { const unit = run.find(u.unit); return unit ? stepsOf(unit).filter((s) => u.opening === true || stepId(unit, s) === u.step) : []; });
  const effects = steps.flatMap((s) => (s.kind === 'hold' ? [] : s.effects ?? []));
  return {
    groups: [...new Set(effects.flatMap((e) => (e.do === 'position' && e.on === 'target' && e.from !== 'none' ? [e.group] : [])))].sort(),
    topics: [...new Set(effects.flatMap((e) => (e.do === 'cut' && e.to === 'target' ? e.topics : [])))].sort(),
  };
}

const isFailing = (look: Look): boolean => look.figures !== null && typeof look.figures === 'object' && !Array.isArray(look.figures) && (look.figures as { readonly failing?: unknown }).failing === true;
