/** What the demo says at the end: counted and measured by its own books and clock; only the breakdown and the proofs are Cutover's words. */
import type { OutageRecord } from '../src/domain/progress.ts';
import { writers } from './applications.ts';
import type { Count } from './books.ts';
import type { FleetEvent } from './supervisor.ts';

export type Outcome = 'completed' | 'rolled-back' | 'failed';
export interface Ended {
  readonly outcome: Outcome;
  /** Why it did not complete; empty when it did. */
  readonly why: string;
  readonly outages: readonly OutageRecord[];
  readonly proven: readonly string[];
}
export interface Report {
  readonly scheme: string;
  readonly outcome: Outcome;
  readonly records: { readonly produced: number; readonly lost: number; readonly duplicated: number; readonly reordered: number; readonly uncertain: number; readonly duringMigration: number };
  /** Longest of any application, ms; `null`: nobody was switched. */
  readonly outage: { readonly writeMs: number | null; readonly addedWriteMs: number | null; readonly readMs: number | null };
  readonly applications: Readonly<Record<string, { readonly writeMs?: number | null; readonly addedWriteMs?: number | null; readonly readMs?: number | null; readonly runs: string }>>;
  readonly faults: readonly string[];
  readonly temporal: { readonly workflowId: string; readonly address: string; readonly ui: string };
}
export interface Findings {
  /** What each group consented to lose, records. */
  readonly mayLose?: number;
  readonly scheme: string;
  /** Whether the scheme promises the order per key; otherwise it is measured, and told. */
  readonly ordered: boolean;
  readonly wanted: Outcome;
  readonly ended: Ended;
  readonly count: Count;
  readonly duringMigration: number;
  readonly events: readonly FleetEvent[];
  /** Where the processes ran when the migration had ended. */
  readonly running: Readonly<Record<string, { readonly source: number; readonly target: number }>>;
  readonly temporal: Report['temporal'];
}

const most = (xs: readonly (number | null)[]): number | null => xs.reduce<number | null>((m, x) => (x === null ? m : Math.max(m ?? 0, x)), null);
const sum = (xs: readonly number[]): number => xs.reduce((a, b) => a + b, 0);

/** From the last writer of a cut set confirmed stopped to the first one told to start again, ms; the longest, `null`: never stopped. */
export function addedWriteMs(events: readonly FleetEvent[], set: readonly string[]): number | null {
  const ours = events.filter((e) => set.includes(e.application));
  return most(ours.map((start, i) => {
    if (start.what !== 'told to start') return null;
    const before = ours[i - 1];
    return before?.what === 'stopped' ? start.atMs - before.atMs : null;
  }));
}

export function reportOf(f: Findings): Report {
  const { count } = f;
  const applications = Object.fromEntries(Object.keys(f.running).sort().map((name) => [name, {
    ...(Object.values(writers).flat().includes(name) ? {
      writeMs: most(count.writeOutages.filter((p) => p.name.startsWith(`${name} `)).map((p) => p.ms)),
      addedWriteMs: addedWriteMs(f.events, Object.values(writers).find((w) => w.includes(name)) ?? []),
    } : {}),
    ...(count.readOutages.some((p) => p.name === name) ? { readMs: most(count.readOutages.filter((p) => p.name === name).map((p) => p.ms)) } : {}),
    runs: side(f.running[name] ?? { source: 0, target: 0 }),
  }]));
  const each = Object.values(applications);
  return {
    scheme: f.scheme, outcome: f.ended.outcome,
    records: {
      produced: sum(Object.values(count.produced)),
      lost: sum(count.duties.map((d) => d.lost)) + sum(count.derived.map((d) => d.missing)),
      duplicated: sum(count.duties.map((d) => d.duplicated)) + sum(count.derived.map((d) => d.repeated)),
      reordered: sum(count.duties.map((d) => d.reordered)),
      uncertain: count.uncertain, duringMigration: f.duringMigration,
    },
    outage: { writeMs: most(each.map((a) => a.writeMs ?? null)), addedWriteMs: most(each.map((a) => a.addedWriteMs ?? null)), readMs: most(each.map((a) => a.readMs ?? null)) },
    applications, faults: faultsOf(f), temporal: f.temporal,
  };
}

/** The one line of `--json`. */
export const summary = ({ scheme, outcome, records: { produced, lost, duplicated, reordered }, outage, temporal }: Report): object =>
  ({ scheme, outcome, records: { produced, lost, duplicated, reordered }, outage, temporal });

const side = (n: { readonly source: number; readonly target: number }): string => (n.source > 0 && n.target > 0 ? 'both' : n.source > 0 ? 'source' : n.target > 0 ? 'target' : 'nowhere');

/** Everything that makes the run a failure, in words. */
function faultsOf(f: Findings): readonly string[] {
  const home = f.wanted === 'completed' ? 'target' : 'source';
  return [
    ...(f.ended.outcome === f.wanted ? [] : [`The migration ended ${f.ended.outcome}, wanted ${f.wanted}: ${f.ended.why}`]),
    ...Object.entries(f.running).filter(([, n]) => side(n) !== home).map(([name, n]) => `${name} runs on ${side(n)}, wanted ${home}.`),
    ...f.events.filter((e) => e.what === 'died' || e.what === 'killed').map((e) => `${e.application} on ${e.side} ${e.what === 'died' ? 'ended by itself' : 'did not stop and was killed'}.`),
    ...f.count.duties.flatMap((d) => (['lost', 'duplicated', 'reordered'] as const).filter((k) => d[k] > (k === 'lost' ? (f.mayLose ?? 0) : 0) && (k !== 'reordered' || f.ordered)).map((k) => `Group ${d.group}, topic ${d.topic}: ${d[k]} ${k} of ${d.expected}.`)),
    ...(f.mayLose === undefined || f.mayLose === 0 ? [] : miscounted(f)),
    ...f.count.derived.filter((d) => d.repeated > 0 || d.missing > (f.mayLose ?? 0)).map((d) => `${d.to}: ${d.missing} missing and ${d.repeated} written twice, seen against ${d.from}.`),
  ];
}

/** By group, what Cutover said at the stop would never be read. */
export const saidLost = (proven: readonly string[]): ReadonlyMap<string, number> => new Map(proven.flatMap((p) => /given up unread: ([^.]*?) on the /.exec(p)?.[1]?.split(/, (?=[^\d])/) ?? [])
  .flatMap((part) => { const [, group, n] = /^(.*) ([\d,]+) records?$/.exec(part) ?? []; return group === undefined || n === undefined ? [] : [[group, Number(n.replaceAll(',', ''))] as const]; }));
/** The loss was consented to by number: the books must come to the same one. */
function miscounted(f: Findings): readonly string[] {
  const said = saidLost(f.ended.proven);
  return [...Map.groupBy(f.count.duties, (d) => d.group)].flatMap(([group, of]) => {
    const lost = sum(of.map((d) => d.lost));
    return lost === (said.get(group) ?? 0) ? [] : [`Group ${group} lost ${lost} records; Cutover had counted ${said.get(group) ?? 'none'}.`];
  });
}

const ms = (x: number | null | undefined): string => (x === undefined ? '' : x === null ? 'none' : `${x.toLocaleString('en')} ms`);
const n = (x: number): string => x.toLocaleString('en');

export function table(r: Report, f: Pick<Findings, 'count' | 'ended' | 'ordered'>): readonly string[] {
  const rows = Object.entries(r.applications).map(([name, a]) => [name, a.runs, ms(a.writeMs), ms(a.addedWriteMs), ms(a.readMs)]);
  return [
    '', `  ${r.scheme}: ${r.outcome}${f.ended.outcome !== 'rolled-back' ? '' : ` (${f.ended.why})`}`, '',
    `  records produced   ${n(r.records.produced)}  (${Object.entries(f.count.produced).map(([t, c]) => `${t} ${n(c)}`).join(', ')}; orders during the migration ${n(r.records.duringMigration)})`,
    `  lost               ${n(r.records.lost)}`,
    `  duplicated         ${n(r.records.duplicated)}`,
    `  out of order       ${n(r.records.reordered)}  (per key${f.ordered ? '' : '; measured, not promised'})`,
    ...(r.records.uncertain > 0 ? [`  uncertain          ${n(r.records.uncertain)}  (sent, never acknowledged)`] : []),
    '', ...columns([['application', 'runs on', 'write outage', 'of it added', 'read outage'], ...rows]), '',
    ...f.ended.outages.flatMap(breakdown),
    ...(f.ended.proven.length > 0 ? ['  proven', ...f.ended.proven.map((p) => `    ✔ ${p}`), ''] : []),
    ...r.faults.map((x) => `  ✘ ${x}`),
    r.faults.length === 0 ? `  ✔ ${r.records.lost === 0 ? 'nothing lost' : `lost what was counted and consented to: ${n(r.records.lost)}`}, nothing twice${f.ordered ? ', in order' : ''}` : '  ✘ not as promised', '',
  ];
}

function breakdown(o: OutageRecord): readonly string[] {
  const added = o.addedMs === null ? o.why : `${n(o.addedMs)} ms from the last stop to the first start${o.temporalMs === null ? '' : `, ${n(o.temporalMs)} ms of them Temporal's own share`}`;
  return [`  ${o.name}: ${o.outcome} after ${n(o.endedMs - o.startedMs)} ms; ${added}`, ...o.steps.map((s) => `    ${`${n(s.toMs - s.fromMs)} ms`.padStart(9)}  ${s.name}`), ''];
}

function columns(rows: readonly (readonly string[])[]): readonly string[] {
  const widths = (rows[0] ?? []).map((_, i) => Math.max(...rows.map((r) => r[i]?.length ?? 0)));
  return rows.map((r) => `  ${r.map((c, i) => (i < 2 ? c.padEnd(widths[i] ?? 0) : c.padStart(widths[i] ?? 0))).join('   ')}`.trimEnd());
}
