/** A plan as text for a terminal, and as Markdown for Temporal's UI: the runbook that people read before they approve. */
import { limitBounds, workflowIdOf, type Limits, type Migration } from '../domain/migration.ts';
import type { OutageView, PhaseView, PlanView, StepView } from '../domain/plan.ts';

export const plain = (n: number): string => String(n).replace(/\B(?=(\d{3})+$)/g, ',');
export const seconds = (ms: number): string => `${ms % 1_000 === 0 ? ms / 1_000 : (ms / 1_000).toFixed(ms % 100 === 0 ? 1 : 2)} s`;

const marks: Readonly<Record<StepView['kind'], string>> = { observe: ' ', change: '~', hold: '?', irreversible: '!', opening: ' ' };
const isOutage = (s: StepView | OutageView): s is OutageView => s.kind === 'outage';

/** What a step leaves behind, for the end of its line. */
function after(s: StepView): string {
  if (s.kind === 'observe') return s.proves ? 'a proof: cannot be skipped' : '';
  if (s.kind === 'hold') return 'waits for your approval';
  return s.undo === 'undone' ? 'can be undone' : s.undo;
}
function stepLines(s: StepView, indent: string): readonly string[] {
  const note = after(s);
  const line = `${indent}${marks[s.kind]} ${s.kind.padEnd(12)} ${s.name}${note === '' ? '' : `  (${note})`}`;
  return s.kind === 'hold' && typeof s.detail === 'string' ? [line, `${indent}${' '.repeat(15)}"${s.detail}"`] : [line];
}
function outageLines(o: OutageView, indent: string): readonly string[] {
  return [
    `${indent}# outage       at most ${seconds(o.budgetMs)}; undoes itself when a step fails or ${seconds(o.budgetMs - o.undoReserveMs)} have passed (${seconds(o.undoReserveMs)} are kept for the undo)`,
    ...o.until.flatMap((s) => stepLines(s, `${indent}  | `)),
    ...stepLines(o.open, `${indent}  > `),
  ];
}
function phaseLines(p: PhaseView, first: number): readonly string[] {
  return [`  ${p.name}`, ...p.steps.flatMap((s, i) => {
    const number = `${String(first + i).padStart(5)} `;
    const lines = isOutage(s) ? outageLines(s, '      ') : stepLines(s, '      ');
    return lines.map((line, k) => (k === 0 ? number + line.slice(number.length) : line));
  })];
}
function phasesLines(phases: readonly PhaseView[]): readonly string[] {
  let next = 1;
  return phases.flatMap((p) => {
    const lines = phaseLines(p, next);
    next += p.steps.length;
    return lines;
  });
}

/** What undoes each opening; before an opening every step is undone in reverse. */
function backLines(plan: PlanView): readonly string[] {
  const backs = plan.forward.flatMap((p) => p.steps.filter(isOutage)).flatMap((o) => o.back);
  return backs.length === 0 ? ['  none: until the first opening every step is undone in reverse; after it there is no way back'] : phasesLines(backs);
}

const limitLines = (limits: Limits): readonly string[] =>
  (Object.keys(limitBounds) as (keyof Limits)[]).map((k) => `  ${k.padEnd(14)} ${plain(limits[k])} (${plain(limitBounds[k].min)} to ${plain(limitBounds[k].max)})`);

export interface Shown {
  readonly migration: Migration;
  readonly plan: PlanView;
  /** `null`: not known, because no cluster was asked. */
  readonly planHash: string | null;
}
export function planText(x: Shown): string {
  const { migration: m, plan } = x;
  const budget = `${seconds(m.outage.budgetMs)} at most, ${seconds(m.outage.undoReserveMs)} of it kept for the undo`;
  return [
    `${plan.scheme}: ${m.name}, ${m.source} -> ${m.target}`,
    `  workflow id    ${workflowIdOf(m)}`,
    `  topics         ${m.topics.join(', ')}`,
    `  applications   ${m.applications.map((a) => a.name).join(', ')}`,
    `  write outage   ${budget}, ${m.cuts === 'together' ? 'one for all' : 'per cut set'}`,
    `  plan hash      ${x.planHash ?? 'not known here: it covers the ids of both clusters and the topics found there; cutover check prints it'}`,
    '', 'Promises', ...plan.promises.map((p) => `  - ${p}`),
    '', 'Forward    (~ writes, ? waits for you, ! no way back, # outage, | before opening, > opens)', ...phasesLines(plan.forward),
    '', 'Back, once opened', ...backLines(plan),
    '', 'Limits, changed while it runs by the signal tune', ...limitLines(m.limits), '',
  ].join('\n');
}

/** Temporal keeps 20,000 bytes of static details. */
const longestDetails = 19_000;
/** Markdown without tables: the UI renders them without padding. */
export function planMarkdown(x: Shown): string {
  const text = [
    `# ${x.migration.name}: ${x.migration.source} → ${x.migration.target}`, '',
    ...x.plan.promises.map((p) => `- ${p}`), '',
    '```', ...phasesLines(x.plan.forward), '```',
  ].join('\n');
  if (new TextEncoder().encode(text).length <= longestDetails) return text;
  return `${text.slice(0, Math.floor(longestDetails / 4))}\n\n… too long to be shown here: the query \`plan\` has all of it.`;
}
