/** Catalog files as they are found on disk. */
import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'node:test';
import { fileURLToPath } from 'node:url';
import { loadCatalog } from '../../../src/adapters/catalog/load.ts';

async function file(t: test.TestContext, text: string): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'cutover-catalog-'));
  t.after(() => rm(folder, { recursive: true }));
  const path = join(folder, 'catalog.yaml');
  await writeFile(path, text);
  return path;
}

test('catalog file: the example is read', async () => {
  const catalog = await loadCatalog(fileURLToPath(new URL('../../../examples/catalog.yaml', import.meta.url)));
  assert.deepEqual(Object.keys(catalog.clusters), ['east', 'west']);
  assert.equal(catalog.clusters['east']?.sasl?.password, 'env:EAST_PASSWORD');
  assert.deepEqual(Object.values(catalog.fleets).map((f) => f.kind), ['command', 'webhook', 'manual', 'webhook', 'webhook', 'webhook', 'webhook']);
});
test('catalog file: one that is not there', async () => {
  await assert.rejects(loadCatalog('/nowhere/catalog.yaml'), { name: 'BadCatalog', message: 'The catalog /nowhere/catalog.yaml cannot be read: there is no such file. Name a readable file (--catalog), then start again.' });
});
test('catalog file: broken YAML is told by line, without its text', async (t) => {
  const path = await file(t, 'clusters:\n  east:\n    password: "hunter2\n  east: {}\nclusters: 1\n');
  await assert.rejects(loadCatalog(path), (error: Error) => {
    assert.match(error.message, /^The catalog .* is not valid YAML:\n- line \d+, column \d+: [a-z ]+\.\n/);
    assert.doesNotMatch(error.message, /hunter2/);
    return error.name === 'BadCatalog';
  });
});
test('catalog file: a key twice is a fault, not a silent choice', async (t) => {
  const path = await file(t, 'clusters:\n  east: {}\n  east: {}\n');
  await assert.rejects(loadCatalog(path), { message: `The catalog ${path} is not valid YAML:\n- line 3, column 3: duplicate key.\nCorrect the worker's catalog and restart the worker.` });
});
test('catalog file: aliases that explode', async (t) => {
  const rows = Array.from({ length: 9 }, (_, i) => `l${i + 1}: &l${i + 1} [${Array.from({ length: 9 }, () => (i === 0 ? 'x' : `*l${i}`)).join(', ')}]`);
  const path = await file(t, `${rows.join('\n')}\n`);
  await assert.rejects(loadCatalog(path), { message: /repeats itself too often through YAML aliases/ });
});
test('catalog file: faults inside name the file', async (t) => {
  const path = await file(t, 'clusters:\n');
  await assert.rejects(loadCatalog(path), { message: `The catalog ${path} has a fault:\n- clusters: holds none; a migration needs two, its source and its target.\nCorrect the worker's catalog and restart the worker.` });
});
