/**
 * Activities in real time whose answers a test decides, one script per migration name: every look is done and every write
 * works, unless the script says otherwise. They run behind the same boundary as the real ones.
 */
import { activityInfo } from '@temporalio/activity';
import { boundary } from '../../src/activities/boundary.ts';
import type { Ask, Work } from '../../src/activities/work.ts';
import { groupsOf, type Migration } from '../../src/domain/migration.ts';
import type { Claim, Context, Repeats } from '../../src/domain/scheme.ts';

/**
 * `hang`: never answers. `late`: as `hang`, and its request takes effect all the same, shortly after its time was up.
 * `deaf`: as `late`, and neither its heartbeat nor a cancel works any more, as on a machine that was cut off.
 */
export type Fault = Error | 'hang' | 'late' | 'deaf';
export interface Call { readonly name: string; readonly mode: Context['mode'] | 'none'; readonly key: string; readonly fromMs: number; toMs: number | null; readonly mayRepeat: Repeats | null }
interface Planned { readonly name: keyof Work; readonly mode: Context['mode'] | 'any'; readonly fault: Fault; left: number }

const lateMs = 200;
const hanging = (until: AbortSignal): Promise<never> => new Promise((_, reject) => { until.addEventListener('abort', () => { reject(until.reason as Error); }); });

export class Script {
  readonly calls: Call[] = [];
  /** Requests that took effect after their time was up. */
  readonly late: { readonly name: string; readonly atMs: number; readonly untilMs: number }[] = [];
  readonly ledger = new Map<string, string>();
  claims: readonly Claim[] = [{ text: 'every partition lags at most 1000 records', holds: true }];
  /** Looks that are not done yet. */
  readonly unfinished = new Set<keyof Work>();
  #faults: Planned[] = [];

  fail(name: keyof Work, fault: Fault, o: { readonly times?: number; readonly mode?: Context['mode'] } = {}): void {
    this.#faults.push({ name, fault, left: o.times ?? 1, mode: o.mode ?? 'any' });
  }
  mend(): void { this.#faults = []; }
  strike(name: string, c: Context | undefined): Fault | undefined {
    const planned = this.#faults.find((f) => f.name === name && f.left > 0 && (f.mode === 'any' || f.mode === c?.mode));
    if (planned) planned.left--;
    return planned?.fault;
  }
  /** Names of the calls in order, undos marked. */
  get told(): readonly string[] { return this.calls.map((x) => (x.mode === 'undo' ? `undo: ${x.name}` : x.name)); }
}

export interface Scripted { readonly work: Work; of(name: string): Script }

export function scripted(): Scripted {
  const scripts = new Map<string, Script>();
  const of = (name: string): Script => {
    const script = scripts.get(name) ?? new Script();
    scripts.set(name, script);
    return script;
  };
  const enclose = boundary();
  const answer = async (ask: Partial<Ask>): Promise<unknown> => {
    const name = activityInfo().activityType;
    const script = of(ask.m?.name ?? '');
    const call: Call = { name, mode: ask.c?.mode ?? 'none', key: ask.c?.key ?? '', fromMs: Date.now(), toMs: null, mayRepeat: ask.c?.mayRepeat ?? null };
    script.calls.push(call);
    const fault = script.strike(name, ask.c);
    const untilMs = ask.c?.untilMs ?? Date.now();
    if (fault === 'late' || fault === 'deaf') setTimeout(() => { script.late.push({ name, atMs: Date.now(), untilMs }); }, untilMs - Date.now() + lateMs);
    // Without a boundary nobody heartbeats and nobody listens.
    if (fault === 'deaf') await new Promise((resolve) => { setTimeout(resolve, untilMs - Date.now() + 2_500); });
    // Whoever runs beside the units says nothing new for as long as it goes on.
    if (beside.has(name) && ((ask.c as { before?: string | null } | undefined)?.before ?? null) !== null) await enclose(name, ask, 'read', (at) => hanging(at.until.signal));
    const reads = /^(look|capture|recall|environment|assess|reassess|evidence)/.test(name);
    try {
      return await enclose(name, ask, reads ? 'read' : 'write', async (at) => {
        if (fault instanceof Error) throw fault;
        if (fault === 'hang' || fault === 'late') return hanging(at.until.signal);
        if (script.unfinished.has(name as keyof Work)) {
          const before = (ask.c as { before?: string | null } | undefined)?.before ?? null;
          while (before !== null && script.unfinished.has(name as keyof Work)) await at.pause(50);
          if (script.unfinished.has(name as keyof Work)) return { ...said(`${name}: not yet`), done: false, picture: 'not yet' };
        }
        return answers(name, ask, script);
      });
    } finally {
      call.toMs = Date.now();
    }
  };
  // `default` is Temporal's name for the activity that stands in for all that are not registered.
  return { work: { default: answer } as unknown as Work, of };
}

const beside: ReadonlySet<string> = new Set(['lookSwept', 'lookMirrors']);
const said = (say: string): { say: string; done: boolean; fromMs: number; toMs: number } => ({ say, done: true, fromMs: Date.now(), toMs: Date.now() });

function answers(name: string, ask: Partial<Ask>, script: Script): unknown {
  const m = ask.m as Migration;
  if (name === 'environment') return { searchAttributes: [] };
  if (name === 'assess') return {
    migration: m,
    inventory: {
      clusterIds: { source: 'source-id', target: 'target-id' }, authorizer: { source: 'present', target: 'none' },
      topics: m.topics.map((topic) => ({ name: topic, id: `id-${topic}`, partitions: 3 })), groups: [...new Set(m.applications.flatMap(groupsOf))].sort(),
    },
  };
  if (name === 'reassess') return [];
  if (name === 'recall') return script.ledger.get(`${(ask as { run: string }).run}/journal`) ?? null;
  if (name === 'whereabouts') return ['shop: runs on east'];
  if (name === 'evidence') return (ask as { about: { kind: string } }).about.kind === 'stragglers' ? { claims: [], figures: [], moot: 'nothing came late.' } : { claims: script.claims, figures: ['lag 12 records'] };
  if (name === 'remember') {
    for (const e of (ask as { entries: readonly { key: string; value: string }[] }).entries) script.ledger.set(e.key, e.value);
    return said('');
  }
  if (name === 'captureCut') return { epoch: 1 };
  if (name === 'lookSwept') return { ...said('as of now the ledger has 3 positions.'), done: false, picture: 'swept' };
  if (name === 'lookMirrors') return { ...said('2 mirrors run.'), done: false, picture: 'running', figures: { state: 'running' } };
  if (name.startsWith('capture')) return { missing: [] };
  return said(`${name}: done`);
}
