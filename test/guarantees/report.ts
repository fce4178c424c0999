/** What is printed of a row, and docs/guarantees.md with its data beside it: every row that ran, and every row that did not. */
import { execFileSync } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { cpus, totalmem } from 'node:os';
import { join } from 'node:path';
import { faultNames } from './faults.ts';
import { momentNames, setsAt } from './moments.ts';
import { allRows, rowName, schemeNames, ways, type Row } from './rows.ts';
import type { Result } from './table.ts';

/** As it is kept: when it ran, and on what. */
interface Kept extends Result { readonly ranAt: string; readonly commit: string; readonly machine: string }

const docs = join(import.meta.dirname, '..', '..', 'docs');
const dataFile = join(docs, 'guarantees.json');
const seconds = (ms: number): string => `${(ms / 1_000).toFixed(1)} s`;
const numbers = (t: { readonly lost: number; readonly duplicated: number; readonly reordered: number }): string => `${t.lost}/${t.duplicated}/${t.reordered}`;

/** How it ended, in a few words. */
export function ended({ played, why }: Pick<Result, 'played' | 'why'>): string {
  if (played === null) return `not known: ${why}`;
  const undone = played.outages.filter((o) => o.outcome === 'undone').length;
  const others = played.retried.length - undone;
  return [
    played.outcome === 'rolled-back' ? 'rolled back' : played.outcome,
    ...(undone > 0 ? [`the outage undid itself ${undone === 1 ? 'once' : `${undone} times`} and was tried again`] : []),
    ...(others > 0 ? [`a step was tried again ${others === 1 ? 'once' : `${others} times`}`] : []),
    ...(played.forced.length > 0 ? [`${[...new Set(played.forced)].join(', ')} had to be killed to stop`] : []),
  ].join(', ');
}

export function line(r: Result): string {
  const mark = { passed: '✔', failed: '✘', unknown: '?' }[r.verdict];
  if (r.played === null) return `${mark} ${rowName(r)}: ${ended(r)}`;
  const { played } = r;
  return [
    `${mark} ${rowName(r)}: ${played.struck}, outage of ${r.set}: lost/duplicated/reordered ${numbers(played.tally)} of ${played.tally.acknowledged} orders (the fault alone: ${r.control === null ? 'not tried' : numbers(r.control)}), longest write outage ${seconds(played.tally.writeOutageMs)}; ${ended(r)}; took ${seconds(played.tookMs)}, the migration ${seconds(played.migrationMs)}`,
    ...(r.why === '' ? [] : [`    ${r.why}`]),
    ...played.outages.filter((o) => o.outcome === 'undone').map((o) => `    ${o.name} undone: ${o.why.slice(0, 300)}`),
    ...played.retried.map((q) => `    tried again · ${q.slice(0, 300)}`),
    ...(r.verdict === 'passed' ? [] : [...played.tally.duties.map((d) => `    ${d.group} of ${d.topic}: ${numbers(d)} of ${d.expected}`), ...played.audit.map((a) => `    ${a.slice(0, 300)}`)]),
  ].join('\n');
}

async function kept(): Promise<readonly Kept[]> {
  try {
    return JSON.parse(await readFile(dataFile, 'utf8')) as Kept[];
  } catch (e) {
    if ((e as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw e;
  }
}

/** A row that ran again takes the place of what was known of it. */
export async function write(results: readonly Result[]): Promise<void> {
  const commit = execFileSync('git', ['describe', '--always', '--dirty'], { cwd: docs, encoding: 'utf8' }).trim();
  const machine = `${cpus().length} cores, ${Math.round(totalmem() / 2 ** 30)} GiB, ${process.platform} ${process.arch}, Node ${process.versions.node}`;
  const fresh = results.map((r): Kept => ({ ...r, ...(r.played === null ? {} : { played: { ...r.played, audit: r.verdict === 'passed' ? [] : r.played.audit } }), ranAt: new Date().toISOString(), commit, machine }));
  const names = new Set(fresh.map(rowName));
  const order = new Map(allRows.map((r, i) => [rowName(r), i]));
  const all = [...(await kept()).filter((k) => !names.has(rowName(k))), ...fresh].sort((a, b) => (order.get(rowName(a)) ?? 0) - (order.get(rowName(b)) ?? 0));
  await writeFile(dataFile, `${JSON.stringify(all, null, 1)}\n`);
  await writeFile(join(docs, 'guarantees.md'), page(all));
}

const distinct = (xs: readonly string[]): string => [...new Set(xs)].sort().join('; ');

export function page(all: readonly Kept[]): string {
  const of = new Map(all.map((k) => [rowName(k), k]));
  const count = (verdict: Result['verdict']): number => all.filter((k) => k.verdict === verdict).length;
  return [
    '# What a fault at any step does to the records', '',
    `Written by \`npm run guarantees -- --write\`, last on ${all.map((k) => k.ranAt).sort().at(-1)?.slice(0, 10) ?? 'no day'}. Of ${allRows.length} rows **${all.length} ran: ${count('passed')} as promised, ${count('failed')} not, ${count('unknown')} could not be played to their end**; ${allRows.length - all.length} have not been run.`,
    '',
    `Commit ${distinct(all.map((k) => k.commit))}; ${distinct(all.map((k) => k.machine))}; brokers as the stack pins them, one each, with logins and rights.`, '',
    'A row is one migration of the demo under live traffic (300 orders a second), struck once at the beginning of a step, or up to 150 ms into it, and then operated to its end by somebody who approves holds and answers `retry`. `kill` is SIGKILL, and a start at once; `pause` is ten seconds of SIGSTOP. `back` is the cut back that a rollback asks for after both openings; it then undoes all else.', '',
    '- A cell says lost/duplicated/reordered, then the longest time in which one writer got nothing acknowledged, be it by the cutover or by the fault. `↺`: the outage undid itself and was tried again.',
    '- Lost: acknowledged and not read by a group that had to. Duplicated: read again. Measured by the orders acknowledged, at `billing` and `audit`, and at `billing` again for what the transactional `enricher` made of each of them.',
    '- **Bold**: more than the same fault does to the same applications without a migration (the list below has both), or not where it should be. `–`: the scheme has no such step that way.', '',
    ...schemeNames.flatMap((scheme) => ways.flatMap((way) => matrix(scheme, way, of))),
    '## Every row that ran', '',
    '| row | struck | lost/dup./reord. | the fault alone | write outage | alone | how it ended | repeat it |', '|---|---|---|---|---|---|---|---|',
    ...all.map(detail), '',
  ].join('\n');
}

function matrix(scheme: Row['scheme'], way: Row['way'], of: ReadonlyMap<string, Kept>): readonly string[] {
  const cell = (moment: Row['moment'], fault: Row['fault']): string => {
    if (setsAt(moment, scheme, way).length === 0) return '–';
    const k = of.get(rowName({ scheme, way, moment, fault }));
    if (k === undefined) return 'not run';
    if (k.played === null) return '**unknown**';
    const said = `${numbers(k.played.tally)} · ${seconds(k.played.tally.writeOutageMs)}${k.played.outages.some((o) => o.outcome === 'undone') ? ' ↺' : ''}`;
    return k.verdict === 'passed' ? said : `**${said}**`;
  };
  return [
    `## ${scheme}, ${way}`, '',
    `| at | ${faultNames.join(' | ')} |`, `|---|${faultNames.map(() => '---|').join('')}`,
    ...momentNames.map((m) => `| ${m} | ${faultNames.map((f) => cell(m, f)).join(' | ')} |`), '',
  ];
}

const detail = (k: Kept): string => `| ${[
  rowName(k), k.played === null ? '' : `${k.played.struck}, outage of ${k.set}${k.leadMs === null ? '' : `, ${k.leadMs} ms in`}`,
  k.played === null ? '' : numbers(k.played.tally), k.control === null ? 'not tried' : `${numbers(k.control)}, most of ${k.control.runs}`,
  k.played === null ? '' : seconds(k.played.tally.writeOutageMs), k.control === null ? '' : seconds(k.control.writeOutageMs),
  `${ended(k)}${k.verdict !== 'passed' && k.played !== null ? ` **${k.why}**` : ''}`,
  `\`--scheme ${k.scheme} --way ${k.way} --step '${k.moment}' --fault '${k.fault}' --seed ${k.seed}\``,
].map((x) => x.replaceAll('|', '\\|').replaceAll('\n', ' ')).join(' | ')} |`;
