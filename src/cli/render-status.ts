/** Where a migration stands, as one line for logs and as a few lines for a terminal. */
import type { Json } from '../domain/json.ts';
import { askedConsent, oneLine, saidRepeats, type OutageRecord, type Progress, type Question } from '../domain/progress.ts';
import { plain, seconds } from './render-plan.ts';
import type { Standing } from './status.ts';

/** `1:05`, `2:03:04`: hours only when there are any. */
export function clock(ms: number): string {
  const s = Math.max(0, Math.round(ms / 1_000));
  const two = (n: number): string => String(n).padStart(2, '0');
  return s >= 3_600 ? `${Math.floor(s / 3_600)}:${two(Math.floor(s / 60) % 60)}:${two(s % 60)}` : `${Math.floor(s / 60)}:${two(s % 60)}`;
}

/** Figures of a step: the names known here in their own words, other plain values as `name value`. */
const spoken: Readonly<Record<string, (value: number) => string>> = {
  lagRecords: (n) => `lag ${plain(n)} records`,
  lag: (n) => `lag ${plain(n)} records`,
  recordsPerSecond: (n) => `${plain(Math.round(n))} records/s`,
  etaMs: (n) => `ETA ${clock(n)}`,
};
export function figuresLine(figures: Json): string {
  if (figures === null || typeof figures !== 'object' || Array.isArray(figures)) return '';
  return Object.entries(figures).flatMap(([name, value]) => {
    if (typeof value === 'number') return [spoken[name]?.(value) ?? `${name} ${plain(Math.round(value * 100) / 100)}`];
    return typeof value === 'string' || typeof value === 'boolean' ? [`${name} ${String(value)}`] : [];
  }).join(' · ');
}

export function bar(done: number, total: number, width: number): string {
  const full = total === 0 ? 0 : Math.floor((width * done) / total);
  return `[${'█'.repeat(full)}${'░'.repeat(width - full)}] ${done}/${total}`;
}

const outageLine = (o: OutageRecord): string =>
  `outage      ${o.name}: ${o.outcome}${o.addedMs === null ? ` (${o.why})` : `, added write outage ${seconds(o.addedMs)}`}, ${seconds(o.endedMs - o.startedMs)} in all`;

export function questionLines(q: Question): readonly string[] {
  const consent = askedConsent(q);
  return [
    `asks        ${q.text}`,
    ...q.claims.map((c) => `  ${c.holds ? '✔' : '✘'} ${c.text}`),
    ...q.figures.map((f) => `    ${f}`),
    ...(consent === null ? [] : [`consent     ${saidRepeats(consent)} read again: approve with ${Object.entries(consent).map(([group, n]) => `--may-repeat ${group}=${n}`).join(' ')}`]),
  ];
}
const howToAnswer = (p: Progress, q: Question): string => `answer      cutover decide ${p.workflowId} ${q.answers.join('|')}`;

/** ` (4 s ago)`, of the first time in the sentence. */
function ago(said: string, now: number): string {
  const at = Date.parse(/as of (\S+Z)/.exec(said)?.[1] ?? '');
  return Number.isNaN(at) ? '' : ` (${Math.max(0, Math.round((now - at) / 1_000))} s ago)`;
}

/** What somebody has to look at now, in a few words each; a line for logs changes only when the state does, not with every sweep. */
function alarmsOf(p: Progress): readonly string[] {
  return [...(p.mirrors?.state === 'failing' ? [`mirrors: ${p.mirrors.say}`] : []), ...(p.swept?.state === 'failing' ? [`swept: ${p.swept.say}`] : [])].map((x) => (x.length > longestAlarm ? `${x.slice(0, longestAlarm - 1)}…` : x));
}
const longestAlarm = 200;

/** Something is wrong: an alarm, a step that failed, an end that is not completed, or nobody who knows. */
export function isWrong(s: Standing): boolean {
  if (s.status !== 'RUNNING') return s.status !== 'COMPLETED';
  const p = s.progress;
  return p === null || alarmsOf(p).length > 0 || p.question?.kind === 'failed' || p.question?.kind === 'undo-failed';
}

/** One line, stable enough to grep. */
export function lineOf(s: Standing): string {
  if (s.progress === null) return `${s.workflowId} · ${s.status.toLowerCase()} · ${s.failure ?? s.unknown ?? ''}`.replaceAll('\n', ' ');
  const figures = figuresLine(s.progress.figures);
  const ended = s.status === 'RUNNING' ? '' : ` · ${s.status}${s.failure === null ? '' : `: ${s.failure}`}`;
  const trying = s.trying.map((x) => ` · tries again ${x}`).join('');
  const alarms = s.status === 'RUNNING' ? alarmsOf(s.progress).map((x) => ` · ALARM: ${x}`).join('') : '';
  return `${oneLine(s.progress)}${figures === '' ? '' : ` · ${figures}`} · way back ${s.progress.wayBack}${alarms}${trying}${ended}`.replaceAll('\n', ' ');
}

/** Where what follows the label of a line begins. */
const indent = ' '.repeat(12);
/** At blanks where there are any: a question, a failure and a command must be read to their end. */
function wrapped(line: string, columns: number): readonly string[] {
  const rows: string[] = [];
  let rest = line;
  const hanging = columns > 2 * indent.length ? indent : '';
  while (rest.length > columns) {
    const blank = rest.lastIndexOf(' ', columns);
    const at = blank > hanging.length ? blank : columns;
    rows.push(rest.slice(0, at).trimEnd());
    rest = `${hanging}${rest.slice(at).trimStart()}`;
  }
  return [...rows, rest];
}

/** A few lines for people, in rows of at most so many columns. */
export function linesOf(s: Standing, columns: number, now: number): readonly string[] {
  const p = s.progress;
  const head = `${s.workflowId}  ${s.scheme}  ${p === null || s.status !== 'RUNNING' ? s.status.toLowerCase() : p.state}`;
  const lines = p === null
    ? [head, ...(s.failure === null ? [] : [`failure     ${s.failure}`]), ...(s.unknown === null ? [] : [`progress    unknown: ${s.unknown}`])]
    : [
      head,
      `${bar(p.done, p.total, Math.min(30, Math.max(10, columns - 30)))}  ${p.unit}`,
      ...(p.say === '' ? [] : [`now         ${p.say}`]),
      ...s.trying.map((x) => `tries again ${x}`),
      ...(figuresLine(p.figures) === '' ? [] : [`figures     ${figuresLine(p.figures)}`]),
      `way back    ${p.wayBack}${s.status === 'RUNNING' ? ` · running for ${clock(now - p.startedMs)}` : ''}`,
      ...(!p.mirrors ? [] : [`${p.mirrors.state === 'failing' ? 'ALARM       ' : 'mirrors     '}${p.mirrors.say}`]),
      ...(p.swept === null ? [] : [`${p.swept.state === 'failing' ? 'ALARM       ' : 'swept       '}${s.swept === null ? p.swept.say : `${s.swept}${ago(s.swept, now)}`}${p.swept.state === 'resting' ? ' The sweep rests at present.' : ''}`]),
      ...p.outages.map(outageLine),
      ...(p.refused === null ? [] : [`refused     ${p.refused}`]),
      ...(p.question === null ? [] : [...questionLines(p.question), howToAnswer(p, p.question)]),
      ...(s.failure === null ? [] : [`ended       ${s.failure}`]),
    ];
  return lines.flatMap((l) => l.split('\n')).flatMap((l) => wrapped(l, columns));
}
