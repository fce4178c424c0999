/** Migration files (JSON or YAML), and the workflow a person means by naming a file or an id. */
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { LineCounter, parseDocument, visit, type Document, type YAMLParseError } from 'yaml';
import { workflowIdOf, type Migration } from '../domain/migration.ts';
import { parseMigration } from '../domain/parse-migration.ts';
import { show } from '../domain/shape.ts';
import { isSchemeName, schemes, type SchemeName } from '../workflows/schemes/schemes.ts';
import { Stop } from './io.ts';

export const schemeNames = Object.keys(schemes).sort();

export function schemeNamed(name: string): SchemeName {
  if (isSchemeName(name)) return name;
  throw new Stop(2, `There is no scheme "${name}"; the schemes are ${schemeNames.join(', ')}.`);
}

/** Throws `BadMigration` with every fault, or `Stop` when the file cannot be read as JSON or YAML. */
export async function readMigration(file: string, scheme: SchemeName): Promise<Migration> {
  return parseMigration(await readDocument(file, 'migration file'), scheme);
}

/** JSON or YAML, whatever it holds but nothing. `noun`: what the file is called in a fault. */
export async function readDocument(file: string, noun = 'file'): Promise<unknown> {
  const name = `The ${noun} ${file}`;
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined;
    throw new Stop(2, `${name} cannot be read: ${code === 'ENOENT' ? 'there is no such file' : code === 'EISDIR' ? 'it is a folder' : String(code ?? error)}.`);
  }
  const found = valueIn(text);
  if (typeof found === 'string') throw new Stop(2, `${name} ${found}`);
  if (found.value === null || found.value === undefined) throw new Stop(2, `${name} holds nothing.`);
  return found.value;
}

/** What the text says, or what is wrong with it, as the end of a sentence. The library's own messages may repeat what stands there, and it may be a password. */
function valueIn(text: string): { readonly value: unknown } | string {
  const lines = new LineCounter();
  const at = (offset: number): string => { const { line, col } = lines.linePos(offset); return `line ${line}, column ${col}`; };
  let document: Document | null = null;
  try {
    document = parseDocument(text, { prettyErrors: false, lineCounter: lines });
    const [fault] = document.errors;
    return fault === undefined ? { value: document.toJS({ maxAliasCount: 100 }) as unknown } : faultIn(text, fault, at);
  } catch (error) {
    const loose = document === null ? null : looseAlias(document);
    if (loose !== null) return `refers to *${loose.name} at ${at(loose.offset)}, and no &${loose.name} stands before it.`;
    return error instanceof ReferenceError ? 'holds aliases (*) that multiply beyond what is taken. Write out what they stand for.' : 'cannot be read as JSON or YAML.';
  }
}

function faultIn(text: string, fault: YAMLParseError, at: (offset: number) => string): string {
  const [offset] = fault.pos;
  if (fault.code === 'DUPLICATE_KEY') return `has the key ${show(keyAt(text.slice(offset)))} twice in one object, the second time at ${at(offset)}. Keep one of them.`;
  if (fault.code === 'MULTIPLE_DOCS') return `holds more than one document: another begins at ${at(offset)}. Give each a file of its own.`;
  if (fault.code === 'RESOURCE_EXHAUSTION') return 'is nested too deeply.';
  return `is neither JSON nor YAML: ${at(offset)}: ${fault.code.toLowerCase().replaceAll('_', ' ')}.`;
}
/** The key with which the text begins. */
const keyAt = (text: string): string => {
  const [, double, single, bare] = /^(?:"([^"\n]*)"|'([^'\n]*)'|([^\n]*?)\s*:(?:\s|$))/.exec(text) ?? [];
  return double ?? single ?? bare ?? '';
};

/** The first alias to which there is nothing. */
function looseAlias(document: Document): { readonly name: string; readonly offset: number } | null {
  let found: { readonly name: string; readonly offset: number } | null = null;
  visit(document, {
    Alias(_key, alias) {
      if (alias.resolve(document) !== undefined) return undefined;
      found = { name: alias.source, offset: alias.range?.[0] ?? 0 };
      return visit.BREAK;
    },
  });
  return found;
}

const idForm = /^cutover\/[^/]+\/[^/]+\/[^/]+$/;
/** A workflow id as it stands, or the id that the migration in a file has. */
export async function workflowIdFor(idOrFile: string): Promise<string> {
  if (idForm.test(idOrFile) && !existsSync(idOrFile)) return idOrFile;
  if (!existsSync(idOrFile)) throw new Stop(2, `"${idOrFile}" is neither a workflow id (cutover/<source>/<target>/<name>) nor a migration file.`);
  const document = await readDocument(idOrFile, 'migration file');
  const given: Readonly<Record<string, unknown>> = document !== null && typeof document === 'object' ? { ...document } : {};
  const { source, target, name } = given;
  if (typeof source === 'string' && typeof target === 'string' && typeof name === 'string') return workflowIdOf({ source, target, name });
  throw new Stop(2, `${idOrFile} is no migration file: it lacks "name", "source" or "target".`);
}
