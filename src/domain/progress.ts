/** What the `progress` query returns, and how people are told: one line, and the Markdown of Temporal's Current Details. */
import type { Limits } from './migration.ts';
import type { Claim, Repeats } from './scheme.ts';
import type { Json } from './json.ts';

export type Answer = 'approve' | 'reject' | 'retry' | 'skip' | 'rollback';
export type State = 'starting' | 'running' | 'waiting' | 'asking' | 'paused' | 'outage' | 'rolling-back' | 'rolled-back' | 'completed';

/** Something a person is asked. */
export interface Question {
  /** Name of the unit that asks; decisions may repeat it as `hold`. */
  readonly name: string;
  /** `hold`: planned; `failed`: a step failed; `undo-failed`; `parked`: rolled back to a phase; `plan-changed`: other code than planned it. */
  readonly kind: 'hold' | 'failed' | 'undo-failed' | 'parked' | 'plan-changed';
  readonly text: string;
  /** Hash of the claims; an approval must repeat it. `null` where nothing is approved. */
  readonly hash: string | null;
  readonly answers: readonly Answer[];
  readonly claims: readonly Claim[];
  readonly figures: readonly string[];
  /** Epoch ms. */
  readonly sinceMs: number;
}
export interface StepTime { readonly name: string; readonly fromMs: number; readonly toMs: number; readonly say: string }
/** One outage as it went, epoch ms by the worker's clock. */
export interface OutageRecord {
  readonly name: string;
  readonly startedMs: number;
  readonly endedMs: number;
  readonly outcome: 'opened' | 'undone';
  readonly why: string;
  readonly steps: readonly StepTime[];
  /** From the last producer confirmed stopped to the first told to start; `null` when undone. */
  readonly addedMs: number | null;
  /** Part of `addedMs` in which no activity was at work. */
  readonly temporalMs: number | null;
}
/** What the source's ledger knows of groups on the target, should the target die: kept a few seconds old while it is `swept`, growing old while it rests (in an outage, or while something is undone); `failing` is an alarm. */
export interface Swept { readonly state: 'swept' | 'resting' | 'failing'; readonly say: string; /** When it said so, epoch ms; it speaks again when its state changes, and every 15 minutes. */ readonly atMs: number }
/** Mirrors that run beside everything else: `restarted` within the last minute, and running again since; `failing` is an alarm. */
export interface Tended { readonly state: 'running' | 'restarted' | 'failing'; readonly say: string; /** When it said so, epoch ms; it speaks again when its state changes, and every 15 minutes. */ readonly atMs: number }
export interface UnitProgress { readonly name: string; readonly kind: string; readonly state: 'done' | 'current' | 'todo' }
export interface Progress {
  readonly workflowId: string;
  readonly scheme: string;
  readonly state: State;
  readonly phase: string;
  readonly unit: string;
  /** Last sentence of the present step. */
  readonly say: string;
  readonly figures: Json;
  readonly units: readonly UnitProgress[];
  readonly done: number;
  readonly total: number;
  readonly question: Question | null;
  readonly outages: readonly OutageRecord[];
  /** `open`: a rollback restores the source; `open, by a cut back`: with an outage of its own; else since which step it is not. */
  readonly wayBack: 'open' | 'open, by a cut back' | `closed by ${string}`;
  /** `null`: nothing is swept, because nothing has been opened or there is no way back over an opening. */
  readonly swept: Swept | null;
  /** `null`: no mirror is looked after, because none has been made, or they rest. */
  readonly mirrors: Tended | null;
  readonly undos: readonly string[];
  readonly limits: Limits;
  readonly planHash: string;
  readonly runs: number;
  readonly startedMs: number;
  /** The last message that was refused, and why. */
  readonly refused: string | null;
}

/** One dense line, stable enough to grep. */
export const oneLine = (p: Progress): string =>
  [`${p.workflowId}`, p.state, `${p.done}/${p.total}`, p.unit, p.question ? `asks ${p.question.answers.join('|')}: ${p.question.text}` : p.say].filter((x) => x !== '').join(' · ');

/** The JSON an operator pastes into the signal dialog, or after `--input`: complete for this answer, names and reasons to be filled in. */
export const decisionExample = (q: Question, answer: Answer): string => JSON.stringify({
  by: 'YOUR NAME',
  ...(answer === 'approve' && q.hash !== null ? { hash: q.hash } : {}),
  ...(answer === 'approve' && askedConsent(q) !== null ? { mayRepeat: askedConsent(q) } : {}),
  ...(answer === 'reject' || answer === 'skip' || answer === 'rollback' ? { reason: 'WHY' } : {}),
});

/** The consent with which every claim of this question would hold; `null`: none is asked, or none would be enough. */
export function askedConsent(q: Pick<Question, 'claims'>): Repeats | null {
  const broken = q.claims.filter((c) => !c.holds);
  return broken.length > 0 && broken.every((c) => c.unless) ? Object.assign({}, ...broken.map((c) => c.unless)) as Repeats : null;
}
/** `billing 12 records` for each group. */
export const saidRepeats = (r: Repeats): string => Object.entries(r).map(([group, n]) => `${group} ${n} ${n === 1 ? 'record' : 'records'}`).join(', ');

const claimLine = (c: Claim): string => `- ${c.holds ? '✔' : '✘'} ${c.text}`;
const question = (p: Progress, q: Question): string[] => [
  `## ${q.kind === 'hold' ? 'Your decision is asked' : 'Your help is asked'}`,
  `**${q.text}**`,
  '',
  ...(q.claims.length > 0 ? ['Claims (read again before an approval counts):', '', ...q.claims.map(claimLine), ''] : []),
  ...(q.figures.length > 0 ? ['Figures:', '', ...q.figures.map((f) => `- ${f}`), ''] : []),
  consentLine(q),
  'Answer with a signal (More Actions, Send a Signal), its name and its input:',
  '',
  ...q.answers.map((a) => `- \`${a}\` with \`${decisionExample(q, a)}\``),
  '', 'or in a shell:', '', '```sh',
  `temporal workflow signal --workflow-id '${p.workflowId}' --name ${q.answers[0] ?? 'retry'} --input '${decisionExample(q, q.answers[0] ?? 'retry')}'`,
  '```',
];
function consentLine(q: Question): string {
  if (q.kind !== 'hold' || q.claims.every((c) => c.holds)) return '';
  const consent = askedConsent(q);
  return consent === null ? '**No approval is taken while a claim above is marked ✘.**\n' : `**To approve is to accept that records are read again, at most: ${saidRepeats(consent)}.** Without \`mayRepeat\` the approval is refused.\n`;
}
const seconds = (ms: number): string => `${(ms / 1000).toFixed(2)} s`;
const outageLine = (o: OutageRecord): string => `- ${o.name}: ${o.outcome}${o.addedMs === null ? ` (${o.why})` : `, added write outage ${seconds(o.addedMs)}`}`;

/** Present for as long as the state stands: a workflow that showed every sweep would grow with them. */
export function sweptLine(s: Swept): string {
  if (s.state === 'failing') return `**ALARM, the way back without the target grows old:** ${s.say}`;
  return s.state === 'resting' ? `If the target dies: the sweep rests at present; ${s.say}` : `If the target dies: swept every few seconds since ${new Date(s.atMs).toISOString()} at the latest; then, ${s.say}`;
}
export const tendedLine = (t: Tended): string => (t.state === 'failing' ? `**ALARM, mirrors:** ${t.say}` : `Mirrors: ${t.say}`);
/** Markdown without tables (the UI renders them without padding). */
export const details = (p: Progress): string => [
  `# ${p.unit === '' ? p.state : p.unit} · ${p.state}`,
  `${p.scheme}, ${p.done} of ${p.total} units done. Way back: **${p.wayBack}**${p.wayBack === 'open' ? ' (a rollback restores the source)' : p.wayBack === 'open, by a cut back' ? ' (a rollback asks, then stops the producers once more)' : ''}.`,
  '',
  p.say === '' ? '' : `Latest: ${p.say}\n`,
  ...(p.swept === null ? [] : [sweptLine(p.swept), '']),
  ...(p.mirrors === null ? [] : [tendedLine(p.mirrors), '']),
  ...(p.question ? question(p, p.question) : []),
  p.refused === null ? '' : `\n**Last message refused:** ${p.refused}\n`,
  ...(p.outages.length > 0 ? ['', 'Outages:', '', ...p.outages.map(outageLine)] : []),
  '',
  'At any time: the signals `pause`, `resume`, `rollback`, `tune`; or the update `decide` for any decision, which also says whether it was taken.',
].join('\n');
