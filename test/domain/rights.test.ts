/** The rights of Cutover itself: whatever the code names as missing, and the stack grants, stands in the document, and nothing else does. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import test from 'node:test';

const here = (path: string): URL => new URL(`../../${path}`, import.meta.url);
const read = (path: string): string => readFileSync(here(path), 'utf8');

/** `READ on group g and on its topics, and WRITE on …` → `READ on group`, `READ on topic`, `WRITE on …`. */
function rightsIn(text: string): readonly string[] {
  const [found, operations]: [string[], string[]] = [[], []];
  let said = false;
  const words = /\b(READ|WRITE|CREATE|DELETE|ALTER|DESCRIBE|DESCRIBE_CONFIGS|ALTER_CONFIGS)\b|\b(topic|group|transactional id|cluster)s?\b/g;
  for (const [, operation, kind] of text.replaceAll(/\$\{[^}]*\}/g, '').replaceAll(/`([^`]*)`/g, (_, quoted: string) => (/^[A-Z_]+$/.test(quoted) ? quoted : '')).matchAll(words)) {
    if (operation !== undefined && said) operations.length = 0;
    said = operation === undefined;
    if (operation !== undefined) operations.push(operation);
    else found.push(...operations.map((o) => `${o} on ${kind}`));
  }
  return found;
}
const unique = (all: readonly string[]): readonly string[] => [...new Set(all)].sort();

const rows = read('docs/strangers.md').split('## Rights of Cutover itself')[1]?.split('\n').filter((line) => line.startsWith('| ')) ?? [];
const documented = unique(rows.slice(1).flatMap((row) => rightsIn(row.split(' | ').slice(2).join(' '))));

test('rights: every right that an adapter names when it is missing is documented', () => {
  const sources = readdirSync(here('src/adapters/kafka'), { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.ts'));
  const named = unique(sources.flatMap((name) => [...read(`src/adapters/kafka/${name}`).matchAll(/right: (?:'([^']*)'|`([^`]*)`)/g)].flatMap(([, plain, built]) => rightsIn(plain ?? built ?? ''))));
  assert.ok(named.includes('ALTER_CONFIGS on topic') && named.includes('WRITE on transactional id'), named.join());
  assert.deepEqual(named.filter((right) => !documented.includes(right)), []);
});
test('rights: the stack, on which everything is tried, grants what is documented and nothing besides', () => {
  const granted = unique([...read('stack/access.ts').matchAll(/user: 'cutover', on: '(\w+)', named: '[^']*', may: \[([^\]]*)\]/g)]
    .flatMap(([, on, may]) => (may ?? '').replaceAll(/['\s]/g, '').split(',').map((o) => `${o} on ${(on ?? '').toLowerCase().replace('_', ' ')}`)));
  // Nothing alters a topic but its settings.
  assert.deepEqual(granted.filter((right) => right !== 'ALTER on topic'), documented);
});
