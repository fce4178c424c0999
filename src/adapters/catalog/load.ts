/** Loads the worker's catalog from a YAML (or JSON) file. */
import { readFile } from 'node:fs/promises';
import { LineCounter, parseDocument } from 'yaml';
import type { Catalog } from '../../domain/catalog.ts';
import { Failure } from '../../domain/failures.ts';
import { parseCatalog } from '../../domain/parse-catalog.ts';

/** Throws `BadCatalog` with every fault: file not readable, not YAML, or not a catalog. */
export async function loadCatalog(path: string): Promise<Catalog> {
  return parseCatalog(fromYaml(await read(path), path), `The catalog ${path}`);
}

async function read(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    throw new Failure('BadCatalog', `The catalog ${path} cannot be read: ${reasonOf(error)}.`, 'Name a readable file (--catalog), then start again.');
  }
}

const reasons: Readonly<Record<string, string>> = { ENOENT: 'there is no such file', EACCES: 'no permission', EISDIR: 'it is a folder' };
const reasonOf = (error: unknown): string => {
  const code = error instanceof Error && 'code' in error ? String(error.code) : String(error);
  return reasons[code] ?? code;
};

function fromYaml(text: string, path: string): unknown {
  const lines = new LineCounter();
  // Pretty errors quote the faulty line, and that line may hold a credential.
  const document = parseDocument(text, { prettyErrors: false, lineCounter: lines });
  if (document.errors.length > 0) {
    const faults = document.errors.slice(0, 20).map((e) => {
      const { line, col } = lines.linePos(e.pos[0]);
      return `- line ${line}, column ${col}: ${sayOf(e.code)}\n`;
    });
    throw new Failure('BadCatalog', `The catalog ${path} is not valid YAML:\n${faults.join('')}`);
  }
  try {
    return document.toJS({ maxAliasCount: 100 });
  } catch {
    throw new Failure('BadCatalog', `The catalog ${path} repeats itself too often through YAML aliases (&name, *name); at most 100 are taken.`);
  }
}

/** The library's own words may quote the text; its codes do not: `DUPLICATE_KEY` becomes `duplicate key`. */
const sayOf = (code: string): string => `${code.toLowerCase().replaceAll('_', ' ')}.`;
