/** The README: what it shows is what is there. Its examples are the files, its shell runs, its commands and options exist. */
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { spawn } from 'node:child_process';
import { text } from 'node:stream/consumers';
import { once } from 'node:events';
import { join } from 'node:path';
import test from 'node:test';
import { parse } from 'yaml';
import { parseDecision } from '../src/domain/decisions.ts';
import { parseCatalog } from '../src/domain/parse-catalog.ts';
import { parseMigration } from '../src/domain/parse-migration.ts';
import { workflowIdOf } from '../src/domain/migration.ts';
import { signals } from '../src/workflows/messages.ts';
import { schemes } from '../src/workflows/schemes/schemes.ts';
import { cutover } from './cli/terminal.ts';

const root = join(import.meta.dirname, '..');
const fileAt = (name: string): string => readFileSync(join(root, name), 'utf8');
const readme = fileAt('README.md');
const blocks = (language: string): readonly string[] => [...readme.matchAll(new RegExp(`^\`\`\`${language}\\n(.*?)^\`\`\`$`, 'gms'))].map((m) => m[1] ?? '');
const lines = (language: string): readonly string[] => blocks(language).flatMap((b) => b.replaceAll('\\\n', ' ').split('\n')).map((l) => l.trim()).filter((l) => l !== '');

async function run(program: string, args: readonly string[]): Promise<{ readonly code: number | null; readonly out: string }> {
  const child = spawn(program, args, { cwd: root, stdio: ['ignore', 'pipe', 'pipe'] });
  const [out, err, [code]] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'exit') as Promise<[number | null]>]);
  return { code, out: out + err };
}

test('the catalog in the README is examples/catalog.yaml and a good one', () => {
  assert.deepEqual(blocks('yaml'), [fileAt('examples/catalog.yaml')]);
  parseCatalog(parse(blocks('yaml')[0] ?? ''));
});

for (const scheme of Object.keys(schemes))
  test(`the migration in the README is examples/migration.json, good for ${scheme}, and uses the catalog's names`, () => {
    assert.deepEqual(blocks('json'), [fileAt('examples/migration.json')]);
    const migration = parseMigration(JSON.parse(blocks('json')[0] ?? ''), scheme);
    const catalog = parseCatalog(parse(blocks('yaml')[0] ?? ''));
    assert.equal(workflowIdOf(migration), 'cutover/east/west/shop');
    assert.ok([migration.source, migration.target].every((c) => Object.hasOwn(catalog.clusters, c)));
    assert.ok(migration.connect !== null && Object.hasOwn(catalog.connects, migration.connect));
    assert.deepEqual(migration.applications.filter((a) => !Object.hasOwn(catalog.fleets, a.fleet)), []);
  });

test('every shell example that needs no cluster runs', async (t) => {
  assert.ok(lines('sh').length > 0);
  for (const line of lines('sh'))
    await t.test(line, async () => {
      const { code, out } = await run('sh', ['-c', line]);
      assert.equal(code, 0, out);
    });
});

test('every cutover command in the README exists, with its options', async () => {
  const commands = lines('text').filter((l) => l.startsWith('npm run -s cutover -- ')).map((l) => l.slice('npm run -s cutover -- '.length).split(' '));
  assert.ok(commands.length >= 6);
  for (const [name = '', ...rest] of commands) {
    const { code, out } = await cutover([name, '--help']);
    assert.equal(code, 0);
    for (const option of rest.filter((w) => w.startsWith('--'))) assert.match(out, new RegExp(`${option}\\b`), `${name} ${option}`);
  }
});

test('every decision in the README is one the workflow takes', () => {
  const sent = lines('text').flatMap((l) => {
    const m = /--name (\w+)\s+--input '(.+)'/.exec(l);
    return m ? [{ name: m[1] ?? '', input: JSON.parse(m[2] ?? '') as unknown }] : [];
  });
  assert.ok(sent.length >= 4);
  for (const { name, input } of sent) {
    const kind = Object.keys(signals).find((k) => k === name) as keyof typeof signals | undefined;
    if (kind === undefined) assert.equal(name, 'decide');
    const taken = parseDecision(kind ?? null, input);
    assert.ok(typeof taken !== 'string', `${name}: ${JSON.stringify(taken)}`);
  }
});

test('every option of npm start is in the README, and none that is not there', async () => {
  const { code, out } = await run(process.execPath, [join(root, 'demo', 'main.ts'), '--help']);
  assert.equal(code, 0, out);
  const options = new Set([...out.matchAll(/^\s+(--[a-z]+)/gm)].map((m) => m[1]));
  const said = new Set([...readme.matchAll(/^\| `(--[a-z]+)/gm)].map((m) => m[1]));
  assert.ok(options.size > 0);
  assert.deepEqual(said, options);
});

test('every file that the documents link to is there', () => {
  for (const [document, folder] of [['README.md', '.'], ['docs/operating.md', 'docs'], ['docs/fleets.md', 'docs']] as const)
    for (const [, link = ''] of fileAt(document).matchAll(/\]\(([^)#:]+)(?:#[^)]*)?\)/g))
      assert.ok(existsSync(join(root, folder, link)), `${document}: ${link}`);
});
