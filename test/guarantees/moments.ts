/** The steps of a cutover at which a fault can strike, in the words of the table, and the activity whose beginning each is. */
import type { SchemeName } from '../../src/workflows/schemes/schemes.ts';

export type Way = 'forward' | 'back';
/** What is moved in one outage of the demo: the shop's orders, or what the enricher makes of them, in transactions. */
export type SetName = 'orders' | 'enriched';

interface Moment {
  /** Name of the activity. */
  readonly activity: string;
  /** Where in the phase it is called: part of the step's ledger key. */
  readonly at: string;
  readonly sets: (scheme: SchemeName, way: Way) => readonly SetName[];
}
const both = (): readonly SetName[] => ['orders', 'enriched'];
/** Only the enricher reads, and so only its outage sets positions. */
const reading = (): readonly SetName[] => ['enriched'];
const copying = (scheme: SchemeName, way: Way): readonly SetName[] => (scheme === 'stopRestartRepeat' || way === 'back' ? both() : []);

export const moments = {
  'before the outage': { activity: 'lookInventory', at: '/confirm that nothing changed', sets: both },
  'stop': { activity: 'stopFleet', at: '/outage/stop ', sets: both },
  'processes gone': { activity: 'lookQuiet', at: '/outage/', sets: both },
  'fence': { activity: 'raiseFence', at: '/outage/', sets: both },
  'drain the mirror': { activity: 'lookMirrorDrained', at: '/outage/', sets: copying },
  'drain the group': { activity: 'lookGroupsDrained', at: '/outage/', sets: (scheme, way) => (scheme === 'producerFirst' && way === 'forward' ? reading() : []) },
  'silence the mirror': { activity: 'silenceMirror', at: '/outage/', sets: copying },
  'set positions': { activity: 'setPositions', at: '/outage/', sets: reading },
  'mark the cut': { activity: 'markCut', at: '/outage/', sets: both },
  'confirm the cut': { activity: 'lookCut', at: '/outage/', sets: both },
  'record the opening': { activity: 'remember', at: '/outage', sets: both },
  'open': { activity: 'startFleet', at: '/outage/open: ', sets: both },
  'right after opening': { activity: 'lookRunning', at: '/see ', sets: both },
} as const satisfies Record<string, Moment>;
export type MomentName = keyof typeof moments;
export const momentNames = Object.keys(moments) as readonly MomentName[];
export const setsAt = (moment: MomentName, scheme: SchemeName, way: Way): readonly SetName[] => moments[moment].sets(scheme, way);

/** What a call must look like to be the moment: written for the worker, which only compares. */
export interface Awaited { readonly activity: string; readonly includes: string }
/** `set`: the name it bears in this migration. */
export function awaited(moment: MomentName, way: Way, set: string): Awaited {
  const { activity, at } = moments[moment];
  const phase = `${way === 'forward' ? 'cut' : 'back'} ${set}`;
  // The journal is written often; at the opening it is the one that says which outage opens.
  return { activity, includes: activity === 'remember' ? `"opening":"${phase}${at}"` : `${phase}${at}` };
}
