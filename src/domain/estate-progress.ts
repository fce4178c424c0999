/** What the `progress` query of an estate returns, and how people are told: the Markdown of Temporal's Current Details. */
import { countOf } from './estate.ts';
import { isBusy, type EstateJournal, type EstateQuestion, type WaveRecord } from './estate-journal.ts';
import { waveIdOf } from './estate-migrations.ts';
import { groundworkWave } from './migration.ts';

export type EstateState = 'starting' | 'asking' | 'moving' | 'waiting' | 'paused' | 'finishing' | 'rolling-back' | 'completed' | 'rolled-back';
export interface WaveProgress extends WaveRecord {
  readonly workflowId: string;
  readonly scheme: string;
  readonly applications: number;
  readonly topics: number;
}
export interface EstateProgress {
  readonly workflowId: string;
  readonly name: string;
  readonly environment: string;
  readonly state: EstateState;
  readonly groundwork: WaveRecord & { readonly workflowId: string };
  readonly waves: readonly WaveProgress[];
  readonly question: EstateQuestion | null;
  readonly planHash: string;
  readonly runs: number;
  readonly startedMs: number;
  readonly refused: string | null;
}

function stateOf(j: EstateJournal, ended: 'completed' | 'rolled-back' | null): EstateState {
  if (ended !== null) return ended;
  if (j.question !== null) return 'asking';
  if (j.home !== null || j.goingBack.length > 0) return 'rolling-back';
  if (j.finishing.length > 0) return 'finishing';
  if (j.waves.some(isBusy) || j.groundwork.state === 'moving') return 'moving';
  return j.paused ? 'paused' : 'waiting';
}

export function estateProgressOf(j: EstateJournal, ended: 'completed' | 'rolled-back' | null): EstateProgress {
  return {
    workflowId: j.workflowId, name: j.estate.name, environment: j.estate.environment, state: stateOf(j, ended),
    groundwork: { ...j.groundwork, workflowId: waveIdOf(j.estate, groundworkWave) },
    waves: j.waves.map((w): WaveProgress => {
      const planned = j.plan.waves.find((p) => p.name === w.name);
      return { ...w, workflowId: waveIdOf(j.estate, w.name), scheme: planned?.scheme ?? '', applications: planned?.applications.length ?? 0, topics: planned?.topics.length ?? 0 };
    }),
    question: j.question, planHash: j.planHash, runs: j.runs, startedMs: j.startedMs, refused: j.refused,
  };
}

/** The JSON an operator pastes into the signal dialog. */
export function estateExample(q: EstateQuestion, answer: string): string {
  const wave = answer === 'approve' || answer === 'reject' || q.name === groundworkWave ? {} : { wave: q.name };
  return JSON.stringify({ by: 'YOUR NAME', ...(answer === 'approve' && q.hash !== null ? { hash: q.hash } : {}), ...(answer === 'approve' || answer === 'retry' ? {} : { reason: 'WHY' }), ...(answer === 'retry' && q.name === groundworkWave ? { wave: groundworkWave } : wave) });
}

const asked = (p: EstateProgress, q: EstateQuestion): readonly string[] => [
  `## ${q.kind === 'hold' ? 'Your decision is asked' : 'Your help is asked'}`, `**${q.text}**`, '',
  ...(q.claims.length > 0 ? ['Claims (worked out again before an approval counts):', '', ...q.claims.map((c) => `- ${c.holds ? '✔' : '✘'} ${c.text}`), ''] : []),
  ...(q.figures.length > 0 ? ['Blast radius:', '', ...q.figures.map((f) => `- ${f}`), ''] : []),
  ...(q.answers.length > 0 ? ['Answer with a signal (More Actions, Send a Signal), its name and its input:', '', ...q.answers.map((a) => `- \`${a}\` with \`${estateExample(q, a)}\``), '',
    'or in a shell:', '', '```sh', `temporal workflow signal --workflow-id '${p.workflowId}' --name ${q.answers[0] ?? 'retry'} --input '${estateExample(q, q.answers[0] ?? 'retry')}'`, '```'] : []),
];
const waveLine = (w: WaveProgress): string =>
  `- **${w.name}**: ${w.state}, ${w.scheme}, ${countOf(w.applications, 'application')}, ${countOf(w.topics, 'topic')} cut${w.asks === null || w.state === 'settled' || w.state === 'finished' ? '' : `; asks in \`${w.workflowId}\`: ${w.asks.text}`}`;

/** Markdown without tables: the UI renders them without padding. */
export function estateDetails(p: EstateProgress): string {
  return [
    `# ${p.name} (${p.environment}) · ${p.state}`, '',
    `Groundwork: ${p.groundwork.state}${p.groundwork.asks === null || p.groundwork.state !== 'moving' ? '' : `; asks in \`${p.groundwork.workflowId}\`: ${p.groundwork.asks.text}`}.`, '',
    ...p.waves.map(waveLine), '',
    ...(p.question ? asked(p, p.question) : []),
    p.refused === null ? '' : `\n**Last message refused:** ${p.refused}\n`,
    'Each wave is a workflow of its own, with its own holds. At any time here: `rollback`, `postpone`, `skip`, `finish`, `pause`, `resume`, or the update `decide` for any of them, which also says whether it was taken.',
  ].join('\n');
}
