/** What is printed of a row, and docs/guarantees.md: every row that ran, and how many did not. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { controlFrom, docs, write as writeData, type Data, type KeptRow } from './data.ts';
import { faultNames } from './faults.ts';
import { controlOf, faultsOf, promisedBy, verdictOf, type Control, type Verdict } from './judge.ts';
import { allRows, noFault, noStep, rowName, schemeNames, stepsOf, ways, type Row } from './rows.ts';
import type { Ended, Played } from './series.ts';

const seconds = (ms: number): string => `${(ms / 1_000).toFixed(1)} s`;
const numbers = (t: { readonly lost: number; readonly duplicated: number; readonly reordered: number }): string => `${t.lost}/${t.duplicated}/${t.reordered}`;
const times = (n: number): string => (n === 1 ? 'once' : `${n} times`);

/** When, as seen from the step. */
const strikeAt = ({ leadMs, sinceMs }: Pick<Played, 'leadMs' | 'sinceMs'>): string => {
  if (sinceMs !== undefined) return `${seconds(sinceMs)} before`;
  return leadMs === null ? 'just before' : `${leadMs} ms into`;
};

/** How it went, in a few words. */
export function went({ played, why }: Pick<Ended, 'played' | 'why'>): string {
  if (played === null) return `not known: ${why}`;
  const undone = played.outages.filter((o) => o.outcome === 'undone').length;
  const others = Math.max(0, played.retried.length - undone);
  return [
    ...((played.beside ?? 0) > 0 ? [`beside ${played.beside} other ${played.beside === 1 ? 'migration' : 'migrations'}`] : []),
    ...((played.together ?? 1) > 1 ? [`one of ${played.together} that struck one after the other`] : []),
    ...(undone > 0 ? [`the outage undid itself ${times(undone)} and was tried again`] : []),
    ...(others > 0 ? [`a step was tried again ${times(others)}`] : []),
    ...(played.forced.length > 0 ? [`${[...new Set(played.forced)].join(', ')} had to be killed to stop`] : []),
    ...played.outages.filter((o) => o.addedMs !== null).map((o) => `${o.name} added ${o.addedMs} ms`),
  ].join(', ') || 'went on';
}

/** `ordersPerSecond`: of its migration. */
export function line(e: Ended, data: Pick<Data, 'alone'>, ordersPerSecond: number): string {
  const { row, played } = e;
  if (played === null) return `? ${rowName(row)}: ${went(e)}`;
  const control = controlFrom(data, controlOf(row, played), ordersPerSecond);
  const verdict = verdictOf(row, played, control);
  const mark = { passed: '✔', failed: '✘', open: '·', unknown: '?' }[verdict];
  return [
    `${mark} ${rowName(row)}${played.struck === noFault ? '' : ` (${played.struck}, ${strikeAt(played)} ${played.unit})`}: lost/duplicated/reordered ${numbers(played.tally)} of ${played.tally.acknowledged} orders, longest write outage ${seconds(played.tally.writeOutageMs)}, read outage ${seconds(played.tally.readOutageMs)}; ${went(e)}; took ${seconds(played.tookMs)}`,
    ...faultsOf(played, control, promisedBy(row.scheme)).map((f) => `    ${f}`),
    ...played.tally.examples.map((x) => `    ${x}`),
    ...played.retried.map((q) => `    tried again · ${q.slice(0, 300)}`),
    ...played.outages.filter((o) => o.outcome === 'undone').map((o) => `    ${o.name} undone: ${o.why.slice(0, 300)}`),
  ].join('\n');
}

export async function write(data: Data): Promise<void> {
  await writeData(data);
  await writeFile(join(docs, 'guarantees.md'), page(data));
}

const distinct = (xs: readonly (string | number)[]): string => [...new Set(xs.map(String))].sort().join(', ');
interface Judged extends KeptRow { readonly verdict: Verdict; readonly control: Control | null }
const judged = (data: Data): readonly Judged[] => data.rows.map((k) => {
  const control = k.played && controlFrom(data, controlOf(k, k.played), k.ordersPerSecond);
  return { ...k, control, verdict: verdictOf(k, k.played, control) };
});

export function page(data: Data): string {
  const all = judged(data);
  const of = new Map(all.map((k) => [rowName(k), k]));
  const count = (verdict: Verdict): number => all.filter((k) => k.verdict === verdict).length;
  const days = all.map((k) => k.ranAt.slice(0, 10)).sort();
  const loads = all.map((k) => k.machineLoad).sort((a, b) => a - b);
  return [
    '# What a fault at any step does to the records', '',
    `Written by \`npm run guarantees\`, last on ${days.at(-1) ?? 'no day'}. Of ${allRows.length} rows **${all.length} ran: ${count('passed')} as promised, ${count('failed')} not, ${count('open')} with repeats whose fault alone was not tried often enough to compare, ${count('unknown')} could not be played to their end**; ${allRows.length - all.length} have not been run, and nothing is claimed of them.`, '',
    `| scheme | rows | ran | as promised |`, '|---|---|---|---|',
    ...schemeNames.map((s) => `| ${s} | ${allRows.filter((r) => r.scheme === s).length} | ${all.filter((r) => r.scheme === s).length} | ${all.filter((r) => r.scheme === s && r.verdict === 'passed').length} |`), '',
    `Commits ${distinct(all.map((k) => k.commit))} (a row keeps the hash of all of \`src\` too: commits of a working day may have been joined since); seeds ${distinct(all.map((k) => k.seed))}; ${distinct(all.map((k) => k.machine))}, its load between ${loads[0] ?? 0} and ${loads.at(-1) ?? 0} while the rows ran (other work ran beside them); ${distinct(all.map((k) => k.ordersPerSecond))} orders a second of each migration; brokers as the stack pins them, one each, with logins and rights.`, '',
    'A migration of the demo goes there and back again on one stack, under live traffic, operated by somebody who approves holds and answers `retry`. A row is the stretch from one hold to the next in which the fault struck, once, at the beginning of its step or up to 150 ms into it, or in which the step began while the fault was still there; before the next hold is answered everything is up again and the books of the stretch are closed. Several faults may strike in one stretch, each when the one before was mended: what all of them together did not do none of them did, so a row of several is written down only when nothing was lost or reordered (as far as the scheme promises it), and no more was repeated than the mildest of them repeats without a migration; otherwise each strikes again by itself, as the kill of an application always does that reads again what it had not committed. Its outages are those of its own time. Several migrations of one scheme may go side by side on a stack, each with topics, applications and books of its own; what they share is struck once, at a step of each of them, and applications in each of them at once. `kill` is SIGKILL, and a start at once; `pause` is ten seconds of SIGSTOP. `back` is the cut back of a rollback after all openings.', '',
    '- A cell says lost/duplicated/reordered, then the longest time in which one writer got nothing acknowledged, be it by the cutover or by the fault. `↺`: the outage undid itself and was tried again. `∅`: an application was to be struck, and at three tries none ran at that step. `»`: it had been struck at an earlier step, and was still down when this one began.',
    '- Lost: acknowledged and not read by a group that had to. Duplicated: read again. Measured by the orders acknowledged, at `billing` and `audit`, and at `billing` again for what the transactional `enricher` made of each of them.',
    '- **Bold**: more than the same fault did to the same applications without a migration (the last list has those), or not where it should be. What a scheme does not promise (the order of `dualConsume`, say) is measured and is not bold. Empty: not run. `–`: the scheme has no such step that way.', '',
    ...glance(all),
    '## No fault', '', '| scheme | way | lost/duplicated/reordered | orders | longest write outage | longest read outage | outages |', '|---|---|---|---|---|---|---|',
    ...schemeNames.flatMap((scheme) => ways.map((way) => plainRow(scheme, way, of))), '',
    ...schemeNames.flatMap((scheme) => ways.flatMap((way) => matrix(scheme, way, of))),
    '## Every row that ran', '',
    '| row | struck | lost/dup./reord. | the fault alone | write outage | alone | how it went | when | repeat it |', '|---|---|---|---|---|---|---|---|---|',
    ...all.filter((k) => k.fault !== noFault).map(detail), '',
    '## The faults alone', '', `At ${distinct(data.alone.map((a) => a.ordersPerSecond))} orders a second. What a row is compared with is the most of these, in proportion to its own orders a second where those are fewer.`, '', '| fault | runs | lost/duplicated/reordered of each | longest write outage |', '|---|---|---|---|',
    ...[...Map.groupBy(data.alone, (a) => a.name)].map(([name, runs]) => `| ${name} | ${runs.length} | ${runs.map((r) => numbers(r.tally)).join(', ')} | ${seconds(Math.max(...runs.map((r) => r.tally.writeOutageMs)))} |`), '',
  ].join('\n');
}

/** Per scheme and fault: all rows that ran of it, summed up. */
function glance(all: readonly Judged[]): readonly string[] {
  const cell = (scheme: string, fault: string): string => {
    const rows = all.filter((k) => k.scheme === scheme && k.fault === fault);
    const tallies = rows.flatMap((k) => (k.played ? [k.played.tally] : []));
    if (tallies.length === 0) return rows.length === 0 ? '' : '**unknown**';
    const sum = (of: 'lost' | 'duplicated' | 'reordered'): number => tallies.reduce((n, t) => n + t[of], 0);
    const said = `${sum('lost')}/${sum('duplicated')}/${sum('reordered')}`;
    const longest = seconds(Math.max(...tallies.map((t) => t.writeOutageMs)));
    return `${rows.every((k) => k.verdict === 'passed') ? said : `**${said}**`} in ${rows.length}, ${longest}`;
  };
  return [
    '## At a glance', '', 'Lost/duplicated/reordered in so many rows, summed up, and the longest write outage among them. Bold: a row of them is not as promised, or could not be compared.', '',
    `| fault | ${schemeNames.join(' | ')} |`, `|---|${schemeNames.map(() => '---|').join('')}`,
    ...[noFault, ...faultNames].map((fault) => `| ${fault} | ${schemeNames.map((scheme) => cell(scheme, fault)).join(' | ')} |`), '',
  ];
}

function plainRow(scheme: Row['scheme'], way: Row['way'], of: ReadonlyMap<string, Judged>): string {
  const k = of.get(rowName({ scheme, way, step: noStep, fault: noFault }));
  if (!k?.played) return `| ${scheme} | ${way} | ${k ? '**unknown**' : 'not run'} | | | | |`;
  const { tally, outages } = k.played;
  return `| ${scheme} | ${way} | ${k.verdict === 'passed' ? numbers(tally) : `**${numbers(tally)}**`} | ${tally.acknowledged} | ${seconds(tally.writeOutageMs)} | ${seconds(tally.readOutageMs)} | ${outages.map((o) => `${o.name} ${o.addedMs ?? '–'} ms`).join(', ')} |`;
}

function matrix(scheme: Row['scheme'], way: Row['way'], of: ReadonlyMap<string, Judged>): readonly string[] {
  const cell = (step: string, fault: Row['fault']): string => {
    const k = of.get(rowName({ scheme, way, step, fault }));
    if (k === undefined) return '';
    if (k.played === null) return '**unknown**';
    const said = `${numbers(k.played.tally)} · ${seconds(k.played.tally.writeOutageMs)}${k.played.outages.some((o) => o.outcome === 'undone') ? ' ↺' : ''}${k.played.struck === 'nobody' ? ' ∅' : ''}${k.played.sinceMs === undefined ? '' : ' »'}`;
    return k.verdict === 'passed' ? said : `**${said}**`;
  };
  const steps = stepsOf(scheme, way);
  const ran = steps.flatMap((s) => faultNames.filter((f) => of.has(rowName({ scheme, way, step: s, fault: f })))).length;
  if (steps.length === 0) return [`## ${scheme}, ${way}`, '', 'There is no such way.', ''];
  return [
    `## ${scheme}, ${way}`, '', `${ran} of ${steps.length * faultNames.length} rows ran.`, '',
    ...(ran === 0 ? [] : [`| at | ${faultNames.join(' | ')} |`, `|---|${faultNames.map(() => '---|').join('')}`, ...steps.map((m) => `| ${m} | ${faultNames.map((f) => cell(m, f)).join(' | ')} |`), '']),
  ];
}

const detail = (k: Judged): string => `| ${[
  rowName(k), k.played === null ? '' : `${k.played.struck}, ${strikeAt(k.played)} ${k.played.unit}`,
  k.played === null ? '' : numbers(k.played.tally), k.control === null ? 'not tried' : `${numbers(k.control)}, most of ${k.control.runs}`,
  k.played === null ? '' : seconds(k.played.tally.writeOutageMs), k.control === null ? '' : seconds(k.control.writeOutageMs),
  `${went({ played: k.played, why: k.why })}${k.verdict === 'passed' || k.played === null ? '' : ` **${faultsOf(k.played, k.control, promisedBy(k.scheme)).join('; ')}**`}`, k.ranAt.slice(0, 16).replace('T', ' '),
  `\`--scheme ${k.scheme} --way ${k.way} --step '${k.step}' --fault '${k.fault}' --seed ${k.seed}\``,
].map((x) => x.replaceAll('|', '\\|').replaceAll('\n', ' ').slice(0, 400)).join(' | ')} |`;
