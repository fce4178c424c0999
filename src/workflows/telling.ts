/** The journal as operators see it: the `progress` query. Pure; reads nothing but its arguments. */
import type { Progress, State } from '../domain/progress.ts';
import type { Unit } from '../domain/scheme.ts';
import type { Journal } from './journal.ts';

export interface Telling {
  readonly journal: Journal | null;
  readonly units: readonly Unit[];
  readonly workflowId: string;
  readonly insideOutage: boolean;
  readonly nowMs: number;
  /** Refused before there was a journal. */
  readonly refused: string | null;
}

export function stateOf(t: Telling): State {
  const j = t.journal;
  if (!j) return 'starting';
  if (j.at === null && !j.reverse) return j.direction === 'back' ? 'rolled-back' : 'completed';
  if (j.question) return 'asking';
  if (t.insideOutage) return 'outage';
  if (j.unwind || j.direction === 'back') return 'rolling-back';
  if (j.paused) return 'paused';
  return t.units.find((u) => u.name === j.at)?.step.kind === 'observe' ? 'waiting' : 'running';
}

const unknownLimits = { lagRecords: 0, startMs: 0, stopMs: 0, stuckMs: 0, historyEvents: 0 };

export function progressOf(t: Telling): Progress {
  const j = t.journal;
  const unit = (j?.reverse ? j.reverse.at : j?.at) ?? '';
  const at = t.units.findIndex((u) => u.name === unit);
  const done = j === null ? 0 : at === -1 ? (j.direction === 'back' ? 0 : t.units.length) : at;
  return {
    workflowId: t.workflowId, scheme: j?.scheme ?? '', state: stateOf(t), phase: t.units[at]?.phase ?? '', unit,
    say: j?.say ?? 'reading both clusters', figures: j?.figures ?? null,
    units: t.units.map((u, i) => ({ name: u.name, kind: u.step.kind, state: i < done ? 'done' : i === at ? 'current' : 'todo' })),
    done, total: t.units.length, question: j?.question ?? null, outages: j?.outages ?? [],
    wayBack: j?.closedBy ? `closed by ${j.closedBy}` : j?.undos.some((u) => u.opening) ? 'open, by a cut back' : 'open', undos: j?.undos.map((u) => u.step) ?? [],
    swept: j?.closedBy === null && j.undos.some((u) => u.opening) ? j.swept : null, mirrors: j?.mirrors ?? null, limits: j?.limits ?? unknownLimits, planHash: j?.planHash ?? '', runs: j?.runs ?? 1,
    startedMs: j?.startedMs ?? t.nowMs, refused: j?.refused ?? t.refused,
  };
}

/** Search attributes with a value, of those that the namespace knows. */
export function attributesOf(p: Progress, j: Journal | null): Readonly<Record<string, string>> {
  const all: Record<string, string> = { CutoverPhase: p.phase === '' ? p.state : p.phase, CutoverState: p.state, CutoverSource: j?.migration.source ?? '', CutoverTarget: j?.migration.target ?? '' };
  return Object.fromEntries(Object.entries(all).filter(([name, value]) => value !== '' && j?.searchAttributes.includes(name)));
}
