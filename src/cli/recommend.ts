/** `cutover recommend`: which scheme for which application, and why; asks no cluster. */
import type { Command } from 'commander';
import { parseCircumstances } from '../domain/parse-circumstances.ts';
import { recommend, type Proposal, type Recommendation } from '../domain/recommend.ts';
import { print, type ExitCode, type Io } from './io.ts';
import { readDocument } from './migration-file.ts';
import type { Run } from './program.ts';

export function recommendCommand(program: Command, run: Run): void {
  program.command('recommend').description('propose a scheme and a start for each application, from what it tolerates and what was measured; asks no cluster')
    .argument('<file>', 'migration, JSON or YAML; may also hold "copied", "translation" and "measured"')
    .option('--json', 'one JSON document')
    .action((file: string, options: { readonly json?: boolean }) => run((io) => propose(io, file, options)));
}

/** 1 when nothing can be proposed for all of them together. */
async function propose(io: Io, file: string, options: { readonly json?: boolean }): Promise<ExitCode> {
  const { migration, circumstances } = parseCircumstances(await readDocument(file));
  const found = recommend(migration, circumstances);
  print(io, options.json === true, { json: found, text: recommendationText(found) });
  return found.together.scheme === null ? 1 : 0;
}

export function recommendationText({ applications, together }: Recommendation): string {
  return [
    ...applications.flatMap((a) => [a.application, ...proposalLines(a, a.applications.filter((x) => x !== a.application))]),
    'All in one migration', ...proposalLines(together, []), '',
  ].join('\n');
}

function proposalLines(p: Proposal, partners: readonly string[]): readonly string[] {
  const starts = Object.entries(p.start);
  return [
    `  scheme         ${p.scheme === null ? 'none' : `${p.scheme}${p.kind === '' ? '' : ` ${p.kind}`}`}`,
    `  because        ${p.because}${p.row === null ? '' : `  [${p.row}]`}`,
    ...(partners.length === 0 ? [] : [`  moves with     ${partners.join(', ')}`]),
    ...(starts.length === 0 ? [] : [`  starts         ${starts.map(([group, start]) => `${group} ${start}`).join(', ')}`, `  restarts       ${p.order}`]),
    ...p.forecast.map((line) => `  forecast       ${line}`),
    ...p.rejected.map((r, i) => `  ${i === 0 ? 'rejected' : '        '}       ${r.scheme}: ${r.because}`),
    '',
  ];
}
