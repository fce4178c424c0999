/** Migration files (JSON or YAML), and the workflow a person means by naming a file or an id. */
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { LineCounter, parseDocument } from 'yaml';
import { workflowIdOf, type Migration } from '../domain/migration.ts';
import { parseMigration } from '../domain/parse-migration.ts';
import { isSchemeName, schemes, type SchemeName } from '../workflows/schemes/schemes.ts';
import { Stop } from './io.ts';

export const schemeNames = Object.keys(schemes).sort();

export function schemeNamed(name: string): SchemeName {
  if (isSchemeName(name)) return name;
  throw new Stop(2, `There is no scheme "${name}"; the schemes are ${schemeNames.join(', ')}.`);
}

/** Throws `BadMigration` with every fault, or `Stop` when the file cannot be read as JSON or YAML. */
export async function readMigration(file: string, scheme: SchemeName): Promise<Migration> {
  return parseMigration(await readDocument(file), scheme);
}

/** JSON or YAML, whatever it holds. */
export async function readDocument(file: string): Promise<unknown> {
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined;
    throw new Stop(2, `The migration file ${file} cannot be read: ${code === 'ENOENT' ? 'there is no such file' : code === 'EISDIR' ? 'it is a folder' : String(code ?? error)}.`);
  }
  const lines = new LineCounter();
  const document = parseDocument(text, { prettyErrors: false, lineCounter: lines });
  const fault = document.errors[0];
  if (!fault) return document.toJS({ maxAliasCount: 100 });
  const { line, col } = lines.linePos(fault.pos[0]);
  throw new Stop(2, `The migration file ${file} is neither JSON nor YAML: line ${line}, column ${col}: ${fault.code.toLowerCase().replaceAll('_', ' ')}.`);
}

const idForm = /^cutover\/[^/]+\/[^/]+\/[^/]+$/;
/** A workflow id as it stands, or the id that the migration in a file has. */
export async function workflowIdFor(idOrFile: string): Promise<string> {
  if (idForm.test(idOrFile) && !existsSync(idOrFile)) return idOrFile;
  if (!existsSync(idOrFile)) throw new Stop(2, `"${idOrFile}" is neither a workflow id (cutover/<source>/<target>/<name>) nor a migration file.`);
  const document = await readDocument(idOrFile);
  const given: Readonly<Record<string, unknown>> = document !== null && typeof document === 'object' ? { ...document } : {};
  const { source, target, name } = given;
  if (typeof source === 'string' && typeof target === 'string' && typeof name === 'string') return workflowIdOf({ source, target, name });
  throw new Stop(2, `${idOrFile} is no migration file: it lacks "name", "source" or "target".`);
}
