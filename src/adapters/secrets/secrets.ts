/** Turns references to secrets into their values, and takes those values out of every text that leaves the adapters. */
import { readFile } from 'node:fs/promises';
import { Failure } from '../../domain/failures.ts';
import type { SecretRef } from '../../domain/catalog.ts';

/** Every value resolved in this process; a rotated secret stays known, since an old error may still carry it. */
const known = new Set<string>();
let strip: ((text: string) => string) | null = null;

/**
 * `env:NAME` or `file:/path` (one trailing line break is stripped). Read anew on each call, so that a rotated file counts.
 * Throws `BadCatalog` naming the reference, never the value.
 */
export async function resolveSecret(ref: SecretRef): Promise<string> {
  const value = await read(ref);
  if (value === '') throw new Failure('BadCatalog', `The secret ${describe(ref)} is empty.`, 'Give it a value, then retry.');
  remember(value);
  return value;
}

/** Makes `redact` strip this value from now on; for secrets that reach the process in another way. */
export function remember(secret: string): void {
  if (secret === '' || known.has(secret)) return;
  known.add(secret);
  strip = null;
}

/** Strips every secret this process has resolved. */
export function redact(text: string): string {
  strip ??= redactor([...known]);
  return strip(text);
}

/** Strips these secrets in plain, JSON-escaped, URL-encoded and base64 form (also inside a longer base64 text such as `user:password`). */
export function redactor(secrets: readonly string[]): (text: string) => string {
  const spellings = [...new Set(secrets.flatMap(spellingsOf))].sort((a, b) => b.length - a.length);
  if (spellings.length === 0) return (text) => text;
  const pattern = new RegExp(spellings.map((spelling) => spelling.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')).join('|'), 'g');
  return (text) => text.replace(pattern, '[secret]');
}

async function read(ref: SecretRef): Promise<string> {
  if (ref.startsWith('env:')) {
    const value = process.env[ref.slice(4)];
    if (value === undefined) throw new Failure('BadCatalog', `The secret ${describe(ref)} is not set in the worker's environment.`, 'Set it and restart the worker.');
    return value;
  }
  if (ref.startsWith('file:/')) {
    try {
      return (await readFile(ref.slice('file:'.length), 'utf8')).replace(/\r?\n$/, '');
    } catch (error) {
      const code = error instanceof Error && 'code' in error ? String(error.code) : 'unreadable';
      throw new Failure('BadCatalog', `The secret ${describe(ref)} cannot be read (${code}).`, 'Create the file or grant the worker read access, then retry.');
    }
  }
  throw new Failure('BadCatalog', `The secret reference ${describe(ref)} is neither env:NAME nor file:/path.`);
}

/** Somebody may have written the password where the reference belongs: what does not look like a reference is not repeated. */
const describe = (ref: SecretRef): string => (/^(env:[A-Za-z_][A-Za-z0-9_]*|file:\/.*)$/.test(ref) ? ref : '(text withheld)');

function spellingsOf(secret: string): string[] {
  if (secret === '') return [];
  const url = encodeURIComponent(secret);
  return [secret, JSON.stringify(secret).slice(1, -1), url, url.replaceAll('%20', '+'), ...base64Cores(secret)];
}

/** The characters every base64 text that contains the secret has in common, for each of the three alignments; 4 at least, or they would match by chance. */
function base64Cores(secret: string): string[] {
  const bytes = Buffer.from(secret, 'utf8');
  const cores = [bytes.toString('base64'), bytes.toString('base64').replace(/=+$/, '')];
  for (const before of [0, 1, 2]) {
    const text = Buffer.concat([Buffer.alloc(before), bytes]).toString('base64').replace(/=+$/, '');
    const first = Math.ceil((before * 8) / 6);
    const last = Math.floor(((before + bytes.length) * 8) / 6);
    cores.push(text.slice(first, last));
  }
  const long = cores.filter((core) => core.length >= 4);
  return long.flatMap((core) => [core, core.replaceAll('+', '-').replaceAll('/', '_')]);
}
